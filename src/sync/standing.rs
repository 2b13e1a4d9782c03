//! How entries stand, a word each. Costs no plan, so that it can be asked for every file of a folder, and by whoever reads an extended
//! attribute; and it is asked here by all of them, so that they agree.

use std::collections::BTreeSet;

use super::engine::Engine;
use super::error::{Result, SyncError};
use crate::catalog::{LocalRow, View};
use crate::types::NodeId;

/// Where an entry is on its way to the provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Here and at the provider alike.
    Synced,
    /// It never leaves this machine.
    LocalOnly,
    /// The user's filter leaves it out: what is here stays here.
    LeftOut,
    /// It differs, and waits for its turn.
    Pending,
    /// A step runs.
    Syncing,
    /// The user keeps it back.
    Held,
    /// It is synced, and two versions clash.
    Conflict,
    /// The last attempt failed.
    Failing,
}

/// What there is to say of nodes that are not simply synced; of one, or of all.
#[derive(Default)]
pub struct Standings {
    dirty: BTreeSet<NodeId>,
    held: BTreeSet<NodeId>,
    failing: BTreeSet<NodeId>,
    in_conflict: BTreeSet<NodeId>,
    active: BTreeSet<NodeId>,
    resting: BTreeSet<NodeId>,
}

impl Standings {
    fn read(view: &View<'_>, only: Option<NodeId>) -> crate::catalog::Result<Self> {
        let (dirty, states) = match only {
            Some(node) => {
                (BTreeSet::from_iter(view.is_dirty(node)?.then_some(node)), vec![(node, view.sync_state(node)?)])
            }
            None => (view.dirty()?.into_iter().map(|row| row.node).collect(), view.all_sync_states()?),
        };
        let mut found = Self { dirty, ..Self::default() };
        for (node, state) in states {
            if state.held {
                found.held.insert(node);
            }
            if state.problem.is_some() {
                found.failing.insert(node);
            }
        }
        for conflict in view.conflicts(false)? {
            found.in_conflict.extend([Some(conflict.node), conflict.other].into_iter().flatten());
        }
        Ok(found)
    }

    /// Of a node of which more is known than that it is kept here.
    pub fn of(&self, node: NodeId) -> Standing {
        if !self.dirty.contains(&node) {
            return if self.in_conflict.contains(&node) { Standing::Conflict } else { Standing::Synced };
        }
        if self.active.contains(&node) {
            Standing::Syncing
        } else if self.resting.contains(&node) {
            Standing::LeftOut
        } else if self.held.contains(&node) {
            Standing::Held
        } else if self.failing.contains(&node) {
            Standing::Failing
        } else {
            Standing::Pending
        }
    }
}

impl Engine {
    /// How every entry stands now; see [`Engine::standing`].
    pub fn standings(&self) -> Result<Standings> {
        self.gather_standings(None)
    }

    fn gather_standings(&self, only: Option<NodeId>) -> Result<Standings> {
        let found = self.catalog.read(|view| Standings::read(view, only))?;
        let state = self.state();
        let is_meant = |node: &NodeId| only.is_none_or(|only| only == *node);
        let active = state.active.keys().copied().filter(is_meant).collect();
        let resting = state.resting.iter().copied().filter(is_meant).collect();
        Ok(Standings { active, resting, ..found })
    }

    /// How an entry of the mount stands.
    pub fn standing(&self, row: &LocalRow, among: &Standings) -> Result<Standing> {
        if !row.local_only {
            return Ok(among.of(row.node));
        }
        let left_out = !self.selection.keeps_here(&row.name) && self.is_left_out(row.node)?;
        Ok(if left_out { Standing::LeftOut } else { Standing::LocalOnly })
    }

    /// How one entry of the mount stands.
    pub fn standing_of(&self, node: NodeId) -> Result<Standing> {
        let row = self.catalog.read(|view| view.local(node))?.ok_or(SyncError::NoSuchNode(node))?;
        self.standing(&row, &self.gather_standings(Some(node))?)
    }
}
