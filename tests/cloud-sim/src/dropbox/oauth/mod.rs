//! Signing in: the consent page, the exchange of codes for tokens, refreshing.

mod authorize;
mod handle;
mod token;

use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) use authorize::authorize;
pub use handle::OAuth;
pub(crate) use token::token;

/// What the person at the consent page does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consent {
    /// Is asked, on a page with two buttons.
    #[default]
    Ask,
    /// Says yes at once.
    Approve,
    /// Says no at once.
    Deny,
}

/// Where an application may have the person sent back to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedirectRule {
    /// Any loopback address over HTTP, and any scheme of an application's own.
    #[default]
    Usual,
    /// These, letter by letter, as the real service has it.
    Registered(Vec<String>),
}

/// A code that waits to be exchanged.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) app: String,
    pub(crate) account: Arc<str>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) offline: bool,
    pub(crate) expires: i64,
}

/// What the exchange of a code must be able to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    Plain(String),
    Sha256(String),
}

/// Life of a code, in seconds.
pub(crate) const CODE_LIFE: i64 = 600;
