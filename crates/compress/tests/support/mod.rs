//! Small WordPiece tokenizers and networks for the tests.

#![allow(dead_code, reason = "each test binary uses a part of this module")]

use std::path::Path;

use filbert_model::{Config, Network, Tokenizer};
use serde_json::{Map, Value, json};

/// What a small tokenizer is made of.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// The vocabulary in the order of its ids; special tokens that are missing are put in front.
    pub(crate) tokens: Vec<String>,
    pub(crate) prefix: &'static str,
    pub(crate) unknown: &'static str,
    pub(crate) splitter: &'static str,
    pub(crate) max_chars: usize,
}

impl Spec {
    pub(crate) fn new(tokens: &[&str]) -> Self {
        let tokens = tokens.iter().map(|&t| t.to_owned()).collect();
        Self { tokens, prefix: "##", unknown: "[UNK]", splitter: "WhitespaceSplit", max_chars: 8 }
    }

    /// The vocabulary with the special tokens.
    pub(crate) fn vocabulary(&self) -> Vec<String> {
        let special = ["[PAD]", self.unknown, "[CLS]", "[SEP]"].map(str::to_owned);
        let mut all: Vec<String> = Vec::new();
        for token in special.into_iter().chain(self.tokens.iter().cloned()) {
            if !all.contains(&token) {
                all.push(token);
            }
        }
        all
    }

    /// The object of its `tokenizer.json`.
    pub(crate) fn json(&self) -> Value {
        let all = self.vocabulary();
        let id = |token: &str| all.iter().position(|t| t == token).unwrap();
        let added: Vec<Value> = ["[PAD]", "[CLS]", "[SEP]"].iter().map(|t| added(id(t), t)).collect();
        let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
        let sequence = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
        let define = |token: &str| json!({"id": token, "ids": [id(token)], "tokens": [token]});
        let vocab: Map<String, Value> =
            all.iter().enumerate().map(|(i, token)| (token.clone(), json!(i))).collect();
        json!({
            "version": "1.0",
            "truncation": null,
            "padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null,
                "pad_id": id("[PAD]"), "pad_type_id": 0, "pad_token": "[PAD]"},
            "added_tokens": added,
            "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true},
            "pre_tokenizer": {"type": self.splitter},
            "post_processor": {"type": "TemplateProcessing",
                "single": [special("[CLS]"), sequence("A"), special("[SEP]")],
                "pair": [special("[CLS]"), sequence("A"), special("[SEP]"), sequence("B")],
                "special_tokens": {"[CLS]": define("[CLS]"), "[SEP]": define("[SEP]")}},
            "decoder": {"type": "WordPiece", "prefix": self.prefix, "cleanup": true},
            "model": {"type": "WordPiece", "unk_token": self.unknown,
                "continuing_subword_prefix": self.prefix, "max_input_chars_per_word": self.max_chars,
                "vocab": vocab}
        })
    }

    pub(crate) fn tokenizer(&self) -> Tokenizer {
        load(&self.json())
    }
}

/// An entry of `added_tokens`.
pub(crate) fn added(id: usize, token: &str) -> Value {
    json!({"id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true})
}

pub(crate) fn load(json: &Value) -> Tokenizer {
    Tokenizer::from_json(json.to_string().as_bytes(), Path::new("m/tokenizer.json")).unwrap()
}

/// The config of a tiny encoder with `rows` rows in its word embedding table, and more keys.
pub(crate) fn config(rows: usize, more: &Value) -> Config {
    let mut json = json!({"model_type": "bert", "architectures": ["BertForSequenceClassification"],
        "vocab_size": rows, "hidden_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 64, "pad_token_id": 0, "initializer_range": 0.5});
    for (key, value) in more.as_object().into_iter().flatten() {
        json[key] = value.clone();
    }
    Config::parse(json.to_string().as_bytes(), Path::new("m/config.json")).unwrap()
}

pub(crate) fn network(rows: usize, more: &Value) -> Network {
    Network::random(config(rows, more), 2, 7).unwrap()
}
