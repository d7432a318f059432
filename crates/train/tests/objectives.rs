//! Tasks and ways to train beside plain cross-entropy of whole weights: each learns what it should, and its pieces fit.

mod common;

use common::{rows, tiny};
use filbert_engine::{Context, Objective};
use filbert_model::{Batch, Encoding, Freeze, HeadSource, Lora, Network, Pooling};
use filbert_train::{Input, Rows, Select, Settings, Silent, Targets, Texts, Trainer, fit, logits};

fn network(labels: usize) -> Network {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
    Network::load(&folder, HeadSource::New { labels, seed: 1 }, Pooling::Pooler).unwrap().0
}

fn settings(epochs: usize) -> Settings {
    Settings { epochs, batch_size: 4, learning_rate: 3e-3, ..Settings::default() }
}

/// The first token decides everything.
fn texts(n: u32) -> Vec<Encoding> {
    (0..n)
        .map(|i| {
            let ids = vec![5 + i % 3, 20 + i % 11, 30 + i % 7];
            Encoding { type_ids: vec![0; ids.len()], ids, truncated: false }
        })
        .collect()
}

#[test]
fn sets_of_labels_are_learnt() {
    let mut network = network(3);
    let sets = (0..60u32).map(|i| [vec![0], vec![0, 2], vec![]][i as usize % 3].clone()).collect();
    let rows = Rows { texts: Texts { encodings: texts(60), starts: None }, targets: Targets::Sets(sets) };
    for select in [Select::Loss, Select::MicroF1, Select::Auc] {
        let settings = Settings { select, ..settings(15) };
        fit(&mut network, &Context::default(), &rows, Some(&rows), &settings, None, &mut Silent).unwrap();
    }
    let out = logits(&network, &Context::default(), &rows.texts, &mut |_| ()).unwrap();
    assert!(filbert_train::accuracy(&out, &rows.targets).unwrap() > 0.95);
}

#[test]
fn numbers_are_learnt() {
    let mut network = network(1);
    let numbers = (0..60u32).map(|i| [-1.0, 0.25, 1.5][i as usize % 3]).collect();
    let rows =
        Rows { texts: Texts { encodings: texts(60), starts: None }, targets: Targets::Numbers(numbers) };
    fit(&mut network, &Context::default(), &rows, Some(&rows), &settings(30), None, &mut Silent).unwrap();
    let out = logits(&network, &Context::default(), &rows.texts, &mut |_| ()).unwrap();
    let loss = filbert_train::mean_loss(&out, &rows.targets);
    assert!(loss < 0.1, "{loss}");
    let wrong = Settings { select: Select::Auc, ..settings(1) };
    let error = fit(&mut network, &Context::default(), &rows, Some(&rows), &wrong, None, &mut Silent);
    assert!(error.unwrap_err().to_string().contains("auc in a regression"));
}

#[test]
fn a_weight_of_a_class_is_that_many_of_its_rows() {
    // Two rows, one of weight 3: the update of the four rows with the one three times.
    let context = Context::default();
    let rows = rows(2);
    let part = |indices: &[usize]| {
        let network = tiny(Pooling::Pooler, &Freeze::None);
        let encodings = indices.iter().map(|&i| &rows.texts.encodings[i]);
        (Input::Tokens(Batch::new(network.architecture, encodings)), rows.targets.pick(indices))
    };
    let after = |indices: &[usize], weights: Option<Vec<f32>>| {
        let mut network = tiny(Pooling::Pooler, &Freeze::None);
        let objective = Objective { weights, ..Objective::default() };
        let settings = Settings { objective, warmup: filbert_train::Warmup::Steps(0), ..settings(1) };
        let (input, targets) = part(indices);
        let mut trainer = Trainer::new(&mut network, &context, &settings, 100);
        let loss = trainer.step(input, targets.classes().unwrap(), false).unwrap();
        (loss, trainer.network().params.iter().flat_map(|(_, p)| p.value.clone()).collect::<Vec<_>>())
    };
    let (weighted_loss, weighted) = after(&[0, 1], Some(vec![1.0, 3.0]));
    let (repeated_loss, repeated) = after(&[0, 1, 1, 1], None);
    assert!((weighted_loss - repeated_loss).abs() < 1e-6);
    let far = weighted.iter().zip(&repeated).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // Adam's first step is the gradient's sign, so rounding near zero shows as a whole step in few weights.
    let many = weighted.iter().zip(&repeated).filter(|(a, b)| (*a - *b).abs() > 1e-5).count();
    assert!(many * 100 < weighted.len(), "{many} of {} differ, by {far} at most", weighted.len());
}

