//! Folds the observations of a batch to one last word per remote id. Pure but for look-ups in R as it was before the batch.

use std::collections::{BTreeMap, BTreeSet};

use super::super::reserved;
use super::super::root::node_of_rid;
use super::intake::Seen;
use crate::catalog::{Result, View};
use crate::provider::{Change, RemoteEntry};
use crate::types::{EntryName, NameKey, NameRules, NodeId, RemoteId};

/// A batch of observations, folded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    /// The last word on entries that exist.
    pub(crate) present: BTreeMap<RemoteId, RemoteEntry>,
    /// Entries that are gone, with everything below them that is not in `present`.
    pub(crate) gone: BTreeSet<RemoteId>,
    /// Ids whose state was asked for, after the batch was read: no doubt is left about them.
    pub(crate) confirmed: BTreeSet<RemoteId>,
    /// New ids whose node is known, because this engine made the entry.
    pub(crate) owners: BTreeMap<RemoteId, NodeId>,
    /// A complete listing: what it does not tell of is gone.
    pub(crate) full: bool,
    /// Nodes that were told of before the batch was folded, and that R has as they were told.
    pub(crate) seen: Seen,
}

impl Batch {
    /// A batch about entries that were just looked at.
    pub(crate) fn looked_at(entries: impl IntoIterator<Item = RemoteEntry>) -> Self {
        let mut batch = Self::default();
        for entry in entries {
            batch.confirm(entry);
        }
        batch
    }

    /// The state of an entry, asked for just now.
    pub(crate) fn confirm(&mut self, entry: RemoteEntry) {
        self.confirmed.insert(entry.id.clone());
        if reserved::is_ignored(&entry.name) {
            self.present.remove(&entry.id);
            self.gone.insert(entry.id);
        } else {
            self.gone.remove(&entry.id);
            self.present.insert(entry.id.clone(), entry);
        }
    }

    /// The provider says that there is no such entry (any more).
    pub(crate) fn confirm_gone(&mut self, rid: RemoteId) {
        self.present.remove(&rid);
        self.confirmed.insert(rid.clone());
        self.gone.insert(rid);
    }
}

/// Folds `changes`, in their order. A move told as a removal and an arrival of one id, in any order, is a move. A removal by place is
/// resolved against R before the batch, and dropped if another id has the place at the end: whether the former holder is gone is then
/// asked for when the batch is arranged.
pub(crate) fn fold(view: &View<'_>, names: &NameRules, changes: Vec<Change>, full: bool) -> Result<Batch> {
    let mut batch = Batch { full, ..Batch::default() };
    let mut holders: BTreeMap<(RemoteId, NameKey), RemoteId> = BTreeMap::new();
    let mut vacated: Vec<(RemoteId, EntryName, RemoteId)> = Vec::new();
    for change in changes {
        match change {
            Change::Upsert(entry) => {
                let Some(parent) = entry.parent.clone() else { continue };
                if reserved::is_ignored(&entry.name) {
                    batch.present.remove(&entry.id);
                    batch.gone.insert(entry.id);
                    continue;
                }
                batch.gone.remove(&entry.id);
                holders.insert((parent, names.key(&entry.name)), entry.id.clone());
                batch.present.insert(entry.id.clone(), entry);
            }
            Change::Removed(rid) => {
                batch.present.remove(&rid);
                batch.gone.insert(rid);
            }
            Change::RemovedAt { parent, name } => {
                let place = (parent.clone(), names.key(&name));
                if let Some(rid) = holders.remove(&place)
                    && batch.present.get(&rid).is_some_and(|entry| is_at(names, entry, &place.0, &name))
                {
                    batch.present.remove(&rid);
                    batch.gone.insert(rid);
                }
                if let Some(rid) = holder_before(view, &place)? {
                    vacated.push((parent, name, rid));
                }
            }
        }
    }
    for (parent, name, rid) in vacated {
        let holder = holders.get(&(parent.clone(), names.key(&name))).and_then(|holder| batch.present.get(holder));
        let reused = holder.is_some_and(|entry| entry.id != rid && is_at(names, entry, &parent, &name));
        if !reused && !batch.present.contains_key(&rid) {
            batch.gone.insert(rid);
        }
    }
    Ok(batch)
}

fn is_at(names: &NameRules, entry: &RemoteEntry, parent: &RemoteId, name: &EntryName) -> bool {
    entry.parent.as_ref() == Some(parent) && names.key(&entry.name) == names.key(name)
}

fn holder_before(view: &View<'_>, (parent, key): &(RemoteId, NameKey)) -> Result<Option<RemoteId>> {
    let Some(folder) = node_of_rid(view, parent)? else { return Ok(None) };
    Ok(view.remote_by_key(folder, key)?.map(|row| row.rid))
}
