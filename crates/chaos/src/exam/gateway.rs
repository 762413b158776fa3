//! Payments whose outcome comes late, changes, or comes twice.

use super::fan::{FIRST, ROOMY, SECOND, Verdict, check};
use super::hall::{Hall, eventually};
use reqwest::Method;
use serde_json::{Value, json};

/// Longer than the time-out of a node for the gateway.
const SLOW_MS: u64 = 2_500;

/// The state of a payment in the books of the gateway.
async fn books_have(hall: &Hall, key: &str, state: &str) -> Verdict {
    eventually(&format!("the gateway has {state} for {key}"), async || {
        let books = hall.gateway(Method::GET, "ledger", Value::Null).await?;
        let mut all = books["payments"].as_array().into_iter().flatten();
        let found = all.find(|payment| payment["paymentKey"] == key);
        Ok(found.filter(|payment| payment["status"] == state).map(drop))
    })
    .await
}

/// A charge that was made while nobody heard of it is a sale.
pub(super) async fn slow_answer(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(2), hall.on_sale(json!({})).await?);
    let hold = fan.take(ROOMY, &id, &[1]).await.expect(201)?;
    let reservation = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let payment = fan.request(FIRST, &reservation).await?;
    let key = hall.pay(&payment, "approve").await?;
    let slow = json!({"call": "confirm", "kind": "slowAnswer", "minMs": SLOW_MS, "count": 1});
    hall.gateway(Method::POST, "faults", slow).await?;
    let reply = fan.confirm_once(FIRST, &payment, &key).await;
    hall.gateway(Method::DELETE, "faults", Value::Null).await?;
    let text = format!("a charge whose response is late: {reply}");
    check(matches!(reply.status, 200 | 202), text)?;
    eventually("a charge whose response was late is a sale", async || {
        Ok((fan.read(SECOND, &reservation).await?["status"] == "CONFIRMED").then_some(()))
    })
    .await?;
    books_have(hall, &key, "DONE").await?;
    fan.cancel(SECOND, &reservation, Value::Null).await.expect(200)?;
    books_have(hall, &key, "CANCELED").await
}

/// A payment that was refused and is approved late goes back: while its reservation can still be
/// paid, after it was paid otherwise, and when it is over.
pub(super) async fn approved_late(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(3), hall.on_sale(json!({})).await?);
    let mut late = Vec::new();
    let mut sold = Value::Null;
    for (seat, then) in [(1, "nothing"), (2, "cancel"), (3, "pay")] {
        let hold = fan.take(ROOMY, &id, &[seat]).await.expect(201)?;
        let reservation = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
        let payment = fan.request(SECOND, &reservation).await?;
        let key = hall.pay(&payment, "decline").await?;
        fan.confirm(FIRST, &payment, &key).await.refused("PAYMENT_DECLINED")?;
        match then {
            "cancel" => drop(fan.cancel(FIRST, &reservation, Value::Null).await.expect(200)?),
            "pay" => sold = hall.buy_reserved(fan, SECOND, &reservation).await?,
            _ => {}
        }
        late.push(key);
    }
    for key in &late {
        hall.gateway(Method::POST, &format!("payments/{key}/approve"), Value::Null).await?;
    }
    for key in &late {
        books_have(hall, key, "CANCELED").await?;
    }
    check(fan.read(FIRST, &sold).await?["status"] == "CONFIRMED", "the sale is gone")?;
    fan.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// A second charge of one order goes back, and the first one stays.
pub(super) async fn charged_twice(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(6), hall.on_sale(json!({})).await?);
    let hold = fan.take(ROOMY, &id, &[1]).await.expect(201)?;
    let reservation = fan.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let payment = fan.request(FIRST, &reservation).await?;
    let first = hall.pay(&payment, "approve").await?;
    let second = hall.pay(&payment, "approve").await?;
    fan.confirm(SECOND, &payment, &first).await.expect(200)?;
    hall.gateway(Method::POST, &format!("payments/{second}/approve"), Value::Null).await?;
    books_have(hall, &second, "CANCELED").await?;
    books_have(hall, &first, "DONE").await?;
    check(fan.read(FIRST, &reservation).await?["status"] == "CONFIRMED", "the sale is gone")?;
    fan.cancel(FIRST, &reservation, Value::Null).await.expect(200)?;
    Ok(())
}

/// Money that the gateway refuses to give back stays, and goes back later.
pub(super) async fn refused_refund(hall: &Hall) -> Verdict {
    let (fan, id) = (hall.fan(7), hall.on_sale(json!({})).await?);
    let hold = fan.take(ROOMY, &id, &[1, 2]).await.expect(201)?;
    let sold = hall.buy(fan, ROOMY, &id, &hold).await?;
    let refuse = json!({"call": "cancel", "kind": "refuse", "code": "NOT_CANCELABLE_PAYMENT",
        "count": 1});
    hall.gateway(Method::POST, "faults", refuse).await?;
    let reply = fan.cancel(SECOND, &sold, json!({"seatIds": [1]})).await;
    hall.gateway(Method::DELETE, "faults", Value::Null).await?;
    reply.refused("REFUND_REFUSED")?;
    fan.cancel(FIRST, &sold, json!({"seatIds": [2]})).await.expect(200)?;
    let rest = fan.read(SECOND, &sold).await?;
    let last_seat = rest["seats"].as_array().is_some_and(|seats| seats.len() == 1);
    check(rest["status"] == "CONFIRMED" && last_seat, format!("after a refused refund: {rest}"))?;
    fan.cancel(SECOND, &sold, Value::Null).await.expect(200)?;
    hall.wait(&id, &[1, 2], "AVAILABLE").await
}
