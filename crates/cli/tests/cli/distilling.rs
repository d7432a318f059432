//! `distill` through the real binary: students of every kind, with their control and their teacher beside them.

use std::fmt::Write as _;

use serde_json::Value;

use crate::common::{Dir, Run};

/// A trained teacher of two layers in `model`, rows, and texts without labels.
fn prepared() -> Dir {
    let dir = Dir::new();
    dir.classifier();
    let words =
        |i: usize| -> String { (0..3).map(|j| char::from(b'a' + ((i * 7 + j * 5) % 26) as u8)).collect() };
    let texts: Vec<String> = (0..40).map(|i| format!("{} {}", words(i), words(i + 3))).collect();
    dir.write("more.txt", &texts.join("\n"));
    dir
}

fn distill(dir: &Dir, more: &[&str]) -> Run {
    let common = [
        "distill",
        "--teacher",
        "model",
        "--data",
        "rows.csv",
        "--epochs",
        "3",
        "--lr",
        "0.003",
        "--precision",
        "f32",
    ];
    dir.filbert(&common.iter().chain(more).copied().collect::<Vec<_>>())
}

fn metrics(dir: &Dir, model: &str) -> Value {
    serde_json::from_str(&dir.read(&format!("{model}/metrics.json"))).unwrap()
}

fn weights(dir: &Dir, model: &str) -> Vec<u8> {
    std::fs::read(dir.path(model).join("model.safetensors")).unwrap()
}

/// A configuration of another width with the teacher's vocabulary.
fn narrow(dir: &Dir, vocabulary: usize) {
    let text = dir.read("tiny/config.json");
    let mut json: Value = serde_json::from_str(&text).unwrap();
    for (key, value) in
        [("hidden_size", 12), ("num_attention_heads", 2), ("intermediate_size", 20), ("num_hidden_layers", 1)]
    {
        json[key] = value.into();
    }
    json["vocab_size"] = vocabulary.into();
    dir.write("narrow.json", &json.to_string());
}

#[test]
fn a_student_of_some_layers_has_its_control_and_teacher_beside_it() {
    let dir = prepared();
    let run =
        distill(&dir, &["--student", "layers=1", "--unlabelled", "more.txt", "--out", "student"]).expect(0);
    for part in ["student beside control: ", "student beside teacher: ", "  control   accuracy"] {
        assert!(run.stdout.contains(part), "no {part:?} in {}", run.stdout);
    }
    assert!(
        run.stderr.contains("40 rows without labels") && run.stderr.contains("fewer updates"),
        "{}",
        run.stderr
    );
    let json = metrics(&dir, "student");
    let d = &json["distillation"];
    assert_eq!((&d["split"], &d["unlabelled_rows"]), (&"test".into(), &40.into()));
    assert_eq!((&d["size"]["layers"], &d["teacher"]["size"]["layers"]), (&1.into(), &2.into()));
    for figures in [&json["test"], &d["control"]["test"], &d["teacher"]["test"]] {
        assert!(figures["accuracy"]["low"].as_f64().is_some(), "{figures}");
    }
    assert!(json["test"]["accuracy"]["value"].as_f64().unwrap() > 0.9, "{}", json["test"]);
    assert!(d["against_control"]["accuracy_difference"]["low"].is_number(), "{d}");
    assert!(d["against_teacher"]["mcnemar_p"].is_number() && d["teacher_verdict"].is_string(), "{d}");
    let notes = json["notes"].as_array().unwrap();
    assert!(notes.iter().any(|n| n.as_str().unwrap().contains("labelled rows alone")), "{notes:?}");
    // It is an ordinary model: it has one layer, answers, and says how it came about.
    let tensors = dir.filbert(&["inspect", "student", "--tensors"]).expect(0).stdout;
    assert!(tensors.contains("encoder.layer.0.") && !tensors.contains("encoder.layer.1."), "{tensors}");
    dir.filbert(&["predict", "--model", "student", "abc abc"]).expect(0);
    let recorded: Value = serde_json::from_str(&dir.read("student/filbert.json")).unwrap();
    assert_eq!(recorded["training"]["distillation"]["teacher"], "model", "{}", recorded["training"]);
    assert_eq!(recorded["training"]["distillation"]["unlabelled"]["rows"], 40);
    let page = dir.read("student/report.html");
    assert!(page.contains("the same student without the teacher") && page.contains("the teacher"));
}

