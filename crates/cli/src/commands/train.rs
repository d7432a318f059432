//! `filbert train`.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use filbert::{Metrics, Options, Trained, Trainer, Watch};
use serde_json::json;

use super::resolve;
use crate::args::{Common, TrainArgs};
use crate::memory::peak_mb;
use crate::output;
use crate::progress::Progress;

pub(crate) fn run(args: &TrainArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    // An output that cannot be written is refused before minutes are spent.
    drop(filbert_model::folder::SaveFolder::create(&args.out, args.force)?);
    let model = resolve(&args.model, &mut progress)?;
    progress.note(&format!("model: {}", model.source));

    let mut trainer = Trainer::new(&model.folder).named(&model.source).options(options(args));
    if let Some(data) = &args.data {
        trainer = trainer.data(data, &args.split);
    }
    if let Some(train) = &args.train {
        trainer = trainer.train(train);
    }
    if let Some(valid) = &args.valid {
        trainer = trainer.valid(valid);
    }
    if let Some(test) = &args.test {
        trainer = trainer.test(test);
    }
    let trained = trainer.fit_watched(&mut progress)?;
    progress.stage("saving");
    trained.save(&args.out, args.force)?;
    drop(progress);

    if common.json {
        let mut all = trained.metrics().to_json();
        all["out"] = json!(args.out.display().to_string());
        all["peak_memory_mb"] = json!(peak_mb());
        return output::print_json(&all);
    }
    output::print(&summary(&trained, args))
}

/// What the arguments mean.
fn options(args: &TrainArgs) -> Options {
    Options {
        text: args.text.clone(),
        label: args.label.clone(),
        freeze: args.freeze,
        pooling: args.pooling.into(),
        epochs: args.epochs,
        learning_rate: args.lr,
        batch_size: args.batch_size,
        accumulate: args.accumulate,
        recompute: args.recompute,
        trunk_cache: match &args.trunk_cache {
            Some(folder) if folder.as_os_str() == "off" => None,
            Some(folder) => Some(folder.clone()),
            None => user_cache(),
        },
        max_length: args.max_length,
        warmup: args.warmup,
        schedule: args.schedule.into(),
        weight_decay: args.weight_decay,
        clip_norm: args.clip_norm,
        seed: args.seed,
        precision: args.precision.into(),
        positive: args.positive.clone(),
        floor: !args.no_floor,
    }
}

/// The folder for what can be computed again, as the environment says: `$XDG_CACHE_HOME/filbert`, or below the home folder.
fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let caches = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    caches.filter(|caches| caches.is_absolute()).map(|caches| caches.join("filbert"))
}

/// The cheap baseline beside the model, and whether it was beaten.
fn floor(metrics: &Metrics) -> String {
    let Some(floor) = &metrics.floor else { return String::new() };
    let (name, ours, theirs) = match (&metrics.test, &floor.test, &metrics.valid, &floor.valid) {
        (Some(ours), Some(theirs), ..) => ("test", ours, theirs),
        (_, _, Some(ours), Some(theirs)) => ("validation", ours, theirs),
        _ => return String::new(),
    };
    let (ours, theirs) = (&ours.metrics, &theirs.metrics);
    let mut out = format!("the floor, character n-grams and logistic regression, {name} rows\n");
    let _ = writeln!(out, "  {:<18}{}", "accuracy", output::estimate(&theirs.accuracy));
    if let Some(auc) = &theirs.auc {
        let _ = writeln!(out, "  {:<18}{}", "AUC", output::estimate(auc));
    }
    if ours.accuracy.value <= theirs.accuracy.value {
        out.push_str("  note: the model is not more accurate than this floor, which fits in seconds\n");
    }
    out.push('\n');
    out
}

fn summary(trained: &Trained, args: &TrainArgs) -> String {
    let metrics = trained.metrics();
    let mut out = String::from("\n");
    if let Some(report) = &metrics.valid {
        out.push_str(&output::report("validation", report));
        out.push('\n');
    }
    if let Some(report) = &metrics.test {
        out.push_str(&output::report("test", report));
        out.push('\n');
    }
    out.push_str(&floor(metrics));
    let timing = &metrics.timing;
    let _ = write!(
        out,
        "trained in {:.1} s ({:.0} rows/s), {:.1} s in all",
        timing.train_seconds, timing.train_rows_per_second, timing.total_seconds
    );
    if let Some(peak) = peak_mb() {
        let _ = write!(out, ", {peak:.0} MB at most");
    }
    let folder = args.out.display();
    let _ = write!(out, "\nepoch {} of {} was kept", metrics.best_epoch, metrics.epochs.len());
    let _ =
        write!(out, "\nmodel folder: {folder}\n\ntry it: filbert predict --model {folder} \"some text\"\n");
    out
}
