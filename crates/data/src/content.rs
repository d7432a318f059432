//! Guessing the text and label columns from the first records, where names say nothing. A guess is made only where
//! one column stands out; otherwise the error lists the columns and says which flag to pass.

use std::collections::HashSet;

use crate::error::{Error, quote};
use crate::read::Record;
use crate::target::{Task, number_of};
use crate::value::Value;

/// How much longer the text must be, on average, than the next longest string column.
const TEXT_LEAD: f64 = 1.5;
/// Most distinct values of a label column in the sample.
const MOST_CLASSES: usize = 50;
/// Longest average of a label in characters.
const LABEL_MEAN: f64 = 40.0;

/// What a column looks like in the sample.
#[derive(Default)]
struct Look {
    filled: usize,
    words: usize,
    chars: usize,
    nested: bool,
    distinct: usize,
}

fn look(column: usize, sample: &[Record]) -> Look {
    let mut look = Look::default();
    let mut seen = HashSet::new();
    for record in sample {
        let value = record.get(column);
        match value {
            Value::Missing | Value::Null => continue,
            Value::Nested(_) | Value::Bytes(_) => look.nested = true,
            Value::Text(text) if text.trim().is_empty() => continue,
            Value::Text(text) => look.words += usize::from(text.trim().parse::<f64>().is_err()),
            Value::Bool(_) | Value::Int(_) | Value::UInt(_) | Value::Float(_) => {}
        }
        let text = value.to_text();
        look.filled += 1;
        look.chars += text.chars().count();
        seen.insert(text);
    }
    look.distinct = seen.len();
    look
}

impl Look {
    fn mean(&self) -> f64 {
        self.chars as f64 / self.filled.max(1) as f64
    }
}

/// The string column with the longest cells.
pub(crate) fn text(names: &[String], label: Option<usize>, sample: &[Record]) -> Result<usize, Error> {
    let mut found: Vec<(usize, Look)> = (0..names.len())
        .filter(|&column| Some(column) != label)
        .map(|column| (column, look(column, sample)))
        .filter(|(_, look)| !look.nested && look.words * 2 > look.filled)
        .collect();
    found.sort_by(|(_, a), (_, b)| b.mean().total_cmp(&a.mean()));
    let unclear = |reason: String| Error::UnclearText { reason, columns: names.to_vec() };
    match found.as_slice() {
        [] => Err(unclear("no column holds words".to_owned())),
        [(column, _)] => Ok(*column),
        [(column, first), (_, second), ..] if first.mean() >= TEXT_LEAD * second.mean() => Ok(*column),
        [(a, _), (b, _), ..] => Err(unclear(either(names, &[*a, *b]))),
    }
}

/// The one column that can hold the labels: with few distinct values, always filled and short; for several labels a
/// row the one column of lists, if there is one; for numbers the one column of numbers.
pub(crate) fn label(task: Task, names: &[String], text: &[usize], sample: &[Record]) -> Result<usize, Error> {
    let others = || (0..names.len()).filter(|column| !text.contains(column));
    let unclear = |reason: String| Error::UnclearLabel { reason, columns: names.to_vec() };
    if task == Task::Regression {
        let numbers = |&column: &usize| sample.iter().all(|record| number_of(record.get(column)).is_ok());
        return match others().filter(numbers).collect::<Vec<_>>().as_slice() {
            [column] => Ok(*column),
            [] => Err(unclear("no column holds a number in every row".to_owned())),
            columns => Err(unclear(either(names, columns))),
        };
    }
    if matches!(task, Task::Multi { .. }) {
        let list = |cell: &Value| matches!(cell, Value::Nested(serde_json::Value::Array(_)));
        let lists = |&column: &usize| sample.iter().any(|record| list(record.get(column)));
        match others().filter(lists).collect::<Vec<_>>().as_slice() {
            [column] => return Ok(*column),
            [] => {}
            columns => return Err(unclear(either(names, columns))),
        }
    }
    let found: Vec<(usize, usize)> = others()
        .map(|column| (column, look(column, sample)))
        .filter(|(_, look)| !look.nested && look.filled == sample.len() && look.mean() <= LABEL_MEAN)
        .filter(|(_, look)| look.distinct <= MOST_CLASSES && look.distinct * 2 <= look.filled)
        .map(|(column, look)| (column, look.distinct))
        .collect();
    // A constant column counts only if nothing else does: a sorted file begins with one class.
    let several: Vec<usize> =
        found.iter().filter(|(_, distinct)| *distinct > 1).map(|(column, _)| *column).collect();
    let all: Vec<usize> = found.iter().map(|(column, _)| *column).collect();
    match (several.as_slice(), all.as_slice()) {
        ([column], _) | ([], [column]) => Ok(*column),
        ([], []) => Err(unclear("no column repeats a few values".to_owned())),
        ([], columns) | (columns, _) => Err(unclear(either(names, columns))),
    }
}

fn either(names: &[String], columns: &[usize]) -> String {
    let names: Vec<String> =
        columns.iter().take(5).filter_map(|&column| names.get(column)).map(|name| quote(name)).collect();
    format!("it could be {}", names.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: &[&[&str]]) -> Vec<Record> {
        rows.iter()
            .map(|row| Record {
                place: 1,
                fields: row.iter().map(|&cell| Value::Text(cell.to_owned())).collect(),
            })
            .collect()
    }

    fn names(count: usize) -> Vec<String> {
        (1..=count).map(|i| format!("v{i}")).collect()
    }

    #[test]
    fn one_stands_out() {
        let rows = sample(&[
            &["1", "ham", "see you at noon, bring the papers"],
            &["2", "spam", "win a prize now, call this number"],
            &["3", "ham", "running late, start without me please"],
            &["4", "spam", "free entry in a weekly draw, text back"],
        ]);
        assert_eq!(text(&names(3), None, &rows).unwrap(), 2);
        assert_eq!(label(Task::Single, &names(3), &[2], &rows).unwrap(), 1);
    }

    #[test]
    fn a_sorted_file_begins_with_one_class() {
        let rows = sample(&[&["0", "first text"], &["0", "second text"], &["0", "third text"]]);
        assert_eq!(label(Task::Single, &names(2), &[1], &rows).unwrap(), 0);
    }

    #[test]
    fn two_alike_are_refused() {
        let rows = sample(&[&["one text", "other text", "a", "x"], &["more text", "and other", "a", "x"]]);
        assert!(text(&names(4), None, &rows).unwrap_err().to_string().contains("pass --text"));
        assert!(
            label(Task::Single, &names(4), &[0], &rows).unwrap_err().to_string().contains("pass --label")
        );
        assert!(text(&names(1), None, &sample(&[&["1"], &["2"]])).is_err());
        assert!(label(Task::Single, &names(1), &[0], &rows).is_err());
    }
}
