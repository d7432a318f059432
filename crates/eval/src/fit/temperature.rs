//! Temperature scaling (Guo, Pleiss, Sun & Weinberger, "On calibration of modern neural networks", ICML 2017):
//! the one number that logits are divided by so that log loss is least. The loss is convex in the inverse
//! temperature, so Newton's steps inside a shrinking bracket find its only minimum, to rounding.

use serde::{Deserialize, Serialize};

use crate::decision::{MAX_TEMPERATURE, MIN_TEMPERATURE};
use crate::error::Error;
use crate::input::check_shape;
use crate::probability::sigmoid;

/// More steps than bisection alone would need down to rounding.
const MAX_STEPS: usize = 80;

/// A fitted temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TemperatureFit {
    /// The temperature, in [[`MIN_TEMPERATURE`], [`MAX_TEMPERATURE`]].
    pub temperature: f64,
    /// Mean log loss in nats of the logits as they were; of multi-label rows, per label.
    pub loss_before: f64,
    /// The same after scaling.
    pub loss_after: f64,
    /// The loss falls beyond the bound that the temperature stands at: the rows cannot tell, because all (or
    /// none) are predicted right.
    pub at_bound: bool,
}

/// Loss, slope and curvature in the inverse temperature, summed over rows.
type Moments = (f64, f64, f64);

/// Fits the temperature of single-label rows: softmax over `logits`, `[rows, classes]`, against `labels`.
///
/// # Errors
/// [`Error::NoRows`], [`Error::TooManyRows`], [`Error::TooFewClasses`], [`Error::Length`],
/// [`Error::LabelOutOfRange`], [`Error::NotFinite`].
pub fn fit_temperature(logits: &[f32], labels: &[usize], classes: usize) -> Result<TemperatureFit, Error> {
    if classes < 2 {
        return Err(Error::TooFewClasses { found: classes, least: 2 });
    }
    check_shape(labels.len(), classes, "logits", logits.len())?;
    check_finite(logits, classes)?;
    if let Some(row) = labels.iter().position(|&label| label >= classes) {
        return Err(Error::LabelOutOfRange { row, label: labels[row], classes });
    }
    let at = |inverse: f64| -> Moments {
        let (mut loss, mut slope, mut curvature) = (0.0, 0.0, 0.0);
        for (z, &label) in logits.chunks_exact(classes).zip(labels) {
            let most = f64::from(z.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            for &z in z {
                let below = f64::from(z) - most;
                let e = (inverse * below).exp();
                sum += e;
                first += e * below;
                second += e * below * below;
            }
            let (own, mean) = (f64::from(z[label]) - most, first / sum);
            loss += sum.ln() - inverse * own;
            slope += mean - own;
            curvature += (second / sum - mean * mean).max(0.0);
        }
        (loss, slope, curvature)
    };
    Ok(minimum(labels.len(), at))
}

/// Fits the temperature of multi-label rows: a sigmoid of each of `logits`, `[rows, labels]`, against `truth`
/// of the same shape.
///
/// # Errors
/// As [`fit_temperature`].
pub fn fit_temperature_multilabel(
    logits: &[f32],
    truth: &[bool],
    labels: usize,
) -> Result<TemperatureFit, Error> {
    if labels == 0 {
        return Err(Error::TooFewClasses { found: 0, least: 1 });
    }
    let rows = truth.len() / labels;
    check_shape(rows, labels, "truth", truth.len())?;
    check_shape(rows, labels, "logits", logits.len())?;
    check_finite(logits, labels)?;
    let at = |inverse: f64| -> Moments {
        let (mut loss, mut slope, mut curvature) = (0.0, 0.0, 0.0);
        for (&z, &truth) in logits.iter().zip(truth) {
            let z = if truth { f64::from(z) } else { -f64::from(z) };
            let wrong = sigmoid(-inverse * z);
            loss += (-(inverse * z).abs()).exp().ln_1p() + (-inverse * z).max(0.0);
            slope -= z * wrong;
            curvature += z * z * wrong * (1.0 - wrong);
        }
        (loss, slope, curvature)
    };
    Ok(minimum(truth.len(), at))
}

fn check_finite(logits: &[f32], classes: usize) -> Result<(), Error> {
    match logits.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(Error::NotFinite { row: at / classes, class: at % classes, value: logits[at] }),
        None => Ok(()),
    }
}

