//! Weights on disk: a checked reader and a writer of the safetensors format, and [`Checkpoint`], which reads one
//! file or a sharded set through the same calls. Opening reads the header only and refuses everything that is not
//! a well-formed file: the tensors must tile the data exactly, in bounds, without gap or overlap. Tensor data is
//! read one tensor at a time, so that a model is never in memory twice, and weights that are NaN or infinite are
//! refused. Integer tensors are known but never converted to weights.

mod checkpoint;
mod header;
mod write;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use filbert_engine::Bytes;

use crate::error::{Error, Result, io};
use crate::folder::files::size_if_present;

pub use checkpoint::{Checkpoint, INDEX_FILE, MAX_INDEX, MAX_SHARDS, WEIGHTS_FILE};
pub use write::{Data, Tensor, write, write_tensors};

/// Longest header that is read, in bytes. A BERT-large header has about 40 KiB.
pub const MAX_HEADER: u64 = 8 << 20;
/// Bytes converted at a time when a tensor is read.
const PIECE: usize = 1 << 18;

/// Element types of the format. Only the four float types from 16 bits up can be read as weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the format's own")]
pub enum Dtype {
    Bool,
    U8,
    I8,
    F8E5M2,
    F8E4M3,
    F8E8M0,
    I16,
    U16,
    F16,
    BF16,
    I32,
    U32,
    F32,
    C64,
    F64,
    I64,
    U64,
}

impl Dtype {
    const ALL: [(&'static str, Dtype, u64); 17] = [
        ("BOOL", Dtype::Bool, 1),
        ("U8", Dtype::U8, 1),
        ("I8", Dtype::I8, 1),
        ("F8_E5M2", Dtype::F8E5M2, 1),
        ("F8_E4M3", Dtype::F8E4M3, 1),
        ("F8_E8M0", Dtype::F8E8M0, 1),
        ("I16", Dtype::I16, 2),
        ("U16", Dtype::U16, 2),
        ("F16", Dtype::F16, 2),
        ("BF16", Dtype::BF16, 2),
        ("I32", Dtype::I32, 4),
        ("U32", Dtype::U32, 4),
        ("F32", Dtype::F32, 4),
        ("C64", Dtype::C64, 8),
        ("F64", Dtype::F64, 8),
        ("I64", Dtype::I64, 8),
        ("U64", Dtype::U64, 8),
    ];

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|d| d.0 == name).map(|d| d.1)
    }

    /// The name in the header, such as `BF16`.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|d| d.1 == self).map_or("?", |d| d.0)
    }

    /// Bytes of one element.
    pub fn size(self) -> u64 {
        Self::ALL.iter().find(|d| d.1 == self).map_or(1, |d| d.2)
    }
}

/// What the header says about one tensor. Checked: `end - begin` is the size of shape and dtype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Element type.
    pub dtype: Dtype,
    /// Dimensions, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// First byte, counted from the end of the header.
    pub begin: u64,
    /// One past the last byte.
    pub end: u64,
}

/// One open safetensors file whose header has been checked.
#[derive(Debug)]
pub struct SafeTensors {
    path: PathBuf,
    file: Mutex<File>,
    /// Where the data begin, in bytes from the start of the file.
    data: u64,
    tensors: BTreeMap<String, TensorInfo>,
    metadata: BTreeMap<String, String>,
    mapped: OnceLock<Bytes>,
}

