//! Deterministic stratified splits. Every class is divided in the asked-for proportions, each share rounded up or
//! down, and the roundings are chosen so that the parts' totals come out right too (controlled rounding: such a
//! choice always exists, and it is found by moving single rows between parts).

use std::str::FromStr;

use crate::error::Error;
use crate::rng::SplitMix64;

/// Fractions are kept as whole billionths, so that sums are exact.
const ONE: u64 = 1_000_000_000;
pub(crate) const PARTS: usize = 3;

/// The shares of train, valid and test. Parse it from `70/15/15`, `0.8/0.2` or `80/20`: two parts are train and
/// valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitSpec {
    /// Billionths of the rows; they sum to [`ONE`].
    shares: [u64; PARTS],
}

impl SplitSpec {
    /// The fractions of train, valid and test; the last is 0 if there is no test part.
    pub fn fractions(&self) -> [f64; PARTS] {
        self.shares.map(|share| share as f64 / ONE as f64)
    }

    /// The parts in billionths.
    pub(crate) fn shares(self) -> [u64; PARTS] {
        self.shares
    }

    /// Whether there is a test part.
    pub fn has_test(&self) -> bool {
        let [_, _, test] = self.shares;
        test > 0
    }

    /// `fraction` of the rows for validation, the rest for training.
    ///
    /// # Errors
    /// [`Error::Split`] unless the fraction lies strictly between 0 and 1.
    pub fn hold_out(fraction: f64) -> Result<Self, Error> {
        let valid = (fraction * ONE as f64).round();
        if valid >= 1.0 && valid < ONE as f64 {
            return Ok(Self { shares: [ONE - valid as u64, valid as u64, 0] });
        }
        Err(Error::Split { spec: fraction.to_string(), reason: "the fraction must lie between 0 and 1" })
    }
}

impl FromStr for SplitSpec {
    type Err = Error;

    fn from_str(spec: &str) -> Result<Self, Error> {
        let fail = |reason| Error::Split { spec: spec.to_owned(), reason };
        let parts = spec
            .split('/')
            .map(|part| part.trim().trim_end_matches('%').parse::<f64>())
            .collect::<Result<Vec<f64>, _>>()
            .map_err(|_| fail("a part is not a number"))?;
        if !(2..=PARTS).contains(&parts.len()) {
            return Err(fail("it needs two or three parts"));
        }
        if parts.iter().any(|part| !part.is_finite() || *part <= 0.0) {
            return Err(fail("every part must be above 0"));
        }
        let sum: f64 = parts.iter().sum();
        let whole = if (sum - 100.0).abs() < 1e-6 {
            100.0
        } else if (sum - 1.0).abs() < 1e-8 {
            1.0
        } else {
            return Err(fail("the parts must sum to 100 or 1"));
        };
        let share = |part: f64| (part / whole * ONE as f64).round() as u64;
        let valid = parts.get(1).copied().map_or(0, share);
        let test = parts.get(2).copied().map_or(0, share);
        if valid == 0 || (parts.len() == PARTS && test == 0) || valid + test >= ONE {
            return Err(fail("a part is too small"));
        }
        Ok(Self { shares: [ONE - valid - test, valid, test] })
    }
}

/// Row indices of each part, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// For training.
    pub train: Vec<usize>,
    /// For choosing epochs, thresholds and settings.
    pub valid: Vec<usize>,
    /// To be read once, at the end.
    pub test: Vec<usize>,
    /// What the user should know, for instance classes too small to be in every part.
    pub notes: Vec<String>,
}

/// Splits rows by class: the parts are disjoint and complete, each class's share of each part is within one row of
/// its proportion, and every class has a row in train. The same labels, spec and seed give the same split.
/// `labels` holds each row's class.
pub fn stratified(labels: &[usize], spec: SplitSpec, seed: u64) -> Split {
    let mut members: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
    for (row, &class) in labels.iter().enumerate() {
        members.entry(class).or_default().push(row);
    }
    let sizes: Vec<usize> = members.values().map(Vec::len).collect();
    let counts = apportion(&sizes, spec.shares);
    let mut split = Split { notes: notes(&sizes, &counts, spec), ..Split::default() };
    for ((&class, rows), [train, valid, _]) in members.iter_mut().zip(counts) {
        SplitMix64::stream(seed, class as u64).shuffle(rows);
        let mut rows = rows.iter().copied();
        split.train.extend(rows.by_ref().take(train));
        split.valid.extend(rows.by_ref().take(valid));
        split.test.extend(rows);
    }
    split.train.sort_unstable();
    split.valid.sort_unstable();
    split.test.sort_unstable();
    split
}

