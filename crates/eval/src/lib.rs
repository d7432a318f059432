//! Metrics with intervals, decisions, and the floor.
//!
//! [`measure`] turns class probabilities and true labels into a [`Report`]: every metric as an [`Estimate`],
//! a value with its 95 % interval where one can be given. Definitions equal scikit-learn's defaults; where
//! scikit-learn raises (a class without rows) the metric is averaged over what is there, and a note says so.
//! [`multilabel`] measures rows that carry any number of labels, [`regression`] predicted numbers. [`paired`]
//! compares two models on the same rows, [`curves`] gives the points behind a report's plots, [`operating`] what
//! a binary model is worth at low false positive rates and at other prevalences, [`slices`] metrics on parts of
//! the rows.
//!
//! A [`Decision`] is how a model's logits become answers; [`fit`] chooses it on validation rows, and
//! [`measure_decided`] measures it. [`Floor`] is what a fine-tuned encoder has to beat.
//!
//! The crate knows slices of numbers and class names: no models, no text, no files. Nothing here prints, and
//! no input panics: probabilities that are not probabilities, labels out of range, wrong lengths and empty
//! inputs are each an [`Error`] that names the place. Every random choice flows from [`Options::seed`].
//!
//! ```
//! use filbert_eval::{Inputs, Options, measure};
//!
//! let classes = ["ham".to_owned(), "spam".to_owned()];
//! let inputs = Inputs {
//!     probabilities: &[0.9, 0.1, 0.2, 0.8, 0.6, 0.4, 0.3, 0.7], // [4 rows, 2 classes]
//!     labels: &[0, 1, 1, 1],
//!     classes: &classes,
//!     positive: Some(1),
//! };
//! let report = measure(&inputs, &Options::default())?;
//! assert_eq!(report.metrics.accuracy.value, 0.75);
//! assert_eq!(report.metrics.auc.map(|auc| auc.value), Some(1.0));
//! # Ok::<(), filbert_eval::Error>(())
//! ```

mod bootstrap;
mod calibration;
pub mod curves;
mod decision;
mod error;
mod estimate;
pub mod fit;
mod floor;
mod input;
mod measure;
pub mod multilabel;
pub mod operating;
pub mod paired;
mod probability;
mod ranking;
pub mod regression;
mod report;
mod rng;
pub mod slices;
mod tally;

pub use calibration::ECE_BINS;
pub use decision::{Answer, Band, DEFAULT_THRESHOLD, Decision, MAX_TEMPERATURE, MIN_TEMPERATURE, Rule};
pub use error::Error;
pub use estimate::{Estimate, Method, wilson};
pub use floor::{Floor, RegressionFloor};
pub use input::{Inputs, MAX_RESAMPLES, MAX_ROWS, Options};
pub use measure::{measure, measure_decided};
pub use probability::{argmax, sigmoid_rows, softmax_rows};
pub use ranking::{BinaryAuc, binary_auc};
pub use report::{Confusion, Decided, MAX_CONFUSION_CLASSES, Metrics, PerClass, Report};
