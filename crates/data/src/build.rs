//! A [`Table`] under construction: each record's cells are checked, normalized and counted as they come.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::columns::Columns;
use crate::error::{Error, place};
use crate::format::Format;
use crate::label::{Fault, is_fraction, label_of};
use crate::limits::{EXPANSION_FREE, MAX_EXPANSION, MAX_TABLE_BYTES, ROW_OVERHEAD};
use crate::read::{Reader, Record};
use crate::table::{Table, is_blank};
use crate::target::{Task, labels_of, number_of};
use crate::value::{Value, hex};

/// The table so far, and what is counted on the way.
pub(crate) struct Builder {
    table: Table,
    text: Vec<usize>,
    label: Option<usize>,
    keep: Vec<usize>,
    name: String,
    bytes: u64,
    limit: u64,
    absent: usize,
    rewritten: usize,
    /// Rows without labels, repeated labels, and gaps between separators, where rows have several labels.
    unlabelled: usize,
    repeats: usize,
    gaps: usize,
    /// Whether every label so far reads as a number, and the first that is a fraction.
    numeric: bool,
    fraction: Option<(u64, String)>,
}

impl Builder {
    pub(crate) fn new(
        path: &Path,
        reader: &Reader,
        found: Columns,
        task: Task,
        keep: Vec<usize>,
    ) -> Result<Self, Error> {
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
            kept: keep.iter().map(|column| (name_of(column), Vec::new())).collect(),
            columns,
            texts: Vec::new(),
            pairs: (found.text.len() == 2).then(Vec::new),
            task,
            labels: Vec::new(),
            label_sets: Vec::new(),
            numbers: Vec::new(),
            places: Vec::new(),
            sha256: String::new(),
            blank: 0,
            notes: found.notes,
        };
        let name = reader.name().to_owned();
        Ok(Self {
            table,
            text: found.text,
            label: found.label,
            keep,
            name,
            bytes: 0,
            limit,
            absent: 0,
            rewritten: 0,
            unlabelled: 0,
            repeats: 0,
            gaps: 0,
            numeric: true,
            fraction: None,
        })
    }

    pub(crate) fn push(&mut self, mut record: Record) -> Result<(), Error> {
        let at = record.place;
        let mut blank = false;
        let mut absent = false;
        self.bytes += ROW_OVERHEAD;
        if let Some(column) = self.label {
            self.push_target(record.get(column), at)?;
        }
        // Before the texts, which are taken out of the record.
        for ((_, cells), &column) in self.table.kept.iter_mut().zip(&self.keep) {
            let cell = record.get(column).to_text().into_owned();
            self.bytes += (size_of::<String>() + cell.len()) as u64;
            cells.push(cell);
        }
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

    fn push_target(&mut self, cell: &Value, at: u64) -> Result<(), Error> {
        match self.table.task {
            Task::Single => {
                let label = self.label_of(cell, at)?;
                self.bytes += label.len() as u64;
                self.table.labels.push(label);
            }
            Task::Multi { separator } => {
                let set = labels_of(cell, separator).map_err(|fault| self.label_fault(fault, at))?;
                self.bytes += set.labels.iter().map(|l| (size_of::<String>() + l.len()) as u64).sum::<u64>();
                self.unlabelled += usize::from(set.labels.is_empty());
                self.repeats += set.repeats;
                self.gaps += set.gaps;
                self.table.label_sets.push(set.labels);
            }
            Task::Regression => {
                let number = number_of(cell).map_err(|fault| self.label_fault(fault, at))?;
                self.table.numbers.push(number);
            }
        }
        Ok(())
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
            Fault::TooMany => Error::TooManyLabels { file, place, column },
            Fault::List(value) => Error::LabelList { file, place, column, value },
            Fault::NotNumber(value) => Error::NotNumber { file, place, column, value },
        }
    }

    pub(crate) fn finish(mut self, reader: Reader) -> Result<Table, Error> {
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
        notes.append(&mut self.target_notes());
        self.table.notes = notes;
        self.table.sha256 = match reader.digest() {
            Some(digest) => digest,
            None => hash(&self.table.source, &self.name)?,
        };
        Ok(self.table)
    }
}

impl Builder {
    /// What the user should know of sets of labels and of numbers.
    fn target_notes(&self) -> Vec<String> {
        let rows = self.table.len();
        let mut notes = Vec::new();
        if self.unlabelled > 0 {
            notes.push(format!("{} of {rows} rows have no label at all: the empty set", self.unlabelled));
        }
        if self.repeats > 0 {
            notes.push(format!("{} labels stood twice in their row; one was kept", self.repeats));
        }
        if self.gaps > 0 {
            notes.push(format!("{} empty labels between separators were passed over", self.gaps));
        }
        if let Some(first) = self.table.numbers.first()
            && self.table.numbers.iter().all(|number| number == first)
        {
            notes.push(format!("every row has the number {first}: there is nothing to learn"));
        }
        notes
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
