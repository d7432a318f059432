//! What `filbert distill` takes.

use std::path::PathBuf;

use clap::Args;

use super::parse::{parse_count, parse_student};
use super::run::{LOSS, MODEL, ROWS, RUN, RunArgs};

/// The student as it was typed: a checkpoint may be a folder, an alias or a hub id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StudentArg {
    /// So many of the teacher's layers.
    Even(usize),
    /// These of them.
    Layers(Vec<usize>),
    /// A configuration, by its file's ending.
    Config(PathBuf),
    /// A checkpoint.
    Model(String),
}

#[derive(Debug, Args)]
pub(crate) struct DistillArgs {
    #[command(flatten)]
    pub(crate) run: RunArgs,
    /// The classifier to learn from: a folder or a hub id. Labels, longest row, windows and pooling are its.
    #[arg(long, value_name = "DIR|HUB-ID", required_unless_present = "print_config", help_heading = MODEL)]
    pub(crate) teacher: Option<String>,
    /// What the student starts from: so many of the teacher's layers (layers=3, evenly spaced with the last), a list of them from 0
    /// (layers=0,2,5; layers=5, for one), a config.json (new weights), or a checkpoint with the teacher's vocabulary.
    #[arg(long, value_name = "layers=N|layers=I,J,...|CONFIG.json|MODEL", value_parser = parse_student, required_unless_present = "print_config", help_heading = MODEL)]
    pub(crate) student: Option<StudentArg>,
    /// Texts without labels to learn from too: .csv, .tsv, .jsonl, .parquet, or .txt with one a line.
    #[arg(long, value_name = "FILE", help_heading = ROWS)]
    pub(crate) unlabelled: Option<PathBuf>,
    /// The temperature at which the teacher's and the student's probabilities are compared.
    #[arg(long, default_value_t = 2.0, value_name = "T", help_heading = LOSS)]
    pub(crate) temperature: f32,
    /// The share of the teacher's probabilities in the loss; the labels have the rest.
    #[arg(long, default_value_t = 0.5, value_name = "SHARE", help_heading = LOSS)]
    pub(crate) alpha: f32,
    /// The weight of the distance to the teacher's hidden states.
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT", help_heading = LOSS)]
    pub(crate) hidden: f32,
    /// The weight of the distance to the relations between tokens in the teacher's last layer.
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT", help_heading = LOSS)]
    pub(crate) attention: f32,
    /// Heads over which those relations are formed, a divisor of both widths [default: the most attention heads of the two, or
    /// the next lower divisor].
    #[arg(long, value_name = "N", value_parser = parse_count, help_heading = LOSS)]
    pub(crate) relation_heads: Option<usize>,
    /// Do not train the same student without the teacher: nothing then says whether the teacher helped.
    #[arg(long, help_heading = RUN)]
    pub(crate) no_control: bool,
}
