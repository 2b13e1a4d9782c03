//! The registry as clients see and change it.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::requests::Target;
use super::status::VaultStatus;

/// `POST vaults/default`, `POST vaults/active`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChooseVault {
    /// Which.
    pub vault: String,
}

/// `POST vaults/set`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChangeVault {
    /// Which.
    pub vault: String,
    /// `layout`, `mount.path`, `mount.auto`, `mount.read_only`, `mount.allow_other`, `path` or `folder`.
    pub key: String,
    /// The new value; `None`: what a new vault has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// `GET vaults`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VaultList {
    /// In the order of the registry.
    pub vaults: Vec<VaultSummary>,
}

/// `POST vaults/import`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ImportReport {
    /// The registry that was read.
    pub file: String,
    /// Names of the vaults that are new here.
    pub added: Vec<String>,
    /// How many were here before.
    pub known: u64,
    /// Vaults that cannot be used.
    pub problems: Vec<Problem>,
}

/// A vault as the registry has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VaultSummary {
    /// Never changes.
    pub id: String,
    /// Unique.
    pub name: String,
    /// `local`, `dropbox` or `icloud`.
    pub provider: String,
    /// For `local` its folder; for others the folder where programs such as Muze find it, if that is known.
    pub path: String,
    /// Id of the account that it lies in; clouds only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The folder there; `/` is the whole cloud.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// `plain`, `music` or `cases`.
    pub layout: String,
    /// How it is mounted.
    #[serde(default)]
    pub mount: MountChoice,
    /// Where things go if nothing else is said. Exactly one vault is.
    pub is_default: bool,
    /// What is shown first. Exactly one vault is.
    #[serde(default)]
    pub is_active: bool,
    /// When it was last idle after a sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced: Option<String>,
    /// How its sync stands, as the registry tells other programs: `synced`, `syncing`, `offline` or `error`. Absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_status: Option<String>,
    /// Where it is mounted.
    pub mounts: Vec<String>,
}

/// How a vault is mounted.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MountChoice {
    /// By the daemon, when it starts, at `path`.
    pub auto: bool,
    /// Writes are refused.
    pub read_only: bool,
    /// Other users of this machine may use the mount, as far as permission bits allow.
    pub allow_other: bool,
    /// A place of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `POST vaults/set`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VaultChanged {
    /// As it is now.
    pub vault: VaultSummary,
    /// From when on it is so.
    pub holds: Holds,
}

/// From when on something holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Holds {
    /// From now on.
    Now,
    /// From the next mount of the vault on.
    NextMount,
    /// From the next start of the daemon on.
    NextStart,
}

/// `GET vaults/show`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VaultDetails {
    /// The registry's half.
    #[serde(flatten)]
    pub summary: VaultSummary,
    /// The engine's half.
    pub status: VaultStatus,
    /// Where its catalog and precious bytes are on this machine.
    pub state_dir: String,
    /// Where its cache is.
    pub cache_dir: String,
}

/// `POST music`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MakeMusic {
    /// Where: the folder that it is made in, and its name as a person would say it.
    pub target: Target,
    /// What.
    pub kind: MusicKind,
}

/// A folder of the music layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MusicKind {
    /// Holds projects and collections.
    Collection,
    /// Holds mixes.
    Project,
    /// A recording.
    Mix,
}

impl std::fmt::Display for MusicKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Collection => "collection",
            Self::Project => "project",
            Self::Mix => "mix",
        })
    }
}

/// `POST music`: what was made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MusicFolder {
    /// Name of the vault.
    pub vault: String,
    /// What it is.
    pub kind: MusicKind,
    /// Its name, as its manifest has it.
    pub name: String,
    /// Its folder, in the vault: the name, as far as the recorder's folders can have it.
    pub path: String,
}
