//! A vault as the registry describes it. Values only; the document they come from is [`super::Registry`].

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::layout::LayoutKind;
use crate::types::{Timestamp, VaultId};

/// Where a vault's truth lives, in the registry's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProviderKind {
    /// A folder of this machine.
    Local,
    /// iCloud Drive.
    Icloud,
    /// Dropbox.
    Dropbox,
}

impl ProviderKind {
    /// All of them, for help texts.
    pub const ALL: [Self; 3] = [Self::Local, Self::Icloud, Self::Dropbox];

    /// The word in the registry and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Icloud => "icloud",
            Self::Dropbox => "dropbox",
        }
    }
}

impl fmt::Display for ProviderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no provider.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("\"{0}\" is not a provider that vaultfs knows: local, icloud or dropbox")]
pub struct UnknownProvider(pub String);

impl FromStr for ProviderKind {
    type Err = UnknownProvider;

    fn from_str(word: &str) -> Result<Self, UnknownProvider> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| UnknownProvider(word.to_owned()))
    }
}

/// How a vault's sync stands, in the registry's words. In order of importance: of several parts the greatest counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncStatus {
    /// Nothing is left to do on either side.
    Synced,
    /// Something is on its way.
    Syncing,
    /// The provider cannot be reached; edits wait.
    Offline,
    /// Something needs the user.
    Error,
}

impl SyncStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Synced, Self::Syncing, Self::Offline, Self::Error];

    /// The word in the registry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Syncing => "syncing",
            Self::Offline => "offline",
            Self::Error => "error",
        }
    }

    /// The status of a whole from those of its parts; a whole without parts is synced.
    pub fn of_parts(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().max().unwrap_or(Self::Synced)
    }
}

impl fmt::Display for SyncStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A vault of the registry, as the interfaces show it. Fields that neither program knows stay in the document.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Vault {
    /// Identity, for life.
    pub id: VaultId,
    /// Name, and the name of its folder in the mount.
    pub name: String,
    /// Where its truth lives.
    pub provider: ProviderKind,
    /// A local vault's root folder; for others the folder where programs such as Muze find its files.
    pub path: String,
    /// What new programs open first. Exactly one vault is.
    pub is_default: bool,
    /// End of the last successful sync, RFC 3339 in UTC; absent before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_synced: Option<String>,
    /// How its sync stands; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_status: Option<SyncStatus>,
    /// Where it lies in Dropbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dropbox_config: Option<DropboxConfig>,
    /// Where it lies in iCloud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icloud_config: Option<IcloudConfig>,
    /// What only vaultfs knows.
    pub vaultfs: VaultfsSettings,
}

impl Vault {
    /// [`Vault::last_synced`] as a time; `None` if it is absent or no time.
    pub fn last_synced_at(&self) -> Option<Timestamp> {
        let time: jiff::Timestamp = self.last_synced.as_deref()?.parse().ok()?;
        i64::try_from(time.as_nanosecond()).ok().map(Timestamp)
    }
}

/// Where a vault lies in Dropbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DropboxConfig {
    /// Folder from the owner's home, `/Apps/Muze/MyVault`; empty for the whole Dropbox. Elsewhere: `ns:2470000001/Cases`.
    pub folder_path: String,
}

/// Where a vault lies in iCloud.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IcloudConfig {
    /// Container, `iCloud.com.krondor.muze`; empty for the Drive itself.
    pub container_id: String,
}

/// What only vaultfs knows about a vault. A vault without this object came from Muze: its layout is music.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct VaultfsSettings {
    /// What its folders mean.
    pub layout: LayoutKind,
    /// How it is mounted.
    pub mount: MountSettings,
    /// Which stored sign-in it uses; absent: the one under the vault's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Precious state somewhere else than under the state folder, on this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_dir: Option<PathBuf>,
    /// Cached blocks somewhere else than under the cache folder, on this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_dir: Option<PathBuf>,
    /// Puts the provider behind a simulated network link: for demonstrations, rehearsals and tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<SimulatedLink>,
}

/// A network link that is not there. Behind it, files of a local provider are fetched into the cache like those of a cloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SimulatedLink {
    /// Time of one round trip.
    pub latency_ms: u64,
    /// Bytes per second in each direction together; absent: as fast as the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_second: Option<u64>,
}

impl Default for VaultfsSettings {
    fn default() -> Self {
        Self {
            layout: LayoutKind::Music,
            mount: MountSettings::default(),
            account: None,
            state_dir: None,
            cache_dir: None,
            link: None,
        }
    }
}

impl VaultfsSettings {
    /// Fields that may be absent, so that a rewrite knows which ones to take out.
    pub(super) const OPTIONAL: [&'static str; 4] = ["account", "state_dir", "cache_dir", "link"];

    /// Of a vault made by vaultfs.
    pub fn with_layout(layout: LayoutKind) -> Self {
        Self { layout, ..Self::default() }
    }
}

/// How a vault is mounted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct MountSettings {
    /// Mounted when the daemon starts.
    pub auto: bool,
    /// Writes are refused.
    pub read_only: bool,
    /// Other users of this machine may use the mount, as far as permission bits allow.
    pub allow_other: bool,
    /// A mount point of its own; absent: a folder of its name in the common mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Default for MountSettings {
    fn default() -> Self {
        Self { auto: true, read_only: false, allow_other: false, path: None }
    }
}

