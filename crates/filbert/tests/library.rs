//! The library as a Rust user meets it: train, save, load, classify, measure.

use filbert::{
    Checkpointing, Classifier, Distillation, EpochReport, Every, Freeze, Lora, Options, Pooling, Precision,
    Scheme, StepReport, Student, Trainer, Watch,
};

include!("support/tiny.rs");

fn options() -> Options {
    Options { epochs: Some(4), learning_rate: Some(3e-3), precision: Precision::F32, ..Options::default() }
}

#[test]
fn train_save_load_classify_and_measure() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny(dir.path());
    let rows = dir.path().join("rows.csv");
    let trainer = Trainer::new(dir.path().join("encoder")).data(&rows, "70/15/15").options(options());
    let trained = trainer.fit().unwrap();
    assert_eq!(trained.metrics().rows.train, 56);
    let out = dir.path().join("model");
    trained.save(&out, false).unwrap();
    assert!(trained.save(&out, false).is_err(), "an existing folder is kept");
    let classifier = Classifier::load(&out).unwrap();
    assert_eq!(
        (classifier.labels(), classifier.positive_label()),
        (&["high".into(), "low".into()][..], Some("low"))
    );
    let texts = ["abc cab", "xyz zyx"];
    let predictions = classifier.predict(&texts).unwrap();
    assert_eq!(
        predictions,
        trained.classifier().predict(&texts).unwrap(),
        "saving and loading change nothing"
    );
    assert_eq!((&predictions[0].label[..], &predictions[1].label[..]), ("low", "high"));
    let evaluation = classifier.evaluate_file(&rows).unwrap();
    assert_eq!(evaluation.report.rows(), 80);
    assert!(classifier.predict(&[] as &[&str]).unwrap().is_empty(), "no texts, no answers");
}

#[test]
fn a_watch_is_told_and_can_stop() {
    #[derive(Default)]
    struct Count {
        steps: usize,
        epochs: usize,
        notes: usize,
    }
    impl Watch for Count {
        fn note(&mut self, _: &str) {
            self.notes += 1;
        }
        fn step(&mut self, _: &StepReport) {
            self.steps += 1;
        }
        fn epoch(&mut self, _: &EpochReport) {
            self.epochs += 1;
        }
        fn stop(&mut self) -> bool {
            self.steps == 5
        }
    }
    let dir = tempfile::tempdir().unwrap();
    write_tiny(dir.path());
    let trainer = Trainer::new(dir.path().join("encoder"))
        .data(dir.path().join("rows.csv"), "80/20")
        .options(options());
    let mut count = Count::default();
    let error = trainer.fit_watched(&mut count).unwrap_err().to_string();
    assert!(error.contains("interrupted after step 1 of epoch 2"), "{error}");
    assert_eq!((count.steps, count.epochs), (5, 1));
    assert!(count.notes > 3);
}

#[test]
fn every_way_of_freezing_and_pooling_trains() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny(dir.path());
    for freeze in [Freeze::Trunk, Freeze::Embeddings, Freeze::Layers(1)] {
        for pooling in [Pooling::Pooler, Pooling::Cls, Pooling::Mean] {
            let options = Options { freeze: freeze.clone(), pooling, ..options() };
            let trainer = Trainer::new(dir.path().join("encoder")).data(dir.path().join("rows.csv"), "80/20");
            let trained = trainer.options(options).fit().unwrap();
            let out = dir.path().join(format!("{freeze:?}-{pooling:?}"));
            trained.save(&out, false).unwrap();
            let loaded = Classifier::load(&out).unwrap();
            assert_eq!(loaded.pooling(), pooling);
            let answers =
                (loaded.predict(&["abc"]).unwrap(), trained.classifier().predict(&["abc"]).unwrap());
            assert_eq!(answers.0, answers.1, "{freeze:?} {pooling:?}");
        }
    }
}

#[test]
fn bf16_answers_are_close_to_f32() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny(dir.path());
    let trainer = Trainer::new(dir.path().join("encoder"))
        .data(dir.path().join("rows.csv"), "80/20")
        .options(options());
    trainer.fit().unwrap().save(dir.path().join("m"), false).unwrap();
    let mut classifier = Classifier::load(dir.path().join("m")).unwrap();
    let texts = ["abc", "xyz zy", "0 1 2", ""];
    let exact = classifier.predict(&texts).unwrap();
    match classifier.set_precision(Precision::Bf16) {
        Ok(()) => {
            for (a, b) in exact.iter().zip(classifier.predict(&texts).unwrap()) {
                assert!(
                    (a.score - b.score).abs() < 0.05 || a.label != b.label && a.score < 0.55,
                    "{a:?} {b:?}"
                );
            }
        }
        Err(error) => assert!(error.to_string().contains("AVX512-BF16 or AMX"), "{error}"),
    }
}

