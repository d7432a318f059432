//! Readers for labelled texts, label maps, splits and batches.
//!
//! The way through the crate: a [`Reader`] streams [`Record`]s from CSV, TSV, JSON lines, Parquet or plain lines;
//! [`find_columns`] decides which columns hold text and label; [`Table`] loads them; a [`LabelMap`] turns label
//! strings into class indices; [`split_by`] splits rows; [`by_length`] groups them into batches. A [`Part`] is a table
//! with fingerprints of its rows, on which [`overlaps`], [`dedupe`] and the [`data_report`] stand.
//!
//! Invariants. Nothing here knows models, tokenizers or the terminal. Nothing in a file panics, hangs or allocates
//! past the limits named in [`limits`]; each refusal is an [`Error`] that says what is wrong, where, and what to do.
//! The same file, options and seed give the same rows in the same order.

mod batch;
mod build;
mod canonical;
mod columns;
mod content;
mod dedupe;
mod error;
mod format;
mod groups;
mod hostile;
mod label;
mod label_map;
pub mod limits;
pub mod near;
mod overlap;
mod parquet;
mod part;
mod read;
mod report;
mod rng;
mod split;
mod split_by;
mod table;
mod target;
mod time;
mod url;
mod value;
mod write;

pub use batch::by_length;
pub use canonical::canonical;
pub use columns::{Columns, find_columns};
pub use dedupe::{Dedupe, Deduped, Dropped, dedupe};
pub use error::Error;
pub use format::Format;
pub use hostile::{Hostile, suspicious};
pub use label_map::{LabelMap, class_counts, positive, rare_class_notes};
pub use overlap::{Example, Overlap, Overlaps, overlaps};
pub use part::{Part, Place, SHOWN_CHARS};
pub use read::{Reader, Record};
pub use report::{
    ClassCount, DataReport, HostileCount, Lengths, Numbers, PartReport, SUSPECTS, Suspect, data_report,
};
pub use rng::{SplitMix64, shuffled};
pub use split::{Split, SplitSpec, hold_out, stratified};
pub use split_by::{SplitBy, hold_out_by, split_by};
pub use table::{ReadOptions, Table, is_blank};
pub use target::Task;
pub use url::{URL_SHARE, registered_domain, registered_domains};
pub use value::Value;
pub use write::write_csv;
