//! Builds the planner's view from the catalog: every dirty node, and what the planner must know around it.
//!
//! Reads only. The sides that are handed to the planner are kept, so that the executor can prove before each step that the
//! rows are still those that were planned from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::backoff::{PARKED, PARKED_KIND};
use super::plan::{Blocked, Content, NodeTrees, Place, Side, Trees};
use super::ports::{LocalTree, Selection};
use crate::catalog::{
    DirtyRow, LocalContent, LocalRow, RemoteBody, RemoteRow, Result, SyncState, SyncedBody, SyncedRow, View,
};
use crate::types::{EntryName, InodeNo, NameRules, NodeId, NodeKind, Timestamp};

/// A node's rows as planner values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sides {
    pub(crate) kind: NodeKind,
    pub(crate) local: Option<Side>,
    pub(crate) remote: Option<Side>,
    pub(crate) synced: Option<Side>,
    pub(crate) local_only: bool,
    pub(crate) ino: Option<InodeNo>,
}

/// Reads a node's rows; `None` if no tree has it.
pub(crate) fn sides(view: &View<'_>, node: NodeId) -> Result<Option<Sides>> {
    let (local, remote, synced) = (view.local(node)?, view.remote(node)?, view.synced(node)?);
    let kind = match (&local, &remote, &synced) {
        (Some(row), _, _) => row.kind,
        (None, Some(row), _) => row.kind(),
        (None, None, Some(row)) => synced_kind(&row.body),
        (None, None, None) => return Ok(None),
    };
    Ok(Some(Sides {
        kind,
        local_only: local.as_ref().is_some_and(|row| row.local_only),
        ino: local.as_ref().map(|row| row.ino),
        local: local.map(|row| local_side(view, row)).transpose()?,
        remote: remote.map(remote_side),
        synced: synced.map(synced_side),
    }))
}

fn synced_kind(body: &SyncedBody) -> NodeKind {
    match body {
        SyncedBody::Folder => NodeKind::Folder,
        SyncedBody::File(_) => NodeKind::File,
        SyncedBody::Symlink { .. } => NodeKind::Symlink,
    }
}

fn place(parent: Option<NodeId>, name: EntryName) -> Place {
    Place { parent: parent.unwrap_or(NodeId::ROOT), name }
}

fn local_side(view: &View<'_>, row: LocalRow) -> Result<Side> {
    let content = match row.content {
        LocalContent::None => Content::Folder,
        LocalContent::Symlink(target) => Content::Symlink(target),
        LocalContent::Clean(version) => {
            Content::Version { revision: version.revision, size: version.size, hash: version.hash }
        }
        LocalContent::Staged { staged, based_on } => Content::Staged {
            based_on: based_on.map(|version| version.revision),
            size: row.attr.size,
            hash: view.staged(staged)?.and_then(|staged| staged.hashed),
        },
    };
    Ok(Side { place: place(row.parent, row.name), content, rid: None })
}

fn remote_side(row: RemoteRow) -> Side {
    let content = match row.body {
        RemoteBody::Folder => Content::Folder,
        RemoteBody::Symlink { target } => Content::Symlink(target),
        RemoteBody::File { revision, size, hash, modified: _ } => Content::Version { revision, size, hash },
    };
    Side { place: place(row.parent, row.name), content, rid: Some(row.rid) }
}

fn synced_side(row: SyncedRow) -> Side {
    let (content, rid) = match row.body {
        SyncedBody::Folder => (Content::Folder, None),
        SyncedBody::Symlink { target } => (Content::Symlink(target), None),
        SyncedBody::File(version) => {
            let rid = version.rid;
            (Content::Version { revision: version.revision, size: version.size, hash: version.hash }, Some(rid))
        }
    };
    Side { place: place(row.parent, row.name), content, rid }
}

/// A node that is touched again and again is quiet enough after this many quiet times: what is saved every second goes up now and then.
const PATIENCE: u32 = 15;

/// What the trees are built with.
pub(crate) struct Surroundings<'a> {
    pub(crate) names: &'a NameRules,
    pub(crate) now: Timestamp,
    pub(crate) quiet: Duration,
    /// Since when nodes have not been quiet.
    pub(crate) unrest: &'a BTreeMap<NodeId, Timestamp>,
    /// Local changes up to this time count as quiet: the user asked to sync now.
    pub(crate) hurry_until: Timestamp,
    /// Most arriving nodes.
    pub(crate) portion: usize,
    /// What takes part.
    pub(crate) selection: &'a dyn Selection,
}

/// The planner's input and what the executor keeps beside it.
pub(crate) struct Gathered {
    /// For the planner.
    pub(crate) trees: Trees,
    /// The rows that it was built from.
    pub(crate) rows: BTreeMap<NodeId, Sides>,
    /// Dirty nodes in it.
    pub(crate) dirty: BTreeMap<NodeId, DirtyRow>,
    /// Dirty nodes that no tree has any more.
    pub(crate) absent: Vec<NodeId>,
    /// When a node that is blocked by time becomes free.
    pub(crate) next_due: Option<Timestamp>,
    /// What the user wants first.
    pub(crate) priorities: BTreeMap<NodeId, i32>,
    /// Nodes in the vault.
    pub(crate) total_nodes: u64,
    /// The last arriving node in it; zero if there are none after it.
    pub(crate) arrived: NodeId,
}

