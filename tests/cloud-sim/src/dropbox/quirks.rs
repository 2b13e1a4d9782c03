//! How this service behaves where the real one varies, and how patient it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::model::NsId;
use super::routes::Effect;
use super::wire::Refusal;
use crate::clock::Clock;

/// Write contention in one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Contention {
    /// How long a commit holds its namespace.
    pub hold: Duration,
    /// How long another waits for it before it is refused.
    pub patience: Duration,
}

/// At most so many requests of an account within a time.
#[derive(Clone, Copy, Debug)]
pub struct RateLimit {
    /// How many.
    pub requests: u32,
    /// Within so many seconds of the service's clock.
    pub seconds: u32,
}

#[derive(Debug)]
pub(crate) struct Quirks {
    pub(crate) contention: Option<Contention>,
    pub(crate) rate_limit: Option<RateLimit>,
    /// The longest that a long poll waits beyond its timeout.
    pub(crate) longpoll_jitter: u64,
    /// Seconds that a long poll tells its caller to stay away.
    pub(crate) longpoll_backoff: Option<u64>,
    /// Entries of a page when the caller names no limit.
    pub(crate) page: u64,
    /// How often a job says that it is in progress.
    pub(crate) job_polls: u32,
    /// How far the `Date` header is off.
    pub(crate) date_off: SignedDuration,
    locks: HashMap<NsId, Arc<Mutex<()>>>,
    windows: HashMap<Arc<str>, (i64, u32)>,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            contention: None,
            rate_limit: None,
            longpoll_jitter: 90,
            longpoll_backoff: None,
            page: 500,
            job_polls: 1,
            date_off: SignedDuration::ZERO,
            locks: HashMap::new(),
            windows: HashMap::new(),
        }
    }
}

/// The lock of a namespace, to be taken.
pub(crate) struct Lock(Option<(Arc<Mutex<()>>, Contention)>);

/// The lock of a namespace, held.
pub(crate) struct Held(#[expect(dead_code, reason = "held, not read")] Option<OwnedMutexGuard<()>>);

impl Lock {
    pub(crate) async fn take(self) -> Result<Held, Refusal> {
        let Some((lock, contention)) = self.0 else { return Ok(Held(None)) };
        let Ok(held) = tokio::time::timeout(contention.patience, lock.lock_owned()).await else {
            return Err(Refusal::Limited { reason: "too_many_write_operations", retry_after: Some(1), text: false });
        };
        tokio::time::sleep(contention.hold).await;
        Ok(Held(Some(held)))
    }
}

impl Quirks {
    pub(crate) fn lock_of(&mut self, effect: Effect, ns: NsId) -> Lock {
        match (effect, self.contention) {
            (Effect::Commits, Some(contention)) => Lock(Some((self.locks.entry(ns).or_default().clone(), contention))),
            (Effect::Commits | Effect::Reads, _) => Lock(None),
        }
    }

    /// Counts a request, or refuses it; refused ones count too.
    pub(crate) fn rate_limit(&mut self, account: &Arc<str>, clock: &Clock) -> Result<(), Refusal> {
        let Some(limit) = self.rate_limit else { return Ok(()) };
        let now = clock.seconds();
        let (start, count) = self.windows.entry(account.clone()).or_insert((now, 0));
        let length = i64::from(limit.seconds);
        if now >= *start + length {
            (*start, *count) = (now, 0);
        }
        *count += 1;
        if *count > limit.requests {
            let wait = u64::try_from(*start + length - now).unwrap_or(1);
            return Err(Refusal::Limited { reason: "too_many_requests", retry_after: Some(wait), text: false });
        }
        Ok(())
    }

    /// The `Date` header.
    pub(crate) fn date(&self, clock: &Clock) -> String {
        let date = clock.now().saturating_add(self.date_off).unwrap_or_else(|_| clock.now());
        date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }
}
