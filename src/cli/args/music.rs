//! Flags of `new`.

use clap::{Args, ValueEnum};

use super::TargetArgs;

/// `new`
#[derive(Args, Debug)]
pub struct NewArgs {
    /// What to make
    #[arg(value_enum)]
    pub kind: MusicArg,
    /// Where, with its name at the end
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Folders of the music layout.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub enum MusicArg {
    /// Holds projects, and other collections
    Collection,
    /// Holds mixes; is made in a collection
    Project,
    /// A recording; is made in a project
    Mix,
}
