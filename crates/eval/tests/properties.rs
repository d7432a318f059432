//! Whatever the input: no panic, values in their ranges, intervals that hold their value, the same bits for
//! the same seed, and no dependence on the order of the rows where there should be none.

use filbert_eval::fit::{Target, Unsure, Wanted, fit_multi_label, fit_single_label};
use filbert_eval::operating::{Found, operating, tpr_at_fpr};
use filbert_eval::regression::{self, RegressionInputs};
use filbert_eval::slices::{Grouping, slices};
use filbert_eval::{
    Band, Decision, Estimate, Inputs, Options, Report, Rule, curves, measure, measure_decided, multilabel,
    paired, softmax_rows,
};
use proptest::prelude::*;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("c{index}")).collect()
}

fn options() -> Options {
    Options { seed: 1, resamples: 60 }
}

fn assert_sane(name: &str, estimate: &Estimate, least: f64, most: f64) {
    let inside = |value: f64| value.is_finite() && value >= least && value <= most;
    assert!(inside(estimate.value), "{name}: {estimate:?}");
    assert_eq!(estimate.low.is_some(), estimate.high.is_some(), "{name}: {estimate:?}");
    if let (Some(low), Some(high)) = (estimate.low, estimate.high) {
        assert!(inside(low) && inside(high), "{name}: {estimate:?}");
        assert!(low <= estimate.value && estimate.value <= high, "{name}: {estimate:?}");
    }
}

fn assert_report_sane(report: &Report) {
    let m = &report.metrics;
    for (name, estimate) in [
        ("accuracy", &m.accuracy),
        ("balanced_accuracy", &m.balanced_accuracy),
        ("macro_precision", &m.macro_precision),
        ("macro_recall", &m.macro_recall),
        ("macro_f1", &m.macro_f1),
        ("micro_f1", &m.micro_f1),
        ("weighted_precision", &m.weighted_precision),
        ("weighted_recall", &m.weighted_recall),
        ("weighted_f1", &m.weighted_f1),
    ] {
        assert_sane(name, estimate, 0.0, 1.0);
    }
    assert_sane("mcc", &m.mcc, -1.0, 1.0);
    assert_sane("log_loss", &m.log_loss, 0.0, 36.1);
    assert_sane("brier", &m.brier, 0.0, 2.001);
    assert_sane("ece", &m.ece, 0.0, 1.0);
    for ranked in [&m.auc, &m.pr_auc].into_iter().flatten() {
        assert_sane("auc or pr_auc", ranked, 0.0, 1.0);
    }
    for class in &report.per_class {
        for estimate in [&class.precision, &class.recall, &class.f1].into_iter().chain(&class.auc) {
            assert_sane(&class.label, estimate, 0.0, 1.0);
        }
    }
}

/// Logits and labels of a well-formed problem, coarse enough for ties.
fn problem() -> impl Strategy<Value = (usize, Vec<f32>, Vec<usize>)> {
    (2usize..6, 1usize..40).prop_flat_map(|(classes, rows)| {
        let logit = prop_oneof![4 => (-3i8..=3).prop_map(f32::from), 1 => prop::num::f32::NORMAL];
        let labels = prop_oneof![
            3 => prop::collection::vec(0..classes, rows),
            1 => (0..classes).prop_map(move |class| vec![class; rows]),
        ];
        (Just(classes), prop::collection::vec(logit, rows * classes), labels)
    })
}

/// Any number, the awkward ones often.
fn awkward() -> impl Strategy<Value = f32> {
    prop_oneof![
        Just(0.0f32),
        Just(0.5),
        Just(1.0),
        Just(-0.0),
        Just(f32::NAN),
        Just(f32::INFINITY),
        any::<f32>()
    ]
}

