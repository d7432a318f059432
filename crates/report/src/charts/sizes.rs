//! Size against the gate's figure: where each rung of a ladder stands, and the bounds.

use std::fmt::Write;

use filbert_eval::Estimate;

use crate::figures::{figure, megabytes};
use crate::html::Html;
use crate::input::{Direction, Ladder, Outcome, Rung};
use crate::scale::{Scale, extent};
use crate::sections::parts::brief;
use crate::svg::{Frame, Key, Mark, WIDTH, across, diamond, dot, key, key_mark, label, line, rect, upward};

use super::labels::{Area, Placed, fitted, place, width};

const HEIGHT: f64 = 350.0;

/// The height of the key below a drawing that stands alone.
const KEY: f64 = 24.0;

/// The most points that are drawn.
const MAX_DOTS: usize = 24;

/// The widest name, in pixels.
const NAME: f64 = 165.0;

/// A rung with a size and a value.
struct Point<'a> {
    rung: &'a Rung,
    at: (f64, f64),
    /// The ends of its interval, in pixels.
    whisker: Option<(f64, f64)>,
    kind: Kind,
}

/// How a point looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kept,
    Original,
    Fits,
    Outside,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Kept, Self::Original, Self::Fits, Self::Outside];

    fn of(rung: &Rung) -> Self {
        match rung.outcome {
            Outcome::Kept => Self::Kept,
            _ if rung.original => Self::Original,
            Outcome::Fits => Self::Fits,
            _ => Self::Outside,
        }
    }

    fn key(self) -> Key<'static> {
        let (class, mark, text) = match self {
            Self::Kept => ("dot model", Mark::Ringed, "kept"),
            Self::Original => ("dot floor", Mark::Diamond, "original"),
            Self::Fits => ("dot model", Mark::Dot, "within the bounds"),
            Self::Outside => ("dot hollow", Mark::Dot, "outside them"),
        };
        Key { class, mark, text: text.to_owned() }
    }
}

/// The drawing, its values brought to pixels.
struct Plot<'a> {
    ladder: &'a Ladder,
    x: Scale,
    y: Scale,
    points: Vec<Point<'a>>,
}

/// Whether anything can be drawn.
pub(crate) fn present(ladder: &Ladder) -> bool {
    shown(ladder).next().is_some()
}

/// Rungs with a size in megabytes and a value.
fn shown(ladder: &Ladder) -> impl Iterator<Item = (&Rung, f64, Estimate)> {
    let measured = ladder.shown().iter().filter_map(|rung| {
        let size = rung.size_bytes.filter(|&size| size > 0)?;
        Some((rung, size as f64 / 1e6, ladder.gated(rung)?))
    });
    measured.take(MAX_DOTS)
}

/// The drawing below its key.
pub(crate) fn draw(h: &mut Html, ladder: &Ladder) {
    let Some(plot) = Plot::of(ladder) else { return };
    let entries: Vec<Key<'_>> = plot.kinds().map(Kind::key).collect();
    key(h, &entries);
    h.el("svg")
        .at("viewBox", format!("0 0 {WIDTH} {HEIGHT}"))
        .at("role", "img")
        .at("aria-label", plot.title())
        .body(|h| plot.inside(h));
}

/// The drawing with all that it needs to stand alone in a file.
pub(crate) fn alone(ladder: &Ladder) -> Option<String> {
    let plot = Plot::of(ladder)?;
    let mut html = Html::default();
    let height = HEIGHT + KEY;
    html.el("svg")
        .at("xmlns", "http://www.w3.org/2000/svg")
        .at("viewBox", format!("0 0 {WIDTH} {height}"))
        .at("width", (WIDTH * 1.5) as usize)
        .at("height", (height * 1.5) as usize)
        .at("role", "img")
        .at("aria-label", plot.title())
        .body(|h| {
            h.style(include_str!("../charts.css"));
            rect(h, "paper", (0.0, 0.0), (WIDTH, height));
            plot.inside(h);
            let mut left = across().0;
            for entry in plot.kinds().map(Kind::key) {
                h.el("g").at("transform", format!("translate({left} {})", HEIGHT + 3.0)).body(|h| {
                    key_mark(h, &entry);
                    label(h, "tick", (27.0, 10.0), &entry.text);
                });
                left += 42.0 + width(&entry.text);
            }
        });
    Some(html.into_fragment())
}

