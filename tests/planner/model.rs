//! An abstract world: the three trees and the bytes behind them.
//!
//! R is the provider itself: the planner's R is never behind it, except inside a round, when somebody changes it between two steps.

use std::collections::BTreeMap;

use vaultfs::sync::diff::same_place;
use vaultfs::sync::plan::{Content, NodeTrees, Place, Policy, Side, Trees};
use vaultfs::types::{ContentHash, EntryName, HashKind, NameRules, NodeId, NodeKind, Revision};

/// Which content a file has. Sizes repeat, so that equal sizes do not mean equal bytes.
pub(crate) type Bytes = u32;

/// A side that somebody changes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tree {
    Local,
    Remote,
}

/// What differs between providers and executors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub case_insensitive: bool,
    /// The provider tells hashes.
    pub hashes: bool,
    /// A move gives files another revision.
    pub revision_on_move: bool,
    pub reports_case_rename: bool,
    pub symlinks: bool,
    /// S is left to `MarkSynced` and `DropSynced` where that is possible: as if the feed told of our own steps before their replies.
    pub lazy_base: bool,
    /// L may hold spellings of one key side by side.
    pub local_twins: bool,
}

/// All there is.
#[derive(Clone)]
pub(crate) struct World {
    pub trees: Trees,
    pub settings: Settings,
    pub policy: Policy,
    pub(super) staged: BTreeMap<NodeId, Bytes>,
    pub(super) versions: BTreeMap<Revision, Bytes>,
    revisions: BTreeMap<NodeId, u32>,
    next_node: u64,
    next_bytes: Bytes,
}

pub(crate) const ABSENT: NodeTrees =
    NodeTrees { kind: NodeKind::File, local: None, remote: None, synced: None, blocked: None };

impl World {
    pub(crate) fn new(settings: Settings) -> Self {
        let names = NameRules {
            case_insensitive: settings.case_insensitive,
            normalization_insensitive: settings.case_insensitive,
            ..NameRules::EXACT
        };
        let policy = Policy {
            names,
            conflict_marker: " (conflict)".into(),
            folder_move: true,
            reports_case_rename: settings.reports_case_rename,
            symlinks: settings.symlinks,
            delete_guard: None,
        };
        Self {
            trees: Trees::new(),
            settings,
            policy,
            staged: BTreeMap::new(),
            versions: BTreeMap::new(),
            revisions: BTreeMap::new(),
            next_node: 2,
            next_bytes: 1,
        }
    }

    pub(crate) fn fresh_bytes(&mut self) -> Bytes {
        self.next_bytes += 1;
        self.next_bytes
    }

    pub(crate) fn new_node(&mut self, kind: NodeKind) -> NodeId {
        let id = NodeId(self.next_node);
        self.next_node += 1;
        self.trees.insert(id, NodeTrees { kind, ..ABSENT });
        id
    }

    pub(crate) fn side(&self, tree: Tree, node: NodeId) -> Option<&Side> {
        let trees = self.trees.get(&node)?;
        match tree {
            Tree::Local => trees.local.as_ref(),
            Tree::Remote => trees.remote.as_ref(),
        }
    }

    pub(crate) fn side_mut(&mut self, tree: Tree, node: NodeId) -> &mut Option<Side> {
        let trees = self.trees.get_mut(&node).expect("a known node");
        match tree {
            Tree::Local => &mut trees.local,
            Tree::Remote => &mut trees.remote,
        }
    }

    /// Bytes that a file has in a tree.
    pub(crate) fn bytes(&self, tree: Tree, node: NodeId) -> Option<Bytes> {
        self.side(tree, node).and_then(|side| self.bytes_of(node, &side.content))
    }

    pub(crate) fn base_bytes(&self, node: NodeId) -> Option<Bytes> {
        self.trees.get(&node)?.synced.as_ref().and_then(|side| self.bytes_of(node, &side.content))
    }

    pub(crate) fn bytes_of(&self, node: NodeId, content: &Content) -> Option<Bytes> {
        match content {
            Content::Folder | Content::Symlink(_) => None,
            Content::Version { revision, .. } => self.versions.get(revision).copied(),
            Content::Staged { .. } => self.staged.get(&node).copied(),
        }
    }

    pub(crate) fn version(&mut self, node: NodeId, bytes: Bytes) -> Content {
        let count = self.revisions.entry(node).or_default();
        *count += 1;
        let revision = Revision(format!("{node}.{count}"));
        self.versions.insert(revision.clone(), bytes);
        Content::Version { revision, size: size(bytes), hash: self.settings.hashes.then(|| hash(bytes)) }
    }

    pub(crate) fn stage(&mut self, node: NodeId, bytes: Bytes, hashed: bool) -> Content {
        let based_on = match self.side(Tree::Local, node).map(|side| &side.content) {
            Some(Content::Version { revision, .. }) => Some(revision.clone()),
            Some(Content::Staged { based_on, .. }) => based_on.clone(),
            Some(Content::Folder | Content::Symlink(_)) | None => None,
        };
        self.staged.insert(node, bytes);
        Content::Staged { based_on, size: size(bytes), hash: hashed.then(|| hash(bytes)) }
    }

