//! Words that come too late: a node stops in the middle of a payment or a refund, a worker goes on
//! with it, and then the node wakes up and says what it knew.

use super::fan::{Broken, FIRST, Fan, ROOMY, Reply, SECOND, Verdict, check, id_of};
use super::hall::{Hall, eventually};
use super::sleeper::Sleeper;
use crate::world::World;
use reqwest::Method;
use serde_json::{Value, json};

/// Both stories at once, because the faults of the gateway are for all calls.
pub(super) async fn late_words(hall: &Hall, world: &World) -> Verdict {
    let payer = Sleeper::start(world, "begin.after").await?;
    let refunder = Sleeper::start(world, "refund.after").await;
    let told = match &refunder {
        Ok(refunder) => both(hall, &payer, refunder).await,
        Err(Broken(what)) => Err(Broken(what.clone())),
    };
    let faults = hall.gateway(Method::DELETE, "faults", Value::Null).await;
    payer.end().await;
    if let Ok(refunder) = refunder {
        refunder.end().await;
    }
    faults.and(told).map(drop)
}

async fn both(hall: &Hall, payer: &Sleeper, refunder: &Sleeper) -> Verdict {
    let id = hall.on_sale(json!({})).await?;
    let (buyer, owner) = (hall.fan(0), hall.fan(1));
    let hold = owner.take(ROOMY, &id, &[1, 2]).await.expect(201)?;
    let sold = hall.buy(owner, ROOMY, &id, &hold).await?;
    let hold = buyer.take(ROOMY, &id, &[11]).await.expect(201)?;
    let wanted = buyer.reserve(ROOMY, &id, &hold).await.expect(201)?;
    let faults = [
        json!({"call": "confirm", "kind": "errorBefore"}),
        json!({"call": "cancel", "kind": "refuse", "code": "NOT_CANCELABLE_PAYMENT", "count": 1}),
    ];
    for fault in faults {
        hall.gateway(Method::POST, "faults", fault).await?;
    }
    let (paid, kept) = tokio::join!(
        late_withdrawal(hall, payer, buyer, &wanted),
        late_refusal(hall, refunder, owner, &sold)
    );
    hall.gateway(Method::DELETE, "faults", Value::Null).await?;
    paid.and(kept)?;
    // Nobody calls again: the workers end what is under way.
    eventually("a payment that was asked for is a sale", async || {
        Ok((buyer.read(FIRST, &wanted).await?["status"] == "CONFIRMED").then_some(()))
    })
    .await?;
    hall.wait(&id, &[2], "AVAILABLE").await?;
    buyer.cancel(SECOND, &wanted, Value::Null).await.expect(200)?;
    owner.cancel(FIRST, &sold, Value::Null).await.expect(200)?;
    Ok(())
}

/// A node begins a payment and stops. A worker asks the gateway for the money. The node can't read
/// PostgreSQL when it wakes up, but it can't take the payment back any more either.
async fn late_withdrawal(hall: &Hall, node: &Sleeper, fan: &Fan, reservation: &Value) -> Verdict {
    let payment = fan.request(FIRST, reservation).await?;
    let key = hall.pay(&payment, "approve").await?;
    let body = json!({"paymentId": payment["id"], "paymentKey": key,
        "orderId": payment["orderId"], "amount": payment["amount"]});
    let call = node.begin(fan, "/api/payments/confirm", body, "").await?;
    eventually("a worker asks for the money of a node that stopped", async || {
        let read = fan.read(SECOND, reservation).await?;
        Ok((read["payment"]["status"] == "UNKNOWN").then_some(()))
    })
    .await?;
    node.cut();
    let reply = node.wake(call).await?;
    let text = format!("a payment that a worker has asked for: {reply}");
    check(reply.status == 202 || is_too_old(&reply), text)
}

/// A node begins a refund, which the gateway refuses, and stops. A worker hears the same, the next
/// refund begins, and then the node says that the gateway has refused: the first one, not this.
async fn late_refusal(hall: &Hall, node: &Sleeper, fan: &Fan, sold: &Value) -> Verdict {
    let path = format!("/api/reservations/{}/cancel", id_of(sold));
    let call = node.begin(fan, &path, json!({"seatIds": [1]}), "").await?;
    eventually("a worker hears that a refund is refused", async || {
        let refunds = fan.get(FIRST, &format!("/api/reservations/{}/payments", id_of(sold))).await;
        let refunds = refunds.expect(200)?["payments"][0]["refunds"].take();
        Ok((refunds[0]["status"] == "REFUSED").then_some(()))
    })
    .await?;
    let away = json!({"call": "cancel", "kind": "errorBefore"});
    hall.gateway(Method::POST, "faults", away).await?;
    let begun = fan.once(SECOND, Method::POST, &path, &json!({"seatIds": [2]}), "").await;
    check(begun.status == 202, format!("a refund while the gateway is away: {begun}"))?;
    let reply = node.wake(call).await?;
    let text = format!("a refund that a worker knows to be refused: {reply}");
    check(reply.is_refused("REFUND_REFUSED") || is_too_old(&reply), text)
}

/// The call has taken longer than a node allows, because a worker was slow. Its steps go on all the
/// same, and what comes out of them is what counts.
pub(super) fn is_too_old(reply: &Reply) -> bool {
    reply.is_refused("OVERLOADED")
}
