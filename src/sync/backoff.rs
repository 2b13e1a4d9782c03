//! How long to wait after a failure: full jitter between nothing and an exponentially growing bound. Randomness is injected,
//! so that a simulation replays.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// First bound of a node's back-off.
const FIRST: Duration = Duration::from_millis(500);
/// Largest bound of a node's back-off.
const LARGEST: Duration = Duration::from_secs(300);
/// Largest pause between two probes of an unreachable provider.
const LARGEST_PROBE: Duration = Duration::from_secs(10);

/// Failures of a node that no retry will cure before it is parked.
pub(crate) const PARK_AFTER: u32 = 8;
/// Kind of the problem of a parked node.
pub(crate) const PARKED_KIND: &str = "parked";
/// A parked node is tried again after this long, after an edit, or when the user asks.
pub(crate) const PARKED: Duration = Duration::from_secs(24 * 3600);

/// Source of pauses.
pub(crate) struct Backoff {
    random: Mutex<StdRng>,
}

impl Backoff {
    /// Equal seeds give equal pauses.
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Mutex::new(StdRng::seed_from_u64(seed)) }
    }

    /// Pause after the `attempt`th failure (from 1) of a node; the provider's own wish replaces ours.
    pub(crate) fn after_failure(&self, attempt: u32, wish: Option<Duration>) -> Duration {
        match wish {
            Some(wish) => wish,
            None => self.jitter(bound(FIRST, LARGEST, attempt)),
        }
    }

    /// Pause before the next probe of a provider that cannot be reached.
    pub(crate) fn before_probe(&self, attempt: u32) -> Duration {
        self.jitter(bound(FIRST, LARGEST_PROBE, attempt))
    }

    /// About this long, up to a twentieth more or less, so that vaults and devices do not all ask at one moment.
    pub(crate) fn around(&self, every: Duration) -> Duration {
        let share: f64 = self.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0.95..1.05);
        every.mul_f64(share)
    }

    /// Never zero, so that no failure can spin.
    fn jitter(&self, bound: Duration) -> Duration {
        let share: f64 = self.random.lock().unwrap_or_else(PoisonError::into_inner).random_range(0.1..1.0);
        bound.mul_f64(share)
    }
}

fn bound(first: Duration, largest: Duration, attempt: u32) -> Duration {
    first.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_obey_the_provider() {
        let backoff = Backoff::new(1);
        for attempt in 1..40 {
            let pause = backoff.after_failure(attempt, None);
            assert!(!pause.is_zero() && pause <= LARGEST, "{attempt}: {pause:?}");
            assert!(backoff.before_probe(attempt) <= LARGEST_PROBE);
        }
        assert!(backoff.after_failure(1, None) <= FIRST);
        assert_eq!(backoff.after_failure(1, Some(Duration::from_secs(77))), Duration::from_secs(77));
    }
}
