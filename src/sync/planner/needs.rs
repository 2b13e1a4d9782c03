//! What must be true in a tree before a step can be taken there, as steps of the same plan that make it true.

use super::order::Schedule;
use super::places::is_local_only;
use super::steps::Action;
use super::table::Naming;
use super::view::{Index, Spot, Target, Tree};
use crate::types::NodeId;

/// A step of another node that comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Need {
    /// Whose.
    pub(super) on: Index,
    /// Set if it is needed only because it frees a name in this tree: moving aside would do as well.
    pub(super) name: Option<Tree>,
}

/// What a step does to a node's row in one tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    /// Nothing.
    Stays,
    /// The row goes.
    Leaves,
    /// The row is here afterwards.
    At(Spot),
    /// The row keeps its folder and gets a reserved name.
    Aside,
}

/// The effect on L or R of the step that a node takes in this plan.
pub(super) fn effect(schedule: &Schedule<'_, '_>, tree: Tree, index: Index) -> Effect {
    let Some(action) = schedule.action(index) else { return Effect::Stays };
    match (action, tree) {
        (Action::CreateRemote(target) | Action::MoveRemote(target), Tree::Remote)
        | (Action::CreateLocal(target) | Action::MoveLocal(target), Tree::Local) => Effect::At(target.spot),
        (Action::MoveRemoteAside, Tree::Remote) | (Action::MoveLocalAside, Tree::Local) => Effect::Aside,
        (Action::DeleteRemote, Tree::Remote) | (Action::DeleteLocal | Action::LeaveOut, Tree::Local) => Effect::Leaves,
        (
            Action::HashLocal
            | Action::CreateRemote(_)
            | Action::UploadOver(_)
            | Action::MoveRemote(_)
            | Action::MoveRemoteAside
            | Action::DeleteRemote
            | Action::CreateLocal(_)
            | Action::UpdateLocal
            | Action::MoveLocal(_)
            | Action::MoveLocalAside
            | Action::LeaveOut
            | Action::DeleteLocal
            | Action::KeepBoth(_)
            | Action::Adopt(_)
            | Action::MarkSynced
            | Action::DropSynced,
            Tree::Local | Tree::Remote | Tree::Synced,
        ) => Effect::Stays,
    }
}

/// The steps that must come before `action` of node `index`; `None` if something is missing that this plan does not bring about.
pub(super) fn needs(schedule: &Schedule<'_, '_>, index: Index, action: &Action<'_>) -> Option<Vec<Need>> {
    let mut found = Finder { schedule, index, needs: Vec::new() };
    found.collect(action)?;
    let mut needs = found.needs;
    needs.sort_unstable_by_key(|need| (need.on, need.name.is_some()));
    // The stricter of two needs on one node stays: the one that moving aside does not fill.
    needs.dedup_by_key(|need| need.on);
    Some(needs)
}

struct Finder<'s, 'a, 'v> {
    schedule: &'s Schedule<'a, 'v>,
    index: Index,
    needs: Vec<Need>,
}

