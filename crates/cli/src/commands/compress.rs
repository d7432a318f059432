//! `filbert compress`: the smallest artifact of a model that keeps what it must, with the table of what was tried.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use clap::Args;
use filbert::{Bounds, Compressed, Compression, Outcome, Rung, Scheme, Speed, Watch};
use filbert_eval::Estimate;
use filbert_model::folder::SaveFolder;

use super::resolve;
use crate::args::{Common, PrecisionArg, parse_size};
use crate::output;
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct CompressArgs {
    /// The model: a folder, or a classifier's hub id.
    #[arg(long, short, value_name = "DIR|HUB-ID")]
    model: String,
    /// Labelled rows that decide what is kept: validation rows, which the model did not train on.
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// Labelled rows to train on again; without them only what needs no training is tried.
    #[arg(long, value_name = "FILE")]
    train: Option<PathBuf>,
    /// Rows on which what is kept is measured once, at the end.
    #[arg(long, value_name = "FILE")]
    test: Option<PathBuf>,
    /// Further texts without labels: to learn from, and to count flipped answers on.
    #[arg(long, value_name = "FILE")]
    unlabelled: Option<PathBuf>,
    /// The folder to write.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// The most bytes on disk, reports aside: 12MB, 500kB or a number of bytes.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// How much worse than the original the figure may be on --data: accuracy, micro F1, or the mean absolute error.
    #[arg(long, default_value_t = 0.005, value_name = "DROP")]
    max_drop: f64,
    /// The interval of the difference must lie within --max-drop, not only its value.
    #[arg(long)]
    strict: bool,
    /// The column of the texts, or two for pairs; the model's own, or found, if left out.
    #[arg(long, value_name = "COL[,COL2]", value_delimiter = ',')]
    text: Option<Vec<String>>,
    /// The column of the labels; the model's own, or found, if left out.
    #[arg(long, value_name = "COL")]
    label: Option<String>,
    /// The scheme of the 4-bit rungs: int4, int4:GROUP or nf4.
    #[arg(long, default_value = "int4", value_name = "SCHEME")]
    four_bit: Scheme,
    /// Of the vocabulary, the first tokens that pruning keeps whether rows use them or not: the most frequent where it was trained
    /// [default: a third].
    #[arg(long, value_name = "N")]
    keep_tokens: Option<usize>,
    /// Passes over the rows where a rung is trained again; students take twice as many.
    #[arg(long, default_value_t = 4, value_name = "N")]
    epochs: usize,
    /// The highest learning rate of that.
    #[arg(long, default_value_t = 1e-4, value_name = "RATE")]
    lr: f32,
    /// Every random choice follows from it.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// The number format of training.
    #[arg(long, value_enum, default_value_t = PrecisionArg::Auto)]
    precision: PrecisionArg,
    /// Rows of --data that speed is measured on, in a process of its own for each rung; 0 measures none.
    #[arg(long, default_value_t = 2_000, value_name = "N")]
    speed_rows: usize,
    /// Replace a model folder at --out.
    #[arg(long)]
    force: bool,
}

/// Exits with code 3 where nothing is within the bounds.
pub(crate) fn run(args: &CompressArgs, common: &Common) -> Result<Outcome> {
    let mut progress = Progress::new(common);
    // An output that cannot be written is refused before minutes are spent.
    drop(SaveFolder::create(&args.out, args.force)?);
    let model = resolve(&args.model, &mut progress)?;
    let compression = Compression {
        name: Some(model.source.clone()),
        train: args.train.clone(),
        test: args.test.clone(),
        unlabelled: args.unlabelled.clone(),
        text: args.text.clone(),
        label: args.label.clone(),
        bounds: Bounds { max_bytes: args.max_size, max_drop: args.max_drop, strict: args.strict },
        four_bit: args.four_bit,
        keep_tokens: args.keep_tokens,
        epochs: args.epochs,
        learning_rate: args.lr,
        seed: args.seed,
        precision: args.precision.into(),
        ..Compression::new(&model.folder, &args.data)
    };
    let mut probe = |folder: &Path| speed(args, common, folder);
    let found = compression.run(&args.out, &mut progress, &mut probe)?;
    if found.kept.is_some() {
        progress.stage("saving");
        found.save(&args.out, args.force)?;
    }
    drop(progress);
    if common.json {
        output::print_json(&found.to_json())?;
    } else {
        output::print(&table(&found, &args.out))?;
    }
    Ok(if found.kept.is_some() { Outcome::Kept } else { Outcome::Outside })
}

