//! `filbert bench`: rows per second over a file and single-row latency; a training step is in [`super::bench_step`].

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use filbert::Watch;
use filbert_data::{Reader, find_columns};
use filbert_engine::Profile;
use serde_json::json;

use super::load;
use crate::args::{BenchArgs, Common};
use crate::memory::peak_mb;
use crate::output;
use crate::progress::Progress;

pub(crate) fn run(args: &BenchArgs, common: &Common) -> Result<()> {
    if args.train_step { super::bench_step::run(args, common) } else { file(args, common) }
}

/// The value below which a share `q` of the sorted `times` lies.
pub(super) fn quantile(times: &mut [f64], q: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = (q * times.len() as f64).ceil() as usize;
    times.get(at.saturating_sub(1).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn file(args: &BenchArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    let (model, data) = (args.model.as_deref().context("--model")?, args.data.as_deref().context("--data")?);
    let mut classifier = load(model, args.max_length, args.precision, &mut progress)?;
    let profile = Profile::default();
    if args.profile {
        classifier.set_profile(profile.clone());
    }
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
    let tokens: usize = encodings.encodings.iter().map(|e| e.ids.len()).sum();

    progress.stage("classifying");
    // The first rows warm caches and buffers up.
    classifier.probabilities(&encodings.first(128), &mut |_| ())?;
    profile.clear();
    let start = Instant::now();
    classifier.probabilities(&encodings, &mut |n| progress.rows(n, encodings.encodings.len()))?;
    let seconds = start.elapsed().as_secs_f64();
    let spent = profile_json(&profile, 1, seconds * 1e3);

    progress.stage("one row at a time");
    let mut singles = Vec::new();
    profile.clear();
    for text in 0..encodings.len().min(args.single) {
        let text = encodings.pick(&[text]);
        let start = Instant::now();
        classifier.probabilities(&text, &mut |_| ())?;
        singles.push(start.elapsed().as_secs_f64() * 1e3);
    }
    drop(progress);
    let spent_single = profile_json(&profile, singles.len().max(1), singles.iter().sum());
    let mut result = json!({
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
    if args.profile {
        result["profile"] = spent;
        result["profile_single_row"] = spent_single;
    }
    show(common, &result)
}

/// Each operation's time in milliseconds, by `repeats`, and its share of `all` milliseconds.
pub(super) fn profile_json(profile: &Profile, repeats: usize, all: f64) -> serde_json::Value {
    let parts = profile.spent().into_iter().map(|spent| {
        let ms = spent.time.as_secs_f64() * 1e3;
        json!({
            "phase": spent.phase.name(),
            "operation": spent.operation,
            "calls": spent.calls / repeats as u64,
            "ms": ms / repeats as f64,
            "share": ms / all,
        })
    });
    parts.collect()
}

pub(super) fn show(common: &Common, result: &serde_json::Value) -> Result<()> {
    if common.json {
        return output::print_json(result);
    }
    let mut out = String::new();
    let profiles = ["profile", "profile_single_row"];
    for (key, value) in
        result.as_object().into_iter().flatten().filter(|(key, _)| !profiles.contains(&key.as_str()))
    {
        let value = value
            .as_f64()
            .filter(|_| value.is_f64())
            .map_or_else(|| value.to_string(), |x| format!("{x:.2}"));
        let _ = writeln!(out, "{:<22}{}", key.replace('_', " "), value.trim_matches('"'));
    }
    let parts = |key: &str| result[key].as_array().cloned().unwrap_or_default();
    let titled = |(key, title): (&str, &str)| {
        parts(key)
            .into_iter()
            .enumerate()
            .map(move |(i, part)| (if i == 0 { title.to_owned() } else { String::new() }, part))
            .collect::<Vec<_>>()
    };
    for (title, part) in [("profile", ""), ("profile_single_row", "one row at a time\n")].map(titled).concat()
    {
        out.push_str(&title);
        let (text, number) =
            (|key: &str| part[key].as_str().unwrap_or_default(), |key: &str| part[key].as_f64());
        let (ms, share) = (number("ms").unwrap_or_default(), number("share").unwrap_or_default());
        let _ = writeln!(
            out,
            "  {:<9}{:<24}{:>4} x {:>9.3} ms {:>6.1} %",
            text("phase"),
            text("operation"),
            part["calls"],
            ms,
            100.0 * share
        );
    }
    output::print(&out)
}
