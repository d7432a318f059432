//! The label map of `config.json`: `id2label`, `label2id` and `num_labels`, which must agree.

use std::collections::HashSet;

use serde_json::Value;

use super::MAX_LABELS;
use super::keys::Keys;
use crate::error::{Error, Result};

/// The labels in the order of their ids; empty where the file names none.
pub(super) fn read(keys: &Keys) -> Result<Vec<String>> {
    let count = keys.size("num_labels", 0, MAX_LABELS)?;
    let by_id = id2label(keys)?;
    let by_name = label2id(keys)?;
    let file = || keys.path.to_path_buf();
    let labels = match (by_id, by_name, count) {
        (Some(labels), by_name, _) => {
            if let Some(by_name) = by_name {
                check_inverse(keys, &labels, &by_name)?;
            }
            labels
        }
        (None, Some(by_name), _) => {
            in_order(keys, by_name.into_iter().map(|(label, id)| (id, label)).collect(), "label2id")?
        }
        (None, None, Some(count)) => (0..count).map(|i| format!("LABEL_{i}")).collect(),
        (None, None, None) => Vec::new(),
    };
    match count {
        Some(found) if found != labels.len() => {
            Err(Error::LabelCount { file: file(), found, count: labels.len() })
        }
        _ => Ok(labels),
    }
}

/// `{"0": "ham", "1": "spam"}`; integers are accepted as labels and become strings.
fn id2label(keys: &Keys) -> Result<Option<Vec<String>>> {
    const KEY: &str = "id2label";
    let Some(value) = keys.get(KEY) else {
        return Ok(None);
    };
    let map = value.as_object().ok_or_else(|| keys.wrong_type(KEY, "an object", value))?;
    check_count(keys, KEY, map.len())?;
    let mut pairs = Vec::with_capacity(map.len());
    for (id, label) in map {
        let digits = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
        let number = id.parse::<usize>().ok().filter(|_| digits);
        let number = number.ok_or_else(|| {
            keys.wrong_type(KEY, "keys that are integers from 0 up", &Value::String(id.clone()))
        })?;
        let label = match label {
            Value::String(label) => label.clone(),
            Value::Number(n) if !n.is_f64() => n.to_string(),
            other => return Err(keys.wrong_type("id2label.*", "a string", other)),
        };
        pairs.push((number, label));
    }
    in_order(keys, pairs, KEY).map(Some)
}

/// `{"ham": 0, "spam": 1}`, in the file's order.
fn label2id(keys: &Keys) -> Result<Option<Vec<(String, usize)>>> {
    const KEY: &str = "label2id";
    let Some(value) = keys.get(KEY) else {
        return Ok(None);
    };
    let map = value.as_object().ok_or_else(|| keys.wrong_type(KEY, "an object", value))?;
    check_count(keys, KEY, map.len())?;
    let pair = |(label, id): (&String, &Value)| {
        let number = id.as_u64().and_then(|n| usize::try_from(n).ok());
        let number = number.ok_or_else(|| keys.wrong_type("label2id.*", "an integer from 0 up", id))?;
        Ok((label.clone(), number))
    };
    map.iter().map(pair).collect::<Result<_>>().map(Some)
}

fn check_count(keys: &Keys, key: &'static str, count: usize) -> Result<()> {
    if count <= MAX_LABELS {
        return Ok(());
    }
    let allowed = format!("0 to {MAX_LABELS} labels");
    Err(Error::KeyRange { file: keys.path.to_path_buf(), key, found: count.to_string(), allowed })
}

/// Sorts by id and checks that the ids are exactly 0, 1, ... and the labels all different.
fn in_order(keys: &Keys, mut pairs: Vec<(usize, String)>, key: &'static str) -> Result<Vec<String>> {
    let file = || keys.path.to_path_buf();
    pairs.sort_unstable();
    let count = pairs.len();
    for (missing, (id, _)) in pairs.iter().enumerate() {
        if *id < missing {
            return Err(Error::LabelDuplicate { file: file(), key, found: id.to_string() });
        }
        if *id > missing {
            return Err(Error::LabelGap { file: file(), count, missing });
        }
    }
    let labels: Vec<String> = pairs.into_iter().map(|p| p.1).collect();
    let mut sorted: Vec<&String> = labels.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|w| w[0] == w[1]) {
        Some(pair) => Err(Error::LabelDuplicate { file: file(), key, found: pair[0].clone() }),
        None => Ok(labels),
    }
}

fn check_inverse(keys: &Keys, labels: &[String], by_name: &[(String, usize)]) -> Result<()> {
    let mismatch =
        |label: &String| Error::LabelMismatch { file: keys.path.to_path_buf(), label: label.clone() };
    if let Some((label, _)) = by_name.iter().find(|(label, id)| labels.get(*id) != Some(label)) {
        return Err(mismatch(label));
    }
    // Every entry is right and JSON keys are unique, so fewer entries than labels means that one is missing.
    if by_name.len() < labels.len() {
        let named: HashSet<&String> = by_name.iter().map(|(label, _)| label).collect();
        return labels
            .iter()
            .find(|label| !named.contains(label))
            .map_or(Ok(()), |label| Err(mismatch(label)));
    }
    Ok(())
}
