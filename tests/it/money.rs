//! Money under races, lost records and a gateway that is away: each charge ends in all its seats or
//! in a full refund.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use fred::prelude::*;
use futures::StreamExt as _;
use grandstand::domain::claim::PaymentStatus;
use grandstand::domain::fact::PaymentStep;
use grandstand::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use grandstand::domain::money::{Attempt, Money};
use grandstand::engine::batch::Operation;
use grandstand::engine::payments::{Outcome, Settled};
use grandstand::engine::reservations::Source;
use grandstand::node::NodeRole;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::{Value, json};
use std::time::Duration;

struct Bed {
    app: TestNode,
    event: TestMatch,
    fan: Client,
}

impl Bed {
    async fn start(reconcile_after_ms: i64) -> Self {
        let app = TestNode::start_with(|settings| {
            settings.reconcile_after_ms = reconcile_after_ms;
            settings.toss_timeout_ms = 1500;
        })
        .await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        Self { app, event, fan }
    }

    async fn ready(&self, fan: &Client, seats: &[u32]) -> (Value, Value, String) {
        let reservation = fan.reserve(&self.event.id, seats).await;
        let payment = fan.request_payment(&reservation).await;
        let key = self.app.pay_at_gateway(&payment, "approve").await;
        (reservation, payment, key)
    }

    async fn sold(&self, seats: &[u32]) -> Value {
        let (reservation, payment, key) = self.ready(&self.fan, seats).await;
        self.fan.confirm(&payment, &key).await.expect(200);
        reservation
    }

    /// What Redis knows of a reservation and its seats is gone, as after a failover that lost it.
    async fn forget(&self, reservation: &Value) {
        let one: ReservationId = reservation["id"].as_str().unwrap().parse().unwrap();
        let id: MatchId = self.event.id.parse().unwrap();
        let raw = self.app.raw().await;
        let claims = PartitionKeys(id.partition()).claims();
        forget_claim(&raw, claims, one).await;
        for seat in reservation["seats"].as_array().unwrap() {
            let _: i64 = raw.hdel(MatchKeys(id).seats(), seat["seatId"].to_string()).await.unwrap();
        }
    }

    async fn cancel(&self, reservation: &Value, body: &Value) -> crate::support::client::Answer {
        let path = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
        self.fan.post(&path, body).await
    }
}

fn seat_ids(reservation: &Value) -> Vec<u64> {
    let seats = reservation["seats"].as_array().unwrap().iter();
    seats.map(|seat| seat["seatId"].as_u64().unwrap()).collect()
}

/// The rule: money for what can't be given any more goes back, however often the gateway and the
/// nodes fail on the way, and the payment never sells anything afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_a_reservation_that_redis_forgot_goes_back_in_full() {
    let mut bed = Bed::start(200).await;
    let (reservation, payment, key) = bed.ready(&bed.fan, &[1, 2]).await;
    bed.app.fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 1000})).await;
    bed.app.fault(&json!({"call": "cancel", "kind": "dropBefore", "count": 2})).await;
    bed.app.fault(&json!({"call": "cancel", "kind": "errorAfter", "count": 1})).await;
    let forget = async {
        eventually("the gateway has taken the money", || async {
            (bed.app.ledger().await == ["DONE"]).then_some(())
        })
        .await;
        bed.forget(&reservation).await;
    };
    let (answer, ()) = tokio::join!(bed.fan.confirm(&payment, &key), forget);
    let problem = answer.refused(409, "PAID_TOO_LATE");
    assert!(problem["detail"].as_str().unwrap().contains("goes back"), "{problem}");
    // The intent is in the books: the node that had it in hand is not needed any more.
    let node = bed.app.another_node(NodeRole::All).await;
    let fan = Client::new(node.url(), bed.fan.token.clone());
    bed.app.node.replace(node).unwrap().stop().await;
    assert_eq!(bed.app.wait_for_books().await, ["REFUNDED"]);
    assert_eq!(bed.app.ledger().await, ["CANCELED"]);
    let again = fan.confirm(&payment, &key).await;
    assert!([404, 409].contains(&again.status), "{}", again.body);
    let other = bed.app.user("other").await;
    let (_, payment, key) = bed.ready(&other, &[1, 2]).await;
    other.confirm(&payment, &key).await.expect(200);
    bed.app.wait_for_books().await;
    bed.app.finish().await;
}

