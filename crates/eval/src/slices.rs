//! Metrics on parts of the rows: by text length, by the values of a column. A part is flagged where its share
//! of right answers differs from that of all other rows by more than chance would have it among so many parts.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::decision::Decision;
use crate::error::Error;
use crate::estimate::{Estimate, wilson};
use crate::input::Inputs;
use crate::ranking::Ranking;
use crate::tally::Tally;

/// The most values of a column that get a slice of their own, the most frequent ones.
pub const MAX_VALUES: usize = 20;

/// The most slices by length.
pub const MAX_QUANTILES: usize = 20;

/// Slices by length that a report gives.
pub const QUANTILES: usize = 4;

/// The chance of flagging anything where no slice differs.
const LEVEL: f64 = 0.05;

/// The name of the rows whose value is rarer than the [`MAX_VALUES`] most frequent.
const OTHER: &str = "other";

/// The rows cut into parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grouping {
    /// What the rows are cut by.
    column: String,
    /// The name of each part.
    names: Vec<String>,
    /// The part of each row.
    parts: Vec<usize>,
}

impl Grouping {
    /// Rows by length, in up to `quantiles` parts of about equal size (at least 1, at most
    /// [`MAX_QUANTILES`]). Rows of one length stay together, so that there may be fewer parts.
    pub fn by_length(column: &str, lengths: &[usize], quantiles: usize) -> Self {
        let quantiles = quantiles.clamp(1, MAX_QUANTILES);
        let mut sorted = lengths.to_vec();
        sorted.sort_unstable();
        // The last length of each part, ascending.
        let mut ends: Vec<usize> = (1..=quantiles as u128)
            .filter_map(|i| (i * sorted.len() as u128 / quantiles as u128).checked_sub(1))
            .filter_map(|at| sorted.get(at as usize).copied())
            .collect();
        ends.dedup();
        let firsts = ends.iter().map(|end| end.saturating_add(1)).take(ends.len().saturating_sub(1));
        let least = sorted.first().copied().unwrap_or(0);
        let names = std::iter::once(least).chain(firsts).zip(&ends).map(|(first, last)| {
            // The next length that occurs, not the next number.
            let first =
                sorted.get(sorted.partition_point(|&length| length < first)).copied().unwrap_or(first);
            if first == *last { first.to_string() } else { format!("{first} to {last}") }
        });
        Self {
            column: column.to_owned(),
            names: names.collect(),
            parts: lengths.iter().map(|length| ends.partition_point(|end| end < length)).collect(),
        }
    }

    /// Rows by value: the [`MAX_VALUES`] most frequent, by rows and then by name, and all others together.
    pub fn by_value<T: AsRef<str>>(column: &str, values: &[T]) -> Self {
        let mut rows: HashMap<&str, usize> = HashMap::new();
        for value in values {
            *rows.entry(value.as_ref()).or_default() += 1;
        }
        let mut sorted: Vec<(&str, usize)> = rows.into_iter().collect();
        sorted.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        let own = sorted.len().min(MAX_VALUES);
        let mut names: Vec<String> = sorted[..own].iter().map(|(value, _)| (*value).to_owned()).collect();
        let rest = sorted.len() - own;
        if rest > 0 {
            // A value may itself be called "other".
            names.push(format!("{OTHER} ({rest} values)"));
        }
        let numbers: HashMap<&str, usize> =
            sorted[..own].iter().enumerate().map(|(number, (value, _))| (*value, number)).collect();
        let part = |value: &T| numbers.get(value.as_ref()).copied().unwrap_or(own);
        Self { column: column.to_owned(), names, parts: values.iter().map(part).collect() }
    }
}

/// Metrics of every part of every grouping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slices {
    /// In the order of the groupings and their parts.
    pub slices: Vec<Slice>,
    /// How flags are set, and what a reader should know.
    pub notes: Vec<String>,
}

/// Metrics of one part of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// What the rows are cut by.
    pub column: String,
    /// The part.
    pub value: String,
    /// Rows in it.
    pub rows: u64,
    /// Share of its rows predicted right, with Wilson's interval.
    pub accuracy: Estimate,
    /// The same of all other rows; 0 without an interval where there are none.
    pub rest: Estimate,
    /// Binary: share of its positives called positive; `None` without any.
    pub tpr: Option<Estimate>,
    /// Binary: share of its negatives called positive; `None` without any.
    pub fpr: Option<Estimate>,
    /// Binary: F1 of the positive class, with an interval; otherwise macro F1 of the classes that occur, without.
    pub f1: Estimate,
    /// Binary: ROC AUC with DeLong's interval; `None` where positives or negatives are missing.
    pub auc: Option<Estimate>,
    /// Fisher's exact test of this part's right answers against those of all other rows, times the number of
    /// parts still in question (Holm, "A simple sequentially rejective multiple test procedure", 1979).
    pub adjusted_p: f64,
    /// Whether the part differs from the others: `adjusted_p` is below 0.05.
    pub flagged: bool,
}

