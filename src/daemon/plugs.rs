//! Connects the layers that must not know each other: each impl here answers one layer's port with another layer's object.

use std::fs::File;
use std::sync::{Arc, OnceLock, Weak};

use async_trait::async_trait;

use super::unreadable::Refusals;
use super::vault::OpenVault;
use crate::catalog::Version;
use crate::content::{FetchDone, FetchError, FetchRequest, Urgency};
use crate::control::protocol::{FileState, StateWord};
use crate::fetch::{BlockFetcher, FetchEvents};
use crate::provider::{self, ErrorKind, ProviderError};
use crate::sync::Engine;
use crate::sync::ports::{Frozen, Hydrate, LocalChange, LocalTree};
use crate::telemetry::Private;
use crate::types::{ByteRange, InodeNo, NodeId};
use crate::vfs::ports::{BlockSource, ChangeSink, StateWords};
use crate::vfs::{NamespaceGuard, VaultFs};

/// The filesystem core reads missing blocks through the fetcher.
impl BlockSource for BlockFetcher {
    fn open_direct(&self, version: &Version) -> Option<File> {
        Self::open_direct(self, version)
    }

    fn direct_is_current(&self, file: &File, version: &Version) -> bool {
        Self::direct_is_current(self, file, version)
    }

    fn fetch(&self, request: FetchRequest, done: FetchDone) {
        Self::fetch(self, request, done);
    }

    fn read_on(&self, version: &Version, stream: u64, range: ByteRange) {
        Self::read_on(self, version, stream, range);
    }
}

/// The engine has whole files fetched.
#[async_trait]
impl Hydrate for BlockFetcher {
    async fn hydrate(&self, version: &Version) -> provider::Result<()> {
        Self::hydrate(self, version, Urgency::Background, &|_present| {}).await.map_err(|error| {
            let kind = match error {
                FetchError::Offline => ErrorKind::Offline,
                FetchError::TimedOut(_) | FetchError::Abandoned | FetchError::Failed(_) => ErrorKind::Busy,
                FetchError::Gone => ErrorKind::RevisionGone,
                FetchError::AuthRequired => ErrorKind::AuthRequired,
                FetchError::NoSpace => ErrorKind::NoSpace,
                FetchError::Corrupt => ErrorKind::Corrupt,
            };
            ProviderError::new(kind, "download", error.to_string())
        })
    }
}

/// The engine changes the local tree through the filesystem core, mounted or not.
impl LocalTree for VaultFs {
    fn freeze(&self) -> Box<dyn Frozen + '_> {
        Box::new(FrozenTree { guard: Self::freeze(self) })
    }

    fn doubt_listing(&self, folder: NodeId) {
        self.listing_doubted(folder);
    }
}

struct FrozenTree<'a> {
    guard: NamespaceGuard<'a>,
}

impl Frozen for FrozenTree<'_> {
    fn is_open_for_writing(&self, ino: InodeNo) -> bool {
        self.guard.is_open_for_writing(ino)
    }

    fn is_open(&self, ino: InodeNo) -> bool {
        self.guard.is_open(ino)
    }

    fn committed(&self, changes: &[LocalChange]) {
        for change in changes {
            match change {
                LocalChange::Entry { parent, name } => self.guard.entry_changed(*parent, name),
                LocalChange::Content { ino } => self.guard.content_changed(*ino),
                LocalChange::Detached { ino } => self.guard.detached(*ino),
                LocalChange::Settled { ino, node: _ } => self.guard.content_settled(*ino),
            }
        }
    }
}

/// Carries news to an engine and a filesystem core that are built after those who tell it. Silent before that and after their end.
#[derive(Clone, Default)]
pub(super) struct EngineLink {
    ends: Arc<OnceLock<(Weak<Engine>, Weak<VaultFs>)>>,
    refusals: Arc<Refusals>,
}

impl EngineLink {
    /// From now on news arrives.
    pub(super) fn connect(&self, engine: &Arc<Engine>, vfs: &Arc<VaultFs>) {
        if self.ends.set((Arc::downgrade(engine), Arc::downgrade(vfs))).is_err() {
            tracing::error!("an engine was connected twice");
        }
    }

    /// What the provider does not give.
    pub(super) fn refusals(&self) -> Arc<Refusals> {
        Arc::clone(&self.refusals)
    }

    fn engine(&self) -> Option<Arc<Engine>> {
        self.ends.get()?.0.upgrade()
    }

    fn vfs(&self) -> Option<Arc<VaultFs>> {
        self.ends.get()?.1.upgrade()
    }
}

/// Leads from a filesystem core to the vault that it is a part of.
#[derive(Clone, Default)]
pub(super) struct VaultLink {
    vault: Arc<OnceLock<Weak<OpenVault>>>,
}

impl VaultLink {
    /// From now on questions are answered, until the vault's end.
    pub(super) fn connect(&self, vault: &Arc<OpenVault>) {
        if self.vault.set(Arc::downgrade(vault)).is_err() {
            tracing::error!("a vault was connected twice");
        }
    }

    fn vault(&self) -> Option<Arc<OpenVault>> {
        self.vault.get()?.upgrade()
    }
}

impl StateWords for VaultLink {
    fn of_entry(&self, node: NodeId) -> Option<&'static str> {
        self.vault()?.state_of(node).ok().map(FileState::as_str)
    }

    fn of_vault(&self) -> Option<&'static str> {
        self.vault()?.state().ok().map(StateWord::as_str)
    }
}

impl ChangeSink for EngineLink {
    fn changed(&self, _node: NodeId) {
        if let Some(engine) = self.engine() {
            engine.kick();
        }
    }

    fn listed(&self, folder: NodeId) {
        if let Some(engine) = self.engine() {
            engine.folder_opened(folder);
        }
    }

    fn problem(&self, node: NodeId, operation: &'static str, cause: &dyn std::error::Error) {
        tracing::warn!(%node, operation, cause = %Private(cause), "an operation of the mount failed");
    }
}

impl FetchEvents for EngineLink {
    fn revision_gone(&self, _version: &Version) {
        if let Some(engine) = self.engine() {
            engine.hint();
        }
    }

    fn corrupt(&self, version: &Version) {
        tracing::warn!(rid = %Private(&version.rid.0), "the provider sent bytes that do not match its own hash");
        if let Some(vfs) = self.vfs()
            && let Err(error) = vfs.version_dropped(version)
        {
            tracing::warn!(%error, "the kernel may keep wrong bytes of this file until it is read again");
        }
        if let Some(engine) = self.engine() {
            engine.hint();
        }
    }

    fn refused(&self, version: &Version, error: &ProviderError) {
        self.refusals.note(version, error);
    }

    fn unreachable(&self) {
        if let Some(engine) = self.engine() {
            engine.hint();
        }
    }
}
