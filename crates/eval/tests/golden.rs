//! Every metric against values that scikit-learn and scipy computed (`scripts/golden_metrics.py`). All cases are run
//! and every failing value is reported. The tolerance, 1e-9, is far above the rounding of sums over at most
//! 1,280 rows and far below any difference of definition.

use filbert_eval::fit::{Target, fit_temperature, fit_threshold};
use filbert_eval::operating::{Found, tpr_at_fpr};
use filbert_eval::{
    Estimate, Floor, Inputs, Options, RegressionFloor, binary_auc, curves, measure, multilabel, paired,
    regression,
};
use serde_json::Value;

const TOLERANCE: f64 = 1e-9;

fn document() -> Value {
    serde_json::from_str(include_str!("golden/metrics.json")).unwrap()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// A matrix of decimals as row-major 32-bit floats, and its width.
fn matrix(value: &Value) -> (Vec<f32>, usize) {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(floats).collect();
    (rows.iter().flatten().map(|&v| v as f32).collect(), rows[0].len())
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("class {index}")).collect()
}

/// Differences found so far.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn near(&mut self, place: &str, found: Option<f64>, expected: Option<f64>) {
        let equal = match (found, expected) {
            (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE,
            (a, b) => a == b,
        };
        if !equal {
            self.0.push(format!("{place}: {found:?} instead of {expected:?}"));
        }
    }

    fn near_all(&mut self, place: &str, found: &[f64], expected: &Value) {
        let expected = floats(expected);
        if found.len() != expected.len() {
            self.0.push(format!("{place}: {} values instead of {}", found.len(), expected.len()));
        }
        for (index, (a, b)) in found.iter().zip(expected).enumerate() {
            self.near(&format!("{place}[{index}]"), Some(*a), Some(b));
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "{} faults:\n{}", self.0.len(), self.0.join("\n"));
    }
}

#[test]
fn single_label_metrics() {
    let document = document();
    let options = Options { resamples: 50, ..Options::default() };
    let mut faults = Faults::default();
    for case in document["single"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (probabilities, width) = matrix(&case["p"]);
        let labels: Vec<usize> = floats(&case["y"]).iter().map(|&y| y as usize).collect();
        let classes = names(width);
        let positive = case["positive"].as_u64().map(|p| p as usize);
        let inputs = Inputs { probabilities: &probabilities, labels: &labels, classes: &classes, positive };
        let report = measure(&inputs, &options).unwrap();
        let json = report.to_json();
        for (metric, expected) in case["expect"].as_object().unwrap() {
            if metric == "delong_variance" || metric == "micro_precision" || metric == "micro_recall" {
                continue;
            }
            let found = json["metrics"][metric]["value"].as_f64();
            faults.near(&format!("{name}: {metric}"), found, expected.as_f64());
        }
        let of = |f: fn(&filbert_eval::PerClass) -> f64| report.per_class.iter().map(f).collect::<Vec<_>>();
        faults.near_all(&format!("{name}: precision"), &of(|c| c.precision.value), &case["precision"]);
        faults.near_all(&format!("{name}: recall"), &of(|c| c.recall.value), &case["recall"]);
        faults.near_all(&format!("{name}: f1"), &of(|c| c.f1.value), &case["f1"]);
        faults.near_all(&format!("{name}: support"), &of(|c| c.support as f64), &case["support"]);
        for (class, expected) in report.per_class.iter().zip(case["class_auc"].as_array().unwrap()) {
            let place = format!("{name}: auc of {}", class.label);
            faults.near(&place, class.auc.map(|auc| auc.value), expected.as_f64());
        }
        if json["confusion"]["counts"] != case["confusion"] {
            faults.0.push(format!("{name}: confusion {}", json["confusion"]["counts"]));
        }
        if let Some(positive) = positive {
            let scores: Vec<f32> = probabilities.iter().skip(positive).step_by(2).copied().collect();
            let truth: Vec<bool> = labels.iter().map(|&label| label == positive).collect();
            check_scores(&mut faults, name, &scores, &truth, case);
        }
    }
    faults.none();
}

