//! Why a sign-in does not come to be, or is not good any more: each with what to do about it. No text here holds a secret.

use std::time::Duration;

use super::store::AccountsFileError;
use crate::secrets::SecretError;

/// What went wrong between us and the server that gives tokens.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IssuerError {
    /// Nobody answers.
    #[error("the sign-in server cannot be reached: {why}")]
    Unreachable {
        /// What the network says.
        why: String,
    },
    /// Somebody answers who cannot prove to be the server.
    #[error("the sign-in server cannot prove who it is: {why}")]
    BadCertificate {
        /// What TLS says.
        why: String,
        /// The dates are the problem: perhaps our clock is.
        is_about_time: bool,
    },
    /// It took too long.
    #[error("the sign-in server has not answered within {} s", .limit.as_secs())]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// It asks for patience.
    #[error("the sign-in server is busy (status {status})")]
    Busy {
        /// Status of its answer.
        status: u16,
        /// The pause that it asks for.
        retry_after: Option<Duration>,
    },
    /// Something else answers in its place: a hotel's page, a proxy, a wrong address.
    #[error("what answers is not the sign-in server: {what}")]
    NotTheService {
        /// What it did.
        what: String,
    },
    /// The code or the refresh token is not good (any more).
    #[error("the sign-in is not accepted{}", told(.said))]
    InvalidGrant {
        /// What the server says.
        said: String,
    },
    /// There is no app with this key.
    #[error("the app key is not accepted{}", told(.said))]
    InvalidClient {
        /// What the server says.
        said: String,
    },
    /// Another refusal.
    #[error("the sign-in server refuses: {word}{}", told(.said))]
    Refused {
        /// Its word.
        word: String,
        /// What the server says.
        said: String,
    },
    /// An access token is refused.
    #[error("the access token is not accepted: {word}")]
    TokenRefused {
        /// Its word.
        word: String,
    },
    /// The sign-in does not allow what is needed.
    #[error("the sign-in does not allow {scope}")]
    MissingScope {
        /// What is not allowed.
        scope: String,
    },
}

