//! The fused halves of a layer in int8 against their operations one by one, to the bit, and the edges of what an int8 product
//! can hold.

mod common;

use common::{on_pools, report, values};
use filbert_kernels::{
    Activation, Dropout, Epilogue, FUSED_ROWS, FeedForward, Int8, Isa, LinearNorm, MAX_INPUTS, NormShape,
    PackedInt8, QuantizedRows, feed_forward_norm_int8, linear_int8, linear_norm_int8, norm_forward,
    norm_forward_int8, quantize_rows,
};

/// Rows, inputs, inner width and outputs: rows around the pieces of 16 and 64, widths that are multiples of nothing, a piece of the
/// depth of 2,048 and what is just above it, more columns than a strip group.
const SHAPES: [(usize, usize, usize, usize); 11] = [
    (1, 1, 1, 1),
    (2, 3, 5, 1),
    (15, 16, 64, 16),
    (17, 21, 37, 21),
    (63, 33, 97, 31),
    (64, 64, 128, 64),
    (65, 70, 2_049, 5),
    (129, 96, 100, 96),
    (200, 31, 7, 145),
    (FUSED_ROWS, 65, 130, 65),
    (300, 21, 37, 21),
];

/// Codes of a file: all bytes, -128 among them.
fn bytes(n: usize, seed: u64) -> Vec<i8> {
    values(n, seed).into_iter().map(|x| (x * 129.0).clamp(-128.0, 127.0) as i8).collect()
}

/// Every instruction set with every way to multiply int8.
fn kernels() -> Vec<(Isa, Int8)> {
    Isa::available()
        .into_iter()
        .flat_map(|isa| Int8::available().into_iter().map(move |kind| (isa, kind)))
        .collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// What rows in int8 stand for, by a product with the identity.
fn reveal(isa: Isa, kind: Int8, rows: &QuantizedRows, (count, width): (usize, usize)) -> Vec<f32> {
    let identity: Vec<i8> = (0..width * width).map(|i| i8::from(i / width == i % width)).collect();
    let packed = PackedInt8::new(isa, &identity, &vec![1.0; width], (width, width));
    let mut y = vec![f32::NAN; count * width];
    linear_int8(isa, kind, rows, &packed, &mut y, (count, width, width), &Epilogue::default());
    y
}

/// Weight, bias and norm of a layer, with whatever a file may hold.
struct Layer {
    weight: PackedInt8,
    bias: Option<Vec<f32>>,
    gamma: Vec<f32>,
    beta: Vec<f32>,
}

impl Layer {
    fn new(isa: Isa, (inputs, outputs): (usize, usize), seed: u64) -> Self {
        let codes = bytes(inputs * outputs, seed);
        let weight = PackedInt8::new(isa, &codes, &values(outputs, seed + 1), (inputs, outputs));
        let bias = seed.is_multiple_of(2).then(|| values(outputs, seed + 2));
        Self { weight, bias, gamma: values(outputs, seed + 3), beta: values(outputs, seed + 4) }
    }

    fn norm(&self) -> NormShape<'_> {
        NormShape { gamma: &self.gamma, beta: &self.beta, eps: 1e-6 }
    }

    fn outer<'a>(&'a self, residual: &'a [f32]) -> LinearNorm<'a> {
        LinearNorm { weight: &self.weight, bias: self.bias.as_deref(), residual, norm: self.norm() }
    }

    fn linear(&self, (isa, kind): (Isa, Int8), x: &QuantizedRows, rows: usize, act: Activation) -> Vec<f32> {
        let (inputs, outputs) = (self.weight.inputs(), self.weight.outputs());
        let mut y = vec![f32::NAN; rows * outputs];
        let epilogue = Epilogue { bias: self.bias.as_deref(), activation: act, pre: None };
        linear_int8(isa, kind, x, &self.weight, &mut y, (rows, inputs, outputs), &epilogue);
        y
    }
}

