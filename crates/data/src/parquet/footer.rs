//! Checks a Parquet footer before the `parquet` crate parses it: its length, the schema tree's depth and child
//! counts, and afterwards that every column chunk lies in the file and that they together are no larger than it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use super::thrift::{Compact, Fault, Kind};
use crate::limits::{MAX_FOOTER, MAX_SCHEMA_DEPTH};

const MAGIC: &[u8; 4] = b"PAR1";
/// Length and magic at the end.
const TAIL: u64 = 8;

/// Checks the footer of a file of `length` bytes.
pub(crate) fn check(mut file: &File, length: u64) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    if length < TAIL + MAGIC.len() as u64 {
        return Err("it is too short to be one".to_owned());
    }
    let mut head = [0; 4];
    file.seek(SeekFrom::Start(0)).map_err(io)?;
    file.read_exact(&mut head).map_err(io)?;
    let mut tail = [0; TAIL as usize];
    file.seek(SeekFrom::Start(length - TAIL)).map_err(io)?;
    file.read_exact(&mut tail).map_err(io)?;
    let [a, b, c, d, end @ ..] = tail;
    if &end == b"PARE" {
        return Err("it is encrypted".to_owned());
    }
    if &head != MAGIC || &end != MAGIC {
        return Err("it does not begin and end with PAR1; is it cut off, or another format?".to_owned());
    }
    let size = u64::from(u32::from_le_bytes([a, b, c, d]));
    if size > length - TAIL {
        return Err("its footer is longer than the file; it is cut off".to_owned());
    }
    if size > MAX_FOOTER {
        return Err(format!("its footer is longer than {} MiB", MAX_FOOTER >> 20));
    }
    let mut footer = vec![0; size as usize];
    file.seek(SeekFrom::Start(length - TAIL - size)).map_err(io)?;
    file.read_exact(&mut footer).map_err(io)?;
    check_schema(&footer)
}

/// Field 2 of the footer is the schema: its elements in depth-first order, field 5 of each its number of children.
fn check_schema(footer: &[u8]) -> Result<(), String> {
    let mut walk = Compact::new(footer);
    let mut last = 0;
    loop {
        let (number, kind) = walk.field(&mut last).map_err(malformed)?;
        match (number, kind) {
            (_, Kind::Stop) => return Ok(()),
            (2, Kind::List) => check_elements(&mut walk)?,
            _ => walk.skip(kind).map_err(malformed)?,
        }
    }
}

fn check_elements(walk: &mut Compact) -> Result<(), String> {
    let (count, kind) = walk.list().map_err(malformed)?;
    if kind != Kind::Struct {
        return Err("its schema is malformed".to_owned());
    }
    // Children still to come of each open group, the outermost first.
    let mut open: Vec<u64> = Vec::new();
    let mut promised = 0u64;
    for _ in 0..count {
        let children = element_children(walk).map_err(malformed)?;
        let children = u64::try_from(children).map_err(|_| "its schema has a negative number of children")?;
        promised = promised.saturating_add(children);
        if promised >= count {
            return Err("its schema promises more columns than it has".to_owned());
        }
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            open.push(children);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        if open.len() > MAX_SCHEMA_DEPTH {
            return Err(format!("its schema is nested more than {MAX_SCHEMA_DEPTH} deep"));
        }
    }
    Ok(())
}

fn element_children(walk: &mut Compact) -> Result<i64, Fault> {
    let mut last = 0;
    let mut children = 0;
    loop {
        let (number, kind) = walk.field(&mut last)?;
        match (number, kind) {
            (_, Kind::Stop) => return Ok(children),
            (5, Kind::Int) => children = walk.int()?,
            _ => walk.skip(kind)?,
        }
    }
}

fn malformed(_: Fault) -> String {
    "its footer is malformed".to_owned()
}

/// Checks row counts and column places of every row group.
pub(crate) fn check_groups(metadata: &ParquetMetaData, length: u64) -> Result<(), String> {
    let mut total = 0u64;
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return Err("a row group has a negative number of rows".to_owned());
        }
        for chunk in group.columns() {
            if chunk.file_path().is_some() {
                return Err("its columns are in other files".to_owned());
            }
            let range = chunk_range(chunk);
            let fits =
                range.is_some_and(|(start, size)| start.checked_add(size).is_some_and(|end| end <= length));
            if !fits {
                return Err("a column lies outside of the file".to_owned());
            }
            total = total.saturating_add(range.unwrap_or_default().1);
        }
    }
    // Overlapping chunks would let a small file stand for endless rows.
    if total > length { Err("its columns overlap".to_owned()) } else { Ok(()) }
}

/// Where a column chunk starts, and its length in bytes; `None` if either is negative.
pub(crate) fn chunk_range(chunk: &ColumnChunkMetaData) -> Option<(u64, u64)> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    Some((u64::try_from(start).ok()?, u64::try_from(chunk.compressed_size()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer that holds a schema only: each element with its number of children.
    fn schema(children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x29, 0xFC];
        let mut count = children.len();
        while count >= 128 {
            bytes.push((count % 128) as u8 | 128);
            count /= 128;
        }
        bytes.push(count as u8);
        for &n in children {
            bytes.extend([0x55, n * 2, 0]);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn trees() {
        assert_eq!(check_schema(&schema(&[2, 0, 0])), Ok(()));
        assert_eq!(check_schema(&schema(&[2, 1, 0, 0])), Ok(()));
        assert!(check_schema(&schema(&[3, 0, 0])).is_err());
        let mut deep = vec![1; 100_000];
        deep.push(0);
        assert!(check_schema(&schema(&deep)).unwrap_err().contains("nested"));
        assert!(check_schema(&[0x29]).is_err());
        assert!(check_schema(&[]).is_err());
    }

    #[test]
    fn a_huge_child_count() {
        // 2^31 - 1 children in the root.
        let bytes = [0x29, 0x1C, 0x55, 0xFE, 0xFF, 0xFF, 0xFF, 0x0F, 0, 0];
        assert!(check_schema(&bytes).unwrap_err().contains("promises"));
    }
}
