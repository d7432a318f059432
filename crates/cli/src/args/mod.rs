//! What may be typed. Help, man page and completions come from these definitions; each command turns its arguments
//! into what they mean once, before it starts.

mod distill;
mod parse;
mod run;
mod train;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use distill::{DistillArgs, StudentArg};
use parse::{parse_count, parse_kernels, parse_threads};
pub(crate) use parse::{parse_data, parse_size};
pub(crate) use run::RunArgs;
pub(crate) use train::TrainArgs;

/// Fine-tunes BERT-family encoders for text classification, measures them honestly and uses them.
#[derive(Debug, Parser)]
#[command(name = "filbert", version, args_override_self = true, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a gate was not met, 130 stopped by SIGINT or SIGTERM."
)]
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
    /// Make a smaller classifier that answers as a larger one does, and the same one without it for comparison.
    Distill(Box<DistillArgs>),
    /// Measure a model folder on labelled rows.
    Eval(EvalArgs),
    /// Classify texts given as arguments or in a file.
    Predict(PredictArgs),
    /// Show what a model folder holds.
    Inspect(InspectArgs),
    /// Look at rows before training: classes, lengths, overlaps between parts, rows that look wrong.
    Data(Box<crate::commands::data::DataArgs>),
    /// Find the smallest artifact of a model that keeps what it must: int8, 4-bit, pruned, distilled.
    Compress(Box<crate::commands::compress::CompressArgs>),
    /// Store a model's weights in few bits.
    Quantize(crate::commands::quantize::QuantizeArgs),
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
pub(crate) struct EvalArgs {
    /// The model: a folder, or a classifier's hub id. A second --model is compared with the first on the same rows.
    #[arg(long, short, value_name = "DIR|HUB-ID", required = true)]
    pub(crate) model: Vec<String>,
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
    /// Columns by whose values the rows are measured apart, beside the length of the texts.
    #[arg(long, value_name = "COL,...", value_delimiter = ',')]
    pub(crate) slices: Vec<String>,
    /// False positive rates at which true positive rates are given [default: 0.01,0.001,0.0001].
    #[arg(long, value_name = "RATE,...", value_delimiter = ',')]
    pub(crate) fpr: Vec<f64>,
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
    #[arg(long, value_name = "FORMAT", value_parser = parse_data::<filbert_data::Format>)]
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
    /// Where the time goes, by operation.
    #[arg(long)]
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
