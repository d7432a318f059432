//! Labelled texts in memory: reads a file once, finds its columns, normalizes its labels, and counts what a user
//! should know about. Every row is kept, blank texts too; every fault names its line.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::columns::{Columns, find_columns};
use crate::error::{Error, place};
use crate::format::Format;
use crate::label::{Fault, is_fraction, label_of};
use crate::limits::{
    EXPANSION_FREE, MAX_EXPANSION, MAX_TABLE_BYTES, ROW_OVERHEAD, SAMPLE_BYTES, SAMPLE_ROWS,
};
use crate::read::{Reader, Record};
use crate::value::{Value, hex};

/// How to read a table.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// The format; by default the extension says.
    pub format: Option<Format>,
    /// The text column, or two for pairs; by default they are found.
    pub text: Option<Vec<String>>,
    /// The label column; by default it is found if `need_label`.
    pub label: Option<String>,
    /// Whether rows must have labels.
    pub need_label: bool,
}

/// Rows in memory. `texts`, `places`, and where present `pairs` and `labels`, have one entry for each row.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The file.
    pub source: PathBuf,
    /// Its format, which says what `places` count.
    pub format: Format,
    /// All its columns.
    pub columns: Vec<String>,
    /// The names of the text columns, one or two.
    pub text_columns: Vec<String>,
    /// The name of the label column.
    pub label_column: Option<String>,
    /// The text, or the first text of each pair.
    pub texts: Vec<String>,
    /// The second texts.
    pub pairs: Option<Vec<String>>,
    /// Normalized labels; empty if there is no label column.
    pub labels: Vec<String>,
    /// Where each row stands, from 1: lines, or rows in Parquet.
    pub places: Vec<u64>,
    /// SHA-256 of the file's bytes, in hexadecimal.
    pub sha256: String,
    /// Rows of which a text is blank (see [`is_blank`]).
    pub blank: usize,
    /// What the user should know: how columns were found, blank rows, and so on.
    pub notes: Vec<String>,
}

impl Table {
    /// Reads a whole file.
    ///
    /// # Errors
    /// Whatever is wrong with the file, its columns, its labels, or its size; see [`Error`].
    pub fn read(path: &Path, options: &ReadOptions) -> Result<Self, Error> {
        let mut reader = Reader::open_tapped(path, options.format, true)?;
        let (mut sample, mut size) = (Vec::new(), 0);
        while sample.len() < SAMPLE_ROWS && size < SAMPLE_BYTES {
            let Some(record) = reader.next() else { break };
            let record = record?;
            size += record.fields.iter().map(Value::size).sum::<usize>();
            sample.push(record);
        }
        let (text, label) = (options.text.as_deref(), options.label.as_deref());
        let found = find_columns(reader.columns(), text, label, options.need_label, &sample)
            .map_err(|error| error.in_file(reader.name()))?;
        let mut builder = Builder::new(path, &reader, found)?;
        for record in sample {
            builder.push(record)?;
        }
        for record in &mut reader {
            builder.push(record?)?;
        }
        builder.finish(reader)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there are no rows; a table that was read has some.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// These rows, in this order. Indices out of range are left out. The notes stay with the whole table.
    #[must_use]
    pub fn subset(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(from: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().filter_map(|&row| from.get(row).cloned()).collect()
        }
        let mut table = Self {
            source: self.source.clone(),
            format: self.format,
            columns: self.columns.clone(),
            text_columns: self.text_columns.clone(),
            label_column: self.label_column.clone(),
            texts: pick(&self.texts, rows),
            pairs: self.pairs.as_ref().map(|pairs| pick(pairs, rows)),
            labels: pick(&self.labels, rows),
            places: pick(&self.places, rows),
            sha256: self.sha256.clone(),
            blank: 0,
            notes: Vec::new(),
        };
        table.blank =
            table.keys().filter(|(text, pair)| is_blank(text) || pair.is_some_and(is_blank)).count();
        table
    }

    /// Each row's text, and its second text if these are pairs.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.texts.iter().enumerate().map(|(row, text)| {
            let pair = self.pairs.as_ref().and_then(|pairs| pairs.get(row));
            (text.as_str(), pair.map(String::as_str))
        })
    }
}

/// Whether a text shows nothing: only white space, control, zero-width and other invisible formatting characters.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
                | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
                | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
    })
}

/// A table under construction.
struct Builder {
    table: Table,
    text: Vec<usize>,
    label: Option<usize>,
    name: String,
    bytes: u64,
    limit: u64,
    absent: usize,
    rewritten: usize,
    /// Whether every label so far reads as a number, and the first that is a fraction.
    numeric: bool,
    fraction: Option<(u64, String)>,
}

