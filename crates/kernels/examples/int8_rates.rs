//! Rates of int8 products at MiniLM's and BERT-base's shapes, in giga-operations a second (a multiply-add is two), for every way
//! this processor has: with activations quantized before, and with their quantization; beside the rate of the instruction
//! alone, on registers. `make bench` runs it.

mod common;

use std::hint::black_box;

use filbert_kernels::{
    Epilogue, Int8, Isa, PackedInt8, linear_int8, multiply_adds_int8, quantize_rows, threads, together,
};
use rayon::prelude::*;

use common::best;

/// The rate of the instruction on registers, on all threads; 0 where there is none to measure.
fn peak(kind: Int8) -> f64 {
    let one = || (0..threads()).into_par_iter().map(|_| multiply_adds_int8(kind, 500_000)).sum::<f64>();
    let operations = one();
    let seconds = best(|| {
        black_box(one());
    });
    operations / seconds / 1e9
}

fn main() {
    println!("{} threads", threads());
    println!(
        "{:>11} {:>5} {:>5} {:>5} {:>9} {:>9} {:>7} {:>6}",
        "kernel", "rows", "in", "out", "product", "quantized", "limit", "share"
    );
    let isa = Isa::detect();
    for kind in Int8::available() {
        let limit = peak(kind);
        for rows in [32, 416, 1_024, 4_096] {
            for (inputs, outputs) in [(384, 384), (384, 1_536), (1_536, 384), (768, 3_072)] {
                let x: Vec<f32> = (0..rows * inputs).map(|i| (i % 251) as f32 / 125.0 - 1.0).collect();
                let w: Vec<i8> = (0..outputs * inputs).map(|i| (i % 253) as i8).collect();
                let w = PackedInt8::new(isa, &w, &vec![0.01; outputs], (inputs, outputs));
                let mut y = vec![0.0f32; rows * outputs];
                let shape = (rows, inputs, outputs);
                let operations = 2.0 * (rows * inputs * outputs) as f64 / 1e9;
                let (product, whole) = together(|| {
                    let q = quantize_rows(isa, &x, inputs);
                    let product =
                        best(|| linear_int8(isa, kind, &q, &w, &mut y, shape, &Epilogue::default()));
                    let whole = best(|| {
                        let q = quantize_rows(isa, &x, inputs);
                        linear_int8(isa, kind, &q, &w, &mut y, shape, &Epilogue::default());
                    });
                    (operations / product, operations / whole)
                });
                let share = if limit > 0.0 { 100.0 * product / limit } else { 0.0 };
                println!(
                    "{:>11} {rows:>5} {inputs:>5} {outputs:>5} {product:>9.0} {whole:>9.0} {limit:>7.0} {share:>5.0}%",
                    kind.name()
                );
            }
        }
    }
}
