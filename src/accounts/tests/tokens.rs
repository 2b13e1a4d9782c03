//! Staying signed in.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Notify;

use super::World;
use crate::accounts::model::SignedOut;
use crate::provider::{AccessTokens, ErrorKind};
use crate::secrets::Asking;
use crate::types::Secret;

async fn shown(tokens: &impl AccessTokens) -> String {
    tokens.bearer().await.unwrap().expose().to_owned()
}

#[tokio::test]
async fn however_many_ask_there_is_one_renewal() {
    let world = World::new().await;
    world.grant(14_400);
    let tokens = world.accounts.tokens(&world.connected().id).unwrap();
    let all = join_all((0..50).map(|_| tokens.bearer())).await;
    assert!(all.iter().all(|token| token.as_ref().unwrap().expose() == "canary-1"));
    assert_eq!(world.calls(), 1);
    let asked = world.asked();
    assert_eq!(
        (asked["grant_type"].as_str(), asked["client_id"].as_str(), asked["refresh_token"].as_str()),
        ("refresh_token", "testkey", "canary-refresh")
    );
    assert!(!asked.contains_key("client_secret"));
}

#[tokio::test]
async fn a_token_is_renewed_ahead_of_its_end_while_the_old_one_still_serves() {
    let world = World::new().await;
    world.grant(14_400);
    let tokens = world.accounts.tokens(&world.connected().id).unwrap();
    assert_eq!(shown(&tokens).await, "canary-1");
    world.clock.pass(14_400 - 301);
    assert_eq!((shown(&tokens).await.as_str(), world.calls()), ("canary-1", 1));
    world.clock.pass(2);
    // The old one at once; the new one as soon as it is there.
    assert_eq!(shown(&tokens).await, "canary-1");
    while shown(&tokens).await == "canary-1" {
        tokio::task::yield_now().await;
    }
    assert_eq!((shown(&tokens).await.as_str(), world.calls()), ("canary-2", 2));
    world.clock.pass(14_400);
    assert_eq!(shown(&tokens).await, "canary-3");
}

#[tokio::test]
async fn a_token_that_was_refused_is_renewed_once() {
    let world = World::new().await;
    world.grant(14_400);
    let tokens = world.accounts.tokens(&world.connected().id).unwrap();
    let first = tokens.bearer().await.unwrap();
    let newer = join_all((0..20).map(|_| tokens.refresh_after_401(&first))).await;
    assert!(newer.iter().all(|token| token.as_ref().unwrap().expose() == "canary-2"));
    assert_eq!(tokens.refresh_after_401(&Secret::new("canary-0")).await.unwrap().expose(), "canary-2");
    assert_eq!(world.calls(), 2);
}

#[tokio::test]
async fn nobody_can_keep_a_token_alive_or_kill_it_by_setting_the_clock() {
    let world = World::new().await;
    world.grant(14_400);
    let tokens = world.accounts.tokens(&world.connected().id).unwrap();
    tokens.bearer().await.unwrap();
    for wall in [0, 4_000_000_000] {
        world.clock.set_wall(wall);
        tokens.bearer().await.unwrap();
    }
    assert_eq!(world.calls(), 1);
    world.clock.pass(14_401);
    assert_eq!(shown(&tokens).await, "canary-2");
}

#[tokio::test]
async fn a_revoked_sign_in_is_told_once_and_a_new_one_mends_it() {
    let mut world = World::new().await;
    world.refuse("invalid_grant", "refresh token is invalid or revoked");
    let account = world.connected();
    let tokens = world.accounts.tokens(&account.id).unwrap();
    for _ in 0..3 {
        let error = tokens.bearer().await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::AuthRequired);
        let mend = format!("`vaultfs connect dropbox --base-url {}`", world.base_url);
        assert!(error.message.contains("anna@example.com") && error.message.contains(&mend), "{error}");
    }
    assert_eq!(world.calls(), 1, "who is signed out does not ask again");
    assert_eq!(world.accounts.list().unwrap()[0].signed_out, Some(SignedOut::Revoked));
    world.restart();
    let again = world.accounts.tokens(&account.id).unwrap();
    assert_eq!(again.bearer().await.unwrap_err().kind, ErrorKind::AuthRequired);
    assert_eq!(world.calls(), 1);
    let signed_in = super::sign_in::by_code(&world).await.unwrap();
    assert_eq!(signed_in.id, super::sign_in::id(&world));
}

