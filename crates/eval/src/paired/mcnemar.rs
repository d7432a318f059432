//! McNemar's test of two models' right and wrong rows, exact at any size.

/// Smaller counts up to this go by the sum of logarithms, larger ones by the asymptotic series, which has
/// converged to rounding long before.
const SUMMED: u32 = 1000;

/// The exact two-sided p-value of McNemar's test (Q. McNemar, Psychometrika 12, 1947): the rows that only one
/// of two models predicts right, `a` and `b`, against a fair coin: `min(1, 2 P(X <= min(a, b)))` with `X`
/// binomial of `a + b` trials at one half. 1 without any such row. Takes time in proportion to the square
/// root of the counts.
pub fn mcnemar_exact(a: u32, b: u32) -> f64 {
    let (least, most) = (a.min(b), a.max(b));
    if least == most {
        return 1.0;
    }
    // Terms shrink by k / (trials - k + 1) < 1 on the way down.
    let trials = f64::from(least) + f64::from(most);
    let (mut tail, mut term) = (1.0, 1.0);
    for k in (1..=least).rev().map(f64::from) {
        term *= k / (trials - k + 1.0);
        tail += term;
        if term < tail * 1e-18 {
            break;
        }
    }
    (2.0 * log_binomial(least, most).exp() * tail).min(1.0)
}

/// `ln (C(k + m, k) / 2^(k + m))` for `k < m`.
fn log_binomial(k: u32, m: u32) -> f64 {
    let (least, most) = (f64::from(k), f64::from(m));
    let trials = least + most;
    if k <= SUMMED {
        let sum: f64 = (1..=k).map(f64::from).map(|i| ((most + i) / i).ln()).sum();
        return sum - trials * std::f64::consts::LN_2;
    }
    // C. Loader, "Fast and accurate computation of binomial probabilities", 2000: Stirling's series, the large
    // terms cancelled by hand; d is how far from even the split is.
    let stirling = |n: f64| 1.0 / (12.0 * n) - 1.0 / (360.0 * n.powi(3)) + 1.0 / (1260.0 * n.powi(5));
    let d = (most - least) / trials;
    let uneven = 0.5 * trials * ((1.0 - d) * (-d).ln_1p() + (1.0 + d) * d.ln_1p());
    let scale = 0.5 * (trials / (std::f64::consts::TAU * least * most)).ln();
    stirling(trials) - stirling(least) - stirling(most) - uneven + scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_counting_agree() {
        let direct = |k: u32, m: u32| {
            let sum: f64 = (1..=k).map(f64::from).map(|i| ((f64::from(m) + i) / i).ln()).sum();
            sum - f64::from(k + m) * std::f64::consts::LN_2
        };
        for (k, m) in [(1001, 1002), (1001, 5000), (20_000, 20_500)] {
            let (a, b) = (log_binomial(k, m), direct(k, m));
            assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{k} {m}: {a} {b}");
        }
    }

    #[test]
    fn any_counts_give_a_p_value() {
        assert!((0.9..1.0).contains(&mcnemar_exact(u32::MAX - 1000, u32::MAX)));
        assert_eq!(mcnemar_exact(u32::MAX / 2, u32::MAX), 0.0);
        assert_eq!(mcnemar_exact(0, u32::MAX), 0.0);
    }
}
