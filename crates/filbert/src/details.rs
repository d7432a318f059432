//! What a report says beside the metrics: is the model better than the floor, what is it worth where it will be used, and where
//! is it wrong.

use filbert_data::Table;
use filbert_eval::multilabel::MultiInputs;
use filbert_eval::operating::{Operating, PREVALENCES, precision_by_prevalence, tpr_at_fpr};
use filbert_eval::paired::{
    Comparison, MultiComparison, RegressionComparison, compare, compare_multilabel, compare_regression,
};
use filbert_eval::regression::RegressionInputs;
use filbert_eval::slices::{Grouping, QUANTILES, Slices, slices};
use filbert_eval::{DEFAULT_THRESHOLD, Decision, Inputs, Options, Rule};
use filbert_train::{Rows, Targets};
use serde::{Deserialize, Serialize};

use crate::measure::doubles;
use crate::{Classifier, Error};

/// Mistakes that are kept.
const MISTAKES: usize = 20;
/// Characters of a text that are kept with a mistake.
const SHOWN: usize = 400;

/// Everything about one set of rows beside its metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// `test`, or `validation` where there are no test rows.
    pub split: String,
    /// The rows' file.
    pub file: String,
    /// The model (candidate) beside the floor (baseline).
    pub comparison: Option<Versus>,
    /// That in one sentence.
    pub verdict: Option<String>,
    /// Of two labels: true positives at few false ones, and precision where positives are rare.
    pub operating: Option<Operating>,
    /// Parts of the rows, by length and by the columns that were asked for.
    pub slices: Option<Slices>,
    /// The most confident mistakes, of numbers the largest errors; worst first.
    pub mistakes: Vec<Mistake>,
}

/// A row that was answered wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// Where the row stands in its file, from 1: a line, or a row of a Parquet file.
    pub place: u64,
    /// The text, cut.
    pub text: String,
    /// What it is.
    pub truth: String,
    /// What the model answers.
    pub answer: String,
    /// The probability of that; none for numbers.
    pub probability: Option<f32>,
}

/// Rows with what the model made of them.
pub(crate) struct Answered<'a> {
    pub(crate) table: &'a Table,
    pub(crate) rows: &'a Rows,
    /// Probabilities `[rows, labels]`, or numbers.
    pub(crate) outputs: &'a [f32],
    /// The floor's.
    pub(crate) floor: Option<&'a [f32]>,
    /// Columns to cut the rows by.
    pub(crate) slices: &'a [String],
}

/// A paired comparison of the kind that the task has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Versus {
    /// One class each.
    Single(Comparison),
    /// Any number of labels each.
    Multi(MultiComparison),
    /// A number each.
    Regression(RegressionComparison),
}

impl Versus {
    /// Compares two models' outputs on the same rows; the baseline has no thresholds of its own.
    pub(crate) fn of(
        baseline: &[f32],
        candidate: &[f32],
        targets: &Targets,
        labels: &[String],
        decision: &Decision,
        seed: u64,
    ) -> Result<Self, Error> {
        Self::between((baseline, None), (candidate, decision), targets, labels, seed)
    }

    /// The same where the baseline too decides in its own way.
    pub(crate) fn between(
        (baseline, plain): (&[f32], Option<&Decision>),
        (candidate, decision): (&[f32], &Decision),
        targets: &Targets,
        labels: &[String],
        seed: u64,
    ) -> Result<Self, Error> {
        let options = Options { seed, ..Options::default() };
        Ok(match targets {
            Targets::Classes(classes) => {
                let classes: Vec<usize> = classes.iter().map(|&c| c as usize).collect();
                let positive = positive(decision);
                let inputs =
                    |probabilities| Inputs { probabilities, labels: &classes, classes: labels, positive };
                Self::Single(compare(&inputs(baseline), &inputs(candidate), &options)?)
            }
            Targets::Sets(sets) => {
                let truth = filbert_train::truth(sets, labels.len());
                let thresholds = |decision: Option<&Decision>| match decision.map(|d| &d.rule) {
                    Some(Rule::Multilabel { thresholds }) => thresholds.clone(),
                    _ => vec![DEFAULT_THRESHOLD; labels.len()],
                };
                let (plain, own) = (thresholds(plain), thresholds(Some(decision)));
                let inputs = |probabilities, thresholds| MultiInputs {
                    probabilities,
                    truth: &truth,
                    labels,
                    thresholds,
                };
                let (a, b) = (inputs(baseline, &plain[..]), inputs(candidate, &own[..]));
                Self::Multi(compare_multilabel(&a, &b, &options)?)
            }
            Targets::Numbers(numbers) => {
                let truth = doubles(numbers);
                let (a, b) = (doubles(baseline), doubles(candidate));
                let inputs = |predicted| RegressionInputs { predicted, truth: &truth };
                Self::Regression(compare_regression(&inputs(&a[..]), &inputs(&b[..]), &options)?)
            }
        })
    }

