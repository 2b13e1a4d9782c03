//! What the engine says about itself, as values for the control API.

use crate::types::{NodeId, Timestamp};

/// What one run to quiescence did.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct CycleReport {
    /// Rows of R that changed.
    pub pulled: u64,
    /// Steps that were done.
    pub done: u64,
    /// Steps that failed.
    pub failed: u64,
    /// How often was planned.
    pub rounds: u64,
    /// Nodes that still differ.
    pub pending: u64,
    /// The provider could not be worked with, or the pull failed.
    pub problem: Option<String>,
}

/// The state of a vault in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VaultState {
    /// Nothing is left to be synced, on either side.
    Idle,
    /// Something is, or may be.
    Syncing,
    /// The user stopped syncing, or wants it only when asked for.
    Paused,
    /// The provider cannot be reached.
    Offline,
    /// Everything is synced, and conflicts wait for the user.
    Conflict,
    /// Sign-in is needed.
    AuthRequired,
    /// The vault waits for the user: its root is missing, or a mass deletion wants to be confirmed, or a node is given up.
    Error,
}

/// What is known of a vault.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct VaultStatus {
    /// In one word.
    pub state: VaultState,
    /// The user stopped syncing.
    pub paused: bool,
    /// The user wants to be the one who asks for syncs.
    pub manual: bool,
    /// Nodes that differ between here and the provider, as far as is known; without [`VaultStatus::resting`].
    pub pending: u64,
    /// Those of them that were changed here.
    pub outgoing: u64,
    /// Staged bytes.
    pub pending_bytes: u64,
    /// Uploads and other calls that run.
    pub active: usize,
    /// Unresolved conflicts.
    pub conflicts: usize,
    /// Deletions that wait for [`super::Engine::confirm_deletes`].
    pub guarded: usize,
    /// Changes of what the provider knows that rest because the filter leaves them out.
    pub resting: u64,
    /// Nodes whose last attempt failed.
    pub failing: usize,
    /// One of them for want of space, here or at the provider.
    pub is_full: bool,
    /// The vault's folder is not where it was: nothing is done until it is back.
    pub is_root_missing: bool,
    /// The gravest problem, for people.
    pub problem: Option<String>,
    /// When everything was last known to be synced.
    pub last_synced: Option<Timestamp>,
    /// When changes were last pulled.
    pub last_pull: Option<Timestamp>,
}

/// One line of the queue: a node that differs, and what will be done about it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct QueueItem {
    /// Which node.
    pub node: NodeId,
    /// Where, in the vault.
    pub path: String,
    /// What will be done.
    pub action: &'static str,
    /// Why, or why not yet.
    pub reason: String,
    /// Since the last local change; zero for remote changes.
    pub age_seconds: u64,
    /// Bytes to be moved.
    pub size: u64,
    /// Bytes already sent, while it runs.
    pub sent: u64,
    /// Failed attempts.
    pub attempts: u32,
    /// The last failure.
    pub problem: Option<String>,
    /// The user keeps it back.
    pub held: bool,
    /// The user's filter leaves it out.
    pub left_out: bool,
    /// It runs now.
    pub active: bool,
}

/// An upload that runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Upload {
    /// Whose bytes.
    pub node: NodeId,
    /// Bytes sent.
    pub sent: u64,
    /// Bytes in all.
    pub size: u64,
}

/// The bytes that the provider has to get, since it last had all of them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Uploads {
    /// What runs.
    pub running: Vec<Upload>,
    /// Bytes that it got.
    pub finished: u64,
    /// Bytes whose turn has not come.
    pub waiting: u64,
}

impl Uploads {
    /// Bytes that are there, of all of these: the sums over the files.
    pub fn progress(&self) -> (u64, u64) {
        let (sent, size) = self.running.iter().fold((0, 0), |(sent, size), run| (sent + run.sent, size + run.size));
        (self.finished.saturating_add(sent), self.finished.saturating_add(self.waiting).saturating_add(size))
    }
}
