//! Pins: what is to be kept on this machine is fetched, stays, and is fetched again when the provider has a newer version of it or
//! another file in a pinned folder.
//!
//! The catalog knows which nodes are pinned; what that means in versions is looked up after every change that the engine tells of. A pinned
//! version is never evicted, so that one that was seen to be complete is not looked at again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::blocking::blocking;
use super::problems;
use super::service::{count, walk};
use super::tasks::Stop;
use crate::catalog::{Catalog, CatalogError, LocalContent, Version};
use crate::content::{ContentStore, FetchError, Urgency};
use crate::control::protocol::{PinFailure, PinStatus, Problem};
use crate::fetch::BlockFetcher;
use crate::sync::{Engine, Event, EventKind};
use crate::types::NodeId;

/// News are collected for this long before pins are looked at.
const BURST: Duration = Duration::from_millis(200);

/// Looking takes at most one part in this many of the time.
const LOOK_SHARE: u32 = 20;

/// The pause after a first failure; it doubles with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Failures that are told one by one.
const TOLD_FAILURES: usize = 10_000;

/// What is kept of one vault.
pub(super) struct Pins {
    catalog: Arc<Catalog>,
    content: Arc<ContentStore>,
    fetcher: BlockFetcher,
    /// Everything is on this machine anyway.
    direct: bool,
    /// Files that are fetched at once.
    parallel: usize,
    /// One look at a time, so that an older one never overrules a newer one.
    looking: Mutex<()>,
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Default)]
struct Table {
    /// The versions that are kept.
    kept: BTreeMap<NodeId, Version>,
    /// Those of them that are known to be complete.
    here: BTreeSet<NodeId>,
    failed: BTreeMap<NodeId, Failure>,
}

struct Failure {
    why: String,
    attempts: u32,
    again: Instant,
}

/// A file that is not complete yet.
type Wanted = (NodeId, Version);

type Fetched = (NodeId, Version, Result<(), FetchError>);

