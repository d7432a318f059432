//! Rows that carry any number of labels: each label is a decision of its own, by its own threshold.

mod sample;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Series, affordable, reduced};
use crate::error::Error;
use crate::estimate::Estimate;
use crate::input::Options;
use crate::ranking::Rankings;
use crate::rng::SplitMix64;
use crate::tally::Tally;

pub(crate) use sample::Sample;
use sample::{BOOTSTRAPPED, RANKED};

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

impl MultiReport {
    /// The report as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        // Keys are strings and every number is finite, so nothing here can fail to serialize.
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}

/// Metrics over all labels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiMetrics {
    /// Share of rows whose set of labels is predicted exactly.
    pub subset_accuracy: Estimate,
    /// Share of single decisions that are wrong.
    pub hamming_loss: Estimate,
    /// Precision of the pooled counts.
    pub micro_precision: Estimate,
    /// Recall of the pooled counts.
    pub micro_recall: Estimate,
    /// F1 of the pooled counts.
    pub micro_f1: Estimate,
    /// Mean precision over labels.
    pub macro_precision: Estimate,
    /// Mean recall over labels.
    pub macro_recall: Estimate,
    /// Mean F1 over labels.
    pub macro_f1: Estimate,
    /// Precision weighted by each label's rows.
    pub weighted_precision: Estimate,
    /// Recall weighted by each label's rows; equal to micro recall.
    pub weighted_recall: Estimate,
    /// F1 weighted by each label's rows.
    pub weighted_f1: Estimate,
    /// Mean over rows of the F1 between true and predicted set; 0 for a row where both are empty.
    pub samples_f1: Estimate,
    /// Mean average precision over the labels that hold for some rows and not for others; `None` without any.
    pub mean_average_precision: Option<Estimate>,
    /// Mean ROC AUC over the same labels.
    pub auc: Option<Estimate>,
    /// ROC AUC of all decisions as one ranking; `None` where all or none of them are true.
    pub micro_auc: Option<Estimate>,
    /// Mean over all decisions of `-ln` of the probability of what is true, in nats, clipped as in
    /// [`crate::Metrics::log_loss`]: the mean over labels of each label's log loss.
    pub log_loss: Estimate,
    /// Mean squared error of all probabilities.
    pub brier: Estimate,
    /// Expected calibration error of all decisions: probabilities of labels against how often they hold, in
    /// 15 bins of equal mass. Biased upwards, so it has no interval.
    pub ece: Estimate,
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
    /// Rows that are called this.
    pub predicted: u64,
    /// ROC AUC; `None` where all or none of the rows carry the label.
    pub auc: Option<Estimate>,
}

/// Measures multi-label predictions. Wilson's interval for subset accuracy and per label, bootstrap over rows
/// (seeded) for the rest.
///
/// # Errors
/// Any fault of the inputs, see [`Error`].
pub fn measure(inputs: &MultiInputs<'_>, options: &Options) -> Result<MultiReport, Error> {
    options.check()?;
    let sample = Sample::of(inputs)?;
    let (rows, labels) = (sample.rows, inputs.labels.len());
    let all = vec![1; rows];
    let mut tally = Tally::empty(labels);
    let sums = sample.count(&all, &mut tally);
    let values = sample.averages(&tally, &sums);
    let mut averages: Vec<Series> =
        BOOTSTRAPPED.iter().zip(values).map(|(name, value)| Series::new(name, value)).collect();
    let values = sample.ranks(None);
    let mut ranked: Vec<Series> =
        RANKED.iter().zip(values).map(|(name, value)| Series::ranked(name, value.unwrap_or(0.0))).collect();
    let draws = affordable(options, sample.steps());
    let mut rng = SplitMix64::new(options.seed);
    let mut weights = vec![0; if draws > 0 { rows } else { 0 }];
    let mut drawn = Tally::empty(labels);
    for _ in 0..draws {
        rng.resample(&mut weights);
        drawn.clear();
        let sums = sample.count(&weights, &mut drawn);
        for (series, value) in averages.iter_mut().zip(sample.averages(&drawn, &sums)) {
            series.push(Some(value));
        }
        for (series, value) in ranked.iter_mut().zip(sample.ranks(Some(&weights))) {
            series.push(value);
        }
    }
    let mut notes = sample.notes();
    let metrics = sample.metrics(averages, ranked, values, options, &mut notes);
    notes.extend(reduced(options, draws, "bootstrap"));
    Ok(MultiReport { rows: rows as u64, metrics, per_label: per_label(inputs, &tally, &sample.each), notes })
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
            predicted: tally.predicted[index] as u64,
            auc: ranking.map(|(_, ranking)| ranking.auc().estimate),
        }
    };
    inputs.labels.iter().enumerate().map(one).collect()
}
