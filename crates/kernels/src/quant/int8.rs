//! Eight-bit whole numbers with a scale for each row, without an offset: the form in which products are computed.

use rayon::prelude::*;

use super::int4::expect_importance;
use super::search::search;
use super::{Fit, QuantError, Step, expect_length, expect_numbers, expect_rows, largest};
use crate::isa::Isa;

/// The largest code.
pub(super) const LIMIT: f32 = 127.0;

/// The scale of a row with this largest absolute value, and what its elements are multiplied by before rounding: a / 127 and
/// 127 / a. Both are 0 where the scale would be below the smallest normal f32. NaN gives NaN.
///
/// A row's codes are `(x * inverse).round_ties_even()`, which lie in -127..=127, and stand for `code * scale`.
#[inline(always)]
pub fn int8_scale(largest: f32) -> (f32, f32) {
    let scale = largest / LIMIT;
    if scale < f32::MIN_POSITIVE { (0.0, 0.0) } else { (scale, LIMIT / largest) }
}

#[inline(always)]
pub(super) fn plain_step(largest: f32) -> Step {
    let (scale, inverse) = int8_scale(largest);
    Step { scale, inverse }
}

/// A matrix in int8: 8 bits for an element and 32 for a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Int8 {
    /// Codes from -127 to 127.
    pub codes: Vec<i8>,
    /// The scale of each row.
    pub scales: Vec<f32>,
}

impl Int8 {
    /// Encodes rows of `width` weights. A row of zeros has scale 0.
    ///
    /// # Errors
    /// Where a number is not finite, an importance is negative, or the lengths do not fit.
    pub fn encode(weights: &[f32], width: usize, fit: Fit<'_>) -> Result<Self, QuantError> {
        expect_rows(width, weights.len())?;
        let importance = expect_importance(fit, weights.len(), Some(width))?;
        expect_numbers("weights", weights, f32::is_finite)?;
        let isa = Isa::detect();
        let alike = vec![1.0; if importance.is_none() { width } else { 0 }];
        let columns = importance.unwrap_or(&alike);
        let mut codes = vec![0; weights.len()];
        let rows = codes.par_chunks_mut(width).zip(weights.par_chunks(width));
        let encode = |(codes, x): (&mut [i8], &[f32])| {
            let plain = plain_step(largest(x));
            let step = match fit {
                Fit::Largest => plain,
                Fit::Search { .. } => search(isa, x, columns, LIMIT, plain, |scale| scale),
            };
            for (to, x) in codes.iter_mut().zip(x) {
                *to = step.code(*x, LIMIT) as i8;
            }
            step.scale
        };
        let scales = rows.map(encode).collect();
        Ok(Self { codes, scales })
    }
}

/// Rows of int8 with a scale each, as they are read at run time.
#[derive(Clone, Copy, Debug)]
pub struct EightBit<'a> {
    pub(crate) codes: &'a [i8],
    pub(crate) scales: &'a [f32],
    pub(crate) width: usize,
}

impl<'a> EightBit<'a> {
    /// Rows of `width` codes and a scale for each.
    ///
    /// # Errors
    /// Where the lengths do not fit, or a scale times 128 is not finite.
    pub fn new(codes: &'a [i8], scales: &'a [f32], width: usize) -> Result<Self, QuantError> {
        expect_rows(width, codes.len())?;
        expect_length("scales", codes.len() / width, scales.len())?;
        // A file may hold the code -128, which the encoder never writes.
        expect_numbers("scales", scales, |scale| (scale * 128.0).is_finite())?;
        Ok(Self { codes, scales, width })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.scales.len()
    }

    /// The width of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// A row's codes and scale.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> (&'a [i8], f32) {
        (&self.codes[row * self.width..][..self.width], self.scales[row])
    }

    /// Writes a row's elements to `out`: code times scale, in f32.
    ///
    /// # Panics
    /// If there is no such row or `out` is not of its width.
    pub fn decode_row(&self, row: usize, out: &mut [f32]) {
        let (codes, scale) = self.row(row);
        assert_eq!(out.len(), codes.len());
        for (to, code) in out.iter_mut().zip(codes) {
            *to = f32::from(*code) * scale;
        }
    }
}
