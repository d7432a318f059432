//! What all charts share: the frame with its axes, lines through points, and the key above.

use crate::html::{Html, Path};
use crate::scale::Scale;

/// The width of a chart in its own units; on most screens about as many pixels.
pub(crate) const WIDTH: f64 = 420.0;
/// Room for the labels of the vertical axis.
pub(crate) const LEFT: f64 = 54.0;
/// Room at the right edge.
pub(crate) const RIGHT: f64 = 12.0;
/// Room at the top.
pub(crate) const TOP: f64 = 12.0;
/// Room for the labels of the horizontal axis.
pub(crate) const BOTTOM: f64 = 42.0;
/// The most points of a line: more than a chart has pixels across.
pub(crate) const MAX_POINTS: usize = 500;

/// A chart with two axes.
pub(crate) struct Frame<'a> {
    /// What the chart shows, for those who cannot see it.
    pub(crate) alt: &'a str,
    /// Its height.
    pub(crate) height: f64,
    /// The horizontal axis.
    pub(crate) x: Scale,
    /// The vertical axis.
    pub(crate) y: Scale,
    /// What stands below the horizontal axis.
    pub(crate) x_label: &'a str,
    /// What stands beside the vertical axis.
    pub(crate) y_label: &'a str,
    /// About how many ticks the axes have.
    pub(crate) ticks: (usize, usize),
}

/// The pixels of a chart's horizontal axis.
pub(crate) fn across() -> (f64, f64) {
    (LEFT, WIDTH - RIGHT)
}

/// The pixels of a chart's vertical axis, the lowest value first.
pub(crate) fn upward(height: f64) -> (f64, f64) {
    (height - BOTTOM, TOP)
}

impl Frame<'_> {
    /// Draws the frame, and the marks inside.
    pub(crate) fn draw(&self, h: &mut Html, marks: impl FnOnce(&mut Html)) {
        h.el("svg")
            .at("viewBox", format!("0 0 {WIDTH} {}", self.height))
            .at("role", "img")
            .at("aria-label", self.alt)
            .body(|h| {
                h.el("title").text(self.alt);
                self.axes(h);
                marks(h);
            });
    }

    /// Draws the axes alone, into a drawing that the caller has opened.
    pub(crate) fn axes(&self, h: &mut Html) {
        let ((left, right), (bottom, top)) = (self.x.pixels(), self.y.pixels());
        for tick in self.y.ticks(self.ticks.1) {
            line(h, "grid", (left, tick.at), (right, tick.at));
            label(h, "tick end", (left - 6.0, tick.at + 3.5), &tick.label);
        }
        for tick in self.x.ticks(self.ticks.0) {
            line(h, "grid", (tick.at, bottom), (tick.at, top));
            label(h, "tick mid", (tick.at, bottom + 15.0), &tick.label);
        }
        line(h, "axis", (left, bottom), (right, bottom));
        label(h, "axis-label mid", (f64::midpoint(left, right), self.height - 8.0), self.x_label);
        let (x, y) = (11.0, f64::midpoint(top, bottom));
        h.el("text")
            .class("axis-label mid")
            .at("transform", format!("translate({x} {y}) rotate(-90)"))
            .data(self.y_label, 60);
    }
}

/// A straight line.
pub(crate) fn line(h: &mut Html, class: &str, from: (f64, f64), to: (f64, f64)) {
    h.el("line").class(class).at("x1", from.0).at("y1", from.1).at("x2", to.0).at("y2", to.1).void();
}

/// A text.
pub(crate) fn label(h: &mut Html, class: &str, at: (f64, f64), text: &str) {
    h.el("text").class(class).at("x", at.0).at("y", at.1).data(text, 60);
}

/// A dot, with what it is.
pub(crate) fn dot(h: &mut Html, class: &str, at: (f64, f64), radius: f64) {
    h.el("circle").class(class).at("cx", at.0).at("cy", at.1).at("r", radius).void();
}

/// A diamond.
pub(crate) fn diamond(h: &mut Html, class: &str, (x, y): (f64, f64)) {
    let corners = [(x, y - 5.0), (x + 5.0, y), (x, y + 5.0), (x - 5.0, y), (x, y - 5.0)];
    h.el("path").class(class).at("d", Path(&corners)).void();
}

/// A rectangle.
pub(crate) fn rect(h: &mut Html, class: &str, at: (f64, f64), size: (f64, f64)) {
    h.el("rect")
        .class(class)
        .at("x", at.0)
        .at("y", at.1)
        .at("width", size.0.max(0.0))
        .at("height", size.1.max(0.0))
        .void();
}

/// A line through points, in pixels; as many as can be told apart.
pub(crate) fn polyline(h: &mut Html, class: &str, points: &[(f64, f64)]) {
    let points = thinned(points);
    match points.as_slice() {
        [] => {}
        [point] => dot(h, class, *point, 2.5),
        points => h.el("path").class(class).at("d", Path(points)).void(),
    }
}

/// The first and last points, and of those between the ones that stand at least half a pixel from the one
/// before, at most [`MAX_POINTS`].
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let Some((&last, rest)) = points.split_last() else { return Vec::new() };
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for &point in rest {
        let apart = kept.last().is_none_or(|&(x, y)| (x - point.0).abs() + (y - point.1).abs() >= 0.5);
        if apart {
            kept.push(point);
        }
    }
    if kept.len() >= MAX_POINTS {
        let step = kept.len().div_ceil(MAX_POINTS - 1);
        kept = kept.into_iter().step_by(step).collect();
    }
    kept.push(last);
    kept
}

/// An entry of a key.
pub(crate) struct Key<'a> {
    /// The class of the mark.
    pub(crate) class: &'a str,
    /// How the mark looks.
    pub(crate) mark: Mark,
    /// What it stands for.
    pub(crate) text: String,
}

/// How a key's mark looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A line.
    Line,
    /// A dot.
    Dot,
    /// A dot in a ring.
    Ringed,
    /// A diamond.
    Diamond,
    /// An area.
    Area,
}

/// The key of a chart. Its marks are drawn as those in the chart are.
pub(crate) fn key(h: &mut Html, entries: &[Key<'_>]) {
    h.el("ul").class("key").body(|h| {
        for entry in entries {
            h.el("li").body(|h| {
                h.el("svg").at("viewBox", "0 0 24 12").at("aria-hidden", "true").body(|h| key_mark(h, entry));
                h.data(&entry.text, 160);
            });
        }
    });
}

/// The mark of an entry, in 24 by 12 pixels.
pub(crate) fn key_mark(h: &mut Html, entry: &Key<'_>) {
    match entry.mark {
        Mark::Line => line(h, entry.class, (1.0, 6.0), (23.0, 6.0)),
        Mark::Dot => dot(h, entry.class, (12.0, 6.0), 4.0),
        Mark::Ringed => {
            dot(h, entry.class, (12.0, 6.0), 3.6);
            dot(h, "ring", (12.0, 6.0), 5.4);
        }
        Mark::Diamond => diamond(h, entry.class, (12.0, 6.0)),
        Mark::Area => rect(h, entry.class, (3.0, 1.0), (18.0, 10.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_their_ends_and_few_points_between() {
        let many: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i) * 0.004, f64::from(i % 97))).collect();
        let kept = thinned(&many);
        assert!(kept.len() <= MAX_POINTS, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (many.first(), many.last()));
        assert_eq!(thinned(&[]), []);
        assert_eq!(thinned(&[(1.0, 2.0)]), [(1.0, 2.0)]);
        assert_eq!(thinned(&[(1.0, 2.0), (1.0, 2.0)]).len(), 2);
    }
}
