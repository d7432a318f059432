//! Every verb end to end through the real binary.

use crate::common::Dir;

#[test]
fn train_learns_and_writes_a_whole_folder() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 120);
    let run = dir
        .filbert(&[
            "train", "--model", "tiny", "--data", "rows.csv", "--out", "m", "--epochs", "4", "--lr", "0.003",
        ])
        .expect(0);
    for part in ["accuracy", "AUC", "macro F1", "confusion", "model folder: m"] {
        assert!(run.stdout.contains(part), "{part} in {}", run.stdout);
    }
    for part in
        ["the positive label is \"low\"", "84 training, 18 validation and 18 test rows", "classifier.weight"]
    {
        assert!(run.stderr.contains(part), "{part} in {}", run.stderr);
    }
    for name in [
        "config.json",
        "model.safetensors",
        "filbert.json",
        "metrics.json",
        "vocab.txt",
        "tokenizer_config.json",
    ] {
        assert!(dir.path("m").join(name).exists(), "{name}");
    }
    let config: serde_json::Value = serde_json::from_str(&dir.read("m/config.json")).unwrap();
    assert_eq!(config["architectures"][0], "BertForSequenceClassification");
    assert_eq!(config["id2label"]["0"], "high");
    let metrics: serde_json::Value = serde_json::from_str(&dir.read("m/metrics.json")).unwrap();
    assert_eq!(metrics["rows"], serde_json::json!({"train": 84, "valid": 18, "test": 18}));
    assert!(metrics["test"]["accuracy"]["value"].as_f64().unwrap() > 0.9, "{metrics:#}");
    assert!(metrics["timing"]["train_seconds"].as_f64().unwrap() > 0.0);
    assert!(metrics["floor"]["test"]["accuracy"]["value"].as_f64().unwrap() > 0.9, "{metrics:#}");
    assert!(run.stdout.contains("the floor, a linear model"), "{}", run.stdout);
    let without =
        ["train", "--model", "tiny", "--data", "rows.csv", "--out", "n", "--epochs", "1", "--no-floor"];
    let without = dir.filbert(&without).expect(0);
    assert!(!without.stdout.contains("floor") && dir.read("n/metrics.json").contains("\"floor\": null"));
}

#[test]
fn train_gives_the_same_bits_on_any_number_of_threads() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 60);
    let weights = |threads: &str, seed: &str| {
        let out = format!("m-{threads}-{seed}");
        let arguments =
            ["train", "--model", "tiny", "--data", "rows.csv", "--out", &out, "--epochs", "2", "-q"];
        dir.filbert(&[&arguments[..], &["--threads", threads, "--seed", seed]].concat()).expect(0);
        std::fs::read(dir.path(&out).join("model.safetensors")).unwrap()
    };
    let one = weights("1", "0");
    assert!(one == weights("2", "0") && one == weights("4", "0"), "threads change nothing");
    assert!(one != weights("1", "1"), "the seed changes the weights");
}

#[test]
fn train_with_given_files_a_frozen_trunk_and_each_pooling() {
    let dir = Dir::new();
    dir.tiny_encoder();
    for name in ["train.csv", "valid.csv", "test.csv"] {
        dir.rows(name, 60);
    }
    for pooling in ["pooler", "cls", "mean"] {
        let run = dir
            .filbert(&[
                "train",
                "--model",
                "tiny",
                "--train",
                "train.csv",
                "--valid",
                "valid.csv",
                "--test",
                "test.csv",
                "--out",
                pooling,
                "--freeze",
                "trunk",
                "--pooling",
                pooling,
                "--json",
                "-q",
            ])
            .expect(0);
        assert_eq!(run.json()["rows"]["train"], 60);
        let filbert: serde_json::Value =
            serde_json::from_str(&dir.read(&format!("{pooling}/filbert.json"))).unwrap();
        assert_eq!(filbert["pooling"], pooling);
        assert_eq!(filbert["training"]["settings"]["freeze"], "trunk");
    }
    // The encoder of a frozen run is the one it started from.
    let inspect = |model: &str| dir.filbert(&["inspect", model, "--json"]).expect(0).json();
    assert_eq!(inspect("pooler")["has_head"], true);
    assert_eq!(inspect("tiny")["layers"], 2);
}

