//! The terms of a refund: the better ones of the purchase and of now, and their end.

use super::fan::{FIRST, ROOMY, SECOND, Verdict, check};
use super::hall::Hall;
use crate::fixture::STARTS_AT;
use serde_json::{Value, json};

/// What a seat costs, so that a tenth is rounded.
const PRICE: i64 = 10_009;
const CHEAP: i64 = 10;
const DEAR: i64 = 90;

fn fees(percent: i64) -> Value {
    json!([{"until": STARTS_AT, "percent": percent, "perSeat": 0}])
}

fn prices() -> Value {
    json!({"types": [{"code": "ADULT", "name": "Adult"}],
        "prices": [{"grade": "ALL", "type": "ADULT", "price": PRICE}], "serviceFee": 0})
}

/// A buyer has the better terms, and the fee is rounded down.
pub(super) async fn better_terms(hall: &Hall) -> Verdict {
    let fan = hall.fan(0);
    for (bought, now) in [(CHEAP, DEAR), (DEAR, CHEAP)] {
        let id = hall.on_sale(json!({"refundFees": fees(bought)})).await?;
        hall.put(&id, "prices", prices()).await?;
        let hold = fan.take(ROOMY, &id, &[1, 2]).await.expect(201)?;
        let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
        hall.change(&id, json!({"refundFees": fees(now)})).await?;
        let fee = PRICE * CHEAP / 100;
        let body = json!({"seatIds": [1]});
        let back = fan.cancel(SECOND, &sold, body).await.expect(200)?;
        let read = fan.read(FIRST, &sold).await?;
        let payment = &read["payment"];
        let right = payment["refunded"] == PRICE - fee && payment["refundFees"] == fee;
        check(right, format!("{bought} % at the purchase, {now} % now, but {payment}: {back}"))?;
        fan.cancel(SECOND, &sold, Value::Null).await.expect(200)?;
    }
    Ok(())
}

/// After the end of refunds nothing is given back to a fan, and an organiser can.
pub(super) async fn end_of_refunds(hall: &Hall) -> Verdict {
    let fan = hall.fan(1);
    let past = "2020-01-01T00:00:00Z";
    let id = hall.on_sale(json!({"refundableUntil": past})).await?;
    let hold = fan.take(ROOMY, &id, &[1, 2]).await.expect(201)?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    for body in [Value::Null, json!({"seatIds": [1]})] {
        fan.cancel(FIRST, &sold, body).await.refused("REFUND_CLOSED")?;
    }
    let read = fan.read(FIRST, &sold).await?;
    check(read["refund"].is_null(), format!("a refund that is closed: {}", read["refund"]))?;
    hall.change(&id, json!({"refundableUntil": STARTS_AT})).await?;
    fan.cancel(SECOND, &sold, Value::Null).await.expect(200)?;
    hall.wait(&id, &[1, 2], "AVAILABLE").await
}
