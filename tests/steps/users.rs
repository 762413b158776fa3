//! Accounts and sessions.

use crate::steps::World;
use crate::steps::refusals::assert_refused;
use crate::steps::words::People;
use crate::support::client::Client;
use cucumber::{given, then, when};
use fred::prelude::*;
use grandstand::api::error::ErrorCode;
use grandstand::domain::ids::UserId;
use grandstand::redis::keys::sessions;
use serde_json::{Value, json};

const PASSWORD: &str = "a password of tests";

pub fn email(name: &str) -> String {
    format!("{}@test.example", name.to_lowercase())
}

fn with_token(client: &Client, session: &Value) -> Client {
    let token = session["accessToken"].as_str().unwrap().to_owned();
    Client::new(client.url.clone(), Some(token))
}

/// A visitor is someone without an account.
#[given(expr = "{people} is/are (a )visitor(s)")]
async fn visitors(world: &mut World, names: People) {
    for name in names.0 {
        let guest = world.start().await.guest();
        world.meet(&name, guest);
    }
}

#[given(expr = "{people} is/are logged in")]
pub async fn logged_in(world: &mut World, names: People) {
    for name in names.0 {
        sign_up(world, name.clone()).await;
        log_in(world, name).await;
    }
}

#[given(expr = "{word} signs up")]
#[when(expr = "{word} signs up")]
async fn sign_up(world: &mut World, name: String) {
    try_sign_up(world, name.clone(), email(&name), PASSWORD.to_owned()).await;
    let account = world.person(&name).answer().clone().expect(201);
    assert_eq!(account["email"], email(&name));
    assert_eq!(account["role"], "USER");
}

#[when(expr = "{word} tries to sign up with the e-mail {string} and the password {string}")]
async fn try_sign_up(world: &mut World, name: String, email: String, password: String) {
    let guest = world.start().await.guest();
    let body = json!({"email": email, "password": password});
    let answer = guest.post("/api/users/sign-up", &body).await;
    if !world.people.contains_key(&name) {
        world.meet(&name, guest);
    }
    world.note(&name, answer);
}

#[given(expr = "{word} logs in")]
#[when(expr = "{word} logs in")]
async fn log_in(world: &mut World, name: String) {
    try_log_in(world, name.clone(), PASSWORD.to_owned()).await;
    let session = world.person(&name).answer().clone().expect(200);
    assert!(session["expiresIn"].as_u64().is_some_and(|seconds| seconds > 0));
    keep(world, &name, &session);
}

/// From now on the person uses the tokens of this session.
pub fn keep(world: &mut World, name: &str, session: &Value) {
    let client = with_token(&world.client(name), session);
    let person = world.meet(name, client);
    person.renewals.push(session["refreshToken"].as_str().unwrap().to_owned());
}

#[when(expr = "{word} tries to log in with the password {string}")]
async fn try_log_in(world: &mut World, name: String, password: String) {
    let guest = world.start().await.guest();
    let body = json!({"email": email(&name), "password": password});
    let answer = guest.post("/api/users/log-in", &body).await;
    world.note(&name, answer);
}

#[given(expr = "each account may log in {int} times a minute")]
async fn limit_log_ins(world: &mut World, count: u32) {
    world.set(move |settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.log_ins_per_minute = count;
    });
}

#[when(expr = "{word} tries to log in {int} times with a wrong password")]
async fn guess(world: &mut World, name: String, times: u32) {
    for _ in 0..times {
        try_log_in(world, name.clone(), "a wrong password".to_owned()).await;
    }
}

#[given(expr = "{word} logs in on a phone too")]
#[when(expr = "{word} logs in on a phone too")]
async fn second_device(world: &mut World, name: String) {
    let phone = world.node().guest().log_in(&email(&name), PASSWORD).await;
    world.person_mut(&name).phone = Some(phone);
}

#[when(expr = "{word} logs out on the phone")]
async fn log_out_phone(world: &mut World, name: String) {
    let phone = world.person(&name).phone.clone().expect("a phone");
    phone.post("/api/users/log-out", &Value::Null).await.expect(204);
}

#[then(expr = "{word} is asked to log in on the phone")]
async fn asked_on_phone(world: &mut World, name: String) {
    let phone = world.person(&name).phone.clone().expect("a phone");
    assert_refused(&phone.get("/api/users/me").await, ErrorCode::Unauthorized);
}

#[when(expr = "{word} logs out")]
async fn log_out(world: &mut World, name: String) {
    world.client(&name).post("/api/users/log-out", &Value::Null).await.expect(204);
}

#[when(expr = "{word} renews the session")]
async fn renew(world: &mut World, name: String) {
    let newest = world.person(&name).renewals.last().unwrap().clone();
    let session = refresh(world, &name, &newest).await.expect(200);
    keep(world, &name, &session);
}

/// Does not wait: it ends the grace of each used token in Redis.
#[when(expr = "more than 10 seconds have passed since the renewals of {word}")]
async fn past_grace(world: &mut World, name: String) {
    let token = world.person(&name).renewals[0].clone();
    let parts: Vec<&str> = token.split('.').collect();
    let key = sessions(UserId::from_key(parts[0]).unwrap());
    let raw = world.node().raw().await;
    let record: String = raw.hget(&key, parts[1]).await.unwrap();
    let mut fields: Vec<&str> = record.split('|').collect();
    let ended = |token: &str| match token.split_once(':') {
        Some((_, "")) | None => token.to_owned(),
        Some((hash, _)) => format!("{hash}:1"),
    };
    let tokens = fields[4].split(' ').map(ended).collect::<Vec<String>>().join(" ");
    fields[4] = &tokens;
    let _: i64 = raw.hset(&key, (parts[1], fields.join("|"))).await.unwrap();
}

#[when(expr = "a thief renews the session of {word} with the first token")]
async fn steal(world: &mut World, name: String) {
    let first = world.person(&name).renewals[0].clone();
    let answer = refresh(world, &name, &first).await;
    world.note(&name, answer);
}

#[when(expr = "{word} tries to renew the session")]
async fn try_renew(world: &mut World, name: String) {
    let newest = world.person(&name).renewals.last().unwrap().clone();
    let answer = refresh(world, &name, &newest).await;
    world.note(&name, answer);
}

async fn refresh(world: &World, name: &str, token: &str) -> crate::support::client::Answer {
    let guest = Client::new(world.client(name).url, None);
    guest.post("/api/users/refresh", &json!({"refreshToken": token})).await
}

#[then(expr = "{word} is known as a fan")]
async fn known(world: &mut World, name: String) {
    let me = world.client(&name).get("/api/users/me").await.expect(200);
    assert_eq!((&me["email"], &me["role"]), (&json!(email(&name)), &json!("USER")));
}

#[then(expr = "{word} is asked to log in")]
async fn asked_to_log_in(world: &mut World, name: String) {
    let answer = world.client(&name).get("/api/users/me").await;
    assert_refused(&answer, ErrorCode::Unauthorized);
}
