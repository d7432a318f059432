//! The library's one error type: which part failed, and that part's own message.

/// Why something could not be done. The message is one line that names the file and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file of texts could not be read or understood.
    #[error(transparent)]
    Data(#[from] filbert_data::Error),
    /// A model folder could not be read, used or written.
    #[error(transparent)]
    Model(#[from] filbert_model::Error),
    /// Training or inference failed.
    #[error(transparent)]
    Train(#[from] filbert_train::Error),
    /// Measuring failed.
    #[error(transparent)]
    Eval(#[from] filbert_eval::Error),
    /// A vocabulary could not be pruned.
    #[error(transparent)]
    Compress(#[from] filbert_compress::Error),
    /// No rows were given, or in two ways.
    #[error("{0}")]
    Usage(&'static str),
    /// The tokenizer's longest row is shorter than was asked for.
    #[error("{folder}: rows of {wanted} tokens at most were asked for; this model reads 1 to {limit}")]
    MaxLength {
        /// The model folder.
        folder: String,
        /// What was asked for.
        wanted: usize,
        /// What the model has positions for.
        limit: usize,
    },
    /// A flag names a label that the rows do not have.
    #[error("{flag}: no row has the label {label:?}; there are {}", known.iter().take(20).map(|l| format!("{l:?}")).collect::<Vec<_>>().join(", "))]
    UnknownLabel {
        /// The flag.
        flag: &'static str,
        /// The label.
        label: String,
        /// The labels there are.
        known: Vec<String>,
    },
    /// Loss or gradients stopped being numbers.
    #[error(
        "{what}; the batch held lines {lines} of {file}: lower the learning rate (--lr), or look at these rows"
    )]
    Diverged {
        /// What was no number, and when.
        what: String,
        /// Where the batch's rows stand.
        lines: String,
        /// The file of the training rows.
        file: String,
    },
    /// The processor cannot multiply bfloat16.
    #[error("--precision bf16 needs a processor with AVX512-BF16 or AMX; use --precision auto or f32")]
    NoBf16,
    /// The tokenizer and the encoder do not belong together.
    #[error("{folder}: {problem}")]
    Folder {
        /// The model folder.
        folder: String,
        /// What does not fit.
        problem: String,
    },
}
