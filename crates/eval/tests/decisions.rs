//! Decisions: what they answer, what they refuse, how they are written; and that what is fitted gives what was
//! asked for when it is used.

use filbert_eval::fit::{Target, Unsure, Wanted, fit_multi_label, fit_single_label};
use filbert_eval::operating::{Found, Refusal, precision_by_prevalence, tpr_at_fpr};
use filbert_eval::{
    Band, Decision, Error, Inputs, Options, Rule, measure_decided, sigmoid_rows, softmax_rows,
};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}

fn binary(threshold: Option<f32>, unsure: Option<(f32, f32)>) -> Decision {
    let unsure = unsure.map(|(low, high)| Band { low, high });
    Decision { temperature: 1.0, rule: Rule::Binary { positive: 1, threshold, unsure } }
}

fn multiclass(thresholds: Option<Vec<f32>>, unsure_below: Option<f32>) -> Decision {
    Decision { temperature: 1.0, rule: Rule::Multiclass { thresholds, unsure_below } }
}

fn multilabel(thresholds: &[f32]) -> Decision {
    Decision { temperature: 1.0, rule: Rule::Multilabel { thresholds: thresholds.to_vec() } }
}

/// Logits and labels with some skill, from a small generator of their own.
fn drawn(rows: usize, classes: usize, skill: f32, seed: u32) -> (Vec<f32>, Vec<usize>) {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    };
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let label = row % classes;
        labels.push(label);
        let own = |class: usize| if class == label { skill } else { 0.0 };
        logits.extend((0..classes).map(|class| own(class) + 4.0 * (next() + next() - 1.0)));
    }
    (logits, labels)
}

#[test]
fn answers_follow_the_rule() {
    // Decision, probabilities, labels answered, whether unsure.
    let cases: Vec<(Decision, Vec<f32>, Vec<usize>, bool)> = vec![
        (binary(None, None), vec![0.5, 0.5], vec![0], false),
        (binary(Some(0.5), None), vec![0.5, 0.5], vec![1], false),
        (binary(Some(0.2), None), vec![0.8, 0.2], vec![1], false),
        (binary(Some(0.2), None), vec![0.81, 0.19], vec![0], false),
        (binary(Some(0.5), Some((0.3, 0.7))), vec![0.7, 0.3], vec![0], true),
        (binary(Some(0.5), Some((0.3, 0.7))), vec![0.3, 0.7], vec![1], false),
        (binary(None, Some((0.0, 1.0))), vec![1.0, 0.0], vec![0], true),
        (binary(None, Some((0.5, 0.5))), vec![0.5, 0.5], vec![0], false),
        (multiclass(None, None), vec![0.2, 0.4, 0.4], vec![1], false),
        (multiclass(Some(vec![0.0, 0.4, 0.9]), None), vec![0.2, 0.4, 0.4], vec![1], false),
        (multiclass(Some(vec![0.0, 0.5, 0.9]), None), vec![0.2, 0.4, 0.4], vec![1], true),
        (multiclass(None, Some(0.45)), vec![0.2, 0.4, 0.4], vec![1], true),
        (multiclass(Some(vec![0.0; 3]), Some(0.4)), vec![0.2, 0.4, 0.4], vec![1], false),
        (multilabel(&[0.5, 0.3]), vec![0.5, 0.3], vec![0, 1], false),
        (multilabel(&[0.5, 0.3]), vec![0.49, 0.29], vec![], false),
    ];
    for (index, (decision, probabilities, labels, unsure)) in cases.into_iter().enumerate() {
        decision.check(probabilities.len()).unwrap();
        let answer = decision.decide(&probabilities).unwrap();
        assert_eq!((answer.labels, answer.unsure), (labels, unsure), "case {index}");
    }
}

type Case = (Decision, usize, fn(&Error) -> bool);

