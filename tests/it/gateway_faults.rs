//! Every fault of the gateway, for the confirmation and for the cancellation: what the buyer is
//! told, and that all books agree in the end.

use crate::support::client::plain_http;
use crate::support::node::{TestNode, eventually};
use crate::support::sale::{Sale, path_of};
use grandstand::config::Settings;
use grandstand_emulator::EmulatorSettings;
use serde_json::{Value, json};

async fn start(gateway: EmulatorSettings) -> Sale {
    let change = |settings: &mut Settings| {
        settings.reconcile_after_ms = 200;
        settings.toss_timeout_ms = 1500;
        settings.max_seats_per_user = 20;
    };
    Sale::with(change).gateway(gateway).start().await
}

/// Kind of the fault, how often, and whether the caller hears the outcome at once.
const FAULTS: &[(&str, u32, bool)] = &[
    ("dropBefore", 1, false),
    ("dropAfter", 1, false),
    ("errorBefore", 1, false),
    ("errorAfter", 1, false),
    // The same key is in work: the client tries again by itself, at most five times.
    ("inFlight", 1, true),
    ("inFlight", 5, false),
];

fn fault(call: &str, kind: &str, count: u32) -> Value {
    json!({"call": call, "kind": kind, "count": count})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_confirmation_ends_in_one_sale() {
    let sale = start(EmulatorSettings::default()).await;
    let latency = json!({"call": "confirm", "kind": "latency", "minMs": 0, "maxMs": 400});
    for (number, (kind, count, at_once)) in FAULTS.iter().enumerate() {
        let (reservation, payment, key) = sale.ready(&[number as u32 + 1]).await;
        sale.node.fault(&latency).await;
        sale.node.fault(&fault("confirm", kind, *count)).await;
        let answer = sale.fan.confirm(&payment, &key).await;
        assert_eq!(answer.status, if *at_once { 200 } else { 202 }, "{kind}: {}", answer.body);
        sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
        sale.node.clear_faults().await;
    }
    // The call takes longer than the timeout, so the money moves after the node has given up.
    let (reservation, payment, key) = sale.ready(&[11]).await;
    let slow = json!({"call": "confirm", "kind": "latency", "minMs": 2500, "count": 1});
    sale.node.fault(&slow).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    let kept = sale.node.wait_for_books().await;
    assert_eq!(kept, vec!["PAID"; FAULTS.len() + 1]);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_cancellation_ends_with_the_money_back() {
    let sale = start(EmulatorSettings::default()).await;
    let latency = json!({"call": "cancel", "kind": "latency", "minMs": 0, "maxMs": 400});
    for (number, (kind, count, at_once)) in FAULTS.iter().enumerate() {
        let (reservation, payment, key) = sale.ready(&[number as u32 + 1]).await;
        sale.fan.confirm(&payment, &key).await.expect(200);
        sale.node.fault(&latency).await;
        sale.node.fault(&fault("cancel", kind, *count)).await;
        let answer = sale.cancel(&reservation, &Value::Null).await;
        assert_eq!(answer.status, if *at_once { 200 } else { 202 }, "{kind}: {}", answer.body);
        sale.node.wait_for_status(&sale.fan, &reservation, "CANCELLED").await;
        sale.node.clear_faults().await;
    }
    let (reservation, payment, key) = sale.ready(&[11]).await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    let slow = json!({"call": "cancel", "kind": "latency", "minMs": 2500, "count": 1});
    sale.node.fault(&slow).await;
    sale.cancel(&reservation, &Value::Null).await.expect(202);
    sale.node.wait_for_status(&sale.fan, &reservation, "CANCELLED").await;
    let kept = sale.node.wait_for_books().await;
    assert_eq!(kept, vec!["REFUNDED"; FAULTS.len() + 1]);
    for payment in sale.node.ledger_entries().await {
        assert_eq!(payment["cancels"].as_array().unwrap().len(), 1, "{payment}");
    }
    sale.finish().await;
}

/// After the window nothing is charged, and the buyer may try again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_expires_with_the_window_of_the_gateway() {
    let gateway = EmulatorSettings { approval_window_ms: 1000, ..EmulatorSettings::default() };
    let sale = start(gateway).await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    eventually("the window is over", || async {
        (sale.node.ledger().await == ["EXPIRED"] || {
            let order = payment["orderId"].as_str().unwrap();
            let url = format!("{}/v1/payments/orders/{order}", sale.node.emulator.url());
            let ask = plain_http().get(url);
            let ask = ask.basic_auth(&sale.node.settings.toss_secret_key, Some(""));
            let found: Value = ask.send().await.unwrap().json().await.unwrap();
            found["status"] == "EXPIRED"
        })
        .then_some(())
    })
    .await;
    let declined = sale.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    assert_eq!(declined["gatewayCode"], "NOT_FOUND_PAYMENT_SESSION");
    // A fault that the gateway repeats for days: the end of the window settles it.
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.node.fault(&fault("confirm", "providerError", 1)).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    sale.node.wait_for_status(&sale.fan, &reservation, "PENDING").await;
    let payment = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    let mut kept = sale.node.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["FAILED", "FAILED", "PAID"]);
    sale.finish().await;
}

/// The buyer leaves the gateway's page. The seats are free when the time to pay is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_payment_ends_with_the_time_to_pay() {
    let node = TestNode::start_with(|settings| settings.payment_ttl_ms = 500).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    let path = path_of(&reservation);
    eventually("the time to pay is over", || async {
        (fan.get(&path).await.body["data"]["status"] == "EXPIRED").then_some(())
    })
    .await;
    // The buyer comes back to the page and agrees after all.
    let key = node.pay_at_gateway(&payment, "approve").await;
    fan.confirm(&payment, &key).await.refused(409, "RESERVATION_EXPIRED");
    node.user("other").await.hold(&fixture.id, &[1]).await.expect(201);
    assert_eq!(node.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    node.finish().await;
}

/// They come twice, late, in another order, and only after some tries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_settle_payments_in_any_order() {
    let gateway = EmulatorSettings { webhook_time_factor: 0.001, ..EmulatorSettings::default() };
    let change = |settings: &mut Settings| {
        // The reconciler does not settle them during the test.
        settings.reconcile_after_ms = 3_600_000;
        settings.toss_timeout_ms = 1500;
    };
    let node = TestNode::start_with_gateway(change, gateway).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    node.send_webhooks().await;
    node.fault(&json!({"kind": "duplicate", "copies": 3})).await;
    node.fault(&json!({"kind": "reorder", "count": 1})).await;
    let mut reservations = Vec::new();
    for seat in 1..=3 {
        let reservation = fan.reserve(&fixture.id, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        node.fault(&fault("confirm", "dropAfter", 1)).await;
        fan.confirm(&payment, &key).await.expect(202);
        reservations.push(reservation);
    }
    for reservation in &reservations {
        node.wait_for_status(&fan, reservation, "CONFIRMED").await;
    }
    assert_eq!(node.wait_for_books().await, ["PAID"; 3]);
    // Late webhooks of a cancelled sale change nothing.
    let path = format!("/api/reservations/{}/cancel", reservations[0]["id"].as_str().unwrap());
    fan.post(&path, &Value::Null).await.expect(200);
    let order = node.ledger_entries().await[0]["orderId"].clone();
    let late = json!({"eventType": "PAYMENT_STATUS_CHANGED",
        "data": {"orderId": order, "status": "DONE"}});
    for _ in 0..3 {
        node.guest().post("/api/payments/webhooks/toss", &late).await.expect(200);
    }
    let mut kept = node.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "PAID", "REFUNDED"]);
    node.finish().await;
}
