//! Elementary functions as straight-line code without branches or calls, so that loops over them
//! vectorize. NaN in, NaN out. Errors are against the exact value, measured by the tests below.

use crate::isa::MulAdd;

/// e^x, within 2 units in the last place for results in the normal range. Arguments are clamped to
/// [-87.33, 88.37]. Range reduction and polynomial: Cephes `expf` (Moshier).
#[inline(always)]
pub(crate) fn exp<F: MulAdd>(x: f32) -> f32 {
    const LOW: f32 = -87.336_54;
    const HIGH: f32 = 88.376_26;
    /// 1.5 · 2^23: adding and subtracting it rounds to the nearest integer.
    const ROUND: f32 = 12_582_912.0;
    // Comparisons, not `max`/`min`: those would turn NaN into a number.
    let x = if x < LOW { LOW } else { x };
    let x = if x > HIGH { HIGH } else { x };
    let shifted = F::mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = F::mul_add(n, -0.693_359_4, x);
    let r = F::mul_add(n, 2.121_944_4e-4, r);
    let p = F::mul_add(1.987_569_1e-4, r, 1.398_2e-3);
    let p = F::mul_add(p, r, 8.333_452e-3);
    let p = F::mul_add(p, r, 4.166_579_6e-2);
    let p = F::mul_add(p, r, 1.666_666_5e-1);
    let p = F::mul_add(p, r, 0.5);
    let y = F::mul_add(p * r, r, r) + 1.0;
    // The low bits of `shifted` hold n as a two's complement integer; 2^n goes into the exponent.
    let scale = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    y * scale
}

/// The error function, within 5e-7 absolute. Rational approximation on [-4, 4] (degree 13 over degree 8,
/// the coefficients used by Eigen and XLA); beyond, f32 rounds erf to ±1.
#[inline(always)]
pub(crate) fn erf<F: MulAdd>(x: f32) -> f32 {
    let x = if x < -4.0 { -4.0 } else { x };
    let x = if x > 4.0 { 4.0 } else { x };
    let x2 = x * x;
    let p = F::mul_add(x2, -2.726_142_3e-10, 2.770_681_4e-8);
    let p = F::mul_add(x2, p, -2.101_024e-6);
    let p = F::mul_add(x2, p, -5.692_506_4e-5);
    let p = F::mul_add(x2, p, -7.349_906_3e-4);
    let p = F::mul_add(x2, p, -2.954_6e-3);
    let p = F::mul_add(x2, p, -1.609_603_3e-2);
    let q = F::mul_add(x2, -1.456_607_2e-5, -2.133_740_6e-4);
    let q = F::mul_add(x2, q, -1.682_827e-3);
    let q = F::mul_add(x2, q, -7.373_329e-3);
    let q = F::mul_add(x2, q, -1.426_473_9e-2);
    x * p / q
}

/// The hyperbolic tangent, within 3e-7 absolute. Polynomial near zero, e^2x beyond: Cephes `tanhf` (Moshier).
#[inline(always)]
pub(crate) fn tanh<F: MulAdd>(x: f32) -> f32 {
    let a = x.abs();
    let a = if a > 9.5 { 9.5 } else { a };
    let z = x * x;
    let p = F::mul_add(-5.704_988_7e-3, z, 2.063_909e-2);
    let p = F::mul_add(p, z, -5.373_971_6e-2);
    let p = F::mul_add(p, z, 1.333_144_2e-1);
    let p = F::mul_add(p, z, -3.333_328e-1);
    let near = F::mul_add(p * z, x, x);
    let far = 1.0 - 2.0 / (exp::<F>(2.0 * a) + 1.0);
    if a < 0.625 { near } else { far.copysign(x) }
}

#[cfg(test)]
mod tests {
    use super::{erf, exp, tanh};
    use crate::isa::{Fused, Separate};

    fn grid(low: f64, high: f64) -> impl Iterator<Item = f32> {
        (0..=200_000).map(move |i| (low + (high - low) * f64::from(i) / 200_000.0) as f32)
    }

    #[test]
    fn exp_is_within_two_ulp() {
        for x in grid(-87.0, 88.0) {
            let exact = f64::from(x).exp();
            for y in [exp::<Fused>(x), exp::<Separate>(x)] {
                assert!(((f64::from(y) - exact) / exact).abs() < 2.4e-7, "exp({x}) = {y}, not {exact}");
            }
        }
    }

    #[test]
    fn erf_and_tanh_are_close() {
        for x in grid(-4.2, 4.2) {
            let wanted = crate::reference::erf(x.into());
            assert!((f64::from(erf::<Fused>(x)) - wanted).abs() < 5e-7, "erf({x})");
            assert!((f64::from(erf::<Separate>(x)) - wanted).abs() < 5e-7, "erf({x})");
            let wanted = f64::from(x).tanh();
            assert!((f64::from(tanh::<Fused>(x)) - wanted).abs() < 3e-7, "tanh({x})");
        }
    }

    #[test]
    fn nan_and_infinity_are_kept() {
        assert!(
            exp::<Fused>(f32::NAN).is_nan()
                && erf::<Fused>(f32::NAN).is_nan()
                && tanh::<Fused>(f32::NAN).is_nan()
        );
        assert_eq!(tanh::<Fused>(f32::INFINITY), 1.0);
        assert_eq!(tanh::<Fused>(f32::NEG_INFINITY), -1.0);
        assert!(exp::<Fused>(f32::NEG_INFINITY) < 1e-37);
    }
}
