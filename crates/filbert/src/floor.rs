//! The floor beside a run: what a cheap baseline makes of the same rows.

use std::time::Instant;

use filbert_data::Table;
use filbert_eval::{Floor, RegressionFloor};
use filbert_train::{Rows, Targets};
use serde::{Deserialize, Serialize};

use crate::measure::doubles;
use crate::pipeline::Setup;
use crate::{Error, Measure, Options, Watch};

/// Logistic (of numbers, ridge) regression over character n-grams, fitted on the same training rows and measured as the model is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FloorMetrics {
    /// N-grams that are features.
    pub features: usize,
    /// Fitting and measuring.
    pub seconds: f64,
    /// On the validation rows.
    pub valid: Option<Measure>,
    /// On the test rows.
    pub test: Option<Measure>,
}

/// The floor's figures, and its probabilities on validation and test rows.
pub(crate) struct FloorRun {
    pub(crate) metrics: FloorMetrics,
    pub(crate) valid: Option<Vec<f32>>,
    pub(crate) test: Option<Vec<f32>>,
}

/// A fitted floor.
enum Fit {
    Labels(Floor),
    Numbers(RegressionFloor),
}

impl Fit {
    fn of(setup: &Setup, texts: &[&str]) -> Option<Self> {
        let labels = setup.classifier.labels.len();
        match &setup.train.targets {
            Targets::Classes(classes) => Floor::fit(texts, classes, labels).map(Self::Labels),
            Targets::Sets(sets) => {
                Floor::fit_multilabel(texts, &filbert_train::truth(sets, labels), labels).map(Self::Labels)
            }
            Targets::Numbers(numbers) => RegressionFloor::fit(texts, &doubles(numbers)).map(Self::Numbers),
        }
    }

    fn features(&self) -> usize {
        match self {
            Self::Labels(floor) => floor.features(),
            Self::Numbers(floor) => floor.features(),
        }
    }

    fn outputs(&self, texts: &[&str]) -> Vec<f32> {
        match self {
            Self::Labels(floor) => floor.probabilities(texts),
            Self::Numbers(floor) => floor.values(texts).into_iter().map(|x| x as f32).collect(),
        }
    }
}

/// Fits and measures the floor; none where it is not wanted, or cannot be fitted, which is said.
pub(crate) fn measure(
    setup: &Setup,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Option<FloorRun>, Error> {
    if !options.floor {
        return Ok(None);
    }
    let start = Instant::now();
    watch.stage("fitting the n-gram floor");
    let train = texts(&setup.splits.train);
    let train: Vec<&str> = train.iter().map(String::as_str).collect();
    let Some(floor) = Fit::of(setup, &train) else {
        watch.note(
            "no n-gram floor: no characters repeat between texts, or they and the labels are too many for it",
        );
        return Ok(None);
    };
    let on =
        |table: &Option<Table>, rows: &Option<Rows>| -> Result<(Option<Measure>, Option<Vec<f32>>), Error> {
            let (Some(table), Some(rows)) = (table, rows) else { return Ok((None, None)) };
            let texts = texts(table);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let outputs = floor.outputs(&texts);
            let measure = setup.classifier.measure_plain(&outputs, &rows.targets, options.seed)?;
            Ok((Some(measure), Some(outputs)))
        };
    let splits = &setup.splits;
    let (valid, valid_outputs) = on(&splits.valid, &setup.valid)?;
    let (test, test_outputs) = on(&splits.test, &setup.test)?;
    let seconds = start.elapsed().as_secs_f64();
    let metrics = FloorMetrics { features: floor.features(), seconds, valid, test };
    Ok(Some(FloorRun { metrics, valid: valid_outputs, test: test_outputs }))
}

/// The texts of a table; those of pairs one after the other.
fn texts(table: &Table) -> Vec<String> {
    match &table.pairs {
        None => table.texts.clone(),
        Some(pairs) => table.texts.iter().zip(pairs).map(|(a, b)| format!("{a} {b}")).collect(),
    }
}
