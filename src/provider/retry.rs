//! Trying again, and not asking too much: full jitter between nothing and a bound that doubles, the server's own wish before ours, and one
//! pace for all calls of an account.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rand::RngExt as _;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use tokio::time::Instant;

/// First bound of the pause between two attempts of one call.
const FIRST: Duration = Duration::from_millis(250);
/// Largest bound.
const LARGEST: Duration = Duration::from_secs(8);
/// No server is obeyed for longer than this at a time.
const LONGEST_WISH: Duration = Duration::from_secs(3600);

/// The attempts of one call.
pub(super) struct Attempts {
    left: u32,
    bound: Duration,
    end: Instant,
}

impl Attempts {
    /// At most `count` in all, the last of which starts before `end`.
    pub(super) fn new(count: u32, end: Instant) -> Self {
        Self { left: count, bound: FIRST, end }
    }

    /// How long to wait before the next attempt; `None` if there is none. `wish` is the server's own.
    pub(super) fn pause(&mut self, wish: Option<Duration>) -> Option<Duration> {
        self.left = self.left.saturating_sub(1);
        let pause = wish.unwrap_or_else(|| self.bound.mul_f64(rand::rng().random_range(0.05..1.0)));
        self.bound = (self.bound * 2).min(LARGEST);
        (self.left > 0 && Instant::now() + pause < self.end).then_some(pause)
    }
}

/// How long the server asks to wait: `Retry-After` in seconds or as a date. The date is compared with the answer's own `Date`, not with
/// the clock of this machine, which may be wrong by years.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wish = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp().as_second());
            let until = date(text)?;
            let now = date(headers.get(DATE)?.to_str().ok()?)?;
            Duration::from_secs(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
        }
    };
    Some(wish.min(LONGEST_WISH))
}

/// Calls a second while nobody complains.
const FREE_RATE: f64 = 50.0;
/// Calls that may be made at once after a rest.
const BURST: f64 = 100.0;
/// Calls a second right after a complaint, and the least that further complaints lead to.
const LIMITED_RATE: f64 = 8.0;
const LEAST_RATE: f64 = 0.5;
/// What each call that succeeds adds to the rate.
const RECOVERY: f64 = 0.2;

/// The pace of one account: a token bucket whose rate drops when the server complains and recovers with success, and a gate that is shut
/// for as long as the server asks. Requests made while limited count too, so that nobody passes a shut gate.
pub(super) struct Pace {
    state: Mutex<PaceState>,
}

struct PaceState {
    tokens: f64,
    filled: Instant,
    rate: f64,
    shut_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        let state = PaceState { tokens: BURST, filled: Instant::now(), rate: FREE_RATE, shut_until: None };
        Self { state: Mutex::new(state) }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, PaceState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn. `Err`: the gate is shut for this long, which is beyond `end`.
    pub(super) async fn turn(&self, end: Instant) -> Result<(), Duration> {
        self.when(end, PaceState::take).await
    }

    /// Waits until the gate is open, for a call that is no question of pace: one that waits by its nature.
    pub(super) async fn gate(&self, end: Instant) -> Result<(), Duration> {
        self.when(end, |_, _| None).await
    }

    async fn when(
        &self,
        end: Instant,
        take: impl Fn(&mut PaceState, Instant) -> Option<Duration>,
    ) -> Result<(), Duration> {
        loop {
            let ready = {
                let mut state = self.state();
                let now = Instant::now();
                match state.shut_until {
                    Some(open) if open > now => open,
                    Some(_) | None => {
                        state.shut_until = None;
                        match take(&mut state, now) {
                            None => return Ok(()),
                            Some(wait) => now + wait,
                        }
                    }
                }
            };
            if ready >= end {
                return Err(ready - Instant::now());
            }
            tokio::time::sleep_until(ready).await;
        }
    }

