//! The truth that people see: what is here, what is in the cloud, what is on its way.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cases::CaseTotals;
use super::problem::Problem;

/// `GET daemon`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Version of the program.
    pub version: String,
    /// Version of the API.
    pub api: u32,
    /// Process.
    pub pid: u32,
    /// Since when it runs.
    pub started_at: String,
    /// Name of this device in conflict names.
    pub device: String,
    /// What is mounted.
    pub mounts: Vec<MountInfo>,
    /// Background tasks that ended although they should run, mounts that could not be restored, and the like.
    pub problems: Vec<Problem>,
}

/// A mount.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MountInfo {
    /// Name of the vault.
    pub vault: String,
    /// Its id.
    pub vault_id: String,
    /// Where, absolute and without symbolic links.
    pub dir: String,
}

/// `POST mounts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mounted {
    /// What is mounted now.
    pub mounts: Vec<MountInfo>,
    /// Vaults that could not be mounted with the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
}

/// `POST mounts/unmount`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnmountReport {
    /// What is no longer mounted.
    pub mounts: Vec<MountInfo>,
    /// Changes that are not at the provider yet, with the vault's name. They stay on this disk and are sent while the daemon runs.
    pub unsent: Vec<Unsent>,
}

/// What a vault still has to send.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unsent {
    /// Name of the vault.
    pub vault: String,
    /// How many changes.
    pub count: u64,
    /// The first of them.
    pub paths: Vec<String>,
}

/// `POST daemon/stop`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StopReport {
    /// The process that is stopping.
    pub pid: u32,
    /// As for [`UnmountReport::unsent`].
    pub unsent: Vec<Unsent>,
}

/// An answer that says no more than that it was done.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Changed {
    /// How many things changed.
    pub count: u64,
}

/// One word for a vault. Ordered from good to bad: the worst word speaks for several vaults.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateWord {
    /// Nothing is left on either side.
    Idle,
    /// Something is on its way.
    Syncing,
    /// The user paused it, or wants it to sync only when it is told to.
    Paused,
    /// The provider cannot be reached, or the user asked for offline.
    Offline,
    /// Two versions clash and the user has not looked yet.
    Conflict,
    /// Sign-in is needed.
    AuthRequired,
    /// Something fails that waiting will not repair.
    Error,
}

impl StateWord {
    /// As `status --short` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Syncing => "syncing",
            Self::Paused => "paused",
            Self::Offline => "offline",
            Self::Conflict => "conflict",
            Self::AuthRequired => "auth-required",
            Self::Error => "error",
        }
    }
}

/// `GET status` without a path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusReport {
    /// The worst word of all vaults.
    pub state: StateWord,
    /// Each vault.
    pub vaults: Vec<VaultStatus>,
}

/// A vault as its engine sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VaultStatus {
    /// Its name.
    pub vault: String,
    /// Its id.
    pub vault_id: String,
    /// In a word.
    pub state: StateWord,
    /// Files and folders.
    pub entries: u64,
    /// Sum of file sizes.
    pub bytes: u64,
    /// Cached bytes on this machine.
    pub cached_bytes: u64,
    /// Bytes that the provider does not have yet.
    pub staged_bytes: u64,
    /// Changes that are not at the provider yet.
    pub unsent: u64,
    /// Remote changes that are known and not yet shown.
    pub incoming: u64,
    /// Changes that are only here, and stay so because the filter leaves them out. Not among [`VaultStatus::unsent`].
    #[serde(default)]
    pub resting: u64,
    /// Entries of the provider's that the filter leaves out: they are not shown.
    #[serde(default)]
    pub left_out: u64,
    /// Unresolved conflicts.
    pub conflicts: u64,
    /// True if the user paused it.
    pub paused: bool,
    /// True if it syncs only when it is told to.
    #[serde(default)]
    pub manual: bool,
    /// True if the user asked for offline.
    pub offline_by_user: bool,
    /// What moves now.
    pub transfers: Vec<Transfer>,
    /// What is kept on this machine, if anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<PinStatus>,
    /// The cases together, in a vault with that layout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cases: Option<CaseTotals>,
    /// How far all of it is, with what was sent and what is still to be sent since everything was last at the provider; absent while there
    /// is nothing of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The last time that the provider's changes were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pull: Option<String>,
    /// Where it is mounted.
    pub mounts: Vec<String>,
    /// What a person should know of.
    pub problems: Vec<Problem>,
}

