//! Matrix products in f32 in registers: c = a · b or c += a · b, where a may have any strides and b's rows come in groups
//! of 16 columns. Attention's blocks use it as they stand, larger products on packed sides.

use std::hint::black_box;

use crate::isa::{Isa, Level};

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
        strip: COLUMNS,
        c: c.as_mut_ptr(),
        ldc,
    };
    // SAFETY: the asserts above bound every access.
    unsafe { multiply_at(isa, (m, n / COLUMNS, k), at, accumulate) }
}

/// Where the matrices of a product stand: a has any strides; b's rows are `ldb` apart and its groups of 16 columns
/// `strip`; c's rows are contiguous and `ldc` apart.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) a: *const f32,
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) b: *const f32,
    pub(crate) ldb: usize,
    pub(crate) strip: usize,
    pub(crate) c: *mut f32,
    pub(crate) ldc: usize,
}

/// c `[m, 16 n]` = a · b or c += a · b, by columns of register tiles. Each element is summed along the depth in order,
/// in one chain of multiply-adds, whatever the shape is.
///
/// # Safety
/// Every element that the shape and the strides reach must exist, and nobody else may use those of c.
pub(crate) unsafe fn multiply_at(isa: Isa, (m, n, k): (usize, usize, usize), at: Place, accumulate: bool) {
    match isa.level() {
        // SAFETY: the level exists only where the processor has the features; the rest is the caller's promise.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(m, n, k, at, accumulate) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(m, n, k, at, accumulate) },
        // SAFETY: as above, no feature needed.
        Level::Portable => unsafe { all::<portable::V, PORTABLE_ROWS, 1>(m, n, k, at, accumulate) },
    }
}

/// Rows of a register tile: as many as leave its sums, a row of b and an element of a in registers.
const PORTABLE_ROWS: usize = if cfg!(target_arch = "aarch64") { 6 } else { 2 };

/// Sixteen f32 in whatever registers an instruction set has.
trait Vector: Copy {
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn store(self, to: *mut f32);
    unsafe fn splat(x: f32) -> Self;
    unsafe fn add(self, b: Self) -> Self;
    unsafe fn mul_add(self, b: Self, c: Self) -> Self;
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
unsafe fn avx512(m: usize, n: usize, k: usize, at: Place, accumulate: bool) {
    // SAFETY: promised by the caller.
    unsafe { all::<x86::V512, 8, 3>(m, n, k, at, accumulate) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(m: usize, n: usize, k: usize, at: Place, accumulate: bool) {
    // SAFETY: promised by the caller.
    unsafe { all::<x86::V256, 6, 1>(m, n, k, at, accumulate) }
}

/// # Safety
/// As for [`multiply_at`].
#[inline(always)]
unsafe fn all<V: Vector, const M: usize, const N: usize>(
    m: usize,
    n: usize,
    k: usize,
    at: Place,
    accumulate: bool,
) {
    let mut j = 0;
    while j < n {
        // SAFETY: strips from j on exist.
        let tile = unsafe { Place { b: at.b.add(j * at.strip), c: at.c.add(j * COLUMNS), ..at } };
        // SAFETY: as above; so many strips exist.
        unsafe {
            j += match n - j {
                wide if wide >= N => {
                    column::<V, M, N>(m, k, tile, accumulate);
                    N
                }
                2.. => {
                    column::<V, M, 2>(m, k, tile, accumulate);
                    2
                }
                _ => {
                    column::<V, M, 1>(m, k, tile, accumulate);
                    1
                }
            };
        }
    }
}

/// # Safety
/// As for [`multiply_at`], for `N` strips.
#[inline(always)]
unsafe fn column<V: Vector, const M: usize, const N: usize>(m: usize, k: usize, at: Place, accumulate: bool) {
    let mut i = 0;
    while i < m {
        // SAFETY: rows from i on exist; the arms take no more than are left.
        unsafe {
            let tile = Place { a: at.a.add(i * at.row), c: at.c.add(i * at.ldc), ..at };
            i += match m - i {
                left if left >= M => {
                    block::<V, M, N>(k, tile, accumulate);
                    M
                }
                4.. => {
                    block::<V, 4, N>(k, tile, accumulate);
                    4
                }
                2.. => {
                    block::<V, 2, N>(k, tile, accumulate);
                    2
                }
                _ => {
                    block::<V, 1, N>(k, tile, accumulate);
                    1
                }
            };
        }
    }
}

/// # Safety
/// As for [`multiply_at`], for `M` rows and `N` strips.
#[inline(always)]
unsafe fn block<V: Vector, const M: usize, const N: usize>(k: usize, at: Place, accumulate: bool) {
    // SAFETY: promised by the caller.
    unsafe {
        let mut acc = [[V::splat(0.0); N]; M];
        for p in 0..k {
            let mut b = [V::splat(0.0); N];
            for (v, b) in b.iter_mut().enumerate() {
                *b = V::load(at.b.add(p * at.ldb + v * at.strip));
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
                let sum = if accumulate { V::load(to).add(acc) } else { acc };
                sum.store(to);
            }
        }
    }
}

/// Chains of multiply-adds as in a register tile, on registers alone; returns the number of operations.
pub(crate) fn multiply_adds(isa: Isa, rounds: u64) -> f64 {
    /// # Safety
    /// The processor must have the vector's features.
    #[inline(always)]
    unsafe fn chains<V: Vector, const M: usize>(rounds: u64) -> f64 {
        // SAFETY: promised by the caller; the array holds one vector.
        unsafe {
            let (a, b) = (V::splat(black_box(0.999)), V::splat(black_box(1e-3)));
            let mut acc = [a; M];
            for _ in 0..rounds {
                for acc in &mut acc {
                    *acc = acc.mul_add(a, b);
                }
            }
            for acc in acc {
                let mut last = [0.0; COLUMNS];
                acc.store(last.as_mut_ptr());
                black_box(last);
            }
        }
        (2 * M * COLUMNS) as f64 * rounds as f64
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
    fn avx512(rounds: u64) -> f64 {
        // SAFETY: this function has the features.
        unsafe { chains::<x86::V512, 24>(rounds) }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2(rounds: u64) -> f64 {
        // SAFETY: this function has the features.
        unsafe { chains::<x86::V256, 6>(rounds) }
    }
    match isa.level() {
        // SAFETY: the level exists only where the processor has the features.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(rounds) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(rounds) },
        // SAFETY: no feature is needed.
        Level::Portable => unsafe { chains::<portable::V, PORTABLE_ROWS>(rounds) },
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Vector;
    use std::arch::x86_64::{
        __m256, __m512, _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps,
        _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_storeu_ps,
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
        unsafe fn add(self, b: Self) -> Self {
            // SAFETY: the caller has the feature.
            Self(unsafe { _mm512_add_ps(self.0, b.0) })
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
        unsafe fn add(self, b: Self) -> Self {
            // SAFETY: the caller has the feature.
            Self(unsafe { [_mm256_add_ps(self.0[0], b.0[0]), _mm256_add_ps(self.0[1], b.0[1])] })
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
        unsafe fn add(self, b: Self) -> Self {
            let mut out = self.0;
            for (out, b) in out.iter_mut().zip(b.0) {
                *out += b;
            }
            Self(out)
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
