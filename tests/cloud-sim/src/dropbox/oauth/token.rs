//! The token endpoint: codes and refresh tokens become access tokens.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Challenge;
use crate::dropbox::access::{Access, App, Grant};
use crate::dropbox::service::Dropbox;
use crate::http::{Request, Response};

/// An OAuth error and what it says.
struct Trouble(&'static str, String);

type Fields = BTreeMap<String, String>;

fn trouble<T>(error: &'static str, description: &str) -> Result<T, Trouble> {
    Err(Trouble(error, description.to_owned()))
}

pub(crate) async fn token(dropbox: &Dropbox, mut request: Request) -> Option<Response> {
    let body = request.body.whole(64 * 1024).await.ok()?.unwrap_or_default();
    let answer = fields(&request, &body).and_then(|fields| exchange(dropbox, &request, &fields));
    Some(match answer {
        // What the real endpoint calls it.
        Ok(answer) => Response::new(StatusCode::OK, "text/javascript", answer.to_string()),
        Err(Trouble(error, description)) => Response::json(
            StatusCode::BAD_REQUEST,
            json!({ "error": error, "error_description": description }).to_string(),
        ),
    })
}

/// Fields of the form and of the query string; twice the same is once.
fn fields(request: &Request, body: &[u8]) -> Result<Fields, Trouble> {
    if request.method != Method::POST {
        return trouble("invalid_request", "the token endpoint takes POST");
    }
    let mut fields = Fields::new();
    let all = form_urlencoded::parse(request.query.as_bytes()).chain(form_urlencoded::parse(body));
    for (name, value) in all.map(|(name, value)| (name.into_owned(), value.into_owned())) {
        if fields.get(&name).is_some_and(|known| *known != value) {
            return trouble("invalid_request", &format!("two different values of \"{name}\""));
        }
        fields.insert(name, value);
    }
    Ok(fields)
}

fn exchange(dropbox: &Dropbox, request: &Request, fields: &Fields) -> Result<Value, Trouble> {
    let mut access = dropbox.access();
    let (key, secret) = credentials(request, fields);
    let Some(app) = key.as_deref().and_then(|key| access.app(key)).cloned() else {
        return trouble("invalid_client", "Invalid client_id or client_secret");
    };
    if secret.as_ref().is_some_and(|secret| *secret != app.secret) {
        return trouble("invalid_client", "Invalid client_id or client_secret");
    }
    let has_secret = secret.is_some();
    match fields.get("grant_type").map(String::as_str) {
        Some("authorization_code") => from_code(dropbox, &mut access, &app, has_secret, fields),
        Some("refresh_token") => from_refresh(dropbox, &mut access, &app, has_secret, fields),
        Some(_) => trouble("unsupported_grant_type", "unsupported grant type"),
        None => trouble("invalid_request", "missing required field \"grant_type\""),
    }
}

/// The application's key and secret, from the form or by HTTP Basic.
fn credentials(request: &Request, fields: &Fields) -> (Option<String>, Option<String>) {
    let basic = request.header("authorization").and_then(|header| {
        let decoded = STANDARD.decode(header.strip_prefix("Basic ")?).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        text.split_once(':').map(|(key, secret)| (key.to_owned(), secret.to_owned()))
    });
    match basic {
        Some((key, secret)) => (Some(key), (!secret.is_empty()).then_some(secret)),
        None => (fields.get("client_id").cloned(), fields.get("client_secret").cloned()),
    }
}

fn from_code(
    dropbox: &Dropbox,
    access: &mut Access,
    app: &App,
    has_secret: bool,
    fields: &Fields,
) -> Result<Value, Trouble> {
    let Some(text) = fields.get("code") else {
        return trouble("invalid_request", "missing required field \"code\"");
    };
    if let Some(verifier) = fields.get("code_verifier") {
        access.secrets.push(("PKCE verifier", verifier.clone()));
    }
    let now = dropbox.clock.seconds();
    let code = access.codes.get(text).filter(|code| code.app == app.key && now < code.expires).cloned();
    let Some(code) = code else {
        return trouble("invalid_grant", "code doesn't exist or has expired");
    };
    if fields.get("redirect_uri") != code.redirect_uri.as_ref() {
        return trouble("invalid_grant", "redirect_uri mismatch");
    }
    match (&code.challenge, fields.get("code_verifier")) {
        (Some(challenge), Some(verifier)) => {
            if !is_verifier(verifier) || !answers(challenge, verifier) {
                return trouble("invalid_grant", "invalid code verifier");
            }
        }
        (Some(_), None) => return trouble("invalid_grant", "missing code verifier"),
        (None, Some(_)) => return trouble("invalid_grant", "unexpected code verifier"),
        (None, None) if !has_secret => return trouble("invalid_client", "Invalid client_id or client_secret"),
        (None, None) => {}
    }
    // Good once.
    access.codes.remove(text);
    let sandbox = app.sandboxed.then(|| dropbox.world().sandbox_of(&code.account, &app.key));
    let device = format!("link {}", access.grants.len());
    let grant = access.grant(Grant {
        app: app.key.clone(),
        account: code.account.clone(),
        device: device.into(),
        sandbox,
        scopes: code.scopes.clone(),
        revoked: false,
        needs_secret: code.challenge.is_none(),
    });
    let (token, life) = access.issue(grant, code.scopes.clone(), now);
    let mut answer = json!({
        "access_token": token,
        "token_type": "bearer",
        "expires_in": life,
        "scope": code.scopes.iter().cloned().collect::<Vec<_>>().join(" "),
        "uid": dropbox.world().uid_of(&code.account).to_string(),
        "account_id": *code.account,
    });
    if code.offline {
        let refresh = access.text::<48>();
        access.refresh.insert(refresh.clone(), grant);
        access.secrets.push(("refresh token", refresh.clone()));
        answer["refresh_token"] = refresh.into();
    }
    Ok(answer)
}

fn from_refresh(
    dropbox: &Dropbox,
    access: &mut Access,
    app: &App,
    has_secret: bool,
    fields: &Fields,
) -> Result<Value, Trouble> {
    let Some(text) = fields.get("refresh_token") else {
        return trouble("invalid_request", "missing required field \"refresh_token\"");
    };
    let well_formed =
        text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !well_formed {
        return trouble("invalid_grant", "refresh token is malformed");
    }
    let grant = access.refresh.get(text).copied();
    let grant = grant.filter(|grant| !access.grants[*grant].revoked && access.grants[*grant].app == app.key);
    let Some(grant) = grant else {
        return trouble("invalid_grant", "refresh token is invalid or revoked");
    };
    if access.grants[grant].needs_secret && !has_secret {
        return trouble("invalid_client", "Invalid client_id or client_secret");
    }
    let granted = access.grants[grant].scopes.clone();
    let narrowed = fields.get("scope").map(|scope| scope.split(' ').map(str::to_owned).collect::<BTreeSet<_>>());
    if narrowed.as_ref().is_some_and(|narrowed| !narrowed.is_subset(&granted)) {
        return trouble("invalid_scope", "the refresh token was not given all of these scopes");
    }
    let now = dropbox.clock.seconds();
    let (token, life) = access.issue(grant, narrowed.clone().unwrap_or(granted), now);
    let mut answer = json!({ "access_token": token, "token_type": "bearer", "expires_in": life });
    if let Some(narrowed) = narrowed {
        answer["scope"] = narrowed.into_iter().collect::<Vec<_>>().join(" ").into();
    }
    Ok(answer)
}

pub(super) fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

fn answers(challenge: &Challenge, verifier: &str) -> bool {
    match challenge {
        Challenge::Plain(text) => text == verifier,
        Challenge::Sha256(text) => *text == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_is_answered() {
        let challenge = Challenge::Sha256("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned());
        assert!(answers(&challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert!(!answers(&challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"));
    }
}
