//! Does to the abstract world what `sync::plan` says about every step, with the refusals of a strict provider and a strict catalog, and
//! with an eye on every byte that it destroys.

use vaultfs::sync::diff::{Sameness, compare, same_place};
use vaultfs::sync::plan::{Content, NodeTrees, Place, Planned, Side, Step, Trees, aside_name, is_aside};
use vaultfs::types::{EntryName, NodeId, NodeKind, RemoteId, Revision};

use super::model::{ABSENT, Tree, World, hash};

/// How a step ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Done.
    Done,
    /// The rows that it was planned from have changed: dropped.
    Stale,
    /// The provider or the catalog refused it.
    Refused(String),
    /// It broke a promise.
    Violation(String),
}

impl World {
    /// Takes a step.
    pub(crate) fn execute(&mut self, planned: &Planned, then: &Trees) -> End {
        let node = planned.node;
        let rows = &then[&node];
        let now = self.trees.get(&node).cloned().unwrap_or(NodeTrees { kind: rows.kind, ..ABSENT });
        if (&now.local, &now.remote, &now.synced) != (&rows.local, &rows.remote, &rows.synced) {
            return End::Stale;
        }
        if let Step::Adopt { remote } = &planned.step
            && self.trees.get(remote).map(|now| (&now.local, &now.remote, &now.synced))
                != then.get(remote).map(|then| (&then.local, &then.remote, &then.synced))
        {
            return End::Stale;
        }
        // Something above may have been renamed since: it is local-only as of the plan.
        let local_only = planned.reason.starts_with("local-only");
        let done = match &planned.step {
            Step::HashLocal => self.hash_local(node),
            Step::CreateRemoteFolder(place) => self.create_remote(node, place, Content::Folder),
            Step::CreateRemoteSymlink(place) => match &now.local {
                Some(local) => self.create_remote(node, place, local.content.clone()),
                None => refuse("no local link"),
            },
            Step::UploadNew(place) => self.upload_new(node, place),
            Step::UploadOver { expected } => self.upload_over(node, expected),
            Step::MoveRemote(place) => self.move_remote(node, place),
            Step::MoveRemoteAside => {
                let side = self.side_mut(Tree::Remote, node).as_mut().expect("a remote row");
                side.place.name = aside_name(node);
                Ok(())
            }
            Step::DeleteRemote { expected } => self.delete_remote(node, expected.as_ref(), local_only),
            Step::CreateLocal(place) => self.create_local(node, place),
            Step::UpdateLocal => self.update_local(node),
            Step::MoveLocal(place) => self.move_local(node, place),
            Step::LeaveOut => self.leave_out(node),
            Step::DeleteLocal => self.delete_local(node, local_only),
            Step::KeepBoth { ours } => self.keep_both(node, ours),
            Step::Adopt { remote } => self.adopt(node, *remote),
            Step::MarkSynced => self.mark_synced(node),
            Step::DropSynced => {
                self.trees.get_mut(&node).expect("a known node").synced = None;
                Ok(())
            }
        };
        self.trees.retain(|_, node| node.local.is_some() || node.remote.is_some() || node.synced.is_some());
        done.err().unwrap_or(End::Done)
    }

    fn hash_local(&mut self, node: NodeId) -> Result<(), End> {
        let bytes = self.bytes(Tree::Local, node);
        match (self.side_mut(Tree::Local, node), bytes) {
            (Some(Side { content: Content::Staged { hash: known, .. }, .. }), Some(bytes)) if known.is_none() => {
                *known = Some(hash(bytes));
                Ok(())
            }
            (Some(_) | None, Some(_) | None) => violate("only staged bytes without hash are hashed"),
        }
    }

    fn arrive(&self, tree: Tree, node: NodeId, place: &Place) -> Result<(), End> {
        if !self.is_folder(tree, place.parent) {
            return refuse(format!("{tree:?}: no folder {}", place.parent));
        }
        if let Some(holder) = self.holder(tree, place).filter(|holder| *holder != node) {
            return refuse(format!("{tree:?}: {} is taken by {holder}", place.name));
        }
        if self.is_below(tree, place.parent, node) {
            return refuse(format!("{tree:?}: {node} into itself"));
        }
        Ok(())
    }

