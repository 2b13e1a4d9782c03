//! What the engine of a vault tells, passed on: to clients as events, to the registry as status and time of the last sync.
//!
//! The registry is written when the word changes, and while it stays `synced` at most once a minute: it is a file that other
//! programs watch.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::blocking::blocking;
use super::problems;
use super::service::conflicts::{COPY_KEPT, NAMED_KEPT};
use super::service::words;
use super::tasks::Stop;
use crate::catalog::Catalog;
use crate::control::events::EventBus;
use crate::control::protocol::{ErrorCode, StateWord};
use crate::sync::conflict::is_found_by_name;
use crate::sync::{Engine, EventKind};
use crate::types::{Timestamp, VaultId};
use crate::vaults::{RegistryFile, SyncStatus};

/// Shortest time between two looks at the status.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Shortest time between two notes of a sync that changed no word.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Runs until it is told to stop.
pub(super) async fn forward(
    engine: Arc<Engine>,
    catalog: Arc<Catalog>,
    events: Arc<EventBus>,
    registry: RegistryFile,
    id: VaultId,
    name: String,
    mut stop: Stop,
) {
    let mut news = engine.subscribe();
    let mut told = Told::default();
    // When to look at the status again; `None` while nothing happens, so that an idle vault wakes nobody.
    let mut due: Option<Instant> = None;
    let mut looked = Instant::now();
    loop {
        let event = tokio::select! {
            () = stop.requested() => return,
            () = until(due) => None,
            event = news.recv() => Some(event),
        };
        match event {
            Some(Ok(event)) => {
                if event.kind != EventKind::Status {
                    events.publish(kind_word(event.kind), Some(&name), event.path.as_deref(), None);
                }
                due = due.or(Some(looked + LOOK_EVERY));
            }
            Some(Err(RecvError::Lagged(_))) => due = due.or(Some(looked + LOOK_EVERY)),
            Some(Err(RecvError::Closed)) => return,
            None => {
                (due, looked) = (None, Instant::now());
                told.look(&engine, &catalog, &events, &registry, id, &name).await;
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What clients and the registry were told last.
#[derive(Default)]
struct Told {
    word: Option<StateWord>,
    noted: Option<(SyncStatus, Option<Timestamp>)>,
}

impl Told {
    async fn look(
        &mut self,
        engine: &Arc<Engine>,
        catalog: &Arc<Catalog>,
        events: &EventBus,
        registry: &RegistryFile,
        id: VaultId,
        name: &str,
    ) {
        let (asked, trees) = (Arc::clone(engine), Arc::clone(catalog));
        let look = move || {
            settle(&trees).map_err(|error| problems::of(ErrorCode::Io, &error))?;
            asked.status().map_err(|error| problems::of(ErrorCode::Io, &error))
        };
        let status = match blocking(look).await {
            Ok(status) => status,
            Err(problem) => {
                tracing::warn!(%problem, "a vault does not say how it stands");
                return;
            }
        };
        let now = words::state(status.state);
        if self.word.replace(now) != Some(now) {
            events.publish("state", Some(name), None, Some(now.as_str().to_owned()));
        }
        let current = (sync_status(now), status.last_synced);
        if is_worth_noting(self.noted, current) {
            note(registry, id, current).await;
            self.noted = Some(current);
        }
    }
}

/// A conflict of two files is over when one of them is gone: the user has chosen.
fn settle(catalog: &Catalog) -> crate::catalog::Result<()> {
    let over = catalog.read(|view| {
        let mut over = Vec::new();
        for conflict in view.conflicts(false)? {
            let by_name = is_found_by_name(&conflict);
            let is_here = view.local(conflict.node)?.is_some();
            let result = match conflict.other {
                None if by_name && !is_here => "the copy was deleted",
                None => continue,
                Some(other) => match (is_here, view.local(other)?.is_some()) {
                    (true, true) => continue,
                    (true, false) if by_name => NAMED_KEPT,
                    (true, false) => "the version of the other device was kept",
                    (false, true) if by_name => COPY_KEPT,
                    (false, true) => "the version of this device was kept",
                    (false, false) => "both versions were deleted",
                },
            };
            over.push((conflict.id, result));
        }
        Ok(over)
    })?;
    if over.is_empty() {
        return Ok(());
    }
    catalog.write(|txn| over.iter().try_for_each(|(id, result)| txn.resolve_conflict(*id, result)))
}

fn kind_word(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Status => "state",
        EventKind::Uploaded => "uploaded",
        EventKind::Applied => "applied",
        EventKind::Conflict => "conflict",
        EventKind::Problem => "problem",
    }
}

/// The registry knows four words.
fn sync_status(word: StateWord) -> SyncStatus {
    match word {
        StateWord::Idle | StateWord::Conflict => SyncStatus::Synced,
        StateWord::Syncing => SyncStatus::Syncing,
        StateWord::Paused | StateWord::Offline => SyncStatus::Offline,
        StateWord::AuthRequired | StateWord::Error => SyncStatus::Error,
    }
}

fn is_worth_noting(
    noted: Option<(SyncStatus, Option<Timestamp>)>,
    (status, synced_at): (SyncStatus, Option<Timestamp>),
) -> bool {
    match noted {
        None => true,
        // Between two syncs it is `syncing` for a moment; that is not worth a file.
        Some((SyncStatus::Synced, before)) if status == SyncStatus::Syncing || status == SyncStatus::Synced => {
            let (Some(before), Some(now)) = (before, synced_at) else { return before != synced_at };
            now.since(before) >= NOTE_EVERY
        }
        Some((word, _)) => word != status,
    }
}

async fn note(registry: &RegistryFile, id: VaultId, (status, synced_at): (SyncStatus, Option<Timestamp>)) {
    let registry = registry.clone();
    let noted = blocking(move || {
        registry
            .update(|registry| registry.update_status(id, status, synced_at))
            .map_err(|error| problems::registry(&error))
    });
    if let Err(problem) = noted.await {
        tracing::warn!(%problem, "the registry could not be told how a vault stands");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_written_when_it_says_something_new() {
        let at = |seconds: i64| Some(Timestamp::from_parts(seconds, 0));
        let synced = (SyncStatus::Synced, at(100));
        assert!(is_worth_noting(None, synced));
        assert!(!is_worth_noting(Some(synced), (SyncStatus::Syncing, at(100))));
        assert!(!is_worth_noting(Some(synced), (SyncStatus::Synced, at(130))));
        assert!(is_worth_noting(Some(synced), (SyncStatus::Synced, at(160))));
        assert!(is_worth_noting(Some(synced), (SyncStatus::Offline, at(100))));
        assert!(is_worth_noting(Some((SyncStatus::Offline, at(100))), synced));
    }
}
