//! What a label column holds, and how one of its cells becomes a set of labels or a number. One label is `label`'s.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use serde_json::Value as Json;

use crate::error::Error;
use crate::label::{Fault, label_of};
use crate::limits::MAX_LABELS_PER_ROW;
use crate::value::Value;

/// What separates the labels of a row in a string, unless another character is named.
const SEPARATOR: char = '|';

/// What the label column holds. Parse it from `single`, `multi-label`, `multi-label:SEPARATOR` or `regression`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// One label in each row.
    #[default]
    Single,
    /// Any number of labels in each row: a list, a string that is a JSON array, or a separated string.
    Multi {
        /// What separates labels in a string; `|` by default.
        separator: Option<char>,
    },
    /// A finite number in each row.
    Regression,
}

impl Task {
    /// The name without a separator: `single`, `multi-label` or `regression`.
    pub fn name(self) -> &'static str {
        match self {
            Task::Single => "single",
            Task::Multi { .. } => "multi-label",
            Task::Regression => "regression",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Task::Multi { separator: Some('\t') } => f.write_str(":\\t"),
            Task::Multi { separator: Some(separator) } => write!(f, ":{separator}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Task {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let fail = || Error::TaskName { name: name.to_owned() };
        match name.split_once(':') {
            None if name == "single" => Ok(Task::Single),
            None if name == "multi-label" => Ok(Task::Multi { separator: None }),
            None if name == "regression" => Ok(Task::Regression),
            Some(("multi-label", "\\t")) => Ok(Task::Multi { separator: Some('\t') }),
            Some(("multi-label", separator)) => {
                let mut chars = separator.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None) if !c.is_alphanumeric() => Ok(Task::Multi { separator: Some(c) }),
                    _ => Err(fail()),
                }
            }
            _ => Err(fail()),
        }
    }
}

/// A row's labels.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct LabelSet {
    /// Without repeats, in the order of the cell.
    pub(crate) labels: Vec<String>,
    /// Labels that stood there again.
    pub(crate) repeats: usize,
    /// Nothing between two separators.
    pub(crate) gaps: usize,
}

/// The labels that a cell holds. Nothing, null, an empty list and an empty string are the empty set; an empty label
/// in a list is a fault, in a separated string it is passed over.
pub(crate) fn labels_of(cell: &Value, separator: Option<char>) -> Result<LabelSet, Fault> {
    let mut set = LabelSet::default();
    let mut seen = HashSet::new();
    let mut add = |set: &mut LabelSet, value: &Value| -> Result<(), Fault> {
        let label = label_of(value)?;
        if !seen.insert(label.clone()) {
            set.repeats += 1;
        } else if set.labels.len() < MAX_LABELS_PER_ROW {
            set.labels.push(label);
        } else {
            return Err(Fault::TooMany);
        }
        Ok(())
    };
    match cell {
        Value::Missing | Value::Null => {}
        Value::Nested(Json::Array(items)) => {
            for item in items {
                add(&mut set, &Value::from(item.clone()))?;
            }
        }
        Value::Text(text) => {
            let text = text.trim();
            let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            match (serde_json::from_str(text), inner) {
                (Ok(Json::Array(items)), Some(_)) => {
                    for item in items {
                        add(&mut set, &Value::from(item))?;
                    }
                }
                // What other programs print for a list; its quotes and commas would become part of the labels.
                (_, Some(inner)) if inner.trim_start().starts_with(['"', '\'']) => {
                    return Err(Fault::List(text.to_owned()));
                }
                _ => {
                    for piece in text.split(separator.unwrap_or(SEPARATOR)) {
                        if piece.trim().is_empty() {
                            set.gaps += usize::from(!text.is_empty());
                        } else {
                            add(&mut set, &Value::Text(piece.to_owned()))?;
                        }
                    }
                }
            }
        }
        one => add(&mut set, one)?,
    }
    Ok(set)
}

