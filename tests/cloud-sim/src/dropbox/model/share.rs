//! Sharing: a folder becomes a namespace of its own that several accounts mount.

use std::sync::Arc;

use super::view::Place;
use super::world::World;
use super::{Entry, Node, NsId, path};

impl World {
    /// Makes a folder a namespace of its own. Devices see everything in it deleted and there anew.
    pub(crate) fn share(&mut self, place: &Place) -> Option<NsId> {
        let top = self.live(place)?.clone();
        let Node::Folder { id, mounted: None } = top.node else { return None };
        if self.ns(place.ns).shared {
            return None;
        }
        let inside = self.new_namespace();
        self.ns_mut(inside).shared = true;
        let moved = self.take_below(place);
        self.set(place.ns, place.path.clone(), top.display.clone(), Node::Deleted);
        self.set(place.ns, place.path.clone(), top.display.clone(), Node::Folder { id, mounted: Some(inside) });
        self.ns_mut(place.ns).mounts.insert(place.path.clone(), inside);
        for (old, entry) in moved {
            let display = cut(&entry.display, &place.path);
            self.set(inside, old[place.path.len()..].into(), display, entry.node);
        }
        Some(inside)
    }

    /// Ends the sharing of a mounted folder: everything is deleted and there anew.
    pub(crate) fn unshare(&mut self, place: &Place) -> bool {
        let Some(inside) = self.ns_mut(place.ns).mounts.remove(&place.path) else { return false };
        let Some(top) = self.live(place).cloned() else { return false };
        let Node::Folder { id, .. } = top.node else { return false };
        let root = Place { ns: inside, display: String::new(), path: "".into() };
        let moved = self.take_below(&root);
        self.set(place.ns, place.path.clone(), top.display.clone(), Node::Folder { id, mounted: None });
        for (old, entry) in moved {
            let path = format!("{}{old}", place.path);
            let display = format!("{}{}", top.display, entry.display);
            self.set(place.ns, path.into(), display.into(), entry.node);
        }
        true
    }

    /// Mounts a shared namespace in the home of another account.
    pub(crate) fn mount(&mut self, home: NsId, display: &str, inside: NsId) {
        let path: Arc<str> = path::lower(display).into();
        self.make_parents(home, display);
        let id = self.new_id();
        self.set(home, path.clone(), display.into(), Node::Folder { id, mounted: Some(inside) });
        self.ns_mut(home).mounts.insert(path, inside);
    }

    /// Leaves tombstones for everything below a folder and gives it back.
    fn take_below(&mut self, place: &Place) -> Vec<(Arc<str>, Entry)> {
        let below = self.ns(place.ns).below(&place.path, None).filter(|(_, entry)| entry.node.is_live());
        let below: Vec<_> = below.map(|(path, entry)| (path.clone(), entry.clone())).collect();
        for (path, entry) in &below {
            self.set(place.ns, path.clone(), entry.display.clone(), Node::Deleted);
        }
        below
    }
}

/// A displayed path without as many segments as a folder has.
fn cut(display: &str, folder: &str) -> Arc<str> {
    let segments = folder.matches('/').count();
    display.match_indices('/').nth(segments).map_or("", |(at, _)| &display[at..]).into()
}
