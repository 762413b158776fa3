//! PostgreSQL away: holds go on, money waits, and nothing is lost when it is back.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::postgres;
use fred::prelude::*;
use grandstand::config::Settings;
use grandstand::domain::ids::{MatchId, Partition, ReservationId};
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use grandstand_embedded::{Fsync, PrivatePostgres};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;

/// A node on a PostgreSQL that the test may kill.
struct Bed {
    app: TestNode,
    postgres: PrivatePostgres,
    event: TestMatch,
    fan: Client,
    _dir: TempDir,
}

impl Bed {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = TempDir::new().unwrap();
        let postgres = postgres::private(dir.path()).await;
        let app = TestNode::start_on(postgres.url(), Fsync::Never, change).await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        app.verify().await;
        Self { app, postgres, event, fan, _dir: dir }
    }

    /// A reservation of a seat, a payment for it, and the key of the gateway.
    async fn ready(&self, seat: u32) -> (Value, Value, String) {
        ready(&self.app, &self.event, &self.fan, seat).await
    }

    async fn finish(self) {
        self.app.finish().await;
        self.postgres.stop().await.unwrap();
    }
}

async fn ready(
    app: &TestNode,
    event: &TestMatch,
    fan: &Client,
    seat: u32,
) -> (Value, Value, String) {
    let reservation = fan.reserve(&event.id, &[seat]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = app.pay_at_gateway(&payment, "approve").await;
    (reservation, payment, key)
}

fn path_of(reservation: &Value) -> String {
    format!("/api/reservations/{}", reservation["id"].as_str().unwrap())
}

/// Confirms until payments go on again.
async fn confirm_when_it_can(fan: &Client, payment: &Value, key: &str) -> Value {
    eventually("payments go on", || async {
        let answer = fan.confirm(payment, key).await;
        (answer.status != 503).then(|| answer.expect(200))
    })
    .await
}

/// The rule: with PostgreSQL away nothing is charged, nobody loses seats, and all else goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_postgresql_holds_go_on_and_payments_wait() {
    let mut bed = Bed::start(|settings| settings.payment_ttl_ms = 60_000).await;
    let (reservation, payment, key) = bed.ready(1).await;
    bed.postgres.kill().await;
    for _ in 0..2 {
        let paused = bed.fan.confirm(&payment, &key).await;
        assert!(paused.headers.contains_key("retry-after"));
        paused.refused(503, "PAYMENTS_PAUSED");
        let now = bed.fan.get(&path_of(&reservation)).await.expect(200);
        assert_eq!(now["status"], "PENDING");
        let (before, after) = (&reservation["expiresAt"], &now["expiresAt"]);
        assert!(before.as_str() < after.as_str(), "{before} then {after}");
    }
    assert_eq!(bed.app.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    bed.fan.hold(&bed.event.id, &[2]).await.expect(201);
    bed.fan.reserve(&bed.event.id, &[3]).await;
    let other = bed.app.user("made-meanwhile").await;
    other.hold(&bed.event.id, &[4]).await.expect(201);
    let list = bed.fan.get("/api/reservations").await.expect(200);
    assert_eq!(
        (&list["history"], list["reservations"].as_array().unwrap().len()),
        (&json!(false), 2)
    );
    eventually("the node says that PostgreSQL is away, and is ready", || async {
        let ready = bed.app.guest().get("/health/ready").await.expect(200);
        (ready["database"] == "away").then_some(())
    })
    .await;

    bed.postgres.restart().await.unwrap();
    let answer = confirm_when_it_can(&bed.fan, &payment, &key).await;
    assert_eq!(
        (&answer["persisted"], &answer["reservation"]["status"]),
        (&json!(true), &json!("CONFIRMED"))
    );
    assert_eq!(bed.app.ledger().await, ["DONE"]);
    let list = bed.fan.get("/api/reservations").await.expect(200);
    assert_eq!(list["history"], true);
    bed.finish().await;
}

/// The rule: money that moved while PostgreSQL went away is a sale, answered 202, kept later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_between_claim_and_outcome_survives_the_loss_of_postgresql() {
    let mut bed = Bed::start(|_| {}).await;
    let (reservation, payment, key) = bed.ready(1).await;
    bed.app
        .fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 1500, "count": 1}))
        .await;
    let kill = async {
        eventually("the gateway has taken the money", || async {
            (bed.app.ledger().await == ["DONE"]).then_some(())
        })
        .await;
        bed.postgres.kill().await;
    };
    let (answer, ()) = tokio::join!(bed.fan.confirm(&payment, &key), kill);
    let answer = answer.expect(202);
    assert_eq!(
        (&answer["persisted"], &answer["reservation"]["status"]),
        (&json!(false), &json!("CONFIRMED"))
    );
    // Asked again meanwhile, it is the same.
    bed.fan.confirm(&payment, &key).await.expect(202);
    bed.postgres.restart().await.unwrap();
    let again = eventually("PostgreSQL has the sale", || async {
        let answer = bed.fan.confirm(&payment, &key).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert_eq!(again["data"]["persisted"], true);
    let id = reservation["id"].as_str().unwrap().parse().unwrap();
    let kept = bed.app.node().services.store.reservation(id).await.unwrap().unwrap();
    assert_eq!((kept.status.word(), kept.amount), ("CONFIRMED", 10_000));
    assert_eq!(bed.app.ledger().await, ["DONE"]);
    bed.finish().await;
}

/// The rule: a claim that PostgreSQL took although nobody heard of it is taken back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_postgresql_pauses_payments_and_keeps_no_claim() {
    let bed = Bed::start(|_| {}).await;
    let (reservation, payment, key) = bed.ready(1).await;
    bed.postgres.freeze();
    bed.fan.confirm(&payment, &key).await.refused(503, "PAYMENTS_PAUSED");
    bed.fan.hold(&bed.event.id, &[2]).await.expect(201);
    bed.postgres.thaw();
    bed.fan.post(&format!("{}/cancel", path_of(&reservation)), &Value::Null).await.expect(200);
    bed.app.verify().await;
    assert_eq!(bed.app.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    // The seat is free for a sale to another.
    let other = bed.app.user("other").await;
    let (_, payment, key) = ready(&bed.app, &bed.event, &other, 1).await;
    confirm_when_it_can(&other, &payment, &key).await;
    bed.postgres.thaw();
    bed.finish().await;
}

/// The rule: a worker that goes is followed by another, which drains what it left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_takes_over_where_one_stopped() {
    let mut bed = Bed::start(|_| {}).await;
    let second = bed.app.another_node(NodeRole::All).await;
    let fan = Client::new(second.url(), bed.fan.token.clone());
    bed.app.node.take().unwrap().stop().await;
    let reservation = fan.reserve(&bed.event.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&payment, "approve").await;
    confirm_when_it_can(&fan, &payment, &key).await;
    for number in 0..2 {
        let partition = Partition(number);
        let (engine, store) = (&second.services.engine, &second.services.store);
        eventually("the journal is drained", || async {
            let upto = store.position(partition).await.ok()??.id;
            (engine.journal_backlog(partition, upto).await.ok()? == 0).then_some(())
        })
        .await;
    }
    bed.app.node = Some(second);
    bed.finish().await;
}

