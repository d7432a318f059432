//! The document: head, summary, contents, sections.

use crate::html::Html;
use crate::input::Report;
use crate::sections::{self, summary};

/// The whole document.
pub(crate) fn document(report: &Report) -> String {
    let mut html = Html::default();
    html.el("html").at("lang", "en").body(|h| {
        h.el("head").body(|h| {
            h.el("meta").at("charset", "utf-8").void();
            h.el("meta").at("name", "viewport").at("content", "width=device-width, initial-scale=1").void();
            h.el("meta").at("name", "color-scheme").at("content", "light dark").void();
            // Nothing is fetched and nothing runs, even if markup from data had found a way in.
            h.el("meta")
                .at("http-equiv", "Content-Security-Policy")
                .at("content", "default-src 'none'; style-src 'unsafe-inline'")
                .void();
            h.el("title").text(&format!("{} – {}", cut(summary::title(report)), cut(&report.model)));
            h.style(concat!(include_str!("charts.css"), include_str!("style.css")));
        });
        h.el("body").body(|h| body(h, report));
    });
    html.into_document()
}

/// A title's worth of a text.
fn cut(text: &str) -> String {
    text.chars().take(120).collect()
}

fn body(h: &mut Html, report: &Report) {
    hatch(h);
    h.el("main").body(|h| {
        summary::draw(h, report);
        let sections = sections::of(report);
        h.el("nav").at("aria-label", "Contents").body(|h| {
            h.el("ol").body(|h| {
                for section in &sections {
                    h.el("li").body(|h| {
                        h.el("a").at("href", format!("#{}", section.id)).text(section.title(report));
                    });
                }
            });
        });
        for section in &sections {
            section.draw(h, report);
        }
    });
    h.el("footer").body(|h| {
        h.el("p").text(
            "Brackets are 95 % intervals: Wilson's for proportions, DeLong's for a binary AUC, the bootstrap over \
             rows for the rest. Definitions are scikit-learn's. Made by filbert; the same figures stand in \
             metrics.json.",
        );
    });
}

/// The pattern that areas without enough rows are filled with.
fn hatch(h: &mut Html) {
    h.el("svg").class("defs").at("aria-hidden", "true").body(|h| {
        h.el("defs").body(|h| {
            h.el("pattern")
                .at("id", "hatch")
                .at("width", 6_usize)
                .at("height", 6_usize)
                .at("patternUnits", "userSpaceOnUse")
                .at("patternTransform", "rotate(45)")
                .body(|h| crate::svg::line(h, "hatching", (0.0, 0.0), (0.0, 6.0)));
        });
    });
}
