//! Finds out what a folded batch means for R: which node each id is, what disappears, in which order rows can be put, and what
//! cannot be true and must be asked for. Reads R; changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::super::root::{node_of_rid, root_rid};
use super::fold::Batch;
use crate::catalog::{RemoteBody, RemoteRow, Result, View};
use crate::provider::{Capabilities, EntryBody, RemoteEntry};
use crate::types::{NameKey, NodeId, RemoteId};

/// How many rows of R are read at a time.
const PAGE_ROWS: usize = 1_000;

/// What a batch means for R.
#[derive(Debug, Default)]
pub(crate) struct Arrangement {
    /// Rows that disappear, children before parents.
    pub(crate) removed: Vec<NodeId>,
    /// Entries that R must hold, parents before children, with their node where they have one.
    pub(crate) placed: Vec<(RemoteEntry, Identity)>,
    /// Ids that must be asked for before the batch can be applied.
    pub(crate) doubts: BTreeSet<RemoteId>,
    /// What the provider told that cannot be stored, for people.
    pub(crate) problems: Vec<String>,
}

/// Which node an entry is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Identity {
    /// R or the engine knows it.
    Known(NodeId),
    /// A node is to be made.
    New,
}

/// A folder as the batch leaves it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Folder {
    Known(NodeId),
    New(RemoteId),
}

/// Arranges a batch. `fresh` says of an id that this engine knows it better than an old page of the feed could.
pub(crate) fn arrange(
    view: &View<'_>,
    capabilities: &Capabilities,
    batch: &Batch,
    fresh: &dyn Fn(&RemoteId) -> bool,
) -> Result<Arrangement> {
    let mut work = Work { view, capabilities, batch, gone: batch.gone.clone(), out: Arrangement::default() };
    if batch.full {
        work.unseen_is_gone()?;
    }
    let identities = work.identify()?;
    let removed = work.removals(&identities)?;
    work.doubt_stale(&identities, &removed, fresh)?;
    let homes = work.homes(&identities, &removed)?;
    work.collisions(&identities, &removed, &homes)?;
    work.order(&identities, &homes);
    // An entry that cannot be placed goes where its folder goes: no row may keep a folder that is gone.
    let placed = work.out.placed.iter().map(|(entry, identity)| (entry.id.clone(), *identity)).collect();
    work.removals(&placed)?;
    Ok(work.out)
}

struct Work<'a, 'v> {
    view: &'a View<'v>,
    capabilities: &'a Capabilities,
    batch: &'a Batch,
    gone: BTreeSet<RemoteId>,
    out: Arrangement,
}

impl Work<'_, '_> {
    fn doubt(&mut self, rid: &RemoteId) -> bool {
        !self.batch.confirmed.contains(rid) && {
            self.out.doubts.insert(rid.clone());
            true
        }
    }

    fn unseen_is_gone(&mut self) -> Result<()> {
        let mut after = NodeId::ROOT;
        loop {
            let page = self.view.remote_ids(after, PAGE_ROWS)?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            let unseen = page
                .into_iter()
                .filter(|(node, rid)| !self.batch.seen.contains(*node) && !self.batch.present.contains_key(rid));
            self.gone.extend(unseen.map(|(_, rid)| rid));
        }
    }

    /// By id; else by the engine's own knowledge; else, where ids do not last, by the place that an entry of the same kind left.
    fn identify(&mut self) -> Result<BTreeMap<RemoteId, Identity>> {
        let root = root_rid(self.view)?;
        let mut identities = BTreeMap::new();
        let mut inherited = BTreeSet::new();
        for (rid, entry) in &self.batch.present {
            if Some(rid) == root.as_ref() {
                continue;
            }
            let owner = match self.view.remote_by_rid(rid)? {
                Some(row) if row.kind() == entry.body.kind() => Some(row.node),
                Some(_) => {
                    // A node never changes its kind: the old one goes, a new one comes.
                    self.gone.insert(rid.clone());
                    None
                }
                None => match self.batch.owners.get(rid) {
                    Some(node) => Some(*node),
                    None => self.heir(entry)?.filter(|node| inherited.insert(*node)),
                },
            };
            identities.insert(rid.clone(), owner.map_or(Identity::New, Identity::Known));
        }
        Ok(identities)
    }

