//! A fact that PostgreSQL has missed is told again, and nobody is told that something is kept which
//! is not.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::postgres::sql;
use fred::prelude::*;
use grandstand::domain::ids::{MatchId, Partition, ReservationId};
use grandstand::domain::position::{Position, StreamId};
use grandstand::engine::leases::Lease;
use grandstand::node::{Node, NodeRole};
use grandstand::redis::Link;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use grandstand::stream::journal::Journal;
use grandstand::workers::orphans::Findings;
use serde_json::{Value as Json, json};

struct Bed {
    app: TestNode,
    event: TestMatch,
    fan: Client,
}

impl Bed {
    async fn start() -> Self {
        let app = TestNode::start_with(|settings| settings.reconcile_after_ms = 200).await;
        let event = app.open_match().await;
        let fan = app.user("fan").await;
        Self { app, event, fan }
    }

    /// From here on only what the test itself takes to PostgreSQL gets there.
    async fn by_hand(&mut self) -> Hand {
        self.app.without_worker().await;
        self.fan = Client::new(self.app.node().url(), self.fan.token.clone());
        let partition = self.event.id.parse::<MatchId>().unwrap().partition();
        let workers = &self.app.node().workers;
        let journal = Journal::open(workers.engine.redis(), partition).await.unwrap();
        let lease = workers.engine.take_lease(partition, "by hand", 600_000).await.unwrap();
        let lease = lease.expect("nobody owns it");
        let place = workers.position(partition).await.unwrap();
        Hand { partition, journal, lease, place, raw: self.app.raw().await }
    }

    async fn ready(&self, seats: &[u32]) -> (Json, Json, String) {
        let reservation = self.fan.reserve(&self.event.id, seats).await;
        let payment = self.fan.request_payment(&reservation).await;
        let key = self.app.pay_at_gateway(&payment, "approve").await;
        (reservation, payment, key)
    }

    async fn sold(&self, seats: &[u32]) -> Json {
        let (reservation, payment, key) = self.ready(seats).await;
        self.fan.confirm(&payment, &key).await.expect(200);
        reservation
    }

    async fn cancel(&self, reservation: &Json, body: &Json) -> crate::support::client::Answer {
        let path = format!("/api/reservations/{}/cancel", reservation["id"].as_str().unwrap());
        self.fan.post(&path, body).await
    }

    /// PostgreSQL is as if it had missed a fact.
    async fn missed(&self, statement: &str) {
        self.app.verify().await;
        sql(&self.app.settings.database_url, statement).await;
    }
}

/// A worker that does what the test says.
struct Hand {
    partition: Partition,
    journal: Journal,
    lease: Lease,
    place: Position,
    raw: Link,
}

impl Hand {
    /// Waits for an entry of this kind behind what was taken.
    async fn wait_for(&self, kind: &str) -> StreamId {
        eventually(kind, || async {
            let entries = self.journal.read(self.place.id, 100).await.ok()?;
            let found = entries.iter().find(|(_, fields)| fields["t"] == kind);
            found.map(|(id, _)| *id)
        })
        .await
    }

    async fn take(&mut self, app: &TestNode) {
        let workers = &app.node().workers;
        self.place = workers.drain_once(&self.journal, &self.lease, self.place).await.unwrap();
    }

    /// Another worker may take the partition.
    async fn give_up(&self, app: &TestNode) {
        app.node().workers.engine.end_lease(&self.lease).await.unwrap();
    }

    /// Takes one entry out of the journal, as if it had been lost, and what comes after it to
    /// PostgreSQL.
    async fn lose(&mut self, app: &TestNode, kind: &str) {
        let (id, journal) = (self.wait_for(kind).await, PartitionKeys(self.partition).journal());
        let gone: i64 = self.raw.xdel(&journal, id.to_string()).await.unwrap();
        assert_eq!(gone, 1);
        let next = vec![("v", "1"), ("t", "seats_unblocked"), ("seats", "")];
        let event = MatchId::new(self.partition).key();
        let fields: Vec<(&str, &str)> = next.into_iter().chain([("match", &*event)]).collect();
        let _: String = self.raw.xadd(&journal, false, None::<()>, "*", fields).await.unwrap();
        self.take(app).await;
    }
}

/// The rule: an answer says that a sale is kept when its row is there, and not because PostgreSQL
/// has read past its entry. What was missed is told again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_whose_fact_is_lost_is_not_called_kept() {
    let mut bed = Bed::start().await;
    let mut hand = bed.by_hand().await;
    let (reservation, payment, key) = bed.ready(&[1, 2]).await;
    let worker = async {
        hand.wait_for("payment_begun").await;
        hand.take(&bed.app).await;
        hand.lose(&bed.app, "payment_approved").await;
    };
    let (answer, ()) = tokio::join!(bed.fan.confirm(&payment, &key), worker);
    let sold = answer.expect(202);
    assert_eq!((&sold["persisted"], &sold["payment"]["status"]), (&json!(false), &json!("PAID")));
    hand.give_up(&bed.app).await;
    let worker = Node::start(&bed.app.settings, NodeRole::Worker).await.unwrap();
    assert_eq!(bed.app.wait_for_books().await, ["PAID"]);
    bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    worker.stop().await;
    bed.app.finish().await;
}

