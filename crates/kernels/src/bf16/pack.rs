//! Packing: f32 matrices to tiles of bfloat16. A tile covers 16 rows (or columns) and 32 of the depth in 16 lines of 64
//! bytes, in one of two forms:
//!
//! - **row form**, for the left side: line r holds row r's 32 values along the depth;
//! - **pair form**, for the right side: line p holds, for each of 16 columns, the two values at depths 2p and 2p + 1.
//!
//! Each form is the other one's transpose, seen as 16 x 16 pairs. What lies outside the matrix is zero. Tiles follow one
//! another along the depth first.

use rayon::prelude::*;

use super::View;

/// Rows or columns of a tile.
pub(super) const SIDE: usize = 16;
/// Depth of a tile.
pub(super) const DEPTH: usize = 32;
/// Lines of a tile.
pub(super) const LINES: usize = 16;

/// Sixteen pairs of bfloat16 values.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [u32; 16]);

/// The packed tiles of one side, `[tiles, depth]`.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub(super) lines: *const Line,
    pub(super) count: usize,
    pub(super) depth: usize,
}

// SAFETY: the lines are only read while tasks share them.
unsafe impl Send for Tiles {}
// SAFETY: as above.
unsafe impl Sync for Tiles {}

impl Tiles {
    /// The first line of the tiles along the depth for rows (or columns) `tile`.
    ///
    /// # Safety
    /// `tile` must be below the number of tiles.
    #[inline(always)]
    pub(super) unsafe fn at(self, tile: usize) -> *const Line {
        debug_assert!(tile < self.count);
        // SAFETY: promised by the caller.
        unsafe { self.lines.add(tile * self.depth * LINES) }
    }
}

/// Packs the left side, `[m, k]`, in row form.
pub(super) fn rows(a: View<'_>, m: usize, k: usize, to: &mut Vec<Line>) {
    // Along the depth the left side's column stride counts.
    pack(Source { data: a.data, side: a.row, depth: a.column, sides: m, depths: k }, Form::Row, to);
}

/// Packs the right side, `[k, n]`, in pair form.
pub(super) fn columns(b: View<'_>, k: usize, n: usize, to: &mut Vec<Line>) {
    pack(Source { data: b.data, side: b.column, depth: b.row, sides: n, depths: k }, Form::Pair, to);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Row,
    Pair,
}

/// A matrix seen as rows (or columns) along a depth, with the strides of both.
#[derive(Clone, Copy)]
struct Source<'a> {
    data: &'a [f32],
    side: usize,
    depth: usize,
    sides: usize,
    depths: usize,
}

