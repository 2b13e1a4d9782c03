//! The table of metrics: name, kind, meaning. One declaration makes the field, the row of [`DEFINITIONS`], the Prometheus text and
//! (by a test) `docs/METRICS.md`.
//!
//! Names end in their unit (`_bytes`, `_seconds`) and, for counters, in `_total`. Values are of this process, all vaults together,
//! without labels: nothing in them names a file.

use std::fmt::Write;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the histogram buckets, in microseconds, with their text in seconds.
const BUCKETS: [(u64, &str); 10] = [
    (100, "0.0001"),
    (1_000, "0.001"),
    (5_000, "0.005"),
    (20_000, "0.02"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (5_000_000, "5"),
    (30_000_000, "30"),
];

/// What kind of number a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl Kind {
    /// As Prometheus names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Definition {
    /// Name with its unit.
    pub name: &'static str,
    /// Kind of number.
    pub kind: Kind,
    /// What it counts.
    pub meaning: &'static str,
}

/// Only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// Goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Sets.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

/// Durations in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = BUCKETS.iter().position(|(bound, _)| micros <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

trait Render {
    fn render(&self, name: &str, into: &mut String);
}

// Writing to a String cannot fail.
macro_rules! line {
    ($into:expr, $($text:tt)*) => {
        let _infallible = writeln!($into, $($text)*);
    };
}

impl Render for Counter {
    fn render(&self, name: &str, into: &mut String) {
        line!(into, "{name} {}", self.0.load(Ordering::Relaxed));
    }
}

impl Render for Gauge {
    fn render(&self, name: &str, into: &mut String) {
        line!(into, "{name} {}", self.0.load(Ordering::Relaxed));
    }
}

impl Render for Histogram {
    fn render(&self, name: &str, into: &mut String) {
        // The count is read first: buckets that grow meanwhile must not exceed it.
        let count = self.count.load(Ordering::Relaxed);
        let mut below = 0;
        for (bucket, (_, bound)) in self.buckets.iter().zip(BUCKETS) {
            below = (below + bucket.load(Ordering::Relaxed)).min(count);
            line!(into, "{name}_bucket{{le=\"{bound}\"}} {below}");
        }
        line!(into, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let micros = self.sum_micros.load(Ordering::Relaxed);
        line!(into, "{name}_sum {}.{:06}", micros / 1_000_000, micros % 1_000_000);
        line!(into, "{name}_count {count}");
    }
}

macro_rules! metrics {
    ($($kind:ident $field:ident = $name:literal: $meaning:literal;)*) => {
        /// Every metric of the process.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $meaning] pub $field: $kind,)*
        }

        /// The table.
        pub const DEFINITIONS: &[Definition] =
            &[$(Definition { name: $name, kind: Kind::$kind, meaning: $meaning },)*];

        impl Metrics {
            /// Every metric in the Prometheus text format.
            pub fn render(&self) -> String {
                let mut text = String::new();
                $(
                    line!(text, "# HELP {} {}", $name, $meaning);
                    line!(text, "# TYPE {} {}", $name, Kind::$kind.as_str());
                    self.$field.render($name, &mut text);
                )*
                text
            }
        }
    };
}

