//! The small tokenizers that the tests of the tokenizer share.

use std::path::Path;

use filbert_model::error::Error;
use filbert_model::tokenizer::{Encoding, Tokenizer};
use serde_json::{Value, json};

pub(crate) const WORDS: [&str; 22] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##a", "##b", "##c", "the", "cat", "##s",
    "sat", ".", "!", "-", "paypal", "com", "é", "一",
];

/// A small BERT tokenizer, with the truncation and padding that many published files have.
pub(crate) fn small() -> Value {
    let vocab: serde_json::Map<String, Value> =
        WORDS.iter().enumerate().map(|(i, w)| ((*w).to_owned(), json!(i))).collect();
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

/// A small `Unigram` tokenizer.
pub(crate) fn unigram() -> Value {
    let mut json = small();
    let pieces: Vec<Value> = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁the", "▁cat", "s", "a", "b", "ab"]
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

pub(crate) fn load(json: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json(json.to_string().as_bytes(), Path::new("m/tokenizer.json"))
}

pub(crate) fn one(tokenizer: &Tokenizer, text: &str, pair: Option<&str>, max_length: usize) -> Encoding {
    let pair = pair.map(|p| [p]);
    let pair = pair.as_ref().map(|p| &p[..]);
    tokenizer.encode_batch(&[text], pair, max_length).unwrap().remove(0)
}
