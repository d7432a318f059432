//! Matrices of few bits in memory against what their formats say, element by element: rows, gathered rows, and what products
//! with them give.

mod common;

use common::{on_pools, report, values};
use filbert_kernels::quant::{FourBit, INT4_LEVELS, NF4_LEVELS, QuantError};
use filbert_kernels::{
    Bytes, Epilogue, Int8, Isa, MAX_INPUTS, PackedInt8, QuantizedMatrix, linear_int8, quantize_rows,
};

/// A matrix and the numbers it was made of.
struct Made {
    what: String,
    matrix: QuantizedMatrix,
    /// Its values by the definition.
    values: Vec<f32>,
    /// The integers and scales of its rows in products, by the definition.
    integers: Vec<i8>,
    scales: Vec<f32>,
}

fn codes(n: usize, seed: u64) -> Vec<u8> {
    values(n, seed).into_iter().map(|x| (x * 128.0 + 128.0) as u8).collect()
}

fn eight(rows: usize, columns: usize) -> Made {
    let bytes = codes(rows * columns, 1);
    let mut scales = values(rows, 2);
    scales[rows / 2] = 0.0;
    let integers: Vec<i8> = bytes.iter().map(|x| *x as i8).collect();
    let values = integers.iter().enumerate().map(|(i, x)| f32::from(*x) * scales[i / columns]).collect();
    let matrix =
        QuantizedMatrix::eight_bit((rows, columns), Bytes::from(bytes), scales.clone()).expect("it fits");
    Made { what: format!("int8 {rows} x {columns}"), matrix, values, integers, scales }
}

fn four(rows: usize, columns: usize, levels: &'static [f32; 16], group: usize) -> Made {
    let len = rows * columns;
    let bytes = codes(len.div_ceil(2), 3);
    let mut group_scales = values(len.div_ceil(group), 4);
    // Groups of zeros, and one whose row has no scale of its own.
    if let Some(scale) = group_scales.get_mut(2) {
        *scale = 0.0;
    }
    let code =
        |i: usize| usize::from(if i.is_multiple_of(2) { bytes[i / 2] >> 4 } else { bytes[i / 2] & 15 });
    let values: Vec<f32> = (0..len).map(|i| levels[code(i)] * group_scales[i / group]).collect();
    let largest = levels.iter().fold(0.0f32, |most, x| most.max(x.abs()));
    let scale = |row: usize| {
        let met = row * columns / group..=((row + 1) * columns - 1) / group;
        let most = group_scales[met].iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let scale = most * largest / 127.0;
        if scale < f32::MIN_POSITIVE { 0.0 } else { scale }
    };
    let scales: Vec<f32> = (0..rows).map(scale).collect();
    let integer = |i: usize| match scales[i / columns] {
        0.0 => 0,
        scale => (levels[code(i)] * (group_scales[i / group] / scale)).round_ties_even() as i8,
    };
    let integers = (0..len).map(integer).collect();
    let what = format!("levels up to {largest}, groups of {group}, {rows} x {columns}");
    let matrix = QuantizedMatrix::four_bit((rows, columns), levels, Bytes::from(bytes), group_scales, group);
    Made { what, matrix: matrix.expect("it fits"), values, integers, scales }
}

