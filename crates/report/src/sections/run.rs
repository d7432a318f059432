//! Time and memory, what was trained on what, how to repeat it, and the notes.

use crate::charts::strip::bar;
use crate::figures::{bytes, count, seconds};
use crate::html::Html;
use crate::input::{Fact, Report, Stage};

use super::parts::{Head, facts, lead, more, notes, number, row_head, table};

/// The most stages shown.
const MAX_STAGES: usize = 24;

/// The most groups of facts.
const MAX_GROUPS: usize = 24;

/// The most characters of a command line.
const COMMAND: usize = 2000;

pub(crate) fn cost_present(report: &Report) -> bool {
    let cost = &report.cost;
    !cost.stages.is_empty() || !cost_facts(report).is_empty()
}

fn cost_facts(report: &Report) -> Vec<Fact> {
    let cost = &report.cost;
    let mut all = Vec::new();
    let mut add = |name: &str, value: Option<String>| all.extend(value.map(|value| Fact::new(name, value)));
    add("whole run", cost.total_seconds.map(seconds));
    let speed = cost.rows_per_second.filter(|r| r.is_finite() && *r >= 0.0);
    add("training rows per second", speed.map(|r| count(r.round() as u64)));
    add("peak memory", cost.peak_bytes.map(bytes));
    add("saved model", cost.model_bytes.map(bytes));
    all.extend(cost.facts.iter().cloned());
    all
}

pub(crate) fn draw_cost(h: &mut Html, report: &Report) {
    facts(h, &cost_facts(report));
    stages(h, &report.cost.stages);
}

fn stages(h: &mut Html, stages: &[Stage]) {
    if stages.is_empty() {
        return;
    }
    let shown = &stages[..stages.len().min(MAX_STAGES)];
    let of = |stage: &Stage| crate::figures::finite(stage.seconds).unwrap_or(0.0).max(0.0);
    let most = shown.iter().map(of).fold(1e-9, f64::max);
    let heads = [Head::Text("stage"), Head::Number("time"), Head::Drawing("time drawn", &|_| {})];
    table(h, "What took how long.", &heads, |h| {
        for stage in shown {
            h.el("tr").body(|h| {
                row_head(h, &stage.name);
                number(h, &seconds(stage.seconds));
                h.el("td").class("drawing").body(|h| bar(h, of(stage) / most));
            });
        }
    });
    more(h, stages.len(), MAX_STAGES);
}

pub(crate) fn facts_present(report: &Report) -> bool {
    !report.facts.is_empty() || !report.environment.is_empty() || !report.command.is_empty()
}

pub(crate) fn draw_facts(h: &mut Html, report: &Report) {
    if !report.command.is_empty() {
        lead(
            h,
            "With the same files, versions and kind of processor this gives the same figures, to the bit.",
        );
        h.el("pre").body(|h| h.el("code").body(|h| command(h, &report.command)));
    }
    h.el("div").class("groups").body(|h| {
        for group in report.facts.iter().take(MAX_GROUPS).filter(|group| !group.facts.is_empty()) {
            h.el("div").body(|h| {
                h.el("h3").data(&group.title, 80);
                facts(h, &group.facts);
            });
        }
        if !report.environment.is_empty() {
            h.el("div").body(|h| {
                h.el("h3").text("Environment");
                facts(h, &report.environment);
            });
        }
    });
    more(h, report.facts.len(), MAX_GROUPS);
}

/// A command line that breaks between its words only.
fn command(h: &mut Html, line: &str) {
    let cut: String = line.chars().take(COMMAND).collect();
    for word in cut.split(' ').filter(|word| !word.is_empty()) {
        h.el("span").data(word, COMMAND);
        h.text(" ");
    }
    if cut.len() < line.len() {
        h.text("…");
    }
}

pub(crate) fn notes_present(report: &Report) -> bool {
    !report.notes.is_empty()
}

pub(crate) fn draw_notes(h: &mut Html, report: &Report) {
    lead(h, "What the run said while it went.");
    notes(h, &report.notes);
}
