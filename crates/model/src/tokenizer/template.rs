//! What surrounds the tokens of a text: the post-processor of a `tokenizer.json` as a list of pieces, and the rule
//! by which the texts of a pair are cut. The crate's own post-processors index into the file's claims unchecked;
//! here the claims are resolved once, on load.

use std::path::Path;

use serde_json::{Map, Value};

use super::check::{MAX_TOKEN_ID, part, token_id};
use crate::error::{Error, Result};

/// Most pieces of a template; BERT's have 3 and 5.
const MAX_PIECES: usize = 64;
/// Largest token type id.
const MAX_TYPE: u64 = 1_023;
/// Where problems are, in messages.
const PLACE: &str = "post_processor";
const SUPPORTED: &str = "TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence";

/// One part of a row and its token type id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Special(Vec<u32>, u32),
    First(u32),
    Second(u32),
}

/// The layout of a row, for single texts and for pairs. Each holds its texts exactly once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    single: Vec<Piece>,
    pair: Vec<Piece>,
}

impl Template {
    /// No special tokens; the second text of a pair has type 1.
    fn bare() -> Self {
        Self { single: vec![Piece::First(0)], pair: vec![Piece::First(0), Piece::Second(1)] }
    }

    /// Reads a `post_processor`.
    pub(super) fn parse(value: &Value, path: &Path) -> Result<Self> {
        Ok(Self::parse_any(value, path, true)?.unwrap_or_else(Self::bare))
    }

    /// `None` for processors that add nothing.
    fn parse_any(value: &Value, path: &Path, outermost: bool) -> Result<Option<Self>> {
        let file = || path.to_path_buf();
        if value.is_null() {
            return Ok(None);
        }
        let object = value.as_object().ok_or_else(|| part(path, PLACE, "expected an object"))?;
        match object.get("type").and_then(Value::as_str).unwrap_or("") {
            "TemplateProcessing" => {
                let single = pieces(object, "single", path)?;
                let pair = pieces(object, "pair", path)?;
                let counts = |p: &[Piece]| {
                    let first = p.iter().filter(|p| matches!(p, Piece::First(_))).count();
                    (first, p.iter().filter(|p| matches!(p, Piece::Second(_))).count())
                };
                if counts(&single) != (1, 0) {
                    return Err(part(
                        path,
                        "post_processor.single",
                        "must hold sequence A once and no other",
                    ));
                }
                if counts(&pair) != (1, 1) {
                    return Err(part(path, "post_processor.pair", "must hold sequences A and B once each"));
                }
                Ok(Some(Self { single, pair }))
            }
            "BertProcessing" => {
                let (start, end) = (cls_or_sep(object, "cls", path)?, cls_or_sep(object, "sep", path)?);
                let special = |id, kind| Piece::Special(vec![id], kind);
                let single = vec![special(start, 0), Piece::First(0), special(end, 0)];
                let mut pair = single.clone();
                pair.extend([Piece::Second(1), special(end, 1)]);
                Ok(Some(Self { single, pair }))
            }
            "RobertaProcessing" => {
                let (start, end) = (cls_or_sep(object, "cls", path)?, cls_or_sep(object, "sep", path)?);
                let special = |id| Piece::Special(vec![id], 0);
                let single = vec![special(start), Piece::First(0), special(end)];
                let mut pair = single.clone();
                pair.extend([special(end), Piece::Second(0), special(end)]);
                Ok(Some(Self { single, pair }))
            }
            // Changes offsets only, which nothing here uses.
            "ByteLevel" => Ok(None),
            "Sequence" if outermost => {
                let steps = object.get("processors").and_then(Value::as_array);
                let steps =
                    steps.ok_or_else(|| part(path, "post_processor.processors", "expected a list"))?;
                let mut found = None;
                for step in steps {
                    let template = Self::parse_any(step, path, false)?;
                    if template.is_some() && found.is_some() {
                        return Err(part(path, PLACE, "more than one processor that adds tokens"));
                    }
                    found = found.or(template);
                }
                Ok(found)
            }
            other => Err(Error::TokenizerUnsupported {
                file: file(),
                place: PLACE,
                found: other.to_owned(),
                supported: SUPPORTED,
            }),
        }
    }

    fn layout(&self, pair: bool) -> &[Piece] {
        if pair { &self.pair } else { &self.single }
    }

    /// The number of special tokens in a row.
    pub(super) fn added(&self, pair: bool) -> usize {
        let len = |p: &Piece| {
            if let Piece::Special(ids, _) = p { ids.len() } else { 0 }
        };
        self.layout(pair).iter().map(len).sum()
    }

    /// The largest id among the special tokens.
    pub(super) fn largest_id(&self) -> u32 {
        let ids = |p: &Piece| {
            if let Piece::Special(ids, _) = p { ids.iter().copied().max() } else { None }
        };
        self.single.iter().chain(&self.pair).filter_map(ids).max().unwrap_or(0)
    }

    /// The largest token type id in a row.
    pub(super) fn largest_type(&self, pair: bool) -> u32 {
        let kind = |p: &Piece| match p {
            Piece::Special(_, kind) | Piece::First(kind) | Piece::Second(kind) => *kind,
        };
        self.layout(pair).iter().map(kind).max().unwrap_or(0)
    }

