//! The learning curves.

use crate::charts::{figure, learning};
use crate::html::Html;
use crate::input::Report;

use super::parts::{brief, lead};

pub(crate) fn present(report: &Report) -> bool {
    learning::has(&report.training) != (false, false)
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    let training = &report.training;
    let (losses, metric) = learning::has(training);
    let kept = training.kept.map_or(String::new(), |kept| format!(" The weights of epoch {kept} were kept."));
    lead(h, &format!("Each epoch is one pass over the training rows; test rows have no part in this.{kept}"));
    h.el("div").class("charts").body(|h| {
        if losses {
            figure(
                h,
                "Loss.",
                "Both should fall. Where validation loss rises while training loss falls, the model learns its rows \
                 by heart.",
                |h| learning::losses(h, training),
            );
        }
        if metric {
            let title = format!("Validation {}.", brief(&training.metric));
            figure(h, &title, "After each epoch; the epoch that was kept is ringed.", |h| {
                learning::metric(h, training);
            });
        }
    });
}