impl SafeTensors {
    /// Opens a file and checks its header against its size. No tensor data is read.
    ///
    /// # Errors
    /// I/O errors, [`Error::Pickled`], and one variant for each way in which a header can be wrong.
    pub fn open(path: &Path) -> Result<Self> {
        let not_found = || io("open", path)(std::io::ErrorKind::NotFound.into());
        let size = size_if_present(path)?.ok_or_else(not_found)?;
        let mut file = File::open(path).map_err(io("open", path))?;
        let mut start = [0; 9];
        let got = read_up_to(&mut file, &mut start).map_err(io("read", path))?;
        if is_pickled(&start[..got]) {
            return Err(Error::Pickled { file: path.to_path_buf() });
        }
        if size < 8 || got < 8 {
            return Err(Error::TooShort { file: path.to_path_buf(), size });
        }
        let length = u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| start[i]));
        if length > MAX_HEADER {
            return Err(Error::HeaderTooLong { file: path.to_path_buf(), length, limit: MAX_HEADER });
        }
        if length > size - 8 {
            return Err(Error::HeaderPastEnd { file: path.to_path_buf(), length, size });
        }
        let mut header = vec![0; length as usize];
        file.seek(SeekFrom::Start(8)).map_err(io("read", path))?;
        file.read_exact(&mut header).map_err(io("read", path))?;
        let (tensors, metadata) = header::parse(&header, size - 8 - length, path)?;
        let (path, file) = (path.to_path_buf(), Mutex::new(file));
        Ok(Self { path, file, data: 8 + length, tensors, metadata, mapped: OnceLock::new() })
    }

    /// The path it was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape, type and place of a tensor.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.tensors.get(name)
    }

    /// The header's `__metadata__`.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// What the header says about a tensor that must have this type and shape.
    pub(crate) fn expect(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<&TensorInfo> {
        let file = || self.path.clone();
        let info =
            self.info(name).ok_or_else(|| Error::TensorMissing { file: file(), name: name.to_owned() })?;
        if info.dtype != dtype {
            let (found, expected) = (info.dtype.name(), dtype.name());
            return Err(Error::WrongDtype { file: file(), name: name.to_owned(), found, expected });
        }
        if info.shape != shape {
            let (found, expected) = (info.shape.clone(), shape.to_vec());
            return Err(Error::WrongShape { file: file(), name: name.to_owned(), found, expected });
        }
        Ok(info)
    }

    /// A tensor's bytes, where they stand in the file, which is mapped for it.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::WrongDtype`] and [`Error::WrongShape`] where it is not as expected, I/O errors.
    pub fn bytes(&self, name: &str, dtype: Dtype, shape: &[usize]) -> Result<Bytes> {
        let info = self.expect(name, dtype, shape)?;
        let mapped = if let Some(mapped) = self.mapped.get() {
            mapped
        } else {
            let input = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let mapped = Bytes::map(&input).map_err(io("map", &self.path))?;
            self.mapped.get_or_init(|| mapped)
        };
        let place = (self.data + info.begin) as usize..(self.data + info.end) as usize;
        // The file may have been cut short since its header was checked.
        mapped.part(place).ok_or_else(|| io("read", &self.path)(std::io::ErrorKind::UnexpectedEof.into()))
    }

    /// Reads a tensor as `f32`, in row-major order. F16 and BF16 are widened exactly, F64 is rounded.
    ///
    /// # Errors
    /// [`Error::TensorMissing`], [`Error::NotFloat`] for other types, [`Error::NotFinite`] for the first NaN or
    /// infinity, I/O errors.
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        let file = || self.path.clone();
        let info =
            self.info(name).ok_or_else(|| Error::TensorMissing { file: file(), name: name.to_owned() })?;
        let decode: fn(&[u8], &mut Vec<f32>) = match info.dtype {
            Dtype::F32 => |bytes, out| out.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            Dtype::F64 => {
                |bytes, out| out.extend(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32))
            }
            Dtype::F16 => |bytes, out| {
                out.extend(bytes.as_chunks().0.iter().map(|b| f16_to_f32(u16::from_le_bytes(*b))));
            },
            Dtype::BF16 => |bytes, out| {
                out.extend(
                    bytes
                        .as_chunks()
                        .0
                        .iter()
                        .map(|b| f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16)),
                );
            },
            other => {
                return Err(Error::NotFloat { file: file(), name: name.to_owned(), found: other.name() });
            }
        };
        let mut left = (info.end - info.begin) as usize;
        let mut values = Vec::new();
        values
            .try_reserve_exact(left / info.dtype.size() as usize)
            .map_err(|_| io("hold in memory", &self.path)(std::io::ErrorKind::OutOfMemory.into()))?;
        let mut piece = vec![0; left.min(PIECE)];
        let mut input = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        input.seek(SeekFrom::Start(self.data + info.begin)).map_err(io("read", &self.path))?;
        while left > 0 {
            let part = &mut piece[..left.min(PIECE)];
            input.read_exact(part).map_err(io("read", &self.path))?;
            let before = values.len();
            decode(part, &mut values);
            if let Some(i) = values[before..].iter().position(|v| !v.is_finite()) {
                let index = before + i;
                return Err(Error::NotFinite {
                    file: file(),
                    name: name.to_owned(),
                    index,
                    value: values[index],
                });
            }
            left -= part.len();
        }
        Ok(values)
    }

    /// [`read_f32`](Self::read_f32), for a tensor that must have this shape.
    ///
    /// # Errors
    /// [`Error::WrongShape`], before any data is read, and those of `read_f32`.
    pub fn read_f32_shaped(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        match self.info(name) {
            Some(info) if info.shape != shape => Err(Error::WrongShape {
                file: self.path.clone(),
                name: name.to_owned(),
                found: info.shape.clone(),
                expected: shape.to_vec(),
            }),
            _ => self.read_f32(name),
        }
    }
}

/// Fills `buffer` as far as the file goes and returns how far that was.
fn read_up_to(file: &mut File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

/// Whether a file begins like a zip archive or a bare pickle, which is what `torch.save` writes. A safetensors
/// header whose length happens to begin with the pickle opcode is told apart by the brace that follows it.
fn is_pickled(start: &[u8]) -> bool {
    let zip = start.starts_with(b"PK\x03\x04");
    let pickle = matches!(start, [0x80, 1..=5, ..]) && start.get(8) != Some(&b'{');
    zip || pickle
}

/// The value of an IEEE half-precision number.
fn f16_to_f32(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10) & 0x1f;
    let mantissa = u32::from(half & 0x3ff);
    match exponent {
        // Subnormals are multiples of 2^-24, all of them exact in f32.
        0 => {
            let magnitude = mantissa as f32 * (1.0 / 16_777_216.0);
            if sign == 0 { magnitude } else { -magnitude }
        }
        0x1f => f32::from_bits(sign | 0x7f80_0000 | (mantissa << 13)),
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (mantissa << 13)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let cases = [
            (0x0000, 0.0f32),
            (0x8000, -0.0),
            (0x0001, 2.0f32.powi(-24)),
            (0x03ff, 1023.0 * 2.0f32.powi(-24)),
            (0x0400, 2.0f32.powi(-14)),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7bff, 65_504.0),
            (0x7c00, f32::INFINITY),
            (0xfc00, f32::NEG_INFINITY),
        ];
        for (half, value) in cases {
            assert_eq!(f16_to_f32(half).to_bits(), value.to_bits(), "{half:#06x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn pickles() {
        assert!(is_pickled(b"PK\x03\x04\x00\x00\x00\x00\x00"));
        assert!(is_pickled(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9"));
        assert!(!is_pickled(b"\x80\x02\0\0\0\0\0\0{"));
        assert!(!is_pickled(b"\x40\0\0\0\0\0\0\0{"));
        assert!(!is_pickled(b""));
    }
}
