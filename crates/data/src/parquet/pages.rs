//! Walks the page headers of a column chunk before the `parquet` crate decodes it: the crate reserves what they ask
//! for, and two of its byte-array encodings reserve what the page's content asks for.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use super::thrift::{Compact, Fault, Kind};
use crate::limits::{MAX_PAGE, MAX_PAGE_HEADER};

const FIRST_WINDOW: usize = 4 << 10;
/// The numbers of `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY`, whose decoders allocate by a count in the data.
const UNSAFE_ENCODINGS: [i64; 2] = [6, 7];

/// What matters of a page header; sizes in bytes.
#[derive(Debug, Default)]
struct Header {
    inflated: i64,
    stored: i64,
    dictionary_values: u64,
    encodings: Vec<i64>,
}

/// Checks the pages in `length` bytes from `start`, and returns the largest page's size in bytes.
pub(crate) fn check(mut file: &File, start: u64, length: u64) -> Result<u64, String> {
    let (mut at, end) = (start, start.saturating_add(length));
    let mut largest = 0;
    while at < end {
        let (header, size) = read_header(&mut file, at, end - at)?;
        let stored = u64::try_from(header.stored).map_err(|_| "a page of negative size")?;
        let inflated = u64::try_from(header.inflated).map_err(|_| "a page of negative size")?;
        if stored.max(inflated) > MAX_PAGE {
            return Err(format!("a page of more than {} MiB; write it with smaller pages", MAX_PAGE >> 20));
        }
        if header.dictionary_values > inflated {
            return Err("a dictionary of more values than bytes".to_owned());
        }
        if header.encodings.iter().any(|encoding| UNSAFE_ENCODINGS.contains(encoding)) {
            return Err(
                "it uses a delta encoding of byte arrays; write it with plain or dictionary encoding"
                    .to_owned(),
            );
        }
        at = at.saturating_add(size).saturating_add(stored);
        if at > end {
            return Err("a page reaches past its column".to_owned());
        }
        largest = largest.max(inflated).max(stored);
    }
    Ok(largest)
}

/// The header at `at` and its own length; reads further only where the header asks for it.
fn read_header(file: &mut &File, at: u64, available: u64) -> Result<(Header, u64), String> {
    let io = |error: std::io::Error| error.to_string();
    let mut window = FIRST_WINDOW;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        file.seek(SeekFrom::Start(at)).map_err(io)?;
        file.take(available.min(window as u64)).read_to_end(&mut bytes).map_err(io)?;
        match parse(&bytes) {
            Ok((header, left)) => return Ok((header, (bytes.len() - left) as u64)),
            Err(Fault::End) if bytes.len() == window && window < MAX_PAGE_HEADER => window *= 8,
            Err(_) => return Err("a malformed page header".to_owned()),
        }
    }
}

/// Field 2 is the page's size, 3 its stored size, 5 and 8 the data headers, 7 the dictionary's.
fn parse(bytes: &[u8]) -> Result<(Header, usize), Fault> {
    let mut walk = Compact::new(bytes);
    let mut header = Header::default();
    let mut last = 0;
    loop {
        let (number, kind) = walk.field(&mut last)?;
        match (number, kind) {
            (_, Kind::Stop) => return Ok((header, walk.left())),
            // A repeated field counts with its largest value, whichever the crate takes.
            (2, Kind::Int) => header.inflated = header.inflated.max(walk.int()?),
            (3, Kind::Int) => header.stored = walk.int()?,
            (5, Kind::Struct) => parse_inner(&mut walk, 2, &mut header, false)?,
            (7, Kind::Struct) => parse_inner(&mut walk, 2, &mut header, true)?,
            (8, Kind::Struct) => parse_inner(&mut walk, 4, &mut header, false)?,
            _ => walk.skip(kind)?,
        }
    }
}

/// In each inner header field 1 counts values; `encoding` is the field that names the encoding.
fn parse_inner(
    walk: &mut Compact,
    encoding: i64,
    header: &mut Header,
    dictionary: bool,
) -> Result<(), Fault> {
    let mut last = 0;
    loop {
        let (number, kind) = walk.field(&mut last)?;
        match (number, kind) {
            (_, Kind::Stop) => return Ok(()),
            (1, Kind::Int) if dictionary => {
                // As unsigned, so that a negative count is the largest.
                header.dictionary_values = header.dictionary_values.max(walk.int()? as u64);
            }
            (number, Kind::Int) if number == encoding => {
                let found = walk.int()?;
                if header.encodings.len() < 8 {
                    header.encodings.push(found);
                } else {
                    return Err(Fault::Malformed);
                }
            }
            _ => walk.skip(kind)?,
        }
    }
}
