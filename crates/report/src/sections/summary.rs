//! The top of the page: the title, the one figure that matters with its verdict, and what stands out.

use crate::charts::strip::{self, Strips, Whose};
use crate::figures::{count, figure, interval};
use crate::html::Html;
use crate::input::{Report, Task};
use crate::verdict::{Finding, Headline, Level, Verdict, findings, headline};

use super::parts::LABEL;

/// The most findings shown.
const MAX_FINDINGS: usize = 12;

/// Draws the top.
pub(crate) fn draw(h: &mut Html, report: &Report) {
    h.el("header").body(|h| {
        h.el("p").class("eyebrow").text(match report.task {
            Task::Binary => "Text classification · two classes",
            Task::Multiclass => "Text classification",
            Task::MultiLabel => "Text classification · several labels",
            Task::Regression => "Numbers from text",
        });
        h.el("h1").data(title(report), 200);
        h.el("p").class("byline").body(|h| {
            let parts: Vec<&String> =
                [&report.model, &report.date].into_iter().filter(|s| !s.is_empty()).collect();
            for (i, part) in parts.into_iter().enumerate() {
                if i > 0 {
                    h.text(" · ");
                }
                h.data(part, 200);
            }
        });
    });
    match headline(report) {
        Some(headline) => figure_of(h, report, &headline),
        None => match (&report.ladder, &report.distillation) {
            (Some(ladder), _) if !ladder.rungs.is_empty() => super::compression::headline(h, ladder),
            (_, Some(distillation)) => {
                h.el("p").class("lead").data(&super::distillation::said(distillation).sentence, 400);
            }
            _ => h.el("p").class("lead").text("Nothing was measured."),
        },
    }
    let found = findings(report);
    if !found.is_empty() {
        glance(h, &found);
    }
}

/// The title shown.
pub(crate) fn title(report: &Report) -> &str {
    if report.title.is_empty() { "Evaluation report" } else { &report.title }
}

fn figure_of(h: &mut Html, report: &Report, headline: &Headline<'_>) {
    let (class, mark, words) = match headline.verdict {
        Verdict::Better => ("verdict good", "✓", "Better than the floor"),
        Verdict::Worse => ("verdict bad", "✗", "Worse than the floor"),
        Verdict::Unclear => ("verdict unclear", "≈", "Not shown to be better than the floor"),
        Verdict::NoFloor => ("verdict unclear", "○", "No floor to compare with"),
    };
    h.el("div").class("headline").body(|h| {
        h.el("div").class("number").body(|h| {
            h.el("p").class("big").body(|h| {
                h.text(&figure(headline.value.value));
                h.text(" ");
                h.el("span").class("of").data(&headline.metric.name, LABEL);
            });
            h.el("p").class("under").body(|h| {
                if let Some(ends) = interval(&headline.value, figure) {
                    h.text(&format!("95 % interval {ends}, "));
                }
                let rows = if headline.rows == 1 { "row" } else { "rows" };
                h.text(&format!("on {} {} {rows}", count(headline.rows), headline.split));
            });
        });
        h.el("div").class(class).body(|h| {
            h.el("p").class("words").body(|h| {
                h.el("span").class("sign").at("aria-hidden", "true").text(mark);
                h.text(" ");
                h.text(words);
            });
            h.el("p").body(|h| {
                if let Some(floor) = headline.floor {
                    h.text("The floor");
                    if !report.floor.is_empty() {
                        h.text(", ");
                        h.data(&report.floor, 120);
                        h.text(",");
                    }
                    h.text(&format!(" has {}. ", crate::figures::with_interval(Some(floor))));
                }
                h.data(&headline.reasons, 400);
            });
        });
        interval_chart(h, headline);
    });
}

/// The headline's interval beside the floor's.
fn interval_chart(h: &mut Html, headline: &Headline<'_>) {
    let estimates: Vec<_> = std::iter::once(headline.value).chain(headline.floor).collect();
    let Some(strips) = Strips::over(&estimates, (0.0, 1.0)).filter(|_| headline.value.low.is_some()) else {
        return;
    };
    let marks: Vec<_> = [Whose::Model, Whose::Floor].into_iter().zip(estimates.iter().copied()).collect();
    let alt = "The interval of the model above that of the floor.";
    h.el("div").class("against").body(|h| {
        strips.alone(h, &marks, if headline.floor.is_some() { alt } else { "The interval of the model." });
        strip::key(h, headline.floor.is_some());
    });
}

fn glance(h: &mut Html, found: &[Finding]) {
    h.el("section").class("glance").at("aria-labelledby", "glance-title").body(|h| {
        h.el("h2").at("id", "glance-title").text("At a glance");
        h.el("ul").class("findings").body(|h| {
            for finding in found.iter().take(MAX_FINDINGS) {
                let (class, mark, word) = match finding.level {
                    Level::Good => ("good", "✓", "Good: "),
                    Level::Note => ("note", "•", ""),
                    Level::Warning => ("warn", "▲", "Warning: "),
                };
                h.el("li").class(class).body(|h| {
                    h.el("span").class("sign").at("aria-hidden", "true").text(mark);
                    h.el("span").body(|h| {
                        h.el("span").class("unseen").text(word);
                        h.data(&finding.text, 300);
                        h.text(" ");
                        h.el("a")
                            .class("jump")
                            .at("href", format!("#{}", finding.section))
                            .at("aria-label", format!("more in {}", finding.section))
                            .text("→");
                    });
                });
            }
        });
    });
}
