//! `filbert pull`.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use filbert_hub::ALIASES;
use serde_json::json;

use super::hub_settings;
use crate::args::{Common, PullArgs};
use crate::output;
use crate::progress::Progress;

pub(crate) fn run(args: &PullArgs, common: &Common) -> Result<()> {
    if args.list {
        return list(common);
    }
    let model = args.model.as_deref().context("clap asked for it")?;
    let mut progress = Progress::new(common);
    let pulled = filbert_hub::pull(model, &hub_settings(), &mut progress)?;
    drop(progress);
    let resolved = &pulled.resolved;
    if common.json {
        let files: Vec<_> = pulled
            .files
            .iter()
            .map(
                |f| json!({"name": f.name, "bytes": f.bytes, "sha256": f.sha256, "from_cache": f.from_cache}),
            )
            .collect();
        return output::print_json(&json!({
            "folder": resolved.folder.display().to_string(), "source": resolved.source, "revision": resolved.revision,
            "bytes": pulled.bytes, "alias": pulled.alias.map(|a| a.name), "files": files,
        }));
    }
    let mut out = String::new();
    for file in &pulled.files {
        let hash = file.sha256.as_deref().map(|h| format!("  sha256 {h}")).unwrap_or_default();
        let _ = writeln!(out, "{:>12}  {}{hash}", file.bytes, output::shown(&file.name, 100));
    }
    let _ = writeln!(out, "{} is in {}", resolved.source, resolved.folder.display());
    if let Some(alias) = pulled.alias {
        let _ = writeln!(out, "--model {} now works without a network", alias.name);
    }
    output::print(&out)
}

fn list(common: &Common) -> Result<()> {
    if common.json {
        let all: Vec<_> =
            ALIASES.iter().map(|a| json!({"alias": a.name, "hub_id": a.hub_id, "about": a.about})).collect();
        return output::print_json(&json!({"aliases": all}));
    }
    let mut out = String::new();
    for alias in ALIASES {
        let _ = writeln!(out, "{:<12} {:<42} {}", alias.name, alias.hub_id, alias.about);
    }
    output::print(&out)
}
