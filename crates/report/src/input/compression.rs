//! What compression gave: the rungs of a ladder of ever smaller artifacts, and what a teacher was worth to its
//! student. Sizes are in bytes, times in milliseconds; differences are positive where the artifact is better.

use filbert_eval::Estimate;

use super::{Direction, Metric, Paired};

/// Artifacts from the original downwards, and the bounds that the smallest had to keep. Each was written, read
/// again and run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ladder {
    /// What was asked for.
    pub bounds: Bounds,
    /// The rows that the gate measured on: `validation`.
    pub split: String,
    /// How many they are.
    pub rows: u64,
    /// In the order tried. One of them is the original.
    pub rungs: Vec<Rung>,
    /// What was kept, on the test rows.
    pub test: Option<KeptTest>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// What an artifact must keep to be the answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bounds {
    /// The most bytes on disk.
    pub max_bytes: Option<u64>,
    /// How much worse than the original the gate's figure may be, in its own unit: 0.005 of an accuracy is half
    /// a point.
    pub max_drop: Option<f64>,
    /// The name of the gate's figure, as in [`Figure::name`]: `accuracy`. Without one it is each rung's first.
    pub figure: String,
    /// Whether the lower end of the difference's interval must lie within the drop, not only its value.
    pub strict: bool,
}

/// What became of a rung.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Within the bounds, and the smallest that is: the answer.
    Kept,
    /// Within the bounds.
    Fits,
    /// Measured, and not within the bounds.
    Outside,
    /// Could not be made or run.
    Failed,
    /// Was not tried.
    #[default]
    Skipped,
}

/// One artifact. What was not measured is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rung {
    /// Its name: `4-bit, pruned vocabulary`.
    pub name: String,
    /// How it was made, in a few words: `nf4 in blocks of 64, 12,410 of 30,522 tokens`.
    pub how: String,
    /// Whether it is what the others are compared with.
    pub original: bool,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is outside, failed or was skipped.
    pub reason: String,
    /// The artifact on disk, in bytes.
    pub size_bytes: Option<u64>,
    /// The most memory that was resident at once while it ran, in bytes.
    pub peak_bytes: Option<u64>,
    /// On the gate's rows, the gate's figure first: accuracy, ROC AUC.
    pub figures: Vec<Figure>,
    /// Predictions that are not the original's.
    pub flips: Option<Flips>,
    /// Rows answered per second, many at a time.
    pub rows_per_second: Option<f64>,
    /// The median time of a single row, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The time that 99 of 100 single rows stay below, in milliseconds.
    pub p99_ms: Option<f64>,
}

/// A figure of one artifact.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figure {
    /// Its name: `accuracy`.
    pub name: String,
    /// Its value.
    pub value: Option<Estimate>,
    /// How much better than the original's on the same rows, paired row by row; `None` of the original itself.
    pub difference: Option<Estimate>,
    /// Which way it is better.
    pub direction: Direction,
}

impl Figure {
    /// A figure of which more is better, and its difference to the original's.
    pub fn higher(name: impl Into<String>, value: Option<Estimate>, difference: Option<Estimate>) -> Self {
        Self { name: name.into(), value, difference, direction: Direction::Higher }
    }

    /// A figure of which less is better, and by how much it is better than the original's.
    pub fn lower(name: impl Into<String>, value: Option<Estimate>, difference: Option<Estimate>) -> Self {
        Self { direction: Direction::Lower, ..Self::higher(name, value, difference) }
    }
}

/// Predictions that an artifact and the original do not share.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flips {
    /// Rows of which the predicted class is another.
    pub changed: u64,
    /// Rows that both answered. They need no labels, so they may be more than the gate's.
    pub rows: u64,
    /// The share of the first in the second.
    pub rate: Option<Estimate>,
}

/// The artifact that was kept and the original, measured once on rows that chose nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptTest {
    /// Test rows.
    pub rows: u64,
    /// Of what was kept, with differences to the original.
    pub kept: Vec<Figure>,
    /// Of the original, by the same names.
    pub original: Vec<Figure>,
    /// Predictions that are not the original's.
    pub flips: Option<Flips>,
}

/// A student, the teacher it learnt from, and the same student without it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Distillation {
    /// The rows measured on: `test`.
    pub split: String,
    /// How many they are.
    pub rows: u64,
    /// The teacher.
    pub teacher: Learner,
    /// The student, taught.
    pub student: Learner,
    /// The same student trained on the labels alone.
    pub control: Option<Learner>,
    /// The student compared with the control, row by row. The first decides whether the teacher helped.
    pub against_control: Vec<Paired>,
    /// The student compared with the teacher, row by row.
    pub against_teacher: Vec<Paired>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// One of the networks of a distillation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Learner {
    /// Its name: `bert-base-uncased`.
    pub name: String,
    /// What it is and how it was trained, in a few words: `layers 1, 5, 9; T 2, alpha 0.5`.
    pub how: String,
    /// Its folder on disk, in bytes.
    pub size_bytes: Option<u64>,
    /// The same metrics of each, the most telling first, [`Metric::floor`] unused. Several seeds' mean and
    /// deviation stand in [`Metric::seeds`].
    pub metrics: Vec<Metric>,
}