    /// Ids and token type ids of a row.
    pub(super) fn apply(&self, first: &[u32], second: Option<&[u32]>) -> (Vec<u32>, Vec<u32>) {
        let length = first.len() + second.map_or(0, <[u32]>::len) + self.added(second.is_some());
        let (mut ids, mut types) = (Vec::with_capacity(length), Vec::with_capacity(length));
        for piece in self.layout(second.is_some()) {
            let (part, kind) = match piece {
                Piece::Special(special, kind) => (special.as_slice(), *kind),
                Piece::First(kind) => (first, *kind),
                Piece::Second(kind) => (second.unwrap_or_default(), *kind),
            };
            ids.extend_from_slice(part);
            types.resize(ids.len(), kind);
        }
        (ids, types)
    }
}

/// How many tokens of each text are kept when both together may have `room`: the longer text is cut to what the
/// shorter one leaves, and where that is less than half, each gets half, the odd token going to the longer one (to
/// the second where both are as long).
pub(super) fn longest_first(first: usize, second: Option<usize>, room: usize) -> (usize, usize) {
    let Some(second) = second else {
        return (first.min(room), 0);
    };
    if first.saturating_add(second) <= room {
        return (first, second);
    }
    let short = first.min(second).min(room / 2);
    let long = room - short;
    if first > second { (long, short) } else { (short, long) }
}

/// `["[CLS]", 101]`.
fn cls_or_sep(object: &Map<String, Value>, key: &'static str, path: &Path) -> Result<u32> {
    let Some([Value::String(token), id]) = object.get(key).and_then(Value::as_array).map(Vec::as_slice)
    else {
        return Err(part(path, &format!("{PLACE}.{key}"), "expected a token and its id"));
    };
    token_id(id, token, PLACE, path)
}

/// The pieces under `key`, with the special tokens they name looked up.
fn pieces(object: &Map<String, Value>, key: &'static str, path: &Path) -> Result<Vec<Piece>> {
    let place = format!("{PLACE}.{key}");
    let bad = |problem| part(path, &place, problem);
    let list = object.get(key).and_then(Value::as_array).ok_or_else(|| bad("expected a list of pieces"))?;
    if list.len() > MAX_PIECES {
        return Err(bad("more than 64 pieces"));
    }
    let piece = |value: &Value| {
        let map = value.as_object().filter(|m| m.len() == 1);
        let (kind, fields) =
            map.and_then(|m| m.iter().next()).ok_or_else(|| bad("expected one piece per object"))?;
        let id = fields.get("id").and_then(Value::as_str).ok_or_else(|| bad("a piece lacks its id"))?;
        let type_id = fields.get("type_id").and_then(Value::as_u64).filter(|t| *t <= MAX_TYPE);
        let type_id = type_id.ok_or_else(|| bad("type_id must be an integer from 0 to 1023"))? as u32;
        match (kind.as_str(), id) {
            ("Sequence", "A") => Ok(Piece::First(type_id)),
            ("Sequence", "B") => Ok(Piece::Second(type_id)),
            ("SpecialToken", token) => Ok(Piece::Special(special_ids(object, token, path)?, type_id)),
            _ => Err(bad("a piece is neither Sequence A or B nor SpecialToken")),
        }
    };
    list.iter().map(piece).collect()
}

fn special_ids(object: &Map<String, Value>, token: &str, path: &Path) -> Result<Vec<u32>> {
    const SPECIALS: &str = "post_processor.special_tokens";
    let entry = object.get("special_tokens").and_then(|s| s.get(token));
    let entry =
        entry.ok_or_else(|| Error::TemplateToken { file: path.to_path_buf(), token: token.to_owned() })?;
    let ids = entry.get("ids").and_then(Value::as_array);
    let ids = ids.ok_or_else(|| part(path, SPECIALS, "a token lacks its list of ids"))?;
    if ids.is_empty() || ids.len() > MAX_PIECES {
        return Err(part(path, SPECIALS, "a token must have 1 to 64 ids"));
    }
    if entry.get("tokens").and_then(Value::as_array).is_none_or(|t| t.len() != ids.len()) {
        return Err(part(path, SPECIALS, "a token must have as many tokens as ids"));
    }
    ids.iter().map(|id| token_id(id, token, SPECIALS, path)).collect()
}

const _: () = assert!(MAX_TOKEN_ID < u32::MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_cut_longest_first() {
        let cases = [
            // first, second, room, kept
            (3, Some(4), 7, (3, 4)),
            (3, Some(9), 7, (3, 4)),
            (9, Some(3), 7, (4, 3)),
            (9, Some(9), 7, (3, 4)),
            (9, Some(8), 7, (4, 3)),
            (8, Some(9), 7, (3, 4)),
            (9, Some(9), 8, (4, 4)),
            (0, Some(9), 5, (0, 5)),
            (9, Some(0), 5, (5, 0)),
            (9, Some(9), 1, (0, 1)),
            (9, None, 5, (5, 0)),
            (2, None, 5, (2, 0)),
        ];
        for (first, second, room, kept) in cases {
            assert_eq!(longest_first(first, second, room), kept, "{first} {second:?} {room}");
        }
    }
}
