//! `--config FILE.toml`: a file with the flags' own names as keys. Its values are put before what was typed, so that
//! they go through the same definitions, and what was typed wins.

use std::ffi::OsString;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::CommandFactory;

use crate::args::Cli;

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// The arguments with those of a configuration file put in after the verb.
pub(crate) fn expand(typed: Vec<OsString>) -> Result<Vec<OsString>> {
    let Some(path) = named_file(&typed) else { return Ok(typed) };
    let root = Cli::command();
    let verb_at = typed.iter().position(|a| a.to_str().is_some_and(|a| root.find_subcommand(a).is_some()));
    let Some((at, verb)) = verb_at.and_then(|i| Some((i, typed[i].to_str()?))) else { return Ok(typed) };
    let command = root.find_subcommand(verb).context("the verb exists")?;
    let file = path.display();
    let read = || -> std::io::Result<String> {
        if !std::fs::metadata(&path)?.is_file() {
            return Err(std::io::Error::other("not a regular file"));
        }
        let mut text = String::new();
        std::fs::File::open(&path)?.take(MAX_BYTES + 1).read_to_string(&mut text)?;
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
    let names: Vec<&str> =
        command.get_arguments().chain(root.get_arguments()).filter_map(|a| a.get_long()).collect();
    let typed_flags = typed_flags(&typed[at + 1..], command, &root);
    let typed_has = |flag: &str| typed_flags.iter().any(|typed| typed == flag);
    let mut added = Vec::new();
    for (key, value) in &table {
        let flag = key.replace('_', "-");
        // What was typed wins, also over a key that excludes it.
        let excluded = match flag.as_str() {
            "data" => ["train", "valid", "test"].iter().any(|f| typed_has(f)),
            "train" | "valid" | "test" => typed_has("data"),
            _ => false,
        };
        if typed_has(&flag) || excluded {
            continue;
        }
        if !names.contains(&flag.as_str()) || flag == "config" {
            let scored = names.iter().map(|name| (strsim::levenshtein(name, &flag), name));
            let nearest = scored.min().filter(|(distance, _)| *distance <= 3).map(|(_, name)| name);
            let hint = nearest.map(|n| format!("; did you mean {n:?}?")).unwrap_or_default();
            bail!("{file}: unknown key {key:?} for {verb}{hint}");
        }
        match value {
            toml::Value::Boolean(false) => {}
            toml::Value::Boolean(true) => added.push(format!("--{flag}")),
            toml::Value::String(s) => added.push(format!("--{flag}={s}")),
            toml::Value::Integer(n) => added.push(format!("--{flag}={n}")),
            toml::Value::Float(x) => added.push(format!("--{flag}={x}")),
            toml::Value::Array(items) if items.iter().all(toml::Value::is_str) => {
                let items: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
                added.push(format!("--{flag}={}", items.join(",")));
            }
            _ => bail!("{file}: key {key:?} must be a string, a number, true or false, or a list of strings"),
        }
    }
    let mut all = typed[..=at].to_vec();
    all.extend(added.into_iter().map(OsString::from));
    all.extend_from_slice(&typed[at + 1..]);
    Ok(all)
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

/// The value of the last `--config`.
fn named_file(typed: &[OsString]) -> Option<PathBuf> {
    let mut found = None;
    let mut arguments = typed.iter().skip(1).take_while(|a| *a != "--");
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--config") => found = arguments.next().map(PathBuf::from),
            Some(text) => found = text.strip_prefix("--config=").map(PathBuf::from).or(found),
            None => {}
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
