//! Every fault that data can have, over real small files: each is either read correctly or refused with an error
//! that names the place.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use filbert_data::limits::MAX_RECORD;
use filbert_data::{Error, Format, LabelMap, Part, ReadOptions, Reader, Table, Value, is_blank};
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn read(&self, name: &str, bytes: impl AsRef<[u8]>) -> Result<Table, Error> {
        Table::read(&self.put(name, bytes), &labelled())
    }
}

fn labelled() -> ReadOptions {
    ReadOptions { need_label: true, ..ReadOptions::default() }
}

#[test]
fn places_count_physical_lines() {
    let files = Files::new();
    let table = files.read("a.csv", "text,label\r\n\r\n\"a\r\nb\",x\r\nc,y\r\n").unwrap();
    assert_eq!(table.places, [3, 5]);
    let table =
        files.read("a.jsonl", "\n{\"text\":\"a\",\"label\":1}\n\n{\"text\":\"b\",\"label\":1}").unwrap();
    assert_eq!(table.places, [2, 4]);
}

#[test]
fn a_missing_column_lists_those_there_are() {
    let files = Files::new();
    let path = files.put("a.csv", "sentence,label\na,x\n");
    let options = ReadOptions { text: Some(vec!["sentense".to_owned()]), ..labelled() };
    let message = Table::read(&path, &options).unwrap_err().to_string();
    let want =
        "a.csv: no column \"sentense\" (did you mean \"sentence\"?); the columns are \"sentence\", \"label\"";
    assert!(message.ends_with(want), "{message}");
    let options = ReadOptions { label: Some("kind".to_owned()), ..labelled() };
    assert!(matches!(Table::read(&path, &options), Err(Error::InFile { .. })));
}

#[test]
fn missing_files_and_formats() {
    let files = Files::new();
    let absent = Table::read(&files.0.path().join("no.csv"), &labelled());
    assert!(matches!(absent, Err(Error::Open { .. })));
    assert!(matches!(files.read("a.xlsx", "x"), Err(Error::UnknownFormat { .. })));
    let folder = files.0.path().join("folder.csv");
    std::fs::create_dir(&folder).unwrap();
    assert!(matches!(Table::read(&folder, &labelled()), Err(Error::Read { .. })));
    let options = ReadOptions { format: Some(Format::Csv), ..labelled() };
    assert_eq!(Table::read(&files.put("a.data", "text,label\na,x\n"), &options).unwrap().len(), 1);
}

#[test]
fn classes() {
    let files = Files::new();
    let one = files.read("one.csv", "text,label\na,x\nb,x\n").unwrap();
    assert!(
        matches!(LabelMap::new(one.labels.iter().map(String::as_str)), Err(Error::OneClass { label }) if label == "x")
    );

    let train = files.read("train.csv", "text,label\na,10\nb,9\nc,10\n").unwrap();
    let map = LabelMap::new(train.labels.iter().map(String::as_str)).unwrap();
    assert_eq!(map.names(), ["9", "10"]);
    assert_eq!(map.encode(&train).unwrap(), [1, 0, 1]);
    let counts = filbert_data::class_counts(&map.encode(&train).unwrap(), map.len());
    assert_eq!(counts, [1, 2]);
    let notes = filbert_data::rare_class_notes(&map, &counts);
    assert!(notes.len() == 1 && notes.concat().contains("\"9\" has a single row"));
    let split = filbert_data::stratified(&map.encode(&train).unwrap(), "50/50".parse().unwrap(), 0);
    assert!(split.train.contains(&1) && split.notes.concat().contains("single row"));

    let test = files.read("test.csv", "text,label\na,9\nb,3\n").unwrap();
    let message = map.encode(&test).unwrap_err().to_string();
    assert!(
        message.ends_with("test.csv, line 3: unknown label \"3\"; known labels are \"9\", \"10\""),
        "{message}"
    );
}

