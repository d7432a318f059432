//! The run itself as the page takes it: rows, epochs, settings, time and machine.

use filbert_data::{DataReport, Overlap, PartReport};
use filbert_report::input::{ClassCount, Cost, Data, Epoch, Fact, Facts, Split, Stage, Suspect, Training};
use filbert_train::Rows;
use serde_json::Value;

use crate::Metrics;
use crate::pipeline::Setup;

/// The rows, what they share, and which look wrong.
pub(super) fn data(setup: &Setup, metrics: &Metrics) -> Data {
    let splits = &setup.splits;
    let report = &splits.report;
    let rows = [Some(&setup.train), setup.valid.as_ref(), setup.test.as_ref()];
    let mut notes = report.overlaps.notes.clone();
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
        splits: report
            .parts
            .iter()
            .zip(rows.into_iter().flatten())
            .map(|(part, rows)| split(part, report, rows))
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

fn split(part: &PartReport, report: &DataReport, rows: &Rows) -> Split {
    let itself = report.overlaps.pairs.iter().find(|pair| pair.from == part.name && pair.to == part.name);
    let classes = part.classes.iter().flatten();
    Split {
        name: part.name.clone(),
        file: part.file.rsplit(['/', '\\']).next().unwrap_or_default().to_owned(),
        sha256: part.sha256.clone(),
        rows: part.rows as u64,
        classes: classes.map(|c| ClassCount { label: c.label.clone(), rows: c.rows as u64 }).collect(),
        truncated: Some(rows.texts.truncated() as u64),
        blank: Some(part.blank as u64),
        conflicting: itself.and_then(|pair| pair.conflicting_exact).map(|n| n as u64),
        // Counted by kind only; the suspicious rows name them.
        hostile: None,
    }
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
    let taught = &training["distillation"];
    let mut run = vec![
        Fact::new(
            if taught.is_null() { "encoder" } else { "student" },
            training["model"].as_str().unwrap_or_default(),
        ),
        Fact::new("seed", text(&training["seed"])),
        Fact::new("filbert", crate::VERSION),
    ];
    let teaching =
        taught.as_object().into_iter().flatten().filter(|(k, v)| !v.is_null() && *k != "unlabelled");
    run.extend(teaching.map(|(k, v)| Fact::new(k.replace('_', " "), text(v))));
    run.extend(
        taught["unlabelled"]["rows"].as_u64().map(|n| Fact::new("rows without labels", n.to_string())),
    );
    vec![
        Facts { title: "Run".to_owned(), facts: run },
        Facts { title: "Settings".to_owned(), facts: settings },
    ]
}

/// How to repeat the run.
pub(super) fn command(training: &Value) -> String {
    if training["command"].is_object() && training["distillation"].is_null() {
        "filbert train --repeat THIS-FOLDER --out NEW-FOLDER".to_owned()
    } else {
        String::new()
    }
}

/// Time, as far as it is known before the folder is written.
pub(super) fn cost(metrics: &Metrics) -> Cost {
    let timing = &metrics.timing;
    let mut stages = vec![Stage { name: "training".to_owned(), seconds: timing.train_seconds }];
    let control = metrics.distillation.as_ref().and_then(|d| d.control.as_ref());
    stages.extend(
        control.map(|c| Stage { name: "the control's training".to_owned(), seconds: c.train_seconds }),
    );
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
