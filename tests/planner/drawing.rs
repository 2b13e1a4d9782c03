//! Worlds as text: drawn for people who look at a failure, and read from the drawings of the hand-written cases.
//!
//! A drawing has one line per node: `2 file L a *9 | R b 1 | S a 1`. Id, kind, an optional block, then the sides: a place (`3/name`, or
//! `name` in the root) and a content (`1` a version with these bytes, `*9` staged bytes with their hash, `?9` without; nothing for
//! folders; the target of a link); `-` is no row.

use std::fmt::Write;

use vaultfs::sync::plan::{Blocked, Content, NodeTrees, Place, Plan, Side, Step};
use vaultfs::types::{EntryName, NodeId, NodeKind, RemoteId, Revision};

use super::model::{ABSENT, Bytes, Tree, World, hash, size};

/// One line per node: place and content in L, R and S.
pub(crate) fn draw(world: &World) -> String {
    let mut text = String::new();
    for (node, trees) in &world.trees {
        let side = |side: &Option<Side>| match side {
            Some(side) => {
                let bytes = world.bytes_of(*node, &side.content).unwrap_or_default();
                let content = match &side.content {
                    Content::Folder => String::new(),
                    Content::Symlink(target) => format!(" {target}"),
                    Content::Version { revision, .. } => format!(" {bytes} ({revision})"),
                    Content::Staged { hash: Some(_), .. } => format!(" *{bytes}"),
                    Content::Staged { hash: None, .. } => format!(" ?{bytes}"),
                };
                format!("{}{content}", spell(&side.place))
            }
            None => "-".into(),
        };
        let blocked = trees.blocked.map_or(String::new(), |blocked| format!(" {blocked:?}"));
        let sides = format!("L {} | R {} | S {}", side(&trees.local), side(&trees.remote), side(&trees.synced));
        let _never_fails = writeln!(text, "  {node} {:?}{blocked} {sides}", trees.kind);
    }
    text
}

/// What the mount shows: a line per path, with bytes.
pub(crate) fn paths(world: &World) -> Vec<String> {
    let path = |node: NodeId| {
        let mut parts = Vec::new();
        let mut at = node;
        while let Some(side) = world.side(Tree::Local, at) {
            parts.push(side.place.name.to_string());
            at = side.place.parent;
        }
        parts.reverse();
        parts.join("/")
    };
    let shown = world.trees.keys().filter(|node| world.side(Tree::Local, **node).is_some());
    let mut lines: Vec<String> = shown
        .map(|node| match world.bytes(Tree::Local, *node) {
            Some(bytes) => format!("{}={bytes}", path(*node)),
            None => path(*node),
        })
        .collect();
    lines.sort();
    lines
}

/// Steps in short: `2 move local 3/a`.
pub(crate) fn steps(plan: &Plan) -> Vec<String> {
    let steps = plan.steps.iter().map(|planned| {
        let what = match &planned.step {
            Step::HashLocal => "hash".into(),
            Step::CreateRemoteFolder(place) | Step::CreateRemoteSymlink(place) => {
                format!("create remote {}", spell(place))
            }
            Step::UploadNew(place) => format!("upload {}", spell(place)),
            Step::UploadOver { expected } => format!("upload over {expected}"),
            Step::MoveRemote(place) => format!("move remote {}", spell(place)),
            Step::MoveRemoteAside => "move remote aside".into(),
            Step::DeleteRemote { .. } => "delete remote".into(),
            Step::CreateLocal(place) => format!("create local {}", spell(place)),
            Step::UpdateLocal => "download".into(),
            Step::MoveLocal(place) => format!("move local {}", spell(place)),
            Step::LeaveOut => "leave out".into(),
            Step::DeleteLocal => "delete local".into(),
            Step::KeepBoth { ours } => format!("keep both, ours {}", spell(ours)),
            Step::Adopt { remote } => format!("adopt {remote}"),
            Step::MarkSynced => "mark synced".into(),
            Step::DropSynced => "drop synced".into(),
        };
        format!("{} {what}", planned.node)
    });
    steps.collect()
}

fn spell(place: &Place) -> String {
    if place.parent == NodeId::ROOT { place.name.to_string() } else { format!("{}/{}", place.parent, place.name) }
}

/// Reads a drawing.
pub(crate) fn read(world: &mut World, drawing: &str) {
    for line in drawing.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (head, local) = line.split_once(" L ").expect("an L side");
        let [local, remote, synced] = local.split(" | ").collect::<Vec<_>>().try_into().expect("three sides");
        let mut words = head.split_whitespace();
        let node = NodeId(words.next().expect("an id").parse().expect("a number"));
        let kind = match words.next().expect("a kind") {
            "file" => NodeKind::File,
            "dir" => NodeKind::Folder,
            "link" => NodeKind::Symlink,
            other => panic!("no kind: {other}"),
        };
        let blocked = words.next().map(|word| match word {
            "local-only" => Blocked::LocalOnly,
            "left-out" => Blocked::LeftOut,
            "open" => Blocked::OpenForWriting,
            "not-quiet" => Blocked::NotQuiet,
            "held" => Blocked::Held,
            "backing-off" => Blocked::BackingOff,
            other => panic!("no block: {other}"),
        });
        let local = read_side(world, node, kind, local);
        let remote = read_side(world, node, kind, remote.strip_prefix("R ").expect("an R side"));
        let synced = read_side(world, node, kind, synced.strip_prefix("S ").expect("an S side"));
        let rid = |side: Side| Side { rid: Some(RemoteId(format!("id{node}"))), ..side };
        let trees = NodeTrees { kind, local, remote: remote.map(rid), synced: synced.map(rid), blocked };
        world.trees.insert(node, NodeTrees { blocked, ..trees });
    }
}

fn read_side(world: &mut World, node: NodeId, kind: NodeKind, text: &str) -> Option<Side> {
    if text.trim() == "-" {
        return None;
    }
    let (place, content) = match (kind, text.trim().rsplit_once(' ')) {
        (NodeKind::File | NodeKind::Symlink, Some((place, content))) => (place, content),
        (NodeKind::Folder | NodeKind::Special | NodeKind::File | NodeKind::Symlink, _) => (text.trim(), ""),
    };
    let (parent, name) = match place.split_once('/') {
        Some((parent, name)) => (NodeId(parent.parse().expect("a number")), name),
        None => (NodeId::ROOT, place),
    };
    let bytes = |digits: &str| digits.parse::<Bytes>().expect("a content");
    let content = match (kind, content.chars().next()) {
        (NodeKind::Folder | NodeKind::Special, _) => Content::Folder,
        (NodeKind::Symlink, _) => Content::Symlink(content.to_owned()),
        (NodeKind::File, Some(mark @ ('*' | '?'))) => {
            let bytes = bytes(&content[1..]);
            world.staged.insert(node, bytes);
            let hash = (mark == '*').then(|| hash(bytes));
            Content::Staged { based_on: None, size: size(bytes), hash }
        }
        (NodeKind::File, Some(_) | None) => {
            let bytes = bytes(content);
            let revision = Revision(format!("v{bytes}"));
            world.versions.insert(revision.clone(), bytes);
            Content::Version { revision, size: size(bytes), hash: world.settings.hashes.then(|| hash(bytes)) }
        }
    };
    world.trees.entry(node).or_insert(NodeTrees { kind, ..ABSENT });
    Some(Side { place: Place { parent, name: EntryName::new(name).expect("a valid name") }, content, rid: None })
}
