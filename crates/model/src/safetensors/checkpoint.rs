//! The weights of a model folder, whether they lie in one file or in shards with an index. Index and shards must
//! agree about every tensor. Pickled checkpoints are recognized by their content and refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use filbert_engine::QuantizedMatrix;
use serde_json::Value;

use super::{SafeTensors, TensorInfo};
use crate::error::{Error, Result};
use crate::folder::files::{is_plain_name, parse_object, read, size_if_present};
use crate::quantized::{Listed, QUANTIZED_FILE, Scheme};

/// The single file of weights.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// The index of a sharded checkpoint.
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// Largest index that is read, in bytes.
pub const MAX_INDEX: u64 = 8 << 20;
/// Most shards of a checkpoint; each stays open.
pub const MAX_SHARDS: usize = 256;
/// Other names under which weights are found; what they are is decided by their content.
const OTHER_NAMES: [&str; 7] = [
    "pytorch_model.bin",
    "model.bin",
    "model.pt",
    "model.pth",
    "pytorch_model.pt",
    "model.ckpt",
    "pytorch_model-00001-of-00002.bin",
];

/// All weights of a model folder behind one set of calls.
#[derive(Debug)]
pub struct Checkpoint {
    /// The file that errors about the whole checkpoint name: the weights or their index.
    path: PathBuf,
    files: Vec<SafeTensors>,
    /// Which of `files` holds a tensor.
    place: BTreeMap<String, usize>,
    /// The matrices of few bits, all in the one file.
    quantized: Listed,
}

impl Checkpoint {
    /// Opens `quantized.safetensors`, or else `model.safetensors`, or else the shards that `model.safetensors.index.json` lists, and
    /// checks all headers.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] where there is neither, [`Error::Pickled`] where there is a pickled checkpoint
    /// instead or under that name, [`Error::BadIndex`], [`Error::ShardMismatch`], [`Error::BadQuantized`],
    /// those of [`SafeTensors::open`].
    pub fn open(folder: &Path) -> Result<Self> {
        for name in [QUANTIZED_FILE, WEIGHTS_FILE] {
            let single = folder.join(name);
            if size_if_present(&single)?.is_some() {
                return Self::open_file(&single);
            }
        }
        let index = folder.join(INDEX_FILE);
        if size_if_present(&index)?.is_some() {
            return Self::open_shards(folder, &index);
        }
        for name in OTHER_NAMES {
            let path = folder.join(name);
            if size_if_present(&path)?.is_some() {
                return Self::open_file(&path);
            }
        }
        Err(Error::NoCheckpoint { folder: folder.to_path_buf() })
    }

    /// Opens one file of weights, whatever its name.
    ///
    /// # Errors
    /// Those of [`SafeTensors::open`]; [`Error::BadQuantized`] and those of any JSON where its list of matrices of few bits is wrong.
    pub fn open_file(path: &Path) -> Result<Self> {
        let file = SafeTensors::open(path)?;
        let place = file.names().map(|name| (name.to_owned(), 0)).collect();
        let quantized = Listed::of(&file)?;
        Ok(Self { path: path.to_path_buf(), files: vec![file], place, quantized })
    }

    fn open_shards(folder: &Path, index: &Path) -> Result<Self> {
        let bad = |problem| Error::BadIndex { file: index.to_path_buf(), problem };
        let mut object = parse_object(&read(index, MAX_INDEX)?, index, "file")?;
        let Some(Value::Object(map)) = object.remove("weight_map") else {
            return Err(bad("weight_map must be an object that maps tensors to file names"));
        };
        let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
        let mut place = BTreeMap::new();
        for (name, shard) in map {
            let Value::String(shard) = shard else {
                return Err(bad("weight_map must map tensors to file names"));
            };
            if !is_plain_name(&shard) {
                return Err(Error::NotAPlainName { file: index.to_path_buf(), name: shard });
            }
            let next = numbers.len();
            place.insert(name, *numbers.entry(shard).or_insert(next));
            if numbers.len() > MAX_SHARDS {
                return Err(bad("more than 256 shards"));
            }
        }
        let mut shards: Vec<_> = numbers.into_iter().collect();
        shards.sort_unstable_by_key(|s| s.1);
        let files =
            shards.iter().map(|s| SafeTensors::open(&folder.join(&s.0))).collect::<Result<Vec<_>>>()?;

        let mismatch = |name: &str, shard: usize, problem| Error::ShardMismatch {
            file: index.to_path_buf(),
            name: name.to_owned(),
            shard: shards[shard].0.clone(),
            problem,
        };
        for (name, &shard) in &place {
            if files[shard].info(name).is_none() {
                return Err(mismatch(name, shard, "the index puts it there, the shard does not have it"));
            }
        }
        for (shard, file) in files.iter().enumerate() {
            if let Some(name) = file.names().find(|name| place.get(*name) != Some(&shard)) {
                return Err(mismatch(name, shard, "the shard has it, the index does not say so"));
            }
        }
        Ok(Self { path: index.to_path_buf(), files, place, quantized: Listed::default() })
    }

    /// The weights' file, or the index of the shards.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The paths of the files that hold the weights.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(SafeTensors::path)
    }

    /// The tensors' names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.place.keys().map(String::as_str)
    }

    /// Shape, type and place of a tensor.
    pub fn info(&self, name: &str) -> Option<&TensorInfo> {
        self.files[*self.place.get(name)?].info(name)
    }

    /// The `__metadata__` of the first file.
    pub fn metadata(&self) -> Option<&BTreeMap<String, String>> {
        self.files.first().map(SafeTensors::metadata)
    }

    /// Reads a tensor as `f32`, in row-major order.
    ///
    /// # Errors
    /// Those of [`SafeTensors::read_f32`].
    pub fn read_f32(&self, name: &str) -> Result<Vec<f32>> {
        self.file_of(name)?.read_f32(name)
    }

    /// Reads a tensor that must have this shape.
    ///
    /// # Errors
    /// Those of [`SafeTensors::read_f32_shaped`].
    pub fn read_f32_shaped(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.file_of(name)?.read_f32_shaped(name, shape)
    }

    /// True where any of its matrices is stored in few bits.
    pub fn is_quantized(&self) -> bool {
        !self.quantized.is_empty()
    }

    /// The matrix of few bits called `name`, which must have this shape; none where it is stored in full.
    pub(crate) fn quantized(&self, name: &str, shape: &[usize]) -> Result<Option<QuantizedMatrix>> {
        if !self.quantized.has(name) {
            return Ok(None);
        }
        self.quantized.read(self.file_of(name)?, name, shape).map(Some)
    }

    /// The matrices of few bits, each with its scheme and its rows and columns.
    pub fn schemes(&self) -> impl Iterator<Item = (&str, Scheme, (usize, usize))> {
        self.quantized.schemes()
    }

    /// The names of the tensors that belong to matrices of few bits.
    pub fn quantized_parts(&self) -> impl Iterator<Item = String> {
        self.quantized.parts()
    }

    fn file_of(&self, name: &str) -> Result<&SafeTensors> {
        let missing = || Error::TensorMissing { file: self.path.clone(), name: name.to_owned() };
        self.place.get(name).map(|i| &self.files[*i]).ok_or_else(missing)
    }
}
