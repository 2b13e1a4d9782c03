//! Looking: the vault's folder, an entry by id, an entry by name. The service knows parents by path alone, so that an entry and its
//! folder are asked for one after the other; a folder that moved in between shows, and the look is taken again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::api::Call;
use super::place::{Root, as_path, child_of, file_entry, folder_entry, parent_of, unshowable};
use super::shown::{may_be_shortened, shown};
use super::state::Shared;
use super::wire::{FileMetadata, FolderMetadata, GetMetadata, Metadata};
use crate::provider::{ErrorKind, ProviderError, RemoteEntry, Result};
use crate::types::{EntryName, RemoteId};

const FIND_ROOT: &str = "find the root";
const STAT: &str = "look up an entry";
const FIND: &str = "look up a name";

/// How often a look is taken again when folders move meanwhile.
const LOOKS: usize = 4;

/// What was just made is looked for again after these.
const YOUNG_PAUSES: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(300), Duration::from_millis(900)];

/// The name that a vault of the whole Dropbox has.
const WHOLE: &str = "Dropbox";

/// A folder, and where it is.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    pub(super) id: RemoteId,
    /// Lower-cased.
    pub(super) path: String,
}

/// An entry inside of the vault.
pub(super) enum Found {
    File { file: FileMetadata, path: String },
    Folder { name: String, id: RemoteId, path: String },
}

impl Found {
    pub(super) fn path(&self) -> &str {
        match self {
            Self::File { path, .. } | Self::Folder { path, .. } => path,
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::File { file, .. } => &file.name,
            Self::Folder { name, .. } => name,
        }
    }

    pub(super) fn id(&self) -> RemoteId {
        match self {
            Self::File { file, .. } => RemoteId(file.id.clone()),
            Self::Folder { id, .. } => id.clone(),
        }
    }
}

pub(super) fn not_found(operation: &'static str, thing: impl std::fmt::Display) -> ProviderError {
    ProviderError::new(ErrorKind::NotFound, operation, format!("{thing} does not exist in Dropbox"))
}

impl Shared {
    /// The vault's folder as it is now.
    pub(super) async fn find_root(&self) -> Result<Arc<Root>> {
        let folder = &self.config.folder;
        if folder.is_whole() {
            // A whole namespace has no metadata; another account's home has another number.
            let namespace = match &folder.namespace {
                Some(namespace) => namespace.clone(),
                None => self.api.account().await?.root.home_namespace_id.clone(),
            };
            let id = RemoteId(format!("ns:{namespace}"));
            return Ok(self.set_root(Root { id, path: String::new(), name: root_name(WHOLE)? }));
        }
        let missing = |what: &str| {
            let text =
                format!("the vault's folder {folder} {what} in Dropbox. Nothing is deleted here; put it back there");
            ProviderError::new(ErrorKind::RootMissing, FIND_ROOT, text)
        };
        match self.metadata(FIND_ROOT, &folder.path).await? {
            Some(Metadata::Folder(found)) => {
                let Some(path) = found.path_lower else { return Err(missing("is not mounted")) };
                Ok(self.set_root(Root { id: RemoteId(found.id), path, name: root_name(&found.name)? }))
            }
            Some(Metadata::File(_)) => Err(missing("is a file")),
            Some(Metadata::Deleted(_) | Metadata::Unknown) | None => Err(missing("is not there")),
        }
    }

    /// The vault's folder as it was last found, or as it is now.
    pub(super) async fn root(&self) -> Result<Arc<Root>> {
        match self.known_root() {
            Some(root) => Ok(root),
            None => self.find_root().await,
        }
    }

    /// What is at a path or has an id; `None` if nothing.
    pub(super) async fn metadata(&self, operation: &'static str, path: &str) -> Result<Option<Metadata>> {
        let call = Call::read(operation, path);
        match self.api.rpc("files/get_metadata", &call, &GetMetadata { path }).await {
            // Something is there: to say that nothing is would delete it here.
            Ok(Metadata::Unknown) => {
                let text = format!("{path}: something of a kind that this version does not know");
                Err(ProviderError::new(ErrorKind::Protocol, operation, text))
            }
            Ok(metadata) => Ok(Some(metadata)),
            // A name that the service cannot hold is the name of nothing.
            Err(error) if error.has("not_found") || error.has("malformed_path") => Ok(None),
            Err(error) => Err(error.into_error(&call)),
        }
    }

    /// What is at a path or has an id, if it is in the vault.
    pub(super) async fn found(&self, operation: &'static str, root: &Root, path: &str) -> Result<Option<Found>> {
        let found = match self.metadata(operation, path).await? {
            Some(Metadata::File(file)) => {
                self.saw(&file);
                file.path_lower.clone().map(|path| Found::File { file, path })
            }
            Some(Metadata::Folder(folder)) => {
                let id = RemoteId(folder.id);
                folder.path_lower.map(|path| Found::Folder { name: folder.name, id, path })
            }
            Some(Metadata::Deleted(_) | Metadata::Unknown) | None => None,
        };
        let found = found.filter(|found| root.holds(found.path()));
        if let Some(Found::Folder { id, path, .. }) = &found {
            self.index(operation, |index| index.learn(path, id))?;
            self.believe(id, path);
        }
        Ok(found)
    }

    /// The entry with an id, if it is in the vault.
    pub(super) async fn found_by_id(
        &self,
        operation: &'static str,
        root: &Root,
        id: &RemoteId,
    ) -> Result<Option<Found>> {
        let Some(path) = as_path(id) else { return Ok(None) };
        for pause in YOUNG_PAUSES {
            let found = self.found(operation, root, path).await?;
            if found.is_some() || !self.is_young(id) {
                return Ok(found);
            }
            tokio::time::sleep(pause).await;
        }
        self.found(operation, root, path).await
    }

