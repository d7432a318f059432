//! Numbers predicted: errors, explained variance and correlations, with bootstrap intervals over rows.
//! Definitions are those of scikit-learn's and scipy's functions with their default arguments.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Gaps, Series, affordable, reduced};
use crate::error::Error;
use crate::estimate::Estimate;
use crate::input::{MAX_ROWS, Options};
use crate::rng::SplitMix64;

/// The largest number that is measured: squares and their sums over any number of rows stay finite.
pub const MAX_VALUE: f64 = 1e100;

/// Predicted numbers beside true ones.
#[derive(Debug, Clone, Copy)]
pub struct RegressionInputs<'a> {
    /// The predicted value of each row.
    pub predicted: &'a [f64],
    /// The true value of each row.
    pub truth: &'a [f64],
}

/// Everything measured on one set of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionReport {
    /// Rows measured.
    pub rows: u64,
    /// The metrics.
    pub metrics: RegressionMetrics,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Metrics of predicted numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegressionMetrics {
    /// Mean of `|predicted - true|`.
    pub mae: Estimate,
    /// Root of the mean squared error.
    pub rmse: Estimate,
    /// 1 less the squared errors' share of the true values' squared distances from their mean; at most 1.
    /// `None` where all true values are the same.
    pub r2: Option<Estimate>,
    /// Pearson's correlation; `None` where all true or all predicted values are the same.
    pub pearson: Option<Estimate>,
    /// Spearman's correlation: Pearson's of the ranks, ties by their mean rank. `None` as for `pearson`.
    pub spearman: Option<Estimate>,
    /// The largest `|predicted - true|`. No interval: other rows may hold any larger one.
    pub max_error: Estimate,
}

impl RegressionReport {
    /// The report as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        // Keys are strings and every number is finite, so nothing here can fail to serialize.
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}

/// The bootstrapped metrics, in the order of [`Sample::metrics`].
const NAMES: [&str; 5] = ["mae", "rmse", "r2", "pearson", "spearman"];

/// Row visits of one resample.
pub(crate) const VISITS: usize = 12;

/// Measures predicted numbers against true ones.
///
/// # Errors
/// [`Error::NoRows`], [`Error::TooManyRows`], [`Error::Length`], [`Error::TooManyResamples`], and
/// [`Error::NotFiniteValue`] for NaN and numbers beyond [`MAX_VALUE`].
pub fn measure(inputs: &RegressionInputs<'_>, options: &Options) -> Result<RegressionReport, Error> {
    options.check()?;
    let sample = Sample::of(inputs)?;
    let rows = sample.rows();
    let all = vec![1; rows];
    let values = sample.metrics(&all);
    let mut series: Vec<Series> =
        NAMES.iter().zip(values).map(|(name, value)| Series::new(name, value.unwrap_or(0.0))).collect();
    let draws = affordable(options, rows.saturating_mul(VISITS));
    let mut rng = SplitMix64::new(options.seed);
    let mut weights = vec![0; if draws > 0 { rows } else { 0 }];
    for _ in 0..draws {
        rng.resample(&mut weights);
        for (series, value) in series.iter_mut().zip(sample.metrics(&weights)) {
            series.push(value);
        }
    }
    let mut gaps = Gaps::default();
    let mut finished = series
        .into_iter()
        .zip(values)
        .map(|(series, value)| value.is_some().then(|| series.finish(None, &mut gaps)));
    let mut next = || finished.next().flatten();
    // In the order of `NAMES`.
    let [mae, rmse, r2, pearson, spearman] = [next(), next(), next(), next(), next()];
    drop(finished);
    let mut notes = gaps.into_notes(options);
    notes.extend(reduced(options, draws, "bootstrap"));
    if r2.is_none() {
        notes.push("all true values are the same: r2 and correlations cannot be had".to_owned());
    } else if pearson.is_none() {
        notes.push("all predicted values are the same: correlations cannot be had".to_owned());
    }
    notes.push("max_error is the largest of these rows and has no interval".to_owned());
    let bare = || Estimate::bare(0.0);
    let most = sample.errors().map(f64::abs).fold(0.0, f64::max);
    let metrics = RegressionMetrics {
        mae: mae.unwrap_or_else(bare),
        rmse: rmse.unwrap_or_else(bare),
        r2,
        pearson,
        spearman,
        max_error: Estimate::bare(most),
    };
    Ok(RegressionReport { rows: rows as u64, metrics, notes })
}

/// Values with their order.
pub(crate) struct Sample<'a> {
    inputs: &'a RegressionInputs<'a>,
    /// Row numbers by true and by predicted value, in runs of equal values.
    orders: [Vec<(u32, bool)>; 2],
}

