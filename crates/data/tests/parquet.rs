//! Parquet files written here with the `parquet` crate: codecs, encodings, nulls and label types come back; damaged
//! and hostile files are refused without a panic.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use filbert_data::{Error, Format, ReadOptions, Reader, Table, Value};
use parquet::basic::{BrotliLevel, Compression, Encoding, GzipLevel, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type,
};
use parquet::file::properties::{WriterProperties, WriterVersion};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

type Group<'a> = SerializedRowGroupWriter<'a, File>;

fn write(path: &Path, schema: &str, properties: WriterProperties, groups: &[&dyn Fn(&mut Group)]) {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(File::create(path).unwrap(), schema, Arc::new(properties)).unwrap();
    for fill in groups {
        let mut group = writer.next_row_group().unwrap();
        fill(&mut group);
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn column<T: DataType>(group: &mut Group, values: &[T::T], levels: Option<&[i16]>) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels, None).unwrap();
    column.close().unwrap();
}

fn strings(texts: &[&str]) -> Vec<ByteArray> {
    texts.iter().map(|&text| ByteArray::from(text)).collect()
}

const SCHEMA: &str = "message m { required binary text (UTF8); required int64 label; }";

fn two_columns(group: &mut Group) {
    column::<ByteArrayType>(group, &strings(&["alpha", "", "gamma é"]), None);
    column::<Int64Type>(group, &[10, 2, 10], None);
}

fn labelled() -> ReadOptions {
    ReadOptions { need_label: true, ..ReadOptions::default() }
}