impl MountSettings {
    /// As [`VaultfsSettings::OPTIONAL`].
    pub(super) const OPTIONAL: [&'static str; 1] = ["path"];
}

/// A vault to be added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewVault {
    /// Its id; random unless the vault is known elsewhere already.
    pub id: VaultId,
    /// Its name.
    pub name: String,
    /// Its provider.
    pub provider: ProviderKind,
    /// As [`Vault::path`].
    pub path: String,
    /// Where it lies in Dropbox.
    pub dropbox_config: Option<DropboxConfig>,
    /// Where it lies in iCloud.
    pub icloud_config: Option<IcloudConfig>,
    /// What only vaultfs knows.
    pub vaultfs: VaultfsSettings,
}

impl NewVault {
    /// A vault with a fresh id and nothing but the essentials.
    pub fn new(name: &str, provider: ProviderKind, path: &str, layout: LayoutKind) -> Self {
        Self {
            id: VaultId(uuid::Uuid::new_v4()),
            name: name.to_owned(),
            provider,
            path: path.to_owned(),
            dropbox_config: None,
            icloud_config: None,
            vaultfs: VaultfsSettings::with_layout(layout),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_exactly_those_of_the_format() {
        assert_eq!(serde_json::to_value(ProviderKind::ALL).unwrap(), json!(["local", "icloud", "dropbox"]));
        assert_eq!(serde_json::to_value(SyncStatus::ALL).unwrap(), json!(["synced", "syncing", "offline", "error"]));
        assert_eq!(serde_json::to_value(LayoutKind::ALL).unwrap(), json!(["plain", "music", "cases"]));
        assert!(ProviderKind::ALL.iter().all(|kind| serde_json::to_value(kind).unwrap() == kind.as_str()));
        assert!(SyncStatus::ALL.iter().all(|status| serde_json::to_value(status).unwrap() == status.as_str()));
        assert!(ProviderKind::ALL.iter().all(|kind| kind.as_str().parse() == Ok(*kind)));
        assert!("Local".parse::<ProviderKind>().is_err());
    }

    #[test]
    fn a_whole_is_as_bad_as_its_worst_part() {
        use SyncStatus::{Error, Offline, Synced, Syncing};
        assert_eq!(SyncStatus::of_parts([]), Synced);
        assert_eq!(SyncStatus::of_parts([Synced, Syncing]), Syncing);
        assert_eq!(SyncStatus::of_parts([Offline, Syncing, Synced]), Offline);
        assert_eq!(SyncStatus::of_parts([Synced, Error, Offline]), Error);
    }

    proptest::proptest! {
        /// Whatever the order and the grouping of the parts: nothing bad is hidden, and nothing bad is made up.
        #[test]
        fn a_whole_of_wholes_is_the_whole_of_their_parts(
            groups in proptest::collection::vec(proptest::collection::vec(0..SyncStatus::ALL.len(), 0..6), 0..6),
        ) {
            let groups: Vec<Vec<SyncStatus>> =
                groups.into_iter().map(|group| group.into_iter().map(|index| SyncStatus::ALL[index]).collect()).collect();
            let parts: Vec<SyncStatus> = groups.concat();
            let whole = SyncStatus::of_parts(parts.iter().copied());
            proptest::prop_assert_eq!(SyncStatus::of_parts(groups.into_iter().map(SyncStatus::of_parts)), whole);
            proptest::prop_assert_eq!(SyncStatus::of_parts(parts.iter().rev().copied()), whole);
            // Worst first.
            let worst = [SyncStatus::Error, SyncStatus::Offline, SyncStatus::Syncing].into_iter().find(|bad| parts.contains(bad));
            proptest::prop_assert_eq!(whole, worst.unwrap_or(SyncStatus::Synced));
        }
    }

    #[test]
    fn the_lists_of_optional_fields_are_complete() {
        let full = VaultfsSettings {
            account: Some("a".into()),
            state_dir: Some("/s".into()),
            cache_dir: Some("/c".into()),
            link: Some(SimulatedLink { latency_ms: 50, bytes_per_second: Some(1_000_000) }),
            mount: MountSettings { path: Some("/m".into()), ..MountSettings::default() },
            ..VaultfsSettings::default()
        };
        let keys = |value: &serde_json::Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let (full, bare) =
            (serde_json::to_value(full).unwrap(), serde_json::to_value(VaultfsSettings::default()).unwrap());
        let absent = |part: fn(&serde_json::Value) -> &serde_json::Value| {
            let there = keys(part(&bare));
            keys(part(&full)).into_iter().filter(|key| !there.contains(key)).collect::<Vec<_>>()
        };
        assert_eq!(absent(|value| value), VaultfsSettings::OPTIONAL);
        assert_eq!(absent(|value| &value["mount"]), MountSettings::OPTIONAL);
    }
}
