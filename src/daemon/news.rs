//! How a vault stands, told without being asked: to clients as events, to the registry as status and time of the last sync.
//!
//! The registry is a file that other programs watch: it is written when its word changes, and while that stays `synced` at most once a
//! minute. `syncing` is written when it has lasted for a second: between two syncs it is so for a moment, which is not worth a file.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::blocking::blocking;
use super::service::conflicts::{COPY_KEPT, NAMED_KEPT};
use super::service::words;
use super::tasks::Stop;
use super::vault::OpenVault;
use super::{Daemon, problems};
use crate::catalog::Catalog;
use crate::control::protocol::{ErrorCode, Problem, StateWord};
use crate::sync::conflict::is_found_by_name;
use crate::sync::{Event, EventKind};
use crate::types::{Timestamp, VaultId};
use crate::vaults::{RegistryFile, SyncStatus, Vault};

/// Shortest time between two looks at the status.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long a vault syncs before the registry says so.
const WORTH_NOTING: Duration = Duration::from_secs(1);

/// Shortest time between two notes of a sync that changed no word.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// How often is looked whether a trouble is over that may end without a word, such as a full disk.
const TROUBLE_EVERY: Duration = Duration::from_secs(30);

/// Calls for a look at a vault, when something changes that its engine does not know. Clones call the same.
#[derive(Clone, Default)]
pub(super) struct Attention(Arc<Notify>);

impl Attention {
    /// Quick; from any thread.
    pub(super) fn call(&self) {
        self.0.notify_one();
    }
}