impl<'a> Plot<'a> {
    fn of(ladder: &'a Ladder) -> Option<Self> {
        let bound = ladder.bounds.max_bytes.filter(|&most| most > 0).map(|most| most as f64 / 1e6);
        let sizes = shown(ladder).map(|(_, size, _)| size).chain(bound);
        let (least, most) = sizes.fold((f64::INFINITY, 0.0_f64), |(l, m), size| (l.min(size), m.max(size)));
        let ends = |e: Estimate| [e.value, e.low.unwrap_or(e.value), e.high.unwrap_or(e.value)];
        let values = shown(ladder).flat_map(|(_, _, value)| ends(value));
        // Without a point there is nothing to see, bounds or not.
        shown(ladder).next()?;
        let range = extent(values.chain(ladder.worst()))?;
        let x = Scale::log((least / 1.35, most * 1.35), across());
        let y = Scale::linear(range, upward(HEIGHT));
        let points = shown(ladder)
            .map(|(rung, size, value)| Point {
                rung,
                at: (x.at(size), y.at(value.value)),
                whisker: value.low.zip(value.high).map(|(low, high)| (y.at(low), y.at(high))),
                kind: Kind::of(rung),
            })
            .collect();
        Some(Self { ladder, x, y, points })
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|&kind| self.points.iter().any(|point| point.kind == kind))
    }

    fn title(&self) -> String {
        format!("Size on disk against {}, one point for each artifact.", brief(self.ladder.gate()))
    }

    /// What the drawing shows, for those who cannot see it.
    fn description(&self) -> String {
        let mut told = String::new();
        for point in &self.points {
            let (size, value) = (point.rung.size_bytes.unwrap_or(0), self.ladder.gated(point.rung));
            let kept = if point.kind == Kind::Kept { " (kept)" } else { "" };
            let value = value.map_or(String::new(), |value| figure(value.value));
            // Writing to a string cannot fail.
            let _ = write!(told, "{}{kept}: {}, {value}. ", brief(&point.rung.name), megabytes(size));
        }
        format!("{told}Asked for: {}.", self.ladder.asked())
    }

    fn inside(&self, h: &mut Html) {
        h.el("title").text(&self.title());
        h.el("desc").data(&self.description(), 1200);
        let rows = if self.ladder.rows > 0 {
            format!(", {} {} rows", crate::figures::count(self.ladder.rows), brief(&self.ladder.split))
        } else {
            String::new()
        };
        let y_label = format!("{}{rows}", brief(self.ladder.gate()));
        let frame = Frame {
            alt: "",
            height: HEIGHT,
            x: self.x,
            y: self.y,
            x_label: "size on disk in MB, logarithmic",
            y_label: &y_label,
            ticks: (5, 5),
        };
        self.allowed(h);
        frame.axes(h);
        let (taken, lines) = self.bounds(h);
        self.marks(h, taken, lines);
    }

    /// Where sizes and values lie that keep the bounds.
    fn allowed(&self, h: &mut Html) {
        let (most, worst) = (self.most(), self.worst());
        if most.is_none() && worst.is_none() {
            return;
        }
        let ((left, right), (bottom, top)) = (self.x.pixels(), self.y.pixels());
        let edge = worst.map(|worst| self.y.at(worst));
        let (from, to) = match self.ladder.bounds.direction {
            Direction::Higher => (top, edge.unwrap_or(bottom)),
            Direction::Lower => (edge.unwrap_or(top), bottom),
        };
        rect(h, "within", (left, from), (most.unwrap_or(right) - left, to - from));
    }

    /// Where the largest size stands, in pixels.
    fn most(&self) -> Option<f64> {
        let most = self.ladder.bounds.max_bytes.filter(|&most| most > 0)?;
        Some(self.x.at(most as f64 / 1e6))
    }

    fn worst(&self) -> Option<f64> {
        self.ladder.worst().filter(|&worst| self.y.holds(worst))
    }

    /// The bounds as lines with their names; the areas of the names, and of the lines.
    fn bounds(&self, h: &mut Html) -> (Vec<Area>, Vec<Area>) {
        let ((left, right), (bottom, top)) = (self.x.pixels(), self.y.pixels());
        let (mut names, mut lines) = (Vec::new(), Vec::new());
        if let (Some(at), Some(most)) = (self.most(), self.ladder.bounds.max_bytes) {
            line(h, "reference", (at, bottom), (at, top));
            lines.push(Area { left: at - 2.0, top, right: at + 2.0, bottom });
            let text = format!("at most {}", megabytes(most));
            let room = width(&text);
            let before = at + room + 8.0 > right;
            let (class, from) = if before { ("bound end", at - 5.0) } else { ("bound", at + 5.0) };
            label(h, class, (from, bottom - 6.0), &text);
            let start = if before { from - room } else { from };
            names.push(Area { left: start, top: bottom - 18.0, right: start + room, bottom: bottom - 2.0 });
        }
        if let (Some(worst), Some(drop)) = (self.worst(), self.ladder.max_drop()) {
            let at = self.y.at(worst);
            line(h, "reference", (left, at), (right, at));
            lines.push(Area { left, top: at - 2.0, right, bottom: at + 2.0 });
            let text = format!("drop of at most {}", self.ladder.unit().amount(drop));
            let room = width(&text);
            // On the side that is not allowed, unless that is the edge or the other bound's name is there.
            let low =
                (self.ladder.bounds.direction == Direction::Higher && at + 34.0 < bottom) || at - 18.0 < top;
            let base = if low { at + 13.0 } else { at - 5.0 };
            label(h, "bound end", (right - 4.0, base), &text);
            names.push(Area { left: right - 4.0 - room, top: base - 12.0, right, bottom: base + 4.0 });
        }
        (names, lines)
    }

    fn marks(&self, h: &mut Html, mut taken: Vec<Area>, mut lines: Vec<Area>) {
        for Point { at, whisker, kind, .. } in &self.points {
            if let &Some((low, high)) = whisker {
                let class = if *kind == Kind::Original { "whisker floor" } else { "whisker model" };
                line(h, class, (at.0, low), (at.0, high));
                lines.push(Area {
                    left: at.0 - 2.0,
                    top: high.min(low),
                    right: at.0 + 2.0,
                    bottom: high.max(low),
                });
            }
            let reach = if *kind == Kind::Kept { 8.0 } else { 5.5 };
            taken.push(Area::around(*at, reach, reach));
        }
        // What matters most is drawn last and named first.
        let mut order: Vec<&Point<'_>> = self.points.iter().collect();
        order.sort_by_key(|point| match point.kind {
            Kind::Kept => 0,
            Kind::Original => 1,
            Kind::Fits | Kind::Outside => 2,
        });
        let texts: Vec<String> = order.iter().map(|point| name(point)).collect();
        let names: Vec<_> = order.iter().zip(&texts).map(|(point, text)| (point.at, width(text))).collect();
        let ((left, right), (bottom, top)) = (self.x.pixels(), self.y.pixels());
        let inside = Area { left: left + 2.0, top, right, bottom: bottom - 1.0 };
        let placed = place(&names, &inside, &taken, &lines);
        for (point, placed) in order.iter().zip(&placed).rev() {
            if let Some(Placed { leader: Some(to), .. }) = *placed {
                line(h, "leader", point.at, to);
            }
            mark(h, point);
        }
        for ((point, text), placed) in order.iter().zip(&texts).zip(&placed) {
            let class = if point.kind == Kind::Kept { "value" } else { "name" };
            if let Some(Placed { at, .. }) = *placed {
                label(h, class, at, text);
            }
        }
    }
}

