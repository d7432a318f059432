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
    /// A temperature that no fit gives.
    #[error("temperature {value} is not in 0.05 to 20: give 1 for logits as they are")]
    Temperature {
        /// The temperature found.
        value: f64,
    },
    /// A decision made for another model.
    #[error("the decision is made for {made_for} classes, but the model has {classes}: fit it to this model")]
    DecisionClasses {
        /// Classes that the decision is made for.
        made_for: usize,
        /// Classes of the model.
        classes: usize,
    },
    /// A band that is none.
    #[error("unsure band {low}..{high}: give two probabilities, the lower first")]
    Band {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
    },
    /// A band beside the threshold, inside which answers would be sure on both sides.
    #[error("unsure band {low}..{high} does not hold the threshold {threshold}: widen or move it")]
    BandWithoutThreshold {
        /// Lower end.
        low: f32,
        /// Upper end.
        high: f32,
        /// The threshold; 0.5 where there is none.
        threshold: f32,
    },
    /// A way of being unsure that does not fit the kind of model.
    #[error("unsure {given} does not fit {kind}: give {instead}")]
    UnsureKind {
        /// What was given.
        given: &'static str,
        /// What kind of model it is.
        kind: &'static str,
        /// What fits it.
        instead: &'static str,
    },
    /// An unreadable wish for unsure answers.
    #[error("{text:?} is no unsure rule: give a band such as 0.3..0.7, below=0.6, or accuracy=0.99")]
    UnsureText {
        /// The text given.
        text: String,
    },
    /// An unreadable target.
    #[error(
        "{text:?} is no target: give fpr=F (above 0, below 1), precision=P or recall=R (above 0, at most 1), f1 or mcc"
    )]
    TargetText {
        /// The text given.
        text: String,
    },
    /// A false positive rate that the rows are too few to set a threshold for.
    #[error("fpr={fpr}{} needs {needed} negative rows, but there are {found}: give more rows or a higher rate", of(label.as_deref()))]
    TooFewNegatives {
        /// The label, where each has a threshold of its own.
        label: Option<String>,
        /// The rate wanted.
        fpr: f64,
        /// Negative rows needed, 10 / fpr.
        needed: u64,
        /// Negative rows there are.
        found: u64,
    },
    /// A target that no threshold reaches.
    #[error("no threshold reaches {target}{}: the best is {best}", of(label.as_deref()))]
    Unreachable {
        /// The label, where each has a threshold of its own.
        label: Option<String>,
        /// The target.
        target: String,
        /// The best value of the same quantity that any threshold reaches.
        best: f64,
    },
    /// A list of rates that holds something else.
    #[error("{value} is no {what}: give numbers above 0 and below 1")]
    Rate {
        /// False positive rate or prevalence.
        what: &'static str,
        /// The value found.
        value: f64,
    },
    /// A regression's true or predicted value that is NaN or too large.
    #[error("row {row}: {what} {value} is not a number between -1e100 and 1e100")]
    NotFiniteValue {
        /// Row number, from 0.
        row: usize,
        /// True value or prediction.
        what: &'static str,
        /// The value found.
        value: f64,
    },
}

fn of(label: Option<&str>) -> String {
    label.map_or_else(String::new, |label| format!(" for label {label:?}"))
}
