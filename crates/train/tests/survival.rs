//! A run that stops anywhere and goes on from its checkpoint ends with the bits of one that never stopped.

mod common;

use std::path::Path;

use common::{rows, tiny};
use filbert_engine::Context;
use filbert_model::{Freeze, Network, Pooling};
use filbert_train::{Checkpoints, Error, Every, Fitted, Observer, Rows, Settings, StepReport, fit};
use serde_json::json;

fn settings() -> Settings {
    Settings { epochs: 3, batch_size: 4, learning_rate: 2e-3, ..Settings::default() }
}

fn checkpoints(folder: &Path, steps: u64, resume: bool) -> Checkpoints {
    Checkpoints {
        folder: folder.to_path_buf(),
        every: Every::Steps(steps),
        resume,
        keep_last: false,
        identity: json!({"rows": "these", "model": "tiny"}),
        record: json!({"epochs": 3}),
    }
}

/// Stops after so many updates.
struct Stop(usize);

impl Observer for Stop {
    fn step(&mut self, _: &StepReport) {
        self.0 -= 1;
    }
    fn stop(&mut self) -> bool {
        self.0 == 0
    }
}

fn bits(network: &Network) -> Vec<u32> {
    network.params.iter().flat_map(|(_, p)| p.value.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

fn run(freeze: &Freeze, checkpoints: Option<&Checkpoints>, stop: usize) -> Result<(Network, Fitted), Error> {
    let mut network = tiny(Pooling::Pooler, freeze);
    let (train, valid): (Rows, Rows) = (rows(22), rows(7));
    let context = Context::default();
    let fitted =
        fit(&mut network, &context, &train, Some(&valid), &settings(), checkpoints, &mut Stop(stop))?;
    Ok((network, fitted))
}

#[test]
fn stopped_anywhere_it_ends_with_the_same_bits() {
    for freeze in [Freeze::None, Freeze::Layers(1), Freeze::Trunk] {
        let (whole, fitted) = run(&freeze, None, usize::MAX).unwrap();
        let wanted = bits(&whole);
        // 6 updates an epoch: in the middle, at an epoch's end (where the judging is interrupted), at its start.
        for stops in [vec![1], vec![6], vec![7], vec![12, 1, 3], vec![17], vec![2, 2, 2, 2, 2, 2, 2, 2]] {
            let folder = tempfile::tempdir().unwrap();
            let mut resume = false;
            for &stop in &stops {
                let error = run(&freeze, Some(&checkpoints(folder.path(), 1_000, resume)), stop).unwrap_err();
                let Error::Interrupted { checkpoint: Some(path), .. } = &error else { panic!("{error}") };
                assert!(path.is_file() && error.to_string().contains("--resume"), "{error}");
                resume = true;
            }
            let (again, resumed) =
                run(&freeze, Some(&checkpoints(folder.path(), 1_000, true)), usize::MAX).unwrap();
            assert!(bits(&again) == wanted, "{freeze:?}, stopped after {stops:?}");
            assert_eq!(resumed.best_epoch, fitted.best_epoch);
            assert_eq!(resumed.resumed_at, Some(stops.iter().sum::<usize>() as u64));
            let losses =
                |f: &Fitted| f.epochs.iter().map(|e| (e.train_loss, e.valid_loss)).collect::<Vec<_>>();
            assert_eq!(losses(&resumed), losses(&fitted), "{freeze:?}, stopped after {stops:?}");
        }
    }
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let (whole, _) = run(&Freeze::None, None, usize::MAX).unwrap();
    let folder = tempfile::tempdir().unwrap();
    run(&Freeze::None, Some(&checkpoints(folder.path(), 2, false)), 9).unwrap_err();
    let files = || {
        let mut files: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        files
    };
    assert_eq!(files().len(), 2, "two are kept");
    let newest = files().pop().unwrap();
    let bytes = std::fs::read(&newest).unwrap();
    for damaged in [
        bytes[..bytes.len() / 2].to_vec(),
        Vec::new(),
        bytes.iter().enumerate().map(|(i, b)| if i == bytes.len() / 3 { b ^ 1 } else { *b }).collect(),
    ] {
        std::fs::write(&newest, damaged).unwrap();
        let (again, resumed) =
            run(&Freeze::None, Some(&checkpoints(folder.path(), 1_000, true)), usize::MAX).unwrap();
        assert_eq!(resumed.resumed_at, Some(8));
        assert!(bits(&again) == bits(&whole));
    }
    let before = files().remove(0);
    std::fs::write(&before, b"x").unwrap();
    let error =
        run(&Freeze::None, Some(&checkpoints(folder.path(), 1_000, true)), 9).unwrap_err().to_string();
    assert!(error.contains("no whole checkpoint") && error.contains("step-"), "{error}");
}

#[test]
fn another_runs_checkpoint_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    run(&Freeze::None, Some(&checkpoints(folder.path(), 2, false)), 5).unwrap_err();
    assert_eq!(filbert_train::recorded(folder.path()).unwrap(), json!({"epochs": 3}));
    let mut other = checkpoints(folder.path(), 2, true);
    other.identity["rows"] = json!("others");
    let error = run(&Freeze::None, Some(&other), 5).unwrap_err().to_string();
    assert!(error.contains("another run: rows differs"), "{error}");
    let error =
        run(&Freeze::Layers(1), Some(&checkpoints(folder.path(), 2, true)), 5).unwrap_err().to_string();
    assert!(error.contains("other parameters"), "{error}");
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_told_and_training_goes_on() {
    #[derive(Default)]
    struct Told(Vec<String>);
    impl Observer for Told {
        fn checkpoint(&mut self, outcome: Result<&Path, &str>) {
            self.0.extend(outcome.err().map(str::to_owned));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("in the way");
    std::fs::write(&file, b"").unwrap();
    let mut network = tiny(Pooling::Pooler, &Freeze::None);
    let mut told = Told::default();
    let checkpoints = checkpoints(&file.join("below"), 2, false);
    let context = Context::default();
    fit(&mut network, &context, &rows(22), None, &settings(), Some(&checkpoints), &mut told).unwrap();
    assert!(told.0.len() > 5 && told.0[0].contains("cannot write the checkpoint"), "{:?}", told.0);
}
