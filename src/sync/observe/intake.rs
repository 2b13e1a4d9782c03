//! A long run of the change feed, taken in while it is read: what only adds goes into R at once, what R has already is only marked as
//! seen, and the rest waits for the end of the run, to be looked at together. So the memory that a listing takes does not grow with
//! the vault.
//!
//! Taking in early changes nothing but the time: R is a state, and the position in the feed is stored with the end of the run, so that
//! a crash in between only means that it is told again. Whatever the rest speaks of is left to the rest.

use std::collections::{BTreeMap, BTreeSet};

use super::super::reserved;
use super::super::root::node_of_rid;
use super::apply::row_of;
use super::arrange::Arrangement;
use crate::catalog::{Attempt, Result, View};
use crate::provider::{Change, RemoteEntry};
use crate::types::{NameKey, NameRules, NodeId, RemoteId};

/// Nodes, one bit each: ids are dense.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    chunks: BTreeMap<u64, [u64; Self::WORDS]>,
}

impl Seen {
    const WORDS: usize = 64;
    const CHUNK: u64 = 64 * 64;

    fn place(node: NodeId) -> (u64, usize, u64) {
        let inside = node.0 % Self::CHUNK;
        (node.0 / Self::CHUNK, usize::try_from(inside / 64).unwrap_or(0), 1 << (inside % 64))
    }

    /// Adds.
    pub(crate) fn insert(&mut self, node: NodeId) {
        let (chunk, word, bit) = Self::place(node);
        self.chunks.entry(chunk).or_insert([0; Self::WORDS])[word] |= bit;
    }

    /// True if it was added.
    pub(crate) fn contains(&self, node: NodeId) -> bool {
        let (chunk, word, bit) = Self::place(node);
        self.chunks.get(&chunk).is_some_and(|words| words[word] & bit != 0)
    }
}

/// What of a run is left to be looked at together.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// In the order in which it was told.
    rest: Vec<Change>,
    ids: BTreeSet<RemoteId>,
    /// Places whose removal was told.
    places: BTreeSet<(RemoteId, NameKey)>,
    /// Told of, and in R.
    seen: Seen,
}

/// What is known beside R while a run is taken in.
pub(crate) struct Around<'a> {
    pub(crate) names: &'a NameRules,
    /// Calls under way: the feed may tell of what they make.
    pub(crate) attempts: &'a [Attempt],
    /// True for ids that this engine knows better than an old page could.
    pub(crate) fresh: &'a dyn Fn(&RemoteId) -> bool,
}

impl Intake {
    /// True if nothing was sorted yet.
    pub(crate) fn is_untouched(&self) -> bool {
        self.rest.is_empty() && self.seen.chunks.is_empty()
    }

    /// A short run: all of it is looked at together.
    pub(crate) fn leave(&mut self, told: Vec<Change>) {
        self.rest = told;
    }

    /// What waits, and what need not be told again to be there.
    pub(crate) fn into_parts(self) -> (Vec<Change>, Seen) {
        (self.rest, self.seen)
    }

    /// These entries are in R now.
    pub(crate) fn have_taken(&mut self, view: &View<'_>, arrangement: &Arrangement) -> Result<()> {
        for (entry, _) in &arrangement.placed {
            if let Some(node) = node_of_rid(view, &entry.id)? {
                self.seen.insert(node);
            }
        }
        Ok(())
    }

    /// Sorts what was told: returns plain additions, which may go into R in this order, and keeps the rest.
    pub(crate) fn sort(&mut self, view: &View<'_>, around: &Around<'_>, told: Vec<Change>) -> Result<Vec<RemoteEntry>> {
        let mut additions = Vec::new();
        let mut added = BTreeSet::new();
        let mut taken = BTreeSet::new();
        for change in told {
            if let Change::Upsert(entry) = &change
                && let Some(folder) = self.alone(around, entry)
            {
                match view.remote_by_rid(&entry.id)? {
                    Some(row) if row_of(view, row.node, entry, Some(&row))?.as_ref() == Some(&row) => {
                        self.seen.insert(row.node);
                        continue;
                    }
                    Some(_) => {}
                    None => {
                        let key = around.names.key(&entry.name);
                        let is_free = added.contains(folder)
                            || match node_of_rid(view, folder)? {
                                Some(folder) => view.remote_by_key(folder, &key)?.is_none(),
                                None => false,
                            };
                        if is_free && !added.contains(&entry.id) && taken.insert((folder.clone(), key)) {
                            added.insert(entry.id.clone());
                            additions.push(entry.clone());
                            continue;
                        }
                    }
                }
            }
            self.keep(around, change);
        }
        Ok(additions)
    }

    /// Sorts the rest once more: what came before its folder may have a place now.
    pub(crate) fn sort_again(&mut self, view: &View<'_>, around: &Around<'_>) -> Result<Vec<RemoteEntry>> {
        self.ids.clear();
        self.places.clear();
        let told = std::mem::take(&mut self.rest);
        self.sort(view, around, told)
    }

    /// The folder of an entry, if nothing else speaks of the entry or its place.
    fn alone<'e>(&self, around: &Around<'_>, entry: &'e RemoteEntry) -> Option<&'e RemoteId> {
        let folder = entry.parent.as_ref()?;
        let key = around.names.key(&entry.name);
        let is_claimed = |attempt: &Attempt| attempt.parent == *folder && around.names.key(&attempt.name) == key;
        let is_alone = !self.ids.contains(&entry.id)
            && !self.places.contains(&(folder.clone(), around.names.key(&entry.name)))
            && !reserved::is_ignored(&entry.name)
            && !around.attempts.iter().any(is_claimed)
            && !(around.fresh)(&entry.id);
        is_alone.then_some(folder)
    }

    fn keep(&mut self, around: &Around<'_>, change: Change) {
        match &change {
            Change::Upsert(RemoteEntry { id, .. }) | Change::Removed(id) => self.ids.extend([id.clone()]),
            Change::RemovedAt { parent, name } => self.places.extend([(parent.clone(), around.names.key(name))]),
        }
        self.rest.push(change);
    }
}
