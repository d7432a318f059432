//! The `filbert` command: arguments, progress, exit codes. Everything else is in the libraries.
//!
//! `main` owns the exit codes: 0 done, 1 failed, 2 wrong usage, 3 a gate was not met, 130 interrupted.

mod args;
mod commands;
mod config;
mod memory;
mod output;
mod progress;
mod signals;

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches};

use args::{Cli, Verb};

/// The exit code of a gate that was not met.
const GATE: u8 = 3;

fn main() -> ExitCode {
    quiet_caught_panics();
    let typed: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let arguments = match config::expand(typed) {
        Ok(arguments) => arguments,
        Err(error) => return failed(&error, false, 2),
    };
    let matches = Cli::command().get_matches_from(arguments);
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    signals::watch();
    match std::panic::catch_unwind(AssertUnwindSafe(|| run(&cli, &matches))) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Ok(Err(error)) if signals::caught() => failed(&error, cli.common.verbose, signals::EXIT_CODE),
        Ok(Err(error)) => failed(&error, cli.common.verbose, if is_usage(&error) { 2 } else { 1 }),
        Err(_) => failed(&anyhow::anyhow!("this is a fault of filbert's; please report it"), false, 1),
    }
}

/// Says what went wrong on one line.
fn failed(error: &anyhow::Error, verbose: bool, code: u8) -> ExitCode {
    let mut message = if verbose { format!("{error:#}") } else { error.to_string() };
    // A context says what was done; the reason is the root's.
    let root = error.root_cause().to_string();
    if !message.contains(&root) {
        message.push_str(": ");
        message.push_str(&root);
    }
    progress::say(&format!("filbert: {}", output::one_line(&message)));
    ExitCode::from(code)
}

/// True where the arguments, not the world, are at fault.
fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(|e| {
        use filbert_data::Error as Data;
        use filbert_model::Error as Model;
        matches!(
            e.downcast_ref(),
            Some(filbert::Error::Usage(_) | filbert::Error::NoBf16 | filbert::Error::UnknownLabel { .. })
        ) || matches!(e.downcast_ref(), Some(filbert_train::Error::Setting { .. }))
            || matches!(
                e.downcast_ref(),
                Some(
                    filbert::Error::Train(filbert_train::Error::Setting { .. })
                        | filbert::Error::Data(Data::Split { .. })
                        | filbert::Error::Model(
                            Model::TooManyFrozen { .. }
                                | Model::NoSuchParameter { .. }
                                | Model::NothingTrained
                                | Model::StudentLayers { .. }
                                | Model::Windows { .. }
                        )
                )
            )
    })
}

/// One arm per verb; each command reads from top to bottom.
fn run(cli: &Cli, matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    if let Some(threads) = cli.common.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    if let Some(isa) = cli.common.kernels {
        isa.limit();
    }
    match &cli.verb {
        Verb::Train(args) => commands::train::run(args, &cli.common, matches),
        Verb::Distill(args) => commands::distill::run(args, &cli.common, matches),
        Verb::Eval(args) => commands::eval::run(args, &cli.common),
        Verb::Predict(args) => commands::predict::run(args, &cli.common),
        Verb::Inspect(args) => commands::inspect::run(args, &cli.common),
        Verb::Data(args) => commands::data::run(args, &cli.common),
        Verb::Compress(args) => {
            return Ok(match commands::compress::run(args, &cli.common)? {
                filbert::Outcome::Kept => ExitCode::SUCCESS,
                _ => ExitCode::from(GATE),
            });
        }
        Verb::Quantize(args) => commands::quantize::run(args, &cli.common),
        Verb::Pull(args) => commands::pull::run(args, &cli.common),
        Verb::Bench(args) => commands::bench::run(args, &cli.common),
        Verb::Completions(args) => commands::generate::completions(args),
        Verb::Man(args) => commands::generate::man(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Readers of foreign formats turn a library's panic into an error; the default hook would print it all the same.
fn quiet_caught_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let foreign = info.location().is_some_and(|l| {
            let file = l.file();
            ["tokenizers-0.", "parquet-6", "daachorse-1", "fancy-regex-0."]
                .iter()
                .any(|name| file.contains(name))
        });
        if !foreign {
            default(info);
        }
    }));
}
