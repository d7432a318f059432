//! The one error type of the crate. Each message is one line: where (file and line or row), what is wrong, what to
//! do. Whatever comes from data passes through [`quote`] or [`place_name`], so that control characters cannot reach
//! a terminal and a long value cannot fill it.

use std::io;

use crate::format::Format;
use crate::limits::{MAX_CLASSES, MAX_COLUMNS, MAX_LABEL_CHARS, MAX_LABELS_PER_ROW, MAX_RECORD};

/// What can be wrong with a file of rows, its columns, its labels or a split.
///
/// `file` fields hold the name as the user gave it; `place` fields hold `line 3` or `row 3`, both counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The extension says nothing about the format.
    #[error("{}: cannot tell the format from the name; use .csv, .tsv, .jsonl, .parquet or .txt, or name the format", place_name(.file))]
    UnknownFormat {
        /// The file.
        file: String,
    },
    /// A format name that is not known.
    #[error("unknown format {}; use csv, tsv, jsonl, parquet or lines", quote(.name))]
    FormatName {
        /// What was given.
        name: String,
    },
    /// The file cannot be opened.
    #[error("{}: cannot open: {error}", place_name(.file))]
    Open {
        /// The file.
        file: String,
        /// The operating system's reason.
        #[source]
        error: io::Error,
    },
    /// Reading failed midway.
    #[error("{}: reading failed: {error}", place_name(.file))]
    Read {
        /// The file.
        file: String,
        /// The operating system's reason.
        #[source]
        error: io::Error,
    },
    /// A fault of columns or labels, in this file.
    #[error("{}: {error}", place_name(.file))]
    InFile {
        /// The file.
        file: String,
        /// The fault.
        #[source]
        error: Box<Error>,
    },
    /// Zero bytes, or white space only.
    #[error("{}: the file is empty", place_name(.file))]
    Empty {
        /// The file.
        file: String,
    },
    /// Columns but not one row.
    #[error("{}: no rows, only column names", place_name(.file))]
    NoRows {
        /// The file.
        file: String,
    },
    /// Bytes that are not UTF-8.
    #[error("{}, line {line}: not valid UTF-8; save the file as UTF-8 (for instance: iconv -f latin1 -t utf-8)", place_name(.file))]
    Utf8 {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
    },
    /// A record longer than the limit.
    #[error("{}, line {line}: the record that starts here is longer than {} MiB; is a quote left open, or is this not a text file?", place_name(.file), MAX_RECORD >> 20)]
    TooLong {
        /// The file.
        file: String,
        /// First line of the record, from 1.
        line: u64,
    },
    /// Lines that end in a carriage return alone.
    #[error("{}, line 1: lines end in a carriage return alone; convert them to \\n or \\r\\n", place_name(.file))]
    LineBreaks {
        /// The file.
        file: String,
    },
    /// A quoted field that is still open at the end of the file.
    #[error("{}, line {line}: a quote opened in this record is never closed; close it, or double quotes inside a quoted field", place_name(.file))]
    OpenQuote {
        /// The file.
        file: String,
        /// First line of the record, from 1.
        line: u64,
    },
    /// Text between a closing quote and the next delimiter.
    #[error("{}, line {line}: text follows a closing quote; double every quote inside a quoted field", place_name(.file))]
    BadQuote {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
    },
    /// A row with another number of fields than the header.
    #[error("{}, line {line}: {got} fields where the header has {want}; quote fields that contain the delimiter", place_name(.file))]
    Ragged {
        /// The file.
        file: String,
        /// First line of the record, from 1.
        line: u64,
        /// Fields in the row.
        got: usize,
        /// Fields in the header.
        want: usize,
    },
    /// Two columns of one name.
    #[error("{}: two columns are named {}; rename one", place_name(.file), quote(.column))]
    DuplicateColumn {
        /// The file.
        file: String,
        /// The name.
        column: String,
    },
    /// More columns than the limit.
    #[error("{}, {place}: more than {} columns; is this the right format?", place_name(.file), MAX_COLUMNS)]
    TooManyColumns {
        /// The file.
        file: String,
        /// Where.
        place: String,
    },
    /// A line that is not JSON.
    #[error("{}, line {line}, column {column}: not valid JSON: {}; write one JSON object on each line", place_name(.file), clean(.reason, 200))]
    Json {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// Column in the line, from 1.
        column: usize,
        /// The parser's reason.
        reason: String,
    },
    /// JSON, but not an object.
    #[error("{}, line {line}: {got} where a JSON object was expected; write one JSON object on each line", place_name(.file))]
    NotObject {
        /// The file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// What stands there.
        got: &'static str,
    },
    /// A Parquet file that cannot be read.
    #[error("{}: cannot read this Parquet file: {}", place_name(.file), clean(.reason, 300))]
    Parquet {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A column of a Parquet file that cannot be read.
    #[error("{}, row {row}, column {}: {}", place_name(.file), quote(.column), clean(.reason, 300))]
    ParquetValue {
        /// The file.
        file: String,
        /// Row, from 1.
        row: u64,
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Parquet from a pipe.
    #[error("{}: Parquet cannot be read from a pipe, its index is at the end; save it to a file first", place_name(.file))]
    NeedsFile {
        /// The source.
        file: String,
    },
    /// A column that was asked for does not exist.
    #[error("no column {}{}; the columns are {}", quote(.column), suggestion(.close.as_ref()), list(.columns))]
    MissingColumn {
        /// What was asked for.
        column: String,
        /// The columns there are.
        columns: Vec<String>,
        /// One with a similar name.
        close: Option<String>,
    },
    /// No column, or several, could hold the text.
    #[error("cannot tell which column holds the text ({reason}); the columns are {}; pass --text COLUMN", list(.columns))]
    UnclearText {
        /// Why.
        reason: String,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// No column, or several, could hold the label.
    #[error("cannot tell which column holds the label ({reason}); the columns are {}; pass --label COLUMN", list(.columns))]
    UnclearLabel {
        /// Why.
        reason: String,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// Not one or two text columns.
    #[error("{count} text columns were named; name one, or two for pairs (--text A,B)")]
    TextColumns {
        /// How many.
        count: usize,
    },
    /// One column in two roles.
    #[error("column {} is named twice; text and label must be different columns", quote(.column))]
    SameColumn {
        /// The column.
        column: String,
    },
    /// A text that is not text.
    #[error("{}, {place}, column {}: {got} where a text was expected", place_name(.file), quote(.column))]
    TextType {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
        /// What stands there.
        got: &'static str,
    },
    /// A row without a label.
    #[error("{}, {place}, column {}: the label is empty; fill it in or remove the row", place_name(.file), quote(.column))]
    EmptyLabel {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
    },
    /// A label that is a fraction.
    #[error("{}, {place}, column {}: the label {} is not a whole number; pass --task regression to predict numbers (if these are classes, name them with words)", place_name(.file), quote(.column), quote(.value))]
    FractionalLabel {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A label that is a list or an object.
    #[error("{}, {place}, column {}: {got} as the label; {}", place_name(.file), quote(.column), if *.got == "a list" { "pass --task multi-label where rows have several labels" } else { "write one label" })]
    LabelType {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
        /// What stands there.
        got: &'static str,
    },
    /// More labels in a row than the limit.
    #[error("{}, {place}, column {}: more than {MAX_LABELS_PER_ROW} labels in one row; is this the right column? Pass --label COLUMN", place_name(.file), quote(.column))]
    TooManyLabels {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
    },
    /// A string that looks like a list of labels but is no JSON.
    #[error("{}, {place}, column {}: {} looks like a list but is not JSON; write [\"a\", \"b\"] or a|b", place_name(.file), quote(.column), quote(.value))]
    LabelList {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// Not a finite number where one must be.
    #[error("{}, {place}, column {}: {} is not a finite number; --task regression needs one in every row", place_name(.file), quote(.column), quote(.value))]
    NotNumber {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
    },
    /// A task name that is not known.
    #[error("unknown task {}; use single, multi-label, multi-label:SEPARATOR (one character, no letter or digit) or regression", quote(.name))]
    TaskName {
        /// What was given.
        name: String,
    },
    /// Rows cannot be written.
    #[error("cannot write rows: {error}")]
    Write {
        /// The operating system's reason.
        #[source]
        error: io::Error,
    },
    /// A file that was read before now holds other rows.
    #[error("{}: the file changed while it was in use; run again", place_name(.file))]
    Changed {
        /// The file.
        file: String,
    },
    /// A way to split that is not known.
    #[error("unknown way to split {}; use stratified, domain, group:COLUMN or time:COLUMN", quote(.name))]
    SplitByName {
        /// What was given.
        name: String,
    },
    /// Too few groups, domains or times for the parts.
    #[error("{}: only {groups} different {what} for {parts} parts; split another way", place_name(.file))]
    TooFewGroups {
        /// The file.
        file: String,
        /// What rows are grouped by, with the column.
        what: String,
        /// How many there are.
        groups: usize,
        /// How many parts were asked for.
        parts: usize,
    },
    /// A row without a time where rows are split by it.
    #[error("{}, {place}, column {}: empty; every row needs a time to be split by it", place_name(.file), quote(.column))]
    NoTime {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
    },
    /// A way to remove duplicates that is not known.
    #[error("unknown way to remove duplicates {}; use off, exact, canonical, near or domain", quote(.name))]
    DedupeName {
        /// What was given.
        name: String,
    },
    /// Domains of texts that have none.
    #[error("{}: fewer than 90 % of the texts are URLs or host names, so there are no domains to go by", place_name(.file))]
    NotUrls {
        /// The file.
        file: String,
    },
    /// Every row of a part would be left out.
    #[error("no {} rows are left without those that meet rows of other parts ({how}); use a weaker way to remove duplicates", clean(.part, 40))]
    NothingLeft {
        /// The part.
        part: String,
        /// How duplicates were looked for.
        how: &'static str,
    },
    /// A label longer than the limit.
    #[error("{}, {place}, column {}: a label of more than {} characters; is this the text column? Pass --label COLUMN", place_name(.file), quote(.column), MAX_LABEL_CHARS)]
    LabelTooLong {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The column.
        column: String,
    },
    /// More rows than memory should hold.
    #[error("{}, {place}: the rows up to here need more than {limit} bytes in memory; split the file", place_name(.file))]
    TooLarge {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// No labels.
    #[error("there are no labels; name the label column with --label COLUMN")]
    NoClasses,
    /// One class only.
    #[error("every row has the label {}; a classifier needs at least two classes", quote(.label))]
    OneClass {
        /// The label.
        label: String,
    },
    /// More classes than the limit.
    #[error(
        "more than {} different labels; is this the right label column? Pass --label COLUMN",
        MAX_CLASSES
    )]
    TooManyClasses,
    /// Two classes of one name.
    #[error("two classes are named {}; label names must differ", quote(.label))]
    DuplicateLabel {
        /// The name.
        label: String,
    },
    /// A label that the label map lacks.
    #[error("{}, {place}: unknown label {}; known labels are {}", place_name(.file), quote(.label), list(.known))]
    UnknownLabel {
        /// The file.
        file: String,
        /// Where.
        place: String,
        /// The label.
        label: String,
        /// The labels there are.
        known: Vec<String>,
    },
    /// A positive class that the label map lacks.
    #[error("no label {} for --positive; the labels are {}", quote(.label), list(.known))]
    UnknownPositive {
        /// What was given.
        label: String,
        /// The labels there are.
        known: Vec<String>,
    },
    /// A split that makes no sense.
    #[error("bad split {}: {reason}; write for instance 70/15/15 (train/valid/test) or 80/20 (train/valid)", quote(.spec))]
    Split {
        /// What was given.
        spec: String,
        /// Why.
        reason: &'static str,
    },
}

impl Error {
    /// Adds the file to a fault of columns or labels.
    pub(crate) fn in_file(self, file: &str) -> Self {
        Error::InFile { file: file.to_owned(), error: Box::new(self) }
    }
}

/// `line 3` or `row 3`.
pub(crate) fn place(format: Format, number: u64) -> String {
    format!("{} {number}", format.place_unit())
}

/// A value from data, quoted, escaped and shortened.
pub(crate) fn quote(text: &str) -> String {
    format!("\"{}\"", clean(text, 60))
}

fn place_name(file: &str) -> String {
    clean(file, 400)
}

/// Escapes what does not print, quotes and backslashes excepted, and keeps at most `most` characters.
fn clean(text: &str, most: usize) -> String {
    let mut out = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            out.push('…');
            break;
        }
        if matches!(c, '"' | '\'' | '\\') {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    out
}

/// Names as a list of at most 20.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    if names.is_empty() {
        return "none".to_owned();
    }
    let shown = names.iter().take(SHOWN).map(|name| quote(name)).collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

fn suggestion(close: Option<&String>) -> String {
    close.map(|name| format!(" (did you mean {}?)", quote(name))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_shortened() {
        assert_eq!(quote("a\u{1b}[31m\nb"), "\"a\\u{1b}[31m\\nb\"");
        assert_eq!(quote("pay\u{200b}pal"), "\"pay\\u{200b}pal\"");
        assert_eq!(quote("\u{202e}x"), "\"\\u{202e}x\"");
        assert_eq!(quote("it's \"é\""), "\"it's \"é\"\"");
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), 63);
    }

    #[test]
    fn lists_are_shortened() {
        let names: Vec<String> = (0..25).map(|i| i.to_string()).collect();
        assert!(list(&names).ends_with("\"19\" and 5 more"));
        assert_eq!(list(&[]), "none");
    }
}
