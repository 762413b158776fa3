//! Payments that have ended here and not at the gateway: approved after a refusal, refunded in its
//! console, paid twice, paid into a virtual account. The node hears of them by a webhook or by its
//! sweep, and each ends with its seats or with all of its money back.

use crate::support::client::plain_http;
use crate::support::node::eventually;
use crate::support::sale::{Sale, path_of};
use fred::prelude::*;
use grandstand::domain::ids::Partition;
use grandstand::redis::keys::PartitionKeys;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How the node hears of the change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    ByWebhook,
    BySweep,
}

async fn start(heard: Heard) -> Sale {
    let sale = Sale::with(|settings| {
        settings.reconcile_after_ms = 300;
        settings.compare_charges_ms = match heard {
            Heard::ByWebhook => 86_400_000,
            Heard::BySweep => 300,
        };
    })
    .start()
    .await;
    if heard == Heard::ByWebhook {
        sale.node.send_webhooks().await;
    }
    sale
}

impl Sale {
    async fn gateway(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.node.emulator.url());
        let request = plain_http().request(Method::POST, url);
        let request = request.basic_auth(&self.node.settings.toss_secret_key, Some(""));
        let answer = request.json(&json!({"cancelReason": "in the console"})).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    async fn approve_late(&self, key: &str) {
        self.gateway(&format!("/_emulator/payments/{key}/approve")).await;
    }

    /// Waits until the gateway's books have these states, in the order of the payments.
    async fn gateway_has(&self, states: &[&str]) {
        eventually(&format!("the gateway has {states:?}"), || async {
            (self.node.ledger().await == states).then_some(())
        })
        .await;
    }

    async fn seats_are(&self, seats: &[u32], state: &str) {
        let path = self.fixture.path("/blocks/1/seats");
        eventually(&format!("{seats:?} are {state}"), || async {
            let map = self.fan.get(&path).await.expect(200);
            let all = map["seats"].as_array().unwrap();
            let mut these = all.iter().filter(|seat| seats.iter().any(|id| seat["id"] == *id));
            these.all(|seat| seat["state"] == state).then_some(())
        })
        .await;
    }
}

async fn a_refused_payment_that_is_approved_late(heard: Heard) {
    let sale = start(heard).await;
    let (reservation, payment, refused) = sale.ready_to_end(&[1, 2], "decline").await;
    sale.fan.confirm(&payment, &refused).await.refused(402, "PAYMENT_DECLINED");
    // Meanwhile the buyer pays the same reservation in another way, and keeps the seats.
    let second = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&second, "approve").await;
    sale.fan.confirm(&second, &key).await.expect(200);
    sale.node.wait_for_books().await;
    sale.approve_late(&refused).await;
    sale.gateway_has(&["CANCELED", "DONE"]).await;
    let mut kept = sale.node.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    // Without another payment the reservation waits, and can still be paid after the refund.
    let (reservation, payment, refused) = sale.ready_to_end(&[3], "decline").await;
    sale.fan.confirm(&payment, &refused).await.refused(402, "PAYMENT_DECLINED");
    sale.node.wait_for_books().await;
    sale.approve_late(&refused).await;
    sale.gateway_has(&["CANCELED", "DONE", "CANCELED"]).await;
    sale.node.wait_for_books().await;
    let second = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&second, "approve").await;
    sale.fan.confirm(&second, &key).await.expect(200);
    sale.gateway_has(&["CANCELED", "DONE", "CANCELED", "DONE"]).await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_after_a_refusal_goes_back_after_a_webhook() {
    a_refused_payment_that_is_approved_late(Heard::ByWebhook).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_charge_after_a_refusal_goes_back_without_a_webhook() {
    a_refused_payment_that_is_approved_late(Heard::BySweep).await;
}

async fn a_sale_that_is_given_back_in_the_console(heard: Heard) {
    let sale = start(heard).await;
    let (reservation, payment, key) = sale.ready(&[1, 2]).await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    sale.node.wait_for_books().await;
    sale.gateway(&format!("/v1/payments/{key}/cancel")).await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CANCELLED").await;
    sale.seats_are(&[1, 2], "AVAILABLE").await;
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    let other = sale.node.user("other").await;
    other.hold(&sale.fixture.id, &[1, 2]).await.expect(201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_refunded_in_the_console_ends_after_a_webhook() {
    a_sale_that_is_given_back_in_the_console(Heard::ByWebhook).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_refunded_in_the_console_ends_without_a_webhook() {
    a_sale_that_is_given_back_in_the_console(Heard::BySweep).await;
}

/// Each worker sweeps for the partitions that it owns, so no partition is special.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_goes_on_while_another_worker_owns_partition_0() {
    let mut sale = start(Heard::BySweep).await;
    while sale.partition() == Partition(0) {
        sale.fixture = sale.node.open_match().await;
    }
    let (raw, lease) = (sale.node.raw().await, PartitionKeys(Partition(0)).lease());
    let _: () = raw.set(&lease, "another worker", None, None, false).await.unwrap();
    let (reservation, payment, key) = sale.ready(&[1, 2]).await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    sale.gateway(&format!("/v1/payments/{key}/cancel")).await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CANCELLED").await;
    let owner: Option<String> = raw.get(&lease).await.unwrap();
    assert_eq!(owner.as_deref(), Some("another worker"));
    let _: i64 = raw.del(&lease).await.unwrap();
    sale.finish().await;
}

/// The buyer keeps the seats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_charge_of_one_order_goes_back() {
    let sale = start(Heard::ByWebhook).await;
    let (reservation, payment, key) = sale.ready(&[1]).await;
    let twice = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.fan.confirm(&payment, &key).await.expect(200);
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    sale.approve_late(&twice).await;
    sale.gateway_has(&["DONE", "CANCELED"]).await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    sale.finish().await;
}

/// A second payment of the same order says nothing about the payment that waits for its outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_is_asked_for_by_the_key_of_the_payment() {
    let sale = start(Heard::BySweep).await;
    let (reservation, payment, key) = sale.ready_to_end(&[1], "decline").await;
    let twice = sale.node.pay_at_gateway(&payment, "approve").await;
    sale.node.fault(&json!({"call": "lookup", "kind": "dropBefore"})).await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    sale.approve_late(&twice).await;
    sale.node.clear_faults().await;
    sale.gateway_has(&["ABORTED", "CANCELED"]).await;
    sale.node.wait_for_status(&sale.fan, &reservation, "PENDING").await;
    sale.finish().await;
}

/// Seats do not wait for a deposit that may never come. The buyer may pay in another way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_account_is_refused_and_closed() {
    let sale = start(Heard::BySweep).await;
    let (reservation, payment, key) = sale.ready_to_end(&[1, 2], "waitForDeposit").await;
    let refused = sale.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    assert_eq!(refused["gatewayCode"], "VIRTUAL_ACCOUNT_NOT_ACCEPTED");
    assert_eq!(sale.node.ledger().await, ["CANCELED"]);
    sale.node.wait_for_status(&sale.fan, &reservation, "PENDING").await;
    // The reconciler does the same for a payment with an unknown outcome.
    let (unknown, payment, key) = sale.ready_to_end(&[3], "waitForDeposit").await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    sale.node.fault(&json!({"call": "cancel", "kind": "dropBefore", "count": 1})).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    sale.node.wait_for_status(&sale.fan, &unknown, "PENDING").await;
    sale.gateway_has(&["CANCELED", "CANCELED"]).await;
    let path = format!("{}/cancel", path_of(&unknown));
    sale.fan.post(&path, &Value::Null).await.expect(200);
    sale.seats_are(&[3], "AVAILABLE").await;
    sale.node.wait_for_books().await;
    sale.finish().await;
}

