//! Packing: from f32 matrices to strips, as [`super::packed`] describes them.

use super::Kernel;
use super::packed::{Form, Line, Packed, SIDE, strip_lines};
use crate::isa::Isa;
use crate::parallel::{Shared, tasks_unless};
use crate::scratch;

#[cfg(target_arch = "x86_64")]
mod x86;

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
        let strip = strip_lines(kernel.format(), from.depths);
        let all = to.reshape(kernel.format(), form, from.sides, from.depths);
        lines += all.len();
        let partial = sums.as_ref().map(|_| scratch::zeros(from.sides * from.depths.div_ceil(CHUNK)));
        let tasks =
            if from.side == 1 { from.depths.div_ceil(CHUNK) } else { from.sides.div_ceil(GROUP * SIDE) };
        let to = Shared::new(as_floats(all));
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
                pack_strip(kernel, from, form, side, lines);
            }
            return;
        }
        let start = task * CHUNK;
        let depths = CHUNK.min(from.depths - start);
        let rows = Source { data: &from.data[start * from.depth..], depths, ..from };
        // SAFETY: this task alone writes its row of sums.
        let sums = partial.map(|p| unsafe { p.slice(task * from.sides, from.sides) });
        read_rows(kernel.isa(), rows, sums);
        let (line, lines) = (strip_lines(kernel.format(), start), strip_lines(kernel.format(), depths));
        for side in (0..from.sides).step_by(SIDE) {
            // SAFETY: this task alone writes this part of the strip.
            let lines = unsafe { to.slice(side * strip + line * SIDE, lines * SIDE) };
            pack_strip(kernel, rows, form, side, lines);
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
pub(super) fn as_floats(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: a line is 16 u32 without padding, which f32 may overlay.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * SIDE) }
}

/// Packs the strip from row (or column) `first` on.
fn pack_strip(kernel: Kernel, from: Source<'_>, form: Form, first: usize, to: &mut [f32]) {
    match kernel {
        Kernel::F32(isa) if from.side == 1 => copy_strip(isa, from, first, to),
        Kernel::F32(isa) => transpose_strip(isa, from, first, to),
        Kernel::Int8(..) => unreachable!("sides of int8 are packed by `int8`"),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the kernel exists only where the processor has the features; `pack` checked the source.
        Kernel::Bf16(..) => unsafe { x86::pack_strip(from, form, first, to) },
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
            transpose_tile(isa, at, from.side, tile, SIDE);
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

/// 16 rows of 16 values, `stride` apart, as 16 rows of their columns, `to_stride` apart.
pub(crate) fn transpose_tile(isa: Isa, from: &[f32], stride: usize, to: &mut [f32], to_stride: usize) {
    assert!(
        to.len() >= (SIDE - 1) * to_stride + SIDE
            && from.len() >= (SIDE - 1) * stride + SIDE
            && to_stride >= SIDE
    );
    match isa.level() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the level exists only where the processor has the features; the lengths were checked.
        crate::isa::Level::Avx512 => unsafe {
            x86::transpose512(from.as_ptr(), stride, to.as_mut_ptr(), to_stride);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        crate::isa::Level::Avx2 => unsafe {
            x86::transpose256(from.as_ptr(), stride, to.as_mut_ptr(), to_stride);
        },
        crate::isa::Level::Portable => {
            for (d, line) in to.chunks_mut(to_stride).take(SIDE).enumerate() {
                for (i, to) in line[..SIDE].iter_mut().enumerate() {
                    *to = from[i * stride + d];
                }
            }
        }
    }
}
