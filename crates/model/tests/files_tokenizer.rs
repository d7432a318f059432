//! The tokenizer gives the ids that the crate underneath gives step by step, also for long texts and for a
//! `vocab.txt`, and keeps the files it was read from.

#[path = "files_support/tokenizer.rs"]
mod support;

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use filbert_model::error::Error;
use filbert_model::tokenizer::{Encoding, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{WORDS, load, one, small, unigram};
use tokenizers::utils::truncation::truncate_encodings;
use tokenizers::{PostProcessor, TruncationParams};

/// The steps of the crate underneath, each on the whole text: encode, cut longest first, add special tokens.
fn reference(json: &Value, text: &str, pair: Option<&str>, max_length: usize) -> Encoding {
    let mut json = json.clone();
    json["truncation"] = Value::Null;
    json["padding"] = Value::Null;
    let inner: tokenizers::Tokenizer = json.to_string().parse().unwrap();
    let added = inner.get_post_processor().unwrap().added_tokens(pair.is_some());
    let params = TruncationParams { max_length: max_length - added, ..TruncationParams::default() };
    let whole = |text| inner.encode(text, false).unwrap();
    let (first, second) = truncate_encodings(whole(text), pair.map(whole), &params).unwrap();
    let length = |e: &tokenizers::Encoding| e.get_ids().len();
    let truncated = length(&whole(text)) + pair.map_or(0, |p| length(&whole(p))) > params.max_length;
    let row = inner.post_process(first, second, true).unwrap();
    Encoding { ids: row.get_ids().to_vec(), type_ids: row.get_type_ids().to_vec(), truncated }
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
        assert_eq!((row.ids.as_slice(), row.truncated), (ids, truncated), "{text:?} {max_length}");
        assert_eq!(row.type_ids, vec![0; ids.len()]);
    }
    let row = one(&tokenizer, "the cat", Some("sat"), 64);
    assert_eq!((row.ids, row.type_ids), (vec![2, 11, 12, 3, 14, 3], vec![0, 0, 0, 0, 1, 1]));
    assert_eq!((tokenizer.pad_id(), tokenizer.token_to_id("cat")), (Some(0), Some(12)));
    assert_eq!((tokenizer.vocab_size(), tokenizer.largest_id()), (22, 21));
    assert_eq!((tokenizer.added_tokens(false), tokenizer.added_tokens(true)), (2, 3));
    assert_eq!(tokenizer.id_to_token(12).as_deref(), Some("cat"));
}

