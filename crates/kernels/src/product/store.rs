//! Blocks at the edge of c go through a buffer of whole tiles: what lies outside c is left out.

use std::ops::Range;

use crate::parallel::Shared;

/// Copies rows and columns of c, whose rows have `n` elements, to rows of `stride` values.
///
/// # Safety
/// c must have these rows and columns, and nobody may write them meanwhile.
#[inline(always)]
pub(super) unsafe fn load(
    c: Shared,
    n: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    to: &mut [f32],
    stride: usize,
) {
    for (row, to) in rows.zip(to.chunks_exact_mut(stride)) {
        // SAFETY: promised by the caller.
        let from = unsafe { c.slice(row * n + columns.start, columns.len()) };
        to[..columns.len()].copy_from_slice(from);
    }
}

/// Copies rows of `stride` values to rows and columns of c.
///
/// # Safety
/// c must have these rows and columns, and nobody else may use them meanwhile.
#[inline(always)]
pub(super) unsafe fn store(
    c: Shared,
    n: usize,
    rows: Range<usize>,
    columns: Range<usize>,
    from: &[f32],
    stride: usize,
) {
    for (row, from) in rows.zip(from.chunks_exact(stride)) {
        // SAFETY: promised by the caller.
        let to = unsafe { c.slice(row * n + columns.start, columns.len()) };
        to.copy_from_slice(&from[..columns.len()]);
    }
}