    /// The comparison in one sentence.
    pub fn verdict(&self, baseline: &str, candidate: &str) -> String {
        match self {
            Self::Single(c) => c.verdict(baseline, candidate),
            Self::Multi(c) => c.verdict(baseline, candidate),
            Self::Regression(c) => c.verdict(baseline, candidate),
        }
    }
}

/// The positive class, where there are two.
pub(crate) fn positive(decision: &Decision) -> Option<usize> {
    match decision.rule {
        Rule::Binary { positive, .. } => Some(positive),
        _ => None,
    }
}

impl Details {
    pub(crate) fn of(
        classifier: &Classifier,
        split: &str,
        answered: &Answered<'_>,
        (rates, seed): (&[f64], u64),
    ) -> Result<Self, Error> {
        let file = answered.table.source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut details = Self {
            split: split.to_owned(),
            file,
            mistakes: mistakes(classifier, answered),
            ..Self::default()
        };
        let (targets, outputs) = (&answered.rows.targets, answered.outputs);
        if let Some(floor) = answered.floor {
            let versus = Versus::of(floor, outputs, targets, &classifier.labels, &classifier.decision, seed)?;
            details.verdict = Some(versus.verdict("the n-gram floor", "the model"));
            details.comparison = Some(versus);
        }
        let Targets::Classes(classes) = targets else { return Ok(details) };
        let labels: Vec<usize> = classes.iter().map(|&c| c as usize).collect();
        let positive = positive(&classifier.decision);
        if let Some(positive) = positive {
            let scores: Vec<f32> = outputs.chunks_exact(2).map(|p| p[positive]).collect();
            let truth: Vec<bool> = labels.iter().map(|&label| label == positive).collect();
            let called: Vec<bool> =
                outputs.chunks_exact(2).map(|p| classifier.answer(p).labels == [positive]).collect();
            // Rows of one class have no such points.
            if truth.iter().any(|&t| t) && !truth.iter().all(|&t| t) {
                details.operating = Some(Operating {
                    tpr_at_fpr: tpr_at_fpr(&scores, &truth, rates)?,
                    precision_by_prevalence: precision_by_prevalence(&truth, &called, &PREVALENCES)?,
                });
            }
        }
        if classifier.labels.len() > 1 {
            let inputs =
                Inputs { probabilities: outputs, labels: &labels, classes: &classifier.labels, positive };
            let table = answered.table;
            let lengths: Vec<usize> = table.texts.iter().map(|text| text.chars().count()).collect();
            let mut groupings = vec![Grouping::by_length("length in characters", &lengths, QUANTILES)];
            groupings.extend(
                answered.slices.iter().filter_map(|c| Some(Grouping::by_value(c, table.kept_column(c)?))),
            );
            details.slices = Some(slices(&inputs, Some(&classifier.decision), &groupings)?);
        }
        Ok(details)
    }
}

/// The rows that are answered wrong, most confident first; of numbers those that are farthest off.
fn mistakes(classifier: &Classifier, answered: &Answered<'_>) -> Vec<Mistake> {
    let columns = classifier.labels.len().max(1);
    let names = |labels: &[usize]| -> String {
        if labels.is_empty() {
            return "(none)".to_owned();
        }
        labels.iter().map(|&l| classifier.labels[l].as_str()).collect::<Vec<_>>().join(", ")
    };
    let mut found: Vec<(f32, usize, String, String, Option<f32>)> = Vec::new();
    for (row, outputs) in answered.outputs.chunks_exact(columns).enumerate() {
        let answer = classifier.answer(outputs);
        let (truth, weight) = match &answered.rows.targets {
            Targets::Classes(classes) => (vec![classes[row] as usize], answer.score),
            Targets::Sets(sets) => {
                let mut truth: Vec<usize> = sets[row].iter().map(|&l| l as usize).collect();
                truth.sort_unstable();
                // The surest wrong decision about a single label.
                let wrong = |l: usize| answer.labels.contains(&l) != truth.contains(&l);
                let sure = |l: usize| if answer.labels.contains(&l) { outputs[l] } else { 1.0 - outputs[l] };
                let weight = (0..columns).filter(|&l| wrong(l)).map(sure).fold(0.0, f32::max);
                (truth, weight)
            }
            Targets::Numbers(numbers) => {
                let error = (outputs[0] - numbers[row]).abs();
                found.push((error, row, numbers[row].to_string(), outputs[0].to_string(), None));
                continue;
            }
        };
        if truth != answer.labels {
            found.push((weight, row, names(&truth), names(&answer.labels), Some(weight)));
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found.truncate(MISTAKES);
    let table = answered.table;
    let text = |row: usize| {
        let pair = table.pairs.as_ref().map(|p| format!(" | {}", p[row])).unwrap_or_default();
        let whole = format!("{}{pair}", table.texts[row]);
        let cut: String = whole.chars().take(SHOWN).collect();
        if cut.len() < whole.len() { format!("{cut}...") } else { cut }
    };
    found
        .into_iter()
        .map(|(_, row, truth, answer, probability)| Mistake {
            place: table.places[row],
            text: text(row),
            truth,
            answer,
            probability,
        })
        .collect()
}
