//! A fact that PostgreSQL has missed is written to the journal again, and no response calls a sale
//! persisted before it is.

use crate::support::node::{TestNode, eventually};
use crate::support::postgres::sql;
use crate::support::sale::{Sale, path_of};
use fred::prelude::*;
use grandstand::config::Settings;
use grandstand::domain::ids::{MatchId, Partition, ReservationId};
use grandstand::domain::position::{Position, StreamId};
use grandstand::engine::leases::Lease;
use grandstand::node::NodeRole;
use grandstand::redis::Link;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use grandstand::stream::journal::Journal;
use grandstand::workers::orphans::Findings;
use serde_json::{Value as Json, json};

async fn start() -> Sale {
    Sale::with(|settings| settings.reconcile_after_ms = 200).start().await
}

impl Sale {
    /// From here on only the test itself takes entries to PostgreSQL.
    async fn by_hand(&mut self) -> Hand {
        self.without_worker().await;
        let partition = self.partition();
        let workers = self.node.workers();
        let journal = Journal::open(workers.engine.redis(), partition).await.unwrap();
        let lease = workers.engine.take_lease(partition, "by hand", 600_000).await.unwrap();
        let lease = lease.expect("nobody owns it");
        let place = workers.position(partition).await.unwrap();
        Hand { partition, journal, lease, place, raw: self.node.raw().await }
    }

    /// Changes PostgreSQL as if it had missed a fact.
    async fn missed(&self, statement: &str) {
        self.node.verify().await;
        sql(&self.node.settings.database_url, statement).await;
    }
}

/// A worker whose steps the test takes.
struct Hand {
    partition: Partition,
    journal: Journal,
    lease: Lease,
    place: Position,
    raw: Link,
}

impl Hand {
    /// Waits for an entry of this kind that PostgreSQL does not have.
    async fn wait_for(&self, kind: &str) -> StreamId {
        eventually(kind, || async {
            let entries = self.journal.read(self.place.id, 100).await.ok()?;
            let found = entries.iter().find(|(_, fields)| fields["t"] == kind);
            found.map(|(id, _)| *id)
        })
        .await
    }

    async fn take(&mut self, node: &TestNode) {
        let workers = node.workers();
        self.place = workers.drain_once(&self.journal, &self.lease, self.place).await.unwrap();
    }

    /// Another worker may take the partition.
    async fn give_up(&self, node: &TestNode) {
        node.workers().engine.end_lease(&self.lease).await.unwrap();
    }

    /// Takes one entry out of the journal, as if it had been lost, and what comes after it to
    /// PostgreSQL.
    async fn lose(&mut self, node: &TestNode, kind: &str) {
        let (id, journal) = (self.wait_for(kind).await, PartitionKeys(self.partition).journal());
        let gone: i64 = self.raw.xdel(&journal, id.to_string()).await.unwrap();
        assert_eq!(gone, 1);
        let next = vec![("v", "1"), ("t", "seats_unblocked"), ("seats", "")];
        let fixture = MatchId::new(self.partition).key();
        let fields: Vec<(&str, &str)> = next.into_iter().chain([("match", &*fixture)]).collect();
        let _: String = self.raw.xadd(&journal, false, None::<()>, "*", fields).await.unwrap();
        self.take(node).await;
    }
}

/// A response says that a sale is persisted when its row is there. It is not enough that PostgreSQL
/// has read past its entry. The missing fact is written to the journal again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_whose_fact_is_lost_is_not_called_persisted() {
    let mut sale = start().await;
    let mut hand = sale.by_hand().await;
    let (reservation, payment, key) = sale.ready(&[1, 2]).await;
    let worker = async {
        hand.wait_for("payment_begun").await;
        hand.take(&sale.node).await;
        hand.lose(&sale.node, "payment_approved").await;
    };
    let (answer, ()) = tokio::join!(sale.fan.confirm(&payment, &key), worker);
    let sold = answer.expect(202);
    assert_eq!((&sold["persisted"], &sold["payment"]["status"]), (&json!(false), &json!("PAID")));
    hand.give_up(&sale.node).await;
    let worker = sale.node.another_node(NodeRole::Worker).await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    worker.stop().await;
    sale.finish().await;
}