    fn put_base(&mut self, node: NodeId, side: Side) {
        self.trees.get_mut(&node).expect("a known node").synced = Some(side);
    }

    fn create_remote(&mut self, node: NodeId, place: &Place, content: Content) -> Result<(), End> {
        if self.side(Tree::Remote, node).is_some() {
            return violate("created twice");
        }
        if is_aside(&place.name) {
            return violate("created under a reserved name");
        }
        self.arrive(Tree::Remote, node, place)?;
        let row = Side { place: place.clone(), content, rid: Some(RemoteId(format!("id{node}"))) };
        let elsewhere = self
            .side(Tree::Local, node)
            .filter(|local| !same_place(&self.policy.names, &local.place, place))
            .map(|local| local.place.clone());
        if !self.settings.lazy_base || elsewhere.is_some() {
            let place = elsewhere.unwrap_or_else(|| place.clone());
            self.put_base(node, Side { place, ..row.clone() });
        }
        *self.side_mut(Tree::Remote, node) = Some(row);
        Ok(())
    }

    fn upload_new(&mut self, node: NodeId, place: &Place) -> Result<(), End> {
        let Some(bytes) = self.bytes(Tree::Local, node) else { return violate("nothing to upload") };
        let version = self.version(node, bytes);
        self.create_remote(node, place, version.clone())?;
        self.clean_local(node, version);
        Ok(())
    }

    /// L's content is what the provider has at this version.
    fn clean_local(&mut self, node: NodeId, version: Content) {
        if let Some(local) = self.side_mut(Tree::Local, node) {
            local.content = version;
        }
        self.staged.remove(&node);
    }

    fn upload_over(&mut self, node: NodeId, expected: &Revision) -> Result<(), End> {
        let (ours, theirs, base) =
            (self.bytes(Tree::Local, node), self.bytes(Tree::Remote, node), self.base_bytes(node));
        match self.side(Tree::Remote, node).map(|side| &side.content) {
            Some(Content::Version { revision, .. }) if revision == expected => {}
            Some(_) | None => return refuse("another revision"),
        }
        if theirs != base && theirs != ours {
            return violate("an upload overwrote an edit");
        }
        let version = self.version(node, ours.expect("local bytes"));
        self.side_mut(Tree::Remote, node).as_mut().expect("a remote row").content = version.clone();
        self.clean_local(node, version);
        self.agree(node);
        Ok(())
    }

    /// S takes what L and R agree on; a row that it does not have yet, once they agree on everything.
    fn agree(&mut self, node: NodeId) {
        let trees = self.trees.get(&node).expect("a known node");
        let (Some(local), Some(remote)) = (&trees.local, &trees.remote) else { return };
        if self.settings.lazy_base {
            return;
        }
        let one_place = same_place(&self.policy.names, &local.place, &remote.place);
        let one_content = compare(&local.content, &remote.content) == Sameness::Same;
        let base = match &trees.synced {
            None if one_place && one_content => remote.clone(),
            None => return,
            Some(base) => {
                let mut base = base.clone();
                if one_place {
                    base.place = remote.place.clone();
                }
                if one_content || compare(&base.content, &remote.content) == Sameness::Same {
                    base.content = remote.content.clone();
                }
                base
            }
        };
        self.put_base(node, base);
    }

    fn move_remote(&mut self, node: NodeId, place: &Place) -> Result<(), End> {
        self.arrive(Tree::Remote, node, place)?;
        let row = self.side(Tree::Remote, node).expect("a remote row").clone();
        let key = |name: &EntryName| self.policy.names.key(name);
        let only_case = row.place.parent == place.parent && key(&row.place.name) == key(&place.name);
        if only_case && !self.settings.reports_case_rename {
            return refuse("a rename of case only");
        }
        if is_aside(&place.name) {
            return violate("moved to a reserved name");
        }
        self.side_mut(Tree::Remote, node).as_mut().expect("a remote row").place = place.clone();
        if self.settings.revision_on_move {
            self.new_revisions(node);
            self.carry_over(node, &row.content);
        }
        self.agree(node);
        Ok(())
    }