fn name(point: &Point<'_>) -> String {
    let name = fitted(&point.rung.name, NAME);
    if point.kind == Kind::Kept { format!("✓ {name}") } else { name }
}

fn mark(h: &mut Html, point: &Point<'_>) {
    match point.kind {
        Kind::Original => diamond(h, "dot floor", point.at),
        Kind::Outside => dot(h, "dot hollow", point.at, 4.0),
        Kind::Fits => dot(h, "dot model", point.at, 4.4),
        Kind::Kept => {
            dot(h, "dot model", point.at, 4.4);
            dot(h, "ring", point.at, 7.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Bounds, Figure};

    fn rung(name: &str, size_bytes: u64, value: f64, outcome: Outcome) -> Rung {
        let value = Estimate { low: Some(value - 0.02), high: Some(value + 0.02), ..Estimate::bare(value) };
        Rung {
            name: name.to_owned(),
            outcome,
            size_bytes: Some(size_bytes),
            figures: vec![Figure::new("accuracy", Some(value), None)],
            ..Rung::default()
        }
    }

    #[test]
    fn bounds_are_lines_and_points_have_names() {
        let mut ladder = Ladder {
            bounds: Bounds { max_bytes: Some(12_000_000), max_drop: Some(0.005), ..Bounds::default() },
            split: "validation".to_owned(),
            rows: 1114,
            rungs: vec![
                rung("float32", 91_000_000, 0.912, Outcome::Outside),
                rung("int8", 23_000_000, 0.911, Outcome::Outside),
                rung("4-bit", 13_000_000, 0.91, Outcome::Outside),
                rung("4-bit, pruned", 8_400_000, 0.91, Outcome::Kept),
            ],
            ..Ladder::default()
        };
        ladder.rungs[0].original = true;
        let svg = alone(&ladder).unwrap_or_default();
        for text in [
            "float32<",
            "int8<",
            "4-bit<",
            "✓ 4-bit, pruned<",
            "at most 12.0 MB<",
            "drop of at most 0.5 points<",
            "accuracy, 1,114 validation rows",
            "4-bit, pruned (kept): 8.4 MB, 0.910.",
            "prefers-color-scheme: dark",
        ] {
            assert!(svg.contains(text), "{text} in {svg}");
        }
        assert!(
            svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\"") && svg.ends_with("</svg>\n"),
            "{svg}"
        );
    }

    #[test]
    fn without_a_size_or_a_value_there_is_nothing_to_draw() {
        let mut bare = rung("a", 0, 0.5, Outcome::Fits);
        assert!(alone(&Ladder { rungs: vec![bare.clone()], ..Ladder::default() }).is_none());
        bare.size_bytes = Some(5);
        assert!(alone(&Ladder { rungs: vec![bare.clone()], ..Ladder::default() }).is_some());
        bare.figures[0].value = Some(Estimate::bare(f64::NAN));
        assert!(alone(&Ladder { rungs: vec![bare], ..Ladder::default() }).is_none());
    }
}
