//! Histograms: scores by true class, positives up and negatives down, and residuals.

use crate::figures::{count, finite};
use crate::html::Html;
use crate::input::Scores;
use crate::scale::{Scale, extent, round_step};
use crate::svg::{Frame, Key, Mark, across, key, label, line, rect, upward};

const HEIGHT: f64 = 380.0;

/// The most bars of a histogram.
const MAX_BARS: usize = 100;

/// Counts brought to at most [`MAX_BARS`] bins by adding neighbours.
fn merged(counts: &[u64]) -> Vec<u64> {
    let each = counts.len().div_ceil(MAX_BARS).max(1);
    counts.chunks(each).map(|bins| bins.iter().fold(0, |a: u64, &b| a.saturating_add(b))).collect()
}

/// The positive class's probabilities by true class. Heights are square roots of counts, so that a few rows
/// on the wrong side can be seen beside many on the right one.
pub(crate) fn scores(h: &mut Html, scores: &Scores) {
    let (ups, downs) = (merged(&scores.positives), merged(&scores.negatives));
    let x = Scale::linear((0.0, 1.0), across());
    let most = |counts: &[u64]| (counts.iter().copied().max().unwrap_or(0).max(1) as f64).sqrt();
    let (up, down) = (most(&ups), most(&downs));
    let y = Scale::linear((-down * 1.08, up * 1.08), upward(HEIGHT));
    let entry = |class, label: &str, counts: &[u64], side| {
        let rows = counts.iter().fold(0, |a: u64, &b| a.saturating_add(b));
        Key { class, mark: Mark::Area, text: format!("truly {}, {} rows, {side}", short(label), count(rows)) }
    };
    let mut entries = vec![
        entry("bar model", or(&scores.positive, "positive"), &ups, "upward"),
        entry("bar floor", or(&scores.negative, "negative"), &downs, "downward"),
    ];
    let unit = |v: f64| (0.0..=1.0).contains(&v);
    let band = scores.unsure.filter(|band| unit(band.0) && unit(band.1) && band.0 < band.1);
    if band.is_some() {
        entries.push(Key { class: "band", mark: Mark::Area, text: "answered “unsure”".to_owned() });
    }
    key(h, &entries);
    let (left, right) = x.pixels();
    let x_label = format!("probability of {}", short(or(&scores.positive, "the positive class")));
    svg(h, "Histogram of scores by true class.", &x, |h| {
        if let Some((low, high)) = band {
            rect(h, "band", (x.at(low), y.pixels().1), (x.at(high) - x.at(low), y.pixels().0 - y.pixels().1));
        }
        count_ticks(h, &y, (up, down));
        for (class, counts, sign) in [("bar model", &ups, 1.0), ("bar floor", &downs, -1.0)] {
            let width = (right - left) / counts.len().max(1) as f64;
            for (i, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
                let (a, b) = (y.at(0.0), y.at(sign * (n as f64).sqrt()));
                rect(h, class, (left + i as f64 * width + 0.5, a.min(b)), (width - 1.0, (a - b).abs()));
            }
        }
        line(h, "axis", (left, y.at(0.0)), (right, y.at(0.0)));
        if let Some(at) = scores.threshold.filter(|&t| unit(t)) {
            let px = x.at(at);
            line(h, "mark", (px, y.pixels().0), (px, y.pixels().1));
            let (class, px) = if at > 0.7 { ("value end", px - 5.0) } else { ("value", px + 5.0) };
            label(h, class, (px, y.pixels().1 + 9.0), &format!("threshold {}", crate::figures::figure(at)));
        }
        label(h, "axis-label mid", (f64::midpoint(left, right), HEIGHT - 8.0), &x_label);
        h.el("text")
            .class("axis-label mid")
            .at("transform", format!("translate(11 {}) rotate(-90)", HEIGHT / 2.0 - 14.0))
            .text("rows (square-root axis)");
    });
}

/// Ticks on an axis of square roots, labelled with counts, both ways.
fn count_ticks(h: &mut Html, y: &Scale, (up, down): (f64, f64)) {
    for (most, sign) in [(up, 1.0), (down, -1.0)] {
        let mut last = y.at(0.0);
        for n in (0..16).flat_map(|power| [1, 2, 5].map(|m| m as f64 * 10_f64.powi(power))) {
            let at = y.at(sign * n.sqrt());
            if n.sqrt() > most || (at - last).abs() < 20.0 {
                continue;
            }
            last = at;
            line(h, "grid", (y_left(), at), (across().1, at));
            label(h, "tick end", (y_left() - 6.0, at + 3.5), &count(n as u64));
        }
    }
}

fn y_left() -> f64 {
    across().0
}

/// A frame with ticks on the horizontal axis only.
fn svg(h: &mut Html, alt: &str, x: &Scale, marks: impl FnOnce(&mut Html)) {
    let (width, bottom) = (crate::svg::WIDTH, upward(HEIGHT).0);
    h.el("svg").at("viewBox", format!("0 0 {width} {HEIGHT}")).at("role", "img").at("aria-label", alt).body(
        |h| {
            h.el("title").text(alt);
            for tick in x.ticks(5) {
                label(h, "tick mid", (tick.at, bottom + 15.0), &tick.label);
            }
            marks(h);
        },
    );
}

/// How far predictions are from the truth.
pub(crate) fn residuals(h: &mut Html, residuals: &[f64], target: &str) {
    let residuals: Vec<f64> = residuals.iter().copied().filter_map(finite).collect();
    let Some((low, high)) = extent(residuals.iter().copied()) else { return };
    let step = round_step(((high - low) / 24.0).max(low.abs().max(high.abs()) * 1e-6).max(1e-12));
    let (first, last) = ((low / step).floor(), (high / step).ceil());
    let bins = ((last - first) as usize).clamp(1, MAX_BARS);
    let mut counts = vec![0_u64; bins];
    for r in &residuals {
        counts[((r / step - first).max(0.0) as usize).min(bins - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(1) as f64;
    let x = Scale::linear((first * step, last * step), across());
    let y = Scale::linear((0.0, most * 1.05), upward(HEIGHT));
    let (left, right) = x.pixels();
    let x_label = format!("predicted less true {}", short(target));
    let frame = Frame {
        alt: "Histogram of residuals: predicted less true.",
        height: HEIGHT,
        x,
        y,
        x_label: &x_label,
        y_label: "rows",
        ticks: (5, 4),
    };
    frame.draw(h, |h| {
        let width = (right - left) / bins as f64;
        for (i, &n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            let top = y.at(n as f64);
            rect(h, "bar model", (left + i as f64 * width + 0.5, top), (width - 1.0, y.at(0.0) - top));
        }
        if x.holds(0.0) {
            line(h, "reference", (x.at(0.0), y.pixels().0), (x.at(0.0), y.pixels().1));
        }
    });
}

fn or<'a>(text: &'a str, instead: &'a str) -> &'a str {
    if text.is_empty() { instead } else { text }
}

/// A label short enough for a key.
fn short(label: &str) -> String {
    let cut: String = label.chars().take(28).collect();
    if cut.len() < label.len() { format!("{cut}…") } else { cut }
}
