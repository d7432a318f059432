//! Splits by group, domain and time, from tables as they are read.

use std::collections::HashSet;
use std::fmt::Write as _;

use filbert_data::{
    Error, ReadOptions, Split, SplitBy, Table, Task, hold_out_by, registered_domain, split_by,
};
use proptest::prelude::*;

fn table(text: &str, task: Task, keep: Option<&str>) -> Table {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, text).unwrap();
    let keep = keep.map(str::to_owned).into_iter().collect();
    Table::read(&path, &ReadOptions { need_label: true, task, keep, ..ReadOptions::default() }).unwrap()
}

fn split(table: &Table, spec: &str, by: &SplitBy) -> Result<Split, Error> {
    let split = split_by(table, spec.parse().unwrap(), by, 3)?;
    let mut rows = [&split.train[..], &split.valid, &split.test].concat();
    rows.sort_unstable();
    assert!(rows.into_iter().eq(0..table.len()), "disjoint and complete");
    assert_eq!(split_by(table, spec.parse().unwrap(), by, 3)?, split, "reproducible");
    Ok(split)
}

#[test]
fn names() {
    for name in ["stratified", "domain", "group:user id", "time:when"] {
        assert_eq!(name.parse::<SplitBy>().unwrap().to_string(), name);
    }
    for name in ["", "group", "group:", "random", "domain:x"] {
        assert!(matches!(name.parse::<SplitBy>(), Err(Error::SplitByName { .. })), "{name}");
    }
}

#[test]
fn domains_lie_in_one_part() {
    let mut text = String::from("url,label\n");
    for i in 0..600 {
        writeln!(text, "http://h{}.site{}.co.uk/{i},{}", i % 3, i % 97, usize::from(i % 4 == 0)).unwrap();
    }
    text.push_str("no url at all,0\n");
    let rows = table(&text, Task::Single, None);
    let split = split(&rows, "70/15/15", &SplitBy::Domain).unwrap();
    let domains = |part: &[usize]| -> HashSet<Option<String>> {
        part.iter().map(|&row| registered_domain(&rows.texts[row])).collect()
    };
    let (train, valid, test) = (domains(&split.train), domains(&split.valid), domains(&split.test));
    assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
    let sizes = (split.train.len(), split.valid.len(), split.test.len());
    assert!((415..=427).contains(&sizes.0) && (84..=97).contains(&sizes.1), "{sizes:?}");
    assert!(split.notes.iter().any(|note| note.contains("1 rows have no domain")), "{:?}", split.notes);
    let words = table("text,label\none two,a\nthree four,b\n", Task::Single, None);
    assert!(matches!(
        split_by(&words, "80/20".parse().unwrap(), &SplitBy::Domain, 0),
        Err(Error::NotUrls { .. })
    ));
}

#[test]
fn groups_that_are_too_few_or_too_large_are_said() {
    let by = SplitBy::Group("user".to_owned());
    let rows = table("text,label,user\na,x,u\nb,y,u\nc,x,v\n", Task::Single, Some("user"));
    let message = split(&rows, "70/15/15", &by).unwrap_err().to_string();
    assert!(message.contains("only 2 different groups in \"user\" for 3 parts"), "{message}");
    let split = split(&rows, "80/20", &by).unwrap();
    assert_eq!((split.train.len(), split.valid.len()), (2, 1));
    assert!(split.notes.iter().any(|note| note.contains("66.7 %, 33.3 %")), "{:?}", split.notes);
    assert!(split.notes.iter().any(|note| note == "1 class has no row in the validation part"));
    let unkept = table("text,label,user\na,x,u\nb,y,v\n", Task::Single, None);
    let missing = split_by(&unkept, "80/20".parse().unwrap(), &by, 0).unwrap_err().to_string();
    assert!(missing.contains("no column \"user\""), "{missing}");
}

