//! A training run, told step by step and then started.

use std::path::{Path, PathBuf};

use filbert_data::{Dedupe, SplitBy, Task};
use filbert_engine::Decay;
use filbert_eval::fit::{Target, Unsure};
use filbert_model::{Freeze, Lora, Pooling, Scheme, Windows};
pub use filbert_train::Warmup;
use filbert_train::{Every, Select, Settings};
use serde_json::Value;

use crate::rows::Files;
use crate::{Classifier, Distillation, Error, Metrics, Precision, Silent, Watch, pipeline};

/// What a run may be told beside its model and rows. What is left out has a default that suits what is trained.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "switches of their own, as on the command line")]
pub struct Options {
    /// The columns of the texts, one or two; found where left out.
    pub text: Option<Vec<String>>,
    /// The column of the labels; found where left out.
    pub label: Option<String>,
    /// What the labels are: one for each row, several, or a number.
    pub task: Task,
    /// What decides the part of a row, where rows are split.
    pub split_by: SplitBy,
    /// Which training and validation rows are left out because they occur elsewhere.
    pub dedupe: Dedupe,
    /// Columns by whose values the test rows are measured apart.
    pub slices: Vec<String>,
    /// What is not trained.
    pub freeze: Freeze,
    /// Low-rank adapters to train in place of the encoder's weights.
    pub lora: Option<Lora>,
    /// Trains for few bits: the model computes, in training and wherever it is measured, with its embedding tables as they come
    /// back from the first scheme and its linear layers (but the last) as they come back from the second, their inputs in int8.
    /// The weights that are kept are those before rounding: figures, temperature and thresholds are theirs once they are stored
    /// in these schemes, with the largest value of each group as its largest code. Of a student, the student and its control;
    /// never together with adapters.
    pub fake: Option<(Scheme, Scheme)>,
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
    /// How longer texts are read in several windows; they are cut off where left out.
    pub windows: Option<Windows>,
    /// The learning rate of pooler and classifier: as the others', or 1e-3 (if that is higher) for more than two outputs, whose new
    /// layer would else learn too little in few epochs.
    pub head_rate: Option<f32>,
    /// What the learning rate is multiplied by from each layer to the one below it.
    pub layer_decay: f32,
    /// Weights of the classes in the loss.
    pub class_weights: ClassWeights,
    /// The share of each target that is spread over all labels.
    pub label_smoothing: f32,
    /// The exponent of the focal loss; 0 for the plain one.
    pub focal: f32,
    /// The figure on validation rows that chooses the epoch.
    pub select: Select,
    /// Epochs without a better one after which training ends.
    pub patience: Option<usize>,
    /// Runs with seeds one after the other; the model of the best on validation rows is kept.
    pub seeds: usize,
    /// Fits a temperature for the probabilities on the validation rows.
    pub calibrate: bool,
    /// What thresholds are chosen for, on the validation rows.
    pub target: Option<Target>,
    /// When an answer is unsure, fitted on the validation rows where it needs fitting.
    pub unsure: Option<Unsure>,
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
    /// Keeps trained adapters apart too, to be written with [`Trained::save_adapter`].
    pub keep_adapter: bool,
    /// Where and how often all that is needed to go on is written.
    pub checkpoints: Option<Checkpointing>,
    /// What the caller wants to find again in `filbert.json` and in checkpoints: how to repeat the run.
    pub record: Value,
}

/// How the classes weigh in the loss.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ClassWeights {
    /// Each row the same.
    #[default]
    Equal,
    /// Each class the same: rows / (classes · rows of the class), as scikit-learn has it; of a label among several, the rows
    /// without it by those with it.
    Balanced,
    /// As told, by label; those not named weigh 1.
    Given(Vec<(String, f32)>),
}

/// Where and how often a run writes checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpointing {
    /// The folder.
    pub folder: PathBuf,
    /// When one is due.
    pub every: Every,
    /// Goes on from the newest.
    pub resume: bool,
}

impl Default for Options {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            text: None,
            label: None,
            task: Task::Single,
            split_by: SplitBy::Stratified,
            dedupe: Dedupe::Off,
            slices: Vec::new(),
            freeze: Freeze::None,
            lora: None,
            fake: None,
            pooling: Pooling::Pooler,
            epochs: None,
            learning_rate: None,
            batch_size: settings.batch_size,
            accumulate: settings.accumulate,
            recompute: false,
            trunk_cache: None,
            max_length: None,
            windows: None,
            head_rate: None,
            layer_decay: 1.0,
            class_weights: ClassWeights::Equal,
            label_smoothing: 0.0,
            focal: 0.0,
            select: Select::Loss,
            patience: None,
            seeds: 1,
            calibrate: true,
            target: None,
            unsure: None,
            warmup: settings.warmup,
            schedule: settings.decay,
            weight_decay: settings.adamw.weight_decay,
            clip_norm: settings.adamw.clip_norm,
            seed: 0,
            precision: Precision::Auto,
            positive: None,
            floor: true,
            keep_adapter: false,
            checkpoints: None,
            record: Value::Null,
        }
    }
}