fn check_scores(faults: &mut Faults, name: &str, scores: &[f32], truth: &[bool], case: &Value) {
    let auc = binary_auc(scores, truth);
    let expected = case["expect"]["delong_variance"].as_f64();
    let found = auc.as_ref().ok().and_then(|auc| auc.variance);
    faults.near(&format!("{name}: DeLong variance"), found, expected);
    if case.get("roc").is_some() {
        let roc = curves::roc_curve(scores, truth).unwrap();
        let pr = curves::pr_curve(scores, truth).unwrap();
        let of_roc = |f: fn(&curves::RocPoint) -> f64| roc.iter().map(f).collect::<Vec<_>>();
        let of_pr = |f: fn(&curves::PrPoint) -> f64| pr.iter().map(f).collect::<Vec<_>>();
        faults.near_all(&format!("{name}: fpr"), &of_roc(|p| p.fpr), &case["roc"][0]);
        faults.near_all(&format!("{name}: tpr"), &of_roc(|p| p.tpr), &case["roc"][1]);
        faults.near_all(&format!("{name}: curve recall"), &of_pr(|p| p.recall), &case["pr"][0]);
        faults.near_all(&format!("{name}: curve precision"), &of_pr(|p| p.precision), &case["pr"][1]);
    }
}

#[test]
fn multilabel_metrics() {
    let document = document();
    let options = Options { resamples: 50, ..Options::default() };
    let mut faults = Faults::default();
    for case in document["multilabel"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (probabilities, width) = matrix(&case["p"]);
        let truth: Vec<bool> = matrix(&case["truth"]).0.iter().map(|&v| v > 0.5).collect();
        let thresholds: Vec<f32> = floats(&case["thresholds"]).iter().map(|&v| v as f32).collect();
        let inputs = multilabel::MultiInputs {
            probabilities: &probabilities,
            truth: &truth,
            labels: &names(width),
            thresholds: &thresholds,
        };
        let report = multilabel::measure(&inputs, &options).unwrap();
        let json = serde_json::to_value(&report).unwrap();
        for (metric, expected) in case["expect"].as_object().unwrap() {
            let found = json["metrics"][metric]["value"].as_f64();
            faults.near(&format!("{name}: {metric}"), found, expected.as_f64());
        }
        let of = |f: fn(&multilabel::PerLabel) -> Estimate| {
            report.per_label.iter().map(|label| f(label).value).collect::<Vec<_>>()
        };
        faults.near_all(&format!("{name}: precision"), &of(|l| l.precision), &case["precision"]);
        faults.near_all(&format!("{name}: recall"), &of(|l| l.recall), &case["recall"]);
        faults.near_all(&format!("{name}: f1"), &of(|l| l.f1), &case["f1"]);
        for (label, expected) in report.per_label.iter().zip(case["label_auc"].as_array().unwrap()) {
            let place = format!("{name}: auc of {}", label.label);
            faults.near(&place, label.auc.map(|auc| auc.value), expected.as_f64());
        }
    }
    faults.none();
}

#[test]
fn regression_metrics() {
    let options = Options { resamples: 50, ..Options::default() };
    let mut faults = Faults::default();
    for case in document()["regression"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let (truth, predicted) = (floats(&case["truth"]), floats(&case["predicted"]));
        let inputs = regression::RegressionInputs { predicted: &predicted, truth: &truth };
        let json = regression::measure(&inputs, &options).unwrap().to_json();
        for (metric, expected) in case["expect"].as_object().unwrap() {
            let found = json["metrics"][metric]["value"].as_f64();
            faults.near(&format!("{name}: {metric}"), found, expected.as_f64());
        }
    }
    faults.none();
}

