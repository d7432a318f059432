//! `filbert inspect`: architecture, parameters and bytes per part, labels, thresholds and hashes.

use std::fmt::Write as _;

use anyhow::Result;
use filbert_model::Config;
use filbert_model::folder::Folder;
use filbert_model::safetensors::Checkpoint;
use serde_json::{Value, json};

use super::resolve;
use crate::args::{Common, InspectArgs};
use crate::output::{print, print_json, shown};
use crate::progress::Progress;

/// A part of a model and what it holds.
struct Part {
    name: &'static str,
    tensors: usize,
    parameters: u64,
    bytes: u64,
}

pub(crate) fn run(args: &InspectArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    let resolved = resolve(&args.model, &mut progress)?;
    let folder = Folder::open_unverified(&resolved.folder)?;
    let config = Config::load(folder.path())?;
    let checkpoint = Checkpoint::open(folder.path())?;
    let parts = parts(&checkpoint);
    let filbert = folder.filbert();
    let hashes = match (filbert, folder.verify()) {
        (None, _) => "none recorded".to_owned(),
        (Some(f), Ok(())) => format!("{} files, all as recorded", f.files.len()),
        (Some(_), Err(error)) => format!("WRONG: {error}"),
    };
    let settings = folder.filbert_or_default();
    if common.json {
        return print_json(&json!({
            "folder": folder.path(),
            "model_type": "bert",
            "architectures": config.architectures,
            "layers": config.num_hidden_layers, "width": config.hidden_size, "heads": config.num_attention_heads,
            "intermediate": config.intermediate_size, "vocabulary": config.vocab_size,
            "positions": config.max_position_embeddings,
            "parts": parts.iter().map(|p| json!({
                "name": p.name, "tensors": p.tensors, "parameters": p.parameters, "bytes": p.bytes,
            })).collect::<Vec<_>>(),
            "tensors": tensors(&checkpoint),
            "has_head": has_head(&checkpoint),
            "labels": config.labels,
            "filbert": filbert,
            "hashes": hashes,
        }));
    }
    let mut out = String::new();
    let _ = writeln!(out, "{}", folder.path().display());
    let _ = writeln!(
        out,
        "BERT, {} layers of width {}, {} heads, feed-forward {}, {} words, {} positions",
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.intermediate_size,
        config.vocab_size,
        config.max_position_embeddings
    );
    let _ = writeln!(out, "\n{:<12} {:>8} {:>14} {:>10}", "part", "tensors", "parameters", "MB");
    let total = |f: fn(&Part) -> u64| parts.iter().map(f).sum::<u64>();
    for p in &parts {
        let _ = writeln!(out, "{:<12} {:>8} {:>14} {:>10.2}", p.name, p.tensors, p.parameters, p.bytes as f64 / 1e6);
    }
    let (parameters, bytes) = (total(|p| p.parameters), total(|p| p.bytes));
    let _ = writeln!(out, "{:<12} {:>8} {parameters:>14} {:>10.2}", "all", total(|p| p.tensors as u64), bytes as f64 / 1e6);
    if has_head(&checkpoint) {
        let labels: Vec<String> = config.labels.iter().take(20).map(|l| shown(l, 40)).collect();
        let more = if config.labels.len() > 20 { ", ..." } else { "" };
        let _ = writeln!(out, "\nlabels       {}{more} ({})", labels.join(", "), config.labels.len());
    } else {
        let _ = writeln!(out, "\nno classification head: an encoder to fine-tune with filbert train");
    }
    if let Some(f) = filbert {
        let training = |key: &str| f.training.get(key).cloned().unwrap_or(Value::Null);
        let _ = writeln!(out, "positive     {}", f.positive_label.as_deref().map_or_else(|| "-".to_owned(), |l| shown(l, 40)));
        let _ = writeln!(out, "thresholds   {}", f.thresholds.as_ref().map_or_else(|| "-".to_owned(), |t| format!("{t:?}")));
        let _ = writeln!(out, "temperature  {}", f.temperature);
        let _ = writeln!(out, "trained      from {} with {}", shown(&training("model").to_string(), 100), shown(&training("settings").to_string(), 600));
        let _ = writeln!(out, "written by   filbert {}", shown(&f.filbert_version, 40));
    }
    let _ = writeln!(out, "pooling      {}", json!(settings.pooling).as_str().unwrap_or_default());
    let _ = writeln!(out, "max length   {}", settings.max_length.map_or_else(|| "-".to_owned(), |n| n.to_string()));
    let _ = writeln!(out, "hashes       {}", shown(&hashes, 400));
    if args.tensors {
        let _ = writeln!(out);
        for name in checkpoint.names() {
            if let Some(info) = checkpoint.info(name) {
                let _ = writeln!(out, "{:<64} {:>6} {:?}", shown(name, 100), info.dtype.name(), info.shape);
            }
        }
    }
    print(&out)
}

fn has_head(checkpoint: &Checkpoint) -> bool {
    checkpoint.names().any(|name| name == "classifier.weight")
}

fn tensors(checkpoint: &Checkpoint) -> Vec<Value> {
    let all = checkpoint.names().filter_map(|name| Some((name, checkpoint.info(name)?)));
    all.map(|(name, info)| json!({"name": name, "shape": info.shape, "dtype": info.dtype.name()})).collect()
}

fn parts(checkpoint: &Checkpoint) -> Vec<Part> {
    let mut parts: Vec<Part> = ["embeddings", "layers", "pooler", "classifier", "other"]
        .map(|name| Part { name, tensors: 0, parameters: 0, bytes: 0 })
        .into();
    for name in checkpoint.names() {
        let Some(info) = checkpoint.info(name) else { continue };
        let short = name.strip_prefix("bert.").unwrap_or(name);
        let index = match short.split('.').next() {
            Some("embeddings") => 0,
            Some("encoder") => 1,
            Some("pooler") => 2,
            Some("classifier") => 3,
            _ => 4,
        };
        let parameters: u64 = info.shape.iter().map(|&n| n as u64).product();
        parts[index].tensors += 1;
        parts[index].parameters += parameters;
        parts[index].bytes += parameters * info.dtype.size();
    }
    parts.retain(|p| p.tensors > 0);
    parts
}
