//! JSON lines: one object on each line, lines of white space skipped. Columns are the keys in the order in which
//! they first appear in the file.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::Record;
use super::lines::Lines;
use crate::error::Error;
use crate::limits::MAX_COLUMNS;
use crate::value::Value;

pub(crate) struct JsonLines {
    lines: Lines,
    columns: Vec<String>,
    index: HashMap<String, usize>,
}

impl JsonLines {
    pub(crate) fn new(lines: Lines) -> Self {
        Self { lines, columns: Vec::new(), index: HashMap::new() }
    }

    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(crate) fn into_lines(self) -> Lines {
        self.lines
    }

    pub(crate) fn next_record(&mut self) -> Result<Option<Record>, Error> {
        let (line, parsed) = loop {
            let Some((number, line)) = self.lines.next_line()? else {
                return Ok(None);
            };
            if !line.trim().is_empty() {
                break (number, serde_json::from_str::<Json>(line));
            }
        };
        let file = || self.lines.name().to_owned();
        let object = match parsed {
            Ok(Json::Object(object)) => object,
            Ok(other) => {
                return Err(Error::NotObject { file: file(), line, got: json_kind(&other) });
            }
            Err(error) => {
                return Err(Error::Json {
                    file: file(),
                    line,
                    column: error.column(),
                    reason: reason(&error),
                });
            }
        };
        let mut fields = vec![Value::Missing; self.columns.len()];
        for (key, json) in object {
            let value = Value::from(json);
            if let Some(field) = self.index.get(&key).and_then(|&column| fields.get_mut(column)) {
                *field = value;
                continue;
            }
            if self.columns.len() == MAX_COLUMNS {
                return Err(Error::TooManyColumns { file: file(), place: format!("line {line}") });
            }
            self.index.insert(key.clone(), self.columns.len());
            self.columns.push(key);
            fields.push(value);
        }
        Ok(Some(Record { place: line, fields }))
    }
}

/// The parser's reason without its own place, which counts from the start of the line.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn json_kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "a truth value",
        Json::Number(_) => "a number",
        Json::String(_) => "a string",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
