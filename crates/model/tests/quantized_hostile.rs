//! Files of few bits that are wrong in every way: each is refused with an error that names the file and the place.

#![expect(clippy::too_many_lines, reason = "one table of malformed files")]

mod quantized_support;

use filbert_model::Scheme;
use filbert_model::error::Error;
use filbert_model::quantized::QUANTIZED_FILE;
use filbert_model::safetensors::Dtype;
use quantized_support::{Parts, load, save};

/// A linear layer's weight: 21 by 37, which is 777 elements, 13 groups of 64.
const NAME: &str = "bert.encoder.layer.1.output.dense.weight";
const BIAS: &str = "bert.encoder.layer.1.output.dense.bias";

/// The variant's name.
fn variant(error: &Error) -> String {
    let debug = format!("{error:?}");
    debug.split([' ', '{', '(']).next().unwrap().to_owned()
}

fn int4(group: usize) -> Scheme {
    Scheme::Int4 { group }
}

/// Replaces what the list says about `NAME`.
fn entry(parts: &mut Parts, entry: &str) {
    let mut list: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&parts.list).unwrap();
    list.insert(NAME.to_owned(), serde_json::from_str(entry).unwrap());
    parts.list = serde_json::to_string(&list).unwrap();
}

fn also(parts: &mut Parts, name: &str, entry: &str) {
    parts.list = parts.list.replacen('{', &format!("{{\"{name}\":{entry},"), 1);
}

