//! The points behind a report's plots: ROC, precision against recall, and the reliability diagram.

use serde::{Deserialize, Serialize};

use crate::calibration::equal_mass_bins;
use crate::error::Error;
use crate::estimate::{Estimate, wilson};
use crate::input::Inputs;
use crate::ranking::{check_scores, groups, one_sided, sorted_keys};

/// One threshold of a ROC curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RocPoint {
    /// Share of negatives that score at least the threshold.
    pub fpr: f64,
    /// Share of positives that score at least the threshold.
    pub tpr: f64,
    /// The threshold; `None` for the first point, above every score.
    pub threshold: Option<f32>,
}

/// One threshold of a precision-recall curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrPoint {
    /// Share of positives that score at least the threshold.
    pub recall: f64,
    /// Share of the rows scoring at least the threshold that are positive; 1 at the first point.
    pub precision: f64,
    /// The threshold; `None` for the first point, above every score.
    pub threshold: Option<f32>,
}

/// One bin of a reliability diagram.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// The lowest confidence in the bin.
    pub low: f32,
    /// The highest confidence in the bin.
    pub high: f32,
    /// Rows in the bin; never 0.
    pub rows: u64,
    /// Mean confidence: the probability of the predicted class.
    pub confidence: f64,
    /// Share of the bin's rows predicted right, with Wilson's interval.
    pub accuracy: Estimate,
}

/// Positives and negatives that score at least each threshold, from the highest down, and the totals.
struct Steps {
    /// Threshold, positives, negatives.
    points: Vec<(f32, u64, u64)>,
    positives: f64,
    negatives: f64,
}

fn steps(scores: &[f32], positive: &[bool]) -> Result<Steps, Error> {
    let keys = sorted_keys(check_scores(scores, positive)?);
    let (mut positives, mut negatives) = (0, 0);
    let points: Vec<_> = groups(&keys)
        .map(|group| {
            positives += group.positives.len() as u64;
            negatives += group.negatives.len() as u64;
            (group.score, positives, negatives)
        })
        .collect();
    if positives == 0 || negatives == 0 {
        return Err(one_sided(positive));
    }
    Ok(Steps { points, positives: positives as f64, negatives: negatives as f64 })
}

/// The ROC curve of `scores` (any finite numbers, higher for positives), one per row, from (0, 0) to (1, 1).
/// As in scikit-learn's `roc_curve`, points that lie level with both neighbours' steps are left out.
///
/// # Errors
/// [`Error::NoRows`], [`Error::TooManyRows`], [`Error::Length`], [`Error::NotFinite`], and
/// [`Error::OneSided`] where positives or negatives are missing.
pub fn roc_curve(scores: &[f32], positive: &[bool]) -> Result<Vec<RocPoint>, Error> {
    let Steps { points, positives, negatives } = steps(scores, positive)?;
    let mut curve = vec![RocPoint { fpr: 0.0, tpr: 0.0, threshold: None }];
    for (index, &(threshold, tp, fp)) in points.iter().enumerate() {
        // An inner point whose step towards it equals the step away from it adds no corner.
        let corner = match (index.checked_sub(1).and_then(|i| points.get(i)), points.get(index + 1)) {
            (Some(before), Some(after)) => (tp - before.1, fp - before.2) != (after.1 - tp, after.2 - fp),
            _ => true,
        };
        if corner {
            let (fpr, tpr) = (fp as f64 / negatives, tp as f64 / positives);
            curve.push(RocPoint { fpr, tpr, threshold: Some(threshold) });
        }
    }
    Ok(curve)
}

/// The precision-recall curve of `scores`, as [`roc_curve`] takes them, from recall 0 (where precision is 1
/// by convention) to recall 1 at the lowest score. The points of scikit-learn's `precision_recall_curve`, in
/// the opposite order.
///
/// # Errors
/// As [`roc_curve`].
pub fn pr_curve(scores: &[f32], positive: &[bool]) -> Result<Vec<PrPoint>, Error> {
    let Steps { points, positives, .. } = steps(scores, positive)?;
    let start = PrPoint { recall: 0.0, precision: 1.0, threshold: None };
    let rest = points.iter().map(|&(threshold, tp, fp)| PrPoint {
        recall: tp as f64 / positives,
        precision: tp as f64 / (tp + fp) as f64,
        threshold: Some(threshold),
    });
    Ok(std::iter::once(start).chain(rest).collect())
}

/// The reliability diagram: the bins that the calibration error of [`crate::measure`] is computed from,
/// lowest confidence first.
///
/// # Errors
/// Any fault of the inputs, see [`Error`].
pub fn reliability(inputs: &Inputs<'_>) -> Result<Vec<ReliabilityBin>, Error> {
    let bins = equal_mass_bins(&inputs.check()?);
    Ok(bins
        .into_iter()
        .map(|bin| ReliabilityBin {
            low: bin.low,
            high: bin.high,
            rows: bin.rows,
            confidence: bin.confidence,
            accuracy: wilson(bin.correct, bin.rows),
        })
        .collect())
}