/// The rule: a seat that Redis has forgotten is not sold a second time: the claim refuses it before
/// any money moves, and the map learns that it is sold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_redis_forgot_is_refused_before_money_moves() {
    let bed = Bed::start(30_000).await;
    let first = bed.sold(&[1, 2]).await;
    bed.forget(&first).await;
    let other = bed.app.user("other").await;
    let (reservation, payment, key) = bed.ready(&other, &[2, 3]).await;
    let lost = other.confirm(&payment, &key).await.refused(409, "SEAT_SOLD");
    assert_eq!(lost["lost"], json!([2]));
    assert_eq!(bed.app.ledger().await, ["DONE", "IN_PROGRESS"], "the second was not charged");
    let path = format!("/api/reservations/{}", reservation["id"].as_str().unwrap());
    assert_eq!(other.get(&path).await.expect(200)["status"], "CANCELLED");
    let map = other.get(&bed.event.path("/blocks/1/seats")).await.expect(200);
    assert_eq!(map["seats"][1]["state"], "OCCUPIED");
    assert_eq!(map["seats"][2]["state"], "AVAILABLE");
    other.hold(&bed.event.id, &[2]).await.refused(409, "SEAT_TAKEN");
    // Seat 1 is still forgotten: a rebuild brings it back.
    for partition in bed.app.node().services.engine.partitions() {
        bed.app.node().services.engine.close_partition(partition).await.unwrap();
    }
    eventually("the partition is loaded again", || async {
        let map = other.get(&bed.event.path("/blocks/1/seats")).await;
        (map.status == 200 && map.body["data"]["seats"][0]["state"] == "OCCUPIED").then_some(())
    })
    .await;
    bed.app.finish().await;
}

/// The rule: 50 confirmations of one payment, from two nodes at once, are one charge and one sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_confirmations_from_two_nodes_are_one_charge() {
    let bed = Bed::start(30_000).await;
    let second = bed.app.another_node(NodeRole::Api).await;
    let other_node = Client::new(second.url(), bed.fan.token.clone());
    let (_, payment, key) = bed.ready(&bed.fan, &[1, 2]).await;
    bed.app.fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 300})).await;
    let tries = (0..50).map(|number| {
        let node = if number % 2 == 0 { &bed.fan } else { &other_node };
        node.confirm(&payment, &key)
    });
    for answer in futures::future::join_all(tries).await {
        assert!([200, 202].contains(&answer.status), "{}", answer.body);
        assert_eq!(answer.body["data"]["reservation"]["status"], "CONFIRMED");
    }
    assert_eq!(bed.app.wait_for_books().await, ["PAID"]);
    assert_eq!(bed.app.ledger().await, ["DONE"]);
    second.stop().await;
    bed.app.finish().await;
}

/// The rule: the end of the time to pay and the begin of a payment are put in order: either nothing
/// is charged and the seats are free, or they are sold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_begins_at_the_deadline_is_in_time_or_costs_nothing() {
    let app = TestNode::start_with(|settings| settings.payment_ttl_ms = 400).await;
    let event = app.open_match().await;
    let (mut sold, mut late) = (0, 0);
    for number in 0..12_u64 {
        let fan = app.user(&format!("fan-{number}")).await;
        let seat = [number as u32 + 1];
        let reservation = fan.reserve(&event.id, &seat).await;
        let payment = fan.request_payment(&reservation).await;
        let key = app.pay_at_gateway(&payment, "approve").await;
        let deadline: jiff::Timestamp = reservation["expiresAt"].as_str().unwrap().parse().unwrap();
        let early = Duration::from_millis(number * 4);
        let id = grandstand::domain::ids::Partition(0);
        while app.node().services.engine.now_ms(id).await.unwrap() + early.as_millis() as i64
            <= deadline.as_millisecond()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let answer = fan.confirm(&payment, &key).await;
        match answer.status {
            200 => sold += 1,
            _ => {
                answer.refused(409, "RESERVATION_EXPIRED");
                late += 1;
            }
        }
    }
    assert!(late > 0 && sold + late == 12, "{sold} sold, {late} too late");
    let kept = app.wait_for_books().await;
    assert_eq!(kept, vec!["PAID"; sold]);
    app.finish().await;
}

