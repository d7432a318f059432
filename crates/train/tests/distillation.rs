//! A student on the training loop: it comes to answer as its teacher does, inner states and all, and what is kept of the teacher,
//! how a batch is cut and where a run stops change nothing.

mod common;

use std::path::Path;

use common::{rows, tiny};
use filbert_engine::Context;
use filbert_model::{Config, Encoding, Freeze, Lora, Network, Pooling};
use filbert_train::{
    Checkpoints, Error, Every, Lesson, Observer, Rows, Settings, Silent, StepReport, Targets, Teaching,
    Texts, fit, fit_taught, logits,
};
use serde_json::json;

fn teacher() -> Network {
    let mut network = tiny(Pooling::Pooler, &Freeze::None);
    let settings = Settings { epochs: 10, batch_size: 4, learning_rate: 3e-3, ..Settings::default() };
    fit(&mut network, &Context::default(), &rows(24), None, &settings, None, &mut Silent).unwrap();
    network
}

/// A configuration of another width, without dropout.
fn narrow() -> Config {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
    let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    for (key, value) in [
        ("hidden_size", json!(12)),
        ("num_attention_heads", json!(2)),
        ("intermediate_size", json!(20)),
        ("num_hidden_layers", json!(1)),
        ("hidden_dropout_prob", json!(0.0)),
        ("attention_probs_dropout_prob", json!(0.0)),
    ] {
        json[key] = value;
    }
    Config::parse(json.to_string().as_bytes(), Path::new("narrow.json")).unwrap()
}

fn unlabelled() -> Texts {
    let encodings = (0..18u32)
        .map(|i| {
            let ids: Vec<u32> = (0..2 + i % 5).map(|j| 6 + (i * 7 + j * 2) % 50).collect();
            Encoding { type_ids: vec![0; ids.len()], ids, truncated: false }
        })
        .collect();
    Texts { encodings, starts: None }
}

fn settings() -> Settings {
    Settings { epochs: 3, batch_size: 5, learning_rate: 2e-3, ..Settings::default() }
}

const ALL: Teaching = Teaching {
    temperature: 2.0,
    alpha: 0.5,
    hidden: 1.0,
    attention: 1.0,
    relation_heads: None,
    memory: 1 << 20,
};

fn bits(network: &Network) -> Vec<u32> {
    network.params.iter().flat_map(|(_, p)| p.value.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect()
}

/// The mean absolute difference of two networks' logits.
fn apart(a: &Network, b: &Network, texts: &Texts) -> f64 {
    let of = |n: &Network| logits(n, &Context::default(), texts, &mut |_| ()).unwrap();
    let (a, b) = (of(a), of(b));
    a.iter().zip(&b).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>() / a.len() as f64
}

fn lesson<'a>(teacher: &'a Network, train: &Rows, more: Texts, teaching: Teaching) -> Lesson<'a> {
    Lesson::new(teacher, &Context::default(), &train.texts, more, teaching, &mut |_| false).unwrap()
}

fn taught(student: &mut Network, lesson: &Lesson<'_>, train: &Rows, settings: &Settings) -> f64 {
    let context = Context::default();
    let fitted = fit_taught(student, &context, (train, None), lesson, settings, None, &mut Silent).unwrap();
    fitted.epochs.last().unwrap().train_loss
}

#[test]
fn a_student_comes_to_answer_as_its_teacher() {
    let (teacher, train) = (teacher(), rows(24));
    let mut student = teacher.of_layers(&[1]).unwrap();
    let before = apart(&student, &teacher, &train.texts);
    // The labels are all wrong: only the teacher can have taught it.
    let wrong = Rows {
        texts: train.texts.clone(),
        targets: Targets::Classes(train.targets.classes().unwrap().iter().map(|c| 1 - c).collect()),
    };
    let teaching = Teaching { alpha: 1.0, ..ALL };
    let lesson = lesson(&teacher, &wrong, unlabelled(), teaching).with_layers(vec![1]);
    assert_eq!((lesson.outputs().len(), lesson.unlabelled()), (2 * 42, 18));
    taught(&mut student, &lesson, &wrong, &Settings { epochs: 30, ..settings() });
    let after = apart(&student, &teacher, &train.texts);
    assert!(after < 0.3 * before, "{before} before, {after} after");
}

