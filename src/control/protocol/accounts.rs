//! Accounts of clouds: signing in and out, and what is known of them. Nothing here ever holds a token; a code travels to the daemon once.

use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::records::Finding;

/// `GET accounts`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AccountList {
    /// In the order in which they were first signed in to.
    pub accounts: Vec<AccountInfo>,
}

/// An account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccountInfo {
    /// Its id on this machine.
    pub id: String,
    /// `dropbox` or `icloud`.
    pub provider: String,
    /// The owner's name.
    pub name: String,
    /// The owner's address.
    pub email: String,
    /// The server, if it is not the provider's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// True while this machine is signed in to it. A network that is away does not change it.
    pub connected: bool,
    /// In one word.
    pub state: AccountState,
    /// Where the sign-in is kept: `key-store` or `file`.
    pub storage: String,
    /// The sign-in is kept in a file whose key lies on the same machine.
    pub weak_storage: bool,
    /// Names of the vaults that use it.
    pub vaults: Vec<String>,
    /// When it was last signed in to.
    pub connected_at: String,
    /// What is wrong, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// The state of an account in one word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// Signed in, as far as is known.
    Connected,
    /// Signed in, and the last try to get access failed for a reason that may go away by itself.
    Waiting,
    /// Signed in, and the key store does not hand the sign-in out.
    KeyStoreLocked,
    /// A person has to sign in.
    AuthRequired,
}

impl AccountState {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Waiting => "waiting",
            Self::KeyStoreLocked => "key-store-locked",
            Self::AuthRequired => "auth-required",
        }
    }
}

/// Restricts a question to one account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct AccountFilter {
    /// By id, by address, or by provider if it is the only one; `None`: the only one that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// `POST accounts/sign-in`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BeginSignIn {
    /// `dropbox`.
    pub provider: String,
    /// Another server than the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Another app than the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_key: Option<String>,
    /// How the answer comes back.
    pub way: SignInWay,
}

/// How the answer of a sign-in comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignInWay {
    /// The browser brings it to a port of this machine.
    Loopback,
    /// The browser hands it to the program that has registered the address scheme.
    Scheme,
    /// The page shows a code, and a person copies it.
    Code,
}

/// A sign-in that waits for its answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignInBegun {
    /// Names it.
    pub attempt: String,
    /// What the browser opens.
    pub address: String,
    /// How long it waits.
    pub expires_in_seconds: u64,
}

/// `POST accounts/code`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInCode {
    /// Which sign-in.
    pub attempt: String,
    /// As it was pasted.
    pub code: String,
}

/// `POST accounts/redirect`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInRedirect {
    /// The whole address that the system has handed over.
    pub address: String,
}

/// `GET accounts/outcome`, `POST accounts/cancel`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignInAttempt {
    /// Which sign-in.
    pub attempt: String,
    /// Answer after this time at the latest; never held longer than [`super::LONGEST_HOLD`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ms: Option<u64>,
}

/// How a sign-in stands. One that has failed is an error instead.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SignInProgress {
    /// The account, once it is connected; `None`: the sign-in still waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountInfo>,
}

/// `POST accounts/disconnect`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DisconnectReport {
    /// The account, as it was.
    pub account: AccountInfo,
    /// True if the provider has taken the access back. False: it could not be told.
    pub revoked: bool,
    /// What is left to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
}

/// `POST accounts/test`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TestConnection {
    /// Which account.
    #[serde(flatten)]
    pub filter: AccountFilter,
    /// Somebody sits there: a locked key store may ask for its password.
    #[serde(default)]
    pub may_ask: bool,
}

/// What a test came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ConnectionReport {
    /// Everything works.
    pub ok: bool,
    /// The account.
    pub account: AccountInfo,
    /// What was looked at, in order.
    pub checks: Vec<Finding>,
}

/// `GET accounts/folders`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FolderQuery {
    /// In which account's cloud; `None`: that of the only account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whose folders; empty: those at the top.
    #[serde(default)]
    pub path: String,
}

/// Folders in a folder of a cloud.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FolderList {
    /// Id of the account.
    pub account: String,
    /// The folder.
    pub path: String,
    /// What is in it, by name.
    pub folders: Vec<CloudFolder>,
}

/// A folder of a cloud.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CloudFolder {
    /// Its name.
    pub name: String,
    /// Where it is, with a leading slash.
    pub path: String,
}

/// `POST accounts/folders`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MakeFolder {
    /// As [`FolderQuery::account`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Where, with a leading slash.
    pub path: String,
}

impl std::fmt::Debug for SignInCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInCode").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for SignInRedirect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignInRedirect").finish_non_exhaustive()
    }
}
