//! Signing in and out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::World;
use crate::accounts::attempt::Outcome;
use crate::accounts::error::{AccountError, IssuerError};
use crate::accounts::model::{AccountId, SignedOut};
use crate::accounts::sign_in::{Begun, NewSignIn};
use crate::accounts::{Way, pkce};
use crate::provider::{AccessTokens, ErrorKind};
use crate::types::Secret;
use crate::vaults::ProviderKind;

const HOLD: Duration = Duration::from_secs(10);

const GRANT: &str = r#"{"access_token":"canary-N","expires_in":14400,"refresh_token":"canary-refresh","token_type":"bearer",
    "scope":"account_info.read files.content.read files.content.write files.metadata.read","account_id":"dbid:anna"}"#;

pub(super) fn id(world: &World) -> AccountId {
    AccountId::new(ProviderKind::Dropbox, Some(&world.base_url), "dbid:anna")
}

async fn begin(world: &World, way: Way) -> Begun {
    let new = NewSignIn { provider: ProviderKind::Dropbox, base_url: None, app_key: None, way };
    world.accounts.begin(new, world.settings()).await.unwrap()
}

/// A sign-in that succeeds.
pub(super) async fn by_code(world: &World) -> Outcome {
    world.answer(200, "text/javascript", GRANT);
    let begun = begin(world, Way::Code).await;
    world.accounts.code(begun.attempt, "the-code").await
}

fn query(begun: &Begun) -> HashMap<String, String> {
    reqwest::Url::parse(&begun.address).unwrap().query_pairs().into_owned().collect()
}

fn nothing_is_left(world: &World) {
    assert!(world.accounts.list().unwrap().is_empty());
    assert!(world.keys.secrets.lock().unwrap().is_empty());
}

