//! Sides of int8 products, and the products without 512-bit registers.
//!
//! The left side is unsigned: a row's values are divided by 1/127 of the largest one's magnitude, rounded to the nearest integer
//! (ties to even), and 128 is added, since the instructions multiply unsigned by signed bytes. What that adds to a product,
//! 128 times the sum of a column of the right side, is taken off again when the product is finished. Sums are exact on every
//! instruction set.

use std::cell::RefCell;
use std::ops::Range;

use super::pack::{as_floats, transpose_tile};
use super::packed::{DEPTH8, Form, Format, LINES, Line, Packed, SIDE, Spare, TileJob};
use super::store;
use crate::isa::{Isa, MulAdd, multiversion};
use crate::parallel::{Shared, tasks_unless};
use crate::quant::int8_scale;

/// 1.5 · 2^23: adding it rounds to the nearest integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Rows of activations in int8, as the left side of products, each with what its integers are multiplied by.
pub(crate) struct Rows8 {
    pub(super) packed: Spare,
    pub(crate) scales: Vec<f32>,
}

impl Rows8 {
    /// Quantizes the rows of x, `[rows, depth]`, over the pool.
    pub(crate) fn new(isa: Isa, x: &[f32], depth: usize) -> Self {
        /// Rows of a task.
        const ROWS: usize = 8;
        let rows = x.len() / depth;
        let (out, to) = Self::room(rows, depth);
        let pieces = x.chunks(ROWS * depth);
        tasks_unless(x.len() < 1 << 12, pieces.len(), |i| {
            let end = ((i + 1) * ROWS * depth).min(x.len());
            quantize_rows(isa, &x[i * ROWS * depth..end], depth, i * ROWS, to);
        });
        out
    }

    /// Room for so many rows, with whatever values.
    pub(crate) fn room(rows: usize, depth: usize) -> (Self, Rows8Places) {
        let mut out = Self { packed: Spare::take(), scales: vec![0.0; rows] };
        let lines = out.packed.reshape(Format::Int8, Form::Row, rows, depth);
        let places = Rows8Places {
            lines: Shared::new(as_floats(lines)),
            scales: Shared::new(&mut out.scales),
            rows,
            depth,
        };
        (out, places)
    }

    pub(crate) fn side(&self) -> &Packed {
        &self.packed
    }
}

/// Where the rows of a [`Rows8`] go: each may be written by one task.
#[derive(Clone, Copy)]
pub(crate) struct Rows8Places {
    lines: Shared,
    scales: Shared,
    rows: usize,
    depth: usize,
}

impl Rows8Places {
    /// Quantizes x as row `row`.
    ///
    /// # Safety
    /// The [`Rows8`] must live, and nobody else may use this row of it meanwhile.
    ///
    /// # Panics
    /// If there is no such row, or x has another length.
    #[inline(always)]
    pub(crate) unsafe fn put<F: MulAdd>(self, row: usize, x: &[f32]) {
        assert!(row < self.rows && x.len() == self.depth);
        let (inverse, scale) = row_scale(x);
        // SAFETY: promised by the caller, and the row exists.
        unsafe { self.scales.slice(row, 1)[0] = scale };
        let tiles = self.depth.div_ceil(DEPTH8);
        let line = (row / SIDE * tiles * LINES + row % SIDE) * SIDE;
        let (whole, rest) = x.as_chunks::<DEPTH8>();
        for (tile, values) in whole.iter().enumerate() {
            // SAFETY: a line of 16 words lies within this row's strip.
            let to = unsafe { self.lines.slice(line + tile * LINES * SIDE, SIDE) };
            quantize_line(values, inverse, to);
        }
        if !rest.is_empty() {
            let mut values = [0.0; DEPTH8];
            values[..rest.len()].copy_from_slice(rest);
            // SAFETY: as above.
            let to = unsafe { self.lines.slice(line + whole.len() * LINES * SIDE, SIDE) };
            quantize_line(&values, inverse, to);
        }
    }
}

/// 127 by the largest magnitude of a row, and the other way round. NaN and infinity make the scale one of them, and with it
/// every product of the row.
#[inline(always)]
fn row_scale(x: &[f32]) -> (f32, f32) {
    const LANES: usize = 16;
    let mut most = [0u32; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    // As integers, the bits of magnitudes are in the order of their values, and those of NaN above all.
    let magnitude = |x: f32| x.to_bits() & 0x7fff_ffff;
    for part in whole {
        for l in 0..LANES {
            most[l] = most[l].max(magnitude(part[l]));
        }
    }
    for (most, x) in most.iter_mut().zip(rest) {
        *most = (*most).max(magnitude(*x));
    }
    let most = f32::from_bits(most.into_iter().fold(0, u32::max));
    let (scale, inverse) = int8_scale(most);
    (inverse, scale)
}

#[inline(always)]
fn quantize_line(values: &[f32; DEPTH8], inverse: f32, to: &mut [f32]) {
    let mut bytes = [0u8; DEPTH8];
    for (byte, x) in bytes.iter_mut().zip(values) {
        *byte = ((x * inverse + ROUND).to_bits() as u8) ^ 0x80;
    }
    for (word, four) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = f32::from_bits(u32::from_ne_bytes(*four));
    }
}

