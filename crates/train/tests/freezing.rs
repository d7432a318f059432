//! What is frozen gets no gradient and does not move; what is trained gets one, and every row of a frozen trunk is
//! run once.

mod common;

use std::path::Path;

use common::{rows, tiny};
use filbert_engine::{Context, Gradients, Mode, Tape};
use filbert_model::{Batch, Freeze, HeadSource, Network, Pooling};
use filbert_train::{EpochReport, Input, Observer, Rows, Settings, Silent, Trainer, fit};

#[test]
fn gradients_reach_exactly_what_is_trained() {
    struct Case(Freeze, Pooling, &'static [&'static str]);
    let cases = [
        Case(Freeze::None, Pooling::Pooler, &[]),
        Case(Freeze::None, Pooling::Mean, &["bert.pooler"]),
        Case(Freeze::None, Pooling::Cls, &["bert.pooler"]),
        Case(Freeze::Embeddings, Pooling::Pooler, &["bert.embeddings"]),
        Case(Freeze::Layers(1), Pooling::Pooler, &["bert.embeddings", "bert.encoder.layer.0."]),
        Case(Freeze::Trunk, Pooling::Pooler, &["bert.embeddings", "bert.encoder"]),
        Case(Freeze::Trunk, Pooling::Mean, &["bert."]),
    ];
    let rows = rows(5);
    let context = Context::default();
    for Case(freeze, pooling, frozen) in cases {
        let network = tiny(pooling, &freeze);
        assert_eq!(network.trunk_is_frozen(), freeze == Freeze::Trunk);
        let mut tape = Tape::new(&context, &network.params, Mode { record: true, dropout: None });
        let logits =
            network.forward(&mut tape, &Batch::new(network.architecture, &rows.texts.encodings)).unwrap();
        let loss = tape.cross_entropy(&logits, rows.targets.classes().unwrap()).unwrap();
        let mut gradients = Gradients::new(&network.params);
        tape.backward(&loss.mean, 1.0, &mut gradients).unwrap();
        for (id, param) in network.params.iter() {
            let expected = !frozen.iter().any(|prefix| param.name.starts_with(prefix));
            let got = gradients.get(id).is_some_and(|g| {
                // Softmax makes key biases' gradients zero but for rounding.
                param.name.ends_with("key.bias") || g.values().iter().any(|x| x.abs() > 1e-9)
            });
            assert_eq!(got, expected, "{freeze:?} {pooling:?}: {}", param.name);
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
    let (mut network, _) = Network::load(&folder, HeadSource::Stored, Pooling::Pooler).unwrap();
    let error = network.freeze(&Freeze::Layers(3)).unwrap_err().to_string();
    assert!(error.contains("3 layers") && error.contains("has 2"), "{error}");
}

#[test]
fn frozen_weights_do_not_move_and_others_do() {
    let context = Context::default();
    for freeze in [Freeze::Trunk, Freeze::Layers(1)] {
        let mut network = tiny(Pooling::Pooler, &freeze);
        let before = network.params.clone();
        let settings = Settings { epochs: 2, batch_size: 4, learning_rate: 1e-2, ..Settings::default() };
        let fitted = fit(&mut network, &context, &rows(12), None, &settings, None, &mut Silent).unwrap();
        assert_eq!(fitted.cached_trunk, freeze == Freeze::Trunk);
        for ((_, after), (_, before)) in network.params.iter().zip(before.iter()) {
            assert_eq!(after.value != before.value, after.trainable, "{freeze:?}: {}", after.name);
        }
    }
}

#[test]
fn the_best_epoch_on_validation_rows_is_kept() {
    #[derive(Default)]
    struct Losses(Vec<(f64, bool)>);
    impl Observer for Losses {
        fn epoch(&mut self, report: &EpochReport) {
            self.0.push((report.valid_loss.unwrap(), report.best));
        }
    }
    let context = Context::default();
    let mut network = tiny(Pooling::Pooler, &Freeze::None);
    // A rate this high overshoots sooner or later.
    let settings = Settings { epochs: 8, batch_size: 3, learning_rate: 2e-2, ..Settings::default() };
    let (train, valid) = (rows(12), rows(9));
    let mut losses = Losses::default();
    let fitted = fit(&mut network, &context, &train, Some(&valid), &settings, None, &mut losses).unwrap();
    let lowest = losses.0.iter().map(|l| l.0).fold(f64::INFINITY, f64::min);
    assert_eq!(losses.0[fitted.best_epoch - 1].0, lowest);
    assert!(losses.0[fitted.best_epoch - 1].1);
    let logits = filbert_train::logits(&network, &context, &valid.texts, &mut |_| ()).unwrap();
    assert_eq!(filbert_train::mean_loss(&logits, &valid.targets), lowest, "the weights are that epoch's");
}

#[test]
fn a_step_that_is_no_number_is_an_error_and_changes_nothing() {
    let context = Context::default();
    let mut network = tiny(Pooling::Pooler, &Freeze::None);
    let id = network.params.id("classifier.bias").unwrap();
    network.params.get_mut(id).value[0] = f32::NAN;
    let before = network.params.clone();
    let rows = rows(4);
    let batch = Batch::new(network.architecture, &rows.texts.encodings);
    let mut trainer = Trainer::new(&mut network, &context, &Settings::default(), 4);
    let error =
        trainer.step(Input::Tokens(batch), rows.targets.classes().unwrap(), true).unwrap_err().to_string();
    assert!(error.contains("the loss is NaN"), "{error}");
    for ((_, after), (_, before)) in network.params.iter().zip(before.iter()) {
        assert!(
            after.value.iter().zip(&before.value).all(|(a, b)| a.to_bits() == b.to_bits()),
            "{}",
            after.name
        );
    }
}

#[test]
fn senseless_settings_are_refused() {
    let context = Context::default();
    let rows = rows(4);
    let cases: [(&str, Settings); 6] = [
        ("epochs", Settings { epochs: 0, ..Settings::default() }),
        ("batch size", Settings { batch_size: 0, ..Settings::default() }),
        ("learning rate", Settings { learning_rate: f32::NAN, ..Settings::default() }),
        ("learning rate", Settings { learning_rate: -1.0, ..Settings::default() }),
        ("warm-up", Settings { warmup: filbert_train::Warmup::Share(2.0), ..Settings::default() }),
        ("clip norm", {
            let mut settings = Settings::default();
            settings.adamw.clip_norm = 0.0;
            settings
        }),
    ];
    for (part, settings) in cases {
        let mut network = tiny(Pooling::Pooler, &Freeze::None);
        let error =
            fit(&mut network, &context, &rows, None, &settings, None, &mut Silent).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
    let mut network = tiny(Pooling::Pooler, &Freeze::None);
    let settings = Settings::default();
    assert!(
        fit(&mut network, &context, &Rows::default(), None, &settings, None, &mut Silent).is_err(),
        "no rows"
    );
    let mut unlabelled = rows;
    unlabelled.targets = unlabelled.targets.pick(&[0, 1, 2]);
    assert!(
        fit(&mut network, &context, &unlabelled, None, &settings, None, &mut Silent).is_err(),
        "a label short"
    );
}

#[test]
fn a_run_that_diverges_names_the_part_and_the_rows() {
    let context = Context::default();
    let run = |name: &str, value: f32| {
        let mut network = tiny(Pooling::Pooler, &Freeze::None);
        let id = network.params.id(name).unwrap();
        network.params.get_mut(id).value.fill(value);
        let settings = Settings { batch_size: 4, ..Settings::default() };
        fit(&mut network, &context, &rows(4), None, &settings, None, &mut Silent).unwrap_err()
    };
    let error = run("bert.encoder.layer.1.intermediate.dense.bias", f32::NAN);
    let text = error.to_string();
    assert!(text.contains("the weight bert.encoder.layer.1.intermediate.dense.bias"), "{text}");
    assert!(text.contains("at step 1 of epoch 1, on training rows"), "{text}");
    let text = run("bert.encoder.layer.1.output.LayerNorm.weight", f32::MAX).to_string();
    assert!(
        text.contains("layer 1 is the first part") || text.contains("the head is the first part"),
        "{text}"
    );
}
