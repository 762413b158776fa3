//! Calls that come a second time when somebody else was faster.

use super::fan::{FIRST, ROOMY, SECOND, Verdict, check};
use super::hall::Hall;
use super::house::give_seat;
use serde_json::json;

const SEAT: u32 = 1;

/// Somebody gives a seat back, and somebody else takes it. When the first call comes again, it has
/// the same response, and the seat stays with the second person.
pub(super) async fn repeated_release(hall: &Hall) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let (first, second) = (7, hall.fan(8));
    hall.fan(first).take(ROOMY, &id, &[SEAT]).await.expect(201)?;
    give_seat(hall, first, FIRST, &id, SEAT).await.expect(204)?;
    let hold = second.take(ROOMY, &id, &[SEAT]).await.expect(201)?;
    give_seat(hall, first, SECOND, &id, SEAT).await.expect(204)?;
    let holds = second.get(FIRST, &format!("/api/matches/{id}/holds")).await.expect(200)?;
    let stays = holds["holds"][0]["holdId"] == hold["holdId"];
    check(stays, "a seat that was given back twice was taken from the next person")?;
    second.release(FIRST, &id, &hold).await.expect(204)?;
    Ok(())
}