/// Measures each part of the rows by itself. With a decision its answers count, else the most probable class.
///
/// # Errors
/// Any fault of the inputs, see [`Error`]; [`Error::Length`] where a grouping is of another number of rows; as
/// [`Decision::check`].
pub fn slices(
    inputs: &Inputs<'_>,
    decision: Option<&Decision>,
    groupings: &[Grouping],
) -> Result<Slices, Error> {
    let mut checked = inputs.check()?;
    let rows = checked.rows();
    if let Some(decision) = decision {
        let answers = decision.decide_rows(checked.probabilities, checked.classes.len())?;
        for (answer, predicted) in answers.iter().zip(&mut checked.predicted) {
            *predicted = answer.label().unwrap_or(*predicted);
        }
    }
    let right: Vec<bool> = checked.each_row().map(|(_, label, predicted)| label == predicted).collect();
    let all_right = right.iter().filter(|&&right| right).count() as u64;
    let (mut slices, mut tests) = (Vec::new(), Vec::new());
    for grouping in groupings {
        if grouping.parts.len() != rows {
            let found = grouping.parts.len();
            return Err(Error::Length { what: "grouping", expected: rows, found });
        }
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); grouping.names.len()];
        for (row, &part) in grouping.parts.iter().enumerate() {
            members[part].push(row);
        }
        for (name, members) in grouping.names.iter().zip(&members) {
            let own_right = members.iter().filter(|&&row| right[row]).count() as u64;
            let (own, others) = (members.len() as u64, (rows - members.len()) as u64);
            tests.push(fisher_exact(
                [own_right, own - own_right],
                [all_right - own_right, others - (all_right - own_right)],
            ));
            let mut tally = Tally::empty(checked.classes.len());
            for &row in members {
                tally.add(checked.labels[row], checked.predicted[row], 1.0);
            }
            let mut slice = Slice {
                column: grouping.column.clone(),
                value: name.clone(),
                rows: own,
                accuracy: wilson(own_right, own),
                rest: wilson(all_right - own_right, others),
                tpr: None,
                fpr: None,
                f1: Estimate::bare(tally.averages()[MACRO_F1]),
                auc: None,
                adjusted_p: 1.0,
                flagged: false,
            };
            if let Some(positive) = checked.positive {
                let share = |class: usize, hits: f64| {
                    let support = tally.support[class];
                    (support > 0.0).then(|| wilson(hits as u64, support as u64))
                };
                let negative = 1 - positive;
                slice.tpr = share(positive, tally.correct[positive]);
                slice.fpr = share(negative, tally.support[negative] - tally.correct[negative]);
                slice.f1 = tally.of_class(positive)[2];
                let scored = members
                    .iter()
                    .map(|&row| (checked.probabilities[2 * row + positive], checked.labels[row] == positive));
                slice.auc = Ranking::new(scored).map(|ranking| ranking.auc().estimate);
            }
            slices.push(slice);
        }
    }
    for (slice, p) in slices.iter_mut().zip(holm(&tests)) {
        (slice.adjusted_p, slice.flagged) = (p, p < LEVEL);
    }
    let notes = vec![format!(
        "a slice is flagged where Fisher's test of its accuracy against all other rows gives p < {LEVEL} after \
         Holm's correction for {} slices; slices overlap between columns",
        slices.len()
    )];
    Ok(Slices { slices, notes })
}

/// Where macro F1 stands among a tally's averages.
const MACRO_F1: usize = 3;

/// Fisher's exact two-sided p-value of two pairs of counts (R. A. Fisher, 1922): the chance, with all four
/// sums fixed, of a table that is no likelier than this one; scipy's `fisher_exact`.
fn fisher_exact(a: [u64; 2], b: [u64; 2]) -> f64 {
    let (own, other, hits) = (a[0] + a[1], b[0] + b[1], a[0] + b[0]);
    let (least, most) = (hits.saturating_sub(other), hits.min(own));
    let choose = |n: u64, k: u64| {
        libm::lgamma(n as f64 + 1.0) - libm::lgamma(k as f64 + 1.0) - libm::lgamma((n - k) as f64 + 1.0)
    };
    let all = choose(own + other, hits);
    let chance = |k: u64| (choose(own, k) + choose(other, hits - k) - all).exp();
    // Logarithms of large counts are rounded: a table as likely as this one must not be left out.
    let limit = chance(a[0]) * (1.0 + 1e-7);
    (least..=most).map(chance).filter(|&chance| chance <= limit).sum::<f64>().min(1.0)
}