#[test]
fn projections_are_trained_and_dropped() {
    let (teacher, train) = (teacher(), rows(24));
    let mut student = Network::fresh(narrow(), 2, Pooling::Pooler, 5).unwrap();
    let names = |n: &Network| n.params.iter().map(|(_, p)| p.name.clone()).collect::<Vec<_>>();
    let before = names(&student);
    let lesson = lesson(&teacher, &train, Texts::default(), ALL);
    let first = taught(&mut student, &lesson, &train, &Settings { epochs: 1, ..settings() });
    let last = taught(&mut student, &lesson, &train, &Settings { epochs: 20, ..settings() });
    assert!(last < 0.7 * first, "{first} at first, {last} at last");
    assert_eq!(names(&student), before);
    let wrong = Teaching { relation_heads: Some(2), ..ALL };
    let lesson =
        Lesson::new(&teacher, &Context::default(), &train.texts, Texts::default(), wrong, &mut |_| false);
    let error = fit_taught(
        &mut student,
        &Context::default(),
        (&train, None),
        &lesson.unwrap(),
        &settings(),
        None,
        &mut Silent,
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("relation heads") && error.contains("12 and 21"), "{error}");
}

#[test]
fn what_is_kept_of_the_teacher_changes_no_bit() {
    let (teacher, train) = (teacher(), rows(24));
    let run = |memory: usize, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut student = teacher.of_layers(&[0]).unwrap();
            let lesson = lesson(&teacher, &train, unlabelled(), Teaching { memory, ..ALL });
            taught(&mut student, &lesson, &train, &settings());
            assert!(lesson.kept_bytes() <= memory);
            (bits(&student), lesson.kept_bytes())
        })
    };
    let (wanted, kept) = run(1 << 20, 2);
    // 203 tokens of five states of 21 numbers: hidden states after 0 and 2 layers, queries, keys and values.
    let tokens: usize =
        train.texts.encodings.iter().chain(&unlabelled().encodings).map(|e| e.ids.len()).sum();
    assert_eq!(kept, tokens * 5 * 21 * 4);
    for (memory, threads) in [(0, 1), (3_000, 2), (1 << 20, 1)] {
        assert!(run(memory, threads).0 == wanted, "{memory} bytes, {threads} threads");
    }
}

#[test]
fn parts_of_a_batch_make_the_update_of_the_whole() {
    let (teacher, train) = (teacher(), rows(24));
    let run = |accumulate: usize| {
        let mut student = Network::fresh(narrow(), 2, Pooling::Mean, 5).unwrap();
        let lesson = lesson(&teacher, &train, unlabelled(), ALL);
        // Steps of stochastic size would show rounding: the loss is compared, which holds every share of it.
        let settings = Settings { epochs: 1, batch_size: 42, learning_rate: 1e-4, accumulate, ..settings() };
        taught(&mut student, &lesson, &train, &settings)
    };
    let whole = run(1);
    for parts in [2, 5, 42] {
        assert!((run(parts) - whole).abs() < 1e-5 * whole, "{parts} parts: {} against {whole}", run(parts));
    }
}

#[test]
fn sets_numbers_and_windows_are_taught_too() {
    let context = Context::default();
    let texts = Texts::of_windows(unlabelled().encodings.chunks(2).map(<[Encoding]>::to_vec).collect());
    let sets = (0..9u32).map(|i| [vec![0], vec![0, 1], vec![]][i as usize % 3].clone()).collect();
    let numbers = (0..9).map(|i| i as f32 / 9.0).collect();
    for (targets, labels) in [(Targets::Sets(sets), 2), (Targets::Numbers(numbers), 1)] {
        let config = Config::parse(
            &std::fs::read(
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny/config.json"),
            )
            .unwrap(),
            Path::new("config.json"),
        )
        .unwrap();
        let teacher = Network::fresh(config, labels, Pooling::Cls, 9).unwrap();
        let mut student = teacher.of_layers(&[0]).unwrap();
        let train = Rows { texts: texts.clone(), targets };
        let before = apart(&student, &teacher, &texts);
        let mut lesson = lesson(&teacher, &train, texts.clone(), Teaching { alpha: 1.0, ..ALL });
        lesson.scale_outputs(1.0, 0.0);
        taught(&mut student, &lesson, &train, &Settings { epochs: 40, ..settings() });
        let after = apart(&student, &teacher, &texts);
        assert!(after < 0.5 * before, "{labels} labels: {before} before, {after} after");
        assert!(
            lesson.kept_bytes() > 0
                && student
                    .logits(&context, &filbert_model::Batch::new(student.architecture, &texts.encodings))
                    .is_ok()
        );
    }
}

