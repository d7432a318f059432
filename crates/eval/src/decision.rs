//! From a model's outputs to an answer: temperature, thresholds, and when to say "unsure". A [`Decision`] is
//! stored with a model and is all that prediction, measurement, serving and exports need to give the same
//! answers, to the bit: logits are divided in 64 bits and rounded once, probabilities and thresholds are
//! 32-bit floats, and a threshold is reached by a probability that equals it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::input::check_probabilities;
use crate::probability::{argmax, sigmoid_rows, softmax_rows};

/// The least temperature that fitting gives, and that a decision may have.
pub const MIN_TEMPERATURE: f64 = 0.05;

/// The largest temperature that fitting gives, and that a decision may have.
pub const MAX_TEMPERATURE: f64 = 20.0;

/// The threshold of a label where none was fitted.
pub const DEFAULT_THRESHOLD: f32 = 0.5;

/// How a model's logits become answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Logits are divided by this before softmax or sigmoid; in [[`MIN_TEMPERATURE`], [`MAX_TEMPERATURE`]].
    #[serde(default = "one")]
    pub temperature: f64,
    /// How probabilities become answers.
    pub rule: Rule,
}

fn one() -> f64 {
    1.0
}

/// How a row's probabilities become its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// Two classes.
    Binary {
        /// Index of the positive class, 0 or 1.
        positive: usize,
        /// The positive class is answered where its probability is at least this. Without one the more
        /// probable class is, the first where both are equal.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        threshold: Option<f32>,
        /// Probabilities of the positive class for which the answer is unsure; must hold the threshold.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unsure: Option<Band>,
    },
    /// More than two classes, one of which is the answer: the most probable, the first among equals.
    Multiclass {
        /// For each class the probability from which on it is answered: below it, a row whose most probable
        /// class this is is unsure. No other class takes its place.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thresholds: Option<Vec<f32>>,
        /// A row whose most probable class stays below this is unsure, whatever the class.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unsure_below: Option<f32>,
    },
    /// Any number of labels, each answered where its own probability reaches its threshold. Never unsure.
    Multilabel {
        /// One threshold per label.
        thresholds: Vec<f32>,
    },
}

/// Probabilities `p` with `low <= p < high`. Written `low..high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// The lowest probability in the band.
    pub low: f32,
    /// The lowest probability above the band.
    pub high: f32,
}

impl Band {
    /// Whether a probability lies in the band.
    pub fn holds(self, p: f32) -> bool {
        self.low <= p && p < self.high
    }

    fn check(self) -> Result<(), Error> {
        let (low, high) = (self.low, self.high);
        if (0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high) && low <= high {
            return Ok(());
        }
        Err(Error::Band { low, high })
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.low, self.high)
    }
}

impl FromStr for Band {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let ends = text.split_once("..").map(|(low, high)| (low.trim().parse(), high.trim().parse()));
        let Some((Ok(low), Ok(high))) = ends else {
            return Err(Error::UnsureText { text: text.chars().take(80).collect() });
        };
        let band = Self { low, high };
        band.check()?;
        Ok(band)
    }
}

/// What one row's probabilities come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Label indices in ascending order. Exactly one with classes: also where the answer is unsure, the class
    /// that it would be.
    pub labels: Vec<usize>,
    /// Whether the probabilities are too close to call.
    pub unsure: bool,
}

impl Answer {
    /// The answered class; `None` where no label reached its threshold.
    pub fn label(&self) -> Option<usize> {
        self.labels.first().copied()
    }
}

impl Decision {
    /// No temperature, no thresholds but 0.5 for labels, nothing unsure. With two classes the positive class
    /// is `positive`, by default the second.
    pub fn plain(classes: usize, positive: Option<usize>) -> Self {
        let rule = match classes {
            2 => Rule::Binary { positive: positive.unwrap_or(1), threshold: None, unsure: None },
            _ => Rule::Multiclass { thresholds: None, unsure_below: None },
        };
        Self { temperature: 1.0, rule }
    }

    /// Every label answered from 0.5 on.
    pub fn plain_multilabel(labels: usize) -> Self {
        let rule = Rule::Multilabel { thresholds: vec![DEFAULT_THRESHOLD; labels] };
        Self { temperature: 1.0, rule }
    }

