//! What a measurement gives, in the shape that `metrics.json` and `eval --json` publish: `{"rows",
//! "positive", "metrics": {name: {"value", "low", "high", "method"}}, "per_class": {label: {…}}, "confusion",
//! "notes"}`. Class labels keep their order. A metric that cannot be had at all is `null`.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::estimate::Estimate;

/// The most classes that a confusion matrix is kept for: its size grows with their square.
pub const MAX_CONFUSION_CLASSES: usize = 1000;

/// Everything measured on one set of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Rows measured.
    pub rows: u64,
    /// With two classes, the label of the positive one; `None` otherwise.
    pub positive: Option<String>,
    /// Metrics over all classes.
    pub metrics: Metrics,
    /// Metrics of each class, in class order; a JSON object keyed by label.
    #[serde(serialize_with = "to_map", deserialize_with = "from_map")]
    pub per_class: Vec<PerClass>,
    /// The confusion matrix; `None` above [`MAX_CONFUSION_CLASSES`] classes.
    pub confusion: Option<Confusion>,
    /// What a reader should know: classes without rows, metrics without interval, and why.
    pub notes: Vec<String>,
    /// What is left where the model may say "unsure"; `None` where it may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
}

/// The rows on which a model that may say "unsure" does not.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// Rows decided.
    pub rows: u64,
    /// Their share of all rows.
    pub coverage: Estimate,
    /// Share of them that are right; 0 without an interval where there are none.
    pub accuracy: Estimate,
}

/// Metrics over all classes. Predictions are the most probable class, the first among equals. All are in [0,
/// 1] unless said otherwise; definitions are those of scikit-learn's functions with their default arguments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of rows predicted right.
    pub accuracy: Estimate,
    /// Mean recall over the classes that have rows.
    pub balanced_accuracy: Estimate,
    /// Mean precision over the classes that occur as a label or as a prediction.
    pub macro_precision: Estimate,
    /// Mean recall over the classes that occur as a label or as a prediction.
    pub macro_recall: Estimate,
    /// Mean F1 over the classes that occur as a label or as a prediction.
    pub macro_f1: Estimate,
    /// F1 of the pooled counts; equal to accuracy where each row has one label.
    pub micro_f1: Estimate,
    /// Precision weighted by each class's rows.
    pub weighted_precision: Estimate,
    /// Recall weighted by each class's rows; equal to accuracy.
    pub weighted_recall: Estimate,
    /// F1 weighted by each class's rows.
    pub weighted_f1: Estimate,
    /// Matthews' correlation coefficient, in [-1, 1]; 0 where labels or predictions are all of one class.
    pub mcc: Estimate,
    /// ROC AUC of the positive class; with more than two classes the mean of one-vs-rest AUCs over the
    /// classes that have rows. `None` where all rows are of one class.
    pub auc: Option<Estimate>,
    /// Average precision, averaged like `auc`. `None` where all rows are of one class.
    pub pr_auc: Option<Estimate>,
    /// Mean of `-ln p(true class)` in nats, `p` clipped to 2.2e-16 from 0 and 1; in [0, 36.1].
    pub log_loss: Estimate,
    /// Mean squared error of the positive class's probability; with more than two classes, of all
    /// probabilities, summed over classes, in [0, 2].
    pub brier: Estimate,
    /// Expected calibration error of the top label's probability, in 15 bins of equal mass. Biased upwards,
    /// so it has no interval.
    pub ece: Estimate,
}

/// Metrics of one class against the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PerClass {
    /// The class's name; the key of the JSON object.
    #[serde(skip)]
    pub label: String,
    /// Share of the rows called this class that are it; 0 without an interval where none is called it.
    pub precision: Estimate,
    /// Share of this class's rows that are called it; 0 without an interval where there are none.
    pub recall: Estimate,
    /// Harmonic mean of precision and recall; 0 without an interval where both lack rows.
    pub f1: Estimate,
    /// Rows that are this class.
    pub support: u64,
    /// Rows that are called this class.
    pub predicted: u64,
    /// One-vs-rest ROC AUC; `None` where all or none of the rows are this class.
    pub auc: Option<Estimate>,
}

/// Counts of true against predicted class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Confusion {
    /// Class names, the order of rows and columns.
    pub labels: Vec<String>,
    /// `counts[true][predicted]`.
    pub counts: Vec<Vec<u64>>,
    /// The share of each row that lies on the diagonal: the class's recall with its interval.
    pub recall: Vec<Estimate>,
}

impl Report {
    /// The report as JSON, in the published shape.
    pub fn to_json(&self) -> serde_json::Value {
        // Keys are strings and every number is finite, so nothing here can fail to serialize.
        serde_json::to_value(self).unwrap_or(serde_json::Value::Null)
    }
}

fn to_map<S: Serializer>(classes: &[PerClass], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(classes.iter().map(|class| (&class.label, class)))
}

fn from_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PerClass>, D::Error> {
    struct InOrder;

    impl<'de> Visitor<'de> for InOrder {
        type Value = Vec<PerClass>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of metrics by class label")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut classes = Vec::new();
            while let Some((label, mut class)) = map.next_entry::<String, PerClass>()? {
                class.label = label;
                classes.push(class);
            }
            Ok(classes)
        }
    }

    deserializer.deserialize_map(InOrder)
}
