//! Where a provider's calls get their access token. The provider knows nothing of accounts, key stores or refresh tokens: it asks
//! for a bearer, and says when one was refused.

use async_trait::async_trait;

use super::Result;
use crate::types::Secret;

/// The access tokens of one account. Shared by all calls of all vaults of that account.
#[async_trait]
pub trait AccessTokens: Send + Sync + 'static {
    /// A token for the next call. Implementations refresh ahead of expiry, one refresh at a time, bounded in time.
    ///
    /// [`super::ErrorKind::AuthRequired`]: nobody is signed in, or the sign-in was revoked; the message names the command that mends
    /// it. [`super::ErrorKind::Offline`] or [`super::ErrorKind::Busy`]: a refresh is needed and cannot be had now.
    async fn bearer(&self) -> Result<Secret>;

    /// The provider answered 401 *expired* to a call with `refused`. Returns a newer token: the one that another call has fetched
    /// meanwhile, or a fresh one. Errors as for [`AccessTokens::bearer`]. The caller repeats its call once, never more.
    async fn refresh_after_401(&self, refused: &Secret) -> Result<Secret>;
}

/// One token that is never refreshed: for tests, and for servers that hand out tokens of unlimited life.
pub struct StaticToken(Secret);

impl StaticToken {
    /// Always this token.
    pub fn new(token: Secret) -> Self {
        Self(token)
    }
}

#[async_trait]
impl AccessTokens for StaticToken {
    async fn bearer(&self) -> Result<Secret> {
        Ok(self.0.clone())
    }

    async fn refresh_after_401(&self, _refused: &Secret) -> Result<Secret> {
        Err(super::ProviderError::new(
            super::ErrorKind::AuthRequired,
            "sign in",
            "the access token has expired and cannot be renewed",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::ErrorKind;

    #[tokio::test]
    async fn a_static_token_is_what_it_is_and_cannot_be_renewed() {
        let tokens = StaticToken::new(Secret::new("sl.test"));
        let token = tokens.bearer().await.unwrap();
        assert_eq!(token.expose(), "sl.test");
        assert_eq!(tokens.refresh_after_401(&token).await.unwrap_err().kind, ErrorKind::AuthRequired);
    }
}
