//! Matrix products in bfloat16 with sums in f32: c = a · b, where a and b are f32 matrices of any orientation that are
//! rounded to bfloat16 (to the nearest, ties to even) while they are packed.
//!
//! Both sides are packed into tiles of 1 KiB that suit AVX512-BF16 and AMX alike (see [`pack`]). Weights change with
//! every step of training, so packing is part of every product and is kept cheap: contiguous reads and writes, over
//! the pool. An element of c is summed over the depth in one order that depends on nothing but the depth: it has the
//! same bits whatever the other rows, columns or threads are.

mod amx;
mod avx512;
mod pack;

use std::cell::RefCell;

use rayon::prelude::*;

use crate::parallel::Shared;
use pack::{DEPTH, LINES, Line, SIDE, Tiles};

/// A processor's way to multiply bfloat16 matrices. A value exists only where the processor has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bf16(Unit);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Avx512,
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    Amx,
}

impl Bf16 {
    /// The fastest way this processor has, if it is faster than f32. Intel's processors execute AVX512-BF16 at about 0.6
    /// of their rate of f32 multiply-adds (measured, see LOG.md), AMD's at twice that rate.
    pub fn detect() -> Option<Self> {
        Self::available().pop().filter(|kind| kind.0 != Unit::Avx512 || !is_intel())
    }

    /// Every way this processor has, slowest first.
    pub fn available() -> Vec<Self> {
        #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bf16")
        {
            all.push(Self(Unit::Avx512));
            if amx::is_available() {
                all.push(Self(Unit::Amx));
            }
        }
        all
    }

    /// The name as it is printed: `avx512bf16` or `amx`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Unit::Avx512 => "avx512bf16",
            Unit::Amx => "amx",
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn is_intel() -> bool {
    // Leaf 0 spells the vendor in EBX, EDX, ECX; "Genu" is Intel's first word.
    std::arch::x86_64::__cpuid(0).ebx == u32::from_le_bytes(*b"Genu")
}

#[cfg(not(target_arch = "x86_64"))]
fn is_intel() -> bool {
    false
}

/// An f32 matrix with its strides: element (i, j) stands at `data[i * row + j * column]`, and one of the strides is 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// Rows of tiles that one task multiplies: its tiles of a stay in the second-level cache while those of b pass by.
const TASK_ROWS: usize = 8;
/// Columns of tiles of one task.
const TASK_COLUMNS: usize = 6;

thread_local! {
    /// The packed sides of the product that this thread last started.
    static PACKED: RefCell<(Vec<Line>, Vec<Line>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// c `[m, n]` = a `[m, k]` · b `[k, n]`, or c += a · b where `accumulate`. c is row-major.
///
/// # Panics
/// If a slice is shorter than its shape and strides say.
pub(crate) fn product(
    kind: Bf16,
    (m, n, k): (usize, usize, usize),
    c: &mut [f32],
    a: View<'_>,
    b: View<'_>,
    accumulate: bool,
) {
    assert_eq!(c.len(), m * n);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !accumulate {
            c.fill(0.0);
        }
        return;
    }
    for (view, rows, columns) in [(a, m, k), (b, k, n)] {
        assert!(view.row == 1 || view.column == 1, "one stride is 1");
        assert!(view.data.len() > (rows - 1) * view.row + (columns - 1) * view.column);
    }
    let (m_tiles, n_tiles, k_tiles) = (m.div_ceil(SIDE), n.div_ceil(SIDE), k.div_ceil(DEPTH));
    let (mut packed_a, mut packed_b) = PACKED.take();
    pack::rows(a, m, k, &mut packed_a);
    pack::columns(b, k, n, &mut packed_b);
    let side = |lines: &[Line], count: usize| Tiles { lines: lines.as_ptr(), count, depth: k_tiles };
    let job =
        Job { a: side(&packed_a, m_tiles), b: side(&packed_b, n_tiles), c: Shared::new(c), m, n, accumulate };
    let (across, down) = (n_tiles.div_ceil(TASK_COLUMNS), m_tiles.div_ceil(TASK_ROWS));
    let one = |task: usize| {
        let (row, column) = (task % down * TASK_ROWS, task / down * TASK_COLUMNS);
        let rows = row..(row + TASK_ROWS).min(m_tiles);
        let columns = column..(column + TASK_COLUMNS).min(n_tiles);
        match kind.0 {
            // SAFETY: the kind exists only where the processor has the features; the job's pointers cover the tiles
            // and c, and this task alone writes these rows and columns of c.
            Unit::Avx512 => unsafe { avx512::block(job, rows, columns) },
            // SAFETY: as above.
            Unit::Amx => unsafe { amx::block(job, rows, columns) },
        }
    };
    if across * down == 1 {
        one(0);
    } else {
        (0..across * down).into_par_iter().for_each(one);
    }
    PACKED.set((packed_a, packed_b));
}

/// One product, as its tasks see it.
#[derive(Clone, Copy)]
struct Job {
    a: Tiles,
    b: Tiles,
    c: Shared,
    m: usize,
    n: usize,
    accumulate: bool,
}

impl Job {
    /// Adds a finished block to c, or puts it there: `values` holds rows of `stride` sums for the elements from
    /// (`row`, `column`) on; what lies outside c is left out.
    ///
    /// # Safety
    /// The caller's task alone writes these elements of c.
    #[inline(always)]
    unsafe fn store(self, values: &[f32], stride: usize, row: usize, column: usize) {
        let width = stride.min(self.n - column);
        for (i, sums) in values.chunks_exact(stride).enumerate().take(self.m - row) {
            // SAFETY: row + i < m and column + width <= n, and the caller promised to be alone.
            let to = unsafe { self.c.slice((row + i) * self.n + column, width) };
            if self.accumulate {
                to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
            } else {
                to.copy_from_slice(&sums[..width]);
            }
        }
    }
}

const _: () = assert!(LINES == SIDE, "a tile has a line per row, or per pair of the depth");
