//! What a `tokenizer.json` must fulfil before the `tokenizers` crate sees it. Parts are taken from a list of those
//! that are known to be linear in the text and free of panics under the conditions checked here; everything else
//! is refused by name. To add a part: read its `Deserialize` and its run-time code for `unwrap`, indexing,
//! unbounded counts and growth, check those here, and add a case to the table test.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::charsmap;
use super::template::Template;
use crate::error::{Error, Result};

/// Largest token id; no vocabulary in use has a tenth as many.
pub const MAX_TOKEN_ID: u32 = 9_999_999;
/// Most added tokens.
pub const MAX_ADDED_TOKENS: usize = 100_000;
/// Longest word that `WordPiece` looks into, in characters: the search is cubic in it. BERT has 100.
pub const MAX_CHARS_PER_WORD: u64 = 256;
/// Longest Unigram piece and longest added token, in bytes: the search is quadratic in it.
pub const MAX_PIECE: usize = 256;
/// Longest continuation prefix, in bytes; it is copied at each step of the search.
const MAX_PREFIX: usize = 32;
/// Longest pattern of a replacement, in bytes.
const MAX_PATTERN: usize = 64;
/// Most normalizers and pre-tokenizers, each a pass over the text.
const MAX_STEPS: usize = 32;
/// How much longer all replacements together may make a text.
const MAX_GROWTH: usize = 64;
/// Longest padded length and largest multiple.
const MAX_PADDING: u64 = 1 << 20;

/// What a checked file says that is needed later.
pub(super) struct Checked {
    /// Added tokens that are not empty, with their ids in the file.
    pub(super) added: Vec<(String, u32)>,
    pub(super) largest_id: u32,
    pub(super) template: Template,
    /// The side that the file's own truncation cuts.
    pub(super) direction: Option<String>,
    pub(super) splits_at_spaces: bool,
}

/// A malformed part.
pub(super) fn part(path: &Path, place: &str, problem: &'static str) -> Error {
    Error::TokenizerPart { file: path.to_path_buf(), place: place.to_owned(), problem }
}

/// A token's id, in bounds.
pub(super) fn token_id(id: &Value, token: &str, place: &str, path: &Path) -> Result<u32> {
    id.as_u64().and_then(|id| u32::try_from(id).ok()).filter(|id| *id <= MAX_TOKEN_ID).ok_or_else(|| {
        Error::TokenId {
            file: path.to_path_buf(),
            place: place.to_owned(),
            token: token.to_owned(),
            limit: MAX_TOKEN_ID,
        }
    })
}

/// Checks a whole file. A model without its `type`, as the oldest files have it, gets one.
pub(super) fn check(json: &mut Map<String, Value>, path: &Path) -> Result<Checked> {
    let get = |key| json.get(key).unwrap_or(&Value::Null);
    let template = Template::parse(get("post_processor"), path)?;
    let direction = truncation(get("truncation"), template.added(false), path)?;
    padding(get("padding"), path)?;
    let added = added_tokens(get("added_tokens"), path)?;
    let mut steps = Steps { count: 0, growth: 1, path };
    steps.normalizer(get("normalizer"))?;
    steps.pre_tokenizer(get("pre_tokenizer"))?;

    let kind = |key| get(key).get("type").and_then(Value::as_str);
    let plain =
        added.iter().all(|(token, _)| token.is_ascii() && !token.contains(|c: char| c.is_whitespace()));
    let splits_at_spaces = plain
        && matches!(kind("pre_tokenizer"), Some("BertPreTokenizer" | "WhitespaceSplit"))
        && matches!((get("normalizer"), kind("normalizer")), (Value::Null, _) | (_, Some("BertNormalizer")));

    let Some(Value::Object(model)) = json.get_mut("model") else {
        return Err(part(path, "model", "expected an object"));
    };
    if !model.contains_key("type") && model.contains_key("continuing_subword_prefix") {
        model.insert("type".to_owned(), json!("WordPiece"));
    }
    let largest = self::model(model, path)?;
    let largest_id = added.iter().map(|a| a.1).fold(largest, u32::max);
    Ok(Checked { added, largest_id, template, direction, splits_at_spaces })
}