#[test]
fn a_list_of_layers_without_a_control_gives_the_same_bits_on_any_threads() {
    let dir = prepared();
    let common = ["--student", "layers=0,1", "--hidden", "1", "--attention", "1", "--no-control", "-q"];
    for (threads, out) in [("1", "one"), ("2", "two")] {
        let more = ["--threads", threads, "--out", out];
        distill(&dir, &common.iter().chain(&more).copied().collect::<Vec<_>>()).expect(0);
    }
    assert!(weights(&dir, "one") == weights(&dir, "two"));
    let json = metrics(&dir, "one");
    assert!(json["distillation"]["control"].is_null() && json["distillation"]["against_teacher"].is_object());
    let single = distill(&dir, &["--student", "layers=0,", "--no-control", "--out", "three"]).expect(0);
    assert!(single.stdout.contains("without a control"), "{}", single.stdout);
    assert_eq!(metrics(&dir, "three")["distillation"]["student"], "layers 0 of model");
}

#[test]
fn the_control_is_the_student_without_its_teacher() {
    let dir = prepared();
    distill(&dir, &["--student", "layers=1", "--out", "m", "--seeds", "2", "--temperature", "4", "-q"])
        .expect(0);
    distill(&dir, &["--student", "layers=1", "--out", "n", "--seeds", "2", "--alpha", "0.9", "-q"]).expect(0);
    let (m, n) = (metrics(&dir, "m"), metrics(&dir, "n"));
    let control = |json: &Value| {
        let control = &json["distillation"]["control"];
        (control["test"].clone(), control["seeds"].clone(), control["epochs"].clone())
    };
    assert_eq!(control(&m), control(&n), "no setting of the teaching reaches the control");
    assert!(m["epochs"] != n["epochs"] && m["epochs"] != m["distillation"]["control"]["epochs"]);
    assert_eq!(m["distillation"]["control"]["seeds"].as_array().unwrap().len(), 2);
    let spreads = &m["distillation"]["over_seeds"]["accuracy"];
    assert!(
        spreads["student"]["mean"].is_number() && spreads["control"]["deviation"].is_number(),
        "{spreads}"
    );
    let run =
        distill(&dir, &["--student", "layers=1", "--out", "o", "--seeds", "2", "--epochs", "1"]).expect(0);
    assert!(run.stdout.contains("over 2 seeds"), "{}", run.stdout);
}

#[test]
fn a_configuration_is_taught_through_projections() {
    let dir = prepared();
    narrow(&dir, 61);
    let run = distill(
        &dir,
        &[
            "--student",
            "narrow.json",
            "--hidden",
            "1",
            "--attention",
            "0.5",
            "--relation-heads",
            "3",
            "--out",
            "m",
            "--json",
        ],
    );
    let json = run.expect(0).json();
    assert_eq!(json["distillation"]["size"]["width"], 12);
    let tensors = dir.filbert(&["inspect", "m", "--tensors"]).expect(0).stdout;
    assert!(tensors.contains("classifier.weight") && !tensors.contains("distillation"), "{tensors}");
    // Another checkpoint, and with it one that has been distilled.
    for (student, out) in [("tiny", "n"), ("m", "o")] {
        distill(&dir, &["--student", student, "--out", out, "--no-control", "--epochs", "1", "-q"]).expect(0);
    }
    narrow(&dir, 62);
    distill(&dir, &["--student", "narrow.json", "--out", "p"])
        .expect_error(1, &["narrow.json", "vocab_size is 62", "set it to 61"]);
    let heads = ["--student", "layers=1", "--attention", "1", "--relation-heads", "2", "--out", "p"];
    distill(&dir, &heads).expect_error(2, &["relation heads", "21 and 21"]);
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let dir = prepared();
    narrow(&dir, 61);
    let settings = [
        "--student",
        "narrow.json",
        "--hidden",
        "1",
        "--unlabelled",
        "more.txt",
        "--epochs",
        "40",
        "--checkpoint-every",
        "3",
        "-q",
    ];
    let with = |out: &'static str| settings.into_iter().chain(["--out", out]).collect::<Vec<&str>>();
    distill(&dir, &with("whole")).expect(0);
    let arguments = with("killed");
    let common =
        ["distill", "--teacher", "model", "--data", "rows.csv", "--lr", "0.003", "--precision", "f32"];
    let folder = dir.path("killed.checkpoint");
    for moment in [120u64, 300, 500] {
        let resume = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_filbert"))
            .args(common)
            .args(&arguments)
            .args(resume.then_some("--resume"))
            .current_dir(dir.path(""))
            .env("HF_HUB_OFFLINE", "1")
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(moment));
        child.kill().unwrap();
        child.wait().unwrap();
        if dir.path("killed").exists() {
            break;
        }
    }
    let was_killed = !dir.path("killed").exists();
    if was_killed {
        // The settings come from the checkpoint, where there is one.
        let any = std::fs::read_dir(&folder).is_ok_and(|mut entries| entries.next().is_some());
        if any {
            let other = ["distill", "--out", "killed", "--resume", "--temperature", "3", "-q"];
            dir.filbert(&other).expect_error(1, &["another run", "what is taught"]);
            dir.filbert(&["distill", "--out", "killed", "--resume", "-q"]).expect(0);
        } else {
            distill(&dir, &arguments).expect(0);
        }
    }
    assert!(weights(&dir, "killed") == weights(&dir, "whole"));
    let control = |model: &str| metrics(&dir, model)["distillation"]["control"]["test"].clone();
    assert_eq!(control("killed"), control("whole"));
    assert!(!was_killed || !folder.exists());
}