/// The rule: a worker that vanishes without a word is followed by another when its lease ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_takes_over_when_a_lease_ends() {
    let bed = Bed::start(|_| {}).await;
    let raw = bed.app.raw().await;
    // A worker that is dead already has the partition: nobody renews its lease.
    let id: MatchId = bed.event.id.parse().unwrap();
    let lease = PartitionKeys(id.partition()).lease();
    let expire = Some(Expiration::PX(4000));
    let _: () = raw.set(lease, "a worker that is dead", expire, None, false).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1500)).await; // the live one notices at its renewal
    let (_, payment, key) = bed.ready(1).await;
    confirm_when_it_can(&bed.fan, &payment, &key).await;
    bed.finish().await;
}

/// The rule: no money goes back that PostgreSQL does not know of, however often it is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_waits_for_postgresql_also_when_it_is_asked_for_again() {
    let mut bed = Bed::start(|settings| settings.reconcile_after_ms = 500).await;
    let (reservation, payment, key) = bed.ready(1).await;
    bed.fan.confirm(&payment, &key).await.expect(200);
    bed.postgres.kill().await;
    let cancel = format!("{}/cancel", path_of(&reservation));
    for _ in 0..2 {
        bed.fan.post(&cancel, &Value::Null).await.expect(202);
        assert_eq!(bed.app.ledger().await, ["DONE"], "nothing has gone back");
    }
    bed.postgres.restart().await.unwrap();
    eventually("the money is back", || async {
        (bed.app.ledger().await == ["CANCELED"]).then_some(())
    })
    .await;
    bed.app.wait_for_status(&bed.fan, &reservation, "CANCELLED").await;
    bed.finish().await;
}

/// The rule: a payment that can't be read this moment is not called missing, and uncharged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_can_not_be_read_is_not_missing() {
    let mut bed = Bed::start(|_| {}).await;
    let (reservation, payment, key) = bed.ready(1).await;
    bed.fan.confirm(&payment, &key).await.expect(200);
    bed.app.verify().await;
    // Redis has lost the reservation, and PostgreSQL, which has it, is away.
    let id: ReservationId = reservation["id"].as_str().unwrap().parse().unwrap();
    let claims = PartitionKeys(id.partition()).claims();
    let _: i64 = bed.app.raw().await.del(claims).await.unwrap();
    bed.postgres.kill().await;
    let path = format!("/api/payments/{}", payment["id"].as_str().unwrap());
    bed.fan.get(&path).await.refused(503, "HISTORY_UNAVAILABLE");
    bed.postgres.restart().await.unwrap();
    eventually("it is read again", || async {
        let answer = bed.fan.get(&path).await;
        (answer.status == 200).then_some(())
    })
    .await;
    // Redis is wrong on purpose: the books are not compared.
    bed.app.node.unwrap().stop().await;
    bed.postgres.stop().await.unwrap();
}
