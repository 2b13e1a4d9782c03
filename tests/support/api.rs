//! The control API, asked directly: a program started for each question would cost more than the answer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::Device;

/// How long a vault of a million nodes may take to come to rest before the test fails.
const REST_LIMIT: Duration = Duration::from_secs(3600);

/// Asks the daemon of a device; returns the body of the answer.
pub(crate) fn get(device: &Device, address: &str) -> String {
    let mut socket = UnixStream::connect(device.path("run").join("vaultfs/control.sock")).unwrap();
    write!(socket, "GET /api/v1/{address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    body.to_owned()
}

/// True if nothing is left to sync, on either side.
pub(crate) fn is_idle(device: &Device) -> bool {
    let status: serde_json::Value = serde_json::from_str(&get(device, "status")).unwrap();
    assert_ne!(status["state"], "error", "{status}");
    status["state"] == "idle"
}

/// Waits until nothing is left to sync.
pub(crate) fn wait_idle(device: &Device) {
    let started = Instant::now();
    while !is_idle(device) {
        assert!(started.elapsed() < REST_LIMIT, "not idle: {}", get(device, "status"));
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// What the daemon has counted since its start, by the names of `docs/METRICS.md`.
pub(crate) struct Counts(BTreeMap<String, u64>);

impl Counts {
    /// Now.
    pub(crate) fn of(device: &Device) -> Self {
        let metrics = get(device, "metrics");
        let counters = metrics.lines().filter_map(|line| line.split_once(' '));
        Self(counters.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// A counter.
    pub(crate) fn get(&self, name: &str) -> u64 {
        self.0[name]
    }

    /// How much a counter has grown since `before`.
    pub(crate) fn since(&self, before: &Self, name: &str) -> u64 {
        self.get(name) - before.get(name)
    }
}
