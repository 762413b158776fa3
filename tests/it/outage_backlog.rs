//! The journal while PostgreSQL is away: it is bounded, and nothing in it is lost.

use crate::support::client::plain_http;
use crate::support::node::{TestNode, eventually};
use crate::support::sale::{Sale, confirm_when_payments_go_on};
use fred::prelude::*;
use fred::types::InfoKind;
use grandstand::config::Settings;
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use serde_json::json;
use std::time::{Duration, Instant};

/// A sale on a PostgreSQL that the test may kill, and a connection to its Redis.
struct Backlog {
    sale: Sale,
    raw: grandstand::redis::Link,
}

impl Backlog {
    async fn start(change: impl FnOnce(&mut Settings)) -> Self {
        let sale = Sale::with(change).own_postgres().start().await;
        let raw = sale.node.raw().await;
        Self { sale, raw }
    }

    /// The number of entries in the journal.
    async fn entries(&self) -> u64 {
        self.raw.xlen(PartitionKeys(self.sale.partition()).journal()).await.unwrap()
    }

    fn is_full(&self) -> bool {
        self.sale.node.services().backlogs.full(self.sale.partition())
    }
}

/// A payment does not even begin. It goes on when PostgreSQL has caught up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_is_too_long_pauses_payments() {
    let mut backlog = Backlog::start(|settings| {
        settings.journal_entries_max = 3;
        settings.journal_age_ms_max = 3_600_000;
    })
    .await;
    let fan = backlog.sale.fan.clone();
    let (_, payment, key) = backlog.sale.ready_of(&fan, &[1], "approve").await;
    backlog.sale.postgres().kill().await;
    let mut number = 0;
    let guest = backlog.sale.node.guest();
    let sign_up = |number: u32| {
        let body = json!({"email": format!("other-{number}@test.example"),
            "password": "a password of tests"});
        let guest = &guest;
        async move { guest.post("/api/users/sign-up", &body).await }
    };
    while backlog.entries().await <= 3 {
        number += 1;
        assert!(number < 1_000, "the journal does not grow");
        // Sign-ups in other partitions may be refused already.
        sign_up(number).await;
    }
    eventually("the journal counts as too long", || async { backlog.is_full().then_some(()) })
        .await;
    let of_here = |number: &u32| {
        let email = format!("other-{number}@test.example");
        backlog.sale.node.engine().account_partition(&email) == backlog.sale.partition()
    };
    let refused = sign_up((number + 1..).find(of_here).unwrap()).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.refused(503, "OVERLOADED");
    let before = backlog.entries().await;
    let paused = fan.confirm(&payment, &key).await;
    assert!(paused.headers.contains_key("retry-after"));
    paused.refused(503, "PAYMENTS_PAUSED");
    assert_eq!(backlog.entries().await, before, "nothing was begun");
    assert_eq!(backlog.sale.node.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    let metrics = plain_http()
        .get(format!("{}/metrics", backlog.sale.node.running().ops_url()))
        .send()
        .await
        .unwrap();
    let metrics = metrics.text().await.unwrap();
    for name in ["grandstand_journal_backlog_entries", "grandstand_journal_backlog_seconds"] {
        assert!(metrics.contains(name), "{name}");
    }
    fan.hold(&backlog.sale.fixture.id, &[2]).await.expect(201);
    backlog.sale.postgres().restart().await.unwrap();
    confirm_when_payments_go_on(&fan, &payment, &key).await;
    backlog.sale.finish().await;
}

/// The hour passes 1,000 times as fast. Nothing is charged, the journal and the memory of Redis
/// stay bounded, and afterwards nothing is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_without_postgresql_loses_nothing_and_stays_bounded() {
    let mut backlog = Backlog::start(|settings| {
        settings.journal_age_ms_max = 100;
        settings.payment_ttl_ms = 600_000;
        settings.max_seats_per_user = 20;
    })
    .await;
    let mut fans = Vec::new();
    for number in 0..4_u32 {
        let fan = backlog.sale.node.user(&format!("fan-{number}")).await;
        let (_, payment, key) = backlog.sale.ready_of(&fan, &[number + 1], "approve").await;
        fans.push((fan, (payment, key)));
    }
    backlog.sale.node.verify().await;
    backlog.sale.postgres().kill().await;
    // These entries are not taken any more.
    let begun = Instant::now();
    while !backlog.is_full() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the journal does not age");
        let (fan, (payment, key)) = &fans[0];
        fan.confirm(payment, key).await.refused(503, "PAYMENTS_PAUSED");
    }
    let memory = used_memory(&backlog.raw).await;
    let entries = backlog.entries().await;
    for round in 0..200_u32 {
        let (fan, (payment, key)) = &fans[round as usize % fans.len()];
        let paused = fan.confirm(payment, key).await;
        assert!(paused.headers.contains_key("retry-after"));
        paused.refused(503, "PAYMENTS_PAUSED");
        let hold = fan.hold(&backlog.sale.fixture.id, &[6 + round % 14]).await.expect(201);
        let path =
            backlog.sale.fixture.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
        assert_eq!(fan.delete(&path).await.status, 204);
    }
    assert_eq!(backlog.entries().await, entries, "payments that are refused leave no entries");
    let grown = used_memory(&backlog.raw).await.saturating_sub(memory);
    assert!(grown < 1_000_000, "200 rounds took {grown} bytes of Redis");
    assert!(
        backlog.sale.node.ledger().await.iter().all(|status| status == "IN_PROGRESS"),
        "a charge"
    );
    let list = fans[0].0.get("/api/reservations").await.expect(200);
    assert_eq!(
        (&list["history"], &list["reservations"][0]["status"]),
        (&json!(false), &json!("PENDING"))
    );
    backlog.sale.postgres().restart().await.unwrap();
    for (fan, (payment, key)) in &fans {
        confirm_when_payments_go_on(fan, payment, key).await;
    }
    assert_eq!(backlog.sale.node.ledger().await, ["DONE"; 4]);
    let list = fans[0].0.get("/api/reservations").await.expect(200);
    assert_eq!(
        (&list["history"], &list["reservations"][0]["status"]),
        (&json!(true), &json!("CONFIRMED"))
    );
    backlog.sale.finish().await;
}

/// It is cut only up to what PostgreSQL has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_journal_arrives_whole() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    node.without_worker().await;
    let id = fixture.match_id();
    let (raw, journal) = (node.raw().await, PartitionKeys(id.partition()).journal());
    // Seats are blocked and unblocked many times. In the end 10 seats stay blocked.
    let admin = node.admin().await;
    let path = |what: &str| format!("/api/admin/matches/{}/{what}", fixture.id);
    for number in 0..300_u32 {
        let seats = json!({"seatIds": [1 + number % 20]});
        admin.post(&path("block"), &seats).await.expect(200);
        if number < 290 {
            admin.post(&path("unblock"), &seats).await.expect(200);
        }
    }
    let length: u64 = raw.xlen(journal).await.unwrap();
    assert!(length >= 590, "{length} entries, and PostgreSQL has none of them");
    let worker = node.another_node(NodeRole::Worker).await;
    node.verify().await;
    let blocked = node.store().blocked_seats(id.partition()).await.unwrap();
    assert_eq!(blocked.len(), 10);
    worker.stop().await;
    node.finish().await;
}

async fn used_memory(raw: &fred::clients::Client) -> u64 {
    let info: String = raw.info(Some(InfoKind::Memory)).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    line.trim().parse().unwrap()
}