/// The minimum of a convex function of the inverse temperature; 1 where it is flat.
fn minimum(count: usize, at: impl Fn(f64) -> Moments) -> TemperatureFit {
    let (mut low, mut high) = (1.0 / MAX_TEMPERATURE, 1.0 / MIN_TEMPERATURE);
    let (before, at_low, at_high) = (at(1.0), at(low), at(high));
    let fit = |temperature: f64, loss: f64, at_bound| TemperatureFit {
        temperature,
        loss_before: before.0 / count as f64,
        loss_after: loss / count as f64,
        at_bound,
    };
    if before.1 == 0.0 {
        return fit(1.0, before.0, false);
    }
    if at_low.1 >= 0.0 {
        return fit(MAX_TEMPERATURE, at_low.0, true);
    }
    if at_high.1 <= 0.0 {
        return fit(MIN_TEMPERATURE, at_high.0, true);
    }
    let (mut inverse, mut found) = (1.0, before);
    for _ in 0..MAX_STEPS {
        if found.1 > 0.0 {
            high = inverse;
        } else {
            low = inverse;
        }
        let newton = inverse - found.1 / found.2;
        let next = if newton > low && newton < high { newton } else { (low * high).sqrt() };
        let moved = (next - inverse).abs();
        (inverse, found) = (next, at(next));
        if moved <= 1e-13 * inverse || found.1 == 0.0 {
            break;
        }
    }
    fit((1.0 / inverse).clamp(MIN_TEMPERATURE, MAX_TEMPERATURE), found.0, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits of two classes a distance apart, right in a known share: log loss is least where the sigmoid of
    /// the scaled distance is that share.
    #[test]
    fn temperatures_of_known_odds() {
        for (distance, right, wrong) in [(8.0f32, 90, 10), (0.5, 90, 10), (3.0, 60, 40), (100.0, 99, 1)] {
            let logits = [0.0, distance].repeat(right + wrong);
            let labels: Vec<usize> = (0..right + wrong).map(|row| usize::from(row < right)).collect();
            let odds = (right as f64 / wrong as f64).ln();
            let expected = (f64::from(distance) / odds).clamp(MIN_TEMPERATURE, MAX_TEMPERATURE);
            let found = fit_temperature(&logits, &labels, 2).unwrap();
            assert!((found.temperature / expected - 1.0).abs() < 1e-9, "{distance}: {found:?} {expected}");
            assert!(found.loss_after <= found.loss_before);
            assert_eq!(found.at_bound, expected == MAX_TEMPERATURE);

            let truth: Vec<bool> = labels.iter().map(|&label| label == 1).collect();
            let sided: Vec<f32> = truth.iter().map(|_| distance).collect();
            let multi = fit_temperature_multilabel(&sided, &truth, 1).unwrap();
            assert!((multi.temperature / found.temperature - 1.0).abs() < 1e-9, "{multi:?} {found:?}");
        }
    }

    #[test]
    fn rows_that_cannot_tell_give_a_bound_or_one() {
        let right = fit_temperature(&[1.0, 0.0, 0.0, 1.0], &[0, 1], 2).unwrap();
        assert_eq!((right.temperature, right.at_bound), (MIN_TEMPERATURE, true));
        let wrong = fit_temperature(&[1.0, 0.0, 0.0, 1.0], &[1, 0], 2).unwrap();
        assert_eq!((wrong.temperature, wrong.at_bound), (MAX_TEMPERATURE, true));
        let flat = fit_temperature(&[2.0; 6], &[1, 0], 3).unwrap();
        assert_eq!((flat.temperature, flat.at_bound), (1.0, false));
        let huge = fit_temperature(&[f32::MAX, f32::MIN, f32::MAX, f32::MIN], &[0, 1], 2).unwrap();
        assert!(huge.temperature.is_finite() && huge.loss_after.is_finite(), "{huge:?}");
    }
}
