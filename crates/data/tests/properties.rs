//! Properties of whatever parses, and of splits: random bytes never panic, what other programs write comes back,
//! splits are disjoint, complete, proportional and reproducible.

use std::io::Cursor;

use filbert_data::{Format, Reader, SplitSpec, Value, hold_out, stratified};
use proptest::prelude::*;

fn read_all(bytes: Vec<u8>, format: Format) -> Result<Vec<Vec<Value>>, filbert_data::Error> {
    let reader = Reader::from_read("random", Cursor::new(bytes), format)?;
    reader.map(|record| record.map(|record| record.fields)).collect()
}

/// Bytes that meet the parsers' special cases more often than chance.
fn structured() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"\"".to_vec()),
        Just(b",".to_vec()),
        Just(b"\t".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r".to_vec()),
        Just(b"{\"a\":".to_vec()),
        Just(b"}".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just(b"ab".to_vec()),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

fn cell() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            Just('"'),
            Just(','),
            Just('\t'),
            Just('\n'),
            Just('\r'),
            Just('é'),
            Just(' '),
            any::<char>()
        ],
        0..8,
    )
    .prop_map(|chars| chars.into_iter().collect())
}

fn spec() -> impl Strategy<Value = SplitSpec> {
    (1u32..98, 1u32..98).prop_filter_map("sums", |(valid, test)| {
        let train = 100u32.checked_sub(valid + test).filter(|&train| train > 0)?;
        format!("{train}/{valid}/{test}").parse().ok()
    })
}

fn texts(rows: &[Vec<String>]) -> Vec<Vec<Value>> {
    rows.iter().map(|row| row.iter().cloned().map(Value::Text).collect()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(bytes in prop_oneof![structured(), prop::collection::vec(any::<u8>(), 0..200)]) {
        for format in [Format::Csv, Format::Tsv, Format::JsonLines, Format::Lines] {
            if let Err(error) = read_all(bytes.clone(), format) {
                let message = error.to_string();
                prop_assert!(!message.chars().any(char::is_control), "{message:?}");
            }
        }
    }

    #[test]
    fn what_the_csv_crate_writes_comes_back(rows in prop::collection::vec(prop::collection::vec(cell(), 3), 1..6), crlf: bool) {
        let mut writer = csv::WriterBuilder::new()
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let got = read_all(writer.into_inner().unwrap(), Format::Csv).unwrap();
        prop_assert_eq!(got, texts(&rows));
    }

    #[test]
    fn what_the_csv_crate_reads_is_read_alike(bytes in structured()) {
        // Ours is stricter; where it accepts a file, both see the same cells.
        let bytes = [b"a,b\n".to_vec(), bytes].concat();
        let Ok(ours) = read_all(bytes.clone(), Format::Csv) else { return Ok(()) };
        // The csv crate ends records at a lone carriage return; here it is text.
        let mut lone = bytes.clone();
        while let Some(at) = lone.windows(2).position(|pair| pair == b"\r\n") {
            lone.remove(at);
        }
        if lone.contains(&b'\r') {
            return Ok(());
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
        let theirs: Vec<Vec<Value>> = reader
            .records()
            .map(|record| record.unwrap().iter().map(|cell| Value::Text(cell.to_owned())).collect())
            .collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn tsv_without_special_characters_comes_back(rows in prop::collection::vec(prop::collection::vec("[^\"\t\r\n]{1,6}", 2), 1..6)) {
        let body: String = rows.iter().map(|row| row.join("\t") + "\n").collect();
        prop_assert_eq!(read_all(format!("a\tb\n{body}").into_bytes(), Format::Tsv).unwrap(), texts(&rows));
    }

    #[test]
    fn json_objects_come_back(cells in prop::collection::vec((cell(), any::<i64>(), any::<bool>()), 1..6)) {
        let line = |(text, number, flag): &(String, i64, bool)| {
            serde_json::json!({"t": text, "n": number, "f": flag, "d": {"x": [null]}}).to_string() + "\n"
        };
        let body: String = cells.iter().map(line).collect();
        let got = read_all(body.into_bytes(), Format::JsonLines).unwrap();
        for (row, (text, number, flag)) in got.iter().zip(&cells) {
            let nested = Value::Nested(serde_json::json!({"x": [null]}));
            prop_assert_eq!(row, &[Value::Text(text.clone()), Value::Int(*number), Value::Bool(*flag), nested]);
        }
    }

    #[test]
    fn splits(labels in prop::collection::vec(0usize..12, 0..200), spec in spec(), seed: u64) {
        let split = stratified(&labels, spec, seed);
        prop_assert_eq!(&split, &stratified(&labels, spec, seed));
        let mut rows = [split.train.clone(), split.valid.clone(), split.test.clone()].concat();
        rows.sort_unstable();
        prop_assert!(rows.into_iter().eq(0..labels.len()));
        let parts = [&split.train, &split.valid, &split.test];
        prop_assert!(parts.iter().all(|part| part.is_sorted()));
        let mut forced = false;
        for class in 0..12 {
            let size = labels.iter().filter(|&&label| label == class).count();
            for (part, fraction) in parts.iter().zip(spec.fractions()) {
                let count = part.iter().filter(|&&row| labels[row] == class).count();
                prop_assert!((count as f64 - size as f64 * fraction).abs() < 1.0 + 1e-6);
            }
            prop_assert!(size == 0 || split.train.iter().any(|&row| labels[row] == class));
            forced |= size > 0 && (size as f64) * spec.fractions()[0] < 1.0;
        }
        if !forced {
            for (part, fraction) in parts.iter().zip(spec.fractions()) {
                prop_assert!((part.len() as f64 - labels.len() as f64 * fraction).abs() < 1.0 + 1e-6);
            }
        }
    }

    #[test]
    fn seeds_matter(seed: u64) {
        let labels: Vec<usize> = (0..400).map(|row| row % 3).collect();
        let (train, valid) = hold_out(&labels, 0.2, seed).unwrap();
        prop_assert_eq!((train.len(), valid.len()), (320, 80));
        prop_assert_ne!(valid, hold_out(&labels, 0.2, seed.wrapping_add(1)).unwrap().1);
    }
}
