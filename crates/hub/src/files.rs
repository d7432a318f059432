//! The files that make a checkpoint, and the rules for their names. Nothing outside this list is ever fetched or
//! unpacked.

use crate::settings::Limits;
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const INDEX: &str = "model.safetensors.index.json";
pub(crate) const TOKENIZERS: [&str; 2] = ["tokenizer.json", "vocab.txt"];

/// What is taken beside the weights, where present.
pub(crate) const SMALL: [&str; 6] = [
    CONFIG,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "filbert.json",
];

/// Most shards that an index may name.
const MAX_SHARDS: usize = 1_000;
/// Longest shard name.
const MAX_NAME: usize = 200;

/// Whether `name` is a plain shard name: no separators, no leading dot, and the right ending.
pub(crate) fn is_shard_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.ends_with(".safetensors")
        && !name.starts_with('.')
        && !name.contains("..")
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

/// Whether `name` (without folders) holds pickled weights.
pub(crate) fn is_pickled(name: &str) -> bool {
    let ending = Path::new(name).extension().unwrap_or_default();
    ["bin", "pt", "pth", "ckpt"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Most bytes accepted for `name`.
pub(crate) fn limit(name: &str, limits: &Limits) -> u64 {
    if name.ends_with(".safetensors") { limits.weights } else { limits.small_file }
}

/// Why an index of shards cannot be used.
#[derive(Debug)]
pub(crate) enum IndexFault {
    /// Not the JSON it should be.
    Unreadable(String),
    /// A name with path tricks, or not a safetensors name.
    BadName(String),
}

#[derive(Deserialize)]
struct Index {
    weight_map: HashMap<String, String>,
}

/// The shards that an index names, sorted and validated.
pub(crate) fn shards(index: &[u8]) -> Result<Vec<String>, IndexFault> {
    let index: Index =
        serde_json::from_slice(index).map_err(|error| IndexFault::Unreadable(error.to_string()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    if names.is_empty() || names.len() > MAX_SHARDS {
        return Err(IndexFault::Unreadable(format!("it names {} shards", names.len())));
    }
    match names.iter().find(|name| !is_shard_name(name)) {
        Some(bad) => Err(IndexFault::BadName(bad.clone())),
        None => Ok(names.into_iter().collect()),
    }
}

/// Whether `folder` holds everything that inference needs. Links are followed, so one that leads nowhere counts
/// as missing.
pub(crate) fn is_complete(folder: &Path, limits: &Limits) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    has(CONFIG) && TOKENIZERS.iter().any(|name| has(name)) && weights_complete(folder, limits, &has)
}

fn weights_complete(folder: &Path, limits: &Limits, has: &dyn Fn(&str) -> bool) -> bool {
    if has(WEIGHTS) {
        return true;
    }
    let mut text = Vec::new();
    let Ok(file) = File::open(folder.join(INDEX)) else {
        return false;
    };
    if file.take(limits.small_file).read_to_end(&mut text).is_err() {
        return false;
    }
    shards(&text).is_ok_and(|names| names.iter().all(|name| has(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_names() {
        for (name, want) in [
            ("model-00001-of-00002.safetensors", true),
            ("model.safetensors", true),
            ("../model.safetensors", false),
            ("a/b.safetensors", false),
            ("a\\b.safetensors", false),
            ("C:x.safetensors", false),
            (".safetensors", false),
            ("a..safetensors", false),
            ("model.bin", false),
            ("", false),
        ] {
            assert_eq!(is_shard_name(name), want, "{name}");
        }
        assert!(!is_shard_name(&format!("{}.safetensors", "a".repeat(300))));
    }

    #[test]
    fn indices() {
        let good = shards(br#"{"metadata":{},"weight_map":{"a":"m2.safetensors","b":"m1.safetensors","c":"m1.safetensors"}}"#);
        assert_eq!(good.unwrap(), ["m1.safetensors", "m2.safetensors"]);
        assert!(matches!(shards(br#"{"weight_map":{"a":"../m.safetensors"}}"#), Err(IndexFault::BadName(_))));
        for text in
            ["", "{}", "[]", r#"{"weight_map":{}}"#, r#"{"weight_map":{"a":1}}"#, &"[".repeat(100_000)]
        {
            assert!(matches!(shards(text.as_bytes()), Err(IndexFault::Unreadable(_))));
        }
    }
}
