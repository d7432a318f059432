//! Results from what `filbert-eval` measures.

use filbert_eval::multilabel::{MultiReport, PerLabel};
use filbert_eval::paired::Comparison;
use filbert_eval::{Estimate, Metrics, PerClass, Report as Measured};

use crate::input::{ClassRow, Direction, Metric, Paired, Results, Scores};

/// Bins of a score histogram.
pub const SCORE_BINS: usize = 40;

impl Metric {
    /// A metric of a model and of the floor, of which more is better.
    pub fn higher(name: &str, model: Option<Estimate>, floor: Option<Estimate>) -> Self {
        Self { name: name.to_owned(), model, floor, ..Self::default() }
    }

    /// A metric of a model and of the floor, of which less is better.
    pub fn lower(name: &str, model: Option<Estimate>, floor: Option<Estimate>) -> Self {
        Self { direction: Direction::Lower, ..Self::higher(name, model, floor) }
    }
}

impl Results {
    /// Results of rows with one label of two or more, with the floor's on the same rows.
    pub fn of_classes(model: &Measured, floor: Option<&Measured>) -> Self {
        type Get = fn(&Metrics) -> Option<Estimate>;
        let higher: [(&str, Get); 10] = [
            ("accuracy", |m| Some(m.accuracy)),
            ("balanced accuracy", |m| Some(m.balanced_accuracy)),
            ("macro F1", |m| Some(m.macro_f1)),
            ("weighted F1", |m| Some(m.weighted_f1)),
            ("macro precision", |m| Some(m.macro_precision)),
            ("macro recall", |m| Some(m.macro_recall)),
            ("weighted precision", |m| Some(m.weighted_precision)),
            ("Matthews correlation", |m| Some(m.mcc)),
            ("ROC AUC", |m| m.auc),
            ("average precision", |m| m.pr_auc),
        ];
        let lower: [(&str, Get); 3] = [
            ("log loss", |m| Some(m.log_loss)),
            ("Brier score", |m| Some(m.brier)),
            ("calibration error", |m| Some(m.ece)),
        ];
        let both = |get: Get| (get(&model.metrics), floor.and_then(|floor| get(&floor.metrics)));
        let up = higher.iter().map(|&(name, get)| Metric::higher(name, both(get).0, both(get).1));
        let down = lower.iter().map(|&(name, get)| Metric::lower(name, both(get).0, both(get).1));
        Self {
            rows: model.rows,
            positive: model.positive.clone(),
            metrics: up.chain(down).collect(),
            per_class: model.per_class.iter().map(ClassRow::from).collect(),
            confusion: model.confusion.clone(),
            notes: model.notes.clone(),
        }
    }

    /// Results of rows with any number of labels, with the floor's on the same rows.
    pub fn of_labels(model: &MultiReport, floor: Option<&MultiReport>) -> Self {
        let (m, f) = (&model.metrics, floor.map(|floor| &floor.metrics));
        Self {
            rows: model.rows,
            metrics: vec![
                Metric::higher("micro F1", Some(m.micro_f1), f.map(|f| f.micro_f1)),
                Metric::higher("macro F1", Some(m.macro_f1), f.map(|f| f.macro_f1)),
                Metric::higher("weighted F1", Some(m.weighted_f1), f.map(|f| f.weighted_f1)),
                Metric::higher("F1 by row", Some(m.samples_f1), f.map(|f| f.samples_f1)),
                Metric::higher("all labels right", Some(m.subset_accuracy), f.map(|f| f.subset_accuracy)),
                Metric::higher(
                    "mean average precision",
                    m.mean_average_precision,
                    f.and_then(|f| f.mean_average_precision),
                ),
                Metric::higher("ROC AUC", m.auc, f.and_then(|f| f.auc)),
                Metric::lower("Hamming loss", Some(m.hamming_loss), f.map(|f| f.hamming_loss)),
            ],
            per_class: model.per_label.iter().map(ClassRow::from).collect(),
            notes: model.notes.clone(),
            ..Self::default()
        }
    }
}

impl From<&PerClass> for ClassRow {
    fn from(class: &PerClass) -> Self {
        Self {
            label: class.label.clone(),
            precision: Some(class.precision),
            recall: Some(class.recall),
            f1: Some(class.f1),
            auc: class.auc,
            support: class.support,
            threshold: None,
        }
    }
}

impl From<&PerLabel> for ClassRow {
    fn from(label: &PerLabel) -> Self {
        Self {
            label: label.label.clone(),
            precision: Some(label.precision),
            recall: Some(label.recall),
            f1: Some(label.f1),
            auc: label.auc,
            support: label.support,
            threshold: None,
        }
    }
}

impl Paired {
    /// A comparison of accuracies with a baseline.
    pub fn of(baseline: &str, floor: bool, comparison: &Comparison) -> Self {
        Self {
            baseline: baseline.to_owned(),
            floor,
            metric: "accuracy".to_owned(),
            difference: Some(comparison.accuracy_difference),
            p: Some(comparison.mcnemar_p),
            test: "McNemar".to_owned(),
            only_baseline: Some(comparison.only_baseline),
            only_model: Some(comparison.only_candidate),
            more: comparison.auc_difference.map(|auc| ("ROC AUC".to_owned(), auc)).into_iter().collect(),
            notes: comparison.notes.clone(),
        }
    }
}

impl Scores {
    /// Counts probabilities of the positive class into [`SCORE_BINS`] bins. What lies outside [0, 1] is left
    /// out, and so is what one of the two slices has beyond the other.
    pub fn of(probabilities: &[f32], positive: &[bool]) -> Self {
        let mut scores =
            Self { positives: vec![0; SCORE_BINS], negatives: vec![0; SCORE_BINS], ..Self::default() };
        for (&p, &positive) in probabilities.iter().zip(positive) {
            if !(0.0..=1.0).contains(&p) {
                continue;
            }
            let bin = ((p * SCORE_BINS as f32) as usize).min(SCORE_BINS - 1);
            let counts = if positive { &mut scores.positives } else { &mut scores.negatives };
            counts[bin] += 1;
        }
        scores
    }
}
