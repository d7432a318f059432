//! What saves memory changes nothing else: parts of a batch, layers computed again, a frozen trunk's results in a file.

mod common;

use common::{rows, tiny};
use filbert_engine::Context;
use filbert_model::{Batch, Freeze, Pooling};
use filbert_train::{Input, Part, Settings, Silent, Trainer, fit};

/// All weights after three steps on one batch cut into `parts`.
fn after_steps(context: &Context, freeze: &Freeze, parts: usize, dropout: bool) -> Vec<f32> {
    let mut network = tiny(Pooling::Pooler, freeze);
    let rows = rows(11);
    let settings = Settings { learning_rate: 1e-3, ..Settings::default() };
    let architecture = network.architecture;
    let mut trainer = Trainer::new(&mut network, context, &settings, 1_000);
    for _ in 0..3 {
        let order: Vec<usize> = (0..rows.len()).collect();
        let part = |indices: &[usize]| {
            let batch = Batch::new(architecture, indices.iter().map(|&i| &rows.texts.encodings[i]));
            Part { input: Input::Tokens(batch), starts: None, targets: rows.targets.pick(indices) }
        };
        let all = order.chunks(rows.len().div_ceil(parts)).map(part).collect();
        trainer.step_in_parts(all, dropout).unwrap();
    }
    trainer.network().params.iter().flat_map(|(_, p)| p.value.clone()).collect()
}

#[test]
fn parts_of_a_batch_make_the_update_of_the_whole() {
    for freeze in [Freeze::None, Freeze::Layers(1), Freeze::Trunk] {
        let context = Context::default();
        let whole = after_steps(&context, &freeze, 1, false);
        for parts in [2, 3, 11] {
            let cut = after_steps(&context, &freeze, parts, false);
            // AdamW divides by the root of the squared gradient: where that is nearly zero, rounding shows.
            let off = whole.iter().zip(&cut).filter(|(a, b)| (*a - *b).abs() > 2e-5).count();
            assert!(off * 1_000 < whole.len(), "{freeze:?}, {parts} parts: {off} of {} differ", whole.len());
        }
    }
}

#[test]
fn layers_computed_again_give_the_same_bits() {
    for freeze in [Freeze::None, Freeze::Embeddings, Freeze::Layers(1), Freeze::Trunk] {
        for dropout in [false, true] {
            let kept = after_steps(&Context::default(), &freeze, 1, dropout);
            let again = after_steps(&Context::default().with_recompute(true), &freeze, 1, dropout);
            assert!(
                kept.iter().zip(&again).all(|(a, b)| a.to_bits() == b.to_bits()),
                "{freeze:?}, dropout {dropout}"
            );
        }
    }
}

#[test]
fn a_frozen_trunk_is_run_once_for_all_heads_and_from_file_as_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (train, valid) = (rows(40), rows(9));
    let run = |cache: bool, memory: usize, lr: f32| {
        let mut network = tiny(Pooling::Pooler, &Freeze::Trunk);
        let settings = Settings {
            learning_rate: lr,
            trunk_cache: cache.then(|| dir.path().join("cache")),
            trunk_memory: memory,
            ..Settings::default()
        };
        let fitted =
            fit(&mut network, &Context::default(), &train, Some(&valid), &settings, None, &mut Silent)
                .unwrap();
        let weights: Vec<f32> = network.params.iter().flat_map(|(_, p)| p.value.clone()).collect();
        (weights, fitted.reused_trunk)
    };
    let (plain, reused) = run(false, usize::MAX, 1e-3);
    assert!(!reused && !dir.path().join("cache").exists(), "no cache was asked for");
    assert_eq!(run(true, 0, 1e-3), (plain.clone(), false), "by way of a file");
    assert_eq!(run(true, 0, 1e-3), (plain.clone(), true), "from another run's file, row by row");
    assert_eq!(run(true, usize::MAX, 1e-3), (plain.clone(), true), "from another run's file, in memory");
    assert!(run(true, usize::MAX, 1e-2).1, "another learning rate changes nothing below the head");

    // A file that was cut or changed is made again.
    for file in std::fs::read_dir(dir.path().join("cache")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, &bytes[..]).unwrap();
    }
    assert_eq!(run(true, usize::MAX, 1e-3), (plain.clone(), false), "damaged files are not believed");
    assert_eq!(run(true, usize::MAX, 1e-3), (plain, true));

    // A folder that cannot be made: no matter in memory, an error that names it otherwise.
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    for (memory, fails) in [(usize::MAX, false), (0, true)] {
        let settings = Settings {
            trunk_cache: Some(blocked.join("cache")),
            trunk_memory: memory,
            ..Settings::default()
        };
        let mut network = tiny(Pooling::Pooler, &Freeze::Trunk);
        let result = fit(&mut network, &Context::default(), &train, None, &settings, None, &mut Silent);
        assert_eq!(result.is_err(), fails, "{memory} bytes of memory");
        if let Err(error) = result {
            assert!(error.to_string().contains("--trunk-cache"), "{error}");
        }
    }
}

#[test]
fn a_batch_has_no_more_parts_than_rows() {
    let settings = Settings { accumulate: 17, batch_size: 16, ..Settings::default() };
    assert!(settings.check().unwrap_err().to_string().contains("17"));
}
