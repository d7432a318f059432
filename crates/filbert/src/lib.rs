//! Fine-tune, measure and use BERT-family text classifiers.
//!
//! Load a model folder and classify texts:
//!
//! ```no_run
//! let classifier = filbert::Classifier::load("my-model")?;
//! for prediction in classifier.predict(&["paypal.com.login.example", "rust-lang.org"])? {
//!     println!("{} ({:.3})", prediction.label, prediction.score);
//! }
//! # Ok::<(), filbert::Error>(())
//! ```
//!
//! Fine-tune one on labelled rows and save it as a folder that Hugging Face tools load:
//!
//! ```no_run
//! let trained = filbert::Trainer::new("all-MiniLM-L6-v2").data("urls.csv", "70/15/15").epochs(3).fit()?;
//! println!("{}", trained.metrics().to_json());
//! trained.save("my-model", false)?;
//! # Ok::<(), filbert::Error>(())
//! ```
//!
//! Everything runs on the current rayon pool and gives the same bits on any number of threads.

mod classifier;
mod error;
mod metrics;
mod pipeline;
mod precision;
mod rows;
mod trainer;
mod watch;

pub use classifier::{Classifier, Evaluation, Prediction};
pub use error::Error;
pub use filbert_model::{Freeze, Pooling};
pub use filbert_train::{EpochReport, StepReport};
pub use metrics::{Metrics, PerEpoch, RowCounts, Timing};
pub use precision::Precision;
pub use trainer::{Options, Trained, Trainer, Warmup};
pub use watch::{Silent, Watch};

/// The version of this crate, as `filbert.json` records it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
