//! What a person should see of the data before a model does: sizes, classes, lengths, overlaps and the rows that look
//! wrong.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use crate::hostile::{Hostile, suspicious};
use crate::label_map::LabelMap;
use crate::overlap::{Overlaps, conflicting_rows, overlaps};
use crate::part::{Part, Place};
use crate::table::Table;
use crate::target::Task;

/// Most suspicious rows shown.
pub const SUSPECTS: usize = 20;

/// A text is extremely long from this many times the length that 95 % of its part stay within, and from
/// [`LONG_CHARS`] characters.
const LONG_TIMES: usize = 10;
const LONG_CHARS: usize = 200;

/// What the data is like.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataReport {
    /// `single`, `multi-label` or `regression`.
    pub task: &'static str,
    /// Each part by itself.
    pub parts: Vec<PartReport>,
    /// What parts share.
    pub overlaps: Overlaps,
    /// The rows most worth a look, at most [`SUSPECTS`]: some of each kind.
    pub suspects: Vec<Suspect>,
}

/// One part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PartReport {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The file's SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its rows.
    pub rows: usize,
    /// Rows of which a text is blank.
    pub blank: usize,
    /// Classes in the order of a label map, for single and several labels; shares are of the rows.
    pub classes: Option<Vec<ClassCount>>,
    /// Rows with the empty set, for several labels.
    pub unlabelled: Option<usize>,
    /// The numbers' distribution, for regression.
    pub numbers: Option<Numbers>,
    /// The texts' lengths in characters, both texts of a pair together.
    pub characters: Lengths,
    /// Rows with hostile characters, by kind; kinds without a row are left out.
    pub hostile: Vec<HostileCount>,
    /// Rows of which another text, a near duplicate, has another label; nothing without labels.
    pub near_conflicting: Option<usize>,
}

/// A class and its rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassCount {
    /// The label.
    pub label: String,
    /// Rows with it.
    pub rows: usize,
    /// Of all rows of the part.
    pub share: f64,
}

/// A distribution of numbers; the quantile is that of the nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Numbers {
    /// The smallest.
    pub min: f32,
    /// Half of the rows have at most this.
    pub median: f32,
    /// The mean.
    pub mean: f64,
    /// The standard deviation over the rows.
    pub deviation: f64,
    /// The largest.
    pub max: f32,
}

/// A distribution of lengths; quantiles are those of the nearest rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Lengths {
    /// The shortest.
    pub min: usize,
    /// Half of the rows are at most this long.
    pub median: usize,
    /// 95 % of the rows are at most this long.
    pub p95: usize,
    /// The longest.
    pub max: usize,
}

/// Rows with hostile characters of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostileCount {
    /// The kind, for people; see [`Hostile::KINDS`].
    pub kind: &'static str,
    /// Rows.
    pub rows: usize,
}

/// A row worth a look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suspect {
    /// Why, for people.
    pub reasons: Vec<String>,
    /// The row.
    pub row: Place,
    /// The row that it contradicts, if that is why.
    pub other: Option<Place>,
}

/// Looks at parts of the data. Give them in the order train, valid, test.
pub fn data_report(parts: &[Part<'_>]) -> DataReport {
    let looks: Vec<Look> = parts.iter().map(Look::new).collect();
    let reports = parts.iter().zip(&looks).map(|(part, look)| part_report(part, look)).collect();
    DataReport {
        task: parts.first().map_or(Task::Single, |part| part.table.task).name(),
        parts: reports,
        overlaps: overlaps(parts),
        suspects: suspects(parts, &looks),
    }
}

/// What is counted of each row.
struct Look {
    lengths: Vec<usize>,
    hostile: Vec<Hostile>,
    near: Vec<Option<(usize, f64)>>,
}

impl Look {
    fn new(part: &Part<'_>) -> Self {
        let keys: Vec<(&str, Option<&str>)> = part.table.keys().collect();
        let chars = |text: &str| text.chars().count();
        let of = |&(text, pair): &(&str, Option<&str>)| {
            let hostile = suspicious(text).and(pair.map_or_else(Hostile::default, suspicious));
            (chars(text) + pair.map_or(0, chars), hostile)
        };
        let (lengths, hostile) = keys.par_iter().map(of).unzip();
        Self { lengths, hostile, near: part.near_conflicts() }
    }

    fn distribution(&self) -> Lengths {
        let mut sorted = self.lengths.clone();
        sorted.sort_unstable();
        let at = |share| rank(sorted.len(), share).and_then(|i| sorted.get(i)).copied().unwrap_or_default();
        Lengths { min: at(0.0), median: at(0.5), p95: at(0.95), max: at(1.0) }
    }
}

/// The index of the nearest rank among so many sorted values.
fn rank(count: usize, share: f64) -> Option<usize> {
    let last = count.checked_sub(1)?;
    Some(((share * count as f64).ceil() as usize).saturating_sub(1).min(last))
}

fn part_report(part: &Part<'_>, look: &Look) -> PartReport {
    let table = part.table;
    let kinds = Hostile::KINDS.into_iter().map(|(kind, name)| HostileCount {
        kind: name,
        rows: look.hostile.iter().filter(|found| found.contains(kind)).count(),
    });
    let sets = matches!(table.task, Task::Multi { .. }) && table.label_sets.len() == table.len();
    PartReport {
        name: part.name.to_owned(),
        file: table.source.display().to_string(),
        sha256: table.sha256.clone(),
        rows: table.len(),
        blank: table.blank,
        classes: class_counts(table),
        unlabelled: sets.then(|| table.label_sets.iter().filter(|set| set.is_empty()).count()),
        numbers: numbers(&table.numbers),
        characters: look.distribution(),
        hostile: kinds.filter(|kind| kind.rows > 0).collect(),
        near_conflicting: (!part.labels.is_empty()).then(|| look.near.iter().flatten().count()),
    }
}

fn class_counts(table: &Table) -> Option<Vec<ClassCount>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for label in table.labels.iter().chain(table.label_sets.iter().flatten()) {
        *counts.entry(label).or_default() += 1;
    }
    if counts.is_empty() {
        return None;
    }
    let map = LabelMap::new(counts.keys().copied()).ok();
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(label, _)| map.as_ref().and_then(|map| map.index(label)));
    let class = |(label, rows): (&str, usize)| ClassCount {
        label: label.to_owned(),
        rows,
        share: rows as f64 / table.len().max(1) as f64,
    };
    Some(counts.into_iter().map(class).collect())
}