/// Why a sign-in does not come to be, or an account cannot be worked with.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The user said no.
    #[error("access was not granted")]
    Denied,
    /// The answer of the browser belongs to another question: an old tab, or an attack.
    #[error("the browser's answer does not belong to this sign-in")]
    WrongState,
    /// The answer of the browser comes from another server than the one that was asked.
    #[error("the browser's answer comes from another server than the one that was asked")]
    WrongIssuer,
    /// The answer of the browser makes no sense.
    #[error("the browser's answer cannot be read")]
    Unreadable,
    /// No sign-in waits for this.
    #[error("no sign-in waits for this answer: it has ended, or was begun by another user")]
    NoAttempt,
    /// Nobody answered.
    #[error("nobody has signed in within {} minutes", .limit.as_secs() / 60)]
    TimedOut {
        /// How long was waited.
        limit: Duration,
    },
    /// A newer sign-in has taken the place of this one.
    #[error("another sign-in was begun meanwhile")]
    Replaced,
    /// The user gave up.
    #[error("the sign-in was given up")]
    Cancelled,
    /// What was pasted cannot be a code.
    #[error("this is not a code: {why}")]
    NotACode {
        /// Why not.
        why: &'static str,
    },
    /// The code is wrong, was used before, or has expired.
    #[error("the code is not accepted{}", told(.said))]
    CodeRefused {
        /// What the server says.
        said: String,
    },
    /// Nobody has said which app this is.
    #[error("there is no app key for {provider}")]
    NoAppKey {
        /// Whose.
        provider: &'static str,
    },
    /// The app key has characters that none has.
    #[error("\"{key}\" is not an app key")]
    NotAnAppKey {
        /// As it was given.
        key: String,
    },
    /// The address of the server is refused.
    #[error("the address of the server is refused")]
    BaseUrl(#[from] crate::provider::http::BaseUrlError),
    /// No network client.
    #[error(transparent)]
    Http(#[from] crate::provider::http::HttpSetupError),
    /// This provider has no such sign-in.
    #[error("{provider} has no sign-in in this version")]
    NoSignIn {
        /// Which.
        provider: &'static str,
    },
    /// The addresses at which the browser's answer could be taken are in use.
    #[error("no port for the browser's answer is free (tried {ports})")]
    NoPort {
        /// Which were tried.
        ports: String,
    },
    /// The sign-in allows less than a vault needs.
    #[error("the sign-in does not allow {missing}")]
    TooNarrow {
        /// What it lacks.
        missing: String,
    },
    /// The sign-in cannot be renewed.
    #[error("the server gave a sign-in that cannot be renewed")]
    NotRenewable,
    /// The server.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// The place for secrets.
    #[error(transparent)]
    Secrets(#[from] SecretError),
    /// The list of accounts.
    #[error(transparent)]
    File(#[from] AccountsFileError),
    /// There is no such account.
    #[error("{}{}", missing(.selector), listed(.known))]
    Unknown {
        /// What was asked for.
        selector: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Several accounts could be meant.
    #[error("several accounts could be meant: {}", .known.join(", "))]
    Ambiguous {
        /// Which.
        known: Vec<String>,
    },
    /// A thread has crashed.
    #[error("the daemon failed while it worked on this")]
    Crashed(#[from] tokio::task::JoinError),
}

impl IssuerError {
    /// One thing to do.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "check the network; nothing is lost, and it is tried again by itself",
            Self::BadCertificate { is_about_time: true, .. } => {
                "check date and time of this machine; if they are right, the server's certificate has run out"
            }
            Self::BadCertificate { is_about_time: false, .. } => {
                "check the network: a proxy or a hotel's network may be in between; no password and no token was sent"
            }
            Self::TimedOut { .. } | Self::Busy { .. } => "wait a little; it is tried again by itself",
            Self::NotTheService { .. } => {
                "open any web page to see whether the network asks for a log-in first, and check --base-url if one is set"
            }
            Self::InvalidGrant { .. } | Self::TokenRefused { .. } => "sign in again",
            Self::InvalidClient { .. } => {
                "check the app key (`vaultfs config show`, dropbox.app_key), then sign in again"
            }
            Self::Refused { .. } => "check the app's settings at the provider, then sign in again",
            Self::MissingScope { .. } => "enable it in the app's settings at the provider, then sign in again",
        }
    }
}

impl AccountError {
    /// One thing to do.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Denied => "to connect, run the command again and choose \"Allow\"",
            Self::WrongState | Self::WrongIssuer | Self::Unreadable => {
                "run the command again and finish in the browser window that it opens; close older ones"
            }
            Self::NoAttempt | Self::TimedOut { .. } | Self::Cancelled => "run `vaultfs connect` again",
            Self::Replaced => "finish the newer one",
            Self::NotACode { .. } => "copy the whole code from the page, and nothing else",
            Self::CodeRefused { .. } => "a code works once and for a few minutes: run the command again for a new one",
            Self::NoAppKey { .. } => {
                "make an app at https://www.dropbox.com/developers/apps and say its key: `vaultfs config set dropbox.app_key KEY`"
            }
            Self::NotAnAppKey { .. } => "copy the app key from the app's page; it is letters and digits",
            Self::BaseUrl(_) => "correct --base-url or the setting dropbox.base_url",
            Self::Http(_) => "check the proxy settings of this session",
            Self::NoSignIn { .. } => "`vaultfs connect dropbox` connects Dropbox",
            Self::NoPort { .. } => "end the program that uses them, or sign in by code: `vaultfs connect --no-browser`",
            Self::TooNarrow { .. } => "enable it in the app's settings at the provider, then sign in again",
            Self::NotRenewable => {
                "check the app's settings at the provider: it has to give refresh tokens (offline access)"
            }
            // Nothing tries again what a person has begun.
            Self::Issuer(IssuerError::Unreachable { .. }) => {
                "check the network, and --base-url if one is set, then run the command again"
            }
            Self::Issuer(IssuerError::TimedOut { .. } | IssuerError::Busy { .. }) => {
                "wait a little, then run the command again"
            }
            Self::Issuer(error) => error.next_step(),
            Self::Secrets(error) => error.next_step(),
            Self::File(_) => "check the file, its owner and the free space of its folder",
            Self::Unknown { .. } => "`vaultfs account list` lists the accounts; `vaultfs connect` adds one",
            Self::Ambiguous { .. } => "name one of them",
            Self::Crashed(_) => "report this with the daemon's log",
        }
    }
}

fn told(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

fn missing(selector: &str) -> String {
    if selector.is_empty() { "no account is named".to_owned() } else { format!("there is no account \"{selector}\"") }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "; none is connected yet".to_owned(),
        names => format!("; there are: {}", names.join(", ")),
    }
}
