//! `filbert train`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{ArgMatches, CommandFactory};
use filbert::{Checkpointing, ClassWeights, Lora, Options, Trainer, Watch};
use filbert_model::folder::{FilbertJson, SaveFolder, sha256_file};
use filbert_model::safetensors::WEIGHTS_FILE;
use serde_json::{Value, json};

use super::resolve;
use super::summary::summary;
use crate::args::{Cli, Common, TrainArgs};
use crate::memory::peak_mb;
use crate::progress::Progress;
use crate::{config, output};

pub(crate) fn run(args: &TrainArgs, common: &Common, matches: &ArgMatches) -> Result<()> {
    let root = Cli::command();
    let command = root.find_subcommand("train").context("the verb exists")?;
    let matches = matches.subcommand_matches("train").context("the verb was typed")?;
    if args.print_config {
        return output::print(&config::print(command, matches));
    }
    let mut progress = Progress::new(common);
    let out = args.out.as_deref().context("--out says which folder to write")?;
    // An output that cannot be written is refused before minutes are spent.
    drop(SaveFolder::create(out, args.force)?);
    if let Some(adapter) = &args.adapter_out {
        drop(SaveFolder::create_adapter(adapter, args.force)?);
    }
    let repeated = args.repeat.as_deref().map(|model| repeated(model, args)).transpose()?;
    let model = resolve(&args.model, &mut progress)?;
    progress.note(&format!("model: {}", model.source));

    let mut options = options(args, out);
    options.record = config::settings(command, matches);
    let settings = options.settings();
    if let Some(record) = options.record.as_object_mut() {
        // Defaults that depend on other settings are kept as they were.
        record.insert("epochs".to_owned(), json!(settings.epochs));
        record.insert("lr".to_owned(), json!(settings.learning_rate.to_string()));
    }
    let trained = trainer(args, options, &model.folder, &model.source).fit_watched(&mut progress)?;
    progress.stage("saving");
    trained.save(out, args.force).with_context(|| saving_failed(args, out))?;
    if let Some(adapter) = &args.adapter_out {
        trained.save_adapter(adapter, args.force)?;
    }
    // The model is whole on disk: nothing is left to go on with.
    let _ = std::fs::remove_dir_all(checkpoint_folder(out));
    if let Some(recorded) = &repeated {
        let same = sha256_file(&out.join(WEIGHTS_FILE))? == *recorded;
        progress.note(if same {
            "the weights are those of the run that was repeated, bit for bit"
        } else {
            "the weights differ from those of the run that was repeated: another version, processor or setting"
        });
    }
    drop(progress);

    if common.json {
        let mut all = trained.metrics().to_json();
        all["out"] = json!(out.display().to_string());
        all["peak_memory_mb"] = json!(peak_mb());
        return output::print_json(&all);
    }
    output::print(&summary(&trained, out))
}

/// What a failed save says beside its reason.
fn saving_failed(args: &TrainArgs, out: &Path) -> String {
    let kept = args.checkpoint_every.0.is_some() && checkpoint_folder(out).is_dir();
    let rest = if kept { "; the checkpoint beside it is kept: make room and use --resume" } else { "" };
    format!("cannot save {}{rest}", out.display())
}

/// Where checkpoints of a run that writes `out` lie.
pub(crate) fn checkpoint_folder(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".checkpoint");
    out.with_file_name(name)
}

/// The recorded hash of a model's weights, where the rows it was trained on are still the same.
fn repeated(model: &Path, args: &TrainArgs) -> Result<String> {
    let filbert = FilbertJson::load(model)?.context("the folder was read before")?;
    let files = [
        ("train", args.data.as_ref().or(args.train.as_ref())),
        ("valid", args.valid.as_ref()),
        ("test", args.test.as_ref()),
    ];
    for (part, file) in files {
        let Some(file) = file else { continue };
        if sha256_file(file)? != filbert.training[part]["sha256"].as_str().unwrap_or_default() {
            bail!("{}: not the {part} rows of {}: their hash differs", file.display(), model.display());
        }
    }
    Ok(filbert.files.get(WEIGHTS_FILE).cloned().unwrap_or_default())
}

fn trainer(args: &TrainArgs, options: Options, folder: &Path, name: &str) -> Trainer {
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

/// What the arguments mean.
fn options(args: &TrainArgs, out: &Path) -> Options {
    Options {
        text: args.text.clone(),
        label: args.label.clone(),
        task: args.task,
        split_by: args.split_by.clone(),
        dedupe: args.dedupe,
        slices: args.slices.clone(),
        freeze: args.freeze.clone(),
        lora: args.lora.map(|rank| Lora {
            rank,
            alpha: args.lora_alpha.unwrap_or(2.0 * rank as f32),
            dropout: args.lora_dropout,
            targets: args.lora_targets.clone(),
        }),
        pooling: args.pooling.into(),
        epochs: args.epochs,
        learning_rate: args.lr,
        head_rate: args.head_lr,
        layer_decay: args.layer_decay,
        batch_size: args.batch_size,
        accumulate: args.accumulate,
        recompute: args.recompute,
        trunk_cache: match &args.trunk_cache {
            Some(folder) if folder.as_os_str() == "off" => None,
            Some(folder) => Some(folder.clone()),
            None => user_cache(),
        },
        max_length: args.max_length,
        windows: args.windows,
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
        positive: args.positive.clone(),
        floor: !args.no_floor,
        keep_adapter: args.adapter_out.is_some(),
        checkpoints: args.checkpoint_every.0.map(|every| Checkpointing {
            folder: checkpoint_folder(out),
            every,
            resume: args.resume,
        }),
        record: Value::Null,
    }
}

/// The folder for what can be computed again, as the environment says: `$XDG_CACHE_HOME/filbert`, or below the home folder.
fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let caches = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    caches.filter(|caches| caches.is_absolute()).map(|caches| caches.join("filbert"))
}
