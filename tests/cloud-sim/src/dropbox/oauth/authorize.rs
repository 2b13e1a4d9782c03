//! The page where a person lets an application in.

use std::collections::BTreeMap;

use http::header::LOCATION;
use http::{Method, StatusCode};

use super::{CODE_LIFE, Challenge, Code, Consent, RedirectRule};
use crate::dropbox::access::App;
use crate::dropbox::service::Dropbox;
use crate::http::{Request, Response};

/// Longest state that is handed back.
const LONGEST_STATE: usize = 500;

/// Parameters that the page knows.
const PARAMETERS: &[&str] = &[
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "token_access_type",
    "code_challenge",
    "code_challenge_method",
    "scope",
    "include_granted_scopes",
    "force_reapprove",
    "force_reauthentication",
    "disable_signup",
    "require_role",
    "locale",
    "nonce",
];

type Parameters = BTreeMap<String, String>;

/// `GET` shows the page or, where the answer is known, goes on at once; `POST` is a button of the page.
pub(crate) async fn authorize(dropbox: &Dropbox, mut request: Request) -> Option<Response> {
    let mut parameters: Parameters = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let mut consent = dropbox.access().consent;
    if request.method == Method::POST {
        let body = request.body.whole(64 * 1024).await.ok()?.unwrap_or_default();
        parameters.extend(form_urlencoded::parse(&body).into_owned());
        consent = match parameters.remove("decision").as_deref() {
            Some("allow") => Consent::Approve,
            Some(_) | None => Consent::Deny,
        };
    }
    Some(match asked(dropbox, &parameters) {
        Err(trouble) => page(StatusCode::BAD_REQUEST, "Error (400)", &format!("<p>{}</p>", escaped(&trouble))),
        Ok(code) => match consent {
            Consent::Ask => question(&code, &parameters),
            Consent::Approve => approved(dropbox, code, &parameters),
            Consent::Deny => denied(&code, &parameters),
        },
    })
}

/// Checks what is asked for: the code that it would become.
fn asked(dropbox: &Dropbox, parameters: &Parameters) -> Result<Code, String> {
    let get = |name: &str| parameters.get(name).map(String::as_str);
    if let Some(unknown) = parameters.keys().find(|name| !PARAMETERS.contains(&name.as_str())) {
        return Err(format!("Unknown parameter \"{unknown}\"."));
    }
    let access = dropbox.access();
    let key = get("client_id").ok_or("Missing \"client_id\".")?;
    let app = access.app(key).ok_or_else(|| format!("Invalid client_id: \"{key}\"."))?;
    if get("response_type") != Some("code") {
        return Err("Invalid \"response_type\": this application may only ask for \"code\".".to_owned());
    }
    if get("state").is_some_and(|state| state.len() > LONGEST_STATE) {
        return Err(format!("\"state\" is longer than {LONGEST_STATE} bytes."));
    }
    let redirect_uri = get("redirect_uri").map(str::to_owned);
    if redirect_uri.as_ref().is_some_and(|uri| !allowed(&app.redirects, uri)) {
        return Err("Invalid redirect_uri. When specified, it must exactly match one of the redirect URIs that have \
                    been pre-configured for your app (including the path)."
            .to_owned());
    }
    let offline = match get("token_access_type") {
        Some("offline") => true,
        None | Some("online" | "legacy") => false,
        Some(other) => return Err(format!("Invalid token_access_type: \"{other}\".")),
    };
    if get("include_granted_scopes").is_some() && get("scope").is_none() {
        return Err("\"include_granted_scopes\" needs \"scope\".".to_owned());
    }
    let account = access.signed_in.clone().or_else(|| dropbox.world().accounts.first().map(|first| first.id.clone()));
    Ok(Code {
        app: key.to_owned(),
        account: account.ok_or("Nobody is signed in.")?,
        redirect_uri,
        challenge: challenge(get("code_challenge"), get("code_challenge_method"))?,
        scopes: scopes(app, get("scope"))?,
        offline,
        expires: dropbox.clock.seconds() + CODE_LIFE,
    })
}

