//! `filbert inspect`: architecture, parameters and bytes per part, labels, thresholds and hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use filbert_model::Config;
use filbert_model::architecture::BERT;
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

/// What is shown.
struct Model {
    folder: Folder,
    config: Config,
    checkpoint: Checkpoint,
    parts: Vec<Part>,
    hashes: String,
}

pub(crate) fn run(args: &InspectArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    let resolved = resolve(&args.model, &mut progress)?;
    drop(progress);
    let folder = Folder::open_unverified(&resolved.folder)?;
    let config = Config::load(folder.path())?;
    let checkpoint = Checkpoint::open(folder.path())?;
    let hashes = match (folder.filbert(), folder.verify()) {
        (None, _) => "none recorded".to_owned(),
        (Some(f), Ok(())) => format!("{} files, all as recorded", f.files.len()),
        (Some(_), Err(error)) => format!("WRONG: {error}"),
    };
    let model = Model { parts: parts(&checkpoint), folder, config, checkpoint, hashes };
    if common.json { print_json(&model.json()) } else { print(&model.text(args.tensors)) }
}

impl Model {
    fn json(&self) -> Value {
        let c = &self.config;
        let parts = self.parts.iter().map(
            |p| json!({"name": p.name, "tensors": p.tensors, "parameters": p.parameters, "bytes": p.bytes}),
        );
        json!({
            "folder": self.folder.path().display().to_string(),
            "model_type": BERT.model_type,
            "architectures": c.architectures,
            "layers": c.num_hidden_layers, "width": c.hidden_size, "heads": c.num_attention_heads,
            "intermediate": c.intermediate_size, "vocabulary": c.vocab_size, "positions": c.max_position_embeddings,
            "parts": parts.collect::<Vec<_>>(),
            "tensors": tensors(&self.checkpoint),
            "has_head": has_head(&self.checkpoint),
            "labels": c.labels,
            "filbert": self.folder.filbert(),
            "hashes": self.hashes,
        })
    }

    fn text(&self, tensors: bool) -> String {
        let c = &self.config;
        let mut out = format!(
            "{}\nBERT, {} layers of width {}, {} heads, feed-forward {}, {} words, {} positions\n\n",
            self.folder.path().display(),
            c.num_hidden_layers,
            c.hidden_size,
            c.num_attention_heads,
            c.intermediate_size,
            c.vocab_size,
            c.max_position_embeddings
        );
        let _ = writeln!(out, "{:<12} {:>8} {:>14} {:>10}", "part", "tensors", "parameters", "MB");
        let mut all = Part { name: "all", tensors: 0, parameters: 0, bytes: 0 };
        for p in &self.parts {
            out.push_str(&p.line());
            all.tensors += p.tensors;
            all.parameters = all.parameters.saturating_add(p.parameters);
            all.bytes += p.bytes;
        }
        out.push_str(&all.line());
        if has_head(&self.checkpoint) {
            let labels: Vec<String> = c.labels.iter().take(20).map(|l| shown(l, 40)).collect();
            let more = if c.labels.len() > 20 { ", ..." } else { "" };
            let _ = writeln!(out, "\nlabels       {}{more} ({})", labels.join(", "), c.labels.len());
        } else {
            let _ = writeln!(out, "\nno classification head: an encoder to fine-tune with filbert train");
        }
        out.push_str(&self.settings());
        if tensors {
            out.push('\n');
            for name in self.checkpoint.names() {
                if let Some(info) = self.checkpoint.info(name) {
                    let _ =
                        writeln!(out, "{:<64} {:>6} {:?}", shown(name, 100), info.dtype.name(), info.shape);
                }
            }
        }
        out
    }

    /// What filbert.json says.
    fn settings(&self) -> String {
        let mut rows: Vec<(&str, String)> = Vec::new();
        let mut schemes: BTreeMap<String, usize> = BTreeMap::new();
        for (_, scheme, _) in self.checkpoint.schemes() {
            *schemes.entry(scheme.to_string()).or_default() += 1;
        }
        if !schemes.is_empty() {
            let all: Vec<String> =
                schemes.iter().map(|(scheme, n)| format!("{n} matrices in {scheme}")).collect();
            rows.push(("stored", format!("{}; products in int8", all.join(", "))));
        }
        let dash = || "-".to_owned();
        if let Some(f) = self.folder.filbert() {
            let training = |key: &str| f.training.get(key).map_or_else(dash, |v| shown(&v.to_string(), 600));
            rows.push(("positive", f.positive_label.as_deref().map_or_else(dash, |l| shown(l, 40))));
            rows.push((
                "thresholds",
                f.thresholds.as_ref().map_or_else(dash, |t| shown(&format!("{t:?}"), 400)),
            ));
            rows.push(("temperature", f.temperature.to_string()));
            rows.push(("trained from", training("model")));
            rows.push(("settings", training("settings")));
            rows.push(("written by", format!("filbert {}", shown(&f.filbert_version, 40))));
        }
        let settings = self.folder.filbert_or_default();
        rows.push(("pooling", json!(settings.pooling).as_str().unwrap_or_default().to_owned()));
        rows.push(("max length", settings.max_length.map_or_else(dash, |n| n.to_string())));
        rows.push(("hashes", shown(&self.hashes, 400)));
        rows.into_iter().fold(String::new(), |mut out, (name, value)| {
            let _ = writeln!(out, "{name:<12} {value}");
            out
        })
    }
}

impl Part {
    fn line(&self) -> String {
        let megabytes = self.bytes as f64 / 1e6;
        format!("{:<12} {:>8} {:>14} {megabytes:>10.2}\n", self.name, self.tensors, self.parameters)
    }
}

fn has_head(checkpoint: &Checkpoint) -> bool {
    checkpoint.info(&format!("{}.weight", BERT.classifier)).is_some()
}

fn tensors(checkpoint: &Checkpoint) -> Vec<Value> {
    let all = checkpoint.names().filter_map(|name| Some((name, checkpoint.info(name)?)));
    all.map(|(name, info)| json!({"name": name, "shape": info.shape, "dtype": info.dtype.name()})).collect()
}

fn parts(checkpoint: &Checkpoint) -> Vec<Part> {
    let mut parts: Vec<Part> = ["embeddings", "layers", "pooler", "classifier", "other"]
        .map(|name| Part { name, tensors: 0, parameters: 0, bytes: 0 })
        .into();
    let few: BTreeMap<&str, u64> = checkpoint
        .schemes()
        .map(|(name, _, (rows, columns))| (name, (rows as u64).saturating_mul(columns as u64)))
        .collect();
    let scales: BTreeSet<String> = checkpoint.quantized_parts().collect();
    for name in checkpoint.names() {
        let Some(info) = checkpoint.info(name) else { continue };
        let short = name.strip_prefix(BERT.prefix).unwrap_or(name);
        let index = match short.split('.').next() {
            Some("embeddings") => 0,
            Some("encoder") => 1,
            Some("pooler") => 2,
            Some("classifier") => 3,
            _ => 4,
        };
        let elements: u64 = info.shape.iter().map(|&n| n as u64).product();
        parts[index].tensors += 1;
        parts[index].bytes += elements * info.dtype.size();
        // Two codes of four bits are one element; the scales of a matrix are no parameters of the model.
        parts[index].parameters = parts[index].parameters.saturating_add(match few.get(name) {
            Some(parameters) => *parameters,
            None if scales.contains(name) => 0,
            None => elements,
        });
    }
    parts.retain(|p| p.tensors > 0);
    parts
}
