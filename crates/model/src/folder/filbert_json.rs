//! `filbert.json`: what filbert needs beside the files that Hugging Face tools read. Unknown keys are kept, so that
//! later parts (a quantization scheme) can add theirs without a new format version; a file of a newer version is
//! refused, since its known keys may mean something else.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::files::{is_plain_name, parse_object, read_if_present};
use crate::error::{Error, Result};
use crate::tokenizer::{MAX_WINDOWS, Windows};

/// The file's name in a model folder.
pub const FILBERT_FILE: &str = "filbert.json";
/// The version that this filbert writes, and the newest it reads.
pub const FORMAT_VERSION: u64 = 1;
/// Largest file that is read, in bytes.
pub const MAX_FILBERT: u64 = 8 << 20;
/// Longest `max_length`, in tokens.
pub const MAX_LENGTH: usize = 1 << 20;

/// How a row's token vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// BERT's pooler: dense and tanh over the first token. The only one that transformers reproduces.
    #[default]
    Pooler,
    /// The first token as it is.
    Cls,
    /// The mean over all tokens.
    Mean,
}

/// Probabilities from `low` (included) to `high` (not included), both in 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsureBand {
    /// The lowest probability in the band.
    pub low: f64,
    /// The lowest probability above it.
    pub high: f64,
}

/// The contents of `filbert.json`. The default is what is assumed of a folder that has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FilbertJson {
    /// Version of the format, from 1.
    pub version: u64,
    /// Version of the filbert that wrote it.
    pub filbert_version: String,
    /// File name to SHA-256, 64 lower-case hexadecimal digits.
    pub files: BTreeMap<String, String>,
    /// Logits are divided by this before the softmax; above 0, 1 where none was fitted.
    pub temperature: f64,
    /// Label to the probability from which it is given, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<BTreeMap<String, f64>>,
    /// Probabilities for which an answer is unsure: of the positive label of two, or of the most probable of more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsure: Option<UnsureBand>,
    /// Columns of the training data whose texts are classified, in order.
    pub text_columns: Vec<String>,
    /// Column of the labels.
    pub label_column: Option<String>,
    /// Longest row in tokens, special tokens included.
    pub max_length: Option<usize>,
    /// How longer texts are cut into several rows, whose logits are averaged; texts are cut off where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Windows>,
    /// How a row's token vectors become one.
    pub pooling: Pooling,
    /// The label that counts as positive in binary metrics.
    pub positive_label: Option<String>,
    /// The labels, in the order of their ids.
    pub labels: Vec<String>,
    /// How it was trained: data hashes, split, seed, settings.
    pub training: Value,
    /// Keys that this version does not know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Default for FilbertJson {
    fn default() -> Self {
        Self {
            version: FORMAT_VERSION,
            filbert_version: String::new(),
            files: BTreeMap::new(),
            temperature: 1.0,
            thresholds: None,
            unsure: None,
            text_columns: Vec::new(),
            label_column: None,
            max_length: None,
            windows: None,
            pooling: Pooling::default(),
            positive_label: None,
            labels: Vec::new(),
            training: Value::Null,
            other: Map::new(),
        }
    }
}

impl FilbertJson {
    /// Reads a folder's `filbert.json`; `None` where there is none.
    ///
    /// # Errors
    /// I/O errors and those of [`FilbertJson::parse`].
    pub fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILBERT_FILE);
        read_if_present(&path, MAX_FILBERT)?.map(|bytes| Self::parse(&bytes, &path)).transpose()
    }

    /// Parses and checks the bytes of a `filbert.json`; `path` is what errors name.
    ///
    /// # Errors
    /// [`Error::FormatVersion`] for a newer format, [`Error::NotAPlainName`], [`Error::BadFilbertJson`] for wrong
    /// types and values, and those of any JSON file.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let file = || path.to_path_buf();
        let object = parse_object(bytes, path, "file")?;
        match object.get("version").map(Value::as_u64) {
            Some(Some(1..=FORMAT_VERSION)) => {}
            Some(Some(found)) if found > 0 => {
                return Err(Error::FormatVersion { file: file(), found, supported: FORMAT_VERSION });
            }
            _ => {
                let problem = "version must be an integer from 1 up".to_owned();
                return Err(Error::BadFilbertJson { file: file(), problem });
            }
        }
        let parsed: Self = serde_json::from_value(Value::Object(object))
            .map_err(|e| Error::BadFilbertJson { file: file(), problem: e.to_string() })?;
        if let Some(name) = parsed.files.keys().find(|name| !is_plain_name(name)) {
            return Err(Error::NotAPlainName { file: file(), name: name.clone() });
        }
        match parsed.problem() {
            Some(problem) => Err(Error::BadFilbertJson { file: file(), problem: problem.to_owned() }),
            None => Ok(parsed),
        }
    }

    /// The first value that is out of bounds.
    fn problem(&self) -> Option<&'static str> {
        let hash = |h: &String| h.len() == 64 && h.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut labels: Vec<&String> = self.labels.iter().collect();
        labels.sort_unstable();
        if !self.files.values().all(hash) {
            return Some("files: a hash is not 64 lower-case hexadecimal digits");
        }
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Some("temperature must be above 0");
        }
        if self.thresholds.iter().flat_map(BTreeMap::values).any(|t| !(0.0..=1.0).contains(t)) {
            return Some("thresholds must be in 0 to 1");
        }
        if self.unsure.is_some_and(|u| !(0.0 <= u.low && u.low <= u.high && u.high <= 1.0)) {
            return Some("unsure must be a low and a high in 0 to 1");
        }
        if self.max_length.is_some_and(|n| n == 0 || n > MAX_LENGTH) {
            return Some("max_length must be in 1 to 1048576");
        }
        if self.windows.is_some_and(|w| w.most == 0 || w.most > MAX_WINDOWS || w.overlap > MAX_LENGTH) {
            return Some("windows must be 1 to 1024, with an overlap of at most 1048576 tokens");
        }
        if labels.windows(2).any(|w| w[0] == w[1]) {
            return Some("labels: a label occurs twice");
        }
        if self.positive_label.as_ref().is_some_and(|l| !self.labels.is_empty() && !self.labels.contains(l)) {
            return Some("positive_label is not one of labels");
        }
        None
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        format!("{value:#}\n")
    }
}