/// The rule: no money goes back without the row of its refund, and an answer says that it is back
/// when the row does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_fact_is_lost_gives_nothing_back_yet() {
    let mut bed = Bed::start().await;
    let one = bed.sold(&[1, 2]).await;
    let two = bed.sold(&[3]).await;
    let mut hand = bed.by_hand().await;
    let body = json!({"seatIds": [1]});
    let lost = hand.lose(&bed.app, "refund_begun");
    let (answer, ()) = tokio::join!(bed.cancel(&one, &body), lost);
    answer.expect(202);
    bed.cancel(&one, &body).await.expect(202);
    assert_eq!(bed.app.ledger().await, ["DONE", "DONE"], "nothing has gone back");
    let found = bed.app.verify().await.table();
    assert!(found.contains("its money is on the way back in Redis only"), "{found}");
    // The end of a refund is lost.
    let lost = async {
        hand.wait_for("refund_begun").await;
        hand.take(&bed.app).await;
        hand.lose(&bed.app, "payment_refunded").await;
    };
    let (answer, ()) = tokio::join!(bed.cancel(&two, &Json::Null), lost);
    answer.expect(202);
    hand.give_up(&bed.app).await;
    let worker = Node::start(&bed.app.settings, NodeRole::Worker).await.unwrap();
    let path = format!("/api/reservations/{}", one["id"].as_str().unwrap());
    crate::support::node::eventually_within(
        std::time::Duration::from_secs(60),
        "the money of the seat is back",
        || async { (bed.fan.get(&path).await.body["data"]["amount"] == 10_000).then_some(()) },
    )
    .await;
    let mut kept = bed.app.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    worker.stop().await;
    bed.app.finish().await;
}

/// The rule: whichever fact of a payment PostgreSQL has missed, it hears of it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fact_that_is_missed_is_told_again() {
    let bed = Bed::start().await;
    const PAYING: &str = "update payments set status = 'IN_PROGRESS', refunding = false;
        update reservations set status = 'PAYING';";
    let one = bed.sold(&[1, 2, 21]).await;
    bed.missed(PAYING).await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID"], "approved");

    bed.cancel(&one, &json!({"seatIds": [21]})).await.expect(200);
    let claim = format!(
        "insert into claims select '{}', 21, id from reservations;
         update reservations set seats = '{{1,2,21}}', amount = 40000;",
        bed.event.id
    );
    let begun = "update payments set refunding = true; update refunds set status = 'BEGUN';";
    bed.missed(&format!("{claim} {begun}")).await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID"], "refund done");
    let left = bed.app.wait_for_status(&bed.fan, &one, "CONFIRMED").await;
    assert_eq!(
        (left["amount"].as_i64(), &left["payment"]["refunded"]),
        (Some(20_000), &json!(20_000))
    );

    bed.missed(&format!("{claim} {PAYING} delete from refunds;")).await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID"], "approved, and a refund since");

    let refuse = json!({"call": "cancel", "kind": "refuse", "code": "EXCEED_MAX_REFUND_DUE",
        "count": 1});
    bed.app.fault(&refuse).await;
    bed.cancel(&one, &json!({"seatIds": [1]})).await.refused(409, "REFUND_REFUSED");
    bed.missed(
        "update payments set refunding = true;
         update refunds set status = 'BEGUN' where status = 'REFUSED'",
    )
    .await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID"], "refund refused");

    let claimed = format!(
        "{PAYING} delete from claims;
         insert into claims select '{}', unnest(seats), id from reservations",
        bed.event.id
    );
    bed.cancel(&one, &Json::Null).await.expect(200);
    bed.app.verify().await;
    sql(
        &bed.app.settings.database_url,
        "delete from payments; delete from reservations;
        delete from refunds",
    )
    .await;
    let (_, payment, key) = bed.ready(&[3]).await;
    bed.app
        .fault(&json!({"call": "confirm", "kind": "refuse", "code": "REJECT_CARD_COMPANY",
        "count": 1}))
        .await;
    bed.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    bed.missed(&claimed).await;
    eventually("the refusal is told again", || async {
        let found = sql(&bed.app.settings.database_url, "select status from payments").await;
        (found == [["FAILED"]]).then_some(())
    })
    .await;
    bed.app.finish().await;
}

