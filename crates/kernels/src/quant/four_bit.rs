//! The view that all formats of four bits share at run time: codes, two to a byte, levels and a scale for each group.

use std::ops::Range;

use super::{QuantError, expect_length, expect_numbers, round};
use crate::isa::{Isa, Level};

/// Elements of four bits. Element i, counted through the rows, is `levels[code i] * scales[i / group]`; its code is in byte
/// i / 2, in the upper half where i is even. Groups may straddle rows.
#[derive(Clone, Copy, Debug)]
pub struct FourBit<'a> {
    pub(crate) codes: &'a [u8],
    pub(crate) scales: &'a [f32],
    pub(crate) group: usize,
    pub(crate) levels: &'static [f32; 16],
    len: usize,
    /// The largest absolute value of a level.
    largest: f32,
}

impl<'a> FourBit<'a> {
    /// `len` elements from `len.div_ceil(2)` bytes of codes and a scale for each `group` elements.
    ///
    /// # Errors
    /// Where the lengths do not fit, `group` is 0, or a scale times the largest level is not finite.
    pub fn new(
        levels: &'static [f32; 16],
        codes: &'a [u8],
        scales: &'a [f32],
        group: usize,
        len: usize,
    ) -> Result<Self, QuantError> {
        if group == 0 {
            return Err(QuantError::Group(group));
        }
        expect_length("bytes of codes", len.div_ceil(2), codes.len())?;
        expect_length("scales", len.div_ceil(group), scales.len())?;
        let largest = super::largest(levels);
        expect_numbers("scales", scales, |scale| (scale * largest).is_finite())?;
        Ok(Self { codes, scales, group, levels, len, largest })
    }

    /// The same of parts that [`new`](Self::new) accepted before.
    pub(crate) fn checked(
        levels: &'static [f32; 16],
        codes: &'a [u8],
        scales: &'a [f32],
        group: usize,
        len: usize,
    ) -> Self {
        assert!(codes.len() == len.div_ceil(2) && group > 0 && scales.len() == len.div_ceil(group));
        Self { codes, scales, group, levels, len, largest: super::largest(levels) }
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The elements that share a scale.
    pub fn group(&self) -> usize {
        self.group
    }

    /// Writes the elements of `range` to `out`: level times scale, in f32.
    ///
    /// # Panics
    /// If the range exceeds the elements or has another length than `out`.
    pub fn decode(&self, range: Range<usize>, out: &mut [f32]) {
        assert!(range.end <= self.len && range.len() == out.len());
        self.for_segments(range, out, |scale| self.levels.map(|level| level * scale));
    }

    /// The scale with which a row is expanded to int8: the largest |group scale| · |level| of the groups that it meets,
    /// divided by 127; 0 where that is below the smallest normal f32. A scale that was itself quantized may be negative.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row_scale(&self, row: usize, width: usize) -> f32 {
        let range = self.row(row, width);
        let groups = &self.scales[range.start / self.group..range.end.div_ceil(self.group)];
        let scale = super::largest(groups) * self.largest / 127.0;
        if scale < f32::MIN_POSITIVE { 0.0 } else { scale }
    }

    /// [`expand_row`](Self::expand_row) with the vectors of `isa`: the same bits. Returns the row's scale.
    pub(crate) fn expand_row_on(&self, isa: Isa, row: usize, width: usize, out: &mut [i8]) -> f32 {
        let range = self.row(row, width);
        assert_eq!(out.len(), width);
        let row_scale = self.row_scale(row, width);
        // Whole groups of bytes of codes, of which each fills a vector.
        let whole =
            self.group.is_multiple_of(64) && range.start.is_multiple_of(64) && width.is_multiple_of(64);
        if row_scale == 0.0 || !whole || isa.level() == Level::Portable {
            self.expand_row(row, width, out);
            return row_scale;
        }
        #[cfg(target_arch = "x86_64")]
        for (i, out) in out.as_chunks_mut::<64>().0.iter_mut().enumerate() {
            let at = range.start + i * 64;
            let ratio = self.scales[at / self.group] / row_scale;
            let table = self.levels.map(|level| round(level * ratio) as i8);
            let codes = self.codes[at / 2..].first_chunk::<32>();
            if let Some(codes) = codes {
                // SAFETY: above the portable level the processor has AVX2.
                unsafe { x86::look_up(codes, &table, out) };
            }
        }
        row_scale
    }

    /// Writes a row's elements as int8 that are to be multiplied by [`row_scale`](Self::row_scale). An element is
    /// `(level * (group_scale / row_scale)).round_ties_even()` in f32, which lies in -127..=127, or 0 if `row_scale` is 0.
    ///
    /// # Panics
    /// If there is no such row or `out` is not of its width.
    pub fn expand_row(&self, row: usize, width: usize, out: &mut [i8]) {
        let range = self.row(row, width);
        assert_eq!(out.len(), width);
        let row_scale = self.row_scale(row, width);
        if row_scale == 0.0 {
            out.fill(0);
        } else {
            self.for_segments(range, out, |scale| {
                let ratio = scale / row_scale;
                self.levels.map(|level| round(level * ratio) as i8)
            });
        }
    }

