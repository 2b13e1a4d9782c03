//! The trees as the planner walks them: nodes by index, name keys as numbers, who holds which name, who is below whom.
//!
//! Invariants: nodes are in `NodeId` order; an index is good for one call of `plan`; everything here is what the trees say now, and
//! nothing here is a decision. A parent that the trees do not hold (the root among them) is an existing, clean folder.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;

use crate::sync::diff::{same_name, same_place};
use crate::sync::plan::{NodeTrees, Place, Policy, Side, Trees, is_aside};
use crate::types::{EntryName, NameKey, NodeId, NodeKind};

/// Position of a node in [`View::nodes`].
pub(super) type Index = usize;

/// A name key of this call.
pub(super) type KeyNumber = usize;

/// Where a row is now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spot {
    /// Folder.
    pub(super) parent: NodeId,
    /// The folder's index; `None` for the root and for folders outside the trees.
    pub(super) up: Option<Index>,
    /// Key of the name.
    pub(super) key: KeyNumber,
}

/// Where a node shall be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target<'a> {
    /// Folder and key.
    pub(super) spot: Spot,
    /// Spelling.
    pub(super) name: Cow<'a, EntryName>,
}

impl Target<'_> {
    /// As the contract writes it.
    pub(super) fn place(&self) -> Place {
        Place { parent: self.spot.parent, name: self.name.as_ref().clone() }
    }
}

/// A node and its rows.
#[derive(Debug)]
pub(super) struct Node<'a> {
    /// Identity.
    pub(super) id: NodeId,
    /// Its three rows.
    pub(super) trees: &'a NodeTrees,
    /// Where L has it.
    pub(super) local: Option<Spot>,
    /// Where R has it.
    pub(super) remote: Option<Spot>,
    /// Where S has it.
    pub(super) synced: Option<Spot>,
}

impl Node<'_> {
    /// True for folders.
    pub(super) fn is_folder(&self) -> bool {
        self.trees.kind == NodeKind::Folder
    }
}

/// Which tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Tree {
    /// L.
    Local,
    /// R.
    Remote,
    /// S.
    Synced,
}

/// All nodes of the call.
pub(super) struct View<'a> {
    /// The policy of the call.
    pub(super) policy: &'a Policy,
    /// In `NodeId` order.
    pub(super) nodes: Vec<Node<'a>>,
    keys: Keys,
    /// Names for rows of L that stand aside and have no other name in any tree any more.
    recovered: BTreeMap<Index, (EntryName, KeyNumber)>,
    holders: [OnceCell<Holders>; 3],
    children: [OnceCell<Holders>; 3],
}

/// Sorted pairs: who is at a spot, or below a folder.
type Holders = Vec<((NodeId, KeyNumber), Index)>;

