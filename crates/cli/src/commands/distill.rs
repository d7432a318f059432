//! `filbert distill`.

use anyhow::{Context as _, Result};
use clap::{ArgMatches, CommandFactory};
use filbert::{Distillation, Student, Teaching, Watch};
use filbert_model::folder::SaveFolder;

use super::{resolve, running};
use crate::args::{Cli, Common, DistillArgs, StudentArg};
use crate::progress::Progress;
use crate::{config, output};

pub(crate) fn run(args: &DistillArgs, common: &Common, matches: &ArgMatches) -> Result<()> {
    let root = Cli::command();
    let command = root.find_subcommand("distill").context("the verb exists")?;
    let matches = matches.subcommand_matches("distill").context("the verb was typed")?;
    if args.run.print_config {
        return output::print(&config::print(command, matches));
    }
    let mut progress = Progress::new(common);
    let out = args.run.out.as_deref().context("--out says which folder to write")?;
    // An output that cannot be written is refused before minutes are spent.
    drop(SaveFolder::create(out, args.run.force)?);
    let teacher = args.teacher.as_deref().context("--teacher says which classifier to learn from")?;
    let teacher = resolve(teacher, &mut progress)?;
    progress.note(&format!("teacher: {}", teacher.source));
    let student = args.student.as_ref().context("--student says what to start from")?;
    let distillation = Distillation {
        student: match student {
            StudentArg::Even(layers) => Student::Even(*layers),
            StudentArg::Layers(layers) => Student::Layers(layers.clone()),
            StudentArg::Config(file) => Student::Config(file.clone()),
            StudentArg::Model(name) => Student::Checkpoint(resolve(name, &mut progress)?.folder),
        },
        teaching: Teaching {
            temperature: args.temperature,
            alpha: args.alpha,
            hidden: args.hidden,
            attention: args.attention,
            relation_heads: args.relation_heads,
            ..Teaching::default()
        },
        unlabelled: args.unlabelled.clone(),
        control: !args.no_control,
    };

    let options = running::recorded(running::options(&args.run, out), command, matches);
    let trainer = running::trainer(&args.run, options, &teacher.folder, &teacher.source);
    let trained = trainer.distil(distillation).fit_watched(&mut progress)?;
    running::save(&trained, &args.run, out, &mut progress)?;
    running::forget(out);
    drop(progress);
    running::tell(&trained, out, common)
}