    /// Our own move changed no bytes: whoever had the old revision has the new one.
    fn carry_over(&mut self, node: NodeId, before: &Content) {
        let trees = self.trees.get_mut(&node).expect("a known node");
        let Some(remote) = &trees.remote else { return };
        for side in [&mut trees.local, &mut trees.synced].into_iter().flatten() {
            if side.content == *before {
                side.content = remote.content.clone();
            }
        }
    }

    fn delete_remote(&mut self, node: NodeId, expected: Option<&Revision>, local_only: bool) -> Result<(), End> {
        if let Some(child) = self.children(Tree::Remote, node).next() {
            return refuse(format!("R: {node} still holds {child}"));
        }
        let trees = self.trees.get(&node).expect("a known node");
        if let Some(Side { content: Content::Version { revision, .. }, .. }) = &trees.remote
            && expected != Some(revision)
        {
            return refuse("another revision");
        }
        if trees.local.is_some() && !local_only {
            return violate("deleted at the provider while L has it");
        }
        let hidden_folder = trees.kind == NodeKind::Folder && trees.local.is_none();
        if trees.synced.is_none() && (hidden_folder || !local_only) {
            return violate("deleted at the provider though it was never here");
        }
        if trees.synced.is_some() && self.bytes(Tree::Remote, node) != self.base_bytes(node) {
            return violate("an edited file was deleted at the provider");
        }
        *self.side_mut(Tree::Remote, node) = None;
        self.base_of_nothing(node);
        Ok(())
    }

    /// S forgets what neither side has.
    fn base_of_nothing(&mut self, node: NodeId) {
        let trees = self.trees.get_mut(&node).expect("a known node");
        if trees.local.is_none() && trees.remote.is_none() && !self.settings.lazy_base {
            trees.synced = None;
        }
    }

    fn create_local(&mut self, node: NodeId, place: &Place) -> Result<(), End> {
        let Some(remote) = self.side(Tree::Remote, node).cloned() else { return violate("nothing to show") };
        if self.side(Tree::Local, node).is_some() || is_aside(&place.name) {
            return violate("shown twice, or under a reserved name");
        }
        self.arrive(Tree::Local, node, place)?;
        let elsewhere = !same_place(&self.policy.names, place, &remote.place);
        if !self.settings.lazy_base || elsewhere {
            self.put_base(node, remote.clone());
        }
        *self.side_mut(Tree::Local, node) = Some(Side { place: place.clone(), content: remote.content, rid: None });
        Ok(())
    }

    fn update_local(&mut self, node: NodeId) -> Result<(), End> {
        let ours = self.bytes(Tree::Local, node);
        let clean = matches!(self.side(Tree::Local, node), Some(Side { content: Content::Version { .. }, .. }));
        if !clean && ours != self.base_bytes(node) && ours != self.bytes(Tree::Remote, node) {
            return violate("a download replaced an edit");
        }
        let content = self.side(Tree::Remote, node).expect("a remote row").content.clone();
        self.clean_local(node, content);
        self.agree(node);
        Ok(())
    }

    fn move_local(&mut self, node: NodeId, place: &Place) -> Result<(), End> {
        if is_aside(&place.name) && place.name != aside_name(node) {
            return violate("moved to a reserved name of another node");
        }
        self.arrive(Tree::Local, node, place)?;
        self.side_mut(Tree::Local, node).as_mut().expect("a local row").place = place.clone();
        self.agree(node);
        Ok(())
    }

