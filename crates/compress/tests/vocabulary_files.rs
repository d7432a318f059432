//! The files of a pruned tokenizer: every id in them is renumbered, all else stays, and what cannot be renumbered is refused.

mod support;

use std::path::Path;

use filbert_compress::vocabulary::{Options, apply, files, plan};
use filbert_model::Tokenizer;
use serde_json::{Value, json};
use support::{Spec, added, config};

/// 4 special tokens, then `a` (4) to `##b` (10).
fn spec() -> Spec {
    Spec::new(&["a", "ab", "#", "##a", "###", "b", "##b"])
}

/// `tokenizer.json` and `tokenizer_config.json` with one of everything that holds an id: a gap in the vocabulary, an added token
/// that is none of the model's, a special token that is named by the settings only.
fn everything() -> (Value, Value) {
    let mut json = spec().json();
    for (token, id) in [("abb", 11), ("##b", 12), ("[MASK]", 13)] {
        json["model"]["vocab"][token] = json!(id);
    }
    // The crate underneath numbers it by the number of the model's tokens, into the gap.
    json["added_tokens"].as_array_mut().unwrap().extend([added(13, "[MASK]"), added(14, "<new>")]);
    json["model"]["vocab"]["[MASK]"] = json!(15);
    json["added_tokens"][3]["id"] = json!(15);
    json["added_tokens"][4]["id"] = json!(13);
    json["post_processor"] = json!({"type": "Sequence", "processors": [
        {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}]});
    let settings = json!({"do_lower_case": true, "bos_token": "abb", "added_tokens_decoder": {
        "0": {"content": "[PAD]", "special": true}, "15": {"content": "[MASK]"}, "13": {"content": "<new>"}}});
    (json, settings)
}

