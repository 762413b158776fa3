//! Check-ins: each sold seat is entered once, and only with the code of its ticket.

use crate::support::client::{Answer, Client};
use crate::support::node::eventually;
use crate::support::sale::{Sale, path_of};
use fred::prelude::*;
use grandstand::redis::keys::MatchKeys;
use serde_json::{Value, json};

/// The code of each seat of a reservation, as its buyer sees them.
pub(crate) async fn codes(fan: &Client, reservation: &Value) -> Vec<String> {
    let found = fan.get(&path_of(reservation)).await.expect(200);
    let codes = found["checkInCodes"].as_array().unwrap();
    let codes = codes.iter().map(|code| code["code"].as_str().unwrap().to_owned());
    codes.collect()
}

pub(crate) async fn scan(gate: &Client, match_id: &str, code: &str) -> Answer {
    gate.post(&format!("/api/admin/matches/{match_id}/check-ins"), &json!({"code": code})).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sold_seat_is_entered_once() {
    let sale = Sale::with(|_| {}).start().await;
    let gate = sale.node.admin().await;
    let here = sale.fixture.id.clone();
    let (unpaid, _, _) = sale.ready(&[9]).await;
    assert!(codes(&sale.fan, &unpaid).await.is_empty(), "only a paid seat has a code");
    let reservation = sale.sold(&[1, 2]).await;
    let codes_of_fan = codes(&sale.fan, &reservation).await;
    assert_eq!(codes_of_fan.len(), 2);
    let seen = gate.get(&path_of(&reservation).replace("/api", "/api/admin")).await.expect(200);
    assert!(seen.get("checkInCodes").is_none(), "{seen}");

    // Twenty gates scan the same code at once.
    let scans = (0..20).map(|_| scan(&gate, &here, &codes_of_fan[0]));
    let answers = futures::future::join_all(scans).await;
    let entered: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(entered.len(), 1);
    let entered = entered[0].body["data"].clone();
    assert_eq!(
        (&entered["seat"]["seatId"], &entered["reservationId"]),
        (&json!(1), &reservation["id"])
    );
    let again = scan(&gate, &here, &format!(" {}\n", codes_of_fan[0])).await;
    let again = again.refused(409, "CHECKED_IN_BEFORE");
    assert_eq!(again["checkedInAt"], entered["checkedInAt"]);
    assert_eq!(scan(&gate, &here, &codes_of_fan[1]).await.expect(200)["seat"]["seatId"], 2);

    // What nobody has signed, and what belongs to another match.
    let id = reservation["id"].as_str().unwrap();
    let moved = codes_of_fan[0].replace(".1.", ".3.");
    for forged in ["", id, "GST1", &moved, &codes_of_fan[0][..40]] {
        scan(&gate, &here, forged).await.refused(404, "CODE_NOT_FOUND");
    }
    let elsewhere = sale.node.open_match().await.id;
    scan(&gate, &elsewhere, &codes_of_fan[0]).await.refused(404, "CODE_NOT_FOUND");
    scan(&sale.fan, &here, &codes_of_fan[0]).await.refused(403, "FORBIDDEN");

    let path = format!("/api/admin/audit?act=CHECKED_IN&target=match/{here}");
    let found = eventually("both are in the trail", || async {
        let found = gate.get(&path).await.expect(200)["entries"].as_array().unwrap().clone();
        (found.len() == 2).then_some(found)
    })
    .await;
    assert_eq!(found[1]["after"], json!({"seatId": 1, "reservationId": id}));
    sale.finish().await;
}

/// A gate whose radio is bad repeats a scan under its key. Another scan of the ticket is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_is_repeated_under_its_key_gets_the_response_of_the_first() {
    let sale = Sale::with(|_| {}).start().await;
    let gate = sale.node.admin().await;
    let here = sale.fixture.id.clone();
    let codes = codes(&sale.fan, &sale.sold(&[1, 2]).await).await;
    let path = format!("/api/admin/matches/{here}/check-ins");
    let keyed = async |code: &str| gate.post_with_key(&path, &json!({"code": code}), "scan").await;
    let first = keyed(&codes[0]).await;
    assert!(first.headers.get("idempotency-replayed").is_none());
    let again = keyed(&codes[0]).await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(200), first.expect(200));
    keyed(&codes[1]).await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    scan(&gate, &here, &codes[0]).await.refused(409, "CHECKED_IN_BEFORE");
    let other = gate.post_with_key(&path, &json!({"code": codes[0]}), "other-scan").await;
    other.refused(409, "CHECKED_IN_BEFORE");
    let path = format!("/api/admin/audit?act=CHECKED_IN&target=match/{here}");
    let entries = async || gate.get(&path).await.expect(200)["entries"].as_array().unwrap().len();
    eventually("it is in the trail", || async { (entries().await > 0).then_some(()) }).await;
    assert_eq!(entries().await, 1, "a repeated scan is no other one");
    // Redis has lost that somebody is inside, but not the reply.
    let check_ins = MatchKeys(here.parse().unwrap()).check_ins();
    let _: u32 = sale.node.raw().await.hdel(&check_ins, "1").await.unwrap();
    let second = keyed(&codes[0]).await;
    assert!(second.headers.get("idempotency-replayed").is_none());
    scan(&gate, &here, &codes[0]).await.refused(409, "CHECKED_IN_BEFORE");
    sale.finish().await;
}