#[test]
fn hostile_decisions_are_refused() {
    let at = |temperature: f64| Decision { temperature, ..binary(None, None) };
    let odd =
        Decision { temperature: 1.0, rule: Rule::Binary { positive: 2, threshold: None, unsure: None } };
    let cases: Vec<Case> = vec![
        (at(0.0), 2, |e| matches!(e, Error::Temperature { .. })),
        (at(-1.0), 2, |e| matches!(e, Error::Temperature { .. })),
        (at(f64::NAN), 2, |e| matches!(e, Error::Temperature { .. })),
        (at(f64::INFINITY), 2, |e| matches!(e, Error::Temperature { .. })),
        (at(1e-300), 2, |e| matches!(e, Error::Temperature { .. })),
        (odd, 2, |e| matches!(e, Error::Positive { index: 2, .. })),
        (binary(None, None), 3, |e| matches!(e, Error::DecisionClasses { made_for: 2, classes: 3 })),
        (binary(Some(f32::NAN), None), 2, |e| matches!(e, Error::Threshold { .. })),
        (binary(Some(1.5), None), 2, |e| matches!(e, Error::Threshold { .. })),
        (binary(None, Some((0.7, 0.3))), 2, |e| matches!(e, Error::Band { .. })),
        (binary(None, Some((f32::NAN, 1.0))), 2, |e| matches!(e, Error::Band { .. })),
        (binary(Some(0.2), Some((0.3, 0.7))), 2, |e| matches!(e, Error::BandWithoutThreshold { .. })),
        (multiclass(Some(vec![0.5; 2]), None), 3, |e| matches!(e, Error::DecisionClasses { .. })),
        (multiclass(Some(vec![0.5, -0.1, 0.0]), None), 3, |e| matches!(e, Error::Threshold { label: 1, .. })),
        (multiclass(None, Some(f32::INFINITY)), 3, |e| matches!(e, Error::Threshold { .. })),
        (multiclass(None, None), 1, |e| matches!(e, Error::TooFewClasses { .. })),
        (multilabel(&[0.5]), 2, |e| matches!(e, Error::DecisionClasses { .. })),
        (multilabel(&[f32::NAN]), 1, |e| matches!(e, Error::Threshold { .. })),
    ];
    for (index, (decision, classes, fits)) in cases.into_iter().enumerate() {
        let error = decision.check(classes).unwrap_err();
        assert!(fits(&error), "case {index}: {error:?}");
        assert!(decision.decide_rows(&vec![0.5; classes], classes).is_err(), "case {index}");
    }
    let plain = Decision::plain(2, None);
    assert!(matches!(plain.decide(&[0.5]), Err(Error::Length { .. })));
    assert!(matches!(plain.decide(&[0.5, f32::NAN]), Err(Error::NotAProbability { .. })));
    assert!(matches!(plain.decide_rows(&[0.5; 3], 2), Err(Error::Length { .. })));
    assert!(multiclass(None, None).decide(&[]).is_err());
}

#[test]
fn decisions_survive_json_and_refuse_what_they_do_not_know() {
    let all = [
        binary(None, None),
        Decision { temperature: 1.3, ..binary(Some(0.1), Some((0.05, 1.0 / 3.0))) },
        multiclass(None, None),
        multiclass(Some(vec![0.1, 0.2, 0.3]), Some(0.15)),
        multilabel(&[0.5, 0.123_456_79]),
    ];
    for decision in all {
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision, "{text}");
    }
    let refused = [
        r#"{"temperature":1,"rule":{"kind":"binary","positive":1},"extra":1}"#,
        r#"{"temperature":1,"rule":{"kind":"binary","positive":1,"treshold":0.5}}"#,
        r#"{"temperature":1,"rule":{"kind":"multiclass","positive":1}}"#,
        r#"{"temperature":1,"rule":{"kind":"ranking"}}"#,
        r#"{"temperature":null,"rule":{"kind":"multiclass"}}"#,
        r#"{"temperature":1,"rule":{"kind":"binary","positive":-1}}"#,
        r#"{"temperature":1}"#,
    ];
    for text in refused {
        assert!(serde_json::from_str::<Decision>(text).is_err(), "{text}");
    }
    let short: Decision = serde_json::from_str(r#"{"rule":{"kind":"binary","positive":0}}"#).unwrap();
    assert_eq!(short, Decision::plain(2, Some(0)));
}

#[test]
fn scaling_is_one_rounding() {
    let logits = vec![1.5f32, -2.25, 3.0, f32::MAX];
    let mut same = logits.clone();
    binary(None, None).scale(&mut same);
    assert_eq!(same, logits);
    let decision = Decision { temperature: 0.05, ..binary(None, None) };
    let mut scaled = logits.clone();
    decision.scale(&mut scaled);
    assert_eq!(scaled, [(1.5 / 0.05) as f32, (-2.25 / 0.05) as f32, (3.0 / 0.05) as f32, f32::MAX]);
    assert_eq!(decision.probabilities(logits.clone(), 2).unwrap(), softmax_rows(&scaled, 2).unwrap());
    let labels = multilabel(&[0.5, 0.5]);
    assert_eq!(labels.probabilities(logits.clone(), 2).unwrap(), sigmoid_rows(&logits, 2).unwrap());
}

