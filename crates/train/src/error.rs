//! What can go wrong while training.

/// An error of training or inference.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting makes no sense.
    #[error("{what} is {found}; it must be {wanted}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// Its value.
        found: String,
        /// What it may be.
        wanted: &'static str,
    },
    /// Not as many labels as rows.
    #[error("{rows} rows have {labels} labels")]
    Labels {
        /// Rows.
        rows: usize,
        /// Labels.
        labels: usize,
    },
    /// No rows to train on.
    #[error("there are no rows to train on")]
    NoRows,
    /// A teacher that gives no numbers.
    #[error(
        "the teacher's output of row {row} (from 0, training rows first) is {value}: its weights are of no use"
    )]
    Teacher {
        /// The row, training rows first.
        row: usize,
        /// The output.
        value: f32,
    },
    /// Loss or gradients stopped being numbers.
    #[error("{what} at step {step} of epoch {epoch}, on training rows {}", list(.rows))]
    NotFinite {
        /// What stopped being a number: the loss, or the gradient of a parameter.
        what: String,
        /// The step within the epoch, from 1.
        step: usize,
        /// The epoch, from 1.
        epoch: usize,
        /// The rows of the batch, from 0, in the order of the training rows.
        rows: Vec<usize>,
    },
    /// Loss or gradients of a single step are not numbers; no weight has changed.
    #[error("{0}")]
    Step(String),
    /// Inference was asked to stop.
    #[error("interrupted")]
    Stopped,
    /// A checkpoint could not be written, read or used.
    #[error(transparent)]
    Checkpoint(#[from] crate::CheckpointError),
    /// Training was asked to stop.
    #[error("interrupted after step {step} of epoch {epoch}; {}", kept(.checkpoint.as_deref()))]
    Interrupted {
        /// The checkpoint to go on from, where one is kept.
        checkpoint: Option<std::path::PathBuf>,
        /// Updates of the epoch that were done.
        step: usize,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// Results of a frozen trunk that do not fit in memory cannot be kept in a file.
    #[error(
        "cannot use {} for the frozen trunk's results: {source}; --trunk-cache names another folder",
        path.display()
    )]
    TrunkCache {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Measuring on the validation rows failed.
    #[error(transparent)]
    Eval(#[from] filbert_eval::Error),
    /// The network refused its input.
    #[error(transparent)]
    Model(#[from] filbert_model::Error),
    /// An operation refused its input.
    #[error(transparent)]
    Engine(#[from] filbert_engine::Error),
}

/// Where an interrupted run can go on.
fn kept(checkpoint: Option<&std::path::Path>) -> String {
    match checkpoint {
        Some(path) => format!("{} is whole: the same command with --resume goes on from it", path.display()),
        None => "nothing was saved".to_owned(),
    }
}

/// The first few numbers of a list.
fn list(rows: &[usize]) -> String {
    const SHOWN: usize = 16;
    let mut text = rows.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if rows.len() > SHOWN {
        text.push_str(", ...");
    }
    text
}
