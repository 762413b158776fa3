//! Access tokens for the people. On a private installation they are made from within, because a
//! sign-up over HTTP costs about 40 ms of CPU (a password hash to make and one to check).

use crate::api::Services;
use crate::api::auth::start_session;
use crate::domain::account::{Account, Role};
use crate::domain::ids::UserId;
use crate::load::wire::{Connection, Place};
use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sessions that are made at the same time.
const FROM_WITHIN: usize = 256;
/// Sign-ups at the same time: more only wait for the cores of the server.
const OVER_HTTP: usize = 4;
const PASSWORD: &str = "a password of the load test";

/// Sessions of people without an account: all that a hold or a purchase asks for is the token.
pub async fn from_within(services: &Services, count: usize) -> anyhow::Result<Vec<String>> {
    let session = |number: usize| async move {
        let email = format!("person-{number}@load.example");
        let id = UserId::new(services.engine.account_partition(&email));
        let password_hash = String::new();
        let account = Account { id, email, password_hash, role: Role::User, created_at: 0 };
        let pair = start_session(services, &account).await;
        Ok(pair.map_err(|_| anyhow::anyhow!("starting a session failed"))?.access)
    };
    futures::stream::iter(0..count).map(session).buffered(FROM_WITHIN).try_collect().await
}

/// Signs people up and logs them in.
pub async fn over_http(place: &Place, count: usize) -> anyhow::Result<Vec<String>> {
    let run = UserId::new(crate::domain::ids::Partition(0)).key().to_lowercase();
    let done = AtomicUsize::new(0);
    let session = |number: usize| {
        let (run, done) = (&run, &done);
        async move {
            let email = format!("person-{number}-{run}@load.example");
            let body = json!({"email": email, "password": PASSWORD});
            let mut connection = Connection::new(place.clone());
            post(&mut connection, "/api/users/sign-up", &body).await?;
            let session = post(&mut connection, "/api/users/log-in", &body).await?;
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if done.is_multiple_of(50) || done == count {
                eprintln!("  {done} of {count} people have signed up");
            }
            let token = session["accessToken"].as_str().context("a session without a token")?;
            anyhow::Ok(token.to_owned())
        }
    };
    futures::stream::iter(0..count).map(session).buffered(OVER_HTTP).try_collect().await
}

async fn post(connection: &mut Connection, path: &str, body: &Value) -> anyhow::Result<Value> {
    let bytes = body.to_string();
    let answer = connection.call("POST", path, None, Some(bytes.as_bytes())).await?;
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let hint = if answer.status == 429 { ": start it with GRANDSTAND_RATE_LIMITS=off" } else { "" };
    let code = body["code"].as_str().unwrap_or_default();
    ensure!((200..300).contains(&answer.status), "{path}: {} {code}{hint}", answer.status);
    Ok(body["data"].take())
}
