//! Multi-label rows in the forms that every resample is computed from, and the metrics of one.

use super::{MultiInputs, MultiMetrics};
use crate::bootstrap::{Gaps, Series};
use crate::calibration::{bins, expected_error};
use crate::error::Error;
use crate::estimate::{Estimate, score_interval, wilson};
use crate::input::{MAX_ROWS, Options, check_names, check_probabilities, check_shape};
use crate::measure::names;
use crate::ranking::{Ranking, Rankings};
use crate::tally::{Tally, share};

/// Metrics that the bootstrap gives intervals to, in the order of [`Sample::averages`].
pub(super) const BOOTSTRAPPED: [&str; 12] = [
    "hamming_loss",
    "micro_precision",
    "micro_recall",
    "micro_f1",
    "macro_precision",
    "macro_recall",
    "macro_f1",
    "weighted_precision",
    "weighted_f1",
    "samples_f1",
    "log_loss",
    "brier",
];

/// Of [`BOOTSTRAPPED`], the means over rows of values in [0, 1].
pub(super) const ROW_MEANS: [&str; 2] = ["hamming_loss", "samples_f1"];

/// The rank metrics, in the order of [`Sample::ranks`].
pub(super) const RANKED: [&str; 3] = ["auc", "mean_average_precision", "micro_auc"];

/// Sums over rows, weighted: the rows' own F1, log loss and squared error.
type Sums = [f64; 3];

/// The sample, in the forms that every resample is computed from.
pub(crate) struct Sample<'a> {
    inputs: &'a MultiInputs<'a>,
    pub(crate) rows: usize,
    /// Whether each label is predicted, `[rows, labels]`.
    called: Vec<bool>,
    of_row: Vec<Sums>,
    pub(super) each: Rankings,
    /// All decisions as one ranking.
    pooled: Option<Ranking>,
}

impl<'a> Sample<'a> {
    pub(crate) fn of(inputs: &'a MultiInputs<'a>) -> Result<Self, Error> {
        let rows = check(inputs)?;
        let labels = inputs.labels.len();
        let called = decisions(inputs);
        let of_row = |((p, truth), called): ((&[f32], &[bool]), &[bool])| -> Sums {
            let (mut both, mut either, mut log, mut squared) = (0.0, 0.0, 0.0, 0.0);
            for ((&p, &truth), &called) in p.iter().zip(truth).zip(called) {
                both += f64::from(u8::from(truth && called));
                either += f64::from(u8::from(truth) + u8::from(called));
                let own = if truth { f64::from(p) } else { 1.0 - f64::from(p) };
                log -= own.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln();
                squared += (1.0 - own) * (1.0 - own);
            }
            [share(2.0 * both, either), log / labels as f64, squared / labels as f64]
        };
        let each_row = inputs.probabilities.chunks_exact(labels).zip(inputs.truth.chunks_exact(labels));
        let of_row = each_row.zip(called.chunks_exact(labels)).map(of_row).collect();
        let cells = inputs.probabilities.iter().copied().zip(inputs.truth.iter().copied());
        let pooled = if inputs.truth.len() <= MAX_ROWS { Ranking::new(cells) } else { None };
        Ok(Self { inputs, rows, called, of_row, each: rank(inputs), pooled })
    }

    /// Row visits of one resample.
    pub(crate) fn steps(&self) -> usize {
        let pooled = self.pooled.as_ref().map_or(0, |pooled| pooled.steps() + self.inputs.truth.len());
        self.inputs.truth.len().saturating_add(self.each.steps()).saturating_add(pooled)
    }

