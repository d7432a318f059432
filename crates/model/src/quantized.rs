//! Weights of few bits on disk. A folder that has `quantized.safetensors` in place of `model.safetensors` holds some of its
//! matrices in few bits; the file's metadata says which and how. Another file name is used on purpose: tools that do not know
//! the layout refuse the folder, where they would else take the integers for weights. `docs/formats.md` describes it.

mod encode;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use filbert_engine::quant::{self, INT4_LEVELS, NF4_BLOCK, NF4_LEVELS, SCALE_BLOCK, half_scales, nf4_scales};
use filbert_engine::{Bytes, Params, QuantizedMatrix};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result, quoted};
use crate::folder::files::parse_object;
use crate::safetensors::{Data, Dtype, SafeTensors, Tensor, write_tensors};

pub use encode::{Importance, encode};

/// The weights of a folder with matrices of few bits.
pub const QUANTIZED_FILE: &str = "quantized.safetensors";
/// The key of the file's metadata that lists its matrices of few bits.
pub const METADATA_KEY: &str = "filbert.quantized";
/// Sizes that the groups of int4 may have.
pub const GROUPS: [usize; 3] = [32, 64, 128];
/// Most columns of a matrix of few bits: as many inputs as a product in int8 may have.
pub const MAX_COLUMNS: usize = 1 << 16;

/// How a matrix is stored in few bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "scheme", rename_all = "lowercase", deny_unknown_fields)]
pub enum Scheme {
    /// Eight bits: a row is integers from -127 to 127 times its scale.
    Int8,
    /// Four bits: a group of elements is integers from -7 to 7 times its scale, of half precision.
    Int4 {
        /// The elements of a group: 32, 64 or 128.
        group: usize,
    },
    /// Four bits: a block of 64 elements is levels of NF4 times its scale; the scales have eight bits (Dettmers et al. 2023).
    Nf4,
}

impl Scheme {
    /// The name: `int8`, `int4` or `nf4`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Int4 { .. } => "int4",
            Self::Nf4 => "nf4",
        }
    }

    /// The same as the kernels name it.
    pub const fn kernel(self) -> quant::Scheme {
        match self {
            Self::Int8 => quant::Scheme::Int8,
            Self::Int4 { group } => quant::Scheme::Int4 { group },
            Self::Nf4 => quant::Scheme::Nf4,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int4 { group } if *group != 64 => write!(f, "int4:{group}"),
            other => f.write_str(other.name()),
        }
    }
}

impl FromStr for Scheme {
    type Err = String;

    /// `int8`, `nf4`, `int4` (in groups of 64) or `int4:GROUP`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.split_once(':').map_or((text, None), |(name, group)| (name, Some(group))) {
            ("int8", None) => Ok(Self::Int8),
            ("nf4", None) => Ok(Self::Nf4),
            ("int4", None) => Ok(Self::Int4 { group: 64 }),
            ("int4", Some(group)) => {
                let group = group.parse().ok().filter(|group| GROUPS.contains(group));
                group
                    .map(|group| Self::Int4 { group })
                    .ok_or_else(|| "the groups of int4 are 32, 64 or 128".to_owned())
            }
            _ => Err("a scheme is int8, int4, int4:GROUP or nf4".to_owned()),
        }
    }
}

/// What the metadata says about one matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Entry {
    #[serde(flatten)]
    scheme: Scheme,
    /// Rows and columns.
    shape: (usize, usize),
}

/// The same as it stands there, not checked yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    scheme: String,
    group: Option<usize>,
    shape: (usize, usize),
}

impl Stated {
    fn entry(self) -> std::result::Result<Entry, String> {
        let scheme = match (self.scheme.as_str(), self.group) {
            ("int8", None) => Scheme::Int8,
            ("nf4", None) => Scheme::Nf4,
            ("int4", Some(group)) if GROUPS.contains(&group) => Scheme::Int4 { group },
            ("int4", Some(group)) => {
                return Err(format!("int4 in groups of {group}: there are groups of 32, 64 and 128"));
            }
            ("int4", None) => return Err("int4 needs a group of 32, 64 or 128".to_owned()),
            ("int8" | "nf4", Some(_)) => return Err("only int4 has a group".to_owned()),
            (other, _) => return Err(format!("scheme {} is none of int8, int4 and nf4", quoted(other))),
        };
        Ok(Entry { scheme, shape: self.shape })
    }
}

/// The matrices of few bits in a file, by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Listed(BTreeMap<String, Entry>);

/// What belongs to each row, group or block.
const SCALES: &str = "scales";
/// Of NF4, what each block of scale codes is multiplied by, and what is added.
const SCALE_SCALES: &str = "scale_scales";
const SCALE_OFFSET: &str = "scale_offset";

fn part(name: &str, part: &str) -> String {
    format!("{name}.{part}")
}

impl Listed {
    /// Reads the list of a file; empty where it has none.
    pub(crate) fn of(file: &SafeTensors) -> Result<Self> {
        let Some(text) = file.metadata().get(METADATA_KEY) else { return Ok(Self::default()) };
        let stated = |value: Value| -> std::result::Result<Entry, String> {
            if !value.is_object() {
                return Err("the entry is not an object".to_owned());
            }
            serde_json::from_value::<Stated>(value).map_err(|error| error.to_string())?.entry()
        };
        let mut listed = BTreeMap::new();
        for (name, value) in parse_object(text.as_bytes(), file.path(), "metadata filbert.quantized")? {
            let entry = stated(value).map_err(|problem| Error::BadQuantized {
                file: file.path().to_path_buf(),
                problem: format!("{METADATA_KEY}: {}: {problem}", quoted(&name)),
            })?;
            listed.insert(name, entry);
        }
        Ok(Self(listed))
    }

