//! The table of what is on its way: transfers (one provider read each), who waits for them, and which goes next.
//!
//! Invariants: two transfers of one version never share a block (single flight); a queued transfer of class demand or background
//! has a waiter, or it is dropped; a waiter is answered once, by the last of its transfers or by the first failure; the
//! running transfers of each class stay within its share of the slots.
//!
//! Lock rank: [`crate::types::ranked_lock::Rank::InFlight`], the highest. Nothing here calls out: whatever could run foreign code
//! (completions, cache files being closed) is handed to the caller in a [`Released`] to be dealt with after the lock.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::catalog::Version;
use crate::content::{FetchDone, FetchError};
use crate::types::{BlockRun, RemoteId, Revision};

use super::ranges;
use super::readahead::Stream;
use super::store::CachedBlocks;

/// How soon a transfer goes. In order: the highest is served first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Class {
    /// Pins and hydration: only while nothing else waits, on a share of the slots.
    Background,
    /// Read-ahead of a sequential reader: nobody waits yet. Leaves a slot for demand.
    Ahead,
    /// Somebody waits.
    Demand,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct VersionKey {
    rid: RemoteId,
    revision: Revision,
}

impl VersionKey {
    pub(super) fn of(version: &Version) -> Self {
        Self { rid: version.rid.clone(), revision: version.revision.clone() }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TransferId(u64);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct TicketId(u64);

/// Which file bytes are wanted of.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) key: VersionKey,
    pub(super) version: Arc<Version>,
    pub(super) file: Arc<dyn CachedBlocks>,
}

/// One provider read.
pub(super) struct Transfer {
    target: Target,
    run: BlockRun,
    class: Class,
    /// The reader that it was asked ahead for.
    stream: Option<u64>,
    tickets: BTreeSet<TicketId>,
    state: State,
}

enum State {
    Queued,
    /// The slot that it occupies is counted under the class that it started with.
    Running {
        slot: Class,
        task: Option<AbortHandle>,
    },
}

struct Waiter {
    done: FetchDone,
    transfers: BTreeSet<TransferId>,
    progressed: Instant,
    bound: Duration,
    watch: Option<AbortHandle>,
}

/// A transfer that may start.
pub(super) struct Started {
    pub(super) id: TransferId,
    pub(super) target: Target,
    pub(super) run: BlockRun,
}

/// How blocks are cut into reads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) part_bytes: u64,
    pub(super) gap_blocks: u64,
}

/// What must be run or dropped after the lock is released.
#[derive(Default)]
#[must_use]
pub(super) struct Released {
    pub(super) finished: Vec<(FetchDone, Result<(), FetchError>)>,
    transfers: Vec<Transfer>,
    unanswered: Vec<FetchDone>,
}

pub(super) struct Table {
    slots: usize,
    transfers: HashMap<TransferId, Transfer>,
    /// First block to transfer, per version.
    versions: HashMap<VersionKey, BTreeMap<u64, TransferId>>,
    tickets: HashMap<TicketId, Waiter>,
    /// Ids may be stale: a promoted transfer is pushed again, a dropped one is skipped.
    queues: BTreeMap<Class, VecDeque<TransferId>>,
    running: BTreeMap<Class, usize>,
    pub(super) streams: LruCache<u64, Stream>,
    next_id: u64,
    pub(super) online: bool,
    pub(super) closed: bool,
}

impl Table {
    pub(super) fn new(slots: usize, streams: NonZeroUsize) -> Self {
        Self {
            slots: slots.max(1),
            transfers: HashMap::new(),
            versions: HashMap::new(),
            tickets: HashMap::new(),
            queues: BTreeMap::new(),
            running: BTreeMap::new(),
            streams: LruCache::new(streams),
            next_id: 0,
            online: true,
            closed: false,
        }
    }