multiversion! { pub(crate) fn quantize_rows(x: &[f32], depth: usize, first: usize, to: Rows8Places) = quantize_rows_body; }

#[inline(always)]
fn quantize_rows_body<F: MulAdd>(x: &[f32], depth: usize, first: usize, to: Rows8Places) {
    for (i, row) in x.chunks_exact(depth).enumerate() {
        // SAFETY: the caller's task alone writes these rows.
        unsafe { to.put::<F>(first + i, row) };
    }
}

thread_local! {
    /// The rows of a strip while it is packed.
    static STRIP: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// The words' memory as bytes, four to a word in the order in which they stand.
fn as_bytes(words: &mut [f32]) -> &mut [i8] {
    // SAFETY: i8 has no alignment, and any bits are valid in both.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), words.len() * 4) }
}

/// Packs a right side of signed bytes; `read` writes one of its columns, which lies along the depth. A task takes a strip.
pub(crate) fn pack_rows(
    isa: Isa,
    to: &mut Packed,
    (columns, depth): (usize, usize),
    read: impl Fn(usize, &mut [i8]) + Sync + Send,
) {
    let tiles = depth.div_ceil(DEPTH8);
    let words = tiles * DEPTH8 / 4;
    let lines = Shared::new(as_floats(to.reshape(Format::Int8, Form::Pair, columns, depth)));
    tasks_unless(columns * depth < 1 << 14, columns.div_ceil(SIDE), |strip| {
        STRIP.with_borrow_mut(|rows| {
            rows.resize(SIDE * words, 0.0);
            for (i, row) in rows.chunks_exact_mut(words.max(1)).enumerate() {
                let bytes = as_bytes(row);
                if strip * SIDE + i < columns {
                    read(strip * SIDE + i, &mut bytes[..depth]);
                    bytes[depth..].fill(0);
                } else {
                    bytes.fill(0);
                }
            }
            for tile in 0..tiles {
                // SAFETY: this task alone writes this strip's lines.
                let to = unsafe { lines.slice((strip * tiles + tile) * LINES * SIDE, LINES * SIDE) };
                transpose_tile(isa, &rows[tile * SIDE..], words, to, SIDE);
            }
        });
    });
}

/// Rows of sums at a time.
const ROWS: usize = 4;

/// A block of up to four rows by a strip, with one line of the right side after the other: `dot` adds the products of a row's
/// four values with those of 16 columns.
///
/// # Safety
/// The ranges must lie within the job's sides, and the caller's task alone writes these rows and columns of c.
#[inline(always)]
unsafe fn blocks<S: Copy>(
    job: TileJob,
    rows: Range<usize>,
    columns: Range<usize>,
    zero: S,
    lines: impl Fn(&mut [S; ROWS], *const Line, [*const i32; ROWS], usize),
    values: impl Fn(S) -> [i32; SIDE],
) {
    for column in columns.clone().step_by(SIDE) {
        for row in rows.clone().step_by(ROWS) {
            let rows = row..(row + ROWS).min(rows.end);
            let columns = column..(column + SIDE).min(columns.end);
            let mut acc = [zero; ROWS];
            for tile in 0..job.tiles {
                // A strip has 16 lines of rows in every tile, whether there are so many rows or not.
                let a = std::array::from_fn(|r| {
                    job.a.at(row / SIDE, job.line + tile * LINES + (row + r) % SIDE).cast::<i32>()
                });
                lines(&mut acc, job.b.at(column / SIDE, job.line + tile * LINES), a, LINES);
            }
            let mut out = [0.0f32; ROWS * SIDE];
            // SAFETY: promised by the caller.
            unsafe {
                if job.adds {
                    store::load(job.c, job.n, rows.clone(), columns.clone(), &mut out, SIDE);
                }
                for (out, acc) in out.chunks_exact_mut(SIDE).zip(acc) {
                    for (out, sum) in out.iter_mut().zip(values(acc)) {
                        let before = if job.adds { out.to_bits() as i32 } else { 0 };
                        *out = f32::from_bits(before.wrapping_add(sum) as u32);
                    }
                }
                store::store(job.c, job.n, rows, columns, &out, SIDE);
            }
        }
    }
}

/// # Safety
/// As for [`blocks`].
pub(super) unsafe fn portable(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
    let lines = |acc: &mut [[i32; SIDE]; ROWS], b: *const Line, a: [*const i32; ROWS], count: usize| {
        for line in 0..count {
            // SAFETY: a tile has so many lines, and a row's line as many words.
            let b = unsafe { (*b.add(line)).0 };
            for (acc, a) in acc.iter_mut().zip(a) {
                // SAFETY: as above.
                let left = unsafe { *a.add(line) }.to_ne_bytes().map(i32::from);
                for (sum, word) in acc.iter_mut().zip(b) {
                    let right = word.to_ne_bytes().map(|x| i32::from(x as i8));
                    *sum += left[0] * right[0] + left[1] * right[1] + left[2] * right[2] + left[3] * right[3];
                }
            }
        }
    };
    // SAFETY: promised by the caller.
    unsafe { blocks(job, rows, columns, [0i32; SIDE], lines, |sums| sums) };
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{avx_vnni, avx2};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_dpbusd_avx_epi32, _mm256_loadu_si256,
        _mm256_madd_epi16, _mm256_set1_epi16, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_slli_epi16,
        _mm256_srai_epi16, _mm256_srli_epi16,
    };

    use super::{LINES, Line, ROWS, Range, SIDE, TileJob, blocks};

    /// Sixteen sums.
    type Sums = [__m256i; 2];

    #[inline(always)]
    fn values(sums: Sums) -> [i32; SIDE] {
        // SAFETY: both are 64 plain bytes.
        unsafe { std::mem::transmute(sums) }
    }

    /// `vpmaddubsw` would saturate, so bytes are widened to 16 bits: even ones and odd ones apart.
    ///
    /// # Safety
    /// As for [`blocks`], and the processor must have AVX2.
    #[target_feature(enable = "avx2,fma")]
    pub(in crate::product) unsafe fn avx2(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        let lines = |acc: &mut [Sums; ROWS], b: *const Line, a: [*const i32; ROWS], count: usize| {
            // SAFETY: this function has the features; a tile has so many lines, and a row's line as many words.
            unsafe {
                let low = _mm256_set1_epi16(0xff);
                for line in 0..count {
                    let b = b.add(line).cast::<__m256i>();
                    let b = [_mm256_loadu_si256(b), _mm256_loadu_si256(b.add(1))];
                    let even = b.map(|b| _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(b)));
                    let odd = b.map(|b| _mm256_srai_epi16::<8>(b));
                    for (acc, a) in acc.iter_mut().zip(a) {
                        let a = _mm256_set1_epi32(*a.add(line));
                        let (a_even, a_odd) = (_mm256_and_si256(a, low), _mm256_srli_epi16::<8>(a));
                        for ((acc, even), odd) in acc.iter_mut().zip(even).zip(odd) {
                            let both = _mm256_add_epi32(
                                _mm256_madd_epi16(a_even, even),
                                _mm256_madd_epi16(a_odd, odd),
                            );
                            *acc = _mm256_add_epi32(*acc, both);
                        }
                    }
                }
            }
        };
        // SAFETY: promised by the caller.
        unsafe { blocks(job, rows, columns, [_mm256_setzero_si256(); 2], lines, values) };
    }

    /// # Safety
    /// As for [`blocks`], and the processor must have AVX-VNNI.
    #[target_feature(enable = "avx2,fma,avxvnni")]
    pub(in crate::product) unsafe fn avx_vnni(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        let lines = |acc: &mut [Sums; ROWS], b: *const Line, a: [*const i32; ROWS], count: usize| {
            // SAFETY: this function has the features; a tile has so many lines, and a row's line as many words.
            unsafe {
                for line in 0..count {
                    let b = b.add(line).cast::<__m256i>();
                    let b = [_mm256_loadu_si256(b), _mm256_loadu_si256(b.add(1))];
                    for (acc, a) in acc.iter_mut().zip(a) {
                        let a = _mm256_set1_epi32(*a.add(line));
                        for (acc, b) in acc.iter_mut().zip(b) {
                            *acc = _mm256_dpbusd_avx_epi32(*acc, a, b);
                        }
                    }
                }
            }
        };
        // SAFETY: promised by the caller.
        unsafe { blocks(job, rows, columns, [_mm256_setzero_si256(); 2], lines, values) };
    }

    const _: () = assert!(LINES == SIDE);
}
