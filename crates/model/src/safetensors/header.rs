//! The JSON header of a safetensors file: from untrusted bytes to tensors that tile the data exactly.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::{Dtype, TensorInfo};
use crate::error::{Error, Result};
use crate::folder::files::parse_object;

/// The key of the header that is no tensor.
pub(super) const METADATA: &str = "__metadata__";

type Header = (BTreeMap<String, TensorInfo>, BTreeMap<String, String>);

/// Parses and checks a header. `data` is the number of bytes after it.
pub(super) fn parse(header: &[u8], data: u64, path: &Path) -> Result<Header> {
    let mut tensors = BTreeMap::new();
    let mut metadata = BTreeMap::new();
    for (name, value) in parse_object(header, path, "header")? {
        if name == METADATA {
            metadata = strings(value).ok_or_else(|| Error::BadMetadata { file: path.to_path_buf() })?;
        } else {
            let info = entry(&name, &value, path)?;
            tensors.insert(name, info);
        }
    }
    check_tiling(&tensors, data, path)?;
    Ok((tensors, metadata))
}

fn strings(value: Value) -> Option<BTreeMap<String, String>> {
    let Value::Object(map) = value else { return None };
    let pair = |(key, value)| {
        if let Value::String(value) = value { Some((key, value)) } else { None }
    };
    map.into_iter().map(pair).collect()
}

/// One tensor's entry, checked by itself: types, order of the offsets, size against shape and dtype.
fn entry(name: &str, value: &Value, path: &Path) -> Result<TensorInfo> {
    let (file, name) = (|| path.to_path_buf(), || name.to_owned());
    let bad = |problem| Error::BadEntry { file: file(), name: name(), problem };
    let fields: &Map<String, Value> = value.as_object().ok_or_else(|| bad("the entry is not an object"))?;
    if fields.keys().any(|k| !matches!(k.as_str(), "dtype" | "shape" | "data_offsets")) {
        return Err(bad("the entry has a field besides dtype, shape and data_offsets"));
    }
    let dtype = fields.get("dtype").and_then(Value::as_str).ok_or_else(|| bad("dtype must be a string"))?;
    let dtype = Dtype::parse(dtype).ok_or_else(|| Error::UnknownDtype {
        file: file(),
        name: name(),
        found: dtype.to_owned(),
    })?;
    let shape =
        numbers(fields.get("shape")).ok_or_else(|| bad("shape must be a list of non-negative integers"))?;
    let offsets = numbers(fields.get("data_offsets"));
    let Some([begin, end]) = offsets.as_deref() else {
        return Err(bad("data_offsets must be two non-negative integers"));
    };
    let (begin, end) = (*begin, *end);
    if begin > end {
        return Err(Error::OffsetsReversed { file: file(), name: name(), begin, end });
    }
    let expected = shape
        .iter()
        .try_fold(dtype.size(), |size, dim| size.checked_mul(*dim))
        .ok_or_else(|| Error::ShapeOverflow { file: file(), name: name() })?;
    if expected != end - begin {
        return Err(Error::SizeMismatch { file: file(), name: name(), expected, actual: end - begin });
    }
    let shape = shape.iter().map(|dim| usize::try_from(*dim)).collect::<Result<_, _>>();
    let shape = shape.map_err(|_| Error::ShapeOverflow { file: file(), name: name() })?;
    Ok(TensorInfo { dtype, shape, begin, end })
}

fn numbers(value: Option<&Value>) -> Option<Vec<u64>> {
    value?.as_array()?.iter().map(Value::as_u64).collect()
}

/// In order of their offsets the tensors must cover the data from the first byte to the last.
fn check_tiling(tensors: &BTreeMap<String, TensorInfo>, data: u64, path: &Path) -> Result<()> {
    let (file, size) = (|| path.to_path_buf(), data);
    let mut order: Vec<_> = tensors.iter().map(|(name, info)| (info.begin, info.end, name)).collect();
    order.sort_unstable();
    let mut expected = 0;
    for (begin, end, name) in order {
        let name = || name.clone();
        if end > size {
            return Err(Error::OffsetsPastEnd { file: file(), name: name(), end, size });
        }
        if begin > expected {
            return Err(Error::OffsetsGap { file: file(), name: name(), begin, expected });
        }
        if begin < expected {
            return Err(Error::OffsetsOverlap { file: file(), name: name(), begin, expected });
        }
        expected = end;
    }
    if expected < size {
        return Err(Error::TrailingBytes { file: file(), extra: size - expected });
    }
    Ok(())
}
