//! Kills, signals, full disks: what a run leaves, and what goes on from it.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::Dir;

/// A run long enough to be killed in: 60 epochs of 6 updates, and a checkpoint after every other one.
const TRAIN: &[&str] = &[
    "train",
    "--model",
    "tiny",
    "--data",
    "rows.csv",
    "--epochs",
    "60",
    "--lr",
    "0.002",
    "--checkpoint-every",
    "2",
    "--no-floor",
    "--precision",
    "f32",
];

fn weights(dir: &Dir, model: &str) -> Vec<u8> {
    std::fs::read(dir.path(model).join("model.safetensors")).unwrap()
}

fn prepared() -> Dir {
    let dir = Dir::new();
    dir.tiny_encoder();
    dir.rows("rows.csv", 120);
    dir
}

fn start(dir: &Dir, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_filbert"))
        .args(arguments)
        .current_dir(dir.path(""))
        .env("XDG_CACHE_HOME", dir.path("cache"))
        .env("HF_HOME", dir.path("hf"))
        .env("HF_HUB_OFFLINE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn checkpoints(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|e| e.path().extension().is_some_and(|x| x == "checkpoint")).count()
}

/// Numbers that differ from run to run of the tests on purpose: a kill may come at any moment.
fn moments(count: usize) -> impl Iterator<Item = Duration> {
    let mut state = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Duration::from_micros(state % 400_000)
    })
    .take(count)
}

/// Kills a run at random moments and holds what it ends with against a run that was left alone.
fn killed(kills: usize) {
    let dir = prepared();
    let whole: Vec<&str> = TRAIN.iter().copied().chain(["--out", "whole", "-q"]).collect();
    dir.filbert(&whole).expect(0);
    let wanted = weights(&dir, "whole");
    let (mut done, mut resumed, mut told) = (0, 0, Vec::new());
    while done < kills {
        // A run ends by itself if its kills come early or late: then the next run starts.
        let mut fresh = true;
        for moment in moments(kills - done) {
            let folder = dir.path("killed.checkpoint");
            let resume = !fresh && checkpoints(&folder) > 0;
            let mut arguments: Vec<&str> = TRAIN.iter().copied().chain(["--out", "killed", "-q"]).collect();
            arguments.extend(resume.then_some("--resume"));
            let mut child = start(&dir, &arguments);
            std::thread::sleep(moment);
            let ended = child.try_wait().unwrap();
            child.kill().unwrap();
            let status = child.wait_with_output().unwrap();
            let problem = String::from_utf8_lossy(&status.stderr).into_owned();
            assert!(ended.is_none_or(|s| s.success()), "{problem}");
            done += 1;
            resumed += usize::from(resume);
            told.push(format!("{:.0} ms", moment.as_secs_f64() * 1e3));
            fresh = false;
            if dir.path("killed").is_dir() {
                break;
            }
        }
        let mut arguments: Vec<&str> = TRAIN.iter().copied().chain(["--out", "killed", "-q"]).collect();
        arguments.extend((checkpoints(&dir.path("killed.checkpoint")) > 0).then_some("--resume"));
        if !dir.path("killed").is_dir() {
            dir.filbert(&arguments).expect(0);
        }
        assert!(weights(&dir, "killed") == wanted, "after kills at {}", told.join(", "));
        assert!(!dir.path("killed.checkpoint").exists(), "a saved model needs no checkpoint");
        std::fs::remove_dir_all(dir.path("killed")).unwrap();
    }
    println!("{done} kills at {}; {resumed} of the runs went on from a checkpoint", told.join(", "));
}

/// 20 kills, or as many as `FILBERT_KILLS` says.
#[test]
fn killed_at_any_moment_it_ends_with_the_same_bits() {
    let kills = std::env::var("FILBERT_KILLS").ok().and_then(|n| n.parse().ok());
    killed(kills.unwrap_or(20));
}

