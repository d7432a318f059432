//! From logits to probabilities to a decision, and the two scores of a probability: log loss and Brier.

use crate::error::Error;
use crate::input::Checked;

/// The index of the largest value, the first among equals as numpy has it; `None` for an empty row or one
/// that holds NaN.
pub fn argmax(values: &[f32]) -> Option<usize> {
    let mut best = None;
    for (index, &value) in values.iter().enumerate() {
        if value.is_nan() {
            return None;
        }
        match best {
            Some((_, most)) if value <= most => {}
            _ => best = Some((index, value)),
        }
    }
    best.map(|(index, _)| index)
}

/// Softmax of each row of `logits`, `[rows, classes]` row-major, as a slice of the same shape. Each row's
/// true maximum is subtracted first, so that no finite logit overflows; sums are in 64 bits.
///
/// # Errors
/// [`Error::TooFewClasses`] without classes, [`Error::Length`] where the logits are no whole number of rows,
/// [`Error::NotFinite`] with the place of the first NaN or infinity.
pub fn softmax_rows(logits: &[f32], classes: usize) -> Result<Vec<f32>, Error> {
    if classes == 0 {
        return Err(Error::TooFewClasses { found: 0, least: 1 });
    }
    if !logits.len().is_multiple_of(classes) {
        let expected = logits.len() / classes * classes;
        return Err(Error::Length { what: "logits", expected, found: logits.len() });
    }
    let mut probabilities = Vec::with_capacity(logits.len());
    let mut exponentials = Vec::with_capacity(classes.min(logits.len()));
    for (row, values) in logits.chunks_exact(classes).enumerate() {
        if let Some(class) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite { row, class, value: values[class] });
        }
        let most = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        exponentials.clear();
        exponentials.extend(values.iter().map(|&v| (f64::from(v) - f64::from(most)).exp()));
        let sum: f64 = exponentials.iter().sum(); // at least 1: the maximum's own term
        probabilities.extend(exponentials.iter().map(|e| (e / sum) as f32));
    }
    Ok(probabilities)
}

/// Sigmoid of each of `logits`, `[rows, labels]` row-major, in 64 bits: each label's probability on its own.
///
/// # Errors
/// As [`softmax_rows`].
pub fn sigmoid_rows(logits: &[f32], labels: usize) -> Result<Vec<f32>, Error> {
    if labels == 0 {
        return Err(Error::TooFewClasses { found: 0, least: 1 });
    }
    if !logits.len().is_multiple_of(labels) {
        let expected = logits.len() / labels * labels;
        return Err(Error::Length { what: "logits", expected, found: logits.len() });
    }
    if let Some(at) = logits.iter().position(|v| !v.is_finite()) {
        return Err(Error::NotFinite { row: at / labels, class: at % labels, value: logits[at] });
    }
    Ok(logits.iter().map(|&v| sigmoid(f64::from(v)) as f32).collect())
}

/// `1 / (1 + e^-x)`; the exponential's argument is never positive, so nothing overflows.
pub(crate) fn sigmoid(x: f64) -> f64 {
    let e = (-x.abs()).exp();
    if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// Each row's contribution to log loss and Brier score; the metrics are their means.
pub(crate) struct RowLosses {
    /// `-ln p(true class)`, in nats.
    pub(crate) log: Vec<f64>,
    /// `(p(positive) - y)^2` with two classes, the sum of squared differences over all classes otherwise.
    pub(crate) brier: Vec<f64>,
}

impl RowLosses {
    /// Log loss clips probabilities to `[eps, 1 - eps]` with the epsilon of 64-bit floats: what
    /// scikit-learn's `log_loss` does to 64-bit input, which is what written predictions are when read back.
    /// (Given 32-bit arrays it clips at 1.2e-7, which would hide how wrong a confident mistake was.) The
    /// Brier score is scikit-learn's `brier_score_loss`: halved with two classes (so in [0, 1]), not halved
    /// with more (in [0, 2]); its source is G. W. Brier, "Verification of forecasts", 1950.
    pub(crate) fn of(checked: &Checked<'_>) -> Self {
        let mut losses =
            Self { log: Vec::with_capacity(checked.rows()), brier: Vec::with_capacity(checked.rows()) };
        for (p, label, _) in checked.each_row() {
            let own = f64::from(p[label]).clamp(f64::EPSILON, 1.0 - f64::EPSILON);
            losses.log.push(-own.ln());
            let squared = |class: usize| (f64::from(p[class]) - f64::from(u8::from(class == label))).powi(2);
            losses.brier.push(match checked.positive {
                Some(positive) => squared(positive),
                None => (0..p.len()).map(squared).sum(),
            });
        }
        losses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argmax_takes_the_first_of_equals() {
        assert_eq!(argmax(&[0.1, 0.5, 0.5]), Some(1));
        assert_eq!(argmax(&[f32::NEG_INFINITY]), Some(0));
        assert_eq!(argmax(&[]), None);
        assert_eq!(argmax(&[0.1, f32::NAN]), None);
    }

    #[test]
    fn softmax_survives_any_finite_logit() {
        let found = softmax_rows(&[f32::MAX, f32::MIN, -1e30, -1e30, 0.0, 1.0], 2).unwrap_or_default();
        assert_eq!(found[..4], [1.0, 0.0, 0.5, 0.5]);
        assert!((found[5] - 0.731_058_6).abs() < 1e-7);
    }

    #[test]
    fn softmax_names_the_broken_row() {
        let found = softmax_rows(&[0.0, 1.0, 2.0, f32::INFINITY], 2);
        assert_eq!(found, Err(Error::NotFinite { row: 1, class: 1, value: f32::INFINITY }));
        assert!(matches!(softmax_rows(&[f32::NAN], 1), Err(Error::NotFinite { row: 0, class: 0, .. })));
        assert!(matches!(softmax_rows(&[0.0; 3], 2), Err(Error::Length { .. })));
        assert!(matches!(softmax_rows(&[0.0; 3], 0), Err(Error::TooFewClasses { .. })));
        assert_eq!(softmax_rows(&[], 3), Ok(Vec::new()));
        assert!(softmax_rows(&[], usize::MAX).is_ok());
    }
}
