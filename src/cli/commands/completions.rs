//! `completions SHELL`

use clap::CommandFactory;

use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::cli::error::Result;

pub(super) fn run(context: &Context, shell: clap_complete::Shell) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "vaultfs", &mut script);
    context.output.raw(&script)
}
