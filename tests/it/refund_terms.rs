//! Until when a sale can be given back, what that costs, and who may do it later.

use crate::support::client::Client;
use crate::support::engine::Step::{Approve, Begin, Hold, Request, Reserve};
use crate::support::engine::{PARTITION, PRICE, Scene, TestEngine, all, these};
use crate::support::node::eventually;
use crate::support::sale::{Sale, path_of};
use fred::prelude::*;
use grandstand::domain::ids::SeatId;
use grandstand::domain::money::Refund;
use grandstand::domain::refund::RefundFee;
use grandstand::engine::cancellation::{Cancellation, Right};
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::reservations::Cancelled;
use grandstand::redis::keys::PartitionKeys;
use serde_json::{Value, json};

/// A time in the year 2030, in ms, at which refunds end.
const END_MS: i64 = 1_900_000_000_000;

fn moment(ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(ms).unwrap()
}

/// Stops the clock of the partition at this time.
async fn stand_at(bed: &TestEngine, ms: i64) {
    let fields = vec![("clock_time", 1), ("clock_shift", 0), ("clock_floor", ms)];
    let _: i64 = bed.raw.hset(PartitionKeys(PARTITION).partition(), fields).await.unwrap();
}

fn fee(until_ms: i64, percent: u8, per_seat: i64) -> RefundFee {
    RefundFee { until: moment(until_ms), percent, per_seat }
}

/// Sold an hour before the end of refunds, with these fees.
async fn sold<'a>(bed: &'a TestEngine, fees: &[RefundFee]) -> Scene<'a> {
    stand_at(bed, END_MS - 3_600_000).await;
    let mut scene = bed.at(&[]).await;
    scene
        .change(|fixture| {
            fixture.refundable_until = Some(moment(END_MS));
            fixture.refund_fees = fees.to_vec();
        })
        .await;
    for step in [Hold, Reserve, Request, Begin, Approve] {
        scene.step(step).await;
    }
    scene
}

/// What goes back; the scene has two seats.
async fn cancel(scene: &Scene<'_>, cancellation: Cancellation) -> Result<i64, Refusal> {
    let engine = &scene.bed.engine;
    let done =
        engine.cancel(scene.id(), scene.me, scene.reservation, cancellation, Operation::default());
    match done.await {
        Ok(Cancelled::Refunding { part, .. }) => Ok(part),
        Ok(Cancelled::Now) => Ok(0),
        Err(EngineError::Refused(why)) => Err(why),
        Err(error) => panic!("{error:?}"),
    }
}

fn priced(right: Right) -> Cancellation {
    Cancellation { seats: vec![(SeatId(1), PRICE), (SeatId(2), PRICE)], right, ..all() }
}

/// By the clock of the partition.
#[tokio::test]
async fn a_sale_is_given_back_until_the_last_ms_before_the_end() {
    let bed = TestEngine::start().await;
    let scene = sold(&bed, &[]).await;
    stand_at(&bed, END_MS).await;
    assert_eq!(cancel(&scene, all()).await, Err(Refusal::RefundClosed));
    assert_eq!(cancel(&scene, these(&[(SeatId(1), PRICE)])).await, Err(Refusal::RefundClosed));
    let scene = sold(&bed, &[]).await;
    stand_at(&bed, END_MS - 1).await;
    assert_eq!(cancel(&scene, all()).await, Ok(2 * PRICE));
    // A repeated call is no new cancel.
    stand_at(&bed, END_MS + 1_000).await;
    assert_eq!(cancel(&scene, all()).await, Ok(2 * PRICE));
    let refund = Refund { payment: scene.payment, number: 1, amount: None };
    let settled =
        bed.engine.settle_refund(scene.id(), scene.me, scene.reservation, &refund, None).await;
    assert!(settled.unwrap().is_some());
    assert_eq!(cancel(&scene, all()).await, Ok(0));
}