    /// Counts rows by weight, label by label.
    pub(crate) fn count(&self, weights: &[u32], tally: &mut Tally) -> Sums {
        let labels = self.inputs.labels.len();
        let mut sums = [0.0; 3];
        let rows = self.inputs.truth.chunks_exact(labels).zip(self.called.chunks_exact(labels));
        for ((truth, called), (&weight, own)) in rows.zip(weights.iter().zip(&self.of_row)) {
            if weight == 0 {
                continue;
            }
            let weight = f64::from(weight);
            for (label, (&truth, &called)) in truth.iter().zip(called).enumerate() {
                tally.support[label] += if truth { weight } else { 0.0 };
                tally.predicted[label] += if called { weight } else { 0.0 };
                tally.correct[label] += if truth && called { weight } else { 0.0 };
            }
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += weight * own);
        }
        sums
    }

    /// The metrics named by [`BOOTSTRAPPED`].
    pub(crate) fn averages(&self, tally: &Tally, sums: &Sums) -> [f64; 12] {
        let (rows, labels) = (self.rows as f64, tally.support.len() as f64);
        let (mut wrong, mut called) = (0.0, 0.0);
        let (mut precisions, mut recalls, mut f1s) = (0.0, 0.0, 0.0);
        let (mut heavy_precision, mut heavy_f1) = (0.0, 0.0);
        for ((&support, &predicted), &correct) in
            tally.support.iter().zip(&tally.predicted).zip(&tally.correct)
        {
            let (precision, f1) = (share(correct, predicted), share(2.0 * correct, support + predicted));
            wrong += support + predicted - 2.0 * correct;
            called += predicted;
            precisions += precision;
            recalls += share(correct, support);
            f1s += f1;
            heavy_precision += support * precision;
            heavy_f1 += support * f1;
        }
        let (right, are) = (tally.right(), tally.rows());
        [
            share(wrong, labels * rows),
            share(right, called),
            share(right, are),
            share(2.0 * right, called + are),
            precisions / labels,
            recalls / labels,
            f1s / labels,
            share(heavy_precision, are),
            share(heavy_f1, are),
            sums[0] / rows,
            sums[1] / rows,
            sums[2] / rows,
        ]
    }

    /// The metrics named by [`RANKED`], of rows by weight where there are weights.
    pub(crate) fn ranks(&self, weights: Option<&[u32]>) -> [Option<f64>; 3] {
        let labels = self.inputs.labels.len();
        let (each, pooled) = match weights {
            None => (self.each.scores(), self.pooled.as_ref().map(|pooled| pooled.scores().0)),
            Some(weights) => {
                let pooled = self.pooled.as_ref().and_then(|pooled| {
                    let cells: Vec<u32> =
                        weights.iter().flat_map(|&weight| std::iter::repeat_n(weight, labels)).collect();
                    pooled.weighted(&cells, cells.len() as u32).map(|found| found.0)
                });
                (self.each.weighted(weights, weights.len() as u32), pooled)
            }
        };
        [each.map(|found| found.0), each.map(|found| found.1), pooled]
    }

    /// Mean average precision of rows by weight.
    pub(crate) fn mean_average_precision(&self, weights: &[u32]) -> Option<f64> {
        self.each.weighted(weights, weights.len() as u32).map(|found| found.1)
    }

    pub(super) fn metrics(
        &self,
        averages: Vec<Series>,
        ranked: Vec<Series>,
        values: [Option<f64>; 3],
        options: &Options,
        notes: &mut Vec<String>,
    ) -> MultiMetrics {
        let rows = self.rows as f64;
        let mut gaps = Gaps::default();
        let mut finished = averages.into_iter().zip(BOOTSTRAPPED).map(|(series, name)| {
            // A mean over rows of values in [0, 1] varies at most as a share of rows does; counts pooled over
            // labels have no such bound.
            let bound = ROW_MEANS.contains(&name).then(|| score_interval(series.value(), rows));
            series.finish(bound, &mut gaps)
        });
        let mut next = || finished.next().unwrap_or_else(|| Estimate::bare(0.0));
        // In the order of `BOOTSTRAPPED`.
        let [hamming_loss, micro_precision, micro_recall, micro_f1] = [next(), next(), next(), next()];
        let [macro_precision, macro_recall, macro_f1] = [next(), next(), next()];
        let [weighted_precision, weighted_f1, samples_f1] = [next(), next(), next()];
        let [log_loss, brier] = [next(), next()];
        drop(finished);
        let mut ranked = ranked.into_iter().zip(values).map(|(series, value)| {
            let bound = self.each.bound(series.value());
            value.is_some().then(|| series.finish(bound, &mut gaps))
        });
        let mut next = || ranked.next().flatten();
        // In the order of `RANKED`.
        let [auc, mean_average_precision, micro_auc] = [next(), next(), next()];
        drop(ranked);
        notes.extend(gaps.into_notes(options));
        notes.push("ece is biased upwards, more so with few rows, and has no interval".to_owned());
        let exact = self.exact().into_iter().filter(|&exact| exact).count() as u64;
        let cells = self.inputs.probabilities.iter().copied().zip(self.inputs.truth.iter().copied());
        MultiMetrics {
            subset_accuracy: wilson(exact, self.rows as u64),
            hamming_loss,
            micro_precision,
            micro_recall,
            micro_f1,
            macro_precision,
            macro_recall,
            macro_f1,
            weighted_precision,
            weighted_recall: micro_recall,
            weighted_f1,
            samples_f1,
            mean_average_precision,
            auc,
            micro_auc,
            log_loss,
            brier,
            ece: Estimate::bare(expected_error(&bins(cells.collect()))),
        }
    }

    /// Notes on rows without labels, and on labels that all or no rows carry.
    pub(super) fn notes(&self) -> Vec<String> {
        let labels = self.inputs.labels.len();
        let mut notes = Vec::new();
        let empty = |cells: &[bool]| cells.chunks_exact(labels).filter(|row| !row.contains(&true)).count();
        let (bare, silent) = (empty(self.inputs.truth), empty(&self.called));
        if bare > 0 {
            notes.push(format!(
                "{bare} rows carry no label and {silent} are given none; where both hold samples_f1 counts 0"
            ));
        }
        let unranked = (0..labels).filter(|&label| self.each.get(label).is_none());
        if let Some(names) = names(unranked.map(|label| &self.inputs.labels[label])) {
            notes.push(format!("all or no rows carry {names}: auc and average precision leave it out"));
        }
        notes
    }

    /// Whether each row's set of labels is predicted exactly.
    pub(crate) fn exact(&self) -> Vec<bool> {
        let labels = self.inputs.labels.len();
        let pairs = self.inputs.truth.chunks_exact(labels).zip(self.called.chunks_exact(labels));
        pairs.map(|(truth, called)| truth == called).collect()
    }
}

