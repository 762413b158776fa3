//! A match that allows one open hold per person.

use super::fan::{FIRST, ROOMY, SECOND, Verdict, check};
use super::hall::Hall;
use serde_json::{Value, json};

/// A second hold is refused while the first one is open, whichever state it has, and not after the
/// purchase.
pub(super) async fn one_open_hold(hall: &Hall) -> Verdict {
    let fan = hall.fan(13);
    let id = hall.on_sale(json!({"oneHoldPerUser": true})).await?;
    let (left, right) = tokio::join!(fan.take(ROOMY, &id, &[1]), fan.take(ROOMY, &id, &[2]));
    let (won, lost) = if left.status == 201 { (left, right) } else { (right, left) };
    let hold = won.expect(201)?;
    let problem = lost.refused("ONE_HOLD_ONLY")?;
    check(problem["holdId"] == hold["holdId"], "the open hold is not named")?;
    fan.take(ROOMY, &id, &[3]).await.refused("ONE_HOLD_ONLY")?;
    let reservation = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let problem = fan.take(SECOND, &id, &[3]).await.refused("ONE_HOLD_ONLY")?;
    let named = problem["reservationId"] == reservation["id"];
    check(named, "the open reservation is not named")?;
    let sold = hall.buy_reserved(fan, FIRST, &reservation).await?;
    let next = fan.take(ROOMY, &id, &[3]).await.expect(201)?;
    fan.take(FIRST, &id, &[4]).await.refused("ONE_HOLD_ONLY")?;
    fan.release(FIRST, &id, &next).await.expect(204)?;
    fan.cancel(SECOND, &sold, Value::Null).await.expect(200)?;
    Ok(())
}
