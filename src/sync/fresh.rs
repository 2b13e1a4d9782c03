//! What this engine knows better than an old page of the change feed could: ids that it changed or looked at a short while ago.
//! An observation that contradicts such knowledge is checked with the provider before it is believed.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::types::RemoteId;

/// How long a change feed may lag behind.
const LAG: Duration = Duration::from_secs(600);

/// The ids and when each was known for certain.
#[derive(Default)]
pub(crate) struct Fresh {
    seen: Mutex<BTreeMap<RemoteId, Instant>>,
}

impl Fresh {
    /// `rid` is known for certain at `now`.
    pub(crate) fn mark(&self, rid: &RemoteId, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= 1024 && seen.len().is_power_of_two() {
            seen.retain(|_, at| now.saturating_duration_since(*at) < LAG);
        }
        seen.insert(rid.clone(), now);
    }

    /// True if `rid` was known for certain so shortly ago that a feed page could be older.
    pub(crate) fn is_fresh(&self, rid: &RemoteId, now: Instant) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(rid).is_some_and(|at| now.saturating_duration_since(*at) < LAG)
    }
}
