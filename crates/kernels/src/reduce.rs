//! Sums and in-place arithmetic over whole buffers, formed in an order that no thread count changes.

use rayon::prelude::*;

use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{CHUNK_ELEMENTS, CHUNK_ROWS, for_pieces};

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
    let mut partial = vec![0.0f32; x.len().div_ceil(piece) * width];
    partial.par_chunks_mut(width).zip(x.par_chunks(piece)).for_each(|(partial, rows)| {
        for row in rows.chunks_exact(width) {
            add(isa, partial, row);
        }
    });
    for part in partial.chunks_exact(width) {
        add(isa, sums, part);
    }
}

/// The sum of the squares of all elements, in f64.
pub fn sum_of_squares(isa: Isa, x: &[f32]) -> f64 {
    let parts: Vec<f64> = x.par_chunks(CHUNK_ELEMENTS).map(|part| squares(isa, part)).collect();
    parts.iter().sum()
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
