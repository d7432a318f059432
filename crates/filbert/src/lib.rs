//! Fine-tune, measure and use BERT-family text classifiers.
//!
//! Fine-tune an encoder on labelled rows and save it as a folder that Hugging Face tools load:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tiny.rs"));
//! # fn main() -> Result<(), filbert::Error> {
//! # let dir = tempfile::tempdir().unwrap();
//! # write_tiny(dir.path());
//! # std::env::set_current_dir(dir.path()).unwrap();
//! let trained = filbert::Trainer::new("encoder").data("rows.csv", "70/15/15").epochs(2).fit()?;
//! println!("{}", trained.metrics().to_json());
//! trained.save("my-model", false)?;
//! # Ok(())
//! # }
//! ```
//!
//! Load a model folder and classify texts:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tiny.rs"));
//! # fn main() -> Result<(), filbert::Error> {
//! # let dir = tempfile::tempdir().unwrap();
//! # write_tiny(dir.path());
//! # std::env::set_current_dir(dir.path()).unwrap();
//! # filbert::Trainer::new("encoder").data("rows.csv", "80/20").epochs(1).fit()?.save("my-model", false)?;
//! let classifier = filbert::Classifier::load("my-model")?;
//! for prediction in classifier.predict(&["paypal.com.login.example", "rust-lang.org"])? {
//!     println!("{} ({:.3})", prediction.label, prediction.score);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Distil a classifier into a smaller one, and train the same student without its teacher beside it:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tiny.rs"));
//! # fn main() -> Result<(), filbert::Error> {
//! # let dir = tempfile::tempdir().unwrap();
//! # write_tiny(dir.path());
//! # std::env::set_current_dir(dir.path()).unwrap();
//! # filbert::Trainer::new("encoder").data("rows.csv", "70/15/15").epochs(1).fit()?.save("my-model", false)?;
//! use filbert::{Distillation, Student, Trainer};
//! let student = Distillation::new(Student::Even(1));
//! let trained = Trainer::new("my-model").distil(student).data("rows.csv", "70/15/15").epochs(1).fit()?;
//! let beside = trained.metrics().distillation.as_ref().unwrap();
//! println!("{}", beside.control_verdict.as_ref().unwrap());
//! # Ok(())
//! # }
//! ```
//!
//! Everything runs on the current rayon pool and gives the same bits on any number of threads.

mod classifier;
mod compress;
mod decision;
mod details;
mod distillation;
mod error;
mod floor;
mod measure;
mod metrics;
mod page;
mod pipeline;
mod precision;
mod quantize;
mod rows;
mod tokens;
mod trainer;
mod watch;
mod work;

pub use classifier::{Classifier, Evaluation, Prediction, Wanted};
pub use compress::{
    Bounds, Compressed, Compression, Figures, Flips, Outcome, Probe, Rung, Speed, Step, Tested,
};
pub use details::{Details, Mistake, Versus};
pub use distillation::{
    ControlMetrics, DistillMetrics, Distillation, Size, Spread, Spreads, Student, TeacherMetrics,
};
pub use error::Error;
pub use filbert_data::{Dedupe, SplitBy, Task};
pub use filbert_eval::fit::{Target, Unsure};
pub use filbert_model::quantized::Importance;
pub use filbert_model::{Freeze, Lora, Pooling, ProblemType, Scheme, Windows};
pub use filbert_train::{EpochReport, Every, STATES_MEMORY, Select, StepReport, Teaching};
pub use floor::FloorMetrics;
pub use measure::Measure;
pub use metrics::{Metrics, PerEpoch, RowCounts, SeedMetrics, Timing};
pub use precision::Precision;
pub use quantize::{Quantization, Quantized, Tuning};
pub use trainer::{Checkpointing, ClassWeights, Options, Trained, Trainer, Warmup};
pub use watch::{Silent, Watch};

/// The version of this crate, as `filbert.json` records it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
