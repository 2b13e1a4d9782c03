//! The handle of a [`super::Faulty`] provider: what shall go wrong, how slow the link is, and what was called so far.
//! Owner of: the seeded fault generator, the link's token bucket, and the call log. Clones share them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::types::RemoteId;

/// Bytes that pass the link at a time: parallel transfers share it in turns of this size.
const CHUNK_BYTES: u64 = 64 * 1024;

/// A method of the provider trait.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[expect(missing_docs, reason = "each is the method of the same name")]
pub enum Operation {
    Root,
    Changes,
    WaitForChanges,
    Stat,
    Find,
    Read,
    CreateFolder,
    CreateSymlink,
    Upload,
    Relocate,
    Delete,
    OpenDirect,
    Space,
}

impl Operation {
    /// In words, for errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "find the root",
            Self::Changes => "list changes",
            Self::WaitForChanges => "wait for changes",
            Self::Stat => "look up an entry",
            Self::Find => "look up a name",
            Self::Read => "read",
            Self::CreateFolder => "create folder",
            Self::CreateSymlink => "create symlink",
            Self::Upload => "upload",
            Self::Relocate => "move",
            Self::Delete => "delete",
            Self::OpenDirect => "open",
            Self::Space => "ask for space",
        }
    }

    /// True if a lost reply leaves the outcome unknown.
    pub fn has_effect(self) -> bool {
        match self {
            Self::CreateFolder | Self::CreateSymlink | Self::Upload | Self::Relocate | Self::Delete => true,
            Self::Root
            | Self::Changes
            | Self::WaitForChanges
            | Self::Stat
            | Self::Find
            | Self::Read
            | Self::OpenDirect
            | Self::Space => false,
        }
    }
}

/// Something that goes wrong with one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The request never arrives: `Offline`, nothing was done.
    DropRequest,
    /// The reply is lost after the effect: `Ambiguous` (`Offline` for calls without effect).
    LoseReply,
    /// `Busy`, nothing was done, perhaps with a wish for a pause.
    Busy(Option<Duration>),
    /// The bytes are damaged on the way: `Corrupt`; an upload was not stored. Reads and uploads only.
    Corrupt,
    /// `CursorReset`. Changes only, and only with a cursor.
    CursorReset,
    /// The page tells each of its changes twice. Changes only.
    DuplicatePage,
    /// The call crashes, as a fault of a provider's code would make it.
    Crash,
}

/// How likely each fault is, from 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[expect(missing_docs, reason = "each is the fault of the same name")]
pub struct FaultRates {
    pub drop_request: f64,
    pub lose_reply: f64,
    pub busy: f64,
    pub corrupt: f64,
    pub cursor_reset: f64,
    pub duplicate_page: f64,
    /// The pause that `Busy` asks for.
    pub retry_after: Option<Duration>,
}

/// What one kind of call was asked for so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CallCount {
    /// Calls, answered or not.
    pub calls: u64,
    /// Calls that failed, whoever made them fail.
    pub failures: u64,
    /// Bytes of content that passed the link.
    pub bytes: u64,
    /// Most calls that ran at once.
    pub most_at_once: u64,
}

/// The handle of a faulty provider.
#[derive(Clone)]
pub struct FaultControl {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    online: watch::Sender<bool>,
    state: Mutex<State>,
}

struct State {
    random: StdRng,
    rates: FaultRates,
    rates_of: BTreeMap<Operation, FaultRates>,
    scripted: BTreeMap<Operation, VecDeque<Fault>>,
    unreadable: BTreeSet<RemoteId>,
    running: BTreeMap<Operation, u64>,
    latency: Duration,
    bytes_per_second: Option<u64>,
    /// When the link has passed everything that was given to it.
    link_free: Option<Instant>,
    log: BTreeMap<Operation, CallCount>,
}