    /// Waits for `missing` blocks on behalf of `done`; those that nobody fetches yet are queued. Also says whether some block
    /// was on its way already. `missing` must not be empty.
    pub(super) fn register(
        &mut self,
        target: &Target,
        missing: &[BlockRun],
        class: Class,
        cut: Cut,
        (done, bound): (FetchDone, Duration),
    ) -> (TicketId, bool) {
        let ticket = TicketId(self.fresh_id());
        let mut transfers = BTreeSet::new();
        for run in missing {
            for id in self.overlapping(&target.key, *run) {
                self.promote(id, class);
                transfers.insert(id);
            }
        }
        let joined = !transfers.is_empty();
        transfers.extend(self.enqueue(target, missing, class, cut, None));
        for id in &transfers {
            if let Some(transfer) = self.transfers.get_mut(id) {
                transfer.tickets.insert(ticket);
            }
        }
        let waiter = Waiter { done, transfers, progressed: Instant::now(), bound, watch: None };
        self.tickets.insert(ticket, waiter);
        (ticket, joined)
    }

    /// Queues those of `missing` that nobody fetches yet.
    pub(super) fn enqueue(
        &mut self,
        target: &Target,
        missing: &[BlockRun],
        class: Class,
        cut: Cut,
        stream: Option<u64>,
    ) -> Vec<TransferId> {
        let mut fresh = Vec::new();
        for run in missing {
            let ids = self.overlapping(&target.key, *run);
            let mut taken: Vec<BlockRun> =
                ids.iter().filter_map(|id| self.transfers.get(id)).map(|transfer| transfer.run).collect();
            taken.sort_by_key(|run| run.start);
            fresh.extend(ranges::subtract(*run, &taken));
        }
        let joined = ranges::coalesce(&fresh, cut.gap_blocks, |gap| self.overlapping(&target.key, gap).is_empty());
        let mut ids = Vec::new();
        for run in joined.into_iter().flat_map(|run| ranges::split(run, cut.part_bytes)) {
            let id = TransferId(self.fresh_id());
            let target = target.clone();
            self.versions.entry(target.key.clone()).or_default().insert(run.start.0, id);
            let transfer = Transfer { target, run, class, stream, tickets: BTreeSet::new(), state: State::Queued };
            self.transfers.insert(id, transfer);
            self.queues.entry(class).or_default().push_back(id);
            ids.push(id);
        }
        ids
    }

    /// The next transfer that may start now. Its slot is taken until it is settled.
    pub(super) fn start_next(&mut self) -> Option<Started> {
        if self.closed {
            return None;
        }
        for class in [Class::Demand, Class::Ahead, Class::Background] {
            if let Some(id) = self.peek(class) {
                if !self.has_slot(class) {
                    return None; // what is lower in rank does not overtake
                }
                self.queues.entry(class).or_default().pop_front();
                let transfer = self.transfers.get_mut(&id)?;
                transfer.state = State::Running { slot: class, task: None };
                *self.running.entry(class).or_default() += 1;
                return Some(Started { id, target: transfer.target.clone(), run: transfer.run });
            }
        }
        None
    }

    /// Remembers the task of a running transfer, so that closing can end it.
    pub(super) fn set_task(&mut self, id: TransferId, handle: AbortHandle) {
        if let Some(Transfer { state: State::Running { task, .. }, .. }) = self.transfers.get_mut(&id) {
            *task = Some(handle);
        }
    }

    /// Remembers the deadline task of a waiter, or hands it back if the waiter has been answered meanwhile.
    pub(super) fn set_watch(&mut self, ticket: TicketId, handle: AbortHandle) -> Option<AbortHandle> {
        match self.tickets.get_mut(&ticket) {
            Some(waiter) => {
                waiter.watch = Some(handle);
                None
            }
            None => Some(handle),
        }
    }

    /// True while the result of a running transfer is worth another attempt.
    pub(super) fn is_wanted(&self, id: TransferId) -> bool {
        self.transfers.get(&id).is_some_and(|transfer| !transfer.tickets.is_empty())
    }

    /// What a transfer is worth; `None` if it has ended.
    pub(super) fn class_of(&self, id: TransferId) -> Option<Class> {
        self.transfers.get(&id).map(|transfer| transfer.class)
    }

    /// Ends a transfer that failed, unless somebody reads, or is about to read, what it brings: `None` then.
    pub(super) fn fail_unread(&mut self, id: TransferId, error: FetchError) -> Option<Released> {
        let is_read = self.class_of(id).is_some_and(|class| class != Class::Background);
        if is_read { None } else { Some(self.settle(id, &Err(error))) }
    }

