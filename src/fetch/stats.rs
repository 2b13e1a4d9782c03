//! Counters of one fetcher, for `status` and metrics. Monotonic except the gauges that are read from the in-flight table.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::catalog::Version;

/// What a fetcher has done and is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FetchStats {
    /// Bytes that the provider sent and that were stored.
    pub fetched_bytes: u64,
    /// Bytes that the provider sent and that were thrown away: wrong length, wrong hash.
    pub rejected_bytes: u64,
    /// Provider reads that were started.
    pub calls: u64,
    /// Provider reads that failed, each attempt counted.
    pub failed_calls: u64,
    /// Requests whose blocks were here already.
    pub hits: u64,
    /// Requests that had to wait for the provider.
    pub misses: u64,
    /// Requests of which at least one block was on its way already.
    pub joined: u64,
    /// Requests that ended without bytes in time.
    pub timed_out: u64,
    /// Provider reads that run now.
    pub running: usize,
    /// Provider reads that wait for a slot.
    pub queued: usize,
    /// Requests that wait.
    pub waiting: usize,
}

/// How far a version is that bytes are being fetched of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FetchProgress {
    /// Which version.
    pub version: Version,
    /// Bytes that are here.
    pub present_bytes: u64,
    /// Bytes that are on their way.
    pub in_flight_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) fetched_bytes: Counter,
    pub(super) rejected_bytes: Counter,
    pub(super) calls: Counter,
    pub(super) failed_calls: Counter,
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) joined: Counter,
    pub(super) timed_out: Counter,
}

#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    /// The counters; the gauges stay 0.
    pub(super) fn snapshot(&self) -> FetchStats {
        FetchStats {
            fetched_bytes: self.fetched_bytes.get(),
            rejected_bytes: self.rejected_bytes.get(),
            calls: self.calls.get(),
            failed_calls: self.failed_calls.get(),
            hits: self.hits.get(),
            misses: self.misses.get(),
            joined: self.joined.get(),
            timed_out: self.timed_out.get(),
            ..FetchStats::default()
        }
    }
}
