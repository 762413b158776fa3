//! A moment without any worker: what is due has ended all the same, for each call that asks.

use super::STRICT_HOLD_MS;
use super::fan::{Broken, FIRST, ROOMY, SECOND, STRICT, Verdict, check};
use super::hall::{Hall, eventually};
use super::partition::Partition;
use super::queue::LastPass;
use super::sleeper::stopped;
use crate::fault::Process;
use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const WORKERS: [Process; 2] = [Process::Worker(0), Process::Worker(1)];
/// The workers stop this time before the end of the pass.
const BEFORE_PAUSE: Duration = Duration::from_millis(600);
/// A clock that was ahead runs slower by 1 %.
const AFTER_PAUSE: Duration = Duration::from_millis(250);

/// Stops the workers, and lets them go on when it is dropped.
pub(super) struct Pause<'a>(&'a World);

impl<'a> Pause<'a> {
    pub(super) async fn begin(world: &'a World) -> Verdict<Self> {
        WORKERS.iter().for_each(|worker| world.process(*worker).freeze());
        let pause = Self(world);
        for worker in WORKERS {
            stopped(world.process(worker)).await?;
        }
        Ok(pause)
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        WORKERS.iter().for_each(|worker| self.0.process(*worker).thaw());
    }
}

/// Everything that needs no worker, in one pause.
pub(super) async fn without_workers(
    hall: &Hall,
    world: &World,
    pass: Verdict<LastPass>,
) -> Verdict {
    let pass = pass?;
    let id = hall.on_sale(json!({})).await?;
    tokio::time::sleep(pass.ends.saturating_duration_since(Instant::now() + BEFORE_PAUSE)).await;
    {
        let _pause = Pause::begin(world).await?;
        let (seats, pass) = tokio::join!(overdue_seats(hall, &id), ended_pass(&pass));
        seats.and(pass).and(not_loaded(hall, world).await)?;
    }
    // The workers are back when they end holds again.
    hall.fan(18).take(STRICT, &id, &[20]).await.expect(201)?;
    hall.wait(&id, &[20], "AVAILABLE").await?;
    // Two seats are reserved, and the others of the limit are free.
    let owner = hall.fan(21);
    let four = owner.take(STRICT, &id, &[5, 6, 7, 8]).await.expect(201)?;
    owner.release(STRICT, &id, &four).await.expect(204)?;
    let own = owner.get(SECOND, "/api/reservations").await.expect(200)?;
    let mut all = own["reservations"].as_array().into_iter().flatten();
    let own = all.find(|reservation| reservation["matchId"] == *id).unwrap_or(&Value::Null);
    owner.cancel(SECOND, own, Value::Null).await.expect(200)?;
    Ok(())
}

/// Holds that nobody has ended yet count for nobody, and their seats are free.
async fn overdue_seats(hall: &Hall, id: &str) -> Verdict {
    let (owner, other, full) = (hall.fan(21), hall.fan(22), hall.fan(23));
    let hold = owner.take(ROOMY, id, &[1, 2]).await.expect(201)?;
    owner.reserve(ROOMY, id, &hold).await.expect(201)?;
    // The owner has a reservation too, so this hold is in another field.
    owner.take(STRICT, id, &[3, 4]).await.expect(201)?;
    full.take(STRICT, id, &[11, 12, 13]).await.expect(201)?;
    full.take(STRICT, id, &[14, 15, 16]).await.expect(201)?;
    full.take(STRICT, id, &[17]).await.refused("SEAT_LIMIT")?;
    let again = eventually("seats of an overdue hold do not count", async || {
        let reply = full.take(STRICT, id, &[21, 22, 23, 24, 25, 26]).await;
        if reply.is_refused("SEAT_LIMIT") {
            return Ok(None);
        }
        reply.expect(201).map(Some)
    });
    let taken = eventually("seats of an overdue hold are free", async || {
        let reply = other.take(STRICT, id, &[3, 4]).await;
        if reply.is_refused("SEAT_TAKEN") {
            return Ok(None);
        }
        reply.expect(201).map(Some)
    });
    let both = async { tokio::try_join!(again, taken) };
    let pause = Duration::from_millis(2 * STRICT_HOLD_MS);
    let both = tokio::time::timeout(pause, both).await;
    let both = both.map_err(|_| Broken("without a worker, holds do not end".to_owned()))?;
    let (again, taken) = both?;
    full.release(STRICT, id, &again).await.expect(204)?;
    other.release(STRICT, id, &taken).await.expect(204)?;
    Ok(())
}

/// A pass that nobody has removed yet has ended all the same.
async fn ended_pass(pass: &LastPass) -> Verdict {
    let ended = pass.ends + AFTER_PAUSE;
    tokio::time::sleep(ended.saturating_duration_since(Instant::now())).await;
    let reply = pass.fan.take(ROOMY, &pass.id, &[2]).await;
    let what = format!("a pass counts after its end: {reply}");
    check(reply.is_refused("PASS_REQUIRED"), what)
}

/// A partition that is not loaded, or that another release has loaded, sells nothing.
async fn not_loaded(hall: &Hall, world: &World) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let partition = Partition::of(world, &id).await?;
    let layout = partition.ask("HGET", "partition", &["layout"]).await?.text();
    let path = format!("/api/matches/{id}/holds");
    check(!layout.is_empty(), "the partition has no layout")?;
    let mut done = Ok(());
    for other in ["0", ""] {
        let written = match other {
            "" => partition.ask("HDEL", "partition", &["layout"]).await,
            _ => partition.ask("HSET", "partition", &["layout", other]).await,
        };
        done = done.and(written.map(drop));
        let body = json!({"seatIds": [1]});
        let reply = hall.fan(22).once(FIRST, Method::POST, &path, &body, "").await;
        let text = format!("a partition with the layout {other:?} sells: {reply}");
        done = done.and(check(reply.is_refused("NOT_LOADED"), text));
    }
    partition.ask("HSET", "partition", &["layout", &layout]).await?;
    done
}
