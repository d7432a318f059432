//! IEEE half precision (binary16) as bits, for scales: to the nearest, ties to even.

use super::{QuantError, expect_numbers};

/// Values in half precision as f32; all of them are exact there.
///
/// # Errors
/// Where one is NaN or infinite.
pub fn half_scales(bits: &[u16]) -> Result<Vec<f32>, QuantError> {
    let scales: Vec<f32> = bits.iter().map(|bits| from_half(*bits)).collect();
    expect_numbers("scales", &scales, f32::is_finite)?;
    Ok(scales)
}

/// The value of half-precision bits.
pub fn from_half(bits: u16) -> f32 {
    /// The smallest number of half precision.
    const SMALLEST: f32 = 1.0 / (1 << 24) as f32;
    /// What the exponents' biases differ by, in f32's place.
    const REBIAS: u32 = (127 - 15) << 23;
    let sign = u32::from(bits >> 15) << 31;
    let rest = u32::from(bits & 0x7fff);
    let magnitude = match rest {
        0..0x400 => rest as f32 * SMALLEST,
        0x400..0x7c00 => f32::from_bits((rest << 13) + REBIAS),
        0x7c00 => f32::INFINITY,
        _ => f32::NAN,
    };
    f32::from_bits(magnitude.to_bits() | sign)
}

/// The half-precision bits nearest to `x`, ties to even; infinity from 65,520 on.
pub fn to_half(x: f32) -> u16 {
    /// The smallest normal number of half precision.
    const NORMAL: f32 = 1.0 / (1 << 14) as f32;
    /// Half of the last place above 65,504, which rounds up.
    const OVERFLOW: f32 = 65_520.0;
    let sign = (x.to_bits() >> 16) as u16 & 0x8000;
    let x = x.abs();
    let rest = if x.is_nan() {
        0x7e00
    } else if x >= OVERFLOW {
        0x7c00
    } else if x < NORMAL {
        (x * (1 << 24) as f32).round_ties_even() as u16
    } else {
        let bits = x.to_bits() - ((127 - 15) << 23);
        // Just under half of the last place that stays, and the rest where that place is odd.
        ((bits + 0xfff + (bits >> 13 & 1)) >> 13) as u16
    };
    sign | rest
}

#[cfg(test)]
mod tests {
    use super::{from_half, to_half};

    #[test]
    fn every_half_comes_back() {
        for bits in 0..=u16::MAX {
            let x = from_half(bits);
            if x.is_nan() {
                assert!(from_half(to_half(x)).is_nan(), "{bits:#x}");
            } else {
                assert_eq!(to_half(x), bits, "{x}");
            }
        }
        assert_eq!(
            [0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000].map(from_half),
            [1.0, -2.0, 65_504.0, 5.960_464_5e-8, -0.0]
        );
    }

    #[test]
    fn between_two_halves_the_nearer_one_wins_and_ties_go_to_even() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (from_half(bits), from_half(bits + 1));
            let middle = f32::midpoint(low, high);
            assert_eq!(to_half(middle), bits + (bits & 1), "{middle}");
            assert_eq!(to_half(middle.next_down()), bits, "{middle}");
            assert_eq!(to_half(middle.next_up()), bits + 1, "{middle}");
        }
        assert_eq!(
            [65_519.0, 65_520.0, f32::MAX, f32::INFINITY].map(to_half),
            [0x7bff, 0x7c00, 0x7c00, 0x7c00]
        );
    }
}
