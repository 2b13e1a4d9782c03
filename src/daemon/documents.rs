//! Documents come with their names: a small JSON file that arrives from the provider is fetched without being asked for, because a mix is
//! nothing without its `mix.json`. In idle time, behind everybody who waits for bytes; all other files are fetched when they are read.
//!
//! A courtesy, not a promise: what is missed, fails or is evicted is fetched when it is opened, as any file.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::blocking::blocking;
use super::problems;
use super::service::walk;
use super::tasks::Stop;
use crate::catalog::{Catalog, CatalogError, LocalContent, LocalRow, Version};
use crate::content::{ContentStore, FetchError, Urgency};
use crate::control::protocol::Problem;
use crate::fetch::BlockFetcher;
use crate::sync::{Event, EventKind};
use crate::types::NodeId;

/// Beyond, it is data and no document.
const LARGEST_BYTES: u64 = 1 << 20;
/// Documents that are fetched side by side.
const PARALLEL: usize = 4;
/// Documents that wait; what goes beyond is fetched when it is opened.
const LONGEST_QUEUE: usize = 100_000;
/// News come a moment before what they tell of can be seen, and in bursts.
const BURST: Duration = Duration::from_millis(200);
/// When so much arrived that some of it was missed, everything is looked at this long after.
const LOOK_AFTER: Duration = Duration::from_secs(2);

/// The documents of one vault.
pub(super) struct Documents {
    catalog: Arc<Catalog>,
    content: Arc<ContentStore>,
    fetcher: BlockFetcher,
}

impl Documents {
    pub(super) fn new(catalog: Arc<Catalog>, content: Arc<ContentStore>, fetcher: BlockFetcher) -> Self {
        Self { catalog, content, fetcher }
    }

    /// Fetches documents as `news` tell of them, until it is told to stop.
    pub(super) async fn run(self, mut news: Receiver<Event>, mut stop: Stop) {
        let this = Arc::new(self);
        let mut waiting: VecDeque<Version> = VecDeque::new();
        let mut running = FuturesUnordered::new();
        let mut is_cut_off = false;
        let mut arrived: BTreeSet<String> = BTreeSet::new();
        let (mut look_at_arrived, mut look_at_all): (Option<Instant>, Option<Instant>) = (None, None);
        loop {
            while !is_cut_off
                && running.len() < PARALLEL
                && let Some(version) = waiting.pop_front()
            {
                running.push(this.fetch(version));
            }
            tokio::select! {
                () = stop.requested() => return,
                Some((version, result)) = running.next(), if !running.is_empty() => match result {
                    Ok(()) => {}
                    Err(FetchError::Offline) => {
                        // All the others would fail the same way; the engine tells when it is over.
                        waiting.push_front(version);
                        is_cut_off = true;
                    }
                    Err(error) => tracing::debug!(%error, "a document is fetched when it is opened"),
                },
                event = news.recv() => match event {
                    Ok(Event { kind: EventKind::Applied, path: Some(path), .. }) => {
                        if is_document(&path) && arrived.len() + waiting.len() < LONGEST_QUEUE {
                            arrived.insert(path);
                            look_at_arrived = look_at_arrived.or(Some(Instant::now() + BURST));
                        }
                    }
                    Ok(Event { kind: EventKind::Status, .. }) => is_cut_off = false,
                    Ok(Event {
                        kind: EventKind::Applied | EventKind::Uploaded | EventKind::Conflict | EventKind::Problem, ..
                    }) => {}
                    Err(RecvError::Lagged(_)) => look_at_all = Some(Instant::now() + LOOK_AFTER),
                    Err(RecvError::Closed) => return,
                },
                () = until(look_at_arrived) => {
                    look_at_arrived = None;
                    waiting.extend(this.missing_at(std::mem::take(&mut arrived)).await);
                }
                () = until(look_at_all) => {
                    look_at_all = None;
                    waiting = this.all_missing().await;
                }
            }
        }
    }

    async fn fetch(&self, version: Version) -> (Version, Result<(), FetchError>) {
        let result = self.fetcher.hydrate(&version, Urgency::Background, &|_present| {}).await;
        (version, result)
    }

    /// The version of a small file whose bytes are not here.
    fn missing(&self, row: &LocalRow) -> Option<Version> {
        match &row.content {
            LocalContent::Clean(version) if version.size <= LARGEST_BYTES => {
                (self.content.cached_bytes(version) < version.size).then(|| version.clone())
            }
            LocalContent::Clean(_) | LocalContent::Staged { .. } | LocalContent::Symlink(_) | LocalContent::None => {
                None
            }
        }
    }

    async fn missing_at(self: &Arc<Self>, paths: BTreeSet<String>) -> Vec<Version> {
        let this = Arc::clone(self);
        let found = blocking(move || {
            let mut missing = Vec::new();
            for path in &paths {
                let row = this.catalog.read(|view| view.local_at_path(path)).map_err(in_catalog)?;
                missing.extend(row.and_then(|row| this.missing(&row)));
            }
            Ok(missing)
        });
        told(found.await)
    }

    async fn all_missing(self: &Arc<Self>) -> VecDeque<Version> {
        let this = Arc::clone(self);
        let found = blocking(move || {
            let mut missing = VecDeque::new();
            let Some(root) = this.catalog.read(|view| view.local(NodeId::ROOT)).map_err(in_catalog)? else {
                return Ok(missing);
            };
            let visited = walk::each_file(&this.catalog, &root, &mut |row| {
                if is_document(row.name.as_str()) && missing.len() < LONGEST_QUEUE {
                    missing.extend(this.missing(row));
                }
                Ok::<_, CatalogError>(())
            });
            visited.map_err(in_catalog)?;
            Ok(missing)
        });
        told(found.await)
    }
}

fn in_catalog(error: CatalogError) -> Problem {
    problems::catalog("", &error)
}

/// What was found; a catalog that cannot be read is others' to tell.
fn told<T: Default>(found: Result<T, Problem>) -> T {
    found.unwrap_or_else(|problem| {
        tracing::debug!(%problem, "documents could not be looked at");
        T::default()
    })
}

/// By its name, or the path of it.
fn is_document(name: &str) -> bool {
    name.len() > 5 && name.as_bytes()[name.len() - 5..].eq_ignore_ascii_case(b".json")
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
