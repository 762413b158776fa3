//! What people do with their own account: password, sessions, deletion, and the cookie of the page.

use crate::support::client::{Answer, Client};
use crate::support::node::{TestNode, eventually};
use crate::traces::is_forgotten;
use fred::prelude::*;
use grandstand::redis::keys::PartitionKeys;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;

const PASSWORD: &str = "a password of tests";

fn credentials(password: &str) -> Value {
    json!({"email": "fan@test.example", "password": password})
}

async fn delete(client: &Client, path: &str, body: Value) -> Answer {
    Answer::of(client.request(Method::DELETE, path).json(&body).send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_ends_all_other_sessions() {
    let node = TestNode::start().await;
    let (here, guest) = (node.user("fan").await, node.guest());
    let thief = guest.post("/api/users/log-in", &credentials(PASSWORD)).await.expect(200);
    let body = |current: &str, new: &str| json!({"currentPassword": current, "newPassword": new});
    let change = async |current: &str, new: &str| {
        here.put("/api/users/me/password", &body(current, new)).await
    };
    change("not this one", "a new password").await.refused(403, "WRONG_PASSWORD");
    for bad in ["short", "password1", "Iloveyou"] {
        let problem = change(PASSWORD, bad).await.refused(400, "VALIDATION");
        assert_eq!(problem["errors"][0]["field"], "newPassword", "{bad}");
    }
    let session = guest.post("/api/users/log-in", &credentials(PASSWORD)).await.expect(200);
    let here = Client::new(node.url(), session["accessToken"].as_str().map(str::to_owned));
    here.put("/api/users/me/password", &body(PASSWORD, "a new password")).await.expect(204);
    let token = json!({"refreshToken": thief["refreshToken"]});
    guest.post("/api/users/refresh", &token).await.refused(401, "UNAUTHORIZED");
    let token = json!({"refreshToken": session["refreshToken"]});
    let session = guest.post("/api/users/refresh", &token).await.expect(200);
    // Somebody whose response was lost sends the same again.
    let here = Client::new(node.url(), session["accessToken"].as_str().map(str::to_owned));
    let again = async |new: &str| here.put("/api/users/me/password", &body(PASSWORD, new)).await;
    again("a new password").await.expect(204);
    again("another password").await.refused(403, "WRONG_PASSWORD");
    guest.post("/api/users/log-in", &credentials(PASSWORD)).await.refused(401, "BAD_CREDENTIALS");
    guest.log_in("fan@test.example", "a new password").await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_see_and_end_their_log_ins() {
    let node = TestNode::start().await;
    let (first, other) = (node.user("fan").await, node.user("other").await);
    let phone = node.guest().request(Method::POST, "/api/users/log-in");
    let phone = phone.header("user-agent", format!("A Phone|{}", "x".repeat(300)));
    let phone = Answer::of(phone.json(&credentials(PASSWORD)).send().await.unwrap()).await;
    let phone = phone.expect(200);
    let listed = async || first.get("/api/users/me/sessions").await.expect(200)["sessions"].clone();
    let sessions = listed().await;
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    let agent = sessions[0]["agent"].as_str().unwrap();
    assert!(agent.starts_with("A Phone|xxx") && agent.len() == 120, "{agent}");
    assert_eq!(sessions[0]["address"], "127.0.0.1");
    assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(false), &json!(true)));
    let path = format!("/api/users/me/sessions/{}", sessions[0]["id"].as_str().unwrap());
    other.delete(&path).await.refused(404, "SESSION_NOT_FOUND");
    first.delete(&path).await.expect(204);
    first.delete(&path).await.refused(404, "SESSION_NOT_FOUND");
    assert_eq!(listed().await.as_array().unwrap().len(), 1);
    let token = phone["accessToken"].as_str().map(str::to_owned);
    Client::new(node.url(), token).get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let second = node.guest().log_in("fan@test.example", PASSWORD).await;
    first.delete("/api/users/me/sessions").await.expect(204);
    for client in [&first, &second] {
        eventually("the session has ended", || async {
            (client.get("/api/users/me").await.status == 401).then_some(())
        })
        .await;
    }
    node.finish().await;
}

/// The access token may have ended long ago.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_works_with_the_refresh_token_alone() {
    let node = TestNode::start().await;
    node.user("fan").await;
    let guest = node.guest();
    let session = guest.post("/api/users/log-in", &credentials(PASSWORD)).await.expect(200);
    let token = session["refreshToken"].as_str().unwrap();
    let (ids, _) = token.rsplit_once('.').unwrap();
    for wrong in [json!({}), json!({"refreshToken": format!("{ids}.made-up")})] {
        guest.post("/api/users/log-out", &wrong).await.refused(401, "UNAUTHORIZED");
    }
    let body = json!({"refreshToken": token});
    let expired = Client::new(node.url(), Some("not.a.token".to_owned()));
    expired.post("/api/users/log-out", &body).await.expect(204);
    guest.post("/api/users/refresh", &body).await.refused(401, "UNAUTHORIZED");
    node.finish().await;
}