/// Runs `filbert bench` on an artifact, in a process of its own, whose memory is the artifact's alone.
fn speed(args: &CompressArgs, common: &Common, folder: &Path) -> Option<Speed> {
    if args.speed_rows == 0 {
        return None;
    }
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.args(["bench", "--json", "--quiet", "--model"]).arg(folder).arg("--data").arg(&args.data);
    command.arg("--rows").arg(args.speed_rows.to_string());
    if let Some(text) = &args.text {
        command.arg("--text").arg(text.join(","));
    }
    if let Some(threads) = common.threads {
        command.arg("--threads").arg(threads.to_string());
    }
    if let Some(kernels) = common.kernels {
        command.arg("--kernels").arg(kernels.name());
    }
    let done = command.output().ok().filter(|done| done.status.success())?;
    serde_json::from_slice(&done.stdout).ok()
}

/// The rungs as a table, and the verdict.
fn table(found: &Compressed, out: &Path) -> String {
    let mut text = format!(
        "{:<40} {:>8} {:>7} {:>7} {:>18} {:>8} {:>8} {:>7} {:>7} {:>8}\n",
        "artifact",
        "MB",
        found.figure,
        "AUC",
        "change [95 %]",
        "flips",
        "rows/s",
        "p50 ms",
        "p99 ms",
        "mem. MB"
    );
    for rung in &found.rungs {
        let _ = writeln!(text, "{}", line(rung));
        if !rung.reason.is_empty() && rung.outcome == Outcome::Failed {
            let _ = writeln!(text, "    {}", output::one_line(&rung.reason));
        }
    }
    let _ = writeln!(text, "\n* kept, + within the bounds\n\n{}", found.ladder().verdict());
    if let Some((rows, kept, original, change)) = found.tested() {
        let interval = match (change.low, change.high) {
            (Some(low), Some(high)) => format!(" [{low:+.4}, {high:+.4}]"),
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "on {rows} test rows, read once: {} {:.4} against the original's {:.4}, {:+.4}{interval}",
            found.figure, kept.value, original.value, change.value
        );
        if change.value < -found.bounds.max_drop {
            text.push_str(
                "that is more than --max-drop: the best on some rows is often less so on others; --strict asks for more\n",
            );
        }
    }
    if found.kept.is_some() {
        let _ = writeln!(
            text,
            "\nthe model: {}\nthe report: {}",
            out.display(),
            out.join("report.html").display()
        );
    }
    text
}

fn line(rung: &Rung) -> String {
    let mark = match rung.outcome {
        Outcome::Kept => "*",
        Outcome::Fits => "+",
        Outcome::Outside | Outcome::Failed => " ",
    };
    let or_dash = |x: Option<String>| x.unwrap_or_else(|| "-".to_owned());
    let value = |x: Option<Estimate>| or_dash(x.map(|x| format!("{:.4}", x.value)));
    let change = rung.change.map(|c| match (c.low, c.high) {
        (Some(low), Some(high)) => format!("{:+.3} [{low:+.3},{high:+.3}]", c.value),
        _ => format!("{:+.4}", c.value),
    });
    let speed = |of: fn(&Speed) -> Option<f64>, digits: usize| {
        or_dash(rung.speed.as_ref().and_then(of).map(|x| format!("{x:.digits$}")))
    };
    format!(
        "{mark} {:<38} {:>8} {:>7} {:>7} {:>18} {:>8} {:>8} {:>7} {:>7} {:>8}",
        rung.name,
        or_dash(rung.size_bytes.map(|size| format!("{:.2}", size as f64 / 1e6))),
        value(rung.value()),
        value(rung.auc()),
        or_dash(change),
        or_dash(rung.flips.map(|f| format!("{:.2} %", 100.0 * f.rate.value))),
        speed(|s| Some(s.rows_per_s), 0),
        speed(|s| Some(s.single_p50_ms), 2),
        speed(|s| Some(s.single_p99_ms), 2),
        speed(|s| s.peak_memory_mb, 0),
    )
}
