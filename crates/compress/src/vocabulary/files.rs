//! The files of a tokenizer with the tokens of a plan: every place that holds an id is renumbered, all else stays.

use std::collections::BTreeSet;
use std::path::Path;

use filbert_model::Tokenizer;
use filbert_model::tokenizer::{TOKENIZER_CONFIG_FILE, TOKENIZER_FILE, TOKENIZER_FILES, VOCAB_FILE};
use serde_json::{Map, Value};

use super::Plan;
use super::model::{as_id, part, tokenizer_json};
use crate::{Error, Result};

/// The key of `tokenizer_config.json` that maps ids to added tokens.
const DECODER: &str = "added_tokens_decoder";

/// The tokenizer with only the tokens that `plan` keeps. Its [`files`](Tokenizer::files) are what is to be saved with the
/// pruned network.
///
/// # Errors
/// Those of [`files`]; those of [`Tokenizer::load`].
pub fn apply(tokenizer: &Tokenizer, plan: &Plan) -> Result<Tokenizer> {
    let folder = tokenizer.path().parent().unwrap_or(Path::new(""));
    Ok(Tokenizer::from_files(files(tokenizer, plan)?, folder)?)
}

/// The files of the tokenizer with only the tokens that `plan` keeps, by name, in the order in which they are saved: ids are
/// renumbered in `tokenizer.json` (vocabulary, added tokens, template, padding) and in `tokenizer_config.json`, `vocab.txt` is
/// written anew where there was one, all else is as it was.
///
/// # Errors
/// [`Error::OtherTokenizer`] where the plan does not fit; [`Error::Part`] for a token with a line break where there is a
/// `vocab.txt`, which cannot hold it.
pub fn files(tokenizer: &Tokenizer, plan: &Plan) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let mut json = tokenizer_json(tokenizer)?;
    let lines = prune_vocabulary(&mut json, plan)?;
    visit_ids(&mut json, tokenizer, &mut |id| renumbered(plan, id))?;
    let json = text(json);
    let mut out = Vec::new();
    for name in TOKENIZER_FILES {
        let Some((_, bytes)) = tokenizer.files().find(|file| file.0 == name) else {
            continue;
        };
        let bytes = match name {
            TOKENIZER_FILE => json.clone(),
            VOCAB_FILE => vocabulary_file(tokenizer, &lines)?,
            TOKENIZER_CONFIG_FILE => settings_file(tokenizer, plan)?.unwrap_or_else(|| bytes.to_vec()),
            _ => bytes.to_vec(),
        };
        out.push((name, bytes));
    }
    Ok(out)
}

/// The ids that the tokenizer's files name beside the vocabulary, and those of its special tokens. `rows` is the size of the
/// embedding table, which none of them may reach.
pub(super) fn named_ids(tokenizer: &Tokenizer, rows: usize) -> Result<BTreeSet<u32>> {
    let mut ids = BTreeSet::new();
    let mut json = tokenizer_json(tokenizer)?;
    visit_ids(&mut json, tokenizer, &mut |id| {
        ids.insert(id);
        Ok(id)
    })?;
    if ids.last().is_some_and(|id| *id as usize >= rows) {
        return Err(part(
            tokenizer,
            "file",
            "a special or padding token's id has no row in the embedding table",
        ));
    }
    for name in TOKENIZER_FILES.into_iter().filter(|name| ![TOKENIZER_FILE, VOCAB_FILE].contains(name)) {
        let Some(settings) = tokenizer.json(name)? else {
            continue;
        };
        ids.extend(special_tokens(&settings).filter_map(|token| tokenizer.token_to_id(token)));
        for (id, token) in settings.get(DECODER).and_then(Value::as_object).into_iter().flatten() {
            let content = token.get("content").and_then(Value::as_str).unwrap_or_default();
            let id = id.parse().ok().filter(|id| tokenizer.token_to_id(content) == Some(*id));
            ids.insert(id.ok_or_else(|| Error::Part {
                file: tokenizer.path().with_file_name(name),
                place: format!("{DECODER}.{}", token.get("content").unwrap_or(token)),
                problem: "tokenizer.json has no such token with this id",
            })?);
        }
    }
    ids.extend(tokenizer.pad_id());
    Ok(ids)
}

/// The special tokens that a file of settings names, as texts or as objects with `content`.
fn special_tokens(settings: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let named = |key: &str| key.ends_with("_token") || key.ends_with("special_tokens");
    let values = settings.iter().filter(move |(key, _)| named(key)).map(|(_, value)| value);
    let each = values.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    each.filter_map(|value| value.as_str().or_else(|| value.get("content")?.as_str()))
}

fn renumbered(plan: &Plan, id: u32) -> Result<u32> {
    plan.new_id(id).ok_or(Error::OtherTokenizer { problem: "a token that its files name was dropped" })
}

