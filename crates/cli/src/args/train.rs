//! What `filbert train` takes.

use std::path::PathBuf;

use clap::Args;

use super::parse::{parse_count, parse_freeze, parse_warmup};
use super::{PoolingArg, PrecisionArg, ScheduleArg};

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The encoder to start from: a folder, an alias (minilm-l6, bge-small, ...) or a hub id.
    #[arg(long, short, default_value = "minilm-l6", value_name = "DIR|ALIAS|HUB-ID")]
    pub(crate) model: String,
    /// Rows to split into train, validation and test: .csv, .tsv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["train", "valid", "test"])]
    pub(crate) data: Option<PathBuf>,
    /// How --data is split: two parts (train/validation) or three (with test).
    #[arg(long, value_name = "PARTS", default_value = "70/15/15")]
    pub(crate) split: String,
    /// Rows to train on.
    #[arg(long, value_name = "FILE")]
    pub(crate) train: Option<PathBuf>,
    /// Rows to choose the best epoch on; cut from the training rows if left out.
    #[arg(long, value_name = "FILE")]
    pub(crate) valid: Option<PathBuf>,
    /// Rows to measure on once, after training.
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    /// The folder to write.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Replace an existing model folder.
    #[arg(long)]
    pub(crate) force: bool,
    /// The column of the texts, or two for pairs; found if left out.
    #[arg(long, value_name = "COL[,COL2]", value_delimiter = ',')]
    pub(crate) text: Option<Vec<String>>,
    /// The column of the labels; found if left out.
    #[arg(long, value_name = "COL")]
    pub(crate) label: Option<String>,
    /// What is not trained: none, trunk (all but pooler and classifier), embeddings, or layers:N from the bottom.
    #[arg(long, default_value = "none", value_name = "none|trunk|embeddings|layers:N", value_parser = parse_freeze)]
    pub(crate) freeze: filbert::Freeze,
    /// How token vectors become one: BERT's pooler, the first token, or the mean.
    #[arg(long, value_enum, default_value_t = PoolingArg::Pooler)]
    pub(crate) pooling: PoolingArg,
    /// Passes over the training rows [default: 3, or 10 with a frozen trunk].
    #[arg(long, value_name = "N")]
    pub(crate) epochs: Option<usize>,
    /// The highest learning rate [default: 5e-5, or 1e-3 with a frozen trunk].
    #[arg(long, value_name = "RATE")]
    pub(crate) lr: Option<f32>,
    /// Rows per update.
    #[arg(long, default_value_t = 16, value_name = "N")]
    pub(crate) batch_size: usize,
    /// The longest row in tokens; longer ones are cut [default: 128, or what the model reads].
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_length: Option<usize>,
    /// The rise of the learning rate: a share of all steps (0.1), or a number of them (100).
    #[arg(long, default_value = "0.1", value_name = "SHARE|STEPS", value_parser = parse_warmup)]
    pub(crate) warmup: filbert::Warmup,
    /// The fall of the learning rate after the warm-up.
    #[arg(long, value_enum, default_value_t = ScheduleArg::Linear)]
    pub(crate) schedule: ScheduleArg,
    /// Decoupled weight decay; none on biases and norms.
    #[arg(long, default_value_t = 0.01, value_name = "RATE")]
    pub(crate) weight_decay: f32,
    /// The norm that all gradients together are clipped to.
    #[arg(long, default_value_t = 1.0, value_name = "NORM")]
    pub(crate) clip_norm: f32,
    /// Work through each batch in so many parts, one after the other, in less memory; each has dropout masks of its own.
    #[arg(long, default_value_t = 1, value_name = "PARTS", value_parser = parse_count)]
    pub(crate) accumulate: usize,
    /// Keep only each layer's input for the way back and compute the rest again: a third slower, much less memory,
    /// the same result.
    #[arg(long)]
    pub(crate) recompute: bool,
    /// Where a frozen trunk's results are kept for the next run with other head settings, or off [default: the user's cache].
    #[arg(long, value_name = "DIR|off")]
    pub(crate) trunk_cache: Option<PathBuf>,
    /// Every random choice follows from it.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
    /// The number format of matrix products; auto is bf16 where the processor multiplies it, else f32.
    #[arg(long, value_enum, default_value_t = PrecisionArg::Auto)]
    pub(crate) precision: PrecisionArg,
    /// The positive label of two [default: the last in order].
    #[arg(long, value_name = "LABEL")]
    pub(crate) positive: Option<String>,
    /// Leave out the baseline of character n-grams that the model is held against.
    #[arg(long)]
    pub(crate) no_floor: bool,
}
