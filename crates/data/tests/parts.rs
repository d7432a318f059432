//! Overlaps, removal of duplicates and the report, over small tables whose counts can be told by eye, and over
//! hostile ones.

use std::fmt::Write as _;

use filbert_data::{
    Dedupe, Dropped, Error, Overlap, Part, ReadOptions, Table, Task, data_report, dedupe, overlaps,
};

fn table(text: &str, task: Task) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, text).unwrap();
    Table::read(&path, &ReadOptions { need_label: true, task, ..ReadOptions::default() }).unwrap()
}

fn labelled(rows: &[(&str, &str)]) -> Table {
    let mut text = String::from("text,label\n");
    for (row, label) in rows {
        writeln!(text, "\"{row}\",{label}").unwrap();
    }
    table(&text, Task::Single)
}

const LONG: &str = "the quick brown fox jumps over the lazy dog near the bank of the river";

/// Two letters more than [`LONG`]: a similarity above 0.8, below 1.
fn longer() -> String {
    format!("{LONG}s!")
}

fn pair<'a>(all: &'a [Overlap], from: &str, to: &str) -> &'a Overlap {
    all.iter().find(|pair| pair.from == from && pair.to == to).unwrap()
}

#[test]
fn counts_are_nested() {
    let near = longer();
    let train = labelled(&[("Exact text", "a"), ("Some Case", "a"), (LONG, "a"), ("unrelated words", "b")]);
    let test = labelled(&[
        ("Exact text", "a"),
        ("some  case", "b"),
        (&near, "b"),
        ("nothing alike at all", "a"),
        ("Exact text", "b"),
    ]);
    let parts = [Part::new("train", &train), Part::new("test", &test)];
    let all = overlaps(&parts).pairs;
    let across = pair(&all, "train", "test");
    assert_eq!((across.rows, across.exact, across.canonical, across.near), (5, 2, 3, 4));
    assert_eq!(across.domain, None);
    assert_eq!((across.conflicting_exact, across.conflicting_canonical), (Some(1), Some(2)));
    let kinds: Vec<&str> = across.examples.iter().map(|example| example.kind).collect();
    assert_eq!(kinds, ["exact", "exact", "canonical", "near", "conflicting", "conflicting"]);
    let example = &across.examples[2];
    assert_eq!((example.a.place.as_str(), example.b.place.as_str()), ("line 3", "line 3"));
    assert_eq!((example.a.text.as_str(), example.b.text.as_str()), ("Some Case", "some  case"));
    let within = pair(&all, "test", "test");
    assert_eq!((within.exact, within.canonical, within.near), (1, 1, 1));
    assert_eq!((within.conflicting_exact, within.conflicting_canonical), (Some(2), Some(2)));
    let json = serde_json::to_value(overlaps(&parts)).unwrap();
    assert_eq!(json["pairs"][2]["near"], 4);
}

#[test]
fn domains_are_compared_among_urls() {
    let train = labelled(&[("http://a.example.com/x", "0"), ("one.github.io", "1"), ("10.0.0.1/a", "0")]);
    let test = labelled(&[("https://b.example.com/other", "0"), ("two.github.io", "1"), ("10.0.0.1/b", "1")]);
    let parts = [Part::new("train", &train), Part::new("test", &test)];
    let all = overlaps(&parts).pairs;
    assert_eq!(pair(&all, "train", "test").domain, Some(2));
    let kept = dedupe(&parts[0], None, Some(&parts[1]), Dedupe::Domain).unwrap();
    assert_eq!(kept.train, [1]);
    let words = labelled(&[("some words", "a"), ("more words", "b")]);
    let refused = dedupe(&Part::new("train", &words), None, Some(&parts[1]), Dedupe::Domain);
    assert!(matches!(refused, Err(Error::NotUrls { .. })));
}

#[test]
fn what_is_left_out_is_counted_once_and_test_rows_stay() {
    let near = longer();
    let train = labelled(&[
        ("in the test", "a"),
        ("IN THE TEST", "a"),
        ("in the validation", "a"),
        ("contradicts", "a"),
        ("Contradicts", "b"),
        ("stays", "a"),
        ("stays", "a"),
        ("Stays", "a"),
        (LONG, "b"),
        (&near, "b"),
    ]);
    let valid = labelled(&[("in the validation", "a"), ("in both", "b"), ("only here", "b")]);
    let test = labelled(&[("in the test", "a"), ("in both", "a")]);
    let (train, valid, test) =
        (Part::new("train", &train), Part::new("valid", &valid), Part::new("test", &test));
    let cases = [
        (Dedupe::Off, vec![0, 1, 2, 3, 4, 5, 6, 7, 8, 9], vec![0, 1, 2], [0, 0, 0, 0, 0]),
        (Dedupe::Exact, vec![1, 3, 4, 5, 7, 8, 9], vec![0, 2], [1, 1, 0, 1, 1]),
        (Dedupe::Canonical, vec![5, 8, 9], vec![0, 2], [2, 1, 2, 2, 1]),
        (Dedupe::Near, vec![5, 8], vec![0, 2], [2, 1, 2, 3, 1]),
    ];
    for (how, kept_train, kept_valid, [in_test, in_valid, contradicting, repeats, valid_in_test]) in cases {
        let got = dedupe(&train, Some(&valid), Some(&test), how).unwrap();
        assert_eq!((got.train, got.valid), (kept_train, kept_valid), "{how}");
        let want = Dropped {
            train_in_test: in_test,
            train_in_valid: in_valid,
            contradicting,
            repeats,
            valid_in_test,
        };
        assert_eq!(got.dropped, want, "{how}");
        assert_eq!(how.to_string().parse::<Dedupe>().unwrap(), how);
    }
    assert!("all".parse::<Dedupe>().is_err());
    let same = dedupe(&test, None, Some(&test), Dedupe::Exact);
    assert!(same.unwrap_err().to_string().contains("no test rows are left"));
}

