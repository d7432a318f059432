//! The safetensors reader and writer against hostile files, and against each other.

#![expect(clippy::too_many_lines, reason = "one table of malformed files")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use filbert_model::error::Error;
use filbert_model::safetensors::{Checkpoint, Dtype, MAX_HEADER, SafeTensors, write};
use proptest::prelude::*;
use tempfile::TempDir;

/// A file of this header and these data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

fn save(dir: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

type Tensor<'a> = (&'a str, &'a [usize], &'a [f32]);

/// The variant's name.
fn variant(error: &Error) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '{']).next().unwrap().to_owned()
}

fn entry(dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

#[test]
fn every_malformed_file_has_its_own_error() {
    struct Case {
        name: &'static str,
        bytes: Vec<u8>,
        error: &'static str,
    }
    let one = |e: String, data: usize| file(&format!(r#"{{"a":{e}}}"#), &vec![0; data]);
    let two = |a: String, b: String, data: usize| file(&format!(r#"{{"a":{a},"b":{b}}}"#), &vec![0; data]);
    let with_length = |length: u64, rest: &[u8]| [&length.to_le_bytes()[..], rest].concat();
    let case = |name, bytes, error| Case { name, bytes, error };
    let cases = [
        case("empty", vec![], "TooShort"),
        case("seven bytes", vec![0; 7], "TooShort"),
        case("no header", vec![0; 8], "BadJson"),
        case("header over the limit", with_length(MAX_HEADER + 1, b"{}"), "HeaderTooLong"),
        case("header overflowing", with_length(u64::MAX, b"{}"), "HeaderTooLong"),
        case("header of 2^63", with_length(1 << 63, b"{}"), "HeaderTooLong"),
        case("header past the end", with_length(3, b"{}"), "HeaderPastEnd"),
        case("header past the end, largest", with_length(MAX_HEADER, b"{}"), "HeaderPastEnd"),
        case("not UTF-8", with_length(4, b"{\"\xff\"}"), "NotUtf8"),
        case("not JSON", file("{a:1}", b""), "BadJson"),
        case("JSON twice", file("{}{}", b""), "BadJson"),
        case("a list", file("[]", b""), "NotJsonObject"),
        case("a number", file("1", b""), "NotJsonObject"),
        case("nested too deep", file(&"[".repeat(100_000), b""), "JsonTooDeep"),
        case("too many values", file(&format!("[{}1]", "1,".repeat(4_000_000)), b""), "JsonTooLarge"),
        case("gap at the start", one(entry("F32", "[1]", 4, 8), 8), "OffsetsGap"),
        case("gap between", two(entry("F32", "[1]", 0, 4), entry("F32", "[1]", 8, 12), 12), "OffsetsGap"),
        case("overlap", two(entry("F32", "[2]", 0, 8), entry("F32", "[2]", 4, 12), 12), "OffsetsOverlap"),
        case("same place", two(entry("F32", "[2]", 0, 8), entry("F32", "[2]", 0, 8), 8), "OffsetsOverlap"),
        case("reversed", one(entry("F32", "[1]", 4, 0), 4), "OffsetsReversed"),
        case("past the end", one(entry("F32", "[2]", 0, 8), 4), "OffsetsPastEnd"),
        case(
            "past the end, huge",
            one(entry("U8", "[9223372036854775807]", 0, i64::MAX as u64), 4),
            "OffsetsPastEnd",
        ),
        case("shape overflows", one(entry("F32", "[4294967296,4294967296]", 0, 0), 0), "ShapeOverflow"),
        case("size overflows", one(entry("F32", "[4611686018427387904]", 0, 0), 0), "ShapeOverflow"),
        case(
            "shape overflows despite a zero",
            one(entry("F32", "[4294967296,4294967296,0]", 0, 0), 0),
            "ShapeOverflow",
        ),
        case("smaller than its shape", one(entry("F32", "[2]", 0, 4), 4), "SizeMismatch"),
        case("larger than its shape", one(entry("F16", "[2]", 0, 8), 8), "SizeMismatch"),
        case("trailing bytes", one(entry("F32", "[1]", 0, 4), 5), "TrailingBytes"),
        case("only trailing bytes", file("{}", b"x"), "TrailingBytes"),
        case(
            "duplicate tensor",
            file(&format!(r#"{{"a":{0},"a":{0}}}"#, entry("F32", "[1]", 0, 4)), &[0; 4]),
            "DuplicateKey",
        ),
        case(
            "duplicate field",
            one(r#"{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}"#.into(), 4),
            "DuplicateKey",
        ),
        case("duplicate metadata", file(r#"{"__metadata__":{"a":"1","a":"2"}}"#, b""), "DuplicateKey"),
        case("unknown dtype", one(entry("F31", "[1]", 0, 4), 4), "UnknownDtype"),
        case("dtype in lower case", one(entry("f32", "[1]", 0, 4), 4), "UnknownDtype"),
        case(
            "dtype of wrong type",
            one(r#"{"dtype":32,"shape":[1],"data_offsets":[0,4]}"#.into(), 4),
            "BadEntry",
        ),
        case("negative dimension", one(entry("F32", "[-1]", 0, 4), 4), "BadEntry"),
        case("fractional dimension", one(entry("F32", "[1.0]", 0, 4), 4), "BadEntry"),
        case("dimension beyond 64 bits", one(entry("F32", "[99999999999999999999]", 0, 4), 4), "BadEntry"),
        case(
            "negative offset",
            one(r#"{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}"#.into(), 4),
            "BadEntry",
        ),
        case(
            "three offsets",
            one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}"#.into(), 4),
            "BadEntry",
        ),
        case("no offsets", one(r#"{"dtype":"F32","shape":[1]}"#.into(), 4), "BadEntry"),
        case(
            "unknown field",
            one(r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}"#.into(), 4),
            "BadEntry",
        ),
        case("entry is a list", one("[]".into(), 0), "BadEntry"),
        case("metadata is a list", file(r#"{"__metadata__":[]}"#, b""), "BadMetadata"),
        case("metadata holds a number", file(r#"{"__metadata__":{"a":1}}"#, b""), "BadMetadata"),
        case("metadata holds an object", file(r#"{"__metadata__":{"a":{}}}"#, b""), "BadMetadata"),
        case("zip archive", b"PK\x03\x04rest of a torch archive".to_vec(), "Pickled"),
        case("bare pickle", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec(), "Pickled"),
    ];
    let dir = tempfile::tempdir().unwrap();
    let mut failed = Vec::new();
    for Case { name, bytes, error } in cases {
        let path = save(&dir, "model.safetensors", &bytes);
        match SafeTensors::open(&path) {
            Err(e) if variant(&e) == error => {
                let message = e.to_string();
                assert!(
                    message.contains("model.safetensors") && !message.contains('\n'),
                    "{name}: {message}"
                );
            }
            Err(e) => failed.push(format!("{name}: {e:?}")),
            Ok(_) => failed.push(format!("{name}: accepted")),
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Eight tensors of 2^61 - 1 bytes, whose offsets the reference implementation adds up unchecked.
#[test]
fn sizes_that_overflow_together() {
    let size = (1u64 << 61) - 1;
    let entries: Vec<String> = (0..8)
        .map(|i| format!(r#""t{i}":{}"#, entry("U8", &format!("[{size}]"), i * size, (i + 1) * size)))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let path = save(&dir, "m", &file(&format!("{{{}}}", entries.join(",")), &[0; 64]));
    assert!(matches!(SafeTensors::open(&path), Err(Error::OffsetsPastEnd { .. })));
}

#[test]
fn floats_are_converted_and_others_refused() {
    let dir = tempfile::tempdir().unwrap();
    let header = format!(
        r#"{{"f64":{},"f32":{},"f16":{},"bf16":{},"i64":{},"empty":{},"scalar":{}}}"#,
        entry("F64", "[2]", 0, 16),
        entry("F32", "[2,1]", 16, 24),
        entry("F16", "[2]", 24, 28),
        entry("BF16", "[2]", 28, 32),
        entry("I64", "[1]", 32, 40),
        entry("F32", "[0,5]", 40, 40),
        entry("F32", "[]", 40, 44),
    );
    let mut data = Vec::new();
    data.extend([1.5f64, -0.1].map(f64::to_le_bytes).concat());
    data.extend([1.5f32, -0.1].map(f32::to_le_bytes).concat());
    data.extend([0x3e00u16, 0xc000].map(u16::to_le_bytes).concat());
    data.extend([0x3fc0u16, 0xc000].map(u16::to_le_bytes).concat());
    data.extend(7i64.to_le_bytes());
    data.extend(3f32.to_le_bytes());
    let tensors = SafeTensors::open(&save(&dir, "m", &file(&header, &data))).unwrap();
    assert_eq!(tensors.read_f32("f64").unwrap(), [1.5, -0.1]);
    assert_eq!(tensors.read_f32("f32").unwrap(), [1.5, -0.1]);
    assert_eq!(tensors.read_f32("f16").unwrap(), [1.5, -2.0]);
    assert_eq!(tensors.read_f32("bf16").unwrap(), [1.5, -2.0]);
    assert_eq!(tensors.read_f32("empty").unwrap(), [0.0f32; 0]);
    assert_eq!(tensors.read_f32("scalar").unwrap(), [3.0]);
    assert!(matches!(tensors.read_f32("i64"), Err(Error::NotFloat { found: "I64", .. })));
    assert!(matches!(tensors.read_f32("none"), Err(Error::TensorMissing { .. })));
    assert!(matches!(tensors.read_f32_shaped("f32", &[1, 2]), Err(Error::WrongShape { .. })));
    assert_eq!(tensors.read_f32_shaped("f32", &[2, 1]).unwrap().len(), 2);
    assert_eq!(tensors.info("i64").unwrap().dtype, Dtype::I64);
}

#[test]
fn weights_that_are_not_finite_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&str, u64, Vec<u8>); 5] = [
        ("F32", 4, f32::NAN.to_le_bytes().to_vec()),
        ("F32", 4, f32::NEG_INFINITY.to_le_bytes().to_vec()),
        ("F16", 2, 0x7c00u16.to_le_bytes().to_vec()),
        ("BF16", 2, 0x7fc0u16.to_le_bytes().to_vec()),
        ("F64", 8, 1e300f64.to_le_bytes().to_vec()),
    ];
    for (dtype, size, bad) in cases {
        // Behind the first piece of the conversion.
        let before = 100_000;
        let mut data = vec![0; (before * size) as usize];
        data.extend_from_slice(&bad);
        let header =
            format!(r#"{{"w":{}}}"#, entry(dtype, &format!("[{}]", before + 1), 0, (before + 1) * size));
        let tensors = SafeTensors::open(&save(&dir, "m", &file(&header, &data))).unwrap();
        match tensors.read_f32("w") {
            Err(Error::NotFinite { index, name, .. }) => {
                assert_eq!((index, name.as_str()), (100_000, "w"), "{dtype}");
            }
            other => panic!("{dtype}: {other:?}"),
        }
    }
}

#[test]
fn a_length_that_looks_like_a_pickle_is_read() {
    let dir = tempfile::tempdir().unwrap();
    // 640 is 0x0280: the file begins with the two bytes of a pickle.
    let path = save(&dir, "m", &file(&format!("{{}}{}", " ".repeat(638)), b""));
    assert_eq!(SafeTensors::open(&path).unwrap().names().count(), 0);
}

#[test]
fn other_kinds_of_files() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(SafeTensors::open(dir.path()), Err(Error::NotAFile { .. })));
    assert!(matches!(SafeTensors::open(&dir.path().join("none")), Err(Error::Io { .. })));
    assert!(matches!(Checkpoint::open(dir.path()), Err(Error::NoCheckpoint { .. })));
    save(&dir, "pytorch_model.bin", b"PK\x03\x04........");
    let message = Checkpoint::open(dir.path()).unwrap_err().to_string();
    assert!(message.contains("pickled") && message.contains("save_pretrained"), "{message}");
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("\\u001b[2J\\n{}", "x".repeat(100_000));
    let path = save(&dir, "m", &file(&format!(r#"{{"{name}":{}}}"#, entry("F99", "[1]", 0, 4)), &[0; 4]));
    let message = SafeTensors::open(&path).unwrap_err().to_string();
    assert!(message.len() < 1_000 && !message.contains(['\u{1b}', '\n']), "{message}");
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let large: Vec<f32> = (0..150_000i32).map(|i| i as f32).collect();
    let tensors: [(&str, &[usize], &[f32]); 4] = [
        ("z.weight", &[2, 3], &[1.0, -2.0, 3.5, 0.0, -0.0, f32::MIN_POSITIVE]),
        ("a.bias", &[1], &[7.0]),
        ("none", &[0], &[]),
        ("large", &[large.len()], &large),
    ];
    let metadata = BTreeMap::from([("by".to_owned(), "filbert".to_owned())]);
    let hash = write(&path, &tensors, &metadata).unwrap();
    assert_eq!(hash, filbert_model::folder::sha256_file(&path).unwrap());

    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert!(length.is_multiple_of(8));
    let read = SafeTensors::open(&path).unwrap();
    assert_eq!(read.names().collect::<Vec<_>>(), ["a.bias", "large", "none", "z.weight"]);
    assert_eq!(read.metadata()["format"], "pt");
    assert_eq!(read.metadata()["by"], "filbert");
    for (name, shape, values) in tensors {
        assert_eq!(read.info(name).unwrap().shape, shape);
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.read_f32(name).unwrap()), bits(values));
    }
}

#[test]
fn nothing_malformed_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let none = BTreeMap::new();
    let cases: [(&[Tensor], &str); 5] = [
        (&[("a", &[2], &[1.0])], "SizeMismatch"),
        (&[("a", &[usize::MAX, 2], &[1.0])], "ShapeOverflow"),
        (&[("a", &[1], &[f32::NAN])], "NotFinite"),
        (&[("a", &[1], &[1.0]), ("a", &[1], &[2.0])], "DuplicateKey"),
        (&[("__metadata__", &[1], &[1.0])], "DuplicateKey"),
    ];
    for (tensors, error) in cases {
        assert_eq!(variant(&write(&path, tensors, &none).unwrap_err()), error);
        assert!(!path.exists());
    }
}

fn shards(dir: &Path, map: &str) {
    let none = BTreeMap::new();
    write(&dir.join("s1.safetensors"), &[("a", &[1], &[1.0])], &none).unwrap();
    write(&dir.join("s2.safetensors"), &[("b", &[2], &[2.0, 3.0])], &none).unwrap();
    std::fs::write(
        dir.join("model.safetensors.index.json"),
        format!(r#"{{"metadata":{{}},"weight_map":{map}}}"#),
    )
    .unwrap();
}

#[test]
fn shards_are_one_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    shards(dir.path(), r#"{"a":"s1.safetensors","b":"s2.safetensors"}"#);
    let checkpoint = Checkpoint::open(dir.path()).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(checkpoint.read_f32("b").unwrap(), [2.0, 3.0]);
    assert_eq!(checkpoint.info("a").unwrap().shape, [1]);
    assert_eq!(checkpoint.files().count(), 2);
    assert!(matches!(checkpoint.read_f32("c"), Err(Error::TensorMissing { .. })));

    let many: Vec<String> = (0..300).map(|i| format!(r#""t{i}":"f{i}.safetensors""#)).collect();
    let many = format!("{{{}}}", many.join(","));
    let cases = [
        (r#"{"a":"s1.safetensors"}"#, "ok"),
        (r#"{"a":"s1.safetensors","b":"s1.safetensors"}"#, "ShardMismatch"),
        (r#"{"a":"s1.safetensors","c":"s2.safetensors","b":"s2.safetensors"}"#, "ShardMismatch"),
        (r#"{"a":"s1.safetensors","c":"s2.safetensors"}"#, "ShardMismatch"),
        (r#"{"a":"../s1.safetensors"}"#, "NotAPlainName"),
        (r#"{"a":"/etc/passwd"}"#, "NotAPlainName"),
        (r#"{"a":"none.safetensors"}"#, "Io"),
        (r#"{"a":1}"#, "BadIndex"),
        ("[]", "BadIndex"),
        (r#"{"a":"s1.safetensors","a":"s1.safetensors"}"#, "DuplicateKey"),
        (many.as_str(), "BadIndex"),
    ];
    for (map, expected) in cases {
        shards(dir.path(), map);
        let found = Checkpoint::open(dir.path()).map_or_else(|e| variant(&e), |_| "ok".to_owned());
        assert_eq!(found, expected, "{}", &map[..map.len().min(100)]);
    }
}

/// Opens a file and reads all that it claims to hold; only a panic can fail.
fn open_and_read(bytes: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    if let Ok(tensors) = SafeTensors::open(&save(&dir, "m", bytes)) {
        for name in tensors.names() {
            let _ = tensors.read_f32(name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        open_and_read(&bytes);
    }

    #[test]
    fn random_headers_never_panic(header in "[\\[\\]{}\":,0-9a-z_ ]{0,100}") {
        open_and_read(&file(&header, &[0; 16]));
    }

    #[test]
    fn mutated_files_never_panic(edits in prop::collection::vec((0usize..220, any::<u8>()), 1..4), cut in 0usize..40) {
        let header = format!(
            r#"{{"__metadata__":{{"format":"pt"}},"a":{},"b":{}}}"#,
            entry("F32", "[2,1]", 0, 8),
            entry("BF16", "[3]", 8, 14)
        );
        let mut bytes = file(&header, &[1; 14]);
        for (at, byte) in edits {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut.min(bytes.len()));
        open_and_read(&bytes);
    }

    #[test]
    fn random_tilings(
        a in 0u64..5, b in 0u64..5, begin_a in 0u64..24, begin_b in 0u64..24, data in 0usize..24,
    ) {
        let header = format!(
            r#"{{"a":{},"b":{}}}"#,
            entry("F32", &format!("[{a}]"), begin_a, begin_a + 4 * a),
            entry("F32", &format!("[{b}]"), begin_b, begin_b + 4 * b)
        );
        let dir = tempfile::tempdir().unwrap();
        let opened = SafeTensors::open(&save(&dir, "m", &file(&header, &vec![0; data])));
        let total = 4 * (a + b) == data as u64;
        let in_order = |x, xs: u64, y| x == 0 && y == 4 * xs;
        let tiles = total && (in_order(begin_a, a, begin_b) || in_order(begin_b, b, begin_a));
        prop_assert_eq!(opened.is_ok(), tiles);
    }

    #[test]
    fn round_trip(tensors in prop::collection::btree_map("\\PC{1,12}", prop::collection::vec(-1e30f32..1e30, 0..20), 0..6)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        let shapes: Vec<[usize; 1]> = tensors.values().map(|v| [v.len()]).collect();
        let list: Vec<(&str, &[usize], &[f32])> = tensors
            .iter()
            .zip(&shapes)
            .map(|((name, values), shape)| (name.as_str(), &shape[..], values.as_slice()))
            .collect();
        write(&path, &list, &BTreeMap::new()).unwrap();
        let read = SafeTensors::open(&path).unwrap();
        prop_assert_eq!(read.names().count(), tensors.len());
        for (name, values) in &tensors {
            prop_assert_eq!(&read.read_f32(name).unwrap(), values);
        }
    }
}