fn scopes(app: &App, asked: Option<&str>) -> Result<std::collections::BTreeSet<String>, String> {
    let Some(asked) = asked else { return Ok(app.scopes.clone()) };
    let asked = asked.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned);
    asked
        .map(|scope| {
            if app.scopes.contains(&scope) || scope == "account_info.read" {
                Ok(scope)
            } else {
                Err(format!("Invalid scope: \"{scope}\" is not enabled for this app."))
            }
        })
        // Every link may look at the account.
        .chain([Ok("account_info.read".to_owned())])
        .collect()
}

fn challenge(text: Option<&str>, method: Option<&str>) -> Result<Option<Challenge>, String> {
    let Some(text) = text else { return Ok(None) };
    if !super::token::is_verifier(text) {
        return Err("Invalid code_challenge: 43 to 128 characters of A-Z a-z 0-9 - . _ ~.".to_owned());
    }
    match method {
        Some("S256") => Ok(Some(Challenge::Sha256(text.to_owned()))),
        Some("plain") | None => Ok(Some(Challenge::Plain(text.to_owned()))),
        Some(other) => Err(format!("Invalid code_challenge_method: \"{other}\".")),
    }
}

fn allowed(rule: &RedirectRule, uri: &str) -> bool {
    match rule {
        RedirectRule::Registered(registered) => registered.iter().any(|known| known == uri),
        RedirectRule::Usual => match uri.split_once(':') {
            Some(("http", rest)) => {
                let host = rest.trim_start_matches('/').split(['/', '?', '#']).next().unwrap_or_default();
                ["localhost", "127.0.0.1", "[::1]"]
                    .iter()
                    .any(|name| host.strip_prefix(name).is_some_and(|port| port.is_empty() || port.starts_with(':')))
            }
            Some(("https" | "javascript" | "data" | "file", _)) | None => false,
            Some((_own_scheme, _)) => true,
        },
    }
}

fn approved(dropbox: &Dropbox, code: Code, parameters: &Parameters) -> Response {
    let mut access = dropbox.access();
    let text = access.text::<32>();
    let redirect = code.redirect_uri.clone();
    access.codes.insert(text.clone(), code);
    access.secrets.push(("authorization code", text.clone()));
    match redirect {
        Some(uri) => back(&uri, &[("code", &text)], parameters),
        None => page(
            StatusCode::OK,
            "Access code",
            &format!("<p>Enter this code into the app to finish.</p><p><code id=\"code\">{text}</code></p>"),
        ),
    }
}

fn denied(code: &Code, parameters: &Parameters) -> Response {
    let reason = [("error", "access_denied"), ("error_description", "The user chose not to give your app access.")];
    match &code.redirect_uri {
        Some(uri) => back(uri, &reason, parameters),
        None => page(StatusCode::OK, "Access denied", "<p>The app was not given access.</p>"),
    }
}

fn back(uri: &str, answer: &[(&str, &str)], parameters: &Parameters) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(answer);
    if let Some(state) = parameters.get("state") {
        query.append_pair("state", state);
    }
    let joint = if uri.contains('?') { '&' } else { '?' };
    Response::text(StatusCode::FOUND, "").with(LOCATION, &format!("{uri}{joint}{}", query.finish()))
}

fn question(code: &Code, parameters: &Parameters) -> Response {
    let hidden: String = parameters
        .iter()
        .map(|(name, value)| format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", escaped(name), escaped(value)))
        .collect();
    let scopes: String = code.scopes.iter().map(|scope| format!("<li>{scope}</li>")).collect();
    let body = format!(
        "<p>The app <b>{}</b> would like to have access to this simulated account:</p><ul>{scopes}</ul>\
         <form method=\"post\" action=\"/oauth2/authorize\">{hidden}\
         <button name=\"decision\" value=\"allow\">Allow</button> \
         <button name=\"decision\" value=\"deny\">Cancel</button></form>",
        escaped(&code.app)
    );
    page(StatusCode::OK, "API Request Authorization", &body)
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body><h1>{title}</h1>{body}</body></html>"
    );
    Response::html(status, html)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
