//! What a binary model is worth where it will be used.

use filbert_eval::Estimate;

use crate::charts::strip::{Strips, Whose};
use crate::figures::{DASH, count, figure, percent, sound, with_interval};
use crate::html::Html;
use crate::input::{Operating, Report};

use super::parts::{Head, estimate, lead, number, table};

/// The most lines of a table.
const MAX_LINES: usize = 12;

pub(crate) fn present(report: &Report) -> bool {
    report.operating.as_ref().is_some_and(|o| !o.tpr_at_fpr.is_empty() || !o.precision.is_empty())
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let Some(operating) = &report.operating else { return };
    if !operating.tpr_at_fpr.is_empty() {
        lead(
            h,
            "How many positives are found when only so many negatives may be called positive. A rate is stated \
             only with at least ten negatives to read it from.",
        );
        let curve = report.ranking.as_ref().filter(|ranking| !ranking.roc.is_empty());
        match curve {
            Some(ranking) => h.el("div").class("charts").body(|h| {
                h.el("div").body(|h| tpr(h, operating));
                super::ranking::low(h, ranking);
            }),
            None => tpr(h, operating),
        }
    }
    if !operating.precision.is_empty() {
        lead(
            h,
            "Test rows are often half positive; the world seldom is. The rarer positives are, the more of what is \
             called positive is not, though the model is the same.",
        );
        precision(h, operating);
    }
}

/// The whole unit interval as an axis.
fn unit() -> Option<Strips> {
    Strips::over(&[Estimate::bare(0.0), Estimate::bare(1.0)], (0.0, 1.0))
}

fn tpr(h: &mut Html, operating: &Operating) {
    let heads = [Head::Text("false positives"), Head::Number("positives found"), Head::Number("threshold")];
    table(h, "True positive rate at the false positive rate allowed.", &heads, |h| {
        for point in operating.tpr_at_fpr.iter().take(MAX_LINES) {
            h.el("tr").body(|h| {
                h.el("th").at("scope", "row").text(&rate(point.fpr));
                let Some(tpr) = sound(point.tpr) else {
                    let (needed, found) = (count(point.needed), count(point.found));
                    let told = format!("not stated: needs {needed} negatives, has {found}");
                    return h.el("td").at("colspan", 2_usize).class("refused").text(&told);
                };
                estimate(h, Some(tpr));
                number(h, &point.threshold.map_or(DASH.to_owned(), threshold));
            });
        }
    });
}

/// A threshold, with the digits that those close to 0 and 1 need.
pub(crate) fn threshold(t: f64) -> String {
    if t > 0.9995 && t < 1.0 { format!("1 − {:.1e}", 1.0 - t) } else { figure(t) }
}

/// A rate in words: "1 in 1,000".
pub(crate) fn rate(share: f64) -> String {
    let one_in = 1.0 / share;
    if share > 0.0 && share <= 0.1 && one_in < 1e15 && (one_in - one_in.round()).abs() < 1e-6 * one_in {
        format!("1 in {}", count(one_in.round() as u64))
    } else {
        percent(share)
    }
}

fn precision(h: &mut Html, operating: &Operating) {
    let strips = unit();
    let axis = |h: &mut Html| strips.iter().for_each(|strips| strips.axis(h));
    let heads = [
        Head::Text("positives among all"),
        Head::Number("precision"),
        Head::Drawing("drawn", &axis),
        Head::Text("in words"),
    ];
    let caption = match (sound(operating.tpr), sound(operating.fpr)) {
        (tpr @ Some(_), fpr @ Some(_)) => format!(
            "Precision by prevalence, at the model's own threshold: true positive rate {}, false positive rate {}.",
            with_interval(tpr),
            with_interval(fpr)
        ),
        _ => "Precision by prevalence, at the model's own threshold.".to_owned(),
    };
    table(h, &caption, &heads, |h| {
        for point in operating.precision.iter().take(MAX_LINES) {
            h.el("tr").body(|h| {
                h.el("th").at("scope", "row").text(&rate(point.prevalence));
                estimate(h, point.precision);
                let value = sound(point.precision);
                h.el("td").class("drawing").body(|h| {
                    if let (Some(strips), Some(value)) = (&strips, value) {
                        strips.draw(h, &[(Whose::Model, value)], None);
                    }
                });
                h.el("td").text(&value.map_or(DASH.to_owned(), |value| in_words(value.value)));
            });
        }
    });
}

/// "of 100 alarms, 3 are real".
fn in_words(precision: f64) -> String {
    let of = if precision < 0.01 { 10_000.0 } else { 100.0 };
    let real = (precision.clamp(0.0, 1.0) * of).round();
    let are = if real == 1.0 { "is" } else { "are" };
    format!("of {} alarms, {} {are} real", count(of as u64), count(real as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_in_words() {
        let cases = [(1e-3, "1 in 1,000"), (0.5, "50 %"), (0.013, "1.3 %"), (0.0, "0 %"), (f64::NAN, "–")];
        for (share, expected) in cases {
            assert_eq!(rate(share), expected);
        }
        assert_eq!(in_words(0.031), "of 100 alarms, 3 are real");
        assert_eq!(in_words(0.0031), "of 10,000 alarms, 31 are real");
    }
}