fn from(json: &Value, settings: &Value, vocab: &str) -> filbert_model::Result<Tokenizer> {
    let files = vec![
        ("tokenizer.json", json.to_string().into_bytes()),
        ("tokenizer_config.json", settings.to_string().into_bytes()),
        ("special_tokens_map.json", br#"{"unk_token": "[UNK]"}"#.to_vec()),
        ("vocab.txt", vocab.as_bytes().to_vec()),
    ];
    Tokenizer::from_files(files, Path::new("m"))
}

#[test]
fn every_id_is_renumbered() {
    let (json, settings) = everything();
    let tokenizer = from(&json, &settings, "whatever\nit was").unwrap();
    assert_eq!(tokenizer.token_to_id("<new>"), Some(13), "the vocabulary has 13 tokens");
    let config = config(20, &json!({"eos_token_id": [3, 18], "bos_token_id": 25}));
    // Dropped: `ab` (5), and ids 9, 14, 16 and so on, which no token has.
    let plan = plan(&tokenizer, &config, &[], Options::default()).unwrap();
    assert_eq!(plan.kept(), [0, 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 15, 13, 18]);
    assert_eq!((plan.rows_before(), plan.tokens(), plan.unknown()), (20, (13, 12), (1, 1)));
    assert_eq!((plan.map(&[12, 13]), plan.map(&[4, 5])), (Some(vec![10, 12]), None));

    let new = apply(&tokenizer, &plan).unwrap();
    let names: Vec<&str> = new.files().map(|f| f.0).collect();
    assert_eq!(names, ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"]);
    let [json, settings] = ["tokenizer.json", "tokenizer_config.json"].map(|n| new.json(n).unwrap().unwrap());
    let ids: Vec<&Value> = json["added_tokens"].as_array().unwrap().iter().map(|t| &t["id"]).collect();
    assert_eq!(ids, [0, 2, 3, 11, 12]);
    assert_eq!(json["post_processor"]["processors"][1]["sep"], json!(["[SEP]", 3]));
    assert_eq!(json["model"]["vocab"]["##b"], 10);
    assert_eq!(json["model"]["vocab"].as_object().unwrap().len(), 12);
    let decoder: Vec<&String> = settings["added_tokens_decoder"].as_object().unwrap().keys().collect();
    assert_eq!(decoder, ["0", "11", "12"]);
    assert_eq!(settings["do_lower_case"], true);
    let bytes = |name| new.files().find(|f| f.0 == name).unwrap().1;
    assert_eq!(bytes("special_tokens_map.json"), br#"{"unk_token": "[UNK]"}"#);
    assert_eq!(bytes("vocab.txt"), b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n#\n##a\n###\nb\nabb\n##b\n[MASK]\n");
    assert_eq!(files(&tokenizer, &plan).unwrap().len(), 4);
    let encoded = new.encode_batch(&["<new> [MASK] ab abb"], None, 64).unwrap();
    assert_eq!(encoded[0].ids, [2, 12, 11, 4, 10, 9, 3]);
}

#[test]
fn ids_that_move_are_moved_everywhere() {
    // The special tokens stand last, so that every id changes.
    let tokens = ["aa", "a", "##a", "#", "###", "[PAD]", "[UNK]", "[CLS]", "[SEP]"];
    let mut json = Spec::new(&tokens).json();
    let id = |token: &str| tokens.iter().position(|t| *t == token).unwrap();
    json["model"]["vocab"] = tokens.iter().map(|t| ((*t).to_owned(), json!(id(t)))).collect();
    json["added_tokens"] =
        ["[PAD]", "[CLS]", "[SEP]", ""].map(|t| added(if t.is_empty() { 7 } else { id(t) }, t)).into();
    json["padding"]["pad_id"] = json!(5);
    for (token, id) in [("[CLS]", 7), ("[SEP]", 8)] {
        json["post_processor"]["special_tokens"][token]["ids"] = json!([id]);
    }
    let tokenizer = support::load(&json);
    let plan = plan(&tokenizer, &config(9, &json!({"pad_token_id": 5})), &[], Options::default()).unwrap();
    let new = apply(&tokenizer, &plan).unwrap();
    assert_eq!((plan.kept(), plan.unknown()), (&[1, 2, 3, 4, 5, 6, 7, 8][..], (6, 5)));
    let json = new.json("tokenizer.json").unwrap().unwrap();
    assert_eq!(json["padding"]["pad_id"], 4);
    assert_eq!(json["post_processor"]["special_tokens"]["[SEP]"]["ids"], json!([7]));
    assert_eq!(json["added_tokens"].as_array().unwrap().len(), 3, "the empty one, which is skipped, is gone");
    assert_eq!(new.encode_batch(&["aa é"], None, 64).unwrap()[0].ids, [6, 0, 1, 5, 7]);
    assert_eq!(new.pad_id(), Some(4));
}

#[test]
fn a_vocabulary_without_a_tokenizer_json() {
    let vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\na\nb\n##a\n##b\nba\n";
    let tokenizer = Tokenizer::from_files(vec![("vocab.txt", vocab.into())], Path::new("m")).unwrap();
    let counts = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let plan = plan(&tokenizer, &config(11, &json!({})), &counts, Options::default()).unwrap();
    let files = files(&tokenizer, &plan).unwrap();
    let pruned = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##a\n##b\nba\n";
    assert_eq!(files.iter().map(|f| f.0).collect::<Vec<_>>(), ["tokenizer.json", "vocab.txt"]);
    assert_eq!(files[1].1, pruned.as_bytes());
    // The file alone gives the same tokenizer.
    let alone = Tokenizer::from_files(vec![("vocab.txt", pruned.into())], Path::new("m")).unwrap();
    let both = Tokenizer::from_files(files, Path::new("m")).unwrap();
    let rows = |t: &Tokenizer| t.encode_batch(&["ab ba bab", "Á [MASK] x"], None, 64).unwrap();
    assert_eq!(rows(&alone), rows(&both));
}

/// A change of `tokenizer.json` and `tokenizer_config.json`.
type Change<'a> = &'a dyn Fn(&mut Value, &mut Value);

#[test]
fn what_cannot_be_renumbered_is_refused() {
    let (json, settings) = everything();
    let config = config(20, &json!({}));
    let cases: [(Change<'_>, &str); 4] = [
        (
            &|_, settings| settings["added_tokens_decoder"]["16"] = json!({"content": "<other>"}),
            "tokenizer_config.json: added_tokens_decoder.\"<other>\": tokenizer.json has no such token with this id",
        ),
        (
            &|_, settings| settings["added_tokens_decoder"]["1"] = json!({"content": "[PAD]"}),
            "added_tokens_decoder.\"[PAD]\"",
        ),
        (
            &|json, _| {
                json["model"]["vocab"].as_object_mut().unwrap().remove("ab");
                json["model"]["vocab"]["b\nb"] = json!(5);
            },
            "model.vocab: a token has a line break, which vocab.txt cannot hold",
        ),
        (&|json, _| json["added_tokens"][4]["content"] = json!("b"), "added token `b` says id 13 but gets 9"),
    ];
    for (change, says) in cases {
        let (mut json, mut settings) = (json.clone(), settings.clone());
        change(&mut json, &mut settings);
        let error = match from(&json, &settings, "") {
            Err(error) => error.to_string(),
            Ok(tokenizer) => {
                let counts: Vec<u64> = vec![0; 18];
                let options = Options { min_count: 0 };
                let pruned = plan(&tokenizer, &config, &counts, options).and_then(|p| apply(&tokenizer, &p));
                pruned.unwrap_err().to_string()
            }
        };
        assert!(error.contains(says), "{says}: {error}");
    }
}
