//! The product of packed tiles with AVX512-BF16: `vdpbf16ps` multiplies a pair of each row by a pair of each of 16
//! columns and adds both products to an f32 sum. A block of 8 rows by 48 columns of sums stays in 24 registers.

use std::ops::Range;

use super::packed::TileJob;

#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn block(_: TileJob, _: Range<usize>, _: Range<usize>) {
    unreachable!("no value of `Bf16` exists on this processor")
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn multiply_adds(_: u64) -> f64 {
    unreachable!("no value of `Bf16` exists on this processor")
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::{block, multiply_adds};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_load_si512, _mm512_loadu_ps, _mm512_set1_epi32,
        _mm512_setzero_ps, _mm512_storeu_ps,
    };

    use std::hint::black_box;

    use super::{Range, TileJob};
    use crate::product::packed::{LINES, Line, SIDE};
    use crate::product::store;

    /// Rows of sums in registers: half a tile.
    const ROWS: usize = 8;
    /// Most strips of columns in registers.
    const WIDE: usize = 3;

    /// Multiplies a block of rows by columns that start at a strip.
    ///
    /// # Safety
    /// The processor must have the features, the ranges must lie within the job's sides, and the caller's task alone
    /// writes these rows and columns of c.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(in crate::product) unsafe fn block(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        for column in columns.clone().step_by(WIDE * SIDE) {
            for row in rows.clone().step_by(ROWS) {
                let rows = row..(row + ROWS).min(rows.end);
                let columns = column..(column + WIDE * SIDE).min(columns.end);
                // SAFETY: promised by the caller.
                unsafe {
                    match columns.len().div_ceil(SIDE) {
                        3 => sums::<3>(job, rows, columns),
                        2 => sums::<2>(job, rows, columns),
                        _ => sums::<1>(job, rows, columns),
                    }
                }
            }
        }
    }

    /// # Safety
    /// As for [`block`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn sums<const N: usize>(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        let whole = rows.len() == ROWS && columns.len() == N * SIDE;
        let mut values = [0.0f32; ROWS * WIDE * SIDE];
        // SAFETY: the tiles exist, and so do their lines along the piece of the depth; a whole block lies inside c, and this
        // task alone writes it; others go by way of `values`, rows of N strips.
        unsafe {
            let (to, stride) = if whole {
                (job.c.at(rows.start * job.n + columns.start), job.n)
            } else {
                if job.adds {
                    store::load(job.c, job.n, rows.clone(), columns.clone(), &mut values, N * SIDE);
                }
                (values.as_mut_ptr(), N * SIDE)
            };
            let mut acc = [[_mm512_setzero_ps(); N]; ROWS];
            if job.adds {
                for (r, acc) in acc.iter_mut().enumerate() {
                    for (i, acc) in acc.iter_mut().enumerate() {
                        *acc = _mm512_loadu_ps(to.add(r * stride + i * SIDE));
                    }
                }
            }
            let a = job.a.at(rows.start / SIDE, job.line + rows.start % SIDE);
            let b: [*const Line; N] = std::array::from_fn(|i| job.b.at(columns.start / SIDE + i, job.line));
            for tile in 0..job.tiles {
                let a = a.add(tile * LINES).cast::<i32>();
                for pair in 0..LINES {
                    let right: [__m512i; N] =
                        std::array::from_fn(|i| _mm512_load_si512(b[i].add(tile * LINES + pair).cast()));
                    for (r, acc) in acc.iter_mut().enumerate() {
                        let left = _mm512_set1_epi32(*a.add(r * 16 + pair));
                        for (acc, right) in acc.iter_mut().zip(right) {
                            *acc = multiply_add(*acc, left, right);
                        }
                    }
                }
            }
            for (r, acc) in acc.into_iter().enumerate() {
                for (i, acc) in acc.into_iter().enumerate() {
                    _mm512_storeu_ps(to.add(r * stride + i * SIDE), acc);
                }
            }
            if !whole {
                store::store(job.c, job.n, rows, columns, &values, N * SIDE);
            }
        }
    }

    /// Chains of multiply-adds on registers alone; returns the number of operations.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(in crate::product) fn multiply_adds(rounds: u64) -> f64 {
        const CHAINS: usize = 24;
        let (a, b) = (_mm512_set1_epi32(black_box(0x3f00_3f00)), _mm512_set1_epi32(black_box(0x3e00_3e00)));
        let mut acc = [_mm512_setzero_ps(); CHAINS];
        for _ in 0..rounds {
            for acc in &mut acc {
                *acc = multiply_add(*acc, a, b);
            }
        }
        black_box(acc);
        (4 * CHAINS * SIDE) as f64 * rounds as f64
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn multiply_add(acc: __m512, left: __m512i, right: __m512i) -> __m512 {
        // SAFETY: both types are 512 plain bits.
        let (left, right) = unsafe { (cast(left), cast(right)) };
        _mm512_dpbf16_ps(acc, left, right)
    }

    /// # Safety
    /// None: both types are 512 plain bits.
    #[inline(always)]
    unsafe fn cast(x: __m512i) -> __m512bh {
        // SAFETY: as above.
        unsafe { std::mem::transmute(x) }
    }
}
