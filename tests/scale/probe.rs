//! What a daemon uses: processor time and memory, from the kernel's own books.

use std::fs;
use std::time::{Duration, Instant};

use crate::figure;
use crate::support::Device;

/// Ticks of the processor times in `/proc`: a hundred a second on every architecture.
const TICKS_PER_SECOND: u64 = 100;

/// A running daemon under observation.
pub(crate) struct Daemon {
    pid: u32,
}

/// A part of a run under observation.
pub(crate) struct Span<'a> {
    daemon: &'a Daemon,
    started: Instant,
    processor: Duration,
}

impl Daemon {
    /// The daemon of a device.
    pub(crate) fn of(device: &Device) -> Self {
        Self { pid: device.daemon_pid() }
    }

    /// Starts a part: the peak of memory is that of the part alone.
    pub(crate) fn span(&self) -> Span<'_> {
        // 5: forget the peak.
        fs::write(format!("/proc/{}/clear_refs", self.pid), "5").unwrap();
        Span { daemon: self, started: Instant::now(), processor: self.processor() }
    }

    /// Processor time since its start.
    fn processor(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        // The name before the last bracket may hold anything; user and system time are the 14th and 15th field.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Bytes of memory that are resident now, or were at the peak.
    fn memory(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Resident now.
    pub(crate) fn resident(&self) -> u64 {
        self.memory("VmRSS")
    }
}

impl Span<'_> {
    /// Prints time, processor time and memory of the part; returns the peak of memory in bytes.
    pub(crate) fn end(self, what: &str) -> u64 {
        let (took, processor) = (self.started.elapsed(), self.daemon.processor() - self.processor);
        let (now, peak) = (self.daemon.resident(), self.daemon.memory("VmHWM"));
        figure(
            what,
            format!(
                "{:>9.3} s, daemon {:>8.2} s CPU, {:>4} MiB, peak {:>4} MiB",
                took.as_secs_f64(),
                processor.as_secs_f64(),
                now >> 20,
                peak >> 20
            ),
        );
        peak
    }
}

/// Times of many equal operations.
#[derive(Default)]
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Runs and times one.
    pub(crate) fn time<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = work();
        self.0.push(started.elapsed());
        result
    }

    /// Prints the median, the 95th percentile and the longest.
    pub(crate) fn print(mut self, what: &str) {
        self.0.sort_unstable();
        let at = |share: usize| self.0.get((self.0.len() * share / 100).min(self.0.len().saturating_sub(1)));
        let shown = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
        figure(
            what,
            format!(
                "median {:.3} ms, p95 {:.3} ms, longest {:.3} ms ({} times)",
                shown(at(50)),
                shown(at(95)),
                shown(self.0.last()),
                self.0.len()
            ),
        );
    }
}
