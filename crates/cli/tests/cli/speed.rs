//! The options that trade memory and arithmetic, through the real binary.

use crate::common::Dir;

#[test]
fn train_in_parts_and_with_layers_computed_again() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 60);
    let weights = |out: &str, more: &[&str]| {
        let arguments =
            ["train", "--model", "tiny", "--data", "rows.csv", "--epochs", "1", "-q", "--out", out];
        dir.filbert(&[&arguments[..], more].concat()).expect(0);
        std::fs::read(dir.path(out).join("model.safetensors")).unwrap()
    };
    let plain = weights("plain", &[]);
    assert!(plain == weights("again", &["--recompute"]), "the same bits");
    assert!(weights("parts", &["--accumulate", "4"]).len() == plain.len());
    let json: serde_json::Value = serde_json::from_str(&dir.read("parts/filbert.json")).unwrap();
    assert_eq!(json["training"]["settings"]["accumulate"], 4);
    let too_many = ["train", "--model", "tiny", "--data", "rows.csv", "--out", "m", "--accumulate", "17"];
    dir.filbert(&too_many).expect_error(2, &["17", "1 to the batch size"]);
}

#[test]
fn a_frozen_trunk_is_taken_from_the_cache_unless_told_otherwise() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 60);
    let train = |out: &str, more: &[&str]| {
        let arguments =
            ["train", "--model", "tiny", "--data", "rows.csv", "--freeze", "trunk", "--out", out, "--force"];
        dir.filbert(&[&arguments[..], more].concat()).expect(0).stderr
    };
    let said = "are those of an earlier run";
    assert!(!train("off", &["--trunk-cache", "off"]).contains(said) && !dir.path("cache").exists());
    assert!(!train("one", &[]).contains(said), "the first run has none to take");
    assert!(train("two", &["--lr", "0.01"]).contains(said), "another head, the same trunk");
    assert!(!train("three", &["--max-length", "4"]).contains(said), "other tokens");
    assert!(!train("four", &["--trunk-cache", "elsewhere"]).contains(said) && dir.path("elsewhere").exists());
    let weights = |out: &str| std::fs::read(dir.path(out).join("model.safetensors")).unwrap();
    train("again", &[]);
    assert!(weights("off") == weights("one") && weights("one") == weights("again"), "the same bits");
}

#[test]
fn kernels_can_be_forced_and_unknown_ones_are_refused() {
    let dir = Dir::new();
    dir.classifier();
    let answer = |kernels: &str| {
        let run = dir.filbert(&["predict", "--model", "model", "--kernels", kernels, "--json", "abc", "xyz"]);
        run.expect(0).json()
    };
    let portable = answer("portable");
    for isa in filbert_engine::Isa::available() {
        let other = answer(isa.name());
        for i in 0..2 {
            let (a, b) = (&portable["predictions"][i], &other["predictions"][i]);
            assert_eq!(a["label"], b["label"], "{isa}");
            let score = |p: &serde_json::Value| p["score"].as_f64().unwrap();
            assert!((score(a) - score(b)).abs() < 1e-5, "{isa}");
        }
    }
    let step = ["bench", "--train-step", "--layers", "1", "--width", "32", "--heads", "2", "--batch", "2"];
    let step = [&step[..], &["--length", "4", "--repeats", "1", "--kernels", "portable", "--json"]].concat();
    let json = dir.filbert(&[&step[..], &["--precision", "auto"]].concat()).expect(0).json();
    assert_eq!((json["kernel"].as_str(), json["precision"].as_str()), (Some("portable"), Some("f32")));
    let unknown = dir.filbert(&["predict", "--model", "model", "--kernels", "sse9", "a"]).expect(2);
    assert!(unknown.stderr.contains("this processor has portable"), "{}", unknown.stderr);
}

#[test]
fn a_step_says_where_its_time_goes() {
    let dir = Dir::new();
    let shape = ["--layers", "2", "--width", "32", "--heads", "2", "--batch", "3", "--length", "5"];
    let bench = [&["bench", "--train-step", "--profile", "--repeats", "3"][..], &shape].concat();
    let json = dir.filbert(&[&bench[..], &["--json"]].concat()).expect(0).json();
    let parts = json["profile"].as_array().unwrap();
    let named = |phase: &str, operation: &str| {
        parts
            .iter()
            .any(|p| p["phase"] == phase && p["operation"] == operation && p["calls"].as_u64() > Some(0))
    };
    for (phase, operation) in
        [("forward", "linear"), ("backward", "attention"), ("backward", "norm"), ("update", "AdamW")]
    {
        assert!(named(phase, operation), "{phase} {operation} in {json:#}");
    }
    let share: f64 = parts.iter().map(|p| p["share"].as_f64().unwrap()).sum();
    assert!(share > 0.1 && share <= 1.0, "the parts make up {share} of the step");
    // 2 layers, the last with one row of queries, of attention output and of feed-forward for each of 3 sequences.
    let (w, t, b) = (32.0f64, 15.0, 3.0);
    let linear = 6.0 * w * w * (6.0 * t + 8.0 * t + 3.0 * b + 8.0 * b);
    let attention = 14.0 * 5.0 * w * (t + b);
    assert!((json["gflop"].as_f64().unwrap() * 1e9 - linear - attention).abs() < 1.0, "{json:#}");
    assert!(json["products_gflop_per_s"].as_f64().unwrap() > 0.0);
    let text = dir.filbert(&bench).expect(0).stdout;
    assert!(text.contains("backward") && text.contains('%'), "{text}");
    let again = dir.filbert(&[&bench[..], &["--recompute", "--json"]].concat()).expect(0).json();
    assert!(again["profile"].as_array().unwrap().iter().any(|p| p["operation"] == "recomputed"));
}
