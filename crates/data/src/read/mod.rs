//! Streaming records from a file or a pipe. A [`Reader`] holds one record at a time (Parquet: one small batch of each
//! column), hides the differences between the formats, and stops for good at the first error.

mod delimited;
mod jsonl;
mod lines;
mod splitter;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::Error;
use crate::format::Format;
use crate::parquet::ParquetRows;
use crate::value::Value;
use delimited::Delimited;
use jsonl::JsonLines;
use lines::{Lines, body};

/// One row in input order.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where it stands, from 1: the line it starts on, or the row in Parquet.
    pub place: u64,
    /// Its cells, in the order of [`Reader::columns`]. In JSON lines a later record may bring new columns, so this
    /// may be shorter than the final list of columns; what is not there is [`Value::Missing`].
    pub fields: Vec<Value>,
}

impl Record {
    /// The cell of a column; [`Value::Missing`] past the end.
    pub fn get(&self, column: usize) -> &Value {
        self.fields.get(column).unwrap_or(&Value::Missing)
    }
}

/// A stream of records. After an error it yields nothing more.
pub struct Reader {
    name: String,
    format: Format,
    source: Source,
    ahead: Option<Record>,
    done: bool,
}

enum Source {
    Delimited(Delimited),
    Json(JsonLines),
    Plain(Plain),
    Parquet(Box<ParquetRows>),
}

impl Reader {
    /// Opens a file; the format comes from its extension unless it is given.
    ///
    /// # Errors
    /// A file that cannot be opened, of unknown format, empty, without rows, or faulty in its header or first row.
    pub fn open(path: &Path, format: Option<Format>) -> Result<Self, Error> {
        Self::open_tapped(path, format, false)
    }

    /// As [`Reader::open`]; with `hash`, text formats are hashed while they are read (see [`Reader::digest`]).
    pub(crate) fn open_tapped(path: &Path, format: Option<Format>, hash: bool) -> Result<Self, Error> {
        let name = path.display().to_string();
        let format = match format {
            Some(format) => format,
            None => Format::of(path)?,
        };
        let file = File::open(path).map_err(|error| Error::Open { file: name.clone(), error })?;
        if format == Format::Parquet {
            let rows = ParquetRows::open(name.clone(), file)?;
            return Self::start(name, format, Source::Parquet(Box::new(rows)));
        }
        Self::from_text(name, Box::new(file), format, hash)
    }

    /// Reads from anything, for instance standard input. `name` stands in messages.
    ///
    /// # Errors
    /// As [`Reader::open`], and [`Error::NeedsFile`] for Parquet.
    pub fn from_read(name: &str, input: impl Read + Send + 'static, format: Format) -> Result<Self, Error> {
        Self::from_text(name.to_owned(), Box::new(input), format, false)
    }

    fn from_text(
        name: String,
        input: Box<dyn Read + Send>,
        format: Format,
        hash: bool,
    ) -> Result<Self, Error> {
        let lines = Lines::new(name.clone(), input, hash);
        let source = match format {
            Format::Csv => Source::Delimited(Delimited::open(lines, ',')?),
            Format::Tsv => Source::Delimited(Delimited::open(lines, '\t')?),
            Format::JsonLines => Source::Json(JsonLines::new(lines)),
            Format::Lines => Source::Plain(Plain { lines, columns: vec!["text".to_owned()] }),
            Format::Parquet => return Err(Error::NeedsFile { file: name }),
        };
        Self::start(name, format, source)
    }

    fn start(name: String, format: Format, mut source: Source) -> Result<Self, Error> {
        let ahead = source.next_record()?;
        if ahead.is_none() {
            return Err(match format {
                Format::JsonLines | Format::Lines => Error::Empty { file: name },
                Format::Csv | Format::Tsv | Format::Parquet => Error::NoRows { file: name },
            });
        }
        Ok(Self { name, format, source, ahead, done: false })
    }

    /// The columns, in the file's order. JSON lines: the first record's keys, then new ones as later records bring
    /// them, so the list may grow while records are read (it never changes otherwise).
    pub fn columns(&self) -> &[String] {
        match &self.source {
            Source::Delimited(rows) => rows.columns(),
            Source::Json(rows) => rows.columns(),
            Source::Plain(rows) => &rows.columns,
            Source::Parquet(rows) => rows.columns(),
        }
    }

    /// The format being read.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The name that stands in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user should know about how the file was read, for instance nested columns that were left out.
    pub fn notes(&self) -> Vec<String> {
        match &self.source {
            Source::Parquet(rows) => rows.notes(),
            Source::Delimited(_) | Source::Json(_) | Source::Plain(_) => Vec::new(),
        }
    }

    /// The SHA-256 of every byte read so far, if the reader was opened to hash.
    pub(crate) fn digest(self) -> Option<String> {
        match self.source {
            Source::Delimited(rows) => rows.into_lines().digest(),
            Source::Json(rows) => rows.into_lines().digest(),
            Source::Plain(rows) => rows.lines.digest(),
            Source::Parquet(_) => None,
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if let Some(record) = self.ahead.take() {
            return Some(Ok(record));
        }
        match self.source.next_record() {
            Ok(Some(record)) => Some(Ok(record)),
            Ok(None) => {
                self.done = true;
                None
            }
            Err(error) => {
                self.done = true;
                Some(Err(error))
            }
        }
    }
}

impl Source {
    fn next_record(&mut self) -> Result<Option<Record>, Error> {
        match self {
            Source::Delimited(rows) => rows.next_record(),
            Source::Json(rows) => rows.next_record(),
            Source::Plain(rows) => rows.next_record(),
            Source::Parquet(rows) => rows.next_record(),
        }
    }
}

/// One text on each line; blank lines are rows too, so that answers stay aligned with the input.
struct Plain {
    lines: Lines,
    columns: Vec<String>,
}

impl Plain {
    fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let Some((place, line)) = self.lines.next_line()? else {
            return Ok(None);
        };
        Ok(Some(Record { place, fields: vec![Value::Text(body(line).to_owned())] }))
    }
}

/// Refuses a column name that occurs twice.
pub(crate) fn check_duplicates(file: &str, columns: &[String]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    match columns.iter().find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(Error::DuplicateColumn { file: file.to_owned(), column: name.clone() }),
        None => Ok(()),
    }
}
