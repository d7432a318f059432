//! One cell as a label string. Whole floats lose their point ("1.0" is "1", as pandas writes integers beside gaps),
//! truth values become `true` and `false`, white space around is dropped; a fraction, a list or nothing is refused.

use crate::limits::MAX_LABEL_CHARS;
use crate::value::Value;

/// Why a cell is no label.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Empty,
    Fraction(String),
    Type(&'static str),
    TooLong,
    /// More labels than [`MAX_LABELS_PER_ROW`](crate::limits::MAX_LABELS_PER_ROW).
    TooMany,
    /// A string that looks like a list but is no JSON.
    List(String),
    NotNumber(String),
}

/// The label that a cell holds.
pub(crate) fn label_of(value: &Value) -> Result<String, Fault> {
    match value {
        Value::Missing | Value::Null => Err(Fault::Empty),
        Value::Bool(b) => Ok(b.to_string()),
        Value::Int(n) => Ok(n.to_string()),
        Value::UInt(n) => Ok(n.to_string()),
        // How pandas writes a gap.
        Value::Float(x) if x.is_nan() => Err(Fault::Empty),
        Value::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 => Ok((*x as i64).to_string()),
        Value::Float(x) => Err(Fault::Fraction(x.to_string())),
        Value::Text(text) => {
            let text = text.trim();
            if text.chars().nth(MAX_LABEL_CHARS).is_some() {
                return Err(Fault::TooLong);
            }
            if text.is_empty() { Err(Fault::Empty) } else { Ok(whole(text)) }
        }
        Value::Bytes(_) | Value::Nested(_) => Err(Fault::Type(value.kind())),
    }
}

/// `1` for `1.0`; anything else unchanged.
fn whole(text: &str) -> String {
    let Some((digits, zeros)) = text.split_once('.') else {
        return text.to_owned();
    };
    let bare = digits.strip_prefix('-').unwrap_or(digits);
    let number = !bare.is_empty() && bare.bytes().all(|b| b.is_ascii_digit());
    if !number || zeros.is_empty() || zeros.bytes().any(|b| b != b'0') {
        return text.to_owned();
    }
    if bare.bytes().all(|b| b == b'0') { bare.to_owned() } else { digits.to_owned() }
}

/// The key under which labels written differently meet: `1.0` and `1`, `True` and `true`.
pub(crate) fn loose_key(label: &str) -> String {
    let label = label.trim();
    if label.eq_ignore_ascii_case("true") || label.eq_ignore_ascii_case("false") {
        return label.to_ascii_lowercase();
    }
    whole(label)
}

/// Whether the text is a number with a fraction, such as `0.5`.
pub(crate) fn is_fraction(text: &str) -> bool {
    text.contains('.') && text.parse::<f64>().is_ok_and(|x| x.fract() != 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let text = |text: &str| Value::Text(text.to_owned());
        let cases = [
            (Value::Int(-1), Ok("-1")),
            (Value::UInt(u64::MAX), Ok("18446744073709551615")),
            (Value::Bool(true), Ok("true")),
            (Value::Float(1.0), Ok("1")),
            (Value::Float(-0.0), Ok("0")),
            (Value::Float(0.5), Err(Fault::Fraction("0.5".to_owned()))),
            (Value::Float(f64::INFINITY), Err(Fault::Fraction("inf".to_owned()))),
            (Value::Float(f64::NAN), Err(Fault::Empty)),
            (text("1.0"), Ok("1")),
            (text("-0.00"), Ok("0")),
            (text("10.50"), Ok("10.50")),
            (text("1."), Ok("1.")),
            (text(".0"), Ok(".0")),
            (text("v1.0"), Ok("v1.0")),
            (text(" spam "), Ok("spam")),
            (text("True"), Ok("True")),
            (text("007"), Ok("007")),
            (text("  "), Err(Fault::Empty)),
            (Value::Null, Err(Fault::Empty)),
            (text(&"x".repeat(MAX_LABEL_CHARS)), Ok("x")),
            (text(&"é".repeat(MAX_LABEL_CHARS + 1)), Err(Fault::TooLong)),
            (Value::Nested(serde_json::json!(["a"])), Err(Fault::Type("a list"))),
        ];
        let mut failed = Vec::new();
        for (value, want) in cases {
            let got = label_of(&value);
            let same = match (&got, &want) {
                (Ok(got), Ok(want)) => got == want || (got.len() == MAX_LABEL_CHARS && *want == "x"),
                (Err(got), Err(want)) => got == want,
                _ => false,
            };
            if !same {
                failed.push(format!("{value:?}: {got:?}"));
            }
        }
        assert!(failed.is_empty(), "{failed:#?}");
    }

    #[test]
    fn fractions_and_keys() {
        assert!(is_fraction("0.5") && is_fraction("-3.25"));
        assert!(!is_fraction("1.0") && !is_fraction("1.2.3") && !is_fraction("a.b") && !is_fraction("12"));
        assert_eq!(loose_key("True"), "true");
        assert_eq!(loose_key("1.0"), "1");
        assert_eq!(loose_key("Spam"), "Spam");
    }
}
