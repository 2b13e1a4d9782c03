//! One program with two roles, told apart by how it is called. Each role refuses every argument that it does not know.

use std::process::ExitCode;

fn main() -> ExitCode {
    vaultfs_mount_helper::run(std::env::args_os())
}
