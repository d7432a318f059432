//! The product of packed tiles with AVX512-BF16: `vdpbf16ps` multiplies a pair of each row by a pair of each of 16
//! columns and adds both products to an f32 sum. A block of 8 rows by 48 columns of sums stays in 24 registers.

use std::ops::Range;

use super::Job;

#[cfg(not(target_arch = "x86_64"))]
pub(super) unsafe fn block(_: Job, _: Range<usize>, _: Range<usize>) {
    unreachable!("no value of `Bf16` exists on this processor")
}

#[cfg(target_arch = "x86_64")]
pub(super) use x86::block;

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_load_si512, _mm512_set1_epi32, _mm512_setzero_ps,
        _mm512_storeu_ps,
    };

    use super::{Job, Range};
    use crate::bf16::pack::{LINES, Line, SIDE};

    /// Rows of sums in registers: half a tile.
    const ROWS: usize = 8;
    /// Most tiles of columns in registers.
    const WIDE: usize = 3;

    /// Multiplies rows and columns of tiles.
    ///
    /// # Safety
    /// The processor must have the features, the ranges must lie within the job's tiles, and the caller's task alone
    /// writes these rows and columns of c.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(in crate::bf16) unsafe fn block(job: Job, rows: Range<usize>, columns: Range<usize>) {
        let mut column = columns.start;
        while column < columns.end {
            let wide = WIDE.min(columns.end - column);
            for row in rows.clone() {
                for half in 0..SIDE / ROWS {
                    if row * SIDE + half * ROWS >= job.m {
                        break;
                    }
                    // SAFETY: promised by the caller.
                    unsafe {
                        match wide {
                            3 => sums::<3>(job, row, half, column),
                            2 => sums::<2>(job, row, half, column),
                            _ => sums::<1>(job, row, half, column),
                        }
                    }
                }
            }
            column += wide;
        }
    }

    /// # Safety
    /// As for [`block`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    unsafe fn sums<const N: usize>(job: Job, row: usize, half: usize, column: usize) {
        let mut acc = [[_mm512_setzero_ps(); N]; ROWS];
        // SAFETY: the tiles exist, and so do their lines along the whole depth.
        unsafe {
            let a = job.a.at(row).add(half * ROWS);
            let b: [*const Line; N] = std::array::from_fn(|i| job.b.at(column + i));
            for tile in 0..job.a.depth {
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
            let (first, left) = (row * SIDE + half * ROWS, column * SIDE);
            if !job.accumulate && first + ROWS <= job.m && left + N * SIDE <= job.n {
                // The whole block lies inside c, and this task alone writes it.
                for (r, acc) in acc.into_iter().enumerate() {
                    for (i, acc) in acc.into_iter().enumerate() {
                        _mm512_storeu_ps(job.c.at((first + r) * job.n + left + i * SIDE), acc);
                    }
                }
                return;
            }
            let mut values = [0.0f32; ROWS * WIDE * SIDE];
            for (r, acc) in acc.into_iter().enumerate() {
                for (i, acc) in acc.into_iter().enumerate() {
                    _mm512_storeu_ps(values.as_mut_ptr().add((r * N + i) * SIDE), acc);
                }
            }
            job.store(&values[..ROWS * N * SIDE], N * SIDE, first, left);
        }
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
