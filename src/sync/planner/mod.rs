//! The planner: from what R, L and S say to what has to be done. Pure and deterministic: equal trees and policy give equal plans; no
//! clock, no randomness, no I/O; it owns nothing and remembers nothing.
//!
//! In order: `places` asks the decision tables (`files`, `folders`) for every node's fate and place and makes one acyclic tree of the
//! answers; `collisions` gives every node a name of its own; `steps` picks each node's next step; `order` leaves out what cannot be
//! done yet (`needs`) and puts the rest in order; `guard` holds back mass deletions.
//!
//! Invariants:
//! - Repeating plan and execute ends with L = R = S, whatever is dropped, delayed or changed in between, as long as changes stop.
//! - A step destroys only content that S has, too, and that somebody deleted or replaced on the other side.
//! - A plan holds at most one step per node, and each leaves trees from which the rest of the same decision is planned again. No
//!   decision lives only in a plan.
//! - All steps of one plan, taken in any order that obeys `after`, leave the same trees.
//! - A node that is blocked stops nobody else, but keeps the name that it has.
//!
//! Moving a folder is always one step: [`crate::provider::Provider::relocate`] promises the whole subtree, and a provider that has no
//! such call does it inside that promise ([`Policy::folder_move`] is about cost, which no decision here depends on).

mod cells;
mod collisions;
mod files;
mod folders;
mod guard;
mod left_out;
mod needs;
mod order;
mod places;
mod steps;
mod table;
#[cfg(test)]
mod table_tests;
mod view;

use cells::Cells;
use order::Schedule;
use view::View;

use super::plan::{Plan, Planned, Policy, Trees};
use crate::types::NodeId;

/// What has to be done so that L and R become the same again.
pub fn plan(trees: &Trees, policy: &Policy) -> Plan {
    let mut cells = Cells::default();
    if root_is_missing(trees) {
        cells.count("rule 9: root missing, nothing is done");
        return Plan { cells: cells.0, ..Plan::default() };
    }
    let mut view = View::new(trees, policy);
    let mut outcomes = places::settle(&view, &mut cells);
    let mut names = collisions::resolve(&mut view, &mut outcomes, &mut cells);
    let mut settled = std::collections::BTreeSet::new();
    let mut choices = Vec::with_capacity(outcomes.len());
    for index in 0..outcomes.len() {
        let wants = steps::wants(&mut view, &outcomes, index, &mut names);
        if wants.settled {
            settled.insert(view.nodes[index].id);
        }
        choices.push(wants.intents);
    }
    if choices.iter().all(Vec::is_empty) {
        return Plan { settled, cells: cells.0, ..Plan::default() };
    }
    let mut schedule = Schedule::new(&view, &outcomes, choices);
    let guarded = guard::hold_back_deletions(&mut schedule, policy.delete_guard);
    let sorted = schedule.sorted(&mut cells);
    for (index, outcome) in outcomes.iter().enumerate() {
        if outcome.left_out && schedule.intent(index).is_none() && left_out::rests(&view, index) {
            settled.insert(view.nodes[index].id);
        }
    }
    let mut position = vec![0; outcomes.len()];
    let mut steps = Vec::with_capacity(sorted.len());
    for index in sorted {
        let Some(intent) = schedule.intent(index) else { continue };
        position[index] = steps.len();
        let mut after: Vec<usize> = schedule.needs_of(index).map(|need| position[need]).collect();
        after.sort_unstable();
        steps.push(Planned {
            node: view.nodes[index].id,
            step: intent.action.step(&view, index),
            after,
            reason: intent.reason,
        });
    }
    let guarded = guarded.into_iter().map(|index| view.nodes[index].id).collect();
    Plan { steps, settled, guarded, cells: cells.0 }
}

/// Rule 9. The root is not among the trees that are planned for; if its row is passed nevertheless, and one side has lost or moved it,
/// then nothing may be concluded from what is missing below it.
fn root_is_missing(trees: &Trees) -> bool {
    trees.get(&NodeId::ROOT).is_some_and(|root| {
        root.remote.is_none()
            || root.local.is_none()
            || root.remote.as_ref().map(|side| &side.place) != root.synced.as_ref().map(|side| &side.place)
    })
}
