//! Packing with AVX-512 (bfloat16) and transposing with AVX-512 and AVX2 (f32).

use std::arch::x86_64::{
    __m256, __m512i, _mm256_loadu_ps, _mm256_permute2f128_ps, _mm256_shuffle_ps, _mm256_storeu_ps,
    _mm256_unpackhi_ps, _mm256_unpacklo_ps, _mm512_cvtne2ps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_maskz_loadu_ps, _mm512_permutexvar_epi16, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_store_si512, _mm512_storeu_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64,
    _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
};

use super::Source;
use crate::product::packed::{DEPTH, Form, LINES, SIDE};

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

/// Packs the strip from side `first` on.
///
/// # Safety
/// The processor must have the features; `from`'s shape and strides must lie within its data.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
pub(super) unsafe fn pack_strip(from: Source<'_>, form: Form, first: usize, to: &mut [f32]) {
    let sides = SIDE.min(from.sides - first);
    // Sides that lie side by side are read as pairs, sides along the depth as rows.
    let read = if from.side == 1 { Form::Pair } else { Form::Row };
    for (tile, lines) in to.chunks_exact_mut(LINES * SIDE).enumerate() {
        let start = tile * DEPTH;
        let depths = DEPTH.min(from.depths - start);
        // SAFETY: the tile's `sides` and `depths` lie within the matrix.
        let values = unsafe {
            match (read, sides == SIDE && depths == DEPTH) {
                (Form::Row, true) => row_form::<true>(from, first, sides, start, depths),
                (Form::Row, false) => row_form::<false>(from, first, sides, start, depths),
                (Form::Pair, true) => pair_form::<true>(from, first, sides, start, depths),
                (Form::Pair, false) => pair_form::<false>(from, first, sides, start, depths),
            }
        };
        store(lines, &if form == read { values } else { transposed(&values) });
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
/// The processor must have the feature; 16 rows of 16 values must be readable, and so many writable.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn transpose512(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let rows: [__m512i; 16] = std::array::from_fn(|i| _mm512_loadu_si512(from.add(i * stride).cast()));
        for (i, column) in transposed(&rows).into_iter().enumerate() {
            _mm512_storeu_si512(to.add(i * to_stride).cast(), column);
        }
    }
}

/// # Safety
/// As for [`transpose512`].
#[target_feature(enable = "avx2")]
pub(super) unsafe fn transpose256(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
    for (i, j) in [(0, 0), (0, 8), (8, 0), (8, 8)] {
        // SAFETY: promised by the caller.
        unsafe { transpose8(from.add(i * stride + j), stride, to.add(j * to_stride + i), to_stride) };
    }
}

/// 8 rows of 8 values to columns, `to_stride` apart.
///
/// # Safety
/// As for [`transpose512`].
#[target_feature(enable = "avx2")]
unsafe fn transpose8(from: *const f32, stride: usize, to: *mut f32, to_stride: usize) {
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
            _mm256_storeu_ps(to.add(i * to_stride), low);
            _mm256_storeu_ps(to.add((4 + i) * to_stride), high);
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
/// As for [`pack_strip`].
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
/// As for [`pack_strip`].
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
            let both = std::mem::transmute::<std::arch::x86_64::__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
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
