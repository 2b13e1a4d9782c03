//! The loop: pull when something may have changed, plan when the trees may differ, start what may start, record what ended, sleep until
//! something happens. One task; steps and pulls are futures of it, so that every change of R and S is made by one owner.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::watch;

use super::engine::{Engine, Reach, Why};
use super::error::Result;
use super::event::EventKind;
use super::local_step::{Prepared, keeps};
use super::mode::Mode;
use super::plan::Planned;
use super::queue::action;
use super::status::CycleReport;
use super::step::{Outcome, is_local};
use super::trees::{Sides, earliest};
use super::work::Work;
use crate::provider::ProviderError;
use crate::types::{NodeId, Timestamp};

/// Most local steps in one transaction: the namespace lock is held for milliseconds.
const LOCAL_BATCH: usize = 200;
/// Plans in a row without anything new from outside. More is a bug, and is shown instead of spun on.
const MAX_ROUNDS: u64 = 200;
/// Kicks within this time are answered by one plan.
const KICK_GAP: Duration = Duration::from_millis(50);
/// At most one part in this many (and one) of the time is spent on planning while steps run.
const PLAN_SHARE: u32 = 6;

/// A job that ended.
pub(super) enum Finished {
    Pull { request: u64, result: Result<u64> },
    Tidied(Result<()>),
    Probe(std::result::Result<(), ProviderError>),
    Step { work: u64, index: usize, node: NodeId, result: Result<Outcome> },
}

/// The state of a running loop.
pub(super) struct Drive<'e> {
    pub(super) engine: &'e Engine,
    pub(super) mode: Mode,
    pub(super) jobs: FuturesUnordered<BoxFuture<'e, Finished>>,
    calls: usize,
    /// A pull or a probe runs.
    pub(super) contacting: bool,
    work: Option<Work>,
    /// When a node that waits for its time may go on.
    pub(super) next_due: Option<Timestamp>,
    /// The question that is open at the provider.
    pub(super) notice: Option<BoxFuture<'e, std::result::Result<Why, ProviderError>>>,
    /// Plans since something new came from outside.
    pub(super) rounds: u64,
    is_tidy: bool,
    last_plan: Option<Instant>,
    plan_cost: Duration,
    /// The next plan takes up arriving nodes after this one.
    arrived: NodeId,
    report: CycleReport,
}

impl Engine {
    /// Pulls if it is due, plans and executes until nothing more can be done now.
    pub async fn cycle(&self) -> Result<CycleReport> {
        let turn = self.turn.lock().await;
        self.drive(&turn, Mode::Cycle, None).await
    }

    /// Keeps the vault in sync until `stop` becomes true.
    pub async fn run(self: Arc<Self>, stop: watch::Receiver<bool>) -> Result<()> {
        let turn = self.turn.lock().await;
        self.drive(&turn, Mode::Service, Some(stop)).await.map(|_| ())
    }

    /// For whoever has the turn: one at a time drives.
    pub(super) async fn drive(
        &self,
        _turn: &tokio::sync::MutexGuard<'_, ()>,
        mode: Mode,
        mut stop: Option<watch::Receiver<bool>>,
    ) -> Result<CycleReport> {
        let mut attempt = 0;
        loop {
            let mut drive = Drive::new(self, mode);
            // What a loop that crashed was doing is over.
            self.state().active.clear();
            let ended = drive.run_to_end(stop.as_mut()).await;
            self.state().active.clear();
            let error = match ended {
                Ok(()) => return Ok(drive.report),
                Err(error) if mode.ends() => return Err(error),
                Err(error) => error,
            };
            // A full disk, a damaged file: nothing is lost by trying again, and nothing is synced until it works.
            drop(drive);
            attempt += 1;
            let pause = self.backoff.after_failure(attempt, None);
            tracing::error!(error = super::failure::chain(&error), ?pause, "the sync engine failed and starts again");
            {
                let mut state = self.state();
                state.broken = Some(super::failure::chain(&error));
                state.replan = true;
            }
            self.events.send(EventKind::Problem, None);
            if told_to_stop_within(pause, &mut stop).await {
                return Ok(CycleReport::default());
            }
        }
    }
}

