//! From label names to class indices and back. The order is the one thing that training, evaluation and every export
//! must agree on: numbers as numbers (0, 1, 2, 10) where every label is a whole number, else by bytes.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::error::{Error, place, quote};
use crate::label::loose_key;
use crate::limits::MAX_CLASSES;
use crate::table::Table;

/// Label names in the order of their class indices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMap {
    names: Vec<String>,
    exact: HashMap<String, usize>,
    /// Other spellings of the same label, for files that write `1.0` or `True`.
    loose: HashMap<String, usize>,
}

impl LabelMap {
    /// The sorted map of the labels that occur.
    ///
    /// # Errors
    /// [`Error::NoClasses`], [`Error::OneClass`] or [`Error::TooManyClasses`].
    pub fn new<'a>(labels: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut seen: HashSet<&str> = HashSet::new();
        for label in labels {
            seen.insert(label);
            if seen.len() > MAX_CLASSES {
                return Err(Error::TooManyClasses);
            }
        }
        let mut names: Vec<String> = seen.into_iter().map(str::to_owned).collect();
        sort(&mut names);
        match names.as_slice() {
            [only] => Err(Error::OneClass { label: only.clone() }),
            _ => Self::from_names(names),
        }
    }

    /// The sorted map of the labels of all sets, for rows with several labels; one label is enough, since a row may
    /// also have none.
    ///
    /// # Errors
    /// [`Error::NoClasses`] or [`Error::TooManyClasses`].
    pub fn of_sets(sets: &[Vec<String>]) -> Result<Self, Error> {
        match Self::new(sets.iter().flatten().map(String::as_str)) {
            Err(Error::OneClass { label }) => Self::from_names(vec![label]),
            other => other,
        }
    }

    /// A map in the given order, for instance a checkpoint's `id2label`.
    ///
    /// # Errors
    /// [`Error::NoClasses`] or [`Error::DuplicateLabel`].
    pub fn from_names(names: Vec<String>) -> Result<Self, Error> {
        if names.is_empty() {
            return Err(Error::NoClasses);
        }
        let mut exact = HashMap::new();
        let mut loose = HashMap::new();
        for (index, name) in names.iter().enumerate() {
            if exact.insert(name.clone(), index).is_some() {
                return Err(Error::DuplicateLabel { label: name.clone() });
            }
            loose.entry(loose_key(name)).or_insert(index);
        }
        Ok(Self { names, exact, loose })
    }

    /// The names in class order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The number of classes, at least 1.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Never true.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The class of a label: the name itself, else one that differs only as `1.0` from `1` or `True` from `true`.
    pub fn index(&self, label: &str) -> Option<usize> {
        self.exact.get(label).or_else(|| self.loose.get(&loose_key(label))).copied()
    }

    /// The class of every row.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] with the first row whose label is not in the map, [`Error::NoClasses`] if the table
    /// has no labels.
    pub fn encode(&self, table: &Table) -> Result<Vec<usize>, Error> {
        if table.labels.is_empty() && !table.is_empty() {
            return Err(Error::NoClasses.in_file(&table.source.display().to_string()));
        }
        table.labels.iter().zip(&table.places).map(|(label, &at)| self.class(table, label, at)).collect()
    }

    /// The classes of every row of a table with several labels a row, each ascending and without repeats.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`] with the first row of which a label is not in the map, [`Error::NoClasses`] if the
    /// table has no sets of labels.
    pub fn encode_sets(&self, table: &Table) -> Result<Vec<Vec<u32>>, Error> {
        if table.label_sets.is_empty() && !table.is_empty() {
            return Err(Error::NoClasses.in_file(&table.source.display().to_string()));
        }
        let row = |(set, &at): (&Vec<String>, &u64)| {
            let mut classes = set
                .iter()
                .map(|label| self.class(table, label, at).map(|class| class as u32))
                .collect::<Result<Vec<u32>, Error>>()?;
            classes.sort_unstable();
            classes.dedup();
            Ok(classes)
        };
        table.label_sets.iter().zip(&table.places).map(row).collect()
    }

    fn class(&self, table: &Table, label: &str, at: u64) -> Result<usize, Error> {
        self.index(label).ok_or_else(|| Error::UnknownLabel {
            file: table.source.display().to_string(),
            place: place(table.format, at),
            label: label.to_owned(),
            known: self.names.clone(),
        })
    }
}

/// The positive class: the one named, by default the last label in sorted order.
///
/// # Errors
/// [`Error::UnknownPositive`] if the map lacks the name.
pub fn positive(map: &LabelMap, named: Option<&str>) -> Result<usize, Error> {
    if let Some(label) = named {
        return map
            .index(label)
            .ok_or_else(|| Error::UnknownPositive { label: label.to_owned(), known: map.names.clone() });
    }
    let mut sorted = map.names.clone();
    sort(&mut sorted);
    sorted.last().and_then(|last| map.index(last)).ok_or(Error::NoClasses)
}

