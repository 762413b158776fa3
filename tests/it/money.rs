//! Races, lost records and a gateway that is away: each charge ends with all its seats or with a
//! full refund.

use crate::support::client::{Client, plain_http};
use crate::support::node::{TestNode, eventually};
use crate::support::sale::{Sale, path_of, seats_of};
use fred::prelude::*;
use futures::StreamExt as _;
use grandstand::domain::claim::PaymentStatus;
use grandstand::domain::fact::PaymentStep;
use grandstand::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use grandstand::domain::money::{Attempt, Money};
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::operation::Operation;
use grandstand::engine::payments::Settled;
use grandstand::engine::reservations::Source;
use grandstand::node::NodeRole;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::{Value, json};
use std::time::Duration;

/// A sale whose reconciler looks at a payment after this time.
async fn start(reconcile_after_ms: i64) -> Sale {
    Sale::with(|settings| {
        settings.reconcile_after_ms = reconcile_after_ms;
        settings.toss_timeout_ms = 1500;
    })
    .start()
    .await
}

/// Redis loses a reservation and its seats, as after a failover that lost them.
async fn forget(sale: &Sale, reservation: &Value) {
    let id: ReservationId = reservation["id"].as_str().unwrap().parse().unwrap();
    let raw = sale.node.raw().await;
    forget_claim(&raw, PartitionKeys(sale.partition()).claims(), id).await;
    for seat in reservation["seats"].as_array().unwrap() {
        let seats = MatchKeys(sale.match_id()).seats();
        let _: i64 = raw.hdel(seats, seat["seatId"].to_string()).await.unwrap();
    }
}

/// However often the gateway and the nodes fail on the way. The payment never sells anything
/// afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_a_reservation_that_redis_forgot_goes_back_in_full() {
    let mut sale = start(200).await;
    let (reservation, payment, key) = sale.ready(&[1, 2]).await;
    sale.node.fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 1000})).await;
    sale.node.fault(&json!({"call": "cancel", "kind": "dropBefore", "count": 2})).await;
    sale.node.fault(&json!({"call": "cancel", "kind": "errorAfter", "count": 1})).await;
    let forget = async {
        sale.wait_for_charge().await;
        forget(&sale, &reservation).await;
    };
    let (answer, ()) = tokio::join!(sale.fan.confirm(&payment, &key), forget);
    let problem = answer.refused(409, "PAID_TOO_LATE");
    assert!(problem["detail"].as_str().unwrap().contains("goes back"), "{problem}");
    // The refund is in PostgreSQL, so the first node is not needed any more.
    let node = sale.node.another_node(NodeRole::All).await;
    let fan = Client::new(node.url(), sale.fan.token.clone());
    sale.node.running.replace(node).unwrap().stop().await;
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    assert_eq!(sale.node.ledger().await, ["CANCELED"]);
    let again = fan.confirm(&payment, &key).await;
    assert!([404, 409].contains(&again.status), "{}", again.body);
    let other = sale.node.user("other").await;
    let (_, payment, key) = sale.ready_of(&other, &[1, 2], "approve").await;
    other.confirm(&payment, &key).await.expect(200);
    sale.node.wait_for_books().await;
    sale.finish().await;
}

/// The claim in PostgreSQL refuses it, and the map learns that the seat is sold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_that_redis_forgot_is_refused_before_money_moves() {
    let sale = start(30_000).await;
    let first = sale.sold(&[1, 2]).await;
    forget(&sale, &first).await;
    let other = sale.node.user("other").await;
    let (reservation, payment, key) = sale.ready_of(&other, &[2, 3], "approve").await;
    let lost = other.confirm(&payment, &key).await.refused(409, "SEAT_SOLD");
    assert_eq!(lost["lost"], json!([2]));
    assert_eq!(sale.node.ledger().await, ["DONE", "IN_PROGRESS"], "the second was not charged");
    let path = path_of(&reservation);
    assert_eq!(other.get(&path).await.expect(200)["status"], "CANCELLED");
    let map = other.get(&sale.fixture.path("/blocks/1/seats")).await.expect(200);
    assert_eq!(map["seats"][1]["state"], "OCCUPIED");
    assert_eq!(map["seats"][2]["state"], "AVAILABLE");
    other.hold(&sale.fixture.id, &[2]).await.refused(409, "SEAT_TAKEN");
    // Seat 1 is still forgotten: a rebuild brings it back.
    for partition in sale.node.engine().partitions() {
        sale.node.engine().close_partition(partition).await.unwrap();
    }
    eventually("the partition is loaded again", || async {
        let map = other.get(&sale.fixture.path("/blocks/1/seats")).await;
        (map.status == 200 && map.body["data"]["seats"][0]["state"] == "OCCUPIED").then_some(())
    })
    .await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_confirmations_from_two_nodes_are_one_charge() {
    let sale = start(30_000).await;
    let second = sale.node.another_node(NodeRole::Api).await;
    let other_node = Client::new(second.url(), sale.fan.token.clone());
    let (_, payment, key) = sale.ready(&[1, 2]).await;
    sale.node.fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 300})).await;
    let tries = (0..50).map(|number| {
        let node = if number % 2 == 0 { &sale.fan } else { &other_node };
        node.confirm(&payment, &key)
    });
    for answer in futures::future::join_all(tries).await {
        assert!([200, 202].contains(&answer.status), "{}", answer.body);
        assert_eq!(answer.body["data"]["reservation"]["status"], "CONFIRMED");
    }
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    assert_eq!(sale.node.ledger().await, ["DONE"]);
    second.stop().await;
    sale.finish().await;
}

