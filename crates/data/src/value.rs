//! One cell of a record, with the type that the file gave it, so that it can be written back unchanged.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value as Json;

/// One cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// The key is absent from this JSON object.
    #[default]
    Missing,
    /// JSON or Parquet null.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number above `i64::MAX`.
    UInt(u64),
    /// A number with a fraction or exponent. JSON numbers beyond `u64` are rounded to this.
    Float(f64),
    /// Text: every CSV and TSV cell, JSON strings, Parquet strings, dates, times and decimals.
    Text(String),
    /// Parquet bytes that are not UTF-8.
    Bytes(Vec<u8>),
    /// A JSON array or object.
    Nested(Json),
}

impl Value {
    /// A whole number, as [`Value::Int`] where it fits.
    pub(crate) fn unsigned(value: u64) -> Self {
        i64::try_from(value).map_or(Value::UInt(value), Value::Int)
    }

    /// What kind of thing this is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Missing => "nothing",
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::Bytes(_) => "bytes that are not UTF-8",
            Value::Nested(Json::Array(_)) => "a list",
            Value::Nested(_) => "an object",
        }
    }

    /// As JSON. What came from JSON comes back equal (write [`Value::Missing`] by leaving the key out; it is null
    /// here). NaN and infinities become strings, bytes a string of hexadecimal digits.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Missing | Value::Null => Json::Null,
            Value::Bool(b) => Json::Bool(*b),
            Value::Int(n) => Json::from(*n),
            Value::UInt(n) => Json::from(*n),
            Value::Float(x) => match serde_json::Number::from_f64(*x) {
                Some(number) => Json::Number(number),
                None => Json::String(x.to_string()),
            },
            Value::Text(text) => Json::String(text.clone()),
            Value::Bytes(bytes) => Json::String(hex(bytes)),
            Value::Nested(json) => json.clone(),
        }
    }

    /// As the text of a CSV cell: nothing and null are empty, nested values are JSON.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Value::Missing | Value::Null => Cow::Borrowed(""),
            Value::Text(text) => Cow::Borrowed(text),
            Value::Float(x) if !x.is_finite() => Cow::Owned(x.to_string()),
            Value::Bytes(bytes) => Cow::Owned(hex(bytes)),
            other => Cow::Owned(other.to_json().to_string()),
        }
    }

    /// Bytes held, roughly.
    pub(crate) fn size(&self) -> usize {
        match self {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => size_of::<Value>(),
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(b),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(n), _, _) => Value::Int(n),
                (None, Some(n), _) => Value::UInt(n),
                (None, None, Some(x)) => Value::Float(x),
                (None, None, None) => Value::Nested(Json::Number(number)),
            },
            Json::String(text) => Value::Text(text),
            nested @ (Json::Array(_) | Json::Object(_)) => Value::Nested(nested),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_comes_back_equal() {
        let lines = [
            "null",
            "true",
            "-3",
            "18446744073709551615",
            "1.0",
            "-0.0",
            "1e300",
            "\"\\u0000é\"",
            "[1,{\"a\":null}]",
            "{\"b\":1,\"a\":[2.5]}",
        ];
        for line in lines {
            let json: Json = serde_json::from_str(line).unwrap();
            assert_eq!(Value::from(json.clone()).to_json(), json, "{line}");
            assert_eq!(Value::from(json.clone()).to_json().to_string(), json.to_string(), "{line}");
        }
    }

    #[test]
    fn csv_cells() {
        assert_eq!(Value::Null.to_text(), "");
        assert_eq!(Value::Float(1.0).to_text(), "1.0");
        assert_eq!(Value::Float(f64::NAN).to_text(), "NaN");
        assert_eq!(Value::Bool(true).to_text(), "true");
        assert_eq!(Value::Bytes(vec![0, 255]).to_text(), "00ff");
        assert_eq!(Value::Nested(serde_json::json!([1])).to_text(), "[1]");
    }

    proptest! {
        #[test]
        fn numbers_come_back_equal(n in any::<i64>(), u in any::<u64>(), x in any::<f64>()) {
            prop_assert_eq!(Value::from(Value::Int(n).to_json()), Value::Int(n));
            prop_assert_eq!(Value::from(Value::unsigned(u).to_json()), Value::unsigned(u));
            if x.is_finite() {
                prop_assert_eq!(Value::from(Value::Float(x).to_json()), Value::Float(x));
            }
        }
    }
}
