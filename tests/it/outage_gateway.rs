//! The gateway at its worst: each charge ends in all its seats or in a full refund.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use grandstand::config::Settings;
use grandstand::node::NodeRole;
use serde_json::{Value, json};
use std::time::Duration;

struct Bed {
    app: TestNode,
    event: TestMatch,
    fan: Client,
}

impl Bed {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let app = TestNode::start_with(|settings| {
            settings.reconcile_after_ms = 200;
            settings.toss_timeout_ms = 1500;
            change(settings);
        })
        .await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        Self { app, event, fan }
    }

    async fn ready(&self, seats: &[u32], confirm: &str) -> (Value, Value, String) {
        let reservation = self.fan.reserve(&self.event.id, seats).await;
        let payment = self.fan.request_payment(&reservation).await;
        let key = self.app.pay_at_gateway(&payment, confirm).await;
        (reservation, payment, key)
    }

    /// Asks for the confirmation again until PostgreSQL has it.
    async fn persisted(&self, payment: &Value, key: &str) {
        eventually("PostgreSQL has the sale", || async {
            let answer = self.fan.confirm(payment, key).await;
            (answer.status == 200).then_some(())
        })
        .await;
    }

    async fn seat(&self, seat: usize) -> Value {
        let data = self.fan.get(&self.event.path("/blocks/1/seats")).await.expect(200);
        data["seats"][seat - 1]["state"].clone()
    }
}

/// The rule: an unknown outcome is 202, keeps the seats, and is settled when the gateway answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_is_settled_by_asking_the_gateway() {
    let bed = Bed::start(|_| {}).await;
    // Fault of the confirmation, and whether the money had moved by then.
    let faults = [
        json!({"call": "confirm", "kind": "dropAfter", "count": 1}),
        json!({"call": "confirm", "kind": "dropBefore", "count": 1}),
        json!({"call": "confirm", "kind": "errorBefore", "count": 1}),
        json!({"call": "confirm", "kind": "errorAfter", "count": 1}),
    ];
    for (number, fault) in faults.iter().enumerate() {
        let seat = number as u32 + 1;
        let (reservation, payment, key) = bed.ready(&[seat], "approve").await;
        // The reconciler does not know better than the buyer for a while.
        bed.app.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
        bed.app.fault(fault).await;
        let answer = bed.fan.confirm(&payment, &key).await.expect(202);
        assert_eq!(
            (&answer["persisted"], &answer["payment"]["status"]),
            (&json!(false), &json!("UNKNOWN")),
            "{fault}"
        );
        assert_eq!(answer["reservation"]["status"], "PAYING", "{fault}");
        eventually("the map shows it", || async {
            (bed.seat(seat as usize).await == "PENDING").then_some(())
        })
        .await;
        let cancel = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
        bed.fan.post(&cancel, &Value::Null).await.refused(409, "NOT_CANCELLABLE");
        bed.app.clear_faults().await;
        let settled = bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
        assert_eq!(settled["payment"]["status"], "PAID");
        bed.persisted(&payment, &key).await;
    }
    assert_eq!(bed.app.ledger().await, ["DONE"; 4]);
    bed.app.finish().await;
}

/// The rule: a refusal frees nothing before the time to pay is over, and another payment may come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_payment_leaves_the_seats_for_another_try() {
    let bed = Bed::start(|_| {}).await;
    let (reservation, payment, key) = bed.ready(&[1, 2], "decline").await;
    let declined = bed.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    assert_eq!(declined["gatewayCode"], "REJECT_CARD_COMPANY");
    assert_eq!(bed.seat(1).await, "PENDING");
    bed.fan.confirm(&payment, &key).await.refused(409, "RESERVATION_NOT_PENDING");
    let payment = bed.fan.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&payment, "approve").await;
    let wrong = json!({"paymentId": payment["id"], "paymentKey": key,
        "orderId": payment["orderId"], "amount": 1});
    bed.fan.post("/api/payments/confirm", &wrong).await.refused(422, "AMOUNT_MISMATCH");
    let mut wrong = wrong;
    wrong["amount"] = payment["amount"].clone();
    wrong["orderId"] = json!("gs-another");
    bed.fan.post("/api/payments/confirm", &wrong).await.refused(422, "AMOUNT_MISMATCH");
    bed.fan.confirm(&payment, &key).await.expect(200);
    assert_eq!(bed.seat(2).await, "OCCUPIED");
    bed.app.finish().await;
}

/// The rule: an unknown outcome that turns out to be a refusal gives the seats back to the sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_refusal_is_settled_too() {
    let bed = Bed::start(|settings| settings.payment_ttl_ms = 1500).await;
    let (reservation, payment, key) = bed.ready(&[1], "decline").await;
    bed.app.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    bed.fan.confirm(&payment, &key).await.expect(202);
    let path = format!("/api/reservations/{}", reservation["id"].as_str().unwrap());
    eventually("the payment has failed", || async {
        let now = bed.fan.get(&path).await.body["data"].clone();
        (now["status"] != "PAYING").then_some(())
    })
    .await;
    eventually("the seat is free", || async { (bed.seat(1).await == "AVAILABLE").then_some(()) })
        .await;
    assert_eq!(bed.app.ledger().await.len(), 1);
    assert_ne!(bed.app.ledger().await, ["DONE"]);
    bed.app.finish().await;
}

