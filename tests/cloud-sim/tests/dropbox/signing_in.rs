//! OAuth: the page, codes, tokens, scopes, revoking.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cloud_sim::dropbox::{APP_KEY, APP_SECRET, Consent, DropboxSim, RedirectRule};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Answer, Client, send, start};

const BACK: &str = "http://127.0.0.1:1234/back";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-the-standard";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// What the page answers.
async fn page(sim: &DropboxSim, parameters: &[(&str, &str)]) -> Answer {
    let http = crate::client::http();
    send(http.get(format!("{}/oauth2/authorize", sim.base_url())).query(parameters)).await
}

/// The address that a person is sent back to, taken apart.
fn returned(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 302, "{answer:?}");
    let query = answer.header("location").split_once('?').unwrap().1.to_owned();
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

async fn exchange(sim: &DropboxSim, form: &[(&str, &str)]) -> Answer {
    send(reqwest::Client::new().post(format!("{}/oauth2/token", sim.base_url())).form(form)).await
}

/// Signs in with PKCE, and with more parameters for the page; what the token endpoint says.
pub(crate) async fn sign_in(sim: &DropboxSim, key: &str, more: &[(&str, &str)]) -> Value {
    let challenge = challenge();
    let mut parameters = vec![
        ("client_id", key),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("token_access_type", "offline"),
    ];
    parameters.extend(more);
    let code = returned(&page(sim, &parameters).await).remove(0).1;
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", key),
        ("code", &code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    let answer = exchange(sim, &form).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/javascript"));
    answer.json()
}

fn approving() -> (DropboxSim, Client) {
    let (sim, client) = start();
    sim.oauth().set_consent(Consent::Approve);
    (sim, client)
}

#[tokio::test]
async fn pkce_gives_tokens_that_work_and_a_refresh_token_that_stays() {
    let (sim, _) = approving();
    let granted = sign_in(&sim, APP_KEY, &[]).await;
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("bearer"), &json!(14_400)));
    assert_eq!(granted["account_id"].as_str().unwrap().len(), 40);
    let client = Client::new(&sim, granted["access_token"].as_str().unwrap());
    client.call("users/get_current_account", Value::Null).await;
    sim.clock().advance(Duration::from_secs(14_401));
    let expired = client.ask("users/get_current_account", &Value::Null).await;
    assert_eq!((expired.status, &expired.json()["error"]), (401, &json!({ ".tag": "expired_access_token" })));
    let refresh = granted["refresh_token"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", APP_KEY)];
    for _ in 0..2 {
        let fresh = exchange(&sim, &form).await.json();
        assert_eq!(fresh.get("refresh_token"), None, "it does not rotate");
        let client = Client::new(&sim, fresh["access_token"].as_str().unwrap());
        client.call("users/get_current_account", Value::Null).await;
    }
}

#[tokio::test]
async fn the_state_comes_back_and_so_does_a_refusal() {
    let (sim, _) = approving();
    let parameters = [("client_id", APP_KEY), ("response_type", "code"), ("redirect_uri", BACK), ("state", "a b|ü&=")];
    let back = returned(&page(&sim, &parameters).await);
    assert_eq!(back[1], ("state".to_owned(), "a b|ü&=".to_owned()));
    sim.oauth().set_consent(Consent::Deny);
    let back = returned(&page(&sim, &parameters).await);
    assert_eq!(back[0], ("error".to_owned(), "access_denied".to_owned()));
    assert_eq!(back[2].0, "state");
}

#[tokio::test]
async fn the_page_asks_a_person_and_shows_a_code_without_a_redirect() {
    let (sim, client) = start();
    let parameters = [("client_id", APP_KEY), ("response_type", "code")];
    let asked = page(&sim, &parameters).await;
    assert!(asked.status == 200 && asked.text().contains("value=\"allow\""));
    let mut form = parameters.to_vec();
    form.push(("decision", "allow"));
    let answer = send(client.http.post(format!("{}/oauth2/authorize", sim.base_url())).form(&form)).await;
    let text = answer.text();
    let code = text.split("<code id=\"code\">").nth(1).unwrap().split('<').next().unwrap();
    let form = [("grant_type", "authorization_code"), ("code", code)];
    let request = client.http.post(format!("{}/oauth2/token", sim.base_url())).form(&form);
    let granted = send(request.basic_auth(APP_KEY, Some(APP_SECRET))).await.json();
    assert!(granted["access_token"].is_string());
    assert_eq!(granted.get("refresh_token"), None, "only for offline access");
}

#[tokio::test]
async fn the_page_refuses_what_is_not_registered() {
    let (sim, _) = approving();
    let ask = |key: &'static str, uri: &'static str, more: (&'static str, &'static str)| {
        let sim = &sim;
        async move { page(sim, &[("client_id", key), ("response_type", "code"), ("redirect_uri", uri), more]).await.status }
    };
    let fine = ("locale", "en");
    assert_eq!(ask(APP_KEY, BACK, fine).await, 302);
    assert_eq!(ask(APP_KEY, "db-testkey://1/connect", fine).await, 302);
    assert_eq!(ask("otherkey", BACK, fine).await, 400);
    assert_eq!(ask(APP_KEY, "http://example.com/", fine).await, 400);
    assert_eq!(ask(APP_KEY, "http://localhost.example.com/", fine).await, 400);
    assert_eq!(ask(APP_KEY, BACK, ("scope", "team_data.member")).await, 400);
    assert_eq!(ask(APP_KEY, BACK, ("code_challenge", "short")).await, 400);
    assert_eq!(ask(APP_KEY, BACK, ("include_granted_scopes", "user")).await, 400);
    sim.oauth().set_redirects(RedirectRule::Registered(vec!["http://localhost:53682/".to_owned()]));
    assert_eq!(ask(APP_KEY, "http://localhost:53682/", fine).await, 302);
    assert_eq!(ask(APP_KEY, "http://localhost:53682", fine).await, 400, "letter by letter");
}

