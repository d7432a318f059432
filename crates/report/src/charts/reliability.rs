//! The reliability diagram: how often answers of each confidence are right.

use filbert_eval::curves::ReliabilityBin;

use crate::figures::sound;
use crate::html::Html;
use crate::input::Calibration;
use crate::scale::Scale;
use crate::svg::{Frame, Key, Mark, across, dot, key, line, polyline, upward};

const HEIGHT: f64 = 380.0;

/// The most bins that are drawn.
const MAX_BINS: usize = 60;

/// Draws the bins, before and after the temperature where there are both.
pub(crate) fn draw(h: &mut Html, calibration: &Calibration) {
    let (before, after) = (points(&calibration.before), points(&calibration.after));
    let both = !before.is_empty() && !after.is_empty();
    let main = if after.is_empty() { &before } else { &after };
    let least = before.iter().chain(&after).map(|p| p.confidence.min(p.low)).fold(1.0_f64, f64::min);
    let low = ((least * 10.0).floor() / 10.0).clamp(0.0, 0.9);
    let (x, y) = (Scale::linear((low, 1.0), across()), Scale::linear((low, 1.0), upward(HEIGHT)));
    let mut entries = Vec::new();
    if both {
        entries.push(Key {
            class: "line faint",
            mark: Mark::Line,
            text: "before the temperature".to_owned(),
        });
    }
    let text = if both { "after" } else { "share right" };
    entries.push(Key { class: "dot model", mark: Mark::Dot, text: format!("{text}, with 95 % interval") });
    entries.push(Key { class: "reference", mark: Mark::Line, text: "as often right as it says".to_owned() });
    key(h, &entries);
    let frame = Frame {
        alt: "Reliability diagram: share of right answers against the probability of the answer, in bins.",
        height: HEIGHT,
        x,
        y,
        x_label: "probability of the answer",
        y_label: "share of answers that are right",
        ticks: (5, 5),
    };
    frame.draw(h, |h| {
        line(h, "reference", (x.at(low), y.at(low)), (x.at(1.0), y.at(1.0)));
        if both {
            let faint: Vec<_> = before.iter().map(|p| (x.at(p.confidence), y.at(p.accuracy))).collect();
            polyline(h, "line faint", &faint);
        }
        for p in main {
            let at = x.at(p.confidence);
            line(h, "whisker model", (at, y.at(p.low)), (at, y.at(p.high)));
        }
        for p in main {
            dot(h, "dot model", (x.at(p.confidence), y.at(p.accuracy)), 4.2);
        }
    });
}

struct Point {
    confidence: f64,
    accuracy: f64,
    low: f64,
    high: f64,
}

fn points(bins: &[ReliabilityBin]) -> Vec<Point> {
    let sound_bin = |bin: &ReliabilityBin| {
        let accuracy = sound(Some(bin.accuracy))?;
        let unit = |v: f64| (0.0..=1.0).contains(&v);
        (unit(bin.confidence) && unit(accuracy.value)).then(|| Point {
            confidence: bin.confidence,
            accuracy: accuracy.value,
            low: accuracy.low.unwrap_or(accuracy.value).max(0.0),
            high: accuracy.high.unwrap_or(accuracy.value).min(1.0),
        })
    };
    bins.iter().filter_map(sound_bin).take(MAX_BINS).collect()
}
