//! Changes of the local tree that do not come through the mount: the sync engine takes the namespace lock, commits a transaction, and
//! tells here what changed, so that open files and the kernel's caches follow.

use super::handles::{CleanContent, OpenContent, OpenInodes};
use super::{Result, VaultFs, arc_file};
use crate::catalog::{LocalContent, Version};
use crate::types::ranked_lock::RankedGuard;
use crate::types::{EntryName, InodeNo, NodeId};

/// The namespace lock, held: no application changes names, starts writing a clean file, or opens one. Files may still be closed, so
/// what the guard says of open files errs on the safe side.
pub struct NamespaceGuard<'a> {
    vfs: &'a VaultFs,
    /// Taken with the lock: the open table ranks before the catalog's writer, inside whose transactions the guard is asked.
    open: OpenInodes,
    _namespace: RankedGuard<'a, ()>,
}

impl VaultFs {
    /// Takes the namespace lock.
    pub fn freeze(&self) -> NamespaceGuard<'_> {
        let namespace = self.namespace.lock();
        let open = self.open.lock().open_inodes();
        NamespaceGuard { vfs: self, open, _namespace: namespace }
    }

    /// What a name stands for was changed through this core, and not by the kernel, which now forgets what it knows of it.
    pub fn name_changed(&self, parent: InodeNo, name: &EntryName) {
        if let Some(notices) = self.notices() {
            notices.entry(parent, name);
        }
    }

    /// The kernel asks for the listing of a folder again when somebody opens it.
    pub fn listing_doubted(&self, folder: NodeId) {
        if let (Some(notices), Ok(Some(row))) = (self.notices(), self.parts.catalog.read(|view| view.local(folder))) {
            notices.listing(row.ino);
        }
    }

    /// The cached bytes of an inode were dropped: the kernel gives back the memory that they take there too.
    pub fn bytes_dropped(&self, ino: InodeNo) {
        self.pages_changed(ino);
    }

    /// The bytes of a version proved wrong and were dropped: nobody reads them from the kernel's memory either.
    pub fn version_dropped(&self, version: &Version) -> Result<()> {
        let row = self.parts.catalog.read(|view| match view.remote_by_rid(&version.rid)? {
            Some(remote) => view.local(remote.node),
            None => Ok(None),
        })?;
        if let Some(row) = row {
            self.bytes_dropped(row.ino);
        }
        Ok(())
    }

    /// Stores what open files have not stored yet. Called before the catalog is closed.
    pub fn save_all(&self) {
        let files = self.open.lock().all_files();
        for file in files {
            let node = file.read().node;
            if let (Err(error), Some(node)) = (self.save(&file), node) {
                self.parts.sink.problem(node, "unmount", &error);
            }
        }
    }
}

impl NamespaceGuard<'_> {
    /// True if a handle may write to this inode.
    pub fn is_open_for_writing(&self, ino: InodeNo) -> bool {
        self.open.writing.contains(&ino)
    }

    /// True if any handle of this inode is open.
    pub fn is_open(&self, ino: InodeNo) -> bool {
        self.open.all.contains(&ino)
    }

    /// A name appeared, disappeared, or stands for another inode.
    pub fn entry_changed(&self, parent: InodeNo, name: &EntryName) {
        self.vfs.name_changed(parent, name);
    }

    /// Content or attributes of an inode are now as the catalog says.
    pub fn content_changed(&self, ino: InodeNo) {
        self.reload(ino);
        self.vfs.pages_changed(ino);
    }

    /// The content of an inode is found elsewhere (staged became clean) with every byte as it was: the kernel's pages stay valid.
    pub fn content_settled(&self, ino: InodeNo) {
        self.reload(ino);
    }

    /// The inode has no name any more; its handles keep what they have.
    pub fn detached(&self, ino: InodeNo) {
        if let Some(file) = arc_file(&self.vfs.open, ino) {
            file.write().node = None;
        }
        if let Some(notices) = self.vfs.notices() {
            notices.attributes(ino);
        }
    }

    fn reload(&self, ino: InodeNo) {
        let Some(file) = arc_file(&self.vfs.open, ino) else { return };
        let row = match self.vfs.row(ino) {
            Ok(row) => row,
            Err(error) => {
                tracing::error!(%ino, %error, "an open file cannot be read from the catalog");
                return;
            }
        };
        let mut state = file.write();
        state.node = Some(row.node);
        let same = match (&state.content, &row.content) {
            (OpenContent::Staged { file, .. }, LocalContent::Staged { staged, .. }) => file.id() == *staged,
            (OpenContent::Clean(clean), LocalContent::Clean(version)) => clean.version == *version,
            (OpenContent::Clean(_) | OpenContent::Staged { .. } | OpenContent::Lost(_), _) => false,
        };
        match (&mut state.content, &row.content) {
            (OpenContent::Staged { based_on, .. }, LocalContent::Staged { based_on: stored, .. }) if same => {
                based_on.clone_from(stored);
            }
            (_, LocalContent::Clean(version)) if !same => {
                state.content = OpenContent::Clean(CleanContent::new(version.clone()));
            }
            (_, LocalContent::Staged { .. }) => state.content = self.vfs.open_content(&row),
            (_, LocalContent::Clean(_) | LocalContent::None | LocalContent::Symlink(_)) => {}
        }
        if !state.unsaved {
            state.attr = row.attr;
        }
    }
}