#[test]
fn sets_of_labels_contradict_whatever_their_order() {
    let multi = Task::Multi { separator: None };
    let rows = table("text,labels\nsame,x|y\nsame,y|x\nother,x\nother,\nthird,x\n", multi);
    let part = [Part::new("train", &rows)];
    assert_eq!(overlaps(&part).pairs[0].conflicting_exact, Some(2));
    assert_eq!(dedupe(&part[0], None, None, Dedupe::Exact).unwrap().train, [0, 4]);
    let numbers = table("text,score\nsame,1\nsame,2\n", Task::Regression);
    assert_eq!(overlaps(&[Part::new("train", &numbers)]).pairs[0].conflicting_exact, None);
}

#[test]
fn the_report_shows_what_looks_wrong() {
    let near = longer();
    let long = "word ".repeat(1000);
    let rows = labelled(&[
        ("pay\u{200b}pal \u{1b}[31m", "spam"),
        (LONG, "ham"),
        (&near, "spam"),
        ("both ways", "ham"),
        ("Both ways", "spam"),
        (" ", "ham"),
        ("p\u{430}ypal", "spam"),
        (&long, "ham"),
    ]);
    let mut many: Vec<(String, &str)> =
        (0..200).map(|i| (format!("ordinary {i} {}", i * 7919), "ham")).collect();
    many.push((long.clone(), "spam"));
    let other = labelled(&many.iter().map(|(text, label)| (text.as_str(), *label)).collect::<Vec<_>>());
    let report = data_report(&[Part::new("train", &rows), Part::new("test", &other)]);
    let [train, test] = report.parts.as_slice() else { panic!("{report:?}") };
    assert_eq!((train.rows, train.blank, train.near_conflicting), (8, 1, Some(2)));
    let classes = train.classes.as_ref().unwrap();
    assert_eq!((classes[0].label.as_str(), classes[0].rows, classes[0].share), ("ham", 4, 0.5));
    assert_eq!((train.characters.min, train.characters.max, test.characters.max), (1, 5000, 5000));
    assert_eq!(train.hostile.len(), 4);
    let reasons: Vec<String> = report
        .suspects
        .iter()
        .map(|s| format!("{} {}: {}", s.row.part, s.row.place, s.reasons.join("; ")))
        .collect();
    for piece in [
        "train line 2: invisible characters, control characters",
        "train line 8: words of mixed scripts",
        "train line 3: a near duplicate",
        "train line 5: the same text has another label",
        "test line 202: extremely long: 5000 characters",
    ] {
        assert!(reasons.iter().any(|reason| reason.starts_with(piece)), "{piece}: {reasons:#?}");
    }
    assert!(report.suspects.iter().all(|s| s.row.text.chars().count() <= 161));
    let repeat = data_report(&[Part::new("train", &rows), Part::new("test", &other)]);
    assert_eq!(repeat, report);
}

/// Tens of thousands of rows alike, exactly and nearly, and texts of a megabyte: seconds, not hours.
#[test]
fn hostile_tables_are_measured_in_bounded_time() {
    let start = std::time::Instant::now();
    let mut text = String::from("text,label\n");
    for i in 0..50_000 {
        writeln!(text, "all the same,{}", i % 2).unwrap();
    }
    for i in 0..20_000 {
        writeln!(text, "{LONG} and once more {LONG} {i},{}", i % 2).unwrap();
    }
    for i in 0..8 {
        writeln!(text, "{}{i},0", "abcdefghij".repeat(100_000)).unwrap();
    }
    let rows = table(&text, Task::Single);
    let part = [Part::new("train", &rows)];
    let report = data_report(&part);
    let within = &report.overlaps.pairs[0];
    assert_eq!(within.exact, 49_999);
    assert!(within.near > 69_000, "{}", within.near);
    let kept = dedupe(&part[0], None, None, Dedupe::Near).unwrap();
    assert_eq!(kept.dropped.contradicting, 50_000);
    assert!(kept.train.len() < 20, "{}", kept.train.len());
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
