//! What ends after minutes and after an hour. The clock of a partition never goes below its floor,
//! so the exam raises the floor instead of waiting.

use super::fan::{Broken, FIRST, ROOMY, STRICT, Verdict, check};
use super::hall::{Hall, eventually};
use super::late::Sleeper;
use crate::fixture::{Fixture, short};
use crate::world::World;
use grandstand_faults::wire::ask;
use reqwest::Method;
use serde_json::json;

/// Longer than a payment of the roomy node lasts, and shorter than the time that a reservation gets
/// when payments pause.
const PAYMENT_OVER_MS: i64 = 90_000;
/// Holds are counted for ten minutes.
const HOLDS_FORGOTTEN_MS: i64 = 660_000;
/// What ended unpaid is remembered for an hour, and the last of it ends two minutes from now.
const ENDS_FORGOTTEN_MS: i64 = 3_900_000;

/// The partition of a match, as Redis has it.
struct Partition {
    port: u16,
    name: String,
    mark: String,
}

impl Partition {
    async fn of(world: &World, id: &str) -> Verdict<Self> {
        let wrong = |error: anyhow::Error| Broken(format!("{error:#}"));
        let partition = Fixture::named(id).partition().map_err(wrong)?;
        let port = world.servers.port_of(partition).await;
        Ok(Self { port, name: format!("{{{partition}}}"), mark: format!("{}:", short(id)) })
    }

    async fn ask(&self, command: &str, key: &str, more: &[&str]) -> Verdict<Vec<String>> {
        let key = format!("{}:{key}", self.name);
        let words: Vec<&str> = [command, &key].into_iter().chain(more.iter().copied()).collect();
        let reply = ask(self.port, &words).await.map_err(Broken)?;
        let texts = reply.texts();
        Ok(if texts.is_empty() { vec![reply.text()] } else { texts })
    }

    /// Lets this time pass, and waits until the worker has done all that was due.
    async fn pass(&self, ms: i64) -> Verdict {
        let clock = self.ask("HMGET", "partition", &["clock_time", "clock_shift"]).await?;
        let now: i64 = clock.iter().filter_map(|part| part.parse::<i64>().ok()).sum();
        let later = (now + ms).to_string();
        self.ask("HSET", "partition", &["clock_floor", &later]).await?;
        eventually("a worker has done all that is due", async || {
            let due = self.ask("ZCOUNT", "due", &["-inf", &later]).await?;
            Ok((due == ["0"]).then_some(()))
        })
        .await
    }

    /// How many people Redis remembers for how they held seats of this match.
    async fn remembered(&self) -> Verdict<usize> {
        let fields = self.ask("HGETALL", "claims", &[]).await?;
        let has_mark = |line: &str| line.contains('~') && line.contains(&self.mark);
        Ok(fields.iter().filter(|text| text.lines().any(has_mark)).count())
    }

    async fn forgets(&self, left: usize, what: &str) -> Verdict {
        eventually(what, async || Ok((self.remembered().await? <= left).then_some(()))).await
    }
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
    let known = partition.remembered().await?;
    check(known == 2, format!("{known} of two people are remembered for how they held seats"))?;
    more_time(hall, world, &id).await?;
    let passed = async {
        partition.pass(PAYMENT_OVER_MS).await?;
        partition.pass(HOLDS_FORGOTTEN_MS).await?;
        hall.wait(&id, &[3], "AVAILABLE").await?;
        // Two are left whose hold or reservation has ended unpaid.
        partition.forgets(2, "holds are forgotten after ten minutes").await?;
        partition.pass(ENDS_FORGOTTEN_MS).await?;
        partition.forgets(0, "unpaid ends are forgotten after an hour").await
    }
    .await;
    partition.ask("HSET", "partition", &["clock_floor", "0"]).await?;
    passed
}

/// Somebody reserves seat 3 and can't pay, because the node does not reach PostgreSQL.
async fn more_time(hall: &Hall, world: &World, id: &str) -> Verdict {
    let fan = hall.fan(6);
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