/// Cuts validation rows from the training rows: train and valid, ascending.
///
/// # Errors
/// [`Error::Split`] unless the fraction lies strictly between 0 and 1.
pub fn hold_out(labels: &[usize], fraction: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>), Error> {
    let split = stratified(labels, SplitSpec::hold_out(fraction)?, seed);
    Ok((split.train, split.valid))
}

/// One class's rounding: whole rows of each part, and which parts get one row more.
struct Rounding {
    floor: [usize; PARTS],
    /// Billionths lost by rounding down.
    rest: [u64; PARTS],
    extra: [bool; PARTS],
    /// A part whose extra row may not be moved away: train, where it would be left with none.
    pinned: bool,
}

/// Rows of each class in each part. Each count is the share rounded up or down; the totals are the rounded totals
/// unless classes that need a row in train forbid it.
fn apportion(sizes: &[usize], shares: [u64; PARTS]) -> Vec<[usize; PARTS]> {
    let mut classes: Vec<Rounding> = sizes.iter().map(|&size| round_down(size, shares)).collect();
    let total: usize = sizes.iter().sum();
    let mut missing = totals(total, shares).map(|target| target as i64);
    for class in &classes {
        for (missing, floor) in missing.iter_mut().zip(class.floor) {
            *missing -= floor as i64;
        }
    }
    for (class, &size) in classes.iter_mut().zip(sizes) {
        let mut left = size - class.floor.iter().sum::<usize>();
        if class.floor.first() == Some(&0) && left > 0 {
            class.pinned = true;
            give(class, 0, &mut missing);
            left -= 1;
        }
        for _ in 0..left {
            let open = |&part: &usize| !at(&class.extra, part) && at(&class.rest, part) > 0;
            // The part that most lacks rows, then the one that lost most; the earlier one in a tie.
            let best = (0..PARTS).filter(open).min_by_key(|&part| {
                (std::cmp::Reverse(at(&missing, part)), std::cmp::Reverse(at(&class.rest, part)))
            });
            if let Some(part) = best {
                give(class, part, &mut missing);
            }
        }
    }
    balance(&mut classes, &mut missing);
    classes
        .iter()
        .map(|class| std::array::from_fn(|part| at(&class.floor, part) + usize::from(at(&class.extra, part))))
        .collect()
}

fn round_down(size: usize, shares: [u64; PARTS]) -> Rounding {
    let exact = shares.map(|share| size as u128 * u128::from(share));
    Rounding {
        floor: exact.map(|exact| (exact / u128::from(ONE)) as usize),
        rest: exact.map(|exact| (exact % u128::from(ONE)) as u64),
        extra: [false; PARTS],
        pinned: false,
    }
}

/// The whole split's totals by largest remainder, the earlier part first in a tie.
fn totals(total: usize, shares: [u64; PARTS]) -> [usize; PARTS] {
    let Rounding { mut floor, rest, .. } = round_down(total, shares);
    let mut parts: [usize; PARTS] = std::array::from_fn(|part| part);
    parts.sort_by_key(|&part| std::cmp::Reverse(at(&rest, part)));
    let left = total - floor.iter().sum::<usize>();
    for &part in parts.iter().take(left) {
        if let Some(count) = floor.get_mut(part) {
            *count += 1;
        }
    }
    floor
}

/// Moves extra rows from parts with too many to parts with too few, by way of the third where need be.
fn balance(classes: &mut [Rounding], missing: &mut [i64; PARTS]) {
    let mut stuck = false;
    while !stuck {
        stuck = true;
        for from in (0..PARTS).filter(|&part| at(missing, part) < 0).collect::<Vec<_>>() {
            for to in (0..PARTS).filter(|&part| at(missing, part) > 0).collect::<Vec<_>>() {
                let between = PARTS - from - to;
                let moved = shift(classes, from, to, missing)
                    || (can_shift(classes, between, to)
                        && shift(classes, from, between, missing)
                        && shift(classes, between, to, missing));
                if moved {
                    stuck = false;
                }
                if at(missing, from) >= 0 {
                    break;
                }
            }
        }
    }
}