    fn delete_local(&mut self, node: NodeId, local_only: bool) -> Result<(), End> {
        if let Some(child) = self.children(Tree::Local, node).next() {
            return refuse(format!("L: {node} still holds {child}"));
        }
        if self.side(Tree::Remote, node).is_some() {
            return violate("deleted in the mount while R has it");
        }
        if self.trees.get(&node).is_some_and(|trees| trees.synced.is_none()) && !local_only {
            return violate("something new was deleted in the mount");
        }
        let clean = matches!(self.side(Tree::Local, node), Some(Side { content: Content::Version { .. }, .. }));
        if !clean && self.bytes(Tree::Local, node) != self.base_bytes(node) && !local_only {
            return violate("an edited file was deleted in the mount");
        }
        *self.side_mut(Tree::Local, node) = None;
        self.staged.remove(&node);
        self.base_of_nothing(node);
        Ok(())
    }

    fn leave_out(&mut self, node: NodeId) -> Result<(), End> {
        if let Some(child) = self.children(Tree::Local, node).next() {
            return refuse(format!("L: {node} still holds {child}"));
        }
        if self.side(Tree::Remote, node).is_none() {
            return violate("left out, and nobody has it any more");
        }
        let ours = self.bytes(Tree::Local, node);
        if ours != self.base_bytes(node) && ours != self.bytes(Tree::Remote, node) {
            return violate("an edit was left out");
        }
        *self.side_mut(Tree::Local, node) = None;
        self.staged.remove(&node);
        self.trees.get_mut(&node).expect("a known node").synced = None;
        Ok(())
    }

    fn keep_both(&mut self, node: NodeId, ours: &Place) -> Result<(), End> {
        let copy =
            (1..).map(|count| NodeId(node.0 * 100 + count)).find(|id| !self.trees.contains_key(id)).expect("an id");
        self.arrive(Tree::Local, copy, ours)?;
        let Some(local) = self.side(Tree::Local, node).cloned() else { return violate("nothing to keep") };
        let content = match local.content {
            Content::Staged { size, hash, .. } => Content::Staged { based_on: None, size, hash },
            other @ (Content::Folder | Content::Symlink(_) | Content::Version { .. }) => other,
        };
        if let Some(bytes) = self.staged.remove(&node) {
            self.staged.insert(copy, bytes);
        }
        let kind = self.trees.get(&node).expect("a known node").kind;
        let side = Side { place: ours.clone(), content, rid: None };
        self.trees.insert(copy, NodeTrees { kind, local: Some(side), ..ABSENT });
        let content = self.side(Tree::Remote, node).expect("a remote row").content.clone();
        self.clean_local(node, content);
        self.agree(node);
        Ok(())
    }

    fn adopt(&mut self, node: NodeId, remote: NodeId) -> Result<(), End> {
        let (Some(here), Some(there)) = (self.trees.get(&node), self.trees.get(&remote)) else {
            return Err(End::Stale);
        };
        if there.local.is_some() || here.remote.is_some() || there.synced.is_some() {
            return violate("only what is in R alone is adopted");
        }
        if there.kind != here.kind || self.bytes(Tree::Local, node) != self.bytes(Tree::Remote, remote) {
            return violate("different things were adopted");
        }
        let row = self.side_mut(Tree::Remote, remote).take();
        *self.side_mut(Tree::Remote, node) = row;
        for side in self.trees.values_mut().filter_map(|trees| trees.remote.as_mut()) {
            if side.place.parent == remote {
                side.place.parent = node;
            }
        }
        Ok(())
    }

    fn mark_synced(&mut self, node: NodeId) -> Result<(), End> {
        let trees = self.trees.get(&node).expect("a known node");
        let (Some(local), Some(remote)) = (&trees.local, trees.remote.clone()) else {
            return violate("one side is missing");
        };
        if !same_place(&self.policy.names, &local.place, &remote.place)
            || self.bytes(Tree::Local, node) != self.bytes(Tree::Remote, node)
        {
            return violate("marked as synced, but the sides differ");
        }
        self.put_base(node, remote.clone());
        self.clean_local(node, remote.content);
        Ok(())
    }
}

fn refuse(why: impl Into<String>) -> Result<(), End> {
    Err(End::Refused(why.into()))
}

fn violate(why: impl Into<String>) -> Result<(), End> {
    Err(End::Violation(why.into()))
}
