//! ROC and precision-recall curves.

use crate::charts::{curves, figure};
use crate::figures::count;
use crate::html::Html;
use crate::input::{Ranking, Report};

use super::parts::{brief, lead};

pub(crate) fn present(report: &Report) -> bool {
    report.ranking.as_ref().is_some_and(|r| !r.roc.is_empty() || !r.pr.is_empty())
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let Some(ranking) = &report.ranking else { return };
    let positive = if ranking.positive.is_empty() {
        "the positive class".to_owned()
    } else {
        format!("“{}”", brief(&ranking.positive))
    };
    lead(
        h,
        &format!(
            "How well rows are put in order by the probability of {positive}, whatever the threshold. Each point \
             of a curve is one threshold."
        ),
    );
    h.el("div").class("charts").body(|h| {
        if !ranking.roc.is_empty() {
            figure(
                h,
                "ROC curve.",
                "The closer to the upper left corner, the better; the area is the chance that a positive row \
                 ranks above a negative one.",
                |h| curves::roc(h, ranking),
            );
        }
        if !ranking.pr.is_empty() {
            figure(
                h,
                "Precision and recall.",
                "The closer to the upper right corner, the better. Unlike ROC, it depends on how common \
                 positives are.",
                |h| curves::precision_recall(h, ranking),
            );
        }
        if !ranking.roc.is_empty() && !super::operating::present(report) {
            low(h, ranking);
        }
    });
}

/// The left end of the ROC curve.
pub(crate) fn low(h: &mut Html, ranking: &Ranking) {
    let few = ranking.negatives.map_or(String::new(), |n| {
        format!(
            " With {} negatives, what lies left of the shaded edge rests on fewer than ten of them.",
            count(n)
        )
    });
    let reading = format!(
        "The left end of the ROC curve, stretched: what is found when few false alarms are allowed.{few}"
    );
    figure(h, "Few false positives.", &reading, |h| curves::low_roc(h, ranking));
}
