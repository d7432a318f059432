//! `config.json`: every wrong value has its own message, and a fine-tuned classifier's file keeps what it had.

use std::path::Path;

use filbert_model::config::{Activation, Config, ProblemType};
use filbert_model::error::Error;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn base() -> Map<String, Value> {
    let value = json!({
        "_name_or_path": "somewhere/else",
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": 100,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "max_position_embeddings": 40,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "classifier_dropout": null,
        "pad_token_id": 0,
        "initializer_range": 0.02,
        "position_embedding_type": "absolute",
        "use_cache": true,
        "something_of_ours": {"kept": [1, 2]},
    });
    let Value::Object(map) = value else { unreachable!() };
    map
}

fn parse(map: &Map<String, Value>) -> Result<Config, Error> {
    Config::parse(serde_json::to_string(map).unwrap().as_bytes(), Path::new("m/config.json"))
}

/// The base with one key set, or removed where the value is the string "(removed)".
fn with(key: &str, value: Value) -> Map<String, Value> {
    let mut map = base();
    if value == json!("(removed)") {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), value);
    }
    map
}

#[test]
fn a_plain_encoder() {
    let config = parse(&base()).unwrap();
    assert_eq!((config.vocab_size, config.hidden_size, config.num_hidden_layers), (100, 32, 2));
    assert_eq!((config.num_attention_heads, config.intermediate_size), (4, 64));
    assert_eq!((config.max_position_embeddings, config.type_vocab_size), (40, 2));
    assert_eq!((config.layer_norm_eps, config.hidden_act), (1e-12, Activation::Gelu));
    assert_eq!((config.classifier_dropout, config.pad_token_id), (None, Some(0)));
    assert!(config.labels.is_empty() && !config.has_head());
    assert!(matches!(config.task(), Err(Error::NoLabels { .. })));
    // Embeddings, two layers, pooler.
    let layer = 4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32;
    assert_eq!(config.parameters(), (100 + 40 + 2 + 2) * 32 + 2 * layer + 32 * 33);
}

#[test]
fn accepted_variants() {
    let cases = [
        ("model_type", json!("(removed)")),
        ("hidden_act", json!("gelu_new")),
        ("hidden_act", json!("relu")),
        ("position_embedding_type", Value::Null),
        ("type_vocab_size", json!("(removed)")),
        ("layer_norm_eps", json!(1e-5)),
        ("hidden_dropout_prob", json!(0)),
        ("pad_token_id", Value::Null),
        ("is_decoder", json!(false)),
        ("pruned_heads", json!({})),
        ("id2label", json!({"1": "b", "0": "a"})),
        ("id2label", json!({"0": 0, "1": 10})),
        ("label2id", json!({"a": 1, "b": 0})),
        ("num_labels", json!(3)),
        ("problem_type", json!("regression")),
        ("architectures", json!("(removed)")),
    ];
    for (key, value) in cases {
        let result = parse(&with(key, value.clone()));
        assert!(result.is_ok(), "{key} {value}: {}", result.unwrap_err());
    }
}

