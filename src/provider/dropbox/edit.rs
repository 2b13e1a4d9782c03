//! Changes without bytes: new folders, moves, deletions. One at a time, because the service locks the tree for each.

use std::sync::Arc;

use super::api::{Call, CallError};
use super::lookup::{Found, not_found};
use super::names;
use super::place::{child_of, folder_entry, parent_of, revision_of, unshowable};
use super::shown::shown;
use super::state::Shared;
use super::wire::{
    Changed, ContinueFrom, CreateFolder, Delete, FolderMetadata, ListFolder, Listing, Metadata, Relocate,
};
use crate::provider::{ErrorKind, ProviderError, RemoteEntry, Result};
use crate::types::{EntryName, RemoteId, Revision};

const CREATE_FOLDER: &str = "create folder";
const MOVE: &str = "move";
const DELETE: &str = "delete";

/// How often a conditional deletion is tried whose revision changes while its content does not.
const TRIES: usize = 3;

impl Shared {
    /// [`crate::provider::Provider::create_folder`].
    pub(super) async fn create_folder(&self, parent: &RemoteId, name: &EntryName) -> Result<RemoteEntry> {
        names::check(CREATE_FOLDER, name)?;
        let root = self.root().await?;
        let way = self.way().await;
        let folder = self.folder(CREATE_FOLDER, &root, parent).await?;
        let path = child_of(&folder.path, name);
        let call = Call::write(CREATE_FOLDER, name.as_str());
        let argument = CreateFolder { path: &path, autorename: false };
        let turn = self.commits.turn().await;
        let made: std::result::Result<Changed<FolderMetadata>, CallError> =
            self.api.rpc("files/create_folder_v2", &call, &argument).await;
        drop((turn, way));
        let made = match made {
            Ok(made) => made.metadata,
            Err(error) if error.has("file_ancestor") => {
                self.disbelieve();
                return Err(not_found(CREATE_FOLDER, format_args!("the folder of {name}")));
            }
            Err(error) => return Err(error.into_error(&call)),
        };
        let id = RemoteId(made.id.clone());
        self.note_young(&id);
        if let Some(path) = &made.path_lower {
            self.index(CREATE_FOLDER, |index| index.learn(path, &id))?;
        }
        folder_entry(&made, folder.id).ok_or_else(|| unshowable(CREATE_FOLDER, &made.name))
    }

    /// [`crate::provider::Provider::relocate`].
    pub(super) async fn relocate(
        &self,
        id: &RemoteId,
        to_parent: &RemoteId,
        to_name: &EntryName,
    ) -> Result<RemoteEntry> {
        names::check(MOVE, to_name)?;
        let root = self.root().await?;
        let (mut way, mut all_ways) = (Some(self.way().await), None);
        let (found, folder) = loop {
            let (found, folder) = tokio::join!(self.found_by_id(MOVE, &root, id), self.folder(MOVE, &root, to_parent));
            let Some(found) = found? else { return Err(not_found(MOVE, format_args!("the entry {id}"))) };
            if matches!(found, Found::Folder { .. }) && all_ways.is_none() {
                drop(way.take());
                all_ways = Some(self.all_ways().await);
                continue;
            }
            break (found, folder?);
        };
        // What is shown shortened keeps its name when it only moves.
        let keeps_name = shown(found.name()).is_some_and(|name| name == *to_name);
        let kept = if keeps_name { found.name() } else { to_name.as_str() };
        let (from, to) = (found.path().to_owned(), child_of(&folder.path, kept));
        if folder.path == from || folder.path.strip_prefix(&from).is_some_and(|rest| rest.starts_with('/')) {
            return Err(ProviderError::new(
                ErrorKind::Invalid,
                MOVE,
                format!("{to_name}: a folder cannot go into itself"),
            ));
        }
        if parent_of(&from) == folder.path && keeps_name {
            return self.entry(MOVE, found, folder.id);
        }
        let call = Call::write(MOVE, to_name.as_str());
        let argument = Relocate { from_path: &id.0, to_path: &to, autorename: false };
        let turn = self.commits.turn().await;
        let moved: std::result::Result<Changed<Metadata>, CallError> =
            self.api.rpc("files/move_v2", &call, &argument).await;
        self.disbelieve();
        if all_ways.is_some() {
            self.forget_revs();
        }
        drop((turn, way, all_ways));
        let moved = match moved {
            Ok(moved) => moved.metadata,
            Err(error) if error.has("from_lookup") => return Err(self.of_missing_source(error, &call, id)),
            Err(error) if error.has("file_ancestor") => {
                return Err(not_found(MOVE, format_args!("the folder of {to_name}")));
            }
            Err(error) => return Err(error.into_error(&call)),
        };
        let found = match moved {
            Metadata::File(file) => {
                self.saw(&file);
                file.path_lower.clone().map(|path| Found::File { file, path })
            }
            Metadata::Folder(moved) => {
                let id = RemoteId(moved.id);
                if let Some(path) = &moved.path_lower {
                    self.index(MOVE, |index| index.learn(path, &id))?;
                }
                moved.path_lower.map(|path| Found::Folder { name: moved.name, id, path })
            }
            Metadata::Deleted(_) | Metadata::Unknown => None,
        };
        match found.filter(|found| found.id() == *id && parent_of(found.path()) == folder.path) {
            Some(found) => {
                self.note_young(id);
                self.entry(MOVE, found, folder.id)
            }
            None => {
                let text = format!("{to_name}: Dropbox moved something, and not as it was asked to");
                Err(ProviderError::new(ErrorKind::Ambiguous, MOVE, text))
            }
        }
    }

