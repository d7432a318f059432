//! The writer that all markup goes through. Tags and attribute names are string literals, everything else is
//! escaped on its way in, and an element is closed by the call that opened it: what comes out is well-formed
//! and holds no markup from data.

use std::fmt::Write;

use crate::escape::{self, Place};

/// The most characters of a text for which the caller names no limit.
const MAX_TEXT: usize = 4000;

/// Once this many bytes have come from data, each further text is cut to [`BRIEF`] characters.
const DATA_BYTES: usize = 1_000_000;

/// See [`DATA_BYTES`].
const BRIEF: usize = 8;

/// Markup so far.
#[derive(Debug, Default)]
pub(crate) struct Html {
    out: String,
    /// How many SVG elements are open: in them, no HTML may stand.
    in_svg: usize,
    /// Bytes that came from data.
    from_data: usize,
}

/// A tag that still takes attributes.
#[must_use]
pub(crate) struct Open<'a> {
    html: &'a mut Html,
    name: &'static str,
}

/// What an attribute may be.
pub(crate) trait Value {
    /// Appends the value, escaped.
    fn write_to(&self, out: &mut String);
}

impl Value for &str {
    fn write_to(&self, out: &mut String) {
        escape::push(out, self, MAX_TEXT, Place::Plain);
    }
}

impl Value for String {
    fn write_to(&self, out: &mut String) {
        self.as_str().write_to(out);
    }
}

/// A coordinate, to a hundredth; 0 for what is not finite or too large to be one.
impl Value for f64 {
    fn write_to(&self, out: &mut String) {
        let _ = write!(out, "{}", coordinate(*self));
    }
}

impl Value for usize {
    fn write_to(&self, out: &mut String) {
        let _ = write!(out, "{self}");
    }
}

/// A position or a length in percent of the drawing's width.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Percent(pub(crate) f64);

impl Value for Percent {
    fn write_to(&self, out: &mut String) {
        let _ = write!(out, "{}%", coordinate(self.0));
    }
}

/// A path through points.
pub(crate) struct Path<'a>(pub(crate) &'a [(f64, f64)]);

impl Value for Path<'_> {
    fn write_to(&self, out: &mut String) {
        for (i, &(x, y)) in self.0.iter().enumerate() {
            let _ = write!(out, "{}{} {}", if i == 0 { "M" } else { "L" }, coordinate(x), coordinate(y));
        }
    }
}

fn coordinate(x: f64) -> f64 {
    let x = if x.is_finite() && x.abs() < 1e6 { x } else { 0.0 };
    // Adding 0 turns -0 into 0.
    (x * 100.0).round() / 100.0 + 0.0
}

impl Html {
    /// The start of an element.
    pub(crate) fn el(&mut self, name: &'static str) -> Open<'_> {
        self.out.push('<');
        self.out.push_str(name);
        Open { html: self, name }
    }

    /// Text of our own, with figures in it.
    pub(crate) fn text(&mut self, text: &str) {
        escape::push(&mut self.out, text, MAX_TEXT, Place::Plain);
    }

    /// Text from data: at most `limit` characters, its direction kept to itself.
    pub(crate) fn data(&mut self, text: &str, limit: usize) {
        let limit = if self.from_data > DATA_BYTES { limit.min(BRIEF) } else { limit };
        let before = self.out.len();
        if self.in_svg > 0 {
            escape::push(&mut self.out, text, limit, Place::Plain);
        } else {
            self.out.push_str("<bdi>");
            escape::push(&mut self.out, text, limit, Place::Html);
            self.out.push_str("</bdi>");
        }
        self.from_data += self.out.len() - before;
    }

    /// A style sheet of our own.
    pub(crate) fn style(&mut self, css: &'static str) {
        self.out.push_str("<style>");
        self.out.push_str(css);
        self.out.push_str("</style>\n");
    }

    /// What was written, as it is.
    pub(crate) fn into_fragment(self) -> String {
        self.out
    }

    /// The document, with what HTML wants before the first tag.
    pub(crate) fn into_document(self) -> String {
        format!("<!DOCTYPE html>\n{}\n", self.out)
    }
}

impl Open<'_> {
    /// An attribute.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "numbers and texts just made are handed over without a &"
    )]
    pub(crate) fn at(self, name: &'static str, value: impl Value) -> Self {
        let out = &mut self.html.out;
        out.push(' ');
        out.push_str(name);
        out.push_str("=\"");
        value.write_to(out);
        out.push('"');
        self
    }

    /// The class attribute.
    pub(crate) fn class(self, class: &str) -> Self {
        self.at("class", class)
    }

    /// What stands inside, and the end of the element.
    pub(crate) fn body(self, inside: impl FnOnce(&mut Html)) {
        let Self { html, name } = self;
        html.out.push('>');
        let svg = usize::from(name == "svg");
        html.in_svg += svg;
        inside(html);
        html.in_svg -= svg;
        html.out.push_str("</");
        html.out.push_str(name);
        html.out.push('>');
        // Lines of a bounded length, where a line break means nothing.
        if matches!(name, "tr" | "p" | "section" | "figure" | "table" | "li" | "svg" | "header" | "div") {
            html.out.push('\n');
        }
    }

    /// Text of our own inside.
    pub(crate) fn text(self, text: &str) {
        self.body(|h| h.text(text));
    }

    /// Text from data inside, at most `limit` characters.
    pub(crate) fn data(self, text: &str, limit: usize) {
        self.body(|h| h.data(text, limit));
    }

    /// The end of an element that holds nothing.
    pub(crate) fn void(self) {
        self.html.out.push_str("/>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_close_and_attributes_are_escaped() {
        let mut html = Html::default();
        html.el("p").at("title", "\"><script>").body(|h| {
            h.text("a < b");
            h.el("br").void();
            h.data("<i>\u{202e}", 10);
        });
        assert_eq!(
            html.out,
            "<p title=\"&quot;&gt;&lt;script&gt;\">a &lt; b<br/><bdi>&lt;i&gt;<span class=\"esc\">\\u{202e}</span></bdi></p>\n"
        );
    }

    #[test]
    fn coordinates_are_numbers_whatever_they_were() {
        for (x, expected) in [
            (1.005, "1"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
            (-0.001, "0"),
            (1e300, "0"),
            (12.346, "12.35"),
        ] {
            assert_eq!(coordinate(x).to_string(), expected, "{x}");
        }
    }
}
