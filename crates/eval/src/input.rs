//! What a measurement takes, and the checks that every later step relies on: after [`Inputs::check`] all
//! lengths agree, every label names a class, every row is a distribution, and there is at least one row.

use std::collections::HashSet;

use crate::error::Error;
use crate::probability::argmax;

/// The most rows measured at once: row numbers share a 32-bit word with a flag while sorting.
pub const MAX_ROWS: usize = (1 << 31) - 1;

/// The most bootstrap resamples that may be asked for.
pub const MAX_RESAMPLES: usize = 100_000;

/// How far a row's probabilities may sum from 1: far above the rounding of any softmax in 32-bit floats, far
/// below what logits or independent sigmoids give.
const SUM_TOLERANCE: f64 = 1e-3;

/// Predicted probabilities beside true labels.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Class probabilities, `[rows, classes]` row-major, each row summing to 1.
    pub probabilities: &'a [f32],
    /// The true class of each row, an index into `classes`; its length is the number of rows.
    pub labels: &'a [usize],
    /// The name of each class; at least two, all different.
    pub classes: &'a [String],
    /// With two classes, the one that AUC, PR AUC and Brier score are about; the second where left out.
    /// Must be `None` with more classes.
    pub positive: Option<usize>,
}

/// How intervals are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The bootstrap's seed: same seed, same intervals, to the bit.
    pub seed: u64,
    /// Bootstrap resamples, at most [`MAX_RESAMPLES`]; 0 leaves bootstrap intervals out. Where rows times
    /// classes are too many for that number, fewer are drawn and a note says so.
    pub resamples: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, resamples: 2000 }
    }
}

impl Options {
    pub(crate) fn check(self) -> Result<(), Error> {
        if self.resamples > MAX_RESAMPLES {
            return Err(Error::TooManyResamples { found: self.resamples, most: MAX_RESAMPLES });
        }
        Ok(())
    }
}

/// Inputs that passed every check, with the predicted class of each row.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) probabilities: &'a [f32],
    pub(crate) labels: &'a [usize],
    pub(crate) classes: &'a [String],
    /// The positive class where there are two classes, `None` otherwise.
    pub(crate) positive: Option<usize>,
    /// The most probable class of each row, the first among equals.
    pub(crate) predicted: Vec<usize>,
}

impl<'a> Inputs<'a> {
    pub(crate) fn check(&self) -> Result<Checked<'a>, Error> {
        let (rows, classes) = (self.labels.len(), self.classes.len());
        check_names(self.classes, 2)?;
        check_shape(rows, classes, "probabilities", self.probabilities.len())?;
        if let Some(index) = self.positive
            && (classes != 2 || index >= classes)
        {
            return Err(Error::Positive { index, classes });
        }
        let mut predicted = Vec::with_capacity(rows);
        for (row, (&label, p)) in self.labels.iter().zip(self.probabilities.chunks_exact(classes)).enumerate()
        {
            if label >= classes {
                return Err(Error::LabelOutOfRange { row, label, classes });
            }
            check_probabilities(row, p)?;
            let sum: f64 = p.iter().map(|&p| f64::from(p)).sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(Error::RowSum { row, sum });
            }
            // A checked row holds numbers and is not empty, so there is a largest.
            predicted.push(argmax(p).unwrap_or(0));
        }
        Ok(Checked {
            probabilities: self.probabilities,
            labels: self.labels,
            classes: self.classes,
            positive: (classes == 2).then(|| self.positive.unwrap_or(1)),
            predicted,
        })
    }
}

impl Checked<'_> {
    pub(crate) fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Each row's probabilities, label and prediction.
    pub(crate) fn each_row(&self) -> impl Iterator<Item = (&[f32], usize, usize)> {
        let probabilities = self.probabilities.chunks_exact(self.classes.len());
        probabilities.zip(self.labels.iter().zip(&self.predicted)).map(|(p, (&l, &c))| (p, l, c))
    }
}

/// At least `least` names, none twice.
pub(crate) fn check_names(names: &[String], least: usize) -> Result<(), Error> {
    if names.len() < least {
        return Err(Error::TooFewClasses { found: names.len(), least });
    }
    let mut seen = HashSet::with_capacity(names.len());
    match names.iter().find(|name| !seen.insert(name.as_str())) {
        Some(label) => Err(Error::DuplicateClass { label: label.clone() }),
        None => Ok(()),
    }
}

/// Between one and [`MAX_ROWS`] rows, and a slice `what` of `found` values that is `[rows, classes]`.
pub(crate) fn check_shape(
    rows: usize,
    classes: usize,
    what: &'static str,
    found: usize,
) -> Result<(), Error> {
    if rows == 0 && found == 0 {
        return Err(Error::NoRows);
    }
    if rows > MAX_ROWS {
        return Err(Error::TooManyRows { rows, most: MAX_ROWS });
    }
    match rows.checked_mul(classes) {
        Some(expected) if expected == found => Ok(()),
        expected => Err(Error::Length { what, expected: expected.unwrap_or(usize::MAX), found }),
    }
}

/// Every value of a row a number in [0, 1].
pub(crate) fn check_probabilities(row: usize, values: &[f32]) -> Result<(), Error> {
    match values.iter().position(|p| !(0.0..=1.0).contains(p)) {
        Some(class) => Err(Error::NotAProbability { row, class, value: values[class] }),
        None => Ok(()),
    }
}