fn replace(parts: &mut Parts, part: &str, dtype: Dtype, shape: &[usize], bytes: Vec<u8>) {
    parts.tensors.insert(format!("{NAME}{part}"), (dtype, shape.to_vec(), bytes));
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Writes `bytes` over the beginning of a tensor.
fn poke(parts: &mut Parts, part: &str, bytes: &[u8]) {
    parts.tensors.get_mut(&format!("{NAME}{part}")).unwrap().2[..bytes.len()].copy_from_slice(bytes);
}

#[test]
fn every_wrong_list_or_tensor_has_its_error() {
    struct Case {
        what: &'static str,
        scheme: Scheme,
        spoil: fn(&mut Parts),
        error: &'static str,
        says: &'static str,
    }
    let case = |what, scheme, spoil, error, says| Case { what, scheme, spoil, error, says };
    let (int8, nf4) = (Scheme::Int8, Scheme::Nf4);
    let cases = [
        // ---- the list ----
        case("not JSON", int8, |p| p.list = "{a}".into(), "BadJson", "metadata filbert.quantized"),
        case("cut off", int8, |p| p.list.truncate(40), "BadJson", "metadata filbert.quantized"),
        case("empty", int8, |p| p.list.clear(), "BadJson", "metadata filbert.quantized"),
        case("an array", int8, |p| p.list = "[]".into(), "NotJsonObject", "filbert.quantized"),
        case("a number", int8, |p| p.list = "7".into(), "NotJsonObject", "filbert.quantized"),
        case("deep", int8, |p| p.list = "[".repeat(100_000), "JsonTooDeep", "filbert.quantized"),
        case(
            "a name twice",
            int8,
            |p| also(p, NAME, r#"{"scheme":"int8","shape":[21,37]}"#),
            "DuplicateKey",
            NAME,
        ),
        case("entry is a string", int8, |p| entry(p, r#""int8""#), "BadQuantized", "not an object"),
        case(
            "entry is a list",
            int8,
            |p| entry(p, r#"["int8",null,[21,37]]"#),
            "BadQuantized",
            "not an object",
        ),
        case("entry is null", int8, |p| entry(p, "null"), "BadQuantized", "not an object"),
        case("no scheme", int8, |p| entry(p, r#"{"shape":[21,37]}"#), "BadQuantized", "scheme"),
        case("no shape", int8, |p| entry(p, r#"{"scheme":"int8"}"#), "BadQuantized", "shape"),
        case(
            "unknown scheme",
            int8,
            |p| entry(p, r#"{"scheme":"int3","shape":[21,37]}"#),
            "BadQuantized",
            "`int3`",
        ),
        case(
            "scheme in capitals",
            int8,
            |p| entry(p, r#"{"scheme":"INT8","shape":[21,37]}"#),
            "BadQuantized",
            "`INT8`",
        ),
        case(
            "scheme is a number",
            int8,
            |p| entry(p, r#"{"scheme":8,"shape":[21,37]}"#),
            "BadQuantized",
            NAME,
        ),
        case(
            "unknown field",
            int8,
            |p| entry(p, r#"{"scheme":"int8","shape":[21,37],"zero":0}"#),
            "BadQuantized",
            "zero",
        ),
        case(
            "unknown field, nf4",
            nf4,
            |p| entry(p, r#"{"scheme":"nf4","shape":[21,37],"block":64}"#),
            "BadQuantized",
            "block",
        ),
        case(
            "int8 with a group",
            int8,
            |p| entry(p, r#"{"scheme":"int8","group":64,"shape":[21,37]}"#),
            "BadQuantized",
            "only int4",
        ),
        case(
            "int4 without a group",
            int4(64),
            |p| entry(p, r#"{"scheme":"int4","shape":[21,37]}"#),
            "BadQuantized",
            "needs a group",
        ),
        case(
            "group 0",
            int4(64),
            |p| entry(p, r#"{"scheme":"int4","group":0,"shape":[21,37]}"#),
            "BadQuantized",
            "groups of 0",
        ),
        case(
            "group 3",
            int4(64),
            |p| entry(p, r#"{"scheme":"int4","group":3,"shape":[21,37]}"#),
            "BadQuantized",
            "groups of 3",
        ),
        case(
            "group 2^63",
            int4(64),
            |p| entry(p, r#"{"scheme":"int4","group":9223372036854775808,"shape":[21,37]}"#),
            "BadQuantized",
            "groups of 92",
        ),
        case(
            "group -1",
            int4(64),
            |p| entry(p, r#"{"scheme":"int4","group":-1,"shape":[21,37]}"#),
            "BadQuantized",
            NAME,
        ),
        case(
            "another group",
            int4(64),
            |p| entry(p, r#"{"scheme":"int4","group":32,"shape":[21,37]}"#),
            "WrongShape",
            "scales",
        ),
        case("one dimension", int8, |p| entry(p, r#"{"scheme":"int8","shape":[777]}"#), "BadQuantized", NAME),
        case(
            "three dimensions",
            int8,
            |p| entry(p, r#"{"scheme":"int8","shape":[21,37,1]}"#),
            "BadQuantized",
            NAME,
        ),
        case(
            "negative shape",
            int8,
            |p| entry(p, r#"{"scheme":"int8","shape":[-21,37]}"#),
            "BadQuantized",
            NAME,
        ),
        case(
            "fractional shape",
            int8,
            |p| entry(p, r#"{"scheme":"int8","shape":[21.5,37]}"#),
            "BadQuantized",
            NAME,
        ),
        case("turned shape", int8, |p| entry(p, r#"{"scheme":"int8","shape":[37,21]}"#), "WrongShape", NAME),
        case("shape of nothing", nf4, |p| entry(p, r#"{"scheme":"nf4","shape":[0,37]}"#), "WrongShape", NAME),
        case(
            "shape that overflows",
            nf4,
            |p| entry(p, r#"{"scheme":"nf4","shape":[9223372036854775807,4]}"#),
            "WrongShape",
            NAME,
        ),
        case(
            "shape beyond 64 bits",
            nf4,
            |p| entry(p, r#"{"scheme":"nf4","shape":[99999999999999999999,4]}"#),
            "BadQuantized",
            NAME,
        ),
        case(
            "another scheme",
            int8,
            |p| entry(p, r#"{"scheme":"nf4","shape":[21,37]}"#),
            "WrongDtype",
            ".scales",
        ),
        case(
            "another scheme of four bits",
            nf4,
            |p| entry(p, r#"{"scheme":"int4","group":64,"shape":[21,37]}"#),
            "WrongDtype",
            ".scales",
        ),
        case(
            "a name the model has not",
            int8,
            |p| also(p, "bert.lm.weight", r#"{"scheme":"int8","shape":[1,1]}"#),
            "BadQuantized",
            "`bert.lm.weight` is no matrix",
        ),
        case(
            "a bias",
            int8,
            |p| also(p, BIAS, r#"{"scheme":"int8","shape":[1,21]}"#),
            "BadQuantized",
            "output.dense.bias` is no matrix",
        ),
        case(
            "a norm",
            nf4,
            |p| also(p, "bert.embeddings.LayerNorm.weight", r#"{"scheme":"nf4","shape":[1,21]}"#),
            "BadQuantized",
            "LayerNorm.weight` is no matrix",
        ),
        case(
            "a part",
            int8,
            |p| also(p, &format!("{NAME}.scales"), r#"{"scheme":"int8","shape":[1,21]}"#),
            "BadQuantized",
            "is no matrix",
        ),
        case("not in the list", int8, |p| p.list = "{}".into(), "NotFloat", "embeddings"),
        // ---- the tensors ----
        case("no codes", int8, |p| drop(p.tensors.remove(NAME)), "TensorMissing", NAME),
        case(
            "no scales",
            int8,
            |p| drop(p.tensors.remove(&format!("{NAME}.scales"))),
            "TensorMissing",
            ".scales",
        ),
        case(
            "no scales of scales",
            nf4,
            |p| drop(p.tensors.remove(&format!("{NAME}.scale_scales"))),
            "TensorMissing",
            ".scale_scales",
        ),
        case(
            "no offset",
            nf4,
            |p| drop(p.tensors.remove(&format!("{NAME}.scale_offset"))),
            "TensorMissing",
            ".scale_offset",
        ),
        case(
            "in full and listed",
            int8,
            |p| replace(p, "", Dtype::F32, &[21, 37], vec![0; 21 * 37 * 4]),
            "WrongDtype",
            NAME,
        ),
        case(
            "in full and listed, nf4",
            nf4,
            |p| replace(p, "", Dtype::F32, &[21, 37], vec![0; 21 * 37 * 4]),
            "WrongDtype",
            NAME,
        ),
        case(
            "unsigned codes",
            int8,
            |p| replace(p, "", Dtype::U8, &[21, 37], vec![0; 777]),
            "WrongDtype",
            NAME,
        ),
        case(
            "codes of another shape",
            int8,
            |p| replace(p, "", Dtype::I8, &[37, 21], vec![0; 777]),
            "WrongShape",
            NAME,
        ),
        case(
            "a flat shape for int8",
            int8,
            |p| replace(p, "", Dtype::I8, &[777], vec![0; 777]),
            "WrongShape",
            NAME,
        ),
        case("a byte too few", nf4, |p| replace(p, "", Dtype::U8, &[388], vec![0; 388]), "WrongShape", NAME),
        case(
            "a byte too many",
            int4(64),
            |p| replace(p, "", Dtype::U8, &[390], vec![0; 390]),
            "WrongShape",
            NAME,
        ),
        case("no bytes", int4(64), |p| replace(p, "", Dtype::U8, &[0], vec![]), "WrongShape", NAME),
        case(
            "a scale too few",
            int8,
            |p| replace(p, ".scales", Dtype::F32, &[20], vec![0; 80]),
            "WrongShape",
            ".scales",
        ),
        case(
            "scales in half precision",
            int8,
            |p| replace(p, ".scales", Dtype::F16, &[21], vec![0; 42]),
            "WrongDtype",
            ".scales",
        ),
        case(
            "scales in double precision",
            int8,
            |p| replace(p, ".scales", Dtype::F64, &[21], vec![0; 168]),
            "WrongDtype",
            ".scales",
        ),
        case(
            "int4 scales in f32",
            int4(64),
            |p| replace(p, ".scales", Dtype::F32, &[13], vec![0; 52]),
            "WrongDtype",
            ".scales",
        ),
        case(
            "int4 scales in bfloat16",
            int4(64),
            |p| replace(p, ".scales", Dtype::BF16, &[13], vec![0; 26]),
            "WrongDtype",
            ".scales",
        ),
        case(
            "nf4 scales in f32",
            nf4,
            |p| replace(p, ".scales", Dtype::F32, &[13], vec![0; 52]),
            "WrongDtype",
            ".scales",
        ),
        case(
            "two scales of scales",
            nf4,
            |p| replace(p, ".scale_scales", Dtype::F32, &[2], vec![0; 8]),
            "WrongShape",
            ".scale_scales",
        ),
        case(
            "scales of scales in F64",
            nf4,
            |p| replace(p, ".scale_scales", Dtype::F64, &[1], vec![0; 8]),
            "WrongDtype",
            ".scale_scales",
        ),
        case(
            "a scalar offset",
            nf4,
            |p| replace(p, ".scale_offset", Dtype::F32, &[], vec![0; 4]),
            "WrongShape",
            ".scale_offset",
        ),
        case(
            "an offset in F16",
            nf4,
            |p| replace(p, ".scale_offset", Dtype::F16, &[1], vec![0; 2]),
            "WrongDtype",
            ".scale_offset",
        ),
        // ---- the numbers ----
        case(
            "a scale of NaN",
            int8,
            |p| poke(p, ".scales", &floats(&[1.0, f32::NAN])),
            "NotFinite",
            ".scales",
        ),
        case(
            "a scale of infinity",
            int8,
            |p| poke(p, ".scales", &floats(&[f32::INFINITY])),
            "NotFinite",
            ".scales",
        ),
        case(
            "a huge scale",
            int8,
            |p| poke(p, ".scales", &floats(&[1.0, 1.0, 3e38])),
            "BadQuantized",
            "number 2 of the scales",
        ),
        case("a half of NaN", int4(32), |p| poke(p, ".scales", &[0, 0x7e]), "BadQuantized", NAME),
        case("a half of infinity", int4(128), |p| poke(p, ".scales", &[0, 0x7c]), "BadQuantized", NAME),
        case(
            "a scale of scales of NaN",
            nf4,
            |p| poke(p, ".scale_scales", &floats(&[f32::NAN])),
            "NotFinite",
            ".scale_scales",
        ),
        case(
            "an offset of infinity",
            nf4,
            |p| poke(p, ".scale_offset", &floats(&[f32::NEG_INFINITY])),
            "NotFinite",
            ".scale_offset",
        ),
        case(
            "scales that overflow together",
            nf4,
            |p| {
                poke(p, ".scale_scales", &floats(&[3.4e38]));
                poke(p, ".scale_offset", &floats(&[3.4e38]));
                poke(p, ".scales", &[255]);
            },
            "BadQuantized",
            "number 0 of the scales",
        ),
        case(
            "a damaged bias",
            int8,
            |p| p.tensors.get_mut(BIAS).unwrap().2[..4].copy_from_slice(&floats(&[f32::NAN])),
            "NotFinite",
            BIAS,
        ),
    ];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(QUANTIZED_FILE);
    let mut failed = Vec::new();
    for Case { what, scheme, spoil, error, says } in cases {
        save(dir.path(), scheme);
        let mut parts = Parts::of(&path);
        spoil(&mut parts);
        parts.write(&path);
        match load(dir.path()) {
            Ok(_) => failed.push(format!("{what}: accepted")),
            Err(e) => {
                let message = e.to_string();
                let named =
                    message.contains(QUANTIZED_FILE) && message.contains(says) && !message.contains('\n');
                if variant(&e) != error || !named {
                    failed.push(format!("{what}: {}: {message}", variant(&e)));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