/// The rule: seats of a sale go back one by one, each with its money; the others stay sold, also
/// after Redis had to be loaded again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_given_back_seat_by_seat() {
    let bed = Bed::start(200).await;
    let one = bed.sold(&[1, 2, 21]).await; // 10,000 + 10,000 + 20,000 KRW
    let path = format!("/api/reservations/{}", one["id"].as_str().unwrap());
    bed.cancel(&one, &json!({"seatIds": []})).await.refused(400, "VALIDATION");
    bed.cancel(&one, &json!({"seatIds": [99]})).await.refused(404, "SEAT_NOT_FOUND");
    bed.cancel(&one, &json!({"seatIds": [3]})).await.refused(403, "NOT_YOURS");
    let left = bed.cancel(&one, &json!({"seatIds": [21]})).await.expect(200);
    assert_eq!(
        (left["status"].as_str(), left["amount"].as_i64()),
        (Some("CONFIRMED"), Some(20_000))
    );
    assert_eq!(seat_ids(&left), [1, 2]);
    assert_eq!(left["payment"]["refunded"], 20_000);
    assert_eq!(left["payment"]["amount"], 40_000);
    assert_eq!(bed.cancel(&one, &json!({"seatIds": [21]})).await.expect(200), left, "asked again");
    bed.app.user("other").await.hold(&bed.event.id, &[21]).await.expect(201);
    bed.app.wait_for_books().await;

    // The answer of the gateway is lost, and Redis is loaded again meanwhile.
    bed.app.fault(&json!({"call": "cancel", "kind": "dropAfter", "count": 1})).await;
    bed.app.fault(&json!({"call": "cancel", "kind": "errorBefore", "count": 3})).await;
    bed.cancel(&one, &json!({"seatIds": [1]})).await.expect(202);
    bed.cancel(&one, &json!({"seatIds": [2]})).await.refused(409, "REFUND_UNDER_WAY");
    for partition in bed.app.node().services.engine.partitions() {
        bed.app.node().services.engine.close_partition(partition).await.unwrap();
    }
    let left = eventually("the money of the second seat is back", || async {
        let now = bed.fan.get(&path).await;
        (now.body["data"]["amount"] == 10_000).then(|| now.body["data"].clone())
    })
    .await;
    assert_eq!((seat_ids(&left), left["payment"]["refunded"].as_i64()), (vec![2], Some(30_000)));
    bed.app.wait_for_books().await;

    bed.cancel(&one, &Value::Null).await.expect(200);
    let now = bed.fan.get(&path).await.expect(200);
    assert_eq!(
        (&now["status"], &now["payment"]["status"]),
        (&json!("CANCELLED"), &json!("REFUNDED"))
    );
    assert_eq!(now["payment"]["refunded"], 40_000);
    assert_eq!(bed.app.wait_for_books().await, ["REFUNDED"]);
    let cancels = bed.app.ledger_entries().await[0]["cancels"].as_array().unwrap().len();
    assert_eq!(cancels, 3, "one for each refund");
    bed.fan.hold(&bed.event.id, &[1, 2]).await.expect(201);
    bed.app.finish().await;
}

/// The rule: a refusal of the gateway leaves the sale as it is, and can be asked for again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refund_keeps_the_seats_and_another_try_may_succeed() {
    let bed = Bed::start(200).await;
    let one = bed.sold(&[1, 2]).await;
    for body in [json!({"seatIds": [1]}), Value::Null] {
        let refuse = json!({"call": "cancel", "kind": "refuse", "code": "EXCEED_MAX_REFUND_DUE",
            "count": 1});
        bed.app.fault(&refuse).await;
        bed.cancel(&one, &body).await.refused(409, "REFUND_REFUSED");
        bed.app.wait_for_books().await;
        bed.cancel(&one, &body).await.expect(200);
        bed.app.wait_for_books().await;
    }
    assert_eq!(bed.app.ledger().await, ["CANCELED"]);
    bed.app.finish().await;
}

/// The rule: what is heard late of an earlier payment concerns that payment alone: the sale by a
/// later one stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_of_an_earlier_payment_leave_the_sale_by_a_later_one_alone() {
    let bed = Bed::start(200).await;
    let (reservation, payment, key) = bed.ready(&bed.fan, &[1, 2]).await;
    let refuse = json!({"call": "confirm", "kind": "refuse", "code": "REJECT_CARD_COMPANY",
        "count": 1});
    bed.app.fault(&refuse).await;
    bed.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    let second = bed.fan.request_payment(&reservation).await;
    let second_key = bed.app.pay_at_gateway(&second, "approve").await;
    bed.fan.confirm(&second, &second_key).await.expect(200);
    // The gateway takes the money of the first one all the same.
    let confirm = reqwest::Client::new()
        .post(format!("{}/v1/payments/confirm", bed.app.emulator.url()))
        .basic_auth(&bed.app.settings.toss_secret_key, Some(""))
        .json(&json!({"paymentKey": key, "orderId": payment["orderId"],
            "amount": payment["amount"]}));
    assert_eq!(confirm.send().await.unwrap().status(), 200);
    let node = bed.app.node();
    let me = bed.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let first = Attempt {
        match_id: bed.event.id.parse().unwrap(),
        user: me.parse().unwrap(),
        reservation: reservation["id"].as_str().unwrap().parse().unwrap(),
        payment: payment["id"].as_str().unwrap().parse().unwrap(),
        number: 1,
        seats: vec![SeatId(1), SeatId(2)],
        amount: 20_000,
        method: "CARD".to_owned(),
        payment_key: key,
    };
    let money = Money { attempt: 1, ..Money::default() };
    let engine = &node.services.engine;
    assert!(engine.record_orphan_payment(&first, PaymentStep::Declined, &money).await.unwrap());
    let settled = engine.settle_payment(&first, Outcome::Approved).await.unwrap();
    assert_eq!(settled, Settled::Owed);
    eventually("the journal is in PostgreSQL", || async {
        let kept = node.services.store.payment(first.payment).await.unwrap().unwrap().1;
        (kept.status == PaymentStatus::Refunded).then_some(())
    })
    .await;
    let mut kept = bed.app.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    assert_eq!(bed.app.ledger().await, ["CANCELED", "DONE"]);
    let now = bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    assert_eq!(now["payment"]["id"], second["id"]);
    bed.app.finish().await;
}

