//! A match that is over leaves Redis, and its sales stay readable.

use crate::support::client::{Client, plain_http};
use crate::support::engine::Step::{Approve, Begin, Cancel, Hold, Request, Reserve};
use crate::support::engine::{PARTITION, PRICE, TestEngine, all, seats};
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::postgres::sql;
use fred::prelude::*;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::ids::{MatchId, Partition};
use grandstand::domain::money::Attempt;
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::{Value, json};
use std::collections::HashMap;

async fn start() -> TestNode {
    TestNode::start_with(|settings| {
        settings.keep_match_ms = 1000;
        settings.reconcile_after_ms = 3_600_000;
    })
    .await
}

fn id(fixture: &TestMatch) -> MatchId {
    fixture.id.parse().unwrap()
}

async fn buy(node: &TestNode, fan: &Client, fixture: &TestMatch, seats: &[u32]) -> Value {
    let reservation = fan.reserve(&fixture.id, seats).await;
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    assert_eq!(fan.confirm(&payment, &key).await.expect(200)["persisted"], true);
    reservation
}

/// Closes a match that was long ago.
async fn end(admin: &Client, fixture: &TestMatch) {
    admin.post(&format!("/api/admin/matches/{}/close", fixture.id), &Value::Null).await.expect(200);
    let body = json!({"siteId": fixture.site_id, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2020-05-05T05:00:00Z"});
    admin.put(&format!("/api/admin/matches/{}", fixture.id), &body).await.expect(200);
}

/// One step of the worker.
async fn retire(node: &TestNode, fixture: &TestMatch) {
    node.workers().retire_once(id(fixture).partition()).await.unwrap();
}

async fn is_archived(node: &TestNode, fixture: &TestMatch) -> bool {
    node.engine().fixture(id(fixture)).await.unwrap().unwrap().archived
}

/// The keys of a match in Redis, without its document.
async fn left(raw: &fred::clients::Client, fixture: MatchId) -> HashMap<String, String> {
    let keys = MatchKeys(fixture);
    for key in [keys.seats(), keys.changes(), keys.queue(), keys.passes(), keys.check_ins()] {
        let there: i64 = raw.exists(key.clone()).await.unwrap();
        if there > 0 {
            return HashMap::from([("there".to_owned(), key)]);
        }
    }
    raw.hgetall(keys.meta()).await.unwrap()
}

async fn wait_until_gone(node: &TestNode, fixture: &TestMatch) {
    let raw = node.raw().await;
    let gone = HashMap::from([("status".to_owned(), "ARCHIVED".to_owned())]);
    eventually("the match has left Redis", || async {
        retire(node, fixture).await;
        (left(&raw, id(fixture)).await == gone).then_some(())
    })
    .await;
}

async fn claims(node: &TestNode, partition: Partition) -> usize {
    node.engine().claims_in(partition).await.unwrap().len()
}

/// The next match of the same people stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_that_is_over_leaves_redis_and_stays_readable() {
    let node = start().await;
    let (fixture, admin) = (node.open_match().await, node.admin().await);
    // Another match in the same partition, so that records of both are in one field.
    let next = loop {
        let next = node.open_match().await;
        if id(&next).partition() == id(&fixture).partition() {
            break next;
        }
    };
    let (fan, friend) = (node.user("fan").await, node.user("friend").await);
    let bought = buy(&node, &fan, &fixture, &[1, 2]).await;
    buy(&node, &friend, &fixture, &[3]).await;
    buy(&node, &fan, &next, &[1]).await;
    let block = format!("/api/admin/matches/{}/block", fixture.id);
    admin.post(&block, &json!({"seatIds": [9]})).await.expect(200);
    let path = format!("/api/reservations/{}", bought["id"].as_str().unwrap());
    let before = fan.get(&path).await.expect(200);
    let check_ins = format!("/api/admin/matches/{}/check-ins", fixture.id);
    let code = json!({"code": before["checkInCodes"][0]["code"]});
    admin.post(&check_ins, &code).await.expect(200);
    retire(&node, &fixture).await;
    assert!(!is_archived(&node, &fixture).await, "it is on sale");

    end(&admin, &fixture).await;
    wait_until_gone(&node, &fixture).await;
    assert_eq!(claims(&node, id(&fixture).partition()).await, 1, "that of the next match");

    let seen = fan.get(&fixture.path("")).await.expect(200);
    assert_eq!((&seen["status"], &seen["seatsLeft"]), (&json!("CLOSED"), &Value::Null));
    let list = fan.get("/api/matches?status=CLOSED").await.expect(200);
    assert_eq!(list["matches"][0]["id"], json!(fixture.id));
    assert_eq!(fan.get(&path).await.expect(200), before);
    let mine = fan.get("/api/reservations").await.expect(200);
    assert_eq!(mine["reservations"].as_array().unwrap().len(), 2);
    fan.hold(&fixture.id, &[4]).await.refused(409, "MATCH_NOT_OPEN");
    fan.post(&format!("{path}/cancel"), &Value::Null).await.refused(410, "MATCH_ARCHIVED");
    fan.post(&fixture.path("/queue"), &Value::Null).await.refused(409, "MATCH_NOT_OPEN");
    for seats in ["/seats", "/blocks/1/seats", "/seats/events", "/blocks/1/seats/events"] {
        fan.get(&fixture.path(seats)).await.refused(410, "MATCH_ARCHIVED");
    }
    admin.post(&block, &json!({"seatIds": [5]})).await.refused(410, "MATCH_ARCHIVED");
    admin.post(&check_ins, &code).await.refused(410, "MATCH_ARCHIVED");
    let open = format!("/api/admin/matches/{}/open", fixture.id);
    admin.post(&open, &Value::Null).await.refused(410, "MATCH_ARCHIVED");

    assert_eq!(node.run(&["rebuild"]).await.0, 0);
    eventually("it is loaded again", || async {
        (fan.get(&path).await.status == 200 && claims(&node, id(&fixture).partition()).await == 1)
            .then_some(())
    })
    .await;
    let meta: Option<String> =
        node.raw().await.hget(MatchKeys(id(&fixture)).meta(), "status").await.unwrap();
    assert_eq!(meta.as_deref(), Some("ARCHIVED"));
    fan.hold(&fixture.id, &[4]).await.refused(409, "MATCH_NOT_OPEN");
    assert_eq!(fan.get(&path).await.expect(200), before);
    node.finish().await;
}

/// Until the payment is settled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_with_an_open_payment_stays_in_redis() {
    let node = start().await;
    let (fixture, admin, fan) =
        (node.open_match().await, node.admin().await, node.user("fan").await);
    buy(&node, &fan, &fixture, &[1]).await;
    let reservation = fan.reserve(&fixture.id, &[2]).await;
    let payment = fan.request_payment(&reservation).await;
    let engine = node.engine();
    let claims = engine.claims_in(id(&fixture).partition()).await.unwrap();
    let claim = claims.iter().find(|claim| claim.seats == seats(&[2])).unwrap();
    let paying = claim.payment.clone().unwrap().id;
    let begun =
        engine.begin_payment(id(&fixture), claim.user, claim.id, paying, PRICE, "key").await;
    begun.unwrap();
    end(&admin, &fixture).await;
    for _ in 0..3 {
        retire(&node, &fixture).await;
    }
    assert!(!is_archived(&node, &fixture).await, "a payment has no outcome");
    let attempt = Attempt {
        match_id: id(&fixture),
        user: claim.user,
        reservation: claim.id,
        payment: paying,
        number: 1,
        seats: seats(&[2]),
        amount: PRICE,
        method: "CARD".to_owned(),
        payment_key: "key".to_owned(),
    };
    engine.settle_payment(&attempt, PaymentOutcome::Declined("NO".to_owned())).await.unwrap();
    node.verify().await;
    retire(&node, &fixture).await;
    assert!(!is_archived(&node, &fixture).await, "a reservation may still be paid");
    let cancel = format!("/api/reservations/{}/cancel", payment["reservationId"].as_str().unwrap());
    fan.post(&cancel, &Value::Null).await.expect(200);
    wait_until_gone(&node, &fixture).await;
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_postgresql_does_not_have_keeps_its_match_in_redis() {
    let node = start().await;
    let (fixture, admin, fan) =
        (node.open_match().await, node.admin().await, node.user("fan").await);
    buy(&node, &fan, &fixture, &[1]).await;
    let set = async |status: &str| {
        let text = format!("update reservations set status = '{status}'");
        sql(&node.settings.database_url, &text).await;
    };
    set("PAYING").await;
    end(&admin, &fixture).await;
    for _ in 0..3 {
        retire(&node, &fixture).await;
    }
    assert!(!is_archived(&node, &fixture).await);
    set("CONFIRMED").await;
    eventually("it is archived", || async {
        retire(&node, &fixture).await;
        is_archived(&node, &fixture).await.then_some(())
    })
    .await;
    set("PAYING").await;
    for _ in 0..3 {
        retire(&node, &fixture).await;
    }
    assert_eq!(claims(&node, id(&fixture).partition()).await, 1);
    set("CONFIRMED").await;
    wait_until_gone(&node, &fixture).await;
    assert_eq!(claims(&node, id(&fixture).partition()).await, 0);
    node.finish().await;
}

/// The time counts from its start, not from the end of the sale.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_stays_for_its_time() {
    let node = TestNode::start().await;
    let (fixture, admin) = (node.open_match().await, node.admin().await);
    let close = format!("/api/admin/matches/{}/close", fixture.id);
    admin.post(&close, &Value::Null).await.expect(200);
    retire(&node, &fixture).await;
    assert!(!is_archived(&node, &fixture).await, "its start is to come");
    let days = |days: i64| {
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        json!({"siteId": fixture.site_id, "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
            "startsAt": at.to_string()})
    };
    let path = format!("/api/admin/matches/{}", fixture.id);
    admin.put(&path, &days(6)).await.expect(200);
    retire(&node, &fixture).await;
    assert!(!is_archived(&node, &fixture).await, "its start was six days ago");
    admin.put(&path, &days(8)).await.expect(200);
    retire(&node, &fixture).await;
    assert!(is_archived(&node, &fixture).await);
    node.finish().await;
}

