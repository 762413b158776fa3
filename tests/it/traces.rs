//! What is left of an account that was deleted: nothing that names the person.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually};
use crate::support::postgres::sql;
use crate::support::traces::traces_of;
use crate::support::wire::done;
use reqwest::Method;
use serde_json::{Value, json};

const PASSWORD: &str = "a password of tests";
const EMAIL: &str = "fan@test.example";

/// Neither PostgreSQL nor Redis has the e-mail of the fan, in any key, table or column. Nothing is
/// left that ends by itself later.
pub(crate) async fn is_forgotten(node: &TestNode, admin: &Client) {
    eventually("PostgreSQL has forgotten the account", || async {
        let page = admin.get("/api/admin/accounts").await.expect(200);
        (page["accounts"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    // The journal has the account until PostgreSQL has what came after it.
    node.verify().await;
    let traces = eventually("the journal is trimmed", || async {
        let traces = traces_of(node, EMAIL).await;
        (!traces.iter().any(|place| place.ends_with(":journal"))).then_some(traces)
    })
    .await;
    assert_eq!(traces, Vec::<String>::new());
}

/// Whatever they did before: each of these leaves the e-mail somewhere for a while.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_has_the_email_of_somebody_who_was_forgotten() {
    let dir = tempfile::TempDir::new().unwrap();
    let node = TestNode::start_with(|settings| {
        settings.mail_file = Some(dir.path().join("mails.txt"));
        settings.public_url = "https://tickets.test.example".to_owned();
    })
    .await;
    let fixture = node.open_match().await;
    let (guest, admin) = (node.guest(), node.admin().await);
    let right = json!({"email": EMAIL, "password": PASSWORD});
    let sign_up =
        async || guest.post_with_key("/api/users/sign-up", &right, "key-1").await.expect(201);
    assert_eq!(sign_up().await, sign_up().await);
    let session = guest.post("/api/users/log-in", &right).await.expect(200);
    let fan = guest.with_token(session["accessToken"].as_str().unwrap());
    let wrong = json!({"email": EMAIL, "password": "not this one"});
    guest.post("/api/users/log-in", &wrong).await.refused(401, "BAD_CREDENTIALS");
    fan.post("/api/users/me/email-verification", &Value::Null).await.expect(202);
    let body = json!({"email": EMAIL});
    guest.post("/api/users/password-reset", &body).await.expect(202);
    node.buy(&fan, &fixture, 1).await;
    fan.hold(&fixture.id, &[2]).await.expect(201);
    let id = fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let found = admin.get(&format!("/api/admin/accounts?email={EMAIL}")).await.expect(200);
    assert_eq!(found["accounts"][0]["id"], json!(id));
    let before = eventually("both mails are sent, and PostgreSQL has the account", || async {
        let traces = traces_of(&node, EMAIL).await;
        let known = ["accounts", "sessions", "reset", "verification", "public.accounts"];
        let all = known.iter().all(|name| traces.iter().any(|place| place.contains(name)));
        all.then_some(traces)
    })
    .await;
    assert!(before.len() >= 5, "{before:?}");
    let body = json!({"password": PASSWORD});
    let deletion = fan.request(Method::DELETE, "/api/users/me").json(&body).send().await.unwrap();
    assert_eq!(deletion.status(), 204);
    is_forgotten(&node, &admin).await;
    node.finish().await;
}

/// The search finds a text wherever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_is_found_in_all_types_of_keys_and_columns() {
    let node = TestNode::start().await;
    let port = node.redis.port();
    let wanted = ["hash", "list", "name of it@here", "set", "stream", "string", "zset"];
    for command in [
        ["SET", "string", "of it@here."].as_slice(),
        &["HSET", "hash", "field", "of it@here."],
        &["RPUSH", "list", "other", "of it@here."],
        &["SADD", "set", "of it@here."],
        &["ZADD", "zset", "1", "of it@here."],
        &["XADD", "stream", "*", "field", "of it@here."],
        &["SET", "name of it@here", "other"],
    ] {
        done(port, command).await;
    }
    assert_eq!(traces_of(&node, "it@here").await, wanted);
    let tables = "create table texts as select array['of it@here.'] as words; \
        create table bytes as select 'of it@here.'::bytea as words; \
        create table documents as select '{\"a\": \"of it@here.\"}'::jsonb as words";
    sql(&node.settings.database_url, tables).await;
    let found = traces_of(&node, "it@here").await;
    assert_eq!(found[wanted.len()..], ["public.bytes", "public.documents", "public.texts"]);
    node.finish().await;
}
