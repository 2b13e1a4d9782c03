//! Limits of bytes per second that many transfers share. A limit may change at any time: who waits looks again at least once a second.
//!
//! What is moved is owed, and the debt is paid off at the rate of the limit. A transfer takes its turn, waits until the debt of those
//! before it is paid, and goes on with its own. Turns are taken in the order of asking. What is moved without waiting is owed all the same, so that
//! the others leave room for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes are granted in pieces of this part of a second,
const PIECES_PER_SECOND: u64 = 8;
/// but of no less than this.
const SMALLEST_PIECE: u64 = 4 * 1024;

/// Longest sleep between two looks at the limit.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A sleep that ended this late is made up for.
const LATE: Duration = Duration::from_millis(100);

/// Bytes that did not wait are owed up to what the limit moves in this time: others wait for no longer.
const LONGEST_DEBT_SECONDS: u64 = 10;

/// A limit of bytes per second.
pub struct Rate {
    limit: Box<dyn Fn() -> u64 + Send + Sync>,
    turn: tokio::sync::Mutex<()>,
    debt: Mutex<Debt>,
}

struct Debt {
    bytes: u64,
    /// Up to when it is paid.
    since: Instant,
}

impl Rate {
    /// A limit that is asked for whenever it matters; 0: none.
    pub fn new(limit: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        let debt = Mutex::new(Debt { bytes: 0, since: Instant::now() });
        Self { limit: Box::new(limit), turn: tokio::sync::Mutex::new(()), debt }
    }

    /// Bytes per second at present; 0: no limit.
    pub fn limit(&self) -> u64 {
        (self.limit)()
    }

    /// Waits until some of `wanted` bytes may be moved, and says how many: one at least, if any are wanted.
    pub async fn grant(&self, wanted: u64) -> u64 {
        self.take(wanted, |limit| wanted.min((limit / PIECES_PER_SECOND).max(SMALLEST_PIECE))).await
    }

    /// Waits until `bytes` may be moved at once.
    pub async fn pass(&self, bytes: u64) {
        self.take(bytes, |_limit| bytes).await;
    }

    /// These bytes are moved without waiting.
    pub fn charge(&self, bytes: u64) {
        let limit = self.limit();
        if limit > 0 {
            let mut debt = self.debt();
            debt.pay(limit);
            debt.bytes = debt.bytes.saturating_add(bytes).min(limit.saturating_mul(LONGEST_DEBT_SECONDS));
        }
    }

    async fn take(&self, wanted: u64, piece: impl Fn(u64) -> u64) -> u64 {
        if wanted == 0 || self.limit() == 0 {
            return wanted;
        }
        let _turn = self.turn.lock().await;
        loop {
            let limit = self.limit();
            if limit == 0 {
                return wanted;
            }
            let pause = {
                let mut debt = self.debt();
                debt.pay(limit);
                if debt.bytes == 0 {
                    let piece = piece(limit);
                    debt.bytes = piece;
                    return piece;
                }
                time_for(debt.bytes, limit)
            };
            tokio::time::sleep(pause.min(LOOK_AGAIN)).await;
        }
    }

    fn debt(&self) -> MutexGuard<'_, Debt> {
        self.debt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Debt {
    /// Pays what could be moved since the last time.
    fn pay(&mut self, limit: u64) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(self.since);
        let paid = u64::try_from(passed.as_nanos() * u128::from(limit) / 1_000_000_000).unwrap_or(u64::MAX);
        if paid >= self.bytes {
            let paid_off = self.since + time_for(self.bytes, limit);
            self.since = paid_off.max(now.checked_sub(LATE).unwrap_or(now)).min(now);
            self.bytes = 0;
        } else {
            self.since += time_for(paid, limit);
            self.bytes -= paid;
        }
    }
}

