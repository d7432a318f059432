//! Every limit that a file is held to, in one place. A file past one of them is refused with a typed error, never
//! cut in silence.

/// Longest record in bytes: one line, or one CSV record with its quoted line breaks.
pub const MAX_RECORD: usize = 16 << 20;

/// Most columns in a file.
pub const MAX_COLUMNS: usize = 4096;

/// Most bytes that a [`Table`](crate::Table) holds: texts and labels, plus [`ROW_OVERHEAD`] for each row.
pub const MAX_TABLE_BYTES: u64 = 4 << 30;

/// What a row of a [`Table`](crate::Table) costs beside its text: the vectors' entries.
pub const ROW_OVERHEAD: u64 = 80;

/// A Parquet file may grow by this factor when it is loaded (dictionaries and compression), beyond a free
/// [`EXPANSION_FREE`] bytes.
pub const MAX_EXPANSION: u64 = 1000;

/// Bytes that any Parquet file may decode to, whatever its size.
pub const EXPANSION_FREE: u64 = 256 << 20;

/// Longest label in characters. A longer one is almost surely the text.
pub const MAX_LABEL_CHARS: usize = 256;

/// Most labels of one row.
pub const MAX_LABELS_PER_ROW: usize = 1000;

/// Most classes in a label map.
pub const MAX_CLASSES: usize = 10_000;

/// Rows read ahead to find the text and label columns.
pub const SAMPLE_ROWS: usize = 1000;

/// Bytes read ahead, at most, to find the text and label columns.
pub const SAMPLE_BYTES: usize = 8 << 20;

/// Longest Parquet footer in bytes.
pub const MAX_FOOTER: u64 = 64 << 20;

/// Longest Parquet page header in bytes (its statistics may hold whole texts).
pub const MAX_PAGE_HEADER: usize = 16 << 20;

/// Largest Parquet page in bytes, compressed or not.
pub const MAX_PAGE: u64 = 128 << 20;

/// Deepest nesting of a Parquet schema.
pub const MAX_SCHEMA_DEPTH: usize = 64;
