//! A plan being carried out: which steps are done, which may start, in which order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::engine::Engine;
use super::error::Result;
use super::plan::{Blocked, Content, DeleteGuard, Plan, Planned, Policy, Step};
use super::planner;
use super::step::is_local;
use super::trees::{Gathered, Sides, Surroundings, gather, sides};
use crate::catalog::Txn;
use crate::types::{NodeId, Timestamp};

/// Meta key: the user confirmed the deletions that the guard kept back.
pub(super) const DELETES_CONFIRMED: &str = "sync.deletes_confirmed";

/// A plan and how far it is.
pub(super) struct Work {
    pub(super) id: u64,
    steps: Vec<Planned>,
    states: Vec<StepState>,
    /// Steps that wait for this one.
    dependents: Vec<Vec<usize>>,
    /// How many steps each one still waits for.
    waits_for: Vec<usize>,
    /// Steps that nothing keeps back, most urgent first.
    ready: BTreeSet<Urgency>,
    running: usize,
    rows: BTreeMap<NodeId, Sides>,
    priorities: BTreeMap<NodeId, i32>,
    /// True once a step changed something, or found that something had changed.
    pub(super) moved_on: bool,
    /// The last arriving node that the plan has taken up; zero if there are none after it.
    pub(super) arrived: NodeId,
}

/// What comes first: steps that need nobody else, then the user's priority, the kind of step, the size, and the place in the plan.
type Urgency = (bool, Reverse<i32>, u8, u64, usize);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum StepState {
    Waiting,
    Running,
    Done,
    Lost,
}

impl Work {
    fn new(id: u64, plan: Plan, gathered: Gathered) -> Self {
        let count = plan.steps.len();
        let Gathered { rows, priorities, arrived, .. } = gathered;
        let mut work = Self {
            id,
            states: vec![StepState::Waiting; count],
            dependents: vec![Vec::new(); count],
            waits_for: plan.steps.iter().map(|planned| planned.after.len()).collect(),
            steps: plan.steps,
            ready: BTreeSet::new(),
            running: 0,
            rows,
            priorities,
            moved_on: false,
            arrived,
        };
        for index in 0..count {
            for before in &work.steps[index].after {
                work.dependents[*before].push(index);
            }
            if work.waits_for[index] == 0 {
                work.ready.insert(work.urgency(index));
            }
        }
        work
    }

    /// Up to `limit` steps that may start now, the most urgent first.
    pub(super) fn startable(&self, busy: &BTreeSet<NodeId>, limit: usize) -> Vec<usize> {
        let free = self.ready.iter().map(|(_, _, _, _, index)| *index);
        free.filter(|index| !busy.contains(&self.steps[*index].node)).take(limit).collect()
    }

    /// What the user wants first, then calls without bytes, then small JSON, then by size.
    fn urgency(&self, index: usize) -> Urgency {
        let planned = &self.steps[index];
        let priority = self.priorities.get(&planned.node).copied().unwrap_or(0);
        let local = self.rows.get(&planned.node).and_then(|found| found.local.as_ref());
        let size = match local.map(|side| &side.content) {
            Some(Content::Staged { size, .. } | Content::Version { size, .. }) => *size,
            Some(Content::Folder | Content::Symlink(_)) | None => 0,
        };
        let is_json = local.is_some_and(|side| side.place.name.split_extension().1.eq_ignore_ascii_case(".json"));
        let class = match planned.step {
            Step::HashLocal | Step::UploadNew(_) | Step::UploadOver { .. } | Step::MarkSynced => 2 - u8::from(is_json),
            Step::CreateRemoteFolder(_)
            | Step::CreateRemoteSymlink(_)
            | Step::MoveRemote(_)
            | Step::MoveRemoteAside
            | Step::DeleteRemote { .. }
            | Step::CreateLocal(_)
            | Step::UpdateLocal
            | Step::MoveLocal(_)
            | Step::LeaveOut
            | Step::DeleteLocal
            | Step::KeepBoth { .. }
            | Step::Adopt { .. }
            | Step::DropSynced => 0,
        };
        let is_local = self.rows.get(&planned.node).is_some_and(|found| is_local(&planned.step, found));
        (!is_local, Reverse(priority), class, if class == 0 { 0 } else { size }, index)
    }

