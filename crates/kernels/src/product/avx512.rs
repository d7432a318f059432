//! The product of packed tiles with AVX512-BF16 and AVX512-VNNI: `vdpbf16ps` multiplies a pair of each row by a pair of each of
//! 16 columns and adds both products to an f32 sum, `vpdpbusd` four unsigned bytes by four signed ones to a 32-bit integer. A
//! block of 8 rows by 48 columns of sums stays in 24 registers.

#[cfg(not(target_arch = "x86_64"))]
use std::ops::Range;

#[cfg(not(target_arch = "x86_64"))]
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
pub(super) use x86::{block, block_int8, multiply_adds, multiply_adds_int8};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m512bh, __m512i, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_dpbf16_ps, _mm512_dpbusd_epi32,
        _mm512_load_si512, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_si512, _mm512_storeu_si512,
    };
    use std::hint::black_box;
    use std::ops::Range;

    use crate::product::packed::{LINES, Line, SIDE, TileJob};
    use crate::product::store;

    /// Rows of sums in registers: half a tile.
    const ROWS: usize = 8;
    /// Most strips of columns in registers.
    const WIDE: usize = 3;

    /// One instruction: 16 sums, and what it adds to them of a row and of 16 columns.
    trait Dot {
        /// # Safety
        /// The processor must have the instruction.
        unsafe fn dot(sums: __m512i, row: __m512i, columns: __m512i) -> __m512i;
    }

    struct Bf16;
    struct Int8;

    impl Dot for Bf16 {
        #[inline(always)]
        unsafe fn dot(sums: __m512i, row: __m512i, columns: __m512i) -> __m512i {
            // SAFETY: both types are 512 plain bits; the instruction is promised by the caller.
            unsafe {
                let cast = |x: __m512i| std::mem::transmute::<__m512i, __m512bh>(x);
                let sums = _mm512_castsi512_ps(sums);
                _mm512_castps_si512(_mm512_dpbf16_ps(sums, cast(row), cast(columns)))
            }
        }
    }

    impl Dot for Int8 {
        #[inline(always)]
        unsafe fn dot(sums: __m512i, row: __m512i, columns: __m512i) -> __m512i {
            // SAFETY: promised by the caller.
            unsafe { _mm512_dpbusd_epi32(sums, row, columns) }
        }
    }

    /// Multiplies a block of rows by columns that start at a strip.
    ///
    /// # Safety
    /// The processor must have the features, the ranges must lie within the job's sides, and the caller's task alone
    /// writes these rows and columns of c.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(in crate::product) unsafe fn block(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        // SAFETY: promised by the caller.
        unsafe { blocks::<Bf16>(job, rows, columns) };
    }

    /// The same in int8; c holds 32-bit integers.
    ///
    /// # Safety
    /// As for [`block`].
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(in crate::product) unsafe fn block_int8(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        // SAFETY: promised by the caller.
        unsafe { blocks::<Int8>(job, rows, columns) };
    }

    /// # Safety
    /// As for [`block`].
    #[inline(always)]
    unsafe fn blocks<D: Dot>(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
        for column in columns.clone().step_by(WIDE * SIDE) {
            for row in rows.clone().step_by(ROWS) {
                let rows = row..(row + ROWS).min(rows.end);
                let columns = column..(column + WIDE * SIDE).min(columns.end);
                // SAFETY: promised by the caller.
                unsafe {
                    match columns.len().div_ceil(SIDE) {
                        3 => sums::<D, 3>(job, rows, columns),
                        2 => sums::<D, 2>(job, rows, columns),
                        _ => sums::<D, 1>(job, rows, columns),
                    }
                }
            }
        }
    }

    /// # Safety
    /// As for [`block`].
    #[inline(always)]
    unsafe fn sums<D: Dot, const N: usize>(job: TileJob, rows: Range<usize>, columns: Range<usize>) {
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
            let mut acc = [[_mm512_setzero_si512(); N]; ROWS];
            if job.adds {
                for (r, acc) in acc.iter_mut().enumerate() {
                    for (i, acc) in acc.iter_mut().enumerate() {
                        *acc = _mm512_loadu_si512(to.add(r * stride + i * SIDE).cast());
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
                            *acc = D::dot(*acc, left, right);
                        }
                    }
                }
            }
            for (r, acc) in acc.into_iter().enumerate() {
                for (i, acc) in acc.into_iter().enumerate() {
                    _mm512_storeu_si512(to.add(r * stride + i * SIDE).cast(), acc);
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
        // SAFETY: this function has the instruction.
        unsafe { chains::<Bf16>(rounds, (0x3f00_3f00, 0x3e00_3e00), 2) }
    }

    /// The same in int8.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(in crate::product) fn multiply_adds_int8(rounds: u64) -> f64 {
        // SAFETY: this function has the instruction.
        unsafe { chains::<Int8>(rounds, (0x0101_0101, 0x0101_0101), 4) }
    }

    /// # Safety
    /// The processor must have the instruction.
    #[inline(always)]
    unsafe fn chains<D: Dot>(rounds: u64, values: (i32, i32), depth: usize) -> f64 {
        const CHAINS: usize = 24;
        // SAFETY: promised by the caller; no memory is touched.
        unsafe {
            let (a, b) = (_mm512_set1_epi32(black_box(values.0)), _mm512_set1_epi32(black_box(values.1)));
            let mut acc = [_mm512_setzero_si512(); CHAINS];
            for _ in 0..rounds {
                for acc in &mut acc {
                    *acc = D::dot(*acc, a, b);
                }
            }
            black_box(acc);
        }
        (2 * depth * CHAINS * SIDE) as f64 * rounds as f64
    }
}