/// Builds the trees for every dirty node, and for a portion of the arriving ones after `arrived`. Who has what open is added by
/// [`Gathered::mark_open`], outside of any transaction.
pub(crate) fn gather(view: &View<'_>, around: &Surroundings<'_>, arrived: NodeId) -> Result<Gathered> {
    let mut closure = Closure { view, names: around.names, rows: BTreeMap::new() };
    let arriving = view.arriving(arrived, around.portion)?;
    let arrived = arriving.last().copied().filter(|_| arriving.len() == around.portion).unwrap_or(NodeId(0));
    let arriving = arriving.into_iter().map(|node| DirtyRow { node, touched: Timestamp(0) });
    let (mut dirty, mut absent) = (BTreeMap::new(), Vec::new());
    for row in view.dirty()?.into_iter().chain(arriving).filter(|row| row.node != NodeId::ROOT) {
        if closure.surround(row.node)? {
            dirty.insert(row.node, row);
        } else {
            absent.push(row.node);
        }
    }
    let rows = closure.rows;
    let states: BTreeMap<NodeId, SyncState> = view.all_sync_states()?.into_iter().collect();
    let (mut trees, mut next_due) = (Trees::new(), None);
    let none = SyncState::default();
    for (node, found) in &rows {
        let state = states.get(node).unwrap_or(&none);
        let (blocked, until) = match dirty.get(node) {
            _ if is_left_out(&rows, *node, found, around.selection) => (Some(Blocked::LeftOut), None),
            _ if found.local_only => (Some(Blocked::LocalOnly), None),
            Some(row) => waiting(row, state, around),
            None => (None, None),
        };
        next_due = earliest(next_due, until);
        let Sides { kind, local, remote, synced, .. } = found.clone();
        trees.insert(*node, NodeTrees { kind, local, remote, synced, blocked });
    }
    let priorities = states.into_iter().filter(|(_, state)| state.priority != 0);
    Ok(Gathered {
        trees,
        rows,
        dirty,
        absent,
        next_due,
        priorities: priorities.map(|(node, state)| (node, state.priority)).collect(),
        total_nodes: view.totals()?.0,
        arrived,
    })
}

impl Gathered {
    /// Files that are being written to are left alone.
    pub(crate) fn mark_open(&mut self, local: &dyn LocalTree) {
        let frozen = local.freeze();
        for (node, trees) in &mut self.trees {
            let Some(found) = self.rows.get(node) else { continue };
            if found.kind == NodeKind::File
                && !matches!(trees.blocked, Some(Blocked::LocalOnly | Blocked::LeftOut))
                && found.ino.is_some_and(|ino| frozen.is_open_for_writing(ino))
            {
                trees.blocked = Some(Blocked::OpenForWriting);
            }
        }
    }
}

/// True if the filter leaves out the place where the mount has a node, or would have it. What was moved to such a place while the provider
/// knew it is no longer shared, like anything else that gets a local-only name; and what the provider has moved away from there, while
/// nobody moved it here, is about to follow.
fn is_left_out(rows: &BTreeMap<NodeId, Sides>, node: NodeId, found: &Sides, selection: &dyn Selection) -> bool {
    let was_moved_there = found.local_only && (found.remote.is_some() || found.synced.is_some());
    if !selection.is_filter() || was_moved_there {
        return false;
    }
    let shown = |found: &Sides| found.local.as_ref().or(found.remote.as_ref()).or(found.synced.as_ref()).cloned();
    if !selection.leaves_out(&path_by(rows, node, shown), found.kind) {
        return false;
    }
    let place = |side: &Option<Side>| side.as_ref().map(|side| side.place.clone());
    let is_unmoved = found.local.is_some() && place(&found.local) == place(&found.synced);
    !(is_unmoved
        && found.remote.is_some()
        && !selection.leaves_out(&path_by(rows, node, |found| found.remote.clone()), found.kind))
}

/// The path of a node if `side` says where each node is.
fn path_by(rows: &BTreeMap<NodeId, Sides>, node: NodeId, side: impl Fn(&Sides) -> Option<Side>) -> String {
    let (mut names, mut at) = (Vec::new(), node);
    // As deep as a tree can be: rows of different trees may lead in a circle.
    while let Some(side) = rows.get(&at).filter(|_| names.len() <= rows.len()).and_then(&side) {
        names.push(side.place.name.to_string());
        at = side.place.parent;
    }
    names.reverse();
    names.join("/")
}