    /// Bytes of a running transfer arrived or are being checked: its waiters' deadlines start anew.
    pub(super) fn touch(&mut self, id: TransferId) {
        let now = Instant::now();
        if let Some(transfer) = self.transfers.get(&id) {
            for ticket in &transfer.tickets {
                if let Some(waiter) = self.tickets.get_mut(ticket) {
                    waiter.progressed = now;
                }
            }
        }
    }

    /// A transfer of this class waits for our own limit of bandwidth: the deadlines of its waiters, and of those whose transfers are
    /// queued behind it, start anew.
    pub(super) fn touch_held_back(&mut self, id: TransferId, class: Class) {
        self.touch(id);
        let queued: Vec<TransferId> = self.queues.get(&class).into_iter().flatten().copied().collect();
        for id in queued {
            self.touch(id);
        }
    }

    /// Ends a transfer: frees its slot and answers the waiters that it was the last for, or all of them on failure.
    pub(super) fn settle(&mut self, id: TransferId, result: &Result<(), FetchError>) -> Released {
        let mut released = Released::default();
        self.touch(id);
        let Some(transfer) = self.remove(id) else { return released };
        if let State::Running { slot, .. } = transfer.state
            && let Some(count) = self.running.get_mut(&slot)
        {
            *count = count.saturating_sub(1);
        }
        for ticket in &transfer.tickets {
            let Some(waiter) = self.tickets.get_mut(ticket) else { continue };
            waiter.transfers.remove(&id);
            let answerable = result.is_err() || waiter.transfers.is_empty();
            if answerable && let Some(done) = self.forget(*ticket, &mut released) {
                released.finished.push((done, result.clone()));
            }
        }
        released.transfers.push(transfer);
        released
    }

    /// The waiter went away: it is not answered, and what only it wanted and has not started is dropped.
    pub(super) fn cancel(&mut self, ticket: TicketId) -> Released {
        let mut released = Released::default();
        let done = self.forget(ticket, &mut released);
        released.unanswered.extend(done);
        released
    }

    /// The time at which a waiter will have waited too long, unless it progresses; `None` if it has been answered.
    pub(super) fn deadline(&self, ticket: TicketId) -> Option<Instant> {
        self.tickets.get(&ticket).map(|waiter| waiter.progressed + waiter.bound)
    }

    /// Answers a waiter that has waited too long.
    pub(super) fn expire(&mut self, ticket: TicketId) -> Released {
        let mut released = Released::default();
        let Some(bound) = self.tickets.get(&ticket).map(|waiter| waiter.bound) else { return released };
        let done = self.forget(ticket, &mut released);
        released.finished.extend(done.map(|done| (done, Err(FetchError::TimedOut(bound)))));
        released
    }

    /// Answers a waiter whose caller has ended: the kernel has it wait for the answer nevertheless.
    pub(super) fn abandon(&mut self, ticket: TicketId) -> Released {
        let mut released = Released::default();
        let done = self.forget(ticket, &mut released);
        released.finished.extend(done.map(|done| (done, Err(FetchError::Abandoned))));
        released
    }

    /// Drops what was asked ahead for a reader that went elsewhere, as far as it has not started and nobody waits for it.
    pub(super) fn drop_ahead(&mut self, stream: u64) -> Released {
        let ids: Vec<TransferId> = self
            .transfers
            .iter()
            .filter(|(_, transfer)| transfer.stream == Some(stream) && transfer.is_idle())
            .map(|(id, _)| *id)
            .collect();
        Released { transfers: ids.into_iter().filter_map(|id| self.remove(id)).collect(), ..Released::default() }
    }

    /// Fails every waiter and drops everything that has not started.
    pub(super) fn fail_all(&mut self, error: &FetchError) -> Released {
        let mut released = Released::default();
        for ticket in self.tickets.keys().copied().collect::<Vec<_>>() {
            if let Some(done) = self.forget(ticket, &mut released) {
                released.finished.push((done, Err(error.clone())));
            }
        }
        let idle: Vec<TransferId> =
            self.transfers.iter().filter(|(_, transfer)| transfer.is_idle()).map(|(id, _)| *id).collect();
        released.transfers.extend(idle.into_iter().filter_map(|id| self.remove(id)));
        released
    }

