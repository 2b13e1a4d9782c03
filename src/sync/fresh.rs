//! What this engine knows better than an old page of the change feed could: ids that it changed or looked at a short while ago.
//! An observation that contradicts such knowledge is checked with the provider before it is believed.
//!
//! It is kept in the catalog as well, written with what it is about: a page that was late before a crash is late after it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::types::RemoteId;

/// How long a change feed may lag behind.
pub(crate) const LAG: Duration = Duration::from_secs(600);

/// The ids and when each was known for certain.
#[derive(Default)]
pub(crate) struct Fresh {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: BTreeMap<RemoteId, Instant>,
    is_loaded: bool,
    pruned: Option<Instant>,
}

impl Fresh {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True until what an earlier process has known was handed over.
    pub(crate) fn wants_past(&self) -> bool {
        !self.state().is_loaded
    }

    /// What an earlier process has known counts from now: nobody can say how long it was dead.
    pub(crate) fn load(&self, known: Vec<RemoteId>, now: Instant) {
        let mut state = self.state();
        state.is_loaded = true;
        for rid in known {
            state.seen.entry(rid).or_insert(now);
        }
    }

    /// `rid` is known for certain at `now`.
    pub(crate) fn mark(&self, rid: &RemoteId, now: Instant) {
        self.state().seen.insert(rid.clone(), now);
    }

    /// True if `rid` was known for certain so shortly ago that a feed page could be older.
    pub(crate) fn is_fresh(&self, rid: &RemoteId, now: Instant) -> bool {
        self.state().seen.get(rid).is_some_and(|at| now.saturating_duration_since(*at) < LAG)
    }

    /// Forgets what is old, now and then. True if the catalog should, too.
    pub(crate) fn prune(&self, now: Instant) -> bool {
        let mut state = self.state();
        if state.pruned.is_some_and(|pruned| now.saturating_duration_since(pruned) < LAG) {
            return false;
        }
        state.pruned = Some(now);
        state.seen.retain(|_, at| now.saturating_duration_since(*at) < LAG);
        true
    }
}
