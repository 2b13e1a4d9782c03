//! Renaming and moving. One transaction: the name shows the old file or the new one, never nothing.

use std::ffi::OsStr;
use std::sync::Arc;

use super::identity::Transfer;
use super::{FsError, Result, VaultFs, folder_by_ino};
use crate::catalog::{LocalContent, LocalRow, Txn};
use crate::types::{EntryName, InodeNo, NodeId, NodeKind, Timestamp};

/// How a rename treats an existing target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenameMode {
    /// Replaces it.
    Replace,
    /// Fails (RENAME_NOREPLACE).
    NoReplace,
    /// Both change places (RENAME_EXCHANGE).
    Exchange,
}

/// What a rename did, for what follows the commit.
#[derive(Default)]
struct Outcome {
    moved: Vec<NodeId>,
    restamped: Vec<(InodeNo, Timestamp)>,
    renamed_folders: Vec<InodeNo>,
    replaced: Option<LocalRow>,
    adopted: Option<LocalRow>,
}

impl VaultFs {
    /// Renames `parent/name` to `new_parent/new_name`.
    pub fn rename(
        self: &Arc<Self>,
        parent: InodeNo,
        name: &OsStr,
        new_parent: InodeNo,
        new_name: &OsStr,
        mode: RenameMode,
    ) -> Result<()> {
        let (name, new_name) = (EntryName::from_os(name)?, EntryName::from_os(new_name)?);
        let namespace = self.namespace.lock();
        let outcome = self.parts.catalog.write(|txn| {
            let from = folder_by_ino(txn, parent)?;
            let to = folder_by_ino(txn, new_parent)?;
            let source = txn.local_child(from.node, &name)?.ok_or(FsError::NotFound)?;
            let target = txn.local_child(to.node, &new_name)?;
            if source.kind == NodeKind::Folder && txn.is_local_ancestor(source.node, to.node)? {
                return Err(FsError::Invalid("a folder cannot be moved into itself"));
            }
            let mut outcome = match (mode, target) {
                (RenameMode::NoReplace, Some(_)) => Err(FsError::Exists),
                (RenameMode::Exchange, None) => Err(FsError::NotFound),
                (RenameMode::Exchange, Some(target)) => self.exchange(txn, &from, &source, &to, &target),
                (RenameMode::Replace, Some(target)) if target.node == source.node => Ok(Outcome::default()),
                (RenameMode::Replace | RenameMode::NoReplace, target) => {
                    self.move_over(txn, &source, &to, &new_name, target)
                }
            }?;
            self.touch_folder(txn, from.node)?;
            self.touch_folder(txn, to.node)?;
            if source.kind == NodeKind::Folder && source.name != new_name {
                outcome.renamed_folders.push(source.ino);
            }
            Ok(outcome)
        })?;
        if let Some(replaced) = &outcome.replaced {
            self.detach(replaced);
        }
        if let Some(adopted) = &outcome.adopted {
            self.adopt_open_file(adopted);
        }
        for (ino, ctime) in outcome.restamped {
            self.stamp_open_file(ino, ctime);
        }
        drop(namespace);
        for node in outcome.moved {
            self.parts.sink.changed(node);
        }
        for folder in outcome.renamed_folders {
            self.rename_inside(folder);
        }
        Ok(())
    }

    fn move_over(
        &self,
        txn: &Txn<'_>,
        source: &LocalRow,
        to: &LocalRow,
        new_name: &EntryName,
        target: Option<LocalRow>,
    ) -> Result<Outcome> {
        let local_only = self.stays_after_move(txn, source, to, new_name)?;
        let mut except = vec![source.node];
        if let Some(target) = &target {
            match (source.kind == NodeKind::Folder, target.kind == NodeKind::Folder) {
                (true, false) => return Err(FsError::NotFolder),
                (false, true) => return Err(FsError::IsFolder),
                (true, true) if txn.has_local_children(target.node)? => return Err(FsError::NotEmpty),
                (true, true) | (false, false) => except.push(target.node),
            }
        }
        self.check_new_name(txn, to.node, new_name, &except)?;

        let written_here = source.kind == NodeKind::File
            && !local_only
            && matches!(source.content, LocalContent::Staged { .. })
            && Self::never_synced(txn, source.node)?;
        if let Some(target) = target {
            let keeps_identity = written_here && Self::has_identity(txn, &target)?;
            self.remove_row(txn, &target)?;
            if keeps_identity {
                // Save style (a): written beside, renamed over.
                let based_on = Self::base_of(&target);
                let transfer =
                    Transfer { from: source, to: target.node, based_on, parent: to.node, name: new_name.clone() };
                let row = Self::transfer_identity(txn, &transfer)?;
                let moved = vec![row.node];
                return Ok(Outcome { moved, replaced: Some(target), adopted: Some(row), ..Outcome::default() });
            }
            let stamp = self.place(txn, source, to.node, new_name, local_only)?;
            txn.forget_node_if_absent(target.node)?;
            let moved = vec![source.node, target.node];
            return Ok(Outcome { moved, restamped: vec![stamp], replaced: Some(target), ..Outcome::default() });
        }
        if written_here && let Some((node, version)) = self.revivable(txn, to.node, new_name, local_only)? {
            // Save style (c): the old file was deleted, the new one is renamed to its place.
            let transfer =
                Transfer { from: source, to: node, based_on: Some(version), parent: to.node, name: new_name.clone() };
            let row = Self::transfer_identity(txn, &transfer)?;
            return Ok(Outcome { moved: vec![node], adopted: Some(row), ..Outcome::default() });
        }
        let stamp = self.place(txn, source, to.node, new_name, local_only)?;
        Ok(Outcome { moved: vec![source.node], restamped: vec![stamp], ..Outcome::default() })
    }