    fn believe(&self, id: &RemoteId, path: &str) {
        let mut paths = self.paths.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        paths.put(id.clone(), (path.to_owned(), Instant::now()));
    }

    /// Something has come to these paths, or gone from them: what was believed to be there, and below, is believed no more. An entry
    /// that moves is told at both its paths.
    pub(super) fn disbelieve_at(&self, changed: &HashSet<&str>) {
        let mut paths = self.paths.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let is_changed = |path: &str| {
            let above = path.match_indices('/').map(|(end, _)| &path[..end]);
            above.chain([path]).any(|path| changed.contains(path))
        };
        let doubted: Vec<RemoteId> =
            paths.iter().filter(|(_, (path, _))| is_changed(path)).map(|(id, _)| id.clone()).collect();
        for id in doubted {
            paths.pop(&id);
        }
    }

    /// Folders have moved or gone: no path is believed any more.
    pub(super) fn disbelieve(&self) {
        self.paths.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
    }

    fn believed(&self, id: &RemoteId) -> Option<String> {
        let mut paths = self.paths.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (path, since) = paths.get(id)?;
        (since.elapsed() < self.config.believe_paths).then(|| path.clone())
    }

    /// The folder with an id, and its path; [`ErrorKind::NotFound`] if it is gone, outside of the vault, or no folder. Many entries
    /// are made in one folder one after the other, so that its path is believed for a moment.
    pub(super) async fn folder(&self, operation: &'static str, root: &Root, id: &RemoteId) -> Result<Folder> {
        if *id == root.id {
            return Ok(Folder { id: id.clone(), path: root.path.clone() });
        }
        if let Some(path) = self.believed(id) {
            return Ok(Folder { id: id.clone(), path });
        }
        match self.found_by_id(operation, root, id).await? {
            Some(Found::Folder { id, path, .. }) => Ok(Folder { id, path }),
            Some(Found::File { file, .. }) => Err(not_found(operation, format_args!("the folder {}", file.name))),
            None => Err(not_found(operation, format_args!("the folder {id}"))),
        }
    }

    /// The folder at a path, asked for now; `None` if there is none in the vault.
    pub(super) async fn folder_at(&self, operation: &'static str, root: &Root, path: &str) -> Result<Option<RemoteId>> {
        if root.is(path) {
            return Ok(Some(root.id.clone()));
        }
        if !root.holds(path) {
            return Ok(None);
        }
        Ok(match self.found(operation, root, path).await? {
            Some(Found::Folder { id, .. }) => Some(id),
            Some(Found::File { .. }) | None => None,
        })
    }

    /// An entry with its folder.
    pub(super) fn entry(&self, operation: &'static str, found: Found, parent: RemoteId) -> Result<RemoteEntry> {
        match found {
            Found::File { file, .. } => file_entry(&file, parent).ok_or_else(|| unshowable(operation, &file.name)),
            Found::Folder { name, id, path } => {
                let folder = FolderMetadata { name, id: id.0, path_lower: Some(path) };
                folder_entry(&folder, parent).ok_or_else(|| unshowable(operation, &folder.name))
            }
        }
    }

    /// [`crate::provider::Provider::stat`].
    pub(super) async fn stat(&self, id: &RemoteId) -> Result<RemoteEntry> {
        if self.known_root().is_some_and(|root| root.id == *id) || as_path(id).is_none() {
            let root = self.find_root().await?;
            return if root.id == *id {
                Ok(root.entry())
            } else {
                Err(not_found(STAT, format_args!("the entry {id}")))
            };
        }
        let root = self.root().await?;
        for _ in 0..LOOKS {
            let Some(found) = self.found_by_id(STAT, &root, id).await? else {
                if root.id == *id {
                    return Ok(self.find_root().await?.entry());
                }
                self.index(STAT, |index| index.forget(id))?;
                return Err(not_found(STAT, format_args!("the entry {id}")));
            };
            if let Some(parent) = self.folder_at(STAT, &root, parent_of(found.path())).await? {
                return self.entry(STAT, found, parent);
            }
        }
        Err(restless(STAT, &id.0))
    }

    /// [`crate::provider::Provider::find`].
    pub(super) async fn find(&self, parent: &RemoteId, name: &EntryName) -> Result<Option<RemoteEntry>> {
        let root = self.root().await?;
        for _ in 0..LOOKS {
            let folder = self.folder(FIND, &root, parent).await?;
            if super::names::RULES.check(name).is_err() {
                return Ok(None);
            }
            let found = self.found(FIND, &root, &child_of(&folder.path, name)).await?;
            match found {
                Some(found) if parent_of(found.path()) == folder.path => {
                    return self.entry(FIND, found, folder.id).map(Some);
                }
                Some(_) => self.disbelieve(),
                None if may_be_shortened(name)
                    && let Some(found) = self.behind(FIND, &root, &folder, name).await? =>
                {
                    return self.entry(FIND, found, folder.id).map(Some);
                }
                // Nothing there: the folder itself may have moved since its path was asked for.
                None if self.believed(parent).is_none() || parent == &root.id => return Ok(None),
                None => {
                    self.disbelieve();
                    let again = self.folder(FIND, &root, parent).await?;
                    if again.path == folder.path {
                        return Ok(None);
                    }
                }
            }
        }
        Err(restless(FIND, name.as_str()))
    }
}

/// It is there, and its folder is never where it was a moment ago.
fn restless(operation: &'static str, thing: &str) -> ProviderError {
    ProviderError::new(ErrorKind::Busy, operation, format!("{thing}: its folder keeps moving"))
}

fn root_name(name: &str) -> Result<EntryName> {
    shown(name).ok_or_else(|| unshowable(FIND_ROOT, name))
}
