//! The products of a linear layer against naive sums: on every instruction set and number format, both ways, with what
//! belongs to them, on odd shapes.

mod common;

use common::{farthest, on_pools, report, values};
use filbert_kernels::{
    Activation, Bf16, Epilogue, Isa, LinearGradients, Precision, Target, Weight, linear_backward,
    linear_forward, pack_weight, reference,
};

/// Every instruction set with every format of products that this processor has.
fn kernels() -> Vec<(Isa, Precision)> {
    let f32 = Isa::available().into_iter().map(|isa| (isa, Precision::F32));
    let bf16 = Bf16::available().into_iter().map(|kind| (Isa::detect(), Precision::Bf16(kind)));
    f32.chain(bf16).collect()
}

const SHAPES: [(usize, usize, usize); 12] = [
    (1, 7, 5),
    (2, 1, 3),
    (5, 33, 1),
    (17, 31, 29),
    (16, 32, 16),
    (130, 65, 97),
    (300, 384, 384),
    (9, 70, 800),
    (40, 1_100, 50),
    (1_100, 40, 70),
    (1_030, 2_100, 18),
    (33, 16, 31),
];

#[test]
fn products_both_ways() {
    let mut failures = Vec::new();
    for (isa, precision) in kernels() {
        for shape in SHAPES {
            let (rows, inputs, outputs) = shape;
            let (x, w) = (values(rows * inputs, 1), values(outputs * inputs, 2));
            let (dy, bias) = (values(rows * outputs, 3), values(outputs, 4));
            let fast = on_pools("linear", || {
                let mut y = vec![f32::NAN; rows * outputs];
                let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
                linear_forward(isa, precision, &x, Weight::Plain(&w), &mut y, shape, epilogue);
                let packed = pack_weight(isa, precision, &w, (inputs, outputs));
                let mut again = vec![f32::NAN; rows * outputs];
                let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
                linear_forward(isa, precision, &x, Weight::Packed(&packed), &mut again, shape, epilogue);
                assert!(y == again, "packed before or now: the same");

                let mut all = [vec![0.5; rows * inputs], vec![0.25; outputs * inputs], vec![0.125; outputs]];
                let mut fresh = all.clone().map(|v| vec![f32::NAN; v.len()]);
                for (adds, [dx, dw, db]) in [(true, &mut all), (false, &mut fresh)] {
                    let gradients = LinearGradients {
                        input: Some((Target { to: dx, adds }, &w)),
                        weight: Some((Target { to: dw, adds }, &x)),
                        bias: Some(Target { to: db, adds }),
                    };
                    linear_backward(isa, precision, &dy, shape, gradients);
                }
                let mut alone = vec![f32::NAN; outputs];
                let bias = Some(Target { to: &mut alone, adds: false });
                let only = LinearGradients { bias, ..LinearGradients::default() };
                linear_backward(isa, precision, &dy, shape, only);
                let off = farthest(&alone, &fresh[2]);
                assert!(off < 1e-3, "{isa} {precision:?} {shape:?}: {off} with or without the weight");
                for ((sum, fresh), start) in all.iter().zip(&fresh).zip([0.5, 0.25, 0.125]) {
                    assert!(sum.iter().zip(fresh).all(|(a, b)| (a - start - b).abs() < 2e-4), "adding adds");
                }
                [y, fresh.concat()].concat()
            });
            let round = |v: &[f32]| -> Vec<f32> {
                let f = if precision == Precision::F32 { |x| x } else { reference::to_bf16 };
                v.iter().map(|&x| f(x)).collect()
            };
            let (x, w, rounded) = (round(&x), round(&w), round(&dy));
            let mut naive = reference::matmul(&x, &w, (rows, outputs, inputs), false, true);
            naive.chunks_mut(outputs).for_each(|row| row.iter_mut().zip(&bias).for_each(|(y, b)| *y += b));
            naive.extend(reference::matmul(&rounded, &w, (rows, inputs, outputs), false, false));
            naive.extend(reference::matmul(&rounded, &x, (outputs, inputs, rows), true, false));
            naive.extend((0..outputs).map(|c| (0..rows).map(|r| dy[r * outputs + c]).sum::<f32>()));
            let error = farthest(&fast, &naive);
            if error > 2e-4 {
                failures.push(format!("{isa} {precision:?} {shape:?}: {error}"));
            }
        }
    }
    report(&failures);
}

#[test]
fn bias_and_activation_come_after_the_whole_sum() {
    for (isa, precision) in kernels() {
        let shape @ (rows, inputs, outputs) = (70, 2_100, 75);
        let (x, w, bias) = (values(rows * inputs, 1), values(outputs * inputs, 2), values(outputs, 3));
        let mut plain = vec![0.0; rows * outputs];
        linear_forward(isa, precision, &x, Weight::Plain(&w), &mut plain, shape, Epilogue::default());
        let (mut y, mut pre) = (plain.clone(), plain.clone());
        let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Gelu, pre: Some(&mut pre) };
        linear_forward(isa, precision, &x, Weight::Plain(&w), &mut y, shape, epilogue);
        for (i, (y, pre)) in y.iter().zip(&pre).enumerate() {
            assert_eq!(*pre, plain[i] + bias[i % outputs], "{isa} {precision:?}, element {i}");
            let wanted = reference::activation(f64::from(*pre), Activation::Gelu) as f32;
            assert!((y - wanted).abs() < 1e-5 * wanted.abs().max(1.0), "{isa} {precision:?}, element {i}");
        }
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    for (isa, precision) in kernels() {
        for (outputs, inputs) in [
            (1, 384),
            (2, 768),
            (3, 21),
            (16, 384),
            (37, 21),
            (384, 384),
            (65, 1_536),
            (40, 3_072),
            (768, 1_100),
        ] {
            let (x, w) = (values(300 * inputs, 1), values(outputs * inputs, 2));
            let forward = |x: &[f32], rows: usize| {
                let mut y = vec![0.0; rows * outputs];
                let shape = (rows, inputs, outputs);
                linear_forward(isa, precision, x, Weight::Plain(&w), &mut y, shape, Epilogue::default());
                y
            };
            let all = forward(&x, 300);
            for (first, rows) in [(0, 1), (64, 1), (3, 2), (9, 5), (7, 13), (20, 31), (0, 130), (1, 299)] {
                let some = forward(&x[first * inputs..(first + rows) * inputs], rows);
                let same = some.iter().zip(&all[first * outputs..]).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{isa} {precision:?}: {outputs} outputs of {inputs}, {rows} rows from {first}");
            }
        }
    }
}

#[test]
fn an_empty_side_gives_nothing_or_the_bias() {
    for (isa, precision) in kernels() {
        linear_forward(
            isa,
            precision,
            &[],
            Weight::Plain(&[1.0; 6]),
            &mut [],
            (0, 2, 3),
            Epilogue::default(),
        );
        let mut y = [f32::NAN; 4];
        let epilogue = Epilogue { bias: Some(&[1.0, 2.0]), ..Epilogue::default() };
        linear_forward(isa, precision, &[], Weight::Plain(&[]), &mut y, (2, 0, 2), epilogue);
        assert_eq!(y, [1.0, 2.0, 1.0, 2.0], "{isa} {precision:?}");
    }
}
