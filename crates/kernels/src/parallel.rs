//! How passes are split over a team's or pool's threads: always in pieces of a fixed size, never by the number of threads,
//! so that sums are formed in the same order whatever the pool.

use std::marker::PhantomData;

pub(crate) use crate::team::tasks;

/// Rows per piece of a row-wise pass. Partial sums over rows are formed per piece and added in order.
pub const CHUNK_ROWS: usize = 32;

/// Elements per piece of an elementwise pass.
pub(crate) const CHUNK_ELEMENTS: usize = 1 << 14;

/// Below this many elements a pass runs on the calling thread: handing it over would cost more.
pub(crate) const SMALL: usize = 1 << 14;

/// The number of threads of the current pool.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Calls `f` with 0 to `count` - 1, in parallel unless `small`.
pub(crate) fn tasks_unless(small: bool, count: usize, f: impl Fn(usize) + Sync + Send) {
    if small {
        (0..count).for_each(f);
    } else {
        tasks(count, f);
    }
}

/// Calls `f(index of the piece, piece)` on pieces of `size` elements of `data`, in parallel when `data` is large.
pub(crate) fn for_pieces(data: &mut [f32], size: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    let small = data.len() <= SMALL;
    let pieces = Pieces::new(data, size);
    tasks_unless(small, pieces.count(), |i| {
        // SAFETY: each task takes the piece of its own number, once.
        f(i, unsafe { pieces.get(i) });
    });
}

/// A slice cut into pieces of `size` elements (the last may be shorter), of which each task takes one.
#[derive(Clone, Copy)]
pub(crate) struct Pieces<'a> {
    data: Shared,
    len: usize,
    size: usize,
    life: PhantomData<&'a mut [f32]>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(data: &'a mut [f32], size: usize) -> Self {
        Self { len: data.len(), data: Shared::new(data), size: size.max(1), life: PhantomData }
    }

    pub(crate) fn count(&self) -> usize {
        self.len.div_ceil(self.size)
    }

    /// Piece `i`; empty if there is none.
    ///
    /// # Safety
    /// No piece may be in use twice at a time.
    pub(crate) unsafe fn get(&self, i: usize) -> &'a mut [f32] {
        let start = (i * self.size).min(self.len);
        // SAFETY: the piece lies within the slice; the rest is the caller's promise.
        unsafe { self.data.slice(start, self.size.min(self.len - start)) }
    }
}

/// A pointer that tasks writing disjoint places may share.
#[derive(Clone, Copy)]
pub(crate) struct Shared(*mut f32);

// SAFETY: the pointer is only dereferenced through `slice`, whose callers promise disjoint places.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(data: &mut [f32]) -> Self {
        Self(data.as_mut_ptr())
    }

    /// A pointer to element `start`, to be written through under the same conditions as [`slice`](Self::slice).
    pub(crate) fn at(self, start: usize) -> *mut f32 {
        self.0.wrapping_add(start)
    }

    /// The `len` elements from `start`.
    ///
    /// # Safety
    /// They must lie within the slice this was made from, which must outlive the result, and no other
    /// task may touch them meanwhile.
    pub(crate) unsafe fn slice<'a>(self, start: usize, len: usize) -> &'a mut [f32] {
        // SAFETY: promised by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.0.add(start), len) }
    }
}