    /// The step and the rows it was planned from.
    pub(super) fn step(&self, index: usize) -> Option<(&Planned, &Sides)> {
        let planned = self.steps.get(index)?;
        Some((planned, self.rows.get(&planned.node)?))
    }

    pub(super) fn started(&mut self, index: usize) {
        let urgency = self.urgency(index);
        self.ready.remove(&urgency);
        self.states[index] = StepState::Running;
        self.running += 1;
    }

    /// A step that was started ended. What waited for one that was not done is lost with it.
    pub(super) fn ended(&mut self, index: usize, done: bool) {
        self.moved_on = true;
        self.running -= 1;
        self.states[index] = if done { StepState::Done } else { StepState::Lost };
        let mut ended = vec![index];
        while let Some(index) = ended.pop() {
            let is_done = self.states[index] == StepState::Done;
            for dependent in std::mem::take(&mut self.dependents[index]) {
                self.waits_for[dependent] -= 1;
                if !is_done && self.states[dependent] == StepState::Waiting {
                    self.states[dependent] = StepState::Lost;
                    ended.push(dependent);
                } else if self.states[dependent] == StepState::Waiting && self.waits_for[dependent] == 0 {
                    self.ready.insert(self.urgency(dependent));
                }
            }
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running > 0
    }
}

/// A plan and what it was made from.
pub(super) struct Drawn {
    pub(super) plan: Plan,
    pub(super) gathered: Gathered,
    /// The user had confirmed deletions when the plan was made.
    confirmed: bool,
    /// Fingerprint of the selection that it was made by.
    selection: String,
}

impl Engine {
    /// Plans for what differs now; of what is arriving, for a portion after a node. Changes nothing.
    pub(super) fn draw(&self, arrived: NodeId) -> Result<Drawn> {
        let now = self.clock.now();
        let (hurry_until, unrest) = {
            let state = self.state();
            (state.hurry_until, state.unrest.clone())
        };
        let (quiet, portion) = (self.config.quiet, self.config.portion);
        let selection = self.selection.fingerprint();
        let selected = &*self.selection;
        let around = Surroundings {
            names: self.names(),
            now,
            quiet,
            unrest: &unrest,
            hurry_until,
            portion,
            selection: selected,
        };
        let (mut gathered, confirmed) = self.catalog.read(|view| {
            let confirmed = view.meta(DELETES_CONFIRMED)?.as_deref() == Some("1");
            Ok((gather(view, &around, arrived)?, confirmed))
        })?;
        gathered.mark_open(&*self.local);
        let capabilities = self.provider.capabilities();
        let guard = DeleteGuard {
            total_nodes: gathered.total_nodes,
            max_nodes: self.config.guard_nodes,
            max_percent: self.config.guard_percent,
        };
        let policy = Policy {
            names: capabilities.names,
            conflict_marker: conflict_marker(&self.config.device, now),
            folder_move: capabilities.folder_move,
            reports_case_rename: capabilities.reports_case_rename,
            symlinks: capabilities.symlinks,
            delete_guard: (!confirmed).then_some(guard),
        };
        let plan = planner::plan(&gathered.trees, &policy);
        Ok(Drawn { plan, gathered, confirmed, selection })
    }

    /// Plans, clears the marks of what turned out to agree, and returns the work and when something blocked becomes free.
    pub(super) fn plan_work(&self, id: u64, arrived: NodeId) -> Result<(Work, Option<Timestamp>)> {
        let Drawn { plan, gathered, confirmed, selection } = self.draw(arrived)?;
        let is_marked = |node: &NodeId| gathered.dirty.contains_key(node);
        let settled: Vec<NodeId> = plan.settled.iter().copied().filter(is_marked).collect();
        if !settled.is_empty() || !gathered.absent.is_empty() {
            let is_in_force = self.catalog.write(|txn| {
                if self.selection.fingerprint() != selection {
                    return Ok(false);
                }
                for node in settled.into_iter().chain(gathered.absent.iter().copied()) {
                    let found = sides(txn, node)?;
                    if found.as_ref() == gathered.rows.get(&node) {
                        settle(txn, node, found.as_ref())?;
                    }
                }
                Ok::<_, crate::catalog::CatalogError>(true)
            })?;
            // What another selection found to be settled may not be by the one of now: that is for the next plan to say.
            self.state().replan |= !is_in_force;
        }
        self.note_guarded(&plan, confirmed)?;
        self.note_resting(&plan, &gathered, &selection);
        self.note_unrest(&gathered);
        for (cell, count) in &plan.cells {
            *self.state().cells.entry(cell).or_default() += count;
        }
        tracing::debug!(device = self.config.device, steps = ?plan.steps, "planned");
        let next_due = gathered.next_due;
        Ok((Work::new(id, plan, gathered), next_due))
    }

