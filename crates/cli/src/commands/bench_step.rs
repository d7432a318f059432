//! `filbert bench --train-step`: one training step of a random encoder at a shape, and where its time goes.

use std::time::Instant;

use anyhow::{Result, bail};
use filbert_engine::{Context, Mode, Profile, Tape, together};
use filbert_kernels::{Epilogue, LinearGradients, Target, Weight, linear_backward, linear_forward};
use filbert_model::{Batch, Encoding, Network};
use filbert_train::{Input, Settings};
use serde_json::json;

use super::bench::{profile_json, quantile, show};
use crate::args::{BenchArgs, Common};
use crate::memory::peak_mb;

/// A step and a forward pass of a random encoder, no padding anywhere, dropout on in training.
pub(super) fn run(args: &BenchArgs, common: &Common) -> Result<()> {
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
    let executed = operations(args);
    result["gflop"] = json!(executed / 1e9);
    result["gflop_per_s"] = json!(executed / step_ms / 1e6);
    if args.profile {
        result["products_gflop_per_s"] = json!(products_rate(args, &context) / 1e9);
        // Means over the steps, so that the parts add up.
        let all: f64 = step[1..].iter().sum();
        result["profile"] = profile_json(&profile, args.repeats, all);
    }
    show(common, &result)
}

/// The linear layers of a step, as (how many, rows, inputs, outputs): the last layer has one row of queries, attention output
/// and feed-forward per sequence.
fn linears(args: &BenchArgs) -> Vec<(usize, usize, usize, usize)> {
    let (rows, tokens, width) = (args.batch, args.batch * args.length, args.width);
    let full = args.layers.saturating_sub(1);
    vec![
        (4 * full + 2, tokens, width, width),
        (full, tokens, width, 4 * width),
        (full, tokens, 4 * width, width),
        (3, rows, width, width),
        (1, rows, width, 4 * width),
        (1, rows, 4 * width, width),
    ]
}

/// Floating-point operations of matrix products in a step: three for each linear layer, two and five for attention.
fn operations(args: &BenchArgs) -> f64 {
    let linear: f64 = linears(args).into_iter().map(|(n, r, i, o)| 6.0 * n as f64 * (r * i * o) as f64).sum();
    let per_query = 14.0 * (args.length * args.width) as f64;
    let queries = args.batch * (args.length * args.layers.saturating_sub(1) + 1);
    linear + per_query * queries as f64
}

/// The rate of our own products alone, on the shapes of the step's linear layers, in operations per second.
fn products_rate(args: &BenchArgs, context: &Context) -> f64 {
    let (isa, precision) = (context.isa(), context.precision());
    let (mut all, mut seconds) = (0.0, 0.0);
    for (count, rows, inputs, outputs) in linears(args).into_iter().filter(|linear| linear.0 > 0) {
        let shape = (rows, inputs, outputs);
        let (x, w) = (vec![0.5f32; rows * inputs], vec![0.25f32; inputs * outputs]);
        let (mut y, mut dx, mut dw) = (vec![0.5f32; rows * outputs], x.clone(), w.clone());
        let mut times: Vec<f64> = (0..=args.repeats)
            .map(|_| {
                together(|| {
                    let start = Instant::now();
                    linear_forward(isa, precision, &x, Weight::Plain(&w), &mut y, shape, Epilogue::default());
                    let gradients = LinearGradients {
                        input: Some((Target { to: &mut dx, adds: false }, &w)),
                        weight: Some((Target { to: &mut dw, adds: false }, &x)),
                        bias: None,
                    };
                    linear_backward(isa, precision, &y, shape, gradients);
                    start.elapsed().as_secs_f64()
                })
            })
            .collect();
        seconds += count as f64 * quantile(&mut times[1..], 0.5);
        all += 6.0 * count as f64 * (rows * inputs * outputs) as f64;
    }
    all / seconds
}
