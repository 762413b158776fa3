//! Access tokens for the people. On a private installation they are created in this process,
//! because a sign-up and a log-in over HTTP need two password hashes, about 40 ms of processor
//! time.

use crate::wire::{Connection, Failure, Method, Response, ServerAddress};
use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::StreamExt as _;
use grandstand::api::Services;
use grandstand::domain::account::Account;
use grandstand::domain::ids::{SessionId, UserId};
use grandstand_embedded::tell;
use serde::Deserialize;
use serde_json::{Value, json};

/// Sign-ups in parallel. More would only wait for the cores of the server.
const PARALLEL_SIGN_UPS: usize = 4;
/// People between two lines of progress.
const PROGRESS_PEOPLE: usize = 100;
const PASSWORD: &str = "a password of the load test";

/// Creates access tokens of people without an account, because holds and purchases need only the
/// token.
pub(crate) fn create(services: &Services, count: usize) -> anyhow::Result<Vec<String>> {
    let token = |number: usize| {
        let email = format!("person-{number}@load.example");
        let id = UserId::new(services.engine.account_partition(&email));
        let account = Account::new(id, email, String::new(), 0);
        let token = services.tokens.access(&account, SessionId::new(id.partition()));
        token.map_err(|_| anyhow::anyhow!("could not sign a token"))
    };
    (0..count).map(token).collect()
}

/// Signs people up and logs them in.
pub(crate) async fn sign_up(server: &ServerAddress, count: usize) -> anyhow::Result<Vec<String>> {
    let session = async |mut connection: Connection, account: String| {
        let response = log_in(&mut connection, &account).await?;
        let session = data_of("/api/users/log-in", &response)?;
        let token = session["accessToken"].as_str().context("a session without a token")?;
        anyhow::Ok(token.to_owned())
    };
    let accounts = accounts(server, count).await?;
    let sessions = accounts.into_iter().map(|body| session(Connection::new(server.clone()), body));
    let mut sessions = futures::stream::iter(sessions).buffered(PARALLEL_SIGN_UPS).enumerate();
    let mut tokens = Vec::with_capacity(count);
    while let Some((number, token)) = sessions.next().await {
        tokens.push(token?);
        progress(number + 1, count, "have logged in");
    }
    Ok(tokens)
}

/// Signs people up. Returns the body of the log-in of each.
pub(crate) async fn accounts(server: &ServerAddress, count: usize) -> anyhow::Result<Vec<String>> {
    const PATH: &str = "/api/users/sign-up";
    let run = UserId::new(grandstand::domain::ids::Partition(0)).key().to_lowercase();
    let account = async |number: usize| {
        let email = format!("person-{number}-{run}@load.example");
        let body = json!({"email": email, "password": PASSWORD}).to_string();
        let mut connection = Connection::new(server.clone());
        let response = connection.call(Method::Post, PATH, None, Some(body.as_bytes())).await?;
        data_of(PATH, &response)?;
        anyhow::Ok(body)
    };
    let mut accounts =
        futures::stream::iter((0..count).map(account)).buffered(PARALLEL_SIGN_UPS).enumerate();
    let mut bodies = Vec::with_capacity(count);
    while let Some((number, body)) = accounts.next().await {
        bodies.push(body?);
        progress(number + 1, count, "have signed up");
    }
    Ok(bodies)
}

/// Logs a person in. `account` is the body of the request.
pub(crate) async fn log_in(
    connection: &mut Connection,
    account: &str,
) -> Result<Response, Failure> {
    connection.call(Method::Post, "/api/users/log-in", None, Some(account.as_bytes())).await
}

/// Returns the user to whom an access token belongs.
pub(crate) fn user_of(token: &str) -> Option<UserId> {
    #[derive(Deserialize)]
    struct Claims {
        sub: UserId,
    }
    let claims = token.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    Some(claims.sub)
}

fn progress(done: usize, count: usize, what: &str) {
    if done.is_multiple_of(PROGRESS_PEOPLE) || done == count {
        tell(format_args!("  {done} of {count} people {what}\n"));
    }
}

fn data_of(path: &str, response: &Response) -> anyhow::Result<Value> {
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