#[test]
fn validation_rows_are_cut_from_train_and_it_is_said() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("train.csv", 80);
    let run = dir
        .filbert(&["train", "--model", "tiny", "--train", "train.csv", "--out", "m", "--epochs", "1"])
        .expect(0);
    assert!(run.stderr.contains("12 of 80 training rows, stratified, were set aside"), "{}", run.stderr);
}

#[test]
fn eval_measures_and_writes_beside_the_model_only() {
    let dir = Dir::new();
    dir.classifier();
    dir.rows("more.csv", 40);
    let run = dir
        .filbert(&["eval", "--model", "model", "--data", "more.csv", "--out", "measured", "--json", "-q"])
        .expect(0);
    let json = run.json();
    assert_eq!(json["rows"], 40);
    for metric in ["accuracy", "auc", "macro_f1", "mcc", "log_loss"] {
        let e = &json["metrics"][metric];
        let (value, low, high) = (e["value"].as_f64().unwrap(), e["low"].as_f64(), e["high"].as_f64());
        assert!(low.is_none_or(|low| low <= value) && high.is_none_or(|high| value <= high), "{metric}: {e}");
    }
    assert!(dir.path("measured/metrics.json").exists());
    dir.filbert(&["eval", "--model", "model", "--data", "more.csv", "--out", "model"])
        .expect_error(1, &["is a model folder"]);
    let text = dir.filbert(&["eval", "--model", "model", "--data", "more.csv"]).expect(0);
    assert!(text.stdout.contains("accuracy") && text.stdout.contains("recall"), "{}", text.stdout);
}

#[test]
fn predict_texts_csv_json_lines_and_standard_input() {
    let dir = Dir::new();
    dir.classifier();
    let run = dir.filbert(&["predict", "--model", "model", "abc abc", "xyz xyz"]).expect(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("low") && lines[1].starts_with("high"), "{}", run.stdout);

    let json = dir.filbert(&["predict", "--model", "model", "abc abc", "--json"]).expect(0).json();
    let row = &json["predictions"][0];
    let sum: f64 = ["low", "high"].iter().map(|l| row["probabilities"][l].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-6 && row["label"] == "low", "{row}");

    // Columns are kept, a clash gets a prefix, formulas are defused.
    dir.write("in.csv", "text,label,note\nabc abc,7,=1+1\n\"xyz, xyz\",8,ok\n");
    dir.filbert(&["predict", "--model", "model", "--input", "in.csv", "--output", "out.csv", "-q"]).expect(0);
    let out = dir.read("out.csv");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "text,label,note,filbert_label,score,p_high,p_low");
    assert!(lines[1].starts_with("abc abc,7,'=1+1,low,0."), "{out}");
    assert!(lines[2].starts_with("\"xyz, xyz\",8,ok,high,0."), "{out}");
    assert_eq!(lines.len(), 3);

    dir.write(
        "in.jsonl",
        "{\"text\": \"abc abc\", \"n\": 1.5, \"label\": null}\n{\"text\": \"xyz\", \"new\": [1]}\n",
    );
    let run = dir.filbert(&["predict", "--model", "model", "--input", "in.jsonl", "-q"]).expect(0);
    let rows: Vec<serde_json::Value> = run.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!((rows[0]["n"].as_f64(), &rows[0]["filbert_label"]), (Some(1.5), &"low".into()));
    assert_eq!(rows[1]["new"], serde_json::json!([1]));

    let run = dir
        .filbert_with(&["predict", "--model", "model", "--input", "-", "-q"], "abc abc\nxyz xyz\n")
        .expect(0);
    assert_eq!(run.stdout.lines().count(), 3, "{}", run.stdout);
    assert!(run.stdout.lines().nth(2).unwrap().contains("high"), "{}", run.stdout);
}

#[test]
fn predictions_do_not_depend_on_the_other_rows() {
    let dir = Dir::new();
    dir.classifier();
    dir.rows("many.csv", 50);
    let all = dir
        .filbert(&["predict", "--model", "model", "--input", "many.csv", "--format", "jsonl", "-q"])
        .expect(0);
    for line in all.stdout.lines().step_by(7) {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let alone = dir
            .filbert(&["predict", "--model", "model", row["text"].as_str().unwrap(), "--json"])
            .expect(0)
            .json();
        assert_eq!(alone["predictions"][0]["probabilities"], row["probabilities"], "{row}");
    }
}