/// Tickets stay, without the name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_account_leaves_its_sales_and_nothing_of_the_person() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.expect(200);
    let wrong = json!({"password": "not this one"});
    delete(&fan, "/api/users/me", wrong).await.refused(403, "WRONG_PASSWORD");
    delete(&fan, "/api/users/me", json!({"password": PASSWORD})).await.expect(204);
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let guest = node.guest();
    guest.post("/api/users/log-in", &credentials(PASSWORD)).await.refused(401, "BAD_CREDENTIALS");
    let seats = guest.get(&fixture.path("/seats")).await.expect(200);
    assert!(seats["blocks"][0]["states"].as_str().unwrap().starts_with('O'), "{seats}");
    let admin = node.admin().await;
    is_forgotten(&node, &admin).await;
    // The address is free again, for another account.
    let again = node.user("fan").await;
    let mine = again.get("/api/reservations").await.expect(200);
    assert_eq!(mine["reservations"], json!([]));
    node.finish().await;
}

/// An administrator deletes the account of somebody who can't do it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_administrator_deletes_an_account_on_request() {
    let node = TestNode::start().await;
    let (admin, fan) = (node.admin().await, node.user("fan").await);
    let id = fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let path = format!("/api/admin/accounts/{id}");
    admin.delete(&path).await.expect(204);
    admin.delete(&path).await.refused(404, "ACCOUNT_NOT_FOUND");
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    is_forgotten(&node, &admin).await;
    let mine = admin.get("/api/users/me").await.expect(200);
    let own = format!("/api/admin/accounts/{}", mine["id"].as_str().unwrap());
    admin.delete(&own).await.refused(409, "LAST_ADMINISTRATOR");
    eventually("the act is in the trail", || async {
        let page = admin.get("/api/admin/audit?act=ACCOUNT_DELETED").await.expect(200);
        let entry = &page["entries"][0];
        (entry["target"] == format!("account/{id}") && entry["actor"] == mine["id"]).then_some(())
    })
    .await;
    node.finish().await;
}

/// The token in the cookie is out of reach of scripts, and other sites can't use it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_keeps_its_refresh_token_in_a_cookie_that_only_it_can_use() {
    let node = TestNode::start().await;
    node.user("fan").await;
    let guest = node.guest();
    let post = async |path: &str, site: &str, cookie: &str, body: Option<Value>| {
        let mut request = guest.request(Method::POST, path).header("sec-fetch-site", site);
        if !cookie.is_empty() {
            request = request.header("cookie", cookie);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Answer::of(request.send().await.unwrap()).await
    };
    let cookie_of = |answer: &Answer| {
        let header = answer.headers["set-cookie"].to_str().unwrap().to_owned();
        let (pair, rest) = header.split_once("; ").unwrap();
        let age = node.settings.refresh_ttl_ms / 1000;
        assert_eq!(rest, format!("Max-Age={age}; Path=/; Secure; HttpOnly; SameSite=Strict"));
        assert!(pair.starts_with("__Host-grandstand="), "{pair}");
        pair.to_owned()
    };
    let mut body = credentials(PASSWORD);
    body["cookie"] = json!(true);
    post("/api/users/log-in", "cross-site", "", Some(body.clone())).await.refused(403, "FORBIDDEN");
    let session = post("/api/users/log-in", "same-origin", "", Some(body)).await;
    let mut cookie = cookie_of(&session);
    let session = session.expect(200);
    assert!(session.get("refreshToken").is_none(), "scripts do not get it");
    for _ in 0..2 {
        let refreshed = post("/api/users/refresh", "same-origin", &cookie, None).await;
        cookie = cookie_of(&refreshed);
        assert!(refreshed.expect(200).get("refreshToken").is_none());
    }
    for path in ["/api/users/refresh", "/api/users/log-out"] {
        for site in ["cross-site", "same-site", "none"] {
            post(path, site, &cookie, None).await.refused(403, "FORBIDDEN");
        }
    }
    let ended = post("/api/users/log-out", "same-origin", &cookie, None).await;
    let deletion = ended.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(deletion.starts_with("__Host-grandstand=; Max-Age=0; Path=/; Secure;"), "{deletion}");
    ended.expect(204);
    post("/api/users/refresh", "same-origin", &cookie, None).await.refused(401, "UNAUTHORIZED");
    node.finish().await;
}

/// A fast hash of the body would be a fast hash of the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_has_no_hash_of_a_password_but_argon2() {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let node = TestNode::start().await;
    let body = credentials(PASSWORD);
    node.guest().post_with_key("/api/users/sign-up", &body, "key-1").await.expect(201);
    let bytes = serde_json::to_vec(&body).unwrap();
    let mut hash = Sha256::new();
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(&bytes);
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let guessed = engine.encode(&hash.finalize()[..16]);
    let raw = node.raw().await;
    let mut seen = 0;
    for partition in node.engine().partitions() {
        for key in PartitionKeys(partition).operations() {
            let stored: HashMap<String, String> = raw.hgetall(key).await.unwrap();
            seen += stored.len();
            assert!(!stored.values().any(|text| text.contains(&guessed)), "{stored:?}");
        }
    }
    assert_eq!(seen, 1, "the response under the key");
    node.finish().await;
}
