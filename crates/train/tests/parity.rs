//! A tiny random BERT against PyTorch and transformers: logits, the gradient of every tensor, and ten losses of
//! training. The golden values are made by `scripts/golden_bert.py`.

use std::path::{Path, PathBuf};

use filbert_engine::{AdamWSettings, Context, Gradients, Mode, Tape};
use filbert_model::safetensors::SafeTensors;
use filbert_model::{Batch, Encoding, HeadSource, Network, Pooling};
use filbert_train::{Input, Settings, Trainer, Warmup};
use serde_json::Value;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden")
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn tiny() -> (Network, Value) {
    let (network, report) =
        Network::load(&golden().join("tiny"), HeadSource::Stored, Pooling::Pooler).unwrap();
    assert_eq!((report.new, report.skipped), (vec![], vec![]), "every tensor has its place");
    let text = std::fs::read_to_string(golden().join("tiny.json")).unwrap();
    (network, serde_json::from_str(&text).unwrap())
}

fn batch(network: &Network, golden: &Value) -> (Batch, Vec<u32>) {
    let ids: Vec<Vec<u32>> = numbers(&golden["ids"]);
    let types: Vec<Vec<u32>> = numbers(&golden["types"]);
    let rows: Vec<Encoding> = ids
        .into_iter()
        .zip(types)
        .map(|(ids, type_ids)| Encoding { ids, type_ids, truncated: false })
        .collect();
    (Batch::new(network.architecture, &rows), numbers(&golden["labels"]))
}

#[test]
fn logits_are_those_of_transformers() {
    let (network, golden) = tiny();
    let context = Context::default();
    for (b, wanted) in golden["batches"].as_array().unwrap().iter().zip(golden["logits"].as_array().unwrap())
    {
        let wanted: Vec<Vec<f32>> = numbers(wanted);
        let logits = network.logits(&context, &batch(&network, b).0).unwrap();
        for (a, b) in logits.iter().zip(wanted.concat()) {
            assert!((a - b).abs() < 1e-4, "{logits:?} {wanted:?}");
        }
    }
}

#[test]
fn gradients_are_those_of_pytorch() {
    let (network, golden) = tiny();
    let context = Context::default();
    let (input, labels) = batch(&network, &golden["batches"][0]);
    let mut tape = Tape::new(&context, &network.params, Mode { record: true, dropout: None });
    let logits = network.forward(&mut tape, &input).unwrap();
    let loss = tape.cross_entropy(&logits, &labels).unwrap();
    let mut gradients = Gradients::new(&network.params);
    tape.backward(&loss.mean, 1.0, &mut gradients).unwrap();
    let file = SafeTensors::open(&self::golden().join("tiny_gradients.safetensors")).unwrap();
    let mut failures = Vec::new();
    for (id, param) in network.params.iter() {
        let wanted = file.read_f32(&param.name).unwrap();
        let got = gradients.get(id).unwrap_or_else(|| panic!("{} has no gradient", param.name));
        let got = got.to_dense(param.value.len(), param.width());
        let norm = |v: &[f32]| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        let difference: Vec<f32> = got.iter().zip(&wanted).map(|(a, b)| a - b).collect();
        // Softmax is unchanged by a constant, so a key bias has no gradient: what is left is rounding.
        let fine = if param.name.ends_with("key.bias") {
            got.iter().chain(&wanted).all(|x| x.abs() < 1e-6)
        } else {
            norm(&wanted) > 0.0 && norm(&difference) / norm(&wanted) < 1e-4
        };
        if !fine {
            failures.push(format!("{}: off by {} of {}", param.name, norm(&difference), norm(&wanted)));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn ten_losses_are_those_of_pytorch() {
    let (mut network, golden) = tiny();
    let context = Context::default();
    let training = &golden["training"];
    let number = |key: &str| training[key].as_f64().unwrap();
    let settings = Settings {
        epochs: number("steps") as usize,
        batch_size: 1,
        learning_rate: number("lr") as f32,
        warmup: Warmup::Steps(number("warmup") as u64),
        adamw: AdamWSettings {
            weight_decay: number("weight_decay") as f32,
            clip_norm: number("clip_norm") as f32,
            ..AdamWSettings::default()
        },
        ..Settings::default()
    };
    let batches: Vec<(Batch, Vec<u32>)> =
        golden["batches"].as_array().unwrap().iter().map(|b| batch(&network, b)).collect();
    let mut trainer = Trainer::new(&mut network, &context, &settings, 1);
    let wanted: Vec<f32> = numbers(&training["losses"]);
    for (step, wanted) in wanted.iter().enumerate() {
        let (batch, labels) = &batches[step % batches.len()];
        let loss = trainer.step(Input::Tokens(batch.clone()), labels, false).unwrap();
        assert!((loss - wanted).abs() < 1e-3, "step {step}: {loss}, not {wanted}");
    }
}
