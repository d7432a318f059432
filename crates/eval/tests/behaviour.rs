//! The published JSON shape, the notes, the typed errors, what happens at the edges where intervals break
//! down, and the time that many classes take.

use std::time::{Duration, Instant};

use filbert_eval::{
    Error, Inputs, MAX_CONFUSION_CLASSES, Method, Options, Report, binary_auc, measure, paired, softmax_rows,
};

fn names(labels: &[&str]) -> Vec<String> {
    labels.iter().map(|&label| label.to_owned()).collect()
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}

/// Two classes, `right` rows of each predicted right and one of each wrong where `wrong`.
fn two_classes(right: usize, wrong: bool) -> Report {
    let (mut probabilities, mut labels) = (Vec::new(), Vec::new());
    for row in 0..right {
        let p = 0.6 + 0.3 * row as f32 / right as f32;
        probabilities.extend([p, 1.0 - p, 1.0 - p, p]);
        labels.extend([0, 1]);
    }
    if wrong {
        probabilities.extend([0.3, 0.7, 0.8, 0.2]);
        labels.extend([0, 1]);
    }
    let classes = names(&["ham", "spam"]);
    let inputs = Inputs { probabilities: &probabilities, labels: &labels, classes: &classes, positive: None };
    measure(&inputs, &Options::default()).unwrap()
}

#[test]
fn json_has_the_published_shape() {
    let json = two_classes(20, true).to_json();
    assert_eq!(json["rows"], 42);
    assert_eq!(json["positive"], "spam");
    let metrics = [
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "micro_f1",
        "weighted_f1",
        "mcc",
        "auc",
        "pr_auc",
        "log_loss",
        "brier",
        "ece",
    ];
    for metric in metrics {
        let object = json["metrics"][metric].as_object().unwrap();
        let keys: Vec<&str> = object.keys().map(String::as_str).collect();
        assert_eq!(keys, ["value", "low", "high", "method"], "{metric}");
        assert_eq!(object["low"].is_f64(), metric != "ece", "{metric}");
    }
    assert_eq!(json["metrics"]["auc"]["method"], "delong");
    assert_eq!(json["metrics"]["ece"]["method"], "none");
    assert_eq!(json["per_class"]["spam"]["support"], 21);
    assert_eq!(json["confusion"]["labels"][1], "spam");
    assert_eq!(json["confusion"]["counts"][0][0], 20);
}

#[test]
fn class_order_survives_json() {
    let classes = names(&["zebra", "ant", "10", "9"]);
    let logits: Vec<f32> = (0..80u8).map(|i| f32::from(i % 7)).collect();
    let probabilities = softmax_rows(&logits, 4).unwrap();
    let labels: Vec<usize> = (0..20).map(|row| row % 4).collect();
    let inputs = Inputs { probabilities: &probabilities, labels: &labels, classes: &classes, positive: None };
    let report = measure(&inputs, &Options::default()).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    let back: Report = serde_json::from_str(&text).unwrap();
    assert_eq!(
        back.per_class.iter().map(|c| &c.label).collect::<Vec<_>>(),
        classes.iter().collect::<Vec<_>>()
    );
    assert_eq!(report.positive, None);
}

#[test]
fn a_perfect_sample_is_not_certain() {
    let m = two_classes(50, false).metrics;
    let bounded = [m.balanced_accuracy, m.macro_f1, m.weighted_f1, m.mcc, m.auc.unwrap(), m.pr_auc.unwrap()];
    for estimate in bounded {
        assert_eq!((estimate.value, estimate.high, estimate.method), (1.0, Some(1.0), Method::WilsonBound));
        assert!((0.85..0.99).contains(&estimate.low.unwrap()), "{estimate:?}");
    }
    assert_eq!(m.accuracy.method, Method::Wilson);
}

#[test]
fn more_rows_narrow_the_intervals() {
    let width = |rows: usize| {
        let m = two_classes(rows, true).metrics;
        [m.accuracy, m.macro_f1, m.mcc, m.log_loss].map(|e| e.high.unwrap() - e.low.unwrap())
    };
    for (few, many) in width(20).into_iter().zip(width(200)) {
        assert!(many < few, "{many} {few}");
    }
}

#[test]
fn seeds_decide_the_bits() {
    let classes = numbered(3);
    let logits: Vec<f32> = (0..300u32).map(|i| (i * 7919 % 101) as f32 / 25.0).collect();
    let probabilities = softmax_rows(&logits, 3).unwrap();
    let labels: Vec<usize> = (0..100).map(|row| row * 31 % 3).collect();
    let inputs = Inputs { probabilities: &probabilities, labels: &labels, classes: &classes, positive: None };
    let with = |seed| measure(&inputs, &Options { seed, ..Options::default() }).unwrap();
    assert_eq!(with(1), with(1));
    assert_ne!(with(1).metrics.macro_f1, with(2).metrics.macro_f1);
    assert_eq!(with(1).metrics.macro_f1.value, with(2).metrics.macro_f1.value);
}

#[test]
fn one_class_and_no_resamples_are_told() {
    let classes = names(&["a", "b", "c"]);
    let probabilities = [0.2, 0.5, 0.3].repeat(5);
    let inputs = Inputs { probabilities: &probabilities, labels: &[1; 5], classes: &classes, positive: None };
    let report = measure(&inputs, &Options { seed: 0, resamples: 0 }).unwrap();
    assert_eq!((report.metrics.auc, report.metrics.pr_auc), (None, None));
    assert!(report.to_json()["metrics"]["auc"].is_null());
    let notes = report.notes.join("\n");
    for part in
        ["one class", "no row is labelled \"a\", \"c\"", "no row is predicted as", "no bootstrap resamples"]
    {
        assert!(notes.contains(part), "{part}: {notes}");
    }
}

