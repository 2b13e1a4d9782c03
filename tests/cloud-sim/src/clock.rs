//! The service's clock: it runs with the machine's, and a test can move it. Everything that expires does so by this clock.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A clock that runs with the machine's and can be moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct Clock {
    moved_by: Arc<watch::Sender<SignedDuration>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { moved_by: Arc::new(watch::Sender::new(SignedDuration::ZERO)) }
    }
}

impl Clock {
    /// The service's time.
    pub fn now(&self) -> Timestamp {
        Timestamp::now() + *self.moved_by.borrow()
    }

    /// Whole seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// Moves the clock forward; whoever waits for a time that has now come goes on.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        self.moved_by.send_modify(|moved| *moved = moved.saturating_add(by));
    }

    /// Waits until the service's time is `until`.
    pub(crate) async fn sleep_until(&self, until: Timestamp) {
        let mut moved = self.moved_by.subscribe();
        loop {
            let left = until.duration_since(self.now());
            let Ok(left) = Duration::try_from(left) else { return };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                changed = moved.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// `2026-11-22T01:02:03Z`, the only form of time on the wire.
pub(crate) fn wire_time(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The seconds of a wire time; `None` where it has another form.
pub(crate) fn from_wire_time(text: &str) -> Option<i64> {
    let shape = "0000-00-00T00:00:00Z";
    let same_shape = text.len() == shape.len()
        && text
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, of)| if of == b'0' { byte.is_ascii_digit() } else { byte == of });
    if same_shape { text.parse::<Timestamp>().ok().map(|time| time.as_second()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_moves_when_told() {
        let clock = Clock::default();
        let before = clock.seconds();
        clock.advance(Duration::from_secs(3600));
        assert!(clock.seconds() >= before + 3600);
        assert!(clock.clone().seconds() >= before + 3600);
    }

    #[tokio::test]
    async fn who_waits_for_a_time_goes_on_when_the_clock_is_moved_past_it() {
        let clock = Clock::default();
        let waiter = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(clock.now() + SignedDuration::from_hours(24)).await }
        });
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(86_401));
        waiter.await.unwrap();
    }

    #[test]
    fn wire_times_have_whole_seconds_and_nothing_else() {
        assert_eq!(wire_time(from_wire_time("2026-11-22T01:02:03Z").unwrap()), "2026-11-22T01:02:03Z");
        for wrong in ["2026-11-22T01:02:03.5Z", "2026-11-22T01:02:03+00:00", "2026-11-22", "2026-13-22T01:02:03Z"] {
            assert_eq!(from_wire_time(wrong), None, "{wrong}");
        }
    }
}
