//! A full listing, page by page. Children may come before their folders, in an earlier page too: they wait until their folder is known by
//! its id.

use std::collections::HashMap;

use super::fold::{AboutRoot, Present};
use super::place::{Root, file_entry, folder_entry, parent_of};
use super::shown::shown;
use super::wire::Metadata;
use crate::provider::{Change, Cursor};
use crate::types::RemoteId;

/// A listing that is under way.
pub(super) struct Listing {
    /// The page that comes next.
    pub(super) next: Cursor,
    folders: HashMap<String, RemoteId>,
    waiting: HashMap<String, Vec<Present>>,
    pub(super) about_root: Option<AboutRoot>,
}

impl Listing {
    pub(super) fn new() -> Self {
        Self { next: Cursor(String::new()), folders: HashMap::new(), waiting: HashMap::new(), about_root: None }
    }

    /// Adds a page; returns what can be told now.
    pub(super) fn add(&mut self, root: &Root, entries: Vec<Metadata>) -> Vec<Change> {
        let mut told = Vec::with_capacity(entries.len());
        for entry in entries {
            match entry {
                Metadata::File(file) => {
                    let Some(path) = file.path_lower.clone() else { continue };
                    if root.is(&path) {
                        self.about_root = Some(AboutRoot::IsGone);
                    } else if root.holds(&path) {
                        self.forget_below(&path);
                        self.place(root, path, Present::File(file), &mut told);
                    }
                }
                Metadata::Folder(folder) => {
                    let Some(path) = folder.path_lower.clone() else { continue };
                    if root.is(&path) {
                        self.about_root = Some(AboutRoot::IsFolder(folder.id));
                    } else if root.holds(&path) {
                        self.place(root, path, Present::Folder(folder), &mut told);
                    }
                }
                Metadata::Deleted(gone) => {
                    let Some(path) = gone.path_lower else { continue };
                    if root.is(&path) {
                        self.about_root = Some(AboutRoot::IsGone);
                    } else if root.holds(&path) {
                        self.forget_below(&path);
                        let parent = self.folder_at(root, parent_of(&path));
                        if let (Some(parent), Some(name)) = (parent, shown(&gone.name)) {
                            told.push(Change::RemovedAt { parent, name });
                        }
                    }
                }
                Metadata::Unknown => tracing::warn!("Dropbox lists something that this version does not know"),
            }
        }
        told
    }

    fn folder_at(&self, root: &Root, path: &str) -> Option<RemoteId> {
        if root.is(path) { Some(root.id.clone()) } else { self.folders.get(path).cloned() }
    }

    /// Something changed while it was being listed.
    fn forget_below(&mut self, path: &str) {
        let below =
            |other: &String| other == path || other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        if self.folders.remove(path).is_some() {
            self.folders.retain(|other, _| !below(other));
        }
        self.waiting.retain(|parent, _| !below(parent));
        if let Some(waiting) = self.waiting.get_mut(parent_of(path)) {
            waiting.retain(|entry| entry.path() != Some(path));
        }
    }

    /// Tells an entry and all that waited for it, or lets it wait.
    fn place(&mut self, root: &Root, path: String, entry: Present, told: &mut Vec<Change>) {
        let mut ready = vec![(path, entry)];
        while let Some((path, entry)) = ready.pop() {
            let Some(parent) = self.folder_at(root, parent_of(&path)) else {
                self.waiting.entry(parent_of(&path).to_owned()).or_default().push(entry);
                continue;
            };
            if let Present::Folder(folder) = &entry {
                self.folders.insert(path.clone(), RemoteId(folder.id.clone()));
            }
            tell(entry, parent, told);
            for waited in self.waiting.remove(&path).unwrap_or_default() {
                if let Some(path) = waited.path().map(str::to_owned) {
                    ready.push((path, waited));
                }
            }
        }
    }

    /// Folders that something waits for and that were never listed.
    pub(super) fn unknown_parents(&self) -> Vec<String> {
        let is_listed = |path: &str| {
            let beside = self.waiting.get(parent_of(path)).map_or(&[][..], Vec::as_slice);
            beside.iter().any(|entry| entry.path() == Some(path))
        };
        self.waiting.keys().filter(|path| !is_listed(path)).cloned().collect()
    }

