//! all-MiniLM-L6-v2 against transformers, on the checkpoint that `make model` fetches. `make test` says where it is.

use std::path::{Path, PathBuf};

use filbert_engine::Context;
use filbert_model::{Batch, HeadSource, Network, Pooling, Tokenizer};
use filbert_train::{Rows, Settings, Silent, Targets, Texts, fit, logits};
use serde_json::Value;

fn folder() -> PathBuf {
    std::env::var_os("FILBERT_MINILM")
        .expect("FILBERT_MINILM names the checkpoint's folder: run make test")
        .into()
}

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/minilm.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// MiniLM with the golden script's classifier: weights are 0.1 · sin(1 + i), biases given.
fn network() -> Network {
    let head = HeadSource::New { labels: 3, seed: 0 };
    let (mut network, report) = Network::load(&folder(), head, Pooling::Pooler).unwrap();
    assert_eq!(report.new, ["classifier.weight", "classifier.bias"]);
    assert_eq!(report.skipped, ["embeddings.position_ids"]);
    for (name, values) in [
        ("classifier.weight", (0..3 * 384).map(|i| (0.1 * (1.0 + f64::from(i)).sin()) as f32).collect()),
        ("classifier.bias", vec![0.1, -0.2, 0.3]),
    ] {
        let id = network.params.id(name).unwrap();
        network.params.get_mut(id).value = values;
    }
    network
}

#[test]
#[ignore = "needs the MiniLM checkpoint: make test runs it"]
fn tokens_and_logits_are_those_of_transformers() {
    let (network, golden) = (network(), golden());
    let tokenizer = Tokenizer::load(&folder()).unwrap();
    let context = Context::default();
    let rows = golden["rows"].as_array().unwrap();
    let texts: Vec<&str> = rows.iter().map(|row| row["text"].as_str().unwrap()).collect();
    let encodings = tokenizer.encode_batch(&texts, None, 128).unwrap();
    let all = logits(&network, &context, &Texts { encodings: encodings.clone(), starts: None }, &mut |_| ())
        .unwrap();
    let mut worst = 0.0f32;
    for (i, row) in rows.iter().enumerate() {
        let ids: Vec<u32> = serde_json::from_value(row["ids"].clone()).unwrap();
        assert_eq!(encodings[i].ids, ids, "{}", texts[i]);
        let wanted: Vec<f32> = serde_json::from_value(row["logits"].clone()).unwrap();
        for (a, b) in all[i * 3..].iter().zip(&wanted) {
            worst = worst.max((a - b).abs());
        }
        let alone = network.logits(&context, &Batch::new(network.architecture, [&encodings[i]])).unwrap();
        assert_eq!(alone, all[i * 3..i * 3 + 3], "alone and among others: {}", texts[i]);
    }
    println!("largest difference from transformers: {worst:e}");
    assert!(worst < 1e-4, "{worst}");
}

#[test]
#[ignore = "needs the MiniLM checkpoint: make test runs it"]
fn training_gives_the_same_bits_on_any_number_of_threads() {
    let tokenizer = Tokenizer::load(&folder()).unwrap();
    let golden = golden();
    let texts: Vec<&str> =
        golden["rows"].as_array().unwrap().iter().map(|row| row["text"].as_str().unwrap()).collect();
    let rows = Rows {
        texts: Texts { encodings: tokenizer.encode_batch(&texts, None, 64).unwrap(), starts: None },
        targets: Targets::Classes((0..texts.len() as u32).map(|i| i % 3).collect()),
    };
    let settings = Settings { epochs: 1, batch_size: 10, ..Settings::default() };
    let train = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut network = network();
            fit(&mut network, &Context::default(), &rows, Some(&rows), &settings, None, &mut Silent).unwrap();
            network.params.iter().flat_map(|(_, p)| p.value.iter().map(|x| x.to_bits())).collect::<Vec<_>>()
        })
    };
    let one = train(1);
    assert!(one == train(2) && one == train(4));
}