#[test]
fn refused_values() {
    let long = "x".repeat(5_000);
    let cases = [
        ("model_type", json!("roberta"), "not supported yet; supported: bert"),
        ("model_type", json!(1), "expected a string"),
        ("vocab_size", json!("(removed)"), "key vocab_size is missing"),
        ("vocab_size", json!(0), "vocab_size: 0 is not in 1 to"),
        ("vocab_size", json!(10_000_001), "is not in 1 to 10000000"),
        ("hidden_size", json!(-384), "hidden_size: -384 is not in"),
        ("hidden_size", json!(65_537), "is not in 1 to 65536"),
        ("hidden_size", json!("384"), "expected an integer, found the string"),
        ("hidden_size", json!(384.5), "expected an integer"),
        ("hidden_size", json!(384.0), "expected an integer"),
        ("hidden_size", json!(1e30), "is not in 1 to 65536"),
        ("hidden_size", json!([384]), "found a list"),
        ("hidden_size", json!(33), "num_attention_heads 4 does not divide hidden_size 33"),
        ("num_attention_heads", json!(0), "num_attention_heads: 0 is not in"),
        ("num_attention_heads", json!(64), "does not divide"),
        ("num_hidden_layers", json!(1_000_000_000), "is not in 1 to 1024"),
        ("num_hidden_layers", json!(0), "is not in 1 to 1024"),
        ("intermediate_size", json!(1 << 21), "is not in 1 to 1048576"),
        ("max_position_embeddings", json!(u64::MAX), "is not in 1 to 1048576"),
        ("type_vocab_size", json!(5_000), "is not in 1 to 1024"),
        ("layer_norm_eps", json!(-1e-12), "layer_norm_eps: "),
        ("layer_norm_eps", json!("1e-12"), "expected a number"),
        ("hidden_act", json!("swish"), "hidden_act `swish` is not supported yet"),
        ("hidden_act", json!(long), "not supported yet"),
        ("hidden_dropout_prob", json!(1.5), "is not in 0 to 1"),
        ("attention_probs_dropout_prob", json!(-0.1), "is not in 0 to 1"),
        ("classifier_dropout", json!(2), "is not in 0 to 1"),
        ("classifier_dropout", json!(true), "expected a number, found true"),
        ("pad_token_id", json!(-1), "pad_token_id: -1 is not in 0 to"),
        ("pad_token_id", json!(100), "pad_token_id: 100 is not in 0 to 99"),
        (
            "position_embedding_type",
            json!("relative_key"),
            "position_embedding_type `relative_key` is not supported",
        ),
        ("is_decoder", json!(true), "is_decoder"),
        ("is_decoder", json!("yes"), "expected true or false"),
        ("add_cross_attention", json!(true), "add_cross_attention"),
        ("pruned_heads", json!({"0": [1]}), "pruned_heads"),
        ("quantization_config", json!({}), "quantization_config"),
        ("architectures", json!("BertModel"), "expected a list of strings"),
        ("architectures", json!([1]), "expected a list of strings"),
        ("problem_type", json!("ranking"), "problem_type `ranking` is unknown"),
        ("id2label", json!(["a", "b"]), "id2label: expected an object"),
        ("id2label", json!({"0": "a", "2": "b"}), "none for id 1"),
        ("id2label", json!({"1": "a", "2": "b"}), "none for id 0"),
        ("id2label", json!({"0": "a", "00": "b"}), "`0` occurs twice"),
        ("id2label", json!({"0": "a", "1": "a"}), "`a` occurs twice"),
        ("id2label", json!({"a": 0}), "keys that are integers"),
        ("id2label", json!({"-1": "a"}), "keys that are integers"),
        ("id2label", json!({"+1": "a"}), "keys that are integers"),
        ("id2label", json!({"0": null}), "expected a string, found null"),
        ("label2id", json!({"a": "0"}), "expected an integer"),
        ("label2id", json!({"a": -1}), "expected an integer"),
        ("label2id", json!({"a": 0, "b": 0}), "`0` occurs twice"),
        ("label2id", json!({"a": 0, "b": 2}), "none for id 1"),
        ("num_labels", json!(-1), "num_labels: -1 is not in"),
    ];
    let mut failed = Vec::new();
    for (key, value, says) in cases {
        match parse(&with(key, value.clone())) {
            Ok(_) => failed.push(format!("{key} {value}: accepted")),
            Err(e) => {
                let message = e.to_string();
                if !message.contains(says) || !message.contains("config.json") || message.len() > 400 {
                    failed.push(format!("{key} {value}: {message}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn refused_combinations() {
    let cases = [
        (json!({"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}}), "label2id does not match"),
        (json!({"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0}}), "at label `b`"),
        (json!({"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1, "c": 2}}), "at label `c`"),
        (json!({"id2label": {"0": "a", "1": "b"}, "num_labels": 3}), "num_labels is 3, id2label has 2"),
        (json!({"model_type": null, "architectures": ["RobertaModel"]}), "architectures `RobertaModel`"),
        (json!({"model_type": null, "architectures": null}), "key model_type is missing"),
        (
            json!({"vocab_size": 10_000_000, "hidden_size": 65_536, "num_hidden_layers": 1024}),
            "parameters, more than",
        ),
    ];
    for (changes, says) in cases {
        let mut map = base();
        map.extend(changes.as_object().unwrap().clone());
        let message = parse(&map).unwrap_err().to_string();
        assert!(message.contains(says), "{changes}: {message}");
    }
    for text in ["", "[]", "{", r#"{"vocab_size":1,"vocab_size":2}"#, r#"{"hidden_dropout_prob":NaN}"#] {
        assert!(Config::parse(text.as_bytes(), Path::new("config.json")).is_err(), "{text}");
    }
}

#[test]
fn token_ids_are_those_with_a_row() {
    let mut map = base();
    map.insert("vocab_size".to_owned(), json!(50));
    for (key, value) in [
        ("pad_token_id", json!(3)),
        ("eos_token_id", json!([7, 50, 2])),
        ("bos_token_id", json!(null)),
        ("x", json!(9)),
    ] {
        map.insert(key.to_owned(), value);
    }
    assert_eq!(parse(&map).unwrap().token_ids(), [2, 3, 7]);
}

#[test]
fn labels_sort_as_numbers() {
    let labels: Map<String, Value> = (0..12).rev().map(|i| (i.to_string(), json!(format!("l{i}")))).collect();
    let config = parse(&with("id2label", Value::Object(labels))).unwrap();
    assert_eq!(config.labels[2], "l2");
    assert_eq!(config.labels[10], "l10");
    assert_eq!(config.task().unwrap().1.len(), 12);
}

#[test]
fn what_a_head_predicts() {
    let head = |extra: Value| {
        let mut map = with("architectures", json!(["BertForSequenceClassification"]));
        map.extend(extra.as_object().unwrap().clone());
        parse(&map).unwrap()
    };
    assert_eq!(head(json!({})).task().unwrap().1, ["LABEL_0", "LABEL_1"]);
    let one = head(json!({"id2label": {"0": "LABEL_0"}}));
    assert_eq!(one.task().unwrap().0, ProblemType::Regression);
    let multi = head(json!({"problem_type": "multi_label_classification"}));
    assert_eq!(multi.problem_type, Some(ProblemType::MultiLabel));
    assert_eq!(multi.task().unwrap().0, ProblemType::MultiLabel);
    let single = head(json!({"problem_type": "single_label_classification", "id2label": {"0": "x"}}));
    assert_eq!(single.task().unwrap(), (ProblemType::SingleLabel, &["x".to_owned()][..]));
}

#[test]
fn a_classifiers_config_keeps_the_rest() {
    let mut config = parse(&with("torch_dtype", json!("float16"))).unwrap();
    config.num_hidden_layers = 1;
    let text =
        config.to_json_for_classifier(ProblemType::SingleLabel, &["ham".to_owned(), "spam \"x\"".to_owned()]);
    let saved: Map<String, Value> = serde_json::from_str(&text).unwrap();
    assert!(!saved.contains_key("_name_or_path"));
    assert_eq!(saved["architectures"], json!(["BertForSequenceClassification"]));
    assert_eq!(saved["id2label"], json!({"0": "ham", "1": "spam \"x\""}));
    assert_eq!(saved["label2id"], json!({"ham": 0, "spam \"x\"": 1}));
    assert_eq!(saved["problem_type"], json!("single_label_classification"));
    assert_eq!(saved["torch_dtype"], json!("float32"));
    assert_eq!(saved["num_hidden_layers"], json!(1));
    for (key, value) in base() {
        if !matches!(key.as_str(), "_name_or_path" | "architectures" | "num_hidden_layers") {
            assert_eq!(saved[&key], value, "{key}");
        }
    }
    let again = parse(&saved).unwrap();
    assert_eq!(again.labels, ["ham", "spam \"x\""]);
    assert!(again.has_head() && again.num_hidden_layers == 1);
    assert!(again.to_json_for_classifier(ProblemType::SingleLabel, &again.labels) == text);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-4i64..40).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[0-3a-c]{1,2}", inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Config::parse(&bytes, Path::new("config.json"));
    }

    #[test]
    fn mutated_values_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any_json()), 1..3)) {
        let keys: Vec<String> = base()
            .keys()
            .cloned()
            .chain(["id2label", "label2id", "num_labels", "problem_type", "pruned_heads", "is_decoder"].map(str::to_owned))
            .collect();
        let mut map = base();
        for (key, value) in edits {
            map.insert(keys[key.index(keys.len())].clone(), value);
        }
        if let Ok(config) = parse(&map) {
            prop_assert!(config.hidden_size % config.num_attention_heads == 0);
            let labels = if config.labels.is_empty() { vec!["a".to_owned()] } else { config.labels.clone() };
            let text = config.to_json_for_classifier(ProblemType::SingleLabel, &labels);
            prop_assert_eq!(Config::parse(text.as_bytes(), Path::new("c")).unwrap().labels, labels);
        }
    }
}