#[test]
fn a_text_in_windows_has_the_mean_of_their_logits_in_training_too() {
    let mut network = network(2);
    let context = Context::default();
    let windows: Vec<Vec<Encoding>> =
        texts(12).chunks(3).map(|c| c[..=c[0].ids[1] as usize % 3].to_vec()).collect();
    let texts = Texts::of_windows(windows.clone());
    assert!(texts.starts.is_some());
    let all = logits(&network, &context, &texts, &mut |_| ()).unwrap();
    for (row, windows) in windows.iter().enumerate() {
        let alone = Texts { encodings: windows.clone(), starts: None };
        let alone = logits(&network, &context, &alone, &mut |_| ()).unwrap();
        for column in 0..2 {
            let mean = alone.iter().skip(column).step_by(2).sum::<f32>() / windows.len() as f32;
            assert!((all[row * 2 + column] - mean).abs() < 1e-6);
        }
    }
    let rows = Rows { texts, targets: Targets::Classes(vec![0, 1, 0, 1]) };
    let before = filbert_train::mean_loss(&all, &rows.targets);
    for freeze in [Freeze::None, Freeze::Trunk] {
        network.freeze(&freeze).unwrap();
        let still = Settings { learning_rate: 0.0, epochs: 1, ..settings(1) };
        let fitted = fit(&mut network, &context, &rows, Some(&rows), &still, None, &mut Silent).unwrap();
        assert!((fitted.epochs[0].valid_loss.unwrap() - before).abs() < 1e-5);
    }
}

#[test]
fn a_merged_adapter_answers_as_the_adapter_did() {
    let mut network = network(2);
    let context = Context::default();
    let untrained = network.clone();
    let targets = ["query", "value", "intermediate.dense", "*.output.dense"].map(str::to_owned).to_vec();
    let lora = Lora { rank: 3, alpha: 6.0, dropout: 0.1, targets };
    network.add_lora(&lora, 7).unwrap();
    let rows = Rows::new(texts(40), (0..40).map(|i| u32::from(i % 3 == 0)).collect());
    let untouched = logits(&network, &context, &rows.texts, &mut |_| ()).unwrap();
    assert_eq!(
        untouched,
        logits(&untrained, &context, &rows.texts, &mut |_| ()).unwrap(),
        "B is zero at first"
    );
    fit(&mut network, &context, &rows, None, &settings(20), None, &mut Silent).unwrap();
    let adapted = logits(&network, &context, &rows.texts, &mut |_| ()).unwrap();
    assert!(filbert_train::accuracy(&adapted, &rows.targets).unwrap() > 0.9);
    let base = network.params.id("bert.encoder.layer.0.attention.self.query.weight").unwrap();
    assert_eq!(network.params.get(base).value, untrained.params.get(base).value, "the weight stays");
    network.merge_lora();
    assert!(!network.has_lora() && network.params.len() == untrained.params.len());
    assert_ne!(network.params.get(base).value, untrained.params.get(base).value);
    let merged = logits(&network, &context, &rows.texts, &mut |_| ()).unwrap();
    for (a, b) in adapted.iter().zip(&merged) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    let nowhere = Lora { targets: vec!["queries".to_owned()], ..lora };
    let error = untrained.clone().add_lora(&nowhere, 7).unwrap_err().to_string();
    assert!(error.contains("queries") && error.contains("bert.encoder.layer.0"), "{error}");
}

#[test]
fn rates_by_layer_and_patience() {
    let context = Context::default();
    let mut network = network(2);
    network.scale_rates(0.5, 4.0);
    let scale = |name: &str| {
        let id = network.params.id(name).unwrap();
        network.params.get(id).lr_scale
    };
    let layers = network.encoder().layers() as i32;
    assert_eq!(scale("classifier.weight"), 4.0);
    assert_eq!(scale("bert.encoder.layer.0.output.dense.weight"), 0.5f32.powi(layers));
    assert_eq!(scale("bert.embeddings.word_embeddings.weight"), 0.5f32.powi(layers + 1));
    let rows = Rows::new(texts(12), (0..12).map(|i| i % 2).collect());
    // Nothing changes, so no epoch is better than the first.
    let settings = Settings { patience: Some(2), learning_rate: 0.0, ..settings(10) };
    let fitted = fit(&mut network, &context, &rows, Some(&rows), &settings, None, &mut Silent).unwrap();
    assert_eq!((fitted.epochs.len(), fitted.best_epoch), (3, 1));
    let error = fit(&mut network, &context, &rows, None, &settings, None, &mut Silent).unwrap_err();
    assert!(error.to_string().contains("patience"), "{error}");
}
