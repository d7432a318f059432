//! Splits of a table: stratified, or so that a group, a registered domain or a stretch of time lies in one part only.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, place, quote};
use crate::groups::assign;
use crate::label_map::LabelMap;
use crate::split::{PARTS, Split, SplitSpec, stratified};
use crate::table::Table;
use crate::target::Task;
use crate::time::Times;
use crate::url::registered_domains;

/// Bins of equally many rows by which numbers are stratified.
const BINS: usize = 10;
/// From this distance to the share that was asked for, a part's size is worth a note.
const OFF: f64 = 0.02;

/// What decides the part of a row. Parse it from `stratified`, `domain`, `group:COLUMN` or `time:COLUMN`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SplitBy {
    /// Chance, with the classes in proportion.
    #[default]
    Stratified,
    /// Rows of one value of this column stay together.
    Group(String),
    /// Rows of one registered domain stay together; one without a domain is by itself.
    Domain,
    /// The oldest rows by this column train, the newest test; rows of one time stay together.
    Time(String),
}

impl SplitBy {
    /// The column that must be among [`ReadOptions::keep`](crate::ReadOptions::keep).
    pub fn column(&self) -> Option<&str> {
        match self {
            SplitBy::Group(column) | SplitBy::Time(column) => Some(column),
            SplitBy::Stratified | SplitBy::Domain => None,
        }
    }
}

impl fmt::Display for SplitBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SplitBy::Stratified => f.write_str("stratified"),
            SplitBy::Group(column) => write!(f, "group:{column}"),
            SplitBy::Domain => f.write_str("domain"),
            SplitBy::Time(column) => write!(f, "time:{column}"),
        }
    }
}

impl FromStr for SplitBy {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name.split_once(':') {
            None if name == "stratified" => Ok(SplitBy::Stratified),
            None if name == "domain" => Ok(SplitBy::Domain),
            Some(("group", column)) if !column.is_empty() => Ok(SplitBy::Group(column.to_owned())),
            Some(("time", column)) if !column.is_empty() => Ok(SplitBy::Time(column.to_owned())),
            _ => Err(Error::SplitByName { name: name.to_owned() }),
        }
    }
}

/// Splits a table: the parts are disjoint and complete, each ascending. The same rows, spec and seed give the same
/// split; by time the seed does not matter. Groups and domains are assigned greedily, so that sizes and class
/// proportions are close to what was asked for; rows with several labels are stratified by their rarest one, numbers
/// by ten bins of equally many rows.
///
/// # Errors
/// [`Error::MissingColumn`] for a column that was not kept, [`Error::NotUrls`], [`Error::NoTime`],
/// [`Error::TooFewGroups`], or what is wrong with the labels.
pub fn split_by(table: &Table, spec: SplitSpec, by: &SplitBy, seed: u64) -> Result<Split, Error> {
    let (strata, mut notes) = strata(table)?;
    let groups = match by {
        SplitBy::Stratified => {
            let mut split = stratified(&strata, spec, seed);
            notes.append(&mut split.notes);
            return Ok(Split { notes, ..split });
        }
        SplitBy::Time(column) => {
            let mut split = by_time(table, column, spec)?;
            split.notes.append(&mut part_notes(&strata, &split, spec));
            return Ok(split);
        }
        SplitBy::Group(column) => groups(kept(table, column)?.iter().map(Some)),
        SplitBy::Domain => {
            let file = || table.source.display().to_string();
            let domains = registered_domains(table).ok_or_else(|| Error::NotUrls { file: file() })?;
            let without = domains.iter().filter(|domain| domain.is_none()).count();
            if without > 0 {
                notes.push(format!("{without} rows have no domain; each is a group by itself"));
            }
            groups(domains.iter().map(Option::as_ref))
        }
    };
    let what =
        by.column().map_or_else(|| "domains".to_owned(), |column| format!("groups in {}", quote(column)));
    enough(table, groups.len(), spec, what)?;
    let assigned = assign(&groups, &strata, spec.shares(), seed);
    let mut split = Split::default();
    for (rows, part) in groups.into_iter().zip(assigned) {
        match part {
            0 => split.train.extend(rows),
            1 => split.valid.extend(rows),
            _ => split.test.extend(rows),
        }
    }
    for part in [&mut split.train, &mut split.valid, &mut split.test] {
        part.sort_unstable();
    }
    notes.append(&mut part_notes(&strata, &split, spec));
    Ok(Split { notes, ..split })
}

/// Cuts validation rows from the training rows, as [`split_by`]: train and valid in the result.
///
/// # Errors
/// [`Error::Split`] unless the fraction lies strictly between 0 and 1; those of [`split_by`].
pub fn hold_out_by(table: &Table, fraction: f64, by: &SplitBy, seed: u64) -> Result<Split, Error> {
    split_by(table, SplitSpec::hold_out(fraction)?, by, seed)
}

/// Each row's class for stratifying, and how that was decided if it is not plain.
fn strata(table: &Table) -> Result<(Vec<usize>, Vec<String>), Error> {
    let rows = table.len();
    match table.task {
        Task::Single if !table.labels.is_empty() => {
            let map = match LabelMap::new(table.labels.iter().map(String::as_str)) {
                Err(Error::OneClass { .. }) => return Ok((vec![0; rows], Vec::new())),
                map => map?,
            };
            Ok((map.encode(table)?, Vec::new()))
        }
        Task::Multi { .. } if !table.label_sets.is_empty() => {
            let note = "rows with several labels were stratified by their rarest one".to_owned();
            Ok((by_rarest(&table.label_sets), vec![note]))
        }
        Task::Regression if !table.numbers.is_empty() => {
            let note = format!("numbers were stratified by {BINS} bins of equally many rows");
            Ok((bins(&table.numbers), vec![note]))
        }
        _ => Ok((vec![0; rows], Vec::new())),
    }
}

