//! The daemon: start order and its reverse; builds every vault from the layers below.

pub mod lockfile;
pub mod mounts;
pub mod signals;
pub mod tasks;

use crate::config::{Environment, Paths};
use crate::control::protocol::Problem;

/// What the daemon is started with.
pub struct DaemonSettings {
    /// The folders of this user.
    pub paths: Paths,
    /// The environment.
    pub environment: Environment,
    /// Settings of the command line.
    pub flags: Vec<(String, String)>,
}

/// Runs the daemon.
pub fn run(_settings: DaemonSettings, _ready: impl FnOnce()) -> Result<(), Problem> {
    Ok(())
}
