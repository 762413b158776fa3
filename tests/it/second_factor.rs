//! The second factor of an account: codes of an app, which log-ins need beside the password.

use crate::mail_links::token_in;
use crate::support::client::{Answer, Client};
use crate::support::node::{ADMIN, TestNode, eventually};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use totp_rs::{Secret, Totp};

pub(crate) const PATH: &str = "/api/users/me/second-factor";
const EMAIL: &str = "fan@test.example";
const PASSWORD: &str = "a password of tests";
/// Seconds in which a code stays the same.
const STEP_S: u64 = 30;

/// The app of an owner.
pub(crate) struct App {
    totp: Totp,
    /// Begins in the middle of a step, so that no test meets the end of one.
    now_s: u64,
}

impl App {
    pub(crate) async fn read(view: &Value, email: &str) -> Self {
        let secret = Secret::try_from_base32(view["secret"].as_str().unwrap()).unwrap();
        let totp = Totp::from_url(view["uri"].as_str().unwrap()).unwrap();
        assert_eq!(*totp.secret(), secret, "both say the same");
        assert_eq!((totp.account_name(), totp.issuer()), (email, Some("Grandstand")));
        let now_s = eventually("a step with enough time left", async || {
            let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
            (now_s % STEP_S < STEP_S - 12).then_some(now_s)
        })
        .await;
        Self { totp, now_s }
    }

    /// The code of this many steps after now.
    pub(crate) fn code(&self, steps: i64) -> String {
        let at = self.now_s.checked_add_signed(steps * STEP_S as i64).unwrap();
        self.totp.generate(at).to_string()
    }
}

async fn log_in(node: &TestNode, code: Option<String>) -> Answer {
    let body = json!({"email": EMAIL, "password": PASSWORD, "code": code});
    node.guest().post("/api/users/log-in", &body).await
}

fn client(node: &TestNode, session: &Value) -> Client {
    Client::new(node.url(), session["accessToken"].as_str().map(str::to_owned))
}

async fn remove(client: &Client, code: &str) -> Answer {
    let body = json!({"password": PASSWORD, "code": code});
    Answer::of(client.request(Method::DELETE, PATH).json(&body).send().await.unwrap()).await
}

/// The password alone is not enough then, also when everything was loaded from PostgreSQL again. A
/// code counts once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_needs_the_code_of_the_app() {
    let node = TestNode::start().await;
    let other = node.user("fan").await;
    let session = log_in(&node, None).await.expect(200);
    let fan = client(&node, &session);
    fan.post(PATH, &json!({"password": "not this one"})).await.refused(403, "WRONG_PASSWORD");
    let view = fan.post(PATH, &json!({"password": PASSWORD})).await.expect(200);
    let app = App::read(&view, EMAIL).await;
    let set = async |setup: &Value, code: &str| {
        fan.put(PATH, &json!({"setup": setup, "code": code, "password": PASSWORD})).await
    };
    set(&view["setup"], &app.code(50)).await.refused(403, "WRONG_SECOND_FACTOR");
    set(&json!("no setup"), &app.code(-1)).await.refused(400, "VALIDATION");
    let me = fan.get("/api/users/me").await.expect(200);
    assert_eq!(me["secondFactor"], false, "nothing has changed yet");
    set(&view["setup"], &app.code(-1)).await.expect(204);
    other.get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    // Somebody whose response was lost sends the same again.
    let token = json!({"refreshToken": session["refreshToken"]});
    let session = node.guest().post("/api/users/refresh", &token).await.expect(200);
    let again = json!({"setup": view["setup"], "code": app.code(-1), "password": PASSWORD});
    client(&node, &session).put(PATH, &again).await.expect(204);

    log_in(&node, None).await.refused(401, "SECOND_FACTOR_REQUIRED");
    log_in(&node, Some(app.code(-1))).await.refused(403, "WRONG_SECOND_FACTOR");
    for wrong in ["", "12345", "abcdef", "1234567"] {
        let problem = log_in(&node, Some(wrong.to_owned())).await.refused(400, "VALIDATION");
        assert_eq!(problem["errors"][0]["field"], "code");
    }
    node.verify().await;
    let flush = CustomCommand::new_static("FLUSHALL", ClusterHash::Random, false);
    let _: () = node.raw().await.custom(flush, Vec::<String>::new()).await.unwrap();
    eventually("the accounts are loaded", async || {
        let answer = log_in(&node, None).await;
        assert_ne!(answer.status, 200, "the second factor is lost");
        (answer.body["code"] == "SECOND_FACTOR_REQUIRED").then_some(())
    })
    .await;
    let session = log_in(&node, Some(app.code(0))).await.expect(200);
    log_in(&node, Some(app.code(0))).await.refused(403, "WRONG_SECOND_FACTOR");
    let fan = client(&node, &session);
    let again = json!({"password": PASSWORD});
    fan.post(PATH, &again).await.refused(409, "SECOND_FACTOR_ON");
    remove(&fan, &app.code(0)).await.refused(403, "WRONG_SECOND_FACTOR");
    remove(&fan, &app.code(1)).await.expect(204);
    log_in(&node, None).await.expect(200);
    node.finish().await;
}