/// Seats of the match of the next test.
const MANY: u32 = 1000;

/// The rule: a thousand payments whose outcome nobody knows are settled within a minute after the
/// gateway is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unknown_outcomes_are_settled_within_a_minute() {
    let bed = Bed::start(0).await;
    let admin = bed.app.admin().await;
    let mut plan = crate::support::node::plan();
    let row = |number: u32| {
        let y = 6.0 + f64::from(number);
        json!({"label": number.to_string(), "firstSeatId": 1001 + number * 200, "seats": 200,
            "from": [0.0, y], "to": [180.0, y]})
    };
    plan["areas"][0]["sections"][0]["blocks"][1]["rows"] = (0..MANY / 200).map(row).collect();
    let site = admin.post("/api/admin/sites", &plan).await.expect(201);
    let body = json!({"siteId": site["id"], "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T05:00:00Z"});
    let event = admin.post("/api/admin/matches", &body).await.expect(201);
    let id = event["id"].as_str().unwrap();
    admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
    bed.app.fault(&json!({"kind": "dropBefore"})).await;
    let begun = futures::stream::iter(0..MANY)
        .map(|number| begin(&bed.app, id.parse().unwrap(), SeatId(1001 + number)))
        .buffer_unordered(32);
    assert_eq!(begun.count().await, MANY as usize);
    bed.app.verify().await;
    // Who owns no partition leaves them alone.
    let api = bed.app.another_node(NodeRole::Api).await;
    assert_eq!(api.workers.reconcile_once().await.unwrap(), 0);
    api.stop().await;
    // A call takes a moment, so that one after the other would take many minutes.
    bed.app.clear_faults().await;
    bed.app.fault(&json!({"kind": "latency", "minMs": 100, "maxMs": 400})).await;
    let back = tokio::time::Instant::now();
    let status = async |status: &str| {
        let ledger = bed.app.ledger().await;
        ledger.iter().filter(|one| *one == status).count()
    };
    while status("DONE").await < MANY as usize {
        assert!(back.elapsed() < Duration::from_secs(60), "{} settled", status("DONE").await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{MANY} settled in {:?}", back.elapsed());
    let kept = bed.app.wait_for_books().await;
    assert!(kept.iter().all(|one| one == "PAID"), "{kept:?}");
    bed.app.finish().await;
}

/// A payment that has begun, and whose call to the gateway never went out.
async fn begin(app: &TestNode, id: MatchId, seat: SeatId) {
    let engine = &app.node().services.engine;
    let user = UserId::new(id.partition());
    let (hold, _) =
        engine.hold(id, user, vec![seat], 20_000, &[], Operation::default()).await.unwrap();
    let (one, _) =
        engine.reserve(id, user, Source::Hold(hold), Operation::default()).await.unwrap();
    let payment = PaymentId::new(id.partition());
    let method = "CARD".to_owned();
    engine.request_payment(id, user, one, payment, method, Operation::default()).await.unwrap();
    let order = json!({"orderId": payment.order_id(), "amount": 20_000});
    let key = app.pay_at_gateway(&order, "approve").await;
    engine.begin_payment(id, user, one, payment, 20_000, &key).await.unwrap();
}

/// The other claims of its user stay.
async fn forget_claim(raw: &fred::prelude::Client, claims: String, gone: ReservationId) {
    let all: std::collections::HashMap<String, String> = raw.hgetall(&claims).await.unwrap();
    for (user, records) in all {
        let left = records.lines().filter(|record| !record.starts_with(&gone.key()));
        let left: Vec<&str> = left.collect();
        let _: i64 = match left[..] {
            [] => raw.hdel(&claims, user).await.unwrap(),
            _ => raw.hset(&claims, (user, left.join("\n"))).await.unwrap(),
        };
    }
}