#[test]
fn blank_texts_are_kept_and_counted() {
    let files = Files::new();
    let csv = "text,label\n\"\",x\n\u{200B}\u{2060}\u{FEFF},x\n \u{AD}\t,y\na\u{200B},y\n";
    let table = files.read("a.csv", csv).unwrap();
    assert_eq!((table.len(), table.blank), (4, 3));
    assert!(table.notes.iter().any(|note| note == "3 of 4 rows have a blank text"), "{:?}", table.notes);
    assert_eq!(table.subset(&[3, 0, 99]).texts, ["a\u{200B}", ""]);
    assert_eq!(table.subset(&[3, 0]).blank, 1);
    assert!(is_blank("") && is_blank("\u{200F}\u{0}\r\n\u{3000}") && !is_blank("."));
}

#[test]
fn a_label_column_that_holds_texts() {
    let files = Files::new();
    let csv = format!("text,label\na,{}\n", "long ".repeat(100));
    let message = files.read("a.csv", csv).unwrap_err().to_string();
    assert!(message.contains("line 2, column \"label\": a label of more than 256 characters"), "{message}");
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    let files = Files::new();
    // printf 'text,label\na,x\n' | sha256sum
    let want = "cf4ae2aa7a83ef12c1fbddcb7cb4354f92fb9345ca01540bf752a590ccd65855";
    let table = files.read("a.csv", "text,label\na,x\n").unwrap();
    assert_eq!(table.sha256, want);
    assert_eq!(table.sha256, files.read("b.csv", "text,label\na,x\n").unwrap().sha256);
    assert_ne!(table.sha256, files.read("c.csv", "text,label\r\na,x\n").unwrap().sha256);
}

/// Endless bytes, counting how many were taken.
struct Endless {
    head: &'static [u8],
    byte: u8,
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut count = self.head.read(buffer)?;
        if count == 0 {
            count = buffer.len().min(self.most - self.taken.load(Ordering::Relaxed));
            buffer[..count].fill(self.byte);
        }
        self.taken.fetch_add(count, Ordering::Relaxed);
        Ok(count)
    }
}

