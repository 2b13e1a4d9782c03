//! Which steps can be taken in this plan and in which order: parents before children, names freed before they are taken, no folder into
//! itself at any instant, in all three trees.
//!
//! A step whose need no step of this plan fills is left out; the next plan sees it again. What then waits in a circle of names is cut
//! by moving one holder of a name aside.

use super::cells::Cells;
use super::collisions::{DELETED_AND_MADE_AGAIN, KIND_CHANGE};
use super::needs::{Need, needs};
use super::steps::{Action, Intent};
use super::table::Outcome;
use super::view::{Index, Tree, View};

/// The step that each node takes, if any, and what must be done before it.
pub(super) struct Schedule<'a, 'v> {
    /// The nodes.
    pub(super) view: &'v View<'a>,
    /// What becomes of them.
    pub(super) outcomes: &'v [Outcome<'a>],
    /// Best first.
    choices: Vec<Vec<Intent<'a>>>,
    /// Which choice each node is at; past the end: it does nothing.
    at: Vec<usize>,
    needs: Vec<Vec<Need>>,
    waiting: Vec<Vec<Index>>,
}

impl<'a, 'v> Schedule<'a, 'v> {
    /// Leaves out what cannot be done now.
    pub(super) fn new(view: &'v View<'a>, outcomes: &'v [Outcome<'a>], choices: Vec<Vec<Intent<'a>>>) -> Self {
        let count = choices.len();
        let (needs, waiting) = (vec![Vec::new(); count], vec![Vec::new(); count]);
        let mut schedule = Self { view, outcomes, choices, at: vec![0; count], needs, waiting };
        let all: Vec<Index> = (0..count).filter(|index| schedule.intent(*index).is_some()).collect();
        schedule.settle(all);
        schedule
    }

    /// What a node does in this plan.
    pub(super) fn intent(&self, index: Index) -> Option<&Intent<'a>> {
        self.choices[index].get(self.at[index])
    }

    /// As [`Schedule::intent`], without the reason.
    pub(super) fn action(&self, index: Index) -> Option<&Action<'a>> {
        self.intent(index).map(|intent| &intent.action)
    }

    /// Takes steps out of the plan, with everything that needs them.
    pub(super) fn remove(&mut self, removed: &[Index]) {
        for index in removed {
            self.at[*index] = self.choices[*index].len();
        }
        let shaken = removed.iter().flat_map(|index| std::mem::take(&mut self.waiting[*index])).collect();
        self.settle(shaken);
    }

    /// Works out the needs of these nodes again, and of all that depend on a change of theirs.
    fn settle(&mut self, mut open: Vec<Index>) {
        open.reverse();
        while let Some(index) = open.pop() {
            let mut changed = false;
            while let Some(intent) = self.intent(index) {
                if let Some(needs) = needs(self, index, &intent.action) {
                    for need in &needs {
                        self.waiting[need.on].push(index);
                    }
                    self.needs[index] = needs;
                    break;
                }
                self.at[index] += 1;
                changed = true;
            }
            if changed {
                open.append(&mut std::mem::take(&mut self.waiting[index]));
            }
        }
    }

    /// All steps in an order that fills every need first.
    pub(super) fn sorted(&mut self, cells: &mut Cells) -> Vec<Index> {
        loop {
            let (sorted, circling) = self.sort();
            if circling.is_empty() {
                self.count_replacements(cells);
                return sorted;
            }
            self.cut(&circling, cells);
        }
    }

    /// Steps in order, and those that wait in a circle or behind one.
    fn sort(&self) -> (Vec<Index>, Vec<Index>) {
        let count = self.choices.len();
        let mut missing = vec![0_usize; count];
        let mut frees: Vec<Vec<Index>> = vec![Vec::new(); count];
        for index in (0..count).filter(|index| self.intent(*index).is_some()) {
            missing[index] = self.needs[index].len();
            for need in &self.needs[index] {
                frees[need.on].push(index);
            }
        }
        let mut sorted: Vec<Index> =
            (0..count).filter(|index| self.intent(*index).is_some() && missing[*index] == 0).collect();
        let mut next = 0;
        while let Some(index) = sorted.get(next) {
            for freed in &frees[*index] {
                missing[*freed] -= 1;
                if missing[*freed] == 0 {
                    sorted.push(*freed);
                }
            }
            next += 1;
        }
        (sorted, (0..count).filter(|index| missing[*index] > 0).collect())
    }

    /// Breaks one circle: the lowest node in it whose name somebody waits for goes aside.
    fn cut(&mut self, circling: &[Index], cells: &mut Cells) {
        let stuck = |index: Index| circling.binary_search(&index).is_ok();
        // Walking along needs that are not filled must come back to where it was.
        let mut path: Vec<Index> = Vec::new();
        let mut at = circling[0];
        while !path.contains(&at) {
            path.push(at);
            match self.needs[at].iter().find(|need| stuck(need.on)) {
                Some(need) => at = need.on,
                None => break,
            }
        }
        let start = path.iter().position(|index| *index == at).unwrap_or(0);
        let circle = &path[start..];
        let holder = circle.iter().enumerate().filter_map(|(position, index)| {
            let next = circle[(position + 1) % circle.len()];
            self.needs[*index].iter().find(|need| need.on == next).and_then(|need| need.name).map(|tree| (next, tree))
        });
        if let Some((holder, tree)) = holder.min() {
            cells.count("rule 7: swap or rotation of names");
            let action = if tree == Tree::Local { Action::MoveLocalAside } else { Action::MoveRemoteAside };
            self.choices[holder] = vec![Intent { action, reason: "rule 7: names in a circle, one goes aside" }];
            self.at[holder] = 0;
            self.needs[holder].clear();
            let shaken = std::mem::take(&mut self.waiting[holder]);
            self.settle(shaken);
        } else {
            // Order in one tree alone never circles; should L and R ever disagree, the rest must not stand still.
            self.remove(&[circle.iter().copied().min().unwrap_or(at)]);
        }
    }

    /// Counts rules 4 and 8 where the old node simply goes and the new one takes its name.
    fn count_replacements(&self, cells: &mut Cells) {
        for index in 0..self.choices.len() {
            for need in self.needs[index].iter().filter(|need| need.name.is_some()) {
                let creates = matches!(self.action(index), Some(Action::CreateLocal(_) | Action::CreateRemote(_)));
                let deletes = matches!(self.action(need.on), Some(Action::DeleteLocal | Action::DeleteRemote));
                if creates && deletes {
                    let same_kind = self.view.nodes[index].trees.kind == self.view.nodes[need.on].trees.kind;
                    cells.count(if same_kind { DELETED_AND_MADE_AGAIN } else { KIND_CHANGE });
                }
            }
        }
    }

    /// What must come before a node's step.
    pub(super) fn needs_of(&self, index: Index) -> impl Iterator<Item = Index> + '_ {
        self.needs[index].iter().map(|need| need.on)
    }
}