fn numbers(values: &[f32]) -> Option<Numbers> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let at = |share| rank(sorted.len(), share).and_then(|i| sorted.get(i)).copied();
    let count = sorted.len() as f64;
    let mean = sorted.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let variance = sorted.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    Some(Numbers { min: at(0.0)?, median: at(0.5)?, mean, deviation: variance.sqrt(), max: at(1.0)? })
}

/// A reason to look at a row: part, row, why, and the row of the same part that it contradicts.
type Reason = (usize, usize, String, Option<usize>);

fn suspects(parts: &[Part<'_>], looks: &[Look]) -> Vec<Suspect> {
    let mut hostile: Vec<(usize, Reason)> = Vec::new();
    let mut long: Vec<(usize, Reason)> = Vec::new();
    let (mut conflicting, mut near): (Vec<Reason>, Vec<Reason>) = (Vec::new(), Vec::new());
    for (i, (part, look)) in parts.iter().zip(looks).enumerate() {
        for (row, found) in look.hostile.iter().enumerate().filter(|(_, found)| !found.is_empty()) {
            let names = found.names();
            hostile.push((names.len(), (i, row, names.join(", "), None)));
        }
        let limit = (look.distribution().p95 * LONG_TIMES).max(LONG_CHARS);
        for (row, &length) in look.lengths.iter().enumerate().filter(|(_, length)| **length > limit) {
            long.push((length, (i, row, format!("extremely long: {length} characters"), None)));
        }
        let rows = conflicting_rows(part, part, &part.canonical, &part.canonical);
        let reason = "the same text has another label";
        conflicting
            .extend(rows.into_iter().flatten().map(|(other, row)| (i, row, reason.to_owned(), Some(other))));
        for (row, &found) in look.near.iter().enumerate() {
            if let Some((other, similarity)) = found {
                let reason = format!("a near duplicate ({similarity:.2}) has another label");
                near.push((i, row, reason, Some(other)));
            }
        }
    }
    // The most kinds first, and the longest; the sort is stable, so rows stay in order otherwise.
    hostile.sort_by_key(|(kinds, _)| std::cmp::Reverse(*kinds));
    long.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    let plain = |sorted: Vec<(usize, Reason)>| sorted.into_iter().map(|(_, reason)| reason);
    let kinds = [plain(hostile).collect(), conflicting, near, plain(long).collect()];
    choose(parts, kinds)
}

/// Takes one row of each kind in turn until there are enough; a row that comes again brings its reason only.
fn choose(parts: &[Part<'_>], kinds: [Vec<Reason>; 4]) -> Vec<Suspect> {
    let mut queues = kinds.map(Vec::into_iter);
    let mut chosen: Vec<((usize, usize), Suspect)> = Vec::new();
    while chosen.len() < SUSPECTS && queues.iter().any(|queue| queue.len() > 0) {
        for (i, row, reason, other) in queues.iter_mut().filter_map(Iterator::next) {
            let Some(part) = parts.get(i) else { continue };
            let other = other.map(|other| part.place(other));
            if let Some((_, suspect)) = chosen.iter_mut().find(|(known, _)| *known == (i, row)) {
                suspect.reasons.push(reason);
                suspect.other = suspect.other.take().or(other);
            } else if chosen.len() < SUSPECTS {
                chosen.push(((i, row), Suspect { reasons: vec![reason], row: part.place(row), other }));
            }
        }
    }
    chosen.into_iter().map(|(_, suspect)| suspect).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_ranks() {
        assert_eq!(rank(0, 0.5), None);
        assert_eq!((rank(1, 0.0), rank(1, 1.0)), (Some(0), Some(0)));
        assert_eq!((rank(100, 0.5), rank(100, 0.95), rank(100, 1.0)), (Some(49), Some(94), Some(99)));
    }

    #[test]
    fn distribution_of_numbers() {
        let got = numbers(&[4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!((got.min, got.median, got.mean, got.max), (1.0, 2.0, 2.5, 4.0));
        assert!((got.deviation - 1.25f64.sqrt()).abs() < 1e-12);
        assert_eq!(numbers(&[]), None);
    }
}
