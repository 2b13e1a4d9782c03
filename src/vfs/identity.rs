//! Identity transfer: an application that saves by writing a new file and renaming, or by moving the old one out of the way, means the
//! same file. The new content then takes over the node of the old file, so that history, shares and the provider's id stay with it.
//! Source: the three save styles of `reference/reliability.md` 2.7.

use super::{FsError, Result, VaultFs, arc_file};
use crate::catalog::{LocalContent, LocalRow, StagedRow, Txn, Version};
use crate::types::{EntryName, NodeId, NodeKind};

/// Where a node's new content comes from and where the node goes.
pub(super) struct Transfer<'a> {
    /// The never-synced file that was written: its inode and bytes live on, its node ends.
    pub(super) from: &'a LocalRow,
    /// The node that lives on.
    pub(super) to: NodeId,
    /// The version that the new content replaces.
    pub(super) based_on: Option<Version>,
    /// Where the file is afterwards.
    pub(super) parent: NodeId,
    /// Its name there.
    pub(super) name: EntryName,
}

impl VaultFs {
    /// True if the provider has never had this node.
    pub(super) fn never_synced(txn: &Txn<'_>, node: NodeId) -> Result<bool> {
        Ok(txn.remote(node)?.is_none() && txn.synced(node)?.is_none())
    }

    /// True if the provider has, or had, this file, so that its identity is worth keeping.
    pub(super) fn has_identity(txn: &Txn<'_>, row: &LocalRow) -> Result<bool> {
        Ok(row.kind == NodeKind::File && !row.local_only && !Self::never_synced(txn, row.node)?)
    }

    /// The provider version that a row's content is, or is based on.
    pub(super) fn base_of(row: &LocalRow) -> Option<Version> {
        match &row.content {
            LocalContent::Clean(version) => Some(version.clone()),
            LocalContent::Staged { based_on, .. } => based_on.clone(),
            LocalContent::None | LocalContent::Symlink(_) => None,
        }
    }

    /// Moves inode, bytes and attributes of `from` to the node `to`, whose own local row is already gone. The caller holds the
    /// namespace lock and updates the open file with [`VaultFs::adopt_open_file`] after the commit.
    pub(super) fn transfer_identity(txn: &Txn<'_>, transfer: &Transfer<'_>) -> Result<LocalRow> {
        let from = transfer.from;
        let LocalContent::Staged { staged, .. } = &from.content else {
            return Err(FsError::Invalid("only bytes that were written here can take over a node"));
        };
        let xattrs: Vec<(Vec<u8>, Vec<u8>)> = txn
            .xattr_names(from.ino)?
            .into_iter()
            .map(|name| Ok((name.clone(), txn.xattr(from.ino, &name)?.unwrap_or_default())))
            .collect::<Result<_>>()?;
        let staged_row = txn.staged(*staged)?;
        txn.remove_local(from.node)?;
        let mut row = from.clone();
        row.node = transfer.to;
        row.parent = Some(transfer.parent);
        row.name = transfer.name.clone();
        row.local_only = false;
        row.attr.ctime = txn.now();
        row.content = LocalContent::Staged { staged: *staged, based_on: transfer.based_on.clone() };
        txn.insert_local(&row)?;
        if let Some(staged_row) = staged_row {
            txn.put_staged(&StagedRow { node: transfer.to, ..staged_row })?;
        }
        for (name, value) in xattrs {
            txn.set_xattr(row.ino, &name, &value)?;
        }
        txn.forget_node_if_absent(from.node)?;
        Ok(row)
    }

    /// Tells an open file that its inode now belongs to another node.
    pub(super) fn adopt_open_file(&self, row: &LocalRow) {
        let Some(file) = arc_file(&self.open, row.ino) else { return };
        let mut state = file.write();
        state.node = Some(row.node);
        state.attr.ctime = row.attr.ctime;
        if let (super::OpenContent::Staged { based_on, .. }, LocalContent::Staged { based_on: stored, .. }) =
            (&mut state.content, &row.content)
        {
            based_on.clone_from(stored);
        }
    }
}
