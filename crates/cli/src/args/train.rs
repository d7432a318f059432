//! What `filbert train` takes.

use std::path::PathBuf;

use clap::Args;

use super::PoolingArg;
use super::parse::{parse_count, parse_data, parse_freeze, parse_windows};
use super::run::{MODEL, ROWS, RUN, RunArgs};

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The encoder to start from: a folder, an alias (minilm-l6, bge-small, ...) or a hub id.
    #[arg(long, short, default_value = "minilm-l6", value_name = "DIR|ALIAS|HUB-ID", help_heading = MODEL)]
    pub(crate) model: String,
    /// What the label column holds: one label, several (a list, or separated by | or another character), or a number.
    #[arg(long, default_value = "single", value_name = "single|multi-label[:SEP]|regression", value_parser = parse_data::<filbert::Task>, help_heading = ROWS)]
    pub(crate) task: filbert::Task,
    /// The positive label of two [default: the last in order].
    #[arg(long, value_name = "LABEL", help_heading = ROWS)]
    pub(crate) positive: Option<String>,
    /// What is not trained: none, trunk (all but pooler and classifier), embeddings, layers:N from the bottom, or
    /// names:PATTERN,... with * for anything.
    #[arg(long, default_value = "none", value_name = "none|trunk|embeddings|layers:N|names:PATTERN", value_parser = parse_freeze, help_heading = MODEL)]
    pub(crate) freeze: filbert::Freeze,
    /// Train low-rank adapters of this rank in place of the encoder's weights; they are merged on saving.
    #[arg(long, value_name = "RANK", value_parser = parse_count, help_heading = MODEL)]
    pub(crate) lora: Option<usize>,
    /// The adapters' products are multiplied by this over the rank [default: twice the rank].
    #[arg(long, value_name = "ALPHA", requires = "lora", help_heading = MODEL)]
    pub(crate) lora_alpha: Option<f32>,
    /// Dropout of the adapters' inputs.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE", help_heading = MODEL)]
    pub(crate) lora_dropout: f32,
    /// The layers that get adapters: last parts of their names (query, output.dense), or patterns with *.
    #[arg(long, default_value = "query,value", value_name = "NAME,...", value_delimiter = ',', help_heading = MODEL)]
    pub(crate) lora_targets: Vec<String>,
    /// Also write the adapters alone, in PEFT's file format, to this folder.
    #[arg(long, value_name = "DIR", requires = "lora", help_heading = MODEL)]
    pub(crate) adapter_out: Option<PathBuf>,
    /// How token vectors become one: BERT's pooler, the first token, or the mean.
    #[arg(long, value_enum, default_value_t = PoolingArg::Pooler, help_heading = MODEL)]
    pub(crate) pooling: PoolingArg,
    /// The longest row in tokens; longer ones are cut, or read in --windows [default: 128, or what the model reads].
    #[arg(long, value_name = "TOKENS", help_heading = MODEL)]
    pub(crate) max_length: Option<usize>,
    /// Read longer texts in windows that overlap by so many tokens, at most 16 of them or as many as said, and average their
    /// logits; in training, measuring and use alike.
    #[arg(long, value_name = "OVERLAP[:MOST]", value_parser = parse_windows, help_heading = MODEL)]
    pub(crate) windows: Option<filbert::Windows>,
    /// Where a frozen trunk's results are kept for the next run with other head settings, or off [default: the user's cache].
    #[arg(long, value_name = "DIR|off", help_heading = RUN)]
    pub(crate) trunk_cache: Option<PathBuf>,
    /// Train again exactly as a model folder was trained; needs the same rows and encoder. What is typed beside it wins.
    #[arg(long, value_name = "MODEL", conflicts_with = "resume", help_heading = RUN)]
    pub(crate) repeat: Option<PathBuf>,
}
