//! Charts as inline SVG: axes, curves, bars and points on scales. Colours are classes of the page's style sheet, which has them
//! for light, dark and paper.

use crate::html::{Html, number};

/// Points of a curve that are drawn.
const MAX_POINTS: usize = 400;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;

/// A chart's area and the numbers on its axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
}

/// The numbers that an axis spans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) log: bool,
    pub(crate) label: &'static str,
}

impl Axis {
    pub(crate) const fn unit(label: &'static str) -> Self {
        Self { low: 0.0, high: 1.0, log: false, label }
    }

    /// From the smallest to the largest of the finite values, with some room.
    pub(crate) fn around(values: impl Iterator<Item = f64>, label: &'static str) -> Self {
        let finite = values.filter(|x| x.is_finite() && x.abs() < 1e30);
        let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
        if low > high {
            return Self::unit(label);
        }
        let room = if high > low { 0.05 * (high - low) } else { high.abs().max(1.0) * 0.1 };
        Self { low: low - room, high: high + room, log: false, label }
    }

    /// From 0 on.
    pub(crate) fn from_zero(values: impl Iterator<Item = f64>, label: &'static str) -> Self {
        let axis = Self::around(values.chain([0.0]), label);
        Self { low: 0.0, ..axis }
    }

    fn place(&self, x: f64) -> f64 {
        let (x, low, high) = if self.log {
            (x.max(self.low).log10(), self.low.log10(), self.high.log10())
        } else {
            (x, self.low, self.high)
        };
        let share = (x - low) / (high - low);
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn ticks(&self) -> Vec<f64> {
        if self.log {
            let mut ticks = Vec::new();
            let mut tick = self.low;
            while tick <= self.high * 1.000_001 && ticks.len() < 12 {
                ticks.push(tick);
                tick *= 10.0;
            }
            return ticks;
        }
        let span = self.high - self.low;
        let raw = span / 5.0;
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|s| s * power).find(|s| *s >= raw).unwrap_or(span);
        if !(step.is_finite() && step > 0.0) {
            return vec![self.low];
        }
        let first = (self.low / step).ceil();
        (0..12).map(|i| (first + f64::from(i)) * step).filter(|t| *t <= self.high + 1e-9 * span).collect()
    }
}

impl Frame {
    pub(crate) fn square(x: Axis, y: Axis) -> Self {
        Self { width: 400.0, height: 330.0, x, y }
    }

    pub(crate) fn wide(x: Axis, y: Axis) -> Self {
        Self { width: 640.0, height: 260.0, x, y }
    }

    fn px(&self, x: f64) -> f64 {
        LEFT + self.x.place(x) * (self.width - LEFT - RIGHT)
    }

    fn py(&self, y: f64) -> f64 {
        self.height - BOTTOM - self.y.place(y) * (self.height - TOP - BOTTOM)
    }

    /// Opens the drawing, with its description, and draws the axes.
    pub(crate) fn open(&self, html: &mut Html, title: &str) {
        html.raw("<svg role=\"img\" viewBox=\"0 0 ")
            .at(self.width)
            .raw(" ")
            .at(self.height)
            .raw("\"><title>");
        html.text(title).raw("</title>");
        for tick in self.x.ticks() {
            let x = self.px(tick);
            html.raw("<line class=\"grid\" x1=\"").at(x).raw("\" x2=\"").at(x).raw("\" y1=\"").at(TOP);
            html.raw("\" y2=\"")
                .at(self.height - BOTTOM)
                .raw("\"/><text class=\"tick\" text-anchor=\"middle\" x=\"");
            html.at(x)
                .raw("\" y=\"")
                .at(self.height - BOTTOM + 16.0)
                .raw("\">")
                .show(tick_text(tick))
                .raw("</text>");
        }
        for tick in self.y.ticks() {
            let y = self.py(tick);
            html.raw("<line class=\"grid\" y1=\"").at(y).raw("\" y2=\"").at(y).raw("\" x1=\"").at(LEFT);
            html.raw("\" x2=\"")
                .at(self.width - RIGHT)
                .raw("\"/><text class=\"tick\" text-anchor=\"end\" x=\"");
            html.at(LEFT - 6.0).raw("\" y=\"").at(y + 4.0).raw("\">").show(tick_text(tick)).raw("</text>");
        }
        html.raw("<text class=\"axis\" text-anchor=\"middle\" x=\"").at((LEFT + self.width - RIGHT) / 2.0);
        html.raw("\" y=\"").at(self.height - 6.0).raw("\">").text(self.x.label).raw("</text>");
        let middle = (TOP + self.height - BOTTOM) / 2.0;
        html.raw("<text class=\"axis\" text-anchor=\"middle\" transform=\"translate(13 ").at(middle);
        html.raw(") rotate(-90)\">").text(self.y.label).raw("</text>");
    }

