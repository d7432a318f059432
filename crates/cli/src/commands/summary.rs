//! What `filbert train` and `filbert distill` print at their end.

use std::fmt::Write as _;
use std::path::Path;

use filbert::{Details, DistillMetrics, Measure, Metrics, SeedMetrics, Spread, Trained};
use filbert_eval::operating::Found;

use crate::memory::peak_mb;
use crate::output;

/// The figures of most seeds' tables.
const SEED_FIGURES: [&str; 6] = ["accuracy", "auc", "macro_f1", "micro_f1", "rmse", "r2"];

pub(super) fn summary(trained: &Trained, folder: &Path) -> String {
    let metrics = trained.metrics();
    let mut out = String::from("\n");
    for (name, measure) in [("validation", &metrics.valid), ("test", &metrics.test)] {
        if let Some(measure) = measure {
            out.push_str(&output::measure(name, measure));
            out.push('\n');
        }
    }
    if let Some(distillation) = &metrics.distillation {
        out.push_str(&distilled(metrics, distillation));
    }
    out.push_str(&floor(metrics));
    out.push_str(&details(&metrics.details));
    out.push_str(&seeds(&metrics.seeds));
    let timing = &metrics.timing;
    let _ = write!(
        out,
        "trained in {:.1} s ({:.0} rows/s), {:.1} s in all",
        timing.train_seconds, timing.train_rows_per_second, timing.total_seconds
    );
    if let Some(peak) = peak_mb() {
        let _ = write!(out, ", {peak:.0} MB at most");
    }
    let folder = folder.display();
    let _ = write!(out, "\nepoch {} of {} was kept", metrics.best_epoch, metrics.epochs.len());
    let _ = write!(
        out,
        "\nmodel folder: {folder}\nthe report: {folder}/report.html\n\ntry it: filbert predict --model {folder} \"some text\"\n"
    );
    out
}

/// Student, control and teacher beside each other, and what that says.
fn distilled(metrics: &Metrics, d: &DistillMetrics) -> String {
    let is_test = d.split == "test";
    let control = d.control.as_ref().map(|c| if is_test { &c.test } else { &c.valid });
    let teacher = if is_test { &d.teacher.test } else { &d.teacher.valid };
    let mut out = format!(
        "student ({} layers, {:.1} M parameters: {}) and teacher ({} layers, {:.1} M), {} rows\n",
        d.size.layers,
        d.size.parameters as f64 / 1e6,
        output::shown(&d.student, 80),
        d.teacher.size.layers,
        d.teacher.size.parameters as f64 / 1e6,
        d.split
    );
    let own = if is_test { &metrics.test } else { &metrics.valid };
    let models = [
        ("student", own.as_ref()),
        ("control", control.and_then(Option::as_ref)),
        ("teacher", teacher.as_ref()),
    ];
    for (name, measure) in models.into_iter().filter_map(|(name, measure)| Some((name, measure?))) {
        for (figure, estimate) in main_figures(measure) {
            let _ = writeln!(out, "  {name:<10}{figure:<16}{}", output::estimate(&estimate));
        }
    }
    for (baseline, verdict) in [("control", &d.control_verdict), ("teacher", &d.teacher_verdict)] {
        if let Some(verdict) = verdict {
            let _ = writeln!(out, "  student beside {baseline}: {verdict}");
        }
    }
    if d.control.is_none() {
        out.push_str("  note: without a control nothing says whether the teacher helped\n");
    }
    if !d.over_seeds.is_empty() {
        let _ = writeln!(
            out,
            "over {} seeds, {} rows, mean and standard deviation",
            metrics.seeds.len(),
            d.split
        );
    }
    for figure in SEED_FIGURES {
        let Some(spreads) = d.over_seeds.get(figure) else { continue };
        let both = [("student", Some(spreads.student)), ("control", spreads.control)];
        for (name, Spread { mean, deviation }) in both.into_iter().filter_map(|(n, s)| Some((n, s?))) {
            let _ = writeln!(out, "  {name:<10}{:<16}{mean:.4} ± {deviation:.4}", figure.replace('_', " "));
        }
    }
    out.push('\n');
    out
}

/// The one or two figures that models of a task are compared by first.
fn main_figures(measure: &Measure) -> Vec<(&'static str, filbert_eval::Estimate)> {
    match measure {
        Measure::Single(report) => {
            let auc = report.metrics.auc.map(|auc| ("AUC", auc));
            std::iter::once(("accuracy", report.metrics.accuracy)).chain(auc).collect()
        }
        Measure::Multi(report) => {
            vec![("micro F1", report.metrics.micro_f1), ("macro F1", report.metrics.macro_f1)]
        }
        Measure::Regression(report) => {
            vec![("mean abs. error", report.metrics.mae), ("RMSE", report.metrics.rmse)]
        }
    }
}