#[test]
fn a_line_of_100_megabytes_is_refused_early() {
    let cases: [(Format, &'static [u8], u8); 7] = [
        (Format::Csv, b"text,label\n", b'x'),
        (Format::Csv, b"text,label\n\"", b'\n'),
        (Format::Csv, b"text,label\n\"a,b\n", b'"'),
        (Format::Csv, b"", b','),
        (Format::Tsv, b"text\tlabel\n", b'\t'),
        (Format::JsonLines, b"{\"text\":\"", b'x'),
        (Format::Lines, b"", b'x'),
    ];
    for (format, head, byte) in cases {
        let taken = Arc::new(AtomicUsize::new(0));
        let input = Endless { head, byte, taken: taken.clone(), most: 100 << 20 };
        let result = Reader::from_read("endless", input, format).map(Iterator::count);
        let Err(error) = result else { panic!("{format} {byte}: accepted") };
        assert!(matches!(error, Error::TooLong { .. }), "{format} {byte}: {error}");
        assert!(taken.load(Ordering::Relaxed) <= MAX_RECORD + (128 << 10), "{format} {byte}");
    }
}

#[test]
fn json_nested_too_deep_is_refused() {
    for open in ["[", "{\"a\":"] {
        let line = format!("{{\"text\":{}", open.repeat(100_000));
        let result = Reader::from_read("deep", std::io::Cursor::new(line), Format::JsonLines);
        assert!(matches!(result.err(), Some(Error::Json { line: 1, .. })));
    }
}

#[test]
fn too_many_columns_are_refused() {
    let header = vec!["c"; 5000].join(",");
    let result = Reader::from_read("wide", std::io::Cursor::new(header), Format::Csv);
    assert!(matches!(result.err(), Some(Error::TooManyColumns { .. })));
    let rows: String = (0..5000).map(|i| format!("{{\"k{i}\":1}}")).collect::<Vec<_>>().join("\n");
    let reader = Reader::from_read("wide", std::io::Cursor::new(rows), Format::JsonLines).unwrap();
    assert!(matches!(reader.last(), Some(Err(Error::TooManyColumns { .. }))));
}

#[test]
fn json_keeps_types_and_later_keys() {
    let rows = "{\"b\":1,\"a\":\"x\"}\n{\"a\":null,\"c\":[1.5]}\n";
    let mut reader = Reader::from_read("rows", std::io::Cursor::new(rows), Format::JsonLines).unwrap();
    assert_eq!(reader.columns(), ["b", "a"]);
    let first = reader.next().unwrap().unwrap();
    assert_eq!(first.fields, [Value::Int(1), Value::Text("x".to_owned())]);
    let second = reader.next().unwrap().unwrap();
    assert_eq!(reader.columns(), ["b", "a", "c"]);
    assert_eq!(second.fields, [Value::Missing, Value::Null, Value::Nested(serde_json::json!([1.5]))]);
    assert_eq!(first.get(2), &Value::Missing);
    assert!(reader.next().is_none());
}

#[test]
fn readers_and_errors_cross_threads() {
    fn check<T: Send>() {}
    check::<Reader>();
    check::<Error>();
    check::<Table>();
}

#[test]
fn lines_keep_blank_ones() {
    let reader = Reader::from_read("-", std::io::Cursor::new("a\r\n\n b\n"), Format::Lines).unwrap();
    assert_eq!(reader.columns(), ["text"]);
    let texts: Vec<Value> = reader.map(|record| record.unwrap().fields.remove(0)).collect();
    assert_eq!(texts, ["a", "", " b"].map(|text| Value::Text(text.to_owned())));
}

#[test]
fn a_reader_stops_at_its_first_error() {
    let mut reader = Reader::from_read("-", std::io::Cursor::new("a,b\n1,2\n3\n4,5\n"), Format::Csv).unwrap();
    assert!(reader.next().unwrap().is_ok());
    assert!(matches!(reader.next(), Some(Err(Error::Ragged { line: 3, got: 1, want: 2, .. }))));
    assert!(reader.next().is_none());
}

#[test]
fn columns_by_content_are_said() {
    let files = Files::new();
    let row = |i: usize| format!("{i},{},some longer words number {i} here", ["ham", "spam"][i % 2]);
    let csv = format!("v1,v2,v3\n{}\n", (0..40).map(row).collect::<Vec<_>>().join("\n"));
    let table = files.read("a.csv", &csv).unwrap();
    assert_eq!(table.text_columns, ["v3"]);
    assert_eq!(table.label_column.as_deref(), Some("v2"));
    assert_eq!(table.notes.len(), 2);
    assert!(table.notes.iter().all(|note| note.contains("found by its content")));
}

#[test]
fn pairs_overlaps_and_conflicts() {
    let files = Files::new();
    let a = files.read("a.csv", "sentence1,sentence2,label\na,b,0\na,c,1\na,b,1\nd,e,1\nd,e,1\n").unwrap();
    assert_eq!(a.pairs.as_deref().unwrap(), ["b", "c", "b", "e", "e"]);
    let b = files.read("b.csv", "sentence1,sentence2,label\nd,e,1\na,e,1\na,b,0\nd,e,0\n").unwrap();
    let shared = filbert_data::overlaps(&[Part::new("a", &a), Part::new("b", &b)]);
    assert_eq!(shared.pairs[0].conflicting_exact, Some(2));
    assert_eq!(shared.pairs[2].exact, 3);
}

#[test]
fn an_unnamed_index_column() {
    let files = Files::new();
    let table = files.read("a.csv", ",text,label\n0,a,x\n1,b,y\n").unwrap();
    assert_eq!(table.columns, ["unnamed_1", "text", "label"]);
}
