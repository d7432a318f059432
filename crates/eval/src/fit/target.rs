//! What a threshold is chosen for, and how a wish for unsure answers is written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::decision::Band;
use crate::error::Error;

/// What a threshold is chosen for. Written `fpr=0.001`, `precision=0.95`, `recall=0.9`, `f1` or `mcc`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// The most positives found with at most this share of the negatives called positive.
    Fpr(f64),
    /// The most positives found with at least this share of the called rows right.
    Precision(f64),
    /// The highest threshold at which at least this share of the positives is found.
    Recall(f64),
    /// The highest F1.
    BestF1,
    /// The highest Matthews correlation.
    BestMcc,
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::TargetText { text: text.chars().take(80).collect() };
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim().parse::<f64>().map_err(|_| fault())?)),
            None => (text.trim(), None),
        };
        let share = |value: f64| value > 0.0 && value <= 1.0;
        match (name.to_ascii_lowercase().as_str(), value) {
            ("fpr", Some(value)) if share(value) && value < 1.0 => Ok(Self::Fpr(value)),
            ("precision", Some(value)) if share(value) => Ok(Self::Precision(value)),
            ("recall", Some(value)) if share(value) => Ok(Self::Recall(value)),
            ("f1", None) => Ok(Self::BestF1),
            ("mcc", None) => Ok(Self::BestMcc),
            _ => Err(fault()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fpr(value) => write!(f, "fpr={value}"),
            Self::Precision(value) => write!(f, "precision={value}"),
            Self::Recall(value) => write!(f, "recall={value}"),
            Self::BestF1 => f.write_str("f1"),
            Self::BestMcc => f.write_str("mcc"),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

/// When an answer is unsure. Written `0.3..0.7`, `below=0.6` or `accuracy=0.99`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unsure {
    /// Two classes: where the positive class's probability lies in the band.
    Band(Band),
    /// Where the most probable class stays below this; with two classes, the band from 1 less this up to this.
    Below(f32),
    /// As few unsure rows as leave this accuracy on the others.
    Accuracy(f64),
}

impl FromStr for Unsure {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let fault = || Error::UnsureText { text: text.chars().take(80).collect() };
        if text.contains("..") {
            return text.parse().map(Self::Band);
        }
        let (name, value) = text.split_once('=').ok_or_else(fault)?;
        let value: f64 = value.trim().parse().map_err(|_| fault())?;
        match name.trim().to_ascii_lowercase().as_str() {
            "below" if (0.0..=1.0).contains(&value) => Ok(Self::Below(value as f32)),
            "accuracy" if value > 0.0 && value <= 1.0 => Ok(Self::Accuracy(value)),
            _ => Err(fault()),
        }
    }
}

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Band(band) => band.fmt(f),
            Self::Below(limit) => write!(f, "below={limit}"),
            Self::Accuracy(accuracy) => write!(f, "accuracy={accuracy}"),
        }
    }
}
