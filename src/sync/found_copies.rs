//! Conflict copies that others have made, found by their names: when one arrives, and once in a vault that was there before anybody
//! looked. Each becomes a conflict of two files, beside those that the engine finds itself.
//!
//! What was made in the mount is the user's own and is not looked at. Nothing is opened or fetched: names, sizes and hashes decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::conflict::{FOUND_BY_NAME, is_found_by_name};
use super::copy_names::{ConflictCopy, Evidence, conflict_copy};
use super::engine::Engine;
use super::error::Result;
use super::event::EventKind;
use super::keep_both::Clash;
use crate::catalog::{Catalog, LocalContent, LocalRow, Txn, View};
use crate::telemetry::metrics;
use crate::types::{EntryName, NameRules, NodeId, NodeKind};

/// Meta key: every name that L has was looked at, by the rules of this version.
const LOOKED_AT: &str = "sync.copies_looked_at";
const RULES: &str = "1";

/// Names that one read of the catalog asks for.
const PAGE_ROWS: usize = 10_000;
/// Names that are judged in one transaction.
const BATCH: usize = 200;

/// What is still to be looked at. Only a hint: what a crash loses of it, [`LOOKED_AT`] tells.
#[derive(Default)]
pub(super) struct Arrivals {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    arrived: BTreeSet<NodeId>,
    /// What an earlier process has left was looked at, too.
    has_asked: bool,
}

impl Arrivals {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A copy, and what it is a copy of, if that is beside it.
struct Found {
    copy: LocalRow,
    original: Option<NodeId>,
    said: ConflictCopy,
}

impl Engine {
    /// What is done once after every burst of work.
    pub(super) async fn tidy(&self) -> Result<()> {
        let collected = self.collect().await;
        self.look_for_copies().await.and(collected)
    }

    /// A name has come into the mount. Call in the transaction that puts it there.
    pub(super) fn note_arrival(&self, txn: &Txn<'_>, node: NodeId, name: &EntryName) -> Result<()> {
        if conflict_copy(name).is_some() {
            txn.set_meta(LOOKED_AT, "")?;
            self.arrivals.state().arrived.insert(node);
        }
        Ok(())
    }

    /// Looks at the names that have arrived. When nothing else is to be done: what they are copies of has arrived, too.
    async fn look_for_copies(&self) -> Result<()> {
        let has_asked = self.arrivals.state().has_asked;
        let is_complete = self.catalog.read(|view| Ok(view.meta(LOOKED_AT)?.as_deref() == Some(RULES)))?;
        let mut candidates: Vec<NodeId> = if has_asked || is_complete {
            self.arrivals.state().arrived.iter().copied().collect()
        } else {
            let catalog = Arc::clone(&self.catalog);
            self.off_thread(u64::MAX, move || copies_in(&catalog)).await??
        };
        let arrived = candidates.len();
        let known = self.catalog.read(Known::read)?;
        candidates.extend(known.open_alone());
        for batch in candidates.chunks(BATCH) {
            let new = self.catalog.write(|txn| {
                batch.iter().map(|node| self.judge_copy(txn, &known, *node)).collect::<Result<Vec<bool>>>()
            })?;
            for (node, _) in batch.iter().zip(new).filter(|(_, is_new)| *is_new) {
                metrics().conflicts.add(1);
                self.announce_node(EventKind::Conflict, *node);
            }
        }
        self.have_looked_at(&candidates[..arrived], is_complete)
    }

    /// What arrived meanwhile is noted in a transaction before this one, and left, or after it.
    fn have_looked_at(&self, candidates: &[NodeId], is_complete: bool) -> Result<()> {
        if candidates.is_empty() && is_complete {
            self.arrivals.state().has_asked = true;
            return Ok(());
        }
        Ok(self.catalog.write(|txn| {
            let mut state = self.arrivals.state();
            state.has_asked = true;
            for node in candidates {
                state.arrived.remove(node);
            }
            if state.arrived.is_empty() { txn.set_meta(LOOKED_AT, RULES) } else { Ok(()) }
        })?)
    }

