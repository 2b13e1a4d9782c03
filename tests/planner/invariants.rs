//! What must be true of the world: after every round, and once nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use vaultfs::sync::diff::same_place;
use vaultfs::sync::plan::{Blocked, Content, NodeTrees, Plan, Side, Step, is_aside};
use vaultfs::types::{NodeId, NodeKind};

use super::model::{Bytes, Tree, World};

type Check = Result<(), String>;

/// The trees are trees, and no name is taken twice.
pub(crate) fn well_formed(world: &World) -> Check {
    for tree in [Tree::Local, Tree::Remote] {
        let mut taken = BTreeMap::new();
        for node in world.trees.keys().copied() {
            let Some(side) = world.side(tree, node) else { continue };
            let parent = side.place.parent;
            if !world.is_folder(tree, parent) {
                return Err(format!("{tree:?}: {node} has no folder {parent}"));
            }
            let mut at = parent;
            let mut depth = 0;
            while let Some(side) = world.side(tree, at) {
                at = side.place.parent;
                depth += 1;
                if depth > world.trees.len() {
                    return Err(format!("{tree:?}: {node} is below itself"));
                }
            }
            let key = match tree {
                Tree::Local => side.place.name.as_str().to_owned(),
                Tree::Remote => world.policy.names.key(&side.place.name).0,
            };
            if let Some(other) = taken.insert((parent, key), node) {
                return Err(format!("{tree:?}: {other} and {node} share a name in {parent}"));
            }
        }
    }
    Ok(())
}

/// The plan keeps its own rules: one step per node, `after` points back, blocks are respected, settled nodes have no step.
pub(crate) fn plan_is_sound(world: &World, plan: &Plan) -> Check {
    let mut seen = BTreeSet::new();
    for (index, planned) in plan.steps.iter().enumerate() {
        let node = planned.node;
        if !seen.insert(node) {
            return Err(format!("two steps for {node}"));
        }
        if planned.after.iter().any(|before| *before >= index) {
            return Err(format!("step {index} comes after a later one"));
        }
        if plan.settled.contains(&node) {
            return Err(format!("{node} is settled and has a step"));
        }
        block_is_respected(world, node, &planned.step)?;
    }
    Ok(())
}

fn block_is_respected(world: &World, node: NodeId, step: &Step) -> Check {
    let trees = &world.trees[&node];
    let sends = matches!(
        step,
        Step::CreateRemoteFolder(_)
            | Step::CreateRemoteSymlink(_)
            | Step::UploadNew(_)
            | Step::UploadOver { .. }
            | Step::MoveRemote(_)
            | Step::MoveRemoteAside
            | Step::DeleteRemote { .. }
            | Step::KeepBoth { .. }
    );
    let replaces_bytes = matches!(
        step,
        Step::UploadNew(_) | Step::UploadOver { .. } | Step::UpdateLocal | Step::DeleteLocal | Step::KeepBoth { .. }
    );
    let wrong = match trees.blocked {
        None => false,
        Some(Blocked::LocalOnly) => {
            world.is_local_only(node) && sends && !matches!(step, Step::DeleteRemote { .. } | Step::MoveRemoteAside)
        }
        // A folder may be needed all the same, by something that is not left out.
        Some(Blocked::LeftOut) => match step {
            Step::UploadNew(_)
            | Step::UploadOver { .. }
            | Step::DeleteRemote { .. }
            | Step::UpdateLocal
            | Step::KeepBoth { .. }
            | Step::HashLocal => true,
            Step::CreateRemoteFolder(_)
            | Step::CreateRemoteSymlink(_)
            | Step::MoveRemote(_)
            | Step::MoveRemoteAside
            | Step::CreateLocal(_) => trees.kind != NodeKind::Folder,
            Step::MoveLocal(_)
            | Step::LeaveOut
            | Step::DeleteLocal
            | Step::Adopt { .. }
            | Step::MarkSynced
            | Step::DropSynced => false,
        },
        Some(Blocked::OpenForWriting) => replaces_bytes,
        Some(Blocked::NotQuiet | Blocked::Held | Blocked::BackingOff) => sends,
    };
    if wrong { Err(format!("{node} is blocked ({:?}) and gets {step:?}", trees.blocked)) } else { Ok(()) }
}