impl<'a> View<'a> {
    /// Indexes the trees.
    pub(super) fn new(trees: &'a Trees, policy: &'a Policy) -> Self {
        let mut nodes: Vec<Node<'a>> = trees
            .iter()
            .filter(|(id, _)| **id != NodeId::ROOT)
            .map(|(id, trees)| Node { id: *id, trees, local: None, remote: None, synced: None })
            .collect();
        let ids: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
        let mut keys = Keys::default();
        for node in &mut nodes {
            let mut last: Option<(&EntryName, KeyNumber)> = None;
            let mut spot = |side: &'a Option<Side>| {
                side.as_ref().map(|side| {
                    let name = &side.place.name;
                    let key = match last {
                        Some((known, key)) if known == name => key,
                        _ => keys.number(policy.names.key(name)),
                    };
                    last = Some((name, key));
                    Spot { parent: side.place.parent, up: ids.binary_search(&side.place.parent).ok(), key }
                })
            };
            node.local = spot(&node.trees.local);
            node.remote = spot(&node.trees.remote);
            node.synced = spot(&node.trees.synced);
        }
        let mut recovered = BTreeMap::new();
        for (index, node) in nodes.iter().enumerate() {
            let aside = |side: &Option<Side>| side.as_ref().is_none_or(|side| is_aside(&side.place.name));
            let nameless = aside(&node.trees.local) && aside(&node.trees.remote) && aside(&node.trees.synced);
            if let (true, Some(_), Ok(name)) = (nameless, node.local, EntryName::new(format!("recovered {}", node.id)))
            {
                let key = keys.number(policy.names.key(&name));
                recovered.insert(index, (name, key));
            }
        }
        Self { policy, nodes, keys, recovered, holders: Default::default(), children: Default::default() }
    }

    /// The row of a node in a tree.
    pub(super) fn side(&self, tree: Tree, index: Index) -> Option<&'a Side> {
        let trees = self.nodes[index].trees;
        match tree {
            Tree::Local => trees.local.as_ref(),
            Tree::Remote => trees.remote.as_ref(),
            Tree::Synced => trees.synced.as_ref(),
        }
    }

    /// Where a tree has a node.
    pub(super) fn spot(&self, tree: Tree, index: Index) -> Option<Spot> {
        let node = &self.nodes[index];
        match tree {
            Tree::Local => node.local,
            Tree::Remote => node.remote,
            Tree::Synced => node.synced,
        }
    }

    /// The nodes that a tree has under this key in this folder. More than one only in L, where spellings of one key may meet.
    pub(super) fn holders(&self, tree: Tree, parent: NodeId, key: KeyNumber) -> impl Iterator<Item = Index> + '_ {
        let all = self.holders[tree as usize].get_or_init(|| self.collect(tree, |spot| (spot.parent, spot.key)));
        let start = all.partition_point(|(at, _)| *at < (parent, key));
        all[start..].iter().take_while(move |(at, _)| *at == (parent, key)).map(|(_, index)| *index)
    }

    /// The nodes that a tree has directly below a folder.
    pub(super) fn children(&self, tree: Tree, folder: Index) -> impl Iterator<Item = Index> + '_ {
        let parent = self.nodes[folder].id;
        let all = self.children[tree as usize].get_or_init(|| self.collect(tree, |spot| (spot.parent, 0)));
        let start = all.partition_point(|(at, _)| at.0 < parent);
        all[start..].iter().take_while(move |(at, _)| at.0 == parent).map(|(_, index)| *index)
    }

    fn collect(&self, tree: Tree, by: impl Fn(Spot) -> (NodeId, KeyNumber)) -> Holders {
        let spots = (0..self.nodes.len()).filter_map(|index| Some((by(self.spot(tree, index)?), index)));
        let mut all: Holders = spots.collect();
        all.sort_unstable();
        all
    }

    /// The number of a name's key.
    pub(super) fn key(&mut self, name: &EntryName) -> KeyNumber {
        self.keys.number(self.policy.names.key(name))
    }

    /// Where a tree means a node to be: its place there; for a node on its way through a reserved name, the name that it has in S (or
    /// on the other side) in the folder where it is. `None` if the row is missing or nobody knows its name.
    pub(super) fn meant(&self, tree: Tree, index: Index) -> Option<Target<'a>> {
        let side = self.side(tree, index)?;
        let spot = self.spot(tree, index)?;
        if !is_aside(&side.place.name) {
            return Some(Target { spot, name: Cow::Borrowed(&side.place.name) });
        }
        let other = if tree == Tree::Local { Tree::Remote } else { Tree::Local };
        let remembered = [Tree::Synced, other].into_iter().find_map(|source| {
            let named = self.side(source, index).filter(|side| !is_aside(&side.place.name))?;
            let key = self.spot(source, index)?.key;
            Some(Target { spot: Spot { key, ..spot }, name: Cow::Borrowed(&named.place.name) })
        });
        remembered.or_else(|| {
            let (name, key) = self.recovered.get(&index)?;
            Some(Target { spot: Spot { key: *key, ..spot }, name: Cow::Owned(name.clone()) })
        })
    }

    /// True if a row is where the target is, normalisation aside.
    pub(super) fn is_at(&self, side: &Side, target: &Target<'_>) -> bool {
        side.place.parent == target.spot.parent && same_name(&self.policy.names, &side.place.name, &target.name)
    }

    /// True if two targets are one place, normalisation aside.
    pub(super) fn same_target(&self, left: &Target<'_>, right: &Target<'_>) -> bool {
        left.spot.parent == right.spot.parent && same_name(&self.policy.names, &left.name, &right.name)
    }

    /// True if two rows are at one place, normalisation aside.
    pub(super) fn together(&self, left: &Side, right: &Side) -> bool {
        same_place(&self.policy.names, &left.place, &right.place)
    }
}

#[derive(Default)]
struct Keys(BTreeMap<NameKey, KeyNumber>);

impl Keys {
    fn number(&mut self, key: NameKey) -> KeyNumber {
        let next = self.0.len();
        *self.0.entry(key).or_insert(next)
    }
}
