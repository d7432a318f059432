//! Rows that carry any number of labels: each label is a decision of its own, by its own threshold.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Gaps, Series, affordable, reduced};
use crate::error::Error;
use crate::estimate::{Estimate, score_interval, wilson};
use crate::input::{Options, check_names, check_probabilities, check_shape};
use crate::measure::names;
use crate::ranking::{Ranking, Rankings};
use crate::rng::SplitMix64;
use crate::tally::{Tally, share};

/// Predicted probabilities beside true labels, `[rows, labels]` each.
#[derive(Debug, Clone, Copy)]
pub struct MultiInputs<'a> {
    /// Probability of each label, `[rows, labels]` row-major; rows need not sum to 1.
    pub probabilities: &'a [f32],
    /// Whether each label holds, of the same shape.
    pub truth: &'a [bool],
    /// The name of each label; at least one, all different.
    pub labels: &'a [String],
    /// A label is predicted where its probability is at least its threshold; one per label, in [0, 1].
    pub thresholds: &'a [f32],
}

/// Everything measured on one set of multi-label rows. Values are in [0, 1], definitions are scikit-learn's
/// for indicator matrices: averages run over all labels, and a quotient without rows counts as 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiReport {
    /// Rows measured.
    pub rows: u64,
    /// Metrics over all labels.
    pub metrics: MultiMetrics,
    /// Precision, recall and F1 of each label, in label order.
    pub per_label: Vec<PerLabel>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Metrics over all labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiMetrics {
    /// Share of rows whose set of labels is predicted exactly.
    pub subset_accuracy: Estimate,
    /// Share of single decisions that are wrong.
    pub hamming_loss: Estimate,
    /// F1 of the pooled counts.
    pub micro_f1: Estimate,
    /// Mean F1 over labels.
    pub macro_f1: Estimate,
    /// F1 weighted by each label's rows.
    pub weighted_f1: Estimate,
    /// Mean over rows of the F1 between true and predicted set; 0 for a row where both are empty.
    pub samples_f1: Estimate,
    /// Mean average precision over the labels that hold for some rows and not for others; `None` without any.
    pub mean_average_precision: Option<Estimate>,
    /// Mean ROC AUC over the same labels.
    pub auc: Option<Estimate>,
}

/// Metrics of one label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerLabel {
    /// The label's name.
    pub label: String,
    /// Share of the rows called this that are it.
    pub precision: Estimate,
    /// Share of the rows that are this that are called it.
    pub recall: Estimate,
    /// Harmonic mean of precision and recall.
    pub f1: Estimate,
    /// Rows that carry the label.
    pub support: u64,
    /// ROC AUC; `None` where all or none of the rows carry the label.
    pub auc: Option<Estimate>,
}

/// Metrics that the bootstrap gives intervals to, in the order of [`bootstrapped`].
const BOOTSTRAPPED: [&str; 5] = ["hamming_loss", "micro_f1", "macro_f1", "weighted_f1", "samples_f1"];

