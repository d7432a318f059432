//! Whatever the input: no panic, values in their ranges, intervals that hold their value, the same bits for
//! the same seed, and no dependence on the order of the rows where there should be none.

use filbert_eval::{Estimate, Inputs, Options, Report, curves, measure, multilabel, paired, softmax_rows};
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
}
