//! Probabilities: the reliability diagram, the spread of scores, and the decisions made from them.

use crate::charts::{figure, histogram, reliability};
use crate::figures::{DASH, count, figure as shown, finite, percent};
use crate::html::Html;
use crate::input::{Calibration, Decision, Report, Scores};

use super::operating::threshold;
use super::parts::{Head, LABEL, cell, lead, more, notes, number, row_head, table};

/// The most thresholds shown at once, and in all.
const THRESHOLDS: usize = 12;
const MAX_THRESHOLDS: usize = 200;

fn bins(report: &Report) -> Option<&Calibration> {
    report.calibration.as_ref().filter(|c| !c.before.is_empty() || !c.after.is_empty())
}

fn scores(report: &Report) -> Option<&Scores> {
    report.scores.as_ref().filter(|s| s.positives.iter().chain(&s.negatives).any(|&n| n > 0))
}

pub(crate) fn present(report: &Report) -> bool {
    bins(report).is_some() || scores(report).is_some() || report.decision.is_some()
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    lead(h, "Whether a probability of 0.9 is right nine times in ten, and what is answered from it.");
    if bins(report).is_some() || scores(report).is_some() {
        charts(h, report);
    }
    if let Some(decision) = &report.decision {
        draw_decision(h, decision);
    }
}

fn charts(h: &mut Html, report: &Report) {
    h.el("div").class("charts").body(|h| {
        if let Some(calibration) = bins(report) {
            let reading = reading(calibration);
            figure(h, "Reliability.", &reading, |h| reliability::draw(h, calibration));
        }
        if let Some(scores) = scores(report) {
            figure(
                h,
                "Scores by true class.",
                "Bars on the other side of the threshold are mistakes. The axis is of square roots, so that few \
                 rows can be seen beside many.",
                |h| histogram::scores(h, scores),
            );
        }
    });
}

fn reading(calibration: &Calibration) -> String {
    let ece = |value: Option<f64>| value.and_then(finite).map(shown);
    let error = match (ece(calibration.ece_before), ece(calibration.ece_after)) {
        (Some(before), Some(after)) => format!("{before} before, {after} after the temperature"),
        (Some(only), None) | (None, Some(only)) => only,
        (None, None) => DASH.to_owned(),
    };
    format!(
        "Dots on the diagonal mean that stated probabilities hold; below it, the model is too sure. Expected \
         calibration error {error} (biased upwards: 0 is not to be had from few rows)."
    )
}

fn draw_decision(h: &mut Html, decision: &Decision) {
    h.el("h3").text("Chosen on the validation rows");
    let mut told = Vec::new();
    if let Some(t) = decision.temperature.and_then(finite) {
        let effect = if t > 1.0 { "softens" } else { "sharpens" };
        told.push(format!("A temperature of {} {effect} all probabilities.", shown(t)));
    }
    if let Some((low, high)) = decision.unsure {
        let part = decision.unsure_share.map(|part| format!(": {} of the test rows", percent(part)));
        let (low, high) = (threshold(low), threshold(high));
        told.push(format!("Between {low} and {high} the answer is “unsure”{}.", part.unwrap_or_default()));
    }
    if let Some(rows) = decision.rows {
        told.push(format!("{} rows decided; test rows were not looked at.", count(rows)));
    }
    lead(h, &told.join(" "));
    if !decision.thresholds.is_empty() {
        thresholds(h, decision, 0, THRESHOLDS);
        let all = decision.thresholds.len();
        if all > THRESHOLDS {
            h.el("details").body(|h| {
                h.el("summary").text(&format!("The other {}", count((all - THRESHOLDS) as u64)));
                thresholds(h, decision, THRESHOLDS, MAX_THRESHOLDS - THRESHOLDS);
                more(h, all, MAX_THRESHOLDS);
            });
        }
    }
    notes(h, &decision.notes);
}

fn thresholds(h: &mut Html, decision: &Decision, first: usize, most: usize) {
    let heads = [Head::Text("label"), Head::Number("threshold"), Head::Text("chosen for")];
    table(h, "A label is answered from this probability on.", &heads, |h| {
        for t in decision.thresholds.iter().skip(first).take(most) {
            h.el("tr").body(|h| {
                row_head(h, &t.label);
                number(h, &threshold(t.threshold));
                cell(h, &t.target.chars().take(LABEL * 2).collect::<String>());
            });
        }
    });
}
