//! What an epoch is judged by: a figure on the validation rows. There is no way to judge it by test rows.

use std::fmt;
use std::str::FromStr;

use filbert_eval::multilabel::MultiInputs;
use filbert_eval::{Inputs, Options, sigmoid_rows, softmax_rows};

use crate::{Error, Targets};

/// A figure on validation rows by which the best epoch is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Select {
    /// The mean loss, plain whatever training minimizes: the lower the better.
    #[default]
    Loss,
    /// The share of rows answered right; of sets of labels, exactly right.
    Accuracy,
    /// The mean recall of the classes.
    BalancedAccuracy,
    /// The mean F1 of classes or labels.
    MacroF1,
    /// F1 of the pooled counts.
    MicroF1,
    /// Matthews' correlation coefficient.
    Mcc,
    /// The area under the ROC curve, of several classes the mean.
    Auc,
    /// The area under the precision-recall curve, of several classes the mean.
    PrAuc,
}

impl Select {
    /// All, in the order that help shows.
    pub const ALL: [Self; 8] = [
        Self::Loss,
        Self::Accuracy,
        Self::BalancedAccuracy,
        Self::MacroF1,
        Self::MicroF1,
        Self::Mcc,
        Self::Auc,
        Self::PrAuc,
    ];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::BalancedAccuracy => "balanced-accuracy",
            Self::MacroF1 => "macro-f1",
            Self::MicroF1 => "micro-f1",
            Self::Mcc => "mcc",
            Self::Auc => "auc",
            Self::PrAuc => "pr-auc",
        }
    }

    /// True where `a` is better than `b`; a number is better than none.
    pub fn is_better(self, a: f64, b: f64) -> bool {
        if a.is_nan() || b.is_nan() {
            return b.is_nan() && !a.is_nan();
        }
        if self == Self::Loss { a < b } else { a > b }
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Select {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.replace('_', "-");
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|s| s.name()).collect();
            format!("it must be one of {}, measured on validation rows", names.join(", "))
        })
    }
}

/// What an epoch's weights make of the validation rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    /// The plain mean loss.
    pub(crate) loss: f64,
    /// The share answered right; none for numbers.
    pub(crate) accuracy: Option<f64>,
    /// The figure that was asked for; NaN where it is not defined on these rows.
    pub(crate) chosen: f64,
}

/// Judges outputs `[rows, columns]`.
pub(crate) fn judge(select: Select, outputs: &[f32], targets: &Targets) -> Result<Judged, Error> {
    let loss = mean_loss(outputs, targets);
    let accuracy = accuracy(outputs, targets);
    let chosen = match (select, targets) {
        (Select::Loss, _) => loss,
        (Select::Accuracy, _) => accuracy.ok_or_else(|| refuse(select, "a regression"))?,
        (_, Targets::Numbers(_)) => return Err(refuse(select, "a regression")),
        (_, Targets::Classes(classes)) => single(select, outputs, classes)?,
        (_, Targets::Sets(sets)) => multi(select, outputs, sets)?,
    };
    Ok(Judged { loss, accuracy, chosen })
}

fn refuse(select: Select, task: &str) -> Error {
    let found = format!("{select} in {task}");
    Error::Setting {
        what: "the figure that chooses the epoch",
        found,
        wanted: "one that the task has, such as loss",
    }
}

/// Names for columns, which nothing shows.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| i.to_string()).collect()
}

fn single(select: Select, outputs: &[f32], classes: &[u32]) -> Result<f64, Error> {
    let names = names(outputs.len() / classes.len().max(1));
    let labels: Vec<usize> = classes.iter().map(|&c| c as usize).collect();
    let probabilities = softmax_rows(outputs, names.len())?;
    let inputs = Inputs { probabilities: &probabilities, labels: &labels, classes: &names, positive: None };
    let metrics = filbert_eval::measure(&inputs, &Options { seed: 0, resamples: 0 })?.metrics;
    Ok(match select {
        Select::BalancedAccuracy => metrics.balanced_accuracy.value,
        Select::MacroF1 => metrics.macro_f1.value,
        Select::MicroF1 => metrics.micro_f1.value,
        Select::Mcc => metrics.mcc.value,
        Select::Auc => metrics.auc.map_or(f64::NAN, |e| e.value),
        Select::PrAuc => metrics.pr_auc.map_or(f64::NAN, |e| e.value),
        Select::Loss | Select::Accuracy => metrics.accuracy.value,
    })
}