/// What is kept on this machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PinStatus {
    /// Pinned files.
    pub files: u64,
    /// Those of them that are not here yet.
    pub missing: u64,
    /// Their bytes.
    pub missing_bytes: u64,
    /// Those that could not be fetched. They are tried again.
    pub failed: Vec<PinFailure>,
}

/// A pinned file that could not be fetched.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PinFailure {
    /// Path in the vault.
    pub path: String,
    /// Why.
    pub why: String,
}

/// Bytes that moved, of those that have to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes done.
    pub done: u64,
    /// Bytes in all.
    pub total: u64,
}

impl Progress {
    /// 0 to 100; 100 only once all of it is done.
    pub fn percent(self) -> u8 {
        let percent = (u128::from(self.done.min(self.total)) * 100).checked_div(u128::from(self.total)).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }
}

/// A transfer that runs now.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Transfer {
    /// Path in the vault.
    pub path: String,
    /// `upload` or `download`.
    pub direction: String,
    /// How far it is.
    #[serde(flatten)]
    pub progress: Progress,
}

/// `GET status` with a path.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FileStatus {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault; empty for its root.
    pub path: String,
    /// `file`, `folder`, `symlink` or `special`.
    pub kind: String,
    /// Where it is on its way to the cloud.
    pub state: FileState,
    /// True if what the mount shows survives the death of the network.
    pub safe_here: bool,
    /// True if what the mount shows is at the provider.
    pub safe_in_cloud: bool,
    /// Which of its bytes are here.
    pub presence: Presence,
    /// Bytes; for folders of everything below.
    pub size: u64,
    /// Bytes of it on this machine.
    pub hydrated_bytes: u64,
    /// Kept on this machine, by itself or by a folder above.
    pub pinned: bool,
    /// Why it is not on its way, or what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// For files: how far it is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
    /// For folders: what is below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<FolderTotals>,
}

/// State of one file or folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Here and at the provider alike.
    Synced,
    /// Never leaves this machine.
    LocalOnly,
    /// Left out by the user's filter: what is here stays here.
    Filtered,
    /// The provider has it and does not give its bytes: a document of its own, or blocked.
    Unreadable,
    /// Changed and waiting for its turn.
    Pending,
    /// On its way now.
    Syncing,
    /// Kept back by the user.
    Held,
    /// Two versions clash.
    Conflict,
    /// It failed.
    Error,
}

impl FileState {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::LocalOnly => "local-only",
            Self::Filtered => "filtered",
            Self::Unreadable => "unreadable",
            Self::Pending => "pending",
            Self::Syncing => "syncing",
            Self::Held => "held",
            Self::Conflict => "conflict",
            Self::Error => "error",
        }
    }
}

/// Which bytes are on this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// All.
    Here,
    /// Some.
    Partly,
    /// None; the name and size are.
    OnlineOnly,
}

impl Presence {
    /// By counting.
    pub fn of(hydrated: u64, size: u64) -> Self {
        if hydrated >= size {
            Self::Here
        } else if hydrated > 0 {
            Self::Partly
        } else {
            Self::OnlineOnly
        }
    }

    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Partly => "partly here",
            Self::OnlineOnly => "online only",
        }
    }
}

/// What a folder holds, at all depths.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FolderTotals {
    /// Files.
    pub files: u64,
    /// Folders.
    pub folders: u64,
    /// Files and folders by the word of their [`FileState`].
    pub states: BTreeMap<String, u64>,
}

/// `POST content/pin`, `content/unpin` and `content/evict`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ContentChange {
    /// Name of the vault.
    pub vault: String,
    /// Path in the vault.
    pub path: String,
    /// Files that it meant.
    pub files: u64,
    /// Bytes freed (evict) or still to be fetched (pin).
    pub bytes: u64,
    /// Files that could not be evicted: staged, pinned or open.
    pub kept: u64,
}
