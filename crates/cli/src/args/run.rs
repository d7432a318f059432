//! What every verb that trains takes: rows, how to train on them, and what is said of the result.

use std::path::PathBuf;

use clap::Args;

use super::parse::{
    CheckpointEvery, parse_class_weights, parse_count, parse_data, parse_eval, parse_every, parse_select,
    parse_warmup,
};
use super::{PrecisionArg, ScheduleArg};

pub(super) const ROWS: &str = "Rows";
pub(super) const MODEL: &str = "Model";
const TRAINING: &str = "Training";
pub(super) const LOSS: &str = "Loss";
const MEASURING: &str = "Measuring";
pub(super) const RUN: &str = "Run";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of their own")]
pub(crate) struct RunArgs {
    /// Rows to split into train, validation and test: .csv, .tsv, .jsonl or .parquet.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["train", "valid", "test"], help_heading = ROWS)]
    pub(crate) data: Option<PathBuf>,
    /// How --data is split: two parts (train/validation) or three (with test).
    #[arg(long, value_name = "PARTS", default_value = "70/15/15", help_heading = ROWS)]
    pub(crate) split: String,
    /// What decides a row's part: stratified, domain (rows of one registered domain stay together), group:COL (rows of one value do)
    /// or time:COL (the newest rows test).
    #[arg(long, default_value = "stratified", value_name = "stratified|domain|group:COL|time:COL", value_parser = parse_data::<filbert::SplitBy>, help_heading = ROWS)]
    pub(crate) split_by: filbert::SplitBy,
    /// Leave out training rows that are in validation or test too, repeated or contradicted, and validation rows that are in test:
    /// off, exact, canonical, near or domain.
    #[arg(long, default_value = "off", value_name = "LEVEL", value_parser = parse_data::<filbert::Dedupe>, help_heading = ROWS)]
    pub(crate) dedupe: filbert::Dedupe,
    /// Rows to train on.
    #[arg(long, value_name = "FILE", help_heading = ROWS)]
    pub(crate) train: Option<PathBuf>,
    /// Rows to choose the best epoch on; cut from the training rows if left out.
    #[arg(long, value_name = "FILE", help_heading = ROWS)]
    pub(crate) valid: Option<PathBuf>,
    /// Rows to measure on once, after training.
    #[arg(long, value_name = "FILE", help_heading = ROWS)]
    pub(crate) test: Option<PathBuf>,
    /// The column of the texts, or two for pairs; found if left out.
    #[arg(long, value_name = "COL[,COL2]", value_delimiter = ',', help_heading = ROWS)]
    pub(crate) text: Option<Vec<String>>,
    /// The column of the labels; found if left out.
    #[arg(long, value_name = "COL", help_heading = ROWS)]
    pub(crate) label: Option<String>,
    /// The folder to write.
    #[arg(long, short, value_name = "DIR", required_unless_present = "print_config", help_heading = RUN)]
    pub(crate) out: Option<PathBuf>,
    /// Replace an existing model folder.
    #[arg(long, help_heading = RUN)]
    pub(crate) force: bool,
    /// Passes over the training rows [default: 3; of train with a frozen trunk 10].
    #[arg(long, value_name = "N", help_heading = TRAINING)]
    pub(crate) epochs: Option<usize>,
    /// The highest learning rate [default: 5e-5; of train with a frozen trunk 1e-3, with adapters 5e-4].
    #[arg(long, value_name = "RATE", help_heading = TRAINING)]
    pub(crate) lr: Option<f32>,
    /// The learning rate of pooler and classifier [default: as --lr; 1e-3 for a new classifier of more than two labels].
    #[arg(long, value_name = "RATE", help_heading = TRAINING)]
    pub(crate) head_lr: Option<f32>,
    /// Multiply the learning rate by this from each layer to the one below it.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", help_heading = TRAINING)]
    pub(crate) layer_decay: f32,
    /// Rows per update.
    #[arg(long, default_value_t = 16, value_name = "N", help_heading = TRAINING)]
    pub(crate) batch_size: usize,
    /// The rise of the learning rate: a share of all steps (0.1), or a number of them (100).
    #[arg(long, default_value = "0.1", value_name = "SHARE|STEPS", value_parser = parse_warmup, help_heading = TRAINING)]
    pub(crate) warmup: filbert::Warmup,
    /// The fall of the learning rate after the warm-up.
    #[arg(long, value_enum, default_value_t = ScheduleArg::Linear, help_heading = TRAINING)]
    pub(crate) schedule: ScheduleArg,
    /// Decoupled weight decay; none on biases and norms.
    #[arg(long, default_value_t = 0.01, value_name = "RATE", help_heading = TRAINING)]
    pub(crate) weight_decay: f32,
    /// The norm that all gradients together are clipped to.
    #[arg(long, default_value_t = 1.0, value_name = "NORM", help_heading = TRAINING)]
    pub(crate) clip_norm: f32,
    /// The figure on validation rows that chooses the epoch: loss, accuracy, balanced-accuracy, macro-f1, micro-f1, mcc, auc
    /// or pr-auc. Test rows choose nothing.
    #[arg(long, default_value = "loss", value_name = "FIGURE", value_parser = parse_select, help_heading = TRAINING)]
    pub(crate) select: filbert::Select,
    /// End after so many epochs without a better figure.
    #[arg(long, value_name = "EPOCHS", value_parser = parse_count, help_heading = TRAINING)]
    pub(crate) patience: Option<usize>,
    /// Work through each batch in so many parts, one after the other, in less memory; each has dropout masks of its own.
    #[arg(long, default_value_t = 1, value_name = "PARTS", value_parser = parse_count, help_heading = TRAINING)]
    pub(crate) accumulate: usize,
    /// Keep only each layer's input for the way back and compute the rest again: a third slower, much less memory,
    /// the same result.
    #[arg(long, help_heading = TRAINING)]
    pub(crate) recompute: bool,
    /// Weights of the classes: balanced, or LABEL=WEIGHT,... (1 for those not named).
    #[arg(long, value_name = "balanced|LABEL=W,...", value_parser = parse_class_weights, help_heading = LOSS)]
    pub(crate) class_weights: Option<filbert::ClassWeights>,
    /// The exponent of the focal loss, which heeds hard rows more; 0 is cross-entropy.
    #[arg(long, default_value_t = 0.0, value_name = "GAMMA", help_heading = LOSS)]
    pub(crate) focal: f32,
    /// The share of each target that is spread over all labels.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", help_heading = LOSS)]
    pub(crate) label_smoothing: f32,
    /// Every random choice follows from it.
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = RUN)]
    pub(crate) seed: u64,
    /// Train with so many seeds from --seed on, report mean and deviation, and keep the model that is best on validation rows.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = parse_count, help_heading = RUN)]
    pub(crate) seeds: usize,
    /// The number format of matrix products; auto is bf16 where the processor multiplies it, else f32.
    #[arg(long, value_enum, default_value_t = PrecisionArg::Auto, help_heading = RUN)]
    pub(crate) precision: PrecisionArg,
    /// Columns by whose values the test rows are measured apart, beside the length of the texts.
    #[arg(long, value_name = "COL,...", value_delimiter = ',', help_heading = MEASURING)]
    pub(crate) slices: Vec<String>,
    /// Leave out the baseline of character n-grams that the model is held against.
    #[arg(long, help_heading = MEASURING)]
    pub(crate) no_floor: bool,
    /// Leave the probabilities as they are: no temperature is fitted on the validation rows.
    #[arg(long, help_heading = MEASURING)]
    pub(crate) no_calibration: bool,
    /// Choose the threshold on validation rows for a target: fpr=0.001, precision=0.95, recall=0.9, f1 or mcc; of several
    /// labels one for each.
    #[arg(long, value_name = "TARGET", value_parser = parse_eval::<filbert::Target>, help_heading = MEASURING)]
    pub(crate) target: Option<filbert::Target>,
    /// Answers that are unsure: probabilities of the positive label in LOW..HIGH, the most probable label's below a limit
    /// (below=0.6), or as few as leave an accuracy on the others (accuracy=0.99).
    #[arg(long, value_name = "LOW..HIGH|below=P|accuracy=A", value_parser = parse_eval::<filbert::Unsure>, help_heading = MEASURING)]
    pub(crate) unsure: Option<filbert::Unsure>,
    /// How often a checkpoint is written beside the output: a time (5m, 90s), a number of updates (200), or off. SIGINT and
    /// SIGTERM write one too.
    #[arg(long, default_value = "5m", value_name = "TIME|UPDATES|off", value_parser = parse_every, help_heading = RUN)]
    pub(crate) checkpoint_every: CheckpointEvery,
    /// Go on from the checkpoint beside --out, with the settings it was started with; the result is the same to the bit.
    #[arg(long, help_heading = RUN)]
    pub(crate) resume: bool,
    /// Print all settings as TOML for --config, and stop.
    #[arg(long, help_heading = RUN)]
    pub(crate) print_config: bool,
}