    fn exchange(
        &self,
        txn: &Txn<'_>,
        from: &LocalRow,
        source: &LocalRow,
        to: &LocalRow,
        target: &LocalRow,
    ) -> Result<Outcome> {
        if source.node == target.node {
            return Ok(Outcome::default());
        }
        if target.kind == NodeKind::Folder && txn.is_local_ancestor(target.node, from.node)? {
            return Err(FsError::Invalid("a folder cannot be moved into itself"));
        }
        let source_stays = self.stays_after_move(txn, source, to, &target.name)?;
        let target_stays = self.stays_after_move(txn, target, from, &source.name)?;
        let restamped = vec![
            self.place(txn, source, to.node, &target.name, source_stays)?,
            self.place(txn, target, from.node, &source.name, target_stays)?,
        ];
        Ok(Outcome { moved: vec![source.node, target.node], restamped, ..Outcome::default() })
    }

    /// Puts a row at a place; returns its inode and new change time. If it starts or stops being local-only, so does everything below it.
    fn place(
        &self,
        txn: &Txn<'_>,
        row: &LocalRow,
        parent: NodeId,
        name: &EntryName,
        local_only: bool,
    ) -> Result<(InodeNo, Timestamp)> {
        let mut moved = row.clone();
        moved.parent = Some(parent);
        moved.name = name.clone();
        moved.local_only = local_only;
        moved.attr.ctime = txn.now();
        txn.update_local(&moved)?;
        // A filter judges by the whole path, which has changed for everything below.
        if row.kind == NodeKind::Folder && (row.local_only != local_only || self.parts.policy.is_filter()) {
            self.inherit_local_only(txn, &moved)?;
        }
        Ok((moved.ino, moved.attr.ctime))
    }

    /// Whether an entry stays on this machine at its new place. What the filter left out where it was, and the provider knows all the same,
    /// goes on resting wherever it is left out: only a move from what takes part takes something away from the provider.
    fn stays_after_move(&self, txn: &Txn<'_>, row: &LocalRow, to: &LocalRow, name: &EntryName) -> Result<bool> {
        let stays = self.local_only(txn, to, name, row.kind)?;
        let by_filter_alone = stays
            && row.kind != NodeKind::Special
            && !to.local_only
            && !self.parts.policy.is_local_only(name)
            && !row.local_only;
        if !by_filter_alone || Self::never_synced(txn, row.node)? {
            return Ok(stays);
        }
        let was_left_out = match row.parent.map(|parent| txn.local(parent)).transpose()?.flatten() {
            Some(from) => self.is_left_out(txn, &from, &row.name, row.kind)?,
            None => false,
        };
        Ok(!was_left_out)
    }

    /// What is below a folder that moved: it stays here with the folder, or by its own name; or because the filter leaves out its new path,
    /// if the provider has never had it.
    fn inherit_local_only(&self, txn: &Txn<'_>, folder: &LocalRow) -> Result<()> {
        let mut after = NodeId(0);
        loop {
            let children = txn.local_children(folder.node, after, 512)?;
            let Some(last) = children.last() else { return Ok(()) };
            after = last.node;
            for mut child in children {
                let local_only = child.kind == NodeKind::Special
                    || folder.local_only
                    || self.parts.policy.is_local_only(&child.name)
                    || self.is_left_out(txn, folder, &child.name, child.kind)? && Self::never_synced(txn, child.node)?;
                let changes = child.local_only != local_only;
                if changes {
                    child.local_only = local_only;
                    txn.update_local(&child)?;
                }
                if child.kind == NodeKind::Folder && (changes || self.parts.policy.is_filter()) {
                    self.inherit_local_only(txn, &child)?;
                }
            }
        }
    }
}
