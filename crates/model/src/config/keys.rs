//! Typed access to the keys of a JSON object: absent and `null` are the same, and every wrong type or value is an
//! error that names its key.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A JSON object and the path that errors name.
pub(super) struct Keys<'a> {
    pub(super) raw: &'a Map<String, Value>,
    pub(super) path: &'a Path,
}

impl<'a> Keys<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&'a Value> {
        self.raw.get(key).filter(|v| !v.is_null())
    }

    pub(super) fn wrong_type(&self, key: &str, expected: &'static str, found: &Value) -> Error {
        let found = match found {
            Value::Null => "null".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            Value::String(s) => format!("the string {s:?}"),
            other => other.to_string(),
        };
        Error::KeyType { file: self.path.to_path_buf(), key: key.to_owned(), expected, found }
    }

    pub(super) fn unsupported(&self, key: &'static str, found: &str, supported: &'static str) -> Error {
        Error::Unsupported { file: self.path.to_path_buf(), key, found: found.to_owned(), supported }
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        let text = |v: &'a Value| v.as_str().ok_or_else(|| self.wrong_type(key, "a string", v));
        self.get(key).map(text).transpose()
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>> {
        let flag = |v: &Value| v.as_bool().ok_or_else(|| self.wrong_type(key, "true or false", v));
        self.get(key).map(flag).transpose()
    }

    /// A list of strings; empty where it is absent.
    pub(super) fn strings(&self, key: &str) -> Result<Vec<String>> {
        let Some(value) = self.get(key) else {
            return Ok(Vec::new());
        };
        let wrong = || self.wrong_type(key, "a list of strings", value);
        let list = value.as_array().ok_or_else(wrong)?;
        list.iter().map(|v| v.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }

    /// An integer from `least` to `most`. `12.0` is no integer: transformers would refuse it later.
    pub(super) fn size(&self, key: &'static str, least: usize, most: usize) -> Result<Option<usize>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let Value::Number(number) = value else {
            return Err(self.wrong_type(key, "an integer", value));
        };
        if number.is_f64() && number.as_f64().is_some_and(|f| f.fract() != 0.0 || f.abs() < 1e15) {
            return Err(self.wrong_type(key, "an integer", value));
        }
        let size =
            number.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| (least..=most).contains(n));
        let out_of_range = || Error::KeyRange {
            file: self.path.to_path_buf(),
            key,
            found: number.to_string(),
            allowed: format!("{least} to {most}"),
        };
        size.map(Some).ok_or_else(out_of_range)
    }

    pub(super) fn required_size(&self, key: &'static str, least: usize, most: usize) -> Result<usize> {
        let missing = || Error::KeyMissing { file: self.path.to_path_buf(), key };
        self.size(key, least, most)?.ok_or_else(missing)
    }

    /// A number from `least` to `most`.
    pub(super) fn float(&self, key: &'static str, least: f64, most: f64) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let number = value.as_f64().ok_or_else(|| self.wrong_type(key, "a number", value))?;
        if !(least..=most).contains(&number) {
            let (found, allowed) = (value.to_string(), format!("{least} to {most}"));
            return Err(Error::KeyRange { file: self.path.to_path_buf(), key, found, allowed });
        }
        Ok(Some(number))
    }
}
