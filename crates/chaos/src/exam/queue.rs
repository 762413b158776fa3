//! The waiting room: which passes a purchase ends, who counts as what, and how many are let in for
//! the seats that are left.

use super::fan::{FIRST, Fan, ROOMY, SECOND, Verdict, check, ms};
use super::hall::{Hall, eventually};
use crate::fixture::SEATS;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The life of a pass; the shortest that there is.
const PASS_MS: u64 = 10_000;
/// Free seats of a match that is nearly sold out, and people who want them.
const LEFT: usize = 2;
const WAITING: usize = 6;
/// People who may be inside of a room that is small.
const ROOM: usize = 3;
/// People are let in several times a second.
const LOOK_PERIOD: Duration = Duration::from_millis(1_500);

async fn room(hall: &Hall, pass_ms: u64) -> Verdict<String> {
    room_for(hall, pass_ms, 50).await
}

/// A match with a waiting room, from which so many people may be inside at once.
async fn room_for(hall: &Hall, pass_ms: u64, people: usize) -> Verdict<String> {
    let id = hall.on_sale(json!({})).await?;
    let queue = json!({"enabled": true, "admitPerMinute": 6_000, "maxActive": people,
        "passTtlMs": pass_ms, "admissionTtlMs": pass_ms, "buyersPerFreeSeat": 1});
    hall.put(&id, "queue", queue).await?;
    Ok(id)
}

/// Joins and waits to be let in; the place.
async fn come_in(fan: &Fan, id: &str) -> Verdict<Value> {
    let path = format!("/api/matches/{id}/queue");
    eventually("somebody is let in", async || {
        let place = fan.post(SECOND, &path, Value::Null).await.success()?;
        Ok((place["state"] == "ADMITTED").then_some(place))
    })
    .await
}

/// The numbers of people who choose and who buy.
async fn counts(hall: &Hall, id: &str, wanted: (u64, u64)) -> Verdict {
    let path = format!("/api/admin/matches/{id}/queue");
    let room = hall.admin.get(FIRST, &path).await.expect(200)?;
    let (choosing, buying) = (&room["choosing"], &room["buying"]);
    let text = format!("{choosing} choose and {buying} buy instead of {wanted:?}");
    check(*choosing == wanted.0 && *buying == wanted.1, text)
}

/// A purchase ends the pass. Seats that are paid are not being bought.
pub(super) async fn passes(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(18), room(hall, 60_000).await?);
    fan.take(FIRST, &id, &[1]).await.refused("PASS_REQUIRED")?;
    come_in(fan, &id).await?;
    counts(hall, &id, (1, 0)).await?;
    let hold = fan.take(ROOMY, &id, &[1]).await.expect(201)?;
    counts(hall, &id, (0, 1)).await?;
    hall.buy(fan, ROOMY, &id, &hold).await?;
    counts(hall, &id, (0, 0)).await?;
    fan.take(SECOND, &id, &[2]).await.refused("PASS_REQUIRED")?;
    come_in(fan, &id).await?;
    let hold = fan.take(ROOMY, &id, &[2]).await.expect(201)?;
    counts(hall, &id, (0, 1)).await?;
    fan.release(FIRST, &id, &hold).await.expect(204)?;
    counts(hall, &id, (1, 0)).await
}

/// A purchase ends only the pass under which its seats were held.
pub(super) async fn later_pass(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(19), room(hall, 60_000).await?);
    come_in(fan, &id).await?;
    let hold = fan.take(ROOMY, &id, &[1]).await.expect(201)?;
    let reservation = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let path = format!("/api/matches/{id}/queue");
    fan.ask(FIRST, Method::DELETE, &path, &Value::Null, "").await.expect(204)?;
    fan.take(FIRST, &id, &[2]).await.refused("PASS_REQUIRED")?;
    come_in(fan, &id).await?;
    hall.buy_reserved(fan, SECOND, &reservation).await?;
    let hold = fan.take(FIRST, &id, &[2]).await.expect(201)?;
    fan.release(SECOND, &id, &hold).await.expect(204)?;
    Ok(())
}

/// Not more people choose than the free seats can serve.
pub(super) async fn nearly_sold_out(hall: &Hall) -> Verdict {
    let id = room(hall, 60_000).await?;
    let taken: Vec<u32> = (1 + LEFT as u32..=SEATS).collect();
    let path = format!("/api/admin/matches/{id}/block");
    hall.admin.post(FIRST, &path, json!({"seatIds": taken})).await.expect(200)?;
    come_in_up_to(hall, &id, LEFT).await
}

/// Not more people are inside than set, although all seats are free.
pub(super) async fn full_room(hall: &Hall) -> Verdict {
    let id = room_for(hall, 60_000, ROOM).await?;
    come_in_up_to(hall, &id, ROOM).await
}

/// Many people join, and so many are let in, and no more.
async fn come_in_up_to(hall: &Hall, id: &str, most: usize) -> Verdict {
    let path = format!("/api/matches/{id}/queue");
    for number in 0..WAITING {
        hall.fan(number).post(number % 2, &path, Value::Null).await.success()?;
    }
    let begun = Instant::now();
    let mut enough = None;
    while enough.is_none_or(|at: Instant| at.elapsed() < LOOK_PERIOD) {
        let mut inside = 0;
        for number in 0..WAITING {
            let place = hall.fan(number).get(FIRST, &path).await.expect(200)?;
            inside += usize::from(place["state"] == "ADMITTED");
        }
        check(inside <= most, format!("{inside} people are inside, where {most} may be"))?;
        if inside == most {
            enough = enough.or(Some(Instant::now()));
        }
        let waits = begun.elapsed() < super::fan::WAIT_TIMEOUT;
        check(waits, format!("{inside} people were let in, where {most} may be"))?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Somebody with a pass that is about to end.
pub(super) struct LastPass {
    pub(super) fan: Fan,
    pub(super) id: String,
    /// When it has ended, by the clock of this process.
    pub(super) ends: Instant,
}

/// Gets a pass, whose end others wait for.
pub(super) async fn last_pass(hall: &Hall) -> Verdict<LastPass> {
    let (fan, id) = (hall.fan(20).clone(), room(hall, PASS_MS).await?);
    let place = come_in(&fan, &id).await?;
    // A hold says what time it is in the partition.
    let hold = fan.take(ROOMY, &id, &[1]).await.expect(201)?;
    let seen = Instant::now();
    let now = ms(&hold["expiresAt"]) - super::ROOMY_HOLD_MS.cast_signed();
    fan.release(ROOMY, &id, &hold).await.expect(204)?;
    let left = u64::try_from(ms(&place["passExpiresAt"]) - now).unwrap_or(0);
    Ok(LastPass { fan, id, ends: seen + Duration::from_millis(left.min(PASS_MS)) })
}
