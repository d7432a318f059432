//! What `metrics.json` holds: the metrics with intervals, the rows they were measured on, and the time it took.

use filbert_eval::fit::Fitted;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use std::collections::BTreeMap;

use crate::measure::flatten;
use crate::{Details, DistillMetrics, EpochReport, FloorMetrics, Measure};

/// The results of a training run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Metrics {
    /// Rows of each split.
    pub rows: RowCounts,
    /// Test metrics, where there were test rows: read once, after training.
    pub test: Option<Measure>,
    /// Validation metrics of the weights that were kept.
    pub valid: Option<Measure>,
    /// What a cheap baseline made of the same rows, unless it was left out.
    #[serde(default)]
    pub floor: Option<FloorMetrics>,
    /// What there is to say beside the metrics: of the test rows, or without them of the validation rows.
    #[serde(default)]
    pub details: Details,
    /// How temperature, thresholds and the unsure rule were fitted on the validation rows, where they were.
    #[serde(default)]
    pub decision: Option<Fitted>,
    /// Of a student: the teacher's figures and those of the student without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<Box<DistillMetrics>>,
    /// What the parts share, and what was left out of them.
    #[serde(default)]
    pub data: Value,
    /// Each of several seeds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seeds: Vec<SeedMetrics>,
    /// How long it took.
    pub timing: Timing,
    /// The number format of the training's matrix products; each epoch's validation figures are of this format too.
    pub precision: String,
    /// The format in which the kept weights were measured, which is the one that `predict` and `eval` use.
    pub measured_precision: String,
    /// The kernels of the training's matrix products.
    pub kernel: String,
    /// Threads.
    pub threads: usize,
    /// The seed of every random choice.
    pub seed: u64,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// Loss and accuracy after each epoch.
    pub epochs: Vec<PerEpoch>,
    /// What the user was told.
    pub notes: Vec<String>,
}

/// Rows of each split.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Trained on.
    pub train: usize,
    /// The best epoch was chosen on these.
    pub valid: usize,
    /// Measured once, after training.
    pub test: usize,
}

/// How long a run took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// From the first step to the end of the last epoch, its evaluations included; a frozen trunk's one run too.
    pub train_seconds: f64,
    /// The whole run, reading and measuring included, up to the saving of the folder.
    pub total_seconds: f64,
    /// Training rows times epochs, divided by `train_seconds`.
    pub train_rows_per_second: f64,
}

/// One epoch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PerEpoch {
    /// Its number, from 1.
    pub epoch: usize,
    /// Mean loss over the training rows while they were trained on.
    pub train_loss: f64,
    /// Mean loss over the validation rows.
    pub valid_loss: Option<f64>,
    /// Accuracy on the validation rows.
    pub valid_accuracy: Option<f64>,
    /// The figure on the validation rows that chooses the epoch.
    #[serde(default)]
    pub valid_chosen: Option<f64>,
}

impl From<&EpochReport> for PerEpoch {
    fn from(report: &EpochReport) -> Self {
        Self {
            epoch: report.epoch,
            train_loss: report.train_loss,
            valid_loss: report.valid_loss,
            valid_accuracy: report.valid_accuracy,
            valid_chosen: report.valid_chosen,
        }
    }
}

/// What one of several seeds made of the rows: metrics' values by name, without intervals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedMetrics {
    /// The seed.
    pub seed: u64,
    /// The epoch whose weights were kept, from 1.
    pub best_epoch: usize,
    /// On the validation rows.
    pub valid: Option<BTreeMap<String, f64>>,
    /// On the test rows.
    pub test: Option<BTreeMap<String, f64>>,
}

impl Metrics {
    /// The object of `metrics.json`: each split's metrics directly under its name.
    pub fn to_json(&self) -> Value {
        let mut all = serde_json::to_value(self).unwrap_or_default();
        flatten_splits(&mut all);
        if let Some(floor) = all.get_mut("floor") {
            flatten_splits(floor);
        }
        for other in ["teacher", "control"] {
            if let Some(other) = all.get_mut("distillation").and_then(|d| d.get_mut(other)) {
                flatten_splits(other);
            }
        }
        all
    }
}

/// Lifts each split's metrics out of their own object.
fn flatten_splits(all: &mut Value) {
    for split in ["test", "valid"] {
        if let Some(report) = all.get_mut(split) {
            flatten(report);
        }
    }
}
