//! The `vaultfs` program: command line and daemon in one.

use std::process::ExitCode;

fn main() -> ExitCode {
    vaultfs::cli::run()
}
