//! Changes of the tree: folders, links, moves, deletions. Each is one system call that cannot replace anything, between a
//! check and a row, under the commit lock.

use std::io;

use cap_std::fs::Dir;

use crate::provider::{ErrorKind, ProviderError, RemoteEntry, Result};
use crate::sys::failpoint;
use crate::types::{EntryName, NodeKind, RemoteId, Revision};

use super::error::{index_error, io_error, not_found};
use super::index::{self, Index};
use super::names;
use super::root::{rename_new, stat_name, sync_dir};
use super::state::{Local, Located, expect_revision};
use super::{check_name, effect_unknown};

const RELOCATE: &str = "move";
const DELETE: &str = "delete";

impl Local {
    /// Creates a folder.
    pub(super) fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        self.create("create folder", parent, name, None, |folder| folder.create_dir(name.as_str()))
    }

    /// Creates a symbolic link.
    pub(super) fn create_symlink(&self, parent: &RemoteId, name: &EntryName, target: &str) -> Result<RemoteEntry> {
        let link = |folder: &Dir| folder.symlink_contents(target, name.as_str());
        self.create("create symlink", parent, name, Some(target.to_owned()), link)
    }

    fn create(
        &self,
        operation: &'static str,
        parent: &RemoteId,
        name: &EntryName,
        target: Option<String>,
        make: impl Fn(&Dir) -> io::Result<()>,
    ) -> Result<RemoteEntry> {
        check_name(operation, name)?;
        let root = self.root(operation)?;
        self.vacate(operation, parent, name)?;
        self.with_folder(operation, &root, parent, |index, parent, folder| {
            let failed = |error| io_error(operation, name.as_str(), error);
            make(&folder).map_err(failed)?;
            failpoint::reach("local-entry-made");
            let stat = stat_name(&folder, name)
                .map_err(|error| effect_unknown(failed(error)))?
                .ok_or_else(|| effect_unknown(not_found(operation, name)))?;
            let target = target.clone();
            let record = |index: &mut Index| -> rusqlite::Result<RemoteEntry> {
                Self::claim(index, parent, name)?;
                let row = index.insert(parent, name, &stat, target, None)?;
                Self::entry(index.connection(), row)
            };
            let entry = index.batch(record).map_err(|error| effect_unknown(index_error(operation, error)))?;
            sync_dir(&folder).map_err(|error| effect_unknown(failed(error)))?;
            Ok(entry)
        })
    }

    /// Moves or renames an entry.
    pub(super) fn relocate(&self, id: &RemoteId, to_parent: &RemoteId, to_name: &EntryName) -> Result<RemoteEntry> {
        check_name(RELOCATE, to_name)?;
        let root = self.root(RELOCATE)?;
        self.vacate(RELOCATE, to_parent, to_name)?;
        self.with_folder(RELOCATE, &root, to_parent, |_, _, _| Ok(()))?; // looks for it once, if it has moved
        self.with_entry(RELOCATE, &root, id, |index, Located { mut row, folder }| {
            let failed = |error| io_error(RELOCATE, to_name.as_str(), error);
            let unrecorded = |error| index_error(RELOCATE, error);
            let Some((parent, target)) = self.open_target(index, &root, to_parent, RELOCATE)? else {
                return Err(not_found(RELOCATE, format_args!("folder {to_parent}")));
            };
            if row.parent == parent && row.name == *to_name {
                return Self::entry(index.connection(), row).map_err(unrecorded);
            }
            let above = index::chain(index.connection(), parent).map_err(unrecorded)?.unwrap_or_default();
            if above.iter().any(|folder| folder.row == row.row) {
                return Err(ProviderError::new(ErrorKind::Invalid, RELOCATE, format!("{} into itself", row.name)));
            }
            if row.parent == parent && names::same(&row.name, to_name) {
                folder.rename(row.name.as_str(), &target, to_name.as_str()).map_err(failed)?; // another spelling
            } else {
                rename_new(&folder, row.name.as_str(), &target, to_name.as_str()).map_err(failed)?;
            }
            failpoint::reach("local-entry-moved");
            let moved = stat_name(&target, to_name).map_err(|error| effect_unknown(failed(error)))?;
            let record = |index: &mut Index| -> rusqlite::Result<RemoteEntry> {
                Self::claim(index, parent, to_name)?;
                row.parent = parent;
                row.name = to_name.clone();
                let stat = moved.filter(|moved| moved.ident == row.stat.ident).unwrap_or(row.stat);
                Self::take_in(index, &mut row, &stat, true)?;
                Self::entry(index.connection(), row)
            };
            let entry = index.batch(record).map_err(|error| effect_unknown(unrecorded(error)))?;
            sync_dir(&folder).and_then(|()| sync_dir(&target)).map_err(|error| effect_unknown(failed(error)))?;
            Ok(entry)
        })
    }

    /// Deletes a file, a link or an empty folder; what is gone already is fine.
    pub(super) fn delete(&self, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        let root = self.root(DELETE)?;
        let deleted = self.with_entry(DELETE, &root, id, |index, located| {
            let Located { row, folder } = &located;
            let failed = |error| io_error(DELETE, located.name(), error);
            match row.stat.kind {
                NodeKind::Folder => self.remove_folder(folder, located.name()).map_err(failed)?,
                NodeKind::File | NodeKind::Symlink | NodeKind::Special => {
                    if let (NodeKind::File, Some(expected)) = (row.stat.kind, expected) {
                        expect_revision(row, expected, ErrorKind::RevisionMismatch, DELETE)?;
                    }
                    folder.remove_file(located.name()).map_err(failed)?;
                }
            }
            failpoint::reach("local-entry-deleted");
            let recorded = index.batch(|index| index.remove(row));
            recorded.map_err(|error| effect_unknown(index_error(DELETE, error)))?;
            sync_dir(folder).map_err(|error| effect_unknown(failed(error)))
        });
        match deleted {
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    /// Removes an empty folder. Temporary files that nobody uses any more do not count.
    fn remove_folder(&self, folder: &Dir, name: &str) -> io::Result<()> {
        let error = match folder.remove_dir(name) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => error,
            result => return result,
        };
        let inside = folder.open_dir(name)?;
        let mut stale = Vec::new();
        for entry in inside.entries()? {
            let name = entry?.file_name();
            if !name.to_str().is_some_and(names::is_temporary) {
                return Err(error);
            }
            stale.push(name);
        }
        for name in stale {
            self.remove_if_stale(&inside, &name);
        }
        folder.remove_dir(name)
    }
}
