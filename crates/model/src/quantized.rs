//! Weights of few bits on disk. A folder that has `quantized.safetensors` in place of `model.safetensors` holds some of its
//! matrices in few bits; the file's metadata says which and how. Another file name is used on purpose: tools that do not know
//! the layout refuse the folder, where they would else take the integers for weights. `docs/formats.md` describes it.

use std::collections::BTreeMap;
use std::path::Path;

use filbert_engine::{Params, QuantizedMatrix};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::safetensors::{Data, Dtype, SafeTensors, Tensor, write_tensors};

/// The weights of a folder with matrices of few bits.
pub const QUANTIZED_FILE: &str = "quantized.safetensors";
/// The key of the file's metadata that lists its matrices of few bits.
pub const METADATA_KEY: &str = "filbert.quantized";

/// How a matrix is stored in few bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase", deny_unknown_fields)]
pub enum Scheme {
    /// Eight bits: a row is integers from -127 to 127 times its scale.
    Int8,
}

impl Scheme {
    /// The name: `int8`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
        }
    }
}

/// What the metadata says about one matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    scheme: Scheme,
    /// Rows and columns.
    shape: (usize, usize),
}

/// The matrices of few bits in a file, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed(BTreeMap<String, Entry>);

impl Listed {
    /// Reads the list of a file; empty where it has none.
    pub(crate) fn of(file: &SafeTensors) -> Result<Self> {
        let Some(text) = file.metadata().get(METADATA_KEY) else { return Ok(Self::default()) };
        let parsed = serde_json::from_str(text).map(Self);
        parsed.map_err(|error| Error::BadQuantized {
            file: file.path().to_path_buf(),
            problem: format!("the metadata {METADATA_KEY} is not understood: {error}"),
        })
    }

    /// True where `name` is one of them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Reads a matrix of few bits that must have this shape.
    pub(crate) fn read(&self, file: &SafeTensors, name: &str, shape: &[usize]) -> Result<QuantizedMatrix> {
        let path = || file.path().to_path_buf();
        let entry = self.0.get(name);
        let entry = entry.ok_or_else(|| Error::TensorMissing { file: path(), name: name.to_owned() })?;
        let (rows, columns) = entry.shape;
        if shape != [rows, columns] {
            let (found, expected) = (vec![rows, columns], shape.to_vec());
            return Err(Error::WrongShape { file: path(), name: name.to_owned(), found, expected });
        }
        let matrix = match entry.scheme {
            Scheme::Int8 => {
                let values = file.bytes(name, Dtype::I8, shape)?;
                let scales = file.read_f32_shaped(&part(name, SCALES), &[rows])?;
                QuantizedMatrix::int8(entry.shape, values, scales)
            }
        };
        matrix.ok_or_else(|| Error::BadQuantized {
            file: path(),
            problem: format!("the matrix {name} is larger than one may be, or a scale is not a number"),
        })
    }

    /// The names of the tensors that belong to matrices of few bits.
    pub(crate) fn parts(&self) -> impl Iterator<Item = String> {
        self.0.keys().flat_map(|name| [name.clone(), part(name, SCALES)])
    }
}

/// What belongs to each row, group or block.
const SCALES: &str = "scales";

fn part(name: &str, part: &str) -> String {
    format!("{name}.{part}")
}

/// Writes weights, those that `plan` names in few bits and the others in f32, and returns the file's SHA-256.
///
/// # Errors
/// Those of [`write_tensors`]; a name in `plan` that is no matrix.
pub fn write(path: &Path, params: &Params, plan: &BTreeMap<String, Scheme>) -> Result<String> {
    let mut tensors = Vec::new();
    let mut listed = BTreeMap::new();
    for (_, param) in params.iter() {
        match (plan.get(&param.name), param.shape.as_slice()) {
            (Some(&scheme), &[rows, columns]) if !param.value.is_empty() => {
                listed.insert(param.name.clone(), Entry { scheme, shape: (rows, columns) });
                tensors.extend(stored(&param.name, scheme, &param.value, (rows, columns)));
            }
            (Some(_), _) => {
                return Err(Error::NoSuchParameter { pattern: param.name.clone(), names: Vec::new() });
            }
            (None, shape) => tensors.push(Tensor {
                name: param.name.clone(),
                shape: shape.to_vec(),
                data: Data::Floats(&param.value),
            }),
        }
    }
    let list = serde_json::to_string(&listed).unwrap_or_default();
    write_tensors(path, tensors, &BTreeMap::from([(METADATA_KEY.to_owned(), list)]))
}

/// The tensors of a matrix in few bits.
fn stored(
    name: &str,
    scheme: Scheme,
    values: &[f32],
    (rows, columns): (usize, usize),
) -> Vec<Tensor<'static>> {
    let tensor = |name: String, shape: Vec<usize>, dtype, bytes| Tensor {
        name,
        shape,
        data: Data::Bytes(dtype, bytes),
    };
    match scheme {
        Scheme::Int8 => {
            let mut integers = Vec::with_capacity(values.len());
            let mut scales = Vec::with_capacity(rows * 4);
            for row in values.chunks_exact(columns.max(1)) {
                let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                let inverse = if most == 0.0 { 0.0 } else { 127.0 / most };
                integers.extend(row.iter().map(|x| (x * inverse).round_ties_even() as i8 as u8));
                scales.extend((most / 127.0).to_le_bytes());
            }
            vec![
                tensor(name.to_owned(), vec![rows, columns], Dtype::I8, integers),
                tensor(part(name, SCALES), vec![rows], Dtype::F32, scales),
            ]
        }
    }
}
