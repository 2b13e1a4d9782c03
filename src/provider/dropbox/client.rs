//! One account: what its vaults share, and what people ask about the account itself.

use std::sync::Arc;

use super::address::FolderAddress;
use super::api::{Api, Call};
use super::wire::{
    Allocation, Changed, ContinueFrom, CreateFolder, FolderMetadata, GetMetadata, ListFolder, Listing, Metadata,
    RootInfo, SpaceUsage,
};
use crate::provider::http::{BaseUrl, HttpSetupError, Phases};
use crate::provider::{AccessTokens, ErrorKind, ProviderError, Result, Space};

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

    /// The folders in a folder (`""`: the top), by name. Paths begin where the website begins: in a team, at the team's space.
    pub async fn folders(&self, folder: &str) -> Result<Vec<DropboxFolder>> {
        let folder = in_space(folder)?;
        let (api, _) = self.whole().await?;
        let call = Call::read(LIST_FOLDERS, &folder);
        let argument = ListFolder { path: &folder, recursive: false, limit: None };
        let page = api.rpc("files/list_folder", &call, &argument).await;
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
            let next = api.rpc("files/list_folder/continue", &call, &ContinueFrom { cursor: &page.cursor }).await;
            page = next.map_err(|error| error.into_error(&call))?;
        }
    }

    /// Makes a folder where [`DropboxClient::folders`] shows it, with those above it that are missing.
    pub async fn create_folder(&self, folder: &str) -> Result<DropboxFolder> {
        let path = in_space(folder)?;
        let (api, _) = self.whole().await?;
        let name = create(&api, &path).await?;
        Ok(DropboxFolder { name, path })
    }

    /// Where a folder is for good, as a person names it: from where the website begins, or, in a team, from the home.
    pub async fn address(&self, folder: &str) -> Result<FolderAddress> {
        let named: FolderAddress = folder.parse()?;
        let (space, root) = self.whole().await?;
        if named.namespace.is_some() || root.root_namespace_id == root.home_namespace_id {
            return Ok(named);
        }
        let top = match named.path.match_indices('/').nth(1) {
            Some((end, _)) => &named.path[..end],
            None => &named.path,
        };
        if let Some(home) = &root.home_path
            && top.to_lowercase() == home.to_lowercase()
        {
            return Ok(FolderAddress::home(&named.path[top.len()..]));
        }
        let is_in_space = named.is_whole() || is_there(&space, top).await?;
        Ok(if is_in_space { FolderAddress::of(&root.root_namespace_id, named.path) } else { named })
    }

    /// Makes a folder unless it is there.
    pub async fn ensure_folder(&self, folder: &FolderAddress) -> Result<()> {
        let api = self.api.at(folder.namespace.as_deref())?;
        if !folder.is_whole() && !is_there(&api, &folder.path).await? {
            create(&api, &folder.path).await?;
        }
        Ok(())
    }

    /// Calls whose paths begin where the website begins, and where that is now.
    async fn whole(&self) -> Result<(Api, RootInfo)> {
        let root = self.api.account_now().await?.root;
        let is_team = root.root_namespace_id != root.home_namespace_id;
        Ok((self.api.at(is_team.then_some(root.root_namespace_id.as_str()))?, root))
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

/// A path as [`DropboxClient::folders`] shows them.
fn in_space(folder: &str) -> Result<String> {
    let address: FolderAddress = folder.parse()?;
    match address.namespace {
        None => Ok(address.path),
        Some(_) => Err(ProviderError::new(
            ErrorKind::Invalid,
            LIST_FOLDERS,
            format!("{folder}: name it from the top of the Dropbox"),
        )),
    }
}

/// Makes a folder; its name.
async fn create(api: &Api, path: &str) -> Result<String> {
    let call = Call::write(CREATE_FOLDER, path);
    let argument = CreateFolder { path, autorename: false };
    let made = api.rpc::<_, Changed<FolderMetadata>>("files/create_folder_v2", &call, &argument).await;
    Ok(made.map_err(|error| error.into_error(&call))?.metadata.name)
}

/// True if there is a folder; something else at its place is for whoever makes it to find.
async fn is_there(api: &Api, path: &str) -> Result<bool> {
    let call = Call::read(LIST_FOLDERS, path);
    match api.rpc("files/get_metadata", &call, &GetMetadata { path }).await {
        Ok(metadata) => Ok(matches!(metadata, Metadata::Folder(_))),
        Err(error) if error.has("not_found") => Ok(false),
        Err(error) => Err(error.into_error(&call)),
    }
}