    /// Whether the decision fits a model of `classes` outputs: what must hold before it is used, whatever file
    /// it came from.
    ///
    /// # Errors
    /// [`Error::Temperature`], [`Error::Threshold`] for values that are no probabilities,
    /// [`Error::DecisionClasses`] where it was made for another number of classes, [`Error::Positive`],
    /// [`Error::Band`], and [`Error::BandWithoutThreshold`].
    pub fn check(&self, classes: usize) -> Result<(), Error> {
        if !(MIN_TEMPERATURE..=MAX_TEMPERATURE).contains(&self.temperature) {
            return Err(Error::Temperature { value: self.temperature });
        }
        let fits = |made_for: usize| {
            if made_for == classes { Ok(()) } else { Err(Error::DecisionClasses { made_for, classes }) }
        };
        match &self.rule {
            &Rule::Binary { positive, threshold, unsure } => {
                fits(2)?;
                if positive > 1 {
                    return Err(Error::Positive { index: positive, classes });
                }
                check_thresholds(threshold.as_slice())?;
                let Some(band) = unsure else { return Ok(()) };
                band.check()?;
                let threshold = threshold.unwrap_or(DEFAULT_THRESHOLD);
                if threshold < band.low || threshold > band.high {
                    return Err(Error::BandWithoutThreshold { low: band.low, high: band.high, threshold });
                }
                Ok(())
            }
            Rule::Multiclass { thresholds, unsure_below } => {
                if classes < 2 {
                    return Err(Error::TooFewClasses { found: classes, least: 2 });
                }
                check_thresholds(unsure_below.as_slice())?;
                let Some(thresholds) = thresholds else { return Ok(()) };
                fits(thresholds.len())?;
                check_thresholds(thresholds)
            }
            Rule::Multilabel { thresholds } => {
                fits(thresholds.len())?;
                check_thresholds(thresholds)
            }
        }
    }

    /// Divides logits by the temperature, in 64 bits, rounded once. A temperature of 1 changes no bit; a
    /// finite logit stays finite.
    pub fn scale(&self, logits: &mut [f32]) {
        if self.temperature == 1.0 {
            return;
        }
        for logit in logits.iter_mut().filter(|logit| logit.is_finite()) {
            let scaled = (f64::from(*logit) / self.temperature) as f32;
            *logit = scaled.clamp(f32::MIN, f32::MAX);
        }
    }

    /// Probabilities of raw logits, `[rows, classes]`: scaled, then sigmoid for labels and softmax for
    /// classes.
    ///
    /// # Errors
    /// As [`softmax_rows`].
    pub fn probabilities(&self, mut logits: Vec<f32>, classes: usize) -> Result<Vec<f32>, Error> {
        self.scale(&mut logits);
        match self.rule {
            Rule::Multilabel { .. } => sigmoid_rows(&logits, classes),
            Rule::Binary { .. } | Rule::Multiclass { .. } => softmax_rows(&logits, classes),
        }
    }

    /// The answer to one row of probabilities, of a decision that passed [`Decision::check`].
    ///
    /// # Errors
    /// [`Error::Length`] where there is not one probability per class, [`Error::NotAProbability`] (as row 0)
    /// for NaN and values outside [0, 1].
    pub fn decide(&self, probabilities: &[f32]) -> Result<Answer, Error> {
        self.decide_row(0, probabilities)
    }

    /// The answer to each row of probabilities, `[rows, classes]`.
    ///
    /// # Errors
    /// As [`Decision::check`] and [`Decision::decide`]; [`Error::Length`] where the values are no whole
    /// number of rows.
    pub fn decide_rows(&self, probabilities: &[f32], classes: usize) -> Result<Vec<Answer>, Error> {
        self.check(classes)?;
        if classes == 0 || !probabilities.len().is_multiple_of(classes) {
            let expected = probabilities.len().checked_div(classes).unwrap_or(0) * classes;
            return Err(Error::Length { what: "probabilities", expected, found: probabilities.len() });
        }
        let rows = probabilities.chunks_exact(classes).enumerate();
        rows.map(|(row, p)| self.decide_row(row, p)).collect()
    }

    fn decide_row(&self, row: usize, p: &[f32]) -> Result<Answer, Error> {
        check_probabilities(row, p)?;
        let expect = |expected: usize| {
            if p.len() == expected {
                return Ok(());
            }
            Err(Error::Length { what: "probabilities", expected, found: p.len() })
        };
        match &self.rule {
            &Rule::Binary { positive, threshold, unsure } => {
                expect(2)?;
                let score = *p.get(positive).ok_or(Error::Positive { index: positive, classes: 2 })?;
                let label = match threshold {
                    Some(threshold) if score >= threshold => positive,
                    Some(_) => 1 - positive,
                    None => argmax(p).unwrap_or(0),
                };
                Ok(Answer { labels: vec![label], unsure: unsure.is_some_and(|band| band.holds(score)) })
            }
            Rule::Multiclass { thresholds, unsure_below } => {
                if let Some(thresholds) = thresholds {
                    expect(thresholds.len())?;
                }
                let best = argmax(p).ok_or(Error::TooFewClasses { found: p.len(), least: 2 })?;
                let own = thresholds.as_ref().map_or(0.0, |thresholds| thresholds[best]);
                let unsure = p[best] < own.max(unsure_below.unwrap_or(0.0));
                Ok(Answer { labels: vec![best], unsure })
            }
            Rule::Multilabel { thresholds } => {
                expect(thresholds.len())?;
                let labels = (0..p.len()).filter(|&label| p[label] >= thresholds[label]).collect();
                Ok(Answer { labels, unsure: false })
            }
        }
    }
}

fn check_thresholds(thresholds: &[f32]) -> Result<(), Error> {
    match thresholds.iter().position(|t| !(0.0..=1.0).contains(t)) {
        Some(label) => Err(Error::Threshold { label, value: thresholds[label] }),
        None => Ok(()),
    }
}
