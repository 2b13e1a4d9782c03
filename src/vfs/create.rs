//! Making files, folders, links and special files.

use std::ffi::OsStr;
use std::sync::Arc;

use super::lend::Opened;
use super::ports::Register;
use super::{FsError, OpenIntent, Result, Stat, VaultFs, folder_by_ino};
use crate::catalog::{Attr, LocalContent, LocalRow, StagedRow, SyncedBody, Txn, Version};
use crate::content::StagedFile;
use crate::types::{EntryName, InodeNo, NodeId, NodeKind, StagedId};

/// Who makes something, and with which permission bits (umask already applied).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
}

/// What to make.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NewEntry {
    /// An empty folder.
    Folder,
    /// A symbolic link.
    Symlink(String),
    /// A pipe, socket or device node; kept on this machine.
    Special {
        /// File type bits.
        file_type: u32,
        /// Device number.
        rdev: u32,
    },
}

/// `S_ISGID`: a folder with it hands its group to what is made inside.
const SET_GROUP_ID: u32 = 0o2000;

impl VaultFs {
    /// Makes an empty file. The caller holds the namespace lock, and opens the file under it or not.
    fn make_file(
        &self,
        parent: InodeNo,
        name: &OsStr,
        owner: Owner,
    ) -> Result<(LocalRow, Arc<StagedFile>, Option<Version>)> {
        let name = EntryName::from_os(name)?;
        let id = StagedId::random();
        let staged = self.parts.content.stage(id, None)?;
        let made = self.parts.catalog.write(|txn| {
            let folder = folder_by_ino(txn, parent)?;
            let local_only = self.local_only(txn, &folder, &name, NodeKind::File)?;
            self.check_new_name(txn, folder.node, &name, &[])?;
            let (node, based_on) = match self.revivable(txn, folder.node, &name, local_only)? {
                Some((node, version)) => (node, Some(version)),
                None => (txn.new_node(NodeKind::File)?, None),
            };
            let content = LocalContent::Staged { staged: id, based_on: based_on.clone() };
            let mut row = self.new_row(txn, &folder, node, name, NodeKind::File, owner, content)?;
            row.local_only = local_only;
            txn.put_staged(&StagedRow { id, node, size: 0, hashed: None, session: None, created: txn.now() })?;
            txn.insert_local(&row)?;
            self.touch_folder(txn, folder.node)?;
            Ok::<_, FsError>((row, based_on))
        });
        match made {
            Ok((row, based_on)) => Ok((row, staged, based_on)),
            Err(error) => {
                self.parts.content.discard(id)?;
                Err(error)
            }
        }
    }

    /// A file that was deleted here and not yet at the provider, at the place where a file is being made: an application that saves
    /// by deleting and writing anew means the same file.
    pub(super) fn revivable(
        &self,
        txn: &Txn<'_>,
        parent: NodeId,
        name: &EntryName,
        local_only: bool,
    ) -> Result<Option<(NodeId, Version)>> {
        if local_only {
            return Ok(None);
        }
        let orphans = txn.synced_orphans_at(parent, &self.parts.names.key(name))?;
        Ok(orphans.into_iter().find_map(|row| match row.body {
            SyncedBody::File(version) => Some((row.node, version)),
            SyncedBody::Folder | SyncedBody::Symlink { .. } => None,
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "one row, one call: a struct would only repeat LocalRow")]
    fn new_row(
        &self,
        txn: &Txn<'_>,
        folder: &LocalRow,
        node: NodeId,
        name: EntryName,
        kind: NodeKind,
        owner: Owner,
        content: LocalContent,
    ) -> Result<LocalRow> {
        let inherits_group = folder.attr.mode & SET_GROUP_ID != 0;
        let inherited_bit = if inherits_group && kind == NodeKind::Folder { SET_GROUP_ID } else { 0 };
        let now = txn.now();
        let size = match &content {
            LocalContent::Symlink(target) => target.len() as u64,
            LocalContent::None | LocalContent::Clean(_) | LocalContent::Staged { .. } => 0,
        };
        Ok(LocalRow {
            node,
            parent: Some(folder.node),
            name,
            kind,
            ino: txn.new_ino()?,
            attr: Attr {
                mode: (owner.mode & 0o7777) | inherited_bit,
                uid: owner.uid,
                gid: if inherits_group { folder.attr.gid } else { owner.gid },
                rdev: 0,
                special: 0,
                size,
                atime: now,
                mtime: now,
                ctime: now,
                btime: now,
            },
            content,
            local_only: folder.local_only,
        })
    }

    /// Makes and opens a file.
    pub fn create(
        &self,
        parent: InodeNo,
        name: &OsStr,
        owner: Owner,
        intent: OpenIntent,
        register: &Register<'_>,
    ) -> Result<(Stat, Opened)> {
        let namespace = self.namespace.lock();
        let (row, staged, based_on) = self.make_file(parent, name, owner)?;
        let opened = self.open_created(&row, staged, based_on, intent, register)?;
        drop(namespace);
        self.parts.sink.changed(row.node);
        Ok((self.stat_row(&row)?, opened))
    }

    /// Makes a file without opening it (mknod).
    pub fn make_closed_file(&self, parent: InodeNo, name: &OsStr, owner: Owner) -> Result<Stat> {
        let namespace = self.namespace.lock();
        let (row, _, _) = self.make_file(parent, name, owner)?;
        drop(namespace);
        self.parts.sink.changed(row.node);
        self.stat_row(&row)
    }

    /// Makes a folder, link or special file; a folder gets what the vault's layout wants in it.
    pub fn make(self: &Arc<Self>, parent: InodeNo, name: &OsStr, owner: Owner, entry: NewEntry) -> Result<Stat> {
        let row = self.make_one(parent, name, owner, entry)?;
        if row.kind == NodeKind::Folder {
            self.furnish(&row);
            return self.getattr(row.ino);
        }
        self.stat_row(&row)
    }

    pub(super) fn make_one(&self, parent: InodeNo, name: &OsStr, owner: Owner, entry: NewEntry) -> Result<LocalRow> {
        let name = EntryName::from_os(name)?;
        let _namespace = self.namespace.lock();
        let row = self.parts.catalog.write(|txn| {
            let folder = folder_by_ino(txn, parent)?;
            let (kind, content) = match &entry {
                NewEntry::Folder => (NodeKind::Folder, LocalContent::None),
                NewEntry::Symlink(target) => (NodeKind::Symlink, LocalContent::Symlink(target.clone())),
                NewEntry::Special { .. } => (NodeKind::Special, LocalContent::None),
            };
            let stays_here = self.local_only(txn, &folder, &name, kind)?;
            if kind == NodeKind::Symlink && !self.parts.symlinks && !stays_here {
                return Err(FsError::NotPermitted("this provider cannot hold symbolic links"));
            }
            self.check_new_name(txn, folder.node, &name, &[])?;
            let node = txn.new_node(kind)?;
            let mut row = self.new_row(txn, &folder, node, name, kind, owner, content)?;
            row.local_only = stays_here;
            if let NewEntry::Special { file_type, rdev } = entry {
                row.attr.special = file_type;
                row.attr.rdev = rdev;
            }
            txn.insert_local(&row)?;
            self.touch_folder(txn, folder.node)?;
            Ok(row)
        })?;
        self.parts.sink.changed(row.node);
        Ok(row)
    }
}
