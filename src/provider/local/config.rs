//! Settings of a local vault. Values only; whoever builds them has checked the paths.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::types::VaultId;

/// Settings of a local vault.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// Whose folder it is. A marker of another vault in it is refused.
    pub vault: VaultId,
    /// The folder.
    pub root: PathBuf,
    /// The database that remembers ids and the change feed. Outside of `root`; safe to delete: ids are derived anew and
    /// the feed asks for a full listing.
    pub index: PathBuf,
    /// What to do with a folder that has no marker.
    pub marker: MarkerPolicy,
    /// Listen to the operating system's change notices. No: scan again every [`LocalConfig::poll_every`].
    pub watch: bool,
    /// How often to scan when notices are not available.
    pub poll_every: Duration,
    /// How often to scan everything although notices are available.
    pub rescan_every: Duration,
}

/// What to do with a folder that has no root marker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MarkerPolicy {
    /// Write one, if this vault has never had a root: the vault is being made. A vault whose index knows a root expects it.
    Create,
    /// The root is missing: a disk that is not mounted, a folder that was emptied or replaced.
    Expect,
}

impl LocalConfig {
    /// The usual settings; the index is `provider.db` in the vault's state directory.
    pub fn new(vault: VaultId, root: impl Into<PathBuf>, state_dir: &Path, marker: MarkerPolicy) -> Self {
        Self {
            vault,
            root: root.into(),
            index: state_dir.join("provider.db"),
            marker,
            watch: true,
            poll_every: Duration::from_secs(5),
            rescan_every: Duration::from_secs(60 * 60),
        }
    }
}
