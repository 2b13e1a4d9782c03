//! What the vault's layout adds to operations on folders: a folder that is made in a file manager gets the manifest that makes it a
//! collection, project or mix, and a renamed one is renamed inside too.
//!
//! Follows an operation that has already succeeded, so nothing here can fail it: trouble goes to the problem log.

use std::ffi::OsStr;
use std::sync::Arc;

use super::lend::Opened;
use super::ports::serve_here;
use super::wait::Step;
use super::{OpenIntent, Owner, Result, VaultFs};
use crate::catalog::{LocalRow, View};
use crate::types::{EntryName, InodeNo, NodeId, NodeKind};
use crate::vaults::layout::music::NewFolder;
use crate::vaults::layout::{FolderKind, NewFile};

/// Manifests are small; a larger file of that name is not one.
const MAX_MANIFEST_BYTES: u64 = 8 * 1024 * 1024;
const WRITE: OpenIntent = OpenIntent { read: true, write: true };

impl VaultFs {
    /// Puts into a new folder what the layout wants there.
    pub(super) fn furnish(self: &Arc<Self>, folder: &LocalRow) {
        if let Err(error) = self.try_furnish(folder) {
            self.parts.sink.problem(folder.node, "make the manifest of a new folder", &error);
        }
    }

    fn try_furnish(self: &Arc<Self>, folder: &LocalRow) -> Result<()> {
        if folder.local_only {
            return Ok(());
        }
        let ancestors = self.kinds_above(folder)?;
        let now = self.parts.clock.now();
        match self.parts.layout.manifest_for_new_folder(&folder.name, &ancestors, now) {
            Some(new) => self.put_in(folder, &new),
            None => Ok(()),
        }
    }

    /// Makes a folder with what an interface wants in it, whatever the layout would put there.
    pub fn make_furnished(self: &Arc<Self>, parent: InodeNo, new: &NewFolder, owner: Owner) -> Result<()> {
        let row = self.make_one(parent, OsStr::new(new.name.as_str()), owner, super::NewEntry::Folder)?;
        self.put_in(&row, &new.manifest)
    }

    fn put_in(self: &Arc<Self>, folder: &LocalRow, new: &NewFile) -> Result<()> {
        let owner = |mode| Owner { uid: folder.attr.uid, gid: folder.attr.gid, mode };
        for inner in &new.folders {
            let mode = folder.attr.mode;
            self.make_one(folder.ino, OsStr::new(inner.as_str()), owner(mode), super::NewEntry::Folder)?;
        }
        let name = OsStr::new(new.name.as_str());
        let owner = owner(folder.attr.mode & 0o666);
        let (made, Opened { handle, .. }) = self.create(folder.ino, name, owner, WRITE, &serve_here)?;
        self.write_whole(handle, &new.bytes)?;
        // The mark of an untouched manifest: never written since it was made.
        let mtime = Some(super::SetTime::To(made.attr.btime));
        self.set_attributes(made.ino, super::SetAttr { mtime, ..super::SetAttr::default() })?;
        Ok(())
    }

    /// Kinds of the folders above one, nearest first, the root last.
    fn kinds_above(&self, folder: &LocalRow) -> Result<Vec<FolderKind>> {
        let mut kinds = Vec::new();
        let mut above = folder.parent;
        while let Some(node) = above {
            let Some(row) = self.parts.catalog.read(|view| view.local(node))? else { break };
            kinds.push(self.folder_kind(&row)?);
            above = row.parent;
        }
        Ok(kinds)
    }