/// Shapes whose groups fit rows, straddle them, hold several, and end in half a byte.
fn matrices() -> Vec<Made> {
    let mut all = Vec::new();
    for (rows, columns) in [(1, 1), (3, 5), (7, 21), (16, 64), (33, 70), (5, 192), (130, 31), (40, 128)] {
        all.push(eight(rows, columns));
        for group in [32, 64, 128] {
            all.push(four(rows, columns, &INT4_LEVELS, group));
        }
        all.push(four(rows, columns, &NF4_LEVELS, 64));
    }
    all
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn rows_are_those_of_the_definition() {
    for made in matrices() {
        let (rows, columns) = (made.matrix.rows(), made.matrix.columns());
        for row in 0..rows {
            let mut got = vec![f32::NAN; columns];
            made.matrix.read_row(row, &mut got);
            let wanted = &made.values[row * columns..(row + 1) * columns];
            assert_eq!(bits(&got), bits(wanted), "{}: row {row}", made.what);
        }
    }
}

#[test]
fn gathered_rows_are_added() {
    for made in matrices() {
        let (rows, columns) = (made.matrix.rows(), made.matrix.columns());
        // More rows than a piece has, each several times and in no order.
        let ids: Vec<u32> = (0..300).map(|i| (i * 7 % rows) as u32).collect();
        let before = values(ids.len() * columns, 9);
        let wanted: Vec<f32> = before
            .iter()
            .enumerate()
            .map(|(i, x)| x + made.values[ids[i / columns] as usize * columns + i % columns])
            .collect();
        for isa in Isa::available() {
            let got = on_pools("gather", || {
                let mut out = before.clone();
                made.matrix.gather_add(isa, &mut out, &ids);
                out
            });
            assert_eq!(bits(&got), bits(&wanted), "{isa}: {}", made.what);
        }
    }
}

#[test]
fn products_are_those_of_the_integers() {
    let mut failures = Vec::new();
    for made in matrices() {
        let shape @ (rows, inputs, outputs) = (19, made.matrix.columns(), made.matrix.rows());
        let x = values(rows * inputs, 5);
        for isa in Isa::available() {
            let kind = Int8::detect();
            let x = quantize_rows(isa, &x, inputs);
            let run = |weight: &PackedInt8| {
                let mut y = vec![f32::NAN; rows * outputs];
                linear_int8(isa, kind, &x, weight, &mut y, shape, &Epilogue::default());
                y
            };
            let wanted = run(&PackedInt8::new(isa, &made.integers, &made.scales, (inputs, outputs)));
            let packed = on_pools("packed", || run(&made.matrix.pack(isa)));
            let expanded = on_pools("expanded", || run(&made.matrix.expand(isa)));
            for (which, got) in [("packed", packed), ("expanded", expanded)] {
                if bits(&got) != bits(&wanted) {
                    failures.push(format!("{isa}: {which}, {}", made.what));
                }
            }
        }
    }
    report(&failures);
}

/// Memory that an expanded weight leaves to the next one holds whatever was in it.
#[test]
fn expanded_weights_of_other_shapes_leave_nothing_behind() {
    let isa = Isa::detect();
    let made = matrices();
    for (i, large) in made.iter().enumerate() {
        let small = &made[(i * 5 + 1) % made.len()];
        drop(large.matrix.expand(isa));
        let shape @ (rows, inputs, outputs) = (4, small.matrix.columns(), small.matrix.rows());
        let x = quantize_rows(isa, &values(rows * inputs, 6), inputs);
        let run = |weight: &PackedInt8| {
            let mut y = vec![f32::NAN; rows * outputs];
            linear_int8(isa, Int8::detect(), &x, weight, &mut y, shape, &Epilogue::default());
            y
        };
        let wanted = run(&PackedInt8::new(isa, &small.integers, &small.scales, (inputs, outputs)));
        assert_eq!(
            bits(&run(&small.matrix.expand(isa))),
            bits(&wanted),
            "{} after {}",
            small.what,
            large.what
        );
    }
}

#[test]
fn an_expanded_value_is_near_the_stored_one() {
    for made in matrices().iter().filter(|made| made.matrix.is_four_bit()) {
        let columns = made.matrix.columns();
        for (i, (value, integer)) in made.values.iter().zip(&made.integers).enumerate() {
            let scale = made.scales[i / columns];
            let error = (value - f32::from(*integer) * scale).abs();
            assert!(error <= 0.5001 * scale, "{}: element {i} is off by {error}, scale {scale}", made.what);
        }
    }
}

type Check<'a> = &'a dyn Fn(&QuantError) -> bool;

#[test]
fn what_does_not_fit_is_refused() {
    let eight = |shape, codes: usize, scales: Vec<f32>| {
        QuantizedMatrix::eight_bit(shape, Bytes::from(vec![1u8; codes]), scales).map(|_| ())
    };
    let four = |shape, codes: usize, scales: Vec<f32>, group| {
        let codes = Bytes::from(vec![1u8; codes]);
        QuantizedMatrix::four_bit(shape, &NF4_LEVELS, codes, scales, group).map(|_| ())
    };
    assert_eq!(eight((2, 3), 6, vec![1.0; 2]), Ok(()));
    assert_eq!(four((2, 3), 3, vec![1.0], 64), Ok(()));
    assert_eq!(eight((0, 3), 0, vec![]), Ok(()));
    let number = |e: &QuantError| matches!(e, QuantError::Number { what: "scales", .. });
    let length = |e: &QuantError| matches!(e, QuantError::Length { .. });
    let width = |e: &QuantError| matches!(e, QuantError::Width { .. });
    let wide = MAX_INPUTS + 1;
    let cases: [(&str, Result<(), QuantError>, Check<'_>); 16] = [
        ("a code too many", eight((2, 3), 7, vec![1.0; 2]), &width),
        ("a row of codes too many", eight((2, 3), 9, vec![1.0; 3]), &length),
        ("a scale too few", eight((2, 3), 6, vec![1.0]), &length),
        ("no columns", eight((2, 0), 0, vec![1.0; 2]), &width),
        ("rows that overflow", eight((usize::MAX, 2), 2, vec![1.0]), &length),
        ("a scale of NaN", eight((2, 3), 6, vec![1.0, f32::NAN]), &number),
        ("a scale of infinity", eight((2, 3), 6, vec![f32::INFINITY, 1.0]), &number),
        ("a scale that makes -128 infinite", eight((2, 3), 6, vec![3e36, 1.0]), &number),
        ("too many columns", eight((1, wide), wide, vec![1.0]), &width),
        ("four bits: too many columns", four((2, wide), wide, vec![1.0; wide.div_ceil(32)], 64), &width),
        ("four bits: no columns", four((2, 0), 0, vec![], 64), &width),
        ("four bits: a byte too few", four((3, 3), 4, vec![1.0], 64), &length),
        ("four bits: a scale too many", four((2, 3), 3, vec![1.0; 2], 64), &length),
        ("four bits: groups of none", four((2, 3), 3, vec![1.0], 0), &|e| *e == QuantError::Group(0)),
        ("four bits: a shape that overflows", four((usize::MAX, 2), 3, vec![1.0], 64), &width),
        ("four bits: a scale of NaN", four((2, 3), 3, vec![-f32::NAN], 64), &number),
    ];
    for (what, result, is_wanted) in cases {
        match result {
            Err(error) if is_wanted(&error) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
    // A group as large as can be holds all elements.
    let view = FourBit::new(&NF4_LEVELS, &[0xf0], &[2.0], usize::MAX, 2).expect("one group");
    let mut row = [0; 2];
    view.expand_row(0, 2, &mut row);
    assert_eq!(row, [127, -127]);
}