/// Runs until it is told to stop. The vault is looked up each time: this task must not keep it.
pub(super) async fn forward(vault: Weak<OpenVault>, mut news: Receiver<Event>, attention: Attention, mut stop: Stop) {
    let mut told = Told::default();
    let mut looked = Instant::now();
    // When to look at the status again; `None` while nothing happens, so that an idle vault wakes nobody.
    let mut due = Some(looked);
    loop {
        tokio::select! {
            () = stop.requested() => break,
            () = until(due) => {
                let Some(vault) = vault.upgrade() else { return };
                looked = Instant::now();
                due = told.look(vault).await.map(|pause| looked + pause);
                continue;
            }
            () = attention.0.notified() => {}
            event = news.recv() => match event {
                Ok(event) if event.kind != EventKind::Status => {
                    let Some(vault) = vault.upgrade() else { return };
                    vault.events.publish(kind_word(event.kind), Some(&vault.name()), event.path.as_deref(), None);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
        let soon = looked + LOOK_EVERY;
        due = Some(due.map_or(soon, |due| due.min(soon)));
    }
    if let Some(vault) = vault.upgrade() {
        told.last_word(vault).await;
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// What the registry says of a vault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Line {
    status: SyncStatus,
    synced_at: Option<Timestamp>,
}

/// What clients and the registry were told last.
#[derive(Default)]
struct Told {
    word: Option<StateWord>,
    noted: Option<(Line, Instant)>,
    /// Since when it syncs, if the registry was not told.
    syncs_since: Option<Instant>,
}

impl Told {
    /// Looks, and tells what is new. Returns when to look again if nothing is heard until then.
    async fn look(&mut self, vault: Arc<OpenVault>) -> Option<Duration> {
        let (now, synced_at) = stands(&vault).await;
        if self.word.replace(now) != Some(now) {
            vault.events.publish("state", Some(&vault.name()), None, Some(now.as_str().to_owned()));
        }
        let line = Line { status: sync_status(now), synced_at };
        let again = match self.worth_noting(line, Instant::now()) {
            Verdict::Now if note(&vault.registry, vault.id, line).await => {
                self.noted = Some((line, Instant::now()));
                None
            }
            Verdict::Now => Some(TROUBLE_EVERY),
            Verdict::Known => None,
            Verdict::In(pause) => Some(pause),
        };
        let troubled = (now == StateWord::Error).then_some(TROUBLE_EVERY);
        again.or(troubled)
    }

    fn worth_noting(&mut self, line: Line, now: Instant) -> Verdict {
        let noted = self.noted.map(|(noted, at)| (noted, now.saturating_duration_since(at)));
        let is_known = noted.is_some_and(|(noted, _)| noted.status == line.status);
        if line.status == SyncStatus::Syncing && !is_known {
            let lasted = now.saturating_duration_since(*self.syncs_since.get_or_insert(now));
            return WORTH_NOTING.checked_sub(lasted).filter(|rest| !rest.is_zero()).map_or(Verdict::Now, Verdict::In);
        }
        self.syncs_since = None;
        match noted {
            Some((noted, _)) if noted == line => Verdict::Known,
            Some((_, ago)) if is_known && line.status == SyncStatus::Synced => {
                NOTE_EVERY.checked_sub(ago).filter(|rest| !rest.is_zero()).map_or(Verdict::Now, Verdict::In)
            }
            Some(_) if is_known => Verdict::Known,
            Some(_) | None => Verdict::Now,
        }
    }

    /// The vault is being closed: what is on its way stops here.
    async fn last_word(self, vault: Arc<OpenVault>) {
        let (now, synced_at) = stands(&vault).await;
        let status = match sync_status(now) {
            SyncStatus::Syncing => SyncStatus::Offline,
            status @ (SyncStatus::Synced | SyncStatus::Offline | SyncStatus::Error) => status,
        };
        let line = Line { status, synced_at };
        if self.noted.is_none_or(|(noted, _)| noted != line) {
            note(&vault.registry, vault.id, line).await;
        }
    }
}

/// What becomes of a line for the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// It is written.
    Now,
    /// It, or one that says as much, is there.
    Known,
    /// It is looked at again.
    In(Duration),
}

/// How a vault stands, in the word that `status` has for it.
async fn stands(vault: &Arc<OpenVault>) -> (StateWord, Option<Timestamp>) {
    let asked = Arc::clone(vault);
    let look = move || {
        settle(&asked.catalog).map_err(|error| problems::of(ErrorCode::Io, &error))?;
        let status = asked.engine.status().map_err(|error| problems::of(ErrorCode::Io, &error))?;
        Ok((words::vault_state(status.state, &asked.troubles()), status.last_synced))
    };
    blocking(look).await.unwrap_or_else(|problem: Problem| {
        tracing::warn!(vault = %vault.id, %problem, "a vault does not say how it stands");
        (StateWord::Error, None)
    })
}

impl Daemon {
    /// A vault could not be opened: nobody else will say how it stands.
    pub(super) async fn note_not_open(&self, vault: &Vault) {
        if vault.sync_status == Some(SyncStatus::Error) {
            return;
        }
        self.events.publish("state", Some(&vault.name), None, Some(StateWord::Error.as_str().to_owned()));
        note(&self.registry, vault.id, Line { status: SyncStatus::Error, synced_at: None }).await;
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

/// True if it was written.
async fn note(registry: &RegistryFile, id: VaultId, line: Line) -> bool {
    let registry = registry.clone();
    let noted = blocking(move || {
        registry
            .update(|registry| registry.update_status(id, line.status, line.synced_at))
            .map_err(|error| problems::registry(&error))
    });
    let noted = noted.await;
    if let Err(problem) = &noted {
        tracing::warn!(%problem, "the registry could not be told how a vault stands");
    }
    noted.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(status: SyncStatus, second: i64) -> Line {
        Line { status, synced_at: Some(Timestamp::from_parts(second, 0)) }
    }

    #[test]
    fn the_registry_is_written_when_it_says_something_new() {
        use SyncStatus::{Error, Offline, Synced, Syncing};
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let told = |noted| Told { noted: Some((noted, start)), ..Told::default() };
        assert_eq!(Told::default().worth_noting(line(Synced, 0), start), Verdict::Now);
        for (old, new) in [(Synced, Offline), (Offline, Error), (Error, Synced), (Syncing, Synced), (Syncing, Offline)]
        {
            assert_eq!(told(line(old, 0)).worth_noting(line(new, 0), start), Verdict::Now, "{old} {new}");
        }
        for same in SyncStatus::ALL {
            assert_eq!(told(line(same, 0)).worth_noting(line(same, 0), at(90_000)), Verdict::Known, "{same}");
        }
        let mut synced = told(line(Synced, 0));
        assert_eq!(synced.worth_noting(line(Synced, 30), at(30_000)), Verdict::In(Duration::from_secs(30)));
        assert_eq!(
            synced.worth_noting(line(Synced, 30), at(60_000)),
            Verdict::Now,
            "though nothing has happened since"
        );
    }

    #[test]
    fn syncing_is_told_when_it_lasts() {
        use SyncStatus::{Synced, Syncing};
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut told = Told { noted: Some((line(Synced, 0), start)), ..Told::default() };
        assert_eq!(told.worth_noting(line(Syncing, 0), at(100)), Verdict::In(WORTH_NOTING));
        assert_eq!(told.worth_noting(line(Syncing, 0), at(800)), Verdict::In(Duration::from_millis(300)));
        assert_eq!(told.worth_noting(line(Synced, 0), at(900)), Verdict::Known);
        assert_eq!(told.worth_noting(line(Syncing, 0), at(1_000)), Verdict::In(WORTH_NOTING), "it begins anew");
        assert_eq!(told.worth_noting(line(Syncing, 0), at(2_000)), Verdict::Now);
    }
}
