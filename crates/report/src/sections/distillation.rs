//! What a teacher was worth: the teacher, its student, and the same student without it, on the same rows.

use crate::charts::strip::{Strips, Whose};
use crate::figures::{DASH, Unit, count, counted, figure, finite, megabytes, p_value, sound};
use crate::html::Html;
use crate::input::{Direction, Distillation, Learner, Metric, Paired, Report, Seeds};
use crate::verdict::{Level, sign};

use super::metrics::comparisons;
use super::parts::{Head, LABEL, brief, lead, notes, number, table, value};

/// The most metrics that have columns.
const MAX_METRICS: usize = 4;

/// The most metrics of a network that are looked at.
const MAX_SEEN: usize = 20;

/// The most characters of what a network is.
const HOW: usize = 160;

pub(crate) fn present(report: &Report) -> bool {
    report.distillation.is_some()
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let Some(distillation) = &report.distillation else { return };
    let said = said(distillation);
    let (class, mark) = match said.level {
        Level::Good => ("verdict good", "✓"),
        Level::Note => ("verdict unclear", "≈"),
        Level::Warning => ("verdict bad", "✗"),
    };
    h.el("div").class(class).body(|h| {
        h.el("p").class("words").body(|h| {
            h.el("span").class("sign").at("aria-hidden", "true").text(mark);
            h.text(" ");
            h.data(&said.sentence, 400);
        });
    });
    let more: Vec<String> =
        [against_teacher(distillation), over_seeds(distillation)].into_iter().flatten().collect();
    if !more.is_empty() {
        lead(h, &more.join(" "));
    }
    lead(
        h,
        "The student learns from the teacher's answers as well as from the labels. The control is the same student \
         with the labels alone: only what the student has beyond it is the teacher's doing.",
    );
    networks(h, distillation);
    if !distillation.against_control.is_empty() {
        let caption =
            "The student compared with the control on the same rows. Positive: the student is better.";
        comparisons(h, caption, &distillation.against_control);
    }
    if !distillation.against_teacher.is_empty() {
        let caption =
            "The student compared with the teacher on the same rows. Positive: the student is better.";
        comparisons(h, caption, &distillation.against_teacher);
    }
    notes(h, &distillation.notes);
}

/// A verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whether it is welcome.
    pub(crate) level: Level,
    /// In a sentence.
    pub(crate) sentence: String,
}

/// Whether the teacher helped.
pub(crate) fn said(distillation: &Distillation) -> Said {
    let Some(paired) = distillation.against_control.iter().find(|paired| sound(paired.difference).is_some())
    else {
        let sentence = "The student was not compared with the same student without the teacher, so nothing here \
                        says that the teacher helped.";
        return Said { level: Level::Note, sentence: sentence.to_owned() };
    };
    let told = told(distillation, paired);
    let (level, sentence) = match sign(paired) {
        Some(sign) if sign > 0.0 => {
            (Level::Good, format!("The teacher helps: against the same student without it, {told}."))
        }
        Some(_) => {
            (Level::Warning, format!("The teacher harms: against the same student without it, {told}."))
        }
        None => (
            Level::Note,
            format!("The teacher is not shown to help: against the same student without it, {told}."),
        ),
    };
    Said { level, sentence }
}

/// "+1.2 points [0.3, 2.1] in accuracy, McNemar p = 0.01".
fn told(distillation: &Distillation, paired: &Paired) -> String {
    let metric = |learner: &Learner| {
        find(learner, &paired.metric).map_or((Direction::Higher, None), |m| (m.direction, m.model))
    };
    let (direction, value) = metric(&distillation.student);
    let unit = Unit::of(direction, &[sound(value), sound(metric(&distillation.teacher).1)]);
    let difference =
        sound(paired.difference).map_or(DASH.to_owned(), |difference| unit.difference(&difference));
    let test = paired.p.map(|p| format!(", {} p {}", brief(&paired.test), p_value(p)));
    format!("{difference} in {}{}", brief(&paired.metric), test.unwrap_or_default())
}

fn against_teacher(distillation: &Distillation) -> Option<String> {
    let paired = distillation.against_teacher.iter().find(|paired| sound(paired.difference).is_some())?;
    let stands = match sign(paired) {
        Some(sign) if sign > 0.0 => "is better than its teacher",
        Some(_) => "loses against its teacher",
        None => "is not told apart from its teacher",
    };
    Some(format!("The student {stands}: {}.", told(distillation, paired)))
}

