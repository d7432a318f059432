//! Training for few bits: a classifier, or some of its layers, learns from the classifier itself to answer alike with rounded
//! weights.

use std::path::{Path, PathBuf};

use filbert_model::Scheme;
use filbert_train::Teaching;

use crate::{Classifier, Distillation, Error, Options, Precision, Student, Trainer, Watch};

/// The rows and settings of such a training.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Labelled rows to train on.
    pub train: PathBuf,
    /// Labelled rows that choose the epoch; cut from the training rows where left out.
    pub valid: Option<PathBuf>,
    /// Further texts without labels.
    pub unlabelled: Option<PathBuf>,
    /// The columns of the texts; those of the classifier's training, or found, where left out.
    pub text: Option<Vec<String>>,
    /// The column of the labels; that of the classifier's training, or found, where left out.
    pub label: Option<String>,
    /// Passes over the rows.
    pub epochs: usize,
    /// The highest learning rate.
    pub learning_rate: f32,
    /// Every random choice follows from this.
    pub seed: u64,
    /// The number format of training.
    pub precision: Precision,
}

impl Tuning {
    /// Training on these rows with the defaults.
    pub fn new(train: impl AsRef<Path>) -> Self {
        Self {
            train: train.as_ref().to_path_buf(),
            valid: None,
            unlabelled: None,
            text: None,
            label: None,
            epochs: 3,
            learning_rate: 5e-5,
            seed: 0,
            precision: Precision::Auto,
        }
    }

    /// Trains a student of the classifier in `teacher` with its matrices rounded by `schemes` (embeddings, linear layers);
    /// `alpha` is the share of the teacher in the loss.
    pub(crate) fn run(
        &self,
        (teacher, student): (&Path, Student),
        alpha: f32,
        schemes: (Scheme, Scheme),
        watch: &mut dyn Watch,
    ) -> Result<Classifier, Error> {
        let options = Options {
            text: self.text.clone(),
            label: self.label.clone(),
            epochs: Some(self.epochs),
            learning_rate: Some(self.learning_rate),
            seed: self.seed,
            precision: self.precision,
            floor: false,
            fake: Some(schemes),
            ..Options::default()
        };
        let distillation = Distillation {
            teaching: Teaching { alpha, ..Teaching::default() },
            unlabelled: self.unlabelled.clone(),
            control: false,
            ..Distillation::new(student)
        };
        let mut trainer = Trainer::new(teacher).train(&self.train).options(options).distil(distillation);
        if let Some(valid) = &self.valid {
            trainer = trainer.valid(valid);
        }
        Ok(trainer.fit_watched(watch)?.classifier)
    }
}
