//! `config.json`: the facts of a BERT encoder and its classification head, read with every value checked, and
//! written back for a fine-tuned classifier. The original JSON object is kept, so that keys which filbert does not
//! know survive a round trip. Nothing here allocates by what the file claims; weights are checked against these
//! facts when they are read.

mod keys;
mod labels;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::architecture::BERT;
use crate::error::{Error, Result};
use crate::folder::files::{parse_object, read};
use keys::Keys;

/// The file's name in a model folder.
pub const CONFIG_FILE: &str = "config.json";
/// Largest file that is read, in bytes; ten thousand labels take less than one.
pub const MAX_CONFIG: u64 = 8 << 20;
/// Most encoder layers.
pub const MAX_LAYERS: usize = 1_024;
/// Largest width (`hidden_size`).
pub const MAX_WIDTH: usize = 65_536;
/// Largest inner width of the feed-forward block.
pub const MAX_INTERMEDIATE: usize = 1 << 20;
/// Most positions.
pub const MAX_POSITIONS: usize = 1 << 20;
/// Most token types.
pub const MAX_TYPES: usize = 1_024;
/// Largest vocabulary.
pub const MAX_VOCABULARY: usize = 10_000_000;
/// Most labels.
pub const MAX_LABELS: usize = 100_000;
/// Most parameters in all, 16 GB of f32. Each factor alone may be in bounds and their product absurd.
pub const MAX_PARAMETERS: u64 = 4_000_000_000;

/// How the keys end under which a file names tokens.
const TOKEN_ID: &str = "_token_id";

/// The activation between the two linear layers of the feed-forward block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// `x Φ(x)` with the error function.
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}

/// What the head predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProblemType {
    /// Exactly one label; softmax and cross-entropy.
    SingleLabel,
    /// Any number of labels.
    MultiLabel,
    /// Numbers.
    Regression,
}

impl ProblemType {
    /// The name that config.json has for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SingleLabel => "single_label_classification",
            Self::MultiLabel => "multi_label_classification",
            Self::Regression => "regression",
        }
    }
}

/// The facts of a BERT encoder. Sizes are within this module's limits and `num_attention_heads` divides
/// `hidden_size`; probabilities are in 0 to 1.
#[derive(Debug, Clone)]
pub struct Config {
    /// Rows of the word embedding table.
    pub vocab_size: usize,
    /// Width of the encoder.
    pub hidden_size: usize,
    /// Encoder layers.
    pub num_hidden_layers: usize,
    /// Attention heads of each layer.
    pub num_attention_heads: usize,
    /// Inner width of the feed-forward block.
    pub intermediate_size: usize,
    /// Rows of the position table, the longest sequence in tokens.
    pub max_position_embeddings: usize,
    /// Rows of the token type table.
    pub type_vocab_size: usize,
    /// Added to the variance in every layer norm.
    pub layer_norm_eps: f64,
    /// Feed-forward activation.
    pub hidden_act: Activation,
    /// Dropout after the embeddings and after each block.
    pub hidden_dropout_prob: f64,
    /// Dropout on the attention weights.
    pub attention_probs_dropout_prob: f64,
    /// Dropout before the classifier; `None` means `hidden_dropout_prob`.
    pub classifier_dropout: Option<f64>,
    /// The padding token's id, if there is one.
    pub pad_token_id: Option<usize>,
    /// Standard deviation of new weights.
    pub initializer_range: f64,
    /// Class names of the weights, such as `BertModel`.
    pub architectures: Vec<String>,
    /// What the head predicts; `None` where the file does not say.
    pub problem_type: Option<ProblemType>,
    /// The labels, in the order of their ids; empty where the file names none.
    pub labels: Vec<String>,
    path: PathBuf,
    raw: Map<String, Value>,
}

