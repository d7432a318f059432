//! From a run's figures to the page that shows them.

use filbert_data::{LabelMap, Overlap, Table, Task};
use filbert_eval::curves::{pr_curve, reliability, roc_curve};
use filbert_eval::operating::Found;
use filbert_eval::{Estimate, Inputs, Rule};
use filbert_report::{
    Class, Confusion, Curve, Epoch, Facts, Metric, Mistake, Page, Point, Prevalence, Scores, Seed, Slice,
    Split,
};
use filbert_train::Targets;
use serde_json::Value;

use crate::details::{Answered, positive};
use crate::pipeline::Setup;
use crate::{Classifier, Details, Error, Measure, Metrics};

/// Rows of one set, its measure and the floor's.
pub(crate) struct Shown<'a> {
    pub(crate) answered: Answered<'a>,
    pub(crate) model: &'a Measure,
    pub(crate) floor: Option<&'a Measure>,
}

/// The page of a run.
pub(crate) fn page(setup: &Setup, metrics: &Metrics, shown: Option<&Shown<'_>>) -> Result<Page, Error> {
    let classifier = &setup.classifier;
    let details = &metrics.details;
    let training = &classifier.settings.training;
    let model = training["model"].as_str().unwrap_or("an encoder").to_owned();
    let mut page = Page {
        title: format!("{model}, fine-tuned on {}", file_name(&setup.splits.train)),
        subtitle: subtitle(setup, metrics),
        split: details.split.clone(),
        temperature: metrics.decision.as_ref().and_then(|d| d.temperature).map(|t| t.temperature),
        mistakes: details.mistakes.iter().map(mistake).collect(),
        epochs: metrics.epochs.iter().map(epoch).collect(),
        kept_epoch: metrics.best_epoch,
        splits: splits(setup),
        overlaps: setup.splits.overlaps.pairs.iter().map(overlap).collect(),
        seeds: seeds(metrics),
        facts: facts(metrics, training),
        notes: metrics.notes.clone(),
        footer: format!(
            "Made by filbert {}. The same figures, and more of them, are in metrics.json.",
            crate::VERSION
        ),
        ..Page::default()
    };
    page.verdicts.extend(details.verdict.as_ref().map(|verdict| format!("{}.", capitalized(verdict))));
    page.warnings = warnings(setup, details);
    if let Some(slices) = &details.slices {
        page.slices = slices.slices.iter().map(slice).collect();
    }
    if let Some(operating) = &details.operating {
        page.points = operating.tpr_at_fpr.iter().map(point).collect();
        let at = |p: &filbert_eval::operating::PrecisionAt| Prevalence {
            prevalence: p.prevalence,
            precision: p.precision,
        };
        page.prevalences = operating.precision_by_prevalence.points.iter().map(at).collect();
    }
    if let Some(shown) = shown {
        let valid = if details.split == "test" { metrics.valid.as_ref() } else { None };
        page.metrics = figures(shown.model, shown.floor, valid);
        page.classes = classes(shown.model, classifier);
        plots(&mut page, classifier, shown)?;
        if let Some(first) = page.metrics.first().and_then(|m| Some((m, m.model?))) {
            let (low, high) = (first.1.low.unwrap_or(first.1.value), first.1.high.unwrap_or(first.1.value));
            let verdict = format!(
                "{} {:.3} on {} {} rows; other rows like these would plausibly give {low:.3} to {high:.3}.",
                capitalized(&first.0.name),
                first.1.value,
                shown.model.rows(),
                details.split
            );
            page.verdicts.insert(0, verdict);
        }
    }
    Ok(page)
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}