    /// The node whose id went and whose place this new entry has.
    fn heir(&self, entry: &RemoteEntry) -> Result<Option<NodeId>> {
        let lasting = match entry.body {
            EntryBody::File { .. } => self.capabilities.stable_ids && self.capabilities.overwrite_keeps_id,
            EntryBody::Folder | EntryBody::Symlink { .. } => self.capabilities.stable_ids,
        };
        if lasting && !self.batch.full {
            return Ok(None);
        }
        let Some(parent) = &entry.parent else { return Ok(None) };
        let Some(folder) = node_of_rid(self.view, parent)? else { return Ok(None) };
        let holder = self.view.remote_by_key(folder, &self.capabilities.names.key(&entry.name))?;
        Ok(holder.filter(|row| self.gone.contains(&row.rid) && row.kind() == entry.body.kind()).map(|row| row.node))
    }

    /// Nodes that leave R: those that are gone and not inherited, with everything below that is not told to be elsewhere.
    fn removals(&mut self, identities: &BTreeMap<RemoteId, Identity>) -> Result<BTreeSet<NodeId>> {
        let kept: BTreeSet<NodeId> = identities
            .values()
            .filter_map(|identity| match identity {
                Identity::Known(node) => Some(*node),
                Identity::New => None,
            })
            .collect();
        let mut removed = BTreeSet::new();
        self.out.removed.clear();
        for rid in self.gone.clone() {
            let Some(row) = self.view.remote_by_rid(&rid)? else { continue };
            if kept.contains(&row.node) || removed.contains(&row.node) {
                continue;
            }
            self.remove_below(&row, &kept, &mut removed)?;
        }
        Ok(removed)
    }

    /// Iterative post-order walk: children are appended to `out.removed` before their folder.
    fn remove_below(&mut self, top: &RemoteRow, kept: &BTreeSet<NodeId>, removed: &mut BTreeSet<NodeId>) -> Result<()> {
        let mut walk = vec![(top.node, false)];
        while let Some((node, children_done)) = walk.pop() {
            if children_done {
                self.out.removed.push(node);
                continue;
            }
            if !removed.insert(node) {
                continue;
            }
            walk.push((node, true));
            for child in self.view.remote_children(node)? {
                // Told to be in a folder that is gone: one of both is out of date.
                let is_doubtful = self.batch.seen.contains(child.node) && self.doubt(&child.rid);
                if !kept.contains(&child.node) && !is_doubtful {
                    walk.push((child.node, false));
                }
            }
        }
        Ok(())
    }

    /// What contradicts fresh knowledge is asked for: a late page must not bring back the past.
    fn doubt_stale(
        &mut self,
        identities: &BTreeMap<RemoteId, Identity>,
        removed: &BTreeSet<NodeId>,
        fresh: &dyn Fn(&RemoteId) -> bool,
    ) -> Result<()> {
        for node in removed {
            if let Some(row) = self.view.remote(*node)?
                && fresh(&row.rid)
            {
                self.doubt(&row.rid);
            }
        }
        for rid in identities.keys() {
            if !fresh(rid) || self.batch.confirmed.contains(rid) {
                continue;
            }
            let known = self.view.remote_by_rid(rid)?;
            let told = &self.batch.present[rid];
            let agrees = match known {
                Some(row) => {
                    row.name == told.name
                        && same_body(&row.body, &told.body)
                        && told.parent.as_ref().map(|parent| node_of_rid(self.view, parent)).transpose()?.flatten()
                            == row.parent
                }
                None => false,
            };
            if !agrees {
                self.doubt(rid);
            }
        }
        Ok(())
    }

