//! The second quantization of NF4's block scales, as bitsandbytes defines it: less their mean, in blocks of 256, to the
//! nearest of the 256 values of its dynamic 8-bit map (Dettmers 2015, arXiv 1511.04561; Dettmers et al. 2023).

use std::sync::OnceLock;

use super::nf4::{TINY, divisor};
use super::{QuantError, expect_length, expect_numbers, largest};

/// Scales that share a scale of their own.
pub const SCALE_BLOCK: usize = 256;

struct Map {
    values: [f32; 256],
    /// What lies between neighbours: a number above `bounds[i]` belongs to value i + 1 or higher.
    bounds: [f32; 255],
}

/// The dynamic map, ascending: seven decades, each with twice the values of the decade below, of both signs; 0 and 1.
/// These are the bits of `create_dynamic_map(signed=True, max_exponent_bits=7, total_bits=8)` where PyTorch uses AVX2 or
/// AVX-512; its code for lesser processors rounds 42 of the values to a neighbour.
pub fn dynamic_map() -> &'static [f32; 256] {
    &map().values
}

fn map() -> &'static Map {
    static MAP: OnceLock<Map> = OnceLock::new();
    MAP.get_or_init(|| {
        let mut values = vec![0.0, 1.0];
        for (i, decade) in [1e-6f32, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0].into_iter().enumerate() {
            let edges = linspace((1 << i) + 1);
            for pair in edges.windows(2) {
                let value = decade * f32::midpoint(pair[0], pair[1]);
                values.extend([value, -value]);
            }
        }
        values.sort_unstable_by(f32::total_cmp);
        let values: [f32; 256] = std::array::from_fn(|i| values[i]);
        Map { values, bounds: std::array::from_fn(|i| f32::midpoint(values[i], values[i + 1])) }
    })
}

/// `count` numbers from 0.1 to 1, counted from the nearer end and each rounded once, like PyTorch's.
fn linspace(count: usize) -> Vec<f32> {
    let step = (1.0 - 0.1f32) / (count - 1) as f32;
    let number = |i: usize| {
        if i < count / 2 { step.mul_add(i as f32, 0.1) } else { (-step).mul_add((count - 1 - i) as f32, 1.0) }
    };
    (0..count).map(number).collect()
}

/// The mean of the scales, summed in f64; 0 if there are none. PyTorch sums in f32, in an order that depends on the
/// processor, so its mean may differ in the last places.
pub(super) fn mean(scales: &[f32]) -> f32 {
    if scales.is_empty() {
        return 0.0;
    }
    (scales.iter().map(|s| f64::from(*s)).sum::<f64>() / scales.len() as f64) as f32
}

/// Writes the codes of one block of at most 256 scales and returns the block's own scale. A number on a bound takes the
/// lower value.
pub(super) fn encode_block(scales: &[f32], offset: f32, codes: &mut [u8]) -> f32 {
    let mut differences = [0.0; SCALE_BLOCK];
    let differences = &mut differences[..scales.len()];
    for (to, scale) in differences.iter_mut().zip(scales) {
        *to = scale - offset;
    }
    let most = largest(differences);
    let most = if differences.len() < SCALE_BLOCK && most < TINY { TINY } else { most };
    let divisor = divisor(most, differences.len() < SCALE_BLOCK);
    let bounds = &map().bounds;
    for (to, difference) in codes.iter_mut().zip(differences) {
        let x = divisor.apply(*difference);
        *to = bounds.partition_point(|bound| *bound < x) as u8;
    }
    most
}

/// The scales that the codes of one block stand for.
pub(super) fn decode_block(codes: &[u8], scale: f32, offset: f32, out: &mut [f32]) {
    for (to, code) in out.iter_mut().zip(codes) {
        *to = dynamic_map()[usize::from(*code)] * scale + offset;
    }
}

/// A scale for each block of NF4: the map's value times the scale of its block of 256, plus the offset, in f32.
///
/// # Errors
/// Where the lengths do not fit or a number is not finite.
pub fn nf4_scales(scale_codes: &[u8], offset: f32, scale_scales: &[f32]) -> Result<Vec<f32>, QuantError> {
    expect_length("scales of scales", scale_codes.len().div_ceil(SCALE_BLOCK), scale_scales.len())?;
    expect_numbers("scales of scales", scale_scales, f32::is_finite)?;
    expect_numbers("offset", &[offset], f32::is_finite)?;
    let mut scales = vec![0.0; scale_codes.len()];
    let blocks = scales.chunks_mut(SCALE_BLOCK).zip(scale_codes.chunks(SCALE_BLOCK));
    for ((to, codes), scale) in blocks.zip(scale_scales) {
        decode_block(codes, *scale, offset, to);
    }
    expect_numbers("scales", &scales, f32::is_finite)?;
    Ok(scales)
}