#[test]
fn students_of_several_sizes_are_made_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny(dir.path());
    let rows = dir.path().join("rows.csv");
    let teacher = dir.path().join("teacher");
    let trainer = Trainer::new(dir.path().join("encoder")).data(&rows, "70/15/15").options(options());
    trainer.fit().unwrap().save(&teacher, false).unwrap();
    for student in [Student::Even(1), Student::Layers(vec![0, 1])] {
        // What the teacher decides wins over the options.
        let options = Options { max_length: Some(3), pooling: Pooling::Mean, ..options() };
        let few = matches!(student, Student::Layers(_)).then_some((Scheme::Nf4, Scheme::Int8));
        let options = Options { fake: few, ..options };
        let mut told = Distillation::new(student);
        told.teaching.hidden = 0.5;
        let trained =
            Trainer::new(&teacher).distil(told).data(&rows, "70/15/15").options(options).fit().unwrap();
        let classifier = trained.classifier();
        assert!(!classifier.network().has_fake());
        assert_eq!((classifier.max_length(), classifier.pooling()), (23, Pooling::Pooler));
        assert_eq!(&classifier.predict(&["abc cab"]).unwrap()[0].label, "low");
        let beside = trained.metrics().distillation.as_ref().unwrap();
        assert_eq!(beside.size.layers, classifier.network().encoder().layers());
        assert!(beside.control.as_ref().unwrap().test.is_some() && beside.against_control.is_some());
    }
    let error = Trainer::new(dir.path().join("encoder")).distil(Distillation::new(Student::Even(1)));
    let error = error.data(&rows, "80/20").fit().unwrap_err().to_string();
    assert!(error.contains("LABEL_0"), "an encoder's labels are not those of the rows: {error}");
}

/// Stops after so many updates.
struct StopAfter(usize);

impl Watch for StopAfter {
    fn step(&mut self, _: &StepReport) {
        self.0 -= 1;
    }
    fn stop(&mut self) -> bool {
        self.0 == 0
    }
}

/// What is trained for few bits has the figures of the rounded weights, is handed out without marks, and keeps its answers when it
/// is stored so.
#[test]
fn trained_for_few_bits() {
    let dir = tempfile::tempdir().unwrap();
    write_tiny(dir.path());
    let rows = dir.path().join("rows.csv");
    let trainer =
        |options: Options| Trainer::new(dir.path().join("encoder")).data(&rows, "70/15/15").options(options);
    let fake = Some((Scheme::Int8, Scheme::Nf4));
    let trained = trainer(Options { fake, ..options() }).fit().unwrap();
    let plain = trainer(options()).fit().unwrap();
    let note = |notes: &[String]| notes.iter().any(|note| note.contains("trained for few bits"));
    assert!(note(&trained.metrics().notes) && !note(&plain.metrics().notes));
    assert_ne!(trained.metrics().epochs[0].train_loss, plain.metrics().epochs[0].train_loss);
    let out = dir.path().join("plain");
    trained.save(&out, false).unwrap();
    let texts = ["abc cab", "xyz zyx"];
    let own = trained.classifier().predict(&texts).unwrap();
    assert_eq!(own, Classifier::load(&out).unwrap().predict(&texts).unwrap(), "no marks are left");
    let few = dir.path().join("few");
    let told = filbert::Quantization {
        embeddings: Scheme::Int8,
        linears: Scheme::Nf4,
        importance: filbert::Importance::Largest,
        ..filbert::Quantization::default()
    };
    trained.classifier().quantize(&told, (&few, false), &mut filbert::Silent).unwrap();
    let stored = Classifier::load(&few).unwrap().predict(&texts).unwrap();
    assert_eq!([&stored[0].label, &stored[1].label], [&own[0].label, &own[1].label]);

    // A checkpoint of one is not one of the other, nor of another scheme.
    let checkpoints = |resume| {
        let folder = dir.path().join("checkpoints");
        Some(Checkpointing { folder, every: Every::Steps(1), resume })
    };
    let stopped = Options { fake, checkpoints: checkpoints(false), ..options() };
    trainer(stopped).fit_watched(&mut StopAfter(3)).unwrap_err();
    for other in [None, Some((Scheme::Int8, Scheme::Int8))] {
        let other = Options { fake: other, checkpoints: checkpoints(true), ..options() };
        let error = trainer(other).fit().unwrap_err().to_string();
        assert!(error.contains("the few bits"), "{error}");
    }
    let resumed = trainer(Options { fake, checkpoints: checkpoints(true), ..options() }).fit().unwrap();
    let losses = |t: &filbert::Trained| t.metrics().epochs.iter().map(|e| e.train_loss).collect::<Vec<_>>();
    assert_eq!(losses(&resumed), losses(&trained), "it goes on to the same end");

    let lora = Lora { rank: 2, alpha: 4.0, dropout: 0.0, targets: vec!["query".to_owned()] };
    let error = trainer(Options { fake, lora: Some(lora), ..options() }).fit().unwrap_err().to_string();
    assert!(error.contains("--lora does not go together"), "{error}");
    let wrong = Some((Scheme::Int4 { group: 7 }, Scheme::Nf4));
    let error = trainer(Options { fake: wrong, ..options() }).fit().unwrap_err().to_string();
    assert!(error.contains("32, 64 or 128"), "{error}");
}
