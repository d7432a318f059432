//! `quantize` and `compress` through the real binary: every artifact is used like any other model, and a gate is a gate.

use serde_json::Value;

use crate::common::{Dir, Run};

/// A trained teacher in `model`, and its rows in three parts.
fn prepared() -> Dir {
    let dir = Dir::new();
    dir.classifier();
    for (name, rows) in [("train.csv", 120), ("valid.csv", 60), ("test.csv", 50)] {
        dir.rows(name, rows);
    }
    dir
}

fn compress(dir: &Dir, more: &[&str]) -> Run {
    let common = ["compress", "--model", "model", "--data", "valid.csv", "--speed-rows", "0", "--json"];
    dir.filbert(&common.iter().chain(more).copied().collect::<Vec<_>>())
}

fn probabilities(dir: &Dir, model: &str) -> Vec<f64> {
    let run = dir
        .filbert(&["predict", "--model", model, "--input", "test.csv", "--output", "-", "--format", "jsonl"]);
    let run = run.expect(0);
    let high =
        |line: &str| serde_json::from_str::<Value>(line).unwrap()["probabilities"]["high"].as_f64().unwrap();
    run.stdout.lines().map(high).collect()
}

#[test]
fn every_scheme_is_a_model_like_any_other() {
    let dir = prepared();
    let full = probabilities(&dir, "model");
    let size = |name: &str| std::fs::metadata(dir.path(name)).unwrap().len();
    for scheme in ["int8", "int4", "int4:32", "nf4"] {
        let run = dir.filbert(&[
            "quantize",
            "--model",
            "model",
            "--weights",
            scheme,
            "--out",
            "few",
            "--force",
            "--json",
        ]);
        let json = run.expect(0).json();
        assert!(json["size_bytes"].as_u64().unwrap() < json["original_bytes"].as_u64().unwrap(), "{json}");
        assert!(!dir.path("few/model.safetensors").exists(), "no other tool takes the integers for weights");
        assert!(size("few/quantized.safetensors") < size("model/model.safetensors") / 2, "{scheme}");
        let few = probabilities(&dir, "few");
        let farthest = few.iter().zip(&full).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(farthest < if scheme == "int8" { 0.05 } else { 0.6 }, "{scheme}: {farthest}");
        let eval = dir.filbert(&["eval", "--model", "few", "--data", "test.csv", "--json"]).expect(0).json();
        assert!(eval["metrics"]["accuracy"]["value"].as_f64().unwrap() > 0.8, "{scheme}: {eval}");
        let shown = dir.filbert(&["inspect", "few", "--tensors"]).expect(0).stdout;
        assert!(
            shown.contains(scheme.split(':').next().unwrap()) && shown.contains("all as recorded"),
            "{shown}"
        );
        let bench =
            dir.filbert(&["bench", "--model", "few", "--data", "test.csv", "--json"]).expect(0).json();
        assert_eq!(bench["precision"], "int8", "{bench}");
    }
    // One damaged byte is found before anything is answered.
    let path = dir.path("few/quantized.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    dir.filbert(&["predict", "--model", "few", "abc"]).expect_error(1, &["quantized.safetensors", "sha256"]);
}

#[test]
fn answers_are_the_same_at_any_number_of_threads_and_alone() {
    let dir = prepared();
    dir.filbert(&["quantize", "--model", "model", "--weights", "nf4", "--out", "few", "-q"]).expect(0);
    let run = |threads: &str| {
        let arguments =
            ["predict", "--model", "few", "--input", "test.csv", "--output", "-", "--threads", threads, "-q"];
        dir.filbert(&arguments).expect(0).stdout
    };
    assert_eq!(run("1"), run("2"));
    let all = probabilities(&dir, "few");
    let line = dir.read("test.csv").lines().nth(3).unwrap().split(',').nth(1).unwrap().to_owned();
    let one = dir.filbert(&["predict", "--model", "few", "--json", &line]).expect(0).stdout;
    assert!(one.contains(&format!("{}", all[2])), "{one} has not {}", all[2]);
}

#[test]
fn calibration_finds_what_is_sensitive_and_steps_up() {
    let dir = prepared();
    let common = [
        "quantize",
        "--model",
        "model",
        "--weights",
        "int4",
        "--calibrate",
        "valid.csv",
        "--json",
        "--force",
    ];
    let run = |more: &[&str]| dir.filbert(&common.iter().chain(more).copied().collect::<Vec<_>>());
    let json = run(&["--out", "few"]).expect(0).json();
    let values: Vec<f64> =
        json["sensitivity"].as_array().unwrap().iter().map(|s| s[1].as_f64().unwrap()).collect();
    assert!(values.len() > 10 && values.windows(2).all(|w| w[0] >= w[1]), "{values:?}");
    assert_eq!((&json["flips"]["rows"], json["raised"].as_array().unwrap().len()), (&60.into(), 0), "{json}");
    let json = run(&["--out", "few", "--max-flips", "0"]).expect(0).json();
    assert_eq!(json["flips"]["changed"], 0, "{json}");
    // What stays in f32 is told, and what fits nothing refused.
    let json = run(&["--out", "few", "--keep", "*query*,*embeddings*"]).expect(0).json();
    let schemes = json["schemes"].as_object().unwrap();
    assert!(!schemes.is_empty() && schemes.keys().all(|k| !k.contains("query") && !k.contains("embeddings")));
    run(&["--out", "few", "--keep", "*qurey*"]).expect_error(2, &["qurey"]);
}

#[test]
fn training_for_few_bits() {
    let dir = prepared();
    let arguments = [
        "quantize",
        "--model",
        "model",
        "--weights",
        "nf4",
        "--qat",
        "--train",
        "train.csv",
        "--valid",
        "valid.csv",
        "--epochs",
        "2",
        "--lr",
        "0.001",
        "--calibrate",
        "test.csv",
        "--out",
        "few",
        "--json",
    ];
    let json = dir.filbert(&arguments).expect(0).json();
    assert!(json["flips"]["rate"]["value"].as_f64().unwrap() <= 0.1, "{json}");
    dir.filbert(&["train", "--model", "few", "--data", "rows.csv", "--out", "again"])
        .expect_error(1, &["few bits", "cannot be trained"]);
    dir.filbert(&["quantize", "--model", "few", "--out", "again"]).expect_error(2, &["few bits already"]);
    dir.filbert(&[
        "distill",
        "--teacher",
        "few",
        "--student",
        "layers=1",
        "--data",
        "rows.csv",
        "--out",
        "again",
    ])
    .expect_error(1, &["few bits"]);
}

#[test]
fn the_smallest_within_the_bounds_is_kept_with_its_proof() {
    let dir = prepared();
    let arguments = [
        "--train",
        "train.csv",
        "--test",
        "test.csv",
        "--max-drop",
        "0.05",
        "--epochs",
        "2",
        "--lr",
        "0.001",
        "--out",
        "small",
    ];
    let json = compress(&dir, &arguments).expect(0).json();
    let rungs = json["rungs"].as_array().unwrap();
    assert!(rungs.len() >= 7 && rungs[0]["name"] == "original", "{json}");
    let kept = rungs.iter().find(|r| r["outcome"] == "kept").unwrap();
    assert_eq!(kept["name"], json["kept"]);
    let smaller =
        |r: &&Value| r["outcome"] == "fits" && r["size_bytes"].as_u64() < kept["size_bytes"].as_u64();
    assert!(!rungs.iter().any(|r| smaller(&r)), "{json}");
    assert!(rungs[1..].iter().all(|r| r["size_bytes"].as_u64() < rungs[0]["size_bytes"].as_u64()), "{json}");
    // What it says of the folder holds of the folder.
    let files = std::fs::read_dir(dir.path("small")).unwrap().map(|entry| entry.unwrap());
    let counted =
        files.filter(|f| !["metrics.json", "report.html"].contains(&f.file_name().to_str().unwrap()));
    let bytes: u64 = counted.map(|f| f.metadata().unwrap().len()).sum();
    assert!(bytes.abs_diff(kept["size_bytes"].as_u64().unwrap()) < 2_000, "{bytes} {kept}");
    let eval = dir.filbert(&["eval", "--model", "small", "--data", "test.csv", "--json"]).expect(0).json();
    assert_eq!(
        eval["metrics"]["accuracy"]["value"], json["test"]["kept"]["metrics"]["accuracy"]["value"],
        "{}",
        json["test"]
    );
    assert!(eval["metrics"]["accuracy"]["value"].is_number());
    let page = dir.read("small/report.html");
    assert!(page.contains("pruned vocabulary") && page.contains("<svg"), "the page shows the ladder");
    assert!(dir.read("small/metrics.json").contains("\"rungs\""));
    dir.filbert(&["inspect", "small"]).expect(0);
    let again = [
        "compress",
        "--model",
        "model",
        "--data",
        "valid.csv",
        "--test",
        "test.csv",
        "--max-drop",
        "0.5",
        "--speed-rows",
        "0",
        "--out",
        "small2",
    ];
    let run = dir.filbert(&again).expect(0);
    assert!(run.stdout.contains("on 50 test rows, read once: accuracy"), "{}", run.stdout);
    let left: Vec<_> = std::fs::read_dir(dir.path(".")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("filbert-work")), "{left:?}");
}

