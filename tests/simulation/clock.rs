//! A device's clocks on virtual time: the monotonic one is tokio's, the wall clock is as wrong as the device's owner likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use vaultfs::types::{Clock, Timestamp};

/// Clocks of one device.
#[derive(Clone, Debug)]
pub(crate) struct SimClock {
    started: tokio::time::Instant,
    base: Instant,
    wall: i64,
    /// How long the machine has slept.
    slept: Arc<AtomicI64>,
}

/// 2026-03-01T10:00:00Z.
const EPOCH_NANOS: i64 = 1_772_359_200_000_000_000;

impl SimClock {
    /// Wrong by `skew_seconds`.
    pub(crate) fn new(skew_seconds: i64) -> Self {
        let wall = EPOCH_NANOS + skew_seconds * 1_000_000_000;
        Self { started: tokio::time::Instant::now(), base: Instant::now(), wall, slept: Arc::default() }
    }

    /// The machine sleeps, and the monotonic clock stands still meanwhile.
    pub(crate) fn sleep(&self, seconds: i64) {
        self.slept.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed);
    }

    fn elapsed(&self) -> Duration {
        tokio::time::Instant::now().saturating_duration_since(self.started)
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_system(
            Timestamp(self.wall + self.slept.load(Ordering::Relaxed))
                .to_system()
                .checked_add(self.elapsed())
                .unwrap_or(SystemTime::UNIX_EPOCH),
        )
    }

    fn monotonic(&self) -> Instant {
        self.base + self.elapsed()
    }
}