#[cfg(unix)]
#[test]
fn a_signal_leaves_a_checkpoint_and_a_code() {
    let dir = prepared();
    let settings = ["--epochs", "800", "--checkpoint-every", "1h", "--out", "model"];
    let arguments: Vec<&str> = TRAIN.iter().copied().chain(settings).collect();
    let whole: Vec<&str> = TRAIN.iter().copied().chain(["--epochs", "800", "--out", "whole", "-q"]).collect();
    dir.filbert(&whole).expect(0);
    for (i, signal) in ["INT", "TERM"].into_iter().enumerate() {
        let mut arguments = arguments.clone();
        if i > 0 {
            arguments.push("--resume");
        }
        let child = start(&dir, &arguments);
        std::thread::sleep(Duration::from_millis(250));
        let kill =
            Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let since = std::time::Instant::now();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(since.elapsed() < Duration::from_secs(10), "{stderr}");
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let last = stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("filbert: interrupted") && last.contains("--resume"), "{stderr}");
        assert!(checkpoints(&dir.path("model.checkpoint")) > 0 && !dir.path("model").exists());
    }
    // The settings come from the checkpoint.
    dir.filbert(&["train", "--out", "model", "--resume", "-q"]).expect(0);
    assert!(weights(&dir, "model") == weights(&dir, "whole"));
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_grow_keeps_the_last_checkpoint() {
    let dir = prepared();
    let limited = |blocks: &str, arguments: &[&str]| {
        // A write beyond the limit fails as on a full disk where the signal for it is ignored.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        let output = Command::new("sh")
            .args(["-c", &script, "sh", env!("CARGO_BIN_EXE_filbert")])
            .args(arguments)
            .current_dir(dir.path(""))
            .env("XDG_CACHE_HOME", dir.path("cache"))
            .env("HF_HUB_OFFLINE", "1")
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let first: Vec<&str> = TRAIN.iter().copied().chain(["--out", "model"]).collect();
    let (code, stderr) = limited("8", &first);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("cannot write the checkpoint"), "{stderr}");
    let last = stderr.lines().last().unwrap_or_default();
    assert!(last.starts_with("filbert: cannot save model") && !stderr.contains("panicked"), "{stderr}");
    assert!(!dir.path("model").exists());
    let names: Vec<_> = std::fs::read_dir(dir.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|n| n.to_string_lossy().contains("filbert-new")), "{names:?}");
}

#[test]
fn what_cannot_go_on_says_why() {
    let dir = prepared();
    dir.filbert(&["train", "--out", "model", "--resume"]).expect_error(2, &["no whole checkpoint"]);
    dir.filbert(&["train", "--resume"]).expect_error(2, &["--out"]);
    let mut stopped: Vec<&str> = TRAIN.to_vec();
    stopped.extend(["--out", "model"]);
    let mut child = start(&dir, &stopped);
    std::thread::sleep(Duration::from_millis(500));
    child.kill().unwrap();
    child.wait_with_output().unwrap();
    if !dir.path("model").exists() {
        let other = ["train", "--out", "model", "--resume", "--batch-size", "8"];
        dir.filbert(&other).expect_error(1, &["another run", "the settings"]);
        for entry in std::fs::read_dir(dir.path("model.checkpoint")).unwrap() {
            std::fs::write(entry.unwrap().path(), "no checkpoint at all, but long enough to have a hash")
                .unwrap();
        }
        dir.filbert(&["train", "--out", "model", "--resume"])
            .expect_error(2, &["no whole checkpoint", "damaged"]);
    }
}

#[test]
fn settings_are_printed_read_and_repeated() {
    let dir = prepared();
    let printed = dir
        .filbert(&["train", "--print-config", "--epochs", "2", "--class-weights", "low=2"])
        .expect(0)
        .stdout;
    assert!(printed.contains("epochs = 2\n") && printed.contains("class-weights = \"low=2\""), "{printed}");
    assert!(printed.contains("# data =") && printed.contains("batch-size = 16"), "{printed}");
    dir.write("all.toml", &printed);
    let again = dir.filbert(&["train", "--print-config", "--config", "all.toml"]).expect(0).stdout;
    assert_eq!(printed, again);
    let extra = ["--seed", "3", "--freeze", "layers:1", "--label-smoothing", "0.1", "--precision", "f32"];
    let arguments =
        ["train", "--model", "tiny", "--data", "rows.csv", "--out", "model", "--config", "all.toml", "-q"];
    dir.filbert(&arguments.iter().copied().chain(extra).collect::<Vec<_>>()).expect(0);
    let repeated = dir.filbert(&["train", "--repeat", "model", "--out", "again"]).expect(0);
    assert!(repeated.stderr.contains("bit for bit"), "{}", repeated.stderr);
    assert!(weights(&dir, "model") == weights(&dir, "again"));
    let other = dir.filbert(&["train", "--repeat", "model", "--out", "other", "--seed", "4"]).expect(0);
    assert!(other.stderr.contains("differ"), "{}", other.stderr);
    let recorded = dir.read("model/filbert.json");
    dir.write(
        "model/filbert.json",
        &recorded.replacen("\"command\": {", "\"command\": {\"force\": true,", 1),
    );
    dir.filbert(&["train", "--repeat", "model", "--out", "third"])
        .expect_error(2, &["filbert.json", "force"]);
    dir.write("model/filbert.json", &recorded);
    dir.rows("rows.csv", 100);
    dir.filbert(&["train", "--repeat", "model", "--out", "third"])
        .expect_error(1, &["rows.csv", "hash differs"]);
    dir.filbert(&["train", "--repeat", "tiny", "--out", "third"])
        .expect_error(2, &["filbert.json", "no such file"]);
}