    fn of_missing_source(&self, error: CallError, call: &Call<'_>, id: &RemoteId) -> ProviderError {
        let error = error.into_error(call);
        if error.kind == ErrorKind::NotFound && self.is_young(id) {
            // It was found a moment ago: the service is behind itself.
            return ProviderError { kind: ErrorKind::Busy, ..error };
        }
        error
    }

    /// [`crate::provider::Provider::delete`].
    pub(super) async fn delete(self: &Arc<Self>, id: &RemoteId, expected: Option<&Revision>) -> Result<()> {
        let root = self.root().await?;
        let mut rev = expected.and_then(|expected| self.rev_of(id, expected));
        let mut ways = None;
        for _ in 0..TRIES {
            let (guard, subject) = match rev.take() {
                Some(rev) => (Some(rev), id.0.clone()),
                None => match self.found_by_id(DELETE, &root, id).await? {
                    None => return self.deleted(id),
                    Some(Found::Folder { name, .. }) => {
                        if ways.is_none() {
                            ways = Some(self.all_ways().await);
                        }
                        self.check_empty(id, &name).await?;
                        (None, name)
                    }
                    Some(Found::File { file, .. }) => match expected {
                        Some(expected) if revision_of(&file) != *expected => {
                            let text = format!("{} has another content by now", file.name);
                            return Err(ProviderError::new(ErrorKind::RevisionMismatch, DELETE, text));
                        }
                        Some(_) => (Some(file.rev), file.name),
                        None => (None, file.name),
                    },
                },
            };
            let call = Call::write(DELETE, &subject);
            let argument = Delete { path: &id.0, parent_rev: guard.as_deref() };
            let turn = self.commits.turn().await;
            let deleted: std::result::Result<Changed<Metadata>, CallError> =
                self.api.rpc("files/delete_v2", &call, &argument).await;
            drop(turn);
            match deleted {
                Ok(_) => return self.deleted(id),
                Err(error) if error.has("not_found") || error.has("conflict") => {
                    // Gone, moved away or edited: the next look says which.
                    self.note_gone(id);
                    if let Some(expected) = expected {
                        self.forget_rev(id, expected);
                    }
                }
                Err(error) => return Err(error.into_error(&call)),
            }
        }
        let text = format!("{id} changes faster than it can be deleted");
        Err(ProviderError::new(ErrorKind::Busy, DELETE, text))
    }

    fn deleted(&self, id: &RemoteId) -> Result<()> {
        self.note_gone(id);
        self.disbelieve();
        self.index(DELETE, |index| index.forget(id))
    }

    /// The service deletes folders with everything in them. Between this look and the deletion something may arrive: the service has no
    /// way to exclude it, and keeps what it deleted for thirty days.
    async fn check_empty(&self, id: &RemoteId, name: &str) -> Result<()> {
        let call = Call::read(DELETE, name);
        let argument = ListFolder { path: &id.0, recursive: false, limit: Some(1) };
        let mut page: Listing = match self.api.rpc("files/list_folder", &call, &argument).await {
            Ok(page) => page,
            Err(error) if error.has("not_found") => return Ok(()),
            Err(error) => return Err(error.into_error(&call)),
        };
        loop {
            if page.entries.iter().any(|entry| !matches!(entry, Metadata::Deleted(_))) {
                let text = format!("{name} is not empty");
                return Err(ProviderError::new(ErrorKind::NotEmpty, DELETE, text));
            }
            if !page.has_more {
                return Ok(());
            }
            let next = self.api.rpc("files/list_folder/continue", &call, &ContinueFrom { cursor: &page.cursor }).await;
            page = next.map_err(|error| error.into_error(&call))?;
        }
    }
}
