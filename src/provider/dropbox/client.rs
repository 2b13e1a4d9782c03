//! One account: what its vaults share, and what people ask about the account itself.

use std::sync::Arc;

use super::api::{Api, Call};
use super::place::normal_folder;
use super::wire::{
    Allocation, Changed, ContinueFrom, CreateFolder, FolderMetadata, ListFolder, Listing, Metadata, SpaceUsage,
};
use crate::provider::http::{BaseUrl, HttpSetupError, Phases};
use crate::provider::{AccessTokens, Result, Space};

const LIST_FOLDERS: &str = "list folders";
const CREATE_FOLDER: &str = "create folder";
const SPACE: &str = "ask for space";

/// What a space of unknown size counts as, beyond what is used.
const UNKNOWN_SPACE: u64 = 1 << 40;

/// The connection to one account, shared by its vaults: one pool, one pace.
#[derive(Clone)]
pub struct DropboxClient {
    pub(super) api: Arc<Api>,
}

/// Whose account it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DropboxAccount {
    /// `dbid:...`
    pub id: String,
    /// As Dropbox shows it.
    pub name: String,
    /// Its address.
    pub email: String,
}

/// A folder, for choosing one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DropboxFolder {
    /// Its name.
    pub name: String,
    /// Where it is, as people write it.
    pub path: String,
}

impl DropboxClient {
    /// Calls to Dropbox, or to the server at `base`, with these tokens. Does not connect yet.
    pub fn new(
        base: Option<&BaseUrl>,
        phases: Phases,
        tokens: Arc<dyn AccessTokens>,
    ) -> std::result::Result<Self, HttpSetupError> {
        Ok(Self { api: Arc::new(Api::new(base, phases, tokens)?) })
    }

    /// Who is signed in.
    pub async fn account(&self) -> Result<DropboxAccount> {
        let known = self.api.account().await?;
        Ok(DropboxAccount { id: known.id.clone(), name: known.display_name.clone(), email: known.email.clone() })
    }

    /// The folders in a folder (`""`: the top), by name.
    pub async fn folders(&self, folder: &str) -> Result<Vec<DropboxFolder>> {
        let folder = normal_folder(folder)?;
        let call = Call::read(LIST_FOLDERS, &folder);
        let argument = ListFolder { path: &folder, recursive: false, limit: None };
        let page = self.api.rpc("files/list_folder", &call, &argument).await;
        let mut page: Listing = page.map_err(|error| error.into_error(&call))?;
        let mut found = Vec::new();
        loop {
            for entry in page.entries {
                if let Metadata::Folder(FolderMetadata { name, .. }) = entry {
                    let path = format!("{folder}/{name}");
                    found.push(DropboxFolder { name, path });
                }
            }
            if !page.has_more {
                found.sort_unstable();
                return Ok(found);
            }
            let next = self.api.rpc("files/list_folder/continue", &call, &ContinueFrom { cursor: &page.cursor }).await;
            page = next.map_err(|error| error.into_error(&call))?;
        }
    }

    /// Makes a folder, with those above it that are missing.
    pub async fn create_folder(&self, folder: &str) -> Result<DropboxFolder> {
        let path = normal_folder(folder)?;
        let call = Call::write(CREATE_FOLDER, &path);
        let argument = CreateFolder { path: &path, autorename: false };
        let made = self.api.rpc::<_, Changed<FolderMetadata>>("files/create_folder_v2", &call, &argument).await;
        let name = made.map_err(|error| error.into_error(&call))?.metadata.name;
        Ok(DropboxFolder { name, path })
    }

    /// Space used and available to the account.
    pub async fn space(&self) -> Result<Space> {
        let call = Call::read(SPACE, "the account");
        let usage: SpaceUsage =
            self.api.rpc("users/get_space_usage", &call, &()).await.map_err(|error| error.into_error(&call))?;
        let (used, total) = match usage.allocation {
            Allocation::Individual { allocated } => (usage.used, allocated),
            // The team's space is shared; a user may have a part of it only.
            Allocation::Team { used, allocated, user_within_team_space_allocated } => {
                let left = allocated.saturating_sub(used);
                match user_within_team_space_allocated {
                    0 => (used, allocated),
                    own => (usage.used, usage.used.saturating_add(own.saturating_sub(usage.used).min(left))),
                }
            }
            Allocation::Unknown => (usage.used, usage.used.saturating_add(UNKNOWN_SPACE)),
        };
        Ok(Space { total, free: total.saturating_sub(used) })
    }
}
