//! A small matrix product in registers for attention's blocks: c += scale · a · b, where b's rows are contiguous
//! and a multiple of 16 wide and a may have any strides.

use crate::isa::{Isa, Level};

/// Rows of a register tile.
const ROWS: usize = 6;

/// Columns are padded to a multiple of this.
pub(crate) const COLUMNS: usize = 16;

/// `n` rounded up to whole columns of a tile.
pub(crate) const fn padded(n: usize) -> usize {
    n.next_multiple_of(COLUMNS)
}

/// The left side: element (i, j) stands at `data[i * row + j * column]`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// c `[m, n]` = a `[m, k]` · b `[k, n]`, or c += a · b where `accumulate`; `ldb` and `ldc` are the row strides,
/// n is a multiple of [`COLUMNS`].
#[allow(clippy::too_many_arguments)]
pub(crate) fn multiply(
    isa: Isa,
    (m, n, k): (usize, usize, usize),
    a: Left<'_>,
    b: &[f32],
    ldb: usize,
    c: &mut [f32],
    ldc: usize,
    accumulate: bool,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(n.is_multiple_of(COLUMNS) && c.len() >= (m - 1) * ldc + n);
    if k == 0 {
        if !accumulate {
            (0..m).for_each(|i| c[i * ldc..i * ldc + n].fill(0.0));
        }
        return;
    }
    assert!(a.data.len() > (m - 1) * a.row + (k - 1) * a.column && b.len() >= (k - 1) * ldb + n);
    let at = Place {
        a: a.data.as_ptr(),
        row: a.row,
        column: a.column,
        b: b.as_ptr(),
        ldb,
        c: c.as_mut_ptr(),
        ldc,
    };
    match isa.level() {
        // SAFETY: the level exists only where the processor has the features; the asserts above bound every access.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(m, n, k, at, accumulate) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(m, n, k, at, accumulate) },
        // SAFETY: as above, no feature needed.
        Level::Portable => unsafe { all::<portable::V>(m, n, k, at, accumulate) },
    }
}

#[derive(Clone, Copy)]
struct Place {
    a: *const f32,
    row: usize,
    column: usize,
    b: *const f32,
    ldb: usize,
    c: *mut f32,
    ldc: usize,
}

/// Sixteen f32 in whatever registers an instruction set has.
trait Vector: Copy {
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(x: f32) -> Self;
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(m: usize, n: usize, k: usize, at: Place, accumulate: bool) {
    // SAFETY: promised by the caller.
    unsafe { all::<x86::V512>(m, n, k, at, accumulate) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(m: usize, n: usize, k: usize, at: Place, accumulate: bool) {
    // SAFETY: promised by the caller.
    unsafe { all::<x86::V256>(m, n, k, at, accumulate) }
}

/// # Safety
/// Every element that the shape and strides reach must exist.
#[inline(always)]
unsafe fn all<V: Vector>(m: usize, n: usize, k: usize, at: Place, accumulate: bool) {
    let mut j = 0;
    while j < n {
        let wide = n - j >= 2 * COLUMNS;
        let mut i = 0;
        while i < m {
            // SAFETY: i < m and j < n, so the tile starts inside; its size is bounded by the arms below.
            let tile = unsafe {
                Place { a: at.a.add(i * at.row), b: at.b.add(j), c: at.c.add(i * at.ldc + j), ..at }
            };
            let left = m - i;
            // SAFETY: the tile has at most `left` rows and, if wide, two vectors of columns.
            unsafe {
                match (left, wide) {
                    (ROWS.., true) => block::<V, ROWS, 2>(k, tile, accumulate),
                    (ROWS.., false) => block::<V, ROWS, 1>(k, tile, accumulate),
                    (4..ROWS, true) => block::<V, 4, 2>(k, tile, accumulate),
                    (4..ROWS, false) => block::<V, 4, 1>(k, tile, accumulate),
                    (2..4, true) => block::<V, 2, 2>(k, tile, accumulate),
                    (2..4, false) => block::<V, 2, 1>(k, tile, accumulate),
                    (_, true) => block::<V, 1, 2>(k, tile, accumulate),
                    (_, false) => block::<V, 1, 1>(k, tile, accumulate),
                }
            }
            i += match left {
                ROWS.. => ROWS,
                4..ROWS => 4,
                2..4 => 2,
                _ => 1,
            };
        }
        j += if wide { 2 * COLUMNS } else { COLUMNS };
    }
}

/// # Safety
/// As for [`all`], for `M` rows and `N` vectors.
#[inline(always)]
unsafe fn block<V: Vector, const M: usize, const N: usize>(k: usize, at: Place, accumulate: bool) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = [[V::splat(0.0); N]; M];
        for p in 0..k {
            let mut b = [V::splat(0.0); N];
            for (v, b) in b.iter_mut().enumerate() {
                *b = V::load(at.b.add(p * at.ldb + v * COLUMNS));
            }
            for (i, acc) in acc.iter_mut().enumerate() {
                let a = V::splat(*at.a.add(i * at.row + p * at.column));
                for (acc, b) in acc.iter_mut().zip(b) {
                    *acc = a.mul_add(b, *acc);
                }
            }
        }
        for (i, acc) in acc.into_iter().enumerate() {
            for (v, acc) in acc.into_iter().enumerate() {
                let to = at.c.add(i * at.ldc + v * COLUMNS);
                let sum = if accumulate { V::splat(1.0).mul_add(V::load(to), acc) } else { acc };
                sum.store(to);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm512_fmadd_ps,
        _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
    };

    #[derive(Clone, Copy)]
    pub(super) struct V512(__m512);

    impl Vector for V512 {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: promised by the caller.
            Self(unsafe { _mm512_loadu_ps(from) })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: promised by the caller.
            unsafe { _mm512_storeu_ps(to, self.0) }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: the caller has the feature.
            Self(unsafe { _mm512_set1_ps(x) })
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: the caller has the feature.
            Self(unsafe { _mm512_fmadd_ps(self.0, b.0, c.0) })
        }
    }

    #[derive(Clone, Copy)]
    pub(super) struct V256([__m256; 2]);

    impl Vector for V256 {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: promised by the caller.
            unsafe { Self([_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))]) }
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: promised by the caller.
            unsafe {
                _mm256_storeu_ps(to, self.0[0]);
                _mm256_storeu_ps(to.add(8), self.0[1]);
            }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: the caller has the feature.
            Self([unsafe { _mm256_set1_ps(x) }; 2])
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            // SAFETY: the caller has the feature.
            unsafe {
                Self([_mm256_fmadd_ps(self.0[0], b.0[0], c.0[0]), _mm256_fmadd_ps(self.0[1], b.0[1], c.0[1])])
            }
        }
    }
}

mod portable {
    use super::{COLUMNS, Vector};
    use crate::isa::{Baseline, MulAdd};

    #[derive(Clone, Copy)]
    pub(super) struct V([f32; COLUMNS]);

    impl Vector for V {
        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: promised by the caller; an array of f32 has f32's alignment.
            Self(unsafe { *from.cast::<[f32; COLUMNS]>() })
        }
        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: promised by the caller.
            unsafe { *to.cast::<[f32; COLUMNS]>() = self.0 }
        }
        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            Self([x; COLUMNS])
        }
        #[inline(always)]
        unsafe fn mul_add(self, b: Self, c: Self) -> Self {
            let mut out = c.0;
            for ((out, a), b) in out.iter_mut().zip(self.0).zip(b.0) {
                *out = Baseline::mul_add(a, b, *out);
            }
            Self(out)
        }
    }
}
