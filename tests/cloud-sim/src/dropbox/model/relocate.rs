//! Moving and copying trees.

use std::sync::Arc;

use super::path;
use super::view::{Place, View};
use super::world::{CaseRenames, World};
use super::write::{Author, Conflict, WriteError};
use super::{FileNode, Node};

/// Most items that one move or copy takes.
const MOST_ITEMS: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Move,
    Copy,
}

/// Why a move or copy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RelocationError {
    FromNotFound,
    FromMalformed,
    From(WriteError),
    To(WriteError),
    IntoItself,
    TooManyFiles,
    SamePath,
    CopyOfShared,
    NestedShares,
}

impl World {
    /// Moves or copies a tree; where it went.
    pub(crate) fn relocate(
        &mut self,
        view: View,
        kind: Kind,
        from: &Place,
        to: &Place,
        autorename: bool,
        author: &Author,
    ) -> Result<Place, RelocationError> {
        path::check(&from.display, self.emoji).map_err(|_| RelocationError::FromMalformed)?;
        let source = self.live(from).ok_or(RelocationError::FromNotFound)?;
        let is_folder = source.node.file().is_none();
        path::check_new(&to.display, self.emoji).map_err(|bad| RelocationError::To(bad.into()))?;
        if kind == Kind::Move {
            self.check_lock(from, author).map_err(RelocationError::From)?;
        }
        if from.ns == to.ns && from.path == to.path {
            if kind == Kind::Move {
                return self.rename_case(from, to, is_folder);
            }
            if !autorename {
                let conflict = if is_folder { Conflict::Folder } else { Conflict::File };
                return Err(RelocationError::To(WriteError::Conflict(conflict)));
            }
        } else if from.ns == to.ns && path::is_within(&to.path, &from.path) && is_folder {
            return Err(RelocationError::IntoItself);
        }
        if self.ns(to.ns).file_ancestor(&to.path) {
            return Err(RelocationError::To(WriteError::Conflict(Conflict::FileAncestor)));
        }
        let mut target = to.clone();
        if let Some(entry) = self.live(to) {
            if !autorename {
                let conflict = if entry.node.file().is_some() { Conflict::File } else { Conflict::Folder };
                return Err(RelocationError::To(WriteError::Conflict(conflict)));
            }
            target = self.numbered(to, is_folder);
        }
        let items = self.items(from);
        if items.len() > MOST_ITEMS {
            return Err(RelocationError::TooManyFiles);
        }
        let mounts = items.iter().any(|(_, _, node)| matches!(node, Node::Folder { mounted: Some(_), .. }));
        if mounts && kind == Kind::Copy {
            return Err(RelocationError::CopyOfShared);
        }
        if mounts && self.ns(target.ns).shared {
            return Err(RelocationError::NestedShares);
        }
        if kind == Kind::Copy || from.ns != target.ns {
            let bytes = items.iter().filter_map(|(_, _, node)| node.file()).map(|file| file.blob.length()).sum();
            self.check_quota(view, &target, bytes).map_err(RelocationError::To)?;
        }
        if kind == Kind::Move {
            self.delete(from);
        }
        self.make_parents(target.ns, &target.display);
        let top = self.cased(target.ns, &target.display);
        for (old_path, old_display, node) in items {
            let path = format!("{}{}", target.path, &old_path[from.path.len()..]).into();
            let depth = from.path.matches('/').count();
            let rest = old_display.match_indices('/').nth(depth).map_or("", |(at, _)| &old_display[at..]);
            let place = Place { ns: target.ns, display: format!("{top}{rest}"), path };
            self.arrive(&place, node, kind, author);
        }
        Ok(target)
    }

    /// A tree's parts, the top first.
    fn items(&self, from: &Place) -> Vec<(Arc<str>, Arc<str>, Node)> {
        let ns = self.ns(from.ns);
        let all = ns.entry(&from.path).into_iter().chain(ns.below(&from.path, None));
        all.filter(|(_, entry)| entry.node.is_live())
            .map(|(path, entry)| (path.clone(), entry.display.clone(), entry.node.clone()))
            .collect()
    }

    fn arrive(&mut self, place: &Place, node: Node, kind: Kind, author: &Author) {
        let display: Arc<str> = place.display.as_str().into();
        match node {
            Node::File(old) => {
                let id = match kind {
                    Kind::Move => old.id.clone(),
                    Kind::Copy => self.new_id(),
                };
                let rev = self.new_rev(place.ns);
                let file = FileNode { id, rev, server_modified: author.now, ..(*old).clone() };
                self.set_file(place, display, file);
            }
            Node::Folder { id, mounted } => {
                let id = match kind {
                    Kind::Move => id,
                    Kind::Copy => self.new_id(),
                };
                if let Some(inside) = mounted {
                    self.ns_mut(place.ns).mounts.insert(place.path.clone(), inside);
                }
                self.set(place.ns, place.path.clone(), display, Node::Folder { id, mounted });
            }
            Node::Deleted => {}
        }
    }

    /// A move to the same path, perhaps in another case.
    fn rename_case(&mut self, from: &Place, to: &Place, is_folder: bool) -> Result<Place, RelocationError> {
        let same = self.live(from).is_some_and(|entry| entry.name() == path::name(&to.display));
        if same {
            return Err(RelocationError::SamePath);
        }
        match self.case_renames {
            CaseRenames::Nothing => {}
            CaseRenames::Refused => {
                let conflict = if is_folder { Conflict::Folder } else { Conflict::File };
                return Err(RelocationError::To(WriteError::Conflict(conflict)));
            }
            CaseRenames::Work => {
                let node = self.live(from).map(|entry| entry.node.clone());
                let display = self.cased(from.ns, &to.display);
                if let Some(node) = node {
                    self.set(from.ns, from.path.clone(), display, node);
                }
            }
        }
        Ok(to.clone())
    }
}