impl<'a> Sample<'a> {
    pub(crate) fn of(inputs: &'a RegressionInputs<'a>) -> Result<Self, Error> {
        let rows = inputs.truth.len();
        if rows == 0 && inputs.predicted.is_empty() {
            return Err(Error::NoRows);
        }
        if rows > MAX_ROWS {
            return Err(Error::TooManyRows { rows, most: MAX_ROWS });
        }
        if inputs.predicted.len() != rows {
            return Err(Error::Length { what: "predicted", expected: rows, found: inputs.predicted.len() });
        }
        for (what, values) in [("true value", inputs.truth), ("predicted value", inputs.predicted)] {
            if let Some(row) = values.iter().position(|v| !(-MAX_VALUE..=MAX_VALUE).contains(v)) {
                return Err(Error::NotFiniteValue { row, what, value: values[row] });
            }
        }
        Ok(Self { inputs, orders: [order(inputs.truth), order(inputs.predicted)] })
    }

    pub(crate) fn rows(&self) -> usize {
        self.inputs.truth.len()
    }

    /// Predicted less true value of each row.
    pub(crate) fn errors(&self) -> impl Iterator<Item = f64> {
        self.inputs.predicted.iter().zip(self.inputs.truth).map(|(p, t)| p - t)
    }

    /// The metrics named by [`NAMES`], of rows by weight; as many rows are drawn as there are.
    pub(crate) fn metrics(&self, weights: &[u32]) -> [Option<f64>; 5] {
        let n = self.rows() as f64;
        let (mut absolute, mut squared) = (0.0, 0.0);
        for (error, &weight) in self.errors().zip(weights) {
            absolute += f64::from(weight) * error.abs();
            squared += f64::from(weight) * error * error;
        }
        let values = moments(self.inputs.truth, self.inputs.predicted, weights);
        let ranks = self.orders.each_ref().map(|order| midranks(order, weights));
        let r2 = (values[0] > 0.0).then(|| 1.0 - squared / values[0]);
        let spearman = correlation(moments(&ranks[0], &ranks[1], weights));
        [Some(absolute / n), Some((squared / n).sqrt()), r2, correlation(values), spearman]
    }
}

/// Rows in ascending order of value, each with whether it is the last of its value.
fn order(values: &[f64]) -> Vec<(u32, bool)> {
    let mut rows: Vec<u32> = (0..values.len() as u32).collect();
    let value = |row: u32| values[row as usize] + 0.0; // adding 0 makes -0 and 0 one value
    rows.sort_by(|&a, &b| value(a).total_cmp(&value(b)));
    let last = |at: usize| rows.get(at + 1).is_none_or(|&next| value(next) != value(rows[at]));
    (0..rows.len()).map(|at| (rows[at], last(at))).collect()
}

/// Each row's rank among rows by weight, the mean rank within a value.
fn midranks(order: &[(u32, bool)], weights: &[u32]) -> Vec<f64> {
    let mut ranks = vec![0.0; order.len()];
    let (mut below, mut own, mut start) = (0u64, 0u64, 0);
    for (at, &(row, last)) in order.iter().enumerate() {
        own += u64::from(weights[row as usize]);
        if last {
            let rank = below as f64 + f64::midpoint(own as f64, 1.0);
            for &(row, _) in &order[start..=at] {
                ranks[row as usize] = rank;
            }
            (below, own, start) = (below + own, 0, at + 1);
        }
    }
    ranks
}

/// Squared distances from the mean of both, and their product: of values that are all the same, exactly 0.
fn moments(a: &[f64], b: &[f64], weights: &[u32]) -> [f64; 3] {
    let rows =
        || a.iter().zip(b).zip(weights).filter(|row| *row.1 > 0).map(|((a, b), &w)| (a, b, f64::from(w)));
    let (mut n, mut sum_a, mut sum_b) = (0.0, 0.0, 0.0);
    let (mut least, mut most) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
    for (&a, &b, w) in rows() {
        n += w;
        sum_a += w * a;
        sum_b += w * b;
        (least, most) = ([least[0].min(a), least[1].min(b)], [most[0].max(a), most[1].max(b)]);
    }
    let (mean_a, mean_b) = (sum_a / n, sum_b / n);
    let mut sums = [0.0; 3];
    for (a, b, w) in rows() {
        let (a, b) = (a - mean_a, b - mean_b);
        sums[0] += w * a * a;
        sums[1] += w * b * b;
        sums[2] += w * a * b;
    }
    for side in 0..2 {
        // The mean of equal values may be off by rounding.
        if least[side] >= most[side] {
            sums[side] = 0.0;
        }
    }
    sums
}

fn correlation([a, b, product]: [f64; 3]) -> Option<f64> {
    let scale = a.sqrt() * b.sqrt();
    (scale > 0.0).then(|| (product / scale).clamp(-1.0, 1.0))
}