fn file(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

#[test]
fn codecs_and_encodings() {
    let folder = tempfile::tempdir().unwrap();
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(GzipLevel::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(BrotliLevel::default()),
    ];
    let mut failed = Vec::new();
    for codec in codecs {
        for dictionary in [true, false] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                let path = file(&folder, "a.parquet");
                let properties = WriterProperties::builder()
                    .set_compression(codec)
                    .set_dictionary_enabled(dictionary)
                    .set_writer_version(version)
                    .set_column_encoding("text".into(), Encoding::PLAIN)
                    .build();
                write(&path, SCHEMA, properties, &[&two_columns, &two_columns]);
                let table = Table::read(&path, &labelled());
                let same = table.as_ref().is_ok_and(|table| {
                    table.texts == ["alpha", "", "gamma é", "alpha", "", "gamma é"]
                        && table.labels == ["10", "2", "10", "10", "2", "10"]
                        && table.places == [1, 2, 3, 4, 5, 6]
                        && table.blank == 2
                        && table.sha256.len() == 64
                });
                if !same {
                    failed.push(format!("{codec} {dictionary} {version:?}: {table:?}"));
                }
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn types_and_nulls() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.parquet");
    let schema = "message m {
        optional binary text (UTF8); optional int32 i; optional int64 u (UINT_64); optional boolean b;
        optional float f; optional double d; optional int32 day (DATE); optional int64 t (TIMESTAMP_MICROS);
        optional int32 money (DECIMAL(9, 2)); optional binary raw; optional fixed_len_byte_array(2) fixed;
        required group nested { required int32 x; }
    }";
    let levels: Option<&[i16]> = Some(&[1, 0]);
    let fill = |group: &mut Group| {
        column::<ByteArrayType>(group, &strings(&["a"]), levels);
        column::<Int32Type>(group, &[-7], levels);
        column::<Int64Type>(group, &[-1], levels);
        column::<BoolType>(group, &[true], levels);
        column::<FloatType>(group, &[0.1], levels);
        column::<DoubleType>(group, &[2.5], levels);
        column::<Int32Type>(group, &[19_844], levels);
        column::<Int64Type>(group, &[1_714_521_600_000_001], levels);
        column::<Int32Type>(group, &[-1205], levels);
        column::<ByteArrayType>(group, &[ByteArray::from(vec![255, 0])], levels);
        column::<FixedLenByteArrayType>(group, &[ByteArray::from("ok").into()], levels);
        column::<Int32Type>(group, &[1, 2], None);
    };
    write(&path, schema, WriterProperties::new(), &[&fill]);
    let reader = Reader::open(&path, None).unwrap();
    assert_eq!(reader.columns().len(), 11);
    assert_eq!(reader.notes(), ["nested columns were left out: \"nested\""]);
    let records: Vec<_> = reader.map(Result::unwrap).collect();
    let text = |text: &str| Value::Text(text.to_owned());
    let want = [
        text("a"),
        Value::Int(-7),
        Value::UInt(u64::MAX),
        Value::Bool(true),
        Value::Float(0.1),
        Value::Float(2.5),
        text("2024-05-01"),
        text("2024-05-01T00:00:00.000001"),
        text("-12.05"),
        Value::Bytes(vec![255, 0]),
        text("ok"),
    ];
    assert_eq!(records[0].fields, want);
    assert_eq!(records[1].fields, vec![Value::Null; 11]);
}

#[test]
fn labels() {
    fn of<T: DataType>(
        folder: &tempfile::TempDir,
        kind: &str,
        values: &[T::T],
    ) -> Result<Vec<String>, Error> {
        let path = file(folder, "l.parquet");
        let schema = format!("message m {{ required binary text (UTF8); required {kind}; }}");
        let fill = |group: &mut Group| {
            column::<ByteArrayType>(group, &strings(&["a", "b"]), None);
            column::<T>(group, values, None);
        };
        write(&path, &schema, WriterProperties::new(), &[&fill]);
        Table::read(&path, &labelled()).map(|table| table.labels)
    }
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(of::<Int32Type>(&folder, "int32 label", &[1, -2]).unwrap(), ["1", "-2"]);
    assert_eq!(of::<Int64Type>(&folder, "int64 label", &[1, 10]).unwrap(), ["1", "10"]);
    assert_eq!(of::<BoolType>(&folder, "boolean label", &[true, false]).unwrap(), ["true", "false"]);
    assert_eq!(of::<DoubleType>(&folder, "double label", &[1.0, 0.0]).unwrap(), ["1", "0"]);
    assert_eq!(
        of::<ByteArrayType>(&folder, "binary label (UTF8)", &strings(&["x", "y"])).unwrap(),
        ["x", "y"]
    );
    assert_eq!(of::<ByteArrayType>(&folder, "binary label", &strings(&["x", "y"])).unwrap(), ["x", "y"]);
    let fraction = of::<DoubleType>(&folder, "double label", &[1.0, 0.5]).unwrap_err().to_string();
    assert!(fraction.contains("row 2, column \"label\"") && fraction.contains("regression"), "{fraction}");
    let gap = of::<DoubleType>(&folder, "double label", &[1.0, f64::NAN]).unwrap_err().to_string();
    assert!(gap.contains("row 2, column \"label\": the label is empty"), "{gap}");
}

#[test]
fn many_rows_cross_batches_and_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.parquet");
    let texts: Vec<String> = (0..5000).map(|i| format!("text number {i}")).collect();
    let fill = |group: &mut Group| {
        column::<ByteArrayType>(
            group,
            &texts.iter().map(|t| ByteArray::from(t.as_str())).collect::<Vec<_>>(),
            None,
        );
        column::<Int64Type>(group, &(0..5000).map(|i| i % 3).collect::<Vec<_>>(), None);
    };
    let properties =
        WriterProperties::builder().set_data_page_row_count_limit(700).set_write_batch_size(100).build();
    write(&path, SCHEMA, properties, &[&fill]);
    let table = Table::read(&path, &labelled()).unwrap();
    assert_eq!(table.texts, texts);
    assert_eq!(table.labels.get(4999).map(String::as_str), Some("1"));
}