#[test]
fn thresholds() {
    let mut faults = Faults::default();
    for case in document()["threshold"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let scores: Vec<f32> = floats(&case["scores"]).into_iter().map(|score| score as f32).collect();
        let positive: Vec<bool> = floats(&case["positive"]).into_iter().map(|p| p > 0.5).collect();
        let fit = |target| fit_threshold(&scores, &positive, target).ok();
        faults.near(
            &format!("{name}: f1"),
            fit(Target::BestF1).map(|f| f.f1.value),
            case["best_f1"].as_f64(),
        );
        faults.near(&format!("{name}: mcc"), fit(Target::BestMcc).map(|f| f.mcc), case["best_mcc"].as_f64());
        for pair in case["recall_at_precision"].as_array().unwrap() {
            let pair = floats(pair);
            let found = fit(Target::Precision(pair[0])).map_or(0.0, |f| f.recall.value);
            faults.near(&format!("{name}: recall at precision {}", pair[0]), Some(found), Some(pair[1]));
        }
        for pair in case["tpr_at_fpr"].as_array().unwrap() {
            let pair = floats(pair);
            let found = tpr_at_fpr(&scores, &positive, &[pair[0]]).unwrap()[0].found;
            let found = if let Found::Point(point) = found { Some(point.tpr.value) } else { None };
            faults.near(&format!("{name}: TPR at FPR {}", pair[0]), found, Some(pair[1]));
            let fitted = fit(Target::Fpr(pair[0])).map(|f| f.recall.value);
            faults.near(&format!("{name}: recall at FPR {}", pair[0]), fitted, Some(pair[1]));
        }
    }
    faults.none();
}

/// scipy's search ends at about 1e-8; the loss there is flat.
#[test]
fn temperatures() {
    for case in document()["temperature"].as_array().unwrap() {
        let (logits, classes) = matrix(&case["logits"]);
        let labels: Vec<usize> = floats(&case["y"]).iter().map(|&y| y as usize).collect();
        let found = fit_temperature(&logits, &labels, classes).unwrap();
        let (temperature, loss) = (case["temperature"].as_f64().unwrap(), case["loss"].as_f64().unwrap());
        assert!(
            (found.temperature / temperature - 1.0).abs() < 1e-6,
            "{}: {found:?} {temperature}",
            case["name"]
        );
        assert!((found.loss_after - loss).abs() < 1e-12, "{}: {found:?} {loss}", case["name"]);
    }
}

/// The floor ends its search a little before the minimum.
#[test]
fn floors() {
    let document = document();
    let golden = &document["floor"];
    let texts: Vec<&str> = golden["texts"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    let classes = |of: &str| floats(&golden[of]["y"]).iter().map(|&y| y as u32).collect::<Vec<_>>();
    let truth: Vec<bool> = matrix(&golden["labels"]["y"]).0.iter().map(|&v| v > 0.5).collect();
    let two = Floor::fit(&texts, &classes("two"), 2).unwrap();
    assert_eq!(two.features() as u64, golden["features"].as_u64().unwrap());
    let found = [
        ("two", two.probabilities(&texts)),
        ("four", Floor::fit(&texts, &classes("four"), 4).unwrap().probabilities(&texts)),
        ("labels", Floor::fit_multilabel(&texts, &truth, 3).unwrap().probabilities(&texts)),
    ];
    for (name, found) in found {
        let expected = matrix(&golden[name]["p"]).0;
        let gap = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(found.len() == expected.len() && gap < 2e-3, "{name}: {gap}");
    }
    let values = floats(&golden["values"]["y"]);
    let found = RegressionFloor::fit(&texts, &values).unwrap().values(&texts);
    let expected = floats(&golden["values"]["p"]);
    let gap = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(gap < 2e-3, "values: {gap}");
}

#[test]
fn mcnemar_p_values() {
    let mut faults = Faults::default();
    for case in document()["mcnemar"].as_array().unwrap() {
        let count = |key: &str| u32::try_from(case[key].as_u64().unwrap()).unwrap();
        let (a, b) = (count("a"), count("b"));
        let found = paired::mcnemar_exact(a, b);
        faults.near(&format!("{a} against {b}"), Some(found), case["p"].as_f64());
        faults.near(&format!("{b} against {a}"), Some(paired::mcnemar_exact(b, a)), Some(found));
    }
    faults.none();
}
