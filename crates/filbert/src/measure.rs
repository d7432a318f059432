//! What is measured on labelled rows, whatever the task.

use filbert_data::{LabelMap, Table, Task};
use filbert_eval::multilabel::{MultiInputs, MultiReport};
use filbert_eval::regression::{RegressionInputs, RegressionReport};
use filbert_eval::{DEFAULT_THRESHOLD, Decision, Estimate, Inputs, Options, Report, Rule};
use filbert_model::ProblemType;
use filbert_train::Targets;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Error;

/// Metrics with intervals, of the kind that the task has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Measure {
    /// One class each.
    Single(Box<Report>),
    /// Any number of labels each.
    Multi(Box<MultiReport>),
    /// A number each.
    Regression(Box<RegressionReport>),
}

impl Measure {
    /// Measures probabilities `[rows, labels]` on the rows' targets.
    pub(crate) fn of(
        outputs: &[f32],
        targets: &Targets,
        labels: &[String],
        decision: &Decision,
        seed: u64,
    ) -> Result<Self, Error> {
        let options = Options { seed, ..Options::default() };
        match targets {
            Targets::Classes(classes) => {
                let positive = match decision.rule {
                    Rule::Binary { positive, .. } => Some(positive),
                    _ => None,
                };
                let classes: Vec<usize> = classes.iter().map(|&c| c as usize).collect();
                let inputs = Inputs { probabilities: outputs, labels: &classes, classes: labels, positive };
                Ok(Self::Single(Box::new(filbert_eval::measure_decided(&inputs, decision, &options)?)))
            }
            Targets::Sets(sets) => {
                let truth = filbert_train::truth(sets, labels.len());
                let thresholds = match &decision.rule {
                    Rule::Multilabel { thresholds } => thresholds.clone(),
                    _ => vec![DEFAULT_THRESHOLD; labels.len()],
                };
                let inputs =
                    MultiInputs { probabilities: outputs, truth: &truth, labels, thresholds: &thresholds };
                Ok(Self::Multi(Box::new(filbert_eval::multilabel::measure(&inputs, &options)?)))
            }
            Targets::Numbers(numbers) => {
                let (predicted, truth) = (doubles(outputs), doubles(numbers));
                let inputs = RegressionInputs { predicted: &predicted, truth: &truth };
                Ok(Self::Regression(Box::new(filbert_eval::regression::measure(&inputs, &options)?)))
            }
        }
    }

    /// Rows measured.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Single(report) => report.rows,
            Self::Multi(report) => report.rows,
            Self::Regression(report) => report.rows,
        }
    }

    /// The share of rows answered right, exactly so for sets of labels.
    pub fn accuracy(&self) -> Option<&Estimate> {
        match self {
            Self::Single(report) => Some(&report.metrics.accuracy),
            Self::Multi(report) => Some(&report.metrics.subset_accuracy),
            Self::Regression(_) => None,
        }
    }

    /// The report of a task with one class each.
    pub fn single(&self) -> Option<&Report> {
        match self {
            Self::Single(report) => Some(report),
            _ => None,
        }
    }

    /// The report as JSON, its metrics in an object of their own.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The metrics' values by name, without intervals.
    pub fn values(&self) -> Vec<(String, f64)> {
        let Value::Object(all) = self.to_json()["metrics"].take() else { return Vec::new() };
        let value = |v: &Value| v.get("value").and_then(Value::as_f64);
        all.iter().filter_map(|(name, v)| Some((name.clone(), value(v)?))).collect()
    }
}

/// The same numbers in double precision.
pub(crate) fn doubles(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|&x| f64::from(x)).collect()
}

/// Lifts a report's metrics out of their own object.
pub(crate) fn flatten(report: &mut Value) {
    if let Some(report) = report.as_object_mut() {
        let mut flat = match report.remove("metrics") {
            Some(Value::Object(metrics)) => metrics,
            _ => Map::new(),
        };
        flat.append(report);
        *report = flat;
    }
}

/// The task that a table's rows are for.
pub(crate) const fn problem(task: Task) -> ProblemType {
    match task {
        Task::Single => ProblemType::SingleLabel,
        Task::Multi { .. } => ProblemType::MultiLabel,
        Task::Regression => ProblemType::Regression,
    }
}

/// What the rows of a table are to be.
pub(crate) fn targets(table: &Table, labels: Option<&LabelMap>) -> Result<Targets, Error> {
    Ok(match (table.task, labels) {
        (Task::Regression, _) | (_, None) => Targets::Numbers(table.numbers.clone()),
        (Task::Multi { .. }, Some(labels)) => Targets::Sets(labels.encode_sets(table)?),
        (Task::Single, Some(labels)) => {
            Targets::Classes(labels.encode(table)?.into_iter().map(|class| class as u32).collect())
        }
    })
}
