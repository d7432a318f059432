//! Packing. A side of a product is cut into strips of 16 rows (or columns), and a strip is stored along the depth in lines of
//! 64 bytes.
//!
//! In f32, line d holds the strip's 16 values at depth d. In bfloat16 a strip is a row of tiles of 16 lines that cover 32
//! of the depth each, in one of two forms:
//!
//! - **row form**, for the left side: line r holds row r's 32 values along the depth;
//! - **pair form**, for the right side: line p holds, for each of 16 columns, the two values at depths 2p and 2p + 1.
//!
//! Each form is the other one's transpose, seen as 16 x 16 pairs. What lies outside the matrix is zero.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::Kernel;
use crate::isa::Isa;
use crate::parallel::{Shared, tasks_unless};
use crate::scratch;

/// Rows or columns of a strip.
pub(super) const SIDE: usize = 16;
/// Depth of a tile of bfloat16.
pub(super) const DEPTH: usize = 32;
/// Lines of a tile.
pub(super) const LINES: usize = 16;

/// Sixteen f32 values, or sixteen pairs of bfloat16 values, as bits.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(super) [u32; 16]);

/// Lines of a strip.
pub(super) const fn strip_lines(bf16: bool, depth: usize) -> usize {
    if bf16 { depth.div_ceil(DEPTH) * LINES } else { depth }
}

/// How a strip of bfloat16 is stored; in f32 both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Row,
    Pair,
}

/// A packed side of a matrix product.
#[derive(Clone, Debug)]
pub struct Packed {
    lines: Vec<Line>,
    sides: usize,
    depths: usize,
    bf16: bool,
    form: Form,
}

impl Packed {
    const EMPTY: Self = Self { lines: Vec::new(), sides: 0, depths: 0, bf16: false, form: Form::Pair };

    /// True where this is a side of that many rows (or columns) and that depth, as `kernel` needs it.
    pub(super) fn holds(&self, kernel: Kernel, sides: usize, depths: usize, form: Form) -> bool {
        (self.sides, self.depths, self.bf16) == (sides, depths, kernel.is_bf16())
            && (self.form == form || !self.bf16)
    }

    pub(super) fn tiles(&self) -> Tiles {
        Tiles { lines: self.lines.as_ptr(), strip: strip_lines(self.bf16, self.depths) }
    }

    /// Packs one side.
    pub(crate) fn new(kernel: Kernel, from: Source<'_>, form: Form) -> Self {
        let mut to = Self::EMPTY;
        pack(kernel, [Some(Work { from, form, to: &mut to, sums: None })]);
        to
    }
}

/// Packed sides that are not in use.
static SPARE: Mutex<Vec<Packed>> = Mutex::new(Vec::new());

/// A packed side whose memory is kept for the next one.
pub(crate) struct Spare(Packed);

impl Spare {
    pub(crate) fn take() -> Self {
        Self(SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or(Packed::EMPTY))
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        let packed = std::mem::replace(&mut self.0, Packed::EMPTY);
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).push(packed);
    }
}

impl Deref for Spare {
    type Target = Packed;
    fn deref(&self) -> &Packed {
        &self.0
    }
}

impl DerefMut for Spare {
    fn deref_mut(&mut self) -> &mut Packed {
        &mut self.0
    }
}

/// Frees the memory that products keep for the next one.
pub(crate) fn release_memory() {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Packed strips in memory.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    lines: *const Line,
    /// Lines of a strip.
    strip: usize,
}

// SAFETY: the lines are only read while tasks share them.
unsafe impl Send for Tiles {}
// SAFETY: as above.
unsafe impl Sync for Tiles {}

impl Tiles {
    /// Lines of a strip.
    pub(super) const fn strip(self) -> usize {
        self.strip
    }

    /// Line `line` of strip `strip`, which must exist for the pointer to be read.
    #[inline(always)]
    pub(super) fn at(self, strip: usize, line: usize) -> *const Line {
        self.lines.wrapping_add(strip * self.strip + line)
    }
}

/// A product of tiles of bfloat16, over one piece of the depth.
#[derive(Clone, Copy)]
pub(super) struct TileJob {
    pub(super) a: Tiles,
    pub(super) b: Tiles,
    pub(super) c: Shared,
    pub(super) n: usize,
    /// The first line of the piece in every strip, and the number of tiles.
    pub(super) line: usize,
    pub(super) tiles: usize,
    /// True where c already holds sums that these are added to.
    pub(super) adds: bool,
}