fn pack(from: Source<'_>, form: Form, to: &mut Vec<Line>) {
    let depth_tiles = from.depths.div_ceil(DEPTH);
    let lines = from.sides.div_ceil(SIDE) * depth_tiles * LINES;
    if to.len() < lines {
        to.resize(lines, Line([0; 16]));
    }
    let strip = depth_tiles * LINES;
    let one = |(tile, lines): (usize, &mut [Line])| strip_of_tiles(from, form, tile * SIDE, lines);
    if lines < 4 * 1_024 {
        to[..lines].chunks_mut(strip).enumerate().for_each(one);
    } else {
        to[..lines].par_chunks_mut(strip).enumerate().for_each(one);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn strip_of_tiles(_: Source<'_>, _: Form, _: usize, _: &mut [Line]) {
    unreachable!("no value of `Bf16` exists on this processor")
}

/// The tiles of 16 rows (or columns) from `first` on.
#[cfg(target_arch = "x86_64")]
fn strip_of_tiles(from: Source<'_>, form: Form, first: usize, lines: &mut [Line]) {
    // SAFETY: packing is only called by `product`, whose `Bf16` exists only where these features do.
    unsafe { x86::strip(from, form, first, lines) }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512i, _mm512_cvtne2ps_pbh, _mm512_loadu_si512, _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16,
        _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_store_si512, _mm512_unpackhi_epi32,
        _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    use super::{DEPTH, Form, LINES, Line, SIDE, Source};

    /// For a register of 16 values of one row and then 16 of another: the order that puts them into pairs.
    const INTERLEAVE: [u16; 32] = {
        let mut order = [0; 32];
        let mut i = 0;
        while i < 16 {
            order[2 * i] = i as u16;
            order[2 * i + 1] = i as u16 + 16;
            i += 1;
        }
        order
    };

    /// # Safety
    /// The processor must have the features; `from`'s shape and strides must lie within its data.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(super) unsafe fn strip(from: Source<'_>, form: Form, first: usize, lines: &mut [Line]) {
        let sides = SIDE.min(from.sides - first);
        for (tile, lines) in lines.chunks_exact_mut(LINES).enumerate() {
            let start = tile * DEPTH;
            let depths = DEPTH.min(from.depths - start);
            // SAFETY: the tile's `sides` and `depths` lie within the matrix.
            let tile = unsafe {
                if from.depth == 1 {
                    along_depth(from, first, sides, start, depths)
                } else {
                    along_side(from, first, sides, start, depths)
                }
            };
            // Reading along the depth gives the row form, along the side the pair form.
            let is_row_form = from.depth == 1;
            let tile = if is_row_form == (form == Form::Row) { tile } else { transposed(&tile) };
            for (line, value) in lines.iter_mut().zip(tile) {
                // SAFETY: a line is 64 bytes, aligned to 64.
                unsafe { _mm512_store_si512(line.0.as_mut_ptr().cast(), value) };
            }
        }
    }

    /// The lower `n` of 16 bits.
    fn mask(n: usize) -> u16 {
        if n >= 16 { u16::MAX } else { (1 << n) - 1 }
    }

    /// # Safety
    /// As for [`strip`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn along_depth(
        from: Source<'_>,
        first: usize,
        sides: usize,
        start: usize,
        depths: usize,
    ) -> [__m512i; 16] {
        let (low, high) = (mask(depths), mask(depths.saturating_sub(16)));
        let mut tile = [_mm512_setzero_si512(); 16];
        for (i, line) in tile.iter_mut().enumerate().take(sides) {
            // SAFETY: masked-out elements are not read; the others lie within the row.
            *line = unsafe {
                let at = from.data.as_ptr().add((first + i) * from.side + start);
                let a = _mm512_maskz_loadu_ps(low, at);
                let b = _mm512_maskz_loadu_ps(high, at.wrapping_add(16));
                std::mem::transmute::<std::arch::x86_64::__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a))
            };
        }
        tile
    }

    /// # Safety
    /// As for [`strip`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn along_side(
        from: Source<'_>,
        first: usize,
        sides: usize,
        start: usize,
        depths: usize,
    ) -> [__m512i; 16] {
        let columns = mask(sides);
        // SAFETY: the table is 64 bytes long.
        let order = unsafe { _mm512_loadu_si512(INTERLEAVE.as_ptr().cast()) };
        let mut tile = [_mm512_setzero_si512(); 16];
        for (pair, line) in tile.iter_mut().enumerate().take(depths.div_ceil(2)) {
            let second = if 2 * pair + 1 < depths { columns } else { 0 };
            // SAFETY: masked-out elements are not read; the others lie within the matrix.
            *line = unsafe {
                let at = from.data.as_ptr().add((start + 2 * pair) * from.depth + first);
                let a = _mm512_maskz_loadu_ps(columns, at);
                let b = _mm512_maskz_loadu_ps(second, at.wrapping_add(from.depth));
                let both =
                    std::mem::transmute::<std::arch::x86_64::__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
                _mm512_permutexvar_epi16(order, both)
            };
        }
        tile
    }

    /// The transpose of 16 x 16 elements of 32 bits.
    #[target_feature(enable = "avx512f")]
    fn transposed(t: &[__m512i; 16]) -> [__m512i; 16] {
        // Within lanes of 128 bits: first neighbouring rows, then neighbouring pairs of rows.
        let mut a = *t;
        for i in (0..16).step_by(2) {
            a[i] = _mm512_unpacklo_epi32(t[i], t[i + 1]);
            a[i + 1] = _mm512_unpackhi_epi32(t[i], t[i + 1]);
        }
        let mut b = a;
        for i in (0..16).step_by(4) {
            b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
            b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
            b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
            b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
        }
        // Across lanes: b[4 g + c] holds column 4 l + c of rows 4 g to 4 g + 3 in lane l.
        let mut out = b;
        for c in 0..4 {
            let low = _mm512_shuffle_i32x4::<0x88>(b[c], b[4 + c]);
            let high = _mm512_shuffle_i32x4::<0xdd>(b[c], b[4 + c]);
            let low2 = _mm512_shuffle_i32x4::<0x88>(b[8 + c], b[12 + c]);
            let high2 = _mm512_shuffle_i32x4::<0xdd>(b[8 + c], b[12 + c]);
            out[c] = _mm512_shuffle_i32x4::<0x88>(low, low2);
            out[4 + c] = _mm512_shuffle_i32x4::<0x88>(high, high2);
            out[8 + c] = _mm512_shuffle_i32x4::<0xdd>(low, low2);
            out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(high, high2);
        }
        out
    }
}
