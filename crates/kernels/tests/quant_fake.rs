//! The round trip in training against encoding and decoding, to the bit, on every instruction set and pools of any size.

mod common;

use common::{on_pools, report, values};
use filbert_kernels::Isa;
use filbert_kernels::quant::{
    EightBit, Fit, FourBit, INT4_LEVELS, Int4, Int8, NF4_LEVELS, Nf4, Scheme, fake_quantize,
    fake_quantize_rows, half_scales,
};

const SCHEMES: [Scheme; 5] = [
    Scheme::Int8,
    Scheme::Int4 { group: 32 },
    Scheme::Int4 { group: 64 },
    Scheme::Int4 { group: 128 },
    Scheme::Nf4,
];

fn decode4(levels: &'static [f32; 16], codes: &[u8], scales: &[f32], group: usize, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    FourBit::new(levels, codes, scales, group, len).unwrap().decode(0..len, &mut out);
    out
}

fn encoded_and_decoded(scheme: Scheme, x: &[f32], width: usize) -> Vec<f32> {
    match scheme {
        Scheme::Int8 => {
            let int8 = Int8::encode(x, width, Fit::Largest).unwrap();
            let view = EightBit::new(&int8.codes, &int8.scales, width).unwrap();
            let mut out = vec![0.0; x.len()];
            out.chunks_exact_mut(width).enumerate().for_each(|(row, out)| view.decode_row(row, out));
            out
        }
        Scheme::Int4 { group } => {
            let int4 = Int4::encode(x, group, Fit::Largest).unwrap();
            decode4(&INT4_LEVELS, &int4.codes, &half_scales(&int4.scales).unwrap(), group, x.len())
        }
        Scheme::Nf4 => {
            let nf4 = Nf4::encode(x).unwrap();
            decode4(&NF4_LEVELS, &nf4.codes, &nf4.scales().unwrap(), 64, x.len())
        }
    }
}

/// Products of two, with rows and blocks of zeros, of both signs, an outlier, and numbers below the normal range.
fn weights(n: usize) -> Vec<f32> {
    let mut x: Vec<f32> = values(n, 21).iter().zip(values(n, 22)).map(|(a, b)| a * b).collect();
    let at = |part: usize| part * n / 16;
    x[at(1)..at(2)].fill(0.0);
    x[at(3)..at(4)].fill(-0.0);
    x[at(5)..at(6)].iter_mut().for_each(|x| *x *= 1e-38);
    x[at(7)..at(8)].iter_mut().for_each(|x| *x *= 1e-7);
    x[at(9)] = -77.0;
    x
}

/// Rows and width.
const SHAPES: [(usize, usize); 6] = [(1, 1), (3, 7), (5, 65), (16, 384), (33, 1000), (401, 257)];

#[test]
fn the_round_trip_is_encoding_and_decoding_to_the_bit() {
    let mut failures = Vec::new();
    for (rows, width) in SHAPES {
        let x = weights(rows * width);
        for scheme in SCHEMES {
            let wanted = encoded_and_decoded(scheme, &x, width);
            for isa in Isa::available() {
                let mut found = vec![9.0; x.len()];
                fake_quantize(isa, scheme, &x, width, &mut found);
                let other = found.iter().zip(&wanted).position(|(a, b)| a.to_bits() != b.to_bits());
                if let Some(i) = other {
                    let (x, found, wanted) = (x[i], found[i], wanted[i]);
                    failures.push(format!(
                        "{scheme:?} {rows}x{width} {isa}: {x:e} at {i} gives {found:e}, not {wanted:e}"
                    ));
                }
            }
        }
    }
    report(&failures);
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (rows, width) = (401, 257);
    let x = weights(rows * width);
    for scheme in SCHEMES {
        on_pools(&format!("{scheme:?}"), || {
            let mut out = vec![0.0; x.len()];
            fake_quantize(Isa::detect(), scheme, &x, width, &mut out);
            out
        });
    }
    on_pools("rows in place", || {
        let mut x = x.clone();
        fake_quantize_rows(Isa::detect(), &mut x, width);
        x
    });
    // Encoders too: their codes as numbers.
    let number = |codes: &[u8]| codes.iter().map(|c| f32::from(*c)).collect::<Vec<_>>();
    on_pools("encoded nf4", || number(&Nf4::encode(&x).unwrap().codes));
    let fit = Fit::Search { importance: None };
    on_pools("encoded int4", || number(&Int4::encode(&x, 32, fit).unwrap().codes));
    on_pools("encoded int8", || Int8::encode(&x, width, fit).unwrap().scales);
}

#[test]
fn activations_are_rounded_by_the_definition() {
    for (rows, width) in SHAPES {
        let x = weights(rows * width);
        for isa in Isa::available() {
            let mut found = x.clone();
            fake_quantize_rows(isa, &mut found, width);
            for (row, (x, y)) in x.chunks(width).zip(found.chunks(width)).enumerate() {
                let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                for (x, y) in x.iter().zip(y) {
                    let wanted = if largest / 127.0 < f32::MIN_POSITIVE {
                        0.0
                    } else {
                        (x * (127.0 / largest)).round_ties_even() * (largest / 127.0)
                    };
                    // Zeros of either sign are alike here.
                    assert!(wanted == *y, "{isa}: row {row}: {x} gives {y}, not {wanted}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_so() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for isa in Isa::available() {
            let mut x = values(4 * 100, 8);
            x[150] = bad;
            for scheme in SCHEMES {
                let mut out = vec![0.0; x.len()];
                fake_quantize(isa, scheme, &x, 100, &mut out);
                assert!(!out[150].is_finite(), "{scheme:?} {isa}: {bad} gives {}", out[150]);
                assert!(scheme == Scheme::Nf4 || out[..96].iter().all(|x| x.is_finite()), "{scheme:?} {isa}");
            }
            fake_quantize_rows(isa, &mut x, 100);
            assert!(x[150].is_nan() && x[..100].iter().all(|x| x.is_finite()), "{isa}: {bad}");
        }
    }
}
