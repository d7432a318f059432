//! The two bounds, and which artifact is the smallest within them.

use serde::{Deserialize, Serialize};

use super::Rung;
use crate::Error;

/// What an artifact must keep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// The most bytes on disk, reports aside; any size where left out.
    pub max_bytes: Option<u64>,
    /// How much worse than the original the figure may be, in its own unit: 0.005 of an accuracy is half a point.
    pub max_drop: f64,
    /// Whether the lower end of the paired interval must lie within the drop, not only the value.
    pub strict: bool,
}

impl Bounds {
    pub(super) fn check(&self) -> Result<(), Error> {
        if !(0.0..=1e6).contains(&self.max_drop) {
            return Err(Error::Usage("--max-drop must be 0 or more, such as 0.005 for half a point"));
        }
        if self.max_bytes == Some(0) {
            return Err(Error::Usage("--max-size must be above 0, such as 12MB"));
        }
        Ok(())
    }
}

/// What became of a rung.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The smallest within the bounds.
    Kept,
    /// Within the bounds.
    Fits,
    /// Measured, and beyond a bound.
    Outside,
    /// Could not be made or run.
    #[default]
    Failed,
}

/// Gives every rung its outcome; returns the one that is kept.
pub(super) fn judge(bounds: &Bounds, rungs: &mut [Rung]) -> Option<usize> {
    for rung in rungs.iter_mut().filter(|rung| rung.size_bytes.is_some()) {
        let mut beyond = Vec::new();
        if let Some(limit) = bounds.max_bytes
            && rung.size_bytes.is_some_and(|size| size > limit)
        {
            beyond.push(format!("larger than {:.1} MB", limit as f64 / 1e6));
        }
        if let Some(change) = &rung.change {
            // A value on the bound, but for rounding, is within it.
            let floor = -bounds.max_drop - 1e-9;
            let low = change.low.unwrap_or(change.value);
            if change.value < floor {
                beyond.push(format!("drops by {:.4}", -change.value));
            } else if bounds.strict && low < floor {
                beyond.push(format!("may drop by {:.4}, the end of its interval", -low));
            }
        }
        rung.outcome = if beyond.is_empty() { Outcome::Fits } else { Outcome::Outside };
        rung.reason = beyond.join(" and ");
    }
    let fitting = rungs.iter().enumerate().filter(|(_, rung)| rung.outcome == Outcome::Fits);
    let kept = fitting.min_by_key(|(i, rung)| (rung.size_bytes, *i)).map(|(i, _)| i);
    if let Some(kept) = kept {
        rungs[kept].outcome = Outcome::Kept;
    }
    kept
}

#[cfg(test)]
mod tests {
    use filbert_eval::Estimate;

    use super::*;

    fn rung(size: u64, change: f64, low: f64) -> Rung {
        let change = Estimate { low: Some(low), high: Some(change), ..Estimate::bare(change) };
        Rung { size_bytes: Some(size), change: Some(change), ..Rung::default() }
    }

    #[test]
    fn the_smallest_within_both_bounds() {
        struct Case {
            max_bytes: Option<u64>,
            max_drop: f64,
            strict: bool,
            kept: Option<usize>,
        }
        let original = Rung { size_bytes: Some(100), ..Rung::default() };
        let rungs = [original, rung(50, -0.001, -0.02), rung(20, -0.005, -0.006), rung(10, -0.1, -0.2)];
        for (i, case) in [
            Case { max_bytes: None, max_drop: 0.005, strict: false, kept: Some(2) },
            Case { max_bytes: Some(60), max_drop: 0.002, strict: false, kept: Some(1) },
            Case { max_bytes: Some(30), max_drop: 0.002, strict: false, kept: None },
            Case { max_bytes: None, max_drop: 0.0, strict: false, kept: Some(0) },
            Case { max_bytes: None, max_drop: 1.0, strict: false, kept: Some(3) },
            Case { max_bytes: Some(99), max_drop: 0.005, strict: true, kept: None },
            Case { max_bytes: Some(99), max_drop: 0.006, strict: true, kept: Some(2) },
        ]
        .into_iter()
        .enumerate()
        {
            let mut rungs = rungs.to_vec();
            let bounds = Bounds { max_bytes: case.max_bytes, max_drop: case.max_drop, strict: case.strict };
            assert_eq!(judge(&bounds, &mut rungs), case.kept, "case {i}");
            let kept = rungs.iter().filter(|r| r.outcome == Outcome::Kept).count();
            assert_eq!(kept, usize::from(case.kept.is_some()), "case {i}");
            assert!(rungs.iter().all(|r| (r.outcome == Outcome::Outside) != r.reason.is_empty()), "case {i}");
        }
    }

    #[test]
    fn senseless_bounds_are_refused() {
        for bounds in [
            Bounds { max_drop: f64::NAN, ..Bounds::default() },
            Bounds { max_drop: -0.1, ..Bounds::default() },
            Bounds { max_bytes: Some(0), ..Bounds::default() },
        ] {
            assert!(bounds.check().is_err(), "{bounds:?}");
        }
    }
}
