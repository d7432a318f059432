//! Four-bit whole numbers in groups with a scale of half precision each, without an offset.

use rayon::prelude::*;

use super::four_bit::pack;
use super::half::{from_half, to_half};
use super::search::search;
use super::{Fit, QuantError, Step, expect_length, expect_numbers, largest};
use crate::isa::Isa;

/// The levels: code - 8. Code 0, which is never written, reads as code 1 does, so that no level exceeds 7.
pub static INT4_LEVELS: [f32; 16] =
    [-7.0, -7.0, -6.0, -5.0, -4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

/// The largest level.
pub(super) const LIMIT: f32 = 7.0;

/// The code of 0, which fills an odd end.
const ZERO: u8 = 8;

/// The largest group.
const MOST: usize = 128;

/// A matrix in int4: 4.5, 4.25 or 4.125 bits for an element in groups of 32, 64 or 128.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Int4 {
    /// Codes from 1 to 15 that mean -7 to 7, two to a byte, the first element in the upper half.
    pub codes: Vec<u8>,
    /// The bits of each group's scale in half precision.
    pub scales: Vec<u16>,
}

/// Whether the format has groups of this size.
pub(super) fn is_group(group: usize) -> bool {
    matches!(group, 32 | 64 | 128)
}

/// The step that gives the largest absolute value the largest code, as near as half precision has it.
#[inline(always)]
pub(super) fn plain_step(largest: f32) -> Step {
    Step::new(stored(largest / LIMIT))
}

fn stored(scale: f32) -> f32 {
    from_half(to_half(scale))
}

impl Int4 {
    /// Encodes weights in groups of 32, 64 or 128 elements, counted through the rows. A [`Fit::Search`] takes column i's
    /// importance for elements i, i + width, ..., where width is the number of importances.
    ///
    /// # Errors
    /// Where the format has no such group, a number is not finite, an importance is negative, the weights are no whole
    /// rows, or a group's weights reach 458,640, beyond which half precision has no scale.
    pub fn encode(weights: &[f32], group: usize, fit: Fit<'_>) -> Result<Self, QuantError> {
        /// Groups that are worth a task of their own.
        const TASK: usize = 16;
        if !is_group(group) {
            return Err(QuantError::Group(group));
        }
        let importance = expect_importance(fit, weights.len(), None)?;
        expect_numbers("weights", weights, f32::is_finite)?;
        let isa = Isa::detect();
        let encode = |(i, (codes, x)): (usize, (&mut [u8], &[f32]))| {
            let mut step = plain_step(largest(x));
            if !step.scale.is_finite() {
                return Err(QuantError::TooLarge { group: i });
            }
            if let Fit::Search { .. } = fit {
                let mut columns = [1.0; MOST];
                let columns = &mut columns[..x.len()];
                if let Some(importance) = importance {
                    for (j, to) in columns.iter_mut().enumerate() {
                        *to = importance[(i * group + j) % importance.len()];
                    }
                }
                step = search(isa, x, columns, LIMIT, step, stored);
            }
            let mut whole = [ZERO; MOST];
            for (to, x) in whole.iter_mut().zip(x) {
                *to = (step.code(*x, LIMIT) + f32::from(ZERO)) as u8;
            }
            pack(&whole[..x.len()], ZERO, codes);
            Ok(to_half(step.scale))
        };
        let mut codes = vec![0; weights.len().div_ceil(2)];
        let groups = codes.par_chunks_mut(group / 2).zip(weights.par_chunks(group)).enumerate();
        let scales: Vec<Result<u16, QuantError>> = groups.with_min_len(TASK).map(encode).collect();
        let scales = scales.into_iter().collect::<Result<_, _>>()?;
        Ok(Self { codes, scales })
    }
}

/// The importances of a fit, which must be finite, not negative, and as many as the columns. Without a `width` the columns are as
/// many as the importances.
pub(super) fn expect_importance(
    fit: Fit<'_>,
    len: usize,
    width: Option<usize>,
) -> Result<Option<&[f32]>, QuantError> {
    let Fit::Search { importance: Some(importance) } = fit else { return Ok(None) };
    expect_length("importances", width.unwrap_or(importance.len()), importance.len())?;
    super::expect_rows(importance.len(), len)?;
    expect_numbers("importances", importance, |w| w.is_finite() && w >= 0.0)?;
    Ok(Some(importance))
}
