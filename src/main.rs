//! The `vaultfs` program.

fn main() {}
