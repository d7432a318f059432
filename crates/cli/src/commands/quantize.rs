//! `filbert quantize`: a model's folder with its weights in few bits.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use filbert::{Quantization, Quantized, Scheme, Tuning};
use serde_json::json;

use super::load;
use crate::args::{Common, PrecisionArg};
use crate::output;
use crate::progress::Progress;

/// Sensitive matrices that are listed.
const LISTED: usize = 10;

#[derive(Debug, Args)]
pub(crate) struct QuantizeArgs {
    /// The model: a folder, or a classifier's hub id.
    #[arg(long, short, value_name = "DIR|HUB-ID")]
    model: String,
    /// The folder to write.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// How linear layers are stored: int8, int4, int4:GROUP (32, 64 or 128) or nf4.
    #[arg(long, default_value = "int8", value_name = "SCHEME")]
    weights: Scheme,
    /// How embedding tables are stored [default: as --weights].
    #[arg(long, value_name = "SCHEME")]
    embeddings: Option<Scheme>,
    /// Matrices that stay in f32, by name; * is anything, ? any one character.
    #[arg(long, value_name = "PATTERN,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Texts like those that will be classified: scales are fitted to what they make of the layers' inputs, sensitive matrices are
    /// found, flipped answers counted.
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
    /// Of those, the most that are read.
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    calibrate_rows: usize,
    /// The largest share of answers that may flip: the most sensitive matrices go a step up (4 bits, 8 bits, f32) until it holds.
    #[arg(long, value_name = "SHARE", requires = "calibrate")]
    max_flips: Option<f64>,
    /// Train for few bits before: the model learns to answer as it did, with rounded weights and inputs.
    #[arg(long, requires = "train")]
    qat: bool,
    /// With --qat: labelled rows to train on.
    #[arg(long, value_name = "FILE", requires = "qat")]
    train: Option<PathBuf>,
    /// With --qat: labelled rows that choose the epoch; cut from --train if left out.
    #[arg(long, value_name = "FILE", requires = "qat")]
    valid: Option<PathBuf>,
    /// With --qat: further texts without labels.
    #[arg(long, value_name = "FILE", requires = "qat")]
    unlabelled: Option<PathBuf>,
    /// With --qat: passes over the rows.
    #[arg(long, default_value_t = 3, value_name = "N", requires = "qat")]
    epochs: usize,
    /// With --qat: the highest learning rate.
    #[arg(long, default_value_t = 5e-5, value_name = "RATE", requires = "qat")]
    lr: f32,
    /// With --qat: every random choice follows from it.
    #[arg(long, default_value_t = 0, value_name = "N", requires = "qat")]
    seed: u64,
    /// Replace a model folder at --out.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &QuantizeArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    let classifier = load(&args.model, None, PrecisionArg::F32, &mut progress)?;
    let told = Quantization {
        linears: args.weights,
        embeddings: args.embeddings.unwrap_or(args.weights),
        keep: args.keep.clone(),
        texts: args.calibrate.clone(),
        rows: args.calibrate_rows,
        max_flips: args.max_flips,
        tuning: args.train.as_ref().filter(|_| args.qat).map(|train| Tuning {
            valid: args.valid.clone(),
            unlabelled: args.unlabelled.clone(),
            epochs: args.epochs,
            learning_rate: args.lr,
            seed: args.seed,
            ..Tuning::new(train)
        }),
        ..Quantization::default()
    };
    let done = classifier.quantize(&told, (&args.out, args.force), &mut progress)?;
    drop(progress);
    if common.json {
        let mut all = serde_json::to_value(&done)?;
        all["out"] = json!(args.out.display().to_string());
        return output::print_json(&all);
    }
    output::print(&text(&done, &args.out.display().to_string()))
}

fn text(done: &Quantized, out: &str) -> String {
    let mb = |bytes: u64| bytes as f64 / 1e6;
    let times = done.original_bytes as f64 / done.size_bytes.max(1) as f64;
    let mut text = format!(
        "{:.2} MB, {times:.1} times smaller than the original's {:.2} MB\n",
        mb(done.size_bytes),
        mb(done.original_bytes)
    );
    if let Some(flips) = done.flips {
        let _ = writeln!(
            text,
            "{} of {} answers are not the original's ({:.2} %)",
            flips.changed,
            flips.rows,
            100.0 * flips.rate.value
        );
    }
    if !done.sensitivity.is_empty() {
        let _ = writeln!(
            text,
            "\nthe most sensitive matrices, each alone in few bits (mean divergence of the answers, in nats)"
        );
        for (name, value) in done.sensitivity.iter().take(LISTED) {
            let raised = if done.raised.contains(name) { "  a step up" } else { "" };
            let _ = writeln!(text, "  {value:.2e}  {name}{raised}");
        }
    }
    if done.raised.len() > LISTED {
        let _ = writeln!(text, "{} matrices went a step up", done.raised.len());
    }
    let _ = writeln!(text, "\nthe model: {out}\ntry it: filbert predict --model {out} \"some text\"");
    text
}