    /// The folder of each entry. An entry in a folder that nobody knows is asked for, then dropped with a problem.
    fn homes(
        &mut self,
        identities: &BTreeMap<RemoteId, Identity>,
        removed: &BTreeSet<NodeId>,
    ) -> Result<BTreeMap<RemoteId, Folder>> {
        let mut homes = BTreeMap::new();
        for rid in identities.keys() {
            let entry = &self.batch.present[rid];
            let Some(parent) = &entry.parent else { continue };
            let folder = match identities.get(parent) {
                Some(Identity::Known(node)) => Some(Folder::Known(*node)),
                Some(Identity::New) => Some(Folder::New(parent.clone())),
                None => node_of_rid(self.view, parent)?.filter(|node| !removed.contains(node)).map(Folder::Known),
            };
            match folder {
                Some(folder) => {
                    homes.insert(rid.clone(), folder);
                }
                None => {
                    // First the entry, then its folder: a child of a removed folder is usually gone with it.
                    if !self.doubt(rid) && !self.doubt(parent) && !self.gone.contains(parent) {
                        self.out.problems.push(format!("{}: its folder {parent} is unknown", entry.name));
                    }
                }
            }
        }
        Ok(homes)
    }

    fn collisions(
        &mut self,
        identities: &BTreeMap<RemoteId, Identity>,
        removed: &BTreeSet<NodeId>,
        homes: &BTreeMap<RemoteId, Folder>,
    ) -> Result<()> {
        let moving: BTreeSet<NodeId> = identities
            .iter()
            .filter_map(|(rid, identity)| match identity {
                Identity::Known(node) if homes.contains_key(rid) => Some(*node),
                Identity::Known(_) | Identity::New => None,
            })
            .collect();
        let mut taken: BTreeMap<(&Folder, NameKey), &RemoteId> = BTreeMap::new();
        for (rid, folder) in homes {
            let key = self.capabilities.names.key(&self.batch.present[rid].name);
            if let Folder::Known(node) = folder
                && let Some(holder) = self.view.remote_by_key(*node, &key)?
                && !moving.contains(&holder.node)
                && !removed.contains(&holder.node)
                && !self.doubt(&holder.rid)
            {
                self.doubt(rid);
            }
            if let Some(other) = taken.insert((folder, key), rid) {
                self.doubt(other);
                self.doubt(rid);
            }
        }
        Ok(())
    }

    /// Parents before children. What remains hangs in a circle or on something that is not there.
    fn order(&mut self, identities: &BTreeMap<RemoteId, Identity>, homes: &BTreeMap<RemoteId, Folder>) {
        let moving: BTreeMap<NodeId, &RemoteId> = identities
            .iter()
            .filter_map(|(rid, identity)| match identity {
                Identity::Known(node) => Some((*node, rid)),
                Identity::New => None,
            })
            .collect();
        // The entry of this batch that has to be put before `rid`.
        let before = |folder: &Folder| match folder {
            Folder::New(parent) => Some(parent.clone()),
            Folder::Known(node) => moving.get(node).map(|rid| (*rid).clone()),
        };
        let mut children: BTreeMap<RemoteId, Vec<&RemoteId>> = BTreeMap::new();
        let mut ready: Vec<&RemoteId> = Vec::new();
        for (rid, folder) in homes {
            match before(folder) {
                Some(parent) => children.entry(parent).or_default().push(rid),
                None => ready.push(rid),
            }
        }
        let mut places = BTreeSet::new();
        let mut put = BTreeSet::new();
        while let Some(rid) = ready.pop() {
            let entry = &self.batch.present[rid];
            if !places.insert((&homes[rid], self.capabilities.names.key(&entry.name))) {
                self.out.problems.push(format!("{}: two entries have this name in one folder", entry.name));
                continue;
            }
            put.insert(rid);
            self.out.placed.push((entry.clone(), identities[rid]));
            ready.extend(children.remove(rid).unwrap_or_default());
        }
        for rid in homes.keys().filter(|rid| !put.contains(rid)) {
            if !self.doubt(rid) {
                self.out.problems.push(format!("{}: cannot be placed", self.batch.present[rid].name));
            }
        }
    }
}

/// True if a told body is what R has; a hash that only we know does not count.
pub(crate) fn same_body(row: &RemoteBody, told: &EntryBody) -> bool {
    match (row, told) {
        (RemoteBody::Folder, EntryBody::Folder) => true,
        (RemoteBody::File { revision, size, .. }, EntryBody::File { revision: told, size: told_size, .. }) => {
            revision == told && size == told_size
        }
        (RemoteBody::Symlink { target }, EntryBody::Symlink { target: told }) => target == told,
        (RemoteBody::Folder | RemoteBody::File { .. } | RemoteBody::Symlink { .. }, _) => false,
    }
}
