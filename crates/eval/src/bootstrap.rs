//! The percentile bootstrap over rows: how many resamples are affordable, what each metric gave on them, and
//! the interval or the reason why there is none.

use crate::estimate::{Estimate, Method};
use crate::input::Options;

/// Row visits that one measurement may spend on a family of metrics: about two seconds.
const WORK: usize = 1_500_000_000;

/// The fewest resamples worth taking percentiles of; with fewer asked for, that many are drawn.
const FEWEST: usize = 200;

/// Over the budget by more than this factor even with the fewest resamples, there is no interval.
const PATIENCE: usize = 10;

/// The share of resamples that may leave a metric undefined before its interval is withheld.
const UNDEFINED_SHARE: f64 = 0.1;

/// How many of the resamples asked for are drawn where each costs `steps` row visits.
pub(crate) fn affordable(options: &Options, steps: usize) -> usize {
    let steps = steps.max(1);
    let least = FEWEST.min(options.resamples);
    if steps.saturating_mul(least) > WORK.saturating_mul(PATIENCE) {
        return 0;
    }
    options.resamples.min((WORK / steps).max(least))
}

/// One metric over the resamples.
pub(crate) struct Series {
    name: &'static str,
    value: f64,
    draws: Vec<f64>,
    undefined: usize,
}

impl Series {
    pub(crate) fn new(name: &'static str, value: f64) -> Self {
        Self { name, value, draws: Vec::new(), undefined: 0 }
    }

    /// The metric on the sample itself.
    pub(crate) fn value(&self) -> f64 {
        self.value
    }

    /// The metric on one more resample; `None` where it is undefined there.
    pub(crate) fn push(&mut self, value: Option<f64>) {
        match value {
            Some(value) if value.is_finite() => self.draws.push(value),
            _ => self.undefined += 1,
        }
    }

    /// The 2.5 and 97.5 percentiles, widened to hold the value. Where every resample gave the same value the
    /// percentiles would claim certainty: `bound` stands in, or nothing does. Reasons go to `gaps`.
    pub(crate) fn finish(mut self, bound: Option<(f64, f64)>, gaps: &mut Gaps) -> Estimate {
        let drawn = self.draws.len() + self.undefined;
        if self.draws.is_empty() || self.undefined as f64 > UNDEFINED_SHARE * drawn as f64 {
            let reason = if drawn == 0 { &mut gaps.undrawn } else { &mut gaps.undefined };
            reason.push(self.name);
            return Estimate::bare(self.value);
        }
        self.draws.sort_unstable_by(f64::total_cmp);
        let (low, high) = (quantile(&self.draws, 0.025), quantile(&self.draws, 0.975));
        let spread = self.draws[self.draws.len() - 1] - self.draws[0];
        if spread > 1e-12 * self.value.abs().max(1.0) {
            return Estimate::between(self.value, low, high, Method::Bootstrap);
        }
        if let Some((low, high)) = bound {
            return Estimate::between(self.value, low, high, Method::WilsonBound);
        }
        gaps.constant.push(self.name);
        Estimate::bare(self.value)
    }
}

/// The quantile of sorted values with linear interpolation between ranks, numpy's default. `sorted` must hold
/// at least one value.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let below = (at.floor() as usize).min(sorted.len() - 1);
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

/// Metrics left without an interval, by reason.
#[derive(Default)]
pub(crate) struct Gaps {
    undrawn: Vec<&'static str>,
    undefined: Vec<&'static str>,
    constant: Vec<&'static str>,
}

impl Gaps {
    /// One note per reason.
    pub(crate) fn into_notes(self, options: &Options) -> Vec<String> {
        let undrawn = if options.resamples == 0 {
            "no bootstrap resamples were asked for"
        } else {
            "resampling this many rows and classes would take too long"
        };
        let reasons = [
            (self.undrawn, undrawn),
            (self.undefined, "too many resamples lack a class that it needs"),
            (self.constant, "every resample gave the same value"),
        ];
        let told = reasons.into_iter().filter(|(names, _)| !names.is_empty());
        told.map(|(names, reason)| format!("no interval for {}: {reason}", names.join(", "))).collect()
    }
}

/// The note for a family of metrics that got fewer resamples than asked for.
pub(crate) fn reduced(options: &Options, drawn: usize, what: &str) -> Option<String> {
    (drawn > 0 && drawn < options.resamples).then(|| {
        format!(
            "{what} intervals rest on {drawn} resamples instead of {}: there are too many rows and classes",
            options.resamples
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        let sorted = [1.0, 2.0, 3.0, 10.0];
        assert!((quantile(&sorted, 0.975) - 9.475).abs() < 1e-12);
        assert!((quantile(&sorted, 0.025) - 1.075).abs() < 1e-12);
        assert_eq!(quantile(&[4.0], 0.975), 4.0);
    }

    #[test]
    fn the_budget_is_kept() {
        let options = Options::default();
        assert_eq!(affordable(&options, 3000 * 77), 2000);
        assert_eq!(affordable(&options, 3_000_000), 500);
        assert_eq!(affordable(&options, 50_000_000), FEWEST);
        assert_eq!(affordable(&options, usize::MAX), 0);
        assert_eq!(affordable(&Options { resamples: 0, ..options }, 10), 0);
    }

    #[test]
    fn an_often_undefined_metric_has_no_interval() {
        let (mut gaps, mut series) = (Gaps::default(), Series::new("auc", 0.5));
        for draw in 0..100 {
            series.push((draw % 5 != 0).then_some(f64::from(draw)));
        }
        assert_eq!(series.finish(None, &mut gaps), Estimate::bare(0.5));
        assert_eq!(gaps.into_notes(&Options::default()).len(), 1);
    }
}