/// The crate subtracts without looking: `max_length` less special tokens, and that less `stride`.
fn truncation(value: &Value, added: usize, path: &Path) -> Result<Option<String>> {
    if value.is_null() {
        return Ok(None);
    }
    let number = |key, default| match value.get(key) {
        None => default,
        Some(v) => v.as_u64(),
    };
    let max_length = number("max_length", None)
        .ok_or_else(|| part(path, "truncation.max_length", "expected an integer from 0 up"))?;
    let stride = number("stride", Some(0))
        .ok_or_else(|| part(path, "truncation.stride", "expected an integer from 0 up"))?;
    if max_length.checked_sub(added as u64).is_none_or(|room| stride > 0 && stride >= room) {
        return Err(Error::Stride { file: path.to_path_buf(), stride, max_length, added });
    }
    if let Some(strategy) = value.get("strategy")
        && !matches!(strategy.as_str(), Some("LongestFirst" | "OnlyFirst" | "OnlySecond"))
    {
        return Err(part(path, "truncation.strategy", "expected LongestFirst, OnlyFirst or OnlySecond"));
    }
    match value.get("direction").map(Value::as_str) {
        None => Ok(None),
        Some(Some(side @ ("Left" | "Right"))) => Ok(Some(side.to_owned())),
        Some(_) => Err(part(path, "truncation.direction", "expected Left or Right")),
    }
}

fn padding(value: &Value, path: &Path) -> Result<()> {
    if value.is_null() {
        return Ok(());
    }
    let bounded = |v: Option<&Value>| v.and_then(Value::as_u64).is_some_and(|n| n <= MAX_PADDING);
    let strategy = value.get("strategy");
    if strategy.and_then(Value::as_str) != Some("BatchLongest")
        && !bounded(strategy.and_then(|s| s.get("Fixed")))
    {
        return Err(part(path, "padding.strategy", "expected BatchLongest or Fixed up to 1048576"));
    }
    let multiple = value.get("pad_to_multiple_of").filter(|v| !v.is_null());
    if multiple.is_some() && (!bounded(multiple) || multiple.and_then(Value::as_u64) == Some(0)) {
        return Err(part(path, "padding.pad_to_multiple_of", "expected null or 1 to 1048576"));
    }
    let token = value.get("pad_token").and_then(Value::as_str);
    let token = token.ok_or_else(|| part(path, "padding.pad_token", "expected a string"))?;
    token_id(value.get("pad_id").unwrap_or(&Value::Null), token, "padding.pad_id", path)?;
    token_id(value.get("pad_type_id").unwrap_or(&Value::Null), token, "padding.pad_type_id", path)?;
    if !matches!(value.get("direction").map(Value::as_str), None | Some(Some("Left" | "Right"))) {
        return Err(part(path, "padding.direction", "expected Left or Right"));
    }
    Ok(())
}

fn added_tokens(value: &Value, path: &Path) -> Result<Vec<(String, u32)>> {
    const PLACE: &str = "added_tokens";
    if value.is_null() {
        return Ok(Vec::new());
    }
    let list = value.as_array().ok_or_else(|| part(path, PLACE, "expected a list"))?;
    if list.len() > MAX_ADDED_TOKENS {
        return Err(part(path, PLACE, "more than 100000 tokens"));
    }
    let (mut added, mut strips, mut spaced) = (Vec::with_capacity(list.len()), false, false);
    for token in list {
        let content = token.get("content").and_then(Value::as_str);
        let content = content.ok_or_else(|| part(path, PLACE, "a token lacks its content"))?;
        if content.len() > MAX_PIECE {
            return Err(part(path, PLACE, "a token is longer than 256 bytes"));
        }
        let flag = |key: &str| token.get(key).and_then(Value::as_bool);
        if ["single_word", "lstrip", "rstrip", "normalized", "special"].iter().any(|key| flag(key).is_none())
        {
            return Err(part(path, PLACE, "a token lacks one of its five flags"));
        }
        let id = token_id(token.get("id").unwrap_or(&Value::Null), content, PLACE, path)?;
        strips |= flag("rstrip") == Some(true);
        spaced |= content.starts_with(char::is_whitespace);
        // The crate skips empty tokens.
        if !content.is_empty() {
            added.push((content.to_owned(), id));
        }
    }
    // After a match that took the spaces to its right the crate may slice a match that begins in them backwards.
    if strips && spaced {
        return Err(part(
            path,
            PLACE,
            "a token strips spaces to its right while another begins with a space",
        ));
    }
    Ok(added)
}