#[test]
fn inspect_shows_parts_labels_and_damage() {
    let dir = Dir::new();
    dir.classifier();
    let run = dir.filbert(&["inspect", "model", "--tensors"]).expect(0);
    for part in
        ["2 layers of width 21", "embeddings", "classifier", "high, low", "all as recorded", "[61, 21]"]
    {
        assert!(run.stdout.contains(part), "{part} in {}", run.stdout);
    }
    std::fs::write(dir.path("model/vocab.txt"), "other\n").unwrap();
    let run = dir.filbert(&["inspect", "model"]).expect(0);
    assert!(run.stdout.contains("WRONG"), "{}", run.stdout);
    dir.filbert(&["predict", "--model", "model", "abc"]).expect_error(1, &["vocab.txt", "sha256"]);
}

#[test]
fn pull_takes_an_archive_and_train_finds_it() {
    let dir = Dir::new();
    dir.tiny_encoder();
    let mut archive = tar::Builder::new(std::fs::File::create(dir.path("tiny.tar")).unwrap());
    archive.append_dir_all("package/model", dir.path("tiny")).unwrap();
    archive.finish().unwrap();
    let pulled = dir.filbert(&["pull", "tiny.tar", "--json", "-q"]);
    // A vocabulary without tokenizer.json is a checkpoint too.
    let pulled = pulled.expect(0).json();
    dir.rows("rows.csv", 40);
    let folder = pulled["folder"].as_str().unwrap();
    dir.filbert(&["train", "--model", folder, "--data", "rows.csv", "--out", "m", "--epochs", "1", "-q"])
        .expect(0);
    let list = dir.filbert(&["pull", "--list"]).expect(0);
    assert!(list.stdout.contains("minilm-l6"), "{}", list.stdout);
}

#[test]
fn bench_measures_rows_and_steps() {
    let dir = Dir::new();
    dir.classifier();
    let json = dir
        .filbert(&["bench", "--model", "model", "--data", "rows.csv", "--single", "5", "--json", "-q"])
        .expect(0)
        .json();
    assert_eq!(json["rows"], 120);
    for key in ["rows_per_s", "tokens_per_s", "single_p50_ms", "single_p99_ms"] {
        assert!(json[key].as_f64().unwrap() > 0.0, "{key}: {json}");
    }
    let shape =
        ["--layers", "1", "--width", "32", "--heads", "2", "--batch", "2", "--length", "5", "--repeats", "2"];
    let json = dir.filbert(&[&["bench", "--train-step", "--json"][..], &shape].concat()).expect(0).json();
    assert!(json["step_ms"].as_f64().unwrap() > 0.0 && json["forward_ms"].as_f64().unwrap() > 0.0, "{json}");
}

#[test]
fn completions_and_man_pages_come_from_the_same_definition() {
    let dir = Dir::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(dir.filbert(&["completions", shell]).expect(0).stdout.contains("batch-size"), "{shell}");
    }
    assert!(dir.filbert(&["man"]).expect(0).stdout.contains(".TH filbert"));
    dir.filbert(&["man", "--out", "man"]).expect(0);
    assert!(dir.path("man/filbert-train.1").exists());
}

#[test]
fn a_configuration_file_gives_flags_and_flags_win() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 40);
    dir.write("c.toml", "model = \"tiny\"\ndata = \"rows.csv\"\nepochs = 5\nseed = 3\nquiet = true\n");
    let json = dir
        .filbert(&["train", "--config", "c.toml", "--out", "m", "--epochs", "2", "--json"])
        .expect(0)
        .json();
    assert_eq!((json["seed"].as_u64(), json["epochs"].as_array().unwrap().len()), (Some(3), 2));
    dir.write("bad.toml", "epoch = 5\n");
    dir.filbert(&["train", "--config", "bad.toml", "--out", "m2"])
        .expect_error(2, &["\"epoch\"", "\"epochs\""]);
}
