//! `filbert eval`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use filbert::Watch;
use serde_json::{Value, json};

use super::load;
use crate::args::{Common, EvalArgs};
use crate::output;
use crate::progress::Progress;

pub(crate) fn run(args: &EvalArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    progress.stage("loading the model");
    let classifier = load(&args.model, args.max_length, args.precision, &mut progress)?;
    if let Some(out) = &args.out {
        refuse_model_folder(out, classifier.folder())?;
    }
    if let Some(positive) = classifier.positive_label() {
        progress.note(&format!("the positive label is {positive:?}"));
    }
    let evaluation = classifier.evaluate(&args.data, args.text.clone(), args.label.clone(), &mut progress)?;
    drop(progress);

    let mut json = evaluation.report.to_json();
    json["data"] = json!({"file": args.data.display().to_string(), "sha256": evaluation.data_sha256});
    json["truncated_rows"] = json!(evaluation.truncated);
    if let Some(out) = &args.out {
        write(out, &json)?;
    }
    if common.json {
        return output::print_json(&json);
    }
    output::print(&output::measure(&args.data.display().to_string(), &evaluation.report))?;
    if let Some(out) = &args.out {
        output::print(&format!("written: {}\n", out.join("metrics.json").display()))?;
    }
    Ok(())
}

/// A model folder's own metrics are those of its training; other rows' go elsewhere.
fn refuse_model_folder(out: &Path, model: &Path) -> Result<()> {
    let same = match (out.canonicalize(), model.canonicalize()) {
        (Ok(out), Ok(model)) => out == model,
        _ => false,
    };
    if same || out.join("config.json").exists() {
        bail!("{} is a model folder; pass another folder to --out", out.display());
    }
    Ok(())
}

fn write(out: &Path, json: &Value) -> Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    let (file, temporary) = (out.join("metrics.json"), out.join(".metrics.json.new"));
    std::fs::write(&temporary, format!("{json:#}\n"))
        .and_then(|()| std::fs::rename(&temporary, &file))
        .with_context(|| format!("cannot write {}", file.display()))
}
