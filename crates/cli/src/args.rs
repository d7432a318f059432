//! What may be typed. Help, man page and completions come from these definitions; each command turns its arguments
//! into what they mean once, before it starts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Fine-tunes BERT-family encoders for text classification, measures them honestly and uses them.
#[derive(Debug, Parser)]
#[command(name = "filbert", version, args_override_self = true, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage.")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Print one JSON object on standard output and nothing else there.
    #[arg(long, global = true, help_heading = "Options of every verb", display_order = 1_000)]
    pub(crate) json: bool,
    /// No progress and no notes on standard error.
    #[arg(long, short, global = true, help_heading = "Options of every verb", display_order = 1_000)]
    pub(crate) quiet: bool,
    /// The number of threads; all processors by default. Results do not depend on it.
    #[arg(long, global = true, help_heading = "Options of every verb", display_order = 1_000, value_name = "N", value_parser = parse_threads)]
    pub(crate) threads: Option<usize>,
    /// The best kernels to use: portable, avx2 or avx512; what the processor has by default.
    #[arg(long, global = true, help_heading = "Options of every verb", display_order = 1_000, value_name = "NAME", value_parser = parse_kernels)]
    pub(crate) kernels: Option<filbert_engine::Isa>,
    /// A TOML file with the flags' own names as keys; flags on the command line win.
    #[arg(
        long,
        global = true,
        help_heading = "Options of every verb",
        display_order = 1_000,
        value_name = "FILE"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Show the chain of causes of an error.
    #[arg(long, short, global = true, help_heading = "Options of every verb", display_order = 1_000)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Fine-tune a pretrained encoder on labelled rows and save a model folder.
    Train(Box<TrainArgs>),
    /// Measure a model folder on labelled rows.
    Eval(EvalArgs),
    /// Classify texts given as arguments or in a file.
    Predict(PredictArgs),
    /// Show what a model folder holds.
    Inspect(InspectArgs),
    /// Look at rows before training: classes, lengths, overlaps between parts, rows that look wrong.
    Data(Box<crate::commands::data::DataArgs>),
    /// Fetch a checkpoint from the hub, or from an archive, into the cache.
    Pull(PullArgs),
    /// Measure speed: rows per second over a file, or one training step at a shape.
    Bench(BenchArgs),
    /// Print shell completions.
    Completions(CompletionsArgs),
    /// Print the man page, or write one for every verb into a folder.
    Man(ManArgs),
}

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

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The model: a folder, or a classifier's hub id.
    #[arg(long, short, value_name = "DIR|HUB-ID")]
    pub(crate) model: String,
    /// Labelled rows: .csv, .tsv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// The folder for metrics.json; must not be the model's.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The column of the texts, or two for pairs; the model's own, or found, if left out.
    #[arg(long, value_name = "COL[,COL2]", value_delimiter = ',')]
    pub(crate) text: Option<Vec<String>>,
    /// The column of the labels; the model's own, or found, if left out.
    #[arg(long, value_name = "COL")]
    pub(crate) label: Option<String>,
    /// The longest row in tokens [default: the model's].
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_length: Option<usize>,
    /// The number format of matrix products.
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    pub(crate) precision: PrecisionArg,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The model: a folder, or a classifier's hub id.
    #[arg(long, short, value_name = "DIR|HUB-ID")]
    pub(crate) model: String,
    /// Texts to classify.
    #[arg(value_name = "TEXT", conflicts_with = "input")]
    pub(crate) texts: Vec<String>,
    /// A file of rows, or - for standard input: .csv, .tsv, .jsonl, .parquet, or .txt with one text a line.
    #[arg(long, short, value_name = "FILE|-")]
    pub(crate) input: Option<PathBuf>,
    /// The format of the input [default: by its name; lines for standard input].
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(crate) input_format: Option<filbert_data::Format>,
    /// The file to write, or - for standard output.
    #[arg(long, short, value_name = "FILE|-")]
    pub(crate) output: Option<PathBuf>,
    /// The format to write [default: by the output's name, else csv for tables and jsonl for JSON lines].
    #[arg(long, value_enum)]
    pub(crate) format: Option<OutputFormat>,
    /// The column of the texts, or two for pairs; the model's own, or found, if left out.
    #[arg(long, value_name = "COL[,COL2]", value_delimiter = ',')]
    pub(crate) text: Option<Vec<String>>,
    /// The longest row in tokens [default: the model's].
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_length: Option<usize>,
    /// Leave cells that a spreadsheet could run as a formula as they are.
    #[arg(long)]
    pub(crate) raw: bool,
    /// The number format of matrix products.
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    pub(crate) precision: PrecisionArg,
}

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A folder, an alias or a hub id.
    #[arg(value_name = "MODEL")]
    pub(crate) model: String,
    /// List every tensor.
    #[arg(long)]
    pub(crate) tensors: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// An alias, a hub id (owner/name[@revision]), or an archive (.zip, .whl, .tar.gz) that holds a checkpoint.
    #[arg(value_name = "ALIAS|HUB-ID|ARCHIVE", required_unless_present = "list")]
    pub(crate) model: Option<String>,
    /// List the aliases.
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The model to classify with: a folder, or a classifier's hub id.
    #[arg(long, short, value_name = "DIR|HUB-ID", required_unless_present = "train_step")]
    pub(crate) model: Option<String>,
    /// Rows to classify.
    #[arg(long, value_name = "FILE", required_unless_present = "train_step")]
    pub(crate) data: Option<PathBuf>,
    /// The column of the texts, or two for pairs; the model's own, or found, if left out.
    #[arg(long, value_name = "COL[,COL2]", value_delimiter = ',')]
    pub(crate) text: Option<Vec<String>>,
    /// The longest row in tokens [default: the model's].
    #[arg(long, value_name = "TOKENS")]
    pub(crate) max_length: Option<usize>,
    /// Only the first rows of the file.
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) rows: Option<usize>,
    /// Rows classified one by one for the latency.
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = parse_count)]
    pub(crate) single: usize,
    /// Time one training step and one forward pass of a random encoder instead.
    #[arg(long)]
    pub(crate) train_step: bool,
    /// With --train-step: keep only each layer's input for the way back.
    #[arg(long, requires = "train_step")]
    pub(crate) recompute: bool,
    /// With --train-step: where the time goes, by operation.
    #[arg(long, requires = "train_step")]
    pub(crate) profile: bool,
    /// Layers of that encoder.
    #[arg(long, default_value_t = 6, value_name = "N")]
    pub(crate) layers: usize,
    /// Its width.
    #[arg(long, default_value_t = 384, value_name = "N")]
    pub(crate) width: usize,
    /// Its attention heads.
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) heads: usize,
    /// Rows of the batch.
    #[arg(long, default_value_t = 32, value_name = "N")]
    pub(crate) batch: usize,
    /// Tokens of each row.
    #[arg(long, default_value_t = 128, value_name = "TOKENS")]
    pub(crate) length: usize,
    /// Repeats after a warm-up; medians are shown.
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) repeats: usize,
    /// The number format of matrix products.
    #[arg(long, value_enum, default_value_t = PrecisionArg::F32)]
    pub(crate) precision: PrecisionArg,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder for one page per verb; the main page goes to standard output if left out.
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PoolingArg {
    Pooler,
    Cls,
    Mean,
}