proptest! {
    #[test]
    fn reports_are_sane((classes, logits, labels) in problem()) {
        let probabilities = softmax_rows(&logits, classes).unwrap();
        let names = names(classes);
        let inputs =
            Inputs { probabilities: &probabilities, labels: &labels, classes: &names, positive: None };
        let report = measure(&inputs, &options()).unwrap();
        assert_report_sane(&report);
        prop_assert_eq!(&measure(&inputs, &options()).unwrap(), &report);

        let text = report.to_json().to_string();
        prop_assert!(text.contains("\"confusion\""));
        let back: Report = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(back.rows, report.rows);
        let labels_back: Vec<_> = back.per_class.iter().map(|c| c.label.clone()).collect();
        prop_assert_eq!(labels_back, names.clone());

        let bins = curves::reliability(&inputs).unwrap();
        prop_assert_eq!(bins.iter().map(|bin| bin.rows).sum::<u64>(), labels.len() as u64);
    }

    #[test]
    fn row_order_does_not_matter((classes, logits, labels) in problem()) {
        let probabilities = softmax_rows(&logits, classes).unwrap();
        let reversed: Vec<f32> = probabilities.chunks(classes).rev().flatten().copied().collect();
        let labels_reversed: Vec<usize> = labels.iter().rev().copied().collect();
        let names = names(classes);
        let a = Inputs { probabilities: &probabilities, labels: &labels, classes: &names, positive: None };
        let b = Inputs { probabilities: &reversed, labels: &labels_reversed, ..a };
        let none = Options { seed: 0, resamples: 0 };
        let (a, b) = (measure(&a, &none).unwrap().metrics, measure(&b, &none).unwrap().metrics);
        prop_assert_eq!(a.macro_f1, b.macro_f1);
        prop_assert_eq!(a.auc, b.auc);
        prop_assert_eq!(a.pr_auc, b.pr_auc);
        prop_assert!((a.ece.value - b.ece.value).abs() < 1e-12);
    }

    #[test]
    fn anything_is_an_answer_or_an_error(
        probabilities in prop::collection::vec(awkward(), 0..24),
        labels in prop::collection::vec(prop_oneof![0usize..4, any::<usize>()], 0..10),
        classes in 0usize..5,
        positive in prop::option::of(0usize..4),
        seed in any::<u64>(),
    ) {
        let names = names(classes);
        let inputs = Inputs { probabilities: &probabilities, labels: &labels, classes: &names, positive };
        let options = Options { seed, resamples: 20 };
        if let Ok(report) = measure(&inputs, &options) {
            assert_report_sane(&report);
        }
        let _ = paired::compare(&inputs, &inputs, &options);
        let _ = curves::reliability(&inputs);
        let _ = softmax_rows(&probabilities, classes);
        let truth: Vec<bool> = labels.iter().map(|label| label % 2 == 0).collect();
        let _ = curves::roc_curve(&probabilities, &truth);
        let _ = curves::pr_curve(&probabilities, &truth);
        let _ = filbert_eval::binary_auc(&probabilities, &truth);
        let thresholds = vec![0.5; names.len()];
        let inputs = multilabel::MultiInputs {
            probabilities: &probabilities, truth: &truth, labels: &names, thresholds: &thresholds,
        };
        let _ = multilabel::measure(&inputs, &options);
    }

    #[test]
    fn multilabel_reports_are_sane(
        cells in prop::collection::vec((0u8..=10, any::<bool>()), 3..90),
        threshold in 0.0f32..=1.0,
    ) {
        let cells = &cells[..cells.len() / 3 * 3];
        let probabilities: Vec<f32> = cells.iter().map(|cell| f32::from(cell.0) / 10.0).collect();
        let truth: Vec<bool> = cells.iter().map(|cell| cell.1).collect();
        let inputs = multilabel::MultiInputs {
            probabilities: &probabilities, truth: &truth, labels: &names(3), thresholds: &[threshold; 3],
        };
        let m = multilabel::measure(&inputs, &options()).unwrap().metrics;
        let values = [m.subset_accuracy, m.hamming_loss, m.micro_f1, m.macro_f1, m.weighted_f1, m.samples_f1];
        for estimate in values.iter().chain(&m.auc).chain(&m.mean_average_precision) {
            assert_sane("multi-label", estimate, 0.0, 1.0);
        }
    }

    #[test]
    fn paired_differences_are_sane((classes, logits, labels) in problem(), shift in 0usize..5) {
        let old = softmax_rows(&logits, classes).unwrap();
        let mut moved = logits.clone();
        moved.rotate_left(shift.min(logits.len()));
        let new = softmax_rows(&moved, classes).unwrap();
        let names = names(classes);
        let a = Inputs { probabilities: &old, labels: &labels, classes: &names, positive: None };
        let b = Inputs { probabilities: &new, ..a };
        let found = paired::compare(&a, &b, &options()).unwrap();
        let sum = found.both_right + found.both_wrong + found.only_baseline + found.only_candidate;
        prop_assert_eq!(sum, found.rows);
        prop_assert!((0.0..=1.0).contains(&found.mcnemar_p));
        for estimate in std::iter::once(&found.accuracy_difference).chain(&found.auc_difference) {
            assert_sane("difference", estimate, -1.0, 1.0);
        }
    }

    #[test]
    fn any_decision_answers_or_is_refused(
        kind in 0usize..3,
        temperature in prop_oneof![Just(1.0f64), Just(0.3), any::<f64>()],
        values in prop::collection::vec(awkward(), 0..5),
        positive in 0usize..3,
        probabilities in prop::collection::vec(prop_oneof![4 => 0.0f32..=1.0, 1 => awkward()], 0..12),
        classes in 0usize..5,
    ) {
        let first = values.first().copied();
        let band = (values.len() > 2).then(|| Band { low: values[1], high: values[2] });
        let rule = match kind {
            0 => Rule::Binary { positive, threshold: first, unsure: band },
            1 => Rule::Multiclass { thresholds: (!values.is_empty()).then(|| values.clone()), unsure_below: first },
            _ => Rule::Multilabel { thresholds: values.clone() },
        };
        let decision = Decision { temperature, rule };
        let checked = decision.check(classes);
        let _ = decision.decide(&probabilities);
        if let Ok(answers) = decision.decide_rows(&probabilities, classes) {
            prop_assert!(checked.is_ok());
            prop_assert!(answers.iter().flat_map(|answer| &answer.labels).all(|&label| label < classes));
            prop_assert!(kind == 2 || answers.iter().all(|answer| answer.labels.len() == 1));
        }
        if checked.is_ok() {
            let back: Decision = serde_json::from_str(&serde_json::to_string(&decision).unwrap()).unwrap();
            prop_assert_eq!(&back, &decision);
        }
        let _ = decision.probabilities(values.clone(), classes);
        let _ = decision.probabilities(probabilities, classes);
    }

    #[test]
    fn wishes_are_read_or_refused(text in "\\PC{0,12}|(fpr|recall|below|accuracy|f1)=?[-0-9.e]{0,6}|[0-9.]{0,9}") {
        if let Ok(target) = text.parse::<Target>() {
            prop_assert_eq!(target.to_string().parse::<Target>().unwrap(), target);
        }
        if let Ok(unsure) = text.parse::<Unsure>() {
            prop_assert_eq!(unsure.to_string().parse::<Unsure>().unwrap(), unsure);
        }
    }

    #[test]
    fn what_is_fitted_can_be_used(
        (classes, logits, labels) in problem(),
        target in prop::option::of(prop_oneof![
            Just(Target::BestF1), Just(Target::BestMcc), (0.01f64..1.0).prop_map(Target::Precision),
            (0.01f64..1.0).prop_map(Target::Recall), (0.2f64..1.0).prop_map(Target::Fpr),
        ]),
        unsure in prop::option::of((0.5f64..=1.0).prop_map(Unsure::Accuracy)),
        temperature in any::<bool>(),
    ) {
        let names = names(classes);
        let wanted = Wanted { temperature, target, unsure };
        if let Ok(fitted) = fit_single_label(&logits, &labels, &names, None, &wanted) {
            fitted.decision.check(classes).unwrap();
            let p = fitted.decision.probabilities(logits.clone(), classes).unwrap();
            let inputs = Inputs { probabilities: &p, labels: &labels, classes: &names, positive: None };
            assert_report_sane(&measure_decided(&inputs, &fitted.decision, &options()).unwrap());
            let grouping = Grouping::by_length("rows", &labels, 3);
            let found = slices(&inputs, Some(&fitted.decision), &[grouping]).unwrap();
            for slice in &found.slices {
                for estimate in [&slice.accuracy, &slice.rest, &slice.f1].into_iter().chain(&slice.auc) {
                    assert_sane("slice", estimate, 0.0, 1.0);
                }
                prop_assert!((0.0..=1.0).contains(&slice.adjusted_p));
            }
            prop_assert_eq!(found.slices.iter().map(|slice| slice.rows).sum::<u64>(), labels.len() as u64);
        }
        let truth: Vec<bool> = logits.iter().enumerate().map(|(i, z)| (i as f32 + z) as i64 % 3 == 0).collect();
        if let Ok(fitted) = fit_multi_label(&logits, &truth, &names, &Wanted { unsure: None, ..wanted }) {
            fitted.decision.check(classes).unwrap();
        }
    }

    #[test]
    fn numbers_and_points_are_sane(
        rows in prop::collection::vec((-3i8..4, -3i8..4, any::<bool>()), 1..60),
        odd in prop::option::of(any::<f64>()),
    ) {
        let truth: Vec<f64> = rows.iter().map(|row| f64::from(row.0)).collect();
        let mut predicted: Vec<f64> = rows.iter().map(|row| f64::from(row.1)).collect();
        predicted.extend(odd);
        predicted.truncate(truth.len());
        if let Some(odd) = odd {
            predicted[0] = odd;
        }
        let inputs = RegressionInputs { predicted: &predicted, truth: &truth };
        if let Ok(report) = regression::measure(&inputs, &options()) {
            let m = report.metrics;
            for estimate in [&m.mae, &m.rmse, &m.max_error] {
                assert_sane("error", estimate, 0.0, f64::MAX);
            }
            for estimate in m.pearson.iter().chain(&m.spearman) {
                assert_sane("correlation", estimate, -1.0, 1.0);
            }
        }
        let scores: Vec<f32> = rows.iter().map(|row| f32::from(row.1)).collect();
        let positive: Vec<bool> = rows.iter().map(|row| row.2).collect();
        let called: Vec<bool> = rows.iter().map(|row| row.1 > 0).collect();
        if let Ok(found) = operating(&scores, &positive, &called) {
            for point in found.precision_by_prevalence.points {
                assert_sane("precision", &point.precision, 0.0, 1.0);
            }
        }
        for found in tpr_at_fpr(&scores, &positive, &[0.9, 0.5]).unwrap_or_default() {
            if let Found::Point(point) = found.found {
                assert_sane("TPR", &point.tpr, 0.0, 1.0);
                prop_assert!(point.fpr.value <= found.fpr + 1e-9);
            }
        }
    }
}
