//! Samples of compression: a ladder with a rung that is kept, one of which none fits, and a distillation.

use filbert_eval::{Estimate, Inputs, Options, measure, paired, softmax_rows, wilson};
use filbert_report::Report;
use filbert_report::input::{
    Bounds, Distillation, Figure, Flips, KeptTest, Ladder, Learner, Metric, Outcome, Paired, Rung, Seeds,
    Training,
};

use crate::common::{Random, report};

/// Logits of a model, and of others that differ from it by noise.
struct Rows {
    labels: Vec<usize>,
    logits: Vec<f32>,
}

impl Rows {
    fn new(seed: u64, skill: f64) -> Self {
        let mut random = Random(seed);
        let labels: Vec<usize> = (0..1114).map(|_| random.below(2)).collect();
        let logits = (labels.iter())
            .flat_map(|&label| [0, 1].map(|class| if class == label { skill } else { 0.0 }))
            .map(|right| (right + random.normal()) as f32)
            .collect();
        Self { labels, logits }
    }

    /// Probabilities after noise of a size has been added to the logits.
    fn noisy(&self, size: f64, seed: u64) -> Vec<f32> {
        let mut random = Random(seed);
        let logits: Vec<f32> = self.logits.iter().map(|l| l + (size * random.normal()) as f32).collect();
        softmax_rows(&logits, 2).unwrap_or_default()
    }

    /// Figures of an artifact and predictions that are not the original's.
    fn compare(
        &self,
        original: &[f32],
        artifact: &[f32],
    ) -> Result<(Vec<Figure>, Flips), filbert_eval::Error> {
        let classes = ["legitimate".to_owned(), "phishing".to_owned()];
        let inputs =
            |p| Inputs { probabilities: p, labels: &self.labels, classes: &classes, positive: Some(1) };
        let options = Options { resamples: 400, ..Options::default() };
        let measured = measure(&inputs(artifact), &options)?;
        let compared = paired::compare(&inputs(original), &inputs(artifact), &options)?;
        let called = |p: &[f32]| p.chunks(2).map(|p| p[1] > p[0]).collect::<Vec<bool>>();
        let changed = called(original).iter().zip(called(artifact)).filter(|(a, b)| **a != *b).count() as u64;
        let figures = vec![
            Figure::higher("accuracy", Some(measured.metrics.accuracy), Some(compared.accuracy_difference)),
            Figure::higher("ROC AUC", measured.metrics.auc, compared.auc_difference),
        ];
        let rows = self.labels.len() as u64;
        Ok((figures, Flips { changed, rows, rate: Some(wilson(changed, rows)) }))
    }
}

/// Name, how it was made, bytes on disk, noise, rows per second, milliseconds, megabytes of memory.
type Made = (&'static str, &'static str, u64, f64, f64, f64, u64);

const MADE: [Made; 6] = [
    ("original", "MiniLM-L6, float32", 91_300_000, 0.0, 176.0, 4.1, 412),
    ("int8", "weights per output channel, activations per token", 23_100_000, 0.04, 423.0, 1.62, 180),
    ("4-bit", "nf4 in blocks of 64, embeddings 4-bit by row", 13_200_000, 0.16, 160.0, 4.6, 150),
    ("4-bit, pruned vocabulary", "nf4, 12,410 of 30,522 tokens", 8_412_000, 0.17, 161.0, 4.5, 121),
    ("3 layers, int8", "distilled from the original, layers 1, 3, 5", 16_900_000, 0.34, 812.0, 0.84, 132),
    ("3 layers, 4-bit, pruned", "distilled, nf4, 12,410 of 30,522 tokens", 5_030_000, 0.62, 318.0, 2.3, 96),
];

