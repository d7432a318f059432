//! Predicted against true numbers.

use crate::figures::finite;
use crate::html::Html;
use crate::input::Regression;
use crate::scale::{Scale, extent};
use crate::svg::{Frame, Key, Mark, across, dot, key, line, upward};

const HEIGHT: f64 = 380.0;

/// The most points that are drawn.
const MAX_DOTS: usize = 1500;

/// Pairs of a true and a predicted number, both finite.
pub(crate) fn pairs(regression: &Regression) -> Vec<(f64, f64)> {
    let pairs = regression.truth.iter().zip(&regression.predicted);
    pairs.filter_map(|(&truth, &predicted)| Some((finite(truth)?, finite(predicted)?))).collect()
}

/// Draws every row, or evenly chosen ones where there are too many.
pub(crate) fn draw(h: &mut Html, pairs: &[(f64, f64)], target: &str) {
    let Some(range) = extent(pairs.iter().flat_map(|p| [p.0, p.1])) else { return };
    let (x, y) = (Scale::linear(range, across()), Scale::linear(range, upward(HEIGHT)));
    let each = pairs.len().div_ceil(MAX_DOTS).max(1);
    let text = if each > 1 { format!("one row of every {each}") } else { "a row".to_owned() };
    key(
        h,
        &[
            Key { class: "spot", mark: Mark::Dot, text },
            Key { class: "reference", mark: Mark::Line, text: "predicted is true".to_owned() },
        ],
    );
    let target: String = target.chars().take(40).collect();
    let (x_label, y_label) = (format!("true {target}"), format!("predicted {target}"));
    let frame = Frame {
        alt: "Predicted numbers against true ones; on the diagonal they are equal.",
        height: HEIGHT,
        x,
        y,
        x_label: &x_label,
        y_label: &y_label,
        ticks: (5, 5),
    };
    frame.draw(h, |h| {
        let (low, high) = x.range();
        line(h, "reference", (x.at(low), y.at(low)), (x.at(high), y.at(high)));
        for &(truth, predicted) in pairs.iter().step_by(each) {
            dot(h, "spot", (x.at(truth), y.at(predicted)), 2.6);
        }
    });
}