/// How long a limit needs to move so many bytes.
fn time_for(bytes: u64, limit: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(limit.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The limits of one vault.
pub struct Bandwidth {
    /// To the provider.
    pub up: Rate,
    /// From the provider.
    pub down: Rate,
    limits_demand: Box<dyn Fn() -> bool + Send + Sync>,
}

impl Bandwidth {
    /// Limits; `limits_demand` says whether `down` holds for reads that somebody waits for, too.
    pub fn new(up: Rate, down: Rate, limits_demand: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self { up, down, limits_demand: Box::new(limits_demand) }
    }

    /// No limits.
    pub fn unlimited() -> Self {
        Self::new(Rate::new(|| 0), Rate::new(|| 0), || false)
    }

    /// True if reads that somebody waits for are slowed, too.
    pub fn limits_demand(&self) -> bool {
        (self.limits_demand)()
    }
}

impl std::fmt::Debug for Bandwidth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bandwidth").field("up", &self.up.limit()).field("down", &self.down.limit()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const KIB: u64 = 1024;
    const MIB: u64 = 1024 * KIB;

    fn changeable(limit: u64) -> (Arc<AtomicU64>, Arc<Rate>) {
        let limit = Arc::new(AtomicU64::new(limit));
        let read = Arc::clone(&limit);
        (limit, Arc::new(Rate::new(move || read.load(Ordering::SeqCst))))
    }

    /// Moves bytes as transfers do, for so many seconds; returns how many.
    async fn moved_in(rate: &Rate, seconds: u64) -> u64 {
        let mut moved = 0;
        let work = async {
            loop {
                moved += rate.grant(MIB).await;
            }
        };
        drop(tokio::time::timeout(Duration::from_secs(seconds), work).await);
        moved
    }

    /// Within a tenth.
    fn assert_about(found: u64, expected: u64) {
        assert!((expected * 9 / 10..=expected * 11 / 10).contains(&found), "{found}, expected about {expected}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_holds_over_time_for_one_and_for_many() {
        for limit in [3 * KIB, 100 * KIB, 7 * MIB + 13] {
            let (_, rate) = changeable(limit);
            assert_about(moved_in(&rate, 100).await, limit * 100);
            let many = futures_util::future::join_all((0..5).map(|_| moved_in(&rate, 100))).await;
            assert_about(many.iter().sum(), limit * 100);
            assert!(many.iter().all(|one| *one > limit * 10), "{many:?}: one waits for the others");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_holds_for_those_who_wait() {
        let (limit, rate) = changeable(KIB);
        rate.pass(MIB).await;
        let (waiter, started) = (Arc::clone(&rate), Instant::now());
        let waiting = tokio::spawn(async move { waiter.pass(MIB).await });
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert!(!waiting.is_finished(), "a mebibyte at a kibibyte per second");
        limit.store(MIB, Ordering::SeqCst);
        waiting.await.unwrap();
        assert!(started.elapsed() < Duration::from_secs(13), "{:?}", started.elapsed());
        assert_about(moved_in(&rate, 60).await, 60 * MIB);
        limit.store(0, Ordering::SeqCst);
        let started = Instant::now();
        assert_eq!(rate.grant(100 * MIB).await, 100 * MIB);
        assert_eq!(started.elapsed(), Duration::ZERO, "no limit, no waiting");
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_wait_takes_room_from_the_others_for_a_while() {
        let (_, rate) = changeable(MIB);
        rate.charge(5 * MIB);
        let started = Instant::now();
        rate.pass(1).await;
        assert!((4..=6).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
        rate.charge(1000 * MIB);
        let started = Instant::now();
        rate.pass(1).await;
        assert!((9..=11).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_waiting_owes_nothing() {
        let (_, rate) = changeable(KIB);
        rate.pass(10 * KIB).await;
        for _ in 0..5 {
            let gives_up = tokio::time::timeout(Duration::from_secs(1), rate.pass(MIB)).await;
            assert!(gives_up.is_err());
        }
        tokio::time::timeout(Duration::from_secs(6), rate.pass(MIB)).await.expect("ten seconds have passed");
    }
}
