//! `filbert data`: what it counts, writes and refuses, from real files.

use std::fmt::Write as _;

use serde_json::json;

use crate::common::Dir;

#[test]
fn overlaps_are_counted_and_removed() {
    let dir = Dir::new();
    dir.write(
        "train.csv",
        "id,text,label\n1,Same text,a\n2,SAME  text,a\n3,only here,b\n4,Only here,a\n5,a word,b\n",
    );
    dir.write("test.csv", "text,label\nSame text,a\nsomething else,b\n");
    let arguments = ["data", "--train", "train.csv", "--test", "test.csv"];
    let run = dir
        .filbert(&[&arguments[..], &["--json", "--dedupe", "canonical", "--out", "clean"]].concat())
        .expect(0);
    let json = run.json();
    let across = json["overlaps"]["pairs"].as_array().unwrap().iter().find(|p| p["from"] != p["to"]).unwrap();
    assert_eq!(
        (&across["from"], &across["exact"], &across["canonical"]),
        (&json!("train"), &json!(1), &json!(1))
    );
    assert_eq!(json["dedupe"]["dropped"]["train_in_test"], 2);
    assert_eq!(json["dedupe"]["dropped"]["contradicting"], 2);
    assert_eq!(json["dedupe"]["left"], json!({"train": 1, "test": 2}));
    assert_eq!(dir.read("clean/train.csv"), "id,text,label\n5,a word,b\n");
    assert_eq!(dir.read("clean/test.csv"), "text,label\nSame text,a\nsomething else,b\n");
    assert_eq!(std::fs::read_dir(dir.path("clean")).unwrap().count(), 2, "nothing else stays behind");

    let text = dir.filbert(&[&arguments[..], &["-q"]].concat()).expect(0).stdout;
    for piece in ["of test in train", "earlier in train", "train line 2 [a]: Same text", "rows worth a look"]
    {
        assert!(text.contains(piece), "no {piece:?} in: {text}");
    }
    dir.filbert(&[&arguments[..], &["--out", "clean"]].concat()).expect_error(1, &["train.csv", "--force"]);
    dir.filbert(&[&arguments[..], &["--out", "clean", "--force"]].concat()).expect(0);
    assert!(dir.read("clean/train.csv").lines().count() == 6);
}

#[test]
fn data_is_split_and_written() {
    let dir = Dir::new();
    let mut text = String::from("url,label,user,when\n");
    for i in 0..300 {
        writeln!(text, "http://h.site{}.com/{i},{},u{},2024-01-{:02}", i % 40, i % 2, i % 30, 1 + i % 28)
            .unwrap();
    }
    dir.write("in/train.csv", &text);
    for (how, extra) in
        [("domain", None), ("group:user", None), ("time:when", None), ("stratified", Some("80/20"))]
    {
        let mut arguments =
            vec!["data", "--data", "in/train.csv", "--split-by", how, "--out", "in", "--force", "-q"];
        arguments.extend(extra.into_iter().flat_map(|spec| ["--split", spec]));
        // The source is one of the files that are replaced: it is read to its end first.
        dir.write("in/train.csv", &text);
        for name in ["valid", "test"] {
            let _ = std::fs::remove_file(dir.path(&format!("in/{name}.csv")));
        }
        dir.filbert(&arguments).expect(0);
        let mut rows: Vec<String> = Vec::new();
        for name in ["train", "valid", "test"] {
            if name != "test" || extra.is_none() {
                rows.extend(dir.read(&format!("in/{name}.csv")).lines().skip(1).map(str::to_owned));
            }
        }
        let mut want: Vec<String> = text.lines().skip(1).map(str::to_owned).collect();
        rows.sort_unstable();
        want.sort_unstable();
        assert_eq!(rows, want, "{how}");
    }
    dir.write("in/train.csv", &text);
    let json =
        dir.filbert(&["data", "--data", "in/train.csv", "--split-by", "domain", "--json"]).expect(0).json();
    for pair in json["overlaps"]["pairs"].as_array().unwrap().iter().filter(|p| p["from"] != p["to"]) {
        assert_eq!(pair["domain"], 0, "{pair}");
    }
    let whole = dir.filbert(&["data", "--data", "in/train.csv", "--json"]).expect(0).json();
    assert_eq!(whole["parts"][0]["name"], "data");
    assert_eq!(whole["parts"][0]["rows"], 300);
}