/// The passes over a text, counted over normalizers and pre-tokenizers together.
struct Steps<'a> {
    count: usize,
    growth: usize,
    path: &'a Path,
}

impl Steps<'_> {
    /// Counts a step and gives its type and, for a `Sequence`, the parts under `key`.
    fn enter<'v>(
        &mut self,
        value: &'v Value,
        place: &'static str,
        key: &str,
    ) -> Result<(&'v str, &'v [Value])> {
        self.count += 1;
        if self.count > MAX_STEPS {
            return Err(part(self.path, place, "more than 32 steps"));
        }
        let object = value.as_object().ok_or_else(|| part(self.path, place, "expected an object"))?;
        let kind = object.get("type").and_then(Value::as_str).unwrap_or("");
        if kind != "Sequence" {
            return Ok((kind, &[]));
        }
        let list = object.get(key).and_then(Value::as_array);
        Ok((kind, list.ok_or_else(|| part(self.path, place, "a Sequence without its list"))?))
    }

    fn grow(&mut self, factor: usize, place: &'static str) -> Result<()> {
        self.growth = self.growth.saturating_mul(factor.max(1));
        if self.growth > MAX_GROWTH {
            return Err(part(self.path, place, "replacements may make a text more than 64 times longer"));
        }
        Ok(())
    }

    fn normalizer(&mut self, value: &Value) -> Result<()> {
        const PLACE: &str = "normalizer";
        if value.is_null() {
            return Ok(());
        }
        let (kind, list) = self.enter(value, PLACE, "normalizers")?;
        match kind {
            "Sequence" => list.iter().try_for_each(|v| self.normalizer(v)),
            "BertNormalizer" | "Lowercase" | "NFC" | "NFD" | "NFKC" | "NFKD" | "Nmt" | "Strip"
            | "StripAccents" => Ok(()),
            "Replace" => self.replace(value),
            "Prepend" => {
                let text = value.get("prepend").and_then(Value::as_str);
                let text = text.ok_or_else(|| part(self.path, PLACE, "Prepend without its text"))?;
                self.grow(1 + text.chars().count(), PLACE)
            }
            "Precompiled" => {
                let map = value.get("precompiled_charsmap").and_then(Value::as_str);
                let map =
                    map.ok_or_else(|| part(self.path, PLACE, "Precompiled without precompiled_charsmap"))?;
                let longest = charsmap::check(map).ok_or_else(|| {
                    part(self.path, "normalizer.precompiled_charsmap", "the table is damaged")
                })?;
                self.grow(longest, PLACE)
            }
            other => Err(Error::TokenizerUnsupported {
                file: self.path.to_path_buf(),
                place: PLACE,
                found: other.to_owned(),
                supported: "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, \
                    Sequence, Strip, StripAccents",
            }),
        }
    }

    /// A replacement's pattern is a text, or an expression without the constructs that need backtracking.
    fn replace(&mut self, value: &Value) -> Result<()> {
        const PLACE: &str = "normalizer";
        let pattern = value.get("pattern").and_then(Value::as_object).filter(|p| p.len() == 1);
        let pattern =
            pattern.and_then(|p| p.iter().next()).and_then(|(k, v)| Some((k.as_str(), v.as_str()?)));
        let Some((kind @ ("String" | "Regex"), text)) = pattern else {
            return Err(part(self.path, PLACE, "Replace without its pattern"));
        };
        if text.is_empty() || text.len() > MAX_PATTERN {
            return Err(part(self.path, PLACE, "the pattern of Replace must have 1 to 64 bytes"));
        }
        if kind == "Regex" && (text.contains('\\') || text.contains("(?")) {
            return Err(part(self.path, PLACE, "the pattern of Replace has a backslash or a (? group"));
        }
        let content = value.get("content").and_then(Value::as_str);
        let length =
            content.ok_or_else(|| part(self.path, PLACE, "Replace without its content"))?.chars().count();
        // An expression may match between any two characters.
        self.grow(if kind == "Regex" && length > 1 { 1 + length } else { length }, PLACE)
    }

    fn pre_tokenizer(&mut self, value: &Value) -> Result<()> {
        const PLACE: &str = "pre_tokenizer";
        if value.is_null() {
            return Ok(());
        }
        let (kind, list) = self.enter(value, PLACE, "pretokenizers")?;
        match kind {
            "Sequence" => list.iter().try_for_each(|v| self.pre_tokenizer(v)),
            "BertPreTokenizer" | "Digits" | "Metaspace" | "Punctuation" | "Whitespace"
            | "WhitespaceSplit" => Ok(()),
            other => Err(Error::TokenizerUnsupported {
                file: self.path.to_path_buf(),
                place: PLACE,
                found: other.to_owned(),
                supported: "BertPreTokenizer, Digits, Metaspace, Punctuation, Sequence, Whitespace, WhitespaceSplit",
            }),
        }
    }
}

