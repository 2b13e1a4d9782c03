//! Revisions: every version that a file ever had, by its rev, by path and by id.

use std::collections::HashMap;
use std::sync::Arc;

use super::view::{Place, View};
use super::world::World;
use super::write::{Author, Conflict, WriteError};
use super::{FileNode, NsId};

/// A version and where it was.
#[derive(Clone, Debug)]
pub(crate) struct Revision {
    pub(crate) file: Arc<FileNode>,
    pub(crate) ns: NsId,
    pub(crate) path: Arc<str>,
    pub(crate) display: Arc<str>,
}

#[derive(Debug, Default)]
pub(crate) struct History {
    by_rev: HashMap<Arc<str>, Revision>,
    by_path: HashMap<(NsId, Arc<str>), Vec<Arc<str>>>,
    by_id: HashMap<Arc<str>, Vec<Arc<str>>>,
}

impl History {
    pub(crate) fn add(&mut self, revision: Revision) {
        let rev = revision.file.rev.clone();
        self.by_path.entry((revision.ns, revision.path.clone())).or_default().push(rev.clone());
        self.by_id.entry(revision.file.id.clone()).or_default().push(rev.clone());
        self.by_rev.insert(rev, revision);
    }

    pub(crate) fn rev(&self, rev: &str) -> Option<&Revision> {
        self.by_rev.get(rev)
    }

    /// Versions at a path, oldest first.
    pub(crate) fn at_path(&self, ns: NsId, path: &str) -> impl DoubleEndedIterator<Item = &Revision> {
        let revs = self.by_path.get(&(ns, Arc::from(path))).map_or(&[][..], Vec::as_slice);
        revs.iter().filter_map(|rev| self.by_rev.get(rev))
    }

    /// Versions of a file wherever it was, oldest first.
    pub(crate) fn of_id(&self, id: &str) -> impl DoubleEndedIterator<Item = &Revision> {
        let revs = self.by_id.get(id).map_or(&[][..], Vec::as_slice);
        revs.iter().filter_map(|rev| self.by_rev.get(rev))
    }
}

impl World {
    /// Brings a version back to a place where it once was: a new revision, with the id that it had unless that lives elsewhere.
    pub(crate) fn restore(
        &mut self,
        view: View,
        place: &Place,
        rev: &str,
        author: &Author,
    ) -> Result<Place, WriteError> {
        let Some(revision) = self.history.rev(rev).cloned() else { return Ok(place.clone()) };
        self.check_lock(place, author)?;
        if self.ns(place.ns).file_ancestor(&place.path) {
            return Err(WriteError::Conflict(Conflict::FileAncestor));
        }
        if self.live(place).is_some_and(|entry| entry.node.file().is_none()) {
            return Err(WriteError::Conflict(Conflict::Folder));
        }
        self.check_quota(view, place, revision.file.blob.length())?;
        let standing = self.live(place).and_then(|entry| entry.node.file()).map(|file| file.id.clone());
        let elsewhere = self.ids.get(&revision.file.id).is_some_and(|(ns, path)| {
            (*ns, path) != (place.ns, &place.path)
                && self.ns(*ns).live(path).is_some_and(|entry| entry.id() == Some(&*revision.file.id))
        });
        let id = match standing {
            Some(id) => id,
            None if elsewhere => self.new_id(),
            None => revision.file.id.clone(),
        };
        self.make_parents(place.ns, &place.display);
        let display = self.live(place).map(|entry| entry.display.clone());
        let display = display.unwrap_or_else(|| self.cased(place.ns, &place.display));
        let rev = self.new_rev(place.ns);
        let file = FileNode { id, rev, server_modified: author.now, ..(*revision.file).clone() };
        self.set_file(place, display, file);
        Ok(place.clone())
    }
}
