//! A value with its interval, and the two closed forms for intervals of proportions.
//! Every interval of the crate is a two-sided 95 % interval, and every one contains its value.

use serde::{Deserialize, Serialize};

/// The 97.5 % quantile of the standard normal distribution.
pub(crate) const Z95: f64 = 1.959_963_984_540_054;

/// How an interval was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Method {
    /// Wilson's score interval, for proportions of rows.
    Wilson,
    /// DeLong's variance of the AUC, on the logit scale.
    Delong,
    /// Percentiles of the metric over rows drawn with replacement; for ROC AUC and average precision their
    /// spread on the logit scale.
    Bootstrap,
    /// A bound for samples without any spread (no error at all, classes perfectly apart), where bootstrap
    /// and DeLong would claim certainty: Wilson's interval, carried over to the metric.
    WilsonBound,
    /// Wilson's intervals of two shares that the value rests on, joined.
    WilsonJoined,
    /// No interval: the metric is biased (calibration error), or the sample cannot support one.
    None,
}

/// A value with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The metric on the rows given; always finite.
    pub value: f64,
    /// Lower end; `None` where no interval can be given.
    pub low: Option<f64>,
    /// Upper end; `None` where no interval can be given.
    pub high: Option<f64>,
    /// How the interval was made.
    pub method: Method,
}

impl Estimate {
    /// A value that has no interval.
    pub fn bare(value: f64) -> Self {
        Self { value, low: None, high: None, method: Method::None }
    }

    /// A value between two bounds, which are widened where rounding or the bootstrap's bias would leave the
    /// value outside.
    pub(crate) fn between(value: f64, low: f64, high: f64, method: Method) -> Self {
        Self { value, low: Some(low.min(value)), high: Some(high.max(value)), method }
    }

    /// The estimate of `f(value)` for an increasing `f`; the interval's ends move along.
    pub(crate) fn mapped(self, f: impl Fn(f64) -> f64) -> Self {
        Self { value: f(self.value), low: self.low.map(&f), high: self.high.map(&f), method: self.method }
    }
}

/// Wilson's score interval for `hits` of `trials` (E. B. Wilson, "Probable inference, the law of succession,
/// and statistical inference", JASA 22, 1927). Without trials the value is 0 and there is no interval, as
/// scikit-learn's `zero_division=0` has it.
pub fn wilson(hits: u64, trials: u64) -> Estimate {
    if trials == 0 {
        return Estimate::bare(0.0);
    }
    let hits = hits.min(trials);
    let (low, high) = score_interval(hits as f64 / trials as f64, trials as f64);
    Estimate::between(hits as f64 / trials as f64, low, high, Method::Wilson)
}

/// The ends of Wilson's interval for a share `p` of `n` trials, within [0, 1]. `n` must be above 0.
pub(crate) fn score_interval(p: f64, n: f64) -> (f64, f64) {
    let z2 = Z95 * Z95;
    let centre = p + z2 / (2.0 * n);
    let half = Z95 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).max(0.0).sqrt();
    let scale = 1.0 + z2 / n;
    (((centre - half) / scale).clamp(0.0, 1.0), ((centre + half) / scale).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_of_known_counts() {
        // The tutorial's two models, 418 and 421 of 450, as evaluation papers quote them.
        for (hits, low, high) in [(418, 0.901, 0.949), (421, 0.909, 0.955)] {
            let found = wilson(hits, 450);
            assert!((found.low.unwrap_or(0.0) - low).abs() < 1e-3, "{found:?}");
            assert!((found.high.unwrap_or(0.0) - high).abs() < 1e-3, "{found:?}");
        }
    }

    #[test]
    fn wilson_at_the_ends_is_not_certain() {
        let (all, none) = (wilson(10, 10), wilson(0, 10));
        assert_eq!((all.value, all.high), (1.0, Some(1.0)));
        assert!(all.low.is_some_and(|low| (low - 10.0 / (10.0 + Z95 * Z95)).abs() < 1e-12));
        assert_eq!((none.value, none.low), (0.0, Some(0.0)));
        assert_eq!(wilson(0, 0), Estimate::bare(0.0));
    }
}
