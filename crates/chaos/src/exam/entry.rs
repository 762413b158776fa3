//! Entries, also after a partition was loaded again, and while a seat is going back.

use super::fan::{FIRST, Fan, ROOMY, Reply, SECOND, Verdict, check, id_of};
use super::hall::Hall;
use crate::fixture::Fixture;
use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};

async fn scan(hall: &Hall, node: usize, id: &str, code: &Value) -> Reply {
    let path = format!("/api/admin/matches/{id}/check-ins");
    hall.admin.post(node, &path, json!({"code": code["code"]})).await
}

async fn codes(fan: &Fan, sold: &Value) -> Verdict<Vec<Value>> {
    let read = fan.read(SECOND, sold).await?;
    let codes = read["checkInCodes"].as_array().cloned().unwrap_or_default();
    check(codes.len() == 3, format!("{} codes for three seats", codes.len()))?;
    Ok(codes)
}

/// Each seat is entered once, and a seat that is going back lets nobody in. Both also hold after
/// the partition was loaded from PostgreSQL.
pub(super) async fn entries(hall: &Hall, world: &World) -> Verdict {
    let (fan, id) = (hall.fan(0), hall.on_sale(json!({})).await?);
    let hold = fan.take(ROOMY, &id, &[1, 2, 3]).await.expect(201)?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    let codes = codes(fan, &sold).await?;
    scan(hall, FIRST, &id, &codes[0]).await.expect(200)?;
    scan(hall, SECOND, &id, &codes[0]).await.refused("CHECKED_IN_BEFORE")?;
    fan.cancel(FIRST, &sold, json!({"seatIds": [1]})).await.refused("REFUND_CLOSED")?;
    fan.cancel(SECOND, &sold, Value::Null).await.refused("REFUND_CLOSED")?;
    let away = json!({"call": "cancel", "kind": "errorBefore"});
    hall.gateway(Method::POST, "faults", away).await?;
    let (path, back) =
        (format!("/api/reservations/{}/cancel", id_of(&sold)), json!({"seatIds": [2]}));
    let begun = fan.once(FIRST, Method::POST, &path, &back, "").await;
    let entered = scan(hall, SECOND, &id, &codes[1]).await;
    hall.gateway(Method::DELETE, "faults", Value::Null).await?;
    check(begun.status == 202, format!("a refund while the gateway is away: {begun}"))?;
    entered.refused("NOT_CONFIRMED")?;
    fan.cancel(SECOND, &sold, back).await.expect(200)?;
    scan(hall, FIRST, &id, &codes[1]).await.refused("NOT_CONFIRMED")?;
    load_again(world, &id).await?;
    scan(hall, FIRST, &id, &codes[0]).await.refused("CHECKED_IN_BEFORE")?;
    scan(hall, FIRST, &id, &codes[1]).await.refused("NOT_CONFIRMED")?;
    let other = hall.fan(1);
    other.take(FIRST, &id, &[1]).await.refused("SEAT_TAKEN")?;
    fan.cancel(SECOND, &sold, json!({"seatIds": [1]})).await.refused("REFUND_CLOSED")?;
    scan(hall, SECOND, &id, &codes[2]).await.expect(200)?;
    let path = format!("/api/admin/reservations/{}/cancel", id_of(&sold));
    let reply = hall.admin.post(FIRST, &path, json!({"waiveFee": true})).await;
    check(matches!(reply.status, 200 | 202), format!("an organiser cancels: {reply}"))?;
    hall.wait(&id, &[1, 2, 3], "AVAILABLE").await
}

/// Loads the partition of a match from PostgreSQL, as an operator does.
async fn load_again(world: &World, id: &str) -> Verdict {
    let fixture = Fixture::named(id);
    let partition = fixture.partition().map_err(|error| super::fan::Broken(error.to_string()))?;
    let partition = partition.to_string();
    let done = world.command(&["rebuild", "--partition", &partition]).await;
    done.map(drop).map_err(|error| super::fan::Broken(format!("{error:#}")))
}