    pub(crate) fn children(&self, tree: Tree, parent: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.trees
            .keys()
            .copied()
            .filter(move |node| self.side(tree, *node).is_some_and(|side| side.place.parent == parent))
    }

    pub(crate) fn is_folder(&self, tree: Tree, node: NodeId) -> bool {
        node == NodeId::ROOT
            || (self.side(tree, node).is_some()
                && self.trees.get(&node).is_some_and(|node| node.kind == NodeKind::Folder))
    }

    /// True if `node` is `above` or below it.
    pub(crate) fn is_below(&self, tree: Tree, node: NodeId, above: NodeId) -> bool {
        let mut at = node;
        loop {
            if at == above {
                return true;
            }
            match self.side(tree, at) {
                Some(side) => at = side.place.parent,
                None => return false,
            }
        }
    }

    /// Who has this name in a tree, by the tree's own rule: keys at the provider, spelling in the catalog.
    pub(crate) fn holder(&self, tree: Tree, place: &Place) -> Option<NodeId> {
        let key = self.policy.names.key(&place.name);
        self.children(tree, place.parent).find(|node| {
            let name = &self.side(tree, *node).expect("a child has a row").place.name;
            match tree {
                Tree::Local => *name == place.name,
                Tree::Remote => self.policy.names.key(name) == key,
            }
        })
    }

    /// New revisions of the same bytes, for a node and what R has below it.
    pub(crate) fn new_revisions(&mut self, node: NodeId) {
        if let Some(bytes) = self.bytes(Tree::Remote, node) {
            let version = self.version(node, bytes);
            self.side_mut(Tree::Remote, node).as_mut().expect("a remote row").content = version;
        }
        let below: Vec<NodeId> = self.children(Tree::Remote, node).collect();
        for child in below {
            self.new_revisions(child);
        }
    }

    /// True for what the rules of the model keep on this machine: names that end in `.tmp`, special files, links where the provider has
    /// none, and what lies in such folders.
    pub(crate) fn is_local_only(&self, node: NodeId) -> bool {
        let Some(trees) = self.trees.get(&node) else { return false };
        let unshared = match trees.kind {
            NodeKind::Special => true,
            NodeKind::Symlink => !self.settings.symlinks,
            NodeKind::File | NodeKind::Folder => false,
        };
        let Some(local) = &trees.local else {
            let hidden = |remote: &Side| local_name(&remote.place.name) || self.is_local_only(remote.place.parent);
            return trees.synced.is_none() && trees.remote.as_ref().is_some_and(|remote| unshared || hidden(remote));
        };
        let others = [&trees.remote, &trees.synced].into_iter().flatten();
        let agreed = others.into_iter().any(|side| same_place(&self.policy.names, &side.place, &local.place));
        unshared || (local_name(&local.place.name) && !agreed) || self.is_local_only(local.place.parent)
    }
}

impl World {
    /// True if the filter of the model leaves out a node: whatever is under a `b` or a `t.wav` where L has it, or would have it. What the
    /// provider moved elsewhere, and nobody moved here, is judged there.
    pub(crate) fn is_left_out(&self, node: NodeId) -> bool {
        let shown = |trees: &NodeTrees| {
            [&trees.local, &trees.remote, &trees.synced].into_iter().flatten().next().map(|side| side.place.clone())
        };
        let Some(trees) = self.trees.get(&node) else { return false };
        let unmoved = match (&trees.local, &trees.synced) {
            (Some(local), Some(synced)) => same_place(&self.policy.names, &local.place, &synced.place),
            (Some(_) | None, Some(_) | None) => false,
        };
        let there = |trees: &NodeTrees| trees.remote.as_ref().map(|side| side.place.clone());
        let left_out = self.is_below_left_out(node, shown);
        left_out && !(unmoved && trees.remote.is_some() && !self.is_below_left_out(node, there))
    }

    fn is_below_left_out(&self, node: NodeId, place: impl Fn(&NodeTrees) -> Option<Place>) -> bool {
        let (mut at, mut depth) = (node, 0);
        while let Some(place) = self.trees.get(&at).filter(|_| depth <= self.trees.len()).and_then(&place) {
            if ["b", "B", "t.wav"].contains(&place.name.as_str()) {
                return true;
            }
            at = place.parent;
            depth += 1;
        }
        false
    }
}

/// A name that the rules of the model keep on this machine.
pub(crate) fn local_name(name: &EntryName) -> bool {
    name.as_str().ends_with(".tmp")
}

pub(crate) fn size(bytes: Bytes) -> u64 {
    u64::from(bytes % 3)
}

pub(crate) fn hash(bytes: Bytes) -> ContentHash {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&bytes.to_le_bytes());
    ContentHash { kind: HashKind::Dropbox, digest }
}
