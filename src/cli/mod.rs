//! The command line: parse, ask the daemon, print.
//!
//! A client of the control API like any other; what it knows of vaults it was told. Each command is a file under
//! `commands`; the flag table is [`args`], the only place that prints is [`output`].

pub mod args;
mod browser;
mod commands;
mod context;
pub mod error;
mod lines;
pub mod output;
mod scheme;
mod target;

use std::process::ExitCode;

use clap::Parser;

use args::Cli;
use context::Context;
use error::CliError;
use output::Output;

use crate::config::{Environment, env};

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let environment = Environment::of_process();
    let output = Output::new(cli.global.json, environment.get(env::NO_COLOR).is_some());
    let result = Context::new(output, environment, cli.global).and_then(|context| commands::run(&context, cli.command));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Usage(error)) => usage(&error),
        Err(error) => {
            if let CliError::Problem(problem) = &error {
                output.problem(problem);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

/// Help and version go to standard output, complaints to standard error; clap knows which is which.
fn usage(error: &clap::Error) -> ExitCode {
    // A reader that has left does not need the rest.
    drop(error.print());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