    pub(crate) fn close(html: &mut Html) {
        html.raw("</svg>");
    }

    /// A line through points.
    pub(crate) fn line(&self, html: &mut Html, class: &'static str, points: &[(f64, f64)]) {
        html.raw("<polyline class=\"").raw(class).raw("\" points=\"");
        for (x, y) in thinned(points) {
            html.at(self.px(x)).raw(",").at(self.py(y)).raw(" ");
        }
        html.raw("\"/>");
    }

    pub(crate) fn dot(&self, html: &mut Html, class: &'static str, (x, y): (f64, f64), title: &str) {
        html.raw("<circle class=\"")
            .raw(class)
            .raw("\" r=\"3.5\" cx=\"")
            .at(self.px(x))
            .raw("\" cy=\"")
            .at(self.py(y));
        html.raw("\"><title>").text(title).raw("</title></circle>");
    }

    /// A bar from the axis up.
    pub(crate) fn bar(&self, html: &mut Html, class: &'static str, (from, to): (f64, f64), y: f64) {
        let (left, right, top) = (self.px(from), self.px(to), self.py(y));
        html.raw("<rect class=\"")
            .raw(class)
            .raw("\" x=\"")
            .at(left)
            .raw("\" y=\"")
            .at(top)
            .raw("\" width=\"");
        html.at((right - left - 0.5).max(0.5)).raw("\" height=\"").at(self.height - BOTTOM - top).raw("\"/>");
    }

    /// A vertical line of an interval.
    pub(crate) fn whisker(&self, html: &mut Html, class: &'static str, x: f64, (low, high): (f64, f64)) {
        self.line(html, class, &[(x, low), (x, high)]);
    }

    /// A line over the whole height, with a name.
    pub(crate) fn mark(&self, html: &mut Html, class: &'static str, x: f64, name: &str) {
        self.line(html, class, &[(x, self.y.low), (x, self.y.high)]);
        html.raw("<text class=\"tick\" x=\"").at(self.px(x) + 4.0).raw("\" y=\"").at(TOP + 10.0).raw("\">");
        html.text(name).raw("</text>");
    }
}

/// A value with its interval on a scale from `low` to `high`, for a table's cell.
pub(crate) fn interval(
    html: &mut Html,
    class: &'static str,
    (low, high): (f64, f64),
    (value, ends): (f64, Option<(f64, f64)>),
) {
    const WIDTH: f64 = 160.0;
    let axis = Axis { low, high, log: false, label: "" };
    let x = |v: f64| 4.0 + axis.place(v) * (WIDTH - 8.0);
    html.raw("<svg class=\"interval\" aria-hidden=\"true\" viewBox=\"0 0 160 14\">");
    html.raw("<line class=\"grid\" x1=\"4\" x2=\"156\" y1=\"7\" y2=\"7\"/>");
    if let Some((a, b)) = ends {
        html.raw("<line class=\"")
            .raw(class)
            .raw(" thick\" y1=\"7\" y2=\"7\" x1=\"")
            .at(x(a))
            .raw("\" x2=\"")
            .at(x(b));
        html.raw("\"/>");
    }
    html.raw("<circle class=\"").raw(class).raw("\" r=\"4\" cy=\"7\" cx=\"").at(x(value)).raw("\"/></svg>");
}

/// At most [`MAX_POINTS`] of the points, first and last included.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points.to_vec();
    }
    (0..MAX_POINTS).map(|i| points[i * (points.len() - 1) / (MAX_POINTS - 1)]).collect()
}

fn tick_text(x: f64) -> String {
    let x = if x.abs() < 1e-12 { 0.0 } else { x };
    let text = number(x);
    if text.contains('.') && !text.contains('e') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
