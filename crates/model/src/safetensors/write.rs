//! Writing a safetensors file, streamed, with the hash computed on the way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self as std_io, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::header::METADATA;
use super::{Dtype, MAX_HEADER, PIECE};
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

/// What a tensor consists of.
#[derive(Debug, Clone)]
pub enum Data<'a> {
    /// F32.
    Floats(&'a [f32]),
    /// Elements of another type, as they stand in the file.
    Bytes(Dtype, Vec<u8>),
}

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    /// The name.
    pub name: String,
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Data<'a>,
}

impl Data<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Floats(_) => Dtype::F32,
            Self::Bytes(dtype, _) => *dtype,
        }
    }

    fn size(&self) -> u64 {
        match self {
            Self::Floats(values) => values.len() as u64 * 4,
            Self::Bytes(_, bytes) => bytes.len() as u64,
        }
    }
}

/// Writes tensors `(name, shape, values)` as F32; see [`write_tensors`].
///
/// # Errors
/// Those of [`write_tensors`].
pub fn write(
    path: &Path,
    tensors: &[(&str, &[usize], &[f32])],
    metadata: &BTreeMap<String, String>,
) -> Result<String> {
    let tensor = |&(name, shape, values): &(&str, &[usize], _)| Tensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data: Data::Floats(values),
    };
    write_tensors(path, tensors.iter().map(tensor).collect(), metadata)
}

/// Writes tensors, sorted by name, and returns the file's SHA-256 in hexadecimal. The header is padded with spaces to a
/// multiple of 8 and carries `metadata` plus `{"format": "pt"}`, without which transformers refuses a file. An existing
/// file is overwritten; nothing is synced to disk here.
///
/// # Errors
/// A duplicate name, a shape that does not match its values, a NaN or infinite value, a header that would be longer
/// than [`MAX_HEADER`], I/O errors. Everything but I/O is checked before the file is created.
pub fn write_tensors(
    path: &Path,
    mut tensors: Vec<Tensor<'_>>,
    metadata: &BTreeMap<String, String>,
) -> Result<String> {
    let file = || path.to_path_buf();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));

    let mut fields: BTreeMap<&str, &str> = metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    fields.entry("format").or_insert("pt");
    let mut header = Map::from_iter([(METADATA.to_owned(), json!(fields))]);
    let mut begin = 0;
    for Tensor { name, shape, data } in &tensors {
        let (actual, dtype) = (data.size(), data.dtype());
        let expected = shape.iter().try_fold(dtype.size(), |size, dim| size.checked_mul(*dim as u64));
        let expected = expected.ok_or_else(|| Error::ShapeOverflow { file: file(), name: name.clone() })?;
        if expected != actual {
            return Err(Error::SizeMismatch { file: file(), name: name.clone(), expected, actual });
        }
        if let Data::Floats(values) = data
            && let Some(index) = values.iter().position(|v| !v.is_finite())
        {
            return Err(Error::NotFinite { file: file(), name: name.clone(), index, value: values[index] });
        }
        let entry = json!({"dtype": dtype.name(), "shape": shape, "data_offsets": [begin, begin + actual]});
        if header.insert(name.clone(), entry).is_some() {
            return Err(Error::DuplicateKey { file: file(), what: "header", place: name.clone() });
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
    stream(&mut out, &header, &tensors).map_err(io("write", path))?;
    Ok(hex(&out.hasher.finalize()))
}

fn stream(out: &mut impl Write, header: &[u8], tensors: &[Tensor<'_>]) -> std_io::Result<()> {
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    let mut bytes = Vec::with_capacity(PIECE);
    for tensor in tensors {
        match &tensor.data {
            Data::Floats(values) => {
                for part in values.chunks(PIECE / 4) {
                    bytes.clear();
                    bytes.extend(part.iter().flat_map(|v| v.to_le_bytes()));
                    out.write_all(&bytes)?;
                }
            }
            Data::Bytes(_, bytes) => out.write_all(bytes)?,
        }
    }
    out.flush()
}