#[tokio::test]
async fn the_fee_is_that_of_the_ms_and_an_organiser_may_waive_it() {
    let bed = TestEngine::start().await;
    let fees = [fee(END_MS - 60_000, 0, 0), fee(END_MS, 15, 501)];
    let at = async |ms: i64, right: Right| {
        let scene = sold(&bed, &fees).await;
        stand_at(&bed, ms).await;
        cancel(&scene, priced(right)).await
    };
    let kept = 2 * (PRICE * 15 / 100 + 501);
    assert_eq!(at(END_MS - 60_001, Right::Fan).await, Ok(2 * PRICE));
    assert_eq!(at(END_MS - 60_000, Right::Fan).await, Ok(2 * PRICE - kept));
    assert_eq!(at(END_MS, Right::Fan).await, Err(Refusal::RefundClosed));
    assert_eq!(at(END_MS, Right::Organiser).await, Ok(2 * PRICE - kept), "the last fee goes on");
    assert_eq!(at(END_MS, Right::Waived).await, Ok(2 * PRICE));
    let scene = sold(&bed, &fees).await;
    stand_at(&bed, END_MS - 1).await;
    let old = Cancellation { seats: vec![(SeatId(1), PRICE), (SeatId(2), 1)], ..all() };
    assert_eq!(cancel(&scene, old).await, Err(Refusal::PriceChanged), "not the prices of the sale");
    assert_eq!(cancel(&scene, all()).await, Err(Refusal::PriceChanged), "no prices");
}

/// As `domain::refund` computes what the page shows.
#[tokio::test]
async fn the_fee_of_each_seat_is_rounded_down() {
    let bed = TestEngine::start().await;
    let scene = sold(&bed, &[fee(END_MS, 15, 0)]).await;
    // 15 % of 10,033 are 1,504.95, and of 9,967 are 1,495.05.
    let seats = vec![(SeatId(1), PRICE + 33), (SeatId(2), PRICE - 33)];
    let part = cancel(&scene, Cancellation { seats, ..all() }).await;
    assert_eq!(part, Ok(2 * PRICE - 1_504 - 1_495));
}

/// What a buyer was promised never gets worse, and what gets better is theirs.
#[tokio::test]
async fn a_buyer_has_the_better_of_the_terms_at_the_purchase_and_now() {
    let bed = TestEngine::start().await;
    let (cheap, dear) = ([fee(END_MS, 10, 0)], [fee(END_MS, 90, 0)]);
    let mut scene = sold(&bed, &cheap).await;
    scene.change(|fixture| fixture.refund_fees = dear.to_vec()).await;
    assert_eq!(cancel(&scene, priced(Right::Fan)).await, Ok(2 * PRICE * 9 / 10));
    let mut scene = sold(&bed, &dear).await;
    scene.change(|fixture| fixture.refund_fees = cheap.to_vec()).await;
    assert_eq!(cancel(&scene, priced(Right::Fan)).await, Ok(2 * PRICE * 9 / 10));
    let mut scene = sold(&bed, &cheap).await;
    scene.change(|fixture| fixture.refundable_until = Some(moment(END_MS - 3_600_000))).await;
    assert_eq!(cancel(&scene, priced(Right::Fan)).await, Ok(2 * PRICE * 9 / 10));
    let mut scene = sold(&bed, &cheap).await;
    scene.change(|fixture| fixture.refundable_until = Some(moment(END_MS + 1000))).await;
    stand_at(&bed, END_MS).await;
    assert_eq!(cancel(&scene, priced(Right::Fan)).await, Ok(2 * PRICE * 9 / 10));
}

