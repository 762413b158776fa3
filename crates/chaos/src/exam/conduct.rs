//! Cool-downs: what counts as an unpaid end, how long each lasts, and what clears them.

use super::fan::{Broken, Fan, ROOMY, Reply, STRICT, Verdict, check, moment, ms};
use super::hall::Hall;
use super::sale_times::{AHEAD_MS, now};
use super::{STRICT_HOLD_MS, STRICT_HOLDS};
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

/// The first cool-down.
const MINUTE_MS: i64 = 60_000;
const WINDOW_MS: i64 = 600_000;
/// Seats that are held for most of their time.
const LATE_PAUSE: Duration = Duration::from_millis(STRICT_HOLD_MS * 3 / 5);

pub(super) async fn hold_each(fan: &Fan, id: &str, seats: &[u32]) -> Verdict<Vec<Value>> {
    let all = seats.iter().map(async |seat| fan.take(STRICT, id, &[*seat]).await.expect(201));
    join_all(all).await.into_iter().collect()
}

/// When the person may hold seats again.
pub(super) fn until(reply: Reply) -> Verdict<i64> {
    Ok(ms(&reply.refused("COOL_DOWN")?["until"]))
}

/// The cool-down doubles with each unpaid end from the third on, and begins at the last deadline.
pub(super) async fn grows(hall: &Hall) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    for (number, ends) in [2, 3, 5].into_iter().enumerate() {
        let fan = hall.fan(5 + number);
        let seats: Vec<u32> = (1..=ends).collect();
        let holds = hold_each(fan, &id, &seats).await?;
        hall.wait(&id, &seats, "AVAILABLE").await?;
        let reply = fan.take(STRICT, &id, &[9]).await;
        if ends < 3 {
            fan.release(STRICT, &id, &reply.expect(201)?).await.expect(204)?;
            continue;
        }
        let last = holds.iter().map(|hold| ms(&hold["expiresAt"])).max().unwrap_or(0);
        let wanted = last + (MINUTE_MS << (ends - 3));
        let until = until(reply)?;
        let off = until - wanted;
        check(off == 0, format!("a cool-down after {ends} unpaid ends is off by {off} ms"))?;
    }
    Ok(())
}

/// A purchase clears the count.
pub(super) async fn purchase(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(8), hall.on_sale(json!({})).await?);
    let bought = fan.take(ROOMY, &id, &[4]).await.expect(201)?;
    let reservation = fan.reserve(ROOMY, &id, &bought).await.expect(201)?;
    hold_each(fan, &id, &[1, 2, 3]).await?;
    hall.wait(&id, &[1, 2, 3], "AVAILABLE").await?;
    until(fan.take(STRICT, &id, &[5]).await)?;
    hall.buy_reserved(fan, STRICT, &reservation).await?;
    let hold = fan.take(STRICT, &id, &[5]).await.expect(201)?;
    fan.release(STRICT, &id, &hold).await.expect(204)?;
    Ok(())
}

/// What ends with the sale is not held against anybody.
pub(super) async fn end_of_sale(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(9), hall.on_sale(json!({})).await?);
    hold_each(fan, &id, &[1, 2, 3, 4]).await?;
    hall.order(&id, "close").await?;
    hall.wait(&id, &[1, 2, 3, 4], "AVAILABLE").await?;
    hall.order(&id, "open").await?;
    let hold = fan.take(STRICT, &id, &[5]).await.expect(201)?;
    fan.release(STRICT, &id, &hold).await.expect(204)?;
    Ok(())
}

/// The same when the sale ends by itself, so that the deadlines of its holds are its end.
pub(super) async fn end_by_itself(hall: &Hall) -> Verdict {
    let fan = hall.fan(9);
    for ahead in AHEAD_MS {
        let closes = moment(now(hall).await? + ahead);
        let id = hall.on_sale(json!({"saleClosesAt": closes})).await?;
        let holds = [1, 2, 3].map(async |seat| fan.take(ROOMY, &id, &[seat]).await);
        if join_all(holds).await.iter().any(|reply| reply.is_refused("MATCH_NOT_OPEN")) {
            continue;
        }
        hall.wait(&id, &[1, 2, 3], "AVAILABLE").await?;
        hall.change(&id, json!({"saleClosesAt": null})).await?;
        hall.order(&id, "open").await?;
        let hold = fan.take(STRICT, &id, &[5]).await.expect(201)?;
        return fan.release(STRICT, &id, &hold).await.expect(204).map(drop);
    }
    Err(Broken("each sale that ends by itself has ended before its time".to_owned()))
}

/// Seats that are given back just before their end count, and those that are reserved then and
/// cancelled.
pub(super) async fn late(hall: &Hall) -> Verdict {
    let (back, reserved) = (hall.fan(10), hall.fan(11));
    let id = hall.on_sale(json!({})).await?;
    let (first, second) = ([1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]);
    let (first, second) =
        tokio::join!(hold_each(back, &id, &first), hold_each(reserved, &id, &second));
    let (first, second) = (first?, second?);
    tokio::time::sleep(LATE_PAUSE).await;
    let give = async |hold: &Value| back.release(STRICT, &id, hold).await.expect(204).map(drop);
    let cancel = async |hold: &Value| {
        let reply = reserved.reserve(STRICT, &id, hold).await;
        if reply.is_refused("HOLD_EXPIRED") {
            return Ok(());
        }
        reserved.cancel(STRICT, &reply.expect(201)?, Value::Null).await.expect(200).map(drop)
    };
    let (first, second) =
        tokio::join!(join_all(first.iter().map(give)), join_all(second.iter().map(cancel)));
    first.into_iter().chain(second).collect::<Verdict<Vec<()>>>()?;
    for (fan, how) in [(back, "given back"), (reserved, "reserved and cancelled")] {
        let reply = fan.take(STRICT, &id, &[20]).await;
        let what = format!("seats that were {how} late do not count: {reply}");
        check(reply.is_refused("COOL_DOWN"), what)?;
    }
    Ok(())
}

/// Holds are counted for ten minutes from the first one on.
pub(super) async fn too_many(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(12), hall.on_sale(json!({})).await?);
    let mut first = 0;
    for number in 0..STRICT_HOLDS {
        let hold = fan.take(STRICT, &id, &[1]).await.expect(201)?;
        if number == 0 {
            first = ms(&hold["expiresAt"]) - STRICT_HOLD_MS.cast_signed();
        }
        fan.release(STRICT, &id, &hold).await.expect(204)?;
    }
    let off = until(fan.take(STRICT, &id, &[1]).await)? - first - WINDOW_MS;
    check(off == 0, format!("the end of ten minutes is off by {off} ms"))
}
