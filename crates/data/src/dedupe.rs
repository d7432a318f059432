//! Which rows to leave out so that no part is measured on what another was trained or tuned on. Test rows are never
//! left out: the figure stays that of the test rows as they were given.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::error::Error;
use crate::near::{NearIndex, SIMILARITY};
use crate::part::{Digest, Meets, Part, labels_by_text};

/// How alike rows must be for one of them to be left out. Parse it from its name in lower case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dedupe {
    /// Nothing is left out.
    #[default]
    Off,
    /// Equal texts.
    Exact,
    /// Equal canonical texts.
    Canonical,
    /// Near duplicates.
    Near,
    /// Between parts: near duplicates and texts of the same registered domain. Within train: near duplicates.
    Domain,
}

impl Dedupe {
    const ALL: [Self; 5] = [Self::Off, Self::Exact, Self::Canonical, Self::Near, Self::Domain];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Dedupe::Off => "off",
            Dedupe::Exact => "exact",
            Dedupe::Canonical => "canonical",
            Dedupe::Near => "near",
            Dedupe::Domain => "domain",
        }
    }

    fn drops(self, meets: &Meets) -> bool {
        match self {
            Dedupe::Off => false,
            Dedupe::Exact => meets.exact.is_some(),
            Dedupe::Canonical => meets.canonical.is_some(),
            Dedupe::Near => meets.near.is_some(),
            Dedupe::Domain => meets.near.is_some() || meets.domain.is_some(),
        }
    }
}

impl fmt::Display for Dedupe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dedupe {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|how| how.name() == name);
        found.ok_or_else(|| Error::DedupeName { name: name.to_owned() })
    }
}

/// The rows that stay, and how many were left out for which reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deduped {
    /// Training rows that stay, ascending.
    pub train: Vec<usize>,
    /// Validation rows that stay, ascending.
    pub valid: Vec<usize>,
    /// What was left out.
    pub dropped: Dropped,
}

/// Rows left out, each counted under the first reason that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Training rows that meet a test row.
    pub train_in_test: usize,
    /// Training rows that meet a validation row.
    pub train_in_valid: usize,
    /// Training rows of which an equal text (exact, or canonical from that level on) has another label: all of them.
    pub contradicting: usize,
    /// Training rows that meet an earlier one that stays.
    pub repeats: usize,
    /// Validation rows that meet a test row.
    pub valid_in_test: usize,
}

impl Dropped {
    /// Training rows left out.
    pub fn train(&self) -> usize {
        self.train_in_test + self.train_in_valid + self.contradicting + self.repeats
    }
}

/// Finds the rows to leave out. Training rows are compared with all validation rows, also with those that are left
/// out themselves.
///
/// # Errors
/// [`Error::NotUrls`] if domains are asked for and a part is not of URLs, [`Error::NothingLeft`] if no training row,
/// or none of the validation rows, would stay.
pub fn dedupe(
    train: &Part<'_>,
    valid: Option<&Part<'_>>,
    test: Option<&Part<'_>>,
    how: Dedupe,
) -> Result<Deduped, Error> {
    let others = || valid.into_iter().chain(test);
    if how == Dedupe::Off {
        let rows = |part: Option<&Part<'_>>| (0..part.map_or(0, |part| part.table.len())).collect();
        return Ok(Deduped { train: rows(Some(train)), valid: rows(valid), dropped: Dropped::default() });
    }
    if how == Dedupe::Domain
        && let Some(part) = std::iter::once(train).chain(others()).find(|part| !part.is_urls())
    {
        return Err(Error::NotUrls { file: part.table.source.display().to_string() });
    }
    let meeting = |part: &Part<'_>, other: Option<&Part<'_>>| -> Vec<bool> {
        let meets = other.map(|other| part.meets(other)).unwrap_or_default();
        (0..part.table.len()).map(|row| meets.get(row).is_some_and(|meets| how.drops(meets))).collect()
    };
    let mut result = Deduped::default();
    let dropped = &mut result.dropped;
    let (in_test, in_valid) = (meeting(train, test), meeting(train, valid));
    let contradicting = contradicting(train, how);
    let mut earlier = Earlier::new(train, how);
    for (row, ((in_test, in_valid), contradicting)) in
        in_test.into_iter().zip(in_valid).zip(contradicting).enumerate()
    {
        if in_test {
            dropped.train_in_test += 1;
        } else if in_valid {
            dropped.train_in_valid += 1;
        } else if contradicting {
            dropped.contradicting += 1;
        } else if earlier.repeats(row) {
            dropped.repeats += 1;
        } else {
            result.train.push(row);
        }
    }
    if let Some(valid) = valid {
        let meets = meeting(valid, test);
        dropped.valid_in_test = meets.iter().filter(|meets| **meets).count();
        result.valid = (0..).zip(meets).filter(|(_, meets)| !meets).map(|(row, _)| row).collect();
        if result.valid.is_empty() {
            return Err(Error::NothingLeft { part: valid.name.to_owned(), how: how.name() });
        }
    }
    if result.train.is_empty() {
        return Err(Error::NothingLeft { part: train.name.to_owned(), how: how.name() });
    }
    Ok(result)
}

/// The digests by which rows are equal at a level.
fn texts<'a>(part: &'a Part<'_>, how: Dedupe) -> &'a [Digest] {
    if how == Dedupe::Exact { &part.exact } else { &part.canonical }
}

fn contradicting(part: &Part<'_>, how: Dedupe) -> Vec<bool> {
    let texts = texts(part, how);
    let known = labels_by_text(texts, &part.labels);
    texts.iter().map(|text| known.get(text).is_some_and(|(_, mixed)| *mixed)).collect()
}

/// The training rows that stay, so far.
struct Earlier<'a> {
    part: &'a Part<'a>,
    how: Dedupe,
    index: Option<NearIndex<'a>>,
    texts: HashSet<Digest>,
    /// Of each different canonical text, whether a row with it stays.
    kept: Vec<bool>,
}

impl<'a> Earlier<'a> {
    fn new(part: &'a Part<'a>, how: Dedupe) -> Self {
        let near = matches!(how, Dedupe::Near | Dedupe::Domain);
        let index = near.then(|| NearIndex::new(&part.sketches));
        Self { part, how, index, texts: HashSet::new(), kept: vec![false; part.sketches.len()] }
    }

    /// Whether the row meets an earlier one that stays; if not, it stays itself.
    fn repeats(&mut self, row: usize) -> bool {
        let Some(&text) = texts(self.part, self.how).get(row) else {
            return false;
        };
        if !self.texts.insert(text) {
            return true;
        }
        let unique = self.part.unique.get(row).copied().unwrap_or_default();
        if let (Some(index), Some(sketch)) = (&self.index, self.part.sketches.get(unique)) {
            let kept = |other: usize| self.kept.get(other) == Some(&true);
            if index.find(sketch, SIMILARITY, kept).found.is_some() {
                return true;
            }
        }
        if let Some(kept) = self.kept.get_mut(unique) {
            *kept = true;
        }
        false
    }
}