impl Options {
    /// Refuses numbers that make no sense, before anything is read.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.settings().check()?;
        let within = |x: f32, low: f32, high: f32| x > low && x <= high;
        if !within(self.layer_decay, 0.0, 1.0) || self.head_rate.is_some_and(|rate| !within(rate, 0.0, 100.0))
        {
            return Err(Error::Usage("--layer-decay must be above 0 and at most 1, --head-lr above 0"));
        }
        if self.seeds == 0 || self.seeds > 1_000 {
            return Err(Error::Usage("--seeds must be 1 to 1000"));
        }
        if let Some(lora) = &self.lora {
            let sane = (1..=4_096).contains(&lora.rank) && within(lora.alpha, 0.0, 1e6);
            if !sane || !(0.0..1.0).contains(&lora.dropout) {
                return Err(Error::Usage(
                    "--lora must be 1 to 4096, --lora-alpha above 0, --lora-dropout in 0 to 1",
                ));
            }
            if self.freeze != Freeze::None {
                return Err(Error::Usage("--lora freezes the encoder itself: leave out --freeze"));
            }
        }
        if let Some((embeddings, linears)) = self.fake {
            let exists = |scheme| !matches!(scheme, Scheme::Int4 { group } if !filbert_model::quantized::GROUPS.contains(&group));
            if !exists(embeddings) || !exists(linears) {
                return Err(Error::Usage("the groups of int4 are 32, 64 or 128"));
            }
            if self.lora.is_some() {
                return Err(Error::Usage(
                    "--lora does not go together with training for few bits: merging the adapters would change what the rounding \
                     was trained with",
                ));
            }
        }
        Ok(())
    }

    /// What the head's learning rate is of the others', with so many outputs.
    pub(crate) fn head_factor(&self, outputs: usize) -> f32 {
        /// What a frozen trunk's head learns with too.
        const MANY_OUTPUTS: f32 = 1e-3;
        let rate = self.settings().learning_rate;
        let head = self.head_rate.unwrap_or(if outputs > 2 { MANY_OUTPUTS.max(rate) } else { rate });
        if rate > 0.0 { head / rate } else { 1.0 }
    }

    /// Columns beside texts and labels that are read.
    pub(crate) fn kept_columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = self.split_by.column().map(str::to_owned).into_iter().collect();
        columns.extend(self.slices.iter().filter(|c| self.split_by.column() != Some(c)).cloned());
        columns
    }

    /// The numbers for the training loop, defaults filled in.
    pub fn settings(&self) -> Settings {
        let frozen = self.freeze == Freeze::Trunk && self.lora.is_none();
        let adapted = self.lora.is_some();
        let mut settings = Settings {
            epochs: self.epochs.unwrap_or(if frozen { 10 } else { 3 }),
            learning_rate: self.learning_rate.unwrap_or(if frozen {
                1e-3
            } else if adapted {
                5e-4
            } else {
                5e-5
            }),
            batch_size: self.batch_size,
            accumulate: self.accumulate,
            trunk_cache: self.trunk_cache.clone(),
            warmup: self.warmup,
            decay: self.schedule,
            select: self.select,
            patience: self.patience,
            seed: self.seed,
            ..Settings::default()
        };
        settings.objective.smoothing = self.label_smoothing;
        settings.objective.focal = self.focal;
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
    pub(crate) distillation: Option<Distillation>,
}

impl Trainer {
    /// Will fine-tune the encoder in this folder.
    pub fn new(model: impl AsRef<Path>) -> Self {
        let model = model.as_ref().to_path_buf();
        let (files, options) = (Files::default(), Options::default());
        Self { model, model_name: None, files, options, distillation: None }
    }

    /// Will make a student of the classifier in the folder and let it teach the student, instead of fine-tuning it. The classifier
    /// decides the labels, the task, the longest row, windows, pooling and the positive label, whatever the options say, and the
    /// columns, where the rows have its and the options name none.
    #[must_use]
    pub fn distil(mut self, distillation: Distillation) -> Self {
        self.distillation = Some(distillation);
        self
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
    pub(crate) page: filbert_report::Report,
    /// The network with its adapters, where they are kept.
    pub(crate) adapter: Option<filbert_model::Network>,
    pub(crate) lora: Option<Lora>,
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

    /// Writes trained adapters and head alone, in the format of PEFT: complete, or not at all.
    ///
    /// # Errors
    /// If none were trained and kept, the folder exists and `force` is false, or writing fails.
    pub fn save_adapter(&self, out: impl AsRef<Path>, force: bool) -> Result<(), Error> {
        pipeline::save_adapter(self, out.as_ref(), force)
    }

    /// Writes the model folder: complete, or not at all.
    ///
    /// # Errors
    /// If the folder exists and `force` is false, if it is not a model folder, or if writing fails.
    pub fn save(&self, out: impl AsRef<Path>, force: bool) -> Result<(), Error> {
        pipeline::save(self, out.as_ref(), force)
    }
}
