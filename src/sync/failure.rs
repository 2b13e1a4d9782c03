//! What a failed step means: for its node (a pause, a problem to show, after eight vain attempts a parking place) or for the whole
//! vault (not reachable, not signed in, not there).

use std::time::Duration;

use super::backoff::{PARK_AFTER, PARKED, PARKED_KIND};
use super::engine::{Engine, Lost, Reach, Why};
use super::error::{Result, SyncError};
use super::event::EventKind;
use crate::catalog::{CatalogError, SyncState};
use crate::content::ContentError;
use crate::provider::ErrorKind;
use crate::types::NodeId;

/// How a failure is dealt with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// The vault cannot be worked with.
    Vault(ErrorKind),
    /// No fault: the world moved on, plan again.
    Replan,
    /// Better later.
    Later,
    /// Retrying alone will not help.
    Lasting,
}

fn class(error: &SyncError) -> Class {
    match error {
        SyncError::Provider(error) => match error.kind {
            ErrorKind::Offline | ErrorKind::AuthRequired | ErrorKind::RootMissing => Class::Vault(error.kind),
            ErrorKind::RevisionMismatch
            | ErrorKind::NotFound
            | ErrorKind::Exists
            | ErrorKind::NotEmpty
            | ErrorKind::RevisionGone
            | ErrorKind::CursorReset
            | ErrorKind::Busy
            | ErrorKind::Ambiguous
            | ErrorKind::Corrupt
            | ErrorKind::NoSpace => Class::Later,
            ErrorKind::Refused
            | ErrorKind::Forbidden
            | ErrorKind::Unsupported
            | ErrorKind::Invalid
            | ErrorKind::Protocol => Class::Lasting,
        },
        SyncError::Content(ContentError::Superseded(_)) => Class::Replan,
        SyncError::Catalog(CatalogError::NoSpace) | SyncError::Content(ContentError::NoSpace { .. }) => Class::Later,
        SyncError::Io { .. } | SyncError::Worker(_) | SyncError::TimedOut => Class::Later,
        SyncError::Catalog(_)
        | SyncError::Content(_)
        | SyncError::ContentLost(_)
        | SyncError::NoSuchNode(_)
        | SyncError::NothingPending(_)
        | SyncError::Superseded(_)
        | SyncError::PlaceTaken(_) => Class::Lasting,
    }
}

/// A word for the kind of a failure, stored with it.
fn word(error: &SyncError) -> String {
    match error {
        SyncError::Provider(error) => format!("{:?}", error.kind),
        SyncError::Catalog(_) => "Catalog".to_owned(),
        SyncError::Content(_) | SyncError::ContentLost(_) => "Content".to_owned(),
        SyncError::Io { .. } | SyncError::Worker(_) => "Io".to_owned(),
        SyncError::TimedOut => "TimedOut".to_owned(),
        SyncError::NoSuchNode(_)
        | SyncError::NothingPending(_)
        | SyncError::Superseded(_)
        | SyncError::PlaceTaken(_) => "Internal".to_owned(),
    }
}

/// The pause that the provider asked for.
fn wish(error: &SyncError) -> Option<Duration> {
    if let SyncError::Provider(error) = error { error.retry_after } else { None }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

impl Engine {
    /// A step of `node` failed. Returns true if the vault can still be worked with.
    pub(super) fn step_failed(&self, node: NodeId, error: &SyncError) -> Result<bool> {
        let class = class(error);
        match class {
            Class::Vault(kind) => {
                self.lost(kind, chain(error));
                return Ok(false);
            }
            Class::Replan => return Ok(true),
            Class::Later | Class::Lasting => {}
        }
        self.pause_node(node, class == Class::Lasting, word(error), chain(error), wish(error))?;
        Ok(true)
    }

    /// A node's steps keep missing their moment: it gets a pause like a failure.
    pub(super) fn step_restless(&self, node: NodeId) -> Result<()> {
        let restless = {
            let mut state = self.state();
            let count = state.restless.entry(node).or_default();
            *count += 1;
            *count > PARK_AFTER && {
                *count = 0;
                true
            }
        };
        if restless {
            let message = "it changes faster than it can be synced".to_owned();
            self.pause_node(node, false, "Unsettled".to_owned(), message, None)?;
        }
        Ok(())
    }

    fn pause_node(
        &self,
        node: NodeId,
        lasting: bool,
        kind: String,
        message: String,
        wish: Option<Duration>,
    ) -> Result<()> {
        tracing::warn!(%node, kind, message, "a step failed");
        self.catalog.write(|txn| {
            if !txn.is_dirty(node)? {
                return Ok::<_, CatalogError>(());
            }
            let mut state = txn.sync_state(node)?;
            state.attempts = state.attempts.saturating_add(1);
            let parked = lasting && state.attempts >= PARK_AFTER;
            let pause = if parked { PARKED } else { self.backoff.after_failure(state.attempts, wish) };
            state.not_before = Some(self.clock.now().plus(pause));
            state.problem = Some((if parked { PARKED_KIND.to_owned() } else { kind }, message));
            txn.set_sync_state(node, &state)
        })?;
        self.announce_node(EventKind::Problem, node);
        Ok(())
    }

    /// A step of `node` succeeded: what was held against it is forgotten; what its user said about it stays.
    pub(super) fn step_succeeded(&self, node: NodeId) -> Result<()> {
        self.state().restless.remove(&node);
        let known = self.catalog.read(|view| view.sync_state(node))?;
        let clean = SyncState { held: known.held, priority: known.priority, ..SyncState::default() };
        if known != clean {
            self.catalog.write(|txn| txn.set_sync_state(node, &clean))?;
        }
        Ok(())
    }

    /// The provider cannot be worked with: nothing is lost, everything waits for a probe that succeeds.
    pub(super) fn lost(&self, why: ErrorKind, message: String) {
        let now = self.clock.monotonic();
        let mut state = self.state();
        let attempts = match &state.reach {
            Reach::Lost(lost) => lost.attempts + 1,
            Reach::Online => 1,
        };
        // Where a person has to do something: look now and then whether it was done.
        let is_up_to_user = why == ErrorKind::AuthRequired;
        let pause = if is_up_to_user { Duration::from_secs(60) } else { self.backoff.before_probe(attempts) };
        if attempts == 1 {
            tracing::info!(?why, message, "the provider cannot be worked with");
        }
        state.reach = Reach::Lost(Lost { why, message, attempts, next_probe: now + pause });
        state.has_pulled = false;
        drop(state);
        self.events.send(EventKind::Status, None);
    }

    /// The provider answers again: pull first, then drain.
    pub(super) fn found_again(&self) {
        let mut state = self.state();
        if state.reach == Reach::Online {
            return;
        }
        state.reach = Reach::Online;
        state.want_pull(Why::Hint);
        state.pull_not_before = None;
        state.replan = true;
        drop(state);
        tracing::info!("the provider can be worked with again");
        self.events.send(EventKind::Status, None);
    }

    /// A pull failed.
    pub(super) fn pull_failed(&self, error: &SyncError) {
        if let Class::Vault(kind) = class(error) {
            self.lost(kind, chain(error));
            return;
        }
        let mut state = self.state();
        state.pull_attempts = state.pull_attempts.saturating_add(1);
        let pause = self.backoff.after_failure(state.pull_attempts, wish(error));
        state.pull_not_before = Some(self.clock.monotonic() + pause);
        state.problem = Some(chain(error));
        drop(state);
        tracing::warn!(error = chain(error), "changes could not be pulled");
        self.events.send(EventKind::Status, None);
    }
}
