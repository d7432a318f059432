//! Two models on the same rows: is the one better, and by how much. Comparing two intervals by eye throws
//! away that both models saw the same rows; here the rows where they disagree decide.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Gaps, Series, affordable, reduced};
use crate::error::Error;
use crate::estimate::{Estimate, score_interval};
use crate::input::{Inputs, Options};
use crate::ranking::Rankings;
use crate::rng::SplitMix64;

/// A candidate beside a baseline. Differences are candidate minus baseline, in [-1, 1]: positive is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Rows compared.
    pub rows: u64,
    /// Rows that both predict right.
    pub both_right: u64,
    /// Rows that only the baseline predicts right.
    pub only_baseline: u64,
    /// Rows that only the candidate predicts right.
    pub only_candidate: u64,
    /// Rows that neither predicts right.
    pub both_wrong: u64,
    /// [`mcnemar_exact`] of the rows that only one predicts right.
    pub mcnemar_p: f64,
    /// Difference of accuracies, with a paired bootstrap interval.
    pub accuracy_difference: Estimate,
    /// Difference of ROC AUCs (macro one-vs-rest with more than two classes), with a paired bootstrap
    /// interval; `None` where all rows are of one class.
    pub auc_difference: Option<Estimate>,
    /// Metrics without interval, and why.
    pub notes: Vec<String>,
}

/// Compares two models' probabilities on the same rows. The bootstrap draws rows, and each resample serves
/// both.
///
/// # Errors
/// Any fault of either input, see [`Error`]; [`Error::NotPaired`] where labels, classes or positive class
/// differ.
pub fn compare(
    baseline: &Inputs<'_>,
    candidate: &Inputs<'_>,
    options: &Options,
) -> Result<Comparison, Error> {
    options.check()?;
    let (baseline, candidate) = (baseline.check()?, candidate.check()?);
    let differs = [
        ("the names or order of classes", baseline.classes != candidate.classes),
        ("the true labels", baseline.labels != candidate.labels),
        ("the positive class", baseline.positive != candidate.positive),
    ];
    if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
        return Err(Error::NotPaired { what });
    }
    let rows = baseline.rows();
    // Per row: whether the baseline and whether the candidate is right.
    let right: Vec<(bool, bool)> = baseline
        .each_row()
        .zip(&candidate.predicted)
        .map(|((_, label, predicted), &other)| (label == predicted, label == other))
        .collect();
    let count = |outcome: (bool, bool)| right.iter().filter(|&&row| row == outcome).count() as u64;
    let (only_baseline, only_candidate) = (count((true, false)), count((false, true)));
    let gain: Vec<f64> = right.iter().map(|&(b, c)| f64::from(i8::from(c) - i8::from(b))).collect();

    let old = Rankings::of(&baseline).summarised(baseline.positive);
    let new = Rankings::of(&candidate).summarised(candidate.positive);
    let auc_gain = |old: Option<(f64, f64)>, new: Option<(f64, f64)>| Some(new?.0 - old?.0);

    let mut accuracy = Series::new("accuracy_difference", gain.iter().sum::<f64>() / rows as f64);
    let mut auc = auc_gain(old.scores(), new.scores()).map(|value| Series::new("auc_difference", value));
    let draws = affordable(options, rows.saturating_mul(2));
    let rank_draws = draws.min(affordable(options, old.steps().saturating_add(new.steps())));
    let mut rng = SplitMix64::new(options.seed);
    let mut weights = vec![0; if draws > 0 { rows } else { 0 }];
    for draw in 0..draws {
        rng.resample(&mut weights);
        let sum: f64 = gain.iter().zip(&weights).map(|(gain, &weight)| gain * f64::from(weight)).sum();
        accuracy.push(Some(sum / rows as f64));
        if draw < rank_draws
            && let Some(auc) = &mut auc
        {
            let total = weights.len() as u32;
            auc.push(auc_gain(old.weighted(&weights, total), new.weighted(&weights, total)));
        }
    }

    let mut gaps = Gaps::default();
    // Without spread every row's gain is the same: 0, 1 or -1. The share of rows that differ from that is at
    // most Wilson's bound, and each such row moves the difference by at most 1 (from 0) or 2 (from either
    // end).
    let value = accuracy.value();
    let slack = score_interval(0.0, rows as f64).1 * (1.0 + value.abs());
    let bound = ((value - slack).max(-1.0), (value + slack).min(1.0));
    let accuracy_difference = accuracy.finish(Some(bound), &mut gaps);
    let auc_difference = auc.map(|auc| auc.finish(None, &mut gaps));
    let mut notes = gaps.into_notes(options);
    notes.extend(reduced(options, rank_draws, "paired"));
    Ok(Comparison {
        rows: rows as u64,
        both_right: count((true, true)),
        only_baseline,
        only_candidate,
        both_wrong: count((false, false)),
        mcnemar_p: mcnemar_exact(only_baseline as u32, only_candidate as u32),
        accuracy_difference,
        auc_difference,
        notes,
    })
}