impl FaultControl {
    /// No faults, no delays, online. Equal seeds and equal calls give equal faults.
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: StdRng::seed_from_u64(seed),
            rates: FaultRates::default(),
            rates_of: BTreeMap::new(),
            scripted: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            running: BTreeMap::new(),
            latency: Duration::ZERO,
            bytes_per_second: None,
            link_free: None,
            log: BTreeMap::new(),
        };
        let online = watch::Sender::new(true);
        Self { shared: Arc::new(Shared { seed, online, state: Mutex::new(state) }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The seed, to be printed by a test that fails.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Pulls the plug or puts it back. Calls in flight fail too.
    pub fn set_offline(&self, offline: bool) {
        self.shared.online.send_replace(!offline);
    }

    /// True while the plug is pulled.
    pub fn is_offline(&self) -> bool {
        !*self.shared.online.borrow()
    }

    /// Each call takes this much longer.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// The link's bandwidth, shared by all transfers in both directions; `None` is unlimited.
    pub fn set_bandwidth(&self, bytes_per_second: Option<u64>) {
        let mut state = self.state();
        state.bytes_per_second = bytes_per_second.filter(|&bytes| bytes > 0);
        state.link_free = None;
    }

    /// Fault rates of all operations that have none of their own.
    pub fn set_rates(&self, rates: FaultRates) {
        self.state().rates = rates;
    }

    /// Fault rates of one operation.
    pub fn set_rates_of(&self, operation: Operation, rates: FaultRates) {
        self.state().rates_of.insert(operation, rates);
    }

    /// No more faults: rates are zero and the script is empty. The link stays as it is.
    pub fn heal(&self) {
        let mut state = self.state();
        state.rates = FaultRates::default();
        state.rates_of.clear();
        state.scripted.clear();
    }

    /// The next call of this operation suffers this fault. Several calls queue up.
    pub fn fail_next(&self, operation: Operation, fault: Fault) {
        self.state().scripted.entry(operation).or_default().push_back(fault);
    }

    /// The bytes of this file cannot be read, as on a damaged disk; or they can again.
    pub fn set_unreadable(&self, id: &RemoteId, unreadable: bool) {
        let mut state = self.state();
        if unreadable {
            state.unreadable.insert(id.clone());
        } else {
            state.unreadable.remove(id);
        }
    }

    pub(super) fn is_unreadable(&self, id: &RemoteId) -> bool {
        self.state().unreadable.contains(id)
    }

    /// What was called so far.
    pub fn calls(&self, operation: Operation) -> CallCount {
        self.state().log.get(&operation).copied().unwrap_or_default()
    }

    /// All calls of all operations.
    pub fn total_calls(&self) -> u64 {
        self.state().log.values().map(|count| count.calls).sum()
    }

    /// Forgets what was called so far.
    pub fn reset_log(&self) {
        self.state().log.clear();
    }

    /// A call starts: counts it and decides its fate.
    pub(super) fn begin(&self, operation: Operation) -> (Option<Fault>, Duration) {
        let mut state = self.state();
        state.log.entry(operation).or_default().calls += 1;
        let latency = state.latency;
        if let Some(fault) = state.scripted.get_mut(&operation).and_then(VecDeque::pop_front) {
            return (Some(fault), latency);
        }
        let rates = state.rates_of.get(&operation).copied().unwrap_or(state.rates);
        let candidates = [
            (rates.drop_request, Fault::DropRequest),
            (rates.lose_reply, Fault::LoseReply),
            (rates.busy, Fault::Busy(rates.retry_after)),
            (rates.corrupt, Fault::Corrupt),
            (rates.cursor_reset, Fault::CursorReset),
            (rates.duplicate_page, Fault::DuplicatePage),
        ];
        let mut drawn: f64 = state.random.random();
        for (rate, fault) in candidates {
            if drawn < rate {
                return (Some(fault), latency);
            }
            drawn -= rate;
        }
        (None, latency)
    }

    /// A call runs for as long as the answer lives.
    pub(super) fn running(&self, operation: Operation) -> Running<'_> {
        let mut state = self.state();
        let running = state.running.entry(operation).or_default();
        *running += 1;
        let running = *running;
        let count = state.log.entry(operation).or_default();
        count.most_at_once = count.most_at_once.max(running);
        drop(state);
        Running { control: self, operation }
    }

    /// A call failed.
    pub(super) fn count_failure(&self, operation: Operation) {
        self.state().log.entry(operation).or_default().failures += 1;
    }

    /// Returns when the plug is out; at once if it is.
    pub(super) async fn offline(&self) {
        let mut online = self.shared.online.subscribe();
        // The sender lives as long as `self`.
        if online.wait_for(|online| !online).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Passes `bytes` over the link and counts them; `passed` is told how many have.
    pub(super) async fn transfer(&self, operation: Operation, bytes: u64, passed: impl Fn(u64)) {
        let mut done = 0;
        while done < bytes {
            let chunk = CHUNK_BYTES.min(bytes - done);
            let ready = {
                let mut state = self.state();
                let now = Instant::now();
                let cost = state
                    .bytes_per_second
                    .map_or(Duration::ZERO, |rate| Duration::from_nanos(chunk.saturating_mul(1_000_000_000) / rate));
                let ready = state.link_free.map_or(now, |free| free.max(now)) + cost;
                state.link_free = Some(ready);
                (cost > Duration::ZERO).then_some(ready)
            };
            if let Some(ready) = ready {
                tokio::time::sleep_until(ready).await;
            }
            // An unlimited link must not keep the thread to itself, nor make a call deaf to its cancellation.
            tokio::task::coop::consume_budget().await;
            done += chunk;
            self.state().log.entry(operation).or_default().bytes += chunk;
            passed(done);
        }
    }
}

/// A call that runs.
pub(super) struct Running<'a> {
    control: &'a FaultControl,
    operation: Operation,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.control.state().running.get_mut(&self.operation) {
            *running = running.saturating_sub(1);
        }
    }
}