    /// Remembers what the guard keeps back; a confirmation ends with the deletions that it was given for. One that came while
    /// the plan was being made is for the next plan, and must not end with this one.
    fn note_guarded(&self, plan: &Plan, confirmed: bool) -> Result<()> {
        if !confirmed && self.are_deletes_confirmed()? {
            self.state().guarded.clear();
            return Ok(());
        }
        let is_new = {
            let mut state = self.state();
            let is_new = state.guarded.is_empty() && !plan.guarded.is_empty();
            state.guarded.clone_from(&plan.guarded);
            is_new
        };
        if is_new {
            tracing::warn!(nodes = plan.guarded.len(), "a mass deletion waits for confirmation");
            self.events.send(super::event::EventKind::Problem, None);
        }
        let deletes = |planned: &Planned| matches!(planned.step, Step::DeleteLocal | Step::DeleteRemote { .. });
        if confirmed && !plan.steps.iter().any(deletes) {
            self.catalog.write(|txn| txn.set_meta(DELETES_CONFIRMED, "0"))?;
        }
        Ok(())
    }

    /// Remembers since when nodes have not been quiet.
    fn note_unrest(&self, gathered: &Gathered) {
        let mut state = self.state();
        state.unrest = gathered.unrest(&state.unrest, self.config.quiet, self.clock.now());
    }

    /// Remembers which changes will not be sent as long as the filter stays what it is.
    fn note_resting(&self, plan: &Plan, gathered: &Gathered, selection: &str) {
        let moving: BTreeSet<NodeId> = plan.steps.iter().map(|planned| planned.node).collect();
        let rests = |node: &NodeId| {
            let blocked = gathered.trees.get(node).and_then(|trees| trees.blocked);
            blocked == Some(Blocked::LeftOut) && !plan.settled.contains(node) && !moving.contains(node)
        };
        let resting = gathered.dirty.keys().copied().filter(rests).collect();
        let mut state = self.state();
        if self.selection.fingerprint() == selection {
            state.resting = resting;
        }
    }

    fn are_deletes_confirmed(&self) -> Result<bool> {
        Ok(self.catalog.read(|view| view.meta(DELETES_CONFIRMED))?.as_deref() == Some("1"))
    }
}

/// A node needs no step: its mark goes.
fn settle(txn: &Txn<'_>, node: NodeId, found: Option<&Sides>) -> crate::catalog::Result<()> {
    match found {
        // Only the provider has it, and the filter keeps it so.
        Some(Sides { local: None, synced: None, remote: Some(_), .. }) => txn.leave_out(node),
        // Only here, and not marked as staying here: the settings have just changed, and `judge_again` is about to say what it is.
        Some(Sides { local: Some(_), synced: None, remote: None, local_only: false, .. }) => Ok(()),
        Some(_) | None => txn.clear_dirty(node),
    }
}

/// ` (conflict DEVICE 2026-03-01 101500)`: what an ordinary file system and every provider can hold.
fn conflict_marker(device: &str, now: Timestamp) -> String {
    let device: String =
        device.chars().map(|c| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { ' ' }).take(32).collect();
    let stamp: String = now.to_rfc3339().replace('T', " ").chars().filter(|c| *c != ':').take(17).collect();
    format!(" (conflict {} {stamp})", device.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_marker_names_device_and_time_in_plain_characters() {
        let at = Timestamp(1_772_360_100_000_000_000);
        assert_eq!(conflict_marker("Anna's Mac/2", at), " (conflict Anna s Mac 2 2026-03-01 101500)");
    }
}
