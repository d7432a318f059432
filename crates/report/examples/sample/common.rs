//! Random numbers, and what all samples share.

use filbert_report::Report;
use filbert_report::input::{Cost, Data, Epoch, Fact, Facts, Overlap, Split, Stage, Suspect, Training};

/// A small generator of random numbers (`SplitMix64`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal: the sum of twelve uniform numbers less six.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// An index below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n - 1)
    }
}

/// A report with everything that does not depend on the task.
pub(crate) fn report(title: &str, file: &str, rows: [u64; 3]) -> Report {
    let fact = |name: &str, value: &str| Fact::new(name, value);
    Report {
        title: title.to_owned(),
        model: "all-MiniLM-L6-v2, whole model".to_owned(),
        date: "25 November 2026".to_owned(),
        floor: "logistic regression over character n-grams".to_owned(),
        facts: vec![
            Facts {
                title: "Training".to_owned(),
                facts: vec![
                    fact("starting from", "all-MiniLM-L6-v2 (22.7 M parameters)"),
                    fact("epochs", "5"),
                    fact("learning rate", "5e-5, linear to 0, no warm-up"),
                    fact("batch", "16 rows"),
                    fact("longest text", "128 tokens"),
                    fact("weight decay", "0"),
                    fact("pooling", "pooler"),
                    fact("seed", "1"),
                ],
            },
            Facts {
                title: "Versions".to_owned(),
                facts: vec![fact("filbert", "0.1.0"), fact("tokenizers", "0.23.1"), fact("rustc", "1.95.0")],
            },
        ],
        command: format!(
            "filbert train --data {file} --model minilm-l6 --epochs 5 --lr 5e-5 --batch-size 16 --max-length 128 \
             --warmup 0 --weight-decay 0 --seed 1 --out my-model"
        ),
        data: data(file, rows),
        training: training(),
        cost: Cost {
            stages: [
                ("reading rows", 0.08),
                ("loading the model", 0.31),
                ("tokenizing", 0.12),
                ("training", 41.6),
                ("measuring", 3.9),
                ("the n-gram floor", 2.2),
            ]
            .map(|(name, seconds)| Stage { name: name.to_owned(), seconds })
            .to_vec(),
            total_seconds: Some(48.4),
            rows_per_second: Some(176.4),
            peak_bytes: Some(842_000_000),
            model_bytes: Some(91_300_000),
            facts: Vec::new(),
        },
        environment: vec![
            fact("kernels", "avx512"),
            fact("precision", "bf16 in training, f32 in measuring"),
            fact("threads", "2"),
            fact("processor", "Intel Xeon, AVX-512 and AMX"),
        ],
        notes: vec![
            format!("{} training, {} validation and {} test rows", rows[0], rows[1], rows[2]),
            "22,713,986 of 22,713,986 parameters are trained".to_owned(),
            "new, drawn from the seed: classifier.weight, classifier.bias".to_owned(),
            "computing in bf16 (the processor multiplies it), on 2 threads".to_owned(),
        ],
        ..Report::default()
    }
}

fn training() -> Training {
    let losses = [
        (0.482, 0.311, 0.876),
        (0.264, 0.248, 0.908),
        (0.171, 0.231, 0.917),
        (0.109, 0.252, 0.914),
        (0.071, 0.274, 0.911),
    ];
    Training {
        epochs: (1_u64..)
            .zip(losses)
            .map(|(epoch, (train, valid, accuracy))| Epoch {
                epoch,
                train_loss: Some(train),
                valid_loss: Some(valid),
                valid_metric: Some(accuracy),
            })
            .collect(),
        kept: Some(3),
        metric: "accuracy".to_owned(),
    }
}

fn data(file: &str, rows: [u64; 3]) -> Data {
    let names = ["train", "validation", "test"];
    let overlap = |from: &str, to: &str, rows, counts: [u64; 4]| Overlap {
        from: from.to_owned(),
        to: to.to_owned(),
        rows,
        exact: Some(counts[0]),
        canonical: Some(counts[1]),
        near: Some(counts[2]),
        domain: Some(counts[3]),
        conflicting: Some(0),
    };
    Data {
        splits: (names.iter().zip(rows))
            .map(|(name, rows)| Split {
                name: (*name).to_owned(),
                file: file.to_owned(),
                sha256: "3b7e6a0c9d51f2e84a77".to_owned(),
                rows,
                truncated: Some(rows / 90),
                blank: Some(0),
                conflicting: Some(u64::from(*name == "train") * 2),
                hostile: Some(rows / 200),
                ..Split::default()
            })
            .collect(),
        overlaps: vec![
            overlap("train", "train", rows[0], [4, 6, 31, 140]),
            overlap("train", "validation", rows[1], [0, 0, 5, 19]),
            overlap("train", "test", rows[2], [0, 1, 7, 23]),
            overlap("validation", "test", rows[2], [0, 0, 0, 4]),
        ],
        split_method: "70/15/15, stratified by label, seed 1".to_owned(),
        max_length: Some(128),
        suspects: vec![
            Suspect {
                text: "http://pay\u{200b}pal.com.secure-login.example/update\u{202e}lmth.xedni".to_owned(),
                label: "phishing".to_owned(),
                reasons: vec!["invisible characters".to_owned(), "changes the direction of text".to_owned()],
                place: format!("{file}:1184"),
            },
            Suspect {
                text: "https://docs.rs/serde/latest/serde/".to_owned(),
                label: "phishing".to_owned(),
                reasons: vec!["near duplicate with another label, line 77".to_owned()],
                place: format!("{file}:903"),
            },
        ],
        notes: vec![
            "Near duplicates share 80 % of their character 5-grams; every row's candidates were looked at."
                .to_owned(),
        ],
    }
}
