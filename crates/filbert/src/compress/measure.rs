//! What an artifact answers, how large it is and how fast: every figure from reading it again and running it.

use std::path::{Path, PathBuf};

use filbert_eval::{Decision, Estimate};
use filbert_train::Texts;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::data::{Data, Labelled};
use super::making::Made;
use super::{Compression, Outcome, Probe, Speed, Step};
use crate::{Classifier, Error, Measure, Versus, Watch};

/// Files of a model folder that say something about it and that nothing needs.
const REPORTS: [&str; 2] = ["metrics.json", "report.html"];

/// An artifact's figures on labelled rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Metrics with intervals.
    pub measure: Measure,
    /// The artifact (candidate) beside the original (baseline), row by row; none of the original itself.
    pub versus: Option<Versus>,
}

/// Answers that are not the original's.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Flips {
    /// Rows with another answer.
    pub changed: u64,
    /// Rows compared.
    pub rows: u64,
    /// The share of the first in the second, with Wilson's interval.
    pub rate: Estimate,
}

/// One artifact.
#[derive(Debug, Clone, Default)]
pub struct Rung {
    /// Its name.
    pub name: String,
    /// How it was made, in a few words.
    pub how: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why it is beyond a bound or could not be made.
    pub reason: String,
    /// All its files but reports, in bytes.
    pub size_bytes: Option<u64>,
    /// On the gate's rows.
    pub figures: Option<Figures>,
    /// The difference of the gate's figure to the original's, positive where better; none of the original itself.
    pub change: Option<Estimate>,
    /// Answers that are not the original's; none of the original itself, and of numbers.
    pub flips: Option<Flips>,
    /// Speed and memory, where they were measured.
    pub speed: Option<Speed>,
    /// Where it lies.
    pub(super) folder: PathBuf,
}

impl Rung {
    pub(super) fn failed(step: &Step, error: &Error) -> Self {
        Self { name: step.name.clone(), reason: error.to_string(), ..Self::default() }
    }

    /// The gate's figure.
    pub fn value(&self) -> Option<Estimate> {
        self.figures.as_ref().map(|f| gate_value(&f.measure))
    }

    /// The area under the ROC curve, or what there is in its place.
    pub fn auc(&self) -> Option<Estimate> {
        match &self.figures.as_ref()?.measure {
            Measure::Single(report) => report.metrics.auc,
            Measure::Multi(report) => report.metrics.auc,
            Measure::Regression(_) => None,
        }
    }

    /// What there is to say of it in a line.
    pub(super) fn line(&self) -> String {
        let (Some(size), Some(value)) = (self.size_bytes, self.value()) else {
            return format!("{}: not made: {}", self.name, self.reason);
        };
        let flips =
            self.flips.map_or_else(String::new, |f| format!(", {} of {} answers flip", f.changed, f.rows));
        format!("{}: {:.1} MB, {:.4}{flips}", self.name, size as f64 / 1e6, value.value)
    }

    /// The rung as JSON.
    pub fn to_json(&self) -> Value {
        let speed = self.speed.as_ref();
        json!({
            "name": self.name, "how": self.how, "outcome": self.outcome, "reason": self.reason,
            "size_bytes": self.size_bytes,
            "figures": self.figures.as_ref().map(|f| f.measure.to_json()),
            "versus_original": self.figures.as_ref().and_then(|f| f.versus.as_ref()),
            "change": self.change, "flips": self.flips,
            "rows_per_s": speed.map(|s| s.rows_per_s),
            "single_p50_ms": speed.map(|s| s.single_p50_ms),
            "single_p99_ms": speed.map(|s| s.single_p99_ms),
            "peak_memory_mb": speed.and_then(|s| s.peak_memory_mb),
        })
    }
}

/// What is kept and the original, on rows that chose nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// The rows.
    pub rows: usize,
    /// The artifact's figures, beside the original's.
    pub kept: Figures,
    /// The original's.
    pub original: Measure,
    /// Answers that are not the original's.
    pub flips: Option<Flips>,
}

/// The original's answers, which all others are held against.
pub(super) struct Base {
    outputs: Vec<f32>,
    measure: Measure,
    decision: Decision,
    /// Its answers on the rows of flips.
    answers: Vec<Vec<usize>>,
    size: u64,
    seed: u64,
}

/// Accuracy, micro F1 or the mean absolute error.
pub(super) fn gate_value(measure: &Measure) -> Estimate {
    match measure {
        Measure::Single(report) => report.metrics.accuracy,
        Measure::Multi(report) => report.metrics.micro_f1,
        Measure::Regression(report) => report.metrics.mae,
    }
}

/// The paired difference of that figure, positive where the candidate is better.
pub(super) fn gate_change(versus: &Versus) -> Estimate {
    match versus {
        Versus::Single(c) => c.accuracy_difference,
        Versus::Multi(c) => c.micro_f1_difference,
        Versus::Regression(c) => c.mae_reduction,
    }
}

/// Answers of rows without labels; none of numbers, which always differ a little.
pub(crate) fn answers(classifier: &Classifier, texts: &Texts) -> Result<Vec<Vec<usize>>, Error> {
    let outputs = classifier.probabilities(texts, &mut |_| ())?;
    let columns = classifier.labels.len().max(1);
    Ok(outputs.chunks_exact(columns).map(|row| classifier.answer(row).labels).collect())
}

