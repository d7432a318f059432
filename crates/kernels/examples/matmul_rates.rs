//! Rates of a linear layer's three products at MiniLM's and BERT-base's shapes, in GFLOP/s, beside the rate of
//! fused multiply-adds on registers alone: the processor's limit. `make bench` runs it.

use std::hint::black_box;
use std::time::Instant;

use filbert_kernels::{Bf16, Isa, Precision, linear_backward_input, linear_backward_weight, linear_forward};
use rayon::prelude::*;

/// Each figure is the best of the runs within this time.
const SECONDS: f64 = 0.5;

fn best(mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    let mut best = f64::INFINITY;
    while start.elapsed().as_secs_f64() < SECONDS {
        let one = Instant::now();
        f();
        best = best.min(one.elapsed().as_secs_f64());
    }
    best
}

/// Independent chains of multiply-adds, as many as hide the instruction's latency, on every thread.
fn peak() -> f64 {
    const LANES: usize = 192;
    const ROUNDS: usize = 200_000;
    let chains = |seed: usize| {
        let mut acc = [1.0f32; LANES];
        let (a, b) = (black_box(0.999_f32), black_box(1e-3_f32));
        for _ in 0..ROUNDS {
            for x in &mut acc {
                *x = x.mul_add(a, b);
            }
        }
        black_box(acc[seed % LANES])
    };
    let threads = filbert_kernels::threads();
    let seconds = best(|| {
        let sum: f32 = (0..threads).into_par_iter().map(chains).sum();
        black_box(sum);
    });
    2.0 * (LANES * ROUNDS * threads) as f64 / seconds / 1e9
}

fn main() {
    println!("{} threads, {} kernels", filbert_kernels::threads(), Isa::detect());
    if cfg!(target_feature = "fma") {
        println!("multiply-adds on registers: {:.0} GFLOP/s", peak());
    } else {
        println!("multiply-adds on registers: build with RUSTFLAGS=-Ctarget-cpu=native to measure");
    }
    println!("{:>6} {:>6} {:>6} {:>10} {:>10} {:>10}", "rows", "in", "out", "forward", "d input", "d weight");
    for precision in std::iter::once(Precision::F32).chain(Bf16::available().into_iter().map(Precision::Bf16))
    {
        println!("{precision:?}");
        rates(precision);
    }
}

fn rates(precision: Precision) {
    for rows in [32, 416, 1_024, 4_096] {
        for (inputs, outputs) in [(384, 384), (384, 1_536), (1_536, 384), (768, 3_072)] {
            let (x, w) = (vec![0.5f32; rows * inputs], vec![0.25f32; outputs * inputs]);
            let mut y = vec![0.5f32; rows * outputs];
            let (mut dx, mut dw) = (vec![0.0f32; rows * inputs], vec![0.0f32; outputs * inputs]);
            let rate = |seconds: f64| 2.0 * (rows * inputs * outputs) as f64 / seconds / 1e9;
            let forward = rate(best(|| linear_forward(precision, &x, &w, &mut y, (rows, inputs, outputs))));
            let shape = (rows, inputs, outputs);
            let input = rate(best(|| linear_backward_input(precision, &y, &w, &mut dx, shape, false)));
            let weight = rate(best(|| linear_backward_weight(precision, &y, &x, &mut dw, shape, false)));
            println!("{rows:>6} {inputs:>6} {outputs:>6} {forward:>10.0} {input:>10.0} {weight:>10.0}");
        }
    }
}