/// The earlier of two times, if there are any.
pub(super) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// Whether a dirty node has to wait, and until when.
fn waiting(row: &DirtyRow, state: &SyncState, around: &Surroundings<'_>) -> (Option<Blocked>, Option<Timestamp>) {
    if state.held {
        return (Some(Blocked::Held), None);
    }
    if let Some(until) = state.not_before
        && until > around.now
        && !edited_since_parked(row, state)
    {
        return (Some(Blocked::BackingOff), Some(until));
    }
    let patient_until = around.unrest.get(&row.node).map(|since| since.plus(around.quiet * PATIENCE));
    let quiet_at = row.touched.plus(around.quiet);
    let sent_at = patient_until.map_or(quiet_at, |until| until.min(quiet_at));
    if row.touched > around.hurry_until && sent_at > around.now && is_unquiet(row, around.quiet, around.now) {
        return (Some(Blocked::NotQuiet), Some(sent_at));
    }
    (None, None)
}

/// A touch in the future (the clock was set back) must not keep a node from syncing until that future.
fn is_unquiet(row: &DirtyRow, quiet: Duration, now: Timestamp) -> bool {
    row.touched.plus(quiet) > now && row.touched <= now
}

impl Gathered {
    /// Since when nodes have not been quiet, after what was known of that before.
    pub(crate) fn unrest(
        &self,
        before: &BTreeMap<NodeId, Timestamp>,
        quiet: Duration,
        now: Timestamp,
    ) -> BTreeMap<NodeId, Timestamp> {
        let unquiet = self.dirty.values().filter(|row| is_unquiet(row, quiet, now));
        unquiet.map(|row| (row.node, before.get(&row.node).copied().unwrap_or(row.touched))).collect()
    }
}

/// A node that was given up gets another chance when its user changes it.
fn edited_since_parked(row: &DirtyRow, state: &SyncState) -> bool {
    let parked_for = i64::try_from(PARKED.as_nanos()).unwrap_or(i64::MAX);
    state.problem.as_ref().is_some_and(|(kind, _)| kind == PARKED_KIND)
        && state.not_before.is_some_and(|until| row.touched.0 > until.0.saturating_sub(parked_for))
}

struct Closure<'a, 'v> {
    view: &'a View<'v>,
    names: &'a NameRules,
    rows: BTreeMap<NodeId, Sides>,
}

impl Closure<'_, '_> {
    /// Adds a dirty node, its ancestors, those who hold its places, and what is below it if it is a folder that moved or went. False
    /// if no tree has it.
    fn surround(&mut self, node: NodeId) -> Result<bool> {
        let Some(found) = self.add(node)? else { return Ok(false) };
        let places: BTreeSet<Place> =
            [&found.local, &found.remote, &found.synced].into_iter().flatten().map(|side| side.place.clone()).collect();
        for place in &places {
            let key = self.names.key(&place.name);
            for holder in self.view.local_by_key(place.parent, &key)? {
                self.add(holder.node)?;
            }
            if let Some(holder) = self.view.remote_by_key(place.parent, &key)? {
                self.add(holder.node)?;
            }
            for holder in self.view.synced_orphans_at(place.parent, &key)? {
                self.add(holder.node)?;
            }
        }
        let came_or_settled =
            found.synced.is_none() || (places.len() == 1 && found.local.is_some() && found.remote.is_some());
        if found.kind == NodeKind::Folder && !came_or_settled {
            self.descend(node)?;
        }
        Ok(true)
    }

    fn descend(&mut self, top: NodeId) -> Result<()> {
        let (mut pending, mut seen) = (vec![top], BTreeSet::from([top]));
        while let Some(folder) = pending.pop() {
            let mut children: BTreeSet<NodeId> =
                self.view.remote_children(folder)?.into_iter().map(|row| row.node).collect();
            children.extend(self.view.synced_children(folder)?.into_iter().map(|row| row.node));
            children.extend(local_children(self.view, folder)?.into_iter().map(|row| row.node));
            for child in children {
                if seen.insert(child) && self.add(child)?.is_some_and(|found| found.kind == NodeKind::Folder) {
                    pending.push(child);
                }
            }
        }
        Ok(())
    }

    /// Adds a node and its ancestors in every tree.
    fn add(&mut self, node: NodeId) -> Result<Option<Sides>> {
        if let Some(found) = self.rows.get(&node) {
            return Ok(Some(found.clone()));
        }
        let Some(found) = sides(self.view, node)? else { return Ok(None) };
        self.rows.insert(node, found.clone());
        for side in [&found.local, &found.remote, &found.synced].into_iter().flatten() {
            if side.place.parent != NodeId::ROOT {
                self.add(side.place.parent)?;
            }
        }
        Ok(Some(found))
    }
}

/// All children of a folder in L.
pub(crate) fn local_children(view: &View<'_>, folder: NodeId) -> Result<Vec<LocalRow>> {
    const PAGE: usize = 1_000;
    let (mut all, mut after) = (Vec::new(), NodeId(0));
    loop {
        let page = view.local_children(folder, after, PAGE)?;
        let full = page.len() == PAGE;
        if let Some(last) = page.last() {
            after = last.node;
        }
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}
