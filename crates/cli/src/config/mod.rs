//! Settings from elsewhere than the command line: `--config FILE.toml` with the flags' own names as keys, and what a model
//! (`--repeat`) or a checkpoint (`--resume`) recorded. Their values are put before what was typed, so that they go through
//! the same definitions, and what was typed wins.

mod record;

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::CommandFactory;
pub(crate) use record::{print, settings};

use crate::args::Cli;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// Values from one place.
struct Source {
    /// What messages name.
    name: String,
    table: toml::Table,
}

/// The arguments with those of other places put in after the verb.
pub(crate) fn expand(typed: Vec<OsString>) -> Result<Vec<OsString>> {
    let root = Cli::command();
    let verb_at = typed.iter().position(|a| a.to_str().is_some_and(|a| root.find_subcommand(a).is_some()));
    let Some((at, verb)) = verb_at.and_then(|i| Some((i, typed[i].to_str()?))) else { return Ok(typed) };
    let command = root.find_subcommand(verb).context("the verb exists")?;
    let typed_flags = typed_flags(&typed[at + 1..], command, &root);
    let mut sources = Vec::new();
    if ["train", "distill"].contains(&verb) {
        sources.extend(record::recorded(verb, &typed, &typed_flags)?);
    }
    if let Some(path) = value_of(&typed, "config", None) {
        sources.push(read(Path::new(&path))?);
    }
    let names: Vec<&str> =
        command.get_arguments().chain(root.get_arguments()).filter_map(|a| a.get_long()).collect();
    let mut added: Vec<String> = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        // A later source wins over an earlier one, and what was typed over both.
        let later: Vec<String> =
            sources[i + 1..].iter().flat_map(|s| s.table.keys().map(|key| key.replace('_', "-"))).collect();
        let has = |flag: &str| typed_flags.iter().chain(&later).any(|f| f == flag);
        for (key, value) in &source.table {
            let flag = key.replace('_', "-");
            // It also wins over a key that excludes it.
            let excluded = match flag.as_str() {
                "data" => ["train", "valid", "test"].iter().any(|f| has(f)),
                "train" | "valid" | "test" => has("data"),
                _ => false,
            };
            if has(&flag) || excluded {
                continue;
            }
            if !names.contains(&flag.as_str()) || flag == "config" {
                let scored = names.iter().map(|name| (strsim::levenshtein(name, &flag), name));
                let nearest = scored.min().filter(|(distance, _)| *distance <= 3).map(|(_, name)| name);
                let hint = nearest.map(|n| format!("; did you mean {n:?}?")).unwrap_or_default();
                bail!("{}: unknown key {key:?} for {verb}{hint}", source.name);
            }
            added.extend(argument(source, key, &flag, value)?);
        }
    }
    let mut all = typed[..=at].to_vec();
    all.extend(added.into_iter().map(OsString::from));
    all.extend_from_slice(&typed[at + 1..]);
    Ok(all)
}

/// The argument that a key and its value stand for; none for a flag that is off.
fn argument(source: &Source, key: &str, flag: &str, value: &toml::Value) -> Result<Option<String>> {
    let text = match value {
        toml::Value::Boolean(false) => return Ok(None),
        toml::Value::Boolean(true) => return Ok(Some(format!("--{flag}"))),
        toml::Value::String(s) => s.clone(),
        toml::Value::Integer(n) => n.to_string(),
        toml::Value::Float(x) => x.to_string(),
        toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
            let items: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
            items.join(",")
        }
        _ => bail!(
            "{}: key {key:?} must be a string, a number, true or false, or a list of strings",
            source.name
        ),
    };
    Ok(Some(format!("--{flag}={text}")))
}

/// The table of a configuration file.
fn read(path: &Path) -> Result<Source> {
    let file = path.display();
    let read = || -> std::io::Result<String> {
        if !std::fs::metadata(path)?.is_file() {
            return Err(std::io::Error::other("not a regular file"));
        }
        let mut text = String::new();
        std::fs::File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().with_context(|| format!("cannot read {file}"))?;
    if text.len() as u64 > MAX_BYTES {
        bail!("{file}: more than the {MAX_BYTES} bytes that are read; is it the right file?");
    }
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let at = e.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
        anyhow::anyhow!("{file}: line {line}: not valid TOML: {}", e.message())
    })?;
    Ok(Source { name: file.to_string(), table })
}

/// The long names of the flags among typed arguments.
fn typed_flags(typed: &[OsString], verb: &clap::Command, root: &clap::Command) -> Vec<String> {
    let all: Vec<&clap::Arg> = verb.get_arguments().chain(root.get_arguments()).collect();
    let mut flags = Vec::new();
    for argument in typed.iter().take_while(|a| *a != "--").filter_map(|a| a.to_str()) {
        if let Some(long) = argument.strip_prefix("--") {
            flags.push(long.split('=').next().unwrap_or(long).to_owned());
        } else if let Some(short) = argument.strip_prefix('-').and_then(|rest| rest.chars().next()) {
            let named = all.iter().find(|a| a.get_short() == Some(short)).and_then(|a| a.get_long());
            flags.extend(named.map(str::to_owned));
        }
    }
    flags
}

/// The value of the last `--LONG` (or `-SHORT`) that was typed.
fn value_of(typed: &[OsString], long: &str, short: Option<char>) -> Option<PathBuf> {
    let (long, short) = (format!("--{long}"), short.map(|c| format!("-{c}")));
    let mut found = None;
    let mut arguments = typed.iter().skip(1).take_while(|a| *a != "--");
    while let Some(argument) = arguments.next() {
        let Some(text) = argument.to_str() else { continue };
        if text == long || short.as_deref() == Some(text) {
            found = arguments.next().map(PathBuf::from).or(found);
        } else if let Some(value) = text.strip_prefix(&long).and_then(|rest| rest.strip_prefix('=')) {
            found = Some(PathBuf::from(value));
        } else if let Some(value) = short.as_ref().and_then(|short| text.strip_prefix(short.as_str())) {
            found = Some(PathBuf::from(value.strip_prefix('=').unwrap_or(value)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::expand;
    use std::ffi::OsString;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_file_goes_before_what_was_typed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "epochs = 5\nforce = true\nbatch_size = 8\ntext = [\"a\", \"b\"]\n").unwrap();
        let typed = words(&format!("filbert train --config {} --epochs 2", file.display()));
        let all = expand(typed).unwrap();
        let all: Vec<&str> = all.iter().map(|a| a.to_str().unwrap()).collect();
        assert_eq!(&all[..5], ["filbert", "train", "--batch-size=8", "--force", "--text=a,b"]);
        assert_eq!(&all[all.len() - 2..], ["--epochs", "2"]);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.toml");
        std::fs::write(&file, "epoch = 5\n").unwrap();
        let error =
            expand(words(&format!("filbert train --config={}", file.display()))).unwrap_err().to_string();
        assert!(error.contains("\"epoch\"") && error.contains("\"epochs\""), "{error}");
    }
}
