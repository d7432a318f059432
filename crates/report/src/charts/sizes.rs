//! Size against the gate's figure: where each rung of a ladder stands, and the bounds.

use std::fmt::Write;

use filbert_eval::Estimate;

use crate::figures::{figure, megabytes};
use crate::html::Html;
use crate::input::{Direction, Ladder, Outcome, Rung};
use crate::scale::{Scale, extent};
use crate::sections::parts::brief;
use crate::svg::{Frame, Key, Mark, WIDTH, across, diamond, dot, key, key_mark, label, line, rect, upward};

use super::labels::{Area, LINE, Name, Placed, broken, place, width};

const HEIGHT: f64 = 350.0;

/// The height of the key below a drawing that stands alone.
const KEY: f64 = 24.0;

/// The most points that are drawn.
const MAX_DOTS: usize = 24;

/// How many steps aside a name goes rather than over an interval, and over a bound.
const OVER_INTERVAL: usize = 4;
const OVER_BOUND: usize = 2;

/// The widest line of a name, in pixels.
const ROOM: f64 = 120.0;

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
            Self::Outside => ("dot hollow", Mark::Dot, "outside the bounds"),
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
        let (mut taken, mut lines) = self.areas();
        self.bounds(h, &mut taken, &mut lines);
        self.marks(h, &taken, &lines);
    }

    /// Where sizes and values lie that keep the bounds.
    fn allowed(&self, h: &mut Html) {
        let (most, worst) = (self.most(), self.worst());
        if most.is_none() && worst.is_none() {
            return;
        }
        let ((left, right), (bottom, top)) = (self.x.pixels(), self.y.pixels());
        let edge = worst.map(|worst| self.y.at(worst));
        let (from, to) = match self.ladder.direction() {
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

    /// The areas of dots, which nothing may cover, and of intervals.
    fn areas(&self) -> (Vec<Area>, Vec<(Area, usize)>) {
        let reach = |point: &Point<'_>| if point.kind == Kind::Kept { 8.0 } else { 5.5 };
        let dots = self.points.iter().map(|point| Area::around(point.at, reach(point), reach(point)));
        let whiskers = self.points.iter().filter_map(|point| {
            let ((low, high), x) = (point.whisker?, point.at.0);
            let area = Area { left: x - 2.0, top: high.min(low), right: x + 2.0, bottom: high.max(low) };
            Some((area, OVER_INTERVAL))
        });
        (dots.collect(), whiskers.collect())
    }

    /// The bounds as lines with their names. Adds the areas of both.
    fn bounds(&self, h: &mut Html, taken: &mut Vec<Area>, lines: &mut Vec<(Area, usize)>) {
        let ((left, right), (bottom, top)) = (self.x.pixels(), self.y.pixels());
        let mut names: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        let marks = (taken.len(), lines.len());
        if let (Some(at), Some(most)) = (self.most(), self.ladder.bounds.max_bytes) {
            line(h, "reference", (at, bottom), (at, top));
            lines.push((Area { left: at - 2.0, top, right: at + 2.0, bottom }, OVER_BOUND));
            let text = format!("at most {}", megabytes(most));
            // Beside the line, at its foot or at its head.
            let sides = [at + 5.0, at - 5.0 - width(&text)];
            names.push((
                text,
                [bottom - 6.0, top + 11.0].iter().flat_map(|&y| sides.map(|x| (x, y))).collect(),
            ));
        }
        if let (Some(worst), Some(drop)) = (self.worst(), self.ladder.max_drop()) {
            let at = self.y.at(worst);
            line(h, "reference", (left, at), (right, at));
            lines.push((Area { left, top: at - 2.0, right, bottom: at + 2.0 }, OVER_BOUND));
            let text = format!("drop of {}", self.ladder.unit().amount(drop));
            // Along the line from the right, first on the side that is not allowed.
            let beyond =
                if self.ladder.direction() == Direction::Higher { [13.0, -5.0] } else { [-5.0, 13.0] };
            let start = right - 4.0 - width(&text);
            let starts = (0..16_u8).map(|i| start - 18.0 * f64::from(i));
            names.push((text, starts.flat_map(|x| beyond.map(|below| (x, at + below))).collect()));
        }
        for (text, places) in names {
            let area = |&(x, y): &(f64, f64)| Area {
                left: x,
                top: y - 11.0,
                right: x + width(&text),
                bottom: y + 3.0,
            };
            let inside = |a: &Area| a.left >= left && a.right <= right && a.top >= top && a.bottom <= bottom;
            let covers = |a: &Area| {
                let met = |areas: &[Area]| areas.iter().filter(|other| a.meets(other)).count();
                let crossed = lines[..marks.1].iter().filter(|(line, _)| a.meets(line)).count();
                // Names are never put over names; dots and intervals are avoided where that can be.
                1000 * met(&taken[marks.0..]) + 10 * met(&taken[..marks.0]) + crossed
            };
            let found = places.iter().filter(|at| inside(&area(at))).min_by_key(|at| covers(&area(at)));
            if let Some(at) = found.filter(|at| covers(&area(at)) < 1000) {
                label(h, "bound", *at, &text);
                taken.push(area(at));
            }
        }
    }

    fn marks(&self, h: &mut Html, taken: &[Area], lines: &[(Area, usize)]) {
        for Point { at, whisker, kind, .. } in &self.points {
            if let &Some((low, high)) = whisker {
                let class = if *kind == Kind::Original { "whisker floor" } else { "whisker model" };
                line(h, class, (at.0, low), (at.0, high));
            }
        }
        // What matters most is named first, and drawn last.
        let mut order: Vec<&Point<'_>> = self.points.iter().collect();
        order.sort_by_key(|point| match point.kind {
            Kind::Kept => 0,
            Kind::Original => 1,
            Kind::Fits | Kind::Outside => 2,
        });
        let texts: Vec<Vec<String>> = order.iter().map(|point| name(point)).collect();
        let size = |text: &Vec<String>| {
            (text.iter().map(|line| width(line)).fold(0.0, f64::max), LINE * text.len() as f64)
        };
        let names: Vec<_> = order
            .iter()
            .zip(&texts)
            .map(|(point, text)| Name { point: point.at, size: size(text) })
            .collect();
        let ((left, right), (bottom, top)) = (self.x.pixels(), self.y.pixels());
        let inside = Area { left: left + 2.0, top, right, bottom: bottom - 1.0 };
        let placed = place(&names, &inside, taken, lines);
        for (point, placed) in order.iter().zip(&placed).rev() {
            if let Some(Placed { leader: Some(to), .. }) = *placed {
                line(h, "leader", point.at, to);
            }
            mark(h, point);
        }
        for ((point, text), placed) in order.iter().zip(&texts).zip(&placed) {
            let class = if point.kind == Kind::Kept { "value" } else { "name" };
            if let Some(Placed { at: (x, mut y), .. }) = *placed {
                for part in text {
                    label(h, class, (x, y), part);
                    y += LINE;
                }
            }
        }
    }
}

fn name(point: &Point<'_>) -> Vec<String> {
    let kept = if point.kind == Kind::Kept { "✓ " } else { "" };
    broken(&format!("{kept}{}", point.rung.name), ROOM)
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
            figures: vec![Figure::higher("accuracy", Some(value), None)],
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
            "✓ 4-bit,<",
            "pruned<",
            "at most 12.0 MB<",
            "drop of 0.5 points<",
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
