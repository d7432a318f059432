//! Products in f32: register tiles over a packed right side, and a left side as it stands or packed.

use std::ops::Range;

use super::pack::{Source, copy_strip};
use super::packed::SIDE;
use super::{Job, Left, store};
use crate::isa::Isa;
use crate::scratch::{self, Scratch};
use crate::tile::{Place, multiply_at};

/// Strips that are used for all rows before the next ones.
const GROUP: usize = 3;

/// Multiplies a block of rows by columns that start at a strip, over one piece of the depth.
///
/// # Safety
/// The sides must be as large as the job says, and the caller's task alone writes these rows and columns of c.
pub(super) unsafe fn block(
    isa: Isa,
    job: Job<'_>,
    a: Left<'_>,
    rows: Range<usize>,
    columns: Range<usize>,
    depth: Range<usize>,
    adds: bool,
) {
    let packed;
    let left = match a {
        Left::Rows(data, stride) => Rows::Plain(&data[rows.start * stride + depth.start..], stride),
        Left::Packed(packed) => {
            let tiles = packed.tiles();
            Rows::Strips(tiles.at(rows.start / SIDE, depth.start).cast(), tiles.strip())
        }
        Left::Columns(data, stride) => {
            packed = pack_block(isa, data, stride, rows.clone(), &depth);
            Rows::Strips(packed.as_ptr(), depth.len())
        }
    };
    let (first, count) = (rows.start, rows.len());
    // Whole strips go straight to c; the last one, where it is not whole, by way of a buffer.
    let whole = columns.len() / SIDE;
    for strip in (0..whole).step_by(GROUP) {
        let strips = GROUP.min(whole - strip);
        let column = columns.start + strip * SIDE;
        for (rows, left) in left.parts(0..count) {
            let at = Place {
                b: job.b.at(column / SIDE, depth.start).cast(),
                ldb: SIDE,
                strip: job.b.strip() * SIDE,
                c: job.c.at((first + rows.start) * job.n + column),
                ldc: job.n,
                ..left
            };
            // SAFETY: promised by the caller; packed strips have whole lines.
            unsafe { multiply_at(isa, (rows.len(), strips, depth.len()), at, adds) };
        }
    }
    let column = columns.start + whole * SIDE;
    if column == columns.end {
        return;
    }
    for row in (0..count).step_by(SIDE) {
        let part = row..(row + SIDE).min(count);
        let of_c = first + part.start..first + part.end;
        let mut values = [0.0; SIDE * SIDE];
        if adds {
            // SAFETY: this task alone uses these elements.
            unsafe { store::load(job.c, job.n, of_c.clone(), column..columns.end, &mut values, SIDE) };
        }
        for (rows, left) in left.parts(part) {
            let at = Place {
                b: job.b.at(column / SIDE, depth.start).cast(),
                ldb: SIDE,
                strip: 0,
                c: values[(rows.start - row) * SIDE..].as_mut_ptr(),
                ldc: SIDE,
                ..left
            };
            // SAFETY: as above; the buffer has a line for each row.
            unsafe { multiply_at(isa, (rows.len(), 1, depth.len()), at, adds) };
        }
        // SAFETY: as above.
        unsafe { store::store(job.c, job.n, of_c, column..columns.end, &values, SIDE) };
    }
}

/// Packs a block of rows that lie side by side, over one piece of the depth.
fn pack_block(isa: Isa, data: &[f32], stride: usize, rows: Range<usize>, depth: &Range<usize>) -> Scratch {
    let mut to = scratch::zeros(rows.len().div_ceil(SIDE) * SIDE * depth.len());
    let data = &data[depth.start * stride + rows.start..];
    let from = Source { data, side: 1, depth: stride, sides: rows.len(), depths: depth.len() };
    for (i, strip) in to.chunks_exact_mut(SIDE * depth.len()).enumerate() {
        copy_strip(isa, from, i * SIDE, strip);
    }
    to
}

/// The left side of a block of rows over one piece of the depth.
#[derive(Clone, Copy)]
enum Rows<'a> {
    /// The first element, and the elements between rows.
    Plain(&'a [f32], usize),
    /// Strips of so many lines.
    Strips(*const f32, usize),
}

impl Rows<'_> {
    /// These rows (counted from the block's first, a multiple of 16) in parts that one call can take: all, or strip by strip.
    /// The other fields of the places are to be filled in.
    fn parts(self, rows: Range<usize>) -> impl Iterator<Item = (Range<usize>, Place)> {
        let none = Place {
            a: std::ptr::null(),
            row: 1,
            column: SIDE,
            b: std::ptr::null(),
            ldb: 0,
            strip: 0,
            c: std::ptr::null_mut(),
            ldc: 0,
        };
        let step = if matches!(self, Self::Plain(..)) { rows.len().max(1) } else { SIDE };
        rows.clone().step_by(step).map(move |row| {
            let place = match self {
                Self::Plain(data, stride) => {
                    Place { a: data.as_ptr().wrapping_add(row * stride), row: stride, column: 1, ..none }
                }
                Self::Strips(first, lines) => Place { a: first.wrapping_add(row * lines), ..none },
            };
            (row..(row + step).min(rows.end), place)
        })
    }
}