/// The cheap baseline beside the model, and whether it was beaten.
fn floor(metrics: &Metrics) -> String {
    let Some(floor) = &metrics.floor else { return String::new() };
    let (name, ours, theirs) = match (&metrics.test, &floor.test, &metrics.valid, &floor.valid) {
        (Some(ours), Some(theirs), ..) => ("test", ours, theirs),
        (_, _, Some(ours), Some(theirs)) => ("validation", ours, theirs),
        _ => return String::new(),
    };
    let mut out = format!("the floor, a linear model over character n-grams, {name} rows\n");
    let worse = match (ours, theirs) {
        (Measure::Single(ours), Measure::Single(theirs)) => {
            output::figures(
                &mut out,
                &[("accuracy", Some(&theirs.metrics.accuracy)), ("AUC", theirs.metrics.auc.as_ref())],
            );
            ours.metrics.accuracy.value <= theirs.metrics.accuracy.value
        }
        (Measure::Multi(ours), Measure::Multi(theirs)) => {
            output::figures(
                &mut out,
                &[
                    ("micro F1", Some(&theirs.metrics.micro_f1)),
                    ("macro F1", Some(&theirs.metrics.macro_f1)),
                    ("macro AUC", theirs.metrics.auc.as_ref()),
                ],
            );
            ours.metrics.micro_f1.value <= theirs.metrics.micro_f1.value
        }
        (Measure::Regression(ours), Measure::Regression(theirs)) => {
            output::figures(
                &mut out,
                &[("mean abs. error", Some(&theirs.metrics.mae)), ("RMSE", Some(&theirs.metrics.rmse))],
            );
            ours.metrics.mae.value >= theirs.metrics.mae.value
        }
        _ => false,
    };
    if worse {
        out.push_str("  note: the model is no better than this floor, which fits in seconds\n");
    }
    out.push('\n');
    out
}

/// Whether the floor is beaten, what the model is worth where positives are rare, and the parts where it is worse.
pub(super) fn details(details: &Details) -> String {
    let mut out = String::new();
    if let Some(verdict) = &details.verdict {
        let _ = writeln!(out, "model and floor, {} rows: {verdict}\n", details.split);
    }
    if let Some(operating) = &details.operating {
        let _ = writeln!(out, "where false alarms must be rare, {} rows", details.split);
        for point in &operating.tpr_at_fpr {
            let name = format!("TPR at FPR {}", point.fpr);
            let _ = match &point.found {
                Found::Point(found) => writeln!(out, "  {name:<20}{}", output::estimate(&found.tpr)),
                Found::Refused(refusal) => writeln!(out, "  {name:<20}not given: {refusal}"),
            };
        }
        for at in &operating.precision_by_prevalence.points {
            let name = format!("precision at {} %", at.prevalence * 100.0);
            let _ = writeln!(out, "  {name:<20}{}", output::estimate(&at.precision));
        }
        out.push('\n');
    }
    for slice in details.slices.iter().flat_map(|s| &s.slices).filter(|s| s.flagged) {
        let _ = writeln!(
            out,
            "rows with {} {}: accuracy {}, all others {}",
            output::shown(&slice.column, 40),
            output::shown(&slice.value, 60),
            output::estimate(&slice.accuracy),
            output::estimate(&slice.rest)
        );
    }
    out
}

/// Mean and standard deviation over several seeds.
fn seeds(seeds: &[SeedMetrics]) -> String {
    let mut out = String::new();
    if seeds.is_empty() {
        return out;
    }
    let _ = writeln!(out, "{} seeds, mean and standard deviation", seeds.len());
    for (split, values) in [
        ("validation", seeds.iter().map(|s| &s.valid).collect::<Vec<_>>()),
        ("test", seeds.iter().map(|s| &s.test).collect::<Vec<_>>()),
    ] {
        for figure in SEED_FIGURES {
            let found: Option<Vec<f64>> = values.iter().map(|v| v.as_ref()?.get(figure).copied()).collect();
            if let Some(found) = found {
                let (mean, deviation) = mean_and_deviation(&found);
                let name = format!("{split} {}", figure.replace('_', " "));
                let _ = writeln!(out, "  {name:<22}{mean:.4} ± {deviation:.4}");
            }
        }
    }
    out.push('\n');
    out
}

/// Mean and sample standard deviation; the latter 0 for a single value.
fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    (mean, if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 })
}
