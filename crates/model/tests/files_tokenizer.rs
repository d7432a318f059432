//! The tokenizer: the same ids as the crate underneath gives with its own truncation and special tokens, hostile
//! files refused before that crate sees them, and no panic for any mutation of a file.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use filbert_model::error::Error;
use filbert_model::tokenizer::{Encoding, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::{TruncationParams, TruncationStrategy};

const WORDS: [&str; 22] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", "the", "cat", "##s",
    "sat", ".", "!", "-", "paypal", "com", "é", "一",
];

/// A small BERT tokenizer, with the truncation and padding that MiniLM's file has.
fn small() -> Value {
    let vocab: serde_json::Map<String, Value> = WORDS
        .iter()
        .enumerate()
        .map(|(i, w)| ((*w).to_owned(), json!(i)))
        .collect();
    let added: Vec<Value> = (0..5)
        .map(|i| {
            json!({"id": i, "content": WORDS[i], "single_word": false, "lstrip": i == 4, "rstrip": false,
                "normalized": false, "special": true})
        })
        .collect();
    let special = |token: &str, kind: u32| json!({"SpecialToken": {"id": token, "type_id": kind}});
    let sequence = |name: &str, kind: u32| json!({"Sequence": {"id": name, "type_id": kind}});
    json!({
        "version": "1.0",
        "truncation": {"max_length": 8, "strategy": "LongestFirst", "stride": 0},
        "padding": {"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": added,
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0)],
            "pair": [special("[CLS]", 0), sequence("A", 0), special("[SEP]", 0), sequence("B", 1), special("[SEP]", 1)],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}
            }
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab}
    })
}