/// Sets the terms of the match of a sale.
pub(crate) async fn set_terms(sale: &Sale, admin: &Client, terms: Value) {
    let mut body = json!({"siteId": sale.fixture.site_id, "homeTeam": "A", "awayTeam": "B",
        "startsAt": "2030-05-05T05:00:00Z"});
    body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    admin.put(&format!("/api/admin/matches/{}", sale.fixture.id), &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_are_given_back_one_by_one_with_the_fee_that_was_shown() {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    let until = "2030-05-05T05:00:00Z";
    let fees = json!([{"until": until, "percent": 33, "perSeat": 7}]);
    set_terms(&sale, &admin, json!({"refundFees": fees})).await;
    let reservation = sale.sold(&[1, 2, 21]).await;
    // Of 10,000: 3,307. Of 20,000: 6,607.
    let quoted = json!({"until": until, "fee": 13_221, "amount": 26_779, "seats": [
        {"seatId": 1, "fee": 3_307, "amount": 6_693}, {"seatId": 2, "fee": 3_307, "amount": 6_693},
        {"seatId": 21, "fee": 6_607, "amount": 13_393}]});
    assert_eq!(reservation["refund"], quoted, "before the purchase");
    // The terms of the sale outlive a change of the match, and a loss of Redis.
    set_terms(&sale, &admin, json!({"refundFees": [{"until": until, "percent": 100}]})).await;
    let path = path_of(&reservation);
    assert_eq!(sale.fan.get(&path).await.expect(200)["refund"], quoted);
    assert_eq!(sale.node.run(&["rebuild"]).await.0, 0);
    let rebuilt = eventually("it is loaded again", || async {
        let found = sale.fan.get(&path).await;
        (found.status == 200 && found.body["data"]["refund"] == quoted).then_some(())
    });
    rebuilt.await;
    let part = sale.cancel(&reservation, &json!({"seatIds": [1]})).await.expect(200);
    assert_eq!((&part["amount"], &part["refund"]["fee"]), (&json!(30_000), &json!(9_914)));
    let paid = &part["payment"];
    assert_eq!((&paid["refunded"], &paid["refundFees"]), (&json!(6_693), &json!(3_307)));
    let again = sale.cancel(&reservation, &json!({"seatIds": [1]})).await.expect(200);
    assert_eq!(again, part, "a repeated call");
    sale.node.wait_for_books().await;
    let rest = sale.cancel(&reservation, &Value::Null).await.expect(200);
    let paid = &rest["payment"];
    assert_eq!((&rest["status"], &paid["status"]), (&json!("CANCELLED"), &json!("REFUNDED")));
    assert_eq!((&paid["refunded"], &paid["refundFees"]), (&json!(26_779), &json!(13_221)));
    assert_eq!(rest["refund"], Value::Null);
    assert_eq!(sale.cancel(&reservation, &Value::Null).await.expect(200), rest);
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    assert_eq!(sale.node.ledger_entries().await[0]["balanceAmount"], 13_221);
    sale.finish().await;
}

/// The gateway fails on the way, and the reconciler ends it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_refund_keeps_its_fee() {
    let sale = Sale::with(|settings| settings.reconcile_after_ms = 200).start().await;
    let admin = sale.node.admin().await;
    let fees = json!([{"until": "2030-05-05T05:00:00Z", "percent": 10}]);
    set_terms(&sale, &admin, json!({"refundFees": fees})).await;
    let reservation = sale.sold(&[1, 2]).await;
    sale.node.fault(&json!({"call": "cancel", "kind": "errorAfter", "count": 1})).await;
    assert_eq!(sale.cancel(&reservation, &Value::Null).await.status, 202);
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    assert_eq!(sale.node.ledger_entries().await[0]["balanceAmount"], 2_000);
    sale.node.wait_for_status(&sale.fan, &reservation, "CANCELLED").await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_organiser_gives_money_back_when_a_fan_cannot_any_more() {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    let until = "2025-05-05T05:00:00Z";
    let terms = json!({"refundableUntil": until, "refundFees": [{"until": until, "percent": 20}]});
    set_terms(&sale, &admin, terms).await;
    let reservation = sale.sold(&[1, 2]).await;
    assert_eq!(reservation["refund"], Value::Null);
    sale.cancel(&reservation, &Value::Null).await.refused(409, "REFUND_CLOSED");
    let path = format!("/api/admin/reservations/{}", reservation["id"].as_str().unwrap());
    sale.fan.get(&path).await.refused(403, "FORBIDDEN");
    sale.fan.post(&format!("{path}/cancel"), &json!({})).await.refused(403, "FORBIDDEN");
    let found = admin.get(&path).await.expect(200);
    assert_eq!((&found["refund"], &found["organiserRefund"]["fee"]), (&Value::Null, &json!(4_000)));
    let cancel = format!("{path}/cancel");
    let body = json!({"seatIds": [1]});
    let part = admin.post_with_key(&cancel, &body, "one").await.expect(200);
    assert_eq!(part["payment"]["refunded"], 8_000);
    assert_eq!(admin.post_with_key(&cancel, &body, "one").await.expect(200), part);
    let other = json!({"waiveFee": true});
    admin.post_with_key(&cancel, &other, "one").await.refused(422, "IDEMPOTENCY_KEY_REUSED");
    let rest = admin.post_with_key(&cancel, &other, "two").await.expect(200);
    assert_eq!(
        (&rest["status"], &rest["payment"]["refunded"]),
        (&json!("CANCELLED"), &json!(18_000))
    );
    assert_eq!(admin.post_with_key(&cancel, &other, "two").await.expect(200), rest);
    assert_eq!(sale.node.wait_for_books().await, ["REFUNDED"]);
    assert_eq!(sale.node.ledger_entries().await[0]["balanceAmount"], 2_000);
    let unknown = "/api/admin/reservations/01890000-0000-7000-8000-000000000000";
    admin.get(unknown).await.refused(404, "RESERVATION_NOT_FOUND");
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fee_table_that_leaves_a_gap_is_refused() {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    let (early, start) = ("2030-05-01T05:00:00Z", "2030-05-05T05:00:00Z");
    for (fees, field) in [
        (json!([{"until": early, "percent": 5}]), "refundFees[0].until"),
        (
            json!([{"until": start, "percent": 5}, {"until": early, "percent": 5}]),
            "refundFees[1].until",
        ),
        (json!([{"until": start, "percent": 101}]), "refundFees[0].percent"),
        (json!([{"until": start, "percent": 1, "perSeat": -1}]), "refundFees[0].perSeat"),
    ] {
        let body = json!({"siteId": sale.fixture.site_id, "homeTeam": "A", "awayTeam": "B",
            "startsAt": start, "refundFees": fees});
        let path = format!("/api/admin/matches/{}", sale.fixture.id);
        let refused = admin.put(&path, &body).await.refused(400, "VALIDATION");
        let fields: Vec<&str> = refused["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["field"].as_str().unwrap())
            .collect();
        assert!(fields.contains(&field), "{refused}");
    }
    sale.finish().await;
}

/// A time of 0 ms means none in the scripts, so it must not come from an organiser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_is_not_after_1970_is_refused() {
    let sale = Sale::with(|_| {}).start().await;
    let admin = sale.node.admin().await;
    let path = format!("/api/admin/matches/{}", sale.fixture.id);
    for field in ["startsAt", "saleOpensAt", "saleClosesAt", "refundableUntil"] {
        for time in ["1970-01-01T00:00:00Z", "1969-07-20T20:17:00Z", "-000001-01-01T00:00:00Z"] {
            let refused = admin.patch(&path, &json!({field: time})).await;
            let refused = refused.refused(400, "VALIDATION");
            let errors = refused["errors"].as_array().unwrap();
            let named =
                |error: &Value| error["field"] == field && error["message"] == "must be after 1970";
            assert!(errors.iter().any(named), "{field} {time}: {refused}");
        }
    }
    let early = json!({"opensAt": "1970-01-01T00:00:00Z"});
    let refused = admin.patch(&format!("{path}/queue"), &early).await.refused(400, "VALIDATION");
    assert_eq!(refused["errors"][0]["field"], "opensAt", "{refused}");
    sale.finish().await;
}
