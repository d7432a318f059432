//! The one error type of the crate. Every variant is a fault of the input, found before any metric is
//! computed, and its message is one line: what is wrong, where, and what to do.

/// Why a measurement could not be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing to measure.
    #[error("no rows to measure: give at least one labelled row")]
    NoRows,
    /// More rows than row numbers can be held for.
    #[error("{rows} rows are more than the {most} that can be measured at once: measure a sample")]
    TooManyRows {
        /// Rows given.
        rows: usize,
        /// The limit, [`crate::MAX_ROWS`].
        most: usize,
    },
    /// Classification needs a choice.
    #[error("{found} classes given where at least {least} are needed: name every class of the model")]
    TooFewClasses {
        /// Classes given.
        found: usize,
        /// The least that makes sense here.
        least: usize,
    },
    /// Two classes of one name could not be told apart in the report.
    #[error("class name {label:?} occurs twice: give each class a name of its own")]
    DuplicateClass {
        /// The repeated name.
        label: String,
    },
    /// A slice whose length does not follow from the others.
    #[error(
        "{what} holds {found} values where {expected} are expected: pass [rows, classes] in row-major order"
    )]
    Length {
        /// Which slice.
        what: &'static str,
        /// The length the other inputs call for; `usize::MAX` where their product overflows.
        expected: usize,
        /// The length given.
        found: usize,
    },
    /// A true label that names no class.
    #[error("row {row} has label index {label}, but there are {classes} classes: labels run from 0")]
    LabelOutOfRange {
        /// Row number, from 0.
        row: usize,
        /// The label index found.
        label: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A probability that is NaN, infinite, below 0 or above 1.
    #[error("row {row}, class {class}: {value} is not a probability: pass values in [0, 1], after softmax")]
    NotAProbability {
        /// Row number, from 0.
        row: usize,
        /// Class index, from 0.
        class: usize,
        /// The value found.
        value: f32,
    },
    /// A row of class probabilities that is no distribution.
    #[error("row {row}: probabilities sum to {sum} instead of 1: pass the output of softmax")]
    RowSum {
        /// Row number, from 0.
        row: usize,
        /// The sum found.
        sum: f64,
    },
    /// A logit or score that is NaN or infinite.
    #[error("row {row}, class {class}: {value} is not a finite number: the model's output is broken there")]
    NotFinite {
        /// Row number, from 0.
        row: usize,
        /// Class index, from 0; 0 where a row has one score.
        class: usize,
        /// The value found.
        value: f32,
    },
    /// A positive class that does not exist, or one given where there are more than two classes.
    #[error(
        "positive class index {index} with {classes} classes: give 0 or 1 for two classes, none otherwise"
    )]
    Positive {
        /// The index given.
        index: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A decision threshold outside [0, 1].
    #[error("threshold {value} of label {label} is not in [0, 1]: thresholds are probabilities")]
    Threshold {
        /// Label index, from 0.
        label: usize,
        /// The threshold found.
        value: f32,
    },
    /// More resamples than could ever be useful.
    #[error("{found} bootstrap resamples are more than {most}: 2000 are enough for a 95 % interval")]
    TooManyResamples {
        /// Resamples asked for.
        found: usize,
        /// The limit, [`crate::MAX_RESAMPLES`].
        most: usize,
    },
    /// A curve that needs both positives and negatives.
    #[error("{positives} positive and {negatives} negative rows: a curve needs at least one of each")]
    OneSided {
        /// Positive rows.
        positives: usize,
        /// Negative rows.
        negatives: usize,
    },
    /// Two models that were not measured on the same rows.
    #[error("the two models differ in {what}: compare them on the same rows, classes and positive class")]
    NotPaired {
        /// What differs.
        what: &'static str,
    },
}
