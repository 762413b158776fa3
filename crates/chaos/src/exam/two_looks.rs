//! A claim that changes between the two looks of one call: the node reads what would remain of it,
//! and stops before it changes it. Meanwhile the person gives other seats back.

use super::fan::{FIRST, ROOMY, Reply, SECOND, Verdict, check, id_of, key, seats_of};
use super::hall::Hall;
use super::house::{give_seat, open};
use super::sleeper::{Sleeper, with_sleepers};
use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};

/// Where a node stops.
const PLACE: &str = "remains.after";

/// A hold, seats of it that are reserved, a sale, and a call under a key.
pub(super) async fn two_looks(hall: &Hall, world: &World) -> Verdict {
    with_sleepers(world, PLACE, 4, async |nodes| {
        let (released, reserved, cancelled, repeated) = tokio::join!(
            released(hall, &nodes[0]),
            reserved(hall, &nodes[1]),
            cancelled(hall, &nodes[2]),
            repeated(hall, &nodes[3])
        );
        released.and(reserved).and(cancelled).and(repeated)
    })
    .await
}

/// Nobody can know whether the seats that remain may stay alone.
fn is_refused(reply: &Reply, what: &str) -> Verdict {
    check(reply.is_refused("OVERLOADED"), format!("{what} that has changed: {reply}"))
}

/// Gives all holds of a person back; none of them has a companion alone.
async fn give_back(hall: &Hall, number: usize, id: &str) -> Verdict {
    let fan = hall.fan(number);
    let holds = fan.get(FIRST, &format!("/api/matches/{id}/holds")).await.expect(200)?;
    for hold in holds["holds"].as_array().into_iter().flatten() {
        let alone = seats_of(hold).eq([24]);
        fan.release(ROOMY, id, hold).await.expect(204)?;
        check(!alone, "a companion seat stays alone")?;
    }
    Ok(())
}

async fn released(hall: &Hall, node: &Sleeper) -> Verdict {
    let (fan, id) = (hall.fan(8), open(hall).await?);
    fan.take(ROOMY, &id, &[21, 23, 24]).await.expect(201)?;
    let path = format!("/api/matches/{id}/allocation/seats/21/release");
    let call = node.begin(fan, &path, Value::Null, "").await?;
    give_seat(hall, 8, SECOND, &id, 23).await.expect(204)?;
    is_refused(&node.wake(call).await?, "a seat of a hold")?;
    give_back(hall, 8, &id).await
}

async fn reserved(hall: &Hall, node: &Sleeper) -> Verdict {
    let (fan, id) = (hall.fan(9), open(hall).await?);
    fan.take(ROOMY, &id, &[21, 23, 24]).await.expect(201)?;
    let body = json!({"matchId": id, "seatIds": [21]});
    let call = node.begin(fan, "/api/reservations", body, &key()).await?;
    give_seat(hall, 9, SECOND, &id, 23).await.expect(204)?;
    let reply = node.wake(call).await?;
    is_refused(&reply, "a reservation out of a hold")?;
    give_back(hall, 9, &id).await
}

async fn cancelled(hall: &Hall, node: &Sleeper) -> Verdict {
    let (fan, id) = (hall.fan(10), open(hall).await?);
    let hold = fan.take(ROOMY, &id, &[21, 23, 24]).await.expect(201)?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    let path = format!("/api/reservations/{}/cancel", id_of(&sold));
    let call = node.begin(fan, &path, json!({"seatIds": [21]}), "").await?;
    fan.cancel(SECOND, &sold, json!({"seatIds": [23]})).await.expect(200)?;
    is_refused(&node.wake(call).await?, "a seat of a sale")?;
    fan.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// What is refused because the claim has changed is not kept under the key.
async fn repeated(hall: &Hall, node: &Sleeper) -> Verdict {
    let (fan, id, key) = (hall.fan(11), open(hall).await?, key());
    fan.take(ROOMY, &id, &[21, 22, 23, 24]).await.expect(201)?;
    let (path, body) = ("/api/reservations", json!({"matchId": id, "seatIds": [21, 22]}));
    let call = node.begin(fan, path, body.clone(), &key).await?;
    give_seat(hall, 11, SECOND, &id, 24).await.expect(204)?;
    is_refused(&node.wake(call).await?, "a reservation under a key")?;
    let again = fan.once(FIRST, Method::POST, path, &body, &key).await.expect(201)?;
    fan.cancel(SECOND, &again, Value::Null).await.expect(200)?;
    give_back(hall, 11, &id).await
}