    /// True where there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True where `name` is one of them.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Each matrix with its scheme.
    pub(crate) fn schemes(&self) -> impl Iterator<Item = (&str, Scheme, (usize, usize))> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry.scheme, entry.shape))
    }

    /// The names of the tensors that belong to matrices of few bits.
    pub(crate) fn parts(&self) -> impl Iterator<Item = String> {
        self.0.iter().flat_map(|(name, entry)| {
            let more: &[&str] = match entry.scheme {
                Scheme::Int8 | Scheme::Int4 { .. } => &[SCALES],
                Scheme::Nf4 => &[SCALES, SCALE_SCALES, SCALE_OFFSET],
            };
            std::iter::once(name.clone()).chain(more.iter().map(|which| part(name, which)))
        })
    }

    /// Reads a matrix of few bits that must have this shape.
    pub(crate) fn read(&self, file: &SafeTensors, name: &str, shape: &[usize]) -> Result<QuantizedMatrix> {
        let path = || file.path().to_path_buf();
        let missing = || Error::TensorMissing { file: path(), name: name.to_owned() };
        let entry = self.0.get(name).ok_or_else(missing)?;
        let (rows, columns) = entry.shape;
        if shape != [rows, columns] {
            let (found, expected) = (vec![rows, columns], shape.to_vec());
            return Err(Error::WrongShape { file: path(), name: name.to_owned(), found, expected });
        }
        if columns > MAX_COLUMNS {
            return Err(too_wide(file.path(), name, columns));
        }
        // The shape is that of a config whose sizes were checked.
        let len = rows * columns;
        let bad = |error: quant::QuantError| Error::BadQuantized {
            file: path(),
            problem: format!("{}: {error}", quoted(name)),
        };
        let floats = |which: &str, len: usize| {
            let name = part(name, which);
            file.expect(&name, Dtype::F32, &[len])?;
            file.read_f32(&name)
        };
        let codes = |file: &SafeTensors| file.bytes(name, Dtype::U8, &[len.div_ceil(2)]);
        match entry.scheme {
            Scheme::Int8 => {
                let values = file.bytes(name, Dtype::I8, shape)?;
                let scales = floats(SCALES, rows)?;
                QuantizedMatrix::eight_bit(entry.shape, values, scales).map_err(bad)
            }
            Scheme::Int4 { group } => {
                let halves = file.bytes(&part(name, SCALES), Dtype::F16, &[len.div_ceil(group)])?;
                let halves: Vec<u16> = halves.as_chunks().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
                let scales = half_scales(&halves).map_err(bad)?;
                QuantizedMatrix::four_bit(entry.shape, &INT4_LEVELS, codes(file)?, scales, group).map_err(bad)
            }
            Scheme::Nf4 => {
                let blocks = len.div_ceil(NF4_BLOCK);
                let scale_codes: Bytes = file.bytes(&part(name, SCALES), Dtype::U8, &[blocks])?;
                let scale_scales = floats(SCALE_SCALES, blocks.div_ceil(SCALE_BLOCK))?;
                let offset = floats(SCALE_OFFSET, 1)?.first().copied().unwrap_or_default();
                let scales = nf4_scales(&scale_codes, offset, &scale_scales).map_err(bad)?;
                QuantizedMatrix::four_bit(entry.shape, &NF4_LEVELS, codes(file)?, scales, NF4_BLOCK)
                    .map_err(bad)
            }
        }
    }
}

fn too_wide(file: &Path, name: &str, columns: usize) -> Error {
    let problem =
        format!("{}: {columns} columns, more than the {MAX_COLUMNS} of a matrix of few bits", quoted(name));
    Error::BadQuantized { file: file.to_path_buf(), problem }
}

/// Writes weights, those that `plan` names in few bits and the others in f32, and returns the file's SHA-256. What is known of
/// the inputs of a layer weighs the errors of its columns where a scheme has a choice.
///
/// # Errors
/// Those of [`write_tensors`]; a name in `plan` that is no matrix of the model, or one of more than [`MAX_COLUMNS`] columns;
/// weights that are not finite.
pub fn write(
    path: &Path,
    params: &Params,
    plan: &BTreeMap<String, Scheme>,
    importance: &Importance,
) -> Result<String> {
    let known = |name: &String| params.id(name).is_some_and(|id| params.get(id).shape.len() == 2);
    if let Some(name) = plan.keys().find(|name| !known(name)) {
        let names = params.iter().map(|(_, p)| p.name.clone()).collect();
        return Err(Error::NoSuchParameter { pattern: name.clone(), names });
    }
    let mut tensors = Vec::new();
    let mut listed = BTreeMap::new();
    for (_, param) in params.iter() {
        match (plan.get(&param.name), param.shape.as_slice()) {
            (Some(_), &[_, columns]) if columns > MAX_COLUMNS => {
                return Err(too_wide(path, &param.name, columns));
            }
            (Some(&scheme), &[rows, columns]) => {
                listed.insert(param.name.clone(), Entry { scheme, shape: (rows, columns) });
                tensors.extend(encode(&param.name, scheme, &param.value, (rows, columns), importance, path)?);
            }
            (_, shape) => tensors.push(Tensor {
                name: param.name.clone(),
                shape: shape.to_vec(),
                data: Data::Floats(&param.value),
            }),
        }
    }
    let list = serde_json::to_string(&listed).unwrap_or_default();
    write_tensors(path, tensors, &BTreeMap::from([(METADATA_KEY.to_owned(), list)]))
}
