//! What a training run is told: its numbers, checked once before anything starts.

use std::path::PathBuf;

use filbert_engine::{AdamWSettings, Decay, Objective, Schedule};

use crate::{Error, Select};

/// How long the learning rate rises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Warmup {
    /// A share of all steps, in 0 to 1.
    Share(f64),
    /// A number of steps.
    Steps(u64),
}

/// The numbers of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Passes over the rows.
    pub epochs: usize,
    /// Rows per update.
    pub batch_size: usize,
    /// Parts of a batch that are worked through one after the other before the update.
    pub accumulate: usize,
    /// Where the results of a frozen trunk are kept for another run; nowhere if left out.
    pub trunk_cache: Option<PathBuf>,
    /// Bytes of a frozen trunk's results that are held in memory; more are read from the cache, batch by batch.
    pub trunk_memory: usize,
    /// The highest learning rate.
    pub learning_rate: f32,
    /// The rise of the learning rate.
    pub warmup: Warmup,
    /// The fall of the learning rate.
    pub decay: Decay,
    /// The optimizer's constants.
    pub adamw: AdamWSettings,
    /// How rows' losses are formed.
    pub objective: Objective,
    /// The figure on validation rows that chooses the epoch.
    pub select: Select,
    /// Epochs without a better figure after which training ends; none to go on to the last.
    pub patience: Option<usize>,
    /// Every random choice follows from this.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            epochs: 3,
            batch_size: 16,
            accumulate: 1,
            trunk_cache: None,
            trunk_memory: 1 << 30,
            learning_rate: 5e-5,
            warmup: Warmup::Share(0.1),
            decay: Decay::Linear,
            adamw: AdamWSettings::default(),
            objective: Objective::default(),
            select: Select::default(),
            patience: None,
            seed: 0,
        }
    }
}

impl Settings {
    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`Error::Setting`] with the first such number.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |what, found: String, wanted| Err(Error::Setting { what, found, wanted });
        if self.epochs == 0 || self.epochs > 100_000 {
            return refuse("the number of epochs", self.epochs.to_string(), "1 to 100,000");
        }
        if self.batch_size == 0 || self.batch_size > 1 << 20 {
            return refuse("the batch size", self.batch_size.to_string(), "1 to 1,048,576");
        }
        if self.accumulate == 0 || self.accumulate > self.batch_size {
            return refuse(
                "the number of parts of a batch",
                self.accumulate.to_string(),
                "1 to the batch size",
            );
        }
        if !(self.learning_rate >= 0.0 && self.learning_rate <= 100.0) {
            return refuse("the learning rate", self.learning_rate.to_string(), "0 to 100");
        }
        if let Warmup::Share(share) = self.warmup
            && !(0.0..=1.0).contains(&share)
        {
            return refuse(
                "the warm-up",
                share.to_string(),
                "a share of all steps in 0 to 1, or a number of steps",
            );
        }
        let adamw = &self.adamw;
        if !(adamw.weight_decay >= 0.0 && adamw.weight_decay <= 100.0) {
            return refuse("the weight decay", adamw.weight_decay.to_string(), "0 to 100");
        }
        if adamw.clip_norm.is_nan() || adamw.clip_norm <= 0.0 {
            return refuse("the clip norm", adamw.clip_norm.to_string(), "above 0");
        }
        if self.patience == Some(0) {
            return refuse("the patience", "0".to_owned(), "1 epoch or more");
        }
        self.check_objective()
    }

    fn check_objective(&self) -> Result<(), Error> {
        let refuse = |what, found: String, wanted| Err(Error::Setting { what, found, wanted });
        let objective = &self.objective;
        if !(0.0..1.0).contains(&objective.smoothing) {
            return refuse("the label smoothing", objective.smoothing.to_string(), "0 or more and below 1");
        }
        if !(0.0..=100.0).contains(&objective.focal) {
            return refuse("the focal loss's exponent", objective.focal.to_string(), "0 to 100");
        }
        if objective.focal > 0.0 && objective.smoothing > 0.0 {
            return refuse("the focal loss", "together with label smoothing".to_owned(), "used without it");
        }
        let mut weights = objective.weights.iter().flatten();
        if let Some(weight) = weights.find(|w| !(**w > 0.0 && **w <= 1e6)) {
            return refuse("a class weight", weight.to_string(), "above 0 and at most 1,000,000");
        }
        Ok(())
    }

    /// Updates per epoch for so many rows.
    pub fn steps_per_epoch(&self, rows: usize) -> usize {
        rows.div_ceil(self.batch_size.max(1))
    }

    /// The schedule for so many rows.
    pub fn schedule(&self, rows: usize) -> Schedule {
        let total = (self.steps_per_epoch(rows) * self.epochs) as u64;
        let warmup = match self.warmup {
            Warmup::Share(share) => (share * total as f64).ceil() as u64,
            Warmup::Steps(steps) => steps,
        };
        Schedule { peak: self.learning_rate, warmup: warmup.min(total), total, decay: self.decay }
    }
}