    /// Tasks of everything that runs.
    pub(super) fn tasks(&self) -> Vec<AbortHandle> {
        let task = |transfer: &Transfer| match &transfer.state {
            State::Queued => None,
            State::Running { task, .. } => task.clone(),
        };
        self.transfers.values().filter_map(task).collect()
    }

    /// Provider reads that run, those that wait for a slot, and waiters.
    pub(super) fn gauges(&self) -> (usize, usize, usize) {
        let running = self.running.values().sum();
        (running, self.transfers.len() - running, self.tickets.len())
    }

    /// Bytes on their way per version.
    pub(super) fn in_flight(&self) -> Vec<(Arc<Version>, u64)> {
        let sum = |ids: &BTreeMap<u64, TransferId>| {
            let mut version = None;
            let mut bytes = 0;
            for transfer in ids.values().filter_map(|id| self.transfers.get(id)) {
                bytes += transfer.run.bytes(transfer.target.version.size).len();
                version = Some(Arc::clone(&transfer.target.version));
            }
            version.map(|version| (version, bytes))
        };
        self.versions.values().filter_map(sum).collect()
    }

    fn fresh_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn overlapping(&self, key: &VersionKey, run: BlockRun) -> Vec<TransferId> {
        let Some(starts) = self.versions.get(key) else { return Vec::new() };
        let overlaps = |id: &&TransferId| {
            self.transfers.get(id).is_some_and(|transfer| !ranges::intersect(transfer.run, run).is_empty())
        };
        starts.range(..run.end.0).rev().map(|(_, id)| id).take_while(overlaps).copied().collect()
    }

    fn promote(&mut self, id: TransferId, class: Class) {
        let Some(transfer) = self.transfers.get_mut(&id) else { return };
        if transfer.class < class {
            transfer.class = class;
            if matches!(transfer.state, State::Queued) {
                self.queues.entry(class).or_default().push_back(id);
            }
        }
    }

    /// The first id of a queue that is not stale.
    fn peek(&mut self, class: Class) -> Option<TransferId> {
        let queue = self.queues.get_mut(&class)?;
        while let Some(id) = queue.front() {
            match self.transfers.get(id) {
                Some(transfer) if matches!(transfer.state, State::Queued) && transfer.class == class => {
                    return Some(*id);
                }
                Some(_) | None => queue.pop_front(),
            };
        }
        None
    }

    fn has_slot(&self, class: Class) -> bool {
        let running = |class: Class| self.running.get(&class).copied().unwrap_or_default();
        let all = running(Class::Demand) + running(Class::Ahead) + running(Class::Background);
        let share = match class {
            Class::Demand => self.slots,
            Class::Ahead => {
                if self.slots >= 4 {
                    self.slots - 1
                } else {
                    self.slots
                }
            }
            Class::Background => (self.slots / 2).max(1),
        };
        all < self.slots && running(class) < share
    }

    /// Takes a transfer out of every index except its waiters.
    fn remove(&mut self, id: TransferId) -> Option<Transfer> {
        let transfer = self.transfers.remove(&id)?;
        if let Some(starts) = self.versions.get_mut(&transfer.target.key) {
            starts.remove(&transfer.run.start.0);
            if starts.is_empty() {
                self.versions.remove(&transfer.target.key);
            }
        }
        Some(transfer)
    }

    /// Takes a waiter out, and with it every transfer that only it wanted and that has not started.
    fn forget(&mut self, ticket: TicketId, released: &mut Released) -> Option<FetchDone> {
        let waiter = self.tickets.remove(&ticket)?;
        if let Some(watch) = waiter.watch {
            watch.abort();
        }
        for id in waiter.transfers {
            let Some(transfer) = self.transfers.get_mut(&id) else { continue };
            transfer.tickets.remove(&ticket);
            if transfer.is_idle() {
                released.transfers.extend(self.remove(id));
            }
        }
        Some(waiter.done)
    }
}

impl Transfer {
    /// Not started, and nobody waits.
    fn is_idle(&self) -> bool {
        matches!(self.state, State::Queued) && self.tickets.is_empty()
    }
}
