//! The `filbert` command: arguments, progress, exit codes. Everything else is in the libraries.
//!
//! `main` owns the exit codes: 0 done, 1 failed, 2 wrong usage, 3 a gate was not met, 130 interrupted.

mod args;
mod commands;
mod config;
mod memory;
mod output;
mod progress;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Verb};

fn main() -> ExitCode {
    quiet_caught_panics();
    let typed: Vec<std::ffi::OsString> = std::env::args_os().collect();
    let arguments = match config::expand(typed) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("filbert: {error:#}");
            return ExitCode::from(2);
        }
    };
    let cli = Cli::parse_from(arguments);
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let message = if cli.common.verbose { format!("{error:#}") } else { error.to_string() };
            eprintln!("filbert: {}", output::one_line(&message));
            if error.chain().any(|e| matches!(e.downcast_ref(), Some(filbert::Error::Usage(_)))) {
                return ExitCode::from(2);
            }
            ExitCode::FAILURE
        }
    }
}

/// One arm per verb; each command reads from top to bottom.
fn run(cli: &Cli) -> anyhow::Result<()> {
    if let Some(threads) = cli.common.threads {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    match &cli.verb {
        Verb::Train(args) => commands::train::run(args, &cli.common),
        Verb::Eval(args) => commands::eval::run(args, &cli.common),
        Verb::Predict(args) => commands::predict::run(args, &cli.common),
        Verb::Inspect(args) => commands::inspect::run(args, &cli.common),
        Verb::Pull(args) => commands::pull::run(args, &cli.common),
        Verb::Bench(args) => commands::bench::run(args, &cli.common),
        Verb::Completions(args) => commands::generate::completions(args),
        Verb::Man(args) => commands::generate::man(args),
    }
}

/// Readers of foreign formats turn a library's panic into an error; the default hook would print it all the same.
fn quiet_caught_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let foreign = info.location().is_some_and(|l| {
            let file = l.file();
            ["tokenizers", "parquet", "daachorse", "fancy-regex"].iter().any(|name| file.contains(name))
        });
        if !foreign {
            default(info);
        }
    }));
}
