//! Workers that stop in the middle of what only the owner of a partition may do, and wake up when
//! others have done it.

use super::fan::{Broken, FIRST, Fan, ROOMY, SECOND, Verdict, WAIT_TIMEOUT, check, id_of, key};
use super::hall::Hall;
use super::partition::Partition;
use super::sleeper::stopped;
use super::unattended::Pause;
use crate::process::Supervised;
use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The time between two tries to get a seat of a partition that is about to be opened.
const TRY_PAUSE: Duration = Duration::from_millis(10);
/// Workers that disagree about a partition load it again within this time.
const DISAGREE_PAUSE: Duration = Duration::from_secs(3);

/// One more worker, which stops at a place of the code.
fn worker(world: &World, place: &str) -> Verdict<Supervised> {
    let place = format!("pause:{place}");
    let worker = world.another_worker(&[("GRANDSTAND_DIE_AT", &place)]);
    worker.map_err(|error| Broken(format!("{error:#}")))
}

/// A worker stops before it opens a partition, and another one loads it, too. What people hold when
/// the first one wakes up stays theirs.
pub(super) async fn two_loads(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(12), hall.on_sale(json!({})).await?);
    let sold = bought(hall, fan, &id, 1).await?;
    let partition = Partition::of(world, &id).await?;
    let pause = Pause::begin(world).await?;
    partition.ask("HDEL", "partition", &["layout"]).await?;
    let first = worker(world, "load.open")?;
    let loads = stopped(&first).await;
    // It begins when the lease of the first one has ended.
    let second = worker(world, "load.clear")?;
    let told = async {
        loads?;
        stopped(&second).await?;
        first.thaw();
        let hold = held(fan, &id, 2).await?;
        second.thaw();
        tokio::time::sleep(DISAGREE_PAUSE).await;
        let path = format!("/api/matches/{id}/holds");
        let holds = fan.get(SECOND, &path).await.expect(200)?;
        let same = holds["holds"][0]["holdId"] == hold["holdId"];
        check(same, "a hold is gone after a worker opened a partition that another one loads")?;
        fan.release(FIRST, &id, &hold).await.expect(204)
    }
    .await;
    first.end().await;
    second.end().await;
    drop(pause);
    told?;
    fan.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// While a worker loads a partition, nobody is told that a reservation is not there. When a
/// failover loses the sale again before the partition is opened, the load begins again.
pub(super) async fn torn_load(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(16), hall.on_sale(json!({})).await?);
    let sold = bought(hall, fan, &id, 1).await?;
    let hold = fan.take(ROOMY, &id, &[2]).await.expect(201)?;
    let waiting = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let partition = Partition::of(world, &id).await?;
    let pause = Pause::begin(world).await?;
    partition.ask("HDEL", "partition", &["layout"]).await?;
    let writes = worker(world, "load.write")?;
    let told = match stopped(&writes).await {
        Ok(()) => asked_during_a_load(fan, [&sold, &waiting]).await,
        Err(broken) => Err(broken),
    };
    writes.end().await;
    told?;
    // It was for a load, and lasts for a while.
    partition.ask("DEL", "lease", &[]).await?;
    let opens = worker(world, "load.open")?;
    let told = async {
        stopped(&opens).await?;
        partition.forget_sale(&id, id_of(&sold), "1").await?;
        let steps = partition.ask("HGET", "partition", &["load_steps"]).await?.text();
        let before = steps.parse::<u64>().unwrap_or(1).saturating_sub(1).to_string();
        partition.ask("HSET", "partition", &["load_steps", &before]).await?;
        opens.thaw();
        hall.fan(17).take(ROOMY, &id, &[1]).await.refused("SEAT_TAKEN")
    }
    .await;
    opens.end().await;
    drop(pause);
    told?;
    fan.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// Redis has neither of them at this moment, and PostgreSQL has only the sale.
async fn asked_during_a_load(fan: &Fan, reservations: [&Value; 2]) -> Verdict {
    for reservation in reservations {
        let path = format!("/api/reservations/{}", id_of(reservation));
        let reply = fan.once(SECOND, Method::GET, &path, &Value::Null, "").await;
        let text = format!("while its partition is loaded, a reservation is gone: {reply}");
        check(reply.status != 404, text)?;
    }
    Ok(())
}

/// A worker stops before a commit, others commit that and more, and then it wakes up: it moves
/// nothing back, and payments go on.
pub(super) async fn old_commit(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(13), hall.on_sale(json!({})).await?);
    let pause = Pause::begin(world).await?;
    let old = worker(world, "commit.before")?;
    let told = async {
        let others = async {
            stopped(&old).await?;
            drop(pause);
            Ok(())
        };
        let (first, ()) = tokio::try_join!(bought(hall, fan, &id, 1), others)?;
        let second = bought(hall, fan, &id, 2).await?;
        let pause = Pause::begin(world).await?;
        old.thaw();
        let third = bought(hall, fan, &id, 3).await?;
        drop(pause);
        Ok([first, second, third])
    }
    .await;
    old.end().await;
    for sale in told? {
        fan.cancel(FIRST, &sale, Value::Null).await.expect(200)?;
    }
    Ok(())
}

async fn bought(hall: &Hall, fan: &Fan, id: &str, seat: u32) -> Verdict<Value> {
    let hold = fan.take(ROOMY, id, &[seat]).await.expect(201)?;
    hall.buy(fan, ROOMY, id, &hold).await
}

/// Holds a seat as soon as the partition is open.
async fn held(fan: &Fan, id: &str, seat: u32) -> Verdict<Value> {
    let (path, begun) = (format!("/api/matches/{id}/holds"), Instant::now());
    loop {
        let body = json!({"seatIds": [seat]});
        let reply = fan.once(ROOMY, Method::POST, &path, &body, &key()).await;
        if reply.status == 201 || begun.elapsed() > WAIT_TIMEOUT {
            return reply.expect(201);
        }
        tokio::time::sleep(TRY_PAUSE).await;
    }
}
