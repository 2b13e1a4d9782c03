//! The rule of the merge base, applied by every transaction that changes R or L of a node: wherever both sides agree on the node's
//! place, S takes that place; the same for its content; a node that both sides lack loses its S row.

use super::diff::same_name;
use super::plan::is_aside;
use crate::catalog::{LocalContent, LocalRow, RemoteBody, RemoteRow, Result, SyncedBody, SyncedRow, Txn, Version};
use crate::types::{NameRules, NodeId};

/// What R says of a file, as a version.
pub(super) fn version_of(row: &RemoteRow) -> Option<Version> {
    match &row.body {
        RemoteBody::File { revision, size, hash, modified: _ } => {
            Some(Version { rid: row.rid.clone(), revision: revision.clone(), size: *size, hash: *hash })
        }
        RemoteBody::Folder | RemoteBody::Symlink { .. } => None,
    }
}

/// R's content as S holds it.
pub(super) fn synced_body(row: &RemoteRow) -> SyncedBody {
    match (&row.body, version_of(row)) {
        (_, Some(version)) => SyncedBody::File(version),
        (RemoteBody::Symlink { target }, None) => SyncedBody::Symlink { target: target.clone() },
        (RemoteBody::Folder | RemoteBody::File { .. }, None) => SyncedBody::Folder,
    }
}

/// Brings S up to what L and R agree on, and clears the dirty mark if nothing is left to be done.
pub(super) fn agree(txn: &Txn<'_>, rules: &NameRules, node: NodeId) -> Result<()> {
    let synced = txn.synced(node)?;
    let (local, remote) = match (txn.local(node)?, txn.remote(node)?) {
        (Some(local), Some(remote)) => (local, remote),
        (None, None) => {
            if synced.is_some() && txn.synced_children(node)?.is_empty() {
                txn.remove_synced(node)?;
            }
            return txn.forget_node_if_absent(node);
        }
        (Some(_), None) | (None, Some(_)) => return Ok(()),
    };
    if local.local_only {
        return Ok(());
    }
    let same_place = same_place(rules, &local, &remote);
    let same_content = same_content(&local, &remote);
    let agreed = match synced.clone() {
        Some(mut row) => {
            if same_place {
                row.parent = remote.parent;
                row.name = remote.name.clone();
            }
            if same_content {
                row.body = synced_body(&remote);
            }
            Some(row)
        }
        None if same_place && same_content => {
            Some(SyncedRow { node, parent: remote.parent, name: remote.name.clone(), body: synced_body(&remote) })
        }
        None => None,
    };
    if let Some(row) = &agreed
        && synced.as_ref() != Some(row)
    {
        txn.put_synced(row)?;
    }
    if same_place && same_content { txn.clear_dirty(node) } else { Ok(()) }
}

fn same_place(rules: &NameRules, local: &LocalRow, remote: &RemoteRow) -> bool {
    local.parent == remote.parent && !is_aside(&remote.name) && same_name(rules, &local.name, &remote.name)
}

/// Only exactly R's version counts: a file that has equal bytes under another revision is brought there by `MarkSynced`.
fn same_content(local: &LocalRow, remote: &RemoteRow) -> bool {
    match (&local.content, &remote.body) {
        (LocalContent::None, RemoteBody::Folder) => true,
        (LocalContent::Symlink(target), RemoteBody::Symlink { target: told }) => target == told,
        (LocalContent::Clean(version), RemoteBody::File { revision, .. }) => {
            version.rid == remote.rid && version.revision == *revision
        }
        (LocalContent::None | LocalContent::Symlink(_) | LocalContent::Clean(_) | LocalContent::Staged { .. }, _) => {
            false
        }
    }
}