impl Config {
    /// Reads and checks `config.json` in a model folder.
    ///
    /// # Errors
    /// I/O errors and those of [`Config::parse`].
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(CONFIG_FILE);
        Self::parse(&read(&path, MAX_CONFIG)?, &path)
    }

    /// Parses and checks the bytes of a `config.json`; `path` is what errors name.
    ///
    /// # Errors
    /// One variant for each kind of problem, with the key.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let raw = parse_object(bytes, path, "file")?;
        let keys = Keys { raw: &raw, path };
        let architectures = keys.strings("architectures")?;
        check_family(&keys, &architectures)?;
        let size = |key, limit| keys.required_size(key, 1, limit);
        let mut config = Self {
            vocab_size: size("vocab_size", MAX_VOCABULARY)?,
            hidden_size: size("hidden_size", MAX_WIDTH)?,
            num_hidden_layers: size("num_hidden_layers", MAX_LAYERS)?,
            num_attention_heads: size("num_attention_heads", MAX_WIDTH)?,
            intermediate_size: size("intermediate_size", MAX_INTERMEDIATE)?,
            max_position_embeddings: size("max_position_embeddings", MAX_POSITIONS)?,
            type_vocab_size: keys.size("type_vocab_size", 1, MAX_TYPES)?.unwrap_or(2),
            layer_norm_eps: keys.float("layer_norm_eps", 0.0, 1.0)?.unwrap_or(1e-12),
            hidden_act: activation(&keys)?,
            hidden_dropout_prob: keys.float("hidden_dropout_prob", 0.0, 1.0)?.unwrap_or(0.1),
            attention_probs_dropout_prob: keys
                .float("attention_probs_dropout_prob", 0.0, 1.0)?
                .unwrap_or(0.1),
            classifier_dropout: keys.float("classifier_dropout", 0.0, 1.0)?,
            pad_token_id: keys.size("pad_token_id", 0, MAX_VOCABULARY)?,
            initializer_range: keys.float("initializer_range", 0.0, 100.0)?.unwrap_or(0.02),
            problem_type: problem_type(&keys)?,
            labels: labels::read(&keys)?,
            architectures,
            path: path.to_path_buf(),
            raw: Map::new(),
        };
        if config.labels.is_empty() && config.has_head() {
            config.labels = vec!["LABEL_0".to_owned(), "LABEL_1".to_owned()];
        }
        config.check()?;
        config.raw = raw;
        Ok(config)
    }

    /// Conditions on more than one value.
    fn check(&self) -> Result<()> {
        let (heads, width) = (self.num_attention_heads, self.hidden_size);
        if !width.is_multiple_of(heads) {
            return Err(Error::HeadsDivide { file: self.path.clone(), heads, width });
        }
        if let Some(pad) = self.pad_token_id.filter(|pad| *pad >= self.vocab_size) {
            let allowed = format!("0 to {} (vocab_size less one)", self.vocab_size - 1);
            return Err(Error::KeyRange {
                file: self.path.clone(),
                key: "pad_token_id",
                found: pad.to_string(),
                allowed,
            });
        }
        let parameters = self.parameters();
        if parameters > MAX_PARAMETERS {
            return Err(Error::TooManyParameters {
                file: self.path.clone(),
                parameters,
                limit: MAX_PARAMETERS,
            });
        }
        Ok(())
    }

    /// The number of weights of encoder, pooler and classifier. Cannot overflow within this module's limits.
    pub fn parameters(&self) -> u64 {
        let [vocabulary, width, layers, inner, positions, types, labels] = [
            self.vocab_size,
            self.hidden_size,
            self.num_hidden_layers,
            self.intermediate_size,
            self.max_position_embeddings,
            self.type_vocab_size,
            self.labels.len(),
        ]
        .map(|n| n as u64);
        let embeddings = (vocabulary + positions + types + 2) * width;
        let layer = 4 * width * (width + 1) + 2 * width * inner + inner + width + 4 * width;
        embeddings + layers * layer + width * (width + 1) + labels * (width + 1)
    }

    /// The token ids that the file names under keys such as `pad_token_id`, ascending, without those that have no row in the
    /// word embedding table.
    pub fn token_ids(&self) -> Vec<usize> {
        let named = self.raw.iter().filter(|(key, _)| key.ends_with(TOKEN_ID)).flat_map(|(_, value)| {
            value
                .as_array()
                .map_or(std::slice::from_ref(value), Vec::as_slice)
                .iter()
                .filter_map(Value::as_u64)
        });
        let mut ids: Vec<usize> = named.filter_map(|id| usize::try_from(id).ok()).collect();
        ids.extend(self.pad_token_id);
        ids.retain(|&id| id < self.vocab_size);
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// What was token `rows[i]` is token `i` from now on, and there are no others. Ids that are not among `rows` stay.
    pub(crate) fn keep_tokens(&mut self, rows: &[u32]) {
        let new: BTreeMap<u64, usize> =
            rows.iter().enumerate().map(|(i, &row)| (u64::from(row), i)).collect();
        let renumber = |value: &mut Value| {
            if let Some(&id) = value.as_u64().and_then(|id| new.get(&id)) {
                *value = id.into();
            }
        };
        for (_, value) in self.raw.iter_mut().filter(|(key, _)| key.ends_with(TOKEN_ID)) {
            match value {
                Value::Array(ids) => ids.iter_mut().for_each(renumber),
                id => renumber(id),
            }
        }
        self.pad_token_id = self.pad_token_id.map(|id| new.get(&(id as u64)).copied().unwrap_or(id));
        self.vocab_size = rows.len();
    }

    /// The path it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The JSON object as it was read.
    pub fn raw(&self) -> &Map<String, Value> {
        &self.raw
    }

    /// Whether the architecture named in the file has a classification head.
    pub fn has_head(&self) -> bool {
        self.architectures.iter().any(|a| a == BERT.classifier_class)
    }

    /// What the head predicts, and its labels in the order of their ids. A file that does not say is read as transformers
    /// does: one label is a regression, more are classes of which one is right.
    ///
    /// # Errors
    /// [`Error::NoLabels`] for an encoder without labels; [`Error::LabelCount`] for a regression with more than one.
    pub fn task(&self) -> Result<(ProblemType, &[String])> {
        let task = match (self.problem_type, self.labels.len()) {
            (_, 0) => return Err(Error::NoLabels { file: self.path.clone() }),
            (None, 1) => ProblemType::Regression,
            (Some(ProblemType::Regression), count) if count > 1 => {
                return Err(Error::LabelCount { file: self.path.clone(), found: 1, count });
            }
            (task, _) => task.unwrap_or(ProblemType::SingleLabel),
        };
        Ok((task, &self.labels))
    }

    /// The text of a `config.json` for this encoder with a head for `task` over `labels`: the original keys in their
    /// order, with `architectures`, `id2label`, `label2id`, `problem_type` and the dtype set, sizes taken from this
    /// struct, and `_name_or_path` and `num_labels` dropped.
    pub fn to_json_for_classifier(&self, task: ProblemType, labels: &[String]) -> String {
        let mut out = self.raw.clone();
        out.shift_remove("_name_or_path");
        out.shift_remove("num_labels");
        for (key, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            out.insert(key.to_owned(), value.into());
        }
        let id2label: Map<_, _> = labels.iter().enumerate().map(|(i, l)| (i.to_string(), json!(l))).collect();
        let label2id: Map<_, _> = labels.iter().enumerate().map(|(i, l)| (l.clone(), json!(i))).collect();
        // transformers 5 calls the key `dtype`, 4 called it `torch_dtype`; both read the older name.
        let dtype = if out.contains_key("dtype") { "dtype" } else { "torch_dtype" };
        for (key, value) in [
            ("architectures", json!([BERT.classifier_class])),
            ("model_type", json!(BERT.model_type)),
            ("id2label", Value::Object(id2label)),
            ("label2id", Value::Object(label2id)),
            ("problem_type", json!(task.name())),
            (dtype, json!("float32")),
        ] {
            out.insert(key.to_owned(), value);
        }
        if dtype == "dtype" {
            out.shift_remove("torch_dtype");
        }
        format!("{:#}\n", Value::Object(out))
    }
}