fn find<'a>(learner: &'a Learner, name: &str) -> Option<&'a Metric> {
    learner.metrics.iter().take(MAX_SEEN).find(|metric| metric.name == name)
}

/// A metric over several seeds: of one alone, a deviation means nothing.
fn seeds(metric: &Metric) -> Option<&Seeds> {
    metric
        .seeds
        .as_ref()
        .filter(|s| s.values.len() > 1 && finite(s.mean).is_some() && finite(s.deviation).is_some())
}

/// What several seeds say of the first metric, where the paired comparison is of one seed only.
fn over_seeds(distillation: &Distillation) -> Option<String> {
    let metric = distillation.student.metrics.first()?;
    let student = seeds(metric)?;
    let control = seeds(find(distillation.control.as_ref()?, &metric.name)?)?;
    let gain = student.mean - control.mean;
    let drowned = gain.abs() <= student.deviation.max(control.deviation);
    let than = if drowned { " Seeds alone move it as much as the teacher does." } else { "" };
    Some(format!(
        "Over {}, {} is {} ± {} with the teacher and {} ± {} without it.{than}",
        counted(student.values.len() as u64, "seed", "seeds"),
        brief(&metric.name),
        figure(student.mean),
        figure(student.deviation),
        figure(control.mean),
        figure(control.deviation),
    ))
}

fn networks(h: &mut Html, distillation: &Distillation) {
    let all: Vec<(&str, &Learner)> = [
        Some(("teacher", &distillation.teacher)),
        Some(("student", &distillation.student)),
        distillation.control.as_ref().map(|control| ("control", control)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut names: Vec<&str> = Vec::new();
    for metric in all.iter().flat_map(|(_, learner)| learner.metrics.iter().take(MAX_METRICS)) {
        if names.len() < MAX_METRICS && !names.contains(&metric.name.as_str()) {
            names.push(&metric.name);
        }
    }
    let first = |learner: &Learner| find(learner, names.first()?).and_then(|metric| sound(metric.model));
    let drawn: Vec<_> = all.iter().filter_map(|(_, learner)| first(learner)).collect();
    let strips = Strips::over(&drawn, (0.0, 1.0));
    let axis = |h: &mut Html| strips.iter().for_each(|strips| strips.axis(h));
    let mut heads = vec![Head::Text("network"), Head::Number("size")];
    for (i, name) in names.iter().enumerate() {
        heads.push(Head::Number(name));
        if i == 0 {
            heads.push(Head::Drawing("drawn", &axis));
        }
    }
    let split = brief(if distillation.split.is_empty() { "same" } else { &distillation.split });
    let rows = if distillation.rows > 0 { format!("{} ", count(distillation.rows)) } else { String::new() };
    let caption = format!("On the {rows}{split} rows; the dotted line is the teacher.");
    let reference = first(&distillation.teacher).map(|value| value.value);
    h.el("div").class("stacked").body(|h| {
        table(h, &caption, &heads, |h| {
            for (role, learner) in &all {
                h.el("tr").body(|h| {
                    head(h, role, learner);
                    number(h, &learner.size_bytes.map_or(DASH.to_owned(), megabytes));
                    for (i, name) in names.iter().enumerate() {
                        cell(h, find(learner, name));
                        if i == 0 {
                            h.el("td").class("drawing").body(|h| {
                                if let (Some(strips), Some(value)) = (&strips, first(learner)) {
                                    strips.draw(h, &[(Whose::Model, value)], reference);
                                }
                            });
                        }
                    }
                });
            }
        });
    });
}

fn head(h: &mut Html, role: &str, learner: &Learner) {
    h.el("th").at("scope", "row").body(|h| {
        h.text(role);
        if !learner.name.is_empty() {
            h.text(": ");
            h.data(&learner.name, LABEL);
        }
        if !learner.how.is_empty() {
            h.el("span").class("how").data(&learner.how, HOW);
        }
    });
}

/// A metric of one network, and over seeds.
fn cell(h: &mut Html, metric: Option<&Metric>) {
    h.el("td").class("n").body(|h| {
        value(h, metric.and_then(|metric| metric.model));
        if let Some(over) = metric.and_then(seeds) {
            let (mean, deviation) = (figure(over.mean), figure(over.deviation));
            let n = counted(over.values.len() as u64, "seed", "seeds");
            h.text(" ");
            h.el("span").class("i").text(&format!("{mean} ± {deviation}, {n}"));
        }
    });
}