    fn row(&self, row: usize, width: usize) -> Range<usize> {
        assert!(width > 0 && row < self.len / width, "there is no row {row} of {width}");
        row * width..(row + 1) * width
    }

    /// Looks the codes of `range` up, each in the table that `table` makes of its group's scale.
    #[inline(always)]
    fn for_segments<T: Copy>(&self, range: Range<usize>, mut out: &mut [T], table: impl Fn(f32) -> [T; 16]) {
        let mut start = range.start;
        while start < range.end {
            let group = start / self.group;
            // The end of the group, without an overflow where the group is larger than all elements.
            let count = (self.group - start % self.group).min(range.end - start);
            let (segment, rest) = out.split_at_mut(count);
            look_up(self.codes, start, &table(self.scales[group]), segment);
            out = rest;
            start += count;
        }
    }
}

/// Writes the table's values for the codes from element `start` on.
#[inline(always)]
fn look_up<T: Copy>(codes: &[u8], start: usize, table: &[T; 16], out: &mut [T]) {
    let value = |code: u8| table[usize::from(code & 15)];
    let (first, rest) = out.split_at_mut((start % 2).min(out.len()));
    for to in first {
        *to = value(codes[start / 2]);
    }
    let (pairs, last) = rest.as_chunks_mut::<2>();
    let codes = &codes[start.div_ceil(2)..];
    for (to, code) in pairs.iter_mut().zip(codes) {
        *to = [value(code >> 4), value(*code)];
    }
    for to in last {
        *to = value(codes[pairs.len()] >> 4);
    }
}

/// Packs codes two to a byte, the first in the upper half; an odd end is filled with `pad`.
pub(super) fn pack(codes: &[u8], pad: u8, out: &mut [u8]) {
    for (to, pair) in out.iter_mut().zip(codes.chunks(2)) {
        *to = pair[0] << 4 | pair.get(1).unwrap_or(&pad);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
        _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_shuffle_epi8, _mm256_srli_epi16,
        _mm256_storeu_si256, _mm256_unpackhi_epi8, _mm256_unpacklo_epi8,
    };

    /// Looks 64 codes up, the first of each byte in its upper half.
    ///
    /// # Safety
    /// The processor must have AVX2.
    #[target_feature(enable = "avx2")]
    #[allow(clippy::cast_ptr_alignment)] // loads and stores of unaligned vectors
    pub(super) unsafe fn look_up(codes: &[u8; 32], table: &[i8; 16], out: &mut [i8; 64]) {
        // SAFETY: the three arrays are as long as what is read and written.
        unsafe {
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            let codes = _mm256_loadu_si256(codes.as_ptr().cast());
            let low = _mm256_set1_epi8(15);
            let first = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16::<4>(codes), low));
            let second = _mm256_shuffle_epi8(table, _mm256_and_si256(codes, low));
            let (a, b) = (_mm256_unpacklo_epi8(first, second), _mm256_unpackhi_epi8(first, second));
            let (to, behind) = out.split_at_mut(32);
            _mm256_storeu_si256(to.as_mut_ptr().cast::<__m256i>(), _mm256_permute2x128_si256::<0x20>(a, b));
            _mm256_storeu_si256(
                behind.as_mut_ptr().cast::<__m256i>(),
                _mm256_permute2x128_si256::<0x31>(a, b),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::FourBit;
    use crate::isa::Isa;
    use crate::quant::NF4_LEVELS;

    #[test]
    fn vectors_expand_to_the_same_bits() {
        let (rows, width) = (5usize, 192usize);
        let codes: Vec<u8> = (0..rows * width / 2).map(|i| (i * 37 % 256) as u8).collect();
        for group in [32, 64, 128] {
            let scales: Vec<f32> = (0..(rows * width).div_ceil(group))
                .map(|i| if i == 3 { -0.01 } else { 0.02 * i as f32 })
                .collect();
            for width in [192, 96, 64, 60] {
                let view = FourBit::new(&NF4_LEVELS, &codes, &scales, group, rows * 192).unwrap();
                for isa in Isa::available() {
                    for row in 0..rows * 192 / width {
                        let (mut a, mut b) = (vec![0; width], vec![0; width]);
                        view.expand_row(row, width, &mut a);
                        view.expand_row_on(isa, row, width, &mut b);
                        assert_eq!(a, b, "{isa}, group {group}, width {width}, row {row}");
                    }
                }
            }
        }
    }
}