/// No money goes back without the row of its refund, and a response says that it is back only when
/// the row does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_fact_is_lost_gives_nothing_back_yet() {
    let mut sale = start().await;
    let first = sale.sold(&[1, 2]).await;
    let second = sale.sold(&[3]).await;
    let mut hand = sale.by_hand().await;
    let body = json!({"seatIds": [1]});
    let lost = hand.lose(&sale.node, "refund_begun");
    let (answer, ()) = tokio::join!(sale.cancel(&first, &body), lost);
    answer.expect(202);
    sale.cancel(&first, &body).await.expect(202);
    assert_eq!(sale.node.ledger().await, ["DONE", "DONE"], "nothing has gone back");
    let found = sale.node.verify().await.table();
    assert!(found.contains("its money is on the way back in Redis only"), "{found}");
    // The end of a refund is lost.
    let lost = async {
        hand.wait_for("refund_begun").await;
        hand.take(&sale.node).await;
        hand.lose(&sale.node, "payment_refunded").await;
    };
    let (answer, ()) = tokio::join!(sale.cancel(&second, &Json::Null), lost);
    answer.expect(202);
    hand.give_up(&sale.node).await;
    let worker = sale.node.another_node(NodeRole::Worker).await;
    let path = path_of(&first);
    crate::support::node::eventually_within(
        std::time::Duration::from_secs(60),
        "the money of the seat is back",
        || async { (sale.fan.get(&path).await.body["data"]["amount"] == 10_000).then_some(()) },
    )
    .await;
    let mut kept = sale.node.wait_for_books().await;
    kept.sort();
    assert_eq!(kept, ["PAID", "REFUNDED"]);
    worker.stop().await;
    sale.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fact_that_postgresql_missed_is_written_again() {
    let sale = start().await;
    const PAYING: &str = "update payments set status = 'IN_PROGRESS', refunding = false;
        update reservations set status = 'PAYING';";
    let first = sale.sold(&[1, 2, 21]).await;
    sale.missed(PAYING).await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"], "approved");

    sale.cancel(&first, &json!({"seatIds": [21]})).await.expect(200);
    let claim = format!(
        "insert into claims select '{}', 21, id from reservations;
         update reservations set seats = '{{1,2,21}}', amount = 40000;",
        sale.fixture.id
    );
    let begun = "update payments set refunding = true; update refunds set status = 'BEGUN';";
    sale.missed(&format!("{claim} {begun}")).await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"], "refund done");
    let left = sale.node.wait_for_status(&sale.fan, &first, "CONFIRMED").await;
    assert_eq!(
        (left["amount"].as_i64(), &left["payment"]["refunded"]),
        (Some(20_000), &json!(20_000))
    );

    sale.missed(&format!("{claim} {PAYING} delete from refunds;")).await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"], "approved, and a refund since");

    let refuse = json!({"call": "cancel", "kind": "refuse", "code": "EXCEED_MAX_REFUND_DUE",
        "count": 1});
    sale.node.fault(&refuse).await;
    sale.cancel(&first, &json!({"seatIds": [1]})).await.refused(409, "REFUND_REFUSED");
    sale.missed(
        "update payments set refunding = true;
         update refunds set status = 'BEGUN' where status = 'REFUSED'",
    )
    .await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"], "refund refused");

    let claimed = format!(
        "{PAYING} delete from claims;
         insert into claims select '{}', unnest(seats), id from reservations",
        sale.fixture.id
    );
    sale.cancel(&first, &Json::Null).await.expect(200);
    sale.node.verify().await;
    sql(
        &sale.node.settings.database_url,
        "delete from payments; delete from reservations;
        delete from refunds",
    )
    .await;
    let (_, payment, key) = sale.ready(&[3]).await;
    sale.node
        .fault(&json!({"call": "confirm", "kind": "refuse", "code": "REJECT_CARD_COMPANY",
        "count": 1}))
        .await;
    sale.fan.confirm(&payment, &key).await.refused(402, "PAYMENT_DECLINED");
    sale.missed(&claimed).await;
    eventually("the refusal is told again", || async {
        let found = sql(&sale.node.settings.database_url, "select status from payments").await;
        (found == [["FAILED"]]).then_some(())
    })
    .await;
    sale.finish().await;
}

/// It waits in Redis only. It is not withdrawn while the node that began it may still be at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_that_postgresql_never_got_is_withdrawn() {
    let mut sale = start().await;
    let mut hand = sale.by_hand().await;
    let (reservation, payment, key) = sale.ready(&[1, 2]).await;
    let me = sale.fan.get("/api/users/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let (node, fixture) = (sale.node.running(), sale.fixture.id.parse().unwrap());
    let id: ReservationId = reservation["id"].as_str().unwrap().parse().unwrap();
    let paid = payment["id"].as_str().unwrap().parse().unwrap();
    let (engine, workers) = (&node.services.engine, &node.workers);
    // The node is gone, and its entry is lost.
    engine.begin_payment(fixture, me.parse().unwrap(), id, paid, 20_000, &key).await.unwrap();
    hand.lose(&sale.node, "payment_begun").await;
    let mut findings = Findings::default();
    assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), 0);
    sale.node.wait_for_status(&sale.fan, &reservation, "PAYING").await;
    assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), 1);
    sale.node.wait_for_status(&sale.fan, &reservation, "PENDING").await;
    hand.take(&sale.node).await;
    // The reconciler was about to ask the gateway, so PostgreSQL gets the payment again.
    let second = sale.fan.request_payment(&reservation).await;
    let key = sale.node.pay_at_gateway(&second, "approve").await;
    let paid = second["id"].as_str().unwrap().parse().unwrap();
    engine.begin_payment(fixture, me.parse().unwrap(), id, paid, 20_000, &key).await.unwrap();
    let begun = hand.wait_for("payment_begun").await;
    hand.take(&sale.node).await;
    let waiting = node.services.store.unsettled_one(paid).await.unwrap().unwrap();
    assert!(engine.mark_asked(&waiting.attempt).await.unwrap(), "{begun}");
    let url = sale.node.settings.database_url.clone();
    sql(&url, "delete from payments; delete from reservations; delete from claims").await;
    for expected in [0, 1] {
        assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), expected);
    }
    hand.give_up(&sale.node).await;
    let worker = sale.node.another_node(NodeRole::Worker).await;
    sale.node.wait_for_status(&sale.fan, &reservation, "CONFIRMED").await;
    sale.node.verify().await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    assert_eq!(sql(&url, "select count(*) from claims").await, [["2"]]);
    worker.stop().await;
    sale.finish().await;
}

