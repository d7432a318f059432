//! Rows sorted by one class's score, once, and what follows from the order: ROC AUC, average precision and
//! DeLong's variance. A bootstrap reuses the order with new row weights, one pass per resample.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::estimate::{Estimate, Method, Z95, score_interval};
use crate::input::{Checked, MAX_ROWS};

/// Marks a positive row in a sorting key; row numbers stay below it.
const POSITIVE: u64 = 1 << 31;

/// Rows of one score. Keys are in descending order of score, within a score negatives come first.
pub(crate) struct Group<'a> {
    pub(crate) score: f32,
    pub(crate) negatives: &'a [u64],
    pub(crate) positives: &'a [u64],
}

/// Sorting keys, one per row: the score so mapped that whole numbers sort descending, the class, the row. All
/// scores must be numbers, and there must be at most [`MAX_ROWS`].
pub(crate) fn sorted_keys(rows: impl Iterator<Item = (f32, bool)>) -> Vec<u64> {
    let mut keys: Vec<u64> = rows
        .enumerate()
        .map(|(row, (score, positive))| {
            let bits = (score + 0.0).to_bits(); // adding 0 makes -0 and 0 one score
            let ascending = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
            (u64::from(!ascending) << 32) | if positive { POSITIVE } else { 0 } | row as u64
        })
        .collect();
    keys.sort_unstable();
    keys
}

/// The rows of each score, highest score first.
pub(crate) fn groups(keys: &[u64]) -> impl Iterator<Item = Group<'_>> {
    keys.chunk_by(|a, b| a >> 32 == b >> 32).map(|group| {
        let (negatives, positives) = group.split_at(group.partition_point(|key| key & POSITIVE == 0));
        let ascending = !((group[0] >> 32) as u32);
        let bits = if ascending >> 31 == 1 { ascending ^ 1 << 31 } else { !ascending };
        Group { score: f32::from_bits(bits), negatives, positives }
    })
}

/// A score that positives have: how many negatives lie above it and below the anchor before, and its own
/// rows.
#[derive(Debug, Clone, Copy)]
struct Anchor {
    between: u32,
    negatives: u32,
    positives: u32,
}

/// One class against the rest, sorted by score. Holds at least one positive and one negative.
#[derive(Debug, Clone)]
pub(crate) struct Ranking {
    /// Rows in descending order of score, down to the last positive; what lies below is all negative.
    order: Vec<u32>,
    anchors: Vec<Anchor>,
    positives: u32,
    negatives: u32,
}

impl Ranking {
    /// `None` unless there are both positives and negatives.
    pub(crate) fn new(rows: impl Iterator<Item = (f32, bool)>) -> Option<Self> {
        let keys = sorted_keys(rows);
        let (mut anchors, mut between, mut end, mut seen) = (Vec::new(), 0, 0, 0);
        let mut positives = 0;
        for group in groups(&keys) {
            seen += group.negatives.len() + group.positives.len();
            if group.positives.is_empty() {
                between += group.negatives.len() as u32;
                continue;
            }
            let own = group.positives.len() as u32;
            anchors.push(Anchor { between, negatives: group.negatives.len() as u32, positives: own });
            (between, end) = (0, seen);
            positives += own;
        }
        let negatives = keys.len() as u32 - positives;
        if positives == 0 || negatives == 0 {
            return None;
        }
        let order = keys[..end].iter().map(|key| (key & (POSITIVE - 1)) as u32).collect();
        Some(Self { order, anchors, positives, negatives })
    }

    /// The length of one pass.
    pub(crate) fn steps(&self) -> usize {
        self.order.len()
    }

    /// AUC and average precision of the sample itself.
    pub(crate) fn scores(&self) -> (f64, f64) {
        // Every row counts once, so both classes have weight and there is a value.
        self.pass(self.positives + self.negatives, ExactSizeIterator::len).unwrap_or((0.5, 0.0))
    }

    /// AUC and average precision with row `i` counted `weights[i]` times, `total` in all; `None` where no
    /// positive or no negative has weight.
    pub(crate) fn weighted(&self, weights: &[u32], total: u32) -> Option<(f64, f64)> {
        let sum = |range: Range<usize>| -> usize {
            self.order[range].iter().map(|&row| weights[row as usize]).sum::<u32>() as usize
        };
        self.pass(total, |range| sum(range.clone()))
    }