#[test]
fn faults_of_the_input_are_typed() {
    type Case<'a> = (&'a [f32], &'a [usize], &'a [String], Option<usize>, fn(&Error) -> bool);
    let (one, two, three, same) = (numbered(1), numbered(2), numbered(3), names(&["a", "a"]));
    // Probabilities, labels, classes, positive class, and the error that names the fault.
    let cases: [Case<'_>; 11] = [
        (&[], &[], &two, None, |e| matches!(e, Error::NoRows)),
        (&[0.5; 3], &[0; 2], &two, None, |e| matches!(e, Error::Length { expected: 4, found: 3, .. })),
        (&[0.5; 2], &[], &two, None, |e| matches!(e, Error::Length { expected: 0, found: 2, .. })),
        (&[0.5; 2], &[2], &two, None, |e| {
            matches!(e, Error::LabelOutOfRange { row: 0, label: 2, classes: 2 })
        }),
        (&[0.5, 0.5, 0.5, f32::NAN], &[0; 2], &two, None, |e| {
            matches!(e, Error::NotAProbability { row: 1, class: 1, .. })
        }),
        (&[-1.5, 2.5], &[0], &two, None, |e| matches!(e, Error::NotAProbability { row: 0, class: 0, .. })),
        (&[0.9, 0.9], &[0], &two, None, |e| matches!(e, Error::RowSum { row: 0, .. })),
        (&[1.0], &[0], &one, None, |e| matches!(e, Error::TooFewClasses { found: 1, least: 2 })),
        (&[0.5; 2], &[0], &same, None, |e| matches!(e, Error::DuplicateClass { .. })),
        (&[0.5; 2], &[0], &two, Some(2), |e| matches!(e, Error::Positive { index: 2, classes: 2 })),
        (&[0.5, 0.25, 0.25], &[0], &three, Some(1), |e| {
            matches!(e, Error::Positive { index: 1, classes: 3 })
        }),
    ];
    for (index, (probabilities, labels, classes, positive, fits)) in cases.into_iter().enumerate() {
        let inputs = Inputs { probabilities, labels, classes, positive };
        let error = measure(&inputs, &Options::default()).unwrap_err();
        assert!(fits(&error), "case {index}: {error:?}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    let inputs = Inputs { probabilities: &[0.5; 2], labels: &[0], classes: &two, positive: None };
    let many = Options { seed: 0, resamples: usize::MAX };
    assert!(matches!(measure(&inputs, &many), Err(Error::TooManyResamples { .. })));
    assert!(matches!(
        binary_auc(&[0.1, 0.2], &[true, true]),
        Err(Error::OneSided { positives: 2, negatives: 0 })
    ));
    assert!(matches!(binary_auc(&[0.1, f32::NAN], &[true, false]), Err(Error::NotFinite { row: 1, .. })));
}

#[test]
fn different_rows_are_not_compared() {
    let classes = numbered(2);
    let a = Inputs { probabilities: &[0.5, 0.5], labels: &[0], classes: &classes, positive: None };
    let error = paired::compare(&a, &Inputs { labels: &[1], ..a }, &Options::default());
    assert_eq!(error, Err(Error::NotPaired { what: "the true labels" }));
    let error = paired::compare(&a, &Inputs { positive: Some(0), ..a }, &Options::default());
    assert_eq!(error, Err(Error::NotPaired { what: "the positive class" }));
}

#[test]
fn a_model_equals_itself_within_a_bound() {
    let classes = numbered(2);
    let probabilities: Vec<f32> =
        (0..100u8).flat_map(|i| [f32::from(i) / 100.0, 1.0 - f32::from(i) / 100.0]).collect();
    let labels: Vec<usize> = (0..100).map(|row| row % 3 % 2).collect();
    let a = Inputs { probabilities: &probabilities, labels: &labels, classes: &classes, positive: None };
    let found = paired::compare(&a, &a, &Options::default()).unwrap();
    assert_eq!(found.mcnemar_p, 1.0);
    assert_eq!(found.accuracy_difference.method, Method::WilsonBound);
    assert!(found.accuracy_difference.low.unwrap() < -0.03);
    assert_eq!(found.auc_difference.map(|d| d.low), Some(None));
    assert!(found.notes[0].contains("auc_difference"), "{:?}", found.notes);
}

/// 3,000 rows of 77 classes (the size of Banking77's test split), no skill: the longest passes.
#[test]
fn many_classes_take_seconds_at_most() {
    let (rows, classes) = (3000, 77);
    let mut state = 1u32;
    let logits: Vec<f32> = (0..rows * classes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 1e7
        })
        .collect();
    let probabilities = softmax_rows(&logits, classes).unwrap();
    let labels: Vec<usize> = (0..rows).map(|row| row % classes).collect();
    let names = numbered(classes);
    let inputs = Inputs { probabilities: &probabilities, labels: &labels, classes: &names, positive: None };
    let start = Instant::now();
    let report = measure(&inputs, &Options::default()).unwrap();
    let took = start.elapsed();
    assert_eq!(report.metrics.auc.map(|auc| auc.method), Some(Method::Bootstrap));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn very_many_classes_stay_small() {
    let classes = MAX_CONFUSION_CLASSES + 1;
    let names = numbered(classes);
    let probabilities = vec![1.0 / classes as f32; classes * 2];
    let inputs = Inputs { probabilities: &probabilities, labels: &[0, 1], classes: &names, positive: None };
    let report = measure(&inputs, &Options::default()).unwrap();
    assert_eq!(report.confusion, None);
    assert!(report.notes.iter().any(|note| note.contains("989 more")), "{:?}", report.notes);
}
