//! Many claims of one person, of which several share a field in Redis.

use super::fan::{FIRST, ROOMY, SECOND, Verdict, check, seats_of};
use super::hall::Hall;
use crate::fixture::SEATS;
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A person holds all seats one by one. Each hold is seen, reserved and given back by itself.
pub(super) async fn many_holds(hall: &Hall) -> Verdict {
    let fan = hall.fan(4);
    let id = hall.on_sale(json!({})).await?;
    let seats: Vec<u32> = (1..=SEATS).collect();
    let taken = async |seat: u32| fan.take(ROOMY, &id, &[seat]).await.expect(201);
    let holds: Vec<Value> = join_all(seats.iter().map(|seat| taken(*seat)))
        .await
        .into_iter()
        .collect::<Verdict<_>>()?;
    sees(hall, &id, &seats).await?;
    let (gone, kept) = holds.split_at(holds.len() / 3);
    let give = async |hold: &Value| fan.release(ROOMY, &id, hold).await.expect(204);
    join_all(gone.iter().map(give)).await.into_iter().collect::<Verdict<Vec<_>>>()?;
    let left: Vec<u32> = kept.iter().flat_map(seats_of).collect();
    sees(hall, &id, &left).await?;
    let (wanted, others) = kept.split_at(4);
    let mut reservations = Vec::new();
    for hold in wanted {
        reservations.push(fan.reserve(ROOMY, &id, hold).await.expect(201)?);
    }
    let held: Vec<u32> = others.iter().flat_map(seats_of).collect();
    sees(hall, &id, &held).await?;
    join_all(others.iter().map(give)).await.into_iter().collect::<Verdict<Vec<_>>>()?;
    sees(hall, &id, &[]).await?;
    for reservation in &reservations {
        fan.cancel(SECOND, reservation, Value::Null).await.expect(200)?;
    }
    hall.wait(&id, &seats, "AVAILABLE").await?;
    // Nothing of all that counts any more.
    let hold = fan.take(FIRST, &id, &[1, 2, 3, 4]).await.expect(201)?;
    fan.release(FIRST, &id, &hold).await.expect(204)?;
    Ok(())
}

/// Whether the person has holds of exactly these seats.
async fn sees(hall: &Hall, id: &str, seats: &[u32]) -> Verdict {
    let path = format!("/api/matches/{id}/holds");
    let data = hall.fan(4).get(SECOND, &path).await.expect(200)?;
    let holds = data["holds"].as_array().into_iter().flatten();
    let seen: BTreeSet<u32> = holds.flat_map(seats_of).collect();
    let wanted: BTreeSet<u32> = seats.iter().copied().collect();
    let text = format!("{} seats are held, and {} were seen", wanted.len(), seen.len());
    check(seen == wanted, text)
}
