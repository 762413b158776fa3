//! The journal while PostgreSQL is away: it is bounded, and nothing in it is lost.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use crate::support::postgres;
use fred::prelude::*;
use fred::types::InfoKind;
use grandstand::config::Settings;
use grandstand::domain::ids::{MatchId, Partition};
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use grandstand_embedded::{Fsync, PrivatePostgres};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Bed {
    app: TestNode,
    postgres: PrivatePostgres,
    event: TestMatch,
    partition: Partition,
    raw: grandstand::redis::Link,
    _dir: TempDir,
}

impl Bed {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = TempDir::new().unwrap();
        let postgres = postgres::private(dir.path()).await;
        let app = TestNode::start_on(postgres.url(), Fsync::Never, change).await;
        let event = app.open_match().await;
        app.verify().await;
        let id: MatchId = event.id.parse().unwrap();
        let raw = app.raw().await;
        Self { app, postgres, event, partition: id.partition(), raw, _dir: dir }
    }

    async fn ready(&self, fan: &Client, seat: u32) -> (Value, String) {
        let reservation = fan.reserve(&self.event.id, &[seat]).await;
        let payment = fan.request_payment(&reservation).await;
        let key = self.app.pay_at_gateway(&payment, "approve").await;
        (payment, key)
    }

    async fn journal(&self) -> u64 {
        self.raw.xlen(PartitionKeys(self.partition).journal()).await.unwrap()
    }

    async fn full(&self) {
        eventually("the journal counts as too long", || async {
            self.app.node().services.backlogs.full(self.partition).then_some(())
        })
        .await;
    }

    async fn finish(self) {
        self.app.finish().await;
        self.postgres.stop().await.unwrap();
    }
}

async fn confirm_when_it_can(fan: &Client, payment: &Value, key: &str) {
    eventually("payments go on", || async {
        let answer = fan.confirm(payment, key).await;
        (answer.status != 503).then(|| answer.expect(200))
    })
    .await;
}

/// The rule: above the limit of entries a payment does not even begin; it goes on when PostgreSQL
/// has caught up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_too_long_pauses_payments() {
    let mut bed = Bed::start(|settings| {
        settings.journal_entries_max = 3;
        settings.journal_age_ms_max = 3_600_000;
    })
    .await;
    let fan = bed.app.user("fan").await;
    bed.app.verify().await;
    let (payment, key) = bed.ready(&fan, 1).await;
    bed.postgres.kill().await;
    let mut number = 0;
    let guest = bed.app.guest();
    let sign_up = |number: u32| {
        let body = json!({"email": format!("other-{number}@test.example"),
            "password": "a password of tests"});
        let guest = &guest;
        async move { guest.post("/api/users/sign-up", &body).await }
    };
    while bed.journal().await <= 3 {
        number += 1;
        assert!(number < 1_000, "the journal does not grow");
        // Those of other partitions may be refused already.
        sign_up(number).await;
    }
    bed.full().await;
    let of_here = |number: &u32| {
        let email = format!("other-{number}@test.example");
        bed.app.node().services.engine.account_partition(&email) == bed.partition
    };
    let refused = sign_up((number + 1..).find(of_here).unwrap()).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.refused(503, "OVERLOADED");
    let before = bed.journal().await;
    let paused = fan.confirm(&payment, &key).await;
    assert!(paused.headers.contains_key("retry-after"));
    paused.refused(503, "PAYMENTS_PAUSED");
    assert_eq!(bed.journal().await, before, "nothing was begun");
    assert_eq!(bed.app.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    let metrics = reqwest::get(format!("{}/metrics", bed.app.node().url())).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for name in ["grandstand_journal_backlog_entries", "grandstand_journal_backlog_seconds"] {
        assert!(metrics.contains(name), "{name}");
    }
    fan.hold(&bed.event.id, &[2]).await.expect(201);
    bed.postgres.restart().await.unwrap();
    confirm_when_it_can(&fan, &payment, &key).await;
    bed.finish().await;
}

