//! Fitting a [`Decision`] to a model: temperature, then thresholds for a target, then when to be unsure, each
//! on the probabilities that the step before gives. To be called with validation rows: on training rows a
//! model is surer than it may be, and test rows are for measuring what came of it.

mod target;
mod temperature;
mod threshold;
mod unsure;

use serde::{Deserialize, Serialize};

use crate::decision::{DEFAULT_THRESHOLD, Decision, Rule};
use crate::error::Error;
use crate::estimate::Estimate;
use crate::input::{Checked, Inputs, check_names, check_shape};
use crate::measure::names;

pub use target::{Target, Unsure};
pub use temperature::{TemperatureFit, fit_temperature, fit_temperature_multilabel};
pub use threshold::{ThresholdFit, fit_threshold, negatives_needed};
pub use unsure::UnsureFit;

use threshold::Sweep;
pub(crate) use threshold::between;

/// Rows that must be expected on the wrong side of a target for it to be more than luck.
const EXPECTED: f64 = 10.0;

/// What to fit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wanted {
    /// Whether to fit a temperature; 1 otherwise.
    pub temperature: bool,
    /// What thresholds are chosen for. Without one, single-label answers go by the most probable class, and
    /// labels by 0.5.
    pub target: Option<Target>,
    /// When answers are unsure.
    pub unsure: Option<Unsure>,
}

/// A fitted decision, and how it came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// To be stored with the model.
    pub decision: Decision,
    /// Rows fitted on.
    pub rows: u64,
    /// The temperature's fit, where one was wanted.
    pub temperature: Option<TemperatureFit>,
    /// One per threshold that was fitted.
    pub thresholds: Vec<ThresholdFit>,
    /// The fit of the unsure rule, where one was wanted.
    pub unsure: Option<UnsureFit>,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Fits the decision of a model with classes to raw logits, `[rows, classes]`, of validation rows.
///
/// With two classes the target sets one threshold, on the positive class (by default the second). With more,
/// each class has one, among the rows in which it is the most probable; a class without rows has none.
///
/// # Errors
/// Any fault of the inputs, see [`Error`]; [`Error::TooFewNegatives`] and [`Error::Unreachable`] for targets
/// that these rows cannot give; [`Error::UnsureKind`], [`Error::Band`] and [`Error::BandWithoutThreshold`].
pub fn fit_single_label(
    logits: &[f32],
    labels: &[usize],
    classes: &[String],
    positive: Option<usize>,
    wanted: &Wanted,
) -> Result<Fitted, Error> {
    check_names(classes, 2)?;
    check_shape(labels.len(), classes.len(), "logits", logits.len())?;
    let mut notes = Vec::new();
    let mut decision = Decision::plain(classes.len(), positive);
    let temperature =
        wanted.temperature.then(|| fit_temperature(logits, labels, classes.len())).transpose()?;
    apply(temperature, &mut decision, &mut notes);
    let probabilities = decision.probabilities(logits.to_vec(), classes.len())?;
    let checked = Inputs { probabilities: &probabilities, labels, classes, positive }.check()?;
    let mut fits = Vec::new();
    if let Some(target) = wanted.target {
        match &mut decision.rule {
            Rule::Binary { positive, threshold, .. } => {
                let scores: Vec<f32> = checked.each_row().map(|(p, ..)| p[*positive]).collect();
                let truth: Vec<bool> = labels.iter().map(|label| label == positive).collect();
                let fit = fit_threshold(&scores, &truth, target)?;
                *threshold = Some(fit.threshold);
                fits.push(fit);
            }
            Rule::Multiclass { thresholds, .. } => {
                *thresholds = Some(per_class(&checked, target, &mut fits, &mut notes)?);
            }
            Rule::Multilabel { .. } => {}
        }
    }
    notes.extend(fits.iter().filter_map(thin));
    let unsure = wanted.unsure.map(|wish| unsure::fit(&mut decision, &checked, wish)).transpose()?;
    notes.extend(unsure.as_ref().and_then(UnsureFit::thin));
    decision.check(classes.len())?;
    Ok(Fitted { decision, rows: labels.len() as u64, temperature, thresholds: fits, unsure, notes })
}

