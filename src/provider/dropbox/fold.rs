//! A run of the feed, folded: the last word for each path, deletions first. The service tells one line per path in its latest state, in
//! the order of the last change, over several pages; lines may be repeated, and what changes between two pages may be told twice.
//!
//! Deletions come first, because what was moved is told as a deletion at the old path and an arrival at the new one, and whatever arrives
//! is there.

use std::collections::HashMap;

use super::place::{Root, parent_of};
use super::wire::{DeletedMetadata, FileMetadata, FolderMetadata, Metadata};

/// Something that is at a path.
#[derive(Debug)]
pub(super) enum Present {
    File(FileMetadata),
    Folder(FolderMetadata),
}

/// A deletion by path.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) path: String,
    pub(super) name: String,
}

/// What was told about the vault's own folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum AboutRoot {
    /// It is this folder.
    IsFolder(String),
    /// It is gone, or is a file by now.
    IsGone,
}

/// A folded run.
#[derive(Default, Debug)]
pub(super) struct Run {
    words: HashMap<String, (usize, Word)>,
    count: usize,
    pub(super) about_root: Option<AboutRoot>,
}

#[derive(Debug)]
enum Word {
    Present(Present),
    Gone(String),
}

impl Run {
    /// Adds a page.
    pub(super) fn add(&mut self, root: &Root, entries: Vec<Metadata>) {
        for entry in entries {
            match entry {
                Metadata::File(file) => {
                    let Some(path) = file.path_lower.clone() else { continue };
                    self.put(root, path, Word::Present(Present::File(file)));
                }
                Metadata::Folder(folder) => {
                    let Some(path) = folder.path_lower.clone() else { continue };
                    self.put(root, path, Word::Present(Present::Folder(folder)));
                }
                Metadata::Deleted(DeletedMetadata { name, path_lower: Some(path) }) => {
                    self.put(root, path, Word::Gone(name));
                }
                Metadata::Deleted(DeletedMetadata { path_lower: None, .. }) => {}
                Metadata::Unknown => tracing::warn!("Dropbox tells of something that this version does not know"),
            }
        }
    }

    fn put(&mut self, root: &Root, path: String, word: Word) {
        if root.is(&path) {
            self.about_root = Some(match word {
                Word::Present(Present::Folder(folder)) => AboutRoot::IsFolder(folder.id),
                Word::Present(Present::File(_)) | Word::Gone(_) => AboutRoot::IsGone,
            });
        } else if root.holds(&path) {
            self.words.insert(path, (self.count, word));
            self.count += 1;
        }
    }

    /// Deletions and arrivals, each in the order in which they were told.
    pub(super) fn finish(self) -> (Vec<Gone>, Vec<(String, Present)>) {
        let mut words: Vec<(usize, String, Word)> =
            self.words.into_iter().map(|(path, (at, word))| (at, path, word)).collect();
        words.sort_unstable_by_key(|(at, ..)| *at);
        let (mut gone, mut present) = (Vec::new(), Vec::new());
        for (_, path, word) in words {
            match word {
                Word::Gone(name) => gone.push(Gone { path, name }),
                Word::Present(entry) => present.push((path, entry)),
            }
        }
        (gone, present)
    }
}

impl Gone {
    /// The path of the folder that it was in.
    pub(super) fn parent(&self) -> &str {
        parent_of(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::types::{EntryName, RemoteId};

    fn entries(lines: &[(&str, &str)]) -> Vec<Metadata> {
        lines
            .iter()
            .map(|(tag, path)| {
                let name = path.rsplit('/').next().unwrap();
                serde_json::from_value(
                    json!({".tag": tag, "name": name, "id": format!("id:{path}"), "rev": "1", "size": 0,
                    "path_lower": path}),
                )
                .unwrap()
            })
            .collect()
    }

    fn folded(pages: &[&[(&str, &str)]]) -> (Vec<String>, Vec<String>, Option<AboutRoot>) {
        let root = Root { id: RemoteId("id:/v".into()), path: "/v".into(), name: EntryName::new("v").unwrap() };
        let mut run = Run::default();
        pages.iter().for_each(|page| run.add(&root, entries(page)));
        let about_root = run.about_root.clone();
        let (gone, present) = run.finish();
        (
            gone.into_iter().map(|gone| gone.path).collect(),
            present.into_iter().map(|(path, _)| path).collect(),
            about_root,
        )
    }

    #[test]
    fn the_last_word_counts_and_deletions_come_first() {
        let (gone, present, _) = folded(&[
            &[("file", "/v/a"), ("folder", "/v/b"), ("deleted", "/v/c")],
            &[("deleted", "/v/a"), ("file", "/v/c"), ("file", "/v/b/x"), ("file", "/v/b/x")],
        ]);
        assert_eq!((gone, present), (vec!["/v/a".to_owned()], vec!["/v/b".into(), "/v/c".into(), "/v/b/x".into()]));
    }

    #[test]
    fn what_is_outside_is_not_told_and_the_root_is_apart() {
        let (gone, present, root) =
            folded(&[&[("file", "/w/a"), ("deleted", "/vv"), ("folder", "/v"), ("hologram", "/v/h")]]);
        assert!(gone.is_empty() && present.is_empty());
        assert_eq!(root, Some(AboutRoot::IsFolder("id:/v".into())));
        assert_eq!(folded(&[&[("folder", "/v")], &[("deleted", "/v")]]).2, Some(AboutRoot::IsGone));
        assert_eq!(folded(&[&[("file", "/v")]]).2, Some(AboutRoot::IsGone));
    }
}