/// The rarest label of each row, the first by name in a tie; the empty set is a class of its own.
fn by_rarest(sets: &[Vec<String>]) -> Vec<usize> {
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for label in sets.iter().flatten() {
        counts.entry(label).or_default().0 += 1;
    }
    // 0 is the empty set.
    for (number, (_, class)) in counts.values_mut().enumerate() {
        *class = number + 1;
    }
    let rarest = |set: &Vec<String>| set.iter().filter_map(|label| counts.get(label.as_str())).min();
    sets.iter().map(|set| rarest(set).map_or(0, |&(_, class)| class)).collect()
}

/// The bin of each number; equal numbers are in one bin.
fn bins(numbers: &[f32]) -> Vec<usize> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f32::total_cmp);
    let below = |number: f32| sorted.partition_point(|other| other.total_cmp(&number).is_lt());
    numbers.iter().map(|&number| below(number) * BINS / numbers.len()).collect()
}

/// The rows of each group, in order of first appearance; rows without a key are groups of one.
fn groups<'a>(keys: impl Iterator<Item = Option<&'a String>>) -> Vec<Vec<usize>> {
    let mut known: HashMap<&String, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (row, key) in keys.enumerate() {
        let new = groups.len();
        let group = key.map_or(new, |key| *known.entry(key).or_insert(new));
        match groups.get_mut(group) {
            Some(rows) => rows.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
}

fn kept<'a>(table: &'a Table, column: &str) -> Result<&'a [String], Error> {
    table.kept_column(column).ok_or_else(|| {
        let columns = table.kept.iter().map(|(name, _)| name.clone()).collect();
        let missing = Error::MissingColumn { column: column.to_owned(), columns, close: None };
        missing.in_file(&table.source.display().to_string())
    })
}

fn enough(table: &Table, groups: usize, spec: SplitSpec, what: String) -> Result<(), Error> {
    let parts = spec.shares().iter().filter(|share| **share > 0).count();
    if groups >= parts {
        return Ok(());
    }
    Err(Error::TooFewGroups { file: table.source.display().to_string(), what, groups, parts })
}

fn by_time(table: &Table, column: &str, spec: SplitSpec) -> Result<Split, Error> {
    let cells = kept(table, column)?;
    let at = |row: usize| place(table.format, table.places.get(row).copied().unwrap_or_default());
    if let Some(row) = cells.iter().position(|cell| cell.trim().is_empty()) {
        let file = table.source.display().to_string();
        return Err(Error::NoTime { file, place: at(row), column: column.to_owned() });
    }
    let times = Times::read(cells);
    let mut notes = Vec::new();
    if let Times::Text(cells, row) = times {
        notes.push(format!(
            "column {} holds neither numbers nor ISO dates throughout ({}: {}); its rows were sorted as text",
            quote(column),
            at(row),
            quote(cells.get(row).map_or("", String::as_str))
        ));
    }
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by(|&a, &b| times.compare(a, b).then(a.cmp(&b)));
    // Where one time ends and the next begins.
    let mut edges: Vec<usize> = Vec::new();
    for (i, pair) in order.windows(2).enumerate() {
        if let [a, b] = pair
            && times.compare(*a, *b).is_ne()
        {
            edges.push(i + 1);
        }
    }
    enough(table, edges.len() + 1, spec, format!("times in {}", quote(column)))?;
    let [train, valid, test] = spec.fractions();
    let rows = order.len() as f64;
    let nearest = |edges: &[usize], share: f64| {
        let distance = |edge: usize| (edge as f64 - share * rows).abs();
        let best = edges.iter().copied().min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
        best.unwrap_or(order.len())
    };
    // The last edge is left for the second cut where there is one.
    let first = edges.split_last().map(|(_, but_last)| but_last).filter(|_| test > 0.0);
    let first = nearest(first.unwrap_or(&edges), train);
    let rest = edges.get(edges.partition_point(|&edge| edge <= first)..).unwrap_or_default();
    let second = if test > 0.0 { nearest(rest, train + valid) } else { order.len() };
    let part = |from: usize, to: usize| {
        let mut rows = order.get(from..to).unwrap_or_default().to_vec();
        rows.sort_unstable();
        rows
    };
    Ok(Split { train: part(0, first), valid: part(first, second), test: part(second, order.len()), notes })
}

/// Sizes that differ from what was asked for, and classes that are missing from a part.
fn part_notes(strata: &[usize], split: &Split, spec: SplitSpec) -> Vec<String> {
    let parts = [&split.train, &split.valid, &split.test];
    let mut notes = Vec::new();
    let shares = parts.map(|rows| rows.len() as f64 / strata.len().max(1) as f64);
    if shares.iter().zip(spec.fractions()).any(|(share, asked)| (share - asked).abs() > OFF) {
        let shown: Vec<String> =
            shares.iter().filter(|s| **s > 0.0).map(|share| format!("{:.1} %", 100.0 * share)).collect();
        notes.push(format!(
            "the parts hold {} of the rows: what stays together is too large for the shares asked for",
            shown.join(", ")
        ));
    }
    let classes = |rows: &[usize]| {
        let mut found: Vec<usize> = rows.iter().filter_map(|&row| strata.get(row).copied()).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    let mut all = strata.to_vec();
    all.sort_unstable();
    all.dedup();
    for (rows, name) in parts.into_iter().zip(["training", "validation", "test"] as [&str; PARTS]) {
        let absent = all.len() - classes(rows).len();
        if absent > 0 && !rows.is_empty() {
            let (class, have) = if absent == 1 { ("class", "has") } else { ("classes", "have") };
            notes.push(format!("{absent} {class} {have} no row in the {name} part"));
        }
    }
    notes
}
