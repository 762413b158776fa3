//! The gateway fails: each charge ends with all its seats or with a full refund.

use crate::support::client::Client;
use crate::support::node::eventually;
use crate::support::sale::{Sale, confirm_until_persisted, path_of};
use fred::prelude::*;
use grandstand::config::Settings;
use grandstand::node::NodeRole;
use grandstand::redis::keys::MatchKeys;
use serde_json::{Value, json};
use std::time::Duration;

/// A sale whose gateway is soon asked for unknown outcomes, and is waited for at most 1.5 s.
async fn start(change: impl FnOnce(&mut Settings)) -> Sale {
    Sale::with(|settings| {
        settings.reconcile_after_ms = 200;
        settings.toss_timeout_ms = 1500;
        change(settings);
    })
    .start()
    .await
}

/// The response is 202, and the seats are kept until then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_outcome_is_settled_by_asking_the_gateway() {
    let sale = start(|_| {}).await;
    // The faults of the confirmation, before and after the money has moved.
    let faults = [
        json!({"call": "confirm", "kind": "dropAfter", "count": 1}),
        json!({"call": "confirm", "kind": "dropBefore", "count": 1}),
        json!({"call": "confirm", "kind": "errorBefore", "count": 1}),
        json!({"call": "confirm", "kind": "errorAfter", "count": 1}),
    ];
    for (number, fault) in faults.iter().enumerate() {
        let seat = number as u32 + 1;
        let (reservation, payment, key) = sale.ready(&[seat]).await;
        // The reconciler cannot learn the outcome for a while.
        sale.node.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
        sale.node.fault(fault).await;
        let answer = sale.fan.confirm(&payment, &key).await.expect(202);
        assert_eq!(
            (&answer["persisted"], &answer["payment"]["status"]),
            (&json!(false), &json!("UNKNOWN")),
            "{fault}"
        );
        assert_eq!(answer["reservation"]["status"], "PAYING", "{fault}");
        sale.wait_for_seat(seat as usize, "PENDING").await;
        sale.cancel(&reservation, &Value::Null).await.refused(409, "NOT_CANCELLABLE");
        eventually("the metric says that a payment waits", || async {
            let page = sale.node.operator().get("/metrics").await.body;
            let mut lines = page.as_str()?.lines();
            let age = lines.find_map(|line| {
                line.strip_prefix("grandstand_payments_unsettled_seconds ")?.parse::<f64>().ok()
            });
            (age? > 0.0).then_some(())
        })
        .await;
        sale.node.clear_faults().await;
        let settled = sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
        assert_eq!(settled["payment"]["status"], "PAID");
        confirm_until_persisted(&sale.fan, &payment, &key).await;
    }
    assert_eq!(sale.node.ledger().await, ["DONE"; 4]);
    sale.finish().await;
}

/// The seats are kept until the time to pay is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_payment_leaves_the_seats_for_another_try() {
    let sale = start(|_| {}).await;
    let (reservation, payment, key) = sale.ready_to_end(&[1, 2], "decline").await;
    let declined = sale.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    assert_eq!(declined["gatewayCode"], "REJECT_CARD_COMPANY");
    assert_eq!(sale.state(1).await.as_deref(), Some("PENDING"));
    sale.fan.confirm(&payment, &key).await.refused(409, "RESERVATION_NOT_PENDING");
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    let wrong = json!({"paymentId": payment["id"], "paymentKey": key,
        "orderId": payment["orderId"], "amount": 1});
    sale.fan.post("/api/payments/confirm", &wrong).await.refused(422, "AMOUNT_MISMATCH");
    let mut wrong = wrong;
    wrong["amount"] = payment["amount"].clone();
    wrong["orderId"] = json!("gs-another");
    sale.fan.post("/api/payments/confirm", &wrong).await.refused(422, "AMOUNT_MISMATCH");
    sale.fan.confirm(&payment, &key).await.expect(200);
    assert_eq!(sale.state(2).await.as_deref(), Some("OCCUPIED"));
    sale.finish().await;
}