/// The finite number that a cell holds, rounded to single precision.
pub(crate) fn number_of(cell: &Value) -> Result<f32, Fault> {
    let number = match cell {
        Value::Missing | Value::Null => return Err(Fault::Empty),
        Value::Text(text) if text.trim().is_empty() => return Err(Fault::Empty),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Int(n) => Some(*n as f32),
        Value::UInt(n) => Some(*n as f32),
        Value::Float(x) => Some(*x as f32),
        Value::Bool(_) | Value::Bytes(_) | Value::Nested(_) => None,
    };
    number.filter(|x| x.is_finite()).ok_or_else(|| Fault::NotNumber(cell.to_text().into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn sets() {
        let list = |json| Value::Nested(json);
        let cases = [
            (list(json!(["b", "a", "b"])), None, Ok((vec!["b", "a"], 1, 0))),
            (list(json!([1, 1.0, true])), None, Ok((vec!["1", "true"], 1, 0))),
            (list(json!([])), None, Ok((vec![], 0, 0))),
            (list(json!(["a", null])), None, Err(Fault::Empty)),
            (list(json!([["a"]])), None, Err(Fault::Type("a list"))),
            (list(json!({"a": 1})), None, Err(Fault::Type("an object"))),
            (Value::Null, None, Ok((vec![], 0, 0))),
            (Value::Int(3), None, Ok((vec!["3"], 0, 0))),
            (text(""), None, Ok((vec![], 0, 0))),
            (text(" a | b|a "), None, Ok((vec!["a", "b"], 1, 0))),
            (text("a||b|"), None, Ok((vec!["a", "b"], 0, 2))),
            (text("a,b"), None, Ok((vec!["a,b"], 0, 0))),
            (text("a,b"), Some(','), Ok((vec!["a", "b"], 0, 0))),
            (text("[\"a\", \"b\"]"), Some(','), Ok((vec!["a", "b"], 0, 0))),
            (text("[]"), None, Ok((vec![], 0, 0))),
            (text("['a', 'b']"), None, Err(Fault::List("['a', 'b']".to_owned()))),
            (text("[a]|[b]"), None, Ok((vec!["[a]", "[b]"], 0, 0))),
        ];
        let mut failed = Vec::new();
        for (cell, separator, want) in cases {
            let got = labels_of(&cell, separator);
            let want = want.map(|(labels, repeats, gaps)| LabelSet {
                labels: labels.into_iter().map(str::to_owned).collect(),
                repeats,
                gaps,
            });
            if got != want {
                failed.push(format!("{cell:?}: {got:?}"));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
        let many: Vec<String> = (0..=MAX_LABELS_PER_ROW).map(|i| i.to_string()).collect();
        assert_eq!(labels_of(&text(&many.join("|")), None), Err(Fault::TooMany));
    }

    #[test]
    fn numbers() {
        let cases = [
            (text(" -1.5e1 "), Ok(-15.0)),
            (Value::Int(7), Ok(7.0)),
            (Value::Float(0.1), Ok(0.1)),
            (text(" "), Err(Fault::Empty)),
            (Value::Null, Err(Fault::Empty)),
            (text("inf"), Err(Fault::NotNumber("inf".to_owned()))),
            (text("1e40"), Err(Fault::NotNumber("1e40".to_owned()))),
            (Value::Float(f64::NAN), Err(Fault::NotNumber("NaN".to_owned()))),
            (text("good"), Err(Fault::NotNumber("good".to_owned()))),
            (Value::Bool(true), Err(Fault::NotNumber("true".to_owned()))),
        ];
        for (cell, want) in cases {
            assert_eq!(number_of(&cell), want, "{cell:?}");
        }
    }

    #[test]
    fn tasks() {
        for name in ["single", "multi-label", "multi-label:;", "multi-label:\\t", "regression"] {
            assert_eq!(name.parse::<Task>().unwrap().to_string(), name);
        }
        for name in ["", "multi", "multi-label:", "multi-label:ab", "multi-label:a", "regression:x"] {
            assert!(name.parse::<Task>().is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn any_cell_is_read_or_refused(cell: String) {
            if let Ok(set) = labels_of(&text(&cell), None) {
                prop_assert!(set.labels.iter().all(|label| !label.trim().is_empty()));
            }
            if let Ok(number) = number_of(&text(&cell)) {
                prop_assert!(number.is_finite());
            }
        }
    }
}
