//! The training loop: batches, steps, the choice of the best epoch, and inference over many rows.
//!
//! It works on token ids and class indices; files, labels' names and terminals belong to the layers around it.

mod error;
mod features;
mod fit;
mod infer;
mod observer;
mod settings;
mod step;

pub use error::Error;
pub use fit::{Fitted, fit};
pub use infer::{BATCH_TOKENS, accuracy, logits, mean_loss, threads};
pub use observer::{EpochReport, Observer, Silent, StepReport};
pub use settings::{Rows, Settings, Warmup};
pub use step::{Input, Trainer};