#[test]
fn a_gate_that_is_not_met_ends_with_code_3_and_the_table() {
    let dir = prepared();
    let json = compress(&dir, &["--max-size", "1kB", "--out", "small"]).expect(3).json();
    assert!(json["kept"].is_null() && !json["rungs"].as_array().unwrap().is_empty(), "{json}");
    assert!(json["verdict"].as_str().unwrap().contains("None"), "{}", json["verdict"]);
    assert!(!dir.path("small").exists(), "nothing is written");
    let run = dir.filbert(&[
        "compress",
        "--model",
        "model",
        "--data",
        "valid.csv",
        "--max-size",
        "1kB",
        "--out",
        "small",
        "--speed-rows",
        "40",
    ]);
    let run = run.expect(3);
    for part in ["artifact", "rows/s", "original", "int8", "4-bit, pruned vocabulary"] {
        assert!(run.stdout.contains(part), "no {part:?} in {}", run.stdout);
    }
}

#[test]
fn senseless_bounds_and_models_are_refused() {
    let dir = prepared();
    for (arguments, parts) in [
        (&["--max-size", "0", "--out", "x"][..], &["size"][..]),
        (&["--max-drop=-1", "--out", "x"], &["drop"]),
        (&["--max-size", "12 parsecs", "--out", "x"], &["size"]),
        (&["--four-bit", "int3", "--out", "x"], &["scheme"]),
        (&["--four-bit", "int8", "--out", "x"], &["four bits"]),
        (&["--epochs", "0", "--out", "x"], &["epochs"]),
        (&["--lr", "nan", "--out", "x"], &["lr"]),
    ] {
        let run = compress(&dir, arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.stderr);
        assert!(parts.iter().all(|part| run.stderr.contains(part)), "{arguments:?}: {}", run.stderr);
    }
    dir.filbert(&["quantize", "--model", "model", "--out", "few", "-q"]).expect(0);
    let run = dir.filbert(&["compress", "--model", "few", "--data", "valid.csv", "--out", "x"]);
    run.expect_error(2, &["few bits already"]);
    dir.filbert(&["quantize", "--model", "model", "--out", "few"]).expect_error(1, &["few", "--force"]);
    dir.filbert(&["quantize", "--model", "model", "--out", "x", "--max-flips", "0.1"]).expect(2);
}
