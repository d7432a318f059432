//! The run itself as the page takes it: rows, epochs, settings, time and machine.

use filbert_data::{LabelMap, Overlap, Part, Table, data_report};
use filbert_report::input::{ClassCount, Cost, Data, Epoch, Fact, Facts, Split, Stage, Suspect, Training};
use filbert_train::{Rows, Targets};
use serde_json::Value;

use crate::Metrics;
use crate::pipeline::Setup;

/// The rows, what they share, and which look wrong.
pub(super) fn data(setup: &Setup, metrics: &Metrics) -> Data {
    let splits = &setup.splits;
    let tables = [
        ("train", Some(&splits.train), Some(&setup.train)),
        ("validation", splits.valid.as_ref(), setup.valid.as_ref()),
        ("test", splits.test.as_ref(), setup.test.as_ref()),
    ];
    let parts: Vec<Part<'_>> =
        tables.iter().filter_map(|(name, table, _)| table.map(|table| Part::new(name, table))).collect();
    let report = data_report(&parts);
    let labels = splits.labels.as_ref().map_or(&[][..], LabelMap::names);
    let mut notes = splits.overlaps.notes.clone();
    if metrics.rows.test == 0 {
        notes.push("there were no test rows: the figures are of the rows that chose the epoch".to_owned());
    }
    if let Some(dropped) = splits.dropped {
        notes.push(format!(
            "left out before: {} training and {} validation rows that occur elsewhere, repeat or contradict each other",
            dropped.train(),
            dropped.valid_in_test
        ));
    }
    Data {
        splits: tables
            .into_iter()
            .filter_map(|(name, table, rows)| split(name, table?, rows?, labels))
            .collect(),
        overlaps: report.overlaps.pairs.iter().map(overlap).collect(),
        split_method: splits.how.clone(),
        max_length: Some(setup.classifier.max_length as u64),
        suspects: report
            .suspects
            .iter()
            .map(|s| Suspect {
                text: s.row.text.clone(),
                label: s.row.label.clone().unwrap_or_default(),
                reasons: s.reasons.clone(),
                place: format!("{} {}", s.row.part, s.row.place),
            })
            .collect(),
        notes,
    }
}

fn split(name: &str, table: &Table, rows: &Rows, labels: &[String]) -> Option<Split> {
    let mut counts = vec![0u64; labels.len()];
    match &rows.targets {
        Targets::Classes(classes) => classes.iter().for_each(|&c| counts[c as usize] += 1),
        Targets::Sets(sets) => sets.iter().flatten().for_each(|&l| counts[l as usize] += 1),
        Targets::Numbers(_) => {}
    }
    Some(Split {
        name: name.to_owned(),
        file: table.source.file_name()?.to_string_lossy().into_owned(),
        sha256: table.sha256.clone(),
        rows: table.len() as u64,
        classes: labels
            .iter()
            .zip(counts)
            .map(|(label, rows)| ClassCount { label: label.clone(), rows })
            .collect(),
        truncated: Some(rows.texts.truncated() as u64),
        blank: Some(table.blank as u64),
        conflicting: Some(filbert_data::conflicting(table) as u64),
        hostile: None,
    })
}

fn overlap(o: &Overlap) -> filbert_report::input::Overlap {
    filbert_report::input::Overlap {
        from: o.from.clone(),
        to: o.to.clone(),
        rows: o.rows as u64,
        exact: Some(o.exact as u64),
        canonical: Some(o.canonical as u64),
        near: Some(o.near as u64),
        domain: o.domain.map(|n| n as u64),
        conflicting: o.conflicting_canonical.map(|n| n as u64),
    }
}

/// The epochs.
pub(super) fn training(metrics: &Metrics) -> Training {
    let epoch = |e: &crate::PerEpoch| Epoch {
        epoch: e.epoch as u64,
        train_loss: Some(e.train_loss),
        valid_loss: e.valid_loss,
        valid_metric: e.valid_accuracy,
    };
    Training {
        epochs: metrics.epochs.iter().map(epoch).collect(),
        kept: Some(metrics.best_epoch as u64),
        metric: "accuracy".to_owned(),
    }
}

/// What was trained on what, with which settings.
pub(super) fn facts(training: &Value) -> Vec<Facts> {
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let settings = training["settings"].as_object().into_iter().flatten();
    let settings = settings.filter(|(_, v)| !v.is_null());
    let settings = settings.map(|(k, v)| Fact::new(k.replace('_', " "), text(v))).collect();
    let run = vec![
        Fact::new("encoder", training["model"].as_str().unwrap_or_default()),
        Fact::new("seed", text(&training["seed"])),
        Fact::new("filbert", crate::VERSION),
    ];
    vec![
        Facts { title: "Run".to_owned(), facts: run },
        Facts { title: "Settings".to_owned(), facts: settings },
    ]
}

/// How to repeat the run.
pub(super) fn command(training: &Value) -> String {
    if training["command"].is_object() {
        "filbert train --repeat THIS-FOLDER --out NEW-FOLDER".to_owned()
    } else {
        String::new()
    }
}

/// Time, as far as it is known before the folder is written.
pub(super) fn cost(metrics: &Metrics) -> Cost {
    let timing = &metrics.timing;
    let mut stages = vec![Stage { name: "training".to_owned(), seconds: timing.train_seconds }];
    stages.extend(metrics.floor.as_ref().map(|f| Stage { name: "the floor".to_owned(), seconds: f.seconds }));
    Cost {
        stages,
        total_seconds: Some(timing.total_seconds),
        rows_per_second: Some(timing.train_rows_per_second),
        ..Cost::default()
    }
}

/// The machine's part in it.
pub(super) fn environment(metrics: &Metrics) -> Vec<Fact> {
    vec![
        Fact::new("products in training", format!("{}, {}", metrics.precision, metrics.kernel)),
        Fact::new("products in measuring", metrics.measured_precision.clone()),
        Fact::new("threads", metrics.threads.to_string()),
    ]
}
