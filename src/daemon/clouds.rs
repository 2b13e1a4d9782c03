//! The clouds that vaults lie in: which account a vault belongs to, and one client per account, so that all its vaults share one
//! connection pool and one pace.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::problems;
use crate::accounts::{Account, AccountId, AccountTokens, Accounts};
use crate::control::protocol::{ErrorCode, Problem};
use crate::provider::dropbox::{DropboxClient, DropboxConfig, DropboxProvider};
use crate::provider::http::Phases;
use crate::vaults::{ProviderKind, Vault};

/// The database beside the catalog in which a Dropbox vault remembers folders.
const INDEX_NAME: &str = "dropbox.db";

/// The clients of this machine's accounts.
pub(super) struct Clouds {
    accounts: Arc<Accounts>,
    dropbox: Mutex<BTreeMap<AccountId, DropboxClient>>,
}

impl Clouds {
    pub(super) fn new(accounts: Arc<Accounts>) -> Self {
        Self { accounts, dropbox: Mutex::default() }
    }

    /// The client of a Dropbox account. Connects to nobody. Blocks for the disk.
    pub(super) fn dropbox(&self, account: &Account) -> Result<DropboxClient, Problem> {
        let mut clients = self.dropbox.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&account.id) {
            return Ok(client.clone());
        }
        let base = account.base_url.as_deref().map(str::parse).transpose();
        let base = base.map_err(|error| problems::of(ErrorCode::InvalidRequest, &error))?;
        let tokens = self.accounts.tokens(&account.id).map_err(|error| problems::account(&error))?;
        let client = DropboxClient::new(base.as_ref(), Phases::default(), Arc::new(tokens))
            .map_err(|error| problems::of(ErrorCode::Io, &error))?;
        clients.insert(account.id.clone(), client.clone());
        Ok(client)
    }

    /// A vault's folder in its account's Dropbox, and the account's tokens. Connects to nobody. Blocks for the disk.
    pub(super) fn open_dropbox(
        &self,
        vault: &Vault,
        state: &std::path::Path,
    ) -> Result<(DropboxProvider, AccountTokens), Problem> {
        let account = self.account_of(vault)?;
        let folder = vault.dropbox_config.as_ref().map(|config| config.folder_path.as_str()).ok_or_else(|| {
            let what = format!("the registry does not say in which folder of Dropbox vault {} lies", vault.name);
            Problem::new(ErrorCode::Registry, what)
                .hint("put it there as dropbox_config.folder_path, or add the vault again")
        })?;
        let refused = |error| problems::provider(&error);
        let config = DropboxConfig::new(folder, state.join(INDEX_NAME)).map_err(refused)?;
        let provider = DropboxProvider::open(config, self.dropbox(&account)?).map_err(refused)?;
        let tokens = self.accounts.tokens(&account.id).map_err(|error| problems::account(&error))?;
        Ok((provider, tokens))
    }

    /// The account that a vault names; a vault that names none, because another program made it, belongs to the only one that there is.
    fn account_of(&self, vault: &Vault) -> Result<Account, Problem> {
        let named = vault.vaultfs.account.as_deref();
        let all = self.accounts.list().map_err(|error| problems::account(&error))?;
        let mut fitting = all.into_iter().filter(|account| match named {
            Some(id) => account.id.as_str() == id,
            None => account.provider == vault.provider,
        });
        match (fitting.next(), fitting.next()) {
            (Some(account), None) => Ok(account),
            (None, _) => {
                let what =
                    format!("vault {} lies in an account that nobody is signed in to on this machine", vault.name);
                Err(Problem::new(ErrorCode::AuthRequired, what)
                    .hint(format!("sign in to it: `vaultfs connect {}`", vault.provider)))
            }
            (Some(_), Some(_)) => {
                let what = format!("vault {} does not say in which of several accounts it lies", vault.name);
                Err(Problem::new(ErrorCode::UnknownAccount, what)
                    .hint("put the account's id into the registry, as vaultfs.account of the vault"))
            }
        }
    }

    /// The account in which a new vault is made.
    pub(super) fn account_for(&self, provider: ProviderKind, named: Option<&str>) -> Result<Account, Problem> {
        let account = self.accounts.find(Some(named.unwrap_or(provider.as_str()))).map_err(|error| {
            let problem = problems::account(&error);
            match named {
                None if problem.code == ErrorCode::UnknownAccount => {
                    problem.hint(format!("sign in with `vaultfs connect {provider}`, or name one with --account"))
                }
                None | Some(_) => problem,
            }
        })?;
        if account.provider != provider {
            let what = format!("account {} is not one of {provider}", account.id);
            return Err(Problem::new(ErrorCode::InvalidRequest, what).hint("`vaultfs account` lists the accounts"));
        }
        Ok(account)
    }
}