/// A ladder with bounds of so many bytes and such a drop.
pub(crate) fn ladder(max_bytes: u64, max_drop: f64) -> Result<Ladder, filbert_eval::Error> {
    let (valid, test) = (Rows::new(21, 2.1), Rows::new(22, 2.1));
    let mut rungs = Vec::new();
    for (i, (name, how, size, noise, speed, ms, memory)) in MADE.into_iter().enumerate() {
        let (mut figures, flips) = valid.compare(&valid.noisy(0.0, 1), &valid.noisy(noise, 31 + i as u64))?;
        let drop = figures[0].difference.map_or(0.0, |d| -d.value);
        let reason = match (size > max_bytes, i > 0 && drop > max_drop) {
            (true, true) => "too large, and loses too much",
            (true, false) => "too large",
            (false, true) => "loses too much",
            (false, false) => "",
        };
        if i == 0 {
            for figure in &mut figures {
                figure.difference = None;
            }
        }
        rungs.push(Rung {
            name: name.to_owned(),
            how: how.to_owned(),
            original: i == 0,
            outcome: if reason.is_empty() { Outcome::Fits } else { Outcome::Outside },
            reason: reason.to_owned(),
            size_bytes: Some(size),
            peak_bytes: Some(memory * 1_000_000),
            figures,
            flips: (i > 0).then_some(flips),
            rows_per_second: Some(speed),
            p50_ms: Some(ms),
            p99_ms: Some(ms * 1.31),
        });
    }
    let fits = (0..rungs.len()).filter(|&i| rungs[i].outcome == Outcome::Fits);
    let kept = fits.min_by_key(|&i| rungs[i].size_bytes);
    let mut measured = None;
    if let Some(kept) = kept {
        rungs[kept].outcome = Outcome::Kept;
        let original = test.noisy(0.0, 1);
        let (kept, flips) = test.compare(&original, &test.noisy(MADE[kept].3, 77))?;
        let (mut first, _) = test.compare(&original, &original)?;
        for figure in &mut first {
            figure.difference = None;
        }
        measured = Some(KeptTest { rows: 1114, kept, original: first, flips: Some(flips) });
    }
    rungs.push(Rung {
        name: "2 layers, int8".to_owned(),
        how: "distilled from the original, layers 1, 5".to_owned(),
        reason: "a larger one loses too much already".to_owned(),
        ..Rung::default()
    });
    Ok(Ladder {
        bounds: Bounds {
            max_bytes: Some(max_bytes),
            max_drop: Some(max_drop),
            figure: "accuracy".to_owned(),
            ..Bounds::default()
        },
        split: "validation".to_owned(),
        rows: 1114,
        rungs,
        test: measured,
        notes: vec!["Speed and memory were measured on 2 threads, with nothing else running.".to_owned()],
    })
}

/// A student that learnt from a teacher, and its control.
pub(crate) fn distillation() -> Result<Distillation, filbert_eval::Error> {
    let rows = Rows::new(22, 2.1);
    let (teacher, student, control) = (rows.noisy(0.0, 1), rows.noisy(0.34, 5), rows.noisy(0.72, 6));
    let classes = ["legitimate".to_owned(), "phishing".to_owned()];
    let inputs = |p| Inputs { probabilities: p, labels: &rows.labels, classes: &classes, positive: Some(1) };
    let options = Options { resamples: 400, ..Options::default() };
    let learner = |name: &str, how: &str, size, p, deviation: Option<f64>| {
        let measured = measure(&inputs(p), &options)?;
        let over = |value: Option<Estimate>| {
            let (mean, deviation) = (value?.value - 0.002, deviation?);
            Some(Seeds { values: vec![mean; 3], mean, deviation })
        };
        let metric = |name: &str, value| Metric { seeds: over(value), ..Metric::higher(name, value, None) };
        Ok(Learner {
            name: name.to_owned(),
            how: how.to_owned(),
            size_bytes: Some(size),
            metrics: vec![
                metric("accuracy", Some(measured.metrics.accuracy)),
                metric("macro F1", Some(measured.metrics.macro_f1)),
                metric("ROC AUC", measured.metrics.auc),
            ],
        })
    };
    let of = |baseline: &str, first, second| -> Result<Paired, filbert_eval::Error> {
        Ok(Paired::of(baseline, false, &paired::compare(&inputs(first), &inputs(second), &options)?))
    };
    Ok(Distillation {
        split: "test".to_owned(),
        rows: 1114,
        teacher: learner("MiniLM-L6", "6 layers, float32", 91_300_000, &teacher, None)?,
        student: learner("3 layers", "layers 1, 3, 5; T 2, alpha 0.5", 62_100_000, &student, Some(0.0041))?,
        control: Some(learner("3 layers", "the same, labels alone", 62_100_000, &control, Some(0.0063))?),
        against_control: vec![of("the control", &control, &student)?],
        against_teacher: vec![of("the teacher", &teacher, &student)?],
        notes: Vec::new(),
    })
}

/// The page of a compression alone.
pub(crate) fn compressed(max_bytes: u64, max_drop: f64) -> Result<Report, filbert_eval::Error> {
    let mut r = report("Phishing URLs, compressed", "urls.csv", [5198, 1114, 1114]);
    r.ladder = Some(ladder(max_bytes, max_drop)?);
    r.command =
        "filbert compress my-model --data urls.csv --max-size 12MB --max-drop 0.005 --out small".into();
    r.training = Training::default();
    Ok(r)
}
