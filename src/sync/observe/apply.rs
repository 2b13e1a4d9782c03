//! Writes an arranged batch into R. One transaction with whatever belongs to it (cursor, S, L), so that a crash replays all or
//! nothing. Names may be swapped and folders turned inside out within a batch: the catalog holds places to be unique at the end of the
//! transaction, not within it.

use super::super::root::node_of_rid;
use super::arrange::{Arrangement, Identity, same_body};
use crate::catalog::{CatalogError, RemoteBody, RemoteRow, Result, Txn, View};
use crate::provider::{EntryBody, RemoteEntry};
use crate::types::NodeId;

/// Applies an arrangement that has no doubts. Equal rows are not written, so that an echo of our own change makes nothing dirty.
/// Returns the number of rows that changed.
pub(crate) fn apply(txn: &Txn<'_>, arrangement: &Arrangement) -> Result<u64> {
    let mut changed = 0;
    for (entry, identity) in &arrangement.placed {
        let node = match identity {
            Identity::Known(node) => *node,
            Identity::New => txn.new_node(entry.body.kind())?,
        };
        let known = txn.remote(node)?;
        let row = row_of(txn, node, entry, known.as_ref())?.ok_or(CatalogError::NoSuchNode(node))?;
        if known.as_ref() != Some(&row) {
            changed += 1;
            txn.put_remote(&row)?;
        }
    }
    for node in &arrangement.removed {
        changed += 1;
        txn.remove_remote(*node)?;
        txn.forget_node_if_absent(*node)?;
    }
    Ok(changed)
}

/// The row that says what the entry says; `None` if R does not have its folder.
pub(super) fn row_of(
    view: &View<'_>,
    node: NodeId,
    entry: &RemoteEntry,
    known: Option<&RemoteRow>,
) -> Result<Option<RemoteRow>> {
    let parent = entry.parent.as_ref().map(|rid| node_of_rid(view, rid)).transpose()?.flatten();
    Ok(parent.map(|parent| RemoteRow {
        node,
        parent: Some(parent),
        name: entry.name.clone(),
        rid: entry.id.clone(),
        body: body_of(entry, known),
    }))
}

/// The row's body; a hash that we computed ourselves stays as long as the revision does.
fn body_of(entry: &RemoteEntry, known: Option<&RemoteRow>) -> RemoteBody {
    match &entry.body {
        EntryBody::Folder => RemoteBody::Folder,
        EntryBody::Symlink { target } => RemoteBody::Symlink { target: target.clone() },
        EntryBody::File { revision, size, hash, modified } => {
            let ours = match known.map(|row| &row.body) {
                Some(body @ RemoteBody::File { hash, .. }) if same_body(body, &entry.body) => *hash,
                Some(RemoteBody::File { .. } | RemoteBody::Folder | RemoteBody::Symlink { .. }) | None => None,
            };
            RemoteBody::File { revision: revision.clone(), size: *size, hash: hash.or(ours), modified: *modified }
        }
    }
}