    /// What a folder is in the vault's layout.
    pub fn folder_kind(&self, folder: &LocalRow) -> Result<FolderKind> {
        if folder.node == NodeId::ROOT {
            return Ok(FolderKind::Root);
        }
        let child = |name: &str| {
            let name = EntryName::new(name).ok()?;
            self.parts.catalog.read(|view: &View<'_>| view.local_child(folder.node, &name)).ok().flatten()
        };
        let entries = |name: &str| child(name).is_some();
        let manifest = |name: &str| child(name).and_then(|row| self.bytes_if_here(&row));
        Ok(self.parts.layout.folder_kind(&entries, &manifest))
    }

    /// The bytes of a small file, if none of them has to be fetched.
    fn bytes_if_here(&self, row: &LocalRow) -> Option<Vec<u8>> {
        if row.kind != NodeKind::File || row.attr.size > MAX_MANIFEST_BYTES {
            return None;
        }
        let file = super::arc_file(&self.open, row.ino)
            .unwrap_or_else(|| Arc::new(super::OpenFile::new(row, self.open_content(row), None)));
        match self.read_step(&file, None, 0, u32::try_from(row.attr.size).ok()?) {
            Ok(Step::Done(bytes)) => Some(bytes),
            Ok(Step::NeedBase(_) | Step::NeedCached(_)) | Err(_) => None,
        }
    }

    /// Renames a folder inside its manifest.
    pub(super) fn rename_inside(self: &Arc<Self>, ino: InodeNo) {
        let renamed = self.row(ino).and_then(|row| {
            let outcome = self.try_rename_inside(&row);
            outcome.inspect_err(|error| self.parts.sink.problem(row.node, "rename inside the manifest", error))
        });
        if let Err(error) = renamed {
            tracing::debug!(%error, %ino, "the manifest of a renamed folder stays as it is");
        }
    }

    fn try_rename_inside(self: &Arc<Self>, folder: &LocalRow) -> Result<()> {
        let kind = self.folder_kind(folder)?;
        let Some(name) = self.parts.layout.manifest_name(kind) else { return Ok(()) };
        let name = EntryName::new(name)?;
        let Some(row) = self.parts.catalog.read(|view| view.local_child(folder.node, &name))? else { return Ok(()) };
        let Some(old) = self.bytes_if_here(&row) else { return Ok(()) };
        let now = self.parts.clock.now();
        let Some(new) = self.parts.layout.manifest_after_rename(kind, &folder.name, &old, now) else { return Ok(()) };
        let handle = self.open(row.ino, WRITE, &serve_here)?.handle;
        let written = self.write_whole(handle, &new);
        // The kernel did not write this, and would go on showing what it has read.
        self.pages_changed(row.ino);
        written
    }

    /// Makes `bytes` the whole content of an open file, and closes it.
    fn write_whole(self: &Arc<Self>, handle: crate::types::HandleNo, bytes: &[u8]) -> Result<()> {
        let file = self.handle(handle)?.file;
        let written = self.truncate_step(&file, 0).and_then(|_| self.write_step(&file, 0, bytes)).map(|_| ());
        self.release(handle);
        written
    }

    /// True if a folder holds nothing but what [`VaultFs::furnish`] put there, untouched: to whoever made the folder it is empty.
    pub(super) fn furniture(&self, view: &View<'_>, folder: &LocalRow) -> Result<Option<Vec<LocalRow>>> {
        let children = view.local_children(folder.node, NodeId(0), 3)?;
        let manifests: Vec<&str> = [FolderKind::Collection, FolderKind::Project, FolderKind::Mix]
            .into_iter()
            .filter_map(|kind| self.parts.layout.manifest_name(kind))
            .collect();
        let has_manifest = children.iter().any(|child| manifests.contains(&child.name.as_str()));
        for child in &children {
            let untouched = match child.kind {
                NodeKind::File => manifests.contains(&child.name.as_str()) && child.attr.mtime == child.attr.btime,
                NodeKind::Folder => child.name.as_str() == "audio" && !view.has_local_children(child.node)?,
                NodeKind::Symlink | NodeKind::Special => false,
            };
            if !untouched {
                return Ok(None);
            }
        }
        Ok(has_manifest.then_some(children))
    }
}
