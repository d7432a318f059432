//! A named part of the data (train, valid, test) with fingerprints of its rows, and which rows of one part meet rows
//! of another: the one computation behind overlaps, removal of duplicates and the data report.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::canonical::canonical;
use crate::error::place;
use crate::label::loose_key;
use crate::near::{Near, NearIndex, SIMILARITY, Sketch};
use crate::table::Table;
use crate::target::Task;
use crate::url::registered_domains;

/// Characters of a text that are shown of it.
pub const SHOWN_CHARS: usize = 160;

/// Stands between the two texts of a pair; no canonical text contains it.
const BETWEEN: char = '\u{1F}';

/// The first 16 bytes of a SHA-256: nobody can make two texts meet by it.
pub(crate) type Digest = [u8; 16];

/// A table with its name and its rows' fingerprints. Making one reads every text a few times.
pub struct Part<'a> {
    /// `train`, `valid`, `test`, or what the table is to be called.
    pub name: &'a str,
    /// The rows.
    pub table: &'a Table,
    pub(crate) exact: Vec<Digest>,
    pub(crate) canonical: Vec<Digest>,
    /// Empty where rows have no labels that could contradict each other.
    pub(crate) labels: Vec<Digest>,
    /// Each row's canonical text among the different ones, in order of first appearance.
    pub(crate) unique: Vec<usize>,
    /// The first row of each different canonical text.
    pub(crate) first: Vec<usize>,
    /// The sketch of each different canonical text.
    pub(crate) sketches: Vec<Sketch>,
    pub(crate) domains: Option<Vec<Option<String>>>,
}

/// Where a row of one part meets a row of another (or an earlier one of its own): that row, by the strictness of the
/// comparison. A row that meets another exactly also meets it in canonical form and nearly.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meets {
    pub(crate) exact: Option<usize>,
    pub(crate) canonical: Option<usize>,
    pub(crate) near: Option<(usize, f64)>,
    pub(crate) domain: Option<usize>,
    /// Whether near duplicates were looked for among some of the candidates only.
    pub(crate) limited: bool,
}

impl<'a> Part<'a> {
    /// Fingerprints a table's rows.
    pub fn new(name: &'a str, table: &'a Table) -> Self {
        let keys: Vec<(&str, Option<&str>)> = table.keys().collect();
        let digests: Vec<(Digest, Digest)> = keys
            .par_iter()
            .map(|&(text, pair)| (digest(&joined(text, pair)), digest(&canonical_of(text, pair))))
            .collect();
        let (exact, canonical): (Vec<Digest>, Vec<Digest>) = digests.into_iter().unzip();
        let mut known: HashMap<Digest, usize> = HashMap::new();
        let (mut unique, mut first) = (Vec::new(), Vec::new());
        for (row, &digest) in canonical.iter().enumerate() {
            let text = *known.entry(digest).or_insert(first.len());
            if text == first.len() {
                first.push(row);
            }
            unique.push(text);
        }
        let sketch = |&row: &usize| match keys.get(row) {
            Some(&(text, pair)) => Sketch::new(&canonical_of(text, pair)),
            None => Sketch::new(""),
        };
        let sketches = first.par_iter().map(sketch).collect();
        let domains = registered_domains(table);
        Self { name, table, exact, canonical, labels: labels(table), unique, first, sketches, domains }
    }

    /// Whether the rows are URLs (see [`registered_domains`]).
    pub fn is_urls(&self) -> bool {
        self.domains.is_some()
    }

    /// Texts with more shingles than are kept of one.
    pub(crate) fn capped(&self) -> usize {
        self.unique.iter().filter(|&&text| self.sketches.get(text).is_some_and(Sketch::is_capped)).count()
    }

    /// For each row of `self`, the rows of `other` that it meets.
    pub(crate) fn meets(&self, other: &Part<'_>) -> Vec<Meets> {
        let index = NearIndex::new(&other.sketches);
        let exact = firsts(&other.exact);
        let canonical = firsts(&other.canonical);
        let domain = other.domain_rows();
        let look = |(sketch, &row): (&Sketch, &usize)| {
            let known = self.canonical.get(row).is_some_and(|digest| canonical.contains_key(digest));
            if known { Near::default() } else { index.find(sketch, SIMILARITY, |_| true) }
        };
        let near: Vec<Near> = self.sketches.par_iter().zip(&self.first).map(look).collect();
        (0..self.table.len())
            .map(|row| {
                let same = |digests: &[Digest], rows: &HashMap<Digest, usize>| {
                    digests.get(row).and_then(|digest| rows.get(digest)).copied()
                };
                let canonical = same(&self.canonical, &canonical);
                let near = self.unique.get(row).and_then(|&text| near.get(text)).copied().unwrap_or_default();
                let found = near.found.and_then(|(text, s)| Some((*other.first.get(text)?, s)));
                Meets {
                    exact: same(&self.exact, &exact),
                    canonical,
                    near: canonical.map(|row| (row, 1.0)).or(found),
                    domain: self.domain(row).and_then(|name| domain.get(name)).copied(),
                    limited: near.limited,
                }
            })
            .collect()
    }