    /// The pass from the highest score down. AUC is 1 less the share of pairs in the wrong order, ties
    /// counting half; average precision is the step sum of scikit-learn's `average_precision_score`. `weigh`
    /// gives the weight of a stretch of `order`.
    fn pass(&self, total: u32, weigh: impl Fn(&Range<usize>) -> usize) -> Option<(f64, f64)> {
        let (mut at, mut negatives, mut positives) = (0, 0.0, 0.0);
        let (mut wrong, mut precision) = (0.0, 0.0);
        for anchor in &self.anchors {
            let mut take = |count: u32| {
                let range = at..at + count as usize;
                at = range.end;
                weigh(&range) as f64
            };
            negatives += take(anchor.between);
            let (tied, own) = (take(anchor.negatives), take(anchor.positives));
            wrong += own * (negatives + 0.5 * tied);
            negatives += tied;
            positives += own;
            if own > 0.0 {
                precision += own * (positives / (positives + negatives));
            }
        }
        let pairs = positives * (f64::from(total) - positives);
        (pairs > 0.0)
            .then(|| ((1.0 - wrong / pairs).clamp(0.0, 1.0), (precision / positives).clamp(0.0, 1.0)))
    }

    /// The variance of the AUC (DeLong, DeLong & Clarke-Pearson, Biometrics 44, 1988): from each positive's
    /// share of negatives below it and each negative's share of positives above it, ties counting half.
    /// Midranks give both from the sorted rows (Sun & Xu, "Fast implementation of DeLong's algorithm", IEEE
    /// SPL 21, 2014); here rows of one share are summed as one. `None` with fewer than two of either class.
    fn variance(&self, auc: f64) -> Option<f64> {
        if self.positives < 2 || self.negatives < 2 {
            return None;
        }
        let (m, n) = (f64::from(self.positives), f64::from(self.negatives));
        let (mut of_positives, mut of_negatives) = (0.0, 0.0);
        let (mut above_positives, mut above_negatives) = (0.0, 0.0);
        let squared = |share: f64| (share - auc) * (share - auc);
        for anchor in &self.anchors {
            let (tied, own) = (f64::from(anchor.negatives), f64::from(anchor.positives));
            of_negatives += f64::from(anchor.between) * squared(above_positives / m);
            above_negatives += f64::from(anchor.between);
            of_negatives += tied * squared((above_positives + 0.5 * own) / m);
            of_positives += own * squared((n - above_negatives - 0.5 * tied) / n);
            above_negatives += tied;
            above_positives += own;
        }
        of_negatives += (n - above_negatives) * squared(1.0);
        Some(of_positives / (m - 1.0) / m + of_negatives / (n - 1.0) / n)
    }

    /// The AUC with DeLong's interval on the logit scale, which stays within (0, 1). Where the variance is 0
    /// (an AUC of exactly 1 or 0, or all scores tied) or cannot be had, [`Ranking::bound`] instead.
    pub(crate) fn auc(&self) -> BinaryAuc {
        let (auc, _) = self.scores();
        let variance = self.variance(auc);
        let estimate = match variance {
            Some(variance) if variance > 1e-20 && auc > 0.0 && auc < 1.0 => {
                let centre = (auc / (1.0 - auc)).ln();
                let half = Z95 * variance.sqrt() / (auc * (1.0 - auc));
                let expit = |x: f64| 1.0 / (1.0 + (-x).exp());
                Estimate::between(auc, expit(centre - half), expit(centre + half), Method::Delong)
            }
            _ => self.bound(auc),
        };
        BinaryAuc { estimate, variance }
    }

    /// An interval for a rank metric whose sample has no spread: pairing each row of the rarer class with one
    /// of the other gives that many independent trials of "the positive scores higher", whose probability is
    /// the AUC; Wilson's interval of those trials. For average precision the same trials are a convention.
    pub(crate) fn bound(&self, value: f64) -> Estimate {
        let (low, high) = score_interval(value, f64::from(self.positives.min(self.negatives)));
        Estimate::between(value, low, high, Method::WilsonBound)
    }
}

/// The rankings that a macro average runs over: one per class that has both positives and negatives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rankings {
    /// Class index and ranking, in class order.
    pub(crate) each: Vec<(usize, Ranking)>,
}

