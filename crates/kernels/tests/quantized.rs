//! Products of int8 matrices against naive sums of integers, with every instruction that this processor has.

mod common;

use common::{on_pools, report, values};
use filbert_kernels::{
    Activation, Epilogue, Int8, Isa, PackedInt8, linear_int8, multiply_adds_int8, quantize_rows, reference,
};

const SHAPES: [(usize, usize, usize); 13] = [
    (1, 7, 5),
    (2, 1, 3),
    (5, 33, 1),
    (17, 31, 29),
    (16, 64, 16),
    (130, 65, 97),
    (300, 384, 384),
    (9, 70, 800),
    (40, 1_100, 50),
    (1_100, 40, 70),
    (33, 16, 31),
    (28, 1_536, 384),
    (20, 5_000, 18),
];

/// Integers in -127 to 127, both ends among them.
fn integers(n: usize, seed: u64) -> Vec<i8> {
    values(n, seed).into_iter().map(|x| (x * 130.0).clamp(-127.0, 127.0) as i8).collect()
}

/// Every instruction set with every way to multiply int8.
fn kernels() -> Vec<(Isa, Int8)> {
    Isa::available()
        .into_iter()
        .flat_map(|isa| Int8::available().into_iter().map(move |kind| (isa, kind)))
        .collect()
}

/// The rows' integers and scales, by their definition.
fn naive_rows(x: &[f32], depth: usize) -> (Vec<i32>, Vec<f32>) {
    let mut out = (Vec::new(), Vec::new());
    for row in x.chunks_exact(depth) {
        let most = row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        out.1.push(most / 127.0);
        let inverse = if most == 0.0 { 0.0 } else { 127.0 / most };
        out.0.extend(row.iter().map(|x| (x * inverse).round_ties_even() as i32));
    }
    out
}

#[test]
fn products_against_integers() {
    let mut failures = Vec::new();
    for shape @ (rows, inputs, outputs) in SHAPES {
        let mut x = values(rows * inputs, 1);
        x[..inputs].fill(0.0);
        let (w, scales) = (integers(outputs * inputs, 2), values(outputs, 3));
        let bias = values(outputs, 4);
        let (q, row_scales) = naive_rows(&x, inputs);
        let naive = |r: usize, o: usize| -> f32 {
            let row = &q[r * inputs..(r + 1) * inputs];
            let sum: i32 = row.iter().zip(&w[o * inputs..]).map(|(a, b)| a * i32::from(*b)).sum();
            sum as f32 * (row_scales[r] * scales[o]) + bias[o]
        };
        let wanted: Vec<f32> = (0..rows * outputs).map(|i| naive(i / outputs, i % outputs)).collect();
        for (isa, kind) in kernels() {
            let fast = on_pools("int8", || {
                let packed = PackedInt8::new(isa, &w, &scales, (inputs, outputs));
                let mut y = vec![f32::NAN; rows * outputs];
                let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
                linear_int8(isa, kind, &quantize_rows(isa, &x, inputs), &packed, &mut y, shape, &epilogue);
                y
            });
            if let Some(i) = (0..fast.len()).find(|&i| fast[i] != wanted[i]) {
                let (got, wanted) = (fast[i], wanted[i]);
                failures.push(format!("{isa} {} {shape:?}: element {i} is {got}, not {wanted}", kind.name()));
            }
        }
    }
    report(&failures);
}

#[test]
fn the_activation_comes_after_scale_and_bias() {
    let shape @ (rows, inputs, outputs) = (70, 130, 75);
    let (x, w) = (values(rows * inputs, 1), integers(outputs * inputs, 2));
    let (scales, bias) = (vec![0.01; outputs], values(outputs, 3));
    for (isa, kind) in kernels() {
        let packed = PackedInt8::new(isa, &w, &scales, (inputs, outputs));
        let run = |activation| {
            let mut y = vec![f32::NAN; rows * outputs];
            let epilogue = Epilogue { bias: Some(&bias), activation, pre: None };
            linear_int8(isa, kind, &quantize_rows(isa, &x, inputs), &packed, &mut y, shape, &epilogue);
            y
        };
        for (y, before) in run(Activation::Gelu).iter().zip(run(Activation::Identity)) {
            let wanted = reference::activation(f64::from(before), Activation::Gelu) as f32;
            assert!((y - wanted).abs() < 1e-5 * wanted.abs().max(1.0), "{isa} {}: {y} {wanted}", kind.name());
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    for (isa, kind) in kernels() {
        for (outputs, inputs) in [(1, 384), (37, 21), (384, 384), (65, 1_536), (40, 3_072)] {
            let (x, w) = (values(150 * inputs, 1), integers(outputs * inputs, 2));
            let packed = PackedInt8::new(isa, &w, &vec![0.5; outputs], (inputs, outputs));
            let forward = |x: &[f32]| {
                let rows = x.len() / inputs;
                let mut y = vec![0.0; rows * outputs];
                let x = quantize_rows(isa, x, inputs);
                linear_int8(isa, kind, &x, &packed, &mut y, (rows, inputs, outputs), &Epilogue::default());
                y
            };
            let all = forward(&x);
            for (first, rows) in [(0, 1), (64, 1), (3, 2), (7, 13), (20, 31), (1, 149)] {
                let some = forward(&x[first * inputs..(first + rows) * inputs]);
                let same = some.iter().zip(&all[first * outputs..]).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(
                    same,
                    "{isa} {}: {outputs} outputs of {inputs}, {rows} rows from {first}",
                    kind.name()
                );
            }
        }
    }
}

#[test]
fn what_is_no_number_stays_none() {
    for (isa, kind) in kernels() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut x = values(3 * 70, 1);
            x[70 + 66] = bad;
            let packed = PackedInt8::new(isa, &integers(20 * 70, 2), &[0.1; 20], (70, 20));
            let mut y = vec![0.0; 60];
            let x = quantize_rows(isa, &x, 70);
            linear_int8(isa, kind, &x, &packed, &mut y, (3, 70, 20), &Epilogue::default());
            assert!(y[20..40].iter().all(|y| !y.is_finite()), "{isa} {}, {bad}", kind.name());
            assert!(y[..20].iter().chain(&y[40..]).all(|y| y.is_finite()), "{isa} {}, {bad}", kind.name());
        }
    }
}

#[test]
fn limits_are_counted() {
    for kind in Int8::available() {
        let counted = multiply_adds_int8(kind, 10);
        assert!(counted == 0.0 || counted >= 10.0 * 2.0 * 64.0, "{}: {counted}", kind.name());
    }
}
