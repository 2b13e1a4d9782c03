//! What clients ask. A vault is named by its name or its id everywhere.

use serde::{Deserialize, Serialize};

use super::records::SyncMode;

/// A file or folder.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Target {
    /// The vault; `None`: found by the path, which must then lead into a mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// With a leading slash: a path of this machine inside a mount. Without: relative to the vault. `None`: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Restricts a question to one vault.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct VaultFilter {
    /// The vault; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// `POST vaults`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AddVault {
    /// Its name: the folder that `mount --all` shows.
    pub name: String,
    /// `local`, `dropbox` or `icloud`.
    pub provider: String,
    /// For `local` its folder, an absolute path of this machine; for others the folder where programs such as Muze will find its mount, if
    /// that is known.
    #[serde(default)]
    pub path: String,
    /// For clouds: the account; `None`: the only one of this provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// For clouds: the folder, made if it is not there; `/` is the whole cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// `plain`, `music` or `cases`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Other users of this machine may use its mounts, as far as permission bits allow.
    #[serde(default)]
    pub allow_other: bool,
    /// A simulated network link in front of it, for rehearsals; `local` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
}

/// A network link that is not there: the provider behaves as if it were far away.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Link {
    /// How much longer every call takes.
    pub latency_ms: u64,
    /// Bytes per second in both directions together; `None`: as fast as the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

/// `POST vaults/import`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ImportVaults {
    /// Absolute path of a Muze registry; `None`: where Muze keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// `POST vaults/rename`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RenameVault {
    /// Which.
    pub vault: String,
    /// The new name.
    pub name: String,
}

/// `POST vaults/remove`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RemoveVault {
    /// Which.
    pub vault: String,
    /// Remove it although changes have not been sent; they are kept on disk.
    #[serde(default)]
    pub even_if_unsent: bool,
}

/// `POST mounts`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MountRequest {
    /// The vault; `None`: every vault, each in a folder of its own name below `dir`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// Absolute path of an existing empty folder.
    pub dir: String,
}

/// `POST mounts/unmount`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UnmountRequest {
    /// A mountpoint, or a folder that `mount --all` was given.
    pub dir: String,
}

/// `POST queue`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QueueChange {
    /// What to do.
    pub action: QueueAction,
    /// To what; a target without path means everything that waits.
    #[serde(flatten)]
    pub target: Target,
    /// For what overrules a version: the user has said yes.
    #[serde(default)]
    pub confirmed: bool,
}

/// What can be done to what waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueAction {
    /// Start nothing new until resumed.
    Pause,
    /// Go on.
    Resume,
    /// Try failed items now.
    Retry,
    /// Keep one item back.
    Hold,
    /// Let a held item go, or allow deletions that were kept back.
    Release,
    /// Give up a local change: the provider's version comes back, the local bytes go to history.
    Discard,
    /// Send a local edit over whatever the provider has; the provider's version goes to history.
    Upload,
}

impl QueueAction {
    /// As it is noted and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Discard => "discard",
            Self::Upload => "upload",
        }
    }

    /// True if one of two versions loses: the user is asked first.
    pub fn overrules(self) -> bool {
        match self {
            Self::Discard | Self::Upload => true,
            Self::Pause | Self::Resume | Self::Retry | Self::Hold | Self::Release => false,
        }
    }
}

/// Which version of a conflict keeps the name. The other one goes to history.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepSide {
    /// The one that was made on this device.
    Ours,
    /// The one that came from elsewhere.
    Theirs,
    /// The one that has the name, whoever made it.
    Named,
    /// The one beside it, whoever made it.
    Copy,
    /// Both stay as they are.
    #[default]
    Both,
}

/// `POST sync`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SyncRequest {
    /// The vault; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// How.
    pub mode: SyncMode,
}

/// `POST wait`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WaitRequest {
    /// For what to be safe in the cloud.
    #[serde(flatten)]
    pub target: Target,
    /// Answer after this time at the latest; never held longer than [`super::LONGEST_HOLD`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

/// `POST history/restore`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// Whose; `None`: the only vault that has this entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// Which.
    pub id: i64,
}

/// `POST conflicts/resolve`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ResolveConflicts {
    /// Whose; `None`: all vaults, or for one conflict the only vault that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// Which; `None`: every open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Which version is kept.
    #[serde(default)]
    pub keep: KeepSide,
    /// For all but [`KeepSide::Both`]: the user has said yes.
    #[serde(default)]
    pub confirmed: bool,
}

/// `GET rules/why`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RulesQuery {
    /// A file name or a path in the vault.
    pub name: String,
    /// The vault; `None`: the default vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
}

/// `POST network`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkRequest {
    /// The vault; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    /// True: behave as if there were no network. False: undo that.
    pub offline: bool,
}

/// `GET events`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EventsQuery {
    /// Start after this event; `None`: from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}
