//! The training loop: batches, steps, what a teacher adds to them, the choice of the best epoch, and inference over many rows.
//!
//! It works on token ids and class indices; files, labels' names and terminals belong to the layers around it.

mod checkpoint;
mod error;
mod features;
mod fit;
mod infer;
mod lesson;
mod observer;
mod rows;
mod select;
mod settings;
mod step;
mod teaching;

pub use checkpoint::{CheckpointError, Checkpoints, Every, recorded};
pub use error::Error;
pub use fit::{Fitted, fit, fit_taught};
pub use infer::{BATCH_TOKENS, logits, threads};
pub use lesson::Lesson;
pub use observer::{EpochReport, Observer, Silent, StepReport};
pub use rows::{Rows, Targets, Texts};
pub use select::{Select, accuracy, mean_loss, truth};
pub use settings::{Settings, Warmup};
pub use step::{Input, Part, Trainer};
pub use teaching::{STATES_MEMORY, Teaching};
