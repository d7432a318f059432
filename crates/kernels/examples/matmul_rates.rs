//! Rates of a linear layer's three products at MiniLM's and BERT-base's shapes, packing included, in GFLOP/s, on every
//! instruction set and number format of this processor, beside the rate of the multiply-adds alone, on registers: the
//! processor's limit. `make bench` runs it.

mod common;

use std::hint::black_box;

use filbert_kernels::{
    Bf16, Epilogue, Isa, LinearGradients, Precision, Target, Weight, linear_backward, linear_forward,
    multiply_adds, pack_weight, threads, together,
};
use rayon::prelude::*;

use common::best;

/// The rate of multiply-adds on registers, on all threads.
fn peak(isa: Isa, precision: Precision) -> f64 {
    let rounds = 500_000;
    let one = || (0..threads()).into_par_iter().map(|_| multiply_adds(isa, precision, rounds)).sum::<f64>();
    let operations = one();
    let seconds = best(|| {
        black_box(one());
    });
    operations / seconds / 1e9
}

fn main() {
    println!("{} threads", threads());
    println!(
        "{:>11} {:>5} {:>5} {:>5} {:>9} {:>9} {:>9} {:>9} {:>7}",
        "kernel", "rows", "in", "out", "forward", "packed w", "d input", "d weight", "limit"
    );
    for isa in Isa::available() {
        rates(isa, Precision::F32, isa.name());
    }
    for kind in Bf16::available() {
        rates(Isa::detect(), Precision::Bf16(kind), kind.name());
    }
}

fn rates(isa: Isa, precision: Precision, name: &str) {
    let limit = peak(isa, precision);
    for rows in [32, 416, 1_024, 4_096] {
        for (inputs, outputs) in [(384, 384), (384, 1_536), (1_536, 384), (768, 3_072)] {
            let (x, w) = (vec![0.5f32; rows * inputs], vec![0.25f32; outputs * inputs]);
            let mut y = vec![0.5f32; rows * outputs];
            let (mut dx, mut dw) = (vec![0.0f32; rows * inputs], vec![0.0f32; outputs * inputs]);
            let packed = pack_weight(isa, precision, &w, (inputs, outputs));
            let shape = (rows, inputs, outputs);
            let rate = |seconds: f64| 2.0 * (rows * inputs * outputs) as f64 / seconds / 1e9;
            let (forward, from_packed, input, weight) = together(|| {
                let mut forward = |w: Weight<'_>| {
                    best(|| linear_forward(isa, precision, &x, w, &mut y, shape, Epilogue::default()))
                };
                let (forward, from_packed) = (forward(Weight::Plain(&w)), forward(Weight::Packed(&packed)));
                let input = best(|| {
                    let dx = Target { to: &mut dx, adds: false };
                    let only = LinearGradients { input: Some((dx, &w)), ..LinearGradients::default() };
                    linear_backward(isa, precision, &y, shape, only);
                });
                let weight = best(|| {
                    let dw = Target { to: &mut dw, adds: false };
                    let only = LinearGradients { weight: Some((dw, &x)), ..LinearGradients::default() };
                    linear_backward(isa, precision, &y, shape, only);
                });
                (rate(forward), rate(from_packed), rate(input), rate(weight))
            });
            println!(
                "{name:>11} {rows:>5} {inputs:>5} {outputs:>5} {forward:>9.0} {from_packed:>9.0} {input:>9.0} {weight:>9.0} {limit:>7.0}"
            );
        }
    }
}