impl Rankings {
    pub(crate) fn of(checked: &Checked<'_>) -> Self {
        let mut support = vec![0; checked.classes.len()];
        for &label in checked.labels {
            support[label] += 1;
        }
        let ranking =
            |class: usize| Ranking::new(checked.each_row().map(|(p, label, _)| (p[class], label == class)));
        let held = (0..support.len()).filter(|&class| support[class] > 0);
        Self { each: held.filter_map(|class| Some((class, ranking(class)?))).collect() }
    }

    pub(crate) fn get(&self, class: usize) -> Option<&Ranking> {
        let at = self.each.binary_search_by_key(&class, |(class, _)| *class).ok()?;
        self.each.get(at).map(|(_, ranking)| ranking)
    }

    /// Only the positive class's ranking with two classes; unchanged with more.
    pub(crate) fn summarised(mut self, positive: Option<usize>) -> Self {
        if let Some(positive) = positive {
            self.each.retain(|(class, _)| *class == positive);
        }
        self
    }

    pub(crate) fn steps(&self) -> usize {
        self.each.iter().map(|(_, ranking)| ranking.steps()).sum()
    }

    /// Mean AUC and mean average precision; `None` without any ranking.
    pub(crate) fn scores(&self) -> Option<(f64, f64)> {
        mean_pair(self.each.iter().map(|(_, ranking)| Some(ranking.scores())))
    }

    /// The same for weighted rows, over the classes that have positives and negatives among them.
    pub(crate) fn weighted(&self, weights: &[u32], total: u32) -> Option<(f64, f64)> {
        mean_pair(self.each.iter().map(|(_, ranking)| ranking.weighted(weights, total)))
    }

    /// [`Ranking::bound`] averaged over the classes, as low and high; `None` without any ranking.
    pub(crate) fn bound(&self, value: f64) -> Option<(f64, f64)> {
        mean_pair(self.each.iter().map(|(_, ranking)| {
            let bound = ranking.bound(value);
            bound.low.zip(bound.high)
        }))
    }
}

fn mean_pair(pairs: impl Iterator<Item = Option<(f64, f64)>>) -> Option<(f64, f64)> {
    let (mut count, mut first, mut second) = (0.0, 0.0, 0.0);
    for (a, b) in pairs.flatten() {
        count += 1.0;
        first += a;
        second += b;
    }
    (count > 0.0).then(|| (first / count, second / count))
}

/// A binary ROC AUC with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BinaryAuc {
    /// The AUC, with DeLong's interval on the logit scale; [`Method::WilsonBound`] where there is no variance
    /// to go by.
    pub estimate: Estimate,
    /// DeLong's variance of the AUC; `None` with fewer than two positives or two negatives.
    pub variance: Option<f64>,
}

/// The ROC AUC of `scores` (any finite numbers, higher for positives), one per row, with DeLong's interval.
/// Equals scikit-learn's `roc_auc_score`, ties included.
///
/// # Errors
/// [`Error::NoRows`], [`Error::TooManyRows`], [`Error::Length`], [`Error::NotFinite`], and
/// [`Error::OneSided`] where positives or negatives are missing.
pub fn binary_auc(scores: &[f32], positive: &[bool]) -> Result<BinaryAuc, Error> {
    let rows = check_scores(scores, positive)?;
    let ranking = Ranking::new(rows).ok_or_else(|| one_sided(positive))?;
    Ok(ranking.auc())
}

pub(crate) fn one_sided(positive: &[bool]) -> Error {
    let positives = positive.iter().filter(|&&p| p).count();
    Error::OneSided { positives, negatives: positive.len() - positives }
}

/// Scores beside classes, after the checks that [`sorted_keys`] relies on.
pub(crate) fn check_scores<'a>(
    scores: &'a [f32],
    positive: &'a [bool],
) -> Result<impl Iterator<Item = (f32, bool)> + 'a, Error> {
    if scores.len() != positive.len() {
        return Err(Error::Length { what: "scores", expected: positive.len(), found: scores.len() });
    }
    if scores.is_empty() {
        return Err(Error::NoRows);
    }
    if scores.len() > MAX_ROWS {
        return Err(Error::TooManyRows { rows: scores.len(), most: MAX_ROWS });
    }
    if let Some(row) = scores.iter().position(|score| !score.is_finite()) {
        return Err(Error::NotFinite { row, class: 0, value: scores[row] });
    }
    Ok(scores.iter().copied().zip(positive.iter().copied()))
}
