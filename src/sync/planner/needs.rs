//! What must be true in a tree before a step can be taken there, as steps of the same plan that make it true.

use super::order::Schedule;
use super::steps::Action;
use super::table::Naming;
use super::view::{Index, Spot, Target, Tree};
use crate::sync::diff::{Sameness, compare};
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

/// The effect of the step that a node takes in this plan.
pub(super) fn effect(schedule: &Schedule<'_, '_>, tree: Tree, index: Index) -> Effect {
    let Some(action) = schedule.action(index) else { return Effect::Stays };
    let view = schedule.view;
    // S follows as soon as both sides are at one place; a row that it does not have yet needs one content, too.
    let has_base = || match (&view.nodes[index].trees.local, &view.nodes[index].trees.remote) {
        (Some(local), Some(remote)) => {
            view.nodes[index].synced.is_some() || compare(&local.content, &remote.content) == Sameness::Same
        }
        (Some(_) | None, None) | (None, Some(_)) => false,
    };
    let synced_if_other = |other: Tree, target: &Target<'_>| match view.side(other, index) {
        Some(side) if view.is_at(side, target) && has_base() => Effect::At(target.spot),
        Some(_) | None => Effect::Stays,
    };
    let together = || match (&view.nodes[index].trees.local, &view.nodes[index].trees.remote) {
        (Some(local), Some(remote)) => view.together(local, remote),
        (Some(_) | None, None) | (None, Some(_)) => false,
    };
    let at_remote = || view.nodes[index].remote.map_or(Effect::Stays, Effect::At);
    match (action, tree) {
        (Action::CreateRemote(target), Tree::Remote | Tree::Synced) => Effect::At(target.spot),
        (Action::MoveRemote(target), Tree::Remote) => Effect::At(target.spot),
        (Action::MoveRemote(target), Tree::Synced) => synced_if_other(Tree::Local, target),
        (Action::MoveRemoteAside, Tree::Remote) | (Action::MoveLocalAside, Tree::Local) => Effect::Aside,
        (Action::DeleteRemote, Tree::Remote) => Effect::Leaves,
        (Action::DeleteRemote, Tree::Synced) if view.nodes[index].local.is_none() => Effect::Leaves,
        (Action::CreateLocal(target), Tree::Local) => Effect::At(target.spot),
        (Action::CreateLocal(_) | Action::MarkSynced, Tree::Synced) => at_remote(),
        (Action::MoveLocal(target), Tree::Local) => Effect::At(target.spot),
        (Action::MoveLocal(target), Tree::Synced) => synced_if_other(Tree::Remote, target),
        (Action::DeleteLocal, Tree::Local | Tree::Synced) => Effect::Leaves,
        (Action::DropSynced, Tree::Synced) => Effect::Leaves,
        (Action::UploadOver(_) | Action::UpdateLocal | Action::KeepBoth(_), Tree::Synced) if together() => at_remote(),
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
            Action::HashLocal | Action::UploadOver(_) | Action::MoveRemoteAside | Action::MoveLocalAside => {}
            Action::Adopt(there) => {
                self.base_forgotten_below(self.index)?;
                self.base_forgotten_below(*there)?;
                for child in self.schedule.view.children(Tree::Remote, *there) {
                    if self.schedule.action(child) == Some(&Action::DropSynced) {
                        self.on(child, None);
                    }
                }
            }
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
            Action::DeleteLocal => self.empty(Tree::Local)?,
            Action::KeepBoth(_) | Action::UpdateLocal | Action::MarkSynced => {}
            Action::DropSynced => self.empty(Tree::Synced)?,
        }
        self.not_below_an_adopted_folder()?;
        self.base_parent()
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
        self.no_cycle(tree, target.spot.up)
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

    /// Everything that a tree has below the folder goes first. What only S has left below a folder that L or R loses may stay: then S
    /// keeps the folder's row, too.
    fn empty(&mut self, tree: Tree) -> Option<()> {
        let view = self.schedule.view;
        if !view.nodes[self.index].is_folder() {
            return Some(());
        }
        for child in view.children(tree, self.index) {
            if !self.leaves_folder(tree, child) {
                return None;
            }
            self.on(child, None);
        }
        if tree != Tree::Synced {
            for child in view.children(Tree::Synced, self.index) {
                if self.leaves_folder(Tree::Synced, child) {
                    self.on(child, None);
                }
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

    /// A folder is back only after S has forgotten what came back with it. A folder below whose row S must still keep, because
    /// something that lives elsewhere has its base there, is left out: it comes back in this plan, or what it holds decides.
    fn base_forgotten_below(&mut self, folder: Index) -> Option<()> {
        let view = self.schedule.view;
        let mut open = vec![folder];
        while let Some(folder) = open.pop() {
            if !view.nodes[folder].is_folder() || view.nodes[folder].synced.is_none() {
                continue;
            }
            for child in view.children(Tree::Synced, folder).filter(|child| self.schedule.outcomes[*child].forget_base)
            {
                match self.schedule.action(child) {
                    Some(Action::DropSynced) => self.on(child, None),
                    Some(Action::CreateLocal(_) | Action::CreateRemote(_)) => open.push(child),
                    None if view.nodes[child].is_folder() => open.push(child),
                    Some(_) | None => return None,
                }
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

    /// A row of S needs its folder's row in S, and S has no cycle either.
    fn base_parent(&mut self) -> Option<()> {
        let Effect::At(spot) = self.effect(Tree::Synced, self.index) else { return Some(()) };
        let Some(folder) = spot.up else { return Some(()) };
        self.folder(Tree::Synced, Some(folder))?;
        if self.schedule.view.nodes[self.index].synced.is_some_and(|now| now.up != Some(folder)) {
            self.no_cycle(Tree::Synced, Some(folder))?;
        }
        Some(())
    }
}
