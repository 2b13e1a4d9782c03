//! Going through a part of a vault's local tree, and what of it has not been sent. Works on committed rows, in pages: a folder
//! of a million entries is never held in memory.

use std::sync::Arc;

use super::status::count;
use crate::catalog::{Catalog, CatalogError, LocalRow, View};
use crate::control::protocol::Problem;
use crate::daemon::blocking::blocking;
use crate::daemon::problems;
use crate::daemon::vault::OpenVault;
use crate::types::{NodeId, NodeKind};

/// Rows that one read of the catalog asks for.
const PAGE_ROWS: usize = 512;

/// Deepest path. The three trees have no cycles, but going up through rows of different trees could find one.
const DEEPEST: usize = 4096;

/// What has not been sent below a folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Remaining {
    /// Entries.
    pub(super) count: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Which.
    pub(super) nodes: Vec<NodeId>,
}

/// Calls `visit` for everything below a folder, folders before what is in them.
pub(in crate::daemon) fn walk<E: From<CatalogError>>(
    catalog: &Catalog,
    folder: &LocalRow,
    visit: &mut impl FnMut(&LocalRow) -> Result<(), E>,
) -> Result<(), E> {
    let mut folders = vec![folder.node];
    while let Some(folder) = folders.pop() {
        let mut after = NodeId(0);
        loop {
            let page = catalog.read(|view| view.local_children(folder, after, PAGE_ROWS))?;
            for row in &page {
                after = row.node;
                visit(row)?;
                if row.kind == NodeKind::Folder {
                    folders.push(row.node);
                }
            }
            if page.len() < PAGE_ROWS {
                break;
            }
        }
    }
    Ok(())
}

/// Calls `visit` for the file itself, or for every file below a folder.
pub(in crate::daemon) fn each_file<E: From<CatalogError>>(
    catalog: &Catalog,
    row: &LocalRow,
    visit: &mut impl FnMut(&LocalRow) -> Result<(), E>,
) -> Result<(), E> {
    match row.kind {
        NodeKind::File => visit(row),
        NodeKind::Folder => walk(catalog, row, &mut |row| if row.kind == NodeKind::File { visit(row) } else { Ok(()) }),
        NodeKind::Symlink | NodeKind::Special => Ok(()),
    }
}

/// What went wrong on a walk: the catalog, or what was done on the way.
pub(super) enum OnTheWay {
    Catalog(CatalogError),
    Visit(Problem),
}

impl From<CatalogError> for OnTheWay {
    fn from(error: CatalogError) -> Self {
        Self::Catalog(error)
    }
}

impl OpenVault {
    /// As [`walk`], in this vault's catalog.
    pub(super) fn walk(
        &self,
        folder: &LocalRow,
        visit: &mut impl FnMut(&LocalRow) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let walked = walk(&self.catalog, folder, &mut |row| visit(row).map_err(OnTheWay::Visit));
        walked.map_err(|error| self.on_the_way(error))
    }

    /// As [`each_file`], in this vault's catalog.
    pub(super) fn each_file(
        &self,
        row: &LocalRow,
        visit: &mut impl FnMut(&LocalRow) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        let walked = each_file(&self.catalog, row, &mut |row| visit(row).map_err(OnTheWay::Visit));
        walked.map_err(|error| self.on_the_way(error))
    }

    fn on_the_way(&self, error: OnTheWay) -> Problem {
        match error {
            OnTheWay::Catalog(error) => problems::catalog(&self.name(), &error),
            OnTheWay::Visit(problem) => problem,
        }
    }

    /// How many local changes are not at the provider, and the paths of the first of them.
    pub(super) async fn unsent(self: &Arc<Self>, listed: usize) -> Result<(u64, Vec<String>), Problem> {
        let vault = Arc::clone(self);
        blocking(move || {
            vault
                .catalog
                .read(|view| {
                    let dirty = view.dirty()?;
                    let outgoing: Vec<NodeId> =
                        dirty.iter().filter(|row| row.touched.0 != 0).map(|row| row.node).collect();
                    let first = outgoing.iter().take(listed).map(|node| path_of(view, *node));
                    Ok((count(outgoing.len()), first.collect::<crate::catalog::Result<_>>()?))
                })
                .map_err(|error| problems::catalog(&vault.name(), &error))
        })
        .await
    }

    /// Local changes at or below a node that are not at the provider yet.
    pub(super) fn remaining(&self, top: NodeId) -> Result<Remaining, Problem> {
        self.catalog
            .read(|view| {
                let mut remaining = Remaining::default();
                for row in view.dirty()?.iter().filter(|row| row.touched.0 != 0) {
                    if top == NodeId::ROOT || is_below(view, top, row.node)? {
                        remaining.count += 1;
                        remaining.bytes += view.local(row.node)?.map_or(0, |row| row.attr.size);
                        remaining.nodes.push(row.node);
                    }
                }
                Ok(remaining)
            })
            .map_err(|error| problems::catalog(&self.name(), &error))
    }
}

/// True if a node is `top` or below it; what was deleted here counts where it was.
fn is_below(view: &View<'_>, top: NodeId, node: NodeId) -> crate::catalog::Result<bool> {
    let mut at = Some(node);
    for _ in 0..DEEPEST {
        let Some(node) = at else { return Ok(false) };
        if node == top {
            return Ok(true);
        }
        at = parent_of(view, node)?.1;
    }
    Ok(false)
}

/// Where a node is, or was.
pub(in crate::daemon) fn path_of(view: &View<'_>, node: NodeId) -> crate::catalog::Result<String> {
    if let Some(path) = view.local_path(node)? {
        return Ok(path);
    }
    let mut names = Vec::new();
    let mut at = Some(node);
    for _ in 0..DEEPEST {
        let Some(node) = at.filter(|node| *node != NodeId::ROOT) else { break };
        let (name, parent) = parent_of(view, node)?;
        names.extend(name);
        at = parent;
    }
    names.reverse();
    Ok(names.join("/"))
}

/// Name and folder of a node, from the first tree that has it: here, at the provider, as last agreed.
fn parent_of(view: &View<'_>, node: NodeId) -> crate::catalog::Result<(Option<String>, Option<NodeId>)> {
    if let Some(row) = view.local(node)? {
        return Ok((Some(row.name.to_string()), row.parent));
    }
    if let Some(row) = view.remote(node)? {
        return Ok((Some(row.name.to_string()), row.parent));
    }
    Ok(view.synced(node)?.map_or((None, None), |row| (Some(row.name.to_string()), row.parent)))
}
