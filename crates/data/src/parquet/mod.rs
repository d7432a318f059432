//! Rows from a Parquet file, one small batch of each column at a time. Only plain columns are read; nested ones are
//! left out and named in a note.
//!
//! The `parquet` crate trusts what it reads: it recurses by the schema's depth, reserves memory that headers ask for
//! and asserts on malformed pages. So [`footer`] and [`pages`] check every size before the crate sees it, and
//! [`guarded`] turns a panic that is left into an error. What cannot be checked ahead is the true size of gzip and
//! brotli pages, which the crate inflates whatever their header says.

mod convert;
mod footer;
mod pages;
mod thrift;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescPtr;

use crate::error::Error;
use crate::limits::MAX_COLUMNS;
use crate::read::{Record, check_duplicates};
use crate::value::Value;

/// Most values decoded ahead for each column.
const BATCH: u64 = 512;
/// Bytes that a batch of one column may take, pages being what a value can be as large as.
const BATCH_BYTES: u64 = 64 << 20;

pub(crate) struct ParquetRows {
    name: String,
    file: File,
    reader: SerializedFileReader<File>,
    columns: Vec<String>,
    /// The position of each column among the file's leaves.
    leaves: Vec<usize>,
    nested: Vec<String>,
    group: usize,
    left: u64,
    row: u64,
    cursors: Vec<Cursor>,
}

struct Cursor {
    description: ColumnDescPtr,
    reader: ColumnReader,
    batch: std::vec::IntoIter<Value>,
    size: u64,
}

impl ParquetRows {
    pub(crate) fn open(name: String, file: File) -> Result<Self, Error> {
        let fail = |reason: String| Error::Parquet { file: name.clone(), reason };
        let io = |error| Error::Read { file: name.clone(), error };
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(fail("it is a folder".to_owned()));
        }
        if !metadata.is_file() {
            return Err(Error::NeedsFile { file: name });
        }
        if metadata.len() == 0 {
            return Err(Error::Empty { file: name });
        }
        footer::check(&file, metadata.len()).map_err(fail)?;
        let copy = file.try_clone().map_err(io)?;
        let reader = guarded(|| SerializedFileReader::new(copy).map_err(reason)).map_err(fail)?;
        footer::check_groups(reader.metadata(), metadata.len()).map_err(fail)?;

        let (mut columns, mut leaves, mut nested) = (Vec::new(), Vec::new(), Vec::new());
        let schema = reader.metadata().file_metadata().schema_descr();
        for (leaf, column) in schema.columns().iter().enumerate() {
            let plain = column.path().parts().len() == 1 && column.max_rep_level() == 0;
            if plain {
                columns.push(column.name().to_owned());
                leaves.push(leaf);
            } else if let Some(top) = column.path().parts().first()
                && nested.last() != Some(top)
            {
                nested.push(top.clone());
            }
        }
        if columns.is_empty() {
            return Err(fail("it has no plain columns".to_owned()));
        }
        if columns.len() > MAX_COLUMNS {
            return Err(Error::TooManyColumns { file: name, place: "its schema".to_owned() });
        }
        check_duplicates(&name, &columns)?;
        let cursors = Vec::new();
        Ok(Self { name, file, reader, columns, leaves, nested, group: 0, left: 0, row: 0, cursors })
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) fn notes(&self) -> Vec<String> {
        if self.nested.is_empty() {
            return Vec::new();
        }
        let names = self.nested.iter().take(10).map(|name| crate::error::quote(name)).collect::<Vec<_>>();
        vec![format!("nested columns were left out: {}", names.join(", "))]
    }

    pub(crate) fn next_record(&mut self) -> Result<Option<Record>, Error> {
        while self.left == 0 {
            if self.group >= self.reader.num_row_groups() {
                return Ok(None);
            }
            self.open_group().map_err(|reason| Error::Parquet { file: self.name.clone(), reason })?;
        }
        self.row += 1;
        let mut fields = Vec::with_capacity(self.cursors.len());
        for (cursor, column) in self.cursors.iter_mut().zip(&self.columns) {
            fields.push(cursor.next(self.left).map_err(|reason| Error::ParquetValue {
                file: self.name.clone(),
                row: self.row,
                column: column.clone(),
                reason,
            })?);
        }
        self.left -= 1;
        Ok(Some(Record { place: self.row, fields }))
    }

    fn open_group(&mut self) -> Result<(), String> {
        let metadata = self.reader.metadata().row_groups().get(self.group).ok_or("a row group is missing")?;
        self.left = u64::try_from(metadata.num_rows()).map_err(|_| "a negative number of rows")?;
        self.cursors.clear();
        if self.left > 0 {
            let group = guarded(|| self.reader.get_row_group(self.group).map_err(reason))?;
            for &leaf in &self.leaves {
                let chunk = metadata.columns().get(leaf).ok_or("a row group lacks a column")?;
                let (start, length) =
                    footer::chunk_range(chunk).ok_or("a column lies outside of the file")?;
                let largest = pages::check(&self.file, start, length)?;
                let reader = guarded(|| group.get_column_reader(leaf).map_err(reason))?;
                self.cursors.push(Cursor {
                    description: chunk.column_descr_ptr(),
                    reader,
                    batch: Vec::new().into_iter(),
                    size: (BATCH_BYTES / largest.max(1)).clamp(1, BATCH),
                });
            }
        }
        self.group += 1;
        Ok(())
    }
}

