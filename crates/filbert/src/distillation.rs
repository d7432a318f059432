//! What distilling is told, and what a run says beside its student's figures: the teacher's, and those of the same student trained
//! without a teacher, without which a gain would prove nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;

use filbert_eval::fit::Fitted;
use filbert_model::Network;
use filbert_train::Teaching;
use serde::{Deserialize, Serialize};

use crate::metrics::{PerEpoch, SeedMetrics};
use crate::{Measure, Versus};

/// What a student starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Student {
    /// So many of the teacher's layers, evenly spaced, the last one included: of 12, four are 2, 5, 8 and 11 (from 0). With the
    /// teacher's embeddings, pooler and classifier.
    Even(usize),
    /// These of the teacher's layers, from 0, ascending; with its embeddings, pooler and classifier.
    Layers(Vec<usize>),
    /// A checkpoint folder with the teacher's vocabulary. Its classifier is kept where it has the teacher's labels and pooling.
    Checkpoint(PathBuf),
    /// A `config.json` with the teacher's vocabulary size; all weights are new.
    Config(PathBuf),
}

/// How a student is made of a classifier and taught by it.
#[derive(Debug, Clone, PartialEq)]
pub struct Distillation {
    /// What the student starts from.
    pub student: Student,
    /// Temperature, and the weights of the parts of the loss.
    pub teaching: Teaching,
    /// A file of further texts, without labels.
    pub unlabelled: Option<PathBuf>,
    /// Trains the same student without the teacher too: on the labelled rows, with the same settings and seeds.
    pub control: bool,
}

impl Distillation {
    /// A student by soft targets alone, with a control.
    pub fn new(student: Student) -> Self {
        Self { student, teaching: Teaching::default(), unlabelled: None, control: true }
    }
}

/// How large a network is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Encoder layers.
    pub layers: usize,
    /// Width of the hidden states.
    pub width: usize,
    /// Weights, embeddings included.
    pub parameters: usize,
}

impl Size {
    pub(crate) fn of(network: &Network) -> Self {
        Self {
            layers: network.encoder().layers(),
            width: network.config.hidden_size,
            parameters: network.parameters(),
        }
    }
}

/// What a run of distilling says beside the student's own figures, which are those of [`Metrics`](crate::Metrics).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DistillMetrics {
    /// The rows of the comparisons: `test`, or `validation` where there are no test rows.
    pub split: String,
    /// What the student started from, in words.
    pub student: String,
    /// How large it is.
    pub size: Size,
    /// The temperature of the soft targets.
    pub temperature: f64,
    /// Their share of the loss.
    pub alpha: f64,
    /// The weight of the hidden states.
    pub hidden: f64,
    /// The weight of the relations.
    pub attention: f64,
    /// Rows without labels that were learnt from.
    pub unlabelled_rows: usize,
    /// The teacher on the same rows.
    pub teacher: TeacherMetrics,
    /// The same student without the teacher, unless it was left out.
    pub control: Option<ControlMetrics>,
    /// The student (candidate) beside the control (baseline), both of the kept seeds.
    pub against_control: Option<Versus>,
    /// That in one sentence.
    pub control_verdict: Option<String>,
    /// The student (candidate) beside the teacher (baseline).
    pub against_teacher: Option<Versus>,
    /// That in one sentence.
    pub teacher_verdict: Option<String>,
    /// Of several seeds: mean and deviation of every figure on the rows of `split`, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub over_seeds: BTreeMap<String, Spreads>,
}

/// The teacher's figures, with the decision that its folder has.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TeacherMetrics {
    /// Its name.
    pub model: String,
    /// How large it is.
    pub size: Size,
    /// On the validation rows.
    pub valid: Option<Measure>,
    /// On the test rows.
    pub test: Option<Measure>,
}

/// The figures of the student that was trained without the teacher. Its decision is fitted on validation rows as the student's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ControlMetrics {
    /// The seed whose weights were kept, the best on validation rows.
    pub seed: u64,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// On the validation rows.
    pub valid: Option<Measure>,
    /// On the test rows.
    pub test: Option<Measure>,
    /// How its decision was fitted.
    pub decision: Option<Fitted>,
    /// Each of several seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<SeedMetrics>,
    /// Loss and accuracy after each epoch of the kept seed.
    pub epochs: Vec<PerEpoch>,
    /// Seconds of training of the kept seed.
    pub train_seconds: f64,
}

/// Mean and sample deviation over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The sample standard deviation.
    pub deviation: f64,
}

/// The same figure of student and control.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spreads {
    /// The student's.
    pub student: Spread,
    /// The control's.
    pub control: Option<Spread>,
}

/// What seeds gave, by figure; a figure that one of them lacks is left out.
pub(crate) fn over_seeds(
    student: &[SeedMetrics],
    control: &[SeedMetrics],
    test: bool,
) -> BTreeMap<String, Spreads> {
    let figures = |seed: &SeedMetrics| if test { seed.test.clone() } else { seed.valid.clone() };
    let names = student.first().and_then(figures).unwrap_or_default().into_keys();
    let spread = |seeds: &[SeedMetrics], name: &str| -> Option<Spread> {
        let values: Option<Vec<f64>> = seeds.iter().map(|s| figures(s)?.get(name).copied()).collect();
        let values = values.filter(|values| values.len() > 1)?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
        Some(Spread { mean, deviation: (squares / (n - 1.0)).sqrt() })
    };
    names
        .filter_map(|name| {
            let spreads = Spreads { student: spread(student, &name)?, control: spread(control, &name) };
            Some((name, spreads))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_become_means_and_deviations() {
        let seed = |seed, accuracy: f64| SeedMetrics {
            seed,
            best_epoch: 1,
            valid: None,
            test: Some(BTreeMap::from([("accuracy".to_owned(), accuracy)])),
        };
        let found = over_seeds(&[seed(0, 0.9), seed(1, 0.7)], &[seed(0, 0.5), seed(1, 0.5)], true);
        let spreads = found["accuracy"];
        assert!((spreads.student.mean - 0.8).abs() < 1e-12);
        assert!((spreads.student.deviation - 0.02f64.sqrt()).abs() < 1e-12);
        assert_eq!(spreads.control, Some(Spread { mean: 0.5, deviation: 0.0 }));
        assert!(over_seeds(&[seed(0, 0.9)], &[], true).is_empty(), "one seed has no deviation");
        assert!(over_seeds(&[seed(0, 0.9), seed(1, 0.7)], &[], false).is_empty());
    }
}
