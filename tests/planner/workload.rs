//! What people and programs do to one side of the world: the operations of the generated cases.

use vaultfs::sync::plan::{Content, NodeTrees, Place, Side, is_aside};
use vaultfs::types::{EntryName, NodeId, NodeKind, RemoteId};

use super::generators::{Act, Case, Op, Seedling};
use super::model::{Tree, World};

/// Few, with twins in case and in normalisation, so that collisions are common.
pub(crate) const NAMES: &[&str] =
    &["a", "A", "b", "B", "c", "x.txt", "X.TXT", "\u{e9}", "e\u{301}", "m.json", "t.wav", "l.tmp", "d", "a", "b"];

fn name(pick: u8) -> EntryName {
    EntryName::new(NAMES[usize::from(pick) % NAMES.len()]).expect("a valid name")
}

/// The world in which both sides agree on the common tree.
pub(crate) fn plant(case: &Case) -> World {
    let mut world = World::new(case.settings);
    for seedling in &case.base {
        plant_one(&mut world, *seedling);
    }
    world
}

fn plant_one(world: &mut World, seedling: Seedling) {
    let folders = folders(world, Tree::Remote);
    let name = name(seedling.name);
    let place = Place { parent: pick(&folders, seedling.parent), name };
    if world.holder(Tree::Remote, &place).is_some() || super::model::local_name(&place.name) {
        return;
    }
    let kind = match seedling.kind % 20 {
        0..=8 => NodeKind::Folder,
        9 if world.settings.symlinks => NodeKind::Symlink,
        _ => NodeKind::File,
    };
    let node = world.new_node(kind);
    let content = match kind {
        NodeKind::File => {
            let bytes = world.fresh_bytes();
            world.version(node, bytes)
        }
        NodeKind::Symlink => Content::Symlink("target".into()),
        NodeKind::Folder | NodeKind::Special => Content::Folder,
    };
    let remote = Side { place, content, rid: Some(RemoteId(format!("id{node}"))) };
    let local = Side { rid: None, ..remote.clone() };
    world.trees.insert(
        node,
        NodeTrees { kind, local: Some(local), remote: Some(remote.clone()), synced: Some(remote), blocked: None },
    );
}

fn pick<T: Copy>(of: &[T], number: u8) -> T {
    of[usize::from(number) % of.len()]
}

fn folders(world: &World, tree: Tree) -> Vec<NodeId> {
    let mut folders = vec![NodeId::ROOT];
    folders.extend(world.trees.keys().copied().filter(|node| world.is_folder(tree, *node)));
    folders
}

fn nodes(world: &World, tree: Tree) -> Vec<NodeId> {
    world.trees.keys().copied().filter(|node| world.side(tree, *node).is_some()).collect()
}

/// Does it, if there is anything to do it to. False if not.
pub(crate) fn apply(world: &mut World, op: Op) -> bool {
    let nodes = nodes(world, op.tree);
    let folder = pick(&folders(world, op.tree), op.b);
    match op.act {
        Act::CreateFile => create(world, op, NodeKind::File, Place { parent: folder, name: name(op.c) }),
        Act::CreateFolder => create(world, op, NodeKind::Folder, Place { parent: folder, name: name(op.c) }),
        Act::CreateOther => {
            let kind = match (op.tree, op.a % 3) {
                (Tree::Local, 0) => NodeKind::Special,
                (Tree::Local | Tree::Remote, _) => NodeKind::Symlink,
            };
            create(world, op, kind, Place { parent: folder, name: name(op.c) })
        }
        Act::LikeOther => like_other(world, op),
        Act::Edit
        | Act::Rename
        | Act::Move
        | Act::Delete
        | Act::Swap
        | Act::Invert
        | Act::Replace
        | Act::RenameOver
        | Act::CaseRename
        | Act::Wrap => {
            if nodes.is_empty() {
                return false;
            }
            change(world, op, pick(&nodes, op.a), pick(&nodes, op.b), folder)
        }
    }
}

