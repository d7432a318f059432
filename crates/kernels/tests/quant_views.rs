//! The view of four-bit codes against the naive definition of decoding and of the expansion to int8, and what it refuses.

mod common;

use common::{report, values};
use filbert_kernels::quant::{FourBit, INT4_LEVELS, NF4_LEVELS, QuantError};

struct Matrix {
    codes: Vec<u8>,
    scales: Vec<f32>,
}

/// Any codes, and scales of both signs over many sizes.
fn matrix(len: usize, group: usize, seed: u64) -> Matrix {
    let codes = values(len.div_ceil(2), seed).iter().map(|x| (x.to_bits() >> 3) as u8).collect();
    let sizes = values(len.div_ceil(group), seed + 1);
    let scales = values(len.div_ceil(group), seed + 2).into_iter().zip(sizes);
    Matrix { codes, scales: scales.map(|(x, size)| x * 2f32.powi((size * 4.0) as i32)).collect() }
}

fn code(codes: &[u8], i: usize) -> usize {
    usize::from(if i.is_multiple_of(2) { codes[i / 2] >> 4 } else { codes[i / 2] & 15 })
}

/// What the documentation says, element by element.
fn naive_row(
    levels: &[f32; 16],
    matrix: &Matrix,
    group: usize,
    elements: std::ops::Range<usize>,
) -> (f32, Vec<i8>) {
    let largest = levels.iter().fold(0.0f32, |m, level| m.max(level.abs()));
    let scale = |i: usize| matrix.scales[i / group];
    let most = elements.clone().map(|i| scale(i).abs() * largest).fold(0.0, f32::max);
    let row_scale = if most / 127.0 < f32::MIN_POSITIVE { 0.0 } else { most / 127.0 };
    let expand = |i| {
        let value = (levels[code(&matrix.codes, i)] * (scale(i) / row_scale)).round_ties_even();
        if row_scale == 0.0 {
            0
        } else {
            assert!((-127.0..=127.0).contains(&value), "{value}");
            value as i8
        }
    };
    (row_scale, elements.map(expand).collect())
}

/// Rows, width, group.
const SHAPES: [(usize, usize, usize); 9] = [
    (1, 1, 1),
    (5, 3, 2),
    (4, 64, 64),
    (3, 384, 128),
    (7, 65, 64),
    (9, 33, 64),
    (5, 100, 32),
    (3, 7, 1000),
    (11, 13, 5),
];

#[test]
fn rows_expand_by_the_definition() {
    let mut failures = Vec::new();
    for (rows, width, group) in SHAPES {
        for (name, levels) in [("nf4", &NF4_LEVELS), ("int4", &INT4_LEVELS)] {
            for (kind, factor) in
                [("plain", 1.0), ("zero", 0.0), ("tiny", 1e-37), ("smallest", 1e-44), ("huge", 1e36)]
            {
                let mut matrix = matrix(rows * width, group, 7);
                matrix.scales.iter_mut().for_each(|scale| *scale *= factor);
                let Matrix { codes, scales } = &matrix;
                let view = FourBit::new(levels, codes, scales, group, rows * width).unwrap();
                for row in 0..rows {
                    let (wanted_scale, wanted) =
                        naive_row(levels, &matrix, group, row * width..(row + 1) * width);
                    let mut found = vec![99; width];
                    view.expand_row(row, width, &mut found);
                    if view.row_scale(row, width).to_bits() != wanted_scale.to_bits() || found != wanted {
                        failures.push(format!("{name} {kind} {rows}x{width} by {group}: row {row}"));
                    }
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn any_range_decodes_by_the_definition() {
    let mut failures = Vec::new();
    for (rows, width, group) in SHAPES {
        let len = rows * width;
        let matrix = matrix(len, group, 3);
        let view = FourBit::new(&NF4_LEVELS, &matrix.codes, &matrix.scales, group, len).unwrap();
        assert_eq!((view.len(), view.is_empty(), view.group()), (len, false, group));
        for start in (0..=len).step_by(1 + len / 23) {
            for end in (start..=len).step_by(1 + len / 19) {
                let mut found = vec![9.0; end - start];
                view.decode(start..end, &mut found);
                let wanted = (start..end)
                    .map(|i| NF4_LEVELS[code(&matrix.codes, i)] * matrix.scales[i / group])
                    .collect::<Vec<_>>();
                if found != wanted {
                    failures.push(format!("{len} by {group}: {start}..{end}"));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn the_expansion_is_within_half_a_step_of_the_decoded_row() {
    for (rows, width, group) in SHAPES {
        let matrix = matrix(rows * width, group, 11);
        let view = FourBit::new(&INT4_LEVELS, &matrix.codes, &matrix.scales, group, rows * width).unwrap();
        for row in 0..rows {
            let (mut exact, mut expanded) = (vec![0.0; width], vec![0; width]);
            view.decode(row * width..(row + 1) * width, &mut exact);
            view.expand_row(row, width, &mut expanded);
            let scale = view.row_scale(row, width);
            for (x, y) in exact.iter().zip(&expanded) {
                assert!((x - f32::from(*y) * scale).abs() <= 0.501 * scale, "{x}, not {y} times {scale}");
            }
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    struct Case {
        name: &'static str,
        codes: usize,
        scales: &'static [f32],
        group: usize,
        len: usize,
        wanted: Option<QuantError>,
    }
    let length = |what, expected, found| Some(QuantError::Length { what, expected, found });
    let number = |index| Some(QuantError::Number { what: "scales", index });
    let case = |name, codes, scales, group, len, wanted| Case { name, codes, scales, group, len, wanted };
    let cases = [
        case("odd end", 3, &[1.0, 1.0], 4, 5, None),
        case("nothing", 0, &[], 4, 0, None),
        case("a group above all elements", 3, &[1.0], usize::MAX, 5, None),
        case("no group", 3, &[1.0], 0, 5, Some(QuantError::Group(0))),
        case("a byte too few", 2, &[1.0, 1.0], 4, 5, length("bytes of codes", 3, 2)),
        case("a byte too many", 4, &[1.0, 1.0], 4, 5, length("bytes of codes", 3, 4)),
        case("a scale too few", 3, &[1.0], 4, 5, length("scales", 2, 1)),
        case("a scale too many", 3, &[1.0; 3], 4, 5, length("scales", 2, 3)),
        case("absurd length", 3, &[1.0], 4, usize::MAX, length("bytes of codes", usize::MAX / 2 + 1, 3)),
        case("NaN", 3, &[1.0, f32::NAN], 4, 5, number(1)),
        case("infinity", 3, &[f32::NEG_INFINITY, 1.0], 4, 5, number(0)),
        case("a scale that overflows with the largest level", 3, &[1e38, 1.0], 4, 5, number(0)),
    ];
    let mut failures = Vec::new();
    for Case { name, codes, scales, group, len, wanted } in cases {
        let codes = vec![0xff; codes];
        let found = FourBit::new(&INT4_LEVELS, &codes, scales, group, len).err();
        if found != wanted {
            failures.push(format!("{name}: {found:?}, not {wanted:?}"));
        }
    }
    report(&failures);
}