/// Smaller counts up to this go by the sum of logarithms, larger ones by the asymptotic series, which has
/// converged to rounding long before.
const SUMMED: u32 = 1000;

/// The exact two-sided p-value of McNemar's test (Q. McNemar, Psychometrika 12, 1947): the rows that only one
/// of two models predicts right, `a` and `b`, against a fair coin: `min(1, 2 P(X <= min(a, b)))` with `X`
/// binomial of `a + b` trials at one half. 1 without any such row. Takes time in proportion to the square
/// root of the counts.
pub fn mcnemar_exact(a: u32, b: u32) -> f64 {
    let (least, most) = (a.min(b), a.max(b));
    if least == most {
        return 1.0;
    }
    // Terms shrink by k / (trials - k + 1) < 1 on the way down.
    let trials = f64::from(least) + f64::from(most);
    let (mut tail, mut term) = (1.0, 1.0);
    for k in (1..=least).rev().map(f64::from) {
        term *= k / (trials - k + 1.0);
        tail += term;
        if term < tail * 1e-18 {
            break;
        }
    }
    (2.0 * log_binomial(least, most).exp() * tail).min(1.0)
}

/// `ln (C(k + m, k) / 2^(k + m))` for `k < m`.
fn log_binomial(k: u32, m: u32) -> f64 {
    let (least, most) = (f64::from(k), f64::from(m));
    let trials = least + most;
    if k <= SUMMED {
        let sum: f64 = (1..=k).map(f64::from).map(|i| ((most + i) / i).ln()).sum();
        return sum - trials * std::f64::consts::LN_2;
    }
    // C. Loader, "Fast and accurate computation of binomial probabilities", 2000: Stirling's series, the large
    // terms cancelled by hand; d is how far from even the split is.
    let stirling = |n: f64| 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    let d = (most - least) / trials;
    let uneven = 0.5 * trials * ((1.0 - d) * (-d).ln_1p() + (1.0 + d) * d.ln_1p());
    let scale = 0.5 * (trials / (std::f64::consts::TAU * least * most)).ln();
    stirling(trials) - stirling(least) - stirling(most) - uneven + scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_counting_agree() {
        let direct = |k: u32, m: u32| {
            let sum: f64 = (1..=k).map(f64::from).map(|i| ((f64::from(m) + i) / i).ln()).sum();
            sum - f64::from(k + m) * std::f64::consts::LN_2
        };
        for (k, m) in [(1001, 1002), (1001, 5000), (20_000, 20_500)] {
            let (a, b) = (log_binomial(k, m), direct(k, m));
            assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{k} {m}: {a} {b}");
        }
    }

    #[test]
    fn any_counts_give_a_p_value() {
        assert!((0.9..1.0).contains(&mcnemar_exact(u32::MAX - 1000, u32::MAX)));
        assert_eq!(mcnemar_exact(u32::MAX / 2, u32::MAX), 0.0);
        assert_eq!(mcnemar_exact(0, u32::MAX), 0.0);
    }
}