#[test]
fn settings_are_printed_and_read() {
    let dir = prepared();
    let more = ["--student", "layers=1", "--alpha", "0.25", "--print-config"];
    let printed = distill(&dir, &more).expect(0).stdout;
    assert!(printed.contains("alpha = 0.25\n") && printed.contains("student = \"layers=1\""), "{printed}");
    dir.write("all.toml", &printed);
    dir.filbert(&["distill", "--config", "all.toml", "--out", "m", "-q"]).expect(0);
    assert_eq!(metrics(&dir, "m")["distillation"]["alpha"], 0.25);
    let empty = dir.filbert(&["distill", "--print-config"]).expect(0).stdout;
    assert!(empty.contains("# teacher =") && empty.contains("temperature = 2"), "{empty}");
}

#[test]
fn a_teacher_from_the_hub_without_settings_of_ours_will_do() {
    let dir = prepared();
    for name in ["filbert.json", "metrics.json", "report.html"] {
        std::fs::remove_file(dir.path("model").join(name)).unwrap();
    }
    let run = distill(&dir, &["--student", "layers=1", "--text", "text", "--out", "m", "--json"]).expect(0);
    assert!(run.json()["distillation"]["teacher"]["test"]["accuracy"]["value"].as_f64().unwrap() > 0.9);
}

#[test]
fn rows_that_are_measured_are_not_learnt_from() {
    let dir = prepared();
    // All the texts of the data, once more without labels.
    let rows = dir.read("rows.csv");
    let texts: Vec<&str> = rows.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    dir.write("again.txt", &texts.join("\n"));
    let common = ["--student", "layers=1", "--no-control", "--epochs", "1"];
    let more = ["--unlabelled", "again.txt", "--out", "m"];
    let run = distill(&dir, &common.iter().chain(&more).copied().collect::<Vec<_>>()).expect(0);
    assert!(run.stderr.contains("are validation or test rows too and were left out"), "{}", run.stderr);
    assert!(metrics(&dir, "m")["distillation"]["unlabelled_rows"].as_u64().unwrap() < 120);
    assert!(!run.stderr.contains("another split"), "{}", run.stderr);
    // The teacher's own rows, split in another way.
    let more = ["--seed", "5", "--out", "n"];
    let run = distill(&dir, &common.iter().chain(&more).copied().collect::<Vec<_>>()).expect(0);
    assert!(run.stderr.contains("another split of this file"), "{}", run.stderr);
}

