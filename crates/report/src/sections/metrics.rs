//! Metrics with intervals, the model beside the floor, and paired comparisons.

use filbert_eval::Estimate;

use crate::charts::strip::{self, Strips, Whose};
use crate::figures::{DASH, count, figure, finite, interval, p_value, signed, sound};
use crate::html::Html;
use crate::input::{Direction, Metric, Paired, Report, Results};
use crate::verdict::sign;

use super::parts::{Head, LABEL, estimate, lead, notes, number, row_head, table};

/// The most metrics of a split.
const MAX_METRICS: usize = 40;

/// The most comparisons.
const MAX_COMPARISONS: usize = 20;

pub(crate) fn present(report: &Report) -> bool {
    let any = |results: &Option<Results>| results.as_ref().is_some_and(|r| !r.metrics.is_empty());
    any(&report.test) || any(&report.valid) || !report.comparisons.is_empty()
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    lead(
        h,
        "Each dot is a value on the rows measured, each line its 95 % interval: what other rows of the same \
         kind could well have given. The floor is a cheap baseline on the same rows; a model is worth its cost \
         where it stands clear of it.",
    );
    if let Some(test) = &report.test {
        split(h, test, "Test rows, read once after training");
    }
    if !report.comparisons.is_empty() {
        let caption = "Paired comparisons on the same rows. Positive: the model is better.";
        comparisons(h, caption, &report.comparisons);
    }
    if let Some(valid) = &report.valid {
        if report.test.is_some() {
            h.el("details").body(|h| {
                h.el("summary").text("Validation rows, which the epoch and the decisions were chosen on");
                split(h, valid, "Validation rows: chosen on, so somewhat flattering");
            });
        } else {
            split(h, valid, "Validation rows: chosen on, so somewhat flattering");
        }
    }
}

fn split(h: &mut Html, results: &Results, caption: &str) {
    let all = || results.metrics.iter().take(MAX_METRICS);
    let up: Vec<&Metric> = all().filter(|m| m.direction == Direction::Higher).collect();
    let down: Vec<&Metric> = all().filter(|m| m.direction == Direction::Lower).collect();
    let draw_up = |h: &mut Html| {
        if !up.is_empty() {
            higher(h, &up, &format!("{caption}. More is better."));
        }
    };
    let losses_first = results.metrics.first().is_some_and(|m| m.direction == Direction::Lower);
    if !losses_first {
        draw_up(h);
    }
    if !down.is_empty() {
        lower(h, &down, &format!("{caption}. Less is better."));
    }
    if losses_first {
        draw_up(h);
    }
    notes(h, &results.notes);
}

fn has_floor(metrics: &[&Metric]) -> bool {
    metrics.iter().any(|m| sound(m.floor).is_some())
}

fn has_seeds(metrics: &[&Metric]) -> bool {
    metrics.iter().any(|m| m.seeds.is_some())
}

fn higher(h: &mut Html, metrics: &[&Metric], caption: &str) {
    let (floor, seeds) = (has_floor(metrics), has_seeds(metrics));
    let estimates: Vec<Estimate> =
        metrics.iter().flat_map(|m| [sound(m.model), sound(m.floor)]).flatten().collect();
    let strips = Strips::over(&estimates, (0.0, 1.0));
    strip::key(h, floor);
    let axis = |h: &mut Html| {
        if let Some(strips) = &strips {
            strips.axis(h);
        }
    };
    let mut heads = vec![Head::Text("metric"), Head::Number("model")];
    if floor {
        heads.push(Head::Number("floor"));
    }
    heads.push(Head::Drawing("drawn", &axis));
    if seeds {
        heads.push(Head::Number("over seeds"));
    }
    table(h, caption, &heads, |h| {
        for metric in metrics {
            h.el("tr").body(|h| {
                row_head(h, &metric.name);
                estimate(h, metric.model);
                if floor {
                    estimate(h, metric.floor);
                }
                h.el("td").class("drawing").body(|h| {
                    let marks: Vec<_> =
                        [(Whose::Model, sound(metric.model)), (Whose::Floor, sound(metric.floor))]
                            .into_iter()
                            .filter_map(|(whose, estimate)| Some((whose, estimate?)))
                            .collect();
                    if let Some(strips) = &strips {
                        strips.draw(h, &marks, None);
                    }
                });
                if seeds {
                    over_seeds(h, metric);
                }
            });
        }
    });
}

