//! How passes are split over the current rayon pool: always in pieces of a fixed size, never by the number
//! of threads, so that sums are formed in the same order whatever the pool.

use rayon::prelude::*;

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

/// Calls `f(index of the piece, piece)` on pieces of `size` elements of `data`, in parallel when `data` is large.
pub(crate) fn for_pieces(data: &mut [f32], size: usize, f: impl Fn(usize, &mut [f32]) + Sync + Send) {
    if data.len() <= SMALL {
        data.chunks_mut(size.max(1)).enumerate().for_each(|(i, piece)| f(i, piece));
    } else {
        data.par_chunks_mut(size.max(1)).enumerate().for_each(|(i, piece)| f(i, piece));
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
