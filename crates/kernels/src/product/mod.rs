//! Matrix products c = a · b of f32 matrices, computed in f32 or, rounded while they are packed, in bfloat16 with sums in f32;
//! and of int8 matrices with sums in 32-bit integers.
//!
//! The right side is packed into strips of 16 columns (see [`packed`]), the left side too where its rows do not lie along
//! the depth or are to be rounded. Weights change with every step of training, so packing is part of every product and
//! is kept cheap; weights that stay can be packed once ([`Packed`]). A task multiplies a block of rows by a group of
//! strips that stays in the second-level cache, in pieces of the depth, and then finishes its part of c (bias,
//! activation) while it is still there.
//!
//! An element of c is one chain of sums in an order that depends on nothing but the depth: it has the same bits
//! whatever the other rows, columns or threads are.

pub(crate) mod amx;
mod avx512;
mod float;
mod int8;
mod pack;
mod packed;
mod store;

use std::ops::Range;

use crate::isa::Isa;
use crate::parallel::{Shared, tasks_unless};
use crate::precision::{Bf16, Int8, Precision, Unit, Unit8};
pub(crate) use int8::{Rows8, Rows8Places, pack_rows, quantize_rows};
pub(crate) use pack::{Source, Work, pack, transpose_tile};
pub use packed::Packed;
pub(crate) use packed::{Form, Format, Spare, release_memory};
use packed::{LINES, SIDE, Tiles};

/// How elements are multiplied.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kernel {
    F32(Isa),
    Bf16(Isa, Bf16),
    /// An unsigned left side, a signed right one. c holds integers until they are finished.
    Int8(Isa, Int8),
}

impl Kernel {
    pub(crate) const fn new(isa: Isa, precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32(isa),
            Precision::Bf16(kind) => Self::Bf16(isa, kind),
        }
    }

    pub(crate) const fn isa(self) -> Isa {
        let (Self::F32(isa) | Self::Bf16(isa, _) | Self::Int8(isa, _)) = self;
        isa
    }

    pub(crate) const fn is_bf16(self) -> bool {
        matches!(self, Self::Bf16(..))
    }

    pub(crate) const fn format(self) -> Format {
        match self {
            Self::F32(_) => Format::F32,
            Self::Bf16(..) => Format::Bf16,
            Self::Int8(..) => Format::Int8,
        }
    }

    /// The depth of one piece: so much of a strip is used while it is in a cache.
    const fn depth_piece(self) -> usize {
        match self {
            Self::F32(_) => 384,
            Self::Bf16(..) => 1_024,
            Self::Int8(..) => 2_048,
        }
    }

    /// Strips that are multiplied at a time.
    const fn strips(self) -> usize {
        match self {
            Self::Bf16(_, Bf16(Unit::Amx)) | Self::Int8(_, Int8(Unit8::Amx)) => 2,
            _ => 3,
        }
    }
}

