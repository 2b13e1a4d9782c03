//! Worlds as text, for people who look at a failure.

use std::fmt::Write;

use vaultfs::sync::plan::{Content, Side};
use vaultfs::types::NodeId;

use super::model::World;

/// One line per node: place and content in L, R and S.
pub fn draw(world: &World) -> String {
    let mut text = String::new();
    for (node, trees) in &world.trees {
        let side = |side: &Option<Side>| match side {
            Some(side) => {
                let content = match &side.content {
                    Content::Folder => "/".to_owned(),
                    Content::Symlink(target) => format!("-> {target}"),
                    Content::Version { revision, .. } => {
                        format!("v{revision}={:?}", world.bytes_of(*node, &side.content))
                    }
                    Content::Staged { hash, .. } => {
                        let hashed = if hash.is_some() { "#" } else { "?" };
                        format!("staged{hashed}={:?}", world.bytes_of(*node, &side.content))
                    }
                };
                format!("{}:{} {content}", parent(side.place.parent), side.place.name)
            }
            None => "-".into(),
        };
        let blocked = trees.blocked.map_or(String::new(), |blocked| format!(" {blocked:?}"));
        let _never_fails = writeln!(
            text,
            "  {node} {:?}{blocked}: L {} | R {} | S {}",
            trees.kind,
            side(&trees.local),
            side(&trees.remote),
            side(&trees.synced)
        );
    }
    text
}

fn parent(node: NodeId) -> String {
    if node == NodeId::ROOT { String::new() } else { node.to_string() }
}
