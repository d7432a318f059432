//! `filbert quantize`: a model's folder with its weights in few bits.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use filbert::Scheme;

use super::load;
use crate::args::{Common, PrecisionArg};
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct QuantizeArgs {
    /// The model: a folder, or a classifier's hub id.
    #[arg(long, short, value_name = "DIR|HUB-ID")]
    model: String,
    /// The folder to write.
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// How linear layers are stored: int8, int4, int4:GROUP or nf4.
    #[arg(long, default_value = "int8", value_name = "SCHEME")]
    weights: Scheme,
    /// How embedding tables are stored: the same.
    #[arg(long, value_name = "SCHEME")]
    embeddings: Option<Scheme>,
    /// Replace a model folder at --out.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &QuantizeArgs, common: &Common) -> Result<()> {
    let mut progress = Progress::new(common);
    let classifier = load(&args.model, None, PrecisionArg::F32, &mut progress)?;
    classifier.save_quantized(
        (args.embeddings.unwrap_or(args.weights), args.weights),
        &args.out,
        args.force,
    )?;
    Ok(())
}