#[test]
fn what_does_not_fit_is_refused() {
    let dir = prepared();
    let refused = |more: &[&str], code: i32, parts: &[&str]| {
        distill(&dir, &more.iter().copied().chain(["--out", "m"]).collect::<Vec<_>>())
            .expect_error(code, parts);
        assert!(!dir.path("m").exists());
    };
    refused(&["--student", "layers=3"], 1, &["model", "3 layers", "1 to 2"]);
    refused(&["--student", "layers=0,2"], 2, &["[0, 2]", "0 to 1"]);
    refused(&["--student", "layers=1,0"], 2, &["ascending"]);
    refused(&["--student", "layers=1", "--alpha", "1.5"], 2, &["alpha", "0 to 1"]);
    refused(&["--student", "layers=1", "--temperature", "0"], 2, &["temperature"]);
    refused(&["--student", "layers=1", "--alpha", "0"], 2, &["the teacher says nothing"]);
    refused(&["--student", "nowhere.json"], 1, &["nowhere.json"]);
    refused(&["--student", "layers=1", "--unlabelled", "nowhere.csv"], 1, &["nowhere.csv"]);
    refused(&["--student", "layers=1", "--teacher", "tiny"], 1, &["rows.csv, line", "LABEL_0"]);
    dir.write("other.csv", "text,label\nabc,low\nxyz,middle\n");
    let other = [
        "distill",
        "--teacher",
        "model",
        "--student",
        "layers=1",
        "--train",
        "other.csv",
        "--valid",
        "rows.csv",
        "--out",
        "m",
    ];
    dir.filbert(&other).expect_error(1, &["other.csv", "middle", "low"]);
    // A checkpoint of another vocabulary, and one with positions for fewer tokens.
    let words = dir.read("tiny/vocab.txt").replace("\n##q\n", "\n##qu\n");
    dir.tiny_encoder();
    dir.write("tiny/vocab.txt", &words);
    refused(&["--student", "tiny"], 1, &["tiny", "\"##qu\"", "the teacher's"]);
    let run = distill(&dir, &["--student", "layers=x", "--out", "m"]);
    assert!(run.code == 2 && run.stderr.contains("layers=0,2,5"), "{}", run.stderr);
    let run = dir.filbert(&["distill", "--student", "layers=1", "--data", "rows.csv", "--out", "m"]);
    assert!(run.code == 2 && run.stderr.contains("--teacher"), "{}", run.stderr);
}

#[test]
fn sets_and_numbers_are_distilled_too() {
    let dir = Dir::new();
    dir.tiny_encoder();
    let (mut sets, mut prices) = (String::from("text,labels\n"), String::from("text,price\n"));
    for i in 0..160 {
        let (a, z) = (i % 2 == 0, i % 3 == 0);
        let words = [if a { "a a" } else { "m" }, if z { "z z" } else { "n" }].join(" ");
        let labels: Vec<&str> = [a.then_some("a"), z.then_some("z")].into_iter().flatten().collect();
        writeln!(sets, "{words} {},{}", ["k", "l"][i % 7 % 2], labels.join("|")).unwrap();
        let (word, price) = [("a b", 900.0), ("m", 1_000.5), ("z z", 1_200.25)][i % 3];
        writeln!(prices, "{word} {},{price}", ["k", "l", "n"][i % 5 % 3]).unwrap();
    }
    dir.write("sets.csv", &sets);
    dir.write("prices.csv", &prices);
    let fast = ["--epochs", "12", "--lr", "0.004", "-q", "--json"];
    for (task, data) in [("multi-label", "sets.csv"), ("regression", "prices.csv")] {
        let run =
            |arguments: &[&str]| dir.filbert(&arguments.iter().chain(&fast).copied().collect::<Vec<_>>());
        run(&["train", "--model", "tiny", "--task", task, "--data", data, "--out", task]).expect(0);
        let out = format!("small-{task}");
        let student = ["distill", "--teacher", task, "--student", "layers=1", "--data", data, "--out", &out];
        let json = run(&student).expect(0).json();
        let d = &json["distillation"];
        if task == "regression" {
            let rmse = |figures: &Value| figures["rmse"]["value"].as_f64().unwrap();
            assert!(rmse(&json["test"]) < 80.0 && rmse(&d["teacher"]["test"]) < 80.0, "{json}");
        } else {
            assert!(json["test"]["micro_f1"]["value"].as_f64().unwrap() > 0.8, "{}", json["test"]);
        }
        assert!(d["against_control"].is_object() && d["control"]["test"].is_object(), "{d}");
        dir.filbert(&["predict", "--model", &out, "a a n k"]).expect(0);
    }
}
