//! Rules to the millisecond. The clock of a partition stands at the last millisecond before a time,
//! and then at this time.

use super::conduct::{hold_each, until};
use super::fan::{FIRST, ROOMY, SECOND, STRICT, Verdict, check, key, moment, ms};
use super::hall::Hall;
use super::partition::Partition;
use super::sale_times::now;
use super::unattended::Pause;
use crate::fixture::PRICE;
use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};

/// The time is so far ahead that it does not come during a scenario.
const AHEAD_MS: i64 = 300_000;
/// The fees of two rows of a table, and for how long the second one counts.
const CHEAP: i64 = 10;
const DEAR: i64 = 50;
const SECOND_MS: i64 = 1_000;

/// A row of fees counts until its end and not in this millisecond, and so does the right to cancel.
pub(super) async fn refunds(hall: &Hall, world: &World) -> Verdict {
    let (fan, dear) = (hall.fan(1), now(hall).await? + AHEAD_MS);
    let ends = dear + SECOND_MS;
    let row = |ms, percent| json!({"until": moment(ms), "percent": percent, "perSeat": 0});
    let terms =
        json!({"refundFees": [row(dear, CHEAP), row(ends, DEAR)], "refundableUntil": moment(ends)});
    let id = hall.on_sale(terms).await?;
    let hold = fan.take(ROOMY, &id, &[1, 2, 3, 4]).await.expect(201)?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    let partition = Partition::of(world, &id).await?;
    let told = async {
        let mut fees = 0;
        for (seat, at, percent) in [(1, dear - 1, CHEAP), (2, dear, DEAR), (3, ends - 1, DEAR)] {
            partition.stand_at(at).await?;
            fan.cancel(FIRST, &sold, json!({"seatIds": [seat]})).await.expect(200)?;
            fees += PRICE * percent / 100;
            let read = fan.read(SECOND, &sold).await?;
            let seen = &read["payment"]["refundFees"];
            let text = format!("the fees are {seen} and not {fees}, {} ms after a row", at - dear);
            check(*seen == fees, text)?;
        }
        partition.stand_at(ends).await?;
        fan.cancel(SECOND, &sold, json!({"seatIds": [4]})).await.refused("REFUND_CLOSED")
    }
    .await;
    partition.go_on().await?;
    told?;
    fan.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// Somebody may hold seats again in the millisecond in which a cool-down ends, and not before, also
/// under the key that was refused.
pub(super) async fn cool_down(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(2), hall.on_sale(json!({})).await?);
    hold_each(fan, &id, &[1, 2, 3]).await?;
    hall.wait(&id, &[1, 2, 3], "AVAILABLE").await?;
    let ends = until(fan.take(STRICT, &id, &[4]).await)?;
    let partition = Partition::of(world, &id).await?;
    let (path, body, key) = (format!("/api/matches/{id}/holds"), json!({"seatIds": [4]}), key());
    let take = async || fan.ask(STRICT, Method::POST, &path, &body, &key).await;
    let told = async {
        partition.stand_at(ends - 1).await?;
        until(take().await)?;
        partition.stand_at(ends).await?;
        let hold = take().await.expect(201)?;
        fan.release(STRICT, &id, &hold).await.expect(204)
    }
    .await;
    partition.go_on().await?;
    told.map(drop)
}

/// A sale is open from its first millisecond on, and closed from that of its end on. A hold has
/// ended in the millisecond of its deadline. No worker helps.
pub(super) async fn sales(hall: &Hall, world: &World) -> Verdict {
    let (fan, at) = (hall.fan(3), now(hall).await? + AHEAD_MS);
    let opening = hall.draft(&hall.site, json!({"saleOpensAt": moment(at)})).await?;
    hall.order(&opening, "announce").await?;
    hall.is_known(&opening).await?;
    let closing = hall.on_sale(json!({"saleClosesAt": moment(at)})).await?;
    let plain = hall.on_sale(json!({})).await?;
    let (first, second) = (
        fan.take(ROOMY, &plain, &[1]).await.expect(201)?,
        fan.take(ROOMY, &plain, &[2]).await.expect(201)?,
    );
    let mut partitions = Vec::new();
    for id in [&opening, &closing, &plain] {
        partitions.push(Partition::of(world, id).await?);
    }
    let told = async {
        let _pause = Pause::begin(world).await?;
        partitions[0].stand_at(at - 1).await?;
        fan.take(ROOMY, &opening, &[1]).await.refused("MATCH_NOT_OPEN")?;
        partitions[0].stand_at(at).await?;
        let early = fan.take(ROOMY, &opening, &[1]).await.expect(201)?;
        partitions[1].stand_at(at - 1).await?;
        let late = fan.take(ROOMY, &closing, &[1]).await.expect(201)?;
        fan.release(FIRST, &closing, &late).await.expect(204)?;
        partitions[1].stand_at(at).await?;
        fan.take(ROOMY, &closing, &[2]).await.refused("MATCH_NOT_OPEN")?;
        partitions[2].stand_at(ms(&first["expiresAt"]) - 1).await?;
        let reserved = fan.reserve(ROOMY, &plain, &first).await.expect(201)?;
        partitions[2].stand_at(ms(&second["expiresAt"])).await?;
        fan.reserve(ROOMY, &plain, &second).await.refused("HOLD_EXPIRED")?;
        Ok((early, reserved))
    }
    .await;
    for partition in &partitions {
        partition.go_on().await?;
    }
    let (early, reserved) = told?;
    fan.release(FIRST, &opening, &early).await.expect(204)?;
    fan.cancel(SECOND, &reserved, Value::Null).await.expect(200)?;
    Ok(())
}
