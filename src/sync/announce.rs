//! What a transaction of the engine changes in the mount: collected while it runs, told after the commit, under one guard.

use super::ports::{Frozen, LocalChange};
use crate::types::{InodeNo, StagedId};

/// Collects changes of L. Without a guard the local tree must not be changed.
pub(super) struct Announce<'a> {
    frozen: Option<&'a (dyn Frozen + 'a)>,
    changes: Vec<LocalChange>,
    garbage: Vec<StagedId>,
}

impl<'a> Announce<'a> {
    pub(super) fn new(frozen: Option<&'a (dyn Frozen + 'a)>) -> Self {
        Self { frozen, changes: Vec::new(), garbage: Vec::new() }
    }

    /// Without a guard nobody can tell, so the answer is yes.
    pub(super) fn is_open_for_writing(&self, ino: InodeNo) -> bool {
        self.frozen.is_none_or(|frozen| frozen.is_open_for_writing(ino))
    }

    /// Without a guard nobody can tell, so the answer is yes.
    pub(super) fn is_open(&self, ino: InodeNo) -> bool {
        self.frozen.is_none_or(|frozen| frozen.is_open(ino))
    }

    pub(super) fn add(&mut self, change: LocalChange) {
        self.changes.push(change);
    }

    /// No row points to these staged bytes once this transaction is committed.
    pub(super) fn discard(&mut self, staged: StagedId) {
        self.garbage.push(staged);
    }

    /// Call after the commit. Returns the staged bytes that nothing points to any more.
    pub(super) fn send(self) -> Vec<StagedId> {
        if let Some(frozen) = self.frozen
            && !self.changes.is_empty()
        {
            frozen.committed(&self.changes);
        }
        self.garbage
    }
}
