//! The engine of one vault: who it is made of and what it remembers between steps. The loop is in `drive`, what others call in `control`.
//!
//! Owner of: R and S of its vault, and L only through steps. What is kept in memory here is a hint, a pause or a count: losing it
//! costs time, never bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, broadcast, watch};

use super::backoff::Backoff;
use super::event::{Event, EventKind, Events};
use super::found_copies::Arrivals;
use super::fresh::Fresh;
use super::opened::Opened;
use super::ports::{Hydrate, LocalTree, Selection};
use crate::catalog::Catalog;
use crate::content::ContentStore;
use crate::provider::{Bandwidth, Provider};
use crate::types::{Clock, NameRules, NodeId, Timestamp};

/// Settings of one vault's engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// This device's name, for conflict names and records.
    pub device: String,
    /// How long a node must not have changed before it is synced.
    pub quiet: Duration,
    /// How often everything is pulled even if nothing was announced.
    pub pull_every: Duration,
    /// Owner of what arrives.
    pub uid: u32,
    /// Group of what arrives.
    pub gid: u32,
    /// Permission bits of files that arrive.
    pub file_mode: u32,
    /// Permission bits of folders that arrive.
    pub folder_mode: u32,
    /// The mass-delete guard trips above this many deletions.
    pub guard_nodes: u64,
    /// And above this share of the vault.
    pub guard_percent: u64,
    /// Most rows of R in one transaction, and most arriving nodes in one plan: others wait for the catalog's writer meanwhile.
    pub portion: usize,
    /// Seed of the pauses between attempts.
    pub seed: u64,
    /// Limits of what is sent.
    pub bandwidth: Arc<Bandwidth>,
}

impl EngineConfig {
    /// Ordinary settings for a device.
    pub fn for_device(device: impl Into<String>) -> Self {
        Self {
            device: device.into(),
            quiet: Duration::from_secs(2),
            pull_every: Duration::from_secs(300),
            uid: 0,
            gid: 0,
            file_mode: 0o644,
            folder_mode: 0o755,
            guard_nodes: 50,
            guard_percent: 25,
            portion: 5_000,
            seed: 0,
            bandwidth: Arc::new(Bandwidth::unlimited()),
        }
    }
}

/// What an engine is made of.
pub struct EngineParts {
    /// The trees.
    pub catalog: Arc<Catalog>,
    /// The bytes.
    pub content: Arc<ContentStore>,
    /// The cloud.
    pub provider: Arc<dyn Provider>,
    /// The mount.
    pub local: Arc<dyn LocalTree>,
    /// The fetch workers.
    pub hydrate: Arc<dyn Hydrate>,
    /// What takes part.
    pub selection: Arc<dyn Selection>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The sync engine of one vault.
pub struct Engine {
    pub(super) catalog: Arc<Catalog>,
    pub(super) content: Arc<ContentStore>,
    pub(super) provider: Arc<dyn Provider>,
    pub(super) local: Arc<dyn LocalTree>,
    pub(super) hydrate: Arc<dyn Hydrate>,
    pub(super) selection: Arc<dyn Selection>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: EngineConfig,
    pub(super) events: Events,
    pub(super) backoff: Backoff,
    pub(super) fresh: Fresh,
    pub(super) arrivals: Arrivals,
    pub(super) opened: Opened,
    /// One driver at a time.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Wakes the driver.
    pub(super) wake: Notify,
    /// The last pull request that a finished cycle has answered, with its report.
    pub(super) finished: watch::Sender<(u64, super::status::CycleReport)>,
    state: Mutex<State>,
}

/// Whether the provider can be worked with.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Reach {
    /// As far as is known.
    #[default]
    Online,
    /// Not before the next probe.
    Lost(Lost),
}

/// Why the provider cannot be worked with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lost {
    pub(super) why: crate::provider::ErrorKind,
    pub(super) message: String,
    pub(super) attempts: u32,
    pub(super) next_probe: Instant,
}