impl TileJob {
    /// `depth` starts at a multiple of a tile's depth.
    pub(super) fn new(job: super::Job<'_>, a: Tiles, depth: std::ops::Range<usize>, adds: bool) -> Self {
        let (line, tiles) = (depth.start / DEPTH * LINES, depth.len().div_ceil(DEPTH));
        Self { a, b: job.b, c: job.c, n: job.n, line, tiles, adds }
    }
}

/// A matrix seen as rows (or columns) along a depth, with the strides of both, one of which is 1.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) side: usize,
    pub(crate) depth: usize,
    pub(crate) sides: usize,
    pub(crate) depths: usize,
}

/// One side to pack.
pub(crate) struct Work<'a> {
    pub(crate) from: Source<'a>,
    pub(crate) form: Form,
    pub(crate) to: &'a mut Packed,
    /// Where given, receives the sum of each row (or column) along the depth; only for sides that lie side by side.
    pub(crate) sums: Option<&'a mut [f32]>,
}

/// Packs sides in one pass.
///
/// Sides along the depth are cut into tasks of some strips. Sides that lie side by side are cut along the depth: a task
/// first reads its rows from end to end, as memory is fastest, then takes them apart while they are in cache.
///
/// # Panics
/// If a source has fewer elements than its shape says, or sums are wanted of rows that lie along the depth.
pub(crate) fn pack<const N: usize>(kernel: Kernel, work: [Option<Work<'_>>; N]) {
    /// Lines below which packing stays on the calling thread.
    const SMALL: usize = 1 << 10;
    let mut lines = 0;
    let work = work.map(|work| {
        let Work { from, form, to, sums } = work?;
        assert!(from.side == 1 || from.depth == 1, "one stride is 1");
        assert!(
            from.sides == 0
                || from.depths == 0
                || from.data.len() > (from.sides - 1) * from.side + (from.depths - 1) * from.depth
        );
        assert!(sums.as_ref().is_none_or(|s| from.side == 1 && s.len() == from.sides));
        let strip = strip_lines(kernel.is_bf16(), from.depths);
        let all = from.sides.div_ceil(SIDE) * strip;
        if to.lines.len() < all {
            to.lines.resize(all, Line([0; 16]));
        }
        (to.sides, to.depths, to.bf16, to.form) = (from.sides, from.depths, kernel.is_bf16(), form);
        lines += all;
        let partial = sums.as_ref().map(|_| scratch::zeros(from.sides * from.depths.div_ceil(CHUNK)));
        let tasks =
            if from.side == 1 { from.depths.div_ceil(CHUNK) } else { from.sides.div_ceil(GROUP * SIDE) };
        let to = Shared::new(as_floats(&mut to.lines[..all]));
        Some((Job { from, form, to, strip, tasks }, sums, partial))
    });
    let mut count = 0;
    let mut jobs: [Option<(Job<'_>, Option<Shared>)>; N] = [None; N];
    let mut work = work;
    for (to, (job, _, partial)) in jobs.iter_mut().zip(work.iter_mut().flatten()) {
        *to = Some((*job, partial.as_mut().map(|p| Shared::new(p))));
        count += job.tasks;
    }
    tasks_unless(lines < SMALL, count, |mut task| {
        for (job, partial) in jobs.iter().flatten() {
            if task < job.tasks {
                // SAFETY: each task is run once.
                return unsafe { job.run(kernel, task, *partial) };
            }
            task -= job.tasks;
        }
    });
    for (job, sums, partial) in work.into_iter().flatten() {
        if let (Some(sums), Some(partial)) = (sums, partial) {
            for part in partial.chunks_exact(job.from.sides) {
                sums.iter_mut().zip(part).for_each(|(sum, x)| *sum += x);
            }
        }
    }
}

/// Depth of a task where the sides lie side by side.
const CHUNK: usize = 64;
/// Strips of a task where they lie along the depth.
const GROUP: usize = 4;

/// One side, as its tasks see it.
#[derive(Clone, Copy)]
struct Job<'a> {
    from: Source<'a>,
    form: Form,
    to: Shared,
    /// Lines of a strip.
    strip: usize,
    tasks: usize,
}

impl Job<'_> {
    /// # Safety
    /// A task may be run only once at a time; `partial` has a row of sums for each.
    unsafe fn run(&self, kernel: Kernel, task: usize, partial: Option<Shared>) {
        let Self { from, form, to, strip, .. } = *self;
        if from.side != 1 {
            let first = task * GROUP * SIDE;
            for side in (first..(first + GROUP * SIDE).min(from.sides)).step_by(SIDE) {
                // SAFETY: this task alone writes these strips.
                let lines = unsafe { to.slice(side * strip, strip * SIDE) };
                along_depth(kernel, from, form, side, lines);
            }
            return;
        }
        let start = task * CHUNK;
        let depths = CHUNK.min(from.depths - start);
        let rows = Source { data: &from.data[start * from.depth..], depths, ..from };
        // SAFETY: this task alone writes its row of sums.
        let sums = partial.map(|p| unsafe { p.slice(task * from.sides, from.sides) });
        read_rows(kernel.isa(), rows, sums);
        let (line, lines) = (strip_lines(kernel.is_bf16(), start), strip_lines(kernel.is_bf16(), depths));
        for side in (0..from.sides).step_by(SIDE) {
            // SAFETY: this task alone writes this part of the strip.
            let lines = unsafe { to.slice(side * strip + line * SIDE, lines * SIDE) };
            side_by_side(kernel, rows, form, side, lines);
        }
    }
}

crate::isa::multiversion! { fn read_rows(from: Source<'_>, sums: Option<&mut [f32]>) = read_rows_body; }

/// Reads rows from end to end, so that they are in cache, and adds them to `sums`.
#[inline(always)]
fn read_rows_body<F: crate::isa::MulAdd>(from: Source<'_>, sums: Option<&mut [f32]>) {
    let rows = (0..from.depths).map(|d| &from.data[d * from.depth..d * from.depth + from.sides]);
    if let Some(sums) = sums {
        for row in rows {
            sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
        }
    } else {
        for row in rows {
            std::hint::black_box(row.iter().step_by(SIDE).fold(0.0, |sum, x| sum + x));
        }
    }
}

/// The lines' memory as plain numbers; any bits are an f32.
fn as_floats(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: a line is 16 u32 without padding, which f32 may overlay.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * SIDE) }
}

/// Packs the strip from row (or column) `first` on, where they lie along the depth.
fn along_depth(kernel: Kernel, from: Source<'_>, form: Form, first: usize, to: &mut [f32]) {
    match kernel {
        Kernel::F32(isa) => transpose_strip(isa, from, first, to),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the kernel exists only where the processor has the features.
        Kernel::Bf16(..) => unsafe { x86::along_depth(from, form, first, to) },
        #[cfg(not(target_arch = "x86_64"))]
        Kernel::Bf16(..) => {
            let _ = form;
            unreachable!("no value of `Bf16` exists on this processor")
        }
    }
}

/// Packs the strip from row (or column) `first` on, where they lie side by side.
fn side_by_side(kernel: Kernel, from: Source<'_>, form: Form, first: usize, to: &mut [f32]) {
    match kernel {
        Kernel::F32(isa) => copy_strip(isa, from, first, to),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the kernel exists only where the processor has the features.
        Kernel::Bf16(..) => unsafe { x86::side_by_side(from, form, first, to) },
        #[cfg(not(target_arch = "x86_64"))]
        Kernel::Bf16(..) => {
            let _ = form;
            unreachable!("no value of `Bf16` exists on this processor")
        }
    }
}

crate::isa::multiversion! {
    /// Packs a strip of f32 whose sides lie side by side.
    pub(super) fn copy_strip(from: Source<'_>, first: usize, to: &mut [f32]) = copy_strip_body;
}

#[inline(always)]
fn copy_strip_body<F: crate::isa::MulAdd>(from: Source<'_>, first: usize, to: &mut [f32]) {
    let sides = SIDE.min(from.sides - first);
    let lines = to.as_chunks_mut::<SIDE>().0.iter_mut().take(from.depths);
    let rows = from.data[first..].chunks(from.depth.max(from.sides));
    if sides == SIDE {
        for (line, row) in lines.zip(rows) {
            if let Some(values) = row.first_chunk::<SIDE>() {
                for (to, x) in line.iter_mut().zip(values) {
                    *to = *x;
                }
            }
        }
    } else {
        for (line, row) in lines.zip(rows) {
            for (i, to) in line.iter_mut().enumerate() {
                *to = if i < sides { row[i] } else { 0.0 };
            }
        }
    }
}

/// A strip of f32 whose sides lie along the depth.
fn transpose_strip(isa: Isa, from: Source<'_>, first: usize, to: &mut [f32]) {
    let sides = SIDE.min(from.sides - first);
    let mut start = 0;
    if sides == SIDE {
        while start + SIDE <= from.depths {
            let at = &from.data[first * from.side + start..(first + SIDE - 1) * from.side + start + SIDE];
            let tile = &mut to[start * SIDE..(start + SIDE) * SIDE];
            transpose_tile(isa, at, from.side, tile);
            start += SIDE;
        }
    }
    for d in start..from.depths {
        let line = &mut to[d * SIDE..(d + 1) * SIDE];
        for (i, to) in line.iter_mut().enumerate() {
            *to = if i < sides { from.data[(first + i) * from.side + d] } else { 0.0 };
        }
    }
}

/// 16 rows of 16 values, `stride` apart, as 16 columns.
fn transpose_tile(isa: Isa, from: &[f32], stride: usize, to: &mut [f32]) {
    assert!(to.len() == SIDE * SIDE && from.len() >= (SIDE - 1) * stride + SIDE);
    match isa.level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level exists only where the processor has the features; the lengths were checked.
        crate::isa::Level::Avx512 => unsafe { x86::transpose512(from.as_ptr(), stride, to.as_mut_ptr()) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        crate::isa::Level::Avx2 => unsafe { x86::transpose256(from.as_ptr(), stride, to.as_mut_ptr()) },
        crate::isa::Level::Portable => {
            for (d, line) in to.chunks_exact_mut(SIDE).enumerate() {
                for (i, to) in line.iter_mut().enumerate() {
                    *to = from[i * stride + d];
                }
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256, __m512i, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
        _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
        _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16, _mm512_setzero_si512, _mm512_shuffle_i32x4,
        _mm512_store_si512, _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
        _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    };

    use super::{DEPTH, Form, LINES, SIDE, Source};

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

    /// Packs the strip from side `first` on, where sides lie along the depth.
    ///
    /// # Safety
    /// The processor must have the features; `from`'s shape and strides must lie within its data.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(super) unsafe fn along_depth(from: Source<'_>, form: Form, first: usize, to: &mut [f32]) {
        let sides = SIDE.min(from.sides - first);
        for (tile, lines) in to.chunks_exact_mut(LINES * SIDE).enumerate() {
            let start = tile * DEPTH;
            let depths = DEPTH.min(from.depths - start);
            // SAFETY: the tile's `sides` and `depths` lie within the matrix.
            let values = unsafe {
                if sides == SIDE && depths == DEPTH {
                    row_form::<true>(from, first, sides, start, depths)
                } else {
                    row_form::<false>(from, first, sides, start, depths)
                }
            };
            store(lines, &if form == Form::Row { values } else { transposed(&values) });
        }
    }

    /// Packs the strip from side `first` on, where sides lie side by side.
    ///
    /// # Safety
    /// As for [`along_depth`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(super) unsafe fn side_by_side(from: Source<'_>, form: Form, first: usize, to: &mut [f32]) {
        let sides = SIDE.min(from.sides - first);
        for (tile, lines) in to.chunks_exact_mut(LINES * SIDE).enumerate() {
            let start = tile * DEPTH;
            let depths = DEPTH.min(from.depths - start);
            // SAFETY: the tile's `sides` and `depths` lie within the matrix.
            let values = unsafe {
                if sides == SIDE && depths == DEPTH {
                    pair_form::<true>(from, first, sides, start, depths)
                } else {
                    pair_form::<false>(from, first, sides, start, depths)
                }
            };
            store(lines, &if form == Form::Pair { values } else { transposed(&values) });
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn store(lines: &mut [f32], values: &[__m512i; 16]) {
        for (line, value) in lines.chunks_exact_mut(SIDE).zip(values) {
            // SAFETY: a line is 64 bytes, aligned to 64.
            unsafe { _mm512_store_si512(line.as_mut_ptr().cast(), *value) };
        }
    }

    /// # Safety
    /// The processor must have the feature; 16 rows of 16 values must be readable, 256 values writable.
    #[target_feature(enable = "avx512f")]
    pub(super) unsafe fn transpose512(from: *const f32, stride: usize, to: *mut f32) {
        // SAFETY: promised by the caller.
        unsafe {
            let rows: [__m512i; 16] =
                std::array::from_fn(|i| _mm512_loadu_si512(from.add(i * stride).cast()));
            for (i, column) in transposed(&rows).into_iter().enumerate() {
                _mm512_storeu_si512(to.add(i * SIDE).cast(), column);
            }
        }
    }

    /// # Safety
    /// As for [`transpose512`].
    #[target_feature(enable = "avx2")]
    pub(super) unsafe fn transpose256(from: *const f32, stride: usize, to: *mut f32) {
        for (i, j) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
            // SAFETY: promised by the caller.
            unsafe { transpose8(from.add(i * stride + j), stride, to.add(j * SIDE + i)) };
        }
    }

    /// 8 rows of 8 values to columns, a line apart.
    ///
    /// # Safety
    /// As for [`transpose512`].
    #[target_feature(enable = "avx2")]
    unsafe fn transpose8(from: *const f32, stride: usize, to: *mut f32) {
        // SAFETY: promised by the caller.
        let r: [__m256; 8] = std::array::from_fn(|i| unsafe { _mm256_loadu_ps(from.add(i * stride)) });
        let mut pairs = r;
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
        }
        let mut fours = pairs;
        for i in 0..2 {
            let [a, b, c, d] = [pairs[4 * i], pairs[4 * i + 1], pairs[4 * i + 2], pairs[4 * i + 3]];
            fours[4 * i] = _mm256_shuffle_ps::<0x44>(a, c);
            fours[4 * i + 1] = _mm256_shuffle_ps::<0xee>(a, c);
            fours[4 * i + 2] = _mm256_shuffle_ps::<0x44>(b, d);
            fours[4 * i + 3] = _mm256_shuffle_ps::<0xee>(b, d);
        }
        for i in 0..4 {
            let low = _mm256_permute2f128_ps::<0x20>(fours[i], fours[4 + i]);
            let high = _mm256_permute2f128_ps::<0x31>(fours[i], fours[4 + i]);
            // SAFETY: promised by the caller.
            unsafe {
                _mm256_storeu_ps(to.add(i * SIDE), low);
                _mm256_storeu_ps(to.add((4 + i) * SIDE), high);
            }
        }
    }

    /// The lower `n` of 16 bits.
    fn mask(n: usize) -> u16 {
        if n >= 16 { u16::MAX } else { (1 << n) - 1 }
    }

    /// A tile in row form, from sides along the depth. `WHOLE` says that all of the tile lies within the matrix.
    ///
    /// # Safety
    /// As for [`along_depth`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn row_form<const WHOLE: bool>(
        from: Source<'_>,
        first: usize,
        sides: usize,
        start: usize,
        depths: usize,
    ) -> [__m512i; 16] {
        let (low, high) = (mask(depths), mask(depths.saturating_sub(16)));
        std::array::from_fn(|i| {
            if !WHOLE && i >= sides {
                return _mm512_setzero_si512();
            }
            // SAFETY: masked-out elements are not read; the others lie within the row.
            unsafe {
                let at = from.data.as_ptr().add((first + i) * from.side + start);
                let (a, b) = if WHOLE {
                    (_mm512_loadu_ps(at), _mm512_loadu_ps(at.add(16)))
                } else {
                    (_mm512_maskz_loadu_ps(low, at), _mm512_maskz_loadu_ps(high, at.wrapping_add(16)))
                };
                std::mem::transmute::<std::arch::x86_64::__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a))
            }
        })
    }

    /// A tile in pair form, from sides that lie side by side.
    ///
    /// # Safety
    /// As for [`along_depth`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn pair_form<const WHOLE: bool>(
        from: Source<'_>,
        first: usize,
        sides: usize,
        start: usize,
        depths: usize,
    ) -> [__m512i; 16] {
        let columns = mask(sides);
        // SAFETY: the table is 64 bytes long.
        let order = unsafe { _mm512_loadu_si512(INTERLEAVE.as_ptr().cast()) };
        std::array::from_fn(|pair| {
            if !WHOLE && 2 * pair >= depths {
                return _mm512_setzero_si512();
            }
            // SAFETY: masked-out elements are not read; the others lie within the matrix.
            unsafe {
                let at = from.data.as_ptr().add((start + 2 * pair) * from.depth + first);
                let (a, b) = if WHOLE {
                    (_mm512_loadu_ps(at), _mm512_loadu_ps(at.add(from.depth)))
                } else {
                    let second = if 2 * pair + 1 < depths { columns } else { 0 };
                    (
                        _mm512_maskz_loadu_ps(columns, at),
                        _mm512_maskz_loadu_ps(second, at.wrapping_add(from.depth)),
                    )
                };
                let both =
                    std::mem::transmute::<std::arch::x86_64::__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
                _mm512_permutexvar_epi16(order, both)
            }
        })
    }

    /// The transpose of 16 x 16 elements of 32 bits.
    #[target_feature(enable = "avx512f")]
    pub(super) fn transposed(t: &[__m512i; 16]) -> [__m512i; 16] {
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