/// Only cancellations of its sales.
#[tokio::test]
async fn an_archived_match_takes_no_commands() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Hold, Reserve, Request, Begin, Approve]).await;
    let (engine, id, me, mine) = (&bed.engine, scene.id(), scene.me, scene.reservation);
    assert!(!engine.archive_claim(id, me, mine).await.unwrap(), "it is on sale");
    let mut refunding = bed.at(&[Hold, Reserve, Request, Begin, Approve, Cancel]).await;
    for each in [&mut scene, &mut refunding] {
        each.change(|fixture| {
            fixture.status = MatchStatus::Closed;
            fixture.archived = true;
        })
        .await;
    }
    let (other, theirs) = (refunding.id(), refunding.reservation);
    assert!(!engine.archive_claim(other, refunding.me, theirs).await.unwrap(), "money moves");
    let archived = |result: Result<(), EngineError>| {
        matches!(result, Err(EngineError::Refused(Refusal::Archived)))
    };
    assert!(archived(engine.cancel(id, me, mine, all(), Operation::default()).await.map(|_| ())));
    assert!(archived(engine.block(id, seats(&[5])).await));
    assert!(archived(engine.unblock(id, seats(&[5])).await));
    let hold = engine.hold(id, me, seats(&[5]), PRICE, &[], Operation::default()).await;
    assert!(matches!(hold, Err(EngineError::Refused(Refusal::NotOpen { .. }))));
    assert!(engine.archive_claim(id, me, mine).await.unwrap());
    assert!(engine.archive_claim(id, me, mine).await.unwrap(), "asked again");
    assert_eq!(engine.claims_of(PARTITION, me).await.unwrap().len(), 0);
    assert_eq!(bed.seats(id).await, "1O 2O", "they leave with the match");
    engine.clear_match(id).await.unwrap();
    engine.clear_match(id).await.unwrap();
    let gone = HashMap::from([("status".to_owned(), "ARCHIVED".to_owned())]);
    assert_eq!(left(&bed.raw, id).await, gone);
    let fields = bed.hash(PartitionKeys(PARTITION).claims()).await;
    assert_eq!(fields.len(), 1, "that of the refund");
}

/// The money went back in the console of the gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_of_a_match_that_has_left_redis_ends_when_its_money_is_back() {
    let node = start().await;
    node.send_webhooks().await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    let reservation = buy(&node, &fan, &fixture, &[1, 2]).await;
    end(&node.admin().await, &fixture).await;
    wait_until_gone(&node, &fixture).await;
    let key = node.ledger_entries().await[0]["paymentKey"].as_str().unwrap().to_owned();
    let url = format!("{}/v1/payments/{key}/cancel", node.emulator.url());
    let request = plain_http().post(url);
    let request = request.basic_auth(&node.settings.toss_secret_key, Some(""));
    let answer = request.json(&json!({"cancelReason": "in the console"})).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    node.wait_for_status(&fan, &reservation, "CANCELLED").await;
    node.wait_for_books().await;
    node.finish().await;
}