/// It goes to the buyer's account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_deposit_goes_back() {
    let sale = start(Heard::ByWebhook).await;
    let (reservation, payment, key) = sale.ready_to_end(&[1], "waitForDeposit").await;
    let refusal = json!({"call": "cancel", "kind": "refuse", "code": "NOT_CANCELABLE_PAYMENT",
        "count": 1});
    sale.node.fault(&refusal).await;
    sale.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    sale.node.wait_for_status(&sale.fan, &reservation, "PENDING").await;
    assert_eq!(sale.node.ledger().await, ["WAITING_FOR_DEPOSIT"]);
    sale.gateway(&format!("/_emulator/payments/{key}/deposit")).await;
    sale.gateway_has(&["CANCELED"]).await;
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    sale.finish().await;
}

/// Anybody can send hints, so they get few of the calls to the gateway. Each gets its response at
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_hints_does_not_pause_payments() {
    let sale = Sale::with(|settings| {
        settings.reconcile_after_ms = 3_600_000;
        settings.compare_charges_ms = 86_400_000;
        settings.rates.rate_limits = "off".to_owned();
    })
    .start()
    .await;
    let (_, payment, key) = sale.ready(&[1]).await;
    sale.node.fault(&json!({"call": "confirm", "kind": "dropBefore", "count": 1})).await;
    sale.fan.confirm(&payment, &key).await.expect(202);
    // Like the gateway, which refuses all calls above a number per minute.
    sale.node.fault(&json!({"kind": "rateLimit", "perMinute": 12})).await;
    sale.node.fault(&json!({"call": "lookup", "kind": "latency", "minMs": 3000})).await;
    let hint = json!({"eventType": "PAYMENT_STATUS_CHANGED",
        "data": {"orderId": payment["orderId"], "status": "DONE"}});
    let guest = sale.node.guest();
    let (mut longest, until) = (Duration::ZERO, Instant::now() + Duration::from_secs(6));
    for number in 0.. {
        let asked = Instant::now();
        guest.post("/api/payments/webhooks/toss", &hint).await.expect(200);
        longest = longest.max(asked.elapsed());
        if number >= 160 && Instant::now() > until {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(longest < Duration::from_millis(1500), "a hint had to wait for {longest:?}");
    for seat in 2..=5 {
        let name = format!("fan-{seat}");
        let fan = sale.node.user(&name).await;
        let reservation = fan.reserve(&sale.fixture.id, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = sale.node.pay_at_gateway(&payment, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
    }
    sale.node.clear_faults().await;
    sale.finish_unequal().await;
}

/// Its rate limit does not mean that it is away. Buyers wait a moment, and are not refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_wants_fewer_calls_does_not_pause_payments() {
    let sale = Sale::with(|settings| settings.reconcile_after_ms = 300).start().await;
    sale.node.fault(&json!({"call": "lookup", "kind": "rateLimit", "perMinute": 0})).await;
    for seat in 1..=6 {
        let (_, payment, key) = sale.ready(&[seat]).await;
        let slow = json!({"call": "confirm", "kind": "rateLimit", "perMinute": 0, "count": 2});
        sale.node.fault(&slow).await;
        sale.fan.confirm(&payment, &key).await.expect(200);
        let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
        assert_eq!(sale.fan.get(&path).await.expect(200)["status"], "PAID");
        let path =
            format!("/api/reservations/{}/cancel", payment["reservationId"].as_str().unwrap());
        sale.fan.post(&path, &Value::Null).await.expect(200);
    }
    sale.node.wait_for_books().await;
    sale.finish().await;
}
