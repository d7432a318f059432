//! Label columns with several labels or numbers, and columns kept beside the text, from real small files.

use std::path::PathBuf;

use filbert_data::{Error, LabelMap, ReadOptions, Table, Task};

const MULTI: Task = Task::Multi { separator: None };

fn read(task: Task, name: &str, text: &str, keep: &[&str]) -> Result<Table, Error> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let keep = keep.iter().map(|&name| name.to_owned()).collect();
    Table::read(&path, &ReadOptions { need_label: true, task, keep, ..ReadOptions::default() })
}

#[test]
fn sets_are_read_from_lists_and_strings() {
    let json =
        "{\"text\":\"a\",\"labels\":[\"x\",\"y\",\"x\"]}\n{\"text\":\"b\",\"labels\":[]}\n{\"text\":\"c\"}\n";
    let table = read(MULTI, "a.jsonl", json, &[]).unwrap();
    assert_eq!(table.label_sets, [vec!["x", "y"], vec![], vec![]]);
    assert!(table.labels.is_empty() && table.numbers.is_empty());
    let notes = table.notes.join("\n");
    assert!(notes.contains("2 of 3 rows have no label") && notes.contains("1 labels stood twice"), "{notes}");

    let table = read(MULTI, "a.csv", "text,tags\na,y|x\nb,\nc,\"[\"\"z\"\"]\"\n", &[]).unwrap();
    assert_eq!(table.label_column.as_deref(), Some("tags"));
    let map = LabelMap::of_sets(&table.label_sets).unwrap();
    assert_eq!(map.encode_sets(&table).unwrap(), [vec![0, 1], vec![], vec![2]]);
    assert_eq!(table.subset(&[2, 1]).label_sets, [vec!["z".to_owned()], vec![]]);

    let known = LabelMap::from_names(vec!["x".to_owned(), "y".to_owned()]).unwrap();
    let message = known.encode_sets(&table).unwrap_err().to_string();
    assert!(message.contains("line 4: unknown label \"z\""), "{message}");
    assert!(matches!(known.encode(&table), Err(Error::InFile { .. })), "no single labels");
}

#[test]
fn a_list_is_found_by_its_content() {
    let json =
        "{\"what\":\"some words here\",\"n\":1,\"v\":[\"x\"]}\n{\"what\":\"other words\",\"n\":2,\"v\":[]}\n";
    let table = read(MULTI, "a.jsonl", json, &[]).unwrap();
    assert_eq!(
        (table.text_columns.as_slice(), table.label_column.as_deref()),
        (&["what".to_owned()][..], Some("v"))
    );
}

#[test]
fn numbers_are_read_or_refused() {
    let table = read(Task::Regression, "a.csv", "text,score\na,1\nb,-0.5\nc,1e3\n", &[]).unwrap();
    assert_eq!(table.numbers, [1.0, -0.5, 1000.0]);
    assert_eq!(table.subset(&[1]).numbers, [-0.5]);
    let table = read(Task::Regression, "a.csv", "words,v\nsome words,1\nother words,2.5\n", &[]).unwrap();
    assert_eq!(table.label_column.as_deref(), Some("v"));
    let same = read(Task::Regression, "a.csv", "text,score\na,1\nb,1.0\n", &[]).unwrap();
    assert!(same.notes.iter().any(|note| note.contains("every row has the number 1")), "{:?}", same.notes);
    for (cell, piece) in [
        ("good", "line 3, column \"score\": \"good\" is not a finite number"),
        ("nan", "\"nan\" is not a finite number"),
        ("1e39", "\"1e39\" is not a finite number"),
        (" ", "the label is empty"),
    ] {
        let refused = read(Task::Regression, "a.csv", &format!("text,score\na,1\nb,{cell}\n"), &[]);
        let message = refused.unwrap_err().to_string();
        assert!(message.contains(piece) && message.contains("a.csv"), "{message}");
    }
}

#[test]
fn columns_are_kept_in_the_order_asked_for() {
    let text = "user,text,label,when\nu1,a,x,2020\nu2,b,y,\n";
    let table = read(Task::Single, "a.csv", text, &["when", "user", "text"]).unwrap();
    assert_eq!(
        table.kept.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["when", "user", "text"]
    );
    assert_eq!(table.kept_column("user").unwrap(), ["u1", "u2"]);
    assert_eq!(table.kept_column("when").unwrap(), ["2020", ""]);
    assert_eq!(table.kept_column("text").unwrap(), ["a", "b"]);
    assert_eq!(table.subset(&[1]).kept_column("user").unwrap(), ["u2"]);
    let missing = read(Task::Single, "a.csv", text, &["usr"]).unwrap_err().to_string();
    assert!(
        missing.contains("no column \"usr\" (did you mean \"user\"?)") && missing.contains("a.csv"),
        "{missing}"
    );
}

#[test]
fn hostile_sets_are_refused_with_their_place() {
    let many: Vec<String> = (0..2000).map(|i| i.to_string()).collect();
    let cases = [
        (format!("text,labels\na,{}\n", many.join("|")), "more than 1000 labels in one row"),
        ("text,labels\na,\"['x', 'y']\"\n".to_owned(), "looks like a list but is not JSON"),
        (format!("text,labels\na,x|{}\n", "y".repeat(300)), "a label of more than 256 characters"),
    ];
    for (text, piece) in cases {
        let message = read(MULTI, "a.csv", &text, &[]).unwrap_err().to_string();
        assert!(message.contains(piece) && message.contains("line 2"), "{message}");
    }
    let nested =
        read(MULTI, "a.jsonl", "{\"text\":\"a\",\"labels\":[[\"x\"]]}\n", &[]).unwrap_err().to_string();
    assert!(nested.contains("line 1"), "{nested}");
}
