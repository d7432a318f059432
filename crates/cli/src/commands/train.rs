//! `filbert train`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{ArgMatches, CommandFactory};
use filbert::{Lora, Options, Watch};
use filbert_model::folder::{FilbertJson, SaveFolder, sha256_file};
use filbert_model::safetensors::WEIGHTS_FILE;

use super::{resolve, running};
use crate::args::{Cli, Common, RunArgs, TrainArgs};
use crate::progress::Progress;
use crate::{config, output};

pub(crate) fn run(args: &TrainArgs, common: &Common, matches: &ArgMatches) -> Result<()> {
    let root = Cli::command();
    let command = root.find_subcommand("train").context("the verb exists")?;
    let matches = matches.subcommand_matches("train").context("the verb was typed")?;
    if args.run.print_config {
        return output::print(&config::print(command, matches));
    }
    let mut progress = Progress::new(common);
    let out = args.run.out.as_deref().context("--out says which folder to write")?;
    // An output that cannot be written is refused before minutes are spent.
    drop(SaveFolder::create(out, args.run.force)?);
    if let Some(adapter) = &args.adapter_out {
        drop(SaveFolder::create_adapter(adapter, args.run.force)?);
    }
    let repeated = args.repeat.as_deref().map(|model| repeated(model, &args.run)).transpose()?;
    let model = resolve(&args.model, &mut progress)?;
    progress.note(&format!("model: {}", model.source));

    let options = running::recorded(options(args, out), command, matches);
    let trainer = running::trainer(&args.run, options, &model.folder, &model.source);
    let trained = trainer.fit_watched(&mut progress)?;
    running::save(&trained, &args.run, out, &mut progress)?;
    if let Some(adapter) = &args.adapter_out {
        trained.save_adapter(adapter, args.run.force)?;
    }
    running::forget(out);
    if let Some(recorded) = &repeated {
        let same = sha256_file(&out.join(WEIGHTS_FILE))? == *recorded;
        progress.note(if same {
            "the weights are those of the run that was repeated, bit for bit"
        } else {
            "the weights differ from those of the run that was repeated: another version, processor or setting"
        });
    }
    drop(progress);
    running::tell(&trained, out, common)
}

/// The recorded hash of a model's weights, where the rows it was trained on are still the same.
fn repeated(model: &Path, args: &RunArgs) -> Result<String> {
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

/// What the arguments mean.
fn options(args: &TrainArgs, out: &Path) -> Options {
    Options {
        task: args.task,
        freeze: args.freeze.clone(),
        lora: args.lora.map(|rank| Lora {
            rank,
            alpha: args.lora_alpha.unwrap_or(2.0 * rank as f32),
            dropout: args.lora_dropout,
            targets: args.lora_targets.clone(),
        }),
        pooling: args.pooling.into(),
        trunk_cache: match &args.trunk_cache {
            Some(folder) if folder.as_os_str() == "off" => None,
            Some(folder) => Some(folder.clone()),
            None => user_cache(),
        },
        max_length: args.max_length,
        windows: args.windows,
        positive: args.positive.clone(),
        keep_adapter: args.adapter_out.is_some(),
        ..running::options(&args.run, out)
    }
}

/// The folder for what can be computed again, as the environment says: `$XDG_CACHE_HOME/filbert`, or below the home folder.
fn user_cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let caches = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")));
    caches.filter(|caches| caches.is_absolute()).map(|caches| caches.join("filbert"))
}
