//! Where Dropbox takes sign-ins, and what a vault needs of one.

use super::issuer::Endpoints;
use crate::provider::http::BaseUrl;

/// What vaults do with an account: see whose it is, list, read, write.
const SCOPES: &[&str] = &["account_info.read", "files.metadata.read", "files.content.read", "files.content.write"];

/// A refresh token, please: without this there is none.
const EXTRA: &[(&str, &str)] = &[("token_access_type", "offline")];

/// The service's own hosts.
pub(super) const WEB: &str = "https://www.dropbox.com";
pub(super) const API: &str = "https://api.dropboxapi.com";

/// Where people see and end what they have granted.
pub(super) const GRANTS_PAGE: &str = "https://www.dropbox.com/account/connected_apps";

/// The addresses at the service itself, or all below one address.
pub(super) fn endpoints(base: &BaseUrl, web: &BaseUrl) -> Endpoints {
    Endpoints {
        authorize: web.join("oauth2/authorize"),
        token: base.join("oauth2/token"),
        revoke: base.join("2/auth/token/revoke"),
        account: base.join("2/users/get_current_account"),
        scopes: SCOPES,
        extra: EXTRA,
    }
}