#[test]
fn targets_and_rules_are_read_as_written() {
    for text in ["fpr=0.001", "precision=0.95", "recall=0.9", "f1", "mcc"] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        let json = format!("{text:?}");
        assert_eq!(serde_json::from_str::<Target>(&json).unwrap().to_string(), text);
    }
    for text in ["", "fpr", "fpr=", "fpr=0", "fpr=1", "fpr=NaN", "precision=1.1", "recall=-1", "f1=1", "auc"]
    {
        assert!(matches!(text.parse::<Target>(), Err(Error::TargetText { .. })), "{text}");
    }
    for text in ["0.3..0.7", "below=0.6", "accuracy=0.99"] {
        assert_eq!(text.parse::<Unsure>().unwrap().to_string(), text);
    }
    for text in ["", "0.7..0.3", "..", "0.1..x", "0..2", "below=2", "accuracy=0", "accuracy=nan", "0.5"] {
        assert!(text.parse::<Unsure>().is_err(), "{text}");
    }
}

#[test]
fn a_binary_fit_gives_what_was_asked_for() {
    let (logits, labels) = drawn(4000, 2, 2.0, 1);
    let classes = names(2);
    for target in ["fpr=0.01", "precision=0.95", "recall=0.9", "f1", "mcc"] {
        let wanted = Wanted { temperature: true, target: Some(target.parse().unwrap()), unsure: None };
        let fitted = fit_single_label(&logits, &labels, &classes, None, &wanted).unwrap();
        let p = fitted.decision.probabilities(logits.clone(), 2).unwrap();
        let inputs = Inputs { probabilities: &p, labels: &labels, classes: &classes, positive: None };
        let none = Options { resamples: 0, ..Options::default() };
        let report = measure_decided(&inputs, &fitted.decision, &none).unwrap();
        let fit = &fitted.thresholds[0];
        let spam = &report.per_class[1];
        assert_eq!((spam.precision, spam.recall, spam.f1), (fit.precision, fit.recall, fit.f1), "{target}");
        assert!((report.metrics.mcc.value - fit.mcc).abs() < 1e-12, "{target}");
        assert_eq!(report.decided, None);
        match target.parse().unwrap() {
            Target::Fpr(limit) => assert!(fit.fpr.value <= limit && fit.fpr.value > limit * 0.8, "{fit:?}"),
            Target::Precision(limit) => assert!(fit.precision.value >= limit, "{fit:?}"),
            Target::Recall(limit) => assert!((0.0..0.01).contains(&(fit.recall.value - limit)), "{fit:?}"),
            Target::BestF1 | Target::BestMcc => {}
        }
    }
    let wanted = Wanted { target: Some(Target::Fpr(0.001)), ..Wanted::default() };
    let error = fit_single_label(&logits, &labels, &classes, None, &wanted).unwrap_err();
    assert!(matches!(error, Error::TooFewNegatives { needed: 10_000, found: 2000, .. }), "{error:?}");
}

#[test]
fn an_unsure_fit_gives_its_accuracy_and_no_more_unsure_rows_than_needed() {
    for (classes, skill) in [(2, 2.0), (4, 3.0)] {
        let (logits, labels) = drawn(3000, classes, skill, 7);
        let names = names(classes);
        for target in [None, Some(Target::BestMcc)] {
            let unsure = Some("accuracy=0.97".parse().unwrap());
            let wanted = Wanted { temperature: true, target, unsure };
            let fitted = fit_single_label(&logits, &labels, &names, None, &wanted).unwrap();
            let p = fitted.decision.probabilities(logits.clone(), classes).unwrap();
            let inputs = Inputs { probabilities: &p, labels: &labels, classes: &names, positive: None };
            let none = Options { resamples: 0, ..Options::default() };
            let report = measure_decided(&inputs, &fitted.decision, &none).unwrap();
            let (decided, fit) = (report.decided.unwrap(), fitted.unsure.unwrap());
            assert_eq!((decided.coverage, decided.accuracy), (fit.coverage, fit.accuracy));
            assert!((0.97..0.975).contains(&decided.accuracy.value), "{classes} {target:?}: {decided:?}");
            assert!((0.2..0.99).contains(&decided.coverage.value), "{classes} {target:?}: {decided:?}");
        }
        let wanted = Wanted { unsure: Some(Unsure::Below(0.8)), ..Wanted::default() };
        let fitted = fit_single_label(&logits, &labels, &names, None, &wanted).unwrap();
        let p = softmax_rows(&logits, classes).unwrap();
        let expected = p.chunks(classes).filter(|p| p.iter().any(|&p| p >= 0.8)).count() as u64;
        assert_eq!(fitted.unsure.unwrap().decided, expected);
        let band = Some(Unsure::Band(Band { low: 0.3, high: 0.7 }));
        let found = fit_single_label(&logits, &labels, &names, None, &Wanted { unsure: band, ..wanted });
        assert_eq!(found.is_ok(), classes == 2);
    }
    let (logits, labels) = drawn(50, 2, -3.0, 3);
    let wanted = Wanted { unsure: Some(Unsure::Accuracy(1.0)), ..Wanted::default() };
    let found = fit_single_label(&logits, &labels, &names(2), None, &wanted);
    assert!(matches!(found, Err(Error::Unreachable { best, .. }) if best < 1.0), "{found:?}");
}

