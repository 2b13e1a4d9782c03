//! The root folder's remote id, which every vault learns at its first contact and never changes afterwards. It is the rid of R's root
//! row.

use crate::catalog::{RemoteBody, RemoteRow, Result, Txn, View};
use crate::provider::RemoteEntry;
use crate::types::{NodeId, RemoteId};

/// The root's id, once known.
pub(crate) fn root_rid(view: &View<'_>) -> Result<Option<RemoteId>> {
    rid_of_node(view, NodeId::ROOT)
}

/// Remembers the root. It has no place and no content, so that it is never dirty.
pub(crate) fn set_root(txn: &Txn<'_>, root: &RemoteEntry) -> Result<()> {
    txn.put_remote(&RemoteRow {
        node: NodeId::ROOT,
        parent: None,
        name: root.name.clone(),
        rid: root.id.clone(),
        body: RemoteBody::Folder,
    })?;
    txn.clear_dirty(NodeId::ROOT)
}

/// The node that R knows under this id, the root included.
pub(crate) fn node_of_rid(view: &View<'_>, rid: &RemoteId) -> Result<Option<NodeId>> {
    Ok(view.remote_by_rid(rid)?.map(|row| row.node))
}

/// The id under which the provider knows a folder of R.
pub(crate) fn rid_of_node(view: &View<'_>, node: NodeId) -> Result<Option<RemoteId>> {
    Ok(view.remote(node)?.map(|row| row.rid))
}
