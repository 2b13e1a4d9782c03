//! `man DIR`: one page per command.

use std::path::Path;

use clap::CommandFactory;

use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::cli::error::{CliError, Result};

pub(super) fn run(context: &Context, dir: &Path) -> Result {
    let failed = |error: std::io::Error| CliError::io(format!("cannot write man pages to {}", dir.display()), &error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(failed)?;
    context.output.note(format!("man pages are in {}", dir.display()));
    Ok(())
}