/// Ten codes in an hour are tried, and then the right one is refused too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_guesses_a_code() {
    let node = TestNode::start().await;
    let fan = node.user("fan").await;
    let view = fan.post(PATH, &json!({"password": PASSWORD})).await.expect(200);
    let app = App::read(&view, EMAIL).await;
    let body = json!({"setup": view["setup"], "code": app.code(-1), "password": PASSWORD});
    fan.put(PATH, &body).await.expect(204);
    for _ in 0..9 {
        log_in(&node, Some(app.code(7))).await.refused(403, "WRONG_SECOND_FACTOR");
    }
    log_in(&node, Some(app.code(0))).await.refused(429, "TOO_MANY_REQUESTS");
    // The owner has lost the phone.
    let admin = node.admin().await;
    let list = admin.get(&format!("/api/admin/accounts?email={EMAIL}")).await.expect(200);
    assert_eq!(list["accounts"][0]["secondFactor"], true);
    let path = format!("/api/admin/accounts/{}", list["accounts"][0]["id"].as_str().unwrap());
    let on = json!({"secondFactor": true});
    let removed = admin.patch(&path, &json!({"secondFactor": false})).await.expect(200);
    assert_eq!(removed["secondFactor"], false);
    admin.patch(&path, &on).await.refused(400, "VALIDATION");
    log_in(&node, None).await.expect(200);
    let trail = admin.get("/api/admin/audit?limit=200").await.expect(200).to_string();
    for noted in [r#""secondFactor":true"#, "WRONG_SECOND_FACTOR"] {
        assert!(trail.contains(noted), "{noted} is not in {trail}");
    }
    assert!(!trail.contains(view["setup"].as_str().unwrap()), "{trail}");
    node.finish().await;
}

/// The password of somebody with a role is not enough where the settings say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_with_a_role_may_need_a_second_factor() {
    let node = TestNode::start_with(|settings| settings.staff_need_second_factor = true).await;
    let admin = node.admin().await;
    admin.get("/api/admin/sites").await.refused(403, "SECOND_FACTOR_MISSING");
    let (email, password) = ADMIN;
    let begin = json!({"password": password});
    let view = admin.post(PATH, &begin).await.expect(200);
    let app = App::read(&view, email).await;
    let first = json!({"setup": view["setup"], "code": app.code(0), "password": password});
    admin.put(PATH, &first).await.expect(204);
    admin.get("/api/admin/sites").await.refused(401, "UNAUTHORIZED");
    let body = json!({"email": email, "password": password, "code": app.code(1)});
    let session = node.guest().post("/api/users/log-in", &body).await.expect(200);
    client(&node, &session).get("/api/admin/sites").await.expect(200);
    let body = json!({"refreshToken": session["refreshToken"]});
    let session = node.guest().post("/api/users/refresh", &body).await.expect(200);
    client(&node, &session).get("/api/admin/sites").await.expect(200);
    node.finish().await;
}

/// Somebody who reads the mails of the owner, but has no app, gets a password and no session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_by_mail_leaves_the_second_factor_on() {
    const NEW: &str = "a new password of tests";
    let dir = tempfile::tempdir().unwrap();
    let mails = dir.path().join("mails.txt");
    let node = TestNode::start_with(|settings| {
        settings.mail_file = Some(mails.clone());
        settings.public_url = "https://tickets.test.example".to_owned();
    })
    .await;
    let (fan, guest) = (node.user("fan").await, node.guest());
    let view = fan.post(PATH, &json!({"password": PASSWORD})).await.expect(200);
    let app = App::read(&view, EMAIL).await;
    let body = json!({"setup": view["setup"], "code": app.code(-1), "password": PASSWORD});
    fan.put(PATH, &body).await.expect(204);
    let session = log_in(&node, Some(app.code(0))).await.expect(200);

    guest.post("/api/users/password-reset", &json!({"email": EMAIL})).await.expect(202);
    let token = eventually("the mail is in the file", async || {
        token_in(&tokio::fs::read_to_string(&mails).await.ok()?, "reset")
    })
    .await;
    let body = json!({"token": token, "newPassword": NEW});
    let answer = guest.post("/api/users/password-reset/confirm", &body).await;
    assert_eq!((answer.status, &answer.body), (204, &json!("")), "the link logs nobody in");
    client(&node, &session).get("/api/users/me").await.refused(401, "UNAUTHORIZED");
    let refresh = json!({"refreshToken": session["refreshToken"]});
    guest.post("/api/users/refresh", &refresh).await.refused(401, "UNAUTHORIZED");

    let log_in_with = async |password: &str, code: Option<String>| {
        let body = json!({"email": EMAIL, "password": password, "code": code});
        guest.post("/api/users/log-in", &body).await
    };
    log_in_with(NEW, None).await.refused(401, "SECOND_FACTOR_REQUIRED");
    log_in_with(NEW, Some(app.code(0))).await.refused(403, "WRONG_SECOND_FACTOR");
    log_in_with(PASSWORD, Some(app.code(1))).await.refused(401, "BAD_CREDENTIALS");
    let session = log_in_with(NEW, Some(app.code(1))).await.expect(200);
    assert_eq!(session["user"]["secondFactor"], true);
    node.finish().await;
}