fn movable(class: &Rounding, from: usize, to: usize) -> bool {
    let kept = class.pinned && from == 0;
    at(&class.extra, from) && !kept && !at(&class.extra, to) && at(&class.rest, to) > 0
}

fn can_shift(classes: &[Rounding], from: usize, to: usize) -> bool {
    classes.iter().any(|class| movable(class, from, to))
}

fn shift(classes: &mut [Rounding], from: usize, to: usize, missing: &mut [i64; PARTS]) -> bool {
    let Some(class) = classes.iter_mut().find(|class| movable(class, from, to)) else {
        return false;
    };
    if let Some(extra) = class.extra.get_mut(from) {
        *extra = false;
    }
    if let Some(missing) = missing.get_mut(from) {
        *missing += 1;
    }
    give(class, to, missing);
    true
}

fn give(class: &mut Rounding, part: usize, missing: &mut [i64; PARTS]) {
    if let Some(extra) = class.extra.get_mut(part) {
        *extra = true;
    }
    if let Some(missing) = missing.get_mut(part) {
        *missing -= 1;
    }
}

fn at<T: Copy + Default>(parts: &[T; PARTS], part: usize) -> T {
    parts.get(part).copied().unwrap_or_default()
}

fn notes(sizes: &[usize], counts: &[[usize; PARTS]], spec: SplitSpec) -> Vec<String> {
    let mut notes = Vec::new();
    let single = sizes.iter().filter(|&&size| size == 1).count();
    if single > 0 {
        let (class, have, them) =
            if single == 1 { ("class", "has", "it") } else { ("classes", "have", "them") };
        notes.push(format!(
            "{single} {class} {have} a single row; it stays in train, so nothing measures {them}"
        ));
    }
    for (part, name) in [(1, "validation"), (2, "test")] {
        let absent =
            sizes.iter().zip(counts).filter(|(size, count)| **size > 1 && at(count, part) == 0).count();
        if absent > 0 && at(&spec.shares, part) > 0 {
            let classes = if absent == 1 { "class is" } else { "classes are" };
            notes.push(format!("{absent} small {classes} not in the {name} part"));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs() {
        let ok = [
            ("70/15/15", [0.7, 0.15, 0.15]),
            ("0.8/0.2", [0.8, 0.2, 0.0]),
            ("80/20", [0.8, 0.2, 0.0]),
            ("80% / 20%", [0.8, 0.2, 0.0]),
            ("33.3/33.3/33.4", [0.333, 0.333, 0.334]),
        ];
        for (text, want) in ok {
            assert_eq!(text.parse::<SplitSpec>().unwrap().fractions(), want, "{text}");
        }
        for text in [
            "",
            "80",
            "80/10",
            "80/20/0",
            "90/20/-10",
            "a/b",
            "NaN/1",
            "inf/1",
            "1/1/1/1",
            "100/0",
            "50/50/50",
            "/",
        ] {
            assert!(matches!(text.parse::<SplitSpec>(), Err(Error::Split { .. })), "{text}");
        }
        assert!(SplitSpec::hold_out(0.0).is_err() && SplitSpec::hold_out(1.0).is_err());
        assert!(SplitSpec::hold_out(f64::NAN).is_err());
    }

    #[test]
    fn totals_match_over_many_small_classes() {
        let labels: Vec<usize> = (0..30).map(|row| row / 3).collect();
        let split = stratified(&labels, "70/15/15".parse().unwrap(), 1);
        let sizes = (split.train.len(), split.valid.len(), split.test.len());
        assert!(matches!(sizes, (21, 5, 4) | (21, 4, 5)), "{sizes:?}");
    }

    #[test]
    fn ordinary_totals() {
        let labels: Vec<usize> = (0..2100).map(|row| row % 2).collect();
        let split = stratified(&labels, "70/15/15".parse().unwrap(), 0);
        assert_eq!((split.train.len(), split.valid.len(), split.test.len()), (1470, 315, 315));
        assert!(split.notes.is_empty());
    }

    #[test]
    fn a_single_row_stays_in_train() {
        let split = stratified(&[0, 0, 0, 0, 1], "20/40/40".parse().unwrap(), 3);
        assert!(split.train.contains(&4));
        assert!(split.notes.iter().any(|note| note.contains("single row")), "{:?}", split.notes);
    }

    #[test]
    fn nothing_to_split() {
        assert_eq!(stratified(&[], "80/20".parse().unwrap(), 0), Split::default());
    }
}