/// Drops and renumbers the model's tokens; returns the kept ones in the order of their new ids.
fn prune_vocabulary(json: &mut Map<String, Value>, plan: &Plan) -> Result<Vec<String>> {
    let other = |problem| Error::OtherTokenizer { problem };
    let vocab = json.get_mut("model").and_then(|m| m.get_mut("vocab")).and_then(Value::as_object_mut);
    let vocab = vocab.ok_or_else(|| other("its model has no vocabulary"))?;
    let (before, after) = plan.tokens();
    if vocab.len() != before {
        return Err(other("its vocabulary has another size"));
    }
    let mut lines = vec![String::new(); after];
    let mut kept = Map::new();
    for (token, id) in std::mem::take(vocab) {
        let Some(id) = as_id(&id).and_then(|id| plan.new_id(id)) else {
            continue;
        };
        let line = lines.get_mut(id as usize).ok_or_else(|| other("its tokens have other ids"))?;
        line.clone_from(&token);
        kept.insert(token, id.into());
    }
    if kept.len() != after {
        return Err(other("its tokens have other ids"));
    }
    *vocab = kept;
    Ok(lines)
}

/// Hands every id outside the vocabulary to `visit` and puts what it returns in its place. Added tokens without content, which
/// the crate underneath skips, are removed.
fn visit_ids(
    json: &mut Map<String, Value>,
    tokenizer: &Tokenizer,
    visit: &mut dyn FnMut(u32) -> Result<u32>,
) -> Result<()> {
    let mut one = |value: Option<&mut Value>, place: &str| -> Result<()> {
        let bad = || part(tokenizer, place, "expected an id");
        let value = value.ok_or_else(bad)?;
        *value = visit(as_id(value).ok_or_else(bad)?)?.into();
        Ok(())
    };
    if let Some(list) = json.get_mut("added_tokens").and_then(Value::as_array_mut) {
        list.retain(|token| {
            token.get("content").and_then(Value::as_str).is_some_and(|text| !text.is_empty())
        });
        for token in list {
            one(token.get_mut("id"), "added_tokens")?;
        }
    }
    if let Some(padding) = json.get_mut("padding").filter(|p| !p.is_null()) {
        one(padding.get_mut("pad_id"), "padding.pad_id")?;
    }
    for processor in json.get_mut("post_processor").into_iter().flat_map(processors) {
        match processor.get("type").and_then(Value::as_str) {
            Some("BertProcessing" | "RobertaProcessing") => {
                for key in ["cls", "sep"] {
                    one(processor.get_mut(key).and_then(|pair| pair.get_mut(1)), "post_processor")?;
                }
            }
            Some("TemplateProcessing") => {
                let special = processor.get_mut("special_tokens").and_then(Value::as_object_mut);
                for (_, token) in special.into_iter().flatten() {
                    for id in token.get_mut("ids").and_then(Value::as_array_mut).into_iter().flatten() {
                        one(Some(id), "post_processor.special_tokens")?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A post-processor, or those of a `Sequence`, in which no further one may stand.
fn processors(value: &mut Value) -> Vec<&mut Value> {
    match value.get("type").and_then(Value::as_str) {
        Some("Sequence") => {
            value.get_mut("processors").and_then(Value::as_array_mut).into_iter().flatten().collect()
        }
        _ => vec![value],
    }
}

/// `tokenizer_config.json` with the keys of its map from ids to added tokens renumbered; `None` where it has no such map.
fn settings_file(tokenizer: &Tokenizer, plan: &Plan) -> Result<Option<Vec<u8>>> {
    let mut settings = tokenizer.json(TOKENIZER_CONFIG_FILE)?.unwrap_or_default();
    let Some(decoder) = settings.get_mut(DECODER).and_then(Value::as_object_mut) else {
        return Ok(None);
    };
    let mut new = Map::new();
    for (id, token) in std::mem::take(decoder) {
        let problem = "tokenizer_config.json names an id that is none";
        let id = id.parse().map_err(|_| Error::OtherTokenizer { problem })?;
        new.insert(renumbered(plan, id)?.to_string(), token);
    }
    *decoder = new;
    Ok(Some(text(settings)))
}

/// `vocab.txt`: one token per line, its id the line's number from 0.
fn vocabulary_file(tokenizer: &Tokenizer, lines: &[String]) -> Result<Vec<u8>> {
    if lines.iter().any(|token| token.contains(['\n', '\r'])) {
        return Err(part(tokenizer, "model.vocab", "a token has a line break, which vocab.txt cannot hold"));
    }
    let mut out = Vec::with_capacity(lines.iter().map(|token| token.len() + 1).sum());
    for token in lines {
        out.extend_from_slice(token.as_bytes());
        out.push(b'\n');
    }
    Ok(out)
}

/// The bytes of a JSON file on one line.
fn text(json: Map<String, Value>) -> Vec<u8> {
    format!("{}\n", Value::Object(json)).into_bytes()
}