/// The original on the gate's rows.
pub(super) fn original(
    told: &Compression,
    classifier: &Classifier,
    data: &Data,
    watch: &mut dyn Watch,
) -> Result<Base, Error> {
    watch.stage("measuring the original");
    let outputs = classifier.probabilities(&data.gate.texts(classifier)?, &mut |_| ())?;
    let measure = classifier.measure(&outputs, &data.gate.targets, told.seed)?;
    Ok(Base {
        outputs,
        measure,
        decision: classifier.decision.clone(),
        answers: answers(classifier, &data.flip_texts(classifier)?)?,
        size: size(&told.model)?,
        seed: told.seed,
    })
}

impl Base {
    /// The name of the gate's figure.
    pub(super) fn figure(&self) -> &'static str {
        match self.measure {
            Measure::Single(_) => "accuracy",
            Measure::Multi(_) => "micro F1",
            Measure::Regression(_) => "mean absolute error",
        }
    }

    /// The original as a rung.
    pub(super) fn rung(&self, classifier: &Classifier, probe: &mut Probe<'_>) -> Rung {
        Rung {
            name: "original".to_owned(),
            how: "as it is".to_owned(),
            size_bytes: Some(self.size),
            figures: Some(Figures { measure: self.measure.clone(), versus: None }),
            speed: probe(&classifier.folder),
            folder: classifier.folder.clone(),
            ..Rung::default()
        }
    }
}

/// Reads an artifact again and measures it.
pub(super) fn rung(
    step: &Step,
    made: &Made,
    base: &Base,
    data: &Data,
    probe: &mut Probe<'_>,
) -> Result<Rung, Error> {
    let classifier = Classifier::load(&made.folder)?;
    let (measure, versus, _) = figures(&classifier, &data.gate, (&base.outputs, &base.decision), base.seed)?;
    let flips = flips(&base.answers, &answers(&classifier, &data.flip_texts(&classifier)?)?);
    let speed = probe(&made.folder);
    Ok(Rung {
        name: step.name.clone(),
        how: made.how.clone(),
        size_bytes: Some(size(&made.folder)?),
        change: Some(gate_change(&versus)),
        figures: Some(Figures { measure, versus: Some(versus) }),
        flips,
        speed,
        folder: made.folder.clone(),
        ..Rung::default()
    })
}

/// A classifier's figures on rows, beside another's outputs on them.
fn figures(
    classifier: &Classifier,
    rows: &Labelled,
    (baseline, decision): (&[f32], &Decision),
    seed: u64,
) -> Result<(Measure, Versus, Vec<f32>), Error> {
    let outputs = classifier.probabilities(&rows.texts(classifier)?, &mut |_| ())?;
    let measure = classifier.measure(&outputs, &rows.targets, seed)?;
    let both = ((baseline, Some(decision)), (&outputs[..], &classifier.decision));
    let versus = Versus::between(both.0, both.1, &rows.targets, &classifier.labels, seed)?;
    Ok((measure, versus, outputs))
}

/// Answers that differ; none where there are no labels to flip.
pub(crate) fn flips(before: &[Vec<usize>], after: &[Vec<usize>]) -> Option<Flips> {
    if before.is_empty() || before.len() != after.len() || before.iter().chain(after).all(Vec::is_empty) {
        return None;
    }
    let changed = before.iter().zip(after).filter(|(a, b)| a != b).count() as u64;
    let rows = before.len() as u64;
    Some(Flips { changed, rows, rate: filbert_eval::wilson(changed, rows) })
}

/// The artifact that is kept, and the original, on the test rows.
pub(super) fn test(
    kept: &Rung,
    original: &Classifier,
    data: &Data,
    seed: u64,
    watch: &mut dyn Watch,
) -> Result<Option<Tested>, Error> {
    let Some(rows) = &data.test else { return Ok(None) };
    watch.stage("measuring what is kept on the test rows");
    let outputs = original.probabilities(&rows.texts(original)?, &mut |_| ())?;
    let classifier = Classifier::load(&kept.folder)?;
    let (measure, versus, own) = figures(&classifier, rows, (&outputs, &original.decision), seed)?;
    let labels = |classifier: &Classifier, outputs: &[f32]| -> Vec<Vec<usize>> {
        outputs
            .chunks_exact(classifier.labels.len().max(1))
            .map(|row| classifier.answer(row).labels)
            .collect()
    };
    Ok(Some(Tested {
        rows: rows.len(),
        original: original.measure(&outputs, &rows.targets, seed)?,
        flips: flips(&labels(original, &outputs), &labels(&classifier, &own)),
        kept: Figures { measure, versus: Some(versus) },
    }))
}

/// The bytes of a model folder's files, reports aside.
pub(crate) fn size(folder: &Path) -> Result<u64, Error> {
    let io = |source| {
        Error::Model(filbert_model::Error::Io { file: folder.to_path_buf(), action: "list", source })
    };
    let mut sum = 0;
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        // A file in the hub's cache is a link to what it is.
        let meta = std::fs::metadata(entry.path()).map_err(io)?;
        if meta.is_file() && !REPORTS.iter().any(|name| entry.file_name() == *name) {
            sum += meta.len();
        }
    }
    Ok(sum)
}
