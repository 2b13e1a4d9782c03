//! The queue as people see it: derived from the trees by the planner that also does the work, so that it cannot disagree with it.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::engine::{Active, Engine};
use super::error::Result;
use super::plan::{Blocked, Content, Plan, Planned, Step};
use super::status::{QueueItem, Upload, Uploads};
use super::work::Drawn;
use crate::catalog::{DirtyRow, View};
use crate::types::{NodeId, Timestamp};

/// What a step does, in a word or two.
pub(super) fn action(step: &Step) -> &'static str {
    match step {
        Step::HashLocal => "compare",
        Step::CreateRemoteFolder(_) => "create folder",
        Step::CreateRemoteSymlink(_) => "create link",
        Step::UploadNew(_) | Step::UploadOver { .. } => "upload",
        Step::MoveRemote(_) | Step::MoveRemoteAside => "move at the provider",
        Step::DeleteRemote { .. } => "delete at the provider",
        Step::CreateLocal(_) => "show",
        Step::UpdateLocal => "update here",
        Step::MoveLocal(_) => "move here",
        Step::LeaveOut => "hide",
        Step::DeleteLocal => "delete here",
        Step::KeepBoth { .. } => "keep both versions",
        Step::Adopt { .. } | Step::MarkSynced | Step::DropSynced => "record",
    }
}

/// What a person did or somebody else did, that the step follows from. The decision tables have finer words; see `dry_run`.
fn occasion(step: &Step) -> &'static str {
    match step {
        Step::CreateRemoteFolder(_) | Step::CreateRemoteSymlink(_) | Step::UploadNew(_) => "new here",
        Step::UploadOver { .. } => "changed here",
        Step::MoveRemote(_) | Step::MoveRemoteAside => "moved here",
        Step::DeleteRemote { .. } => "deleted here",
        Step::CreateLocal(_) => "new at the provider",
        Step::UpdateLocal => "changed at the provider",
        Step::MoveLocal(_) => "moved at the provider",
        Step::LeaveOut => "left out by the filter",
        Step::DeleteLocal => "deleted at the provider",
        Step::HashLocal | Step::KeepBoth { .. } => "changed on both sides",
        Step::Adopt { .. } | Step::MarkSynced | Step::DropSynced => "the same on both sides",
    }
}

fn blocked_reason(blocked: Blocked) -> &'static str {
    match blocked {
        Blocked::LocalOnly => "never leaves this machine",
        Blocked::LeftOut => "left out by the filter",
        Blocked::OpenForWriting => "open for writing",
        Blocked::NotQuiet => "changed a moment ago",
        Blocked::Held => "held back by the user",
        Blocked::BackingOff => "waits for its next attempt",
    }
}

impl Engine {
    /// What would be done, one item per step. Changes nothing.
    pub fn dry_run(&self) -> Result<Vec<QueueItem>> {
        let drawn = self.draw(NodeId(0))?;
        self.catalog_items(|view| {
            drawn.plan.steps.iter().map(|planned| self.item(view, &drawn, planned.node, Some(planned))).collect()
        })
    }

    /// Everything that differs, with what will be done about it, or why not yet.
    pub fn queue(&self) -> Result<Vec<QueueItem>> {
        let drawn = self.draw(NodeId(0))?;
        let planned = first_steps(&drawn.plan);
        let mut nodes: Vec<&DirtyRow> = drawn
            .gathered
            .dirty
            .values()
            .filter(|row| planned.contains_key(&row.node) || !drawn.plan.settled.contains(&row.node))
            .collect();
        nodes.sort_by_key(|row| (row.touched, row.node));
        self.catalog_items(|view| {
            let listed = nodes.iter().map(|row| {
                let planned = planned.get(&row.node).copied();
                let item = self.item(view, &drawn, row.node, planned)?;
                let reason = planned.map_or(item.reason, |planned| occasion(&planned.step).to_owned());
                Ok(QueueItem { reason, ..item })
            });
            listed.collect()
        })
    }

