//! The model folder: `filbert.json`, hashes, and saving that never leaves half a folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use filbert_model::error::Error;
use filbert_model::folder::{FORMAT_VERSION, FilbertJson, Folder, Pooling, SaveFolder, leftovers, sha256};
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(text: &str) -> Result<FilbertJson, Error> {
    FilbertJson::parse(text.as_bytes(), Path::new("m/filbert.json"))
}

/// Writes a folder of three files.
fn save(out: &Path, force: bool, marker: &str) -> Result<(), Error> {
    let folder = SaveFolder::create(out, force)?;
    folder.write("config.json", b"{}")?;
    folder.write("model.safetensors", marker.as_bytes())?;
    fs::write(folder.file("report.html")?, "report").unwrap();
    folder.commit_with(&FilbertJson {
        labels: vec!["ham".to_owned(), "spam".to_owned()],
        ..FilbertJson::default()
    })
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn filbert_json_round_trip() {
    let filbert = FilbertJson {
        filbert_version: "0.1.0".to_owned(),
        files: BTreeMap::from([("config.json".to_owned(), sha256(b"x"))]),
        temperature: 1.7,
        thresholds: Some(BTreeMap::from([("spam".to_owned(), 0.3)])),
        text_columns: vec!["subject".to_owned(), "body".to_owned()],
        label_column: Some("label".to_owned()),
        max_length: Some(128),
        pooling: Pooling::Mean,
        positive_label: Some("spam".to_owned()),
        labels: vec!["ham".to_owned(), "spam".to_owned()],
        training: json!({"seed": 7, "split": [70, 15, 15]}),
        other: json!({"quantization": {"weights": "int8"}}).as_object().unwrap().clone(),
        ..FilbertJson::default()
    };
    let text = filbert.to_json();
    assert_eq!(parse(&text).unwrap(), filbert);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["temperature"], json!(1.7));
    assert_eq!(value["pooling"], json!("mean"));
    assert_eq!(value["quantization"]["weights"], json!("int8"));
    assert_eq!(parse(r#"{"version":1}"#).unwrap(), FilbertJson::default());
    assert_eq!(FilbertJson::default().temperature, 1.0);
}

#[test]
fn filbert_json_refused() {
    let cases = [
        ("", "not valid JSON"),
        ("{}", "version must be"),
        (r#"{"version":"1"}"#, "version must be"),
        (r#"{"version":0}"#, "version must be"),
        (r#"{"version":-1}"#, "version must be"),
        (r#"{"version":2}"#, "format version 2, this filbert reads up to 1"),
        (r#"{"version":1,"version":1}"#, "duplicate key `version`"),
        (r#"{"version":1,"temperature":0}"#, "temperature"),
        (r#"{"version":1,"temperature":-1}"#, "temperature"),
        (r#"{"version":1,"temperature":"1"}"#, "invalid type"),
        (r#"{"version":1,"thresholds":{"a":1.5}}"#, "thresholds"),
        (r#"{"version":1,"max_length":0}"#, "max_length"),
        (r#"{"version":1,"max_length":-1}"#, "invalid"),
        (r#"{"version":1,"max_length":99999999999}"#, "max_length"),
        (r#"{"version":1,"pooling":"max"}"#, "unknown variant"),
        (r#"{"version":1,"labels":["a","a"]}"#, "occurs twice"),
        (r#"{"version":1,"labels":["a"],"positive_label":"b"}"#, "positive_label"),
        (r#"{"version":1,"files":{"config.json":"abc"}}"#, "hexadecimal"),
        (r#"{"version":1,"files":{"../config.json":"abc"}}"#, "not a plain file name"),
        (r#"{"version":1,"files":{"/etc/passwd":"abc"}}"#, "not a plain file name"),
        (r#"{"version":1,"files":{"C:\\x":"abc"}}"#, "not a plain file name"),
        (r#"{"version":1,"files":[]}"#, "invalid type"),
    ];
    for (text, says) in cases {
        let message = parse(text).unwrap_err().to_string();
        assert!(message.contains(says) && message.contains("filbert.json"), "{text}: {message}");
    }
    assert_eq!(FORMAT_VERSION, 1);
}

#[test]
fn opening() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("m");
    let refused = |path: &Path| Folder::open(path).unwrap_err().to_string();
    assert!(refused(&model).contains("does not exist"));
    fs::create_dir(&model).unwrap();
    assert!(refused(&model).contains("no config.json"));
    fs::write(model.join("config.json"), "{}").unwrap();
    assert!(refused(&model.join("config.json")).contains("not a folder"));
    let folder = Folder::open(&model).unwrap();
    assert!(folder.filbert().is_none());
    assert_eq!(folder.filbert_or_default(), FilbertJson::default());
}

#[test]
fn hashes_are_verified() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("m");
    save(&out, false, "weights").unwrap();
    let folder = Folder::open(&out).unwrap();
    let listed: Vec<&str> = folder.filbert().unwrap().files.keys().map(String::as_str).collect();
    assert_eq!(listed, ["config.json", "model.safetensors", "report.html"]);

    // Reports may change or go.
    fs::remove_file(out.join("report.html")).unwrap();
    Folder::open(&out).unwrap();

    fs::write(out.join("model.safetensors"), "weightz").unwrap();
    match Folder::open(&out) {
        Err(Error::HashMismatch { file, expected, actual }) => {
            assert!(file.ends_with("model.safetensors"));
            assert_eq!((expected, actual), (sha256(b"weights"), sha256(b"weightz")));
        }
        other => panic!("{other:?}"),
    }
    assert!(Folder::open_unverified(&out).is_ok());
    fs::remove_file(out.join("model.safetensors")).unwrap();
    assert!(matches!(Folder::open(&out), Err(Error::ListedFileMissing { .. })));

    fs::write(out.join("model.safetensors"), "weights").unwrap();
    Folder::open(&out).unwrap();
    fs::write(out.join("tokenizer.json"), "{}").unwrap();
    assert!(matches!(Folder::open(&out), Err(Error::FileUnlisted { .. })));
}

#[test]
fn saving_new_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("runs/deep/m");
    save(&out, false, "one").unwrap();
    assert_eq!(names(&out), ["config.json", "filbert.json", "model.safetensors", "report.html"]);
    let message = save(&out, false, "two").unwrap_err().to_string();
    assert!(message.ends_with("exists; pass --force to replace it"), "{message}");
    assert_eq!(fs::read(out.join("model.safetensors")).unwrap(), b"one");
    save(&out, true, "two").unwrap();
    assert_eq!(fs::read(out.join("model.safetensors")).unwrap(), b"two");
    assert_eq!(names(out.parent().unwrap()), ["m"]);
    // An empty folder is as good as none.
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    save(&empty, false, "three").unwrap();
    Folder::open(&empty).unwrap();
}

#[test]
fn dropping_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("m");
    save(&out, false, "one").unwrap();
    let folder = SaveFolder::create(&out, true).unwrap();
    folder.write("config.json", b"half").unwrap();
    assert_eq!(leftovers(&out), [folder.path()]);
    drop(folder);
    assert_eq!(names(dir.path()), ["m"]);
    assert_eq!(fs::read(out.join("model.safetensors")).unwrap(), b"one");
    assert!(leftovers(&out).is_empty());
}

#[test]
fn an_output_that_appears_meanwhile_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("m");
    let folder = SaveFolder::create(&out, false).unwrap();
    folder.write("config.json", b"{}").unwrap();
    fs::create_dir(&out).unwrap();
    fs::write(out.join("precious"), "x").unwrap();
    assert!(matches!(folder.commit(), Err(Error::OutputExists { .. })));
    assert_eq!(names(dir.path()), ["m"]);
    assert_eq!(names(&out), ["precious"]);
}

#[test]
fn two_writers_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("m");
    let first = SaveFolder::create(&out, true).unwrap();
    let second = SaveFolder::create(&out, true).unwrap();
    assert_ne!(first.path(), second.path());
    for (folder, marker) in [(first, "1"), (second, "2")] {
        folder.write("config.json", b"{}").unwrap();
        folder.write("filbert.json", marker.as_bytes()).unwrap();
        folder.commit().unwrap();
    }
    assert_eq!(fs::read(out.join("filbert.json")).unwrap(), b"2");
    assert_eq!(names(dir.path()), ["m"]);
}

#[test]
fn force_does_not_replace_everything() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "{}").unwrap();
    };
    write("documents/letter.txt");
    write("website/config.json");
    write("repository/filbert.json");
    write("repository/.git/config");
    write("a_file");
    write("model/filbert.json");
    let around = std::env::current_dir().unwrap();
    let cases: Vec<(PathBuf, &str)> = vec![
        (dir.path().join("documents"), "does not look like a model"),
        (dir.path().join("website"), "does not look like a model"),
        (dir.path().join("repository"), "does not look like a model"),
        (dir.path().join("a_file"), "it is a file"),
        (PathBuf::from("/"), "must be a named folder"),
        (PathBuf::from("."), "must be a named folder"),
        (PathBuf::from(".."), "must be a named folder"),
        (PathBuf::new(), "must be a named folder"),
        (around.clone(), "the current folder is in it"),
        (around.parent().unwrap().to_path_buf(), "the current folder is in it"),
    ];
    for (out, says) in cases {
        let message = SaveFolder::create(&out, true).unwrap_err().to_string();
        assert!(message.contains(says), "{}: {message}", out.display());
    }
    SaveFolder::create(&dir.path().join("model"), true).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dir.path().join("model"), dir.path().join("link")).unwrap();
        let message = SaveFolder::create(&dir.path().join("link"), true).unwrap_err().to_string();
        assert!(message.contains("symbolic link"), "{message}");
    }
}

#[test]
fn only_plain_names_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = SaveFolder::create(&dir.path().join("m"), false).unwrap();
    for name in ["../x", "a/b", "", ".", "/x"] {
        assert!(matches!(folder.write(name, b""), Err(Error::NotAPlainName { .. })), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = FilbertJson::parse(&bytes, Path::new("f"));
    }

    #[test]
    fn mutated_files_never_panic(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let filbert = FilbertJson {
            files: BTreeMap::from([("config.json".to_owned(), sha256(b"x"))]),
            thresholds: Some(BTreeMap::from([("spam".to_owned(), 0.3)])),
            ..FilbertJson::default()
        };
        let mut bytes = filbert.to_json().into_bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(parsed) = FilbertJson::parse(&bytes, Path::new("f")) {
            prop_assert_eq!(parse(&parsed.to_json()).unwrap(), parsed);
        }
    }

    #[test]
    fn values_round_trip(
        temperature in 1u32..6_400, threshold in 0u32..=64, labels in prop::collection::btree_set("\\PC{0,8}", 0..5),
    ) {
        let filbert = FilbertJson {
            temperature: f64::from(temperature) / 64.0,
            thresholds: Some(BTreeMap::from([("x".to_owned(), f64::from(threshold) / 64.0)])),
            labels: labels.into_iter().collect(),
            ..FilbertJson::default()
        };
        prop_assert_eq!(parse(&filbert.to_json()).unwrap(), filbert);
    }
}
