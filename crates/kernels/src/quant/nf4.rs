//! NF4, four bits to the quantiles of the normal distribution, as bitsandbytes encodes it (`QLoRA`, Dettmers et al. 2023):
//! blocks of 64 elements scaled by their largest absolute value, and those scales quantized again.

use rayon::prelude::*;

use super::dynamic::{SCALE_BLOCK, encode_block, mean, nf4_scales};
use super::four_bit::pack;
use super::{QuantError, expect_numbers, largest};

/// Elements that share a scale.
pub const NF4_BLOCK: usize = 64;

/// The levels, ascending, as bitsandbytes has them.
pub static NF4_LEVELS: [f32; 16] = LEVELS;

pub(super) const LEVELS: [f32; 16] = [
    -1.0,
    -0.696_192_8,
    -0.525_073_05,
    -0.394_917_5,
    -0.284_441_38,
    -0.184_773_43,
    -0.091_050_036,
    0.0,
    0.079_580_3,
    0.160_930_2,
    0.246_112_3,
    0.337_915_24,
    0.440_709_83,
    0.562_617,
    0.722_956_84,
    1.0,
];

/// What lies between neighbouring levels: a number above `BOUNDS[i]` belongs to level i + 1 or higher, one on it to level i.
pub(super) const BOUNDS: [f32; 15] = {
    let mut bounds = [0.0; 15];
    let mut i = 0;
    while i < 15 {
        bounds[i] = f32::midpoint(LEVELS[i], LEVELS[i + 1]);
        i += 1;
    }
    bounds
};

/// The code of 0, which fills an odd end.
const ZERO: u8 = 7;

/// Below this a block's largest value counts as this, so that it has a reciprocal.
pub(super) const TINY: f32 = 1e-38;

/// What brings a block's values to -1..=1. A short block, the last, is divided by its largest value, the others are
/// multiplied by the reciprocal: that is how bitsandbytes rounds.
#[derive(Clone, Copy)]
pub(super) enum Divisor {
    Whole(f32),
    Short(f32),
}

#[inline(always)]
pub(super) fn divisor(largest: f32, short: bool) -> Divisor {
    // A comparison, not `max`: that would turn NaN into a number.
    let largest = if largest < TINY { TINY } else { largest };
    if short { Divisor::Short(largest) } else { Divisor::Whole(1.0 / largest) }
}

impl Divisor {
    #[inline(always)]
    pub(super) fn apply(self, x: f32) -> f32 {
        match self {
            Self::Whole(reciprocal) => x * reciprocal,
            Self::Short(largest) => x / largest,
        }
    }
}

/// The scale of a block: its largest absolute value, in a short block at least [`TINY`]. NaN if there is one.
#[inline(always)]
pub(super) fn block_scale(x: &[f32]) -> f32 {
    let scale = largest(x);
    if x.len() < NF4_BLOCK && scale < TINY { TINY } else { scale }
}

/// A matrix in NF4 with double-quantized scales: 4.127 bits for an element.
#[derive(Clone, Debug, PartialEq)]
pub struct Nf4 {
    /// Codes into [`NF4_LEVELS`], two to a byte, the first element in the upper half.
    pub codes: Vec<u8>,
    /// A code into [`dynamic_map`](super::dynamic_map) for each block of 64 elements.
    pub scale_codes: Vec<u8>,
    /// What is added to each scale: the mean of the scales before they were quantized.
    pub offset: f32,
    /// The scale of each 256 scales.
    pub scale_scales: Vec<f32>,
}

impl Nf4 {
    /// Encodes weights as `bitsandbytes.functional.quantize_4bit(..., quant_type="nf4", compress_statistics=True)` does in
    /// its reference code. (Its own fast path on the CPU finds the scales' codes in a table of 65,536 places, which is not always
    /// the nearest value; this is.) An odd end is filled with the code of 0.
    ///
    /// # Errors
    /// Where a weight is not finite.
    pub fn encode(weights: &[f32]) -> Result<Self, QuantError> {
        /// Blocks and bytes that are worth a task of their own.
        const TASK: usize = 64;
        let scales: Vec<f32> = weights.par_chunks(NF4_BLOCK).with_min_len(TASK).map(block_scale).collect();
        if scales.iter().any(|scale| !scale.is_finite()) {
            expect_numbers("weights", weights, f32::is_finite)?;
        }
        let mut codes = vec![0; weights.len().div_ceil(2)];
        let blocks = codes.par_chunks_mut(NF4_BLOCK / 2).zip(weights.par_chunks(NF4_BLOCK)).zip(&scales);
        blocks.with_min_len(TASK).for_each(|((codes, x), scale)| encode_elements(x, *scale, codes));
        let offset = mean(&scales);
        let mut scale_codes = vec![0; scales.len()];
        let scale_scales = scales
            .chunks(SCALE_BLOCK)
            .zip(scale_codes.chunks_mut(SCALE_BLOCK))
            .map(|(scales, codes)| encode_block(scales, offset, codes))
            .collect();
        Ok(Self { codes, scale_codes, offset, scale_scales })
    }

    /// The scale of each block, as the codes stand for it.
    ///
    /// # Errors
    /// Those of [`nf4_scales`].
    pub fn scales(&self) -> Result<Vec<f32>, QuantError> {
        nf4_scales(&self.scale_codes, self.offset, &self.scale_scales)
    }
}

fn encode_elements(x: &[f32], scale: f32, out: &mut [u8]) {
    let divisor = divisor(scale, x.len() < NF4_BLOCK);
    let mut codes = [0; NF4_BLOCK];
    let codes = &mut codes[..x.len()];
    for (to, x) in codes.iter_mut().zip(x) {
        let x = divisor.apply(*x);
        *to = BOUNDS.iter().map(|bound| u8::from(x > *bound)).sum();
    }
    pack(codes, ZERO, out);
}