/// Somebody who is inside gets no money back, and a seat that was given back lets nobody in.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_enters_with_a_seat_and_gives_it_back() {
    let sale = Sale::with(|_| {}).start().await;
    let gate = sale.node.admin().await;
    let here = sale.fixture.id.clone();
    let reservation = sale.sold(&[1, 2, 3]).await;
    let old = codes(&sale.fan, &reservation).await;
    scan(&gate, &here, &old[0]).await.expect(200);
    for body in [Value::Null, json!({"seatIds": [1]}), json!({"seatIds": [1, 2]})] {
        sale.cancel(&reservation, &body).await.refused(409, "REFUND_CLOSED");
    }
    sale.cancel(&reservation, &json!({"seatIds": [2]})).await.expect(200);
    scan(&gate, &here, &old[1]).await.refused(409, "NOT_CONFIRMED");
    scan(&gate, &here, &old[2]).await.expect(200);

    // The organiser may give money back to somebody who was inside, and sell the seat again.
    let cancel = format!("{}/cancel", path_of(&reservation).replace("/api", "/api/admin"));
    gate.post(&cancel, &json!({"seatIds": [1]})).await.expect(200);
    scan(&gate, &here, &old[0]).await.refused(409, "NOT_CONFIRMED");
    let other = sale.node.user("other").await;
    let second = sale.sold_to(&other, &[1]).await;
    let new = codes(&other, &second).await;
    let cancelled = other.post(&format!("{}/cancel", path_of(&second)), &Value::Null).await;
    assert_eq!(cancelled.expect(200)["status"], "CANCELLED", "the second buyer was not inside");
    scan(&gate, &here, &new[0]).await.refused(409, "NOT_CONFIRMED");
    let third = sale.sold_to(&other, &[1]).await;
    scan(&gate, &here, &codes(&other, &third).await[0]).await.expect(200);
    sale.finish().await;
}

/// A refund that takes its time closes its own seats at once, and the others stay open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_enters_with_a_seat_whose_money_is_on_its_way_back() {
    let sale = Sale::with(|settings| settings.reconcile_after_ms = 200).start().await;
    let gate = sale.node.admin().await;
    let here = sale.fixture.id.clone();
    let reservation = sale.sold(&[1, 2]).await;
    let old = codes(&sale.fan, &reservation).await;
    sale.node.fault(&json!({"call": "cancel", "kind": "errorBefore"})).await;
    sale.cancel(&reservation, &json!({"seatIds": [1]})).await.expect(202);
    assert_eq!(codes(&sale.fan, &reservation).await, [old[1].clone()], "one seat is going back");
    scan(&gate, &here, &old[0]).await.refused(409, "NOT_CONFIRMED");
    scan(&gate, &here, &old[1]).await.expect(200);
    sale.node.clear_faults().await;
    sale.wait_for_seat(1, "AVAILABLE").await;
    scan(&gate, &here, &old[0]).await.refused(409, "NOT_CONFIRMED");
    sale.cancel(&reservation, &Value::Null).await.refused(409, "REFUND_CLOSED");
    sale.finish().await;
}

/// The trail knows who is inside when Redis has lost everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loss_of_redis_lets_nobody_in_twice() {
    let sale = Sale::with(|_| {}).start().await;
    let gate = sale.node.admin().await;
    let here = sale.fixture.id.clone();
    let reservation = sale.sold(&[1, 2]).await;
    let codes = codes(&sale.fan, &reservation).await;
    scan(&gate, &here, &codes[0]).await.expect(200);
    sale.node.verify().await;
    let epoch = sale.epoch().await.unwrap();
    let _: () = sale.node.raw().await.flushall(false).await.unwrap();
    eventually("the partition is loaded again", || async {
        (sale.epoch().await? > epoch).then_some(())
    })
    .await;
    let gate = sale.node.admin().await;
    let again = eventually("the node knows the match again", || async {
        let answer = scan(&gate, &here, &codes[0]).await;
        (![404, 503].contains(&answer.status)).then_some(answer)
    })
    .await;
    again.refused(409, "CHECKED_IN_BEFORE");
    scan(&gate, &here, &codes[1]).await.expect(200);
    let fan = sale.node.guest().log_in("fan@test.example", "a password of tests").await;
    let cancel = format!("{}/cancel", path_of(&reservation));
    fan.post(&cancel, &Value::Null).await.refused(409, "REFUND_CLOSED");
    sale.finish().await;
}