/// A ranking of each label that holds for some rows and not for others.
fn rank(inputs: &MultiInputs<'_>) -> Rankings {
    let labels = inputs.labels.len();
    let mut rankings = Rankings::default();
    for label in 0..labels {
        let rows = inputs.probabilities.chunks_exact(labels).zip(inputs.truth.chunks_exact(labels));
        if let Some(ranking) = Ranking::new(rows.map(|(p, t)| (p[label], t[label]))) {
            rankings.each.push((label, ranking));
        }
    }
    rankings
}

fn check(inputs: &MultiInputs<'_>) -> Result<usize, Error> {
    check_names(inputs.labels, 1)?;
    let labels = inputs.labels.len();
    let rows = inputs.truth.len() / labels;
    check_shape(rows, labels, "truth", inputs.truth.len())?;
    check_shape(rows, labels, "probabilities", inputs.probabilities.len())?;
    if inputs.thresholds.len() != labels {
        return Err(Error::Length { what: "thresholds", expected: labels, found: inputs.thresholds.len() });
    }
    if let Some(label) = inputs.thresholds.iter().position(|t| !(0.0..=1.0).contains(t)) {
        return Err(Error::Threshold { label, value: inputs.thresholds[label] });
    }
    for (row, values) in inputs.probabilities.chunks_exact(labels).enumerate() {
        check_probabilities(row, values)?;
    }
    Ok(rows)
}

/// Whether each label is predicted, `[rows, labels]`.
fn decisions(inputs: &MultiInputs<'_>) -> Vec<bool> {
    let rows = inputs.probabilities.chunks_exact(inputs.labels.len());
    rows.flat_map(|row| row.iter().zip(inputs.thresholds).map(|(p, threshold)| p >= threshold)).collect()
}
