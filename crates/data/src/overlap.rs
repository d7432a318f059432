//! Rows that parts of the data share, and labels that contradict each other: counts with a few examples.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use crate::near::{MAX_SHINGLES, SHINGLE, SIMILARITY};
use crate::part::{Digest, Meets, Part, Place, labels_by_text};

/// Examples shown of each kind for each pair of parts.
const EXAMPLES: usize = 3;

/// What every two parts share, and what each repeats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overlaps {
    /// First each part with itself, then each pair in the order given: train with valid, train with test, valid with
    /// test.
    pub pairs: Vec<Overlap>,
    /// The length of a shingle in characters, and the Jaccard similarity from which texts are near duplicates.
    pub shingle: usize,
    /// See `shingle`.
    pub similarity: f64,
    /// What the user should know about how it was counted.
    pub notes: Vec<String>,
}

/// Rows of `to` that meet a row of `from`; where both are the same part, those that meet an earlier row of it.
/// `near` includes `canonical`, which includes `exact`; `domain` stands by itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// The part in which rows are looked for.
    pub from: String,
    /// The part whose rows are counted.
    pub to: String,
    /// Rows of `to`.
    pub rows: usize,
    /// Rows of equal text.
    pub exact: usize,
    /// Rows of equal [`canonical`](crate::canonical()) text.
    pub canonical: usize,
    /// Rows whose canonical text is nearly equal (see [`near`](crate::near)).
    pub near: usize,
    /// Rows of the same registered domain; nothing unless both parts are of URLs.
    pub domain: Option<usize>,
    /// Rows with an equal text of another label in `from`, in the same part anywhere; nothing without labels.
    pub conflicting_exact: Option<usize>,
    /// The same for equal canonical texts.
    pub conflicting_canonical: Option<usize>,
    /// Rows for which no near duplicate was found among the candidates looked at, and not all were.
    pub limited: usize,
    /// A few rows of each kind.
    pub examples: Vec<Example>,
}

/// Two rows that meet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// `exact`, `canonical` (not exact), `near` (not canonical), `domain` (not near) or `conflicting`.
    pub kind: &'static str,
    /// The Jaccard similarity where the kind is `near`.
    pub similarity: Option<f64>,
    /// The row of `from`.
    pub a: Place,
    /// The row of `to`.
    pub b: Place,
}

/// Counts what parts share. Give them in the order train, valid, test.
pub fn overlaps(parts: &[Part<'_>]) -> Overlaps {
    let mut pairs: Vec<Overlap> = parts.iter().map(|part| overlap(part, part, &part.repeats())).collect();
    for (i, from) in parts.iter().enumerate() {
        pairs.extend(parts.iter().skip(i + 1).map(|to| overlap(from, to, &to.meets(from))));
    }
    let mut notes = Vec::new();
    let capped: usize = parts.iter().map(Part::capped).sum();
    if capped > 0 {
        notes.push(format!(
            "{capped} texts have more than {MAX_SHINGLES} different pieces of {SHINGLE} characters; how near they are to others is estimated"
        ));
    }
    let limited: usize = pairs.iter().map(|pair| pair.limited).sum();
    if limited > 0 {
        notes.push(format!(
            "{limited} rows have too many texts somewhat like them to look at all: the near duplicates are a lower bound"
        ));
    }
    let urls = parts.iter().filter(|part| part.is_urls()).count();
    if urls > 0 && urls < parts.len() {
        notes.push("some parts are URLs and some are not; domains are compared among the former".to_owned());
    }
    Overlaps { pairs, shingle: SHINGLE, similarity: SIMILARITY, notes }
}

fn overlap(from: &Part<'_>, to: &Part<'_>, meets: &[Meets]) -> Overlap {
    let count = |meets_so: fn(&Meets) -> bool| meets.iter().filter(|m| meets_so(m)).count();
    let conflicts =
        |texts: fn(&Part<'_>) -> Vec<Digest>| conflicting_rows(from, to, &texts(from), &texts(to));
    let exact = conflicts(|part| part.exact.clone());
    let canonical = conflicts(|part| part.canonical.clone());
    let mut examples = examples(from, to, meets);
    examples.extend(canonical.iter().flatten().take(EXAMPLES).map(|&(a, b)| Example {
        kind: "conflicting",
        similarity: None,
        a: from.place(a),
        b: to.place(b),
    }));
    Overlap {
        from: from.name.to_owned(),
        to: to.name.to_owned(),
        rows: to.table.len(),
        exact: count(|m| m.exact.is_some()),
        canonical: count(|m| m.canonical.is_some()),
        near: count(|m| m.near.is_some()),
        domain: (from.is_urls() && to.is_urls()).then(|| count(|m| m.domain.is_some())),
        conflicting_exact: exact.map(|rows| rows.len()),
        conflicting_canonical: canonical.map(|rows| rows.len()),
        limited: count(|m| m.limited),
        examples,
    }
}

/// Rows of `to` with a text that in `from` has another label, each with the first such row of `from`.
pub(crate) fn conflicting_rows(
    from: &Part<'_>,
    to: &Part<'_>,
    from_texts: &[Digest],
    to_texts: &[Digest],
) -> Option<Vec<(usize, usize)>> {
    if from.labels.is_empty() || to.labels.is_empty() {
        return None;
    }
    let known = labels_by_text(from_texts, &from.labels);
    let mixed = |(text, label): (&Digest, &Digest)| {
        known.get(text).is_some_and(|&(first, mixed)| mixed || first != label)
    };
    let rows: Vec<usize> =
        to_texts.iter().zip(&to.labels).enumerate().filter(|(_, row)| mixed(*row)).map(|(b, _)| b).collect();
    // The first row of each label of a text that is in conflict.
    let asked: HashSet<&Digest> = rows.iter().filter_map(|&b| to_texts.get(b)).collect();
    let mut by_label: HashMap<&Digest, Vec<usize>> = HashMap::new();
    for (a, text) in from_texts.iter().enumerate().filter(|(_, text)| asked.contains(text)) {
        let firsts = by_label.entry(text).or_default();
        // Two labels are enough: one of them is another than any given one.
        if firsts.len() < 2 && firsts.iter().all(|&first| from.labels.get(first) != from.labels.get(a)) {
            firsts.push(a);
        }
    }
    let pair = |b: usize| {
        let firsts = by_label.get(to_texts.get(b)?)?;
        let a = firsts.iter().find(|&&a| from.labels.get(a) != to.labels.get(b))?;
        Some((*a, b))
    };
    Some(rows.into_iter().filter_map(pair).collect())
}

fn examples(from: &Part<'_>, to: &Part<'_>, meets: &[Meets]) -> Vec<Example> {
    type Kind = (&'static str, fn(&Meets) -> Option<(usize, Option<f64>)>);
    let kinds: [Kind; 4] = [
        ("exact", |m| Some((m.exact?, None))),
        ("canonical", |m| Some((m.canonical.filter(|_| m.exact.is_none())?, None))),
        ("near", |m| m.near.filter(|_| m.canonical.is_none()).map(|(row, s)| (row, Some(s)))),
        ("domain", |m| Some((m.domain.filter(|_| m.near.is_none())?, None))),
    ];
    let mut found = Vec::new();
    for (kind, of) in kinds {
        let rows = meets.iter().enumerate().filter_map(|(b, m)| Some((of(m)?, b))).take(EXAMPLES);
        found.extend(rows.map(|((a, similarity), b)| Example {
            kind,
            similarity,
            a: from.place(a),
            b: to.place(b),
        }));
    }
    found
}
