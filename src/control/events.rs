//! The event stream: numbered events, the last of which are kept for clients that come back.
//!
//! Owner of: the counter and a ring of recent events. Publishing never blocks; a reader that is too slow sees a gap in
//! the numbers, never a stalled daemon.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;

use super::protocol::Event;
use crate::types::Clock;

/// Events kept for readers that come back.
const KEPT_EVENTS: usize = 512;

/// Where events are published and read.
pub struct EventBus {
    clock: Arc<dyn Clock>,
    recent: Mutex<Recent>,
    /// `None` once the daemon ends.
    live: Mutex<Option<broadcast::Sender<Event>>>,
}

#[derive(Default)]
struct Recent {
    last: u64,
    events: VecDeque<Event>,
}

impl EventBus {
    /// An empty bus.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, recent: Mutex::default(), live: Mutex::new(Some(broadcast::Sender::new(KEPT_EVENTS))) }
    }

    /// Tells everybody who listens.
    pub fn publish(&self, kind: &str, vault: Option<&str>, path: Option<&str>, detail: Option<String>) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.last += 1;
        let event = Event {
            seq: recent.last,
            at: self.clock.now().to_rfc3339(),
            kind: kind.to_owned(),
            vault: vault.map(str::to_owned),
            path: path.map(str::to_owned),
            detail,
        };
        if recent.events.len() == KEPT_EVENTS {
            recent.events.pop_front();
        }
        recent.events.push_back(event.clone());
        // Sent under the lock, so that numbers arrive in order. No receiver is not a failure.
        if let Some(live) = &*self.live() {
            drop(live.send(event));
        }
    }

    /// Ends every subscription after what was published so far.
    pub fn close(&self) {
        self.live().take();
    }

    fn live(&self) -> MutexGuard<'_, Option<broadcast::Sender<Event>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events after number `after` (`None`: only future ones), without a gap between the kept and the live ones.
    pub fn subscribe(&self, after: Option<u64>) -> Subscription {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live().as_ref().map(broadcast::Sender::subscribe);
        let kept = match after {
            Some(after) => recent.events.iter().filter(|event| event.seq > after).cloned().collect(),
            None => VecDeque::new(),
        };
        Subscription { kept, live }
    }
}

/// A reader of events.
pub struct Subscription {
    kept: VecDeque<Event>,
    live: Option<broadcast::Receiver<Event>>,
}

impl Subscription {
    /// The next event; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.kept.pop_front() {
            return Some(event);
        }
        loop {
            match self.live.as_mut()?.recv().await {
                Ok(event) => return Some(event),
                // The gap shows in the numbers.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::SystemClock;

    #[tokio::test]
    async fn readers_get_kept_events_then_live_ones_in_order() {
        let bus = EventBus::new(Arc::new(SystemClock));
        for _ in 0..3 {
            bus.publish("state", Some("Work"), None, None);
        }
        let mut reader = bus.subscribe(Some(1));
        bus.publish("mounted", None, Some("/mnt"), None);
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.push(reader.next().await.unwrap().seq);
        }
        assert_eq!(seen, [2, 3, 4]);
    }

    #[tokio::test]
    async fn a_slow_reader_sees_a_gap_and_goes_on() {
        let bus = EventBus::new(Arc::new(SystemClock));
        let mut reader = bus.subscribe(None);
        for _ in 0..KEPT_EVENTS + 10 {
            bus.publish("progress", None, None, None);
        }
        assert_eq!(reader.next().await.unwrap().seq, 11);
    }

    #[tokio::test]
    async fn the_end_comes_after_what_was_told() {
        let bus = EventBus::new(Arc::new(SystemClock));
        let mut reader = bus.subscribe(None);
        bus.publish("unmounted", None, None, None);
        bus.close();
        assert_eq!(reader.next().await.unwrap().kind, "unmounted");
        assert_eq!(reader.next().await, None);
        assert_eq!(bus.subscribe(None).next().await, None);
    }

    #[tokio::test]
    async fn only_the_last_events_are_kept() {
        let bus = EventBus::new(Arc::new(SystemClock));
        for _ in 0..KEPT_EVENTS + 5 {
            bus.publish("progress", None, None, None);
        }
        assert_eq!(bus.subscribe(Some(0)).next().await.unwrap().seq, 6);
    }
}