/// What the engine remembers.
#[derive(Default)]
pub(super) struct State {
    /// The user stopped syncing.
    pub(super) paused: bool,
    /// Nobody drives the engine but who asks for a sync.
    pub(super) manual: bool,
    /// The user, or the system, says that there is no network.
    pub(super) told_offline: bool,
    pub(super) reach: Reach,
    /// Pulls asked for, counted.
    pub(super) pull_wanted: u64,
    /// The last of them that was asked for because something had changed, or might have: until it is answered nothing is idle.
    pub(super) hinted: u64,
    /// The last request that a successful pull has answered.
    pub(super) pulled: u64,
    /// The next pull lists everything.
    pub(super) pull_full: bool,
    /// A pull failed: not again before this time.
    pub(super) pull_not_before: Option<Instant>,
    pub(super) pull_attempts: u32,
    /// True once a pull succeeded since the start, or since the provider was reached again.
    pub(super) has_pulled: bool,
    /// When the next pull is due though nothing was announced: by the clock that stands still while the machine sleeps, and by the one
    /// that does not.
    pub(super) pull_due: Option<(Instant, Timestamp)>,
    pub(super) last_synced: Option<Timestamp>,
    /// The trees may have changed since they were last planned for.
    pub(super) replan: bool,
    /// The mount announced a change.
    pub(super) kicked: bool,
    /// Local changes up to this time count as quiet.
    pub(super) hurry_until: Timestamp,
    /// Since when nodes have been touched again and again, each time before they were quiet and without being sent.
    pub(super) unrest: BTreeMap<NodeId, Timestamp>,
    /// What runs.
    pub(super) active: BTreeMap<NodeId, Active>,
    /// The engine itself failed and tries again.
    pub(super) broken: Option<String>,
    /// The guard keeps these deletions back.
    pub(super) guarded: Vec<NodeId>,
    /// Local changes that rest because the filter leaves them out.
    pub(super) resting: BTreeSet<NodeId>,
    /// Cells of the decision tables that plans went through.
    pub(super) cells: BTreeMap<&'static str, u64>,
    /// What the provider told that cannot be stored.
    pub(super) feed_problems: Vec<String>,
    /// The last failure that concerns the whole vault.
    pub(super) problem: Option<String>,
    /// Bytes that were sent since the provider last had everything.
    pub(super) sent_bytes: u64,
    /// Steps of a node in a row that did not get on, without an error.
    pub(super) restless: BTreeMap<NodeId, u32>,
}

/// Why a pull is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// Something changed, or may have.
    Hint,
    /// It is time.
    Routine,
}

impl State {
    /// Asks for a pull. Returns the number of the request.
    pub(super) fn want_pull(&mut self, why: Why) -> u64 {
        self.pull_wanted += 1;
        if why == Why::Hint {
            self.hinted = self.pull_wanted;
        }
        self.pull_wanted
    }

    /// True if the last pull answered everything that was heard of.
    pub(super) fn has_heard_all(&self) -> bool {
        self.has_pulled && self.pulled >= self.hinted && self.pull_not_before.is_none()
    }
}

/// A step that runs.
#[derive(Clone, Debug)]
pub(super) struct Active {
    pub(super) action: &'static str,
    pub(super) sent: Arc<AtomicU64>,
    pub(super) total: u64,
}

impl Engine {
    /// Puts an engine together. Nothing runs before [`Engine::run`] or [`Engine::cycle`].
    pub fn new(parts: EngineParts, config: EngineConfig) -> Self {
        let EngineParts { catalog, content, provider, local, hydrate, selection, clock } = parts;
        // What rows say of the provider is not durable before the provider's own memory of it.
        let remembers = Arc::clone(&provider);
        catalog.flush_first(move || remembers.flush_memory());
        let state =
            State { pull_wanted: 1, hinted: 1, replan: true, hurry_until: Timestamp(i64::MIN), ..State::default() };
        Self {
            catalog,
            content,
            provider,
            local,
            hydrate,
            selection,
            clock,
            backoff: Backoff::new(config.seed),
            config,
            events: Events::new(),
            fresh: Fresh::default(),
            arrivals: Arrivals::default(),
            opened: Opened::default(),
            turn: tokio::sync::Mutex::new(()),
            wake: Notify::new(),
            finished: watch::Sender::new((0, super::status::CycleReport::default())),
            state: Mutex::new(state),
        }
    }

    /// What happens, as it happens.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// How often each cell of the decision tables was decided since start: the coverage of a simulation.
    pub fn decided_cells(&self) -> BTreeMap<&'static str, u64> {
        self.state().cells.clone()
    }

    /// Short look at what the engine remembers; never held over an await or a call.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn names(&self) -> &NameRules {
        &self.provider.capabilities().names
    }

    /// Asks for a pull. Returns the number of the request.
    pub(super) fn want_pull(&self, why: Why) -> u64 {
        self.state().want_pull(why)
    }

    /// A step runs from now on. That the first one does is told: it can take hours without anything else to tell.
    pub(super) fn step_begins(&self, node: NodeId, action: &'static str) {
        let is_first = {
            let mut state = self.state();
            state.active.insert(node, Active { action, sent: Arc::default(), total: 0 });
            state.active.len() == 1
        };
        if is_first {
            self.events.send(EventKind::Status, None);
        }
    }

    pub(super) fn report_feed_problems(&self, problems: Vec<String>) {
        if problems.is_empty() {
            return;
        }
        for problem in &problems {
            tracing::error!(problem, "the provider told something that cannot be");
        }
        self.state().feed_problems = problems;
        self.events.send(EventKind::Problem, None);
    }

    /// Counts the bytes of an upload that runs.
    pub(super) fn count_bytes(&self, node: NodeId, total: u64) -> Arc<AtomicU64> {
        let sent = Arc::new(AtomicU64::new(0));
        if let Some(active) = self.state().active.get_mut(&node) {
            active.total = total;
            active.sent = Arc::clone(&sent);
        }
        sent
    }
}
