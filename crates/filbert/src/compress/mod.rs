//! The smallest artifact of a classifier that keeps what it must: a ladder of ever smaller ones, each written, read again and run,
//! and a gate of two bounds on labelled rows.

mod data;
mod gate;
mod making;
mod measure;
mod page;

use std::path::{Path, PathBuf};
use std::time::Instant;

use filbert_eval::Estimate;
use filbert_model::Scheme;
use serde::{Deserialize, Serialize};

use crate::work::Work;
use crate::{Classifier, Error, Precision, Watch};
use data::Data;
pub use gate::{Bounds, Outcome};
pub use making::Step;
pub use measure::{Figures, Flips, Rung, Tested};
pub(crate) use measure::{answers, flips, size};

/// What running an artifact in a process of its own took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Rows answered per second, many at a time.
    pub rows_per_s: f64,
    /// The median time of a single row, in milliseconds.
    pub single_p50_ms: f64,
    /// The time that 99 of 100 single rows stay below, in milliseconds.
    pub single_p99_ms: f64,
    /// The most memory that was resident at once, in MB; none where the system does not say.
    pub peak_memory_mb: Option<f64>,
}

/// Runs an artifact's folder on the gate's rows in a process of its own; none where it could not.
pub type Probe<'a> = dyn FnMut(&Path) -> Option<Speed> + 'a;

/// What compression is told.
#[derive(Debug, Clone)]
pub struct Compression {
    /// The classifier's folder.
    pub model: PathBuf,
    /// What the folder stands for, such as a hub id.
    pub name: Option<String>,
    /// Labelled rows that the gate measures on: validation rows.
    pub data: PathBuf,
    /// Labelled rows to train on again; without them nothing is trained.
    pub train: Option<PathBuf>,
    /// Rows that what is kept is measured on once, at the end.
    pub test: Option<PathBuf>,
    /// Further texts without labels, to distil on and to count flips on.
    pub unlabelled: Option<PathBuf>,
    /// The columns of the texts; those of the training, or found, where left out.
    pub text: Option<Vec<String>>,
    /// The column of the labels; that of the training, or found, where left out.
    pub label: Option<String>,
    /// What an artifact must keep.
    pub bounds: Bounds,
    /// The four-bit scheme.
    pub four_bit: Scheme,
    /// Of the vocabulary, the first so many tokens are kept whether rows use them or not; a third where left out.
    pub keep_tokens: Option<usize>,
    /// Passes over the rows where an artifact is trained again.
    pub epochs: usize,
    /// The learning rate of that.
    pub learning_rate: f32,
    /// Every random choice follows from this.
    pub seed: u64,
    /// The number format of training.
    pub precision: Precision,
}

impl Compression {
    /// Compresses the classifier in `model`, gated on the labelled rows of `data`.
    pub fn new(model: impl AsRef<Path>, data: impl AsRef<Path>) -> Self {
        Self {
            model: model.as_ref().to_path_buf(),
            name: None,
            data: data.as_ref().to_path_buf(),
            train: None,
            test: None,
            unlabelled: None,
            text: None,
            label: None,
            bounds: Bounds::default(),
            four_bit: Scheme::Int4 { group: 64 },
            keep_tokens: None,
            epochs: 4,
            learning_rate: 1e-4,
            seed: 0,
            precision: Precision::Auto,
        }
    }

    /// Walks the ladder; what is kept stays in a folder beside `out` until [`Compressed::save`]. `probe` measures speed and memory.
    ///
    /// # Errors
    /// If the classifier or the rows cannot be read or do not fit, or `watch` asks to stop. A rung that cannot be made is told in
    /// its outcome.
    pub fn run(&self, out: &Path, watch: &mut dyn Watch, probe: &mut Probe<'_>) -> Result<Compressed, Error> {
        let start = Instant::now();
        self.bounds.check()?;
        if self.four_bit == Scheme::Int8 {
            return Err(Error::Usage("--four-bit is a scheme of four bits: int4, int4:GROUP or nf4"));
        }
        let sane =
            (1..=1_000).contains(&self.epochs) && self.learning_rate > 0.0 && self.learning_rate <= 1.0;
        if !sane {
            return Err(Error::Usage("--epochs must be 1 to 1000, --lr above 0 and at most 1"));
        }
        watch.stage("loading the model");
        let original = Classifier::load(&self.model)?;
        if original.network.params.has_quantized() {
            return Err(Error::Usage(
                "the model's weights are in few bits already: compress the model that it was made from",
            ));
        }
        let data = Data::read(self, &original, watch)?;
        let work = Work::beside(out)?;
        let base = measure::original(self, &original, &data, watch)?;
        let mut rungs = vec![base.rung(&original, probe)];
        let mut maker = making::Maker::new(self, &original, &data, &work);
        for step in maker.steps() {
            if watch.stop() {
                return Err(Error::Train(filbert_train::Error::Stopped));
            }
            watch.stage(&format!("making: {}", step.name));
            let made = maker.make(&step, watch);
            watch.stage(&format!("measuring: {}", step.name));
            let rung = match made {
                Ok(made) => measure::rung(&step, &made, &base, &data, probe)
                    .unwrap_or_else(|error| Rung::failed(&step, &error)),
                Err(Error::Train(
                    filbert_train::Error::Stopped | filbert_train::Error::Interrupted { .. },
                )) => {
                    return Err(Error::Train(filbert_train::Error::Stopped));
                }
                Err(error) => Rung::failed(&step, &error),
            };
            watch.note(&rung.line());
            rungs.push(rung);
        }
        let kept = gate::judge(&self.bounds, &mut rungs);
        let test = match kept {
            Some(kept) => measure::test(&rungs[kept], &original, &data, self.seed, watch)?,
            None => None,
        };
        Ok(Compressed {
            model: self.name.clone().unwrap_or_else(|| data::file_name(&self.model)),
            bounds: self.bounds.clone(),
            figure: base.figure().to_owned(),
            rows: data.gate.len(),
            flip_rows: data.flips.len(),
            rungs,
            kept,
            test,
            notes: maker.into_notes(),
            seconds: start.elapsed().as_secs_f64(),
            _work: work,
        })
    }
}

impl Compressed {
    /// On the test rows: how many they are, the gate's figure of what was kept and of the original, and the paired difference,
    /// positive where better.
    pub fn tested(&self) -> Option<(usize, Estimate, Estimate, Estimate)> {
        let test = self.test.as_ref()?;
        let change = measure::gate_change(test.kept.versus.as_ref()?);
        Some((
            test.rows,
            measure::gate_value(&test.kept.measure),
            measure::gate_value(&test.original),
            change,
        ))
    }
}

/// A ladder that was walked.
#[derive(Debug)]
pub struct Compressed {
    /// The classifier's name.
    pub model: String,
    /// What was asked for.
    pub bounds: Bounds,
    /// The gate's figure.
    pub figure: String,
    /// The gate's rows.
    pub rows: usize,
    /// The rows that flips are counted on.
    pub flip_rows: usize,
    /// From the original on, in the order tried.
    pub rungs: Vec<Rung>,
    /// The one that was kept: the smallest within the bounds.
    pub kept: Option<usize>,
    /// That one and the original, on rows that chose nothing.
    pub test: Option<Tested>,
    /// What a reader should know.
    pub notes: Vec<String>,
    /// Seconds from start to end.
    pub seconds: f64,
    /// The artifacts, until this is dropped.
    _work: Work,
}