impl Pins {
    pub(super) fn new(
        catalog: Arc<Catalog>,
        content: Arc<ContentStore>,
        fetcher: BlockFetcher,
        direct: bool,
        parallel: usize,
    ) -> Self {
        let (looking, table, changed) = (Mutex::default(), Mutex::default(), Notify::new());
        Self { catalog, content, fetcher, direct, parallel: parallel.max(1), looking, table, changed }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out which versions are to be kept, and protects them. Waits for the disk.
    pub(super) fn look(&self) -> Result<(), Problem> {
        let _one_at_a_time = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.pinned_versions().map_err(|error| problems::catalog("", &error))?;
        let mut table = self.table();
        let Table { kept: before, here, failed } = &mut *table;
        let is_stale = |node: &NodeId, version: &Version| kept.get(node) != Some(version);
        for (node, version) in before.iter().filter(|(node, version)| is_stale(node, version)) {
            self.protect(version, false)?;
            here.remove(node);
            failed.remove(node);
        }
        for (node, version) in kept.iter().filter(|(node, version)| before.get(node) != Some(version)) {
            self.protect(version, true)?;
            debug_assert!(!here.contains(node), "what was complete was another version");
        }
        *before = kept;
        drop(table);
        self.changed.notify_one();
        Ok(())
    }

    fn pinned_versions(&self) -> Result<BTreeMap<NodeId, Version>, CatalogError> {
        let mut versions = BTreeMap::new();
        for node in self.catalog.read(|view| view.pins())? {
            let Some(row) = self.catalog.read(|view| view.local(node))? else { continue };
            walk::each_file(&self.catalog, &row, &mut |file| {
                if let LocalContent::Clean(version) = &file.content {
                    versions.insert(file.node, version.clone());
                }
                Ok::<_, CatalogError>(())
            })?;
        }
        Ok(versions)
    }

    fn protect(&self, version: &Version, pinned: bool) -> Result<(), Problem> {
        if self.direct {
            return Ok(());
        }
        self.content.set_pinned(version, pinned).map_err(|error| problems::content(&error))
    }

    /// What is not complete yet, without what has just failed. Waits for the disk.
    fn wanted(&self) -> VecDeque<Wanted> {
        if self.direct {
            return VecDeque::new();
        }
        let mut table = self.table();
        let now = Instant::now();
        let Table { kept, here, failed } = &mut *table;
        let mut wanted = VecDeque::new();
        for (node, version) in kept.iter() {
            if here.contains(node) {
                continue;
            }
            if self.content.cached_bytes(version) >= version.size {
                here.insert(*node);
                failed.remove(node);
            } else if failed.get(node).is_none_or(|failure| failure.again <= now) {
                wanted.push_back((*node, version.clone()));
            }
        }
        wanted
    }

    /// When a failed file is tried again.
    fn next_attempt(&self) -> Option<Instant> {
        self.table().failed.values().map(|failure| failure.again).min()
    }

    /// The provider can be reached again, perhaps: whatever failed is tried again now.
    fn try_all_again(&self) {
        let now = Instant::now();
        self.table().failed.values_mut().for_each(|failure| failure.again = now);
    }

    fn note(&self, (node, version, result): Fetched) {
        let mut table = self.table();
        if table.kept.get(&node) != Some(&version) {
            return;
        }
        match result {
            Ok(()) => {
                table.here.insert(node);
                table.failed.remove(&node);
            }
            Err(error) => {
                let attempts = table.failed.get(&node).map_or(0, |failure| failure.attempts) + 1;
                let pause = FIRST_PAUSE.saturating_mul(1 << (attempts - 1).min(16)).min(LONGEST_PAUSE);
                tracing::warn!(%node, %error, attempts, "a pinned file could not be fetched");
                table.failed.insert(node, Failure { why: error.to_string(), attempts, again: Instant::now() + pause });
            }
        }
    }

    /// How far it is; `None` if nothing is pinned. Waits for the disk.
    pub(super) fn status(&self) -> Option<PinStatus> {
        let wanted: Vec<Wanted> = if self.direct { Vec::new() } else { self.missing() };
        let table = self.table();
        let files = count(table.kept.len());
        let failed: Vec<(NodeId, String)> =
            table.failed.iter().take(TOLD_FAILURES).map(|(node, failure)| (*node, failure.why.clone())).collect();
        drop(table);
        let path = |node| self.catalog.read(|view| walk::path_of(view, node)).unwrap_or_default();
        let mut failed: Vec<PinFailure> =
            failed.into_iter().map(|(node, why)| PinFailure { path: path(node), why }).collect();
        failed.sort_by(|one, other| one.path.cmp(&other.path));
        let missing_bytes =
            wanted.iter().map(|(_, version)| version.size.saturating_sub(self.content.cached_bytes(version))).sum();
        (files > 0).then(|| PinStatus { files, missing: count(wanted.len()), missing_bytes, failed })
    }

    fn missing(&self) -> Vec<Wanted> {
        let table = self.table();
        let missing = table.kept.iter().filter(|(node, _)| !table.here.contains(node));
        missing.map(|(node, version)| (*node, version.clone())).collect()
    }

    /// True if this file is kept on this machine.
    pub(super) fn keeps(&self, node: NodeId) -> bool {
        self.table().kept.contains_key(&node)
    }

    /// Why a pinned file is not here.
    pub(super) fn failure(&self, node: NodeId) -> Option<String> {
        self.table().failed.get(&node).map(|failure| failure.why.clone())
    }

    fn is_still_wanted(&self, (node, version): &Wanted) -> bool {
        let table = self.table();
        table.kept.get(node) == Some(version) && !table.here.contains(node)
    }

    /// Keeps what is pinned, until it is told to stop.
    pub(super) async fn run(self: Arc<Self>, engine: Arc<Engine>, mut stop: Stop) {
        let mut news = engine.subscribe();
        drop(engine);
        let mut running: FuturesUnordered<BoxFuture<'static, Fetched>> = FuturesUnordered::new();
        let mut busy: BTreeSet<NodeId> = BTreeSet::new();
        let mut queue: VecDeque<Wanted> = VecDeque::new();
        // When to look at the catalog.
        let mut look = Some(Instant::now());
        // Not again before this.
        let mut rested = Instant::now();
        loop {
            if look.is_some_and(|at| at <= Instant::now()) {
                let began = Instant::now();
                self.look_apart().await;
                (look, rested) = (None, Instant::now() + began.elapsed() * LOOK_SHARE);
            }
            while busy.len() < self.parallel
                && let Some(wanted) = queue.pop_front()
            {
                if busy.contains(&wanted.0) || !self.is_still_wanted(&wanted) {
                    continue;
                }
                busy.insert(wanted.0);
                running.push(Box::pin(Arc::clone(&self).fetch(wanted)));
            }
            let retry = if busy.is_empty() { self.next_attempt() } else { None };
            tokio::select! {
                () = stop.requested() => return,
                Some(fetched) = running.next(), if !running.is_empty() => {
                    busy.remove(&fetched.0);
                    if matches!(fetched.2, Err(FetchError::Offline)) {
                        // All the others would fail the same way; the engine tells when it is over.
                        queue.clear();
                    }
                    self.note(fetched);
                }
                () = self.changed.notified() => {
                    let pins = Arc::clone(&self);
                    queue = blocking(move || Ok(pins.wanted())).await.unwrap_or_default();
                }
                event = news.recv() => match event {
                    Ok(Event { kind: EventKind::Applied | EventKind::Uploaded | EventKind::Conflict, .. })
                    | Err(RecvError::Lagged(_)) => look = look.or(Some(rested.max(Instant::now() + BURST))),
                    Ok(Event { kind: EventKind::Status, .. }) => {
                        self.try_all_again();
                        self.changed.notify_one();
                    }
                    Ok(Event { kind: EventKind::Problem, .. }) => {}
                    Err(RecvError::Closed) => return,
                },
                () = until(look) => {}
                () = until(retry) => self.changed.notify_one(),
            }
        }
    }

    async fn look_apart(self: &Arc<Self>) {
        let pins = Arc::clone(self);
        if let Err(problem) = blocking(move || pins.look()).await {
            tracing::warn!(%problem, "pins could not be looked at; they are at the next change");
        }
    }

    async fn fetch(self: Arc<Self>, (node, version): Wanted) -> Fetched {
        let result = self.fetcher.hydrate(&version, Urgency::Background, &|_present| {}).await;
        (node, version, result)
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "pins_tests.rs"]
mod tests;