/// Redis puts the deadline and the begin in order: either the seats are sold, or they are free and
/// nothing is charged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_begins_at_the_deadline_is_in_time_or_costs_nothing() {
    let node = TestNode::start_with(|settings| settings.payment_ttl_ms = 400).await;
    let fixture = node.open_match().await;
    let (mut sold, mut late) = (0, 0);
    for number in 0..12_u64 {
        let fan = node.user(&format!("fan-{number}")).await;
        let seat = [number as u32 + 1];
        let reservation = fan.reserve(&fixture.id, &seat).await;
        let payment = fan.request_payment(&reservation).await;
        let key = node.pay_at_gateway(&payment, "approve").await;
        let deadline: jiff::Timestamp = reservation["expiresAt"].as_str().unwrap().parse().unwrap();
        let early = Duration::from_millis(number * 4);
        let id = grandstand::domain::ids::Partition(0);
        while node.engine().now_ms(id).await.unwrap() + early.as_millis() as i64
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
    let kept = node.wait_for_books().await;
    assert_eq!(kept, vec!["PAID"; sold]);
    node.finish().await;
}

/// The other seats stay sold, also after Redis had to be loaded again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_is_given_back_seat_by_seat() {
    let sale = start(200).await;
    let sold = sale.sold(&[1, 2, 21]).await; // 10,000 + 10,000 + 20,000 KRW
    let path = path_of(&sold);
    sale.cancel(&sold, &json!({"seatIds": []})).await.refused(400, "VALIDATION");
    sale.cancel(&sold, &json!({"seatIds": [99]})).await.refused(404, "SEAT_NOT_FOUND");
    sale.cancel(&sold, &json!({"seatIds": [3]})).await.refused(403, "NOT_YOURS");
    let left = sale.cancel(&sold, &json!({"seatIds": [21]})).await.expect(200);
    assert_eq!(
        (left["status"].as_str(), left["amount"].as_i64()),
        (Some("CONFIRMED"), Some(20_000))
    );
    assert_eq!(seats_of(&left), [1, 2]);
    assert_eq!(left["payment"]["refunded"], 20_000);
    assert_eq!(left["payment"]["amount"], 40_000);
    assert_eq!(
        sale.cancel(&sold, &json!({"seatIds": [21]})).await.expect(200),
        left,
        "asked again"
    );
    sale.node.user("other").await.hold(&sale.fixture.id, &[21]).await.expect(201);
    sale.node.wait_for_books().await;

    // The answer of the gateway is lost, and Redis is loaded again meanwhile.
    sale.node.fault(&json!({"call": "cancel", "kind": "dropAfter", "count": 1})).await;
    sale.node.fault(&json!({"call": "cancel", "kind": "errorBefore", "count": 3})).await;
    sale.cancel(&sold, &json!({"seatIds": [1]})).await.expect(202);
    sale.cancel(&sold, &json!({"seatIds": [2]})).await.refused(409, "REFUND_UNDER_WAY");
    for partition in sale.node.engine().partitions() {
        sale.node.engine().close_partition(partition).await.unwrap();
    }
    let left = eventually("the money of the second seat is back", || async {
        let now = sale.fan.get(&path).await;
        (now.body["data"]["amount"] == 10_000).then(|| now.body["data"].clone())
    })
    .await;
    assert_eq!((seats_of(&left), left["payment"]["refunded"].as_i64()), (vec![2], Some(30_000)));
    sale.node.wait_for_books().await;

    sale.cancel(&sold, &Value::Null).await.expect(200);
    let now = sale.fan.get(&path).await.expect(200);
    assert_eq!(
        (&now["status"], &now["payment"]["status"]),
        (&json!("CANCELLED"), &json!("REFUNDED"))
    );
    assert_eq!(now["payment"]["refunded"], 40_000);
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    let cancels = sale.node.ledger_entries().await[0]["cancels"].as_array().unwrap().len();
    assert_eq!(cancels, 3, "one for each refund");
    sale.fan.hold(&sale.fixture.id, &[1, 2]).await.expect(201);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_refund_keeps_the_seats_and_another_try_may_succeed() {
    let sale = start(200).await;
    let sold = sale.sold(&[1, 2]).await;
    for body in [json!({"seatIds": [1]}), Value::Null] {
        let refuse = json!({"call": "cancel", "kind": "refuse", "code": "EXCEED_MAX_REFUND_DUE",
            "count": 1});
        sale.node.fault(&refuse).await;
        sale.cancel(&sold, &body).await.refused(409, "REFUND_REFUSED");
        sale.node.wait_for_books().await;
        sale.cancel(&sold, &body).await.expect(200);
        sale.node.wait_for_books().await;
    }
    assert_eq!(sale.node.ledger().await, ["CANCELED"]);
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_facts_of_an_earlier_payment_do_not_touch_the_sale() {
    let sale = start(200).await;
    let (reservation, payment, key) = sale.ready(&[1, 2]).await;
    let refuse = json!({"call": "confirm", "kind": "refuse", "code": "REJECT_CARD_COMPANY",
        "count": 1});
    sale.node.fault(&refuse).await;
    sale.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    let second = sale.fan.request_payment(&reservation).await;
    let second_key = sale.node.pay_at_gateway(&second, "approve").await;
    sale.fan.confirm(&second, &second_key).await.expect(200);
    // The gateway takes the money of the first payment nevertheless.
    let confirm = plain_http()
        .post(format!("{}/v1/payments/confirm", sale.node.emulator.url()))
        .basic_auth(&sale.node.settings.toss_secret_key, Some(""))
        .json(&json!({"paymentKey": key, "orderId": payment["orderId"],
            "amount": payment["amount"]}));
    assert_eq!(confirm.send().await.unwrap().status(), 200);
    let node = sale.node.running();
    let me = sale.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let first = Attempt {
        match_id: sale.fixture.id.parse().unwrap(),
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
    let settled = engine.settle_payment(&first, PaymentOutcome::Approved).await.unwrap();
    assert_eq!(settled, Settled::Owed);
    eventually("the journal is in PostgreSQL", || async {
        let kept = node.services.store.payment(first.payment).await.unwrap().unwrap().1;
        (kept.status == PaymentStatus::Refunded).then_some(())
    })
    .await;
    let mut kept = sale.node.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    assert_eq!(sale.node.ledger().await, ["CANCELED", "DONE"]);
    let now = sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    assert_eq!(now["payment"]["id"], second["id"]);
    sale.finish().await;
}

/// Seats of the match of the next test.
const MANY: u32 = 1000;

/// The minute begins when the gateway is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_unknown_outcomes_are_settled_within_a_minute() {
    let sale = start(0).await;
    let admin = sale.node.admin().await;
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
    let fixture = admin.post("/api/admin/matches", &body).await.expect(201);
    let id = fixture["id"].as_str().unwrap();
    admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
    sale.node.fault(&json!({"kind": "dropBefore"})).await;
    let begun = futures::stream::iter(0..MANY)
        .map(|number| begin(&sale.node, id.parse().unwrap(), SeatId(1001 + number)))
        .buffer_unordered(32);
    assert_eq!(begun.count().await, MANY as usize);
    sale.node.verify().await;
    // A node that owns no partition does not settle them.
    let api = sale.node.another_node(NodeRole::Api).await;
    assert_eq!(api.workers.reconcile_once().await.unwrap(), 0);
    api.stop().await;
    // Each call takes a moment, so one after the other would take many minutes.
    sale.node.clear_faults().await;
    sale.node.fault(&json!({"kind": "latency", "minMs": 100, "maxMs": 400})).await;
    let back = tokio::time::Instant::now();
    let status = async |status: &str| {
        let ledger = sale.node.ledger().await;
        ledger.iter().filter(|found| *found == status).count()
    };
    while status("DONE").await < MANY as usize {
        assert!(back.elapsed() < Duration::from_secs(60), "{} settled", status("DONE").await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!("{MANY} settled in {:?}", back.elapsed());
    let kept = sale.node.wait_for_books().await;
    assert!(kept.iter().all(|status| status == "PAID"), "{kept:?}");
    sale.finish().await;
}

/// Begins a payment whose call to the gateway is never made.
async fn begin(node: &TestNode, id: MatchId, seat: SeatId) {
    let engine = node.engine();
    let user = UserId::new(id.partition());
    let (hold, _) =
        engine.hold(id, user, vec![seat], 20_000, &[], Operation::default()).await.unwrap();
    let (reservation, _) =
        engine.reserve(id, user, Source::Hold(hold), Operation::default()).await.unwrap();
    let payment = PaymentId::new(id.partition());
    let method = "CARD".to_owned();
    engine
        .request_payment(id, user, reservation, payment, method, Operation::default())
        .await
        .unwrap();
    let order = json!({"orderId": payment.order_id(), "amount": 20_000});
    let key = node.pay_at_gateway(&order, "approve").await;
    engine.begin_payment(id, user, reservation, payment, 20_000, &key).await.unwrap();
}

/// Deletes a claim. The other claims of its user stay.
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
