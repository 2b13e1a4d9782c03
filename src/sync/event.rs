//! What the engine tells the world while it works. Events are hints for people and clients; nothing depends on one arriving.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::broadcast;

/// How many events a slow listener may be behind before it misses some.
const CAPACITY: usize = 1024;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The vault's state or counts changed.
    Status,
    /// Local content or a local place reached the provider.
    Uploaded,
    /// A remote change arrived in the mount.
    Applied,
    /// Two versions clashed; both are kept.
    Conflict,
    /// A step failed; it is in the queue with its reason.
    Problem,
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Event {
    /// Counts up per vault since start; a gap means that events were missed.
    pub seq: u64,
    /// What happened.
    pub kind: EventKind,
    /// Path in the vault, if it was about one.
    pub path: Option<String>,
}

/// Sends events to whoever listens.
pub(crate) struct Events {
    seq: AtomicU64,
    sender: broadcast::Sender<Event>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { seq: AtomicU64::new(0), sender: broadcast::channel(CAPACITY).0 }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.sender.subscribe()
    }

    pub(crate) fn send(&self, kind: EventKind, path: Option<String>) {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        // Failure means only that nobody listens.
        drop(self.sender.send(Event { seq, kind, path }));
    }
}
