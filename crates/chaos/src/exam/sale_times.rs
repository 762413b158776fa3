//! The begin and the end of a sale.

use super::ROOMY_HOLD_MS;
use super::fan::{Broken, FIRST, ROOMY, SECOND, Verdict, check, moment, ms};
use super::hall::{Hall, eventually};
use serde_json::{Value, json};

/// A sale opens or ends by itself this time after it was set. The clocks of partitions may differ
/// by seconds, and so each scenario tries again with more.
pub(super) const AHEAD_MS: [i64; 3] = [3_000, 6_000, 15_000];

/// The time of the nodes, in ms.
pub(super) async fn now(hall: &Hall) -> Verdict<i64> {
    Ok(ms(&hall.admin.get(FIRST, "/api/time").await.expect(200)?["now"]))
}

/// No hold is longer than the sale, and none is there after its end.
pub(super) async fn ends_by_itself(hall: &Hall) -> Verdict {
    let fan = hall.fan(14);
    let mut held = None;
    for ahead in AHEAD_MS {
        let closes = now(hall).await? + ahead;
        let id = hall.on_sale(json!({"saleClosesAt": moment(closes)})).await?;
        let reply = fan.take(ROOMY, &id, &[1, 2]).await;
        if reply.is_refused("MATCH_NOT_OPEN") {
            continue;
        }
        let hold = reply.expect(201)?;
        let later = ms(&hold["expiresAt"]) - closes;
        check(later == 0, format!("a hold ends {later} ms after its sale"))?;
        held = Some((id, hold));
        break;
    }
    let Some((id, hold)) = held else {
        return Err(Broken("each sale that ends by itself has ended before its time".to_owned()));
    };
    hall.wait(&id, &[1, 2], "AVAILABLE").await?;
    fan.reserve(FIRST, &id, &hold).await.refused("MATCH_NOT_OPEN")?;
    fan.take(SECOND, &id, &[1]).await.refused("MATCH_NOT_OPEN")?;
    Ok(())
}

/// The holds of a match that is closed by hand end at once. What is reserved can still be bought.
pub(super) async fn ends_by_hand(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(15), hall.on_sale(json!({})).await?);
    let first = fan.take(ROOMY, &id, &[1]).await.expect(201)?;
    let reservation = fan.reserve(ROOMY, &id, &first).await.expect(201)?;
    let second = fan.take(ROOMY, &id, &[2]).await.expect(201)?;
    hall.order(&id, "close").await?;
    fan.reserve(SECOND, &id, &second).await.refused("MATCH_NOT_OPEN")?;
    let seats = json!({"matchId": id, "seatIds": [2]});
    fan.post(FIRST, "/api/reservations", seats).await.refused("MATCH_NOT_OPEN")?;
    hall.wait(&id, &[2], "AVAILABLE").await?;
    let sold = hall.buy_reserved(fan, SECOND, &reservation).await?;
    fan.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// The same for holds that nobody touches: the map shows their seats long before their end.
pub(super) async fn holds_of_a_closed_match(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(16), hall.on_sale(json!({})).await?);
    for seat in 1..=5 {
        fan.take(ROOMY, &id, &[seat]).await.expect(201)?;
    }
    hall.order(&id, "close").await?;
    hall.wait(&id, &[1, 2, 3, 4, 5], "AVAILABLE").await
}

/// A sale begins at its time and not before, by the clock that gives holds their ends.
pub(super) async fn opens_by_itself(hall: &Hall) -> Verdict {
    let fan = hall.fan(17);
    let opens = now(hall).await? + AHEAD_MS[0];
    let id = hall.draft(&hall.site, json!({"saleOpensAt": moment(opens)})).await?;
    hall.order(&id, "announce").await?;
    let hold = eventually("the sale begins by itself", async || {
        let reply = fan.take(ROOMY, &id, &[1]).await;
        if reply.is_refused("MATCH_NOT_OPEN") {
            return Ok(None);
        }
        reply.expect(201).map(Some)
    })
    .await?;
    let held = ms(&hold["expiresAt"]) - ROOMY_HOLD_MS.cast_signed();
    check(held >= opens, format!("a hold {} ms before the sale", opens - held))?;
    fan.release(SECOND, &id, &hold).await.expect(204)?;
    Ok(())
}