#[test]
fn classes_and_labels_each_get_their_threshold() {
    let (logits, mut labels) = drawn(600, 4, 2.0, 5);
    for label in &mut labels {
        *label = (*label).min(2);
    }
    let classes = names(4);
    let wanted = Wanted { target: Some(Target::Precision(0.7)), ..Wanted::default() };
    let fitted = fit_single_label(&logits, &labels, &classes, None, &wanted).unwrap();
    assert_eq!(fitted.thresholds.len(), 3);
    assert!(fitted.notes.iter().any(|note| note.contains("no threshold for \"3\"")), "{:?}", fitted.notes);
    assert!(fitted.thresholds.iter().all(|fit| fit.precision.value >= 0.7));

    let truth: Vec<bool> =
        logits.iter().enumerate().map(|(i, &z)| i % 4 != 3 && z + (i % 7) as f32 > 3.0).collect();
    let wanted = Wanted { temperature: true, target: Some(Target::BestF1), unsure: None };
    let fitted = fit_multi_label(&logits, &truth, &classes, &wanted).unwrap();
    let Rule::Multilabel { thresholds } = &fitted.decision.rule else { panic!("{fitted:?}") };
    assert_eq!((fitted.thresholds.len(), thresholds[3]), (3, 0.5));
    assert!(fitted.temperature.unwrap().loss_after <= fitted.temperature.unwrap().loss_before);
    let refused = Wanted { unsure: Some(Unsure::Below(0.5)), ..wanted };
    assert!(matches!(fit_multi_label(&logits, &truth, &classes, &refused), Err(Error::UnsureKind { .. })));
    let low = Wanted { target: Some(Target::Fpr(1e-6)), ..wanted };
    let error = fit_multi_label(&logits, &truth, &classes, &low).unwrap_err();
    assert!(error.to_string().contains("label \"0\" needs 10000000 negative rows"), "{error}");
}

#[test]
fn operating_points_are_given_or_refused() {
    // 1,000 negatives at 0.000 to 0.999; positives at 0.9905, 0.9915 and 0.5.
    let mut scores: Vec<f32> = (0..1000u16).map(|i| f32::from(i) / 1000.0).collect();
    let mut truth = vec![false; 1000];
    scores.extend([0.9905, 0.9915, 0.5]);
    truth.extend([true; 3]);
    let found = tpr_at_fpr(&scores, &truth, &[0.01, 0.001, 0.6]).unwrap();
    let Found::Point(point) = found[0].found else { panic!("{found:?}") };
    assert_eq!((point.tpr.value, point.fpr.value), (2.0 / 3.0, 0.009));
    assert!(point.threshold.is_some_and(|t| t > 0.99 && t <= 0.9905), "{point:?}");
    let refusal = Refusal { needed: 10_000, found: 1000 };
    assert_eq!(found[1].found, Found::Refused(refusal));
    assert_eq!(refusal.to_string(), "needs 10000 negatives, has 1000");
    assert!(matches!(found[2].found, Found::Point(point) if point.tpr.value == 1.0));
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json[1]["found"]["refused"]["needed"], 10_000);
    assert!(matches!(tpr_at_fpr(&scores, &truth, &[0.0]), Err(Error::Rate { .. })));
    assert!(matches!(tpr_at_fpr(&scores, &truth, &[f64::NAN]), Err(Error::Rate { .. })));

    // 2.7 % false positives at one positive in a thousand: the precision is 3 %.
    let truth: Vec<bool> = (0..2000).map(|row| row < 1000).collect();
    let called: Vec<bool> = (0..2000).map(|row| !(950..1973).contains(&row)).collect();
    let found = precision_by_prevalence(&truth, &called, &[0.5, 0.001]).unwrap();
    let half = found.points[0].precision;
    assert!((half.value - 950.0 / 977.0).abs() < 1e-12, "{half:?}");
    let rare = found.points[1].precision;
    assert!((rare.value - 0.000_95 / (0.000_95 + 0.999 * 0.027)).abs() < 1e-12, "{rare:?}");
    assert!(rare.low.unwrap() > 0.02 && rare.high.unwrap() < 0.06, "{rare:?}");
    let none = precision_by_prevalence(&truth, &vec![false; 2000], &[0.5]).unwrap();
    assert_eq!(none.points[0].precision.value, 0.0);
}