    /// How far the bytes are that the provider is to get. Cheap: asks no plan.
    pub fn uploads(&self) -> Result<Uploads> {
        let (running, finished, resting) = {
            let state = self.state();
            let moving = state.active.iter().filter(|(_, active)| active.total > 0);
            let sent = |active: &Active| active.sent.load(Ordering::Relaxed).min(active.total);
            let running: Vec<Upload> =
                moving.map(|(node, active)| Upload { node: *node, sent: sent(active), size: active.total }).collect();
            (running, state.sent_bytes, state.resting.clone())
        };
        // Read after the list above: what ends in between is in one of the two, and in one only.
        let unsent = self.catalog.read(|view| view.unsent())?;
        let is_running = |node| running.iter().any(|upload| upload.node == node);
        let waits = |node: &NodeId| !is_running(*node) && !resting.contains(node);
        let waiting = unsent.into_iter().filter(|(node, _)| waits(node)).map(|(_, size)| size);
        Ok(Uploads { waiting: waiting.fold(0, u64::saturating_add), running, finished })
    }

    /// What will be done about one node, or why not yet; `None` if nothing differs.
    pub fn queue_item(&self, node: NodeId) -> Result<Option<QueueItem>> {
        if !self.catalog.read(|view| view.is_dirty(node))? {
            return Ok(None);
        }
        let drawn = self.draw(NodeId(0))?;
        let planned = first_steps(&drawn.plan);
        self.catalog_items(|view| self.item(view, &drawn, node, planned.get(&node).copied()).map(Some))
    }

    fn catalog_items<T>(&self, read: impl FnOnce(&View<'_>) -> crate::catalog::Result<T>) -> Result<T> {
        Ok(self.catalog.read(read)?)
    }

    fn item(
        &self,
        view: &View<'_>,
        drawn: &Drawn,
        node: NodeId,
        planned: Option<&Planned>,
    ) -> crate::catalog::Result<QueueItem> {
        let trees = drawn.gathered.trees.get(&node);
        let state = view.sync_state(node)?;
        let active = self.state().active.get(&node).cloned();
        let touched = drawn.gathered.dirty.get(&node).map_or(Timestamp(0), |row| row.touched);
        let size = trees.and_then(|trees| trees.local.as_ref().or(trees.remote.as_ref())).map_or(0, |side| match &side
            .content
        {
            Content::Version { size, .. } | Content::Staged { size, .. } => *size,
            Content::Folder | Content::Symlink(_) => 0,
        });
        let (step, reason) = match (planned, trees.and_then(|trees| trees.blocked)) {
            (Some(planned), _) => (action(&planned.step), planned.reason.to_owned()),
            (None, Some(blocked)) => ("wait", blocked_reason(blocked).to_owned()),
            (None, None) if drawn.plan.guarded.contains(&node) => {
                ("delete", "waits for the confirmation of a mass deletion".to_owned())
            }
            (None, None) => ("wait", "waits for other steps".to_owned()),
        };
        Ok(QueueItem {
            node,
            path: path_of(view, node)?,
            action: active.as_ref().map_or(step, |active| active.action),
            reason,
            age_seconds: if touched.0 == 0 { 0 } else { self.clock.now().since(touched).as_secs() },
            size,
            sent: active.as_ref().map_or(0, |active| active.sent.load(Ordering::Relaxed)),
            attempts: state.attempts,
            problem: state.problem.map(|(kind, message)| format!("{kind}: {message}")),
            held: state.held,
            left_out: planned.is_none() && trees.is_some_and(|trees| trees.blocked == Some(Blocked::LeftOut)),
            active: active.is_some(),
        })
    }
}

fn first_steps(plan: &Plan) -> BTreeMap<NodeId, &Planned> {
    let mut first = BTreeMap::new();
    for planned in &plan.steps {
        first.entry(planned.node).or_insert(planned);
    }
    first
}

/// Where a node is, or was: in L, else in R, else in S.
fn path_of(view: &View<'_>, node: NodeId) -> crate::catalog::Result<String> {
    if let Some(path) = view.local_path(node)? {
        return Ok(path);
    }
    let (mut names, mut at) = (Vec::new(), Some(node));
    while let Some(node) = at.filter(|node| *node != NodeId::ROOT && names.len() < 1_000) {
        let (name, parent) = match (view.local(node)?, view.remote(node)?, view.synced(node)?) {
            (Some(row), _, _) => (row.name, row.parent),
            (None, Some(row), _) => (row.name, row.parent),
            (None, None, Some(row)) => (row.name, row.parent),
            (None, None, None) => break,
        };
        names.push(name.to_string());
        at = parent;
    }
    names.reverse();
    Ok(names.join("/"))
}
