//! Weight matrices in few bits, on plain slices: NF4 with double-quantized scales ([`Nf4`]), int4 in groups ([`Int4`]) and
//! int8 by row ([`Int8`]); the views that are read at run time ([`FourBit`], [`EightBit`]); and the round trip through each
//! that training for quantization takes ([`fake_quantize`]).
//!
//! What is encoded has the same bits on every instruction set and any number of threads: the vector bodies here fuse no
//! multiply with an add, and sums run in lanes of a fixed count. What comes from a file is checked where its view is made;
//! reading a view cannot fail.

mod dynamic;
mod fake;
mod four_bit;
mod half;
mod int4;
mod int8;
mod nf4;
mod search;

use std::fmt;

pub use dynamic::{SCALE_BLOCK, dynamic_map, nf4_scales};
pub use fake::{Scheme, fake_quantize, fake_quantize_rows};
pub use four_bit::FourBit;
pub use half::{from_half, half_scales, to_half};
pub use int4::{INT4_LEVELS, Int4};
pub use int8::{EightBit, Int8, int8_scale};
pub use nf4::{NF4_BLOCK, NF4_LEVELS, Nf4};

/// How an encoder of whole numbers chooses a scale.
#[derive(Clone, Copy, Debug)]
pub enum Fit<'a> {
    /// The largest absolute value becomes the largest code.
    Largest,
    /// The scale of the least squared error among a fixed set of candidates, which may clip the largest values.
    Search {
        /// The weight of each column in that error, finite and not negative: for instance the mean square of the input
        /// that the column multiplies. All columns alike if absent.
        importance: Option<&'a [f32]>,
    },
}

/// Why weights cannot be encoded, or parts make no matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QuantError {
    /// A part has another number of elements than the rest asks for.
    Length {
        /// Which part.
        what: &'static str,
        /// Elements it must have.
        expected: usize,
        /// Elements it has.
        found: usize,
    },
    /// A group size that the format does not have.
    Group(usize),
    /// The elements are not whole rows of this width.
    Width {
        /// The width of a row.
        width: usize,
        /// All elements.
        len: usize,
    },
    /// A number is NaN or infinite, or an importance is negative.
    Number {
        /// What it is a part of.
        what: &'static str,
        /// Its index there.
        index: usize,
    },
    /// The weights of a group are too large for a scale of half precision.
    TooLarge {
        /// The group's index.
        group: usize,
    },
}

impl fmt::Display for QuantError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Length { what, expected, found } => {
                write!(f, "{found} {what}, where the shape asks for {expected}")
            }
            Self::Group(group) => write!(f, "groups of {group} elements do not exist in this format"),
            Self::Width { width, len } => write!(f, "{len} elements are not rows of {width}"),
            Self::Number { what, index } => {
                write!(f, "number {index} of the {what} is out of range or not finite")
            }
            Self::TooLarge { group } => {
                write!(f, "the weights of group {group} are too large for a scale of half precision")
            }
        }
    }
}

impl std::error::Error for QuantError {}

fn expect_length(what: &'static str, expected: usize, found: usize) -> Result<(), QuantError> {
    if expected == found { Ok(()) } else { Err(QuantError::Length { what, expected, found }) }
}

/// The first number that `is_good` refuses is an error.
fn expect_numbers(
    what: &'static str,
    numbers: &[f32],
    is_good: impl Fn(f32) -> bool,
) -> Result<(), QuantError> {
    match numbers.iter().position(|x| !is_good(*x)) {
        None => Ok(()),
        Some(index) => Err(QuantError::Number { what, index }),
    }
}

fn expect_rows(width: usize, len: usize) -> Result<(), QuantError> {
    if width > 0 && len.is_multiple_of(width) { Ok(()) } else { Err(QuantError::Width { width, len }) }
}

/// The largest absolute value; NaN if there is one. As integers, the bits of positive numbers are ordered like the numbers,
/// with NaN above all.
#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    f32::from_bits(x.iter().fold(0, |most, x| most.max(x.to_bits() & 0x7fff_ffff)))
}

/// The nearest integer, ties to even, for |x| up to 2^22. Unlike `round_ties_even` it never gives -0, just as an integer
/// read back from memory does not, and it is two additions on every instruction set.
#[inline(always)]
fn round(x: f32) -> f32 {
    /// 1.5 · 2^23, from which on a number's last bit is the integers' last bit.
    const SHIFT: f32 = 12_582_912.0;
    (x + SHIFT) - SHIFT
}

/// A scale and what to multiply by before rounding: about its reciprocal, or 0 with a scale of 0.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    scale: f32,
    inverse: f32,
}

impl Step {
    /// The step of a stored scale. A scale below the smallest normal number counts as 0.
    #[inline(always)]
    fn new(scale: f32) -> Self {
        if scale < f32::MIN_POSITIVE {
            Self { scale: 0.0, inverse: 0.0 }
        } else {
            Self { scale, inverse: 1.0 / scale }
        }
    }

    /// The code of `x` as a whole number from -`limit` to `limit`. NaN stays.
    #[inline(always)]
    fn code(self, x: f32, limit: f32) -> f32 {
        let x = x * self.inverse;
        // Comparisons, not `max`/`min`: those would turn NaN into a number.
        let x = if x < -limit { -limit } else { x };
        round(if x > limit { limit } else { x })
    }
}