/// The rule: a payment that waits in Redis, and that PostgreSQL has never heard of, is withdrawn.
/// It is not while the node that began it may still be at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_postgresql_never_heard_of_is_withdrawn() {
    let mut bed = Bed::start().await;
    let mut hand = bed.by_hand().await;
    let (reservation, payment, key) = bed.ready(&[1, 2]).await;
    let me = bed.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let (node, event) = (bed.app.node(), bed.event.id.parse().unwrap());
    let one: ReservationId = reservation["id"].as_str().unwrap().parse().unwrap();
    let paid = payment["id"].as_str().unwrap().parse().unwrap();
    let (engine, workers) = (&node.services.engine, &node.workers);
    // The node is gone, and what it wrote as well.
    engine.begin_payment(event, me.parse().unwrap(), one, paid, 20_000, &key).await.unwrap();
    hand.lose(&bed.app, "payment_begun").await;
    let mut looks = Findings::default();
    assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), 0);
    bed.app.wait_for_status(&bed.fan, &reservation, "PAYING").await;
    assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), 1);
    bed.app.wait_for_status(&bed.fan, &reservation, "PENDING").await;
    hand.take(&bed.app).await;
    // The reconciler was about to ask the gateway: then PostgreSQL hears of it, and goes on.
    let second = bed.fan.request_payment(&reservation).await;
    let key = bed.app.pay_at_gateway(&second, "approve").await;
    let paid = second["id"].as_str().unwrap().parse().unwrap();
    engine.begin_payment(event, me.parse().unwrap(), one, paid, 20_000, &key).await.unwrap();
    let begun = hand.wait_for("payment_begun").await;
    hand.take(&bed.app).await;
    let waiting = node.services.store.unsettled_one(paid).await.unwrap().unwrap();
    assert!(engine.mark_asked(&waiting.attempt).await.unwrap(), "{begun}");
    let url = bed.app.settings.database_url.clone();
    sql(&url, "delete from payments; delete from reservations; delete from claims").await;
    for expected in [0, 1] {
        assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), expected);
    }
    hand.give_up(&bed.app).await;
    let worker = Node::start(&bed.app.settings, NodeRole::Worker).await.unwrap();
    bed.app.wait_for_status(&bed.fan, &reservation, "CONFIRMED").await;
    bed.app.verify().await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID"]);
    assert_eq!(sql(&url, "select count(*) from claims").await, [["2"]]);
    worker.stop().await;
    bed.app.finish().await;
}

/// The rule: sales and refunds that PostgreSQL knows nothing of are told again, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_postgresql_never_heard_of_is_told_again() {
    let mut bed = Bed::start().await;
    bed.sold(&[1, 2]).await;
    let mut hand = bed.by_hand().await;
    let (workers, mut looks) = (bed.app.node().workers.clone(), Findings::default());
    let url = bed.app.settings.database_url.clone();
    assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), 0);
    sql(&url, "delete from payments; delete from reservations; delete from claims").await;
    let mut looks = Findings::default();
    assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), 1);
    hand.take(&bed.app).await;
    assert_eq!(bed.app.wait_for_books().await, ["PAID"]);
    for _ in 0..2 {
        assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), 0);
    }
    bed.app.finish().await;
}

/// The rule: seats of nobody are free again when two looks in a row have found them; a seat that
/// somebody has in PostgreSQL is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_of_nobody_are_free_again() {
    let mut bed = Bed::start().await;
    bed.sold(&[5]).await;
    let hand = bed.by_hand().await;
    let id: MatchId = bed.event.id.parse().unwrap();
    let seats = MatchKeys(id).seats();
    bed.fan.hold(&bed.event.id, &[1]).await.expect(201);
    bed.ready(&[2]).await;
    let claims = PartitionKeys(id.partition()).claims();
    let _: i64 = hand.raw.del(claims).await.unwrap();
    bed.fan.hold(&bed.event.id, &[3]).await.expect(201);
    let user: String = hand.raw.hget(&seats, "1").await.unwrap();
    let sold = [("4", "O".to_owned()), ("6", format!("O{}", &user[1..])), ("7", "B".to_owned())];
    let _: i64 = hand.raw.hset(&seats, sold.to_vec()).await.unwrap();
    let left = async || {
        let all: std::collections::BTreeMap<u32, String> = hand.raw.hgetall(&seats).await.unwrap();
        all.into_iter().map(|(seat, value)| format!("{seat}{}", &value[..1])).collect::<Vec<_>>()
    };
    let (workers, mut looks) = (bed.app.node().workers.clone(), Findings::default());
    assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), 0);
    assert_eq!(left().await, ["1H", "2P", "3H", "4O", "5O", "6O", "7B"]);
    // Somebody has a seat again that the first look found.
    let _: i64 = hand.raw.hdel(&seats, "2").await.unwrap();
    bed.fan.hold(&bed.event.id, &[2]).await.expect(201);
    assert_eq!(workers.orphans_once(hand.partition, &mut looks).await.unwrap(), 2);
    assert_eq!(left().await, ["2H", "3H", "5O", "6O", "7B"]);
    bed.app.user("other").await.hold(&bed.event.id, &[1, 4]).await.expect(201);
    // What is wrong on purpose here is not for the comparison at the end.
    bed.app.node.take().unwrap().stop().await;
}
