//! The rows that the model was surest about and wrong.

use crate::figures::figure;
use crate::html::Html;
use crate::input::{Report, Task};

use super::parts::{LABEL, TEXT, lead, more};

/// The most mistakes shown.
const MAX_MISTAKES: usize = 20;

pub(crate) fn present(report: &Report) -> bool {
    !report.mistakes.is_empty()
}

pub(crate) fn draw(h: &mut Html, report: &Report) {
    lead(
        h,
        if report.task == Task::Regression {
            "The rows with the largest errors. Read them: some are the model's, some the data's."
        } else {
            "The wrong answers that the model was surest of. Read them: some are the model's, some are wrong labels. \
             Invisible and direction-changing characters are written out, such as \\u{200b}."
        },
    );
    h.el("ol").class("rows").body(|h| {
        for mistake in report.mistakes.iter().take(MAX_MISTAKES) {
            h.el("li").body(|h| {
                h.el("p").class("said").data(&mistake.text, TEXT);
                h.el("p").class("meta").body(|h| {
                    h.text("true ");
                    h.el("strong").class("truth").data(&mistake.truth, LABEL * 2);
                    h.text(", predicted ");
                    h.el("strong").class("predicted").data(&mistake.predicted, LABEL * 2);
                    if let Some(p) = mistake.probability {
                        h.text(&format!(
                            " at {}",
                            if (0.9995..1.0).contains(&p) { "> 0.999".to_owned() } else { figure(p) }
                        ));
                    }
                    if !mistake.place.is_empty() {
                        h.text(" ");
                        h.el("span").class("place").data(&mistake.place, LABEL * 2);
                    }
                });
            });
        }
    });
    more(h, report.mistakes.len(), MAX_MISTAKES);
}