/// Measures multi-label predictions. Wilson's interval for subset accuracy and per label, bootstrap over rows
/// (seeded) for the rest.
///
/// # Errors
/// Any fault of the inputs, see [`Error`].
pub fn measure(inputs: &MultiInputs<'_>, options: &Options) -> Result<MultiReport, Error> {
    options.check()?;
    let rows = check(inputs)?;
    let labels = inputs.labels.len();
    let called = decisions(inputs);
    let mut tally = Tally::empty(labels);
    let mut samples_f1 = Vec::with_capacity(rows);
    let mut exact = 0;
    for (truth, called) in inputs.truth.chunks_exact(labels).zip(called.chunks_exact(labels)) {
        exact += u64::from(truth == called);
        samples_f1.push(add_row(&mut tally, truth, called, 1.0));
    }
    let rankings = rank(inputs);
    let values = bootstrapped(&tally, samples_f1.iter().sum(), rows as f64);
    let mut series: Vec<Series> =
        BOOTSTRAPPED.iter().zip(values).map(|(name, value)| Series::new(name, value)).collect();
    let mut ranks =
        rankings.scores().map(|r| (Series::new("auc", r.0), Series::new("mean_average_precision", r.1)));
    let draws = affordable(options, inputs.truth.len().saturating_add(rankings.steps()));
    let mut rng = SplitMix64::new(options.seed);
    let mut weights = vec![0; if draws > 0 { rows } else { 0 }];
    let mut drawn = Tally::empty(labels);
    for _ in 0..draws {
        rng.resample(&mut weights);
        drawn.clear();
        let mut samples = 0.0;
        let pairs = inputs.truth.chunks_exact(labels).zip(called.chunks_exact(labels));
        for ((truth, called), (&weight, f1)) in pairs.zip(weights.iter().zip(&samples_f1)) {
            if weight > 0 {
                add_row(&mut drawn, truth, called, f64::from(weight));
                samples += f64::from(weight) * f1;
            }
        }
        for (series, value) in series.iter_mut().zip(bootstrapped(&drawn, samples, rows as f64)) {
            series.push(Some(value));
        }
        if let Some((auc, average)) = &mut ranks {
            let found = rankings.weighted(&weights, weights.len() as u32);
            auc.push(found.map(|r| r.0));
            average.push(found.map(|r| r.1));
        }
    }

    let mut gaps = Gaps::default();
    let mut finished = series.into_iter().enumerate().map(|(index, series)| {
        // A mean over rows of values in [0, 1] varies at most as a share of rows does; counts pooled over
        // labels have no such bound.
        let mean_of_rows = index == 0 || index == BOOTSTRAPPED.len() - 1;
        let bound = mean_of_rows.then(|| score_interval(series.value(), rows as f64));
        series.finish(bound, &mut gaps)
    });
    let mut next = || finished.next().unwrap_or_else(|| Estimate::bare(0.0));
    // In the order of `BOOTSTRAPPED`.
    let [hamming_loss, micro_f1, macro_f1, weighted_f1, samples_f1] =
        [next(), next(), next(), next(), next()];
    drop(finished);
    let ranks = ranks.map(|(auc, average)| {
        let bounds = (rankings.bound(auc.value()), rankings.bound(average.value()));
        (auc.finish(bounds.0, &mut gaps), average.finish(bounds.1, &mut gaps))
    });
    let metrics = MultiMetrics {
        subset_accuracy: wilson(exact, rows as u64),
        hamming_loss,
        micro_f1,
        macro_f1,
        weighted_f1,
        samples_f1,
        mean_average_precision: ranks.map(|r| r.1),
        auc: ranks.map(|r| r.0),
    };
    let mut notes = gaps.into_notes(options);
    notes.extend(reduced(options, draws, "bootstrap"));
    let unranked = (0..labels).filter(|&label| rankings.get(label).is_none());
    if let Some(names) = names(unranked.map(|label| &inputs.labels[label])) {
        notes.push(format!("all or no rows carry {names}: auc and average precision leave it out"));
    }
    Ok(MultiReport { rows: rows as u64, metrics, per_label: per_label(inputs, &tally, &rankings), notes })
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

/// Counts a row `weight` times and gives its own F1.
fn add_row(tally: &mut Tally, truth: &[bool], called: &[bool], weight: f64) -> f64 {
    let (mut both, mut either) = (0.0, 0.0);
    for (label, (&truth, &called)) in truth.iter().zip(called).enumerate() {
        if truth {
            tally.support[label] += weight;
        }
        if called {
            tally.predicted[label] += weight;
        }
        if truth && called {
            tally.correct[label] += weight;
            both += 1.0;
        }
        either += f64::from(u8::from(truth) + u8::from(called));
    }
    share(2.0 * both, either)
}

/// The metrics named by [`BOOTSTRAPPED`]; `samples` is the sum of the rows' own F1.
fn bootstrapped(tally: &Tally, samples: f64, rows: f64) -> [f64; 5] {
    let labels = tally.support.len() as f64;
    let (mut wrong, mut sizes, mut f1s, mut heavy) = (0.0, 0.0, 0.0, 0.0);
    for ((&support, &predicted), &correct) in tally.support.iter().zip(&tally.predicted).zip(&tally.correct) {
        let f1 = share(2.0 * correct, support + predicted);
        wrong += support + predicted - 2.0 * correct;
        sizes += support + predicted;
        f1s += f1;
        heavy += support * f1;
    }
    [
        share(wrong, labels * rows),
        share(2.0 * tally.right(), sizes),
        share(f1s, labels),
        share(heavy, tally.rows()),
        share(samples, rows),
    ]
}

fn per_label(inputs: &MultiInputs<'_>, tally: &Tally, rankings: &Rankings) -> Vec<PerLabel> {
    let mut ranked = rankings.each.iter().peekable();
    let one = |(index, label): (usize, &String)| {
        let [precision, recall, f1] = tally.of_class(index);
        let ranking = ranked.next_if(|(ranked, _)| *ranked == index);
        PerLabel {
            label: label.clone(),
            precision,
            recall,
            f1,
            support: tally.support[index] as u64,
            auc: ranking.map(|(_, ranking)| ranking.auc().estimate),
        }
    };
    inputs.labels.iter().enumerate().map(one).collect()
}
