//! Checkpoints as they are found: old norm names, no prefix, no pooler, no head, tensors to spare; all give the same
//! network where they hold the same weights. And what is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use filbert_engine::Context;
use filbert_model::safetensors::{Checkpoint, write};
use filbert_model::{Batch, Encoding, HeadSource, LoadReport, Network, Pooling};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tiny")
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

fn tensors() -> Tensors {
    let checkpoint = Checkpoint::open(&golden()).unwrap();
    let names: Vec<String> = checkpoint.names().map(str::to_owned).collect();
    let one = |name: String| {
        let shape = checkpoint.info(&name).unwrap().shape.clone();
        let value = checkpoint.read_f32(&name).unwrap();
        (name, (shape, value))
    };
    names.into_iter().map(one).collect()
}

fn load(tensors: &Tensors, head: HeadSource) -> filbert_model::Result<(Network, LoadReport)> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(golden().join("config.json"), dir.path().join("config.json")).unwrap();
    let list: Vec<(&str, &[usize], &[f32])> =
        tensors.iter().map(|(n, (shape, value))| (n.as_str(), shape.as_slice(), value.as_slice())).collect();
    write(&dir.path().join("model.safetensors"), &list, &BTreeMap::new()).unwrap();
    Network::load(dir.path(), head, Pooling::Pooler)
}

fn logits(network: &Network) -> Vec<f32> {
    let row = Encoding { ids: vec![2, 9, 30, 7, 3], type_ids: vec![0, 0, 0, 1, 1], truncated: false };
    network.logits(&Context::default(), &Batch::new(network.architecture, [&row])).unwrap()
}

#[test]
fn old_names_and_bare_encoders_load() {
    let plain = tensors();
    let wanted = logits(&load(&plain, HeadSource::Stored).unwrap().0);
    let renamed =
        |f: &dyn Fn(&str) -> String| -> Tensors { plain.iter().map(|(n, t)| (f(n), t.clone())).collect() };
    let old = |n: &str| {
        n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
    };
    let bare = |n: &str| n.strip_prefix("bert.").unwrap_or(n).to_owned();
    for (what, tensors) in [
        ("old norm names", renamed(&old)),
        ("no prefix", renamed(&bare)),
        ("both", renamed(&|n: &str| bare(&old(n)))),
    ] {
        let (network, report) = load(&tensors, HeadSource::Stored).unwrap();
        assert_eq!(logits(&network), wanted, "{what}");
        assert_eq!(report, LoadReport::default(), "{what}");
    }
}

#[test]
fn what_is_missing_starts_new_and_what_is_to_spare_is_listed() {
    let mut some = tensors();
    some.retain(|name, _| !name.starts_with("bert.pooler") && !name.starts_with("classifier"));
    some.insert("cls.predictions.bias".to_owned(), (vec![2], vec![0.0, 1.0]));
    let new = HeadSource::New { labels: 2, seed: 4 };
    let (network, report) = load(&some, new).unwrap();
    let names =
        ["bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias"];
    assert_eq!(report.new, names);
    assert_eq!(report.skipped, ["cls.predictions.bias"]);
    assert_eq!(logits(&network), logits(&load(&some, new).unwrap().0), "the seed decides");
    assert_ne!(logits(&network), logits(&load(&some, HeadSource::New { labels: 2, seed: 5 }).unwrap().0));
    assert!(load(&some, HeadSource::Stored).unwrap_err().to_string().contains("no classification head"));
}

#[test]
fn a_missing_or_misshapen_tensor_is_refused_by_name() {
    for name in ["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.output.dense.bias"] {
        let mut without = tensors();
        without.remove(name);
        let error = load(&without, HeadSource::Stored).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        let mut other = tensors();
        other.insert(name.to_owned(), (vec![1, 3], vec![0.0; 3]));
        let error = load(&other, HeadSource::Stored).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("shape"), "{error}");
    }
    // Half a pooler is a damaged one, not a missing one.
    let mut half = tensors();
    half.remove("bert.pooler.dense.bias");
    let error = load(&half, HeadSource::New { labels: 2, seed: 0 }).unwrap_err().to_string();
    assert!(error.contains("bert.pooler.dense.bias"), "{error}");
}

#[test]
fn kept_tokens_have_the_same_logits_under_their_new_ids() {
    let (network, _) = load(&tensors(), HeadSource::Stored).unwrap();
    let context = Context::default();
    let logits = |network: &Network, ids: &[u32]| {
        let row = Encoding { ids: ids.to_vec(), type_ids: vec![0; ids.len()], truncated: false };
        network.logits(&context, &Batch::new(network.architecture, [&row]))
    };
    let mut pruned = network.clone();
    // What is packed for inference must not outlive the table.
    logits(&pruned, &[2, 9, 30, 60, 3]).unwrap();
    pruned.keep_tokens(&[2, 3, 60, 0, 9, 30]).unwrap();
    assert_eq!(logits(&pruned, &[0, 4, 5, 2, 1]).unwrap(), logits(&network, &[2, 9, 30, 60, 3]).unwrap());
    assert!(logits(&pruned, &[6]).is_err());
    let table = pruned.params.get(pruned.encoder().word_embedding());
    assert_eq!((table.shape.as_slice(), table.value.len()), (&[6, 21][..], 6 * 21));
    assert_eq!((pruned.config.vocab_size, pruned.config.pad_token_id), (6, Some(3)));
    let (task, labels) = network.config.task().unwrap();
    let saved = pruned.config.to_json_for_classifier(task, labels);
    let saved = filbert_model::Config::parse(saved.as_bytes(), Path::new("config.json")).unwrap();
    assert_eq!((saved.vocab_size, saved.pad_token_id), (6, Some(3)));

    for (rows, says) in [
        (&[0, 61][..], "there is no row 61 in a table of 61"),
        (&[0, 5, 5], "row 5 is named twice"),
        (&[], "there are none"),
        (&[1, 2], "config.json names token 0"),
    ] {
        let error = pruned_error(&network, rows);
        assert!(error.contains(says), "{rows:?}: {error}");
    }
}

fn pruned_error(network: &Network, rows: &[u32]) -> String {
    let mut network = network.clone();
    let error = network.keep_tokens(rows).unwrap_err().to_string();
    assert_eq!(network.config.vocab_size, 61, "unchanged");
    error
}

#[test]
fn ids_outside_the_tables_are_errors() {
    let (network, _) = load(&tensors(), HeadSource::Stored).unwrap();
    let context = Context::default();
    for (ids, types) in
        [(vec![61], vec![0]), (vec![1], vec![2]), (vec![1; 24], vec![0; 24]), (vec![], vec![])]
    {
        let row = Encoding { ids, type_ids: types, truncated: false };
        assert!(network.logits(&context, &Batch::new(network.architecture, [&row])).is_err(), "{row:?}");
    }
}
