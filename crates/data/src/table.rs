//! Labelled texts in memory: reads a file once, finds its columns, normalizes its labels, and counts what a user
//! should know about. Every row is kept, blank texts too; every fault names its line.

use std::path::{Path, PathBuf};

use crate::build::Builder;
use crate::columns::{find_columns_for, position};
use crate::error::Error;
use crate::format::Format;
use crate::hostile::is_invisible;
use crate::limits::{SAMPLE_BYTES, SAMPLE_ROWS};
use crate::read::Reader;
use crate::target::Task;
use crate::value::Value;

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
    /// What the label column holds: one label, several, or a number.
    pub task: Task,
    /// Further columns to keep as text, by name; a text or label column may be among them.
    pub keep: Vec<String>,
}

/// Rows in memory. `texts`, `places`, and where present `pairs` and each kept column, have one entry for each row. So
/// has the one of `labels`, `label_sets` and `numbers` that the task says, if there is a label column; the other two
/// are empty.
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
    /// What the label column holds.
    pub task: Task,
    /// Normalized labels, for [`Task::Single`].
    pub labels: Vec<String>,
    /// Normalized labels of each row without repeats, in the order of the file, for [`Task::Multi`]; a set may be
    /// empty.
    pub label_sets: Vec<Vec<String>>,
    /// Finite numbers, for [`Task::Regression`].
    pub numbers: Vec<f32>,
    /// The columns of [`ReadOptions::keep`], in that order: name and each row's cell as text (nothing and null are
    /// empty).
    pub kept: Vec<(String, Vec<String>)>,
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
        let names = reader.columns();
        let found = find_columns_for(options.task, names, text, label, options.need_label, &sample)
            .map_err(|error| error.in_file(reader.name()))?;
        let keep = options.keep.iter().map(|name| position(names, name)).collect::<Result<Vec<_>, _>>();
        let keep = keep.map_err(|error| error.in_file(reader.name()))?;
        let mut builder = Builder::new(path, &reader, found, options.task, keep)?;
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
            task: self.task,
            labels: pick(&self.labels, rows),
            label_sets: pick(&self.label_sets, rows),
            numbers: pick(&self.numbers, rows),
            kept: self.kept.iter().map(|(name, cells)| (name.clone(), pick(cells, rows))).collect(),
            places: pick(&self.places, rows),
            sha256: self.sha256.clone(),
            blank: 0,
            notes: Vec::new(),
        };
        table.blank =
            table.keys().filter(|(text, pair)| is_blank(text) || pair.is_some_and(is_blank)).count();
        table
    }

    /// The cells of a kept column, one for each row.
    pub fn kept_column(&self, name: &str) -> Option<&[String]> {
        self.kept.iter().find(|(kept, _)| kept == name).map(|(_, cells)| cells.as_slice())
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
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_invisible(c))
}
