//! What a caller sees: a namespace as its root, and those that are mounted below it.

use std::sync::Arc;

use super::world::World;
use super::{Entry, Node, NsId, path};

/// The root that paths of a call start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) root: NsId,
}

/// A path within the namespace that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) ns: NsId,
    /// As it was asked for, normalised.
    pub(crate) display: String,
    /// Lowered.
    pub(crate) path: Arc<str>,
}

/// Part of a folder's contents: a namespace from a path on, and how its paths look from outside.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) ns: NsId,
    /// Paths inside start with this.
    pub(crate) inner: Arc<str>,
    /// What stands before inner paths outside.
    pub(crate) outer: Outer,
}

/// What stands before a namespace's paths in a view.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outer {
    pub(crate) lower: String,
    pub(crate) display: String,
}

impl View {
    /// Where a path with slashes leads. A mounted folder itself belongs to the namespace that it is mounted in.
    pub(crate) fn place(self, world: &World, path: &str) -> Place {
        self.place_from(world, self.root, path)
    }

    pub(crate) fn place_from(self, world: &World, mut ns: NsId, path: &str) -> Place {
        let mut display = path::normal(path);
        loop {
            let lowered = path::lower(&display);
            let mounts = &world.ns(ns).mounts;
            let crossed = mounts.iter().find(|(at, _)| lowered.len() > at.len() && path::is_within(&lowered, at));
            let Some((at, inside)) = crossed else {
                return Place { ns, display, path: lowered.into() };
            };
            let segments = at.matches('/').count();
            let cut = display.match_indices('/').nth(segments).map_or(display.len(), |(cut, _)| cut);
            display = display.split_off(cut);
            ns = *inside;
        }
    }

    /// The inside of a folder: a mounted folder leads into its namespace.
    pub(crate) fn inside(self, world: &World, place: &Place) -> (NsId, Arc<str>) {
        match world.ns(place.ns).mounts.get(&place.path) {
            Some(inside) => (*inside, "".into()),
            None => (place.ns, place.path.clone()),
        }
    }

    /// How a namespace's paths look in this view; `None` when it is not part of it.
    pub(crate) fn outer(self, world: &World, ns: NsId) -> Option<Outer> {
        fn find(world: &World, at: NsId, wanted: NsId, outer: &Outer) -> Option<Outer> {
            if at == wanted {
                return Some(outer.clone());
            }
            let mounts = &world.ns(at).mounts;
            mounts.iter().find_map(|(path, inside)| {
                let display = world.ns(at).live(path).map_or(&**path, |entry| &*entry.display);
                let outer =
                    Outer { lower: format!("{}{path}", outer.lower), display: format!("{}{display}", outer.display) };
                find(world, *inside, wanted, &outer)
            })
        }
        find(world, self.root, ns, &Outer::default())
    }

    /// The namespaces that make up the contents of a folder.
    pub(crate) fn segments(self, world: &World, ns: NsId, inner: &str, mounted: bool) -> Vec<Segment> {
        fn collect(view: View, world: &World, ns: NsId, inner: &str, into: &mut Vec<Segment>, mounted: bool) {
            into.push(Segment { ns, inner: inner.into(), outer: view.outer(world, ns).unwrap_or_default() });
            if mounted {
                for (path, inside) in &world.ns(ns).mounts {
                    if path::is_within(path, inner) {
                        collect(view, world, *inside, "", into, mounted);
                    }
                }
            }
        }
        let mut segments = Vec::new();
        collect(self, world, ns, inner, &mut segments, mounted);
        segments
    }
}

impl World {
    /// What stands at a place now; the roots of namespaces are nothing there.
    pub(crate) fn live(&self, place: &Place) -> Option<&Entry> {
        self.ns(place.ns).live(&place.path)
    }

    /// Whether a place is a folder: an entry, or a namespace's root.
    pub(crate) fn is_folder(&self, place: &Place) -> bool {
        place.path.is_empty() || self.live(place).is_some_and(|entry| matches!(entry.node, Node::Folder { .. }))
    }
}