fn over_seeds(h: &mut Html, metric: &Metric) {
    let told = metric
        .seeds
        .as_ref()
        .map(|s| format!("{} ± {} ({})", figure(s.mean), figure(s.deviation), count(s.values.len() as u64)));
    number(h, told.as_deref().unwrap_or(DASH));
}

fn lower(h: &mut Html, metrics: &[&Metric], caption: &str) {
    let (floor, seeds) = (has_floor(metrics), has_seeds(metrics));
    let mut heads = vec![Head::Text("metric"), Head::Number("model")];
    if floor {
        heads.extend([Head::Number("floor"), Head::Number("change")]);
    }
    if seeds {
        heads.push(Head::Number("over seeds"));
    }
    table(h, caption, &heads, |h| {
        for metric in metrics {
            h.el("tr").body(|h| {
                row_head(h, &metric.name);
                estimate(h, metric.model);
                if floor {
                    estimate(h, metric.floor);
                    number(h, &change(metric));
                }
                if seeds {
                    over_seeds(h, metric);
                }
            });
        }
    });
}

/// The change from floor to model in percent.
fn change(metric: &Metric) -> String {
    let of = |e| sound(e).map(|e| e.value);
    match (of(metric.model), of(metric.floor)) {
        (Some(model), Some(floor)) if floor > 0.0 => {
            finite((model - floor) / floor * 100.0).filter(|c| c.abs() < 1e5).map_or(DASH.to_owned(), |c| {
                if c < 0.0 { format!("−{:.0} %", -c) } else { format!("+{c:.0} %") }
            })
        }
        _ => DASH.to_owned(),
    }
}

/// A table of comparisons on the same rows.
pub(crate) fn comparisons(h: &mut Html, caption: &str, comparisons: &[Paired]) {
    let shown = &comparisons[..comparisons.len().min(MAX_COMPARISONS)];
    let heads = [
        Head::Text("compared with"),
        Head::Text("metric"),
        Head::Number("difference"),
        Head::Text("verdict"),
    ];
    table(h, caption, &heads, |h| {
        for paired in shown {
            h.el("tr").body(|h| {
                row_head(h, &paired.baseline);
                h.el("td").data(&paired.metric, LABEL);
                difference(h, paired.difference);
                h.el("td").body(|h| verdict(h, paired));
            });
            for (metric, value) in paired.more.iter().take(8) {
                h.el("tr").body(|h| {
                    row_head(h, &paired.baseline);
                    h.el("td").data(metric, LABEL);
                    difference(h, Some(*value));
                    let only = Paired { difference: Some(*value), ..Paired::default() };
                    h.el("td").body(|h| verdict(h, &only));
                });
            }
        }
    });
    for paired in shown {
        notes(h, &paired.notes);
    }
    super::parts::more(h, comparisons.len(), shown.len());
}

fn difference(h: &mut Html, value: Option<Estimate>) {
    h.el("td").class("n").body(|h| {
        let Some(value) = sound(value) else { return h.text(DASH) };
        h.el("span").class("v").text(&signed(value.value));
        if let Some(ends) = interval(&value, signed) {
            h.text(" ");
            h.el("span").class("i").text(&ends);
        }
    });
}

fn verdict(h: &mut Html, paired: &Paired) {
    h.text(match sign(paired) {
        Some(sign) if sign > 0.0 => "better",
        Some(_) => "worse",
        None => "no difference shown",
    });
    if let Some(p) = paired.p {
        h.text(", ");
        h.data(&paired.test, 40);
        h.text(&format!(" p {}", p_value(p)));
    }
}
