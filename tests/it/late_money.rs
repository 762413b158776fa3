//! Payments that are over for us and not over at the gateway: approved after a refusal, given back
//! in its console, paid twice, paid into a virtual account. A webhook tells of them, or the sweep
//! finds them, and each ends with its seats or with all of its money back.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use grandstand::config::Settings;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

struct Bed {
    app: TestNode,
    event: TestMatch,
    fan: Client,
}

/// How the node hears of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    ByWebhook,
    BySweep,
}

impl Bed {
    async fn start(heard: Heard) -> Self {
        let bed = Self::start_with(|settings| {
            settings.reconcile_after_ms = 300;
            settings.compare_charges_ms = match heard {
                Heard::ByWebhook => 86_400_000,
                Heard::BySweep => 300,
            };
        })
        .await;
        if heard == Heard::ByWebhook {
            bed.app.send_webhooks().await;
        }
        bed
    }

    async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let app = TestNode::start_with(change).await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        Self { app, event, fan }
    }

    /// A payment of a reservation of these seats, and its key at the gateway.
    async fn ready(&self, seats: &[u32], confirm: &str) -> (Value, Value, String) {
        let reservation = self.fan.reserve(&self.event.id, seats).await;
        let payment = self.fan.request_payment(&reservation).await;
        let key = self.app.pay_at_gateway(&payment, confirm).await;
        (reservation, payment, key)
    }

    async fn gateway(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.app.emulator.url());
        let request = reqwest::Client::new().request(Method::POST, url);
        let request = request.basic_auth(&self.app.settings.toss_secret_key, Some(""));
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
            (self.app.ledger().await == states).then_some(())
        })
        .await;
    }

    async fn seats_are(&self, seats: &[u32], state: &str) {
        let path = self.event.path("/blocks/1/seats");
        eventually(&format!("{seats:?} are {state}"), || async {
            let map = self.fan.get(&path).await.expect(200);
            let all = map["seats"].as_array().unwrap();
            let mut these = all.iter().filter(|one| seats.iter().any(|seat| one["id"] == *seat));
            these.all(|one| one["state"] == state).then_some(())
        })
        .await;
    }
}

async fn a_refused_payment_that_is_approved_late(heard: Heard) {
    let bed = Bed::start(heard).await;
    let (reservation, payment, refused) = bed.ready(&[1, 2], "decline").await;
    bed.fan.confirm(&payment, &refused).await.refused(402, "PAYMENT_DECLINED");
    // He pays the same reservation in another way meanwhile, and keeps what he has bought.
    let second = bed.fan.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&second, "approve").await;
    bed.fan.confirm(&second, &key).await.expect(200);
    bed.app.wait_for_books().await;
    bed.approve_late(&refused).await;
    bed.gateway_has(&["CANCELED", "DONE"]).await;
    let mut kept = bed.app.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    // Without another payment the reservation waits for one, and its seats are free in the end.
    let (_, payment, refused) = bed.ready(&[3], "decline").await;
    bed.fan.confirm(&payment, &refused).await.refused(402, "PAYMENT_DECLINED");
    bed.app.wait_for_books().await;
    bed.approve_late(&refused).await;
    bed.gateway_has(&["CANCELED", "DONE", "CANCELED"]).await;
    bed.app.wait_for_books().await;
    bed.app.finish().await;
}

/// The rule: money that the gateway takes after it has refused it goes back in full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_taken_after_a_refusal_goes_back_after_a_webhook() {
    a_refused_payment_that_is_approved_late(Heard::ByWebhook).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_taken_after_a_refusal_goes_back_without_a_webhook() {
    a_refused_payment_that_is_approved_late(Heard::BySweep).await;
}

async fn a_sale_that_is_given_back_in_the_console(heard: Heard) {
    let bed = Bed::start(heard).await;
    let (reservation, payment, key) = bed.ready(&[1, 2], "approve").await;
    bed.fan.confirm(&payment, &key).await.expect(200);
    bed.app.wait_for_books().await;
    bed.gateway(&format!("/v1/payments/{key}/cancel")).await;
    bed.app.wait_for_status(&bed.fan, &reservation, "CANCELLED").await;
    bed.seats_are(&[1, 2], "AVAILABLE").await;
    assert_eq!(bed.app.wait_for_books().await, ["REFUNDED"]);
    let other = bed.app.user("other").await;
    other.hold(&bed.event.id, &[1, 2]).await.expect(201);
    bed.app.finish().await;
}

/// The rule: a sale whose money went back in the console of the gateway is no sale any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_is_given_back_in_the_console_ends_after_a_webhook() {
    a_sale_that_is_given_back_in_the_console(Heard::ByWebhook).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_is_given_back_in_the_console_ends_without_a_webhook() {
    a_sale_that_is_given_back_in_the_console(Heard::BySweep).await;
}

/// The rule: who pays twice for one order gets one of the two back, and keeps his seats.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_charge_of_one_order_goes_back() {
    let bed = Bed::start(Heard::ByWebhook).await;
    let (reservation, payment, key) = bed.ready(&[1], "approve").await;
    let twice = bed.app.pay_at_gateway(&payment, "approve").await;
    bed.fan.confirm(&payment, &key).await.expect(200);
    bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    bed.approve_late(&twice).await;
    bed.gateway_has(&["DONE", "CANCELED"]).await;
    bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    bed.app.finish().await;
}

