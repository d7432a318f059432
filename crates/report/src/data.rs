//! What a page shows. Every part may be left empty.

use filbert_eval::Estimate;
use filbert_eval::curves::ReliabilityBin;

/// Everything a page shows.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The heading.
    pub title: String,
    /// One sentence on what was trained on what.
    pub subtitle: String,
    /// The result in sentences, the most important first.
    pub verdicts: Vec<String>,
    /// What a reader must know before trusting a figure.
    pub warnings: Vec<String>,
    /// The rows that the figures are of, such as `test`.
    pub split: String,
    /// Metrics, the most important first; the first four are shown large.
    pub metrics: Vec<Metric>,
    /// Several seeds' figures.
    pub seeds: Vec<Seed>,
    /// Metrics of each class.
    pub classes: Vec<Class>,
    /// Counts of true against answered classes.
    pub confusion: Option<Confusion>,
    /// ROC curves, from (0, 0) to (1, 1): false positive rate, true positive rate.
    pub roc: Vec<Curve>,
    /// Precision over recall.
    pub pr: Vec<Curve>,
    /// Bins of the reliability diagram.
    pub reliability: Vec<ReliabilityBin>,
    /// The temperature that logits are divided by.
    pub temperature: Option<f64>,
    /// Scores of the positive class.
    pub scores: Option<Scores>,
    /// True positives where false alarms must be rare.
    pub points: Vec<Point>,
    /// Precision where positives are rarer.
    pub prevalences: Vec<Prevalence>,
    /// Of a regression: true and predicted numbers.
    pub scatter: Vec<(f32, f32)>,
    /// Parts of the rows.
    pub slices: Vec<Slice>,
    /// Rows that are answered wrong.
    pub mistakes: Vec<Mistake>,
    /// Passes over the training rows.
    pub epochs: Vec<Epoch>,
    /// The epoch whose weights were kept.
    pub kept_epoch: usize,
    /// The parts of the data.
    pub splits: Vec<Split>,
    /// What the parts share.
    pub overlaps: Vec<Overlap>,
    /// Named lists: model, settings, machine, how to repeat.
    pub facts: Vec<Facts>,
    /// What the user was told on the way.
    pub notes: Vec<String>,
    /// The last line.
    pub footer: String,
}

/// A metric of the model, and of what it is held against.
#[derive(Debug, Clone, Default)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// The model's, on the rows of the page.
    pub model: Option<Estimate>,
    /// The floor's, on the same rows.
    pub floor: Option<Estimate>,
    /// The model's on the validation rows.
    pub valid: Option<Estimate>,
    /// True where a smaller value is better.
    pub lower_is_better: bool,
}

/// A figure over several seeds.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// The figure.
    pub name: String,
    /// Its mean.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
    /// Each seed's value.
    pub values: Vec<f64>,
}

/// A class or label.
#[derive(Debug, Clone)]
pub struct Class {
    /// Its name.
    pub label: String,
    /// Share of the rows answered so that are so.
    pub precision: Estimate,
    /// Share of its rows that are answered so.
    pub recall: Estimate,
    /// Harmonic mean of both.
    pub f1: Estimate,
    /// ROC AUC against the rest.
    pub auc: Option<Estimate>,
    /// Its rows.
    pub support: u64,
    /// The probability from which it is answered, where there is one.
    pub threshold: Option<f64>,
}

/// Counts of true against answered classes.
#[derive(Debug, Clone, Default)]
pub struct Confusion {
    /// The classes.
    pub labels: Vec<String>,
    /// `counts[true][answered]`.
    pub counts: Vec<Vec<u64>>,
}

/// A named curve.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// What it is of, with its area.
    pub name: String,
    /// True for what the model is held against.
    pub is_floor: bool,
    /// x and y, in the order of x.
    pub points: Vec<(f64, f64)>,
}

/// Scores of rows by what they are.
#[derive(Debug, Clone, Default)]
pub struct Scores {
    /// The positive class.
    pub positive_label: String,
    /// Its rows' probabilities.
    pub positive: Vec<f32>,
    /// Those of other rows.
    pub negative: Vec<f32>,
    /// The probability from which it is answered.
    pub threshold: f64,
    /// Probabilities for which the answer is unsure.
    pub unsure: Option<(f64, f64)>,
}

/// The true positive rate at a false positive rate.
#[derive(Debug, Clone)]
pub struct Point {
    /// The false positive rate.
    pub fpr: f64,
    /// The true positive rate and the threshold, or why they are not given.
    pub found: Result<(Estimate, Option<f64>), String>,
}

/// Precision at a prevalence.
#[derive(Debug, Clone)]
pub struct Prevalence {
    /// The share of positives.
    pub prevalence: f64,
    /// The share of alarms that are right.
    pub precision: Estimate,
}

/// A part of the rows.
#[derive(Debug, Clone)]
pub struct Slice {
    /// What the rows are grouped by.
    pub group: String,
    /// This part's value.
    pub value: String,
    /// Rows.
    pub rows: u64,
    /// The figure.
    pub figure: Estimate,
    /// The figure's name.
    pub name: String,
    /// True where it is lower than the rest's by more than chance.
    pub is_worse: bool,
}

/// A row that was answered wrong.
#[derive(Debug, Clone, Default)]
pub struct Mistake {
    /// Its line.
    pub place: u64,
    /// Its text.
    pub text: String,
    /// What it is.
    pub truth: String,
    /// What was answered.
    pub answer: String,
    /// The probability of that.
    pub probability: Option<f64>,
}

/// One epoch.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: usize,
    /// Mean loss on the training rows.
    pub train_loss: f64,
    /// Mean loss on the validation rows.
    pub valid_loss: Option<f64>,
    /// Accuracy on the validation rows.
    pub valid_accuracy: Option<f64>,
}

/// A part of the data.
#[derive(Debug, Clone, Default)]
pub struct Split {
    /// Its name.
    pub name: String,
    /// Its file and hash.
    pub source: String,
    /// Rows.
    pub rows: u64,
    /// Classes and their rows.
    pub classes: Vec<(String, u64)>,
}

/// What two parts share.
#[derive(Debug, Clone, Default)]
pub struct Overlap {
    /// The part looked in.
    pub from: String,
    /// The part whose rows are counted.
    pub to: String,
    /// Rows of that.
    pub rows: u64,
    /// Rows of equal text.
    pub exact: u64,
    /// Rows of equal text but for spelling.
    pub canonical: u64,
    /// Rows nearly equal.
    pub near: u64,
    /// Rows of the same registered domain, where they are URLs.
    pub domain: Option<u64>,
    /// Rows with an equal text of another label.
    pub conflicting: Option<u64>,
}

/// A list of names and values.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The list's name.
    pub name: String,
    /// The entries.
    pub entries: Vec<(String, String)>,
}