impl Finder<'_, '_, '_> {
    fn collect(&mut self, action: &Action<'_>) -> Option<()> {
        match action {
            Action::HashLocal
            | Action::UploadOver(_)
            | Action::MoveRemoteAside
            | Action::MoveLocalAside
            | Action::KeepBoth(_)
            | Action::UpdateLocal
            | Action::MarkSynced => {}
            Action::CreateRemote(target) => {
                self.arrive(Tree::Remote, target)?;
                self.base_forgotten_below(self.index)?;
            }
            Action::CreateLocal(target) => {
                self.arrive(Tree::Local, target)?;
                self.base_forgotten_below(self.index)?;
            }
            Action::MoveRemote(target) => self.arrive(Tree::Remote, target)?,
            Action::MoveLocal(target) => self.arrive(Tree::Local, target)?,
            Action::DeleteRemote => self.empty(Tree::Remote)?,
            Action::DeleteLocal | Action::LeaveOut => self.empty(Tree::Local)?,
            Action::DropSynced => self.base_forgotten_below(self.index)?,
            Action::Adopt(there) => {
                self.base_forgotten_below(self.index)?;
                // The rows below change with the adoption: what S forgets there, it forgets before.
                for child in self.schedule.view.children(Tree::Remote, *there) {
                    if self.schedule.action(child) == Some(&Action::DropSynced) {
                        self.on(child, None);
                    }
                }
            }
        }
        self.not_below_an_adopted_folder()
    }

    fn on(&mut self, on: Index, name: Option<Tree>) {
        self.needs.push(Need { on, name });
    }

    fn effect(&self, tree: Tree, index: Index) -> Effect {
        effect(self.schedule, tree, index)
    }

    /// The folder is there, the name is free, and no folder ends up in itself.
    fn arrive(&mut self, tree: Tree, target: &Target<'_>) -> Option<()> {
        self.folder(tree, target.spot.up)?;
        self.name_free(tree, target.spot.parent, target.spot.key)?;
        self.no_cycle(tree, target.spot.up)?;
        if tree == Tree::Local { self.shared_folder(target.spot.up) } else { Some(()) }
    }

    /// What comes from the provider does not go where everything is local-only: there it would count as deleted. A folder that is only
    /// now being shared again gets its name or its place back first.
    fn shared_folder(&mut self, folder: Option<Index>) -> Option<()> {
        let view = self.schedule.view;
        let mut moving = Vec::new();
        let mut at = folder;
        while let Some(index) = at {
            if matches!(self.effect(Tree::Local, index), Effect::At(_)) {
                moving.push(index);
            }
            if is_local_only(view, index) {
                if moving.is_empty() {
                    return None;
                }
                for index in std::mem::take(&mut moving) {
                    self.on(index, None);
                }
            }
            at = view.nodes[index].local.and_then(|spot| spot.up);
        }
        Some(())
    }

    fn folder(&mut self, tree: Tree, folder: Option<Index>) -> Option<()> {
        let Some(folder) = folder else { return Some(()) };
        match (self.effect(tree, folder), self.schedule.view.spot(tree, folder)) {
            (Effect::Leaves, _) | (Effect::Stays | Effect::Aside, None) => None,
            (Effect::At(_), None) => {
                self.on(folder, None);
                Some(())
            }
            (Effect::Stays | Effect::Aside | Effect::At(_), Some(_)) => Some(()),
        }
    }

    fn name_free(&mut self, tree: Tree, parent: NodeId, key: usize) -> Option<()> {
        let view = self.schedule.view;
        for holder in view.holders(tree, parent, key).filter(|holder| *holder != self.index) {
            let freed = match self.effect(tree, holder) {
                Effect::Leaves | Effect::Aside => true,
                Effect::At(spot) => (spot.parent, spot.key) != (parent, key),
                Effect::Stays => false,
            };
            if !freed {
                return None;
            }
            self.needs.push(Need { on: holder, name: Some(tree) });
        }
        Some(())
    }

    /// If the node could come to lie above its new folder while the plan runs, everything on the way up from there moves first.
    fn no_cycle(&mut self, tree: Tree, folder: Option<Index>) -> Option<()> {
        let view = self.schedule.view;
        if !view.nodes[self.index].is_folder() || view.spot(tree, self.index).is_none() {
            return Some(());
        }
        let planned = |index: Index| match self.effect(tree, index) {
            Effect::At(spot) => spot.up,
            Effect::Stays | Effect::Aside | Effect::Leaves => view.spot(tree, index).and_then(|spot| spot.up),
        };
        let mut open: Vec<Index> = folder.into_iter().collect();
        let mut seen: Vec<Index> = Vec::new();
        while let Some(at) = open.pop() {
            if seen.contains(&at) {
                continue;
            }
            seen.push(at);
            open.extend(view.spot(tree, at).and_then(|spot| spot.up));
            open.extend(planned(at));
        }
        if !seen.contains(&self.index) {
            return Some(());
        }
        let mut first = Vec::new();
        let mut at = folder;
        while let Some(index) = at {
            if index == self.index || first.len() > seen.len() {
                return None;
            }
            if matches!(self.effect(tree, index), Effect::At(_)) {
                first.push(index);
            }
            at = planned(index);
        }
        for index in first {
            self.on(index, None);
        }
        Some(())
    }

    /// Everything that a tree has below the folder goes first.
    fn empty(&mut self, tree: Tree) -> Option<()> {
        let view = self.schedule.view;
        if view.nodes[self.index].is_folder() {
            for child in view.children(tree, self.index) {
                if !self.leaves_folder(tree, child) {
                    return None;
                }
                self.on(child, None);
            }
        }
        Some(())
    }

    fn leaves_folder(&self, tree: Tree, child: Index) -> bool {
        match self.effect(tree, child) {
            Effect::Leaves => true,
            Effect::At(spot) => spot.up != Some(self.index),
            Effect::Stays | Effect::Aside => false,
        }
    }

    /// A folder comes back, or is forgotten itself, only after S has forgotten what comes back with it: else that would count as
    /// deleted by somebody who did not.
    fn base_forgotten_below(&mut self, folder: Index) -> Option<()> {
        let view = self.schedule.view;
        if view.nodes[folder].is_folder() {
            for child in view.children(Tree::Synced, folder).filter(|child| self.schedule.outcomes[*child].forget_base)
            {
                if self.schedule.action(child) != Some(&Action::DropSynced) {
                    return None;
                }
                self.on(child, None);
            }
        }
        Some(())
    }

    /// What lies in a folder that becomes another node waits until it has: its rows change with it.
    fn not_below_an_adopted_folder(&self) -> Option<()> {
        let node = &self.schedule.view.nodes[self.index];
        let naming = |spot: Spot| spot.up.map(|folder| self.schedule.outcomes[folder].naming);
        let arrival = match self.effect(Tree::Remote, self.index) {
            Effect::At(spot) => naming(spot),
            Effect::Stays | Effect::Leaves | Effect::Aside => None,
        };
        let (remote, synced) = (node.remote.and_then(naming), node.synced.and_then(naming));
        let adopted = Some(Naming::Adopted);
        let comes_first = self.schedule.outcomes[self.index].forget_base;
        let arrives = matches!(arrival, Some(Naming::Adopted | Naming::MayBeAdopted));
        let changes = !comes_first && [remote, synced].contains(&adopted);
        if arrives || changes { None } else { Some(()) }
    }
}
