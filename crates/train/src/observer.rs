//! What a training run tells while it goes on, and how it is asked to stop.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// All epochs.
    pub epochs: usize,
    /// The update within the epoch, from 1.
    pub step: usize,
    /// Updates per epoch.
    pub steps: usize,
    /// Rows of this update.
    pub rows: usize,
    /// The batch's mean loss.
    pub loss: f32,
    /// The norm of all gradients before clipping.
    pub gradient_norm: f32,
    /// The learning rate.
    pub learning_rate: f32,
}

/// One pass over the rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The mean loss over the training rows, as it was when each batch was trained on.
    pub train_loss: f64,
    /// The mean loss over the validation rows.
    pub valid_loss: Option<f64>,
    /// The share of validation rows that are answered right; none in a regression.
    pub valid_accuracy: Option<f64>,
    /// The figure that chooses the epoch, on the validation rows; NaN where it is not defined on them.
    pub valid_chosen: Option<f64>,
    /// True where no earlier epoch had a better one.
    pub best: bool,
    /// From the first step of training.
    pub elapsed: Duration,
}

/// Watches a training run.
pub trait Observer {
    /// A frozen trunk is run over the rows once: so many of so many are done.
    fn features(&mut self, _done: usize, _rows: usize) {}
    /// An update was made.
    fn step(&mut self, _report: &StepReport) {}
    /// An epoch ended.
    fn epoch(&mut self, _report: &EpochReport) {}
    /// A checkpoint was written, or could not be: the message says why. Training goes on.
    fn checkpoint(&mut self, _outcome: Result<&Path, &str>) {}
    /// True to stop before the next update.
    fn stop(&mut self) -> bool {
        false
    }
}

/// Watches nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