/// Fits the decision of a multi-label model to raw logits and truth, `[rows, labels]` each, of validation
/// rows. Each label gets a threshold of its own, for the target or, without one, for 0.5. A label that all or
/// no rows carry keeps 0.5.
///
/// # Errors
/// As [`fit_single_label`]; [`Error::UnsureKind`] for any unsure rule.
pub fn fit_multi_label(
    logits: &[f32],
    truth: &[bool],
    labels: &[String],
    wanted: &Wanted,
) -> Result<Fitted, Error> {
    check_names(labels, 1)?;
    let width = labels.len();
    let rows = truth.len() / width;
    check_shape(rows, width, "truth", truth.len())?;
    check_shape(rows, width, "logits", logits.len())?;
    if wanted.unsure.is_some() {
        return Err(Error::UnsureKind {
            given: "answers",
            kind: "multi-label models",
            instead: "thresholds or a target",
        });
    }
    let mut notes = Vec::new();
    let mut decision = Decision::plain_multilabel(width);
    let temperature =
        wanted.temperature.then(|| fit_temperature_multilabel(logits, truth, width)).transpose()?;
    apply(temperature, &mut decision, &mut notes);
    let probabilities = decision.probabilities(logits.to_vec(), width)?;
    let mut fits = Vec::new();
    if let (Some(target), Rule::Multilabel { thresholds }) = (wanted.target, &mut decision.rule) {
        for (index, (label, threshold)) in labels.iter().zip(thresholds).enumerate() {
            let pairs = probabilities.chunks_exact(width).zip(truth.chunks_exact(width));
            let sweep = Sweep::new(pairs.map(|(p, t)| (p[index], t[index])), (0, 0));
            if !sweep.one_sided() {
                let fit = sweep.fit(target, Some(label))?;
                *threshold = fit.threshold;
                fits.push(fit);
            }
        }
        let left: Vec<&String> = unfitted(labels, &fits).collect();
        if let Some(names) = names(left.into_iter()) {
            notes.push(format!("all or no rows carry {names}: the threshold stays {DEFAULT_THRESHOLD}"));
        }
    }
    notes.extend(fits.iter().filter_map(thin));
    decision.check(width)?;
    Ok(Fitted { decision, rows: rows as u64, temperature, thresholds: fits, unsure: None, notes })
}

fn apply(fit: Option<TemperatureFit>, decision: &mut Decision, notes: &mut Vec<String>) {
    let Some(fit) = fit else { return };
    decision.temperature = fit.temperature;
    if fit.at_bound {
        notes.push(format!(
            "the temperature stands at its bound, {}: these rows cannot tell how sure the model should be",
            fit.temperature
        ));
    }
}

/// A threshold for each class among the rows in which it is the most probable; 0 for a class that all or no
/// rows are.
fn per_class(
    checked: &Checked<'_>,
    target: Target,
    fits: &mut Vec<ThresholdFit>,
    notes: &mut Vec<String>,
) -> Result<Vec<f32>, Error> {
    // Rows by predicted class, so that every row is visited once, whatever the number of classes.
    let mut called: Vec<Vec<(f32, bool)>> = vec![Vec::new(); checked.classes.len()];
    let mut support = vec![0u64; checked.classes.len()];
    for (p, label, predicted) in checked.each_row() {
        called[predicted].push((p[predicted], label == predicted));
        support[label] += 1;
    }
    let mut thresholds = vec![0.0; checked.classes.len()];
    for (class, (rows, threshold)) in called.into_iter().zip(&mut thresholds).enumerate() {
        let hits = rows.iter().filter(|row| row.1).count() as u64;
        let (positives, negatives) = (support[class] - hits, {
            let misfires = rows.len() as u64 - hits;
            checked.rows() as u64 - support[class] - misfires
        });
        let sweep = Sweep::new(rows.into_iter(), (positives, negatives));
        let best_of = matches!(target, Target::BestF1 | Target::BestMcc);
        // With no row called right, any threshold is as good for F1 and MCC.
        if sweep.one_sided() || (best_of && hits == 0) {
            continue;
        }
        let fit = sweep.fit(target, Some(&checked.classes[class]))?;
        *threshold = fit.threshold;
        fits.push(fit);
    }
    let left: Vec<&String> = unfitted(checked.classes, fits).collect();
    if let Some(names) = names(left.into_iter()) {
        notes.push(format!("no threshold for {names}: all or no rows are it, or are called it"));
    }
    Ok(thresholds)
}

/// The labels without a fit; `fits` are in the order of `labels`.
fn unfitted<'a>(labels: &'a [String], fits: &[ThresholdFit]) -> impl Iterator<Item = &'a String> {
    let mut fitted = fits.iter().peekable();
    labels.iter().filter(move |label| fitted.next_if(|fit| fit.label.as_ref() == Some(*label)).is_none())
}

/// The note for a target that rests on so few rows that it may be luck.
fn thin(fit: &ThresholdFit) -> Option<String> {
    let called = fit.recall.value * fit.positives as f64 + fit.fpr.value * fit.negatives as f64;
    let (limit, rows, what) = match fit.target {
        Target::Precision(limit) => (limit, called, "called"),
        Target::Recall(limit) => (limit, fit.positives as f64, "positive"),
        Target::Fpr(_) | Target::BestF1 | Target::BestMcc => return None,
    };
    let reached: &Estimate =
        if matches!(fit.target, Target::Precision(_)) { &fit.precision } else { &fit.recall };
    let rows = rows.round();
    let low = reached.low.unwrap_or(0.0);
    (rows * (1.0 - limit) < EXPECTED * (1.0 - 1e-12) && low < limit).then(|| {
        let of = fit.label.as_ref().map_or_else(String::new, |label| format!(" for {label:?}"));
        format!("{}{of} rests on {rows} {what} rows: it may be as low as {low:.3} on others", fit.target)
    })
}