#[test]
fn several_labels_numbers_and_none() {
    let dir = Dir::new();
    dir.write(
        "multi.jsonl",
        "{\"text\":\"a b\",\"labels\":[\"x\",\"y\"]}\n{\"text\":\"c d\",\"labels\":[]}\n",
    );
    let json =
        dir.filbert(&["data", "--data", "multi.jsonl", "--task", "multi-label", "--json"]).expect(0).json();
    assert_eq!(json["parts"][0]["unlabelled"], 1);
    assert_eq!(json["parts"][0]["classes"][1], json!({"label": "y", "rows": 1, "share": 0.5}));
    dir.filbert(&["data", "--data", "multi.jsonl"]).expect_error(1, &["line 1", "--task multi-label"]);
    dir.write("numbers.csv", "text,score\na b,0.5\nc d,1.5\n");
    let arguments = ["data", "--data", "numbers.csv", "--label", "score"];
    dir.filbert(&arguments).expect_error(1, &["line 2", "--task regression"]);
    let run = dir.filbert(&[&arguments[..], &["--task", "regression"]].concat()).expect(0);
    assert!(run.stdout.contains("numbers from 0.5 to 1.5"), "{}", run.stdout);
    dir.write("plain.csv", "text\na b\nc d\n");
    let run = dir.filbert(&["data", "--data", "plain.csv"]).expect(0);
    assert!(run.stderr.contains("without labels"), "{}", run.stderr);
}

#[test]
fn rows_cut_by_a_model_are_counted() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.write("rows.csv", &format!("text,label\n{},x\nabc,y\n", "a b c ".repeat(20)));
    let arguments = ["data", "--data", "rows.csv", "--model", "tiny", "--max-length", "10"];
    let run = dir.filbert(&[&arguments[..], &["--json"]].concat()).expect(0);
    assert_eq!(run.json()["cut"], json!({"max_length": 10, "rows": {"data": 1}}));
    let run = dir.filbert(&arguments).expect(0);
    assert!(
        run.stdout.contains("longer than 10 tokens") && run.stdout.contains("1 of 2 data rows"),
        "{}",
        run.stdout
    );
}

#[test]
fn hostile_rows_reach_no_terminal() {
    let dir = Dir::new();
    dir.write(
        "rows.csv",
        "text,label\n\u{1b}[31mred\u{7},\u{1b}]0;title\u{7}\npay\u{200b}pal\u{202e},x\np\u{430}ypal,x\n=cmd(),x\n",
    );
    let run = dir.filbert(&["data", "--data", "rows.csv", "--out", "out"]).expect(0);
    for text in [&run.stdout, &run.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{200b}']), "{text:?}");
    }
    for piece in
        ["1 rows with invisible characters", "1 rows with words of mixed scripts", "pay\\u{200b}pal\\u{202e}"]
    {
        assert!(run.stdout.contains(piece), "no {piece:?} in {}", run.stdout);
    }
    // What is written is the data itself.
    assert!(dir.read("out/data.csv").contains("\n=cmd(),x\n"));
    assert!(dir.read("out/data.csv").contains("pay\u{200b}pal"));
}

#[test]
fn what_cannot_be_done_is_said() {
    let dir = Dir::new();
    dir.write("rows.csv", "text,label,when\nsome words,a,1\nother words,b,1\n");
    for arguments in [
        &["data"][..],
        &["data", "--data", "rows.csv", "--split", "50/60"],
        &["data", "--data", "rows.csv", "--split-by", "colour"],
        &["data", "--data", "rows.csv", "--task", "multi"],
        &["data", "--data", "rows.csv", "--dedupe", "all"],
        &["data", "--data", "rows.csv", "--test", "rows.csv"],
        &["data", "--test", "rows.csv"],
    ] {
        let run = dir.filbert(arguments).expect(2);
        assert!(!run.stderr.contains("panicked"), "{arguments:?}: {}", run.stderr);
    }
    let data = ["data", "--data", "rows.csv"];
    let with = |more: &[&str]| dir.filbert(&[&data[..], more].concat());
    with(&["--split-by", "group:user"]).expect_error(1, &["no column \"user\"", "\"when\""]);
    with(&["--split-by", "time:when"]).expect_error(1, &["only 1 different times"]);
    with(&["--split-by", "domain"]).expect_error(1, &["no domains to go by"]);
    with(&["--dedupe", "domain"]).expect_error(1, &["no domains to go by"]);
    dir.filbert(&["data", "--train", "rows.csv", "--test", "rows.csv", "--dedupe", "exact", "--out", "out"])
        .expect_error(1, &["no train rows are left"]);
    assert!(!dir.path("out").exists());
}
