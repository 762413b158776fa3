//! The life of an account: mails, passwords, the end.

use crate::steps::World;
use crate::steps::users::{email, keep};
use crate::support::node::eventually;
use cucumber::{given, then, when};
use serde_json::{Value, json};
use std::path::PathBuf;

#[given("mails go into a file")]
async fn mails_go_into_a_file(world: &mut World) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mails.txt");
    world.mails = Some(dir);
    world.set(move |settings| {
        settings.mail_file = Some(path);
        settings.public_url = "https://tickets.test.example".to_owned();
    });
}

fn mails(world: &World) -> PathBuf {
    world.mails.as_ref().expect("mails go nowhere").path().join("mails.txt")
}

/// The token of the last link for this purpose.
async fn last_token(world: &World, purpose: &str) -> String {
    let (path, link) = (mails(world), format!("https://tickets.test.example/#{purpose}="));
    eventually("the mail has come", || async {
        let text = tokio::fs::read_to_string(&path).await.ok()?;
        let (_, rest) = text.rsplit_once(&link)?;
        // The mail is written to its end when the line of its link has ended.
        let (token, _) = rest.split_once('\n')?;
        Some(token.to_owned())
    })
    .await
}

#[when(expr = "{word} asks for a mail that verifies the address")]
async fn ask_for_verification(world: &mut World, name: String) {
    let path = "/api/users/me/email-verification";
    world.client(&name).post(path, &Value::Null).await.expect(202);
}

#[when(expr = "{word} opens the link of the mail")]
async fn open_link(world: &mut World, _name: String) {
    let body = json!({"token": last_token(world, "verify").await});
    let guest = world.node().guest();
    guest.post("/api/users/email-verification/confirm", &body).await.expect(204);
}

#[then(expr = "the e-mail address of {word} is verified")]
async fn is_verified(world: &mut World, name: String) {
    let me = world.client(&name).get("/api/users/me").await.expect(200);
    assert_eq!(me["emailVerified"], true, "{me}");
}

#[then(expr = "the e-mail address of {word} is not verified")]
async fn is_not_verified(world: &mut World, name: String) {
    let me = world.client(&name).get("/api/users/me").await.expect(200);
    assert_eq!(me["emailVerified"], false, "{me}");
}

#[when(expr = "{word} changes the password to {string}")]
async fn change_password(world: &mut World, name: String, password: String) {
    let body = json!({"currentPassword": "a password of tests", "newPassword": password});
    world.client(&name).put("/api/users/me/password", &body).await.expect(204);
}

#[when(expr = "{word} has forgotten the password")]
async fn forget(world: &mut World, name: String) {
    let body = json!({"email": email(&name)});
    world.node().guest().post("/api/users/password-reset", &body).await.expect(202);
}

#[when(expr = "{word} sets the password {string} with the link of the mail")]
async fn reset(world: &mut World, _name: String, password: String) {
    let body = json!({"token": last_token(world, "reset").await, "newPassword": password});
    let guest = world.node().guest();
    guest.post("/api/users/password-reset/confirm", &body).await.expect(204);
}

#[when(expr = "{word} logs in with the password {string}")]
async fn log_in_with(world: &mut World, name: String, password: String) {
    let body = json!({"email": email(&name), "password": password});
    let session = world.node().guest().post("/api/users/log-in", &body).await.expect(200);
    keep(world, &name, &session);
}

#[when(expr = "{word} deletes the account with the password {string}")]
async fn delete(world: &mut World, name: String, password: String) {
    let request = world.client(&name).request(reqwest::Method::DELETE, "/api/users/me");
    let response = request.json(&json!({"password": password})).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 204);
}
