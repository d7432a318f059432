//! What was measured. Values with intervals are [`Estimate`]s.

use filbert_eval::curves::{PrPoint, ReliabilityBin, RocPoint};
use filbert_eval::{Confusion, Estimate};

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    #[default]
    Higher,
    /// Less is better.
    Lower,
}

/// Everything measured on one split.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Results {
    /// Rows measured.
    pub rows: u64,
    /// With two classes, the label of the positive one.
    pub positive: Option<String>,
    /// Metrics over all classes, the most telling first.
    pub metrics: Vec<Metric>,
    /// Metrics of each class or label.
    pub per_class: Vec<ClassRow>,
    /// Counts of true against predicted class.
    pub confusion: Option<Confusion>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// A metric of the model, and of the floor on the same rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metric {
    /// Its name, for people: `balanced accuracy`.
    pub name: String,
    /// Of the model.
    pub model: Option<Estimate>,
    /// Of the floor.
    pub floor: Option<Estimate>,
    /// Of several seeds.
    pub seeds: Option<Seeds>,
    /// Which way it is better.
    pub direction: Direction,
}

/// A metric over runs that differ in their seed only.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seeds {
    /// One value per seed.
    pub values: Vec<f64>,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, with one seed taken off in the divisor.
    pub deviation: f64,
}

/// Metrics of one class or label.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClassRow {
    /// The label.
    pub label: String,
    /// Share of the rows called this that are it.
    pub precision: Option<Estimate>,
    /// Share of the rows that are this that are called it.
    pub recall: Option<Estimate>,
    /// Harmonic mean of precision and recall.
    pub f1: Option<Estimate>,
    /// One-vs-rest ROC AUC.
    pub auc: Option<Estimate>,
    /// Rows that are this.
    pub support: u64,
    /// The probability from which on it is called, where it has one of its own.
    pub threshold: Option<f64>,
}

/// A baseline and the model on the same rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Paired {
    /// What the model is compared with: `the floor`, `last week's model`.
    pub baseline: String,
    /// Whether the baseline is the floor.
    pub floor: bool,
    /// What differs: `accuracy`.
    pub metric: String,
    /// By how much the model is better; positive is better, whatever the metric's direction.
    pub difference: Option<Estimate>,
    /// The p-value, where a test gave one.
    pub p: Option<f64>,
    /// The test's name: `McNemar`.
    pub test: String,
    /// Rows that only the baseline gets right.
    pub only_baseline: Option<u64>,
    /// Rows that only the model gets right.
    pub only_model: Option<u64>,
    /// Differences of further metrics, by name; positive is better.
    pub more: Vec<(String, Estimate)>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// ROC and precision-recall curves of the positive class.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranking {
    /// Of which class the curves are.
    pub positive: String,
    /// Share of rows that are positive: the precision of chance.
    pub prevalence: Option<f64>,
    /// The model's ROC curve.
    pub roc: Vec<RocPoint>,
    /// The floor's.
    pub floor_roc: Vec<RocPoint>,
    /// The area under the model's ROC curve.
    pub auc: Option<Estimate>,
    /// The area under the floor's.
    pub floor_auc: Option<Estimate>,
    /// The model's precision-recall curve.
    pub pr: Vec<PrPoint>,
    /// The floor's.
    pub floor_pr: Vec<PrPoint>,
    /// The model's average precision.
    pub pr_auc: Option<Estimate>,
    /// The floor's.
    pub floor_pr_auc: Option<Estimate>,
    /// Negative rows: below ten over this a false positive rate cannot be read.
    pub negatives: Option<u64>,
}

/// Reliability bins, lowest confidence first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Calibration {
    /// As the network gives probabilities, or as they are where no temperature was fitted.
    pub before: Vec<ReliabilityBin>,
    /// With the temperature.
    pub after: Vec<ReliabilityBin>,
    /// Expected calibration error of `before`.
    pub ece_before: Option<f64>,
    /// Expected calibration error of `after`.
    pub ece_after: Option<f64>,
    /// The temperature.
    pub temperature: Option<f64>,
}

/// The positive class's probabilities by true class, in bins of equal width over [0, 1].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scores {
    /// The positive class.
    pub positive: String,
    /// The other class.
    pub negative: String,
    /// Positive rows per bin.
    pub positives: Vec<u64>,
    /// Negative rows per bin; as many bins.
    pub negatives: Vec<u64>,
    /// The positive class is answered from here on.
    pub threshold: Option<f64>,
    /// From where to where the answer is "unsure".
    pub unsure: Option<(f64, f64)>,
}

/// What was chosen on validation rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Logits are divided by this.
    pub temperature: Option<f64>,
    /// One per class or label that has one.
    pub thresholds: Vec<LabelThreshold>,
    /// From where to where the answer is "unsure".
    pub unsure: Option<(f64, f64)>,
    /// Rows that it was chosen on.
    pub rows: Option<u64>,
    /// Share of the test rows that are answered "unsure".
    pub unsure_share: Option<f64>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// A threshold and why it stands where it does.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LabelThreshold {
    /// The label it is for.
    pub label: String,
    /// The probability from which on the label is answered.
    pub threshold: f64,
    /// What it was chosen for: `FPR of at most 0.001`.
    pub target: String,
}

/// What a binary model is worth where it will be used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Operating {
    /// True positive rates at false positive rates.
    pub tpr_at_fpr: Vec<TprAtFpr>,
    /// Share of positives called positive by the model's own threshold.
    pub tpr: Option<Estimate>,
    /// Share of negatives called positive by the model's own threshold.
    pub fpr: Option<Estimate>,
    /// Precision by the model's own threshold at other shares of positives.
    pub precision: Vec<PrecisionAt>,
}

/// The true positive rate at a false positive rate. Without `tpr` it is refused.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TprAtFpr {
    /// The false positive rate asked for.
    pub fpr: f64,
    /// Share of positives at or above the threshold.
    pub tpr: Option<Estimate>,
    /// The threshold.
    pub threshold: Option<f64>,
    /// Negative rows that the rate needs.
    pub needed: u64,
    /// Negative rows there are.
    pub found: u64,
}

/// Precision where a given share of rows is positive.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct PrecisionAt {
    /// Share of positives among all rows.
    pub prevalence: f64,
    /// Share of called rows that are positive there.
    pub precision: Option<Estimate>,
}

/// A part of the rows, and the metric on it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slice {
    /// What the rows are cut by: `text length`, or a column.
    pub by: String,
    /// Which part: `21 to 40 tokens`.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// What is measured: `accuracy`.
    pub metric: String,
    /// The metric on it.
    pub value: Option<Estimate>,
    /// Why it deserves attention, if it does: `12 points below the rest`.
    pub flag: Option<String>,
}

/// Predicted against true numbers, one of each per row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Regression {
    /// What is predicted, with its unit: `price (€)`.
    pub target: String,
    /// True numbers.
    pub truth: Vec<f64>,
    /// Predicted numbers.
    pub predicted: Vec<f64>,
}

/// A row that the model got wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Mistake {
    /// Its text.
    pub text: String,
    /// The true label, labels or number.
    pub truth: String,
    /// The predicted one.
    pub predicted: String,
    /// The probability of what was predicted.
    pub probability: Option<f64>,
    /// Where it stands: `test.csv:42`.
    pub place: String,
}
