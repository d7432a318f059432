//! Predicted against true numbers.

use crate::charts::{figure, histogram, scatter};
use crate::html::Html;
use crate::input::Report;

use super::parts::lead;

pub(crate) fn present(report: &Report) -> bool {
    report.regression.as_ref().is_some_and(|r| !scatter::pairs(r).is_empty())
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let Some(regression) = &report.regression else { return };
    let pairs = scatter::pairs(regression);
    lead(h, "Every test row by its true and its predicted number.");
    h.el("div").class("charts").body(|h| {
        figure(
            h,
            "Predicted and true.",
            "On the diagonal the prediction is the truth. A cloud flatter than the diagonal means that extremes are \
             drawn towards the middle.",
            |h| scatter::draw(h, &pairs, &regression.target),
        );
        let residuals: Vec<f64> = pairs.iter().map(|(truth, predicted)| predicted - truth).collect();
        figure(
            h,
            "Residuals.",
            "How far predictions are off; right of 0 they are too high. A peak beside 0 is a bias.",
            |h| histogram::residuals(h, &residuals, &regression.target),
        );
    });
}