/// Its refunds as well, each once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_that_postgresql_never_got_is_written_again() {
    let mut sale = start().await;
    sale.sold(&[1, 2]).await;
    let mut hand = sale.by_hand().await;
    let (workers, mut findings) = (sale.node.workers().clone(), Findings::default());
    let url = sale.node.settings.database_url.clone();
    assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), 0);
    sql(&url, "delete from payments; delete from reservations; delete from claims").await;
    let mut findings = Findings::default();
    assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), 1);
    hand.take(&sale.node).await;
    assert_eq!(sale.node.wait_for_books().await, ["PAID"]);
    for _ in 0..2 {
        assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), 0);
    }
    sale.finish().await;
}

/// Two looks in a row must find them. A seat that somebody has in PostgreSQL stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seats_without_an_owner_are_free_again() {
    let mut sale = start().await;
    sale.sold(&[5]).await;
    let hand = sale.by_hand().await;
    let id = sale.fixture.match_id();
    let seats = MatchKeys(id).seats();
    sale.fan.hold(&sale.fixture.id, &[1]).await.expect(201);
    sale.ready(&[2]).await;
    let claims = PartitionKeys(id.partition()).claims();
    let _: i64 = hand.raw.del(claims).await.unwrap();
    sale.fan.hold(&sale.fixture.id, &[3]).await.expect(201);
    let user: String = hand.raw.hget(&seats, "1").await.unwrap();
    let sold = [("4", "O".to_owned()), ("6", format!("O{}", &user[1..])), ("7", "B".to_owned())];
    let _: i64 = hand.raw.hset(&seats, sold.to_vec()).await.unwrap();
    let left = async || {
        let all: std::collections::BTreeMap<u32, String> = hand.raw.hgetall(&seats).await.unwrap();
        all.into_iter().map(|(seat, value)| format!("{seat}{}", &value[..1])).collect::<Vec<_>>()
    };
    let (workers, mut findings) = (sale.node.workers().clone(), Findings::default());
    assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), 0);
    assert_eq!(left().await, ["1H", "2P", "3H", "4O", "5O", "6O", "7B"]);
    // A seat that the first look found has an owner again.
    let _: i64 = hand.raw.hdel(&seats, "2").await.unwrap();
    sale.fan.hold(&sale.fixture.id, &[2]).await.expect(201);
    assert_eq!(workers.orphans_once(hand.partition, &mut findings).await.unwrap(), 2);
    assert_eq!(left().await, ["2H", "3H", "5O", "6O", "7B"]);
    sale.node.user("other").await.hold(&sale.fixture.id, &[1, 4]).await.expect(201);
    // Redis is wrong on purpose, so nothing is compared at the end.
    sale.finish_unequal().await;
}

/// A load numbers the sales of each match by themselves, as the match goes on to count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_after_a_load_is_written_again_in_each_match() {
    let change = |settings: &mut Settings| {
        settings.partitions = 1;
        settings.max_seats_per_user = 25;
    };
    let mut sale = Sale::with(change).start().await;
    let other = sale.node.open_match().await;
    let buy = async |sale: &Sale, seat: u32| {
        for fixture in [&sale.fixture, &other] {
            assert_eq!(sale.node.try_to_buy(&sale.fan, fixture, seat).await, 200);
        }
    };
    for seat in 1..=8 {
        buy(&sale, seat).await;
    }
    let before = sale.epoch().await;
    assert_eq!(sale.node.run(&["rebuild"]).await.0, 0);
    eventually("it is loaded again", || async {
        let epoch = sale.epoch().await?;
        (Some(epoch) > before).then_some(())
    })
    .await;
    sale.node.verify().await;
    let (partition, mut findings) = (sale.partition(), Findings::default());
    for _ in 0..2 {
        let found = sale.node.workers().orphans_once(partition, &mut findings).await;
        assert_eq!(found.unwrap(), 0);
    }
    buy(&sale, 9).await;
    sale.node.verify().await;
    let mut hand = sale.by_hand().await;
    let gone = "delete from claims where seat_id = 9;
        delete from payments where reservation_id in (
            select id from reservations where seats = '{9}');
        delete from reservations where seats = '{9}'";
    sql(&sale.node.settings.database_url, gone).await;
    let found = sale.node.workers().orphans_once(partition, &mut findings).await;
    assert_eq!(found.unwrap(), 2, "one in each match");
    hand.take(&sale.node).await;
    assert_eq!(sale.node.wait_for_books().await.len(), 18);
    sale.finish().await;
}
