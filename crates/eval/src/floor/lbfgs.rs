//! The minimum of a smooth convex function by L-BFGS (Liu & Nocedal, Mathematical Programming 45, 1989), with
//! steps halved until they descend enough.

use rayon::prelude::*;

/// Pairs of steps and gradients that are remembered.
const MEMORY: usize = 10;

/// Halvings of a step before the search is given up: the function is then as low as rounding allows.
const HALVINGS: usize = 20;

/// Elements of a piece of a sum: sums are formed per piece and added in order.
const PIECE: usize = 1 << 14;

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let pieces = a.par_chunks(PIECE).zip(b.par_chunks(PIECE));
    let sums: Vec<f64> =
        pieces.map(|(a, b)| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()).collect();
    sums.iter().sum()
}

/// `a += scale * b`.
fn add(a: &mut [f32], scale: f64, b: &[f32]) {
    let scale = scale as f32;
    a.par_chunks_mut(PIECE).zip(b.par_chunks(PIECE)).for_each(|(a, b)| {
        a.iter_mut().zip(b).for_each(|(a, b)| *a += scale * b);
    });
}

fn difference(a: &[f32], b: &[f32], out: &mut Vec<f32>) {
    out.clear();
    out.extend(a.iter().zip(b).map(|(a, b)| a - b));
}

/// A step, the change of the gradient along it, and one over their product.
#[derive(Default)]
struct Pair {
    step: Vec<f32>,
    change: Vec<f32>,
    inverse: f64,
}

/// Starts at `x`, ends where no element of the gradient is above `tolerance`, or after `evaluations`. `f`
/// gives the value and writes the gradient.
pub(super) fn minimize(
    mut x: Vec<f32>,
    tolerance: f32,
    evaluations: usize,
    mut f: impl FnMut(&[f32], &mut [f32]) -> f64,
) -> Vec<f32> {
    let mut gradient = vec![0.0; x.len()];
    let mut value = f(&x, &mut gradient);
    let mut history: Vec<Pair> = Vec::with_capacity(MEMORY); // the oldest first
    let (mut next, mut next_gradient) = (x.clone(), gradient.clone());
    let mut left = evaluations.saturating_sub(1);
    while gradient.par_iter().any(|g| g.abs() > tolerance) {
        let direction = direction(&gradient, &history);
        let slope = dot(&gradient, &direction);
        if slope >= 0.0 {
            break;
        }
        let mut step = 1.0;
        let mut found = None;
        for _ in 0..HALVINGS.min(left) {
            next.copy_from_slice(&x);
            add(&mut next, step, &direction);
            left -= 1;
            let at = f(&next, &mut next_gradient);
            if at <= value + 1e-4 * step * slope {
                found = Some(at);
                break;
            }
            step *= 0.5;
        }
        let Some(found) = found else { break };
        let mut pair = if history.len() == MEMORY { history.remove(0) } else { Pair::default() };
        difference(&next, &x, &mut pair.step);
        difference(&next_gradient, &gradient, &mut pair.change);
        let product = dot(&pair.step, &pair.change);
        if product > f64::MIN_POSITIVE {
            history.push(Pair { inverse: 1.0 / product, ..pair });
        }
        value = found;
        std::mem::swap(&mut x, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
    }
    x
}

/// Downhill: the gradient against the curvature that the history knows.
fn direction(gradient: &[f32], history: &[Pair]) -> Vec<f32> {
    let mut direction: Vec<f32> = gradient.iter().map(|g| -g).collect();
    let mut along = Vec::with_capacity(history.len());
    for pair in history.iter().rev() {
        let a = pair.inverse * dot(&pair.step, &direction);
        add(&mut direction, -a, &pair.change);
        along.push(a);
    }
    let scale = match history.last() {
        Some(pair) => 1.0 / (pair.inverse * dot(&pair.change, &pair.change)),
        None => 1.0 / dot(gradient, gradient).sqrt(),
    };
    direction.par_iter_mut().for_each(|d| *d *= scale as f32);
    for (pair, a) in history.iter().zip(along.into_iter().rev()) {
        let b = pair.inverse * dot(&pair.change, &direction);
        add(&mut direction, a - b, &pair.step);
    }
    direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_valley_is_walked_down() {
        // Ten parabolas of curvature 1 to 1,000, the lowest points at 1 to 10.
        let f = |x: &[f32], g: &mut [f32]| {
            let mut value = 0.0;
            for (i, (x, g)) in x.iter().zip(g).enumerate() {
                let (curvature, gap) = (10f32.powf(i as f32 / 3.0), x - (i + 1) as f32);
                *g = curvature * gap;
                value += 0.5 * f64::from(curvature) * f64::from(gap) * f64::from(gap);
            }
            value
        };
        let found = minimize(vec![0.0; 10], 1e-3, 200, f);
        for (i, x) in found.iter().enumerate() {
            assert!((x - (i + 1) as f32).abs() < 2e-3, "{i}: {x}");
        }
        assert_eq!(minimize(vec![0.0; 10], 1e-3, 1, f), vec![0.0; 10], "one evaluation cannot move");
    }
}
