//! Folders of a cloud: shown for choosing one, made, and made into vaults.

use std::sync::Arc;

use crate::accounts::Account;
use crate::control::protocol::{CloudFolder, ErrorCode, FolderList, FolderQuery, MakeFolder, Problem};
use crate::control::service::Reply;
use crate::daemon::blocking::blocking;
use crate::daemon::{Daemon, problems};
use crate::provider::dropbox::{DropboxClient, FolderAddress};
use crate::provider::{ErrorKind, ProviderError};
use crate::vaults::{DropboxConfig, NewVault, ProviderKind};

impl Daemon {
    pub(super) async fn list_folders(self: &Arc<Self>, query: FolderQuery) -> Reply<FolderList> {
        let (account, client) = self.dropbox_of(query.account).await?;
        let found = client.folders(&query.path).await.map_err(|error| named(&error))?;
        Ok(FolderList {
            account: account.id.to_string(),
            path: query.path,
            folders: found.into_iter().map(|folder| CloudFolder { name: folder.name, path: folder.path }).collect(),
        })
    }

    pub(super) async fn make_folder(self: &Arc<Self>, request: MakeFolder) -> Reply<CloudFolder> {
        let (_, client) = self.dropbox_of(request.account).await?;
        let made = client.create_folder(&request.path).await.map_err(|error| named(&error))?;
        Ok(CloudFolder { name: made.name, path: made.path })
    }

    /// Makes a new vault one of a folder in Dropbox. The folder is made if it is not there.
    pub(super) async fn lay_in_dropbox(
        self: &Arc<Self>,
        new: &mut NewVault,
        account: Option<String>,
        folder: Option<String>,
    ) -> Result<(), Problem> {
        let folder = folder.ok_or_else(|| {
            Problem::new(ErrorCode::InvalidRequest, "it is not said in which folder of Dropbox the vault lies")
                .hint("name it with --folder; --folder / is the whole Dropbox")
        })?;
        let (account, client) = self.dropbox_of(account).await?;
        let folder = client.address(&folder).await.map_err(|error| named(&error))?;
        let id = account.id.to_string();
        let is_there = |vault: &&crate::vaults::Vault| {
            let config = vault.dropbox_config.as_ref();
            vault.vaultfs.account.as_deref() == Some(id.as_str())
                && config.is_some_and(|config| {
                    config.folder_path.parse::<FolderAddress>().is_ok_and(|other| other.is_same(&folder))
                })
        };
        if let Some(other) = self.load_registry().await?.list().iter().find(is_there) {
            let what = format!("this folder of Dropbox is vault {} already", other.name);
            return Err(Problem::new(ErrorCode::VaultExists, what).hint("mount that vault, or choose another folder"));
        }
        client.ensure_folder(&folder).await.map_err(|error| named(&error))?;
        new.vaultfs.account = Some(id);
        new.dropbox_config = Some(DropboxConfig { folder_path: folder.to_string() });
        Ok(())
    }

    async fn dropbox_of(self: &Arc<Self>, account: Option<String>) -> Result<(Account, DropboxClient), Problem> {
        let daemon = Arc::clone(self);
        blocking(move || {
            let account = daemon.clouds.account_for(ProviderKind::Dropbox, account.as_deref())?;
            let client = daemon.clouds.dropbox(&account)?;
            Ok((account, client))
        })
        .await
    }
}

/// What is wrong with a folder that somebody named.
fn named(error: &ProviderError) -> Problem {
    let hint = if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Refused) {
        "name it from the top of the Dropbox, as the website shows it: /Apps/Muze/MyVault"
    } else if matches!(error.kind, ErrorKind::Exists) {
        "choose another folder; what is there stays as it is"
    } else {
        return problems::provider(error);
    };
    problems::of(ErrorCode::InvalidRequest, error).hint(hint)
}
