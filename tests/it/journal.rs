//! From the journal to PostgreSQL, step by step: entries that are read twice, late, or by two
//! workers.

use crate::support::node::{TestNode, eventually};
use crate::support::postgres::{self, sql};
use fred::prelude::*;
use fred::types::streams::{XCapKind, XCapTrim};
use grandstand::domain::fact::{Fact, PaymentFact, PaymentStep};
use grandstand::domain::ids::{MatchId, Partition, PaymentId, ReservationId, SeatId, UserId};
use grandstand::domain::money::Money;
use grandstand::domain::position::{Position, StreamId};
use grandstand::engine::error::EngineError;
use grandstand::node::{Node, NodeRole};
use grandstand::redis::keys::PartitionKeys;
use grandstand::store::{Store, StoreError};
use grandstand::stream::journal::Journal;
use grandstand_embedded::{PostgresSettings, PrivatePostgres};
use serde_json::json;
use tempfile::TempDir;

pub(crate) const PARTITION: Partition = Partition(0);

/// Writes entries of a journal to a database, one after the other, as a worker does.
pub(crate) struct JournalWriter {
    pub store: Store,
    pub url: String,
    id: StreamId,
    /// The last entry that was applied.
    applied: StreamId,
}

impl JournalWriter {
    pub(crate) async fn start() -> Self {
        let url = postgres::database().await;
        let store = Store::new(&url, 2).unwrap();
        store.begin_epoch(PARTITION, 1).await.unwrap();
        Self { store, url, id: StreamId::default(), applied: StreamId::default() }
    }

    /// Writes an entry in a transaction of its own.
    pub(crate) async fn entry(&mut self, fact: Fact) -> Result<(), StoreError> {
        self.id.ms += 1;
        let from = Position { epoch: 1, id: self.applied };
        self.store.apply(PARTITION, from, self.id, &[(self.id, fact)]).await?;
        self.applied = self.id;
        Ok(())
    }

    pub(crate) async fn step(
        &mut self,
        step: PaymentStep,
        fact: &PaymentFact,
    ) -> Result<(), StoreError> {
        self.entry(Fact::Payment(step, Box::new(fact.clone()))).await
    }

    /// The same step out of a dead letter that had this position in the journal.
    pub(crate) async fn late(
        &mut self,
        place: Position,
        step: PaymentStep,
        fact: &PaymentFact,
    ) -> Result<(), StoreError> {
        let fact = Fact::Payment(step, Box::new(fact.clone()));
        self.entry(Fact::Late(place, Box::new(fact))).await
    }

    /// The position of the next entry.
    pub(crate) fn next(&self) -> Position {
        Position { epoch: 1, id: StreamId { ms: self.id.ms + 1, seq: 0 } }
    }

    pub(crate) async fn steps(&mut self, fact: &PaymentFact, steps: &[PaymentStep]) {
        for (number, step) in steps.iter().enumerate() {
            let fact = PaymentFact { at: fact.at + number as i64, ..fact.clone() };
            self.step(*step, &fact).await.unwrap();
        }
    }

    /// Status of reservation and payment, and how many seats are claimed for it.
    pub(crate) async fn stands(&self, fact: &PaymentFact) -> [String; 3] {
        let (payment, reservation) = (fact.payment, fact.reservation);
        let rows = format!(
            "select r.status, p.status,
                (select count(*) from claims where reservation_id = r.id)
             from payments p join reservations r on r.id = p.reservation_id
             where p.id = '{payment}' and r.id = '{reservation}'"
        );
        let mut rows = sql(&self.url, &rows).await;
        rows.pop().map_or_else(Default::default, |row| row.try_into().unwrap())
    }
}

pub(crate) fn sale(match_id: MatchId, seats: &[u32], at: i64) -> PaymentFact {
    PaymentFact {
        payment: PaymentId::new(PARTITION),
        reservation: ReservationId::new(PARTITION),
        match_id,
        user: UserId::new(PARTITION),
        seats: ids(seats),
        amount: 20_000,
        method: "CARD".to_owned(),
        key: "key".to_owned(),
        version: 1,
        at,
        code: None,
        money: Default::default(),
        terms: None,
        bill: Default::default(),
    }
}