struct Stop(usize);

impl Observer for Stop {
    fn step(&mut self, _: &StepReport) {
        self.0 -= 1;
    }
    fn stop(&mut self) -> bool {
        self.0 == 0
    }
}

#[test]
fn stopped_anywhere_it_ends_with_the_same_bits() {
    let (teacher, train, valid) = (teacher(), rows(24), rows(7));
    let folder = tempfile::tempdir().unwrap();
    let run = |stop: usize, resume: Option<bool>| {
        let checkpoints = resume.map(|resume| Checkpoints {
            folder: folder.path().to_path_buf(),
            every: Every::Steps(100),
            resume,
            keep_last: false,
            identity: json!({"teacher": "this"}),
            record: json!({}),
        });
        let mut student = Network::fresh(narrow(), 2, Pooling::Pooler, 5).unwrap();
        let lesson = lesson(&teacher, &train, unlabelled(), ALL);
        let rows = (&train, Some(&valid));
        let mut stop = Stop(stop);
        fit_taught(
            &mut student,
            &Context::default(),
            rows,
            &lesson,
            &settings(),
            checkpoints.as_ref(),
            &mut stop,
        )
        .map(|_| bits(&student))
    };
    let wanted = run(usize::MAX, None).unwrap();
    for (stop, resume) in [(4, false), (9, true), (1, true)] {
        let error = run(stop, Some(resume)).unwrap_err();
        assert!(matches!(error, Error::Interrupted { checkpoint: Some(_), .. }), "{error}");
    }
    assert!(run(usize::MAX, Some(true)).unwrap() == wanted);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (teacher, train) = (teacher(), rows(24));
    let refused = |teaching: Teaching, part: &str| {
        let made =
            Lesson::new(&teacher, &Context::default(), &train.texts, Texts::default(), teaching, &mut |_| {
                false
            });
        let error = made.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(Teaching { temperature: 0.0, ..ALL }, "temperature");
    refused(Teaching { temperature: f32::NAN, ..ALL }, "temperature");
    refused(Teaching { alpha: 1.5, ..ALL }, "alpha");
    refused(Teaching { hidden: -1.0, ..ALL }, "hidden");
    refused(Teaching { attention: f32::INFINITY, ..ALL }, "attention");
    refused(Teaching { alpha: 0.0, hidden: 0.0, attention: 0.0, ..ALL }, "says nothing");
    let many = rows(800).texts;
    let stopped =
        Lesson::new(&teacher, &Context::default(), &many, unlabelled(), Teaching::default(), &mut |_| true);
    assert!(matches!(stopped, Err(Error::Stopped)));

    // A frozen trunk is taught by outputs alone.
    let mut student = teacher.of_layers(&[0]).unwrap();
    student.freeze(&Freeze::Trunk).unwrap();
    let inner = lesson(&teacher, &train, Texts::default(), ALL);
    let outcome =
        fit_taught(&mut student, &Context::default(), (&train, None), &inner, &settings(), None, &mut Silent);
    assert!(outcome.unwrap_err().to_string().contains("frozen trunk"));
    let outer = lesson(&teacher, &train, unlabelled(), Teaching::default());
    taught(&mut student, &outer, &train, &settings());
    // With adapters the inner states can be taught.
    let mut student = teacher.of_layers(&[0]).unwrap();
    let lora = Lora { rank: 2, alpha: 4.0, dropout: 0.0, targets: vec!["query".to_owned()] };
    student.add_lora(&lora, 1).unwrap();
    taught(&mut student, &inner, &train, &settings());
    student.merge_lora();

    let mut broken = teacher.clone();
    let id = broken.head().classifier().weight;
    broken.params.get_mut(id).value.fill(f32::INFINITY);
    let made = Lesson::new(&broken, &Context::default(), &train.texts, Texts::default(), ALL, &mut |_| false);
    assert!(made.unwrap_err().to_string().contains("row 0"));
}
