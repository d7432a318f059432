//! `filbert bench`: rows per second over a file and single-row latency, or one training step at a shape.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use filbert::Watch;
use filbert_data::{Reader, find_columns};
use filbert_engine::{Mode, Profile, Tape};
use filbert_model::{Batch, Encoding, Network};
use filbert_train::{Input, Settings};
use serde_json::json;

use super::load;
use crate::args::{BenchArgs, Common};
use crate::memory::peak_mb;
use crate::output;
use crate::progress::Progress;

pub(crate) fn run(args: &BenchArgs, common: &Common) -> Result<()> {
    if args.train_step { train_step(args, common) } else { file(args, common) }
}

/// The value below which a share `q` of the sorted `times` lies.
fn quantile(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = (q * times.len() as f64).ceil() as usize;
    times.get(at.saturating_sub(1).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn file(args: &BenchArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    let (model, data) = (args.model.as_deref().context("--model")?, args.data.as_deref().context("--data")?);
    let classifier = load(model, args.max_length, args.precision, &mut progress)?;
    let mut reader = Reader::open(data, None)?;
    let records = reader.by_ref().take(args.rows.unwrap_or(usize::MAX)).collect::<Result<Vec<_>, _>>()?;
    let named = args.text.clone().or_else(|| classifier.text_columns_in(reader.columns()));
    let columns = find_columns(reader.columns(), named.as_deref(), None, false, &records)
        .with_context(|| format!("{}", data.display()))?;
    let column = |c: usize| records.iter().map(|r| r.get(c).to_text().into_owned()).collect::<Vec<_>>();
    let texts = column(*columns.text.first().context("a text column was found")?);
    let pairs = columns.text.get(1).map(|&c| column(c));
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let pairs: Option<Vec<&str>> = pairs.as_ref().map(|p| p.iter().map(String::as_str).collect());

    progress.stage("tokenizing");
    let start = Instant::now();
    let encodings = classifier.encode(&texts, pairs.as_deref())?;
    let tokenize = start.elapsed().as_secs_f64();
    let tokens: usize = encodings.iter().map(|e| e.ids.len()).sum();

    progress.stage("classifying");
    // The first rows warm caches and buffers up.
    classifier.probabilities(&encodings[..encodings.len().min(128)], &mut |_| ())?;
    let start = Instant::now();
    classifier.probabilities(&encodings, &mut |n| progress.rows(n, encodings.len()))?;
    let seconds = start.elapsed().as_secs_f64();

    progress.stage("one row at a time");
    let mut singles = Vec::new();
    for encoding in encodings.iter().take(args.single) {
        let start = Instant::now();
        classifier.probabilities(std::slice::from_ref(encoding), &mut |_| ())?;
        singles.push(start.elapsed().as_secs_f64() * 1e3);
    }
    drop(progress);
    let result = json!({
        "rows": encodings.len(),
        "tokens": tokens,
        "rows_per_s": encodings.len() as f64 / seconds,
        "tokens_per_s": tokens as f64 / seconds,
        "tokenize_rows_per_s": encodings.len() as f64 / tokenize,
        "single_p50_ms": quantile(&mut singles, 0.5),
        "single_p99_ms": quantile(&mut singles, 0.99),
        "peak_memory_mb": peak_mb(),
        "precision": classifier.precision().0,
        "kernel": classifier.precision().1,
        "threads": rayon::current_num_threads(),
    });
    show(common, &result)
}

/// A step and a forward pass of a random encoder, no padding anywhere, dropout on in training.
fn train_step(args: &BenchArgs, common: &Common) -> Result<()> {
    /// Most tokens of a batch.
    const MAX_TOKENS: usize = 1 << 20;
    let tokens = args.batch.saturating_mul(args.length);
    if tokens == 0 || tokens > MAX_TOKENS || args.length > 512 || args.repeats == 0 {
        bail!(
            "--repeats must be at least 1, --length 1 to 512, and --batch times --length 1 to {MAX_TOKENS}"
        );
    }
    let config = json!({
        "model_type": "bert", "vocab_size": 30_522, "hidden_size": args.width, "num_hidden_layers": args.layers,
        "num_attention_heads": args.heads, "intermediate_size": args.width.saturating_mul(4),
        "max_position_embeddings": 512, "type_vocab_size": 2, "hidden_act": "gelu",
    });
    let config =
        filbert_model::Config::parse(config.to_string().as_bytes(), std::path::Path::new("(the shape)"))?;
    let mut network = Network::random(config, 2, 0)?;
    let mut context = filbert::Precision::from(args.precision).context()?.0.with_recompute(args.recompute);
    let profile = Profile::default();
    if args.profile {
        context = context.with_profile(profile.clone());
    }
    let rows: Vec<Encoding> = (0..args.batch)
        .map(|row| {
            // Ids spread over the vocabulary as a text's are, by a multiplicative hash.
            let id = |i: usize| 1_000 + ((row * args.length + i).wrapping_mul(2_654_435_761) % 19_000) as u32;
            let ids: Vec<u32> = (0..args.length).map(id).collect();
            Encoding { type_ids: vec![0; ids.len()], ids, truncated: false }
        })
        .collect();
    let labels: Vec<u32> = (0..args.batch).map(|row| (row % 2) as u32).collect();
    let batch = Batch::new(network.architecture, &rows);

    let mut forward = Vec::new();
    for _ in 0..=args.repeats {
        let start = Instant::now();
        filbert_engine::together(|| {
            let mut tape = Tape::new(&context, &network.params, Mode::EVALUATE);
            network.forward(&mut tape, &batch).map(|_| ())
        })?;
        forward.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let settings = Settings { epochs: 1, learning_rate: 1e-5, batch_size: 1, ..Settings::default() };
    let mut trainer = filbert_train::Trainer::new(&mut network, &context, &settings, 1_000_000);
    let mut step = Vec::new();
    for i in 0..=args.repeats {
        if i == 1 {
            profile.clear();
        }
        let start = Instant::now();
        trainer.step(Input::Tokens(batch.clone()), &labels, true)?;
        step.push(start.elapsed().as_secs_f64() * 1e3);
    }
    // The first of each is a warm-up.
    let step_ms = quantile(&mut step[1..], 0.5);
    let mut result = json!({
        "shape": format!("{}x{}, {}x{}", args.layers, args.width, args.batch, args.length),
        "step_ms": step_ms,
        "forward_ms": quantile(&mut forward[1..], 0.5),
        "peak_memory_mb": peak_mb(),
        "precision": context.precision().name(),
        "kernel": context.kernel(),
        "threads": rayon::current_num_threads(),
    });
    if args.profile {
        // Means over the steps, so that the parts add up.
        let all: f64 = step[1..].iter().sum();
        let parts = profile.spent().into_iter().map(|spent| {
            let ms = spent.time.as_secs_f64() * 1e3;
            json!({
                "phase": spent.phase.name(),
                "operation": spent.operation,
                "calls": spent.calls / args.repeats as u64,
                "ms": ms / args.repeats as f64,
                "share": ms / all,
            })
        });
        result["profile"] = parts.collect();
    }
    show(common, &result)
}

fn show(common: &Common, result: &serde_json::Value) -> Result<()> {
    if common.json {
        return output::print_json(result);
    }
    let mut out = String::new();
    for (key, value) in result.as_object().into_iter().flatten().filter(|(key, _)| *key != "profile") {
        let value = value
            .as_f64()
            .filter(|_| value.is_f64())
            .map_or_else(|| value.to_string(), |x| format!("{x:.2}"));
        let _ = writeln!(out, "{:<22}{}", key.replace('_', " "), value.trim_matches('"'));
    }
    for part in result["profile"].as_array().into_iter().flatten() {
        let (text, number) =
            (|key: &str| part[key].as_str().unwrap_or_default(), |key: &str| part[key].as_f64());
        let (ms, share) = (number("ms").unwrap_or_default(), number("share").unwrap_or_default());
        let _ = writeln!(
            out,
            "  {:<9}{:<22}{:>4} x {:>9.2} ms {:>6.1} %",
            text("phase"),
            text("operation"),
            part["calls"],
            ms,
            100.0 * share
        );
    }
    output::print(&out)
}
