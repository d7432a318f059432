//! Plain counts of rows that splits share and of labels that contradict each other. Exact texts only; canonical and
//! near duplicates are not looked for here.

use std::collections::{HashMap, HashSet};

use crate::table::Table;

/// Rows of `b` whose text (both texts of a pair) also is in `a`.
pub fn exact_overlap(a: &Table, b: &Table) -> usize {
    let known: HashSet<_> = a.keys().collect();
    b.keys().filter(|key| known.contains(key)).count()
}

/// Rows whose text also occurs with another label; 0 without labels.
pub fn conflicting(table: &Table) -> usize {
    let mut labels: HashMap<_, Option<&str>> = HashMap::new();
    let rows = || table.keys().zip(&table.labels);
    for (key, label) in rows() {
        labels
            .entry(key)
            .and_modify(|known| *known = known.filter(|known| known == label))
            .or_insert(Some(label));
    }
    rows().filter(|(key, _)| labels.get(key) == Some(&None)).count()
}