impl From<PoolingArg> for filbert::Pooling {
    fn from(value: PoolingArg) -> Self {
        match value {
            PoolingArg::Pooler => Self::Pooler,
            PoolingArg::Cls => Self::Cls,
            PoolingArg::Mean => Self::Mean,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScheduleArg {
    Linear,
    Cosine,
    Constant,
}

impl From<ScheduleArg> for filbert_engine::Decay {
    fn from(value: ScheduleArg) -> Self {
        match value {
            ScheduleArg::Linear => Self::Linear,
            ScheduleArg::Cosine => Self::Cosine,
            ScheduleArg::Constant => Self::Constant,
        }
    }
}

/// The number formats of matrix products; `auto` is the best of them on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PrecisionArg {
    Auto,
    F32,
    Bf16,
}

impl From<PrecisionArg> for filbert::Precision {
    fn from(value: PrecisionArg) -> Self {
        match value {
            PrecisionArg::Auto => Self::Auto,
            PrecisionArg::F32 => Self::F32,
            PrecisionArg::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    Csv,
    Jsonl,
}

fn parse_threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 1..=1024) => Ok(n),
        _ => Err("a number of threads from 1 to 1024".to_owned()),
    }
}

fn parse_kernels(text: &str) -> Result<filbert_engine::Isa, String> {
    let all = filbert_engine::Isa::available();
    let names: Vec<&str> = all.iter().map(|isa| isa.name()).collect();
    let found = all.iter().find(|isa| isa.name() == text);
    found.copied().ok_or_else(|| format!("this processor has {}", names.join(", ")))
}

fn parse_count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "a whole number from 1 up".to_owned())
}

fn parse_freeze(text: &str) -> Result<filbert::Freeze, String> {
    use filbert::Freeze;
    match text.split_once(':') {
        None if text == "none" => Ok(Freeze::None),
        None if text == "trunk" => Ok(Freeze::Trunk),
        None if text == "embeddings" => Ok(Freeze::Embeddings),
        Some(("layers", n)) => {
            n.parse().map(Freeze::Layers).map_err(|_| format!("{n:?} is not a number of layers"))
        }
        _ => Err("one of none, trunk, embeddings, layers:N".to_owned()),
    }
}

fn parse_warmup(text: &str) -> Result<filbert::Warmup, String> {
    match (text.parse::<u64>(), text.parse::<f64>()) {
        (Ok(steps), _) => Ok(filbert::Warmup::Steps(steps)),
        (_, Ok(share)) if (0.0..=1.0).contains(&share) => Ok(filbert::Warmup::Share(share)),
        _ => Err("a share of all steps from 0.0 to 1.0, or a whole number of steps".to_owned()),
    }
}

fn parse_format(text: &str) -> Result<filbert_data::Format, String> {
    text.parse().map_err(|e: filbert_data::Error| e.to_string())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn warmups_are_shares_or_steps() {
        use filbert::Warmup;
        assert_eq!(super::parse_warmup("0.1"), Ok(Warmup::Share(0.1)));
        assert_eq!(super::parse_warmup("1"), Ok(Warmup::Steps(1)));
        assert_eq!(super::parse_warmup("0"), Ok(Warmup::Steps(0)));
        assert!(super::parse_warmup("-0.5").is_err() && super::parse_warmup("nan").is_err());
    }
}
