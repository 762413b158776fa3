//! Accounts and sessions through the API.

use crate::support::client::Client;
use crate::support::node::{ADMIN, TestNode, eventually};
use grandstand::node::NodeRole;
use serde_json::{Value, json};

fn credentials(email: &str) -> Value {
    json!({"email": email, "password": "a password of tests"})
}

fn with_token(client: &Client, token: &Value) -> Client {
    Client::new(client.url.clone(), Some(token.as_str().unwrap().to_owned()))
}

/// Upper and lower case make no difference, nor do sign-ups at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_email_has_one_account() {
    let node = TestNode::start().await;
    let guest = node.guest();
    let made = guest.post("/api/users/sign-up", &credentials("Fan@Test.Example")).await.expect(201);
    assert_eq!(
        (made["email"].as_str(), made["role"].as_str()),
        (Some("fan@test.example"), Some("USER"))
    );
    for email in ["fan@test.example", "FAN@TEST.EXAMPLE", " fan@test.example "] {
        guest.post("/api/users/sign-up", &credentials(email)).await.refused(409, "EMAIL_TAKEN");
    }
    let body = credentials("rush@test.example");
    let tries = (0..8).map(|_| guest.post("/api/users/sign-up", &body));
    let mut answers: Vec<u16> =
        futures::future::join_all(tries).await.into_iter().map(|answer| answer.status).collect();
    answers.sort_unstable();
    assert_eq!(answers, [201, 409, 409, 409, 409, 409, 409, 409]);
    node.finish().await;
}

/// Another body under the same key is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_sign_up_gets_the_first_response() {
    let node = TestNode::start().await;
    let guest = node.guest();
    let sign_up = |body: Value| {
        let guest = guest.clone();
        async move { guest.post_with_key("/api/users/sign-up", &body, "key-1").await }
    };
    let first = sign_up(credentials("fan@test.example")).await.expect(201);
    assert_eq!(sign_up(credentials("fan@test.example")).await.expect(201), first);
    let other = json!({"email": "fan@test.example", "password": "another password"});
    sign_up(other).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    guest.log_in("fan@test.example", "a password of tests").await;
    node.finish().await;
}

/// Otherwise anybody could find out who has an account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_and_an_unknown_email_look_the_same() {
    let node = TestNode::start().await;
    node.user("fan").await;
    let guest = node.guest();
    let log_in = async |email: &str, password: &str| {
        let body = json!({"email": email, "password": password});
        let mut problem =
            guest.post("/api/users/log-in", &body).await.refused(401, "BAD_CREDENTIALS");
        problem.as_object_mut().unwrap().remove("requestId");
        problem
    };
    let wrong = log_in("fan@test.example", "not this one").await;
    assert_eq!(log_in("nobody@test.example", "not this one").await, wrong);
    assert_eq!(log_in("", "").await, wrong);
    assert_eq!(log_in(&"x".repeat(5000), &"x".repeat(5000)).await, wrong);
    node.finish().await;
}

/// A refresh token works again for a moment, because a response may be lost, and two tabs may use
/// it at the same time. Each tab goes on with the token that it got.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_with_one_refresh_token_stay_logged_in() {
    let node = TestNode::start().await;
    node.user("fan").await;
    let guest = node.guest();
    let session =
        guest.post("/api/users/log-in", &credentials("fan@test.example")).await.expect(200);
    let refresh = async |token: &Value| {
        guest.post("/api/users/refresh", &json!({"refreshToken": token})).await
    };
    let mut tabs = vec![];
    for _ in 0..2 {
        tabs.push(refresh(&session["refreshToken"]).await.expect(200));
    }
    assert_ne!(tabs[0]["refreshToken"], tabs[1]["refreshToken"]);
    for _ in 0..3 {
        for tab in &mut tabs {
            *tab = refresh(&tab["refreshToken"]).await.expect(200);
        }
    }
    // The id of the session is in every access token, so knowing it must not end the session.
    let token = tabs[0]["refreshToken"].as_str().unwrap();
    let made_up = format!("{}.made-up", token.split_once('.').unwrap().0);
    for bad in [json!(""), json!("."), json!("nonsense"), json!("AAAA.BBBB"), json!(made_up)] {
        refresh(&bad).await.refused(401, "UNAUTHORIZED");
    }
    for tab in &tabs {
        with_token(&guest, &tab["accessToken"]).get("/api/users/me").await.expect(200);
        refresh(&tab["refreshToken"]).await.expect(200);
    }
    node.finish().await;
}

/// Also on a node that starts later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_out_counts_on_every_node() {
    let node = TestNode::start().await;
    let fan = node.user("fan").await;
    let second = node.another_node(NodeRole::Api).await;
    let there = Client::new(second.url(), fan.token.clone());
    there.get("/api/users/me").await.expect(200);
    fan.post("/api/users/log-out", &Value::Null).await.expect(204);
    fan.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let refused = |client: Client| async move {
        (client.get("/api/users/me").await.status == 401).then_some(())
    };
    eventually("the other node refuses", || refused(there.clone())).await;
    let third = node.another_node(NodeRole::Api).await;
    let late = Client::new(third.url(), fan.token.clone());
    eventually("a later node refuses", || refused(late.clone())).await;
    second.stop().await;
    third.stop().await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_log_ins_are_refused_with_a_time_to_wait() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.log_ins_per_minute = 3;
    })
    .await;
    let guest = node.guest();
    let body = json!({"email": "fan@test.example", "password": "a guess"});
    for _ in 0..3 {
        guest.post("/api/users/log-in", &body).await.refused(401, "BAD_CREDENTIALS");
    }
    let limited = guest.post("/api/users/log-in", &body).await;
    assert!(limited.headers.contains_key("retry-after"));
    limited.refused(429, "TOO_MANY_REQUESTS");
    guest.log_in(ADMIN.0, ADMIN.1).await;
    node.finish().await;
}
