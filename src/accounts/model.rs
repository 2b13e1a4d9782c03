//! An account, as this machine knows it. Holds no secret: only where its secret rests.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::secrets::Storage;
use crate::vaults::ProviderKind;

/// Names one account of one provider at one server. The same account always gets the same id, so that vaults find it again after a new
/// sign-in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// From the provider's own id of the account. It is hashed: ids end up in file names, logs and answers.
    pub fn new(provider: ProviderKind, base_url: Option<&str>, remote_id: &str) -> Self {
        let whole = format!("{provider}\0{}\0{remote_id}", base_url.unwrap_or_default());
        let hash = blake3::hash(whole.as_bytes()).to_hex();
        Self(format!("{provider}-{}", &hash[..8]))
    }

    /// As it stands in the registry of vaults.
    pub fn of_registry(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// Its id on this machine.
    pub id: AccountId,
    /// Whose it is.
    pub provider: ProviderKind,
    /// The provider's id of it.
    pub remote_id: String,
    /// The owner's name.
    pub name: String,
    /// The owner's address.
    pub email: String,
    /// The server, if it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The app that was signed in to: refreshing needs the same one.
    pub app_key: String,
    /// What the sign-in allows.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Where its refresh token rests,
    pub storage: Storage,
    /// and under which name.
    pub secret_name: String,
    /// When it was last signed in to, RFC 3339 in UTC.
    pub connected_at: String,
    /// Why it is not signed in to any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_out: Option<SignedOut>,
    /// What later versions know.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// Why an account is not signed in to any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignedOut {
    /// By `disconnect`.
    Disconnected,
    /// The provider does not accept the sign-in any more: it was revoked, or it has expired.
    Revoked,
}

impl Account {
    /// As messages name it.
    pub fn shown(&self) -> &str {
        if self.email.is_empty() { self.id.as_str() } else { &self.email }
    }

    /// The command that signs in to it again.
    pub fn connect_command(&self) -> String {
        match &self.base_url {
            Some(url) => format!("vaultfs connect {} --base-url {url}", self.provider),
            None => format!("vaultfs connect {}", self.provider),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_that_of_one_account_at_one_server() {
        let id = |base: Option<&str>, remote: &str| AccountId::new(ProviderKind::Dropbox, base, remote);
        assert_eq!(id(None, "dbid:a"), id(None, "dbid:a"));
        assert_ne!(id(None, "dbid:a"), id(None, "dbid:b"));
        assert_ne!(id(None, "dbid:a"), id(Some("https://x.example"), "dbid:a"));
        assert!(id(None, "dbid:a").as_str().starts_with("dropbox-") && id(None, "dbid:a").as_str().len() == 16);
    }

    #[test]
    fn what_a_later_version_wrote_survives() {
        let text = r#"{"id":"dropbox-00000000","provider":"dropbox","remote_id":"dbid:a","name":"A","email":"a@b",
            "app_key":"k","storage":"key-store","secret_name":"n","connected_at":"t","team":"Blue"}"#;
        let account: Account = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_value(&account).unwrap()["team"], "Blue");
    }
}
