//! Folders that somebody looks into. A feed that keeps quiet about renames of case alone is made up for by a full listing a day, and, where
//! people look, by a look at the folder: when it is opened and the last look is an hour ago.
//!
//! A kernel that has the listing of a folder does not ask for it again. So a listing that it got an hour ago is taken from it, at the next
//! pull; there is no timer of its own. Looking is a courtesy: it is bounded, and what is missed comes with the full listing.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lru::LruCache;

use super::engine::{Engine, Why};
use super::error::Result;
use super::observe::Batch;
use super::root::rid_of_node;
use crate::provider::RemoteEntry;
use crate::types::NodeId;

/// How long a look lasts.
const LASTS: Duration = Duration::from_secs(3600);
/// Most looks within that time: a program that walks through everything is no person.
const LOOKS: u32 = 200;
/// Folders that are remembered.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);

/// When folders were last opened, and which are to be looked into.
pub(super) struct Opened(Mutex<Table>);

struct Table {
    /// When a folder was last opened for the first time in a while: about then its names were right, and the kernel got them.
    since: LruCache<NodeId, Instant>,
    wanted: BTreeSet<NodeId>,
    /// Looks since then.
    looks: (Option<Instant>, u32),
}

impl Default for Opened {
    fn default() -> Self {
        let table = Table { since: LruCache::new(KEPT), wanted: BTreeSet::new(), looks: (None, 0) };
        Self(Mutex::new(table))
    }
}

impl Opened {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True if this folder is to be looked into now.
    fn note(&self, folder: NodeId, now: Instant) -> bool {
        let mut table = self.table();
        let is_known = table.since.get(&folder).is_some_and(|since| now.saturating_duration_since(*since) < LASTS);
        if is_known {
            return false;
        }
        let (begun, looks) = table.looks;
        let is_over = begun.is_none_or(|begun| now.saturating_duration_since(begun) >= LASTS);
        let looks = if is_over { 0 } else { looks };
        if looks >= LOOKS {
            return false;
        }
        table.looks = (if is_over { Some(now) } else { begun }, looks + 1);
        table.since.put(folder, now);
        table.wanted.insert(folder);
        true
    }

    /// What is to be looked into; and the folders whose listing is too old to be trusted when they are opened the next time.
    fn take(&self, now: Instant) -> (BTreeSet<NodeId>, Vec<NodeId>) {
        let mut table = self.table();
        let is_old = |since: &Instant| now.saturating_duration_since(*since) >= LASTS;
        let old: Vec<NodeId> = table.since.iter().filter(|(_, since)| is_old(since)).map(|(node, _)| *node).collect();
        for node in &old {
            table.since.pop(node);
        }
        (std::mem::take(&mut table.wanted), old)
    }
}

impl Engine {
    /// Somebody lists a folder. Cheap, never waits, from any thread.
    pub fn folder_opened(&self, folder: NodeId) {
        let is_told_everything = self.provider.capabilities().reports_case_rename;
        if !is_told_everything && self.opened.note(folder, self.clock.monotonic()) {
            self.want_pull(Why::Routine);
            self.wake.notify_one();
        }
    }

    /// Looks into the folders that were opened. Returns how many names have changed.
    pub(super) async fn look_into_opened(&self) -> Result<u64> {
        let (wanted, old) = self.opened.take(self.clock.monotonic());
        old.into_iter().for_each(|folder| self.local.doubt_listing(folder));
        if wanted.is_empty() {
            return Ok(0);
        }
        let last_full = self.catalog.read(|view| view.feed())?.last_full;
        if last_full.is_some_and(|last| self.clock.now().since(last) < LASTS) {
            return Ok(0);
        }
        let mut changed = 0;
        for folder in wanted {
            let Some(rid) = self.catalog.read(|view| rid_of_node(view, folder))? else { continue };
            match self.provider.children(&rid).await {
                Ok(entries) => changed += self.take_case(folder, entries).await?,
                Err(error) => {
                    tracing::debug!(%error, "a folder that was opened could not be looked into");
                    break;
                }
            }
        }
        Ok(changed)
    }

    /// Takes over names that differ in case alone: of all else the feed tells.
    async fn take_case(&self, folder: NodeId, entries: Vec<RemoteEntry>) -> Result<u64> {
        let names = self.names();
        let renamed = self.catalog.read(|view| {
            let mut renamed = Vec::new();
            for entry in entries {
                let Some(known) = view.remote_by_rid(&entry.id)? else { continue };
                let is_other_case = known.name != entry.name && names.key(&known.name) == names.key(&entry.name);
                if is_other_case && known.parent == Some(folder) {
                    renamed.push(entry);
                }
            }
            Ok::<_, crate::catalog::CatalogError>(renamed)
        })?;
        let count = u64::try_from(renamed.len()).unwrap_or(u64::MAX);
        if count > 0 {
            self.observe_only(Batch::looked_at(renamed)).await?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_looked_into_once_an_hour_and_walks_through_everything_are_bounded() {
        let (opened, start) = (Opened::default(), Instant::now());
        let minutes = |count: u64| start + Duration::from_secs(60 * count);
        assert!(opened.note(NodeId(7), minutes(0)) && !opened.note(NodeId(7), minutes(59)));
        assert_eq!(opened.take(minutes(59)), (BTreeSet::from([NodeId(7)]), vec![]));
        assert_eq!(opened.take(minutes(60)), (BTreeSet::new(), vec![NodeId(7)]), "too old to be trusted");
        assert_eq!(opened.take(minutes(60)), (BTreeSet::new(), vec![]));
        assert!(opened.note(NodeId(7), minutes(61)));
        let looks = (100..10_100).filter(|node| opened.note(NodeId(*node), minutes(70))).count();
        assert_eq!(looks, 199);
        assert!(opened.note(NodeId(50_000), minutes(121)), "the next hour");
    }
}
