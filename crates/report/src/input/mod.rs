//! What a report is made of: plain structs that a caller fills with what it has. Everything is optional; what
//! is empty or `None` has no place on the page. Strings may hold anything: rendering escapes and cuts them.
//! Numbers may be anything too: what is not finite is left out of charts and shown as a dash.

mod compression;
mod data;
mod results;
mod run;

pub use compression::{Bounds, Distillation, Figure, Flips, KeptTest, Ladder, Learner, Outcome, Rung};
pub use data::{ClassCount, Data, Overlap, Split, Suspect};
pub use results::{
    Calibration, ClassRow, Decision, Direction, LabelThreshold, Metric, Mistake, Operating, Paired,
    PrecisionAt, Ranking, Regression, Results, Scores, Seeds, Slice, TprAtFpr,
};
pub use run::{Cost, Epoch, Fact, Facts, Stage, Training};

/// What a model answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Task {
    /// One of two classes.
    Binary,
    /// One of several classes.
    #[default]
    Multiclass,
    /// Any number of labels.
    MultiLabel,
    /// A number.
    Regression,
}

/// Everything that a page tells of one model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The page's title; "Evaluation report" without one.
    pub title: String,
    /// The model's name.
    pub model: String,
    /// When it was made, as the reader should see it.
    pub date: String,
    /// What the model answers with.
    pub task: Task,
    /// What the floor is, for people: `character n-grams with logistic regression`.
    pub floor: String,
    /// What was trained on what: groups such as files, settings, versions.
    pub facts: Vec<Facts>,
    /// The command line that repeats the run.
    pub command: String,
    /// The rows, before training.
    pub data: Data,
    /// The epochs.
    pub training: Training,
    /// Measured once, after training. The headline is the first of its metrics.
    pub test: Option<Results>,
    /// Measured on the rows that the best epoch and the decisions were chosen on.
    pub valid: Option<Results>,
    /// Paired comparisons on the test rows (on the validation rows without test rows). One whose
    /// [`Paired::floor`] is set decides the headline's verdict.
    pub comparisons: Vec<Paired>,
    /// ROC and precision-recall curves, on the test rows.
    pub ranking: Option<Ranking>,
    /// Whether probabilities mean what they say, on the test rows.
    pub calibration: Option<Calibration>,
    /// How scores are spread by true class, on the test rows.
    pub scores: Option<Scores>,
    /// Thresholds and temperature chosen on validation rows.
    pub decision: Option<Decision>,
    /// Where a binary model would be used.
    pub operating: Option<Operating>,
    /// Parts of the test rows.
    pub slices: Vec<Slice>,
    /// Predicted against true numbers, on the test rows.
    pub regression: Option<Regression>,
    /// Ever smaller artifacts of the model, and which was kept.
    pub ladder: Option<Ladder>,
    /// What a teacher was worth to its student.
    pub distillation: Option<Distillation>,
    /// The most confident mistakes, the most confident first; with regression, the largest errors.
    pub mistakes: Vec<Mistake>,
    /// Time and memory.
    pub cost: Cost,
    /// Kernel, precision, threads, machine.
    pub environment: Vec<Fact>,
    /// What the user was told.
    pub notes: Vec<String>,
}
