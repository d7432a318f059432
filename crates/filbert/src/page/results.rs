//! Metrics of any task, and comparisons, as the page takes them.

use filbert_report::input::{ClassRow, Metric, Paired, Results, Seeds};

use crate::{Classifier, Measure, SeedMetrics, Versus};

/// A model's results, with the floor's on the same rows.
pub(super) fn results(model: &Measure, floor: Option<&Measure>, classifier: &Classifier) -> Results {
    let mut results = match model {
        Measure::Single(report) => Results::of_classes(report, floor.and_then(Measure::single)),
        Measure::Multi(report) => {
            let floor = match floor {
                Some(Measure::Multi(floor)) => Some(&**floor),
                _ => None,
            };
            Results::of_labels(report, floor)
        }
        Measure::Regression(report) => {
            let floor = match floor {
                Some(Measure::Regression(floor)) => Some(&floor.metrics),
                _ => None,
            };
            let m = &report.metrics;
            Results {
                rows: report.rows,
                metrics: vec![
                    Metric::lower("mean absolute error", Some(m.mae), floor.map(|f| f.mae)),
                    Metric::lower("root mean squared error", Some(m.rmse), floor.map(|f| f.rmse)),
                    Metric::higher("R²", m.r2, floor.and_then(|f| f.r2)),
                    Metric::higher("Pearson correlation", m.pearson, floor.and_then(|f| f.pearson)),
                    Metric::higher("Spearman correlation", m.spearman, floor.and_then(|f| f.spearman)),
                    Metric::lower("largest error", Some(m.max_error), floor.map(|f| f.max_error)),
                ],
                notes: report.notes.clone(),
                ..Results::default()
            }
        }
    };
    let thresholds = classifier.settings.thresholds.as_ref();
    for row in &mut results.per_class {
        let ClassRow { label, threshold, .. } = row;
        *threshold = thresholds.and_then(|all| all.get(label)).copied();
    }
    results
}

/// The page's names of figures that several seeds have, and their names in metrics.json.
const SEEDED: [(&str, &str); 12] = [
    ("accuracy", "accuracy"),
    ("balanced accuracy", "balanced_accuracy"),
    ("macro F1", "macro_f1"),
    ("weighted F1", "weighted_f1"),
    ("micro F1", "micro_f1"),
    ("Matthews correlation", "mcc"),
    ("ROC AUC", "auc"),
    ("average precision", "pr_auc"),
    ("log loss", "log_loss"),
    ("mean absolute error", "mae"),
    ("root mean squared error", "rmse"),
    ("R²", "r2"),
];

/// Adds what several seeds gave to the figures that have it.
pub(super) fn add_seeds(results: &mut Results, seeds: &[SeedMetrics]) {
    for metric in &mut results.metrics {
        let Some((_, key)) = SEEDED.iter().find(|(name, _)| *name == metric.name) else { continue };
        let value = |s: &SeedMetrics| s.test.as_ref().or(s.valid.as_ref())?.get(*key).copied();
        let values: Option<Vec<f64>> = seeds.iter().map(value).collect();
        let Some(values) = values.filter(|values| values.len() > 1) else { continue };
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        metric.seeds = Some(Seeds { mean, deviation: (squares / (n - 1.0)).sqrt(), values });
    }
}

/// The name of the floor as a baseline.
pub(super) const FLOOR: &str = "the floor";

/// The model beside a baseline, which is the floor or another model.
pub(super) fn paired(baseline: &str, versus: &Versus) -> Paired {
    let floor = baseline == FLOOR;
    match versus {
        Versus::Single(c) => Paired::of(baseline, floor, c),
        Versus::Multi(c) => Paired {
            baseline: baseline.to_owned(),
            floor,
            metric: "micro F1".to_owned(),
            difference: Some(c.micro_f1_difference),
            only_baseline: Some(c.only_baseline),
            only_model: Some(c.only_candidate),
            more: vec![
                ("macro F1".to_owned(), c.macro_f1_difference),
                ("all labels right".to_owned(), c.subset_accuracy_difference),
            ],
            notes: c.notes.clone(),
            ..Paired::default()
        },
        Versus::Regression(c) => Paired {
            baseline: baseline.to_owned(),
            floor,
            metric: "mean absolute error".to_owned(),
            difference: Some(c.mae_reduction),
            more: vec![("root mean squared error".to_owned(), c.rmse_reduction)],
            notes: c.notes.clone(),
            ..Paired::default()
        },
    }
}
