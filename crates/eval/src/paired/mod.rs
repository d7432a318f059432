//! Two models on the same rows: is the one better, and by how much. Comparing two intervals by eye throws
//! away that both models saw the same rows; here the rows where they disagree decide. [`compare`] is for classes,
//! [`compare_multilabel`] for labels, [`compare_regression`] for numbers; each has a verdict in one sentence.

mod mcnemar;
mod others;
mod verdict;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Gaps, Series, affordable, reduced};
use crate::error::Error;
use crate::estimate::{Estimate, score_interval};
use crate::input::{Checked, Inputs, Options};
use crate::probability::RowLosses;
use crate::ranking::Rankings;
use crate::rng::SplitMix64;
use crate::tally::{AVERAGES, Cells, Tally};

pub use mcnemar::mcnemar_exact;
pub use others::{MultiComparison, RegressionComparison, compare_multilabel, compare_regression};

/// Row visits of a resample before its rank metrics: random writes, which weigh most, and two models' counts.
const VISITS: usize = 10;

/// Where macro F1 and Matthews' correlation stand among [`AVERAGES`].
const MACRO_F1: usize = 3;
const MCC: usize = AVERAGES.len() - 1;

/// A candidate beside a baseline. Differences are candidate minus baseline, in [-1, 1] unless said otherwise;
/// reductions baseline minus candidate. Positive is better in both.
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
    /// Difference of macro F1s, with a paired bootstrap interval.
    #[serde(default)]
    pub macro_f1_difference: Option<Estimate>,
    /// Difference of Matthews correlations, with a paired bootstrap interval; in [-2, 2].
    #[serde(default)]
    pub mcc_difference: Option<Estimate>,
    /// Log loss of the baseline less that of the candidate, in nats, with a paired bootstrap interval.
    #[serde(default)]
    pub log_loss_reduction: Option<Estimate>,
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

    let counts = [Counts::of(&baseline), Counts::of(&candidate)];
    let mut drawn = Tally::empty(baseline.classes.len());
    let mut differences = |weights: &[u32]| -> [f64; 2] {
        let [old, new] = counts.each_ref().map(|counts| counts.averages(weights, &mut drawn));
        [new.0 - old.0, new.1 - old.1]
    };
    let losses = RowLosses::of(&baseline).log.into_iter().zip(RowLosses::of(&candidate).log);
    let relief: Vec<f64> = losses.map(|(old, new)| old - new).collect();
    let mean = |values: &[f64], weights: &[u32]| {
        values.iter().zip(weights).map(|(value, &w)| value * f64::from(w)).sum::<f64>() / rows as f64
    };

    let all = vec![1; rows];
    let mut accuracy = Series::new("accuracy_difference", gain.iter().sum::<f64>() / rows as f64);
    let mut auc = auc_gain(old.scores(), new.scores()).map(|value| Series::new("auc_difference", value));
    let [f1_value, mcc_value] = differences(&all);
    let mut macro_f1 = Series::new("macro_f1_difference", f1_value);
    let mut mcc = Series::new("mcc_difference", mcc_value);
    let mut log_loss = Series::new("log_loss_reduction", mean(&relief, &all));
    let draws = affordable(options, rows.saturating_mul(VISITS));
    let rank_draws = draws.min(affordable(options, old.steps().saturating_add(new.steps())));
    let mut rng = SplitMix64::new(options.seed);
    let mut weights = vec![0; if draws > 0 { rows } else { 0 }];
    for draw in 0..draws {
        rng.resample(&mut weights);
        accuracy.push(Some(mean(&gain, &weights)));
        log_loss.push(Some(mean(&relief, &weights)));
        let [f1_value, mcc_value] = differences(&weights);
        macro_f1.push(Some(f1_value));
        mcc.push(Some(mcc_value));
        if draw < rank_draws
            && let Some(auc) = &mut auc
        {
            let total = weights.len() as u32;
            auc.push(auc_gain(old.weighted(&weights, total), new.weighted(&weights, total)));
        }
    }

    let mut gaps = Gaps::default();
    let accuracy_bound = bound(accuracy.value(), rows);
    let accuracy_difference = accuracy.finish(Some(accuracy_bound), &mut gaps);
    let auc_difference = auc.map(|auc| auc.finish(None, &mut gaps));
    let [macro_f1_difference, mcc_difference, log_loss_reduction] =
        [macro_f1, mcc, log_loss].map(|series| Some(series.finish(None, &mut gaps)));
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
        macro_f1_difference,
        mcc_difference,
        log_loss_reduction,
        notes,
    })
}

/// A difference of shares right whose resamples have no spread: every row's gain is the same, 0, 1 or -1. The
/// share of rows that differ from that is at most Wilson's bound, and each such row moves the difference by at
/// most 1 (from 0) or 2 (from either end).
fn bound(value: f64, rows: usize) -> (f64, f64) {
    let slack = score_interval(0.0, rows as f64).1 * (1.0 + value.abs());
    ((value - slack).max(-1.0), (value + slack).min(1.0))
}

/// One model's rows by label and prediction.
struct Counts(Cells);

impl Counts {
    fn of(checked: &Checked<'_>) -> Self {
        Self(Cells::of(checked.labels, &checked.predicted))
    }

    /// Macro F1 and Matthews' correlation of rows by weight.
    fn averages(&self, weights: &[u32], room: &mut Tally) -> (f64, f64) {
        self.0.tally(weights, room);
        let averages = room.averages();
        (averages[MACRO_F1], averages[MCC])
    }
}
