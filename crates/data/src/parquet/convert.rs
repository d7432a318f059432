//! From Parquet's physical values to cells. Whole numbers, floats and truth values keep their type; dates, times and
//! decimals become text, as a CSV would show them.

use parquet::basic::ConvertedType;
use parquet::data_type::Int96;
use parquet::schema::types::ColumnDescPtr;

use crate::value::Value;

/// Most digits that a decimal may have: those of an `i128`.
const MAX_SCALE: i32 = 38;
const DAY_MICROS: i64 = 86_400_000_000;

pub(crate) fn int32(value: i32, of: &ColumnDescPtr) -> Result<Value, String> {
    Ok(match of.converted_type() {
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 => {
            Value::Int(i64::from(value as u32))
        }
        ConvertedType::DATE => Value::Text(date(i64::from(value))),
        ConvertedType::DECIMAL => Value::Text(decimal(i128::from(value), of.type_scale())?),
        _ => Value::Int(i64::from(value)),
    })
}

pub(crate) fn int64(value: i64, of: &ColumnDescPtr) -> Result<Value, String> {
    Ok(match of.converted_type() {
        ConvertedType::UINT_64 => Value::unsigned(value as u64),
        ConvertedType::TIMESTAMP_MILLIS => Value::Text(timestamp(i128::from(value) * 1000)),
        ConvertedType::TIMESTAMP_MICROS => Value::Text(timestamp(i128::from(value))),
        ConvertedType::DECIMAL => Value::Text(decimal(i128::from(value), of.type_scale())?),
        _ => Value::Int(value),
    })
}

pub(crate) fn int96(value: &Int96) -> Value {
    Value::Text(timestamp(i128::from(value.to_millis()) * 1000))
}

/// The shortest decimal that is this f32, so that 0.1 comes back as 0.1.
pub(crate) fn float(value: f32) -> Value {
    Value::Float(value.to_string().parse().unwrap_or(f64::from(value)))
}

pub(crate) fn bytes(value: &[u8], of: &ColumnDescPtr) -> Result<Value, String> {
    match of.converted_type() {
        ConvertedType::DECIMAL => Ok(Value::Text(decimal(big_endian(value)?, of.type_scale())?)),
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => match std::str::from_utf8(value) {
            Ok(text) => Ok(Value::Text(text.to_owned())),
            Err(_) => Err("a text that is not valid UTF-8".to_owned()),
        },
        // Some writers leave text unmarked.
        _ => Ok(match std::str::from_utf8(value) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(value.to_vec()),
        }),
    }
}

/// A two's complement number, most significant byte first.
fn big_endian(value: &[u8]) -> Result<i128, String> {
    if value.len() > 16 {
        return Err("a decimal of more than 16 bytes".to_owned());
    }
    let negative = value.first().is_some_and(|&byte| byte > 127);
    Ok(value.iter().fold(if negative { -1 } else { 0 }, |sum: i128, &byte| (sum << 8) | i128::from(byte)))
}

fn decimal(unscaled: i128, scale: i32) -> Result<String, String> {
    if !(0..=MAX_SCALE).contains(&scale) {
        return Err(format!("a decimal with {scale} digits after the point"));
    }
    let scale = scale as usize;
    let mut digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale + 1);
    if scale > 0 {
        digits.insert(digits.len() - scale, '.');
    }
    Ok(if unscaled < 0 { format!("-{digits}") } else { digits })
}

/// ISO 8601 from days since 1970-01-01, in the proleptic Gregorian calendar.
fn date(days: i64) -> String {
    /// Days in 400 years.
    const CYCLE: i64 = 146_097;
    let mut year = 1970 + 400 * days.div_euclid(CYCLE);
    let mut day = days.rem_euclid(CYCLE);
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    while day >= 365 + i64::from(leap(year)) {
        day -= 365 + i64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", day + 1)
}

/// ISO 8601 from microseconds since 1970.
fn timestamp(micros: i128) -> String {
    let days = micros.div_euclid(i128::from(DAY_MICROS)) as i64;
    let rest = micros.rem_euclid(i128::from(DAY_MICROS)) as i64;
    let (seconds, fraction) = (rest / 1_000_000, rest % 1_000_000);
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if fraction == 0 {
        format!("{}T{clock}", date(days))
    } else {
        format!("{}T{clock}.{fraction:06}", date(days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        for (days, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (19_844, "2024-05-01"),
        ] {
            assert_eq!(date(days), text);
        }
        assert!(!date(i64::from(i32::MIN)).is_empty() && !date(i64::from(i32::MAX)).is_empty());
        assert_eq!(timestamp(-1), "1969-12-31T23:59:59.999999");
        assert_eq!(timestamp(1_714_521_600_000_000), "2024-05-01T00:00:00");
        assert!(!timestamp(i128::from(i64::MIN) * 1000).is_empty());
    }

    #[test]
    fn decimals_and_floats() {
        assert_eq!(decimal(-5, 2).unwrap(), "-0.05");
        assert_eq!(decimal(12345, 2).unwrap(), "123.45");
        assert_eq!(decimal(7, 0).unwrap(), "7");
        assert_eq!(decimal(i128::MIN, 38).unwrap(), "-1.70141183460469231731687303715884105728");
        assert!(decimal(1, 1_000_000_000).is_err());
        assert_eq!(big_endian(&[0xFF, 0xFE]).unwrap(), -2);
        assert_eq!(big_endian(&[]).unwrap(), 0);
        assert_eq!(float(0.1), Value::Float(0.1));
        assert!(matches!(float(f32::NAN), Value::Float(x) if x.is_nan()));
    }
}
