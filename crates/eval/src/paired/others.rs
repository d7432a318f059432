//! Two models on the same multi-label or regression rows.

use serde::{Deserialize, Serialize};

use super::{bound, mcnemar_exact};
use crate::bootstrap::{Gaps, Series, affordable, reduced};
use crate::error::Error;
use crate::estimate::Estimate;
use crate::input::Options;
use crate::multilabel::{self, MultiInputs};
use crate::regression::{self, RegressionInputs};
use crate::rng::SplitMix64;
use crate::tally::Tally;

/// A multi-label candidate beside a baseline. Differences are candidate minus baseline, in [-1, 1];
/// reductions baseline minus candidate. Positive is better in both. Intervals are of the paired bootstrap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiComparison {
    /// Rows compared.
    pub rows: u64,
    /// Rows whose set of labels only the baseline predicts exactly.
    pub only_baseline: u64,
    /// Rows whose set of labels only the candidate predicts exactly.
    pub only_candidate: u64,
    /// [`mcnemar_exact`] of these two.
    pub mcnemar_p: f64,
    /// Difference of subset accuracies.
    pub subset_accuracy_difference: Estimate,
    /// Difference of micro F1s.
    pub micro_f1_difference: Estimate,
    /// Difference of macro F1s.
    pub macro_f1_difference: Estimate,
    /// Difference of mean average precisions; `None` where no label holds for some rows and not for others.
    pub mean_average_precision_difference: Option<Estimate>,
    /// Reduction of the Hamming loss.
    pub hamming_loss_reduction: Estimate,
    /// Metrics without interval, and why.
    pub notes: Vec<String>,
}

/// Where Hamming loss, micro and macro F1 stand among a multi-label sample's averages.
const HAMMING: usize = 0;
const MICRO_F1: usize = 3;
const MACRO_F1: usize = 6;

/// Compares two models' probabilities on the same multi-label rows; each has thresholds of its own. The
/// bootstrap draws rows, and each resample serves both.
///
/// # Errors
/// Any fault of either input, see [`Error`]; [`Error::NotPaired`] where labels or truth differ.
pub fn compare_multilabel(
    baseline: &MultiInputs<'_>,
    candidate: &MultiInputs<'_>,
    options: &Options,
) -> Result<MultiComparison, Error> {
    options.check()?;
    let both = [multilabel::Sample::of(baseline)?, multilabel::Sample::of(candidate)?];
    let differs = [
        ("the names or order of labels", baseline.labels != candidate.labels),
        ("the true labels", baseline.truth != candidate.truth),
    ];
    if let Some((what, _)) = differs.into_iter().find(|(_, differs)| *differs) {
        return Err(Error::NotPaired { what });
    }
    let rows = both[0].rows;
    let [old, new] = both.each_ref().map(multilabel::Sample::exact);
    let gain: Vec<f64> = old.iter().zip(&new).map(|(&o, &n)| f64::from(i8::from(n) - i8::from(o))).collect();
    let mut drawn = Tally::empty(baseline.labels.len());
    let mut values = |weights: &[u32]| -> [Option<f64>; 5] {
        let [old, new] = both.each_ref().map(|sample| {
            drawn.clear();
            let sums = sample.count(weights, &mut drawn);
            (sample.averages(&drawn, &sums), sample.mean_average_precision(weights))
        });
        let difference = |at: usize| Some(new.0[at] - old.0[at]);
        let exact: f64 = gain.iter().zip(weights).map(|(gain, &w)| gain * f64::from(w)).sum();
        [
            Some(exact / rows as f64),
            difference(MICRO_F1),
            difference(MACRO_F1),
            difference(HAMMING).map(|more| -more),
            new.1.zip(old.1).map(|(new, old)| new - old),
        ]
    };
    let names = [
        "subset_accuracy_difference",
        "micro_f1_difference",
        "macro_f1_difference",
        "hamming_loss_reduction",
        "mean_average_precision_difference",
    ];
    let steps = both[0].steps().saturating_add(both[1].steps());
    let sample = Resampled::draw(options, rows, steps, names, &mut values);
    let mut gaps = Gaps::default();
    let exact_bound = bound(sample.values[0].unwrap_or(0.0), rows);
    let mut finished =
        sample.series.into_iter().zip(sample.values).enumerate().map(|(at, (series, value))| {
            value.is_some().then(|| series.finish((at == 0).then_some(exact_bound), &mut gaps))
        });
    let mut next = || finished.next().flatten();
    let [exact, micro, of_macro, hamming, average] = [next(), next(), next(), next(), next()];
    drop(finished);
    let mut notes = gaps.into_notes(options);
    notes.extend(reduced(options, sample.draws, "paired"));
    let count = |sign: f64| gain.iter().filter(|&&gain| gain == sign).count() as u64;
    let (only_baseline, only_candidate) = (count(-1.0), count(1.0));
    let bare = || Estimate::bare(0.0);
    Ok(MultiComparison {
        rows: rows as u64,
        only_baseline,
        only_candidate,
        mcnemar_p: mcnemar_exact(only_baseline as u32, only_candidate as u32),
        subset_accuracy_difference: exact.unwrap_or_else(bare),
        micro_f1_difference: micro.unwrap_or_else(bare),
        macro_f1_difference: of_macro.unwrap_or_else(bare),
        mean_average_precision_difference: average,
        hamming_loss_reduction: hamming.unwrap_or_else(bare),
        notes,
    })
}