    /// True if that is news.
    fn judge_copy(&self, txn: &Txn<'_>, known: &Known, node: NodeId) -> Result<bool> {
        let Some(found) = look_at(txn, self.names(), node)? else { return Ok(false) };
        let path = txn.local_path(found.original.unwrap_or(node))?.unwrap_or_default();
        match (known.alone.get(&node), found.original) {
            _ if known.paired.contains(&node) => Ok(false),
            (Some(Alone { id, is_open: true }), Some(original)) => {
                txn.pair_conflict(*id, original, node, &path, &found.result())?;
                Ok(true)
            }
            (Some(_), Some(_) | None) => Ok(false),
            (None, original) => {
                let clash = Clash {
                    other: original.map(|_| node),
                    strategy: FOUND_BY_NAME,
                    result: found.result(),
                    ..Clash::of("a file has the name of a conflict copy")
                };
                self.add_conflict(txn, original.unwrap_or(node), path, clash)?;
                Ok(true)
            }
        }
    }
}

/// Conflicts that are known, settled ones, too: nobody is asked twice.
struct Known {
    paired: BTreeSet<NodeId>,
    alone: BTreeMap<NodeId, Alone>,
}

/// A conflict of which nothing but the copy was there.
struct Alone {
    id: i64,
    is_open: bool,
}

impl Known {
    fn read(view: &View<'_>) -> crate::catalog::Result<Self> {
        let rows = view.conflicts(true)?;
        let paired = rows.iter().filter_map(|row| row.other).collect();
        let alone = rows.iter().filter(|row| row.other.is_none() && is_found_by_name(row));
        let alone = alone.map(|row| (row.node, Alone { id: row.id, is_open: row.resolved_at.is_none() })).collect();
        Ok(Self { paired, alone })
    }

    fn open_alone(&self) -> impl Iterator<Item = NodeId> {
        self.alone.iter().filter(|(_, alone)| alone.is_open).map(|(node, _)| *node)
    }
}

impl Found {
    /// For people.
    fn result(&self) -> String {
        let maker = self.said.maker.as_str();
        let by = match &self.said.whose {
            Some(whose) => format!("{maker} ({whose})"),
            None => maker.to_owned(),
        };
        let name = &self.copy.name;
        match self.original {
            Some(_) => format!("both are there; `{name}` is a conflict copy by {by}"),
            None => format!("a conflict copy by {by}; `{}` is not beside it", self.said.original),
        }
    }
}

/// Every file whose name says that it is a copy.
fn copies_in(catalog: &Catalog) -> Result<Vec<NodeId>> {
    let (mut copies, mut after) = (Vec::new(), NodeId(0));
    loop {
        let page = catalog.read(|view| view.local_names(NodeKind::File, after, PAGE_ROWS))?;
        let Some((last, _)) = page.last() else { return Ok(copies) };
        after = *last;
        copies.extend(page.iter().filter(|(_, name)| conflict_copy(name).is_some()).map(|(node, _)| *node));
    }
}

fn look_at(view: &View<'_>, rules: &NameRules, node: NodeId) -> Result<Option<Found>> {
    let Some(copy) = view.local(node)?.filter(|row| row.kind == NodeKind::File && !row.local_only) else {
        return Ok(None);
    };
    let (Some(said), Some(folder)) = (conflict_copy(&copy.name), copy.parent) else { return Ok(None) };
    let beside = |name: &EntryName| {
        let rows = view.local_by_key(folder, &rules.key(name))?;
        Ok::<_, crate::catalog::CatalogError>(
            rows.into_iter().find(|row| row.kind == NodeKind::File && row.node != node),
        )
    };
    // A copy of a copy that is gone is one of what that was a copy of.
    let mut original = beside(&said.original)?;
    let mut above = said.original.clone();
    while let (None, Some(next)) = (&original, conflict_copy(&above)) {
        original = beside(&next.original)?;
        above = next.original;
    }
    let counts = match &said.evidence {
        Evidence::Name => true,
        Evidence::Beside { unless } => {
            original.is_some()
                && match unless {
                    Some(name) => beside(name)?.is_none(),
                    None => true,
                }
        }
    };
    let is_equal = original.as_ref().is_some_and(|original| same_bytes(original, &copy));
    let original = original.map(|row| row.node);
    Ok((counts && !is_equal).then_some(Found { copy, original, said }))
}

/// As far as is known without reading them.
fn same_bytes(left: &LocalRow, right: &LocalRow) -> bool {
    match (&left.content, &right.content) {
        (LocalContent::Clean(left), LocalContent::Clean(right)) => left.hash.is_some() && left.hash == right.hash,
        (LocalContent::None | LocalContent::Symlink(_) | LocalContent::Clean(_) | LocalContent::Staged { .. }, _) => {
            false
        }
    }
}
