//! The floor beside a run: what a cheap baseline makes of the same rows.

use std::time::Instant;

use filbert_data::Table;
use filbert_eval::{Floor, Report};
use serde::{Deserialize, Serialize};

use crate::rows::{Splits, classes};
use crate::{Classifier, Error, Options, Watch};

/// Logistic regression over character n-grams, fitted on the same training rows and measured as the model is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FloorMetrics {
    /// N-grams that are features.
    pub features: usize,
    /// Fitting and measuring.
    pub seconds: f64,
    /// On the validation rows.
    pub valid: Option<Report>,
    /// On the test rows.
    pub test: Option<Report>,
}

/// Fits and measures the floor; none where it is not wanted, or cannot be fitted, which is said.
pub(crate) fn measure(
    splits: &Splits,
    classifier: &Classifier,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Option<FloorMetrics>, Error> {
    if !options.floor {
        return Ok(None);
    }
    let start = Instant::now();
    watch.stage("fitting the n-gram floor");
    let labels = classes(&splits.train, &splits.labels)?;
    let train = texts(&splits.train);
    let train: Vec<&str> = train.iter().map(String::as_str).collect();
    let Some(floor) = Floor::fit(&train, &labels, splits.labels.names().len()) else {
        watch.note(
            "no n-gram floor: no characters repeat between texts, or they and the labels are too many for it",
        );
        return Ok(None);
    };
    let on = |table: &Option<Table>| -> Result<Option<Report>, Error> {
        let Some(table) = table.as_ref().filter(|table| !table.is_empty()) else { return Ok(None) };
        let texts = texts(table);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let labels = classes(table, &splits.labels)?;
        let labels: Vec<usize> = labels.into_iter().map(|l| l as usize).collect();
        classifier.measure(&floor.probabilities(&texts), &labels, options.seed).map(Some)
    };
    let (valid, test) = (on(&splits.valid)?, on(&splits.test)?);
    Ok(Some(FloorMetrics { features: floor.features(), seconds: start.elapsed().as_secs_f64(), valid, test }))
}

/// The texts of a table; those of pairs one after the other.
fn texts(table: &Table) -> Vec<String> {
    match &table.pairs {
        None => table.texts.clone(),
        Some(pairs) => table.texts.iter().zip(pairs).map(|(a, b)| format!("{a} {b}")).collect(),
    }
}