/// Checks the model and returns its largest id.
fn model(model: &Map<String, Value>, path: &Path) -> Result<u32> {
    match model.get("type").and_then(Value::as_str).unwrap_or("") {
        "WordPiece" => {
            let limit = model.get("max_input_chars_per_word").and_then(Value::as_u64);
            if !limit.is_some_and(|n| (1..=MAX_CHARS_PER_WORD).contains(&n)) {
                return Err(part(path, "model.max_input_chars_per_word", "expected 1 to 256"));
            }
            let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str);
            if prefix.is_none_or(|p| p.len() > MAX_PREFIX) {
                return Err(part(path, "model.continuing_subword_prefix", "expected at most 32 bytes"));
            }
            vocabulary(model, path)
        }
        "WordLevel" => vocabulary(model, path),
        "Unigram" => unigram(model, path),
        other => Err(Error::TokenizerUnsupported {
            file: path.to_path_buf(),
            place: "model",
            found: other.to_owned(),
            supported: "WordPiece, WordLevel, Unigram",
        }),
    }
}

/// `vocab` maps tokens to ids, and `unk_token` is one of them: without it, unknown words cannot be encoded.
fn vocabulary(model: &Map<String, Value>, path: &Path) -> Result<u32> {
    const PLACE: &str = "model.vocab";
    let vocab = model.get("vocab").and_then(Value::as_object);
    let vocab = vocab.ok_or_else(|| part(path, PLACE, "expected an object"))?;
    let unknown = model.get("unk_token").and_then(Value::as_str);
    let unknown = unknown.ok_or_else(|| part(path, "model.unk_token", "expected a string"))?;
    if !vocab.contains_key(unknown) {
        return Err(Error::TokenMissing { file: path.to_path_buf(), token: unknown.to_owned() });
    }
    vocab.iter().try_fold(0, |largest, (token, id)| Ok(token_id(id, token, PLACE, path)?.max(largest)))
}

/// `vocab` is a list of pieces and scores, an id is a place in it.
fn unigram(model: &Map<String, Value>, path: &Path) -> Result<u32> {
    const PLACE: &str = "model.vocab";
    let vocab = model.get("vocab").and_then(Value::as_array);
    let vocab = vocab.ok_or_else(|| part(path, PLACE, "expected a list"))?;
    if vocab.len() > MAX_TOKEN_ID as usize {
        return Err(part(path, PLACE, "more than 9999999 pieces"));
    }
    for entry in vocab {
        match entry.as_array().map(Vec::as_slice) {
            Some([Value::String(piece), Value::Number(_)]) if piece.len() <= MAX_PIECE => {}
            _ => {
                return Err(part(path, PLACE, "expected pieces of at most 256 bytes, each with its score"));
            }
        }
    }
    let unknown = model.get("unk_id").and_then(Value::as_u64);
    if unknown.is_none_or(|id| id >= vocab.len() as u64) {
        return Err(part(path, "model.unk_id", "expected an id in the vocabulary"));
    }
    Ok(vocab.len() as u32 - 1)
}