/// Refuses every model that is no plain BERT encoder, before its sizes are looked at.
fn check_family(keys: &Keys, architectures: &[String]) -> Result<()> {
    match keys.text("model_type")? {
        Some(found) if found == BERT.model_type => {}
        Some(other) => return Err(keys.unsupported("model_type", other, BERT.model_type)),
        None if architectures.first().is_some_and(|a| a.starts_with("Bert")) => {}
        None => match architectures.first() {
            Some(other) => return Err(keys.unsupported("architectures", other, "Bert*")),
            None => {
                return Err(Error::KeyMissing { file: keys.path.to_path_buf(), key: "model_type" });
            }
        },
    }
    match keys.text("position_embedding_type")? {
        None | Some("absolute") => {}
        Some(other) => return Err(keys.unsupported("position_embedding_type", other, "absolute")),
    }
    for key in ["is_decoder", "add_cross_attention"] {
        if keys.flag(key)? == Some(true) {
            return Err(keys.unsupported(key, "true", "false"));
        }
    }
    match keys.get("pruned_heads") {
        None => {}
        Some(Value::Object(map)) if map.is_empty() => {}
        Some(_) => return Err(keys.unsupported("pruned_heads", "not empty", "none")),
    }
    if keys.get("quantization_config").is_some() {
        return Err(keys.unsupported("quantization_config", "present", "unquantized weights"));
    }
    Ok(())
}

fn activation(keys: &Keys) -> Result<Activation> {
    match keys.text("hidden_act")? {
        None | Some("gelu") => Ok(Activation::Gelu),
        Some("gelu_new" | "gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
        Some("relu") => Ok(Activation::Relu),
        Some(other) => Err(keys.unsupported("hidden_act", other, "gelu, gelu_new, gelu_pytorch_tanh, relu")),
    }
}

fn problem_type(keys: &Keys) -> Result<Option<ProblemType>> {
    match keys.text("problem_type")? {
        None => Ok(None),
        Some("single_label_classification") => Ok(Some(ProblemType::SingleLabel)),
        Some("multi_label_classification") => Ok(Some(ProblemType::MultiLabel)),
        Some("regression") => Ok(Some(ProblemType::Regression)),
        Some(other) => Err(Error::Unknown {
            file: keys.path.to_path_buf(),
            key: "problem_type",
            found: other.to_owned(),
            known: "single_label_classification, multi_label_classification, regression",
        }),
    }
}
