//! The verbs, a file each.

pub(crate) mod bench;
mod bench_step;
pub(crate) mod compress;
pub(crate) mod data;
pub(crate) mod distill;
pub(crate) mod eval;
pub(crate) mod generate;
pub(crate) mod inspect;
pub(crate) mod predict;
pub(crate) mod pull;
pub(crate) mod quantize;
mod running;
mod summary;
pub(crate) mod train;

use anyhow::Result;
use filbert::Classifier;
use filbert_hub::{Resolved, Settings};

use crate::args::PrecisionArg;
use crate::progress::Progress;

pub(crate) use running::checkpoint_folder;

/// The hub's settings, from the environment variables that Hugging Face's own tools read.
pub(crate) fn hub_settings() -> Settings {
    Settings::from_lookup(|name| std::env::var(name).ok())
}

/// The folder that a `--model` means; fetched if need be.
pub(crate) fn resolve(model: &str, progress: &mut Progress) -> Result<Resolved> {
    Ok(filbert_hub::resolve(model, &hub_settings(), progress)?)
}

/// The classifier that a `--model` means, reading rows of at most `max_length` tokens.
pub(crate) fn load(
    model: &str,
    max_length: Option<usize>,
    precision: PrecisionArg,
    progress: &mut Progress,
) -> Result<Classifier> {
    let mut classifier = Classifier::load(resolve(model, progress)?.folder)?;
    classifier.set_precision(precision.into())?;
    if let Some(tokens) = max_length {
        classifier.set_max_length(tokens)?;
    }
    Ok(classifier)
}