/// Nothing is left: L = R = S, no reserved name anywhere, every node settled.
pub(crate) fn converged(world: &World, plan: &Plan) -> Check {
    for (node, trees) in &world.trees {
        if !plan.settled.contains(node) {
            return Err(format!("{node} is not settled, and nothing is planned"));
        }
        if world.is_local_only(*node) && trees.synced.is_none() {
            continue;
        }
        let (Some(local), Some(remote), Some(synced)) = (&trees.local, &trees.remote, &trees.synced) else {
            return Err(format!("{node} is not in all trees"));
        };
        let rules = &world.policy.names;
        if !same_place(rules, &local.place, &remote.place) || !same_place(rules, &remote.place, &synced.place) {
            return Err(format!("{node} has more than one place"));
        }
        let version = |side: &Side| match &side.content {
            Content::Version { revision, .. } => Some(revision.clone()),
            Content::Folder | Content::Symlink(_) | Content::Staged { .. } => None,
        };
        if trees.kind == NodeKind::File
            && (version(local).is_none() || version(local) != version(remote) || version(remote) != version(synced))
        {
            return Err(format!("{node} has more than one content"));
        }
        if [local, remote, synced].iter().any(|side| is_aside(&side.place.name)) {
            return Err(format!("{node} is left under a reserved name"));
        }
    }
    Ok(())
}

/// What the two sides held before the first plan.
pub(crate) struct Start {
    world: World,
    /// Whether anything was done on this side.
    pub local_changed: bool,
    pub remote_changed: bool,
}

impl Start {
    pub(crate) fn new(world: &World, local_changed: bool, remote_changed: bool) -> Self {
        Self { world: world.clone(), local_changed, remote_changed }
    }

    /// What somebody made and what nobody deleted is there: for worlds in which nothing but a filter came and went. What the provider has
    /// under a name that stays hidden is there, too.
    pub(crate) fn nothing_is_lost(&self, end: &World) -> Check {
        let anywhere = |node: &NodeId| [Tree::Local, Tree::Remote].map(|tree| end.bytes(tree, *node));
        let there: BTreeSet<Bytes> = end.trees.keys().flat_map(anywhere).flatten().collect();
        for node in self.world.trees.keys().copied().filter(|node| !self.world.is_local_only(*node)) {
            let (ours, theirs) = (self.world.bytes(Tree::Local, node), self.world.bytes(Tree::Remote, node));
            // Bytes that S has as well were replaced, not lost.
            let untouched = if ours.is_some() && theirs.is_some() { ours.filter(|_| ours == theirs) } else { None };
            let edits = [Tree::Local, Tree::Remote].map(|tree| self.edited(tree, node));
            if let Some(lost) = edits.into_iter().chain([untouched]).flatten().find(|bytes| !there.contains(bytes)) {
                return Err(format!("the bytes {lost} of {node} are lost"));
            }
        }
        Ok(())
    }

    /// The end follows from the start: for worlds that nobody disturbed on the way.
    pub(crate) fn explains(&self, end: &World) -> Check {
        self.edits_are_kept(end)?;
        self.untouched_nodes_are_kept(end)?;
        self.deletions_are_done(end)?;
        self.one_sided_changes_are_exact(end)?;
        let copies = end.trees.keys().filter(|node| {
            end.side(Tree::Local, **node).is_some_and(|side| side.place.name.as_str().contains(" (conflict"))
        });
        if copies.count() > 0 && !(self.local_changed && self.remote_changed) && !end.settings.local_twins {
            return Err("a conflict name without a concurrent change".into());
        }
        Ok(())
    }

    fn edited(&self, tree: Tree, node: NodeId) -> Option<Bytes> {
        let bytes = self.world.bytes(tree, node)?;
        (self.world.trees[&node].synced.is_none() || self.world.base_bytes(node) != Some(bytes)).then_some(bytes)
    }