/// A late or repeated entry undoes nothing that came after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_and_reordered_entries_change_nothing() {
    use PaymentStep::{
        Approved, Begun, Declined, Lost, RefundBegun, RefundRefused, Refunded, Withdrawn,
    };
    let mut writer = JournalWriter::start().await;
    // The steps in order; the late step, with its old time; the expected state.
    let table: &[(&[PaymentStep], &[PaymentStep], [&str; 3])] = &[
        (&[Begun], &[Begun], ["PAYING", "IN_PROGRESS", "2"]),
        (
            &[Begun, Approved],
            &[Begun, Approved, Declined, Withdrawn, Lost],
            ["CONFIRMED", "PAID", "2"],
        ),
        (&[Approved], &[Begun, Declined], ["CONFIRMED", "PAID", "2"]),
        (&[Begun, Declined], &[Begun, Approved, Withdrawn], ["PENDING", "FAILED", "0"]),
        (&[Begun, Withdrawn], &[Begun, Approved, Lost], ["PENDING", "WITHDRAWN", "0"]),
        (&[Begun, Withdrawn, Begun, Approved], &[Withdrawn, Begun], ["CONFIRMED", "PAID", "2"]),
        (
            &[Begun, Withdrawn, Begun],
            &[Withdrawn, Declined, Lost, Begun],
            ["PAYING", "IN_PROGRESS", "2"],
        ),
        (
            &[Begun, Approved, RefundBegun, Refunded],
            &[Begun, Approved, RefundBegun, RefundRefused, Refunded],
            ["CANCELLED", "REFUNDED", "0"],
        ),
        (
            &[Begun, Approved, RefundBegun, RefundRefused],
            &[RefundBegun, Approved, Begun],
            ["CONFIRMED", "PAID", "2"],
        ),
    ];
    for (number, (steps, late, wanted)) in table.iter().enumerate() {
        let seats = [2 * number as u32 + 1, 2 * number as u32 + 2];
        let fact = sale(MatchId::new(PARTITION), &seats, 1_000_000);
        let first = writer.next();
        writer.steps(&fact, steps).await;
        for step in *late {
            writer.late(first, *step, &fact).await.unwrap();
            assert_eq!(writer.stands(&fact).await, *wanted, "{steps:?}, then {step:?} again");
        }
    }
    let refunding = sql(&writer.url, "select count(*) from payments where refunding").await;
    assert_eq!(refunding, [["0"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_end_of_an_earlier_refund_does_not_end_the_next() {
    use PaymentStep::{Approved, Begun, RefundBegun, RefundDone, RefundRefused};
    let mut writer = JournalWriter::start().await;
    for (end, seat) in [(RefundRefused, 1), (RefundDone, 3)] {
        let fact = sale(MatchId::new(PARTITION), &[seat, seat + 1], 1_000_000);
        writer.steps(&fact, &[Begun, Approved]).await;
        let part = |refund| Money {
            attempt: 1,
            refund,
            part: 10_000,
            part_seats: vec![SeatId(seat)],
            ..Money::default()
        };
        let first = PaymentFact { money: part(1), at: 2_000_000, ..fact.clone() };
        let of_first = writer.next();
        writer.steps(&first, &[RefundBegun, end]).await;
        let second = PaymentFact { money: part(2), at: 3_000_000, ..fact.clone() };
        writer.steps(&second, &[RefundBegun]).await;
        writer.late(of_first, end, &first).await.unwrap();
        let under_way = format!(
            "select p.refunding, r.status from payments p join refunds r on r.payment_id = p.id
             where p.id = '{}' and r.number = 2",
            fact.payment
        );
        assert_eq!(sql(&writer.url, &under_way).await, [["t", "BEGUN"]], "{end:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_entry_of_an_earlier_payment_does_not_touch_the_sale() {
    use PaymentStep::{Approved, Begun, Declined, Withdrawn};
    let mut writer = JournalWriter::start().await;
    let first = sale(MatchId::new(PARTITION), &[1, 2], 1_000);
    let second = PaymentFact { payment: PaymentId::new(PARTITION), at: 2_000, ..first.clone() };
    writer.steps(&second, &[Begun, Approved]).await;
    for step in [Declined, Withdrawn] {
        writer.step(step, &first).await.unwrap();
        assert_eq!(writer.stands(&second).await, ["CONFIRMED", "PAID", "2"], "{step:?}");
    }
    for step in [Begun, Approved] {
        let refused = writer.step(step, &first).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
        assert_eq!(writer.stands(&second).await, ["CONFIRMED", "PAID", "2"], "{step:?}");
    }
}

pub(crate) fn ids(numbers: &[u32]) -> Vec<SeatId> {
    numbers.iter().copied().map(SeatId).collect()
}

/// The order of the journal decides, and the primary key would stop a mistake.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seat_is_claimed_once() {
    use PaymentStep::{Approved, Begun};
    let mut writer = JournalWriter::start().await;
    let fixture = MatchId::new(PARTITION);
    let (winner, loser) = (sale(fixture, &[1, 2], 1), sale(fixture, &[2, 3], 2));
    writer.steps(&winner, &[Begun, Approved]).await;
    writer.step(Begun, &loser).await.unwrap();
    assert_eq!(writer.stands(&loser).await, ["CANCELLED", "LOST", "0"]);
    // Paid without a claim: that is refused.
    let thief = sale(fixture, &[2], 3);
    let refused = writer.step(Approved, &thief).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!(writer.stands(&winner).await, ["CONFIRMED", "PAID", "2"]);
    let (client, connection) =
        tokio_postgres::connect(&writer.url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let again = "insert into claims (match_id, seat_id, reservation_id) values ($1, 2, $2)";
    let again = client.execute(again, &[&fixture.0, &loser.reservation.0]).await.unwrap_err();
    assert_eq!(again.code().unwrap().code(), "23505", "{again}");
}

/// A worker may die between any two of its steps, or hang and come back. Committed facts have their
/// effect once, also when nobody announced them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_goes_on_where_another_died_between_its_steps() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    node.without_worker().await;
    let fan = crate::support::client::Client::new(node.url(), fan.token.clone());
    let id = fixture.match_id();
    let partition = id.partition();
    let workers = node.workers().clone();
    let journal = Journal::open(workers.engine.redis(), partition).await.unwrap();
    let lease = workers.engine.take_lease(partition, "one that dies", 60_000).await.unwrap();
    let lease = lease.expect("nobody owns it");
    let place = workers.position(partition).await.unwrap();
    let reservation = fan.reserve(&fixture.id, &[1, 2]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    // Committed, and dead before the trim and the announcement: nothing is lost.
    let confirming = tokio::spawn({
        let (fan, payment, key) = (fan.clone(), payment.clone(), key.clone());
        async move { fan.confirm(&payment, &key).await }
    });
    let entries = eventually("the claim is in the journal", || async {
        let entries = journal.read(place.id, 10).await.ok()?;
        (!entries.is_empty()).then_some(entries)
    })
    .await;
    let facts: Vec<_> =
        entries.iter().map(|(id, fields)| (*id, Fact::parse(*id, fields).unwrap())).collect();
    let upto = Position { id: entries.last().unwrap().0, ..place };
    workers.store.apply(partition, place, upto.id, &facts).await.unwrap();
    assert!(
        workers.engine.journal_has(partition, upto.id).await.unwrap(),
        "an entry that was not trimmed"
    );
    // A worker that hung takes the same entries from a position that PostgreSQL has left.
    let late = workers.drain_once(&journal, &lease, place).await.unwrap_err();
    assert!(late.to_string().contains("PostgreSQL has the journal up to"), "{late:#}");
    workers.engine.end_lease(&lease).await.unwrap();
    confirming.await.unwrap();
    // A third worker begins at the position in PostgreSQL.
    let worker = Node::start(&node.settings, NodeRole::Worker).await.unwrap();
    let answer = eventually("the sale is confirmed", || async {
        let answer = fan.confirm(&payment, &key).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    assert_eq!(answer["data"]["persisted"], json!(true));
    // The worker that hung wakes up, with all entries that it had read.
    let again = workers.store.apply(partition, place, upto.id, &facts).await;
    assert!(matches!(again, Err(StoreError::Moved { .. })), "{again:?}");
    let late = workers.engine.announce(&lease, upto, &[]).await;
    assert!(matches!(late, Err(EngineError::Fenced)), "{late:?}");
    let rows = "select (select count(*) from claims), (select status from payments),
        (select status from reservations)";
    assert_eq!(sql(&node.settings.database_url, rows).await, [["2", "PAID", "CONFIRMED"]]);
    assert_eq!(node.ledger().await, ["DONE"]);
    worker.stop().await;
    node.finish().await;
}

/// A node and a worker refuse it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_could_lose_commits_is_refused() {
    let dir = TempDir::new().unwrap();
    let settings = PostgresSettings { durable: true, max_connections: 20 };
    let postgres = PrivatePostgres::start(dir.path(), settings).await.unwrap();
    Store::new(&postgres.url(), 1).unwrap().migrate().await.unwrap();
    let node = TestNode::start().await;
    let mut settings = node.settings.clone();
    settings.database_url = postgres.url();
    settings.allow_unsafe_database = false;
    for name in ["fsync", "full_page_writes", "synchronous_commit"] {
        let set = |value: &str| format!("alter system set {name} = {value}");
        sql(&postgres.url(), &set("off")).await;
        sql(&postgres.url(), "select pg_reload_conf()").await;
        eventually(&format!("{name} is off"), || async {
            let checked = Store::new(&postgres.url(), 1).unwrap().assert_durable().await;
            checked.is_err_and(|error| error.to_string().contains(name)).then_some(())
        })
        .await;
        let refused = Node::start(&settings, NodeRole::Worker).await.err().unwrap();
        assert!(format!("{refused:#}").contains(name), "{refused:#}");
        sql(&postgres.url(), &set("on")).await;
        sql(&postgres.url(), "select pg_reload_conf()").await;
        eventually(&format!("{name} is on"), || async {
            Store::new(&postgres.url(), 1).unwrap().assert_durable().await.ok()
        })
        .await;
    }
    node.finish().await;
    postgres.stop().await.unwrap();
}

/// Its ids go on behind the entries that are gone, and nothing is left to take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partition_whose_journal_is_empty_is_loaded() {
    let mut node = TestNode::start().await;
    let partition = node.open_match().await.partition();
    node.without_worker().await;
    let workers = node.workers().clone();
    let raw = node.raw().await;
    let key = PartitionKeys(partition).journal();
    let _: i64 = raw.xtrim(&key, (XCapKind::MaxLen, XCapTrim::Exact, "0")).await.unwrap();
    let journal = Journal::open(workers.engine.redis(), partition).await.unwrap();
    let lease = workers.engine.take_lease(partition, "a worker", 60_000).await.unwrap().unwrap();
    let loaded = workers.load_once(&journal, &lease).await;
    assert!(matches!(loaded, Ok(true)), "{loaded:?}");
    workers.engine.end_lease(&lease).await.unwrap();
    node.finish().await;
}
