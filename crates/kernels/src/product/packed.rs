//! Packed sides of products, as they stand in memory. A side is cut into strips of 16 rows (or columns), and a strip is stored
//! along the depth in lines of 64 bytes.
//!
//! In f32, line d holds the strip's 16 values at depth d. In bfloat16 and int8 a strip is a row of tiles of 16 lines that cover
//! 32 or 64 of the depth each, in one of two forms:
//!
//! - **row form**, for the left side: line r holds row r's 32 (64) values along the depth;
//! - **pair form**, for the right side: line p holds, for each of 16 columns, the two (four) values from depth 2p (4p) on.
//!
//! Each form is the other one's transpose, seen as 16 x 16 elements of 32 bits. What lies outside the matrix is zero.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use super::Kernel;
use super::pack::{Source, Work, pack};
use crate::parallel::Shared;

/// Rows or columns of a strip.
pub(super) const SIDE: usize = 16;
/// Depth of a tile of bfloat16.
pub(super) const DEPTH: usize = 32;
/// Depth of a tile of int8.
pub(super) const DEPTH8: usize = 64;
/// Lines of a tile.
pub(super) const LINES: usize = 16;

/// The number format of a packed side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    Bf16,
    Int8,
}

impl Format {
    /// Depth of a tile of 16 lines, or of a line in f32.
    pub(super) const fn depth(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => DEPTH,
            Self::Int8 => DEPTH8,
        }
    }
}

/// Sixteen f32 values, pairs of bfloat16 values or fours of int8 values, as bits.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(super) [u32; 16]);

/// Lines of a strip.
pub(super) const fn strip_lines(format: Format, depth: usize) -> usize {
    match format {
        Format::F32 => depth,
        Format::Bf16 | Format::Int8 => depth.div_ceil(format.depth()) * LINES,
    }
}

/// How a strip of tiles is stored; in f32 both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Row,
    Pair,
}

/// A packed side of a matrix product.
#[derive(Clone, Debug)]
pub struct Packed {
    pub(super) lines: Vec<Line>,
    pub(super) sides: usize,
    pub(super) depths: usize,
    pub(super) format: Format,
    pub(super) form: Form,
}

impl Packed {
    const EMPTY: Self =
        Self { lines: Vec::new(), sides: 0, depths: 0, format: Format::F32, form: Form::Pair };

    /// A side without anything.
    pub(crate) const fn empty() -> Self {
        Self::EMPTY
    }

    /// True where this is a side of that many rows (or columns) and that depth, as `kernel` needs it.
    pub(super) fn holds(&self, kernel: Kernel, sides: usize, depths: usize, form: Form) -> bool {
        (self.sides, self.depths, self.format) == (sides, depths, kernel.format())
            && (self.form == form || self.format == Format::F32)
    }

    pub(super) fn tiles(&self) -> Tiles {
        Tiles { lines: self.lines.as_ptr(), strip: strip_lines(self.format, self.depths) }
    }

    /// Makes this a side of that many rows (or columns) and that depth, whose lines hold whatever they held, and returns them.
    pub(super) fn reshape(&mut self, format: Format, form: Form, sides: usize, depths: usize) -> &mut [Line] {
        let all = sides.div_ceil(SIDE) * strip_lines(format, depths);
        if self.lines.len() < all {
            self.lines.resize(all, Line([0; 16]));
        }
        (self.sides, self.depths, self.format, self.form) = (sides, depths, format, form);
        &mut self.lines[..all]
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
    /// The same from strip `first` on, which must exist.
    pub(super) fn from(self, first: usize) -> Self {
        Self { lines: self.lines.wrapping_add(first * self.strip), ..self }
    }

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

/// A product of tiles of bfloat16 or int8, over one piece of the depth.
#[derive(Clone, Copy)]
pub(super) struct TileJob {
    pub(super) a: Tiles,
    pub(super) b: Tiles,
    pub(super) c: Shared,
    pub(super) n: usize,
    /// The first line of the piece in every strip, and the number of tiles.
    pub(super) line: usize,
    pub(super) tiles: usize,
    /// True where c already holds sums (of int8: as integers) that these are added to.
    pub(super) adds: bool,
}

impl TileJob {
    /// `depth` starts at a multiple of a tile's depth.
    pub(super) fn new(job: super::Job<'_>, a: Tiles, depth: std::ops::Range<usize>, adds: bool) -> Self {
        let tile = job.kernel.format().depth();
        let (line, tiles) = (depth.start / tile * LINES, depth.len().div_ceil(tile));
        Self { a, b: job.b, c: job.c, n: job.n, line, tiles, adds }
    }
}
