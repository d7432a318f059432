//! What the verbs that train share: from their arguments to a run, and its end.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ArgMatches;
use filbert::{Checkpointing, ClassWeights, Options, Trained, Trainer, Watch};
use serde_json::{Value, json};

use super::summary::summary;
use crate::args::{Common, RunArgs};
use crate::memory::peak_mb;
use crate::progress::Progress;
use crate::{config, output};

/// Where checkpoints of a run that writes `out` lie.
pub(crate) fn checkpoint_folder(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".checkpoint");
    out.with_file_name(name)
}

/// What the shared arguments mean; the rest is as it is by default.
pub(super) fn options(args: &RunArgs, out: &Path) -> Options {
    Options {
        text: args.text.clone(),
        label: args.label.clone(),
        split_by: args.split_by.clone(),
        dedupe: args.dedupe,
        slices: args.slices.clone(),
        epochs: args.epochs,
        learning_rate: args.lr,
        head_rate: args.head_lr,
        layer_decay: args.layer_decay,
        batch_size: args.batch_size,
        accumulate: args.accumulate,
        recompute: args.recompute,
        class_weights: args.class_weights.clone().unwrap_or(ClassWeights::Equal),
        label_smoothing: args.label_smoothing,
        focal: args.focal,
        select: args.select,
        patience: args.patience,
        seeds: args.seeds,
        calibrate: !args.no_calibration,
        target: args.target,
        unsure: args.unsure,
        warmup: args.warmup,
        schedule: args.schedule.into(),
        weight_decay: args.weight_decay,
        clip_norm: args.clip_norm,
        seed: args.seed,
        precision: args.precision.into(),
        floor: !args.no_floor,
        checkpoints: args.checkpoint_every.0.map(|every| Checkpointing {
            folder: checkpoint_folder(out),
            every,
            resume: args.resume,
        }),
        record: Value::Null,
        ..Options::default()
    }
}

/// Records how to run it again.
pub(super) fn recorded(mut options: Options, command: &clap::Command, matches: &ArgMatches) -> Options {
    options.record = config::settings(command, matches);
    let settings = options.settings();
    if let Some(record) = options.record.as_object_mut() {
        // Defaults that depend on other settings are kept as they were.
        record.insert("epochs".to_owned(), json!(settings.epochs));
        record.insert("lr".to_owned(), json!(settings.learning_rate.to_string()));
    }
    options
}

/// A run from `folder`, which stands for `name`, on the rows that the arguments name.
pub(super) fn trainer(args: &RunArgs, options: Options, folder: &Path, name: &str) -> Trainer {
    let mut trainer = Trainer::new(folder).named(name).options(options);
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
    trainer
}

/// Writes the model's folder.
pub(super) fn save(trained: &Trained, args: &RunArgs, out: &Path, progress: &mut Progress) -> Result<()> {
    progress.stage("saving");
    trained.save(out, args.force).with_context(|| {
        let kept = args.checkpoint_every.0.is_some() && checkpoint_folder(out).is_dir();
        let rest = if kept { "; the checkpoint beside it is kept: make room and use --resume" } else { "" };
        format!("cannot save {}{rest}", out.display())
    })
}

/// Removes the checkpoints of a run whose model is whole on disk: nothing is left to go on with.
pub(super) fn forget(out: &Path) {
    let _ = std::fs::remove_dir_all(checkpoint_folder(out));
}

/// Prints what came of it.
pub(super) fn tell(trained: &Trained, out: &Path, common: &Common) -> Result<()> {
    if common.json {
        let mut all = trained.metrics().to_json();
        all["out"] = json!(out.display().to_string());
        all["peak_memory_mb"] = json!(peak_mb());
        return output::print_json(&all);
    }
    output::print(&summary(trained, out))
}
