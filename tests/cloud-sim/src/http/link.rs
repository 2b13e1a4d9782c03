//! The network between the client and the service: round trip, bandwidth of each connection and of all together, and outages.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Handle on the network. Clones are the same network.
#[derive(Clone, Debug)]
pub struct Link(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    round_trip_micros: AtomicU64,
    per_connection: AtomicU64,
    down: Pacer,
    up: Pacer,
    state: watch::Sender<State>,
    /// What the server has done about it.
    listens: watch::Sender<bool>,
}

/// What the network lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything.
    Up,
    /// Nobody listens: connections are refused, open ones are closed.
    Refusing,
    /// Connections are accepted and nothing more is read or sent on any of them.
    Silent,
}

impl Default for Link {
    fn default() -> Self {
        Self(Arc::new(Inner {
            round_trip_micros: AtomicU64::new(0),
            per_connection: AtomicU64::new(0),
            down: Pacer::default(),
            up: Pacer::default(),
            state: watch::Sender::new(State::Up),
            // Its socket is bound before anybody knows where.
            listens: watch::Sender::new(true),
        }))
    }
}

impl Link {
    /// Time from a request to its answer, were the service infinitely fast.
    pub fn set_round_trip(&self, round_trip: Duration) {
        let micros = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
        self.0.round_trip_micros.store(micros, Ordering::Relaxed);
    }

    /// Bytes a second in each direction over all connections together; 0 is no limit.
    pub fn set_bandwidth(&self, bytes_per_second: u64) {
        self.0.down.rate.store(bytes_per_second, Ordering::Relaxed);
        self.0.up.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Bytes a second in each direction over any one connection; 0 is no limit.
    pub fn set_bandwidth_per_connection(&self, bytes_per_second: u64) {
        self.0.per_connection.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Refuses connections and closes the open ones, until [`Link::up`]. Returns when nobody listens any more.
    pub async fn refuse(&self) {
        self.0.state.send_replace(State::Refusing);
        self.until_listens(false).await;
    }

    /// Accepts connections and says nothing on any, until [`Link::up`]: a stalled handshake, a dead route.
    pub fn go_silent(&self) {
        self.0.state.send_replace(State::Silent);
    }

    /// Ends an outage. Returns when connections are accepted again.
    pub async fn up(&self) {
        self.0.state.send_replace(State::Up);
        self.until_listens(true).await;
    }

    async fn until_listens(&self, wanted: bool) {
        // The sender is part of this network: it cannot be gone.
        drop(self.0.listens.subscribe().wait_for(|listens| *listens == wanted).await);
    }

    pub(crate) fn set_listens(&self, listens: bool) {
        self.0.listens.send_replace(listens);
    }

    pub(crate) fn round_trip(&self) -> Duration {
        Duration::from_micros(self.0.round_trip_micros.load(Ordering::Relaxed))
    }

    pub(crate) fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    pub(crate) fn lane(&self, direction: Direction) -> Lane {
        Lane { link: self.clone(), direction, own: Pacer::default() }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    ToClient,
    FromClient,
}

/// One direction of one connection.
#[derive(Debug)]
pub(crate) struct Lane {
    link: Link,
    direction: Direction,
    own: Pacer,
}

impl Lane {
    /// How many bytes may be moved in one go, so that a slow link trickles and does not gulp.
    pub(crate) fn portion(&self) -> usize {
        let own = self.link.0.per_connection.load(Ordering::Relaxed);
        let slowest = [own, self.shared().rate.load(Ordering::Relaxed)].into_iter().filter(|rate| *rate > 0).min();
        slowest.map_or(usize::MAX, |rate| usize::try_from(rate / 200).unwrap_or(usize::MAX).clamp(512, 64 * 1024))
    }

    /// Notes that bytes were moved; when more may follow.
    pub(crate) fn moved(&self, bytes: usize) -> Option<Instant> {
        self.own.rate.store(self.link.0.per_connection.load(Ordering::Relaxed), Ordering::Relaxed);
        self.own.moved(bytes).max(self.shared().moved(bytes))
    }

    fn shared(&self) -> &Pacer {
        match self.direction {
            Direction::ToClient => &self.link.0.down,
            Direction::FromClient => &self.link.0.up,
        }
    }
}

/// Spaces bytes evenly in time.
#[derive(Debug, Default)]
struct Pacer {
    rate: AtomicU64,
    free_at: Mutex<Option<Instant>>,
}

impl Pacer {
    fn moved(&self, bytes: usize) -> Option<Instant> {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return None;
        }
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let start = free_at.map_or(now, |free| free.max(now));
        let free = start + Duration::from_secs_f64(bytes as f64 / rate as f64);
        *free_at = Some(free);
        Some(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lane_is_as_fast_as_the_slower_of_its_own_and_the_common_limit() {
        let link = Link::default();
        let (one, other) = (link.lane(Direction::ToClient), link.lane(Direction::ToClient));
        assert_eq!(one.moved(1_000_000), None);
        link.set_bandwidth(1000);
        let start = Instant::now();
        assert_eq!(one.moved(500), Some(start + Duration::from_millis(500)));
        assert_eq!(other.moved(500), Some(start + Duration::from_millis(1000)), "the link is shared");
        link.set_bandwidth(0);
        link.set_bandwidth_per_connection(100);
        assert_eq!(one.moved(50), Some(start + Duration::from_millis(500)));
        assert_eq!(other.moved(50), Some(start + Duration::from_millis(500)), "each has its own");
    }
}