    /// Bytes that only one side had are still there, on both sides.
    fn edits_are_kept(&self, end: &World) -> Check {
        let there: BTreeSet<Bytes> = end.trees.keys().filter_map(|node| end.bytes(Tree::Local, *node)).collect();
        for node in self.world.trees.keys().copied() {
            for tree in [Tree::Local, Tree::Remote] {
                let hidden = tree == Tree::Remote && self.world.is_local_only(node);
                let with_its_folder = tree == Tree::Local && self.world.is_local_only(node);
                if let Some(bytes) = self.edited(tree, node)
                    && !there.contains(&bytes)
                    && !hidden
                    && !with_its_folder
                {
                    return Err(format!("{tree:?}: the bytes {bytes} of {node} are lost"));
                }
            }
        }
        Ok(())
    }

    /// What nobody deleted is there.
    fn untouched_nodes_are_kept(&self, end: &World) -> Check {
        for (node, trees) in &self.world.trees {
            let both = trees.local.is_some() && trees.remote.is_some();
            if both && !self.world.is_local_only(*node) && end.side(Tree::Local, *node).is_none() {
                return Err(format!("{node} is gone, and nobody deleted it"));
            }
        }
        Ok(())
    }

    /// What one side deleted and the other left alone is gone, unless its folder was moved on purpose.
    fn deletions_are_done(&self, end: &World) -> Check {
        for (node, trees) in &self.world.trees {
            let (Some(synced), NodeKind::File) = (&trees.synced, trees.kind) else { continue };
            let (left, tree) = match (&trees.local, &trees.remote) {
                (Some(local), None) => (local, Tree::Local),
                (None, Some(remote)) => (remote, Tree::Remote),
                (None, None) | (Some(_), Some(_)) => continue,
            };
            let alone = same_place(&self.world.policy.names, &left.place, &synced.place)
                && (left.content == synced.content
                    || (self.world.settings.hashes && self.world.bytes(tree, *node) == self.world.base_bytes(*node)))
                && !self.world.is_local_only(*node);
            if alone && end.trees.contains_key(node) && !self.folder_was_moved(tree, synced.place.parent) {
                return Err(format!("{node} was deleted on one side and is still there"));
            }
        }
        Ok(())
    }

    /// Some folder above (in S) is missing on the other side and was moved on this one.
    fn folder_was_moved(&self, tree: Tree, folder: NodeId) -> bool {
        let mut at = folder;
        while let Some(NodeTrees { local, remote, synced: Some(synced), .. }) = self.world.trees.get(&at) {
            let (here, there) = if tree == Tree::Local { (local, remote) } else { (remote, local) };
            if let (Some(here), None) = (here, there)
                && !same_place(&self.world.policy.names, &here.place, &synced.place)
            {
                return true;
            }
            at = synced.place.parent;
        }
        false
    }

    /// If one side did nothing, the end is what the other side had: same nodes, same places, same bytes.
    fn one_sided_changes_are_exact(&self, end: &World) -> Check {
        let tree = match (self.local_changed, self.remote_changed) {
            (true, false) => Tree::Local,
            (false, true) => Tree::Remote,
            (true, true) | (false, false) => return Ok(()),
        };
        if self.world.settings.local_twins {
            return Ok(());
        }
        for node in self.world.trees.keys().chain(end.trees.keys()).copied() {
            if self.world.is_local_only(node) || (self.world.trees.contains_key(&node) && self.gives_way(node)) {
                continue;
            }
            let (was, is) = (self.world.side(tree, node), end.side(tree, node));
            if was.map(|side| &side.place) != is.map(|side| &side.place) {
                return Err(format!("{tree:?}: {node} was not changed by anybody else, but its place is another"));
            }
            if self.world.bytes(tree, node) != end.bytes(tree, node) {
                return Err(format!("{tree:?}: {node} was not changed by anybody else, but its bytes are others"));
            }
        }
        Ok(())
    }

    /// Below a folder that R shows under a name that stays hidden here.
    fn gives_way(&self, node: NodeId) -> bool {
        let mut at = node;
        while let Some(side) = self.world.side(Tree::Remote, at) {
            if self.world.is_local_only(at) || super::model::local_name(&side.place.name) {
                return true;
            }
            at = side.place.parent;
        }
        false
    }
}