/// What the browser does with the address that it is sent to.
async fn follow(address: &str) -> u16 {
    crate::provider::http::client(&"http://127.0.0.1".parse().unwrap(), &crate::provider::http::Phases::default())
        .unwrap()
        .get(address)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn the_address_asks_for_a_code_and_tells_no_secret() {
    let world = World::new().await;
    let begun = begin(&world, Way::Loopback).await;
    assert!(begun.address.starts_with(&format!("{}/oauth2/authorize?", world.base_url)), "{}", begun.address);
    let asked = query(&begun);
    assert_eq!(asked["response_type"], "code");
    assert_eq!(asked["client_id"], "testkey");
    assert_eq!(asked["code_challenge_method"], "S256");
    assert_eq!(asked["token_access_type"], "offline");
    assert_eq!(asked["code_challenge"].len(), 43);
    assert_eq!(asked["state"].len(), 22);
    assert!(asked["redirect_uri"].starts_with("http://127.0.0.1:") && asked["redirect_uri"].ends_with("/oauth"));
    assert!(asked["scope"].split(' ').any(|scope| scope == "files.content.write"));
    let scheme = query(&begin(&world, Way::Scheme).await);
    assert_eq!(scheme["redirect_uri"], "com.krondor.muze://oauth");
    let code = query(&begin(&world, Way::Code).await);
    assert!(!code.contains_key("redirect_uri") && !code.contains_key("state"));
}

#[tokio::test]
async fn a_pasted_code_signs_in_and_only_the_key_store_has_the_refresh_token() {
    let world = World::new().await;
    world.answer(200, "text/javascript", GRANT);
    let begun = begin(&world, Way::Code).await;
    let challenge = query(&begun)["code_challenge"].clone();
    let account = world.accounts.code(begun.attempt, " the-code\n").await.unwrap();
    assert_eq!((account.email.as_str(), account.name.as_str(), &account.id), ("anna@example.com", "Anna", &id(&world)));
    let asked = world.asked();
    assert_eq!((asked["grant_type"].as_str(), asked["code"].as_str()), ("authorization_code", "the-code"));
    assert_eq!(pkce::challenge(&Secret::new(asked["code_verifier"].clone())), challenge);
    assert!(!asked.contains_key("redirect_uri") && !asked.contains_key("client_secret"));
    assert_eq!(world.keys.secrets.lock().unwrap()[&account.secret_name], "canary-refresh");
    let file = std::fs::read_to_string(world.folder.path().join("accounts.json")).unwrap();
    assert!(file.contains("anna@example.com") && !file.contains("canary"), "{file}");
    // The access token that came with it serves at once.
    let tokens = world.accounts.tokens(&account.id).unwrap();
    assert_eq!(tokens.bearer().await.unwrap().expose(), "canary-1");
    assert_eq!(world.calls(), 1);
    let late = world.accounts.code(begun.attempt, "the-code").await.unwrap_err();
    assert!(matches!(*late, AccountError::NoAttempt));
}

#[tokio::test]
async fn the_browser_brings_the_code_to_the_port() {
    let world = World::new().await;
    world.answer(200, "text/javascript", GRANT);
    let begun = begin(&world, Way::Loopback).await;
    let asked = query(&begun);
    let page = follow(&format!("{}?code=brought&state={}", asked["redirect_uri"], asked["state"])).await;
    assert_eq!(page, 200);
    let account = world.accounts.outcome(begun.attempt, HOLD).await.unwrap().unwrap();
    assert_eq!(account.id, id(&world));
    assert_eq!(world.asked()["redirect_uri"], asked["redirect_uri"]);
    // Whoever asks late hears the same.
    assert!(world.accounts.outcome(begun.attempt, HOLD).await.unwrap().is_ok());
}

#[tokio::test]
async fn answers_that_are_not_ours_end_a_sign_in_before_anything_is_sent() {
    let world = World::new().await;
    type Check = fn(&AccountError) -> bool;
    let cases: [(&str, Check); 6] = [
        ("code=a&state=wrong", |error| matches!(error, AccountError::WrongState)),
        ("state=STATE", |error| matches!(error, AccountError::Unreadable)),
        ("code=a&code=b&state=STATE", |error| matches!(error, AccountError::Unreadable)),
        ("code=a&state=STATE&iss=https%3A%2F%2Fevil.example", |error| matches!(error, AccountError::WrongIssuer)),
        ("error=access_denied&state=STATE", |error| matches!(error, AccountError::Denied)),
        ("error=invalid_scope&state=STATE", |error| {
            matches!(error, AccountError::Issuer(IssuerError::MissingScope { .. }))
        }),
    ];
    for (answer, is_expected) in cases {
        let begun = begin(&world, Way::Loopback).await;
        let asked = query(&begun);
        let answer = answer.replace("STATE", &asked["state"]);
        assert_eq!(follow(&format!("{}?{answer}", asked["redirect_uri"])).await, 200);
        let error = world.accounts.outcome(begun.attempt, HOLD).await.unwrap().unwrap_err();
        assert!(is_expected(&error), "{answer}: {error}");
        assert!(!error.next_step().is_empty());
    }
    assert_eq!(world.calls(), 0);
    nothing_is_left(&world);
}

#[tokio::test]
async fn an_address_of_our_scheme_is_taken_by_the_sign_in_that_it_belongs_to() {
    let world = World::new().await;
    world.answer(200, "text/javascript", GRANT);
    let nobody = world.accounts.redirected("com.krondor.muze://oauth?code=a&state=b").await.unwrap_err();
    assert!(matches!(*nobody, AccountError::NoAttempt));
    let begun = begin(&world, Way::Scheme).await;
    let state = query(&begun)["state"].clone();
    for (address, expected) in [
        (format!("com.krondor.muze://other?code=a&state={state}"), AccountError::Unreadable),
        (format!("https://oauth/?code=a&state={state}"), AccountError::Unreadable),
        (format!("com.krondor.muze://oauth/more?code=a&state={state}"), AccountError::Unreadable),
        ("com.krondor.muze://oauth?code=a&state=wrong".to_owned(), AccountError::WrongState),
        ("not an address".to_owned(), AccountError::Unreadable),
    ] {
        let error = world.accounts.redirected(&address).await.unwrap_err();
        assert_eq!(error.to_string(), expected.to_string(), "{address}");
    }
    assert_eq!(world.calls(), 0);
    // None of these has ended it: anybody can open such an address.
    let account = world.accounts.redirected(&format!("com.krondor.muze://oauth?code=a&state={state}")).await.unwrap();
    assert_eq!(account.id, id(&world));
    assert_eq!(world.asked()["redirect_uri"], "com.krondor.muze://oauth");
    assert!(world.accounts.outcome(begun.attempt, HOLD).await.unwrap().is_ok());
    let again = world.accounts.redirected(&format!("com.krondor.muze://oauth?code=a&state={state}")).await.unwrap_err();
    assert!(matches!(*again, AccountError::NoAttempt));
    assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn codes_that_are_wrong_or_used_or_old_are_told() {
    let world = World::new().await;
    world.refuse("invalid_grant", "code doesn't exist or has expired: the-code");
    let begun = begin(&world, Way::Code).await;
    let error = world.accounts.code(begun.attempt, "the-code").await.unwrap_err();
    assert!(matches!(&*error, AccountError::CodeRefused { said } if said.ends_with("[secret]")), "{error}");
    let begun = begin(&world, Way::Code).await;
    let error = world.accounts.code(begun.attempt, "http://127.0.0.1/?code=a").await.unwrap_err();
    assert!(matches!(*error, AccountError::NotACode { .. }));
    // It was not sent, so the sign-in still waits.
    world.answer(200, "text/javascript", GRANT);
    assert!(world.accounts.code(begun.attempt, "good").await.is_ok());
    let unknown = world.accounts.code(Uuid::new_v4(), "good").await.unwrap_err();
    assert!(matches!(*unknown, AccountError::NoAttempt));
}

#[tokio::test]
async fn what_cannot_be_kept_is_taken_back() {
    let world = World::new().await;
    let fails = async |grant: String| {
        world.answer(200, "text/javascript", grant);
        let begun = begin(&world, Way::Code).await;
        world.accounts.code(begun.attempt, "the-code").await.unwrap_err()
    };
    let narrow = fails(GRANT.replace(" files.content.write", "")).await;
    assert!(matches!(&*narrow, AccountError::TooNarrow { missing } if missing == "files.content.write"), "{narrow}");
    let online = fails(GRANT.replace("refresh_token", "other")).await;
    assert!(matches!(*online, AccountError::NotRenewable), "{online}");
    *world.keys.is_read_only.lock().unwrap() = true;
    let denied = fails(GRANT.to_owned()).await;
    assert!(matches!(*denied, AccountError::Secrets(_)), "{denied}");
    assert_eq!(world.revoked(), ["Bearer canary-1", "Bearer canary-2", "Bearer canary-3"]);
    nothing_is_left(&world);
}

#[tokio::test]
async fn servers_that_are_away_or_are_not_the_service_are_told() {
    let world = World::new().await;
    world.answer(200, "text/html", "<html>Log in to the hotel</html>");
    let begun = begin(&world, Way::Code).await;
    let error = world.accounts.code(begun.attempt, "the-code").await.unwrap_err();
    assert!(matches!(*error, AccountError::Issuer(IssuerError::NotTheService { .. })), "{error}");
    world.refuse("invalid_client", "");
    let begun = begin(&world, Way::Code).await;
    let error = world.accounts.code(begun.attempt, "the-code").await.unwrap_err();
    assert!(matches!(*error, AccountError::Issuer(IssuerError::InvalidClient { .. })), "{error}");
    nothing_is_left(&world);
}

#[tokio::test]
async fn a_newer_sign_in_takes_the_place_of_one_that_waits_and_giving_up_ends_it() {
    let world = World::new().await;
    let first = begin(&world, Way::Loopback).await;
    let second = begin(&world, Way::Loopback).await;
    let error = world.accounts.outcome(first.attempt, HOLD).await.unwrap().unwrap_err();
    assert!(matches!(*error, AccountError::Replaced));
    world.accounts.cancel(second.attempt);
    let error = world.accounts.outcome(second.attempt, HOLD).await.unwrap().unwrap_err();
    assert!(matches!(*error, AccountError::Cancelled));
    assert!(world.accounts.outcome(begin(&world, Way::Code).await.attempt, Duration::ZERO).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_that_nobody_finishes_ends_and_closes_its_port() {
    let world = World::new().await;
    let begun = begin(&world, Way::Loopback).await;
    let error = world.accounts.outcome(begun.attempt, Duration::from_secs(600)).await.unwrap().unwrap_err();
    assert!(matches!(*error, AccountError::TimedOut { .. }));
    let port = reqwest::Url::parse(&query(&begun)["redirect_uri"]).unwrap().port().unwrap();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn signing_in_again_keeps_the_id_the_place_and_who_waits_for_it() {
    let world = World::new().await;
    let account = by_code(&world).await.unwrap();
    let tokens = world.accounts.tokens(&account.id).unwrap();
    world.refuse("invalid_grant", "revoked");
    world.clock.pass(20_000);
    assert_eq!(tokens.bearer().await.unwrap_err().kind, ErrorKind::AuthRequired);
    let again = by_code(&world).await.unwrap();
    assert_eq!((&again.id, &again.secret_name), (&account.id, &account.secret_name));
    assert_eq!(again.signed_out, None);
    tokens.bearer().await.unwrap();
    assert_eq!(world.accounts.list().unwrap().len(), 1);
}

#[tokio::test]
async fn signing_out_takes_the_sign_in_back_and_leaves_no_secret() {
    let world = World::new().await;
    let account = by_code(&world).await.unwrap();
    let tokens = world.accounts.tokens(&account.id).unwrap();
    let done = world.accounts.disconnect(account.clone(), false).await.unwrap();
    assert_eq!(done.not_revoked, None);
    assert_eq!(world.revoked(), ["Bearer canary-1"]);
    nothing_is_left(&world);
    assert_eq!(tokens.bearer().await.unwrap_err().kind, ErrorKind::AuthRequired);
    // A vault that uses the account keeps it on the list.
    let account = by_code(&world).await.unwrap();
    world.accounts.disconnect(account.clone(), true).await.unwrap();
    assert_eq!(world.accounts.list().unwrap()[0].signed_out, Some(SignedOut::Disconnected));
    assert!(world.keys.secrets.lock().unwrap().is_empty());
    by_code(&world).await.unwrap();
    tokens.bearer().await.unwrap();
}

#[tokio::test]
async fn signing_out_without_a_server_forgets_the_secret_and_says_what_is_left() {
    let world = World::new().await;
    let account = by_code(&world).await.unwrap();
    world.clock.pass(20_000);
    world.answer(503, "text/plain", "");
    let done = world.accounts.disconnect(account, false).await.unwrap();
    assert!(done.not_revoked.unwrap().contains("busy"));
    assert!(done.grants_page.starts_with("https://"));
    nothing_is_left(&world);
}

#[tokio::test]
async fn app_keys_and_addresses_are_looked_at_before_anything_else() {
    let world = World::new().await;
    let begin = |base_url: Option<&str>, app_key: Option<&str>, provider| {
        let (base_url, app_key) = (base_url.map(str::to_owned), app_key.map(str::to_owned));
        let (accounts, settings) = (Arc::clone(&world.accounts), world.settings());
        let new = NewSignIn { provider, base_url, app_key, way: Way::Code };
        async move { accounts.begin(new, settings).await.unwrap_err() }
    };
    let dropbox = ProviderKind::Dropbox;
    assert!(matches!(begin(None, Some(""), dropbox).await, AccountError::NoAppKey { .. }));
    assert!(matches!(begin(None, Some("../evil"), dropbox).await, AccountError::NotAnAppKey { .. }));
    assert!(matches!(begin(Some("http://example.com"), None, dropbox).await, AccountError::BaseUrl(_)));
    assert!(matches!(begin(Some("nonsense"), None, dropbox).await, AccountError::BaseUrl(_)));
    assert!(matches!(begin(None, None, ProviderKind::Icloud).await, AccountError::NoSignIn { .. }));
}

#[tokio::test]
async fn an_account_is_found_by_id_by_address_and_by_provider() {
    let world = World::new().await;
    assert!(matches!(world.accounts.find(None), Err(AccountError::Unknown { .. })));
    let anna = world.connected();
    for selector in [None, Some(anna.id.as_str()), Some("Anna@Example.com"), Some("dropbox")] {
        assert_eq!(world.accounts.find(selector).unwrap().id, anna.id);
    }
    world.accounts.file.put(&super::account("bob")).unwrap();
    assert!(matches!(world.accounts.find(None), Err(AccountError::Ambiguous { .. })));
    assert!(matches!(world.accounts.find(Some("dropbox")), Err(AccountError::Ambiguous { .. })));
    assert_eq!(world.accounts.find(Some("bob@example.com")).unwrap().name, "bob");
    assert!(matches!(world.accounts.find(Some("carol")), Err(AccountError::Unknown { .. })));
}