#[test]
fn the_oldest_train_and_one_time_is_never_split() {
    struct Case {
        cells: &'static [&'static str],
        train: &'static [usize],
        valid: &'static [usize],
        test: &'static [usize],
        note: Option<&'static str>,
    }
    let cases = [
        Case { cells: &["10", "9", "100", "1"], train: &[1, 3], valid: &[0], test: &[2], note: None },
        Case {
            cells: &["2024-01-02", "2023-12-31T23:00:00-02:00", "2023-05", "2024-01-01"],
            train: &[2, 3],
            valid: &[1],
            test: &[0],
            note: None,
        },
        Case {
            cells: &["3", "3", "3", "2", "1"],
            train: &[4],
            valid: &[3],
            test: &[0, 1, 2],
            note: Some("20.0 %"),
        },
        Case {
            cells: &["2024-01-02", "next week", "2023", "2025-01-01"],
            train: &[0, 2],
            valid: &[3],
            test: &[1],
            note: Some("(line 3: \"next week\"); its rows were sorted as text"),
        },
    ];
    let by = SplitBy::Time("when".to_owned());
    for case in &cases {
        let mut text = String::from("text,label,when\n");
        for (i, cell) in case.cells.iter().enumerate() {
            writeln!(text, "t{i},x{},{cell}", i % 2).unwrap();
        }
        let rows = table(&text, Task::Single, Some("when"));
        let got = split(&rows, "50/25/25", &by).unwrap();
        assert_eq!(
            (got.train.as_slice(), got.valid.as_slice(), got.test.as_slice()),
            (case.train, case.valid, case.test),
            "{:?}",
            case.cells
        );
        if let Some(note) = case.note {
            assert!(got.notes.iter().any(|have| have.contains(note)), "{:?}", got.notes);
        }
    }
    let gap = table("text,label,when\na,x,1\nb,y,\n", Task::Single, Some("when"));
    let message = split(&gap, "80/20", &by).unwrap_err().to_string();
    assert!(message.contains("line 3, column \"when\": empty"), "{message}");
    let one = table("text,label,when\na,x,1\nb,y,1\nc,x,1.0\n", Task::Single, Some("when"));
    assert!(matches!(split(&one, "80/20", &by), Err(Error::TooFewGroups { groups: 1, .. })));
    let held = hold_out_by(
        &table("text,label,when\na,x,3\nb,y,1\nc,x,2\n", Task::Single, Some("when")),
        0.3,
        &by,
        0,
    );
    let held = held.unwrap();
    assert_eq!((held.train, held.valid), (vec![1, 2], vec![0]));
}

#[test]
fn several_labels_and_numbers_are_stratified() {
    let mut text = String::from("text,labels\n");
    for i in 0..1000 {
        let labels = if i % 50 == 0 { "common|rare" } else { ["common", "", "common|other"][i % 3] };
        writeln!(text, "t{i},{labels}").unwrap();
    }
    let rows = table(&text, Task::Multi { separator: None }, None);
    let got = split(&rows, "70/15/15", &SplitBy::Stratified).unwrap();
    let rare = got.train.iter().filter(|&&row| row % 50 == 0).count();
    assert_eq!((rare, got.train.len(), got.valid.len()), (14, 700, 150));
    assert!(got.notes.iter().any(|note| note.contains("rarest")), "{:?}", got.notes);

    let mut text = String::from("text,score\n");
    for i in 0..1000 {
        writeln!(text, "t{i},{}", (i * 37) % 1000).unwrap();
    }
    let rows = table(&text, Task::Regression, None);
    let got = split(&rows, "80/20", &SplitBy::Stratified).unwrap();
    let high = got.valid.iter().filter(|&&row| rows.numbers[row] >= 900.0).count();
    assert_eq!((got.valid.len(), high), (200, 20));
}

/// The old function and the new one give the same split: models trained before stay comparable.
#[test]
fn plain_classes_split_as_before() {
    let rows = table("text,label\na,x\nb,y\nc,x\nd,y\ne,x\nf,z\n", Task::Single, None);
    let classes = [0, 1, 0, 1, 0, 2];
    let spec = "50/25/25".parse().unwrap();
    assert_eq!(
        split_by(&rows, spec, &SplitBy::Stratified, 9).unwrap(),
        filbert_data::stratified(&classes, spec, 9)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn groups_lie_in_one_part(of in prop::collection::vec(0usize..12, 4..60), seed: u64) {
        let mut text = String::from("text,label,user\n");
        for (i, group) in of.iter().enumerate() {
            writeln!(text, "t{i},x{},u{group}", i % 2).unwrap();
        }
        let rows = table(&text, Task::Single, Some("user"));
        let by = SplitBy::Group("user".to_owned());
        match split_by(&rows, "60/20/20".parse().unwrap(), &by, seed) {
            Ok(split) => {
                let users = |part: &[usize]| part.iter().map(|&row| of[row]).collect::<HashSet<_>>();
                let (a, b, c) = (users(&split.train), users(&split.valid), users(&split.test));
                prop_assert!(a.is_disjoint(&b) && a.is_disjoint(&c) && b.is_disjoint(&c));
                prop_assert!(!a.is_empty() && !b.is_empty() && !c.is_empty());
                prop_assert_eq!(split.train.len() + split.valid.len() + split.test.len(), of.len());
            }
            Err(Error::TooFewGroups { groups, .. }) => {
                prop_assert_eq!(groups, of.iter().collect::<HashSet<_>>().len());
                prop_assert!(groups < 3);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
