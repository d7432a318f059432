//! Hostile `tokenizer.json` files: refused with an error of their own before the crate underneath sees them, and no
//! panic for any mutation of a file.

#![expect(clippy::too_many_lines, reason = "one table of hostile files")]

#[path = "files_support/tokenizer.rs"]
mod support;

use std::path::Path;

use filbert_model::error::Error;
use filbert_model::tokenizer::Tokenizer;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{load, one, small, unigram};

/// One change to the small tokenizer, by JSON pointer.
fn changed(pointer: &str, value: Value) -> Value {
    let mut json = small();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    match json.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        object => object[key] = value,
    }
    json
}

#[test]
fn hostile_files() {
    let replace =
        |content: String| json!({"type": "Replace", "pattern": {"String": "a"}, "content": content});
    let nested = |inner: Value| json!({"type": "Sequence", "normalizers": [inner]});
    let cases = [
        ("/version", json!("2.0"), "version"),
        ("/truncation/stride", json!(8), "stride 8 is not below"),
        ("/truncation/stride", json!(6), "stride 6 is not below max_length 8 less 2"),
        ("/truncation/stride", json!(u64::MAX), "is not below"),
        ("/truncation/stride", json!(-1), "truncation.stride"),
        ("/truncation/max_length", json!(1), "is not below max_length 1 less 2"),
        ("/truncation/max_length", json!("8"), "truncation.max_length"),
        ("/truncation/strategy", json!("All"), "truncation.strategy"),
        ("/truncation/direction", json!("Up"), "truncation.direction"),
        ("/truncation", json!([]), "truncation.max_length"),
        ("/padding/strategy", json!({"Fixed": u64::MAX}), "padding.strategy"),
        ("/padding/strategy", json!("Longest"), "padding.strategy"),
        ("/padding/pad_to_multiple_of", json!(0), "padding.pad_to_multiple_of"),
        ("/padding/pad_to_multiple_of", json!(u64::MAX), "padding.pad_to_multiple_of"),
        ("/padding/pad_id", json!(-1), "padding.pad_id"),
        ("/padding/pad_token", Value::Null, "padding.pad_token"),
        ("/padding/direction", json!(1), "padding.direction"),
        ("/added_tokens", json!({}), "added_tokens"),
        ("/added_tokens/0/id", json!(-1), "token `[PAD]` has an id that is no integer"),
        ("/added_tokens/0/id", json!(4_294_967_295u32), "token `[PAD]` has an id"),
        ("/added_tokens/0/id", json!(7), "added token `[PAD]` says id 7 but gets 0"),
        ("/added_tokens/0/content", json!(1), "a token lacks its content"),
        ("/added_tokens/0/content", json!("x".repeat(1_000)), "longer than 256 bytes"),
        ("/added_tokens/0/lstrip", Value::Null, "five flags"),
        ("/normalizer", json!("lower"), "normalizer: expected an object"),
        ("/normalizer", json!({}), "normalizer `` is not supported"),
        ("/normalizer/type", json!("Shift\nCase"), "normalizer `Shift\\nCase` is not supported"),
        ("/normalizer", replace("b".repeat(1_000)), "64 times longer"),
        (
            "/normalizer",
            json!({"type": "Sequence", "normalizers": [replace("aaaaaaaaa".into()), replace("aaaaaaaaa".into())]}),
            "64 times longer",
        ),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"Regex": "(?:a+)+$"}, "content": ""}),
            "(? group",
        ),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"Regex": "(a*)*\\1"}, "content": ""}),
            "backslash",
        ),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"String": ""}, "content": "x"}),
            "1 to 64 bytes",
        ),
        (
            "/normalizer",
            json!({"type": "Replace", "pattern": {"Regex": "("}, "content": ""}),
            "tokenizer.json",
        ),
        ("/normalizer", json!({"type": "Precompiled", "precompiled_charsmap": "!"}), "the table is damaged"),
        (
            "/normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "/////w=="}),
            "the table is damaged",
        ),
        ("/normalizer", json!({"type": "Precompiled"}), "without precompiled_charsmap"),
        (
            "/normalizer",
            json!({"type": "Sequence", "normalizers": vec![json!({"type": "NFC"}); 40]}),
            "more than 32 steps",
        ),
        ("/normalizer", (0..70).fold(json!({"type": "NFC"}), |inner, _| nested(inner)), "levels deep"),
        ("/pre_tokenizer", json!({"type": "Split", "pattern": {"Regex": "(a|a)*"}}), "pre_tokenizer `Split`"),
        ("/post_processor/special_tokens", json!({}), "the template names `[CLS]`"),
        (
            "/post_processor/single/0",
            json!({"SpecialToken": {"id": "[X]", "type_id": 0}}),
            "the template names `[X]`",
        ),
        ("/post_processor/single/1", json!({"Sequence": {"id": "B", "type_id": 0}}), "post_processor.single"),
        (
            "/post_processor/single/1",
            json!({"Sequence": {"id": "C", "type_id": 0}}),
            "neither Sequence A or B",
        ),
        ("/post_processor/single/1/Sequence/type_id", json!(-1), "type_id must be"),
        ("/post_processor/single", json!([]), "must hold sequence A once"),
        ("/post_processor/pair/3", json!({"Sequence": {"id": "A", "type_id": 0}}), "post_processor.pair"),
        ("/post_processor/pair", json!("$A $B"), "expected a list of pieces"),
        ("/post_processor/special_tokens/[SEP]/ids", json!([]), "1 to 64 ids"),
        ("/post_processor/special_tokens/[SEP]/ids", json!([1, 2]), "as many tokens as ids"),
        ("/post_processor/special_tokens/[SEP]/ids", json!([-3]), "token `[SEP]` has an id"),
        ("/post_processor/type", json!("Mystery"), "post_processor `Mystery`"),
        (
            "/post_processor",
            json!({"type": "BertProcessing", "sep": ["[SEP]"], "cls": ["[CLS]", 2]}),
            "a token and its id",
        ),
        ("/model", Value::Null, "model: expected an object"),
        ("/model/type", json!("BPE"), "model `BPE` is not supported yet; supported: WordPiece"),
        ("/model/vocab", json!([]), "model.vocab"),
        ("/model/vocab", json!({}), "token `[UNK]` is not in the vocabulary"),
        ("/model/vocab/cat", json!(-12), "token `cat` has an id"),
        ("/model/vocab/cat", json!(1e10), "token `cat` has an id"),
        ("/model/vocab/cat", json!(4_294_967_296u64), "token `cat` has an id"),
        ("/model/unk_token", json!("[NONE]"), "token `[NONE]` is not in the vocabulary"),
        ("/model/unk_token", Value::Null, "model.unk_token"),
        ("/model/max_input_chars_per_word", json!(1_000_000_000), "max_input_chars_per_word"),
        ("/model/continuing_subword_prefix", json!("#".repeat(1_000)), "continuing_subword_prefix"),
        ("/model", json!({"type": "Unigram", "unk_id": 1, "vocab": [["a", 0.0]]}), "model.unk_id"),
        ("/model", json!({"type": "Unigram", "unk_id": null, "vocab": [["a", 0.0]]}), "model.unk_id"),
        ("/model", json!({"type": "Unigram", "unk_id": 0, "vocab": []}), "model.unk_id"),
        ("/model", json!({"type": "Unigram", "unk_id": 0, "vocab": [["a", "b"]]}), "model.vocab"),
        (
            "/model",
            json!({"type": "Unigram", "unk_id": 0, "vocab": [["a".repeat(1_000), 1.0]]}),
            "model.vocab",
        ),
    ];
    let mut failed = Vec::new();
    for (pointer, value, says) in cases {
        let shown: String = value.to_string().chars().take(60).collect();
        match load(&changed(pointer, value)) {
            Ok(_) => failed.push(format!("{pointer} {shown}: accepted")),
            Err(Error::TokenizerPanic { .. }) => failed.push(format!("{pointer} {shown}: panicked")),
            Err(e) => {
                let message = e.to_string();
                if !message.contains(says) || message.contains('\n') {
                    failed.push(format!("{pointer} {shown}: {message}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
    let twice = small().to_string().replacen("\"cat\":12", "\"cat\":12,\"cat\":13", 1);
    let error = Tokenizer::from_json(twice.as_bytes(), Path::new("t")).unwrap_err().to_string();
    assert!(error.contains("duplicate key `model.vocab.cat`"), "{error}");
}

/// A token that takes the spaces to its right, and one that begins with a space.
#[test]
fn added_tokens_that_overlap() {
    let flags = |content: &str, id: u32, strip: bool| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": strip, "rstrip": strip,
            "normalized": false, "special": false})
    };
    let mut json = small();
    json["added_tokens"] = json!([flags("[MASK]", 4, true), flags("  ", 22, true)]);
    assert!(load(&json).unwrap_err().to_string().contains("strips spaces"));
    json["added_tokens"] = json!([flags("[MASK]", 4, false), flags("  ", 22, false)]);
    assert_eq!(one(&load(&json).unwrap(), "a[MASK]  a", None, 64).ids, [2, 5, 4, 22, 5, 3]);
}

/// The trie `a` -> "bc", as a double array.
fn charsmap(value: u32, replacements: &[u8]) -> String {
    let mut units = vec![0u32; 512];
    // The root's children lie at byte ^ 0x100; the one child, `a`, has its leaf at 0x180.
    units[0] = 0x100 << 10;
    units[0x161] = 0x61 | 1 << 8 | ((0x161 ^ 0x180) << 10);
    units[0x180] = value | 1 << 31;
    let mut bytes = (units.len() as u32 * 4).to_le_bytes().to_vec();
    bytes.extend(units.iter().flat_map(|u| u.to_le_bytes()));
    bytes.extend_from_slice(replacements);
    encode_base64(&bytes)
}

fn encode_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain(&[0, 0]).take(3).fold(0u32, |bits, b| bits << 8 | u32::from(*b));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i > group.len() { '=' } else { char::from(digit) });
        }
    }
    out
}

