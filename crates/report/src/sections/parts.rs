//! What sections share: tables, lists, and the limits on what they show.

use filbert_eval::Estimate;

use crate::figures::{DASH, count, figure, interval, sound};
use crate::html::Html;
use crate::input::Fact;

/// The most characters of a label in a table.
pub(crate) const LABEL: usize = 60;
/// The most characters of a text of data.
pub(crate) const TEXT: usize = 400;
/// The most characters of a fact.
pub(crate) const FACT: usize = 300;
/// The most characters of a note.
pub(crate) const NOTE: usize = 600;
/// The most notes of a list.
const MAX_NOTES: usize = 60;
/// The most facts of a list.
const MAX_FACTS: usize = 80;

/// A column's heading.
pub(crate) enum Head<'a> {
    /// Of text.
    Text(&'a str),
    /// Of numbers.
    Number(&'a str),
    /// Of drawings, with their axis.
    Drawing(&'a str, &'a dyn Fn(&mut Html)),
}

/// A table that scrolls within itself where it is wider than the page.
pub(crate) fn table(h: &mut Html, caption: &str, heads: &[Head<'_>], rows: impl FnOnce(&mut Html)) {
    h.el("div").class("scroll").at("role", "region").at("aria-label", caption).at("tabindex", "0").body(
        |h| {
            h.el("table").body(|h| {
                h.el("caption").data(caption, 200);
                h.el("thead").body(|h| {
                    h.el("tr").body(|h| {
                        for head in heads {
                            match head {
                                Head::Text(text) => h.el("th").at("scope", "col").data(text, LABEL),
                                Head::Number(text) => {
                                    h.el("th").at("scope", "col").class("n").data(text, LABEL);
                                }
                                Head::Drawing(name, axis) => {
                                    h.el("th").at("scope", "col").class("drawing").body(|h| {
                                        h.el("span").class("unseen").text(name);
                                        axis(h);
                                    });
                                }
                            }
                        }
                    });
                });
                h.el("tbody").body(rows);
            });
        },
    );
}

/// The heading of a table's row: text from data.
pub(crate) fn row_head(h: &mut Html, text: &str) {
    h.el("th").at("scope", "row").data(text, LABEL);
}

/// A cell of text.
pub(crate) fn cell(h: &mut Html, text: &str) {
    h.el("td").data(text, FACT);
}

/// A cell of a number.
pub(crate) fn number(h: &mut Html, text: &str) {
    h.el("td").class("n").text(text);
}

/// A cell of a value and its interval.
pub(crate) fn estimate(h: &mut Html, estimate: Option<Estimate>) {
    h.el("td").class("n").body(|h| value(h, estimate));
}

/// A value and its interval.
pub(crate) fn value(h: &mut Html, estimate: Option<Estimate>) {
    let Some(estimate) = sound(estimate) else { return h.text(DASH) };
    h.el("span").class("v").text(&figure(estimate.value));
    if let Some(ends) = interval(&estimate, figure) {
        h.text(" ");
        h.el("span").class("i").text(&ends);
    }
}

/// A paragraph of our own.
pub(crate) fn lead(h: &mut Html, text: &str) {
    h.el("p").class("lead").data(text, NOTE);
}

/// Names and values.
pub(crate) fn facts(h: &mut Html, facts: &[Fact]) {
    if facts.is_empty() {
        return;
    }
    h.el("dl").body(|h| {
        for fact in facts.iter().take(MAX_FACTS) {
            h.el("div").body(|h| {
                h.el("dt").data(&fact.name, LABEL);
                h.el("dd").data(&fact.value, FACT);
            });
        }
    });
    more(h, facts.len(), MAX_FACTS);
}

/// Sentences from elsewhere, as a list.
pub(crate) fn notes(h: &mut Html, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    h.el("ul").class("notes").body(|h| {
        for note in notes.iter().take(MAX_NOTES) {
            h.el("li").data(note, NOTE);
        }
    });
    more(h, notes.len(), MAX_NOTES);
}

/// Says how many of a list were left out.
pub(crate) fn more(h: &mut Html, all: usize, shown: usize) {
    if all > shown {
        h.el("p").class("more").text(&format!("… and {} more.", count((all - shown) as u64)));
    }
}

/// A label short enough to stand in a sentence.
pub(crate) fn brief(label: &str) -> String {
    let mut cut: String = label.chars().take(40).collect();
    if cut.len() < label.len() {
        cut.push('…');
    }
    cut
}

/// "3 of 315 (1.0 %)"'s count and share.
pub(crate) fn with_share(h: &mut Html, n: Option<u64>, of: u64, warn: bool) {
    h.el("td").class(if warn && n.is_some_and(|n| n > 0) { "n warn" } else { "n" }).body(|h| {
        let Some(n) = n else { return h.text(DASH) };
        if warn && n > 0 {
            h.el("span").class("flag").at("aria-label", "warning").at("role", "img").text("▲");
            h.text(" ");
        }
        h.el("span").class("v").text(&count(n));
        if n > 0 && of > 0 {
            h.text(" ");
            h.el("span").class("i").text(&crate::figures::share(n, of));
        }
    });
}
