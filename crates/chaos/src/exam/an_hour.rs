//! What ends after minutes and after an hour, for which nobody waits (`partition.rs`).

use super::fan::{FIRST, ROOMY, STRICT, Verdict, check};
use super::hall::{Hall, eventually};
use super::partition::Partition;
use super::sleeper::Sleeper;
use crate::fixture::short;
use crate::world::World;
use reqwest::Method;
use serde_json::json;

/// Longer than a payment of the roomy node lasts, and shorter than the time that a reservation gets
/// when payments pause.
const PAYMENT_OVER_MS: i64 = 90_000;
/// Holds are counted for ten minutes.
const HOLDS_FORGOTTEN_MS: i64 = 660_000;
/// What ended unpaid is remembered for an hour, and the last of it ends two minutes from now.
const ENDS_FORGOTTEN_MS: i64 = 3_900_000;

/// Lets this time pass, and waits until the worker has done all that was due.
async fn pass(partition: &Partition, ms: i64) -> Verdict {
    let later = partition.now().await? + ms;
    partition.stand_at(later).await?;
    let later = later.to_string();
    eventually("a worker has done all that is due", async || {
        let due = partition.ask("ZCOUNT", "due", &["-inf", &later]).await?;
        Ok((due.text() == "0").then_some(()))
    })
    .await
}

/// How many people Redis remembers for how they held seats of a match.
async fn remembered(partition: &Partition, id: &str) -> Verdict<usize> {
    let (fields, mark) = (partition.ask("HGETALL", "claims", &[]).await?.texts(), short(id) + ":");
    let has_mark = |line: &str| line.contains('~') && line.contains(&mark);
    Ok(fields.iter().filter(|text| text.lines().any(has_mark)).count())
}

async fn forgets(partition: &Partition, id: &str, left: usize, what: &str) -> Verdict {
    eventually(what, async || Ok((remembered(partition, id).await? <= left).then_some(()))).await
}

/// A reservation that got more time ends by itself, and how people have held seats is forgotten.
pub(super) async fn an_hour_later(hall: &Hall, world: &World) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let partition = Partition::of(world, &id).await?;
    let (holder, idler) = (hall.fan(4), hall.fan(5));
    let hold = holder.take(STRICT, &id, &[1]).await.expect(201)?;
    // At a node without cool-downs, because the time for which seats were held counts for an hour.
    holder.release(ROOMY, &id, &hold).await.expect(204)?;
    idler.take(STRICT, &id, &[2]).await.expect(201)?;
    hall.wait(&id, &[2], "AVAILABLE").await?;
    let known = remembered(&partition, &id).await?;
    check(known == 2, format!("{known} of two people are remembered for how they held seats"))?;
    more_time(hall, world, &id).await?;
    let passed = async {
        pass(&partition, PAYMENT_OVER_MS).await?;
        pass(&partition, HOLDS_FORGOTTEN_MS).await?;
        hall.wait(&id, &[3], "AVAILABLE").await?;
        // Two are left whose hold or reservation has ended unpaid.
        forgets(&partition, &id, 2, "holds are forgotten after ten minutes").await?;
        pass(&partition, ENDS_FORGOTTEN_MS).await?;
        forgets(&partition, &id, 0, "unpaid ends are forgotten after an hour").await
    }
    .await;
    partition.go_on().await?;
    passed
}

/// Somebody reserves seat 3 and can't pay, because the node does not reach PostgreSQL.
async fn more_time(hall: &Hall, world: &World, id: &str) -> Verdict {
    // Whose holds nobody counts, because the count would lead the worker to this reservation, too.
    let fan = hall.fan(19);
    let node = Sleeper::start(world, "nowhere").await?;
    let paused = async {
        let hold = fan.take(ROOMY, id, &[3]).await.expect(201)?;
        let reservation = fan.reserve(ROOMY, id, &hold).await.expect(201)?;
        let payment = fan.request(FIRST, &reservation).await?;
        let key = hall.pay(&payment, "approve").await?;
        node.cut();
        let body = json!({"paymentId": payment["id"], "paymentKey": key,
            "orderId": payment["orderId"], "amount": payment["amount"]});
        let path = "/api/payments/confirm";
        let reply = fan.at(node.door()).once(FIRST, Method::POST, path, &body, "").await;
        reply.refused("PAYMENTS_PAUSED")
    }
    .await;
    node.end().await;
    paused.map(drop)
}