    /// The server complains, and perhaps says for how long it wants to be left alone.
    pub(super) fn complained(&self, wish: Option<Duration>) {
        let mut state = self.state();
        let now = Instant::now();
        // Calls in flight at the time of one complaint bring several: they count once.
        if state.shut_until.is_none_or(|open| open <= now) {
            state.rate = if state.rate > LIMITED_RATE { LIMITED_RATE } else { (state.rate / 2.0).max(LEAST_RATE) };
            state.tokens = state.tokens.min(1.0);
        }
        let open = now + wish.unwrap_or(Duration::from_secs(1));
        state.shut_until = Some(state.shut_until.map_or(open, |known| known.max(open)));
    }

    /// A call succeeded.
    pub(super) fn succeeded(&self) {
        let mut state = self.state();
        state.rate = (state.rate + RECOVERY).min(FREE_RATE);
    }
}

impl PaceState {
    /// Takes a token; how long to wait for one if there is none.
    fn take(&mut self, now: Instant) -> Option<Duration> {
        let burst = BURST.min(self.rate * 2.0).max(1.0);
        self.tokens = (self.tokens + (now - self.filled).as_secs_f64() * self.rate).min(burst);
        self.filled = now;
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        Some(Duration::from_secs_f64((1.0 - self.tokens) / self.rate) + Duration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn wishes_are_seconds_or_dates_by_the_servers_own_clock() {
        assert_eq!(retry_after(&headers(&[("retry-after", "300")])), Some(Duration::from_secs(300)));
        let date = [("date", "Fri, 21 Oct 2016 07:28:00 GMT"), ("retry-after", "Fri, 21 Oct 2016 07:28:42 GMT")];
        assert_eq!(retry_after(&headers(&date)), Some(Duration::from_secs(42)));
        assert_eq!(retry_after(&headers(&[("retry-after", "99999999999")])), Some(LONGEST_WISH));
        for nonsense in ["soon", "-1", ""] {
            assert_eq!(retry_after(&headers(&[("retry-after", nonsense)])), None, "{nonsense}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_bound_and_end() {
        let mut attempts = Attempts::new(20, Instant::now() + Duration::from_secs(100));
        let pauses: Vec<Duration> = std::iter::from_fn(|| attempts.pause(None)).collect();
        assert_eq!(pauses.len(), 19);
        assert!(pauses.iter().all(|pause| *pause <= LARGEST && !pause.is_zero()), "{pauses:?}");
        assert!(pauses[0] <= FIRST);
        let mut attempts = Attempts::new(20, Instant::now() + Duration::from_secs(100));
        assert_eq!(attempts.pause(Some(Duration::from_secs(7))), Some(Duration::from_secs(7)));
        assert_eq!(attempts.pause(Some(Duration::from_secs(101))), None, "beyond the end of the call");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_passes_a_shut_gate() {
        let pace = Pace::new();
        pace.complained(Some(Duration::from_secs(300)));
        let started = Instant::now();
        let shut = pace.gate(started + Duration::from_secs(30)).await.unwrap_err();
        assert!(shut > Duration::from_secs(299) && started.elapsed() < Duration::from_secs(1));
        let shut = pace.turn(started + Duration::from_secs(30)).await.unwrap_err();
        assert!(shut > Duration::from_secs(299) && started.elapsed() < Duration::from_secs(1));
        pace.turn(started + Duration::from_secs(400)).await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_complaint_slows_everybody_down_and_success_speeds_up_again() {
        let pace = Pace::new();
        let far = Instant::now() + Duration::from_secs(100_000);
        let timed = async |count: usize| {
            let started = Instant::now();
            for _ in 0..count {
                pace.turn(far).await.unwrap();
            }
            started.elapsed()
        };
        assert!(timed(100).await < Duration::from_secs(1), "a burst is free");
        pace.complained(None);
        let slow = timed(100).await;
        assert!(slow > Duration::from_secs(9), "more than ten calls a second: {slow:?}");
        (0..1000).for_each(|_| pace.succeeded());
        assert!(timed(100).await < Duration::from_secs(3));
    }
}
