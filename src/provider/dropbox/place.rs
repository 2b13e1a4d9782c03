//! Paths of the service and entries of the trait. A path is the lower-cased one that the service tells (`/apps/muze/take 1.wav`; `""` for
//! everything): it is never lowered here, where the rules of lowering would differ. What lies outside of the vault's folder does not
//! exist.

use crate::provider::{EntryBody, ErrorKind, ProviderError, RemoteEntry};
use crate::types::{ContentHash, EntryName, HashKind, RemoteId, Revision, Timestamp};

use super::shown::shown;
use super::wire::{FileMetadata, FolderMetadata};

/// How ids of the service begin.
const ID_PREFIX: &str = "id:";

/// The vault's folder, as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Root {
    pub(super) id: RemoteId,
    /// Lower-cased; empty for the whole Dropbox.
    pub(super) path: String,
    pub(super) name: EntryName,
}

impl Root {
    pub(super) fn entry(&self) -> RemoteEntry {
        RemoteEntry { id: self.id.clone(), parent: None, name: self.name.clone(), body: EntryBody::Folder }
    }

    /// True for what lies below the vault's folder.
    pub(super) fn holds(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.len() > 1 && rest.starts_with('/'))
    }

    /// True for the folder itself.
    pub(super) fn is(&self, path: &str) -> bool {
        path == self.path
    }
}

/// The path of the folder that holds `path`.
pub(super) fn parent_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The path of `name` in a folder.
pub(super) fn child_of(folder: &str, name: impl std::fmt::Display) -> String {
    format!("{folder}/{name}")
}

/// An id as the service takes it where it takes paths; `None` for what never was one.
pub(super) fn as_path(id: &RemoteId) -> Option<&str> {
    (id.0.starts_with(ID_PREFIX) && id.0.len() > ID_PREFIX.len()).then_some(id.0.as_str())
}

/// The version of a file's content. Not the service's `rev`: that one changes when a file, or a folder above it, is moved, and then
/// every cached byte below would count as another version. Equal content is the same version, whatever happened in between.
pub(super) fn revision_of(file: &FileMetadata) -> Revision {
    match &file.content_hash {
        Some(hash) => Revision(hash.clone()),
        // Documents of Dropbox itself have no bytes, hence no hash.
        None => Revision(format!("rev:{}", file.rev)),
    }
}

/// A file as an entry. `None`: no mount can show its name.
pub(super) fn file_entry(file: &FileMetadata, parent: RemoteId) -> Option<RemoteEntry> {
    let hash = file.content_hash.as_deref().filter(|_| file.is_downloadable);
    let body = EntryBody::File {
        revision: revision_of(file),
        size: file.size,
        hash: hash.and_then(|hash| ContentHash::from_hex(HashKind::Dropbox, hash)),
        modified: file.client_modified.as_deref().and_then(time),
    };
    let name = shown(&file.name)?;
    Some(RemoteEntry { id: RemoteId(file.id.clone()), parent: Some(parent), name, body })
}

/// A folder as an entry. `None`: no mount can show its name.
pub(super) fn folder_entry(folder: &FolderMetadata, parent: RemoteId) -> Option<RemoteEntry> {
    let name = shown(&folder.name)?;
    Some(RemoteEntry { id: RemoteId(folder.id.clone()), parent: Some(parent), name, body: EntryBody::Folder })
}

/// The error for an entry that was asked for and cannot be shown.
pub(super) fn unshowable(operation: &'static str, name: &str) -> ProviderError {
    let text = format!("{}: a name of Dropbox that this system cannot show", name.escape_debug());
    ProviderError::new(ErrorKind::Refused, operation, text)
}

/// A time of the service: whole seconds in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_parts(time.as_second(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(path: &str) -> Root {
        Root { id: RemoteId("id:root".into()), path: path.into(), name: EntryName::new("root").unwrap() }
    }

    #[test]
    fn a_vault_holds_what_is_below_its_folder() {
        let apps = root("/apps/muze");
        assert!(apps.holds("/apps/muze/x") && apps.holds("/apps/muze/x/y"));
        for outside in ["/apps/muze", "/apps/muzette/x", "/apps", "", "/x", "/apps/muze/"] {
            assert!(!apps.holds(outside), "{outside}");
        }
        assert!(root("").holds("/x") && !root("").holds("") && !root("").holds("/"));
    }

    #[test]
    fn equal_content_is_the_same_version() {
        let file = |rev: &str, hash: Option<&str>| FileMetadata {
            name: "a".into(),
            id: "id:a".into(),
            rev: rev.into(),
            size: 0,
            path_lower: None,
            client_modified: Some("2015-05-12T15:50:38Z".into()),
            content_hash: hash.map(str::to_owned),
            is_downloadable: hash.is_some(),
        };
        assert_eq!(revision_of(&file("1", Some("aa"))), revision_of(&file("2", Some("aa"))));
        assert_ne!(revision_of(&file("1", None)), revision_of(&file("2", None)));
        let hash = ContentHash::of(HashKind::Dropbox, b"");
        let entry = file_entry(&file("1", Some(&hash.to_hex())), RemoteId("id:p".into())).unwrap();
        let EntryBody::File { hash: told, modified, .. } = entry.body else { panic!("not a file") };
        assert_eq!((told, modified), (Some(hash), Some(Timestamp::from_parts(1_431_445_838, 0))));
    }
}
