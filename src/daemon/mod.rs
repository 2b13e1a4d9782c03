//! The daemon: one per user, serves all mounts and the control API.
//!
//! Owner of: the set of open vaults and mounts. Start order: folders, single-instance lock, settings, log, socket, vaults that
//! were mounted, ready. The end is its reverse: accept no more, unmount, let the engines finish what they are writing, commit,
//! close, remove the socket, release the lock. A second request to stop ends the process at once; everything acknowledged is on
//! disk by then, as after any crash.
//!
//! `vault` is the only file that knows every module.

mod aside;
mod bandwidth;
mod blocking;
mod clouds;
mod documents;
mod first_look;
mod housekeeping;
pub mod lockfile;
mod mount_set;
pub mod mounts;
mod news;
mod pins;
mod plugs;
mod problems;
mod providers;
mod run;
mod selection;
mod service;
mod settings;
pub mod signals;
mod space;
pub mod supervisor;
mod syncing;
pub mod tasks;
#[cfg(test)]
mod test_world;
mod unreadable;
mod vault;
mod vault_set;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

pub use run::{DaemonSettings, come_after, last_process, run};

use crate::accounts::Accounts;
use crate::config::Paths;
use crate::control::events::EventBus;
use crate::control::protocol::Problem;
use crate::types::{Clock, Timestamp};
use crate::vaults::RegistryFile;

use clouds::Clouds;
use mount_set::MountSet;
use settings::LiveConfig;
use tasks::Tasks;
use vault_set::VaultSet;

/// Why the daemon ends, which decides what the next one mounts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum StopReason {
    /// It runs.
    #[default]
    Not,
    /// The user said so: what was mounted is forgotten.
    Asked,
    /// The session or the machine ends: the next daemon mounts the same again.
    Told,
}

/// The daemon's state, shared by every request.
pub(crate) struct Daemon {
    paths: Paths,
    config: LiveConfig,
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
    registry: RegistryFile,
    accounts: Arc<Accounts>,
    clouds: Arc<Clouds>,
    events: Arc<EventBus>,
    vaults: VaultSet,
    mounts: MountSet,
    tasks: Tasks,
    stop: watch::Sender<StopReason>,
    /// What went wrong since the start and concerns no single request.
    problems: Mutex<Vec<Problem>>,
}

impl Daemon {
    /// Notes a problem for `daemon status`.
    fn report(&self, problem: Problem) {
        tracing::warn!(%problem, "noted");
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
    }

    fn problems(&self) -> Vec<Problem> {
        let mut all = self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone();
        all.extend(self.tasks.problems());
        all
    }
}
