//! One folder, as it is now.

use super::api::Call;
use super::lookup::{Folder, Found, not_found};
use super::place::{Root, as_path, file_entry, folder_entry};
use super::shown::shown;
use super::state::Shared;
use super::wire::{ContinueFrom, FileMetadata, FolderMetadata, ListFolder, Listing, Metadata};
use crate::provider::{RemoteEntry, Result};
use crate::types::{EntryName, RemoteId};

const LIST: &str = "list a folder";

impl Shared {
    /// [`crate::provider::Provider::children`].
    pub(super) async fn children(&self, id: &RemoteId) -> Result<Vec<RemoteEntry>> {
        let root = self.root().await?;
        let path = if *id == root.id { Some(root.path.as_str()) } else { as_path(id) };
        let gone = || not_found(LIST, format_args!("the folder {id}"));
        let entries = match path {
            Some(path) => self.listed_now(LIST, path).await?.ok_or_else(gone)?,
            None => return Err(gone()),
        };
        let inside = |path: &Option<String>| path.as_deref().is_some_and(|path| root.holds(path));
        let shown = entries.iter().filter_map(|entry| match entry {
            Metadata::File(file) if inside(&file.path_lower) => file_entry(file, id.clone()),
            Metadata::Folder(folder) if inside(&folder.path_lower) => folder_entry(folder, id.clone()),
            Metadata::File(_) | Metadata::Folder(_) | Metadata::Deleted(_) | Metadata::Unknown => None,
        });
        Ok(shown.collect())
    }

    /// The entry of a folder whose name is too long to be shown and is shown as this one.
    pub(super) async fn behind(
        &self,
        operation: &'static str,
        root: &Root,
        folder: &Folder,
        name: &EntryName,
    ) -> Result<Option<Found>> {
        let Some(entries) = self.listed_now(operation, &folder.path).await? else { return Ok(None) };
        let key = super::names::RULES.key(name);
        let is_it = |told: &str| shown(told).is_some_and(|shown| super::names::RULES.key(&shown) == key);
        let path = entries.iter().find_map(|entry| match entry {
            Metadata::File(FileMetadata { name, path_lower, .. })
            | Metadata::Folder(FolderMetadata { name, path_lower, .. }) => {
                path_lower.as_deref().filter(|_| is_it(name))
            }
            Metadata::Deleted(_) | Metadata::Unknown => None,
        });
        match path {
            Some(path) => self.found(operation, root, path).await,
            None => Ok(None),
        }
    }

    /// What is in a folder; `None` if there is no such folder.
    async fn listed_now(&self, operation: &'static str, path: &str) -> Result<Option<Vec<Metadata>>> {
        let call = Call::read(operation, path);
        let argument = ListFolder { path, recursive: false, limit: None };
        let page = self.api.rpc("files/list_folder", &call, &argument).await;
        let mut page: Listing = match page {
            Ok(page) => page,
            Err(error) if error.has("not_found") || error.has("not_folder") => return Ok(None),
            Err(error) => return Err(error.into_error(&call)),
        };
        let mut entries = page.entries;
        while page.has_more {
            let next = self.api.rpc("files/list_folder/continue", &call, &ContinueFrom { cursor: &page.cursor }).await;
            page = next.map_err(|error| error.into_error(&call))?;
            entries.append(&mut page.entries);
        }
        Ok(Some(entries))
    }
}