/// The outcome was a refusal, so the seats are free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_refusal_is_settled_too() {
    let sale = start(|settings| settings.payment_ttl_ms = 1500).await;
    let (reservation, payment, key) = sale.ready_to_end(&[1], "decline").await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    let path = path_of(&reservation);
    eventually("the payment has failed", || async {
        let now = sale.fan.get(&path).await.body["data"].clone();
        (now["status"] != "PAYING").then_some(())
    })
    .await;
    sale.wait_for_seat(1, "AVAILABLE").await;
    assert_eq!(sale.node.ledger().await.len(), 1);
    assert_ne!(sale.node.ledger().await, ["DONE"]);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_confirmation_ten_times_at_once_is_one_charge() {
    let sale = start(|_| {}).await;
    let (_, payment, key) = sale.ready(&[1, 2]).await;
    sale.node.fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 300})).await;
    let tries = (0..10).map(|_| sale.fan.confirm(&payment, &key));
    for answer in futures::future::join_all(tries).await {
        // 202: sold, and PostgreSQL will have it in a moment.
        assert!([200, 202].contains(&answer.status), "{}", answer.body);
        assert_eq!(answer.body["data"]["reservation"]["status"], "CONFIRMED");
    }
    confirm_until_persisted(&sale.fan, &payment, &key).await;
    assert_eq!(sale.node.ledger().await, ["DONE"]);
    sale.finish().await;
}

/// Refunds with an unknown outcome are settled as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_reservation_is_cancelled_with_its_money() {
    let sale = start(|_| {}).await;
    for (seat, fault) in [(1, None), (2, Some("dropAfter")), (3, Some("errorBefore"))] {
        let (reservation, payment, key) = sale.ready(&[seat]).await;
        sale.fan.confirm(&payment, &key).await.expect(200);
        let expected = match fault {
            None => 200,
            Some(kind) => {
                sale.node.fault(&json!({"call": "cancel", "kind": kind, "count": 1})).await;
                202
            }
        };
        sale.cancel(&reservation, &Value::Null).await.expect(expected);
        let now = sale.node.wait_for_status(&sale.fan, &reservation, "CANCELLED").await;
        assert_eq!(now["payment"]["status"], "REFUNDED");
        sale.cancel(&reservation, &Value::Null).await.expect(200);
        sale.fan
            .get(&format!("/api/payments/{}", payment["id"].as_str().unwrap()))
            .await
            .expect(200);
    }
    assert_eq!(sale.node.ledger().await, ["CANCELED"; 3]);
    sale.fan.hold(&sale.fixture.id, &[1, 2, 3]).await.expect(201);
    sale.finish().await;
}

/// The first node stops between begin and outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_node_settles_a_payment_that_a_stopped_node_left_open() {
    let mut sale = start(|settings| settings.toss_timeout_ms = 20_000).await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    let second = sale.node.another_node(NodeRole::All).await;
    sale.node
        .fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 15_000, "count": 1}))
        .await;
    let fan = sale.fan.clone();
    let call = tokio::spawn(async move {
        let body = json!({"paymentId": payment["id"], "paymentKey": key,
            "orderId": payment["orderId"], "amount": payment["amount"]});
        let request = fan.request(reqwest::Method::POST, "/api/payments/confirm").json(&body);
        request.timeout(Duration::from_millis(1000)).send().await.is_ok()
    });
    sale.wait_for_charge().await;
    // The caller has gone, and the first node stops before it hears the outcome.
    assert!(!call.await.unwrap(), "the answer was held back");
    let node = sale.node.running.take().unwrap();
    let stopping = tokio::spawn(node.stop());
    let fan = Client::new(second.url(), sale.fan.token.clone());
    sale.node.wait_for_status(&fan, &reservation, "CONFIRMED").await;
    stopping.await.unwrap();
    assert_eq!(sale.node.ledger().await, ["DONE"]);
    sale.node.running = Some(second);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsettleable_payment_holds_up_no_other() {
    let sale = start(|_| {}).await;
    let other = sale.node.open_match().await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 2})).await;
    sale.node.fault(&json!({"call": "lookup", "kind": "errorBefore"})).await;
    let (first, payment, key) = sale.ready(&[1]).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    let second = sale.fan.reserve(&other.id, &[1]).await;
    let payment = sale.fan.request_payment(&second).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    // The match of the older payment is missing for a while.
    let (raw, id) = (sale.node.raw().await, sale.fixture.match_id());
    let _: () = raw.rename(MatchKeys(id).meta(), MatchKeys(id).meta() + "-away").await.unwrap();
    sale.node.clear_faults().await;
    sale.node.wait_for_status(&sale.fan, &second, "CONFIRMED").await;
    let _: () = raw.rename(MatchKeys(id).meta() + "-away", MatchKeys(id).meta()).await.unwrap();
    sale.node.wait_for_status(&sale.fan, &first, "CONFIRMED").await;
    sale.finish().await;
}
