//! `filbert eval`: one model on labelled rows, or two of them side by side.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use filbert::{Classifier, Evaluation, Versus, Wanted, Watch};
use serde_json::{Value, json};

use super::load;
use super::summary::details;
use crate::args::{Common, EvalArgs};
use crate::output;
use crate::progress::Progress;

pub(crate) fn run(args: &EvalArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    if args.model.len() > 2 {
        return Err(filbert::Error::Usage("--model is given once, or twice to compare two models").into());
    }
    let mut measured = Vec::new();
    for model in &args.model {
        measured.push(evaluate(model, args, &mut progress)?);
    }
    let comparison = match measured.as_slice() {
        [(first, a), (second, b)] => {
            progress.stage("comparing");
            Some(
                Classifier::compare(first, a, second, b)
                    .with_context(|| "the two models cannot be compared")?,
            )
        }
        _ => None,
    };
    drop(progress);

    let file = args.data.display().to_string();
    let reports: Vec<Value> = measured.iter().map(|(_, e)| json(e, &file)).collect();
    let result = match (&comparison, args.model.as_slice(), reports.as_slice()) {
        (Some(comparison), [a, b], [first, second]) => json!({
            "models": [{"model": a, "report": first}, {"model": b, "report": second}],
            "comparison": comparison,
        }),
        _ => reports.into_iter().next().unwrap_or_default(),
    };
    if let Some(out) = &args.out {
        write(out, &result)?;
    }
    if common.json {
        return output::print_json(&result);
    }
    for (model, (_, evaluation)) in args.model.iter().zip(&measured) {
        let title = if comparison.is_some() { format!("{file}, {model}") } else { file.clone() };
        output::print(&output::measure(&title, &evaluation.report))?;
        output::print(&format!("\n{}", details(&evaluation.details)))?;
    }
    if let (Some(comparison), [a, b]) = (&comparison, args.model.as_slice()) {
        output::print(&compared(comparison, a, b))?;
    }
    if let Some(out) = &args.out {
        output::print(&format!("written: {}\n", out.join("metrics.json").display()))?;
    }
    Ok(())
}

/// A model on the rows.
fn evaluate(model: &str, args: &EvalArgs, progress: &mut Progress) -> Result<(Classifier, Evaluation)> {
    progress.stage("loading the model");
    let classifier = load(model, args.max_length, args.precision, progress)?;
    if let Some(out) = &args.out {
        refuse_model_folder(out, classifier.folder())?;
    }
    if let Some(positive) = classifier.positive_label() {
        progress.note(&format!("the positive label is {positive:?}"));
    }
    let wanted = Wanted {
        text: args.text.clone(),
        label: args.label.clone(),
        slices: args.slices.clone(),
        fprs: args.fpr.clone(),
    };
    let evaluation = classifier.evaluate(&args.data, &wanted, progress)?;
    Ok((classifier, evaluation))
}

fn json(evaluation: &Evaluation, file: &str) -> Value {
    let mut json = evaluation.report.to_json();
    json["data"] = json!({"file": file, "sha256": evaluation.data_sha256});
    json["truncated_rows"] = json!(evaluation.truncated);
    json["details"] = json!(evaluation.details);
    json
}

/// What a paired comparison says, in words.
fn compared(versus: &Versus, a: &str, b: &str) -> String {
    let mut out = format!("{b} (second) beside {a} (first)\n");
    let mut line = |name: &str, e: Option<&filbert_eval::Estimate>| {
        if let Some(e) = e {
            let _ = writeln!(out, "  {name:<32}{}", output::estimate(e));
        }
    };
    let (mcnemar, notes) = match versus {
        Versus::Single(c) => {
            line("accuracy, second less first", Some(&c.accuracy_difference));
            line("AUC, second less first", c.auc_difference.as_ref());
            (Some((c.mcnemar_p, c.only_baseline, c.only_candidate)), &c.notes)
        }
        Versus::Multi(c) => {
            line("micro F1, second less first", Some(&c.micro_f1_difference));
            line("macro F1, second less first", Some(&c.macro_f1_difference));
            line("exactly right, second less first", Some(&c.subset_accuracy_difference));
            (Some((c.mcnemar_p, c.only_baseline, c.only_candidate)), &c.notes)
        }
        Versus::Regression(c) => {
            line("absolute error, first less second", Some(&c.mae_reduction));
            line("RMSE, first less second", Some(&c.rmse_reduction));
            (None, &c.notes)
        }
    };
    if let Some((p, first, second)) = mcnemar {
        let _ = writeln!(
            out,
            "  McNemar's exact test            p = {p:.4}; right only in the first {first}, only in the second {second}"
        );
    }
    let _ = writeln!(out, "  {}", versus.verdict("the first", "the second"));
    for note in notes {
        let _ = writeln!(out, "  note: {}", output::shown(note, 300));
    }
    out
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