/// The rule: a second payment of an order says nothing about the one that waits for its outcome.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_is_asked_for_by_the_key_of_the_payment() {
    let bed = Bed::start(Heard::BySweep).await;
    let (reservation, payment, key) = bed.ready(&[1], "decline").await;
    let twice = bed.app.pay_at_gateway(&payment, "approve").await;
    bed.app.fault(&json!({"call": "lookup", "kind": "dropBefore"})).await;
    bed.app.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    bed.fan.confirm(&payment, &key).await.expect(202);
    bed.approve_late(&twice).await;
    bed.app.clear_faults().await;
    bed.gateway_has(&["ABORTED", "CANCELED"]).await;
    bed.app.wait_for_status(&bed.fan, &reservation, "PENDING").await;
    bed.app.finish().await;
}

/// The rule: no seat waits for a deposit that may never come. The account at the gateway is closed,
/// and the buyer may pay in another way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_virtual_account_is_refused_and_closed() {
    let bed = Bed::start(Heard::BySweep).await;
    let (reservation, payment, key) = bed.ready(&[1, 2], "waitForDeposit").await;
    let refused = bed.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    assert_eq!(refused["gatewayCode"], "VIRTUAL_ACCOUNT_NOT_ACCEPTED");
    assert_eq!(bed.app.ledger().await, ["CANCELED"]);
    bed.app.wait_for_status(&bed.fan, &reservation, "PENDING").await;
    // The reconciler does the same for one whose outcome nobody knows.
    let (unknown, payment, key) = bed.ready(&[3], "waitForDeposit").await;
    bed.app.fault(&json!({"call": "confirm", "kind": "dropAfter", "count": 1})).await;
    bed.app.fault(&json!({"call": "cancel", "kind": "dropBefore", "count": 1})).await;
    bed.fan.confirm(&payment, &key).await.expect(202);
    bed.app.wait_for_status(&bed.fan, &unknown, "PENDING").await;
    bed.gateway_has(&["CANCELED", "CANCELED"]).await;
    let path = format!("/api/reservations/{}/cancel", unknown["id"].as_str().unwrap());
    bed.fan.post(&path, &Value::Null).await.expect(200);
    bed.seats_are(&[3], "AVAILABLE").await;
    bed.app.wait_for_books().await;
    bed.app.finish().await;
}

/// The rule: a deposit that comes all the same goes back to the account of the buyer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_deposit_goes_back() {
    let bed = Bed::start(Heard::ByWebhook).await;
    let (reservation, payment, key) = bed.ready(&[1], "waitForDeposit").await;
    let refusal = json!({"call": "cancel", "kind": "refuse", "code": "NOT_CANCELABLE_PAYMENT",
        "count": 1});
    bed.app.fault(&refusal).await;
    bed.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    bed.app.wait_for_status(&bed.fan, &reservation, "PENDING").await;
    assert_eq!(bed.app.ledger().await, ["WAITING_FOR_DEPOSIT"]);
    bed.gateway(&format!("/_emulator/payments/{key}/deposit")).await;
    bed.gateway_has(&["CANCELED"]).await;
    assert_eq!(bed.app.wait_for_books().await, ["REFUNDED"]);
    bed.app.finish().await;
}

/// The rule: hints are free for everybody, so they get few of the calls to the gateway, and nothing
/// that comes of them holds buyers back. Each is answered at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_hints_does_not_pause_payments() {
    let bed = Bed::start_with(|settings| {
        settings.reconcile_after_ms = 3_600_000;
        settings.compare_charges_ms = 86_400_000;
        settings.rates.rate_limits = "off".to_owned();
    })
    .await;
    let (_, payment, key) = bed.ready(&[1], "approve").await;
    bed.app.fault(&json!({"call": "confirm", "kind": "dropBefore", "count": 1})).await;
    bed.fan.confirm(&payment, &key).await.expect(202);
    // As the gateway does it: above so many calls a minute it refuses all of them.
    bed.app.fault(&json!({"kind": "rateLimit", "perMinute": 12})).await;
    bed.app.fault(&json!({"call": "lookup", "kind": "latency", "minMs": 3000})).await;
    let hint = json!({"eventType": "PAYMENT_STATUS_CHANGED",
        "data": {"orderId": payment["orderId"], "status": "DONE"}});
    let guest = bed.app.guest();
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
        let fan = bed.app.user(&name).await;
        let reservation = fan.reserve(&bed.event.id, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = bed.app.pay_at_gateway(&payment, "approve").await;
        fan.confirm(&payment, &key).await.expect(200);
    }
    bed.app.clear_faults().await;
    bed.app.node.unwrap().stop().await;
}

/// The rule: a gateway that wants fewer calls is there. Buyers wait a moment, and are not refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_wants_fewer_calls_does_not_pause_payments() {
    let bed = Bed::start_with(|settings| settings.reconcile_after_ms = 300).await;
    bed.app.fault(&json!({"call": "lookup", "kind": "rateLimit", "perMinute": 0})).await;
    for seat in 1..=6 {
        let (_, payment, key) = bed.ready(&[seat], "approve").await;
        let slow = json!({"call": "confirm", "kind": "rateLimit", "perMinute": 0, "count": 2});
        bed.app.fault(&slow).await;
        bed.fan.confirm(&payment, &key).await.expect(200);
        let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
        assert_eq!(bed.fan.get(&path).await.expect(200)["status"], "PAID");
        let path =
            format!("/api/reservations/{}/cancel", payment["reservationId"].as_str().unwrap());
        bed.fan.post(&path, &Value::Null).await.expect(200);
    }
    bed.app.wait_for_books().await;
    bed.app.finish().await;
}
