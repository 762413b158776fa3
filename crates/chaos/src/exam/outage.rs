//! A moment without PostgreSQL: nothing is sold that is not there, and all facts are there later.

use super::fan::{Broken, FIRST, ROOMY, SECOND, Verdict, check};
use super::hall::{Hall, eventually};
use crate::database::connect;
use crate::fixture::Fixture;
use crate::world::World;
use futures::future::join_all;
use grandstand_faults::wire::ask;
use serde_json::{Value, json};
use std::time::Duration;

/// Facts that the journal of one partition has to keep meanwhile.
const FACTS: usize = 130;
/// What is asked of a node in the outage has its response within this time, or none.
const CALL_TIMEOUT: Duration = Duration::from_millis(1_500);

/// While PostgreSQL stands still, a payment is not confirmed. Then all acts of administrators are
/// in the audit trail.
pub(super) async fn without_postgres(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(2), hall.on_sale(json!({})).await?);
    let hold = fan.take(ROOMY, &id, &[1]).await.expect(201)?;
    let reservation = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let payment = fan.request(FIRST, &reservation).await?;
    let key = hall.pay(&payment, "approve").await?;
    let before = trail(world, &id).await?;
    world.postgres.freeze();
    let during = async {
        let acts = (0..FACTS).map(async |number| {
            let path = format!("/api/admin/matches/{id}/{}", ["block", "unblock"][number % 2]);
            let body = json!({"seatIds": [20 + number % 30]});
            let act = hall.admin.post(number % 2, &path, body);
            tokio::time::timeout(CALL_TIMEOUT * 2, act).await.ok()
        });
        let acts = join_all(acts).await;
        let confirm = fan.confirm_once(SECOND, &payment, &key);
        let early = tokio::time::timeout(CALL_TIMEOUT, confirm).await.ok();
        (acts, early)
    };
    let (acts, early) = during.await;
    world.postgres.thaw();
    if let Some(reply) = early {
        check(reply.status != 200, "a sale was confirmed while PostgreSQL stood still")?;
    }
    let done = acts.iter().flatten().filter(|act| act.status == 200).count();
    check(done > 0, "no act of an administrator has succeeded in the outage")?;
    fan.confirm(FIRST, &payment, &key).await.expect(200)?;
    eventually(&format!("the audit trail has {done} acts"), async || {
        Ok((trail(world, &id).await? >= before + done).then_some(()))
    })
    .await?;
    fan.cancel(SECOND, &reservation, Value::Null).await.expect(200)?;
    Ok(())
}

/// How many acts about the seats of a match the audit trail has.
async fn trail(world: &World, id: &str) -> Verdict<usize> {
    let wrong = |error: anyhow::Error| Broken(format!("{error:#}"));
    let client = connect(&world.postgres.url()).await.map_err(wrong)?;
    let acts = "select count(*) from trail where target like '%' || $1 || '%'";
    let row = client.query_one(acts, &[&id]).await;
    let row = row.map_err(|error| Broken(format!("the audit trail: {error}")))?;
    Ok(usize::try_from(row.get::<_, i64>(0)).unwrap_or(0))
}

/// An entry that nobody can read is kept as a dead letter.
pub(super) async fn refused_entry(hall: &Hall, world: &World) -> Verdict {
    let wrong = |error: anyhow::Error| Broken(format!("{error:#}"));
    let id = hall.on_sale(json!({})).await?;
    let partition = Fixture::named(&id).partition().map_err(wrong)?;
    let port = world.servers.port_of(partition).await;
    let journal = format!("{{{partition}}}:journal");
    let mark = super::fan::key();
    let entry = ["XADD", &journal, "*", "t", "no-such-fact", "chaos", "poison", "exam", &mark];
    ask(port, &entry).await.map_err(Broken)?;
    eventually("an entry that nobody can read is a dead letter", async || {
        let client = connect(&world.postgres.url()).await.map_err(wrong)?;
        let letters = "select count(*) from dead_letters where fields ->> 'exam' = $1";
        let row = client.query_one(letters, &[&mark]).await;
        let row = row.map_err(|error| Broken(format!("the dead letters: {error}")))?;
        Ok((row.get::<_, i64>(0) == 1).then_some(()))
    })
    .await
}
