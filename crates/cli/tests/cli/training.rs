//! Ways to train beside the plain one, each through the real binary: what is learnt, written, and said.

use std::fmt::Write as _;

use crate::common::Dir;

fn prepared() -> Dir {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 120);
    dir
}

/// `sets.csv`: an a in the text is the label `a`, a z the label `z`; both, one or none.
fn sets(dir: &Dir) {
    let mut text = String::from("text,labels\n");
    for i in 0..160 {
        let (a, z) = (i % 2 == 0, i % 3 == 0);
        let words = [if a { "a a" } else { "m" }, if z { "z z" } else { "n" }].join(" ");
        let labels: Vec<&str> = [a.then_some("a"), z.then_some("z")].into_iter().flatten().collect();
        writeln!(text, "{words} {},{}", ["k", "l"][i % 7 % 2], labels.join("|")).unwrap();
    }
    dir.write("sets.csv", &text);
}

const FAST: [&str; 7] = ["--model", "tiny", "--epochs", "12", "--lr", "0.004", "-q"];

fn train(dir: &Dir, more: &[&str]) -> crate::common::Run {
    let arguments: Vec<&str> = ["train"].into_iter().chain(FAST).chain(more.iter().copied()).collect();
    dir.filbert(&arguments)
}

#[test]
fn sets_of_labels_train_measure_and_predict() {
    let dir = prepared();
    sets(&dir);
    let run = train(
        &dir,
        &["--data", "sets.csv", "--task", "multi-label", "--select", "micro-f1", "--out", "m", "--json"],
    );
    let json = run.expect(0).json();
    assert!(json["test"]["micro_f1"]["value"].as_f64().unwrap() > 0.9, "{}", json["test"]);
    assert!(dir.read("m/config.json").contains("multi_label_classification"));
    let eval = dir.filbert(&["eval", "--model", "m", "--data", "sets.csv", "--json"]).expect(0).json();
    assert_eq!(eval["rows"], 160);
    assert!(eval["metrics"]["subset_accuracy"]["value"].as_f64().unwrap() > 0.9);
    dir.filbert(&["predict", "--model", "m", "--input", "sets.csv", "--output", "out.csv"]).expect(0);
    let out = dir.read("out.csv");
    assert!(out.starts_with("text,labels,filbert_labels,score,p_a,p_z\n"), "{out}");
    assert!(out.lines().any(|line| line.contains(",a|z,a|z,")), "{out}");
    dir.filbert(&["predict", "--model", "m", "--input", "sets.csv", "--output", "out.jsonl"]).expect(0);
    let row: serde_json::Value = serde_json::from_str(dir.read("out.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!(row["filbert_labels"], serde_json::json!(["a", "z"]));
    // The same rows as lists.
    dir.write(
        "sets.jsonl",
        "{\"text\": \"a a n\", \"labels\": [\"a\"]}\n{\"text\": \"m n\", \"labels\": []}\n",
    );
    dir.filbert(&["eval", "--model", "m", "--data", "sets.jsonl"]).expect(0);
    dir.write("other.csv", "text,labels\na,a|b\n");
    dir.filbert(&["eval", "--model", "m", "--data", "other.csv"]).expect_error(1, &["other.csv", "\"b\""]);
}

#[test]
fn numbers_train_measure_and_predict_in_their_own_units() {
    let dir = prepared();
    let mut text = String::from("text,price\n");
    for i in 0..160 {
        let (word, price) = [("a b", 900.0), ("m", 1_000.5), ("z z", 1_200.25)][i % 3];
        writeln!(text, "{word} {},{price}", ["k", "l", "n"][i % 5 % 3]).unwrap();
    }
    dir.write("prices.csv", &text);
    let run = train(
        &dir,
        &["--data", "prices.csv", "--task", "regression", "--label", "price", "--out", "m", "--json"],
    );
    let json = run.expect(0).json();
    assert!(json["test"]["rmse"]["value"].as_f64().unwrap() < 60.0, "{}", json["test"]);
    assert!(dir.read("m/config.json").contains("\"regression\""));
    let out = dir.filbert(&["predict", "--model", "m", "a b k", "z z k", "--json"]).expect(0).json();
    let value = |i: usize| out["predictions"][i]["value"].as_f64().unwrap();
    assert!((850.0..950.0).contains(&value(0)) && (1_100.0..1_300.0).contains(&value(1)), "{out}");
    dir.filbert(&["predict", "--model", "m", "--input", "prices.csv", "--output", "out.csv"]).expect(0);
    assert!(dir.read("out.csv").starts_with("text,price,value\n"));
    train(
        &dir,
        &["--data", "prices.csv", "--task", "regression", "--class-weights", "balanced", "--out", "n"],
    )
    .expect_error(2, &["--class-weights"]);
    train(&dir, &["--data", "rows.csv", "--task", "regression", "--out", "n"])
        .expect_error(1, &["rows.csv", "low"]);
}

#[test]
fn adapters_are_merged_and_kept_in_pefts_format() {
    let dir = prepared();
    let more = ["--data", "rows.csv", "--lora", "4", "--adapter-out", "adapter", "--out", "m", "--json"];
    let json = train(&dir, &more).expect(0).json();
    assert!(json["test"]["accuracy"]["value"].as_f64().unwrap() > 0.9, "{}", json["test"]);
    let config: serde_json::Value = serde_json::from_str(&dir.read("adapter/adapter_config.json")).unwrap();
    assert_eq!((&config["peft_type"], &config["r"]), (&serde_json::json!("LORA"), &serde_json::json!(4)));
    let names = dir.filbert(&["inspect", "m", "--tensors"]).expect(0).stdout;
    assert!(names.contains("query.weight") && !names.contains("lora_"), "{names}");
    let weights = std::fs::read(dir.path("adapter/adapter_model.safetensors")).unwrap();
    let header = String::from_utf8_lossy(&weights[8..]).into_owned();
    let name = "base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight";
    assert!(header.contains(name) && header.contains("base_model.model.classifier.weight"));
    train(&dir, &["--data", "rows.csv", "--lora", "4", "--freeze", "trunk", "--out", "n"])
        .expect_error(2, &["--freeze"]);
    train(&dir, &["--data", "rows.csv", "--lora", "4", "--lora-targets", "nothing", "--out", "n"])
        .expect_error(2, &["nothing", "bert.encoder"]);
    train(&dir, &["--data", "rows.csv", "--out", "adapter", "--force"])
        .expect_error(1, &["does not look like a model"]);
}

#[test]
fn long_texts_are_read_in_windows_everywhere() {
    let dir = prepared();
    let mut text = String::from("text,label\n");
    for i in 0..80 {
        // What decides stands behind what is read without windows.
        writeln!(text, "{} {},{}", "k ".repeat(12), if i % 2 == 0 { "a a" } else { "z z" }, i % 2).unwrap();
    }
    dir.write("long.csv", &text);
    let common = ["--data", "long.csv", "--max-length", "8", "--json"];
    let cut: Vec<&str> = common.iter().copied().chain(["--out", "cut"]).collect();
    let windows: Vec<&str> = common.iter().copied().chain(["--windows", "2:8", "--out", "windows"]).collect();
    let accuracy = |json: &serde_json::Value| json["test"]["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy(&train(&dir, &cut).expect(0).json()) < 0.8);
    assert!(accuracy(&train(&dir, &windows).expect(0).json()) > 0.9);
    let eval = dir.filbert(&["eval", "--model", "windows", "--data", "long.csv", "--json"]).expect(0).json();
    assert!(eval["metrics"]["accuracy"]["value"].as_f64().unwrap() > 0.9);
    assert_eq!(eval["truncated_rows"], 0);
    train(&dir, &["--data", "long.csv", "--max-length", "8", "--windows", "6", "--out", "n"])
        .expect_error(2, &["overlap"]);
}

#[test]
fn seeds_report_their_spread_and_keep_the_model_of_one() {
    let dir = prepared();
    dir.rows("valid.csv", 40);
    let files = ["--train", "rows.csv", "--valid", "valid.csv", "--test", "valid.csv", "--precision", "f32"];
    let with = |more: &[&str]| train(&dir, &files.iter().chain(more).copied().collect::<Vec<_>>()).expect(0);
    let run = with(&["--seeds", "3", "--seed", "5", "--out", "m"]);
    assert!(run.stdout.contains("3 seeds, mean and standard deviation"), "{}", run.stdout);
    let metrics: serde_json::Value = serde_json::from_str(&dir.read("m/metrics.json")).unwrap();
    let seeds: Vec<u64> =
        metrics["seeds"].as_array().unwrap().iter().map(|s| s["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [5, 6, 7]);
    let kept = metrics["seed"].as_u64().unwrap().to_string();
    with(&["--seed", &kept, "--out", "alone"]);
    let weights = |model: &str| std::fs::read(dir.path(model).join("model.safetensors")).unwrap();
    assert!(weights("m") == weights("alone"), "the model is that of seed {kept} alone");
    assert!(!dir.path("m.checkpoint").exists());
}

#[test]
fn losses_and_choices_are_taken_or_refused() {
    let dir = prepared();
    let base = ["--data", "rows.csv", "--no-floor"];
    let with = |more: &[&str]| train(&dir, &base.iter().chain(more).copied().collect::<Vec<_>>());
    for (i, more) in [
        vec!["--class-weights", "balanced", "--label-smoothing", "0.1"],
        vec!["--class-weights", "low=3", "--focal", "2"],
        vec!["--layer-decay", "0.8", "--head-lr", "0.01", "--patience", "2", "--select", "auc"],
        vec!["--freeze", "names:*.layer.0.*,*embeddings*", "--select", "macro-f1"],
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("m{i}");
        let more: Vec<&str> = more.into_iter().chain(["--out", &out, "--json"]).collect();
        let json = with(&more).expect(0).json();
        assert!(json["valid"]["accuracy"]["value"].as_f64().unwrap() > 0.8, "{more:?}: {}", json["valid"]);
    }
    for (more, parts) in [
        (vec!["--class-weights", "middle=2"], vec!["middle", "high"]),
        (vec!["--class-weights", "low=-1"], vec!["--class-weights"]),
        (vec!["--focal", "2", "--label-smoothing", "0.1"], vec!["focal"]),
        (vec!["--label-smoothing", "1"], vec!["smoothing"]),
        (vec!["--layer-decay", "0"], vec!["--layer-decay"]),
        (vec!["--head-lr", "0"], vec!["--head-lr"]),
        (vec!["--freeze", "names:*.layer.9.*"], vec!["layer.9", "bert."]),
        (vec!["--freeze", "names:*"], vec!["nothing is left to train"]),
        (vec!["--lora", "9999"], vec!["--lora"]),
    ] {
        let run = with(&more.iter().copied().chain(["--out", "n"]).collect::<Vec<_>>());
        assert_eq!(run.code, 2, "{more:?}: {}", run.stderr);
        for part in parts {
            assert!(run.stderr.contains(part), "{more:?}: no {part} in {}", run.stderr);
        }
    }
    let run = with(&["--select", "test", "--out", "n"]);
    assert!(run.code == 2 && run.stderr.contains("validation rows"), "{}", run.stderr);
}

#[test]
fn rows_that_occur_twice_are_told_and_left_out() {
    let dir = prepared();
    let mut train_rows = String::from("text,label,site\n");
    let mut test_rows = String::from("text,label,site\n");
    for i in 0..60 {
        let label = if i % 2 == 0 { "low" } else { "high" };
        let word = if i % 2 == 0 { "a b c" } else { "x y z" };
        writeln!(train_rows, "{word} {} k{i} m{},{label},s{}", i * 7, i * 13, i % 6).unwrap();
        if i % 10 == 0 {
            writeln!(test_rows, "{word}  {} K{i} m{},{label},s{}", i * 7, i * 13, i % 6).unwrap();
        } else if i < 30 {
            writeln!(test_rows, "{word} {} n{i} p{},{label},s{}", i * 11, i * 17, i % 6).unwrap();
        }
    }
    dir.write("train.csv", &train_rows);
    dir.write("test.csv", &test_rows);
    let files = [
        "train",
        "--model",
        "tiny",
        "--train",
        "train.csv",
        "--test",
        "test.csv",
        "--epochs",
        "1",
        "--no-floor",
    ];
    let told = dir.filbert(&files.iter().copied().chain(["--out", "m"]).collect::<Vec<_>>()).expect(0).stderr;
    assert!(told.contains("are also in the training rows"), "{told}");
    let run = dir
        .filbert(&files.iter().copied().chain(["--out", "n", "--dedupe", "canonical"]).collect::<Vec<_>>());
    let told = run.expect(0).stderr;
    assert!(told.contains("left out (canonical): "), "{told}");
    let metrics: serde_json::Value = serde_json::from_str(&dir.read("n/metrics.json")).unwrap();
    assert!(metrics["data"]["dropped"]["train_in_test"].as_u64().unwrap() > 0, "{}", metrics["data"]);
    let pairs = metrics["data"]["overlaps"]["pairs"].as_array().unwrap();
    assert!(pairs.iter().filter(|p| p["from"] != p["to"]).all(|p| p["canonical"] == 0), "{pairs:?}");
    let grouped =
        ["train", "--model", "tiny", "--data", "train.csv", "--split-by", "group:site", "--epochs", "1"];
    let told =
        dir.filbert(&grouped.iter().copied().chain(["--out", "g"]).collect::<Vec<_>>()).expect(0).stderr;
    assert!(told.contains("training"), "{told}");
    let none =
        ["train", "--model", "tiny", "--data", "train.csv", "--split-by", "group:nothing", "--out", "h"];
    dir.filbert(&none).expect_error(1, &["nothing", "site"]);
}

#[test]
fn thresholds_and_temperature_are_kept_and_honoured() {
    let dir = prepared();
    let common = ["--data", "rows.csv", "--positive", "low"];
    let with = |more: &[&str]| train(&dir, &common.iter().chain(more).copied().collect::<Vec<_>>());
    with(&["--out", "m", "--target", "recall=0.9", "--unsure", "0.2..0.9", "--epochs", "2"]).expect(0);
    let settings: serde_json::Value = serde_json::from_str(&dir.read("m/filbert.json")).unwrap();
    let threshold = settings["thresholds"]["low"].as_f64().unwrap();
    assert!(
        settings["temperature"].as_f64().unwrap() > 0.0 && (0.0..=1.0).contains(&threshold),
        "{settings}"
    );
    dir.filbert(&["predict", "--model", "m", "--input", "rows.csv", "--output", "out.jsonl"]).expect(0);
    let mut seen = (false, false);
    for line in dir.read("out.jsonl").lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let p = row["probabilities"]["low"].as_f64().unwrap();
        let is_low = row["filbert_label"] == "low";
        assert_eq!(is_low, p as f32 >= threshold as f32, "{row}");
        assert_eq!(row["unsure"].as_bool().unwrap(), (0.2f32..0.9).contains(&(p as f32)), "{row}");
        seen = (seen.0 || is_low, seen.1 || !is_low);
    }
    assert_eq!(seen, (true, true));
    let eval = dir.filbert(&["eval", "--model", "m", "--data", "rows.csv", "--json"]).expect(0).json();
    assert!(eval["decided"]["rows"].as_u64().unwrap() < 120, "{eval}");
    // Whoever changes the file by hand is told, and then what does not fit.
    dir.write("m/filbert.json", &dir.read("m/filbert.json").replace("\"low\": 0.", "\"middle\": 0."));
    dir.filbert(&["predict", "--model", "m", "abc"]).expect_error(1, &["filbert.json", "middle"]);
    with(&["--out", "n", "--target", "fpr=0.001"]).expect_error(1, &["10000", "negative"]);
    let run = with(&["--out", "n", "--target", "fpr=2"]);
    assert!(run.code == 2 && run.stderr.contains("--target"), "{}", run.stderr);
    let plain = with(&["--out", "p", "--no-calibration"]).expect(0);
    assert!(dir.read("p/filbert.json").contains("\"temperature\": 1.0"), "{}", plain.stderr);
}

#[test]
fn two_models_are_compared_on_the_same_rows() {
    let dir = prepared();
    train(&dir, &["--data", "rows.csv", "--out", "good"]).expect(0);
    let poor = [
        "train", "--model", "tiny", "--data", "rows.csv", "--epochs", "1", "--lr", "0", "--out", "poor", "-q",
    ];
    dir.filbert(&poor).expect(0);
    let both = ["eval", "--model", "poor", "--model", "good", "--data", "rows.csv"];
    let text = dir.filbert(&both).expect(0).stdout;
    assert!(text.contains("McNemar") && text.contains("second is"), "{text}");
    let json = dir.filbert(&both.iter().copied().chain(["--json"]).collect::<Vec<_>>()).expect(0).json();
    let c = &json["comparison"];
    assert!(
        c["mcnemar_p"].as_f64().unwrap() < 0.001 && c["accuracy_difference"]["low"].as_f64().unwrap() > 0.0,
        "{c}"
    );
    assert_eq!(json["models"][1]["model"], "good");
    let same = ["eval", "--model", "good", "--model", "good", "--data", "rows.csv"];
    let text = dir.filbert(&same).expect(0).stdout;
    assert!(text.contains("no difference"), "{text}");
    sets(&dir);
    train(&dir, &["--data", "sets.csv", "--task", "multi-label", "--out", "sets", "--epochs", "1"]).expect(0);
    dir.filbert(&["eval", "--model", "good", "--model", "good", "--model", "good", "--data", "rows.csv"])
        .expect_error(2, &["twice"]);
}
