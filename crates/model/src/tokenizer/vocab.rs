//! BERT's tokenizer, made from `vocab.txt`, for model folders from before `tokenizer.json`. The result is the
//! JSON of a `tokenizer.json`, which then takes the same path as one from disk.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::check::MAX_TOKEN_ID;
use super::{TOKENIZER_CONFIG_FILE, special_token};
use crate::error::{Error, Result};

/// Builds the JSON of a tokenizer from a vocabulary. `settings` is `tokenizer_config.json`; a missing setting has
/// the value that transformers gives it.
pub(super) fn tokenizer_json(
    vocab: &[u8],
    settings: &Map<String, Value>,
    path: &Path,
) -> Result<Map<String, Value>> {
    let ids = read_lines(vocab, path)?;
    let normalizer = normalizer(settings, path)?;
    let named = |key, default: &'static str| special_token(settings, key).unwrap_or(default).to_owned();
    let (unk, sep, cls) =
        (named("unk_token", "[UNK]"), named("sep_token", "[SEP]"), named("cls_token", "[CLS]"));
    // Padding and masking are not needed to classify; a vocabulary may lack them.
    let (pad, mask) = (named("pad_token", "[PAD]"), named("mask_token", "[MASK]"));
    if let Some(token) = [&unk, &sep, &cls].into_iter().find(|token| !ids.contains_key(*token)) {
        return Err(Error::TokenMissing { file: path.to_path_buf(), token: token.clone() });
    }
    let find = |token| Some((ids.get(token)?.as_u64()?, token));
    let mut added: Vec<(u64, &String)> =
        [&pad, &unk, &cls, &sep, &mask].into_iter().filter_map(find).collect();
    added.sort_unstable();
    added.dedup();
    let added: Vec<Value> = added
        .into_iter()
        .map(|(id, token)| {
            json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();

    let special = |token: &str, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
    let sequence = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    let single = [special(&cls, 0), sequence("A", 0), special(&sep, 0)];
    let second = [sequence("B", 1), special(&sep, 1)];
    let pair: Vec<&Value> = single.iter().chain(&second).collect();
    let define =
        |token: &String| (token.clone(), json!({"id": token, "ids": [ids[token]], "tokens": [token]}));
    let template = json!({"type": "TemplateProcessing", "single": single, "pair": pair,
        "special_tokens": Map::from_iter([define(&cls), define(&sep)])});
    let model = json!({"type": "WordPiece", "unk_token": unk, "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": ids});
    let parts = [
        ("version", json!("1.0")),
        ("truncation", Value::Null),
        ("padding", Value::Null),
        ("added_tokens", Value::Array(added)),
        ("normalizer", normalizer),
        ("pre_tokenizer", json!({"type": "BertPreTokenizer"})),
        ("post_processor", template),
        ("decoder", json!({"type": "WordPiece", "prefix": "##", "cleanup": true})),
        ("model", model),
    ];
    Ok(parts.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// One token per line, its id the line's number from 0; of a token that occurs twice the last line counts.
fn read_lines(vocab: &[u8], path: &Path) -> Result<Map<String, Value>> {
    let file = || path.to_path_buf();
    let text = std::str::from_utf8(vocab).map_err(|e| Error::NotUtf8 {
        file: file(),
        what: "vocabulary",
        at: e.valid_up_to(),
    })?;
    let mut ids = Map::new();
    for (id, line) in text.lines().enumerate() {
        if id > MAX_TOKEN_ID as usize {
            let (place, token) = ("vocabulary".to_owned(), line.to_owned());
            return Err(Error::TokenId { file: file(), place, token, limit: MAX_TOKEN_ID });
        }
        ids.insert(line.to_owned(), id.into());
    }
    Ok(ids)
}

fn normalizer(settings: &Map<String, Value>, path: &Path) -> Result<Value> {
    let setting = |key: &str, expected, default: Value| match settings.get(key) {
        None => Ok(default),
        Some(value) if value.is_boolean() || (value.is_null() && default.is_null()) => Ok(value.clone()),
        Some(value) => Err(Error::KeyType {
            file: path.with_file_name(TOKENIZER_CONFIG_FILE),
            key: key.to_owned(),
            expected,
            found: value.to_string(),
        }),
    };
    Ok(json!({
        "type": "BertNormalizer",
        "clean_text": true,
        "handle_chinese_chars": setting("tokenize_chinese_chars", "true or false", json!(true))?,
        "strip_accents": setting("strip_accents", "true, false or null", Value::Null)?,
        "lowercase": setting("do_lower_case", "true or false", json!(true))?,
    }))
}