/// The rule: an hour without PostgreSQL, 1,000 times as fast. Nothing is charged, the journal and
/// the memory of Redis stay bounded, all else goes on, and afterwards nothing is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_without_postgresql_loses_nothing_and_stays_bounded() {
    let mut bed = Bed::start(|settings| {
        settings.journal_age_ms_max = 100;
        settings.payment_ttl_ms = 600_000;
        settings.max_seats_per_user = 20;
    })
    .await;
    let mut fans = Vec::new();
    for number in 0..4_u32 {
        let fan = bed.app.user(&format!("fan-{number}")).await;
        let ready = bed.ready(&fan, number + 1).await;
        fans.push((fan, ready));
    }
    bed.app.verify().await;
    bed.postgres.kill().await;
    // Entries that nobody takes any more.
    let begun = Instant::now();
    while !bed.app.node().services.backlogs.full(bed.partition) {
        assert!(begun.elapsed() < Duration::from_secs(30), "the journal does not age");
        let (fan, (payment, key)) = &fans[0];
        fan.confirm(payment, key).await.refused(503, "PAYMENTS_PAUSED");
    }
    let memory = used_memory(&bed.raw).await;
    let entries = bed.journal().await;
    for round in 0..200_u32 {
        let (fan, (payment, key)) = &fans[round as usize % fans.len()];
        let paused = fan.confirm(payment, key).await;
        assert!(paused.headers.contains_key("retry-after"));
        paused.refused(503, "PAYMENTS_PAUSED");
        let hold = fan.hold(&bed.event.id, &[6 + round % 14]).await.expect(201);
        let path = bed.event.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
        assert_eq!(fan.delete(&path).await.status, 204);
    }
    assert_eq!(bed.journal().await, entries, "payments that are refused leave no entries");
    let grown = used_memory(&bed.raw).await.saturating_sub(memory);
    assert!(grown < 1_000_000, "200 rounds took {grown} bytes of Redis");
    assert!(bed.app.ledger().await.iter().all(|status| status == "IN_PROGRESS"), "a charge");
    let list = fans[0].0.get("/api/reservations").await.expect(200);
    assert_eq!(
        (&list["history"], &list["reservations"][0]["status"]),
        (&json!(false), &json!("PENDING"))
    );
    bed.postgres.restart().await.unwrap();
    for (fan, (payment, key)) in &fans {
        confirm_when_it_can(fan, payment, key).await;
    }
    assert_eq!(bed.app.ledger().await, ["DONE"; 4]);
    let list = fans[0].0.get("/api/reservations").await.expect(200);
    assert_eq!(
        (&list["history"], &list["reservations"][0]["status"]),
        (&json!(true), &json!("CONFIRMED"))
    );
    bed.finish().await;
}

/// The rule: the journal is cut only up to what PostgreSQL has, however long it grows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_journal_arrives_whole() {
    let mut app = TestNode::start().await;
    let event = app.open_match().await;
    app.without_worker().await;
    let id: MatchId = event.id.parse().unwrap();
    let (raw, journal) = (app.raw().await, PartitionKeys(id.partition()).journal());
    // Blocked and unblocked again and again, and in the end one seat of each kind is out.
    let admin = app.admin().await;
    let path = |what: &str| format!("/api/admin/matches/{}/{what}", event.id);
    for number in 0..300_u32 {
        let seats = json!({"seatIds": [1 + number % 20]});
        admin.post(&path("block"), &seats).await.expect(200);
        if number < 290 {
            admin.post(&path("unblock"), &seats).await.expect(200);
        }
    }
    let length: u64 = raw.xlen(journal).await.unwrap();
    assert!(length >= 590, "{length} entries, and PostgreSQL has none of them");
    let worker = app.another_node(NodeRole::Worker).await;
    app.verify().await;
    let blocked = app.node().services.store.blocked_seats(id.partition()).await.unwrap();
    assert_eq!(blocked.len(), 10);
    worker.stop().await;
    app.finish().await;
}

async fn used_memory(raw: &fred::clients::Client) -> u64 {
    let info: String = raw.info(Some(InfoKind::Memory)).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}
