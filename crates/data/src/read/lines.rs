//! Lines of UTF-8 from a byte stream, never holding more than one record's worth of bytes. The first line's byte
//! order mark is dropped. Optionally hashes what passes through, so that a file is read only once.

use std::io::{BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::limits::MAX_RECORD;
use crate::value::hex;

const BUFFER: usize = 64 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

pub(crate) struct Lines {
    name: String,
    input: BufReader<Tap>,
    line: Vec<u8>,
    number: u64,
}

impl Lines {
    pub(crate) fn new(name: String, input: Box<dyn Read + Send>, hash: bool) -> Self {
        let tap = Tap { inner: input, hash: hash.then(Sha256::new) };
        Self { name, input: BufReader::with_capacity(BUFFER, tap), line: Vec::new(), number: 0 }
    }

    /// The next line with its number, from 1, and its line break; `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<(u64, &str)>, Error> {
        self.line.clear();
        let limit = MAX_RECORD as u64 + 1;
        let read = (&mut self.input).take(limit).read_until(b'\n', &mut self.line);
        if let Err(error) = read {
            return Err(Error::Read { file: self.name.clone(), error });
        }
        if self.line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if self.line.len() > MAX_RECORD {
            return Err(Error::TooLong { file: self.name.clone(), line: self.number });
        }
        let mut bytes = self.line.as_slice();
        if self.number == 1 {
            bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
            if bytes.is_empty() {
                return Ok(None);
            }
        }
        match std::str::from_utf8(bytes) {
            Ok(line) => Ok(Some((self.number, line))),
            Err(_) => Err(Error::Utf8 { file: self.name.clone(), line: self.number }),
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn digest(self) -> Option<String> {
        self.input.into_inner().hash.map(|hash| hex(&hash.finalize()))
    }
}

/// A line without its line break.
pub(crate) fn body(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

struct Tap {
    inner: Box<dyn Read + Send>,
    hash: Option<Sha256>,
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let (Some(hash), Some(bytes)) = (&mut self.hash, buffer.get(..count)) {
            hash.update(bytes);
        }
        Ok(count)
    }
}