    /// For each row the earlier rows of the same part that it meets.
    pub(crate) fn repeats(&self) -> Vec<Meets> {
        let index = NearIndex::new(&self.sketches);
        let exact = firsts(&self.exact);
        let domain = self.domain_rows();
        let look = |(text, sketch): (usize, &Sketch)| index.find(sketch, SIMILARITY, |other| other < text);
        let near: Vec<Near> = self.sketches.par_iter().enumerate().map(look).collect();
        (0..self.table.len())
            .map(|row| {
                let text = self.unique.get(row).copied().unwrap_or_default();
                let canonical = self.first.get(text).copied().filter(|&first| first < row);
                let near = near.get(text).copied().unwrap_or_default();
                let found = near.found.and_then(|(text, s)| Some((*self.first.get(text)?, s)));
                let exact = self.exact.get(row).and_then(|digest| exact.get(digest)).copied();
                let domain = self.domain(row).and_then(|name| domain.get(name)).copied();
                Meets {
                    exact: exact.filter(|&first| first < row),
                    canonical,
                    near: canonical.map(|row| (row, 1.0)).or(found),
                    domain: domain.filter(|&first| first < row),
                    limited: near.limited && canonical.is_none(),
                }
            })
            .collect()
    }

    /// For each row one with a near text and another label: its index and the similarity.
    pub(crate) fn near_conflicts(&self) -> Vec<Option<(usize, f64)>> {
        if self.labels.is_empty() {
            return vec![None; self.table.len()];
        }
        let index = NearIndex::new(&self.sketches);
        let label = |text: usize| self.first.get(text).and_then(|&row| self.labels.get(row));
        let look = |(text, sketch): (usize, &Sketch)| {
            let own = label(text);
            index.find(sketch, SIMILARITY, |other| other != text && label(other) != own).found
        };
        let near: Vec<_> = self.sketches.par_iter().enumerate().map(look).collect();
        let row = |(row, &text): (usize, &usize)| {
            let (other, similarity) = (*near.get(text)?)?;
            let other = *self.first.get(other)?;
            // Rows of one canonical text may differ in their labels; then this is another fault.
            (self.labels.get(other) != self.labels.get(row)).then_some((other, similarity))
        };
        self.unique.iter().enumerate().map(row).collect()
    }

    /// The row, for people.
    pub(crate) fn place(&self, row: usize) -> Place {
        let table = self.table;
        let text = table.texts.get(row).map_or("", String::as_str);
        let pair = table.pairs.as_ref().and_then(|pairs| pairs.get(row));
        let whole = pair.map_or_else(|| text.to_owned(), |pair| format!("{text} | {pair}"));
        let label = match table.task {
            Task::Single => table.labels.get(row).cloned(),
            Task::Multi { .. } => table.label_sets.get(row).map(|set| set.join("|")),
            Task::Regression => table.numbers.get(row).map(f32::to_string),
        };
        Place {
            part: self.name.to_owned(),
            place: place(table.format, table.places.get(row).copied().unwrap_or_default()),
            label,
            text: cut(&whole),
        }
    }

    fn domain(&self, row: usize) -> Option<&String> {
        self.domains.as_ref()?.get(row)?.as_ref()
    }

    fn domain_rows(&self) -> HashMap<&String, usize> {
        let mut rows = HashMap::new();
        for (row, name) in self.domains.iter().flatten().enumerate() {
            if let Some(name) = name {
                rows.entry(name).or_insert(row);
            }
        }
        rows
    }
}

/// A row in a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The part's name.
    pub part: String,
    /// `line 3` or `row 3` of its file, from 1.
    pub place: String,
    /// The label, the labels with `|` between them, or the number.
    pub label: Option<String>,
    /// The text, at most [`SHOWN_CHARS`] characters of it. As it is: escape it before a terminal sees it.
    pub text: String,
}

/// What the labels of one text are: the first, and whether another occurs.
pub(crate) fn labels_by_text<'a>(
    texts: &'a [Digest],
    labels: &'a [Digest],
) -> HashMap<&'a Digest, (&'a Digest, bool)> {
    let mut known: HashMap<&Digest, (&Digest, bool)> = HashMap::new();
    for (text, label) in texts.iter().zip(labels) {
        known.entry(text).and_modify(|(first, mixed)| *mixed |= *first != label).or_insert((label, false));
    }
    known
}

fn firsts(digests: &[Digest]) -> HashMap<Digest, usize> {
    let mut rows = HashMap::new();
    for (row, &digest) in digests.iter().enumerate() {
        rows.entry(digest).or_insert(row);
    }
    rows
}

/// Each row's label or set of labels under which different spellings meet; none for numbers.
fn labels(table: &Table) -> Vec<Digest> {
    let set = |set: &Vec<String>| {
        let mut keys: Vec<String> = set.iter().map(|label| loose_key(label)).collect();
        keys.sort_unstable();
        digest(&keys.join("\u{1F}"))
    };
    match table.task {
        Task::Single => table.labels.iter().map(|label| digest(&loose_key(label))).collect(),
        Task::Multi { .. } => table.label_sets.iter().map(set).collect(),
        Task::Regression => Vec::new(),
    }
}

fn joined(text: &str, pair: Option<&str>) -> String {
    // The length tells where the first text ends, whatever it contains.
    pair.map_or_else(|| text.to_owned(), |pair| format!("{}:{text}{pair}", text.len()))
}

fn canonical_of(text: &str, pair: Option<&str>) -> String {
    let mut out = canonical(text);
    if let Some(pair) = pair {
        out.push(BETWEEN);
        out.push_str(&canonical(pair));
    }
    out
}

fn digest(text: &str) -> Digest {
    let mut short = Digest::default();
    short.iter_mut().zip(Sha256::digest(text.as_bytes())).for_each(|(to, from)| *to = from);
    short
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