#[tokio::test]
async fn what_may_go_away_by_itself_is_no_reason_to_sign_in_again() {
    let world = World::new().await;
    let account = world.connected();
    let tokens = world.accounts.tokens(&account.id).unwrap();
    let kind = |answer: crate::provider::Result<Secret>| {
        let error = answer.unwrap_err();
        (error.kind, error.retry_after.map(|pause| pause.as_secs()))
    };
    world.answer(200, "text/html", "<html>Welcome to the hotel</html>");
    let page = tokens.bearer().await.unwrap_err();
    assert_eq!(page.kind, ErrorKind::Offline);
    assert!(page.message.contains("it sent a web page"), "{page}");
    world.answer(502, "text/html", "<html>Bad gateway</html>");
    assert_eq!(kind(tokens.bearer().await), (ErrorKind::Busy, None));
    world.script.lock().unwrap().retry_after = Some("17");
    world.answer(429, "text/plain", "slow down");
    assert_eq!(kind(tokens.bearer().await), (ErrorKind::Busy, Some(17)));
    world.answer(302, "text/html", "");
    assert_eq!(kind(tokens.bearer().await), (ErrorKind::Offline, None));
    world.answer(200, "application/json", format!(r#"{{"access_token":["{}"]}}"#, "x".repeat(70_000)));
    assert_eq!(kind(tokens.bearer().await), (ErrorKind::Offline, None));
    assert_eq!(world.accounts.list().unwrap()[0].signed_out, None);
    world.grant(60);
    tokens.bearer().await.unwrap();
    assert_eq!(tokens.trouble(), None);
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_offline_and_the_last_token_serves_to_its_end() {
    let mut world = World::new().await;
    world.grant(1000);
    let account = world.connected();
    world.accounts.tokens(&account.id).unwrap().bearer().await.unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let moved = super::Account { base_url: Some(format!("http://{}", gone.local_addr().unwrap())), ..account };
    drop(gone);
    world.accounts.file.put(&moved).unwrap();
    world.restart();
    let error = world.accounts.tokens(&moved.id).unwrap().bearer().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Offline, "{error}");
    assert!(!error.to_string().contains("canary"));
}

#[tokio::test]
async fn a_server_that_repeats_secrets_does_not_make_us_repeat_them() {
    let world = World::new().await;
    world.refuse("invalid_request", "the token canary-refresh is strange");
    let tokens = world.accounts.tokens(&world.connected().id).unwrap();
    let error = tokens.bearer().await.unwrap_err();
    assert!(error.message.contains("the token [secret] is strange"), "{error}");
    assert!(!format!("{error:?} {:?}", tokens.trouble()).contains("canary"));
}

#[tokio::test]
async fn a_wrong_app_key_and_a_sign_in_that_allows_too_little_say_what_to_do() {
    let world = World::new().await;
    let tokens = world.accounts.tokens(&world.connected().id).unwrap();
    world.refuse("invalid_client", "Invalid client_id or client_secret");
    let error = tokens.bearer().await.unwrap_err();
    assert!(error.kind == ErrorKind::AuthRequired && error.message.contains("dropbox.app_key"), "{error}");
    world.answer(
        200,
        "text/javascript",
        r#"{"access_token":"canary-N","scope":"account_info.read files.metadata.read"}"#,
    );
    let error = tokens.bearer().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AuthRequired);
    assert!(error.message.contains("does not allow files.content.read, files.content.write"), "{error}");
}

#[tokio::test]
async fn a_rotated_refresh_token_is_safe_before_it_is_used() {
    let mut world = World::new().await;
    world.answer(
        200,
        "text/javascript",
        r#"{"access_token":"canary-N","expires_in":100,"refresh_token":"canary-next"}"#,
    );
    let account = world.connected();
    let tokens = world.accounts.tokens(&account.id).unwrap();
    tokens.bearer().await.unwrap();
    assert_eq!(world.keys.secrets.lock().unwrap()[&account.secret_name], "canary-next");
    world.clock.pass(100);
    tokens.bearer().await.unwrap();
    assert_eq!(world.asked()["refresh_token"], "canary-next");
    world.restart();
    world.accounts.tokens(&account.id).unwrap().bearer().await.unwrap();
    assert_eq!(world.asked()["refresh_token"], "canary-next");
}

#[tokio::test]
async fn a_renewal_that_has_begun_ends_although_nobody_waits_for_it() {
    let world = World::new().await;
    world.answer(
        200,
        "text/javascript",
        r#"{"access_token":"canary-N","expires_in":100,"refresh_token":"canary-next"}"#,
    );
    let gate = Arc::new(Notify::new());
    world.script.lock().unwrap().gate = Some(Arc::clone(&gate));
    let account = world.connected();
    let tokens = world.accounts.tokens(&account.id).unwrap();
    let impatient = tokio::spawn({
        let tokens = tokens.clone();
        async move { tokens.bearer().await }
    });
    while world.calls() == 0 {
        tokio::task::yield_now().await;
    }
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    gate.notify_one();
    assert_eq!(shown(&tokens).await, "canary-1");
    assert_eq!(world.calls(), 1);
    assert_eq!(world.keys.secrets.lock().unwrap()[&account.secret_name], "canary-next");
}

#[tokio::test]
async fn a_locked_key_store_is_a_state_and_opening_it_is_enough() {
    let world = World::new().await;
    world.grant(14_400);
    let account = world.connected();
    *world.keys.is_locked.lock().unwrap() = true;
    let tokens = world.accounts.tokens(&account.id).unwrap();
    let error = tokens.bearer().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AuthRequired);
    assert!(error.message.contains("the key store is locked") && error.message.contains("test-connection"), "{error}");
    assert!(tokens.trouble().unwrap().is_key_store);
    let checked = world.accounts.check(account.clone(), Asking::Allowed).await.unwrap();
    assert!(checked.trouble.unwrap().what.contains("stays locked"));
    *world.keys.is_locked.lock().unwrap() = false;
    assert_eq!(shown(&tokens).await, "canary-1");
    assert_eq!(tokens.trouble(), None);
    assert_eq!(world.accounts.list().unwrap()[0].signed_out, None);
}

#[tokio::test]
async fn a_sign_in_that_is_no_longer_in_its_place_asks_for_a_new_one() {
    let world = World::new().await;
    let account = world.connected();
    world.keys.secrets.lock().unwrap().clear();
    let error = world.accounts.tokens(&account.id).unwrap().bearer().await.unwrap_err();
    assert!(error.kind == ErrorKind::AuthRequired && error.message.contains("no longer in the key store"), "{error}");
    assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn an_account_that_nobody_knows_has_tokens_that_say_so() {
    let world = World::new().await;
    let unknown = super::account("ghost").id;
    let error = world.accounts.tokens(&unknown).unwrap().bearer().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::AuthRequired);
    assert!(error.message.contains("`vaultfs connect dropbox`"), "{error}");
}