#[test]
fn a_linear_layer_with_its_norm_is_its_operations() {
    let mut failures = Vec::new();
    for (rows, inputs, _, outputs) in SHAPES {
        let mut x = values(rows * inputs, 1);
        x[..inputs].fill(0.0);
        let residual = values(rows * outputs, 2);
        for kernel @ (isa, kind) in kernels() {
            let layer = Layer::new(isa, (inputs, outputs), (rows + outputs) as u64);
            let x = quantize_rows(isa, &x, inputs);
            let between = layer.linear(kernel, &x, rows, Activation::Identity);
            let mut wanted = vec![f32::NAN; rows * outputs];
            let int8 = norm_forward_int8(isa, &between, Some(&residual), layer.norm(), &mut wanted);
            wanted.extend(reveal(isa, kind, &int8, (rows, outputs)));
            let got = on_pools("linear and norm", || {
                let mut y = vec![f32::NAN; rows * outputs];
                let int8 = linear_norm_int8(isa, kind, &x, layer.outer(&residual), &mut y);
                y.extend(reveal(isa, kind, &int8, (rows, outputs)));
                y
            });
            if bits(&got) != bits(&wanted) {
                failures.push(format!("{isa} {}: {rows} rows, {inputs} to {outputs}", kind.name()));
            }
        }
    }
    report(&failures);
}

#[test]
fn a_feed_forward_part_is_its_operations() {
    let mut failures = Vec::new();
    let activations = [Activation::Gelu, Activation::Relu, Activation::GeluTanh, Activation::Identity];
    for (i, (rows, inputs, inner, outputs)) in SHAPES.into_iter().enumerate() {
        let (x, residual) = (values(rows * inputs, 3), values(rows * outputs, 4));
        let activation = activations[i % activations.len()];
        for kernel @ (isa, kind) in kernels() {
            let first = Layer::new(isa, (inputs, inner), i as u64);
            let second = Layer::new(isa, (inner, outputs), i as u64 + 1);
            let x = quantize_rows(isa, &x, inputs);
            let between = first.linear(kernel, &x, rows, activation);
            let product =
                second.linear(kernel, &quantize_rows(isa, &between, inner), rows, Activation::Identity);
            let mut wanted = vec![f32::NAN; rows * outputs];
            let int8 = norm_forward_int8(isa, &product, Some(&residual), second.norm(), &mut wanted);
            wanted.extend(reveal(isa, kind, &int8, (rows, outputs)));
            let got = on_pools("feed-forward", || {
                let mut y = vec![f32::NAN; rows * outputs];
                let inner = FeedForward { weight: &first.weight, bias: first.bias.as_deref(), activation };
                let int8 = feed_forward_norm_int8(isa, kind, &x, inner, second.outer(&residual), &mut y);
                y.extend(reveal(isa, kind, &int8, (rows, outputs)));
                y
            });
            if bits(&got) != bits(&wanted) {
                let widths = (inputs, inner, outputs);
                failures.push(format!("{isa} {}: {rows} rows of {widths:?}, {activation:?}", kind.name()));
            }
        }
    }
    report(&failures);
}

