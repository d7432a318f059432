//! Values with their intervals as dots on a line, small enough for a table's cell: rows of one table share
//! one axis. Positions are in percent of the width, so that marks keep their size in columns of any width.

use filbert_eval::Estimate;

use crate::figures::figure;
use crate::html::{Html, Percent};
use crate::scale::{Scale, round_step};

/// The height of a strip, in pixels.
const HEIGHT: f64 = 30.0;

/// Where the axis begins and ends, in percent of the width.
const ENDS: (f64, f64) = (6.0, 94.0);

/// The height of a mark's row in a drawing that stands alone, and of the axis below.
const ROW: f64 = 24.0;
const AXIS: f64 = 24.0;

/// Whose value a mark is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The model's: a full dot.
    Model,
    /// The floor's: a hollow diamond.
    Floor,
}

/// The axis that the strips of a table share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strips {
    scale: Scale,
}

impl Strips {
    /// An axis for all of `estimates`, which must be sound, with round ends, within `limits` if all are.
    pub(crate) fn over(estimates: &[Estimate], limits: (f64, f64)) -> Option<Self> {
        let ends = |e: &Estimate| [e.value, e.low.unwrap_or(e.value), e.high.unwrap_or(e.value)];
        let values = || estimates.iter().flat_map(ends);
        let (low, high) = crate::scale::extent(values())?;
        let step = round_step(((high - low) / 4.0).max(low.abs() * 1e-6).max(1e-6));
        let within = |low: f64, high: f64| values().all(|v| (low..=high).contains(&v));
        let (mut low, mut high) = ((low / step).floor() * step, (high / step).ceil() * step);
        if within(limits.0, limits.1) {
            (low, high) = (low.max(limits.0), high.min(limits.1));
        }
        Some(Self { scale: Scale::linear((low, high), ENDS) })
    }

    /// The axis itself, for the table's head.
    pub(crate) fn axis(&self, h: &mut Html) {
        let (low, high) = self.scale.range();
        let alt = format!("Axis from {} to {}", figure(low), figure(high));
        svg(h, HEIGHT, &alt, |h| {
            for tick in self.scale.ticks(2) {
                line(h, "grid", (tick.at, tick.at), (HEIGHT - 5.0, HEIGHT));
                label(h, tick.at, HEIGHT - 9.0, &tick.label);
            }
        });
    }

    /// A row's marks, the first uppermost, and a line at `reference`. The figures stand in the same row; the
    /// drawing repeats them.
    pub(crate) fn draw(&self, h: &mut Html, marks: &[(Whose, Estimate)], reference: Option<f64>) {
        svg(h, HEIGHT, "", |h| {
            for tick in self.scale.ticks(2) {
                line(h, "grid", (tick.at, tick.at), (0.0, HEIGHT));
            }
            if let Some(at) = reference.filter(|&at| self.scale.holds(at)).map(|at| self.scale.at(at)) {
                line(h, "reference", (at, at), (0.0, HEIGHT));
            }
            for (i, (whose, estimate)) in marks.iter().enumerate() {
                self.mark(h, *whose, estimate, HEIGHT * (i as f64 + 1.0) / (marks.len() as f64 + 1.0));
            }
        });
    }

    /// Marks one below the other over an axis, as a drawing of its own.
    pub(crate) fn alone(&self, h: &mut Html, marks: &[(Whose, Estimate)], alt: &str) {
        let bottom = ROW * marks.len() as f64;
        svg(h, bottom + AXIS, alt, |h| {
            for tick in self.scale.ticks(4) {
                line(h, "grid", (tick.at, tick.at), (0.0, bottom + 4.0));
                label(h, tick.at, bottom + 18.0, &tick.label);
            }
            for (i, (whose, estimate)) in marks.iter().enumerate() {
                self.mark(h, *whose, estimate, ROW * (i as f64 + 0.5));
            }
        });
    }

    fn mark(&self, h: &mut Html, whose: Whose, estimate: &Estimate, y: f64) {
        if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
            line(h, whisker(whose), (self.scale.at(low), self.scale.at(high)), (y, y));
        }
        mark(h, whose, self.scale.at(estimate.value), y);
    }
}

fn svg(h: &mut Html, height: f64, alt: &str, inside: impl FnOnce(&mut Html)) {
    let open = h.el("svg").class("strip").at("height", height);
    if alt.is_empty() {
        open.at("aria-hidden", "true").body(inside);
    } else {
        open.at("role", "img").at("aria-label", alt).body(inside);
    }
}

fn line(h: &mut Html, class: &str, x: (f64, f64), y: (f64, f64)) {
    let open = h.el("line").class(class).at("x1", Percent(x.0)).at("y1", y.0);
    open.at("x2", Percent(x.1)).at("y2", y.1).void();
}

fn label(h: &mut Html, x: f64, y: f64, text: &str) {
    h.el("text").class("tick mid").at("x", Percent(x)).at("y", y).text(text);
}

fn whisker(whose: Whose) -> &'static str {
    match whose {
        Whose::Model => "whisker model",
        Whose::Floor => "whisker floor",
    }
}

/// The mark of a model or a floor, at `x` percent.
fn mark(h: &mut Html, whose: Whose, x: f64, y: f64) {
    match whose {
        Whose::Model => {
            h.el("circle").class("dot model").at("cx", Percent(x)).at("cy", y).at("r", 4.2).void();
        }
        // A path has no percentages; a drawing within the drawing moves it.
        Whose::Floor => h.el("svg").class("at").at("x", Percent(x)).at("y", y).body(|h| {
            h.el("path").class("dot floor").at("d", "M0-4.5L4.5 0L0 4.5L-4.5 0Z").void();
        }),
    }
}

/// A bar of a share of the whole width, for a table's cell.
pub(crate) fn bar(h: &mut Html, share: f64) {
    svg(h, 24.0, "", |h| {
        let width = Percent(share.clamp(0.0, 1.0) * 100.0);
        h.el("rect")
            .class("bar model")
            .at("x", 0.0)
            .at("y", 7.0)
            .at("width", width)
            .at("height", 10.0)
            .void();
    });
}

/// The key to the marks.
pub(crate) fn key(h: &mut Html, floor: bool) {
    h.el("ul").class("key").body(|h| {
        let entries = [(Whose::Model, "model"), (Whose::Floor, "floor")];
        for (whose, text) in entries.into_iter().take(if floor { 2 } else { 1 }) {
            h.el("li").body(|h| {
                h.el("svg").at("viewBox", "0 0 24 12").at("aria-hidden", "true").body(|h| {
                    line(h, whisker(whose), (4.0, 96.0), (6.0, 6.0));
                    mark(h, whose, 50.0, 6.0);
                });
                h.text(text);
            });
        }
    });
}