impl Builder {
    fn new(path: &Path, reader: &Reader, found: Columns) -> Result<Self, Error> {
        let columns = reader.columns().to_vec();
        let name_of = |&column: &usize| columns.get(column).cloned().unwrap_or_default();
        let mut limit = MAX_TABLE_BYTES;
        if reader.format() == Format::Parquet {
            let file = path.metadata();
            let size = file.map_err(|error| Error::Read { file: reader.name().to_owned(), error })?.len();
            limit = limit.min(EXPANSION_FREE.saturating_add(size.saturating_mul(MAX_EXPANSION)));
        }
        let table = Table {
            source: path.to_owned(),
            format: reader.format(),
            text_columns: found.text.iter().map(name_of).collect(),
            label_column: found.label.as_ref().map(name_of),
            columns,
            texts: Vec::new(),
            pairs: (found.text.len() == 2).then(Vec::new),
            labels: Vec::new(),
            places: Vec::new(),
            sha256: String::new(),
            blank: 0,
            notes: found.notes,
        };
        let name = reader.name().to_owned();
        let (text, label) = (found.text, found.label);
        let (bytes, absent, rewritten) = (0, 0, 0);
        Ok(Self { table, text, label, name, bytes, limit, absent, rewritten, numeric: true, fraction: None })
    }

    fn push(&mut self, mut record: Record) -> Result<(), Error> {
        let at = record.place;
        let mut blank = false;
        let mut absent = false;
        self.bytes += ROW_OVERHEAD;
        for slot in 0..self.text.len() {
            let Some(&column) = self.text.get(slot) else {
                continue;
            };
            let cell = record.fields.get_mut(column).map_or(Value::Missing, std::mem::take);
            absent |= matches!(cell, Value::Missing | Value::Null);
            let text = self.text_of(cell, slot, at)?;
            blank |= is_blank(&text);
            self.bytes += text.len() as u64;
            match (&mut self.table.pairs, slot) {
                (Some(pairs), 1) => pairs.push(text),
                _ => self.table.texts.push(text),
            }
        }
        self.table.blank += usize::from(blank);
        self.absent += usize::from(absent);
        if let Some(column) = self.label {
            let label = self.label_of(record.get(column), at)?;
            self.bytes += label.len() as u64;
            self.table.labels.push(label);
        }
        self.table.places.push(at);
        if self.bytes > self.limit {
            let place = place(self.table.format, at);
            return Err(Error::TooLarge { file: self.name.clone(), place, limit: self.limit });
        }
        Ok(())
    }

    fn text_of(&self, cell: Value, slot: usize, at: u64) -> Result<String, Error> {
        match cell {
            Value::Text(text) => Ok(text),
            Value::Nested(_) | Value::Bytes(_) => Err(Error::TextType {
                file: self.name.clone(),
                place: place(self.table.format, at),
                column: self.table.text_columns.get(slot).cloned().unwrap_or_default(),
                got: cell.kind(),
            }),
            other => Ok(other.to_text().into_owned()),
        }
    }

    fn label_of(&mut self, cell: &Value, at: u64) -> Result<String, Error> {
        match label_of(cell) {
            Ok(label) => {
                self.rewritten += usize::from(matches!(cell, Value::Text(text) if *text != label));
                self.numeric &= label.parse::<f64>().is_ok();
                if self.numeric && self.fraction.is_none() && is_fraction(&label) {
                    self.fraction = Some((at, label.clone()));
                }
                Ok(label)
            }
            Err(fault) => Err(self.label_fault(fault, at)),
        }
    }

    fn label_fault(&self, fault: Fault, at: u64) -> Error {
        let file = self.name.clone();
        let place = place(self.table.format, at);
        let column = self.table.label_column.clone().unwrap_or_default();
        match fault {
            Fault::Empty => Error::EmptyLabel { file, place, column },
            Fault::Fraction(value) => Error::FractionalLabel { file, place, column, value },
            Fault::Type(got) => Error::LabelType { file, place, column, got },
            Fault::TooLong => Error::LabelTooLong { file, place, column },
        }
    }

    fn finish(mut self, reader: Reader) -> Result<Table, Error> {
        if self.numeric
            && let Some((at, label)) = self.fraction.take()
        {
            return Err(self.label_fault(Fault::Fraction(label), at));
        }
        let rows = self.table.len();
        self.table.columns = reader.columns().to_vec();
        let mut notes = reader.notes();
        notes.append(&mut self.table.notes);
        if self.table.blank > 0 {
            notes.push(format!("{} of {rows} rows have a blank text", self.table.blank));
        }
        if self.absent > 0 {
            notes.push(format!(
                "{} rows have no text at all (null, or the key is absent); it was read as empty",
                self.absent
            ));
        }
        if self.rewritten > 0 {
            notes.push(format!(
                "{} labels were normalized (white space around them, or 1.0 for 1)",
                self.rewritten
            ));
        }
        self.table.notes = notes;
        self.table.sha256 = match reader.digest() {
            Some(digest) => digest,
            None => hash(&self.table.source, &self.name)?,
        };
        Ok(self.table)
    }
}

/// The SHA-256 of a file, read in pieces.
fn hash(path: &Path, name: &str) -> Result<String, Error> {
    let fail = |error| Error::Read { file: name.to_owned(), error };
    let mut file = BufReader::new(File::open(path).map_err(fail)?);
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(fail)?;
        match buffer.get(..count) {
            Some(bytes) if count > 0 => digest.update(bytes),
            _ => return Ok(hex(&digest.finalize())),
        }
    }
}
