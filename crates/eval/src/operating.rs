//! Operating points: what a binary model is worth where it will be used. A share of true positives at a false
//! positive rate that can be afforded, and the precision that the model's own threshold has where positives
//! are rarer than among the rows measured. What the rows are too few for is refused, with the number needed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::estimate::{Estimate, Method, Z95, score_interval, wilson};
use crate::fit::{between, negatives_needed};
use crate::ranking::{Group, check_scores, groups, one_sided, sorted_keys};

/// The false positive rates that a report gives.
pub const FPRS: [f64; 3] = [1e-2, 1e-3, 1e-4];

/// The prevalences that a report gives.
pub const PREVALENCES: [f64; 5] = [0.5, 0.1, 0.01, 0.001, 0.0001];

/// Why a figure is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Negative rows that it needs.
    pub needed: u64,
    /// Negative rows there are.
    pub found: u64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "needs {} negatives, has {}", self.needed, self.found)
    }
}

/// The true positive rate at a false positive rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TprAtFpr {
    /// The false positive rate asked for.
    pub fpr: f64,
    /// The point, or why there is none.
    pub found: Found,
}

/// A point, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The point.
    Point(OperatingPoint),
    /// Too few negatives.
    Refused(Refusal),
}

/// A threshold and what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// Rows with at least this score are called positive; `None` where no positive can be called
    /// without too many negatives.
    pub threshold: Option<f32>,
    /// Share of positives called positive. The interval accounts for the positives (Wilson) and for the
    /// threshold, which the negatives set: the two are joined by squares (Zou & Donner, "Construction of
    /// confidence limits about effect measures", Statistics in Medicine 27, 2008).
    pub tpr: Estimate,
    /// Share of negatives called positive, at most the rate asked for, with Wilson's interval.
    pub fpr: Estimate,
}

/// Precision at prevalences other than that of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ByPrevalence {
    /// Share of positives called positive, with Wilson's interval.
    pub tpr: Estimate,
    /// Share of negatives called positive, with Wilson's interval.
    pub fpr: Estimate,
    /// One point per prevalence.
    pub points: Vec<PrecisionAt>,
}

/// Precision where a given share of rows is positive.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PrecisionAt {
    /// Share of positives among all rows.
    pub prevalence: f64,
    /// Share of called rows that are positive there: `p·TPR / (p·TPR + (1 - p)·FPR)`. The interval runs from
    /// the lower TPR with the higher FPR to the higher TPR with the lower FPR: wider than 95 %.
    pub precision: Estimate,
}

/// Everything about a binary model's operating points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operating {
    /// At each false positive rate.
    pub tpr_at_fpr: Vec<TprAtFpr>,
    /// At the model's own threshold.
    pub precision_by_prevalence: ByPrevalence,
}

/// The operating points of a report: [`tpr_at_fpr`] at [`FPRS`], [`precision_by_prevalence`] at
/// [`PREVALENCES`]. `called` is what the model answers for each row.
///
/// # Errors
/// As both.
pub fn operating(scores: &[f32], positive: &[bool], called: &[bool]) -> Result<Operating, Error> {
    Ok(Operating {
        tpr_at_fpr: tpr_at_fpr(scores, positive, &FPRS)?,
        precision_by_prevalence: precision_by_prevalence(positive, called, &PREVALENCES)?,
    })
}

/// The highest true positive rate with a false positive rate of at most each of `rates`, as scikit-learn's
/// `roc_curve` has it. `scores` are any finite numbers, higher for positives. A rate `f` with fewer than
/// `10 / f` negatives is refused.
///
/// # Errors
/// [`Error::NoRows`], [`Error::TooManyRows`], [`Error::Length`], [`Error::NotFinite`], [`Error::OneSided`],
/// and [`Error::Rate`] for rates outside (0, 1).
pub fn tpr_at_fpr(scores: &[f32], positive: &[bool], rates: &[f64]) -> Result<Vec<TprAtFpr>, Error> {
    check_rates("false positive rate", rates)?;
    let keys = sorted_keys(check_scores(scores, positive)?);
    let positives = positive.iter().filter(|&&p| p).count() as u64;
    let negatives = positive.len() as u64 - positives;
    if positives == 0 || negatives == 0 {
        return Err(one_sided(positive));
    }
    let groups: Vec<Group<'_>> = groups(&keys).collect();
    let curve = Curve { groups: &groups, positives, negatives };
    Ok(rates.iter().map(|&fpr| TprAtFpr { fpr, found: curve.at(fpr) }).collect())
}