/// Sleeps; true if the loop was told to stop meanwhile.
async fn told_to_stop_within(pause: Duration, stop: &mut Option<watch::Receiver<bool>>) -> bool {
    let stopped = async {
        match stop {
            Some(stop) => drop(stop.wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    };
    tokio::time::timeout(pause, stopped).await.is_ok()
}

/// The daemon runs engines on a pool of threads.
const _: fn(Arc<Engine>, watch::Receiver<bool>) = |engine, stop| is_send(&engine.run(stop));
fn is_send(_: &impl Send) {}

impl<'e> Drive<'e> {
    fn new(engine: &'e Engine, mode: Mode) -> Self {
        Self {
            engine,
            mode,
            jobs: FuturesUnordered::new(),
            calls: 0,
            contacting: false,
            work: None,
            next_due: None,
            notice: None,
            rounds: 0,
            is_tidy: false,
            last_plan: None,
            plan_cost: Duration::ZERO,
            arrived: NodeId(0),
            report: CycleReport::default(),
        }
    }

    async fn run_to_end(&mut self, mut stop: Option<&mut watch::Receiver<bool>>) -> Result<()> {
        loop {
            if stop.as_ref().is_some_and(|stop| *stop.borrow()) {
                return Ok(());
            }
            self.contact();
            self.work_on()?;
            if self.is_quiet() && !self.tidy() {
                self.publish()?;
                if self.mode.ends() {
                    return Ok(());
                }
            }
            self.wait(&mut stop).await?;
        }
    }

    /// Once after every burst of work: bytes that nobody needs any more are collected, and what has arrived is looked at. True if that
    /// began now.
    fn tidy(&mut self) -> bool {
        let engine = self.engine;
        let begins = !std::mem::replace(&mut self.is_tidy, true);
        if begins {
            self.jobs.push(Box::pin(async move { Finished::Tidied(engine.tidy().await) }));
        }
        begins
    }

    /// Starts a pull or a probe if one is due.
    fn contact(&mut self) {
        let engine = self.engine;
        let now = engine.clock.monotonic();
        if self.contacting {
            return;
        }
        let mut state = engine.state();
        if state.paused || state.told_offline {
            return;
        }
        if let Reach::Lost(lost) = &state.reach {
            if lost.next_probe <= now {
                self.contacting = true;
                drop(state);
                self.jobs.push(Box::pin(async move { Finished::Probe(engine.provider.root().await.map(|_| ())) }));
            }
            return;
        }
        // However many were missed while the machine slept, one makes up for them.
        let is_due = state.pull_due.is_some_and(|(due, at)| due <= now || at <= engine.clock.now());
        if is_due && state.pulled == state.pull_wanted {
            state.want_pull(Why::Routine);
        }
        if state.pulled == state.pull_wanted || state.pull_not_before.is_some_and(|until| until > now) {
            return;
        }
        let (request, full) = (state.pull_wanted, std::mem::take(&mut state.pull_full));
        let is_news = !state.has_heard_all();
        drop(state);
        if is_news {
            // Until it is answered nothing is idle, and a listing can take long.
            engine.events.send(EventKind::Status, None);
        }
        self.contacting = true;
        self.jobs.push(Box::pin(async move { Finished::Pull { request, result: engine.pull(full).await } }));
    }

    /// Plans if something may differ, and starts what may start.
    fn work_on(&mut self) -> Result<()> {
        loop {
            let now = self.engine.clock.monotonic();
            {
                let mut state = self.engine.state();
                if state.paused || state.told_offline || state.reach != Reach::Online || !state.has_pulled {
                    self.work = None;
                    return Ok(());
                }
                let gap = self.plan_gap();
                let rested = self.last_plan.is_none_or(|last| now.saturating_duration_since(last) >= gap);
                if state.kicked && (rested || self.engine.config.quiet.is_zero()) {
                    state.kicked = false;
                    state.replan = true;
                    self.rounds = 0;
                }
                if !state.replan && self.work.is_none() {
                    return Ok(());
                }
                // While steps of the present plan run there is no hurry: their ends wake the loop.
                let is_running = self.work.as_ref().is_some_and(Work::is_running);
                if state.replan && (rested || !is_running) {
                    state.replan = false;
                    self.work = None;
                }
            }
            if self.work.is_none() && !self.plan(now)? {
                return Ok(());
            }
            while self.start_ready()? {}
            let Some(work) = &self.work else { return Ok(()) };
            if work.is_running() {
                return Ok(());
            }
            let goes_on = work.moved_on || self.arrived != NodeId(0);
            self.work = None;
            if !goes_on {
                return Ok(());
            }
            self.engine.state().replan = true;
        }
    }

    /// The least time between two plans. In proportion to what a plan costs, so that with thousands of dirty nodes most of the time
    /// goes into sending them.
    pub(super) fn plan_gap(&self) -> Duration {
        if self.mode.ends() { Duration::ZERO } else { KICK_GAP.max(self.plan_cost * PLAN_SHARE) }
    }

    /// False if planning leads nowhere.
    fn plan(&mut self, now: Instant) -> Result<bool> {
        self.rounds += 1;
        if self.rounds > MAX_ROUNDS {
            let mut state = self.engine.state();
            if state.problem.is_none() {
                tracing::error!("planning does not come to an end");
            }
            state.problem = Some("planning does not come to an end".to_owned());
            return Ok(false);
        }
        self.report.rounds += 1;
        let (work, mut next_due) = self.engine.plan_work(self.report.rounds, self.arrived)?;
        if self.arrived != NodeId(0) {
            // What the portion before waits for, this plan has not seen.
            next_due = earliest(self.next_due, next_due);
        }
        self.arrived = work.arrived;
        if work.arrived != NodeId(0) {
            // The vault arrives in portions: each of them is something new.
            self.rounds = 0;
        }
        self.plan_cost = self.engine.clock.monotonic().saturating_duration_since(now);
        self.work = Some(work);
        self.next_due = next_due;
        self.last_plan = Some(now);
        self.is_tidy = false;
        Ok(true)
    }

    /// Starts what may start. True if something ended at once, so that more may start.
    fn start_ready(&mut self) -> Result<bool> {
        let engine = self.engine;
        let Some(work) = &mut self.work else { return Ok(false) };
        let busy: BTreeSet<NodeId> = engine.state().active.keys().copied().collect();
        let limit = engine.provider.capabilities().limits.parallel_calls.max(1);
        let mut batch = Vec::new();
        for index in work.startable(&busy, LOCAL_BATCH) {
            let Some((planned, expected)) = work.step(index) else { continue };
            let is_together = is_local(&planned.step, expected) && !engine.must_keep(planned)?;
            if !is_together && self.calls >= limit || !self.mode.sends() && !is_local(&planned.step, expected) {
                continue;
            }
            let (planned, expected) = (planned.clone(), expected.clone());
            work.started(index);
            if is_together {
                batch.push((index, planned, expected));
                continue;
            }
            self.calls += 1;
            let (id, node) = (work.id, planned.node);
            engine.step_begins(node, action(&planned.step));
            self.jobs.push(Box::pin(async move {
                let result = engine.run_apart(&planned, &expected).await;
                Finished::Step { work: id, index, node, result }
            }));
        }
        if batch.is_empty() {
            return Ok(false);
        }
        let prepared = batch.iter().map(|(_, planned, expected)| Prepared { planned, expected, kept: None }).collect();
        let outcomes = engine.run_local_batch(prepared);
        let id = work.id;
        for ((index, planned, _), outcome) in batch.into_iter().zip(outcomes) {
            self.step_ended(id, index, planned.node, outcome)?;
        }
        Ok(true)
    }

    fn step_ended(&mut self, work: u64, index: usize, node: NodeId, result: Result<Outcome>) -> Result<()> {
        let done = matches!(result, Ok(Outcome::Done));
        tracing::debug!(device = self.engine.config.device, work, index, %node, ?result, "step ended");
        match result {
            Ok(Outcome::Done) => {
                self.report.done += 1;
                self.engine.step_succeeded(node)?;
                self.engine.look_again_if_left_out(node)?;
            }
            Ok(Outcome::Stale | Outcome::Refreshed | Outcome::Deferred) => self.engine.step_restless(node)?,
            Err(error) => {
                self.report.failed += 1;
                self.report.problem = Some(super::failure::chain(&error));
                self.engine.step_failed(node, &error)?;
            }
        }
        match &mut self.work {
            Some(current) if current.id == work => current.ended(index, done),
            // Of an older plan: what it changed has to be looked at again.
            Some(_) | None => self.engine.state().replan = true,
        }
        Ok(())
    }

    /// Nothing runs and nothing may start.
    fn is_quiet(&self) -> bool {
        let state = self.engine.state();
        let now = self.engine.clock.monotonic();
        if !self.jobs.is_empty() {
            return false;
        }
        if state.paused || state.told_offline {
            return true;
        }
        match &state.reach {
            Reach::Lost(lost) => lost.next_probe > now,
            Reach::Online => {
                let pull_waits = state.pull_not_before.is_some_and(|until| until > now);
                (state.pulled == state.pull_wanted || pull_waits)
                    && (!state.has_pulled || !(state.replan || state.kicked && self.mode.ends()))
            }
        }
    }

    fn publish(&mut self) -> Result<()> {
        let engine = self.engine;
        engine.state().broken = None;
        let pending = engine.pending()?.0.all();
        self.report.pending = pending;
        let answered = {
            let mut state = engine.state();
            if let Reach::Lost(lost) = &state.reach {
                self.report.problem = Some(lost.message.clone());
            } else if state.pull_not_before.is_some() {
                self.report.problem.clone_from(&state.problem);
            }
            if pending == 0 {
                state.sent_bytes = 0;
                if state.has_heard_all() {
                    state.last_synced = Some(engine.clock.now());
                }
            }
            state.hurry_until = Timestamp(i64::MIN);
            state.pull_wanted
        };
        if self.mode.sends() {
            engine.finished.send_replace((answered, self.report.clone()));
        }
        if !self.mode.ends() {
            if self.report != (CycleReport { pending: self.report.pending, ..CycleReport::default() }) {
                engine.events.send(EventKind::Status, None);
            }
            self.report = CycleReport::default();
            self.rounds = 0;
        }
        Ok(())
    }

    pub(super) fn finished(&mut self, finished: Finished) -> Result<()> {
        match finished {
            Finished::Step { work, index, node, result } => {
                self.calls -= 1;
                {
                    let mut state = self.engine.state();
                    let ended = state.active.remove(&node).map_or(0, |active| active.total);
                    if matches!(result, Ok(Outcome::Done)) {
                        state.sent_bytes = state.sent_bytes.saturating_add(ended);
                    }
                }
                self.step_ended(work, index, node, result)
            }
            Finished::Tidied(result) => {
                if let Err(error) = result {
                    tracing::warn!(
                        error = super::failure::chain(&error),
                        "what is done at rest waits for the next time"
                    );
                }
                Ok(())
            }
            Finished::Probe(result) => {
                self.contacting = false;
                match result {
                    Ok(()) => self.engine.found_again(),
                    Err(error) => self.engine.lost(error.kind, super::failure::chain(&error)),
                }
                Ok(())
            }
            Finished::Pull { request, result } => {
                self.contacting = false;
                self.rounds = 0;
                match result {
                    Ok(changed) => {
                        // The open question was about an older position.
                        self.notice = None;
                        self.report.pulled += changed;
                        let mut state = self.engine.state();
                        state.pulled = state.pulled.max(request);
                        state.replan |= changed > 0 || !state.has_pulled;
                        state.has_pulled = true;
                        let pause = self.engine.backoff.around(self.engine.config.pull_every);
                        let clock = &self.engine.clock;
                        state.pull_due = Some((clock.monotonic() + pause, clock.now().plus(pause)));
                        state.pull_attempts = 0;
                        state.pull_not_before = None;
                        state.problem = None;
                    }
                    Err(error) => self.engine.pull_failed(&error),
                }
                Ok(())
            }
        }
    }
}

impl Engine {
    /// True if a local step replaces bytes that are here: they are copied to history first, outside of any lock.
    fn must_keep(&self, planned: &Planned) -> Result<bool> {
        use crate::catalog::LocalContent;
        if keeps(&planned.step).is_none() {
            return Ok(false);
        }
        let content = self.catalog.read(|view| Ok(view.local(planned.node)?.map(|row| row.content)))?;
        Ok(match content {
            Some(LocalContent::Clean(version)) => self.content.cached_bytes(&version) > 0,
            Some(LocalContent::Staged { .. }) => true,
            Some(LocalContent::None | LocalContent::Symlink(_)) | None => false,
        })
    }

    /// Runs a step as a job of its own.
    async fn run_apart(&self, planned: &Planned, expected: &Sides) -> Result<Outcome> {
        let Some(reason) = keeps(&planned.step) else { return self.run_step(planned, expected).await };
        let row = self.catalog.read(|view| view.local(planned.node))?;
        let kept = match &row {
            Some(row) => self.keep(row, reason).await?,
            None => None,
        };
        self.run_local(planned, expected, kept)
    }
}
