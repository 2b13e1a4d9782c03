//! Lists that commands print: queue, plans, history, conflicts, rules, findings, events.

use serde::{Deserialize, Serialize};

use super::problem::Problem;

/// `GET queue`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct QueueList {
    /// Oldest change first.
    pub items: Vec<QueueItem>,
    /// There are this many in all; [`QueueList::items`] is cut at 10,000.
    pub total: u64,
}

/// Something that differs between here and the provider, and what will be done about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueItem {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault.
    pub path: String,
    /// What will be done: `upload`, `create folder`, `update here`, `wait`, …
    pub action: String,
    /// Why, or why not yet.
    pub reason: String,
    /// Where it is.
    pub state: QueueItemState,
    /// Bytes to move; 0 for what has no content.
    pub size: u64,
    /// Bytes of them that were sent.
    pub done: u64,
    /// Since the last change here; 0 for changes at the provider.
    pub age_seconds: u64,
    /// Failed attempts since the last success or edit.
    pub attempts: u32,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Where an item of the queue is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueItemState {
    /// Next.
    Ready,
    /// Now.
    Running,
    /// For something else first: quiet, a close, another step, a yes. [`QueueItem::reason`] says for what.
    Waiting,
    /// Kept back by the user.
    Held,
    /// Left out by the user's filter: it stays as it is until the filter changes.
    Filtered,
    /// It failed and is tried again later.
    Failing,
}

impl QueueItemState {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Held => "held",
            Self::Filtered => "filtered",
            Self::Failing => "failing",
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
    /// For a dry run: what would be done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlannedStep>,
    /// Entries that had changed at the provider.
    pub pulled: u64,
    /// Steps that were done.
    pub done: u64,
    /// Steps that failed.
    pub failed: u64,
    /// Entries that still differ.
    pub pending: u64,
    /// What failed.
    pub problems: Vec<Problem>,
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
    /// Why, in the words of the decision tables.
    pub reason: String,
    /// Bytes to move.
    pub size: u64,
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

/// `GET history/decisions`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct DecisionList {
    /// Newest first.
    pub items: Vec<Decision>,
}

/// Something that a person decided about an entry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Decision {
    /// Name of the vault.
    pub vault: String,
    /// Number in the vault.
    pub id: i64,
    /// When.
    pub at: String,
    /// `upload`, `discard`, `hold`, `release`, `resolve`.
    pub what: String,
    /// Path in the vault; empty for the vault as a whole.
    pub path: String,
    /// What became of it.
    pub detail: String,
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
    /// True if it was found by the name of a file: nobody knows which of the two versions is of this device.
    #[serde(default)]
    pub by_name: bool,
    /// What clashed.
    pub what: String,
    /// The device that found it.
    pub device: String,
    /// When.
    pub found_at: String,
    /// When it was resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<String>,
    /// The content of this device that clashed: its revision, or the hash of bytes that had none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<String>,
    /// The content from elsewhere that clashed: its revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theirs: Option<String>,
    /// What was done by itself: `keep both`, ...
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub strategy: String,
    /// What became of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub result: String,
}

/// `GET rules/why`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RuleVerdict {
    /// What was asked.
    pub name: String,
    /// True if it never leaves this machine.
    pub local_only: bool,
    /// True if the filter leaves it out: the provider keeps what it has, and what is here stays here.
    #[serde(default)]
    pub left_out: bool,
    /// The pack of the rule that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// The pattern that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Why such names are treated so, or that none matched.
    pub why: String,
}

/// `POST settings/reload`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct SettingsReport {
    /// Keys that changed and hold from now on.
    pub in_force: Vec<String>,
    /// Keys that changed and hold when the daemon starts again.
    pub at_restart: Vec<String>,
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
    /// True if it is as it should be, now.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What was done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<String>,
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
