//! How a long run tells what it is doing.

use std::path::Path;

use filbert_train::{EpochReport, Observer, StepReport};

/// Watches a run: what the user should know, and how far it is.
pub trait Watch {
    /// Something the user should know, one sentence.
    fn note(&mut self, _text: &str) {}
    /// What is being done now, such as `classifying the test rows`.
    fn stage(&mut self, _text: &str) {}
    /// So many of so many rows of the current stage are done; of 0 where nobody knows how many there are.
    fn rows(&mut self, _done: usize, _all: usize) {}
    /// One update of the weights.
    fn step(&mut self, _report: &StepReport) {}
    /// One pass over the training rows.
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

impl Watch for Silent {}

/// Passes the training loop's reports on.
pub(crate) struct Watched<'a>(pub(crate) &'a mut dyn Watch);

impl Observer for Watched<'_> {
    fn features(&mut self, done: usize, rows: usize) {
        self.0.rows(done, rows);
    }
    fn step(&mut self, report: &StepReport) {
        self.0.step(report);
    }
    fn epoch(&mut self, report: &EpochReport) {
        self.0.epoch(report);
    }
    fn checkpoint(&mut self, outcome: Result<&Path, &str>) {
        self.0.checkpoint(outcome);
    }
    fn stop(&mut self) -> bool {
        self.0.stop()
    }
}
