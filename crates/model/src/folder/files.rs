//! Reading the small files of a model folder without trusting them: sizes are checked before a byte is read, and
//! JSON is parsed with bounds on depth and number of values and with duplicate keys refused.

use std::cell::RefCell;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, io};

/// Deepest nesting of a JSON file; real ones reach about 8.
pub const MAX_JSON_DEPTH: usize = 64;
/// Most values in one JSON file; a vocabulary of 10^6 scored pieces has 3 * 10^6.
pub const MAX_JSON_VALUES: usize = 4_000_000;
/// Longest plain file name, in bytes.
const MAX_NAME: usize = 255;

/// Reads a whole file of at most `limit` bytes. `Ok(None)` where there is no such file.
pub(crate) fn read_if_present(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let Some(size) = size_if_present(path)? else {
        return Ok(None);
    };
    let too_large = |size| Error::FileTooLarge { file: path.to_path_buf(), size, limit };
    if size > limit {
        return Err(too_large(size));
    }
    let file = File::open(path).map_err(io("open", path))?;
    let mut bytes = Vec::with_capacity(size as usize);
    // The file may have grown since its size was read.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(Some(bytes))
}

/// Reads a whole file of at most `limit` bytes; an absent file is an I/O error.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_if_present(path, limit)?.ok_or_else(|| Error::Io {
        file: path.to_path_buf(),
        action: "open",
        source: std::io::ErrorKind::NotFound.into(),
    })
}

/// The size of a regular file, `None` where there is none. Opening a pipe would block, so the kind is asked first.
pub(crate) fn size_if_present(path: &Path) -> Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some(meta.len())),
        Ok(_) => Err(Error::NotAFile { file: path.to_path_buf() }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(io("open", path)(e)),
    }
}

/// SHA-256 of a file, as 64 lower-case hexadecimal digits. Reads in pieces of 1 MiB.
///
/// # Errors
/// I/O errors, and anything that is no regular file.
pub fn sha256_file(path: &Path) -> Result<String> {
    if size_if_present(path)?.is_none() {
        return Err(io("open", path)(std::io::ErrorKind::NotFound.into()));
    }
    let mut file = File::open(path).map_err(io("open", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(io("read", path))? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// SHA-256 of bytes in memory, as 64 lower-case hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// Whether `name` names a file directly inside a folder, on every system: no separators, no drive, no device, not
/// hidden, no control characters.
pub fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= MAX_NAME
        && !name.starts_with('.')
        && !name.ends_with(['.', ' '])
        && !name
            .chars()
            .any(|c| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|'))
}

/// Parses a JSON object: UTF-8, at most [`MAX_JSON_DEPTH`] deep and [`MAX_JSON_VALUES`] large, no duplicate keys.
/// `what` is how messages call it ("file", "header").
pub(crate) fn parse_object(bytes: &[u8], path: &Path, what: &'static str) -> Result<Map<String, Value>> {
    let file = || path.to_path_buf();
    let text =
        std::str::from_utf8(bytes).map_err(|e| Error::NotUtf8 { file: file(), what, at: e.valid_up_to() })?;
    // Windows editors put a byte order mark before JSON.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (depth, values) = measure(text.as_bytes());
    if depth > MAX_JSON_DEPTH {
        return Err(Error::JsonTooDeep { file: file(), what, limit: MAX_JSON_DEPTH });
    }
    if values > MAX_JSON_VALUES {
        return Err(Error::JsonTooLarge { file: file(), what, limit: MAX_JSON_VALUES });
    }
    let duplicate = RefCell::new(None);
    let mut parser = serde_json::Deserializer::from_str(text);
    let parsed =
        Strict { duplicate: &duplicate }.deserialize(&mut parser).and_then(|v| parser.end().map(|()| v));
    match (parsed, duplicate.into_inner()) {
        (_, Some(place)) => Err(Error::DuplicateKey { file: file(), what, place }),
        (Err(e), None) => Err(Error::BadJson { file: file(), what, problem: e.to_string() }),
        (Ok(Value::Object(map)), None) => Ok(map),
        (Ok(_), None) => Err(Error::NotJsonObject { file: file(), what }),
    }
}

/// The deepest nesting and an upper bound of the number of values of a JSON text, without allocating.
fn measure(json: &[u8]) -> (usize, usize) {
    let (mut depth, mut deepest, mut values) = (0usize, 0, 1usize);
    let (mut in_string, mut escaped) = (false, false);
    for &byte in json {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => {
                depth += 1;
                values += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
    }
    (deepest, values)
}

/// Deserializes any JSON value and stops at the first duplicate key, leaving its dotted path in `duplicate`.
#[derive(Clone, Copy)]
struct Strict<'a> {
    duplicate: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                *self.duplicate.borrow_mut() = Some(key);
                return Err(A::Error::custom("duplicate key"));
            }
            let value = map.next_value_seed(self).inspect_err(|_| {
                if let Some(place) = self.duplicate.borrow_mut().as_mut() {
                    place.insert(0, '.');
                    place.insert_str(0, &key);
                }
            })?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_json() {
        struct Case {
            json: &'static str,
            says: &'static str,
        }
        let cases = [
            Case { json: "", says: "not valid JSON" },
            Case { json: "[]", says: "not a JSON object" },
            Case { json: "{} x", says: "not valid JSON" },
            Case { json: r#"{"a":1,"a":2}"#, says: "duplicate key `a`" },
            Case { json: r#"{"a":{"b":[{"c":1,"c":2}]}}"#, says: "duplicate key `a.b.c`" },
            Case { json: r#"{"a":1e999}"#, says: "not valid JSON" },
            Case { json: r#"{"a":NaN}"#, says: "not valid JSON" },
            Case { json: "{\"a\":\"\u{1}\"}", says: "not valid JSON" },
        ];
        for case in cases {
            let error =
                parse_object(case.json.as_bytes(), Path::new("f.json"), "file").unwrap_err().to_string();
            assert!(error.contains(case.says), "{}: {error}", case.json);
        }
        let deep = format!("{}{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        let error = parse_object(deep.as_bytes(), Path::new("f"), "file").unwrap_err();
        assert!(matches!(error, Error::JsonTooDeep { .. }), "{error}");
        let wide = format!("{{\"a\":[{}0]}}", "0,".repeat(MAX_JSON_VALUES));
        let error = parse_object(wide.as_bytes(), Path::new("f"), "file").unwrap_err();
        assert!(matches!(error, Error::JsonTooLarge { .. }), "{error}");
        let text = r#"{"z":[1,-2,0.5,null,true,"x{[,\"\\"],"a":{}}"#;
        let map = parse_object(text.as_bytes(), Path::new("f"), "file").unwrap();
        assert_eq!(serde_json::to_string(&map).unwrap(), text);
    }

    #[test]
    fn plain_names() {
        for name in ["model.safetensors", "a", "model-00001-of-00002.safetensors", "ümlaut.json"] {
            assert!(is_plain_name(name), "{name}");
        }
        let long = "x".repeat(256);
        for name in [
            "",
            ".",
            "..",
            "../x",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "C:x",
            ".hidden",
            "x.",
            "a\nb",
            "a\0",
            &long,
        ] {
            assert!(!is_plain_name(name), "{name:?}");
        }
    }

    #[test]
    fn hashes() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"abc").unwrap();
        assert_eq!(sha256_file(&path).unwrap(), sha256(b"abc"));
        assert!(matches!(sha256_file(dir.path()), Err(Error::NotAFile { .. })));
    }
}
