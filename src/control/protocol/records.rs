//! Lists that commands print: queue, plans, history, conflicts, rules, findings, events.

use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// `GET queue`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct QueueList {
    /// In the order in which they will be tried.
    pub items: Vec<QueueItem>,
    /// There are this many in all; [`QueueList::items`] is cut at 10,000.
    pub total: u64,
}

/// A step that is left.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueItem {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault.
    pub path: String,
    /// What will happen: `upload`, `download`, `create-folder`, `move`, `delete`, …
    pub action: String,
    /// True if the provider will change, false if this machine will.
    pub outgoing: bool,
    /// Why, in the words of the decision tables.
    pub reason: String,
    /// Bytes to move; 0 for steps without content.
    pub size: u64,
    /// Bytes of them that the other side has.
    pub done: u64,
    /// Where it is.
    pub state: QueueItemState,
    /// Failed attempts since the last success or edit.
    pub attempts: u32,
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<String>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// Where a step is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueItemState {
    /// Next.
    Ready,
    /// Now.
    Running,
    /// Still open for writing, or written to a moment ago.
    Settling,
    /// Kept back by the user.
    Held,
    /// Failed; tried again later.
    BackingOff,
    /// A deletion that waits for `queue release`: too many at once.
    Guarded,
}

impl QueueItemState {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Settling => "settling",
            Self::Held => "held",
            Self::BackingOff => "backing off",
            Self::Guarded => "needs release",
        }
    }
}

/// How `sync` works.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SyncMode {
    /// Read changes, then run until nothing is left.
    Now,
    /// Read everything again first.
    Full,
    /// Say what would be done, and do nothing.
    DryRun,
}

/// `POST sync`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SyncReport {
    /// Steps done, or planned for a dry run.
    pub steps: Vec<PlannedStep>,
    /// Steps that succeeded, by action.
    pub counts: std::collections::BTreeMap<String, u64>,
    /// What failed.
    pub problems: Vec<Problem>,
    /// Changes that are still not at the provider.
    pub unsent: u64,
}

/// One step of a plan.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlannedStep {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault.
    pub path: String,
    /// As [`QueueItem::action`].
    pub action: String,
    /// As [`QueueItem::outgoing`].
    pub outgoing: bool,
    /// As [`QueueItem::reason`].
    pub reason: String,
}

/// `POST wait`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WaitReport {
    /// True if everything that was asked for is at the provider.
    pub safe_in_cloud: bool,
    /// Changes that are left.
    pub remaining: u64,
    /// Bytes that are left.
    pub remaining_bytes: u64,
    /// What will not go away by waiting.
    pub problems: Vec<Problem>,
}

/// `GET history`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct HistoryList {
    /// Newest first.
    pub items: Vec<HistoryItem>,
}

/// A kept version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HistoryItem {
    /// Name of the vault.
    pub vault: String,
    /// Number in the vault.
    pub id: i64,
    /// Path in the vault when it was kept.
    pub path: String,
    /// Why it was kept: `replaced-by-remote`, `conflict-loser`, …
    pub reason: String,
    /// Bytes.
    pub size: u64,
    /// When.
    pub kept_at: String,
}

/// `POST history/restore`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restored {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault of the restored file. Never one that was taken.
    pub path: String,
    /// Bytes.
    pub size: u64,
}

/// `GET conflicts`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ConflictList {
    /// Newest first.
    pub items: Vec<ConflictItem>,
}

/// A conflict that both sides survived.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConflictItem {
    /// Name of the vault.
    pub vault: String,
    /// Number in the vault.
    pub id: i64,
    /// Path of the version that has the name.
    pub path: String,
    /// Path of the other version, while it is in the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_path: Option<String>,
    /// What clashed.
    pub what: String,
    /// The device that found it.
    pub device: String,
    /// When.
    pub found_at: String,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
}

/// `GET rules/why`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// What was asked.
    pub name: String,
    /// True if it never leaves this machine.
    pub local_only: bool,
    /// The pack of the rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// The pattern that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Why such names are treated so, or that none matched.
    pub why: String,
}

/// `GET doctor`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DoctorReport {
    /// What was looked at, in order.
    pub findings: Vec<Finding>,
}

impl DoctorReport {
    /// True if nothing needs attention.
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.ok)
    }
}

/// One thing that `doctor` looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at.
    pub check: String,
    /// The vault, if it belongs to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// True if it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// One line of `GET events`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Counts up by one while the daemon runs; a gap means that the reader was too slow.
    pub seq: u64,
    /// When.
    pub at: String,
    /// `vault-added`, `vault-changed`, `vault-removed`, `mounted`, `unmounted`, `state`, `progress`, `problem`, …
    pub kind: String,
    /// Name of the vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// Path in the vault, or mountpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}
