//! Counters of one fetcher, for `status` and metrics. Monotonic except the gauges that are read from the in-flight table.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::catalog::Version;
use crate::telemetry::metrics;

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

/// Counts for `status` here and for the metrics of the process.
#[derive(Debug, Default)]
pub(super) struct Counters {
    fetched_bytes: AtomicU64,
    rejected_bytes: AtomicU64,
    calls: AtomicU64,
    failed_calls: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    joined: AtomicU64,
    timed_out: AtomicU64,
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub(super) fn call(&self) {
        add(&self.calls, 1);
        metrics().fetch_calls.add(1);
    }

    pub(super) fn call_failed(&self) {
        add(&self.failed_calls, 1);
        metrics().fetch_failures.add(1);
    }

    pub(super) fn fetched(&self, bytes: u64) {
        add(&self.fetched_bytes, bytes);
        metrics().fetched.add(bytes);
    }

    pub(super) fn rejected(&self, bytes: u64) {
        add(&self.rejected_bytes, bytes);
        metrics().fetch_rejected.add(bytes);
    }

    pub(super) fn hit(&self) {
        add(&self.hits, 1);
    }

    pub(super) fn miss(&self, joined: bool) {
        add(&self.misses, 1);
        add(&self.joined, u64::from(joined));
        metrics().fetch_misses.add(1);
    }

    pub(super) fn timed_out(&self) {
        add(&self.timed_out, 1);
        metrics().fetch_timeouts.add(1);
    }

    /// The counters; the gauges stay 0.
    pub(super) fn snapshot(&self) -> FetchStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FetchStats {
            fetched_bytes: get(&self.fetched_bytes),
            rejected_bytes: get(&self.rejected_bytes),
            calls: get(&self.calls),
            failed_calls: get(&self.failed_calls),
            hits: get(&self.hits),
            misses: get(&self.misses),
            joined: get(&self.joined),
            timed_out: get(&self.timed_out),
            ..FetchStats::default()
        }
    }
}
