//! Sums and in-place arithmetic over whole buffers, formed in an order that no thread count changes.

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ELEMENTS, CHUNK_ROWS, Pieces, SMALL, for_pieces, tasks_unless};
use crate::scratch;

/// a += b.
///
/// # Panics
/// If the lengths differ.
pub fn add_assign(isa: Isa, a: &mut [f32], b: &[f32]) {
    assert_eq!(a.len(), b.len());
    for_pieces(a, CHUNK_ELEMENTS, |i, a| {
        let start = i * CHUNK_ELEMENTS;
        add(isa, a, &b[start..start + a.len()]);
    });
}

/// Adds each column's sum over the rows of `x` to `sums`: the gradient of a bias.
///
/// # Panics
/// If `x` does not hold rows of `sums.len()` values.
pub fn sum_rows(isa: Isa, x: &[f32], sums: &mut [f32]) {
    let width = sums.len();
    assert!(width > 0 && x.len().is_multiple_of(width));
    let piece = CHUNK_ROWS * width;
    let mut partial = scratch::zeros(x.len().div_ceil(piece) * width);
    let pieces = Pieces::new(&mut partial, width);
    tasks_unless(x.len() <= SMALL, pieces.count(), |i| {
        // SAFETY: each task takes the piece of its own number, once.
        let partial = unsafe { pieces.get(i) };
        for row in x[i * piece..].chunks_exact(width).take(CHUNK_ROWS) {
            add(isa, partial, row);
        }
    });
    for part in partial.chunks_exact(width) {
        add(isa, sums, part);
    }
}

/// The sum of the squares of all elements, in f64.
pub fn sum_of_squares(isa: Isa, x: &[f32]) -> f64 {
    let count = x.len().div_ceil(CHUNK_ELEMENTS);
    // Two f32 hold the bits of an f64.
    let mut parts = scratch::zeros(2 * count);
    let pieces = Pieces::new(&mut parts, 2);
    tasks_unless(x.len() <= SMALL, count, |i| {
        let start = i * CHUNK_ELEMENTS;
        let bits = squares(isa, &x[start..(start + CHUNK_ELEMENTS).min(x.len())]).to_bits();
        // SAFETY: each task takes the piece of its own number, once.
        let to = unsafe { pieces.get(i) };
        (to[0], to[1]) = (f32::from_bits(bits as u32), f32::from_bits((bits >> 32) as u32));
    });
    let value = |p: &[f32]| f64::from_bits(u64::from(p[0].to_bits()) | u64::from(p[1].to_bits()) << 32);
    parts.chunks_exact(2).map(value).sum()
}

multiversion! { fn add(a: &mut [f32], b: &[f32]) = add_body; }
multiversion! { fn squares(x: &[f32]) -> f64 = squares_body; }

#[inline(always)]
fn add_body<F: MulAdd>(a: &mut [f32], b: &[f32]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
}

#[inline(always)]
fn squares_body<F: MulAdd>(x: &[f32]) -> f64 {
    let mut acc = [0.0f64; 8];
    let chunks = x.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (acc, x) in acc.iter_mut().zip(chunk) {
            *acc += f64::from(*x) * f64::from(*x);
        }
    }
    for (acc, x) in acc.iter_mut().zip(rest) {
        *acc += f64::from(*x) * f64::from(*x);
    }
    acc.iter().sum()
}
