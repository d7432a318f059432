//! A fresh folder and the real binary for every test; a tiny encoder and separable rows to work on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// One test's folder.
pub(crate) struct Dir {
    dir: tempfile::TempDir,
}

/// What a run of the binary left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }

    /// Panics with everything printed unless the run ended with `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// An error is one line that starts with the program's name and contains `parts`.
    #[track_caller]
    pub(crate) fn expect_error(self, code: i32, parts: &[&str]) -> Self {
        let run = self.expect(code);
        let last = run.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("filbert: "), "{}", run.stderr);
        for part in parts {
            assert!(last.contains(part), "no {part:?} in: {last}");
        }
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        run
    }
}

impl Dir {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the binary in this folder, offline and with a cache of its own.
    pub(crate) fn filbert(&self, arguments: &[&str]) -> Run {
        self.filbert_with(arguments, "")
    }

    pub(crate) fn filbert_with(&self, arguments: &[&str], stdin: &str) -> Run {
        use std::io::Write;
        let mut child = Command::new(env!("CARGO_BIN_EXE_filbert"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env("HF_HOME", self.path("hf"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("HF_HUB_OFFLINE", "1")
            .env_remove("HF_HUB_CACHE")
            .env_remove("HF_ENDPOINT")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let text = stdin.to_owned();
        let writer = std::thread::spawn(move || {
            // The binary may end before it has read everything.
            let _ = input.write_all(text.as_bytes());
        });
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        writer.join().unwrap();
        Run {
            code: status.code().unwrap_or(-1),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// The golden tiny BERT as an encoder folder `tiny`, with a vocabulary of its 61 words.
    pub(crate) fn tiny_encoder(&self) -> PathBuf {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/golden/tiny");
        let folder = self.path("tiny");
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["config.json", "model.safetensors"] {
            std::fs::copy(golden.join(name), folder.join(name)).unwrap();
        }
        let mut words: Vec<String> =
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(str::to_owned).to_vec();
        words.extend(('a'..='z').map(String::from));
        words.extend(('a'..='z').map(|c| format!("##{c}")));
        words.extend(["0", "1", "2", "."].map(str::to_owned));
        assert_eq!(words.len(), 61);
        std::fs::write(folder.join("vocab.txt"), words.join("\n") + "\n").unwrap();
        std::fs::write(folder.join("tokenizer_config.json"), "{\"do_lower_case\": true}").unwrap();
        folder
    }

    /// `rows.csv`: texts of the letters a to f are `low`, of u to z `high`, so that any model can learn it.
    pub(crate) fn rows(&self, name: &str, n: usize) -> PathBuf {
        let mut text = String::from("id,text,label\n");
        for i in 0..n {
            let high = i % 2 == 1;
            let letters: String = (0..3 + i % 5)
                .map(|j| char::from(if high { b'u' } else { b'a' } + ((i * 7 + j * 3) % 6) as u8))
                .collect();
            writeln!(text, "{i},{letters} {letters},{}", if high { "high" } else { "low" }).unwrap();
        }
        self.write(name, &text)
    }

    /// A trained classifier in `model`.
    pub(crate) fn classifier(&self) -> PathBuf {
        self.tiny_encoder();
        self.rows("rows.csv", 120);
        self.filbert(&[
            "train", "--model", "tiny", "--data", "rows.csv", "--out", "model", "--epochs", "4", "--lr",
            "0.003", "-q",
        ])
        .expect(0);
        self.path("model")
    }
}