#[test]
fn precompiled_normalizers() {
    let with = |value, text: &[u8]| {
        let mut json = small();
        json["normalizer"] = json!({"type": "Precompiled", "precompiled_charsmap": charsmap(value, text)});
        load(&json)
    };
    let tokenizer = with(0, b"bc\0").unwrap();
    assert_eq!(one(&tokenizer, "a", None, 64).ids, [2, 6, 10, 3]);
    assert_eq!(one(&with(1, b"bc").unwrap(), "a", None, 64).ids, [2, 7, 3]);
    // Past the end, inside a character, too long.
    for (value, text) in [(4, "bc\0"), (0x7fff_ffff, "bc\0"), (1, "é\0"), (0, "b".repeat(300).as_str())] {
        let error = with(value, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("the table is damaged"), "{value} {error}");
    }
}

/// Every path in a JSON value.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), out));
        }
        Value::Object(map) => map.iter().for_each(|(k, v)| pointers(v, &format!("{at}/{k}"), out)),
        _ => {}
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2i64..30).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,4}".prop_map(Value::from),
        prop::sample::select(vec![
            "[CLS]",
            "[UNK]",
            "A",
            "B",
            "Left",
            "NFD",
            "Nmt",
            "Strip",
            "StripAccents",
            "Lowercase",
            "Prepend",
            "Digits",
            "Whitespace",
            "WhitespaceSplit",
            "Punctuation",
            "Metaspace",
            "WordLevel",
            "Unigram",
            "Sequence",
            "ByteLevel",
            " ",
            "\u{300}",
            "OnlyFirst",
            "BertProcessing",
            "RobertaProcessing",
        ])
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[" a", -1.0], ["a", 1e308]])),
        Just(json!({"type": "Metaspace", "replacement": "a"})),
        Just(json!({"type": "Prepend", "prepend": "ab"})),
        Just(json!({"type": "Strip", "strip_left": true, "strip_right": true})),
        Just(json!({"type": "Punctuation", "behavior": "Contiguous"})),
        Just(json!({"type": "Replace", "pattern": {"Regex": "a*"}, "content": "bb"})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn mutated_files_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), replacement()), 1..4),
        second in any::<bool>(),
        text in "[a-c .\\[\\]CLS]{0,20}",
    ) {
        let mut json = if second { unigram() } else { small() };
        for (at, value) in edits {
            let mut all = Vec::new();
            pointers(&json, "", &mut all);
            let pointer = &all[at.index(all.len())];
            if let Some(place) = json.pointer_mut(pointer) {
                *place = value;
            }
        }
        match load(&json) {
            Ok(tokenizer) => {
                for text in [text.as_str(), "the cats [MASK]  sat. É\u{200b}", ""] {
                    for pairs in [None, Some(&["a b"][..])] {
                        let least = tokenizer.added_tokens(pairs.is_some()) + 1;
                        let rows = tokenizer.encode_batch(&[text], pairs, least + 3);
                        if let Err(Error::Encode { problem, .. }) = &rows {
                            prop_assert!(!problem.contains("library failed"), "{json}");
                        }
                        for row in rows.into_iter().flatten() {
                            prop_assert!(row.ids.iter().all(|id| *id <= tokenizer.largest_id()), "{json}");
                            prop_assert!(row.ids.len() <= least + 3 && row.ids.len() == row.type_ids.len());
                        }
                    }
                }
            }
            Err(Error::TokenizerPanic { .. }) => prop_assert!(false, "panicked on {json}"),
            Err(_) => {}
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Tokenizer::from_json(&bytes, Path::new("t"));
    }
}
