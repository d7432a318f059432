//! The percentile bootstrap over rows: how many resamples are affordable, what each metric gave on them, and
//! the interval or the reason why there is none.

use crate::estimate::{Estimate, Method, Z95};
use crate::input::Options;
use crate::probability::sigmoid;

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
    /// Whether the interval is made on the logit scale.
    logit: bool,
}

impl Series {
    pub(crate) fn new(name: &'static str, value: f64) -> Self {
        Self { name, value, draws: Vec::new(), undefined: 0, logit: false }
    }

    /// A metric of ranks, in [0, 1]. Resamples hold rows twice, which tie; average precision varies less over
    /// them than over samples, and percentiles are too narrow (coverage 91 to 93 %). The value's logit, more
    /// or less the standard deviation of the resamples' logits, covers as it should, as DeLong's interval
    /// does on that scale.
    pub(crate) fn ranked(name: &'static str, value: f64) -> Self {
        Self { logit: true, ..Self::new(name, value) }
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

    /// The 2.5 and 97.5 percentiles, or the logit's spread for metrics of ranks; widened to hold the value. Where every resample gave the same value the
    /// percentiles would claim certainty: `bound` stands in, or nothing does. Reasons go to `gaps`.
    pub(crate) fn finish(mut self, bound: Option<(f64, f64)>, gaps: &mut Gaps) -> Estimate {
        let drawn = self.draws.len() + self.undefined;
        if self.draws.is_empty() || self.undefined as f64 > UNDEFINED_SHARE * drawn as f64 {
            let reason = if drawn == 0 { &mut gaps.undrawn } else { &mut gaps.undefined };
            reason.push(self.name);
            return Estimate::bare(self.value);
        }
        self.draws.sort_unstable_by(f64::total_cmp);
        let ends = if self.logit { logit_ends(self.value, &self.draws) } else { None };
        let (low, high) =
            ends.unwrap_or_else(|| (quantile(&self.draws, 0.025), quantile(&self.draws, 0.975)));
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

/// The interval on the logit scale; `None` where the value or a resample stands at 0 or 1.
fn logit_ends(value: f64, draws: &[f64]) -> Option<(f64, f64)> {
    let inside = |p: f64| p > 0.0 && p < 1.0;
    if !inside(value) || !draws.iter().all(|&draw| inside(draw)) {
        return None;
    }
    let logit = |p: f64| (p / (1.0 - p)).ln();
    let count = draws.len() as f64;
    let mean = draws.iter().map(|&draw| logit(draw)).sum::<f64>() / count;
    let variance = draws.iter().map(|&draw| (logit(draw) - mean).powi(2)).sum::<f64>() / count;
    let (centre, half) = (logit(value), Z95 * variance.sqrt());
    Some((sigmoid(centre - half), sigmoid(centre + half)))
}

/// The quantile of sorted values at rank `q (n + 1)`, linear between ranks (A. C. Davison & D. V. Hinkley,
/// "Bootstrap methods and their application", 1997, 5.2.1): of few resamples, numpy's default would cut off
/// more than it should. `sorted` must hold at least one value.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let most = sorted.len() - 1;
    let at = (q * (sorted.len() + 1) as f64 - 1.0).clamp(0.0, most as f64);
    let below = at.floor() as usize;
    let above = (below + 1).min(most);
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
    fn quantiles_leave_their_share_outside() {
        let sorted: Vec<f64> = (1..=39).map(f64::from).collect();
        assert!((quantile(&sorted, 0.025) - 1.0).abs() < 1e-12);
        assert!((quantile(&sorted, 0.975) - 39.0).abs() < 1e-12);
        assert!((quantile(&sorted, 0.5) - 20.0).abs() < 1e-12);
        assert!((quantile(&sorted, 0.0375) - 1.5).abs() < 1e-12);
        assert_eq!((quantile(&[4.0], 0.025), quantile(&[4.0], 0.975)), (4.0, 4.0));
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
