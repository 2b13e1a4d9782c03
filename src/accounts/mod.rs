//! Accounts of clouds: signing in, staying signed in, signing out.
//!
//! Owner of: `accounts.json` (which accounts there are; no secrets), the names under which refresh tokens rest in [`crate::secrets`], the
//! access tokens in memory, and the sign-ins that are under way. Providers get [`crate::provider::AccessTokens`] and know nothing else.
//!
//! Invariants: a sign-in is OAuth 2 with PKCE and without a secret of the program; each takes one answer and ends in a bounded time; what
//! cannot be kept safely is taken back at the server rather than left behind; an account that is signed out keeps its vaults' queues.

mod attempt;
mod directory;
mod dropbox;
mod error;
mod issuer;
mod loopback;
mod model;
mod pkce;
mod redirect;
mod sign_in;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod trouble;

pub use attempt::{Outcome, Way};
pub use directory::{AccountSettings, Accounts, Checked, Disconnected};
pub use error::{AccountError, IssuerError};
pub use model::{Account, AccountId, SignedOut};
pub use sign_in::{Begun, NewSignIn};
pub use store::{AccountsFile, AccountsFileError};
pub use tokens::AccountTokens;
pub use trouble::Trouble;

use issuer::Issuer;

/// What a vault needs and a sign-in does not allow; `None` if it allows all of it, or if the server does not tell: then it is what was
/// asked for (RFC 6749, 5.1).
fn missing_scopes(issuer: &Issuer, granted: Option<&[String]>) -> Option<String> {
    let granted = granted?;
    let missing: Vec<&str> =
        issuer.endpoints.scopes.iter().copied().filter(|scope| !granted.iter().any(|one| one == scope)).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// A refusal that the browser brought, in our words.
fn refused(word: &str) -> AccountError {
    let clean: String = word.chars().filter(|letter| letter.is_ascii_graphic()).take(60).collect();
    AccountError::Issuer(match clean.as_str() {
        "invalid_scope" => IssuerError::MissingScope { scope: "what vaults need".to_owned() },
        "unauthorized_client" => IssuerError::InvalidClient { said: String::new() },
        "server_error" | "temporarily_unavailable" => IssuerError::Busy { status: 503, retry_after: None },
        _ => IssuerError::Refused { word: clean, said: String::new() },
    })
}
