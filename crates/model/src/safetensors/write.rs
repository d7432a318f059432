//! Writing f32 weights as a safetensors file, streamed, with the hash computed on the way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self as std_io, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::header::METADATA;
use super::{MAX_HEADER, PIECE};
use crate::error::{Error, Result, io};
use crate::folder::files::hex;

/// Passes bytes on and hashes them.
struct Hashing<W> {
    out: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std_io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> std_io::Result<()> {
        self.out.flush()
    }
}

/// Writes tensors `(name, shape, values)` as F32, sorted by name, and returns the file's SHA-256 in hexadecimal.
/// The header is padded with spaces to a multiple of 8 and carries `metadata` plus `{"format": "pt"}`, without
/// which transformers refuses a file. An existing file is overwritten; nothing is synced to disk here.
///
/// # Errors
/// A duplicate name, a shape that does not match its values, a NaN or infinite value, a header that would be longer
/// than [`MAX_HEADER`], I/O errors. Everything but I/O is checked before the file is created.
pub fn write(
    path: &Path,
    tensors: &[(&str, &[usize], &[f32])],
    metadata: &BTreeMap<String, String>,
) -> Result<String> {
    let file = || path.to_path_buf();
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by_key(|t| t.0);

    let mut fields: BTreeMap<&str, &str> = metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    fields.entry("format").or_insert("pt");
    let mut header = Map::from_iter([(METADATA.to_owned(), json!(fields))]);
    let mut begin = 0;
    for (name, shape, values) in &sorted {
        let actual = values.len() as u64 * 4;
        let expected = shape.iter().try_fold(4u64, |size, dim| size.checked_mul(*dim as u64));
        let expected =
            expected.ok_or_else(|| Error::ShapeOverflow { file: file(), name: (*name).to_owned() })?;
        if expected != actual {
            return Err(Error::SizeMismatch { file: file(), name: (*name).to_owned(), expected, actual });
        }
        if let Some(index) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NotFinite {
                file: file(),
                name: (*name).to_owned(),
                index,
                value: values[index],
            });
        }
        let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, begin + actual]});
        if header.insert((*name).to_owned(), entry).is_some() {
            return Err(Error::DuplicateKey { file: file(), what: "header", place: (*name).to_owned() });
        }
        begin += actual;
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let length = header.len() as u64;
    if length > MAX_HEADER {
        return Err(Error::HeaderTooLong { file: file(), length, limit: MAX_HEADER });
    }

    let out = File::create(path).map_err(io("create", path))?;
    let mut out = Hashing { out: BufWriter::with_capacity(PIECE, out), hasher: Sha256::new() };
    let values = sorted.iter().map(|t| t.2);
    stream(&mut out, &header, values).map_err(io("write", path))?;
    Ok(hex(&out.hasher.finalize()))
}

fn stream<'a>(
    out: &mut impl Write,
    header: &[u8],
    tensors: impl Iterator<Item = &'a [f32]>,
) -> std_io::Result<()> {
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    let mut bytes = Vec::with_capacity(PIECE);
    for values in tensors {
        for part in values.chunks(PIECE / 4) {
            bytes.clear();
            bytes.extend(part.iter().flat_map(|v| v.to_le_bytes()));
            out.write_all(&bytes)?;
        }
    }
    out.flush()
}
