//! Comparisons in one sentence, and comparisons of labels and numbers.

use filbert_eval::multilabel::MultiInputs;
use filbert_eval::paired::{compare, compare_multilabel, compare_regression};
use filbert_eval::regression::RegressionInputs;
use filbert_eval::{Error, Inputs, Options};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}

/// Probabilities of 450 rows of class 1, all but `wrong` of them right; `first` is the first wrong one.
fn right_but(first: usize, wrong: usize) -> Vec<f32> {
    (0..450)
        .flat_map(|row| if (first..first + wrong).contains(&row) { [0.9, 0.1] } else { [0.2, 0.8] })
        .collect()
}

#[test]
fn a_few_rows_show_nothing_and_many_do() {
    let (labels, classes) = (vec![1; 450], names(2));
    let say = |old: &[f32], new: &[f32]| {
        let old = Inputs { probabilities: old, labels: &labels, classes: &classes, positive: None };
        compare(&old, &Inputs { probabilities: new, ..old }, &Options::default())
            .unwrap()
            .verdict("tiny", "base")
    };
    // The tutorial's two models: 418 and 421 of 450 right, mostly on other rows.
    let close = say(&right_but(0, 32), &right_but(20, 29));
    assert!(
        close.starts_with("no difference can be shown with 450 rows: accuracy +0.7 points (-"),
        "{close}"
    );
    assert!(close.contains("McNemar p = 0."), "{close}");
    let better = say(&right_but(0, 60), &right_but(0, 20));
    assert!(better.starts_with("base is better: accuracy +8.9 points (+"), "{better}");
    assert!(better.ends_with("McNemar p < 0.001, with 450 rows"), "{better}");
    let worse = say(&right_but(0, 20), &right_but(0, 60));
    assert!(worse.starts_with("tiny is better: accuracy -8.9 points (-"), "{worse}");
}

#[test]
fn a_better_order_is_told_where_accuracy_cannot_be() {
    let labels: Vec<usize> = (0..200).map(|row| row % 2).collect();
    let classes = names(2);
    // All below one half, so that neither answers the positive class; only the second orders them.
    let scores = |skill: usize| -> Vec<f32> {
        (0..200)
            .flat_map(|row| {
                let p = (row * 37 % 100 + skill * (row % 2)) as f32 / 1000.0;
                [1.0 - p, p]
            })
            .collect()
    };
    let (old, new) = (scores(0), scores(80));
    let inputs = |p| Inputs { probabilities: p, labels: &labels, classes: &classes, positive: None };
    let told = compare(&inputs(&old), &inputs(&new), &Options::default()).unwrap().verdict("a", "b");
    assert!(told.starts_with("b ranks better: AUC +"), "{told}");
}

#[test]
fn labels_and_numbers_are_compared() {
    let labels = names(3);
    let truth: Vec<bool> = (0..300).map(|cell| cell % 7 < 3).collect();
    let p = |every: usize| -> Vec<f32> {
        let right = |cell: usize, truth: bool| cell.is_multiple_of(every) != truth;
        truth.iter().enumerate().map(|(cell, &truth)| if right(cell, truth) { 0.8 } else { 0.1 }).collect()
    };
    let (old, new) = (p(4), p(23));
    let inputs = |p| MultiInputs { probabilities: p, truth: &truth, labels: &labels, thresholds: &[0.5; 3] };
    let found = compare_multilabel(&inputs(&old), &inputs(&new), &Options::default()).unwrap();
    assert!(found.micro_f1_difference.low.unwrap() > 0.0 && found.mcnemar_p < 0.001, "{found:?}");
    assert!((found.hamming_loss_reduction.value - (75.0 - 14.0) / 300.0).abs() < 1e-12, "{found:?}");
    assert!(found.verdict("a", "b").starts_with("b is better: micro F1 +"), "{}", found.verdict("a", "b"));
    let same = compare_multilabel(&inputs(&old), &inputs(&old), &Options::default()).unwrap();
    assert!(same.verdict("a", "b").starts_with("no difference can be shown with 100 rows"), "{same:?}");
    let flipped: Vec<bool> = truth.iter().map(|t| !t).collect();
    let other = MultiInputs { truth: &flipped, ..inputs(&new) };
    let found = compare_multilabel(&inputs(&old), &other, &Options::default());
    assert_eq!(found, Err(Error::NotPaired { what: "the true labels" }));

    let truth: Vec<f64> = (0..100).map(f64::from).collect();
    let off = |by: f64| -> Vec<f64> { truth.iter().map(|t| t + by * (t * 1.7).sin()).collect() };
    let (old, new) = (off(4.0), off(2.0));
    let inputs = |predicted| RegressionInputs { predicted, truth: &truth };
    let found = compare_regression(&inputs(&old), &inputs(&new), &Options::default()).unwrap();
    let told = found.verdict("a", "b");
    assert!(told.starts_with("b is better: mean absolute error -1."), "{told}");
    let back = compare_regression(&inputs(&new), &inputs(&old), &Options::default()).unwrap();
    assert!(back.verdict("a", "b").starts_with("a is better: mean absolute error +1."), "{back:?}");
    let found = compare_regression(
        &inputs(&old),
        &RegressionInputs { truth: &old, predicted: &new },
        &Options::default(),
    );
    assert_eq!(found, Err(Error::NotPaired { what: "the true values" }));
}