fn change(world: &mut World, op: Op, node: NodeId, other: NodeId, folder: NodeId) -> bool {
    let tree = op.tree;
    let place = world.side(tree, node).expect("a picked row").place.clone();
    match op.act {
        Act::Edit => edit(world, op, node),
        Act::Rename => relocate(world, tree, node, Place { name: name(op.c), ..place }),
        Act::Move => {
            let name = if op.c.is_multiple_of(2) { place.name } else { name(op.c) };
            relocate(world, tree, node, Place { parent: folder, name })
        }
        Act::CaseRename => {
            let text = place.name.as_str();
            let turned = if text.to_lowercase() == text { text.to_uppercase() } else { text.to_lowercase() };
            relocate(world, tree, node, Place { name: EntryName::new(turned).expect("a valid name"), ..place })
        }
        Act::Delete => {
            delete(world, tree, node);
            true
        }
        Act::Replace => {
            let kind = if op.c.is_multiple_of(2) { world.trees[&node].kind } else { NodeKind::Folder };
            delete(world, tree, node);
            create(world, op, kind, place)
        }
        Act::RenameOver => {
            let target = world.side(tree, other).expect("a picked row").place.clone();
            if world.is_below(tree, target.parent, node) || world.is_below(tree, node, other) {
                return false;
            }
            delete(world, tree, other);
            relocate(world, tree, node, target)
        }
        Act::Swap => swap(world, tree, node, other),
        Act::Invert => invert(world, op, node),
        Act::Wrap => wrap(world, op, node, place),
        Act::CreateFile | Act::CreateFolder | Act::CreateOther | Act::LikeOther => false,
    }
}

/// The name is free on this side. The mount refuses a second spelling of a key, too, where it knows; sometimes it did not.
fn is_free(world: &World, tree: Tree, place: &Place, except: Option<NodeId>) -> bool {
    let key = world.policy.names.key(&place.name);
    let exact = tree == Tree::Local && world.settings.local_twins;
    !world.children(tree, place.parent).filter(|child| Some(*child) != except).any(|child| {
        let taken = &world.side(tree, child).expect("a child has a row").place.name;
        if exact { *taken == place.name } else { world.policy.names.key(taken) == key }
    })
}

fn create(world: &mut World, op: Op, kind: NodeKind, place: Place) -> bool {
    let kind = match (kind, op.tree) {
        (NodeKind::Special, Tree::Remote) => NodeKind::File,
        (NodeKind::Symlink, Tree::Remote) if !world.settings.symlinks => NodeKind::File,
        (kind, Tree::Local | Tree::Remote) => kind,
    };
    if !is_free(world, op.tree, &place, None) || is_aside(&place.name) {
        return false;
    }
    let node = world.new_node(kind);
    let content = match kind {
        NodeKind::File => {
            let bytes = world.fresh_bytes();
            file_content(world, op, node, bytes)
        }
        NodeKind::Symlink => {
            Content::Symlink(if op.a.is_multiple_of(4) { "target".into() } else { format!("to {node}") })
        }
        NodeKind::Folder | NodeKind::Special => Content::Folder,
    };
    put(world, op.tree, node, place, content);
    true
}

fn file_content(world: &mut World, op: Op, node: NodeId, bytes: u32) -> Content {
    match op.tree {
        Tree::Local => world.stage(node, bytes, op.c.is_multiple_of(3)),
        Tree::Remote => world.version(node, bytes),
    }
}

fn put(world: &mut World, tree: Tree, node: NodeId, place: Place, content: Content) {
    let rid = (tree == Tree::Remote).then(|| RemoteId(format!("id{node}")));
    *world.side_mut(tree, node) = Some(Side { place, content, rid });
}

/// Mostly new bytes; at times those of the other side or the old ones again.
fn edit(world: &mut World, op: Op, node: NodeId) -> bool {
    let other = if op.tree == Tree::Local { Tree::Remote } else { Tree::Local };
    if world.trees[&node].kind != NodeKind::File {
        return false;
    }
    let bytes = match op.c % 16 {
        0 | 1 => world.bytes(other, node),
        2 => world.base_bytes(node),
        _ => None,
    };
    let bytes = bytes.unwrap_or_else(|| world.fresh_bytes());
    let content = file_content(world, op, node, bytes);
    world.side_mut(op.tree, node).as_mut().expect("a picked row").content = content;
    true
}

fn relocate(world: &mut World, tree: Tree, node: NodeId, place: Place) -> bool {
    let free = is_free(world, tree, &place, Some(node));
    if !free || world.is_below(tree, place.parent, node) || is_aside(&place.name) {
        return false;
    }
    world.side_mut(tree, node).as_mut().expect("a row").place = place;
    if tree == Tree::Remote && world.settings.revision_on_move {
        world.new_revisions(node);
    }
    true
}

