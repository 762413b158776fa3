//! A session that a new password has ended stays ended, also when Redis has lost this.

use super::fan::{Broken, FIRST, SECOND, Verdict, check, id_of, key};
use super::hall::{Hall, eventually};
use super::partition::Partition;
use crate::database::connect;
use crate::fixture::short;
use crate::world::World;
use reqwest::Method;
use serde_json::json;

const OLD: &str = "a password of the exam";
const NEW: &str = "another password of the exam";

/// A failover loses the change of an account and the end of its sessions, which PostgreSQL has. A
/// load ends the sessions that have come back.
pub(super) async fn old_session(hall: &Hall, world: &World) -> Verdict {
    let email = format!("{}@chaos.example", key());
    let account = json!({"email": email, "password": OLD});
    hall.admin.post(FIRST, "/api/users/sign-up", account.clone()).await.expect(201)?;
    let log_in =
        async || hall.admin.post(FIRST, "/api/users/log-in", account.clone()).await.expect(200);
    let (other, own) = (log_in().await?, log_in().await?);
    let owner = hall.admin.with_token(own["accessToken"].as_str().unwrap_or_default());
    let user = id_of(&own["user"]);
    let (partition, sessions) =
        (Partition::of(world, user).await?, format!("sessions:{}", short(user)));
    let kept = partition.ask("HGETALL", &sessions, &[]).await?.texts();
    let before = partition.ask("HGET", "accounts", &[&email]).await?.text();

    let change = json!({"currentPassword": OLD, "newPassword": NEW});
    let path = "/api/users/me/password";
    let changed = owner.ask(FIRST, Method::PUT, path, &change, "").await;
    check(changed.status == 204, format!("a new password: {changed}"))?;
    in_postgres(world, &email).await?;

    let fields: Vec<&str> = kept.iter().map(String::as_str).collect();
    let sessions = partition.ask("HSET", &sessions, &fields).await;
    let account = partition.ask("HSET", "accounts", &[&email, &before]).await;
    // In any case, so that Redis has the new password again.
    partition.ask("HDEL", "partition", &["layout"]).await?;
    sessions.and(account)?;
    eventually("the partition is loaded", async || {
        let layout = partition.ask("HGET", "partition", &["layout"]).await?.text();
        Ok((!layout.is_empty()).then_some(()))
    })
    .await?;
    let refresh = json!({"refreshToken": other["refreshToken"]});
    let reply = owner.ask(SECOND, Method::POST, "/api/users/refresh", &refresh, "").await;
    check(reply.status == 401, format!("a session that a new password has ended: {reply}"))
}

/// Waits until PostgreSQL has a change of the account.
async fn in_postgres(world: &World, email: &str) -> Verdict {
    let wrong = |error: String| Broken(format!("PostgreSQL: {error}"));
    let database =
        connect(&world.postgres.url()).await.map_err(|error| wrong(error.to_string()))?;
    eventually("PostgreSQL has the new password", async || {
        let query = "select version > 1 from accounts where email = $1";
        let row = database.query_opt(query, &[&email]).await;
        let row = row.map_err(|error| wrong(error.to_string()))?;
        Ok(row.is_some_and(|row| row.get(0)).then_some(()))
    })
    .await
}