#[test]
fn long_texts_are_not_tokenized_whole_but_the_same() {
    for json in [small(), unigram()] {
        let tokenizer = load(&json).unwrap();
        let words: String =
            (0..5_000).map(|i| ["the ", "cats ", "x", "a", "\u{300} ", "[MASK] "][i * i % 6]).collect();
        let zeros = format!("{}the cat {}", "\u{200b} ".repeat(3_000), "sat ".repeat(3_000));
        for text in [words.as_str(), &zeros, &"a".repeat(9_000), &" ".repeat(9_000)] {
            for max_length in [5, 20, 500] {
                assert_eq!(one(&tokenizer, text, None, max_length), reference(&json, text, None, max_length));
                let pair = Some("the cat sat");
                assert_eq!(one(&tokenizer, text, pair, max_length), reference(&json, text, pair, max_length));
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
    for (i, row) in tokenizer.encode_batch(&texts, None, 64).unwrap().iter().enumerate() {
        assert_eq!(row.ids.len(), i % 17 + 2);
    }
    assert!(tokenizer.encode_batch(&[], None, 64).unwrap().is_empty());
}

#[test]
fn wrong_arguments() {
    let tokenizer = load(&small()).unwrap();
    assert!(matches!(tokenizer.encode_batch(&["a"], None, 2), Err(Error::MaxLength { added: 2, .. })));
    assert!(matches!(
        tokenizer.encode_batch(&["a"], Some(&["b"]), 3),
        Err(Error::MaxLength { added: 3, .. })
    ));
    assert!(matches!(tokenizer.encode_batch(&["a"], Some(&[]), 9), Err(Error::PairCount { .. })));
    assert_eq!(one(&tokenizer, "a b", None, usize::MAX).ids, [2, 5, 6, 3]);
    assert!(tokenizer.check_vocabulary(22).is_ok());
    assert!(matches!(
        tokenizer.check_vocabulary(21),
        Err(Error::VocabularyTooLarge { largest: 21, rows: 21, .. })
    ));
    assert!(tokenizer.check_types(1, false).is_ok());
    assert!(matches!(tokenizer.check_types(1, true), Err(Error::TooManyTypes { .. })));
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
    assert!(matches!(load(&json), Err(Error::AddedTokenId { expected: 30, actual: 22, .. })));
}

#[test]
fn from_vocab_txt() {
    let dir = tempfile::tempdir().unwrap();
    let save = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    assert!(matches!(Tokenizer::load(dir.path()), Err(Error::TokenizerMissing { .. })));
    save("vocab.txt", &WORDS.join("\n"));
    let built = Tokenizer::load(dir.path()).unwrap();
    let json = small();
    for text in ["the cats sat.", "É é", "xyz - 一a", ""] {
        assert_eq!(one(&built, text, None, 64), reference(&json, text, None, 64), "{text}");
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
    assert_eq!(one(&again, "the cats", None, 64), one(&built, "the cats", None, 64));

    save(
        "tokenizer_config.json",
        r#"{"do_lower_case": false, "strip_accents": false, "cls_token": {"content": "a"}}"#,
    );
    let cased = Tokenizer::load(dir.path()).unwrap();
    assert_eq!(one(&cased, "THE é", None, 64).ids, [5, 1, 20, 3]);

    save("tokenizer_config.json", r#"{"do_lower_case": "yes"}"#);
    assert!(Tokenizer::load(dir.path()).unwrap_err().to_string().contains("do_lower_case"));
    save("tokenizer_config.json", r#"{"sep_token": "<none>"}"#);
    assert!(matches!(Tokenizer::load(dir.path()), Err(Error::TokenMissing { .. })));
    save("tokenizer_config.json", "{");
    assert!(matches!(Tokenizer::load(dir.path()), Err(Error::BadJson { .. })));
    std::fs::remove_file(dir.path().join("tokenizer_config.json")).unwrap();
    std::fs::write(dir.path().join("vocab.txt"), b"[UNK]\n\xff\n").unwrap();
    assert!(matches!(Tokenizer::load(dir.path()), Err(Error::NotUtf8 { at: 6, .. })));
}

#[test]
fn saved_files_are_the_ones_that_were_read() {
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{:#}", small());
    std::fs::write(dir.path().join("tokenizer.json"), &text).unwrap();
    std::fs::write(dir.path().join("special_tokens_map.json"), "{}").unwrap();
    std::fs::write(dir.path().join("tokenizer_config.json"), r#"{"truncation_side": "left"}"#).unwrap();
    let tokenizer = Tokenizer::load(dir.path()).unwrap();
    assert_eq!(one(&tokenizer, "the cat", None, 3).ids, [2, 12, 3]);
    let files: Vec<_> = tokenizer.files().collect();
    assert_eq!(files[0], ("tokenizer.json", text.as_bytes()));
    assert_eq!(files.len(), 3);
}

#[test]
fn a_megabyte_takes_seconds_at_most() {
    let mut texts: Vec<String> =
        ["a", "the ", "!", "一", "\u{200b}", "é", "a\u{300}", " ", "a-", "[MASK]", "[MASK] "]
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
            assert!(start.elapsed() < Duration::from_secs(20), "{head:?}: {:?}", start.elapsed());
        }
    }
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
}

#[test]
fn windows_cover_a_text_with_their_overlap() {
    use filbert_model::Windows;
    let tokenizer = load(&small()).unwrap();
    let text = "the cats sat. the cat sats . the the cats. cats sat the cats the sat";
    let whole = tokenizer.encode_batch(&[text], None, 512).unwrap().remove(0);
    let inner = &whole.ids[1..whole.ids.len() - 1];
    for (max_length, overlap, most) in [(8, 2, 64), (8, 0, 64), (5, 2, 64), (512, 3, 4), (6, 1, 2)] {
        let windows = Windows { overlap, most };
        let rows = tokenizer.encode_windows(&[text, ""], max_length, windows).unwrap();
        assert_eq!(rows[1].len(), 1, "an empty text has one window");
        let (room, step) = (max_length - 2, max_length - 2 - overlap);
        let mut joined: Vec<u32> = Vec::new();
        for (i, window) in rows[0].iter().enumerate() {
            assert!(window.ids.len() <= max_length && window.ids.len() > 2);
            let part = &window.ids[1..window.ids.len() - 1];
            assert_eq!(part, &inner[i * step..(i * step + room).min(inner.len())]);
            joined.truncate(i * step);
            joined.extend(part);
        }
        let cut = rows[0].last().unwrap().truncated;
        assert_eq!(joined, inner[..joined.len()]);
        assert_eq!(cut, joined.len() < inner.len(), "{max_length} {overlap} {most}");
        assert!(rows[0].len() <= most);
    }
    for windows in [Windows { overlap: 6, most: 3 }, Windows { overlap: 0, most: 0 }] {
        let error = tokenizer.encode_windows(&[text], 8, windows).unwrap_err();
        assert!(matches!(error, Error::Windows { .. }), "{error}");
    }
}

#[test]
fn files_in_memory_are_read_as_from_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let files = vec![
        ("tokenizer.json", small().to_string().into_bytes()),
        ("tokenizer_config.json", br#"{"pad_token": "[MASK]", "truncation_side": "left"}"#.to_vec()),
    ];
    for (name, bytes) in &files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let folder = Tokenizer::load(dir.path()).unwrap();
    let memory = Tokenizer::from_files(files, dir.path()).unwrap();
    assert_eq!((memory.pad_id(), memory.path()), (Some(4), folder.path()));
    assert_eq!(one(&memory, "the cat sat", None, 4), one(&folder, "the cat sat", None, 4));
    assert_eq!(memory.json("tokenizer_config.json").unwrap().unwrap()["pad_token"], "[MASK]");
    assert_eq!(memory.json("vocab.txt").unwrap(), None);
    assert!(matches!(Tokenizer::from_files(Vec::new(), dir.path()), Err(Error::TokenizerMissing { .. })));
}