/// Rows of each class; classes out of range are left out.
pub fn class_counts(classes: &[usize], class_count: usize) -> Vec<usize> {
    let mut counts = vec![0; class_count];
    for &class in classes {
        if let Some(count) = counts.get_mut(class) {
            *count += 1;
        }
    }
    counts
}

/// One note for each class with a single row, at most ten and then a count; empty if there is none.
pub fn rare_class_notes(map: &LabelMap, counts: &[usize]) -> Vec<String> {
    const SHOWN: usize = 10;
    let rare: Vec<&String> =
        map.names.iter().zip(counts).filter(|(_, count)| **count == 1).map(|(name, _)| name).collect();
    let mut notes: Vec<String> = rare
        .iter()
        .take(SHOWN)
        .map(|name| format!("class {} has a single row: it cannot be learned and measured", quote(name)))
        .collect();
    if rare.len() > SHOWN {
        notes.push(format!("{} more classes have a single row", rare.len() - SHOWN));
    }
    notes
}

/// Numbers as numbers where all are whole numbers, else by bytes.
fn sort(names: &mut [String]) {
    let numbers = names.iter().all(|name| name.parse::<i128>().is_ok());
    names.sort_by(|a, b| {
        let by_number = match (a.parse::<i128>(), b.parse::<i128>()) {
            (Ok(a), Ok(b)) if numbers => a.cmp(&b),
            _ => Ordering::Equal,
        };
        by_number.then_with(|| a.cmp(b))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders() {
        struct Case {
            labels: &'static [&'static str],
            names: &'static [&'static str],
        }
        let cases = [
            Case { labels: &["10", "2", "0", "1", "2"], names: &["0", "1", "2", "10"] },
            Case { labels: &["1", "-1", "0"], names: &["-1", "0", "1"] },
            Case { labels: &["10", "9", "x"], names: &["10", "9", "x"] },
            Case { labels: &["spam", "ham"], names: &["ham", "spam"] },
            Case { labels: &["b", "B", "é", "z"], names: &["B", "b", "z", "é"] },
            Case { labels: &["true", "false"], names: &["false", "true"] },
            Case { labels: &["01", "1"], names: &["01", "1"] },
        ];
        let mut failed = Vec::new();
        for case in &cases {
            let map = LabelMap::new(case.labels.iter().copied()).unwrap();
            if map.names() != case.names {
                failed.push(format!("{:?}: {:?}", case.labels, map.names()));
            }
            for (index, name) in case.names.iter().enumerate() {
                assert_eq!(map.index(name), Some(index));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn refusals() {
        assert!(matches!(LabelMap::new([]), Err(Error::NoClasses)));
        assert!(matches!(LabelMap::new(["a", "a"]), Err(Error::OneClass { label }) if label == "a"));
        let many: Vec<String> = (0..=MAX_CLASSES).map(|i| i.to_string()).collect();
        assert!(matches!(LabelMap::new(many.iter().map(String::as_str)), Err(Error::TooManyClasses)));
        let twice = vec!["a".to_owned(), "a".to_owned()];
        assert!(matches!(LabelMap::from_names(twice), Err(Error::DuplicateLabel { .. })));
    }

    #[test]
    fn positive_class() {
        let map = LabelMap::from_names(vec!["spam".to_owned(), "ham".to_owned()]).unwrap();
        assert_eq!(positive(&map, None).unwrap(), 0);
        assert_eq!(positive(&map, Some("ham")).unwrap(), 1);
        assert!(matches!(positive(&map, Some("x")), Err(Error::UnknownPositive { .. })));
        let numbers = LabelMap::new(["10", "9"]).unwrap();
        assert_eq!(positive(&numbers, None).unwrap(), 1);
    }

    #[test]
    fn other_spellings() {
        let map = LabelMap::from_names(vec!["0.0".to_owned(), "True".to_owned(), "1".to_owned()]).unwrap();
        assert_eq!((map.index("0"), map.index("true"), map.index("1.0")), (Some(0), Some(1), Some(2)));
        assert_eq!(map.index("2"), None);
    }

    #[test]
    fn counts() {
        let map = LabelMap::new(["a", "b", "c"]).unwrap();
        let counts = class_counts(&[0, 1, 1, 7], map.len());
        assert_eq!(counts, [1, 2, 0]);
        assert_eq!(rare_class_notes(&map, &counts).len(), 1);
    }
}