/// The rule: ten confirmations at once are one charge and one sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_confirmation_ten_times_at_once_is_one_charge() {
    let bed = Bed::start(|_| {}).await;
    let (_, payment, key) = bed.ready(&[1, 2], "approve").await;
    bed.app.fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 300})).await;
    let tries = (0..10).map(|_| bed.fan.confirm(&payment, &key));
    for answer in futures::future::join_all(tries).await {
        // 202: sold, and PostgreSQL will have it in a moment.
        assert!([200, 202].contains(&answer.status), "{}", answer.body);
        assert_eq!(answer.body["data"]["reservation"]["status"], "CONFIRMED");
    }
    bed.persisted(&payment, &key).await;
    assert_eq!(bed.app.ledger().await, ["DONE"]);
    bed.app.finish().await;
}

/// The rule: a paid reservation is cancelled with the money; unknown refunds are settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_reservation_is_cancelled_with_its_money() {
    let bed = Bed::start(|_| {}).await;
    for (seat, fault) in [(1, None), (2, Some("dropAfter")), (3, Some("errorBefore"))] {
        let (reservation, payment, key) = bed.ready(&[seat], "approve").await;
        bed.fan.confirm(&payment, &key).await.expect(200);
        let cancel = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
        let expected = match fault {
            None => 200,
            Some(kind) => {
                bed.app.fault(&json!({"call": "cancel", "kind": kind, "count": 1})).await;
                202
            }
        };
        bed.fan.post(&cancel, &Value::Null).await.expect(expected);
        let now = bed.app.wait_for_status(&bed.fan, &reservation, "CANCELLED").await;
        assert_eq!(now["payment"]["status"], "REFUNDED");
        bed.fan.post(&cancel, &Value::Null).await.expect(200);
        bed.fan
            .get(&format!("/api/payments/{}", payment["id"].as_str().unwrap()))
            .await
            .expect(200);
    }
    assert_eq!(bed.app.ledger().await, ["CANCELED"; 3]);
    bed.fan.hold(&bed.event.id, &[1, 2, 3]).await.expect(201);
    bed.app.finish().await;
}

/// The rule: a node that goes between begin and outcome leaves nothing open: another settles.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_settles_what_one_left_open() {
    let mut bed = Bed::start(|settings| settings.toss_timeout_ms = 20_000).await;
    let (reservation, payment, key) = bed.ready(&[1], "approve").await;
    let second = bed.app.another_node(NodeRole::All).await;
    bed.app
        .fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 15_000, "count": 1}))
        .await;
    let fan = bed.fan.clone();
    let call = tokio::spawn(async move {
        let body = json!({"paymentId": payment["id"], "paymentKey": key,
            "orderId": payment["orderId"], "amount": payment["amount"]});
        let request = fan.request(reqwest::Method::POST, "/api/payments/confirm").json(&body);
        request.timeout(Duration::from_millis(1000)).send().await.is_ok()
    });
    eventually("the gateway has taken the money", || async {
        (bed.app.ledger().await == ["DONE"]).then_some(())
    })
    .await;
    // The caller has gone, so the first node never hears the outcome; then it goes too.
    assert!(!call.await.unwrap(), "the answer was held back");
    let node = bed.app.node.take().unwrap();
    let stopping = tokio::spawn(node.stop());
    let fan = Client::new(second.url(), bed.fan.token.clone());
    bed.app.wait_for_status(&fan, &reservation, "CONFIRMED").await;
    stopping.await.unwrap();
    assert_eq!(bed.app.ledger().await, ["DONE"]);
    bed.app.node = Some(second);
    bed.app.finish().await;
}

/// The rule: one payment that can't be settled does not hold up the others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_can_not_be_settled_holds_up_no_other() {
    use fred::prelude::*;
    use grandstand::domain::ids::MatchId;
    use grandstand::redis::keys::MatchKeys;
    let bed = Bed::start(|_| {}).await;
    let other = bed.app.open_match().await;
    bed.app.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 2})).await;
    bed.app.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
    let (first, payment, key) = bed.ready(&[1], "approve").await;
    bed.fan.confirm(&payment, &key).await.expect(202);
    let second = bed.fan.reserve(&other.id, &[1]).await;
    let payment = bed.fan.request_payment(&second).await;
    let key = bed.app.pay_at_gateway(&payment, "approve").await;
    bed.fan.confirm(&payment, &key).await.expect(202);
    // The match of the older one is away for a while.
    let (raw, id) = (bed.app.raw().await, bed.event.id.parse::<MatchId>().unwrap());
    let _: () = raw.rename(MatchKeys(id).meta(), MatchKeys(id).meta() + "-away").await.unwrap();
    bed.app.clear_faults().await;
    bed.app.wait_for_status(&bed.fan, &second, "CONFIRMED").await;
    let _: () = raw.rename(MatchKeys(id).meta() + "-away", MatchKeys(id).meta()).await.unwrap();
    bed.app.wait_for_status(&bed.fan, &first, "CONFIRMED").await;
    bed.app.finish().await;
}
