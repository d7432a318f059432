//! The scale of whole-number codes that leaves the least squared error, from a fixed set of candidates: fractions of the
//! plain scale, then the least-squares scale for the codes of the best of them.

use super::{Step, largest};
use crate::isa::{Isa, MulAdd, multiversion};

/// Candidates are multiples of 1/32 of the plain scale, from the half, which clips half of the range, up to a little above
/// it, where the codes between the ends may fit better.
const FRACTIONS: std::ops::RangeInclusive<u32> = 16..=38;
const DENOMINATOR: f32 = 32.0;

/// Least-squares scales that are tried after that, each from the codes of the one before.
const REFITS: usize = 4;

/// Sums run in this many lanes on every instruction set, so that all choose the same scale.
const LANES: usize = 16;

/// The best step for `x`, whose errors count by `importance`, with codes from -`limit` to `limit`. `stored` is the scale as it
/// will be read back. `plain` is kept unless another is better; where it is 0 there is nothing to find.
pub(super) fn search(
    isa: Isa,
    x: &[f32],
    importance: &[f32],
    limit: f32,
    plain: Step,
    stored: impl Fn(f32) -> f32,
) -> Step {
    if plain.scale == 0.0 {
        return plain;
    }
    let mut best = plain;
    let mut least = squared_error(isa, x, importance, plain, limit);
    let mut is_better = |best: &mut Step, scale: f32| {
        let step = Step::new(stored(scale));
        if step.scale == 0.0 || !step.scale.is_finite() {
            return false;
        }
        let error = squared_error(isa, x, importance, step, limit);
        let better = error < least;
        if better {
            (*best, least) = (step, error);
        }
        better
    };
    let base = largest_that_counts(x, importance) / limit;
    for fraction in FRACTIONS {
        is_better(&mut best, base * (fraction as f32 / DENOMINATOR));
    }
    for _ in 0..REFITS {
        let [products, squares] = moments(isa, x, importance, best, limit);
        if !is_better(&mut best, products / squares) {
            break;
        }
    }
    best
}

/// The largest absolute value whose error counts; of all if none does.
fn largest_that_counts(x: &[f32], importance: &[f32]) -> f32 {
    let counted =
        x.iter().zip(importance).filter(|(_, w)| **w > 0.0).map(|(x, _)| x.abs()).fold(0.0, f32::max);
    if counted > 0.0 { counted } else { largest(x) }
}

multiversion! {
    /// The sum of importance · (x - decoded x)².
    fn squared_error(x: &[f32], importance: &[f32], step: Step, limit: f32) -> f32 = squared_error_body;
}
multiversion! {
    /// The sums of importance · x · code and of importance · code²: their ratio is the scale that fits these codes best.
    fn moments(x: &[f32], importance: &[f32], step: Step, limit: f32) -> [f32; 2] = moments_body;
}

#[inline(always)]
fn squared_error_body<F: MulAdd>(x: &[f32], importance: &[f32], step: Step, limit: f32) -> f32 {
    sum_in_lanes(x, importance, |x, w| {
        let d = x - step.code(x, limit) * step.scale;
        w * (d * d)
    })
}

#[inline(always)]
fn moments_body<F: MulAdd>(x: &[f32], importance: &[f32], step: Step, limit: f32) -> [f32; 2] {
    let products = sum_in_lanes(x, importance, |x, w| w * (x * step.code(x, limit)));
    let squares = sum_in_lanes(x, importance, |x, w| {
        let code = step.code(x, limit);
        w * (code * code)
    });
    [products, squares]
}

#[inline(always)]
fn sum_in_lanes(x: &[f32], importance: &[f32], term: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (x, x_rest) = x.as_chunks::<LANES>();
    let (w, w_rest) = importance.as_chunks::<LANES>();
    for (x, w) in x.iter().zip(w) {
        for ((lane, x), w) in lanes.iter_mut().zip(x).zip(w) {
            *lane += term(*x, *w);
        }
    }
    for ((lane, x), w) in lanes.iter_mut().zip(x_rest).zip(w_rest) {
        *lane += term(*x, *w);
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::search;
    use crate::isa::Isa;
    use crate::quant::int8::plain_step;
    use crate::quant::largest;

    #[test]
    fn every_instruction_set_finds_the_same_scale() {
        for len in [1, 15, 64, 100, 3072] {
            let x: Vec<f32> = (0..len).map(|i| (i as f32 * 0.37).sin().powi(5)).collect();
            let importance: Vec<f32> = (0..len).map(|i| 1.0 + (i as f32).cos()).collect();
            for limit in [7.0, 127.0] {
                let steps: Vec<_> = Isa::available()
                    .into_iter()
                    .map(|isa| search(isa, &x, &importance, limit, plain_step(largest(&x)), |scale| scale))
                    .collect();
                assert!(steps.iter().all(|step| *step == steps[0]), "{len}: {steps:?}");
            }
        }
    }
}