/// A small SentencePiece tokenizer.
fn unigram() -> Value {
    let mut json = small();
    let pieces: Vec<Value> = [
        "<s>", "<pad>", "</s>", "<unk>", "▁", "▁the", "▁cat", "s", "a", "b", "ab",
    ]
    .iter()
    .map(|p| json!([p, -1.5]))
    .collect();
    json["model"] = json!({"type": "Unigram", "unk_id": 3, "vocab": pieces, "byte_fallback": false});
    json["normalizer"] = json!({"type": "Sequence", "normalizers": [
        {"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]});
    json["pre_tokenizer"] =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true});
    json["post_processor"] = json!({"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0],
        "trim_offsets": true, "add_prefix_space": true});
    json["added_tokens"] = json!([{"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true}]);
    json
}

fn load(json: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(json.to_string().as_bytes(), Path::new("m/tokenizer.json"))
}

/// What the crate underneath gives with the options that transformers sets.
fn reference(json: &Value, text: &str, pair: Option<&str>, max_length: usize) -> Encoding {
    let mut json = json.clone();
    json["truncation"] = Value::Null;
    json["padding"] = Value::Null;
    let mut inner: tokenizers::Tokenizer = json.to_string().parse().unwrap();
    let long = match pair {
        Some(pair) => inner.encode((text, pair), true),
        None => inner.encode(text, true),
    };
    let params = TruncationParams {
        max_length,
        strategy: TruncationStrategy::LongestFirst,
        ..Default::default()
    };
    inner.with_truncation(Some(params)).unwrap();
    let cut = match pair {
        Some(pair) => inner.encode((text, pair), true),
        None => inner.encode(text, true),
    }
    .unwrap();
    let truncated = long.unwrap().get_ids().len() > cut.get_ids().len();
    Encoding {
        ids: cut.get_ids().to_vec(),
        type_ids: cut.get_type_ids().to_vec(),
        truncated,
    }
}

fn one(tokenizer: &Tokenizer, text: &str, pair: Option<&str>, max_length: usize) -> Encoding {
    let pair = pair.map(|p| [p]);
    let pair = pair.as_ref().map(|p| &p[..]);
    tokenizer
        .encode_batch(&[text], pair, max_length)
        .unwrap()
        .remove(0)
}

#[test]
fn known_texts() {
    let tokenizer = load(&small()).unwrap();
    let cases: [(&str, usize, &[u32], bool); 9] = [
        ("the cats sat.", 64, &[2, 11, 12, 13, 14, 15, 3], false),
        ("The CATS\tsat .", 64, &[2, 11, 12, 13, 14, 15, 3], false),
        ("the cats sat.", 5, &[2, 11, 12, 13, 3], true),
        ("the cats sat.", 3, &[2, 11, 3], true),
        ("the cats sat.", 7, &[2, 11, 12, 13, 14, 15, 3], false),
        ("", 64, &[2, 3], false),
        ("\u{200b}\u{200b}", 64, &[2, 3], false),
        ("dog [MASK] 一 pay\u{200b}pal", 64, &[2, 1, 4, 21, 18, 3], false),
        ("[SEP] a", 64, &[2, 3, 5, 3], false),
    ];
    for (text, max_length, ids, truncated) in cases {
        let row = one(&tokenizer, text, None, max_length);
        assert_eq!(
            (row.ids.as_slice(), row.truncated),
            (ids, truncated),
            "{text:?} {max_length}"
        );
        assert_eq!(row.type_ids, vec![0; ids.len()]);
    }
    let row = one(&tokenizer, "the cat", Some("sat"), 64);
    assert_eq!(
        (row.ids, row.type_ids),
        (vec![2, 11, 12, 3, 14, 3], vec![0, 0, 0, 0, 1, 1])
    );
    assert_eq!(
        (tokenizer.pad_id(), tokenizer.token_to_id("cat")),
        (Some(0), Some(12))
    );
    assert_eq!((tokenizer.vocab_size(), tokenizer.largest_id()), (22, 21));
    assert_eq!(
        (tokenizer.added_tokens(false), tokenizer.added_tokens(true)),
        (2, 3)
    );
    assert_eq!(tokenizer.id_to_token(12).as_deref(), Some("cat"));
}

#[test]
fn long_texts_are_not_tokenized_whole_but_the_same() {
    for json in [small(), unigram()] {
        let tokenizer = load(&json).unwrap();
        let words: String = (0..5_000)
            .map(|i| ["the ", "cats ", "x", "a", "\u{300} ", "[MASK] "][i * i % 6])
            .collect();
        let zeros = format!("{}the cat {}", "\u{200b} ".repeat(3_000), "sat ".repeat(3_000));
        for text in [words.as_str(), &zeros, &"a".repeat(9_000), &" ".repeat(9_000)] {
            for max_length in [4, 20, 500] {
                assert_eq!(
                    one(&tokenizer, text, None, max_length),
                    reference(&json, text, None, max_length)
                );
                let pair = Some("the cat sat");
                assert_eq!(
                    one(&tokenizer, text, pair, max_length),
                    reference(&json, text, pair, max_length)
                );
            }
        }
    }
}

#[test]
fn truncation_on_the_left() {
    let mut json = small();
    json["truncation"]["direction"] = json!("Left");
    let row = one(&load(&json).unwrap(), "the cats sat.", None, 4);
    assert_eq!((row.ids, row.truncated), (vec![2, 14, 15, 3], true));
}

#[test]
fn batches_keep_their_order() {
    let tokenizer = load(&small()).unwrap();
    let texts: Vec<String> = (0..500).map(|i| "cat ".repeat(i % 17)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (i, row) in tokenizer
        .encode_batch(&texts, None, 64)
        .unwrap()
        .iter()
        .enumerate()
    {
        assert_eq!(row.ids.len(), i % 17 + 2);
    }
    assert!(tokenizer.encode_batch(&[], None, 64).unwrap().is_empty());
}

#[test]
fn wrong_arguments() {
    let tokenizer = load(&small()).unwrap();
    assert!(matches!(
        tokenizer.encode_batch(&["a"], None, 2),
        Err(Error::MaxLength { added: 2, .. })
    ));
    assert!(matches!(
        tokenizer.encode_batch(&["a"], Some(&["b"]), 3),
        Err(Error::MaxLength { added: 3, .. })
    ));
    assert!(matches!(
        tokenizer.encode_batch(&["a"], Some(&[]), 9),
        Err(Error::PairCount { .. })
    ));
    assert_eq!(one(&tokenizer, "a b", None, usize::MAX).ids, [2, 5, 6, 3]);
    assert!(tokenizer.check_vocabulary(22).is_ok());
    assert!(matches!(
        tokenizer.check_vocabulary(21),
        Err(Error::VocabularyTooLarge {
            largest: 21,
            rows: 21,
            ..
        })
    ));
    assert!(tokenizer.check_types(1, false).is_ok());
    assert!(matches!(
        tokenizer.check_types(1, true),
        Err(Error::TooManyTypes { .. })
    ));
}

#[test]
fn an_added_token_beyond_the_vocabulary_counts() {
    let mut json = small();
    let token = json!({"id": 22, "content": "<url>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": false});
    json["added_tokens"].as_array_mut().unwrap().push(token);
    let tokenizer = load(&json).unwrap();
    assert_eq!(one(&tokenizer, "a <url> b", None, 64).ids, [2, 5, 22, 6, 3]);
    assert!(tokenizer.check_vocabulary(22).is_err());
    json["added_tokens"][5]["id"] = json!(30);
    assert!(matches!(
        load(&json),
        Err(Error::AddedTokenId {
            expected: 30,
            actual: 22,
            ..
        })
    ));
}

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
        (
            "/truncation/stride",
            json!(6),
            "stride 6 is not below max_length 8 less 2",
        ),
        ("/truncation/stride", json!(u64::MAX), "is not below"),
        ("/truncation/stride", json!(-1), "truncation.stride"),
        (
            "/truncation/max_length",
            json!(1),
            "is not below max_length 1 less 2",
        ),
        ("/truncation/max_length", json!("8"), "truncation.max_length"),
        ("/truncation/strategy", json!("All"), "truncation.strategy"),
        ("/truncation/direction", json!("Up"), "truncation.direction"),
        ("/truncation", json!([]), "truncation.max_length"),
        (
            "/padding/strategy",
            json!({"Fixed": u64::MAX}),
            "padding.strategy",
        ),
        ("/padding/strategy", json!("Longest"), "padding.strategy"),
        (
            "/padding/pad_to_multiple_of",
            json!(0),
            "padding.pad_to_multiple_of",
        ),
        (
            "/padding/pad_to_multiple_of",
            json!(u64::MAX),
            "padding.pad_to_multiple_of",
        ),
        ("/padding/pad_id", json!(-1), "padding.pad_id"),
        ("/padding/pad_token", Value::Null, "padding.pad_token"),
        ("/padding/direction", json!(1), "padding.direction"),
        ("/added_tokens", json!({}), "added_tokens"),
        (
            "/added_tokens/0/id",
            json!(-1),
            "token `[PAD]` has an id that is no integer",
        ),
        (
            "/added_tokens/0/id",
            json!(4_294_967_295u32),
            "token `[PAD]` has an id",
        ),
        (
            "/added_tokens/0/id",
            json!(7),
            "added token `[PAD]` says id 7 but gets 0",
        ),
        ("/added_tokens/0/content", json!(1), "a token lacks its content"),
        (
            "/added_tokens/0/content",
            json!("x".repeat(1_000)),
            "longer than 256 bytes",
        ),
        ("/added_tokens/0/lstrip", Value::Null, "five flags"),
        ("/normalizer", json!("lower"), "normalizer: expected an object"),
        ("/normalizer", json!({}), "normalizer `` is not supported"),
        (
            "/normalizer/type",
            json!("Shift\nCase"),
            "normalizer `Shift\\nCase` is not supported",
        ),
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
        (
            "/normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "!"}),
            "the table is damaged",
        ),
        (
            "/normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "/////w=="}),
            "the table is damaged",
        ),
        (
            "/normalizer",
            json!({"type": "Precompiled"}),
            "without precompiled_charsmap",
        ),
        (
            "/normalizer",
            json!({"type": "Sequence", "normalizers": vec![json!({"type": "NFC"}); 40]}),
            "more than 32 steps",
        ),
        (
            "/normalizer",
            (0..70).fold(json!({"type": "NFC"}), |inner, _| nested(inner)),
            "levels deep",
        ),
        (
            "/pre_tokenizer",
            json!({"type": "Split", "pattern": {"Regex": "(a|a)*"}}),
            "pre_tokenizer `Split`",
        ),
        (
            "/post_processor/special_tokens",
            json!({}),
            "the template names `[CLS]`",
        ),
        (
            "/post_processor/single/0",
            json!({"SpecialToken": {"id": "[X]", "type_id": 0}}),
            "the template names `[X]`",
        ),
        (
            "/post_processor/single/1",
            json!({"Sequence": {"id": "B", "type_id": 0}}),
            "post_processor.single",
        ),
        (
            "/post_processor/single/1",
            json!({"Sequence": {"id": "C", "type_id": 0}}),
            "neither Sequence A or B",
        ),
        (
            "/post_processor/single/1/Sequence/type_id",
            json!(-1),
            "type_id must be",
        ),
        ("/post_processor/single", json!([]), "must hold sequence A once"),
        (
            "/post_processor/pair/3",
            json!({"Sequence": {"id": "A", "type_id": 0}}),
            "post_processor.pair",
        ),
        (
            "/post_processor/pair",
            json!("$A $B"),
            "expected a list of pieces",
        ),
        (
            "/post_processor/special_tokens/[SEP]/ids",
            json!([]),
            "1 to 64 ids",
        ),
        (
            "/post_processor/special_tokens/[SEP]/ids",
            json!([1, 2]),
            "as many tokens as ids",
        ),
        (
            "/post_processor/special_tokens/[SEP]/ids",
            json!([-3]),
            "token `[SEP]` has an id",
        ),
        (
            "/post_processor/type",
            json!("Mystery"),
            "post_processor `Mystery`",
        ),
        (
            "/post_processor",
            json!({"type": "BertProcessing", "sep": ["[SEP]"], "cls": ["[CLS]", 2]}),
            "a token and its id",
        ),
        ("/model", Value::Null, "model: expected an object"),
        (
            "/model/type",
            json!("BPE"),
            "model `BPE` is not supported yet; supported: WordPiece",
        ),
        ("/model/vocab", json!([]), "model.vocab"),
        (
            "/model/vocab",
            json!({}),
            "token `[UNK]` is not in the vocabulary",
        ),
        ("/model/vocab/cat", json!(-12), "token `cat` has an id"),
        ("/model/vocab/cat", json!(1e10), "token `cat` has an id"),
        (
            "/model/vocab/cat",
            json!(4_294_967_296u64),
            "token `cat` has an id",
        ),
        (
            "/model/unk_token",
            json!("[NONE]"),
            "token `[NONE]` is not in the vocabulary",
        ),
        ("/model/unk_token", Value::Null, "model.unk_token"),
        (
            "/model/max_input_chars_per_word",
            json!(1_000_000_000),
            "max_input_chars_per_word",
        ),
        (
            "/model/continuing_subword_prefix",
            json!("#".repeat(1_000)),
            "continuing_subword_prefix",
        ),
        (
            "/model",
            json!({"type": "Unigram", "unk_id": 1, "vocab": [["a", 0.0]]}),
            "model.unk_id",
        ),
        (
            "/model",
            json!({"type": "Unigram", "unk_id": null, "vocab": [["a", 0.0]]}),
            "model.unk_id",
        ),
        (
            "/model",
            json!({"type": "Unigram", "unk_id": 0, "vocab": []}),
            "model.unk_id",
        ),
        (
            "/model",
            json!({"type": "Unigram", "unk_id": 0, "vocab": [["a", "b"]]}),
            "model.vocab",
        ),
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
    let twice = small()
        .to_string()
        .replacen("\"cat\":12", "\"cat\":12,\"cat\":13", 1);
    let error = Tokenizer::from_json(twice.as_bytes(), Path::new("t"))
        .unwrap_err()
        .to_string();
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
    assert_eq!(
        one(&load(&json).unwrap(), "a[MASK]  a", None, 64).ids,
        [2, 5, 4, 22, 5, 3]
    );
}

/// The trie `a` -> "bc", as SentencePiece stores it.
fn charsmap(value: u32, replacements: &[u8]) -> String {
    let mut units = vec![0u32; 512];
    // The root's children lie at byte ^ 256; the one child, `a`, has its leaf at 384.
    units[0] = 256 << 10;
    units[256 ^ 97] = 97 | 1 << 8 | ((256 ^ 97 ^ 384) << 10);
    units[384] = value | 1 << 31;
    let mut bytes = (units.len() as u32 * 4).to_le_bytes().to_vec();
    bytes.extend(units.iter().flat_map(|u| u.to_le_bytes()));
    bytes.extend_from_slice(replacements);
    encode_base64(&bytes)
}

fn encode_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0u32, |bits, b| bits << 8 | u32::from(*b));
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
    for (value, text) in [
        (4, "bc\0"),
        (0x7fff_ffff, "bc\0"),
        (1, "é\0"),
        (0, "b".repeat(300).as_str()),
    ] {
        let error = with(value, text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("the table is damaged"), "{value} {error}");
    }
}

#[test]
fn from_vocab_txt() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    assert!(matches!(
        Tokenizer::load(dir.path()),
        Err(Error::TokenizerMissing { .. })
    ));
    save("vocab.txt", &WORDS.join("\n"));
    let built = Tokenizer::load(dir.path()).unwrap();
    let json = small();
    for text in ["the cats sat.", "É é", "xyz - 一a", ""] {
        assert_eq!(
            one(&built, text, None, 64),
            reference(&json, text, None, 64),
            "{text}"
        );
        assert_eq!(
            one(&built, text, Some("a cat!"), 64),
            reference(&json, text, Some("a cat!"), 64),
            "{text}"
        );
    }
    let names: Vec<_> = built.files().map(|f| f.0).collect();
    assert_eq!(names, ["tokenizer.json", "vocab.txt"]);
    let saved = built.files().next().unwrap().1.to_vec();
    let again = Tokenizer::from_json(&saved, Path::new("t")).unwrap();
    assert_eq!(
        one(&again, "the cats", None, 64),
        one(&built, "the cats", None, 64)
    );

    save(
        "tokenizer_config.json",
        r#"{"do_lower_case": false, "strip_accents": false, "cls_token": {"content": "a"}}"#,
    );
    let cased = Tokenizer::load(dir.path()).unwrap();
    assert_eq!(one(&cased, "THE é", None, 64).ids, [5, 1, 20, 3]);

    save("tokenizer_config.json", r#"{"do_lower_case": "yes"}"#);
    assert!(
        Tokenizer::load(dir.path())
            .unwrap_err()
            .to_string()
            .contains("do_lower_case")
    );
    save("tokenizer_config.json", r#"{"sep_token": "<none>"}"#);
    assert!(matches!(
        Tokenizer::load(dir.path()),
        Err(Error::TokenMissing { .. })
    ));
    save("tokenizer_config.json", "{");
    assert!(matches!(Tokenizer::load(dir.path()), Err(Error::BadJson { .. })));
    std::fs::remove_file(dir.path().join("tokenizer_config.json")).unwrap();
    std::fs::write(dir.path().join("vocab.txt"), b"[UNK]\n\xff\n").unwrap();
    assert!(matches!(
        Tokenizer::load(dir.path()),
        Err(Error::NotUtf8 { at: 6, .. })
    ));
}

#[test]
fn saved_files_are_the_ones_that_were_read() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{:#}", small());
    std::fs::write(dir.path().join("tokenizer.json"), &text).unwrap();
    std::fs::write(dir.path().join("special_tokens_map.json"), "{}").unwrap();
    std::fs::write(
        dir.path().join("tokenizer_config.json"),
        r#"{"truncation_side": "left"}"#,
    )
    .unwrap();
    let tokenizer = Tokenizer::load(dir.path()).unwrap();
    assert_eq!(one(&tokenizer, "the cat", None, 3).ids, [2, 12, 3]);
    let files: Vec<_> = tokenizer.files().collect();
    assert_eq!(files[0], ("tokenizer.json", text.as_bytes()));
    assert_eq!(files.len(), 3);
}

#[test]
fn a_megabyte_takes_seconds_at_most() {
    let mut texts: Vec<String> = [
        "a", "the ", "!", "一", "\u{200b}", "é", "a\u{300}", " ", "a-", "[MASK]", "[MASK] ",
    ]
    .iter()
    .map(|unit| unit.repeat(1_000_000 / unit.len()))
    .collect();
    let mut words = String::new();
    for i in 0..10_000 {
        let _ = write!(words, "{} ", &"abcabcbacb".repeat(10)[i % 10..]);
    }
    texts.push(words);
    for json in [small(), unigram()] {
        let tokenizer = load(&json).unwrap();
        for text in &texts {
            let start = Instant::now();
            let row = one(&tokenizer, text, None, 128);
            assert!(row.ids.len() <= 128);
            let head: String = text.chars().take(8).collect();
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{head:?}: {:?}",
                start.elapsed()
            );
        }
    }
}

/// Every path in a JSON value.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_owned());
    match value {
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), out)),
        Value::Object(map) => map
            .iter()
            .for_each(|(k, v)| pointers(v, &format!("{at}/{k}"), out)),
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
    fn the_same_as_the_crate(text in "[a-c.! \\[\\]éA一\u{300}]{0,60}", pair in prop::option::of("[a-c ]{0,40}"), max_length in 4usize..40) {
        for json in [small(), unigram()] {
            let tokenizer = load(&json).unwrap();
            let least = tokenizer.added_tokens(pair.is_some()) + 1;
            let max_length = max_length.max(least);
            prop_assert_eq!(
                one(&tokenizer, &text, pair.as_deref(), max_length),
                reference(&json, &text, pair.as_deref(), max_length)
            );
        }
    }

    #[test]
    fn long_texts_are_the_same(parts in prop::collection::vec("([abcé一\u{300}]|the|cats|\\[MASK\\]|[ \t])", 0..600), max_length in 3usize..8) {
        let text = parts.concat();
        let json = small();
        prop_assert_eq!(one(&load(&json).unwrap(), &text, None, max_length), reference(&json, &text, None, max_length));
    }

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
