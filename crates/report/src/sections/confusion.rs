//! Which classes are taken for which: a heat-map of few, the most confused pairs of many.

use filbert_eval::Confusion;

use crate::charts::strip::bar;
use crate::figures::{count, share};
use crate::html::Html;
use crate::input::Report;
use crate::verdict::main_results;

use super::parts::{Head, LABEL, lead, number, table};

/// Up to this many classes are shown as a matrix.
const MAX_MATRIX: usize = 20;

/// The most pairs shown.
const MAX_PAIRS: usize = 20;

/// Steps of the heat-map's colour.
const SHADES: f64 = 10.0;

/// From this many classes on, their names stand upright above the columns.
const UPRIGHT: usize = 5;

fn of(report: &Report) -> Option<&Confusion> {
    main_results(report)?.0.confusion.as_ref().filter(|confusion| !confusion.labels.is_empty())
}

pub(crate) fn present(report: &Report) -> bool {
    of(report).is_some()
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let Some(confusion) = of(report) else { return };
    if confusion.labels.len() <= MAX_MATRIX {
        lead(
            h,
            "A line is a true class, a column what the model called it. Right answers lie on the diagonal; \
             percentages are of the line, and so is the shade.",
        );
        matrix(h, confusion);
    } else {
        lead(h, "The mistakes that are made most often, by rows. Percentages are of the true class's rows.");
        pairs(h, confusion);
    }
}

/// The count of a true and a predicted class; 0 where the matrix is too small.
fn at(confusion: &Confusion, truth: usize, predicted: usize) -> u64 {
    confusion.counts.get(truth).and_then(|row| row.get(predicted)).copied().unwrap_or(0)
}

fn total(confusion: &Confusion, truth: usize) -> u64 {
    confusion.counts.get(truth).map_or(0, |row| row.iter().fold(0, |sum: u64, &n| sum.saturating_add(n)))
}

fn matrix(h: &mut Html, confusion: &Confusion) {
    let labels = &confusion.labels;
    let caption = "Rows by true class (lines) and predicted class (columns)";
    h.el("div").class("scroll").at("role", "region").at("aria-label", caption).at("tabindex", "0").body(
        |h| {
            let class = if labels.len() >= UPRIGHT { "heat upright" } else { "heat" };
            h.el("table").class(class).body(|h| {
                h.el("caption").text(&format!("{caption}."));
                h.el("thead").body(|h| {
                    h.el("tr").body(|h| {
                        h.el("th").at("scope", "col").class("corner").text("true ↓ predicted →");
                        for label in labels {
                            h.el("th").at("scope", "col").body(|h| {
                                h.el("span").data(label, 32);
                            });
                        }
                    });
                });
                h.el("tbody").body(|h| {
                    for (truth, label) in labels.iter().enumerate() {
                        h.el("tr").body(|h| {
                            h.el("th").at("scope", "row").data(label, 32);
                            let all = total(confusion, truth);
                            for predicted in 0..labels.len() {
                                cell(h, at(confusion, truth, predicted), all, truth == predicted);
                            }
                        });
                    }
                });
            });
        },
    );
}

fn cell(h: &mut Html, n: u64, all: u64, right: bool) {
    let part = if all > 0 { n as f64 / all as f64 } else { 0.0 };
    // Anything above nothing has a shade.
    let shade = if n == 0 { 0 } else { ((part * SHADES).round() as usize).max(1) };
    let class = format!("{} h{shade}", if right { "right" } else { "wrong" });
    h.el("td").class(&class).body(|h| {
        h.el("span").class("v").text(&count(n));
        if n > 0 {
            h.el("span").class("i").text(&share(n, all));
        }
    });
}

fn pairs(h: &mut Html, confusion: &Confusion) {
    let labels = &confusion.labels;
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (truth, row) in confusion.counts.iter().enumerate().take(labels.len()) {
        let wrong =
            row.iter().enumerate().take(labels.len()).filter(|&(predicted, &n)| n > 0 && predicted != truth);
        pairs.extend(wrong.map(|(predicted, &n)| (n, truth, predicted)));
    }
    pairs.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let all = pairs.len();
    let most = pairs.first().map_or(1, |pair| pair.0).max(1) as f64;
    let heads = [
        Head::Text("true"),
        Head::Text("called"),
        Head::Number("rows"),
        Head::Number("of the class"),
        Head::Drawing("rows drawn", &|_| {}),
    ];
    table(h, "The most confused pairs of classes.", &heads, |h| {
        for &(n, truth, predicted) in pairs.iter().take(MAX_PAIRS) {
            h.el("tr").body(|h| {
                h.el("th").at("scope", "row").data(&labels[truth], LABEL);
                h.el("td").data(&labels[predicted], LABEL);
                number(h, &count(n));
                number(h, &share(n, total(confusion, truth)));
                h.el("td").class("drawing").body(|h| bar(h, n as f64 / most));
            });
        }
    });
    super::parts::more(h, all, MAX_PAIRS);
}