    /// A folder that was asked for: tells what waited for it.
    pub(super) fn found(&mut self, root: &Root, path: &str, id: RemoteId) -> Vec<Change> {
        self.folders.insert(path.to_owned(), id);
        let mut told = Vec::new();
        for waited in self.waiting.remove(path).unwrap_or_default() {
            if let Some(path) = waited.path().map(str::to_owned) {
                self.place(root, path, waited, &mut told);
            }
        }
        told
    }

    /// Every folder, with its path.
    pub(super) fn into_folders(self) -> Vec<(String, RemoteId)> {
        if !self.waiting.is_empty() {
            tracing::warn!(folders = self.waiting.len(), "entries were listed whose folders are not there");
        }
        let mut folders: Vec<(String, RemoteId)> = self.folders.into_iter().collect();
        folders.sort_unstable();
        folders
    }
}

impl Present {
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Self::File(file) => file.path_lower.as_deref(),
            Self::Folder(folder) => folder.path_lower.as_deref(),
        }
    }
}

/// Tells an entry, unless its name cannot be shown.
pub(super) fn tell(entry: Present, parent: RemoteId, told: &mut Vec<Change>) {
    let (shown, name) = match &entry {
        Present::File(file) => (file_entry(file, parent), &file.name),
        Present::Folder(folder) => (folder_entry(folder, parent), &folder.name),
    };
    match shown {
        Some(shown) => told.push(Change::Upsert(shown)),
        None => tracing::warn!(bytes = name.len(), "an entry of Dropbox has a name that this system cannot show"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::EntryName;

    fn root() -> Root {
        Root { id: RemoteId("id:root".into()), path: String::new(), name: EntryName::new("v").unwrap() }
    }

    fn entry(tag: &str, path: &str) -> Metadata {
        let name = path.rsplit('/').next().unwrap();
        serde_json::from_value(
            json!({".tag": tag, "name": name, "id": format!("id:{path}"), "rev": "1", "size": 0, "path_lower": path}),
        )
        .unwrap()
    }

    fn ids(told: &[Change]) -> Vec<String> {
        told.iter()
            .map(|change| match change {
                Change::Upsert(entry) => format!("{} in {}", entry.id, entry.parent.clone().unwrap()),
                Change::Removed(id) => format!("-{id}"),
                Change::RemovedAt { parent, name } => format!("-{name} in {parent}"),
            })
            .collect()
    }

    #[test]
    fn children_wait_for_their_folders() {
        let mut listing = Listing::new();
        let first = listing.add(&root(), vec![entry("file", "/a/b/x"), entry("folder", "/a/b"), entry("file", "/top")]);
        assert_eq!(ids(&first), ["id:/top in id:root"]);
        let second = listing.add(&root(), vec![entry("folder", "/a")]);
        assert_eq!(ids(&second), ["id:/a in id:root", "id:/a/b in id:/a", "id:/a/b/x in id:/a/b"]);
        assert!(listing.unknown_parents().is_empty());
        assert_eq!(listing.into_folders().len(), 2);
    }

    #[test]
    fn a_folder_that_is_never_listed_is_asked_for() {
        let mut listing = Listing::new();
        assert!(
            listing
                .add(&root(), vec![entry("file", "/a/x"), entry("folder", "/a/b"), entry("file", "/a/b/y")])
                .is_empty()
        );
        assert_eq!(listing.unknown_parents(), ["/a"]);
        let told = listing.found(&root(), "/a", RemoteId("id:asked".into()));
        assert_eq!(ids(&told), ["id:/a/x in id:asked", "id:/a/b in id:asked", "id:/a/b/y in id:/a/b"]);
    }

    #[test]
    fn what_goes_while_it_is_listed_is_told() {
        let mut listing = Listing::new();
        listing.add(&root(), vec![entry("folder", "/a"), entry("folder", "/a/b"), entry("file", "/w/x")]);
        let told =
            listing.add(&root(), vec![entry("deleted", "/a"), entry("deleted", "/a/b"), entry("deleted", "/w/x")]);
        assert_eq!(ids(&told), ["-a in id:root"]);
        assert!(listing.into_folders().is_empty());
    }
}