#[tokio::test]
async fn codes_are_good_once_and_for_ten_minutes_and_need_what_they_were_asked_with() {
    let (sim, _) = approving();
    let challenge = challenge();
    let parameters = [
        ("client_id", APP_KEY),
        ("response_type", "code"),
        ("redirect_uri", BACK),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let fresh = || async { returned(&page(&sim, &parameters).await).remove(0).1 };
    let wrong_verifier = "another-verifier-that-is-long-enough-but-wrong";
    let attempt = |code: String, uri: &'static str, verifier: &'static str| {
        let sim = &sim;
        async move {
            let form = [
                ("grant_type", "authorization_code"),
                ("client_id", APP_KEY),
                ("code", &code),
                ("redirect_uri", uri),
                ("code_verifier", verifier),
            ];
            let answer = exchange(sim, &form).await;
            (answer.status, answer.json()["error"].as_str().unwrap_or_default().to_owned())
        }
    };
    let refused = (400, "invalid_grant".to_owned());
    assert_eq!(attempt(fresh().await, BACK, wrong_verifier).await, refused);
    assert_eq!(attempt(fresh().await, "http://127.0.0.1:1234/other", VERIFIER).await, refused);
    let code = fresh().await;
    assert_eq!(attempt(code.clone(), BACK, VERIFIER).await.0, 200);
    assert_eq!(attempt(code, BACK, VERIFIER).await, refused);
    let late = fresh().await;
    sim.clock().advance(Duration::from_secs(601));
    assert_eq!(attempt(late, BACK, VERIFIER).await, refused);
}

#[tokio::test]
async fn fields_may_stand_in_the_address_and_twice_but_not_differ() {
    let (sim, client) = approving();
    let granted = sign_in(&sim, APP_KEY, &[]).await;
    let refresh = granted["refresh_token"].as_str().unwrap();
    let token = format!("{}/oauth2/token", sim.base_url());
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", APP_KEY)];
    let query = client.http.post(&token).query(&fields).header("Content-Type", "application/json");
    assert_eq!(send(query).await.status, 200);
    let mut twice = fields.to_vec();
    twice.push(("client_id", APP_KEY));
    assert_eq!(exchange(&sim, &twice).await.status, 200);
    twice.push(("client_id", "other"));
    assert_eq!(exchange(&sim, &twice).await.json()["error"], "invalid_request");
    let malformed = [("grant_type", "refresh_token"), ("refresh_token", "short"), ("client_id", APP_KEY)];
    let answer = exchange(&sim, &malformed).await.json();
    assert_eq!(answer["error_description"], "refresh token is malformed");
    let other = [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", "otherkey")];
    assert_eq!(exchange(&sim, &other).await.json()["error"], "invalid_client");
    let unknown = [("grant_type", "password"), ("client_id", APP_KEY)];
    assert_eq!(exchange(&sim, &unknown).await.json()["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn a_token_without_the_scope_is_told_which_one_it_lacks() {
    let (sim, _) = approving();
    let granted = sign_in(&sim, APP_KEY, &[("scope", "files.metadata.read")]).await;
    assert_eq!(granted["scope"], "account_info.read files.metadata.read");
    let client = Client::new(&sim, granted["access_token"].as_str().unwrap());
    client.call("files/list_folder", json!({ "path": "" })).await;
    let answer = client.send("files/upload", &json!({ "path": "/f" }), "x").await;
    assert_eq!(answer.status, 401);
    let error = json!({ ".tag": "missing_scope", "required_scope": "files.content.write" });
    assert_eq!(answer.json()["error"], error);
}

#[tokio::test]
async fn revoking_and_unlinking_end_everything_of_the_link() {
    let (sim, _) = approving();
    let form = |refresh: String| {
        let sim = &sim;
        async move {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", &*refresh), ("client_id", APP_KEY)];
            exchange(sim, &fields).await
        }
    };
    for by_website in [false, true] {
        let granted = sign_in(&sim, APP_KEY, &[]).await;
        let refresh = granted["refresh_token"].as_str().unwrap().to_owned();
        let second = form(refresh.clone()).await.json()["access_token"].as_str().unwrap().to_owned();
        let first = Client::new(&sim, granted["access_token"].as_str().unwrap());
        if by_website {
            sim.first_account().unlink_all();
        } else {
            first.call("auth/token/revoke", Value::Null).await;
        }
        for client in [first, Client::new(&sim, &second)] {
            let answer = client.ask("users/get_current_account", &Value::Null).await;
            assert_eq!((answer.status, &answer.json()["error"][".tag"]), (401, &json!("invalid_access_token")));
        }
        assert_eq!(form(refresh).await.json()["error"], "invalid_grant");
    }
}