#[test]
fn a_norm_that_rounds_is_a_norm_and_then_rounding() {
    let mut failures = Vec::new();
    for (rows, width) in [(1, 1), (3, 17), (16, 64), (70, 21), (300, 65), (130, 400)] {
        let (x, h) = (values(rows * width, 1), values(rows * width, 2));
        let (gamma, beta) = (values(width, 3), values(width, 4));
        let shape = NormShape { gamma: &gamma, beta: &beta, eps: 1e-12 };
        for residual in [None, Some(&h[..])] {
            for isa in Isa::available() {
                let kind = Int8::detect();
                let mut wanted = vec![f32::NAN; rows * width];
                norm_forward(isa, &x, residual, Dropout::new(0.0, 0), shape, &mut wanted, None);
                let int8 = quantize_rows(isa, &wanted, width);
                wanted.extend(reveal(isa, kind, &int8, (rows, width)));
                let got = on_pools("norm", || {
                    let mut y = vec![f32::NAN; rows * width];
                    let int8 = norm_forward_int8(isa, &x, residual, shape, &mut y);
                    y.extend(reveal(isa, kind, &int8, (rows, width)));
                    y
                });
                if bits(&got) != bits(&wanted) {
                    failures.push(format!("{isa}: {rows} of {width}, residual {}", residual.is_some()));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn codes_of_minus_128_are_numbers_like_others() {
    let shape @ (rows, inputs, outputs) = (33, 130, 37);
    let (x, codes) = (values(rows * inputs, 1), bytes(inputs * outputs, 2));
    assert!(codes.contains(&-128) && codes.contains(&127));
    let most = |row: &[f32]| row.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    for (isa, kind) in kernels() {
        let packed = PackedInt8::new(isa, &codes, &vec![0.25; outputs], (inputs, outputs));
        let mut y = vec![f32::NAN; rows * outputs];
        linear_int8(isa, kind, &quantize_rows(isa, &x, inputs), &packed, &mut y, shape, &Epilogue::default());
        for (x, y) in x.chunks_exact(inputs).zip(y.chunks_exact(outputs)) {
            let most = most(x);
            let integers: Vec<i64> =
                x.iter().map(|x| (x * (127.0 / most)).round_ties_even() as i64).collect();
            for (o, y) in y.iter().enumerate() {
                let row = &codes[o * inputs..(o + 1) * inputs];
                let sum: i64 = integers.iter().zip(row).map(|(q, w)| q * i64::from(*w)).sum();
                assert_eq!(*y, sum as f32 * (most / 127.0 * 0.25), "{isa} {}: output {o}", kind.name());
            }
        }
    }
}

/// Where all products have the largest magnitude, sums still fit; one input more is refused.
#[test]
fn the_largest_sums_fit() {
    let inputs = MAX_INPUTS;
    // Bytes of 255, of 1, and of both in turn; the last row is no number and may hold any bytes.
    let mut x = vec![1.0f32; 4 * inputs];
    x[inputs..2 * inputs].fill(-1.0);
    x[2 * inputs..3 * inputs].iter_mut().step_by(2).for_each(|x| *x = -1.0);
    x[3 * inputs + 5] = f32::NAN;
    let mut codes = vec![-128i8; 3 * inputs];
    codes[inputs..2 * inputs].fill(127);
    codes[2 * inputs..].iter_mut().step_by(2).for_each(|w| *w = 127);
    for (isa, kind) in kernels() {
        let packed = PackedInt8::new(isa, &codes, &[1.0; 3], (inputs, 3));
        let mut y = vec![0.0; 12];
        let rows = quantize_rows(isa, &x, inputs);
        linear_int8(isa, kind, &rows, &packed, &mut y, (4, inputs, 3), &Epilogue::default());
        for (r, row) in x.chunks_exact(inputs).take(3).enumerate() {
            for (o, codes) in codes.chunks_exact(inputs).enumerate() {
                let sum: i64 = row.iter().zip(codes).map(|(x, w)| *x as i64 * 127 * i64::from(*w)).sum();
                let wanted = sum as f32 * (1.0f32 / 127.0);
                assert_eq!(y[r * 3 + o], wanted, "{isa} {}: row {r}, output {o}", kind.name());
            }
        }
        assert!(y[9..].iter().all(|y| y.is_nan()), "{isa} {}: {:?}", kind.name(), &y[9..]);
    }
    let wider = vec![0i8; inputs + 1];
    let refused =
        std::panic::catch_unwind(|| PackedInt8::new(Isa::detect(), &wider, &[1.0], (inputs + 1, 1)));
    assert!(refused.is_err());
}