/// Holm's adjusted p-values: the smallest times the number of tests, the next times one less, never falling.
fn holm(tests: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..tests.len()).collect();
    order.sort_by(|&a, &b| tests[a].total_cmp(&tests[b]));
    let (mut adjusted, mut least) = (vec![1.0; tests.len()], 0.0f64);
    for (done, &test) in order.iter().enumerate() {
        least = least.max((tests[test] * (tests.len() - done) as f64).min(1.0));
        adjusted[test] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fisher_is_scipys() {
        // scipy.stats.fisher_exact of ((a, b), (c, d)).
        let cases = [
            ([8, 2], [1, 5], 0.034_965_034_965_034_975),
            ([0, 3], [3, 0], 0.1),
            ([5, 5], [5, 5], 1.0),
            ([0, 0], [3, 4], 1.0),
            ([90, 10], [800, 200], 0.015_638_592_372_685_25),
        ];
        for (a, b, expected) in cases {
            let found = fisher_exact(a, b);
            assert!((found - expected).abs() < 1e-9, "{a:?} {b:?}: {found}");
        }
    }

    #[test]
    fn holm_steps_down() {
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{found}");
        }
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn lengths_fall_into_parts_of_about_equal_size() {
        let found = Grouping::by_length("characters", &[5, 1, 9, 1, 7, 30, 12, 1], 4);
        assert_eq!(found.names, ["1", "5", "7 to 9", "12 to 30"].map(str::to_owned));
        assert_eq!(found.parts, [1, 0, 2, 0, 2, 3, 3, 0]);
        let odd = Grouping::by_length("characters", &[usize::MAX, 0], usize::MAX);
        assert_eq!((odd.names.len(), odd.parts), (2, vec![1, 0]));
        assert!(Grouping::by_length("characters", &[], 4).names.is_empty());
    }

    #[test]
    fn rare_values_are_others() {
        let values: Vec<String> =
            (0..30).flat_map(|i: usize| vec![format!("v{i:02}"); if i < 22 { 3 } else { 1 }]).collect();
        let found = Grouping::by_value("source", &values);
        assert_eq!(found.names.len(), MAX_VALUES + 1);
        assert_eq!(found.names[MAX_VALUES], "other (10 values)");
        assert_eq!(found.parts.iter().filter(|&&part| part == MAX_VALUES).count(), 2 * 3 + 8);
    }

    #[test]
    fn a_worse_part_is_flagged_and_chance_is_not() {
        // 400 rows: right in 9 of 10, of source "x" in 5 of 10; the other column says nothing.
        let source: Vec<&str> = (0..400).map(|row| if row % 4 == 0 { "x" } else { "y" }).collect();
        let noise: Vec<usize> = (0..400).map(|row| row / 100).collect();
        let labels: Vec<usize> = (0..400).map(|row| row / 4 % 2).collect();
        let mut p = Vec::new();
        for (row, &label) in labels.iter().enumerate() {
            let turn = row / 4 % 10 / if row % 4 == 0 { 5 } else { 9 };
            let own = if (turn == 0) == (label == 1) { 0.8 } else { 0.2 };
            p.extend([1.0 - own, own]);
        }
        let classes = ["a", "b"].map(str::to_owned);
        let inputs = Inputs { probabilities: &p, labels: &labels, classes: &classes, positive: None };
        let groupings = [Grouping::by_value("source", &source), Grouping::by_length("part", &noise, 4)];
        let found = slices(&inputs, None, &groupings).unwrap();
        let flagged: Vec<&str> =
            found.slices.iter().filter(|s| s.flagged).map(|s| s.value.as_str()).collect();
        assert_eq!(flagged, ["y", "x"]);
        assert_eq!(found.slices[1].accuracy.value, 0.5);
        assert_eq!(found.slices[1].rest, found.slices[0].accuracy);
        let decision = Decision::plain(2, None);
        assert_eq!(slices(&inputs, Some(&decision), &groupings).unwrap(), found);
        let back: Slices = serde_json::from_str(&serde_json::to_string(&found).unwrap()).unwrap();
        assert_eq!(back.slices.len(), 6);
        let short = Grouping::by_value("source", &source[1..]);
        assert!(matches!(slices(&inputs, None, &[short]), Err(Error::Length { .. })));
    }
}