impl Cursor {
    /// The next value; `left` rows of the row group are still to come, this one included.
    fn next(&mut self, left: u64) -> Result<Value, String> {
        if let Some(value) = self.batch.next() {
            return Ok(value);
        }
        let count = self.size.min(left) as usize;
        let (reader, description) = (&mut self.reader, &self.description);
        self.batch = guarded(|| decode(reader, description, count))?.into_iter();
        self.batch.next().ok_or_else(|| "the column ends before its row group does".to_owned())
    }
}

fn decode(reader: &mut ColumnReader, of: &ColumnDescPtr, count: usize) -> Result<Vec<Value>, String> {
    match reader {
        ColumnReader::BoolColumnReader(r) => fill(r, of, count, |v| Ok(Value::Bool(v))),
        ColumnReader::Int32ColumnReader(r) => fill(r, of, count, |v| convert::int32(v, of)),
        ColumnReader::Int64ColumnReader(r) => fill(r, of, count, |v| convert::int64(v, of)),
        ColumnReader::Int96ColumnReader(r) => fill(r, of, count, |v| Ok(convert::int96(&v))),
        ColumnReader::FloatColumnReader(r) => fill(r, of, count, |v| Ok(convert::float(v))),
        ColumnReader::DoubleColumnReader(r) => fill(r, of, count, |v| Ok(Value::Float(v))),
        ColumnReader::ByteArrayColumnReader(r) => fill(r, of, count, |v| convert::bytes(v.data(), of)),
        ColumnReader::FixedLenByteArrayColumnReader(r) => {
            fill(r, of, count, |v| convert::bytes(v.data(), of))
        }
    }
}

fn fill<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    of: &ColumnDescPtr,
    count: usize,
    mut convert: impl FnMut(T::T) -> Result<Value, String>,
) -> Result<Vec<Value>, String> {
    let (mut levels, mut values) = (Vec::new(), Vec::new());
    reader.read_records(count, Some(&mut levels), None, &mut values).map_err(reason)?;
    let mut values = values.into_iter();
    if of.max_def_level() == 0 {
        return values.map(convert).collect();
    }
    levels
        .into_iter()
        .map(|level| {
            if level < of.max_def_level() {
                return Ok(Value::Null);
            }
            convert(values.next().ok_or("fewer values than its levels say")?)
        })
        .collect()
}

/// Runs code of the `parquet` crate; a panic there becomes an error. The state it leaves behind is not used again:
/// a reader stops at its first error.
fn guarded<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("a malformed page or header".to_owned()))
}

fn reason(error: ParquetError) -> String {
    match error {
        ParquetError::General(text) | ParquetError::NYI(text) | ParquetError::EOF(text) => text,
        other => other.to_string(),
    }
}
