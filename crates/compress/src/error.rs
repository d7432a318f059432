//! What can go wrong while a classifier is made smaller.

use std::path::{Path, PathBuf};

use filbert_model::error::{clean, quoted};

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate. `file` is the file that the problem is in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tokenizer whose model is not `WordPiece`.
    #[error(
        "{}: the tokenizer's model is {}; only the vocabulary of a WordPiece model can be pruned",
        shown(.file),
        quoted(.found)
    )]
    NotWordPiece {
        /// The file.
        file: PathBuf,
        /// The model's type.
        found: String,
    },
    /// Two tokens have one id, so that neither can be dropped alone.
    #[error("{}: id {id} is the id of both {} and {}", shown(.file), quoted(.first), quoted(.second))]
    SharedId {
        /// The file.
        file: PathBuf,
        /// The id.
        id: u32,
        /// One token.
        first: String,
        /// The other.
        second: String,
    },
    /// A part of a tokenizer's file that names tokens cannot be renumbered.
    #[error("{}: {}: {problem}", shown(.file), clean(.place, 200))]
    Part {
        /// The file.
        file: PathBuf,
        /// The place in it.
        place: String,
        /// A sentence about it.
        problem: &'static str,
    },
    /// An id was counted that the tokenizer does not give.
    #[error(
        "id {id} was counted {count} times but the tokenizer has no such token; count what this tokenizer encodes"
    )]
    CountedId {
        /// The id.
        id: usize,
        /// How often.
        count: u64,
    },
    /// A plan was used with another tokenizer than the one it was made for.
    #[error("the plan was made for another tokenizer: {problem}")]
    OtherTokenizer {
        /// What does not fit.
        problem: &'static str,
    },
    /// A plan was used with a network whose word embedding table has another size.
    #[error("the plan is for a table of {expected} rows, the network's word embedding table has {found}")]
    OtherTable {
        /// Rows of the table that the plan was made for.
        expected: usize,
        /// Rows of the network's.
        found: usize,
    },
    /// A text has more unknown tokens than before.
    #[error("text {text} has {after} unknown tokens with the pruned vocabulary and had {before}: {}", quoted(.start))]
    NewUnknown {
        /// The text, counted from 0.
        text: usize,
        /// Unknown tokens with the whole vocabulary.
        before: usize,
        /// Unknown tokens with the pruned one.
        after: usize,
        /// The text.
        start: String,
    },
    /// A text whose tokens were all kept is tokenized differently.
    #[error("text {text} is tokenized differently although all its tokens were kept: {}", quoted(.start))]
    Changed {
        /// The text, counted from 0.
        text: usize,
        /// The text.
        start: String,
    },
    /// A model's file or its network refused.
    #[error(transparent)]
    Model(#[from] filbert_model::Error),
}

/// A path as messages show it.
fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy(), 200)
}