/// The left side of a product.
#[derive(Clone, Copy)]
pub(crate) enum Left<'a> {
    /// Rows along the depth, so many elements apart; for f32 only.
    Rows(&'a [f32], usize),
    /// Rows side by side, so many elements apart along the depth; for f32 only. Each task packs its own part.
    Columns(&'a [f32], usize),
    Packed(&'a Packed),
}

/// What happens to a part of c once its sums are complete.
pub(crate) trait Finish: Sync {
    /// Finishes these rows and columns of c, whose rows have `n` elements.
    ///
    /// # Safety
    /// They must exist, and the caller's task alone uses them meanwhile.
    unsafe fn block(&self, isa: Isa, c: Shared, n: usize, rows: Range<usize>, columns: Range<usize>);
}

/// Nothing happens to it.
impl Finish for () {
    unsafe fn block(&self, _: Isa, _: Shared, _: usize, _: Range<usize>, _: Range<usize>) {}
}

/// c `[m, n]` = a `[m, k]` · b `[k, n]`, or c += a · b where `accumulate`, then `finish`, row by row. c is row-major.
///
/// # Panics
/// If c or a side is not as large as the shape says.
pub(crate) fn product(
    kernel: Kernel,
    (m, n, k): (usize, usize, usize),
    c: &mut [f32],
    a: Left<'_>,
    b: &Packed,
    accumulate: bool,
    finish: &impl Finish,
) {
    assert_eq!(n, b.sides);
    products(kernel, (m, k), a, [(b, c, finish)], accumulate);
}

/// Several products with the same left side, in one pass.
///
/// # Panics
/// As for [`product`].
pub(crate) fn products<F: Finish, const N: usize>(
    kernel: Kernel,
    (m, k): (usize, usize),
    a: Left<'_>,
    all: [(&Packed, &mut [f32], &F); N],
    accumulate: bool,
) {
    match a {
        Left::Rows(data, row) => {
            assert!(kernel.format() == Format::F32 && (m == 0 || data.len() >= (m - 1) * row + k));
        }
        Left::Columns(data, depth) => {
            assert!(kernel.format() == Format::F32 && (k == 0 || data.len() >= (k - 1) * depth + m));
        }
        Left::Packed(a) => assert!(a.holds(kernel, m, k, Form::Row)),
    }
    let (mut count, mut work) = (0, 0);
    let parts = all.map(|(b, c, finish)| {
        let n = b.sides;
        assert!(c.len() == m * n && b.holds(kernel, n, k, Form::Pair));
        if k == 0 && !accumulate {
            c.fill(0.0);
        }
        let (rows, strips) = blocks(kernel, m, n, k);
        let (down, across) = (m.div_ceil(rows), n.div_ceil(SIDE).div_ceil(strips));
        (count, work) = (count + down * across, work + m * n * k);
        let job = Job { kernel, a, b: b.tiles(), c: Shared::new(c), n, k, accumulate };
        (job, finish, (rows, strips), (down, down * across))
    });
    tasks_unless(work <= SMALL, count, |mut task| {
        for (job, finish, (rows, strips), (down, tasks)) in &parts {
            if task >= *tasks {
                task -= tasks;
                continue;
            }
            let (row, strip) = (task % down * rows, task / down * strips);
            let rows = row..(row + rows).min(m);
            let columns = strip * SIDE..((strip + strips) * SIDE).min(job.n);
            // SAFETY: the sides were checked above, and this task alone writes these rows and columns of c.
            unsafe {
                job.block(rows.clone(), columns.clone(), 0);
                finish.block(kernel.isa(), job.c, job.n, rows, columns);
            }
            return;
        }
    });
}

/// c `[rows, n]` = some rows of a, from the first one on, a multiple of 16, by b; then `finish`, told rows from 0 on. For a task
/// of its own.
///
/// # Panics
/// If c is not whole rows, a side is of another format, or a has no such rows.
pub(crate) fn product_of_rows(
    kernel: Kernel,
    c: &mut [f32],
    (a, first): (&Packed, usize),
    b: &Packed,
    finish: &impl Finish,
) {
    /// Columns at a time, over which the rows stay in the first-level cache.
    const COLUMNS: usize = 96;
    let (n, k) = (b.sides, b.depths);
    let rows = c.len().checked_div(n).unwrap_or(0);
    assert!(c.len() == rows * n && first.is_multiple_of(SIDE) && first + rows <= a.sides);
    assert!(kernel.format() != Format::F32 && b.holds(kernel, n, k, Form::Pair));
    assert!(a.holds(kernel, a.sides, k, Form::Row));
    if k == 0 {
        c.fill(0.0);
    }
    let job = Job { kernel, a: Left::Packed(a), b: b.tiles(), c: Shared::new(c), n, k, accumulate: false };
    for column in (0..n).step_by(COLUMNS) {
        let columns = column..(column + COLUMNS).min(n);
        // SAFETY: the sides were checked above, and c is this caller's alone.
        unsafe {
            job.block(0..rows, columns.clone(), first / SIDE);
            finish.block(kernel.isa(), job.c, n, 0..rows, columns);
        }
    }
}

/// Multiply-adds below which a product stays on the calling thread.
const SMALL: usize = 1 << 16;

/// The rows and strips of a task: enough tasks for many threads, few enough strips for the second-level cache.
fn blocks(kernel: Kernel, m: usize, n: usize, k: usize) -> (usize, usize) {
    /// Bytes of a group of strips, for one piece of the depth.
    const GROUP: usize = 1 << 19;
    const TASKS: usize = 16;
    let rows = if m > 1_024 { 8 * SIDE } else { 4 * SIDE };
    let unit = kernel.strips();
    let strip =
        packed::strip_lines(kernel.format(), k.clamp(1, kernel.depth_piece())) * size_of::<packed::Line>();
    let all = n.div_ceil(SIDE);
    let across = TASKS.div_ceil(m.div_ceil(rows).max(1)).max((all * strip).div_ceil(GROUP));
    (rows, all.div_ceil(across).next_multiple_of(unit).max(unit))
}

/// One product, as its tasks see it.
#[derive(Clone, Copy)]
struct Job<'a> {
    kernel: Kernel,
    a: Left<'a>,
    b: Tiles,
    c: Shared,
    n: usize,
    k: usize,
    accumulate: bool,
}

impl Job<'_> {
    /// # Safety
    /// The sides must be as large as the shape says, and the caller's task alone writes these rows and columns of c. Row 0 of c is
    /// the first row of strip `first` of a packed left side.
    unsafe fn block(self, rows: Range<usize>, columns: Range<usize>, first: usize) {
        let piece = self.kernel.depth_piece();
        for start in (0..self.k).step_by(piece) {
            let depth = start..(start + piece).min(self.k);
            let adds = self.accumulate || start > 0;
            // SAFETY: promised by the caller; the kernel exists only where the processor has the features.
            unsafe {
                match (self.kernel, self.a) {
                    (Kernel::F32(isa), a) => {
                        float::block(isa, self, a, rows.clone(), columns.clone(), depth, adds);
                    }
                    (Kernel::Bf16(_, Bf16(unit)), Left::Packed(a)) => {
                        let job = packed::TileJob::new(self, a.tiles().from(first), depth, adds);
                        match unit {
                            Unit::Avx512 => avx512::block(job, rows.clone(), columns.clone()),
                            Unit::Amx => amx::block(job, rows.clone(), columns.clone()),
                        }
                    }
                    (Kernel::Int8(_, Int8(unit)), Left::Packed(a)) => {
                        let job = packed::TileJob::new(self, a.tiles().from(first), depth, adds);
                        match unit {
                            Unit8::Portable => int8::portable(job, rows.clone(), columns.clone()),
                            #[cfg(target_arch = "x86_64")]
                            Unit8::Avx2 => int8::avx2(job, rows.clone(), columns.clone()),
                            #[cfg(target_arch = "x86_64")]
                            Unit8::AvxVnni => int8::avx_vnni(job, rows.clone(), columns.clone()),
                            #[cfg(target_arch = "x86_64")]
                            Unit8::Avx512 => avx512::block_int8(job, rows.clone(), columns.clone()),
                            #[cfg(target_arch = "x86_64")]
                            Unit8::Amx => amx::block_int8(job, rows.clone(), columns.clone()),
                        }
                    }
                    (Kernel::Bf16(..) | Kernel::Int8(..), _) => unreachable!("checked by `product`"),
                }
            }
        }
    }
}

/// Multiply-adds of int8 on registers alone; returns the number of operations.
pub(crate) fn multiply_adds_int8(kind: Int8, rounds: u64) -> f64 {
    match kind.0 {
        // SAFETY: the kind exists only where the processor has the features.
        #[cfg(target_arch = "x86_64")]
        Unit8::Avx512 => unsafe { avx512::multiply_adds_int8(rounds) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Unit8::Amx => unsafe { amx::multiply_adds_int8(rounds) },
        _ => {
            let _ = rounds;
            0.0
        }
    }
}

/// Multiply-adds on registers alone; returns the number of operations.
pub(crate) fn multiply_adds(kind: Bf16, rounds: u64) -> f64 {
    // SAFETY: the kind exists only where the processor has the features.
    unsafe {
        match kind.0 {
            Unit::Avx512 => avx512::multiply_adds(rounds),
            Unit::Amx => amx::multiply_adds(rounds),
        }
    }
}

const _: () = assert!(LINES == SIDE, "a tile has a line per row, or per pair of the depth");