fn multi(select: Select, outputs: &[f32], sets: &[Vec<u32>]) -> Result<f64, Error> {
    let names = names(outputs.len() / sets.len().max(1));
    let truth = truth(sets, names.len());
    let probabilities = sigmoid_rows(outputs, names.len())?;
    let thresholds = vec![0.5; names.len()];
    let inputs =
        MultiInputs { probabilities: &probabilities, truth: &truth, labels: &names, thresholds: &thresholds };
    let metrics = filbert_eval::multilabel::measure(&inputs, &Options { seed: 0, resamples: 0 })?.metrics;
    Ok(match select {
        Select::MacroF1 => metrics.macro_f1.value,
        Select::MicroF1 => metrics.micro_f1.value,
        Select::Auc => metrics.auc.map_or(f64::NAN, |e| e.value),
        Select::PrAuc => metrics.mean_average_precision.map_or(f64::NAN, |e| e.value),
        _ => return Err(refuse(select, "multi-label rows")),
    })
}

/// Whether each of `columns` labels is in each row's set, `[rows, columns]`.
pub fn truth(sets: &[Vec<u32>], columns: usize) -> Vec<bool> {
    let mut truth = vec![false; sets.len() * columns];
    for (row, set) in truth.chunks_exact_mut(columns.max(1)).zip(sets) {
        for &label in set {
            row[label as usize] = true;
        }
    }
    truth
}

/// The plain mean loss of outputs `[rows, columns]`: cross-entropy, the labels' mean binary cross-entropy, or the squared
/// difference; NaN for no rows.
pub fn mean_loss(outputs: &[f32], targets: &Targets) -> f64 {
    let columns = outputs.len() / targets.len().max(1);
    let rows = outputs.chunks_exact(columns.max(1));
    let sum: f64 = match targets {
        Targets::Classes(classes) => rows
            .zip(classes)
            .map(|(row, &class)| {
                let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|&x| f64::from(x - max).exp()).sum();
                sum.ln() - f64::from(row[class as usize] - max)
            })
            .sum(),
        Targets::Sets(sets) => {
            let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
            let row_loss = |(row, set): (&[f32], &Vec<u32>)| {
                let all: f64 = row.iter().map(|&x| softplus(f64::from(x))).sum();
                let own: f64 = set.iter().map(|&label| f64::from(row[label as usize])).sum();
                (all - own) / columns as f64
            };
            rows.zip(sets).map(row_loss).sum()
        }
        Targets::Numbers(numbers) => {
            outputs.iter().zip(numbers).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum()
        }
    };
    sum / targets.len() as f64
}

/// The share of rows whose largest output (the first of equals) is their class's, or whose positive outputs are exactly their
/// labels'; none for numbers, NaN for no rows.
pub fn accuracy(outputs: &[f32], targets: &Targets) -> Option<f64> {
    let columns = outputs.len() / targets.len().max(1);
    let rows = outputs.chunks_exact(columns.max(1));
    let right = match targets {
        Targets::Classes(classes) => {
            let best =
                |row: &[f32]| (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
            rows.zip(classes).filter(|(row, class)| best(row) == **class as usize).count()
        }
        Targets::Sets(sets) => rows
            .zip(sets)
            .filter(|(row, set)| (0u32..).zip(*row).all(|(i, &x)| (x >= 0.0) == set.contains(&i)))
            .count(),
        Targets::Numbers(_) => return None,
    };
    Some(right as f64 / targets.len() as f64)
}
