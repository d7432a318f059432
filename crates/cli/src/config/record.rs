//! A run's settings as a table: printed as TOML, kept with a model and its checkpoints, and read from there again.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};
use filbert_model::folder::FilbertJson;
use serde_json::{Map, Value};

use super::{Source, value_of};
use crate::commands::checkpoint_folder;

/// Flags that say what to do, not how to train.
const NOT_SETTINGS: [&str; 9] =
    ["config", "print-config", "repeat", "resume", "json", "quiet", "verbose", "help", "version"];
/// Settings that change nothing in the result, or belong to one place.
const NOT_RECORDED: [&str; 6] = ["out", "adapter-out", "force", "threads", "trunk-cache", "checkpoint-every"];

/// One flag and its value.
struct Setting {
    key: String,
    help: String,
    /// None where nothing was said and there is no fixed default.
    value: Option<toml::Value>,
}

/// All settings of a verb, in the order of its help.
fn all(command: &Command, matches: &ArgMatches) -> Vec<Setting> {
    let arguments =
        command.get_arguments().filter(|a| !matches!(a.get_action(), ArgAction::Help | ArgAction::Version));
    arguments
        .filter_map(|argument| {
            let key = argument.get_long().filter(|key| !NOT_SETTINGS.contains(key))?;
            let id = argument.get_id().as_str();
            let value = if matches!(argument.get_action(), ArgAction::SetTrue) {
                Some(toml::Value::Boolean(matches.get_flag(id)))
            } else {
                let raw = matches.try_get_raw(id).ok().flatten();
                let texts: Option<Vec<String>> =
                    raw.map(|raw| raw.map(|v| v.to_string_lossy().into_owned()).collect());
                texts.map(|texts| {
                    if argument.get_value_delimiter().is_some() {
                        toml::Value::Array(texts.into_iter().map(toml::Value::String).collect())
                    } else {
                        natural(texts.last().map_or("", String::as_str))
                    }
                })
            };
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            Some(Setting { key: key.to_owned(), help, value })
        })
        .collect()
}

/// A number where the text is one and says so again, else the text.
fn natural(text: &str) -> toml::Value {
    if let Some(n) = text.parse::<i64>().ok().filter(|n| n.to_string() == text) {
        return toml::Value::Integer(n);
    }
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && x.to_string() == text => toml::Value::Float(x),
        _ => toml::Value::String(text.to_owned()),
    }
}

/// The settings as the text of a configuration file.
pub(crate) fn print(command: &Command, matches: &ArgMatches) -> String {
    let mut out = format!("# All settings of `filbert {}`, for --config.\n", command.get_name());
    for Setting { key, help, value } in all(command, matches) {
        let _ = writeln!(out, "\n# {}", help.replace('\n', "\n# "));
        match value {
            Some(value) => {
                let _ = writeln!(out, "{key} = {value}");
            }
            None => {
                let _ = writeln!(out, "# {key} =");
            }
        }
    }
    out
}

/// The settings that a run's result follows from, defaults included.
pub(crate) fn settings(command: &Command, matches: &ArgMatches) -> Value {
    let kept = all(command, matches).into_iter().filter(|s| !NOT_RECORDED.contains(&s.key.as_str()));
    let mut table: Map<String, Value> = kept
        .filter_map(|s| Some((s.key, serde_json::to_value(s.value?).ok()?)))
        .filter(|(_, value)| *value != Value::Bool(false))
        .collect();
    if let Some(kernels) = matches
        .try_get_raw("kernels")
        .ok()
        .flatten()
        .and_then(|mut raw| raw.next())
        .filter(|_| matches.value_source("kernels") != Some(ValueSource::DefaultValue))
    {
        table.insert("kernels".to_owned(), Value::String(kernels.to_string_lossy().into_owned()));
    }
    Value::Object(table)
}

/// What `--repeat MODEL` or `--resume` name: settings of another run.
pub(super) fn recorded(verb: &str, typed: &[OsString], flags: &[String]) -> Result<Option<Source>> {
    if let Some(model) = value_of(typed, "repeat", None).filter(|_| verb == "train") {
        let file = model.join(filbert_model::folder::FILBERT_FILE);
        let Some(filbert) = FilbertJson::load(&model)? else {
            bail!("{}: there is no such file, so nothing says how the model was trained", file.display());
        };
        return source(&file, &filbert.training["command"]).map(Some);
    }
    if flags.iter().any(|flag| flag == "resume") {
        let out = value_of(typed, "out", Some('o'))
            .context("--resume needs --out: the checkpoint lies beside it")?;
        let folder = checkpoint_folder(&out);
        // One folder for each training of a run that has several: any that has come to a checkpoint will do.
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path());
        let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        let found = folders.iter().find_map(|folder| filbert_train::recorded(folder).ok());
        let record = found.map_or_else(|| filbert_train::recorded(&folder), Ok)?;
        return source(&folder, &record).map(Some);
    }
    Ok(None)
}

fn source(place: &Path, record: &Value) -> Result<Source> {
    let name = place.display().to_string();
    if !record.is_object() {
        bail!("{name}: nothing says which settings the run had; it was not started by a verb of filbert's");
    }
    // A model may come from a stranger: what it records may say how to train, not what to write or to replace.
    let keys = record.as_object().into_iter().flat_map(Map::keys);
    if let Some(key) = keys
        .map(|key| key.replace('_', "-"))
        .find(|key| NOT_SETTINGS.contains(&key.as_str()) || NOT_RECORDED.contains(&key.as_str()))
    {
        bail!("{name}: it records {key:?}, which is no setting of training");
    }
    let table = toml::Table::try_from(record).with_context(|| format!("{name}: settings that are none"))?;
    Ok(Source { name, table })
}
