//! CSV and TSV records. Both start with a header and hold every row to its width. Lines without any character
//! between records are skipped.
//!
//! TSV files come in two kinds: written by programs that quote, and with quotes as plain characters. A line is read
//! as quoted where that reading is complete; else as plain, if that gives the right number of fields; else the
//! quoted field is taken to span lines.

use super::lines::{Lines, body};
use super::splitter::{Splitter, Step};
use super::{Record, check_duplicates};
use crate::error::Error;
use crate::limits::{MAX_COLUMNS, MAX_RECORD};
use crate::value::Value;

pub(crate) struct Delimited {
    name: String,
    lines: Lines,
    splitter: Splitter,
    delimiter: char,
    columns: Vec<String>,
}

impl Delimited {
    pub(crate) fn open(lines: Lines, delimiter: char) -> Result<Self, Error> {
        let (name, splitter) = (lines.name().to_owned(), Splitter::new(delimiter));
        let mut rows = Self { name, lines, splitter, delimiter, columns: Vec::new() };
        let Some((_, header)) = rows.next_fields()? else {
            return Err(Error::Empty { file: rows.name });
        };
        if header.iter().any(|name| name.replace("\r\n", "\n").contains('\r')) {
            return Err(Error::LineBreaks { file: rows.name });
        }
        rows.columns = header.iter().enumerate().map(|(i, name)| column_name(i, name)).collect();
        check_duplicates(&rows.name, &rows.columns)?;
        Ok(rows)
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) fn into_lines(self) -> Lines {
        self.lines
    }

    pub(crate) fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let Some((line, fields)) = self.next_fields()? else {
            return Ok(None);
        };
        if fields.len() != self.columns.len() {
            let file = self.name.clone();
            return Err(Error::Ragged { file, line, got: fields.len(), want: self.columns.len() });
        }
        Ok(Some(Record { place: line, fields: fields.into_iter().map(Value::Text).collect() }))
    }

    /// The line a record starts on, and its fields.
    fn next_fields(&mut self) -> Result<Option<(u64, Vec<String>)>, Error> {
        let mut start = None;
        let mut size = 0;
        self.splitter.begin();
        loop {
            let Some((number, line)) = self.lines.next_line()? else {
                return match start {
                    Some(line) => Err(Error::OpenQuote { file: self.name.clone(), line }),
                    None => Ok(None),
                };
            };
            let text = body(line);
            if start.is_none() && text.is_empty() {
                continue;
            }
            let first = *start.get_or_insert(number);
            size += line.len();
            if size > MAX_RECORD {
                return Err(Error::TooLong { file: self.name.clone(), line: first });
            }
            let step = self.splitter.feed(line);
            if self.delimiter == '\t' && number == first && matches!(step, Step::Open | Step::Bad) {
                let fields: Vec<String> = text.split('\t').take(MAX_COLUMNS + 1).map(str::to_owned).collect();
                let fits = self.columns.is_empty() || fields.len() == self.columns.len();
                if (fits || step == Step::Bad) && fields.len() <= MAX_COLUMNS {
                    return Ok(Some((first, fields)));
                }
            }
            let file = self.name.clone();
            match step {
                Step::Done => return Ok(Some((first, self.splitter.take()))),
                Step::Open => {}
                Step::Bad => return Err(Error::BadQuote { file, line: number }),
                Step::TooMany => {
                    return Err(Error::TooManyColumns { file, place: format!("line {number}") });
                }
            }
        }
    }
}

/// A header cell without the white space around it; `unnamed_3` for an empty third one (pandas writes its index so).
fn column_name(index: usize, name: &str) -> String {
    let name = name.trim();
    if name.is_empty() { format!("unnamed_{}", index + 1) } else { name.to_owned() }
}
