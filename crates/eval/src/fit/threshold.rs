//! The threshold on a score that serves a target best, on the rows given. Candidates lie halfway between
//! neighbouring distinct scores, so that no row stands on the threshold itself.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::estimate::{Estimate, wilson};
use crate::fit::Target;
use crate::input::check_probabilities;
use crate::ranking::{check_scores, groups, one_sided, sorted_keys};
use crate::tally::share;

/// Negative rows that must be expected above a threshold for a false positive rate: with fewer, the rate on
/// other rows could be anything.
const EXPECTED: f64 = 10.0;

/// Differences below this are rounding, not a missed target.
const SLACK: f64 = 1e-12;

/// A fitted threshold, and what it gives on the rows that it was fitted on: on other rows expect a little less.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdFit {
    /// The label, where each has a threshold of its own.
    pub label: Option<String>,
    /// What it was chosen for.
    pub target: Target,
    /// Rows with at least this probability are called positive.
    pub threshold: f32,
    /// Positive rows.
    pub positives: u64,
    /// Negative rows.
    pub negatives: u64,
    /// Share of positives called positive, with Wilson's interval.
    pub recall: Estimate,
    /// Share of negatives called positive, with Wilson's interval.
    pub fpr: Estimate,
    /// Share of called rows that are positive, with Wilson's interval.
    pub precision: Estimate,
    /// F1, with the interval of [`crate::PerClass`].
    pub f1: Estimate,
    /// Matthews' correlation.
    pub mcc: f64,
}

/// The negative rows that a false positive rate of `fpr` (above 0) calls for: `10 / fpr`.
pub fn negatives_needed(fpr: f64) -> u64 {
    (EXPECTED / fpr * (1.0 - SLACK)).ceil() as u64
}

/// Fits a threshold on the positive class's probabilities, one per row.
///
/// # Errors
/// [`Error::NoRows`], [`Error::Length`], [`Error::TooManyRows`], [`Error::NotAProbability`],
/// [`Error::OneSided`] where positives or negatives are missing, [`Error::TooFewNegatives`] for a false
/// positive rate that they are too few for, [`Error::Unreachable`] with the best there is.
pub fn fit_threshold(scores: &[f32], positive: &[bool], target: Target) -> Result<ThresholdFit, Error> {
    let rows = check_scores(scores, positive)?;
    for (row, score) in scores.iter().enumerate() {
        check_probabilities(row, std::slice::from_ref(score))?;
    }
    let sweep = Sweep::new(rows, (0, 0));
    if sweep.one_sided() {
        return Err(one_sided(positive));
    }
    sweep.fit(target, None)
}

/// The rows above a threshold.
#[derive(Debug, Clone, Copy)]
struct Step {
    threshold: f32,
    hits: u64,
    misfires: u64,
}

/// Every threshold there is, highest first.
pub(crate) struct Sweep {
    steps: Vec<Step>,
    positives: u64,
    negatives: u64,
}

impl Sweep {
    /// Probabilities and truth of the rows that may be called positive, and how many positives and negatives
    /// there are beside them.
    pub(crate) fn new(rows: impl Iterator<Item = (f32, bool)>, others: (u64, u64)) -> Self {
        let keys = sorted_keys(rows);
        let mut groups = groups(&keys).peekable();
        let (mut steps, mut hits, mut misfires) = (Vec::new(), 0, 0);
        while let Some(group) = groups.next() {
            hits += group.positives.len() as u64;
            misfires += group.negatives.len() as u64;
            let below = groups.peek().map_or(0.0, |next| next.score);
            steps.push(Step { threshold: between(below, group.score), hits, misfires });
        }
        Self { steps, positives: hits + others.0, negatives: misfires + others.1 }
    }

    pub(crate) fn one_sided(&self) -> bool {
        self.positives == 0 || self.negatives == 0
    }

    /// The threshold for a target. There must be both positives and negatives.
    pub(crate) fn fit(&self, target: Target, label: Option<&str>) -> Result<ThresholdFit, Error> {
        let label = label.map(str::to_owned);
        if let Target::Fpr(fpr) = target {
            let (needed, found) = (negatives_needed(fpr), self.negatives);
            if found < needed {
                return Err(Error::TooFewNegatives { label, fpr, needed, found });
            }
        }
        let recall = |step: &Step| share(step.hits as f64, self.positives as f64);
        let fpr = |step: &Step| share(step.misfires as f64, self.negatives as f64);
        let precision = |step: &Step| share(step.hits as f64, (step.hits + step.misfires) as f64);
        let useful = |step: &&Step| step.hits > 0;
        let useful_steps = || self.steps.iter().filter(useful);
        // The most hits, and among those the highest threshold.
        let widest = |fits: &dyn Fn(&Step) -> bool| {
            best(useful_steps().filter(|step| fits(step)), |step| step.hits as f64)
        };
        let found = match target {
            Target::Fpr(limit) => widest(&|step| fpr(step) <= limit + SLACK),
            Target::Precision(limit) => widest(&|step| precision(step) >= limit - SLACK),
            Target::Recall(limit) => useful_steps().find(|step| recall(step) >= limit - SLACK),
            Target::BestF1 => best(useful_steps(), |step| self.f1(step)),
            Target::BestMcc => best(useful_steps(), |step| self.mcc(step)),
        };
        let Some(&step) = found else {
            let best = match target {
                Target::Fpr(_) => useful_steps().map(fpr).fold(1.0, f64::min),
                Target::Precision(_) => useful_steps().map(precision).fold(0.0, f64::max),
                Target::Recall(_) => useful_steps().map(recall).fold(0.0, f64::max),
                Target::BestF1 | Target::BestMcc => 0.0,
            };
            return Err(Error::Unreachable { label, target: target.to_string(), best });
        };
        let either = self.positives + step.misfires;
        Ok(ThresholdFit {
            label,
            target,
            threshold: step.threshold,
            positives: self.positives,
            negatives: self.negatives,
            recall: wilson(step.hits, self.positives),
            fpr: wilson(step.misfires, self.negatives),
            precision: wilson(step.hits, step.hits + step.misfires),
            f1: wilson(step.hits, either).mapped(|j| 2.0 * j / (1.0 + j)),
            mcc: self.mcc(&step),
        })
    }

