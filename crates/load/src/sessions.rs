//! Access tokens for the people. On a private installation they are created in this process,
//! because a sign-up and a log-in over HTTP need two password hashes, about 40 ms of processor
//! time.

use crate::wire::{Connection, Method, ServerAddress};
use anyhow::{Context as _, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use grandstand::api::Services;
use grandstand::api::auth::start_session;
use grandstand::domain::account::{Account, Role};
use grandstand::domain::ids::UserId;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Sessions that are created in parallel in this process.
const PARALLEL_SESSIONS: usize = 256;
/// Sign-ups in parallel. More would only wait for the cores of the server.
const PARALLEL_SIGN_UPS: usize = 4;
const PASSWORD: &str = "a password of the load test";

/// Creates sessions of people without an account, because holds and purchases need only the token.
pub(crate) async fn create(services: &Services, count: usize) -> anyhow::Result<Vec<String>> {
    let session = |number: usize| async move {
        let email = format!("person-{number}@load.example");
        let id = UserId::new(services.engine.account_partition(&email));
        let password_hash = String::new();
        let account = Account { id, email, password_hash, role: Role::User, created_at: 0 };
        let pair = start_session(services, &account).await;
        Ok(pair.map_err(|_| anyhow::anyhow!("could not start a session"))?.access)
    };
    futures::stream::iter(0..count).map(session).buffered(PARALLEL_SESSIONS).try_collect().await
}

/// Signs people up and logs them in.
pub(crate) async fn sign_up(server: &ServerAddress, count: usize) -> anyhow::Result<Vec<String>> {
    let run = UserId::new(grandstand::domain::ids::Partition(0)).key().to_lowercase();
    let done = AtomicUsize::new(0);
    let session = |number: usize| {
        let (run, done) = (&run, &done);
        async move {
            let email = format!("person-{number}-{run}@load.example");
            let body = json!({"email": email, "password": PASSWORD});
            let mut connection = Connection::new(server.clone());
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
    futures::stream::iter(0..count).map(session).buffered(PARALLEL_SIGN_UPS).try_collect().await
}

async fn post(connection: &mut Connection, path: &str, body: &Value) -> anyhow::Result<Value> {
    let bytes = body.to_string();
    let response = connection.call(Method::Post, path, None, Some(bytes.as_bytes())).await?;
    let mut body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let hint = if response.status == 429 {
        ": start the server with GRANDSTAND_RATE_LIMITS=off"
    } else {
        ""
    };
    let code = body["code"].as_str().unwrap_or_default();
    ensure!((200..300).contains(&response.status), "{path}: {} {code}{hint}", response.status);
    Ok(body["data"].take())
}