struct Curve<'a> {
    groups: &'a [Group<'a>],
    positives: u64,
    negatives: u64,
}

impl Curve<'_> {
    fn at(&self, fpr: f64) -> Found {
        let (needed, found) = (negatives_needed(fpr), self.negatives);
        if found < needed {
            return Found::Refused(Refusal { needed, found });
        }
        let expected = fpr * self.negatives as f64;
        let (groups, hits, misfires) = self.within(expected);
        let tpr = hits as f64 / self.positives as f64;
        let threshold = groups.checked_sub(1).map(|last| {
            let own = self.groups[last].score;
            self.groups.get(groups).map_or(own, |next| between(next.score, own))
        });
        // How many negatives may lie above the threshold that has the wanted rate: binomial, so that many
        // fewer or more, and the true positives there.
        let spread = Z95 * (expected * (1.0 - fpr)).sqrt();
        let fewer = self.within((expected - spread).max(0.0)).1 as f64 / self.positives as f64;
        let more = self.within(expected + spread).1 as f64 / self.positives as f64;
        let (low, high) = score_interval(tpr, self.positives as f64);
        let joined = |own: f64, moved: f64| ((tpr - own).powi(2) + (tpr - moved).powi(2)).sqrt();
        let low = (tpr - joined(low, fewer)).max(0.0);
        let high = (tpr + joined(high, more)).min(1.0);
        Found::Point(OperatingPoint {
            threshold,
            tpr: Estimate::between(tpr, low, high, Method::WilsonJoined),
            fpr: wilson(misfires, self.negatives),
        })
    }

    /// The most positives that groups from the highest score down hold together with at most `most`
    /// negatives: the number of groups, the fewest that give them, their positives and negatives.
    fn within(&self, most: f64) -> (usize, u64, u64) {
        let (mut hits, mut misfires, mut found) = (0, 0, (0, 0, 0));
        for (index, group) in self.groups.iter().enumerate() {
            misfires += group.negatives.len() as u64;
            if misfires as f64 > most * (1.0 + 1e-12) {
                break;
            }
            hits += group.positives.len() as u64;
            if !group.positives.is_empty() {
                found = (index + 1, hits, misfires);
            }
        }
        found
    }
}

/// The precision that a model's answers have where the share of positives is each of `prevalences`; TPR and
/// FPR do not depend on it.
///
/// # Errors
/// [`Error::NoRows`], [`Error::Length`], [`Error::OneSided`], and [`Error::Rate`] for prevalences outside
/// (0, 1).
pub fn precision_by_prevalence(
    positive: &[bool],
    called: &[bool],
    prevalences: &[f64],
) -> Result<ByPrevalence, Error> {
    check_rates("prevalence", prevalences)?;
    if positive.len() != called.len() {
        return Err(Error::Length { what: "called", expected: positive.len(), found: called.len() });
    }
    let count = |is: bool| positive.iter().zip(called).filter(|&(&p, &c)| p == is && c).count() as u64;
    let positives = positive.iter().filter(|&&p| p).count() as u64;
    let negatives = positive.len() as u64 - positives;
    if positive.is_empty() {
        return Err(Error::NoRows);
    }
    if positives == 0 || negatives == 0 {
        return Err(one_sided(positive));
    }
    let (tpr, fpr) = (wilson(count(true), positives), wilson(count(false), negatives));
    let ends = |estimate: &Estimate| {
        (estimate.low.unwrap_or(estimate.value), estimate.high.unwrap_or(estimate.value))
    };
    let ((tpr_low, tpr_high), (fpr_low, fpr_high)) = (ends(&tpr), ends(&fpr));
    let point = |&prevalence: &f64| {
        let at = |tpr: f64, fpr: f64| {
            let hits = prevalence * tpr;
            crate::tally::share(hits, hits + (1.0 - prevalence) * fpr)
        };
        let precision = Estimate::between(
            at(tpr.value, fpr.value),
            at(tpr_low, fpr_high),
            at(tpr_high, fpr_low),
            Method::WilsonJoined,
        );
        PrecisionAt { prevalence, precision }
    };
    Ok(ByPrevalence { tpr, fpr, points: prevalences.iter().map(point).collect() })
}

fn check_rates(what: &'static str, rates: &[f64]) -> Result<(), Error> {
    match rates.iter().find(|&&rate| !(rate > 0.0 && rate < 1.0)) {
        Some(&value) => Err(Error::Rate { what, value }),
        None => Ok(()),
    }
}
