//! Losses and the validation metric by epoch, with the epoch that was kept.

use crate::figures::{figure, finite};
use crate::html::Html;
use crate::input::{Epoch, Training};
use crate::scale::{Scale, extent};
use crate::svg::{Frame, Key, MAX_POINTS, Mark, across, dot, key, label, line, polyline, upward};

const HEIGHT: f64 = 270.0;

/// A line over epochs.
struct Series {
    class: &'static str,
    name: String,
    /// Epoch and value.
    points: Vec<(f64, f64)>,
}

impl Series {
    fn of(class: &'static str, name: &str, epochs: &[Epoch], get: fn(&Epoch) -> Option<f64>) -> Self {
        let points = epochs.iter().filter_map(|e| Some((e.epoch as f64, finite(get(e)?)?))).collect();
        Self { class, name: name.to_owned(), points }
    }
}

/// Whether there is anything to draw of the losses, and of the metric.
pub(crate) fn has(training: &Training) -> (bool, bool) {
    let any =
        |get: fn(&Epoch) -> Option<f64>| training.epochs.iter().any(|e| get(e).and_then(finite).is_some());
    (any(|e| e.train_loss) || any(|e| e.valid_loss), any(|e| e.valid_metric))
}

/// Training and validation loss.
pub(crate) fn losses(h: &mut Html, training: &Training) {
    let series = [
        Series::of("line model", "training loss", &training.epochs, |e| e.train_loss),
        Series::of("line third", "validation loss", &training.epochs, |e| e.valid_loss),
    ];
    draw(h, training, &series, "loss");
}

/// The validation metric.
pub(crate) fn metric(h: &mut Html, training: &Training) {
    let name = format!("validation {}", training.metric);
    let series = [Series::of("line third", &name, &training.epochs, |e| e.valid_metric)];
    draw(h, training, &series, &training.metric);
}

fn draw(h: &mut Html, training: &Training, series: &[Series], what: &str) {
    let series: Vec<&Series> = series.iter().filter(|s| !s.points.is_empty()).collect();
    let all = || series.iter().flat_map(|s| s.points.iter().copied());
    let Some((low, high)) = extent(all().map(|p| p.1)) else { return };
    let epochs = all().fold((f64::INFINITY, 0.0_f64), |(l, h), (epoch, _)| (l.min(epoch), h.max(epoch)));
    let x = Scale::linear(epochs, across());
    let y = Scale::linear((low, high), upward(HEIGHT));
    let mut entries: Vec<Key<'_>> =
        series.iter().map(|s| Key { class: s.class, mark: Mark::Line, text: s.name.clone() }).collect();
    let kept = training.kept.map(|kept| kept as f64).filter(|&kept| x.holds(kept));
    if let Some(kept) = kept {
        entries.push(Key { class: "reference", mark: Mark::Line, text: format!("kept: epoch {kept:.0}") });
    }
    key(h, &entries);
    let alt = alternative(&series);
    let ticks = ((epochs.1 - epochs.0).clamp(2.0, 8.0) as usize, 4);
    let frame = Frame { alt: &alt, height: HEIGHT, x, y, x_label: "epoch", y_label: what, ticks };
    frame.draw(h, |h| {
        if let Some(at) = kept.map(|kept| x.at(kept)) {
            line(h, "reference", (at, y.pixels().0), (at, y.pixels().1));
        }
        for s in &series {
            let points: Vec<_> = s.points.iter().map(|&(epoch, v)| (x.at(epoch), y.at(v))).collect();
            polyline(h, s.class, &points);
            if points.len() <= MAX_POINTS / 10 {
                for &point in &points {
                    dot(h, &s.class.replace("line", "dot"), point, 3.0);
                }
            }
            let at_kept = s.points.iter().find(|p| kept == Some(p.0));
            if let Some(&(epoch, value)) = at_kept {
                let (px, py) = (x.at(epoch), y.at(value));
                dot(h, "ring", (px, py), 6.5);
                // Beside the ring, on the side where there is room; above it, or below near the top.
                let right = px > f64::midpoint(x.pixels().0, x.pixels().1);
                let (class, px) = if right { ("value end", px - 10.0) } else { ("value", px + 10.0) };
                label(h, class, (px, if py < 40.0 { py + 16.0 } else { py - 8.0 }), &figure(value));
            }
        }
    });
}

fn alternative(series: &[&Series]) -> String {
    let told = series.iter().filter_map(|s| {
        let (first, last) = (s.points.first()?, s.points.last()?);
        Some(format!("{} from {} to {}", s.name, figure(first.1), figure(last.1)))
    });
    format!("By epoch: {}.", told.collect::<Vec<_>>().join(", "))
}