    fn f1(&self, step: &Step) -> f64 {
        share(2.0 * step.hits as f64, (self.positives + step.hits + step.misfires) as f64)
    }

    fn mcc(&self, step: &Step) -> f64 {
        let (hits, called) = (step.hits as f64, (step.hits + step.misfires) as f64);
        let (positives, rows) = (self.positives as f64, (self.positives + self.negatives) as f64);
        let scale = called * (rows - called) * positives * (rows - positives);
        if scale > 0.0 { (rows * hits - called * positives) / scale.sqrt() } else { 0.0 }
    }
}

/// The first step with the highest value.
fn best<'a>(steps: impl Iterator<Item = &'a Step>, value: impl Fn(&Step) -> f64) -> Option<&'a Step> {
    let mut best: Option<(f64, &Step)> = None;
    for step in steps {
        let value = value(step);
        if best.is_none_or(|(most, _)| value > most) {
            best = Some((value, step));
        }
    }
    best.map(|(_, step)| step)
}

/// A number above `below` and at most `above`, halfway where there is room.
pub(crate) fn between(below: f32, above: f32) -> f32 {
    let middle = below + (above - below) / 2.0;
    if middle > below { middle } else { above }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(rows: &[(f32, u8)], target: Target) -> Result<ThresholdFit, Error> {
        let scores: Vec<f32> = rows.iter().map(|row| row.0).collect();
        let truth: Vec<bool> = rows.iter().map(|row| row.1 == 1).collect();
        fit_threshold(&scores, &truth, target)
    }

    #[test]
    fn thresholds_lie_between_scores() {
        assert_eq!(between(0.25, 0.75), 0.5);
        let next = f32::from_bits(0.5f32.to_bits() + 1);
        assert_eq!(between(0.5, next), next);
        assert_eq!(between(0.0, 0.0), 0.0);
        assert_eq!(between(0.0, f32::from_bits(1)), f32::from_bits(1));
    }

    #[test]
    fn targets_choose_their_step() {
        let rows = [(0.9, 1), (0.8, 1), (0.7, 0), (0.6, 1), (0.6, 0), (0.4, 1), (0.2, 0), (0.1, 0)];
        let cases = [
            (Target::Precision(1.0), 0.75),
            (Target::Precision(0.65), 0.3),
            (Target::Recall(0.5), 0.75),
            (Target::Recall(0.51), 0.5),
            (Target::Recall(1.0), 0.3),
            (Target::BestF1, 0.3),
            (Target::BestMcc, 0.75),
        ];
        for (target, expected) in cases {
            let found = fit(&rows, target).unwrap();
            assert!((found.threshold - expected).abs() < 1e-6, "{target}: {found:?}");
        }
    }

    #[test]
    fn targets_beyond_the_rows_are_refused() {
        let rows = [(0.9, 0), (0.8, 1), (0.7, 1), (0.6, 0)];
        let found = fit(&rows, Target::Precision(0.9));
        assert!(matches!(found, Err(Error::Unreachable { best, .. }) if (best - 2.0 / 3.0).abs() < 1e-12));
        let found = fit(&rows, Target::Fpr(0.001));
        assert!(matches!(found, Err(Error::TooFewNegatives { needed: 10_000, found: 2, .. })), "{found:?}");
        let found = fit(&[(0.5, 1), (0.4, 1)], Target::BestF1);
        assert!(matches!(found, Err(Error::OneSided { positives: 2, negatives: 0 })), "{found:?}");
        assert!(matches!(fit(&[(1.5, 1), (0.4, 0)], Target::BestF1), Err(Error::NotAProbability { .. })));
    }

    #[test]
    fn a_false_positive_rate_is_kept() {
        // 100 negatives at 0.00 to 0.99, positives at 0.895 (twice) and 0.955.
        let mut rows: Vec<(f32, u8)> = (0..100).map(|i| (i as f32 / 100.0, 0)).collect();
        rows.extend([(0.895, 1), (0.895, 1), (0.955, 1)]);
        let found = fit(&rows, Target::Fpr(0.1)).unwrap();
        assert_eq!((found.fpr.value, found.recall.value), (0.1, 1.0));
        assert!(found.threshold > 0.89 && found.threshold <= 0.895, "{found:?}");
        // Tied with a positive, negatives cannot be left out.
        rows.extend([(0.999, 1)]);
        rows.extend((0..20).map(|_| (0.999, 0)));
        let found = fit(&rows, Target::Fpr(0.1));
        assert!(matches!(found, Err(Error::Unreachable { best, .. }) if (best - 20.0 / 120.0).abs() < 1e-12));
    }
}
