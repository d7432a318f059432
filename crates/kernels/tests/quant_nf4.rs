//! NF4 against bitsandbytes: the codes, the quantized scales and what is decoded, to the bit. The goldens come from
//! `scripts/golden_nf4.py`.

mod common;

use common::{report, values};
use filbert_kernels::quant::{FourBit, NF4_BLOCK, NF4_LEVELS, Nf4, QuantError, dynamic_map, nf4_scales};

const GOLDEN: &str = include_str!("golden/nf4.txt");

struct Golden {
    kind: &'static str,
    len: usize,
    seed: u64,
    wanted: Nf4,
    decoded: u64,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect()
}

fn floats(hex: &str) -> Vec<f32> {
    bytes(hex).chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn goldens() -> Vec<Golden> {
    let lines: Vec<(&str, &str)> = GOLDEN.lines().skip(1).map(|line| line.split_once(' ').unwrap()).collect();
    let read = |lines: &[(&'static str, &'static str)]| {
        let names = lines.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        assert_eq!(names, ["case", "codes", "scale_codes", "offset", "scale_scales", "decoded"]);
        let mut case = lines[0].1.splitn(3, ' ');
        let mut part = || case.next().unwrap();
        Golden {
            len: part().parse().unwrap(),
            seed: part().parse().unwrap(),
            kind: part(),
            wanted: Nf4 {
                codes: bytes(lines[1].1),
                scale_codes: bytes(lines[2].1),
                offset: floats(lines[3].1)[0],
                scale_scales: floats(lines[4].1),
            },
            decoded: u64::from_str_radix(lines[5].1, 16).unwrap(),
        }
    };
    lines.chunks(6).map(read).collect()
}

/// The elements of a case, as in the script.
fn elements(kind: &str, n: usize, seed: u64) -> Vec<f32> {
    let mut x: Vec<f32> = values(n, seed).iter().zip(values(n, seed + 1)).map(|(a, b)| a * b).collect();
    match kind {
        "plain" => {}
        "zeros" => x.fill(0.0),
        "outlier" => x[n / 2] = 1e4,
        "denormal" => x.iter_mut().for_each(|x| *x = (*x * 2f32.powi(-126)) * 2f32.powi(-4)),
        "negative zero" => {
            x[..70].fill(-0.0);
            x[70..].iter_mut().step_by(3).for_each(|x| *x = -0.0);
        }
        "wide" => {
            for (i, x) in x.iter_mut().enumerate() {
                *x *= 2f32.powi((i / 64 % 40) as i32 - 20);
            }
        }
        "bounds" => {
            let bounds: Vec<f32> =
                NF4_LEVELS.windows(2).map(|pair| f32::midpoint(pair[0], pair[1])).collect();
            let below = bounds.iter().map(|x| x.next_down());
            let above = bounds.iter().map(|x| x.next_up());
            let near = bounds.iter().copied().chain(below).chain(above).chain([1.0]);
            x.iter_mut().zip(near).for_each(|(x, near)| *x = near);
        }
        other => panic!("no elements of kind {other}"),
    }
    x
}

fn decoded(nf4: &Nf4, len: usize) -> Vec<f32> {
    let scales = nf4.scales().unwrap();
    let mut out = vec![0.0; len];
    FourBit::new(&NF4_LEVELS, &nf4.codes, &scales, NF4_BLOCK, len).unwrap().decode(0..len, &mut out);
    out
}

/// FNV-1a of the numbers' bytes.
fn fnv(x: &[f32]) -> u64 {
    let step = |state: u64, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    x.iter().flat_map(|x| x.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, step)
}

#[test]
fn the_dynamic_map_is_that_of_bitsandbytes() {
    let wanted = floats(GOLDEN.lines().next().unwrap().strip_prefix("map ").unwrap());
    assert_eq!(&dynamic_map()[..], wanted);
}

#[test]
fn encoding_and_decoding_are_those_of_bitsandbytes() {
    let mut failures = Vec::new();
    let goldens = goldens();
    assert_eq!(goldens.len(), 17);
    for Golden { kind, len, seed, wanted, decoded: wanted_decoded } in goldens {
        let nf4 = Nf4::encode(&elements(kind, len, seed)).unwrap();
        let mut check = |what: &str, good: bool| {
            if !good {
                failures.push(format!("{kind} {len}: other {what}"));
            }
        };
        check("codes", nf4.codes == wanted.codes);
        check("scale codes", nf4.scale_codes == wanted.scale_codes);
        check("offset", nf4.offset.to_bits() == wanted.offset.to_bits());
        check("scales of scales", nf4.scale_scales == wanted.scale_scales);
        check("decoded numbers", fnv(&decoded(&nf4, len)) == wanted_decoded);
    }
    report(&failures);
}

#[test]
fn the_error_is_bounded_by_the_widest_gap_and_the_error_of_the_scale() {
    let mut failures = Vec::new();
    for (kind, len) in [("plain", 5_003), ("outlier", 700), ("wide", 64 * 300), ("denormal", 130)] {
        let x = elements(kind, len, 5);
        let nf4 = Nf4::encode(&x).unwrap();
        let scales = nf4.scales().unwrap();
        for (i, (x, y)) in x.chunks(64).zip(decoded(&nf4, len).chunks(64)).enumerate() {
            let largest = x.iter().fold(0.0f32, |m, x| m.max(x.abs()));
            // Half of the gap from -1 to the next level, of the exact scale; a level is at most 1.
            let bound = largest * 0.152 + (scales[i] - largest).abs() * 1.0001;
            let off = x.iter().zip(y).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            if off > bound + f32::MIN_POSITIVE {
                failures.push(format!("{kind} {len}: block {i} is off by {off}, more than {bound}"));
            }
        }
    }
    report(&failures);
}

#[test]
fn what_is_not_finite_or_does_not_fit_is_refused() {
    let mut x = values(300, 1);
    x[257] = f32::NAN;
    assert_eq!(Nf4::encode(&x), Err(QuantError::Number { what: "weights", index: 257 }));
    x[257] = f32::NEG_INFINITY;
    assert_eq!(Nf4::encode(&x), Err(QuantError::Number { what: "weights", index: 257 }));
    assert_eq!(Nf4::encode(&[]).unwrap().scales(), Ok(vec![]));

    let lengths = |expected, found| QuantError::Length { what: "scales of scales", expected, found };
    assert_eq!(nf4_scales(&[0; 257], 0.0, &[1.0]), Err(lengths(2, 1)));
    assert_eq!(nf4_scales(&[], 0.0, &[1.0]), Err(lengths(0, 1)));
    let number = |what, index| QuantError::Number { what, index };
    assert_eq!(nf4_scales(&[0; 257], 0.0, &[1.0, f32::NAN]), Err(number("scales of scales", 1)));
    assert_eq!(nf4_scales(&[0], f32::INFINITY, &[1.0]), Err(number("offset", 0)));
    assert_eq!(nf4_scales(&[127, 255], f32::MAX, &[f32::MAX]), Err(number("scales", 1)));
}