#[test]
fn refusals() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.parquet");
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Table::read(&path, &labelled()).unwrap_err().to_string()
    };
    assert!(message(b"").contains("empty"));
    assert!(message(b"PAR1").contains("too short"));
    assert!(message(b"text,label\na,b\nc,d\n").contains("PAR1"));
    assert!(message(b"PAR1\xFF\xFF\xFF\x7FPAR1").contains("longer than the file"));
    assert!(message(b"PAR1\0\0\0\0PARE").contains("encrypted"));

    let none: &dyn Fn(&mut Group) = &|group| {
        column::<ByteArrayType>(group, &[], None);
        column::<Int64Type>(group, &[], None);
    };
    write(&path, SCHEMA, WriterProperties::new(), &[]);
    assert!(matches!(Table::read(&path, &labelled()), Err(Error::NoRows { .. })));
    write(&path, SCHEMA, WriterProperties::new(), &[none]);
    assert!(matches!(Table::read(&path, &labelled()), Err(Error::NoRows { .. })));

    let bad = |group: &mut Group| {
        column::<ByteArrayType>(group, &[ByteArray::from("a"), ByteArray::from(vec![0xFF])], None);
        column::<Int64Type>(group, &[1, 2], None);
    };
    write(&path, SCHEMA, WriterProperties::new(), &[&bad]);
    let utf8 = Table::read(&path, &labelled()).unwrap_err().to_string();
    assert!(utf8.contains("column \"text\": a text that is not valid UTF-8"), "{utf8}");

    let delta = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY)
        .build();
    write(&path, SCHEMA, delta, &[&two_columns]);
    let delta = Table::read(&path, &labelled()).unwrap_err().to_string();
    assert!(delta.contains("delta encoding"), "{delta}");

    let pipe = Reader::from_read("-", std::io::empty(), Format::Parquet);
    assert!(matches!(pipe.err(), Some(Error::NeedsFile { .. })));
}

/// A dictionary of one long text that stands for many rows.
#[test]
fn a_file_that_swells_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.parquet");
    let long = "x".repeat(1 << 20);
    let fill = |group: &mut Group| {
        let text = ByteArray::from(long.as_str());
        column::<ByteArrayType>(group, &vec![text; 600], None);
        column::<Int64Type>(group, &vec![1; 600], None);
    };
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_dictionary_page_size_limit(8 << 20)
        .build();
    write(&path, SCHEMA, properties, &[&fill]);
    assert!(path.metadata().unwrap().len() < 64 << 10);
    assert!(matches!(Table::read(&path, &labelled()), Err(Error::TooLarge { .. })));
}

fn sample_bytes(version: WriterVersion, codec: Compression) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, "a.parquet");
    let schema = "message m { optional binary text (UTF8); required int64 label; optional double d; optional boolean b;
        optional fixed_len_byte_array(3) x; }";
    let fill = |group: &mut Group| {
        column::<ByteArrayType>(group, &strings(&["alpha", "beta", "alpha"]), Some(&[1, 1, 0, 1]));
        column::<Int64Type>(group, &[1, 2, 1, 2], None);
        column::<DoubleType>(group, &[0.5], Some(&[0, 0, 1, 0]));
        column::<BoolType>(group, &[true, false], Some(&[1, 0, 1, 0]));
        column::<FixedLenByteArrayType>(group, &[ByteArray::from("abc").into()], Some(&[0, 0, 1, 0]));
    };
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_compression(codec)
        .set_column_encoding("x".into(), Encoding::PLAIN)
        .build();
    write(&path, schema, properties, &[&fill]);
    std::fs::read(path).unwrap()
}

fn read_quietly(folder: &tempfile::TempDir, bytes: &[u8]) -> Result<usize, Error> {
    let path = file(folder, "fuzz.parquet");
    std::fs::write(&path, bytes).unwrap();
    let mut rows = 0;
    for record in Reader::open(&path, None)?.take(10_000) {
        record?;
        rows += 1;
    }
    Ok(rows)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn damaged_files_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        kind in 0usize..4,
    ) {
        thread_local! {
            static SAMPLES: Vec<Vec<u8>> = [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]
                .into_iter()
                .flat_map(|v| [Compression::UNCOMPRESSED, Compression::SNAPPY].map(|c| sample_bytes(v, c)))
                .collect();
            static FOLDER: tempfile::TempDir = tempfile::tempdir().unwrap();
        }
        let mut bytes = SAMPLES.with(|samples| samples[kind].clone());
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Err(error) = FOLDER.with(|folder| read_quietly(folder, &bytes)) {
            let message = error.to_string();
            prop_assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }

    #[test]
    fn random_bytes_never_panic(middle in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = b"PAR1".to_vec();
        bytes.extend(&middle);
        bytes.extend((middle.len() as u32).to_le_bytes());
        bytes.extend(b"PAR1");
        prop_assert!(read_quietly(&folder, &bytes).is_err());
    }
}
