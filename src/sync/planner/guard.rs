//! The mass-delete guard: a plan that would delete too much of the vault deletes nothing until somebody confirms.

use super::order::Schedule;
use super::steps::Action;
use super::view::Index;
use crate::sync::plan::DeleteGuard;

/// Takes all deletions out of the plan if there are too many, and tells which.
pub(super) fn hold_back_deletions(schedule: &mut Schedule<'_, '_>, guard: Option<DeleteGuard>) -> Vec<Index> {
    let Some(guard) = guard else { return Vec::new() };
    let deletions: Vec<Index> = (0..schedule.view.nodes.len())
        .filter(|index| matches!(schedule.action(*index), Some(Action::DeleteLocal | Action::DeleteRemote)))
        .collect();
    let count = u64::try_from(deletions.len()).unwrap_or(u64::MAX);
    let share_exceeded = count.saturating_mul(100) > guard.max_percent.saturating_mul(guard.total_nodes);
    if count <= guard.max_nodes || !share_exceeded {
        return Vec::new();
    }
    schedule.remove(&deletions);
    deletions
}
