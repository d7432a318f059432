//! The `WordPiece` model of a `tokenizer.json`, as far as pruning needs it. The file has been checked when the tokenizer was
//! loaded; what is relied on here is checked again, since nothing of the other crate's types says so.

use std::collections::BTreeSet;
use std::path::PathBuf;

use filbert_model::Tokenizer;
use filbert_model::tokenizer::TOKENIZER_FILE;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The model's vocabulary and its rules.
pub(super) struct WordPiece {
    /// The tokens by id, ascending.
    pub(super) tokens: Vec<(u32, String)>,
    /// The ids of added tokens that are not empty, those of the vocabulary included.
    pub(super) added: BTreeSet<u32>,
    pub(super) unknown: String,
    pub(super) unknown_id: u32,
    /// What a continuation begins with.
    pub(super) prefix: String,
    /// Characters of the longest word that is looked into.
    pub(super) max_chars: usize,
    /// Whether an ASCII punctuation character is always a word of its own.
    pub(super) isolates_punctuation: bool,
}

/// The object in `tokenizer.json`, which every tokenizer has.
pub(super) fn tokenizer_json(tokenizer: &Tokenizer) -> Result<Map<String, Value>> {
    let missing = || part(tokenizer, "file", "there is none");
    tokenizer.json(TOKENIZER_FILE)?.ok_or_else(missing)
}

/// A malformed part of `tokenizer.json`.
pub(super) fn part(tokenizer: &Tokenizer, place: &str, problem: &'static str) -> Error {
    Error::Part { file: file(tokenizer), place: place.to_owned(), problem }
}

fn file(tokenizer: &Tokenizer) -> PathBuf {
    tokenizer.path().to_path_buf()
}

/// An id, as it stands in a file.
pub(super) fn as_id(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

impl WordPiece {
    /// Reads the model of `tokenizer`.
    pub(super) fn read(tokenizer: &Tokenizer) -> Result<Self> {
        let json = tokenizer_json(tokenizer)?;
        let bad = |place, problem| part(tokenizer, place, problem);
        let model = json.get("model").and_then(Value::as_object);
        let model = model.ok_or_else(|| bad("model", "expected an object"))?;
        let text = |key: &str| model.get(key).and_then(Value::as_str);
        // The oldest files name no type; only WordPiece has a continuation prefix then.
        let kind = text("type").or_else(|| text("continuing_subword_prefix").map(|_| "WordPiece"));
        if kind != Some("WordPiece") {
            let found = kind.unwrap_or_default().to_owned();
            return Err(Error::NotWordPiece { file: file(tokenizer), found });
        }
        let vocab = model.get("vocab").and_then(Value::as_object);
        let vocab = vocab.ok_or_else(|| bad("model.vocab", "expected an object"))?;
        let mut tokens = Vec::with_capacity(vocab.len());
        for (token, id) in vocab {
            let id = as_id(id).ok_or_else(|| bad("model.vocab", "an id is no integer from 0"))?;
            tokens.push((id, token.clone()));
        }
        tokens.sort_unstable();
        let added = added(tokenizer, &json, &tokens)?;
        let unknown = text("unk_token").ok_or_else(|| bad("model.unk_token", "expected a string"))?;
        let unknown_id = vocab.get(unknown).and_then(as_id);
        let unknown_id = unknown_id.ok_or_else(|| bad("model.unk_token", "is not in the vocabulary"))?;
        let max_chars = model.get("max_input_chars_per_word").and_then(Value::as_u64);
        let max_chars =
            max_chars.ok_or_else(|| bad("model.max_input_chars_per_word", "expected a number"))?;
        let splitter = json.get("pre_tokenizer").and_then(|p| p.get("type")).and_then(Value::as_str);
        Ok(Self {
            tokens,
            added,
            unknown: unknown.to_owned(),
            unknown_id,
            prefix: text("continuing_subword_prefix").unwrap_or_default().to_owned(),
            max_chars: max_chars as usize,
            isolates_punctuation: splitter == Some("BertPreTokenizer"),
        })
    }
}

/// The ids of added tokens; refuses an id that two tokens share. `tokens` are the model's, by id.
fn added(
    tokenizer: &Tokenizer,
    json: &Map<String, Value>,
    tokens: &[(u32, String)],
) -> Result<BTreeSet<u32>> {
    let list = json.get("added_tokens").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut all: Vec<(u32, &str)> = tokens.iter().map(|(id, token)| (*id, token.as_str())).collect();
    let mut ids = BTreeSet::new();
    for token in list {
        let content = token.get("content").and_then(Value::as_str).unwrap_or_default();
        let id = token.get("id").and_then(as_id);
        let id = id.ok_or_else(|| part(tokenizer, "added_tokens", "a token lacks its id"))?;
        if !content.is_empty() {
            ids.insert(id);
            all.push((id, content));
        }
    }
    all.sort_unstable();
    all.dedup();
    match all.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        None => Ok(ids),
        Some(pair) => Err(Error::SharedId {
            file: file(tokenizer),
            id: pair[0].0,
            first: pair[0].1.to_owned(),
            second: pair[1].1.to_owned(),
        }),
    }
}