metrics! {
    Counter fetched = "vaultfs_fetch_bytes_total": "Bytes that providers sent and that were kept.";
    Counter fetch_rejected = "vaultfs_fetch_rejected_bytes_total": "Bytes that providers sent and that were wrong: thrown away.";
    Counter fetch_calls = "vaultfs_fetch_calls_total": "Ranged reads that providers were asked for, repeated ones too.";
    Counter fetch_failures = "vaultfs_fetch_failures_total": "Ranged reads that failed.";
    Counter fetch_misses = "vaultfs_fetch_misses_total": "Requests for bytes that were not on this machine.";
    Counter fetch_timeouts = "vaultfs_fetch_timeouts_total": "Requests that ended without bytes because none arrived in time.";
    Histogram fetch_wait = "vaultfs_fetch_wait_seconds": "How long requests waited for bytes.";
    Histogram fetch_call = "vaultfs_fetch_call_seconds": "How long ranged reads took that succeeded.";
    Counter uploaded = "vaultfs_upload_bytes_total": "Bytes that were sent to providers.";
    Counter uploads = "vaultfs_uploads_total": "File versions that providers committed.";
    Counter upload_failures = "vaultfs_upload_failures_total": "Uploads that failed, each attempt counted.";
    Histogram upload_time = "vaultfs_upload_seconds": "How long uploads took that succeeded.";
    Counter pulls = "vaultfs_pulls_total": "Times that providers were asked for changes.";
    Counter remote_changes = "vaultfs_remote_changes_total": "Changes that providers reported.";
    Counter conflicts = "vaultfs_conflicts_total": "Conflicts that were found.";
    Counter operations = "vaultfs_operations_total": "Requests that mounts answered.";
    Counter operation_errors = "vaultfs_operation_errors_total": "Requests that mounts answered with an unexpected error.";
    Histogram operation_time = "vaultfs_operation_seconds": "How long mounts took to answer.";
    Counter read = "vaultfs_read_bytes_total": "Bytes that programs read through the daemon.";
    Counter written = "vaultfs_written_bytes_total": "Bytes that programs wrote through the daemon.";
    Counter lent = "vaultfs_lent_files_total": "Files that the kernel was given to read and write by itself.";
    Gauge fetches_running = "vaultfs_fetches_running": "Ranged reads that run now.";
    Gauge fetches_queued = "vaultfs_fetches_queued": "Ranged reads that wait for their turn.";
    Gauge queue_steps = "vaultfs_queue_steps": "Steps that are left to sync, all vaults together.";
    Gauge queue_bytes = "vaultfs_queue_bytes": "Bytes that are left to upload.";
    Gauge cache_bytes = "vaultfs_cache_bytes": "Bytes of providers that are kept on this machine.";
    Gauge staging_bytes = "vaultfs_staging_bytes": "Bytes that providers do not have yet.";
    Gauge mounted_vaults = "vaultfs_mounted_vaults": "Vaults that are mounted.";
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::default);
    &METRICS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_end_in_their_unit() {
        let mut seen = std::collections::BTreeSet::new();
        for Definition { name, kind, meaning } in DEFINITIONS {
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("vaultfs_") && meaning.ends_with('.') && !meaning.contains('\n'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(name.ends_with("_seconds"), *kind == Kind::Histogram, "{name}");
        }
    }

    #[test]
    fn the_text_has_every_metric_and_cumulative_buckets() {
        let metrics = Metrics::default();
        metrics.fetched.add(7);
        metrics.fetched.add(5);
        metrics.queue_steps.set(3);
        for millis in [1, 40, 40, 70_000] {
            metrics.fetch_wait.observe(Duration::from_millis(millis));
        }
        let text = metrics.render();
        for line in [
            "# TYPE vaultfs_fetch_bytes_total counter",
            "vaultfs_fetch_bytes_total 12",
            "vaultfs_queue_steps 3",
            "vaultfs_fetch_wait_seconds_bucket{le=\"0.0001\"} 0",
            "vaultfs_fetch_wait_seconds_bucket{le=\"0.001\"} 1",
            "vaultfs_fetch_wait_seconds_bucket{le=\"0.05\"} 3",
            "vaultfs_fetch_wait_seconds_bucket{le=\"30\"} 3",
            "vaultfs_fetch_wait_seconds_bucket{le=\"+Inf\"} 4",
            "vaultfs_fetch_wait_seconds_sum 70.081000",
            "vaultfs_fetch_wait_seconds_count 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(DEFINITIONS.iter().any(|definition| name.starts_with(definition.name)), "{line}");
        }
    }

    #[test]
    fn the_documentation_is_the_table() {
        let mut expected = String::from(
            "# Metrics\n\nServed by the daemon at `/api/v1/metrics` in the Prometheus text format; see `src/telemetry/metrics.rs`. \
             All vaults together, since the\ndaemon started. Nothing here names a file, and nothing is sent anywhere.\n\n\
             | name | kind | meaning |\n|---|---|---|\n",
        );
        for Definition { name, kind, meaning } in DEFINITIONS {
            line!(expected, "| `{name}` | {} | {meaning} |", kind.as_str());
        }
        let found =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/METRICS.md")).unwrap_or_default();
        assert!(found == expected, "docs/METRICS.md must read:\n{expected}");
    }
}