fn delete(world: &mut World, tree: Tree, node: NodeId) {
    let below: Vec<NodeId> = world.children(tree, node).collect();
    for child in below {
        delete(world, tree, child);
    }
    *world.side_mut(tree, node) = None;
    if world.trees.get(&node).is_some_and(|node| node.local.is_none() && node.remote.is_none() && node.synced.is_none())
    {
        world.trees.remove(&node);
    }
}

fn swap(world: &mut World, tree: Tree, node: NodeId, other: NodeId) -> bool {
    if world.is_below(tree, node, other) || world.is_below(tree, other, node) {
        return false;
    }
    let first = world.side(tree, node).expect("a row").place.clone();
    let second = world.side(tree, other).expect("a row").place.clone();
    if is_aside(&first.name) || is_aside(&second.name) {
        return false;
    }
    world.side_mut(tree, node).as_mut().expect("a row").place = second;
    world.side_mut(tree, other).as_mut().expect("a row").place = first;
    true
}

/// A folder changes places with the folder that holds it, with or without the names.
fn invert(world: &mut World, op: Op, inner: NodeId) -> bool {
    let tree = op.tree;
    let place = world.side(tree, inner).expect("a row").place.clone();
    let outer = place.parent;
    if outer == NodeId::ROOT || world.trees[&inner].kind != NodeKind::Folder {
        return false;
    }
    let outer_place = world.side(tree, outer).expect("a row").place.clone();
    let names = [&place.name, &outer_place.name];
    if names.iter().any(|name| is_aside(name)) {
        return false;
    }
    let (inner_name, outer_name) = if op.c.is_multiple_of(2) { (names[1], names[0]) } else { (names[0], names[1]) };
    let to_inner = Place { parent: outer_place.parent, name: inner_name.clone() };
    let to_outer = Place { parent: inner, name: outer_name.clone() };
    let free_above = world.holder(tree, &to_inner).is_none_or(|holder| holder == outer);
    if !free_above || !is_free(world, tree, &to_inner, Some(outer)) || !is_free(world, tree, &to_outer, None) {
        return false;
    }
    world.side_mut(tree, inner).as_mut().expect("a row").place = to_inner;
    world.side_mut(tree, outer).as_mut().expect("a row").place = to_outer;
    true
}

/// `mkdir n; mv x n/; mv n x`: a new folder takes the name of what it now holds.
fn wrap(world: &mut World, op: Op, node: NodeId, place: Place) -> bool {
    if is_aside(&place.name) {
        return false;
    }
    let folder = world.new_node(NodeKind::Folder);
    put(world, op.tree, folder, place.clone(), Content::Folder);
    world.side_mut(op.tree, node).as_mut().expect("a row").place.parent = folder;
    if op.c.is_multiple_of(2) {
        // The new folder replaces an old one: everything moves over, and the old one goes.
        let below: Vec<NodeId> = world.children(op.tree, node).collect();
        for child in below {
            world.side_mut(op.tree, child).as_mut().expect("a row").place.parent = folder;
        }
        delete(world, op.tree, node);
    }
    true
}

/// What the other side made or changed, made or changed here as well: to equal or other bytes, in the same spelling or its twin.
fn like_other(world: &mut World, op: Op) -> bool {
    let other = if op.tree == Tree::Local { Tree::Remote } else { Tree::Local };
    let theirs: Vec<NodeId> = nodes(world, other);
    let created: Vec<NodeId> = theirs.iter().copied().filter(|node| world.side(op.tree, *node).is_none()).collect();
    let Some(node) = (!created.is_empty()).then(|| pick(&created, op.a)) else {
        return false;
    };
    let side = world.side(other, node).expect("a row").clone();
    if !world.is_folder(op.tree, side.place.parent)
        || is_aside(&side.place.name)
        || !is_free(world, op.tree, &side.place, None)
    {
        return false;
    }
    let kind = world.trees[&node].kind;
    let unshared = kind == NodeKind::Special || (kind == NodeKind::Symlink && !world.settings.symlinks);
    if unshared && op.tree == Tree::Remote {
        return false;
    }
    let twin = world.new_node(kind);
    let content = match kind {
        NodeKind::File => {
            let bytes =
                world.bytes(other, node).filter(|_| !op.c.is_multiple_of(3)).unwrap_or_else(|| world.fresh_bytes());
            file_content(world, op, twin, bytes)
        }
        NodeKind::Symlink | NodeKind::Folder | NodeKind::Special => side.content,
    };
    put(world, op.tree, twin, side.place, content);
    true
}
