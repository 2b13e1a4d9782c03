//! What stands around an engine in place of the mount and the fetch workers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use vaultfs::catalog::Version;
use vaultfs::content::ContentStore;
use vaultfs::provider::Provider;
use vaultfs::sync::ports::{Frozen, Hydrate, LocalChange, LocalTree};
use vaultfs::types::{ByteRange, InodeNo, NodeId};

/// Fetches whole versions, as the fetch workers do.
pub(crate) struct SimHydrate<P> {
    pub(crate) provider: Arc<P>,
    pub(crate) content: Arc<ContentStore>,
}

#[async_trait]
impl<P: Provider> Hydrate for SimHydrate<P> {
    async fn hydrate(&self, version: &Version) -> vaultfs::provider::Result<()> {
        let file = self.content.cached(version).unwrap();
        for run in file.missing(ByteRange::new(0, version.size)) {
            let range = run.bytes(version.size);
            let bytes = self.provider.read(&version.rid, &version.revision, range).await?;
            file.fill(run.start, &bytes).unwrap();
        }
        Ok(())
    }
}

/// The mount: a lock, and what is open for writing.
#[derive(Default)]
pub(crate) struct SimMount {
    pub(crate) namespace: Mutex<()>,
    pub(crate) writing: Mutex<BTreeSet<InodeNo>>,
    /// Folders whose listing was taken from the kernel.
    pub(crate) doubted: Mutex<Vec<NodeId>>,
}

struct SimFrozen<'a> {
    mount: &'a SimMount,
    _guard: std::sync::MutexGuard<'a, ()>,
}

impl LocalTree for SimMount {
    fn freeze(&self) -> Box<dyn Frozen + '_> {
        Box::new(SimFrozen { mount: self, _guard: self.namespace.lock().unwrap() })
    }

    fn doubt_listing(&self, folder: NodeId) {
        self.doubted.lock().unwrap().push(folder);
    }
}

impl Frozen for SimFrozen<'_> {
    fn is_open_for_writing(&self, ino: InodeNo) -> bool {
        self.mount.writing.lock().unwrap().contains(&ino)
    }

    fn is_open(&self, ino: InodeNo) -> bool {
        self.is_open_for_writing(ino)
    }

    fn committed(&self, _changes: &[LocalChange]) {}
}
