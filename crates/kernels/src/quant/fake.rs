//! The round trip of weights and activations through few bits, in f32: what a forward pass in training for quantization
//! computes with. The plain scales never clip, so that the straight-through gradient has no mask.

use super::dynamic::{SCALE_BLOCK, decode_block, encode_block, mean};
use super::nf4::{BOUNDS, Divisor, LEVELS, NF4_BLOCK, block_scale, divisor};
use super::{int4, int8, largest};
use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ELEMENTS, CHUNK_ROWS, Pieces, SMALL, for_pieces, tasks_unless};
use crate::scratch;

/// A format of few bits, its scales from the largest absolute values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// [`Int8`](super::Int8) with a scale for each row.
    Int8,
    /// [`Int4`](super::Int4).
    Int4 {
        /// The elements that share a scale: 32, 64 or 128.
        group: usize,
    },
    /// [`Nf4`](super::Nf4) with double-quantized scales.
    Nf4,
}

/// Writes what is left of rows of `width` weights after encoding and decoding, with [`Fit::Largest`](super::Fit) where there is a
/// choice: the same bits. Where weights are not finite the result of their row or group, in NF4 of all, is not either.
///
/// # Panics
/// If the lengths differ, the weights are no whole rows, or the format has no such group.
pub fn fake_quantize(isa: Isa, scheme: Scheme, weights: &[f32], width: usize, out: &mut [f32]) {
    assert!(width > 0 && weights.len().is_multiple_of(width) && weights.len() == out.len());
    match scheme {
        Scheme::Int8 => {
            let piece = CHUNK_ROWS * width;
            for_pieces(out, piece, |i, out| {
                out.copy_from_slice(&weights[i * piece..][..out.len()]);
                int8_rows(isa, out, width);
            });
        }
        Scheme::Int4 { group } => {
            assert!(int4::is_group(group), "int4 has no groups of {group}");
            for_pieces(out, CHUNK_ELEMENTS, |i, out| {
                int4_groups(isa, &weights[i * CHUNK_ELEMENTS..][..out.len()], group, out);
            });
        }
        Scheme::Nf4 => nf4(isa, weights, out),
    }
}

/// Rounds rows of `width` activations in place to what int8 by row leaves of them, as [`int8_scale`](super::int8_scale)
/// defines it. Rows that are not finite become NaN.
///
/// # Panics
/// If `x` is not whole rows.
pub fn fake_quantize_rows(isa: Isa, x: &mut [f32], width: usize) {
    assert!(width > 0 && x.len().is_multiple_of(width));
    for_pieces(x, CHUNK_ROWS * width, |_, x| int8_rows(isa, x, width));
}

fn nf4(isa: Isa, weights: &[f32], out: &mut [f32]) {
    /// A piece's elements are those of one block of scales.
    const PIECE: usize = NF4_BLOCK * SCALE_BLOCK;
    let small = weights.len() <= SMALL;
    let mut largest = scratch::zeros(weights.len().div_ceil(NF4_BLOCK));
    let pieces = Pieces::new(&mut largest, SCALE_BLOCK);
    tasks_unless(small, pieces.count(), |i| {
        let x = &weights[i * PIECE..(i * PIECE + PIECE).min(weights.len())];
        // SAFETY: each task takes the piece of its own number, once.
        block_scales(isa, x, unsafe { pieces.get(i) });
    });
    let offset = mean(&largest);
    for_pieces(out, PIECE, |i, out| {
        let x = &weights[i * PIECE..][..out.len()];
        let largest = &largest[i * SCALE_BLOCK..][..out.len().div_ceil(NF4_BLOCK)];
        let (mut codes, mut scales) = ([0; SCALE_BLOCK], [0.0; SCALE_BLOCK]);
        let codes = &mut codes[..largest.len()];
        let scale = encode_block(largest, offset, codes);
        decode_block(codes, scale, offset, &mut scales);
        nf4_levels(isa, x, largest, &scales, out);
    });
}

multiversion! { fn int8_rows(x: &mut [f32], width: usize) = int8_body; }
multiversion! { fn int4_groups(x: &[f32], group: usize, out: &mut [f32]) = int4_body; }
multiversion! { fn block_scales(x: &[f32], out: &mut [f32]) = block_scales_body; }
multiversion! {
    /// The levels nearest to `x`, which `largest` bring to -1..=1, times `scales`; a value of each for every block.
    fn nf4_levels(x: &[f32], largest: &[f32], scales: &[f32], out: &mut [f32]) = nf4_levels_body;
}

#[inline(always)]
fn int8_body<F: MulAdd>(x: &mut [f32], width: usize) {
    for row in x.chunks_exact_mut(width) {
        let step = int8::plain_step(largest(row));
        for x in row {
            *x = step.code(*x, int8::LIMIT) * step.scale;
        }
    }
}

#[inline(always)]
fn int4_body<F: MulAdd>(x: &[f32], group: usize, out: &mut [f32]) {
    for (x, out) in x.chunks(group).zip(out.chunks_mut(group)) {
        let step = int4::plain_step(largest(x));
        for (to, x) in out.iter_mut().zip(x) {
            *to = step.code(*x, int4::LIMIT) * step.scale;
        }
    }
}

#[inline(always)]
fn block_scales_body<F: MulAdd>(x: &[f32], out: &mut [f32]) {
    let (blocks, short) = x.as_chunks::<NF4_BLOCK>();
    for (to, block) in out.iter_mut().zip(blocks) {
        *to = block_scale(block);
    }
    if let (Some(to), false) = (out.last_mut(), short.is_empty()) {
        *to = block_scale(short);
    }
}

#[inline(always)]
fn nf4_levels_body<F: MulAdd>(x: &[f32], largest: &[f32], scales: &[f32], out: &mut [f32]) {
    let (blocks, short) = x.as_chunks::<NF4_BLOCK>();
    let (out, short_out) = out.as_chunks_mut::<NF4_BLOCK>();
    for (((x, out), largest), scale) in blocks.iter().zip(out).zip(largest).zip(scales) {
        let divisor = divisor(*largest, false);
        for (to, x) in out.iter_mut().zip(x) {
            *to = level(divisor, *x) * scale;
        }
    }
    if let (Some(largest), false) = (largest.last(), short.is_empty()) {
        let divisor = divisor(*largest, true);
        for (to, x) in short_out.iter_mut().zip(short) {
            *to = level(divisor, *x) * scales[blocks.len()];
        }
    }
}

/// The nearest level: a chain of selections, which vectorizes where a search or a table would not.
#[inline(always)]
fn level(divisor: Divisor, x: f32) -> f32 {
    let x = divisor.apply(x);
    let mut level = LEVELS[0];
    for i in 0..BOUNDS.len() {
        level = if x > BOUNDS[i] { LEVELS[i + 1] } else { level };
    }
    level
}
