//! What the tasks of one fetcher share, and the few steps that join the in-flight table with the world.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::content::FetchError;
use crate::provider::Provider;
use crate::sys::process;
use crate::types::ThreadNo;
use crate::types::ranked_lock::RankedMutex;

use super::inflight::{Class, Released, Table, TicketId, TransferId, VersionKey};
use super::link::Link;
use super::stats::Counters;
use super::store::BlockStore;
use super::verify::Verifier;
use super::worker::{self, SlotGuard};
use super::{FetchConfig, FetchEvents};

/// How often a waiting caller is looked after. It cannot end before it is answered, so this is how long killing it takes.
const CALLER_CHECK: Duration = Duration::from_millis(250);

/// How often a transfer that waits for a limit looks whether it still has to.
const PACE_CHECK: Duration = Duration::from_millis(100);

/// Versions whose running hash is kept while nothing of them is on its way.
const MAX_IDLE_VERDICTS: usize = 256;

pub(super) struct Shared {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) store: Arc<dyn BlockStore>,
    pub(super) events: Arc<dyn FetchEvents>,
    pub(super) config: FetchConfig,
    pub(super) runtime: Handle,
    pub(super) table: RankedMutex<Table>,
    pub(super) link: Link,
    pub(super) counters: Counters,
    verdicts: Mutex<HashMap<VersionKey, Arc<Verdict>>>,
}

/// What is known of the correctness of one version's bytes.
#[derive(Default)]
pub(super) struct Verdict {
    verifier: Mutex<Verifier>,
    /// Apart from the verifier, which is locked for as long as hashing takes.
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    mismatches: u32,
    refused_until: Option<Instant>,
}

impl Verdict {
    /// Taken by blocking threads that hold no other lock.
    pub(super) fn verifier(&self) -> MutexGuard<'_, Verifier> {
        self.verifier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole content proved right.
    pub(super) fn matched(&self) {
        *self.record() = Record::default();
    }

    /// The whole content proved wrong; true if the version deserves another attempt.
    pub(super) fn mismatched(&self, now: Instant, cooldown: Duration) -> bool {
        let mut record = self.record();
        record.mismatches += 1;
        if record.mismatches < 2 {
            return true;
        }
        *record = Record { mismatches: 0, refused_until: Some(now + cooldown) };
        false
    }

    /// True while the version is not fetched again after it proved wrong twice. Never waits.
    pub(super) fn is_refused(&self, now: Instant) -> bool {
        self.record().refused_until.is_some_and(|until| now < until)
    }
}

impl Shared {
    pub(super) fn new(
        provider: Arc<dyn Provider>,
        store: Arc<dyn BlockStore>,
        events: Arc<dyn FetchEvents>,
        config: FetchConfig,
        runtime: Handle,
    ) -> Self {
        let slots = provider.capabilities().limits.parallel_calls;
        let table = RankedMutex::new(
            crate::types::ranked_lock::Rank::InFlight,
            Table::new(slots.min(config.max_parallel), config.max_streams),
        );
        let (link, counters, verdicts) = (Link::default(), Counters::default(), Mutex::default());
        Self { provider, store, events, config, runtime, table, link, counters, verdicts }
    }

    /// The verdict of a version: the same object while anybody holds it.
    pub(super) fn verdict(&self, key: &VersionKey) -> Arc<Verdict> {
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= MAX_IDLE_VERDICTS && !verdicts.contains_key(key) {
            verdicts.retain(|_, verdict| Arc::strong_count(verdict) > 1);
        }
        Arc::clone(verdicts.entry(key.clone()).or_default())
    }

    /// The verdict, if there is anything to know.
    pub(super) fn known_verdict(&self, key: &VersionKey) -> Option<Arc<Verdict>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Starts what may start.
    pub(super) fn pump(self: &Arc<Self>) {
        loop {
            let Some(started) = self.table.lock().start_next() else { return };
            let id = started.id;
            let guard = SlotGuard::new(Arc::clone(self), id);
            let task = self.runtime.spawn(worker::run(Arc::clone(self), started, guard));
            self.table.lock().set_task(id, task.abort_handle());
        }
    }

    /// True if transfers of this class wait for the limit of bandwidth.
    pub(super) fn is_limited(&self, class: Class) -> bool {
        class == Class::Background || self.config.bandwidth.limits_demand()
    }

    /// Waits until the limit of bandwidth lets a transfer ask for so many bytes. Somebody who begins to wait for them ends that, unless
    /// readers are limited, too; a wait for our own limit is no lack of progress.
    pub(super) async fn pace(&self, id: TransferId, bytes: u64) {
        let down = &self.config.bandwidth.down;
        if down.limit() == 0 {
            return;
        }
        let mut turn = std::pin::pin!(down.pass(bytes));
        loop {
            let is_free = {
                let mut table = self.table.lock();
                match table.class_of(id) {
                    Some(class) if self.is_limited(class) => {
                        table.touch_held_back(id, class);
                        false
                    }
                    Some(_) | None => true,
                }
            };
            if is_free {
                return down.charge(bytes);
            }
            tokio::select! {
                () = &mut turn => return,
                () = tokio::time::sleep(PACE_CHECK) => {}
            }
        }
    }

    /// Ends a transfer, answers, and starts the next.
    pub(super) fn settle(self: &Arc<Self>, id: TransferId, result: &Result<(), FetchError>) {
        let released = self.table.lock().settle(id, result);
        self.release(released);
    }

    /// Ends a transfer that failed, unless it has a reader: false then. A reader who joins later finds it ended.
    pub(super) fn fail_unread(self: &Arc<Self>, id: TransferId, error: FetchError) -> bool {
        let Some(released) = self.table.lock().fail_unread(id, error) else { return false };
        self.release(released);
        true
    }

    fn release(self: &Arc<Self>, released: Released) {
        self.pump();
        released.answer();
    }

    /// Watches a waiter's deadline, and whether its caller still lives: nobody else would tell.
    pub(super) fn watch(self: &Arc<Self>, ticket: TicketId, caller: Option<ThreadNo>) {
        let shared = Arc::clone(self);
        let task = self.runtime.spawn(async move {
            loop {
                let Some(deadline) = shared.table.lock().deadline(ticket) else { return };
                let now = Instant::now();
                if now >= deadline {
                    break;
                }
                if caller.is_some_and(process::has_ended) {
                    let released = shared.table.lock().abandon(ticket);
                    return released.answer();
                }
                let look_again = caller.map_or(deadline, |_| now + CALLER_CHECK);
                tokio::time::sleep_until(deadline.min(look_again)).await;
            }
            let released = shared.table.lock().expire(ticket);
            if !released.finished.is_empty() {
                shared.counters.timed_out();
            }
            released.answer();
        });
        if let Some(needless) = self.table.lock().set_watch(ticket, task.abort_handle()) {
            needless.abort();
        }
    }
}

impl Released {
    /// Runs the completions and drops the rest. Called without any lock held.
    pub(super) fn answer(self) {
        for (done, result) in self.finished {
            // One reader's completion that panics must not leave the others waiting.
            if std::panic::catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
                tracing::error!("the completion of a fetch panicked");
            }
        }
    }
}
