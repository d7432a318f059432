//! A training run, told step by step and then started.

use std::path::{Path, PathBuf};

use filbert_engine::Decay;
use filbert_model::{Freeze, Pooling};
use filbert_train::Settings;
pub use filbert_train::Warmup;

use crate::rows::Files;
use crate::{Classifier, Error, Metrics, Precision, Silent, Watch, pipeline};

/// What a run may be told beside its model and rows. What is left out has a default that suits what is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The columns of the texts, one or two; found where left out.
    pub text: Option<Vec<String>>,
    /// The column of the labels; found where left out.
    pub label: Option<String>,
    /// What is not trained.
    pub freeze: Freeze,
    /// How a row's token vectors become one.
    pub pooling: Pooling,
    /// Passes over the rows: 3, or 10 where the trunk is frozen.
    pub epochs: Option<usize>,
    /// The highest learning rate: 5e-5, or 1e-3 where the trunk is frozen.
    pub learning_rate: Option<f32>,
    /// Rows per update.
    pub batch_size: usize,
    /// Parts of a batch that are worked through one after the other, in less memory, before the update.
    pub accumulate: usize,
    /// Keeps only each layer's input for the way back and computes the rest again.
    pub recompute: bool,
    /// Where a frozen trunk's results are kept for the next run; nowhere if left out.
    pub trunk_cache: Option<PathBuf>,
    /// The longest row in tokens: 128, or what the model has positions for if that is less.
    pub max_length: Option<usize>,
    /// The rise of the learning rate.
    pub warmup: Warmup,
    /// The fall of the learning rate.
    pub schedule: Decay,
    /// Decoupled weight decay, not on biases and norms.
    pub weight_decay: f32,
    /// The norm that gradients are clipped to.
    pub clip_norm: f32,
    /// Every random choice follows from this.
    pub seed: u64,
    /// The number format of matrix products.
    pub precision: Precision,
    /// The positive label of two; the last in order where left out.
    pub positive: Option<String>,
    /// Fits a cheap baseline on the same rows, to be held against.
    pub floor: bool,
}

impl Default for Options {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            text: None,
            label: None,
            freeze: Freeze::None,
            pooling: Pooling::Pooler,
            epochs: None,
            learning_rate: None,
            batch_size: settings.batch_size,
            accumulate: settings.accumulate,
            recompute: false,
            trunk_cache: None,
            max_length: None,
            warmup: settings.warmup,
            schedule: settings.decay,
            weight_decay: settings.adamw.weight_decay,
            clip_norm: settings.adamw.clip_norm,
            seed: 0,
            precision: Precision::Auto,
            positive: None,
            floor: true,
        }
    }
}

impl Options {
    /// The numbers for the training loop, defaults filled in.
    pub fn settings(&self) -> Settings {
        let frozen = self.freeze == Freeze::Trunk;
        let mut settings = Settings {
            epochs: self.epochs.unwrap_or(if frozen { 10 } else { 3 }),
            learning_rate: self.learning_rate.unwrap_or(if frozen { 1e-3 } else { 5e-5 }),
            batch_size: self.batch_size,
            accumulate: self.accumulate,
            trunk_cache: self.trunk_cache.clone(),
            warmup: self.warmup,
            decay: self.schedule,
            seed: self.seed,
            ..Settings::default()
        };
        settings.adamw.weight_decay = self.weight_decay;
        settings.adamw.clip_norm = self.clip_norm;
        settings
    }
}

/// A training run that has not started.
///
/// ```
/// // Rows are needed before anything is read.
/// let error = filbert::Trainer::new("some-model").fit().unwrap_err();
/// assert!(error.to_string().contains("no rows to train on"));
/// ```
#[derive(Debug, Clone)]
pub struct Trainer {
    pub(crate) model: PathBuf,
    pub(crate) model_name: Option<String>,
    pub(crate) files: Files,
    pub(crate) options: Options,
}

impl Trainer {
    /// Will fine-tune the encoder in this folder.
    pub fn new(model: impl AsRef<Path>) -> Self {
        let model = model.as_ref().to_path_buf();
        Self { model, model_name: None, files: Files::default(), options: Options::default() }
    }

    /// Records that the folder stands for this name, such as a hub id.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.model_name = Some(name.into());
        self
    }

    /// Rows to be split into train, validation and (with three parts) test rows, stratified: `70/15/15`.
    #[must_use]
    pub fn data(mut self, path: impl AsRef<Path>, split: impl Into<String>) -> Self {
        self.files.data = Some((path.as_ref().to_path_buf(), split.into()));
        self
    }

    /// Rows to train on.
    #[must_use]
    pub fn train(mut self, path: impl AsRef<Path>) -> Self {
        self.files.train = Some(path.as_ref().to_path_buf());
        self
    }

    /// Rows to choose the best epoch on; cut from the training rows where left out.
    #[must_use]
    pub fn valid(mut self, path: impl AsRef<Path>) -> Self {
        self.files.valid = Some(path.as_ref().to_path_buf());
        self
    }

    /// Rows to measure on once, after training.
    #[must_use]
    pub fn test(mut self, path: impl AsRef<Path>) -> Self {
        self.files.test = Some(path.as_ref().to_path_buf());
        self
    }

    /// All options at once.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// Passes over the training rows.
    #[must_use]
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.options.epochs = Some(epochs);
        self
    }

    /// The seed of every random choice.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    /// What is not trained.
    #[must_use]
    pub fn freeze(mut self, freeze: Freeze) -> Self {
        self.options.freeze = freeze;
        self
    }

    /// Trains.
    ///
    /// # Errors
    /// If files cannot be read or do not fit, or training fails.
    pub fn fit(self) -> Result<Trained, Error> {
        self.fit_watched(&mut Silent)
    }

    /// Trains and tells `watch` about it.
    ///
    /// # Errors
    /// As for [`fit`](Self::fit), and if `watch` asks to stop.
    pub fn fit_watched(self, watch: &mut dyn Watch) -> Result<Trained, Error> {
        pipeline::run(&self, watch)
    }
}

/// A finished run: the classifier with the weights of the best epoch, and how good it is.
#[derive(Debug)]
pub struct Trained {
    pub(crate) classifier: Classifier,
    pub(crate) metrics: Metrics,
}

impl Trained {
    /// The classifier.
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }

    /// Metrics with intervals, rows and timing.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Writes the model folder: complete, or not at all.
    ///
    /// # Errors
    /// If the folder exists and `force` is false, if it is not a model folder, or if writing fails.
    pub fn save(&self, out: impl AsRef<Path>, force: bool) -> Result<(), Error> {
        pipeline::save(self, out.as_ref(), force)
    }
}