/// A regression candidate beside a baseline. Reductions are baseline minus candidate, differences candidate
/// minus baseline: positive is better in both. Intervals are of the paired bootstrap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionComparison {
    /// Rows compared.
    pub rows: u64,
    /// Reduction of the mean absolute error.
    pub mae_reduction: Estimate,
    /// Reduction of the root mean squared error.
    pub rmse_reduction: Estimate,
    /// Difference of R2; `None` where all true values are the same.
    pub r2_difference: Option<Estimate>,
    /// Difference of Spearman's correlations; `None` where one cannot be had.
    pub spearman_difference: Option<Estimate>,
    /// Metrics without interval, and why.
    pub notes: Vec<String>,
}

/// Compares two models' predicted numbers on the same rows. The bootstrap draws rows, and each resample
/// serves both.
///
/// # Errors
/// Any fault of either input, see [`Error`]; [`Error::NotPaired`] where the true values differ.
pub fn compare_regression(
    baseline: &RegressionInputs<'_>,
    candidate: &RegressionInputs<'_>,
    options: &Options,
) -> Result<RegressionComparison, Error> {
    options.check()?;
    let both = [regression::Sample::of(baseline)?, regression::Sample::of(candidate)?];
    if baseline.truth != candidate.truth {
        return Err(Error::NotPaired { what: "the true values" });
    }
    let rows = both[0].rows();
    let mut values = |weights: &[u32]| -> [Option<f64>; 4] {
        let [old, new] = both.each_ref().map(|sample| sample.metrics(weights));
        let difference = |at: usize| new[at].zip(old[at]).map(|(new, old)| new - old);
        let reduction = |at: usize| difference(at).map(|more| 0.0 - more);
        [reduction(0), reduction(1), difference(2), difference(4)]
    };
    let names = ["mae_reduction", "rmse_reduction", "r2_difference", "spearman_difference"];
    let steps = rows.saturating_mul(2 * regression::VISITS);
    let sample = Resampled::draw(options, rows, steps, names, &mut values);
    let mut gaps = Gaps::default();
    let mut finished = sample
        .series
        .into_iter()
        .zip(sample.values)
        .map(|(series, value)| value.is_some().then(|| series.finish(None, &mut gaps)));
    let mut next = || finished.next().flatten();
    let [mae, rmse, r2_difference, spearman_difference] = [next(), next(), next(), next()];
    drop(finished);
    let mut notes = gaps.into_notes(options);
    notes.extend(reduced(options, sample.draws, "paired"));
    let bare = || Estimate::bare(0.0);
    Ok(RegressionComparison {
        rows: rows as u64,
        mae_reduction: mae.unwrap_or_else(bare),
        rmse_reduction: rmse.unwrap_or_else(bare),
        r2_difference,
        spearman_difference,
        notes,
    })
}

/// Differences on the sample and on every resample.
struct Resampled<const N: usize> {
    values: [Option<f64>; N],
    series: [Series; N],
    draws: usize,
}

impl<const N: usize> Resampled<N> {
    fn draw(
        options: &Options,
        rows: usize,
        steps: usize,
        names: [&'static str; N],
        of: &mut impl FnMut(&[u32]) -> [Option<f64>; N],
    ) -> Self {
        let values = of(&vec![1; rows]);
        let mut at = values.iter();
        let mut series = names.map(|name| Series::new(name, at.next().copied().flatten().unwrap_or(0.0)));
        let draws = affordable(options, steps);
        let mut rng = SplitMix64::new(options.seed);
        let mut weights = vec![0; if draws > 0 { rows } else { 0 }];
        for _ in 0..draws {
            rng.resample(&mut weights);
            for (series, value) in series.iter_mut().zip(of(&weights)) {
                series.push(value);
            }
        }
        Self { values, series, draws }
    }
}