fn file_name(table: &Table) -> String {
    table.source.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn subtitle(setup: &Setup, metrics: &Metrics) -> String {
    let task = match setup.splits.train.task {
        Task::Single => format!("{} labels, one for each row", setup.classifier.labels.len()),
        Task::Multi { .. } => format!("{} labels, any number for each row", setup.classifier.labels.len()),
        Task::Regression => {
            format!("the number {:?}", setup.classifier.labels.first().map_or("", String::as_str))
        }
    };
    let RowsOf { train, valid, test } = rows_of(metrics);
    format!(
        "{task}; {train} training, {valid} validation and {test} test rows; seed {}; trained in {:.1} s",
        metrics.seed, metrics.timing.train_seconds
    )
}

struct RowsOf {
    train: usize,
    valid: usize,
    test: usize,
}

fn rows_of(metrics: &Metrics) -> RowsOf {
    RowsOf { train: metrics.rows.train, valid: metrics.rows.valid, test: metrics.rows.test }
}

/// What a reader must know first.
fn warnings(setup: &Setup, details: &Details) -> Vec<String> {
    let mut warnings: Vec<String> =
        setup.splits.overlaps.pairs.iter().filter_map(crate::rows::shared).collect();
    if details.split == "validation" {
        warnings.push(
            "there were no test rows: these figures are of the rows that chose the epoch, and flatter the model".to_owned(),
        );
    }
    warnings
}

/// The metrics, the most important first.
fn figures(model: &Measure, floor: Option<&Measure>, valid: Option<&Measure>) -> Vec<Metric> {
    const SINGLE: [(&str, &str, bool); 15] = [
        ("accuracy", "accuracy", false),
        ("auc", "AUC", false),
        ("macro_f1", "macro F1", false),
        ("mcc", "Matthews' correlation", false),
        ("balanced_accuracy", "balanced accuracy", false),
        ("pr_auc", "PR AUC", false),
        ("macro_precision", "macro precision", false),
        ("macro_recall", "macro recall", false),
        ("weighted_f1", "weighted F1", false),
        ("weighted_precision", "weighted precision", false),
        ("weighted_recall", "weighted recall", false),
        ("micro_f1", "micro F1", false),
        ("log_loss", "log loss", true),
        ("brier", "Brier score", true),
        ("ece", "expected calibration error", true),
    ];
    const MULTI: [(&str, &str, bool); 14] = [
        ("micro_f1", "micro F1", false),
        ("macro_f1", "macro F1", false),
        ("mean_average_precision", "mean average precision", false),
        ("subset_accuracy", "rows with exactly the right set", false),
        ("weighted_f1", "weighted F1", false),
        ("micro_precision", "micro precision", false),
        ("micro_recall", "micro recall", false),
        ("macro_precision", "macro precision", false),
        ("macro_recall", "macro recall", false),
        ("auc", "macro AUC", false),
        ("micro_auc", "micro AUC", false),
        ("hamming_loss", "Hamming loss", true),
        ("log_loss", "log loss", true),
        ("ece", "expected calibration error", true),
    ];
    const NUMBERS: [(&str, &str, bool); 6] = [
        ("mae", "mean absolute error", true),
        ("rmse", "root mean squared error", true),
        ("r2", "R²", false),
        ("pearson", "Pearson's correlation", false),
        ("spearman", "Spearman's correlation", false),
        ("max_error", "largest error", true),
    ];
    let names: &[(&str, &str, bool)] = match model {
        Measure::Single(_) => &SINGLE,
        Measure::Multi(_) => &MULTI,
        Measure::Regression(_) => &NUMBERS,
    };
    let find = |measure: Option<&Measure>, key: &str| -> Option<Estimate> {
        serde_json::from_value(measure?.to_json()["metrics"][key].take()).ok()
    };
    let metric = |&(key, name, lower_is_better): &(&str, &str, bool)| Metric {
        name: name.to_owned(),
        model: find(Some(model), key),
        floor: find(floor, key),
        valid: find(valid, key),
        lower_is_better,
    };
    names.iter().map(metric).filter(|m| m.model.is_some()).collect()
}

fn classes(model: &Measure, classifier: &Classifier) -> Vec<Class> {
    let threshold = |label: &str| classifier.settings.thresholds.as_ref()?.get(label).copied();
    match model {
        Measure::Single(report) => report
            .per_class
            .iter()
            .map(|c| Class {
                label: c.label.clone(),
                precision: c.precision,
                recall: c.recall,
                f1: c.f1,
                auc: c.auc,
                support: c.support,
                threshold: threshold(&c.label),
            })
            .collect(),
        Measure::Multi(report) => report
            .per_label
            .iter()
            .map(|c| Class {
                label: c.label.clone(),
                precision: c.precision,
                recall: c.recall,
                f1: c.f1,
                auc: c.auc,
                support: c.support,
                threshold: threshold(&c.label),
            })
            .collect(),
        Measure::Regression(_) => Vec::new(),
    }
}

/// Curves, matrix, reliability and scores.
fn plots(page: &mut Page, classifier: &Classifier, shown: &Shown<'_>) -> Result<(), Error> {
    let outputs = shown.answered.outputs;
    let classes = match &shown.answered.rows.targets {
        Targets::Numbers(numbers) => {
            page.scatter = numbers.iter().copied().zip(outputs.iter().copied()).collect();
            return Ok(());
        }
        Targets::Sets(_) => return Ok(()),
        Targets::Classes(classes) => classes,
    };
    if let Measure::Single(report) = shown.model {
        page.confusion = report
            .confusion
            .as_ref()
            .map(|c| Confusion { labels: c.labels.clone(), counts: c.counts.clone() });
    }
    let labels: Vec<usize> = classes.iter().map(|&c| c as usize).collect();
    let positive = positive(&classifier.decision);
    if classifier.labels.len() > 1 {
        let inputs =
            Inputs { probabilities: outputs, labels: &labels, classes: &classifier.labels, positive };
        page.reliability = reliability(&inputs)?;
    }
    let Some(positive) = positive else { return Ok(()) };
    let truth: Vec<bool> = labels.iter().map(|&label| label == positive).collect();
    if truth.iter().all(|&t| t) || !truth.iter().any(|&t| t) {
        return Ok(());
    }
    for (name, is_floor, outputs, measure) in [
        ("model", false, Some(outputs), Some(shown.model)),
        ("floor", true, shown.answered.floor, shown.floor),
    ] {
        let Some(outputs) = outputs else { continue };
        let scores: Vec<f32> = outputs.chunks_exact(2).map(|p| p[positive]).collect();
        let metrics = measure.and_then(Measure::single).map(|r| &r.metrics);
        let named = |what: &str, e: Option<&Estimate>| {
            format!("{name}{}", e.map(|e| format!(", {what} {:.3}", e.value)).unwrap_or_default())
        };
        page.roc.push(Curve {
            name: named("AUC", metrics.and_then(|m| m.auc.as_ref())),
            is_floor,
            points: roc_curve(&scores, &truth)?.iter().map(|p| (p.fpr, p.tpr)).collect(),
        });
        page.pr.push(Curve {
            name: named("PR AUC", metrics.and_then(|m| m.pr_auc.as_ref())),
            is_floor,
            points: pr_curve(&scores, &truth)?.iter().map(|p| (p.recall, p.precision)).collect(),
        });
        if !is_floor {
            page.scores = Some(histogram(classifier, &scores, &truth, positive));
        }
    }
    Ok(())
}

fn histogram(classifier: &Classifier, scores: &[f32], truth: &[bool], positive: usize) -> Scores {
    let of = |wanted: bool| -> Vec<f32> {
        scores.iter().zip(truth).filter(|(_, t)| **t == wanted).map(|(&s, _)| s).collect()
    };
    let (threshold, unsure) = match classifier.decision.rule {
        Rule::Binary { threshold, unsure, .. } => (threshold, unsure),
        _ => (None, None),
    };
    Scores {
        positive_label: classifier.labels[positive].clone(),
        positive: of(true),
        negative: of(false),
        threshold: f64::from(threshold.unwrap_or(filbert_eval::DEFAULT_THRESHOLD)),
        unsure: unsure.map(|band| (f64::from(band.low), f64::from(band.high))),
    }
}

fn mistake(m: &crate::Mistake) -> Mistake {
    Mistake {
        place: m.place,
        text: m.text.clone(),
        truth: m.truth.clone(),
        answer: m.answer.clone(),
        probability: m.probability.map(f64::from),
    }
}

fn epoch(e: &crate::PerEpoch) -> Epoch {
    Epoch {
        number: e.epoch,
        train_loss: e.train_loss,
        valid_loss: e.valid_loss,
        valid_accuracy: e.valid_accuracy,
    }
}

fn slice(s: &filbert_eval::slices::Slice) -> Slice {
    Slice {
        group: s.column.clone(),
        value: s.value.clone(),
        rows: s.rows,
        figure: s.accuracy,
        name: "accuracy".to_owned(),
        is_worse: s.flagged && s.accuracy.value < s.rest.value,
    }
}

fn point(p: &filbert_eval::operating::TprAtFpr) -> Point {
    let found = match &p.found {
        Found::Point(point) => Ok((point.tpr, point.threshold.map(f64::from))),
        Found::Refused(refusal) => Err(refusal.to_string()),
    };
    Point { fpr: p.fpr, found }
}

fn overlap(o: &Overlap) -> filbert_report::Overlap {
    filbert_report::Overlap {
        from: o.from.clone(),
        to: o.to.clone(),
        rows: o.rows as u64,
        exact: o.exact as u64,
        canonical: o.canonical as u64,
        near: o.near as u64,
        domain: o.domain.map(|n| n as u64),
        conflicting: o.conflicting_canonical.map(|n| n as u64),
    }
}

fn splits(setup: &Setup) -> Vec<Split> {
    let labels = setup.splits.labels.as_ref().map_or(&[][..], LabelMap::names);
    let parts = [
        ("training", Some(&setup.splits.train), Some(&setup.train)),
        ("validation", setup.splits.valid.as_ref(), setup.valid.as_ref()),
        ("test", setup.splits.test.as_ref(), setup.test.as_ref()),
    ];
    let split = |(name, table, rows): (&str, Option<&Table>, Option<&filbert_train::Rows>)| {
        let (table, rows) = (table?, rows?);
        let mut counts = vec![0u64; labels.len()];
        match &rows.targets {
            Targets::Classes(classes) => classes.iter().for_each(|&c| counts[c as usize] += 1),
            Targets::Sets(sets) => sets.iter().flatten().for_each(|&l| counts[l as usize] += 1),
            Targets::Numbers(_) => {}
        }
        let hash: String = table.sha256.chars().take(12).collect();
        Some(Split {
            name: name.to_owned(),
            source: format!("{} (SHA-256 {hash}…)", file_name(table)),
            rows: table.len() as u64,
            classes: labels.iter().cloned().zip(counts).collect(),
        })
    };
    parts.into_iter().filter_map(split).collect()
}

fn seeds(metrics: &Metrics) -> Vec<Seed> {
    let mut out = Vec::new();
    let first = metrics.seeds.first().and_then(|s| s.test.as_ref().or(s.valid.as_ref()));
    for name in first.into_iter().flat_map(|values| values.keys()) {
        let value = |s: &crate::SeedMetrics| s.test.as_ref().or(s.valid.as_ref())?.get(name).copied();
        let Some(values) = metrics.seeds.iter().map(value).collect::<Option<Vec<f64>>>() else { continue };
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        let deviation = (squares / (n - 1.0).max(1.0)).sqrt();
        out.push(Seed { name: name.replace('_', " "), mean, deviation, values });
    }
    out
}

/// Settings, time and machine, and how to repeat the run.
fn facts(metrics: &Metrics, training: &Value) -> Vec<Facts> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let settings = training["settings"].as_object().into_iter().flatten();
    let settings =
        settings.filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.replace('_', " "), text(v))).collect();
    let timing = &metrics.timing;
    let machine = vec![
        (
            "training".to_owned(),
            format!("{:.1} s, {:.0} rows/s", timing.train_seconds, timing.train_rows_per_second),
        ),
        ("everything".to_owned(), format!("{:.1} s", timing.total_seconds)),
        (
            "products".to_owned(),
            format!("{} ({}), measured in {}", metrics.precision, metrics.kernel, metrics.measured_precision),
        ),
        ("threads".to_owned(), metrics.threads.to_string()),
    ];
    let mut facts = vec![
        Facts { name: "Settings".to_owned(), entries: settings },
        Facts { name: "Time and machine".to_owned(), entries: machine },
    ];
    if training["command"].is_object() {
        let how =
            "filbert train --repeat THIS-FOLDER --out NEW-FOLDER, with the same rows and encoder".to_owned();
        facts.push(Facts { name: "To repeat it".to_owned(), entries: vec![("command".to_owned(), how)] });
    }
    facts
}
