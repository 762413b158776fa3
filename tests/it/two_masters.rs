//! Two masters at once, as after a split brain of Sentinels without `min-replicas-to-write`. Each
//! has its node and its worker. Both write to PostgreSQL, which decides.

use crate::support::client::Client;
use crate::support::engine::{PARTITION, TestEngine, fixture, limits};
use crate::support::node::{TestNode, eventually, eventually_within};
use crate::support::table::{Expect, done};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::commands::verify::verify;
use grandstand::config::Settings;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::position::{Position, StreamId};
use grandstand::engine::leases::Announced;
use grandstand::engine::operation::Operation;
use grandstand::engine::{Engine, EngineSettings};
use grandstand::node::{Node, NodeRole};
use grandstand::redis::keys::PartitionKeys;
use grandstand::stream::journal::Journal;
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use std::path::Path;
use std::time::Duration;

/// Partitions are loaded and payments settled within this time.
const HEALED: Duration = Duration::from_secs(60);

/// A second master with all that the first one has.
async fn split(first: u16, dir: &Path) -> PrivateRedis {
    let second = PrivateRedis::start(dir, RedisSettings { fsync: Fsync::Never }).await.unwrap();
    let raw = grandstand::redis::connect(&second.url()).await.unwrap();
    let replicate = |host: &str, port: &str| {
        let command = CustomCommand::new_static("REPLICAOF", ClusterHash::Random, false);
        raw.custom::<String, String>(command, vec![host.to_owned(), port.to_owned()])
    };
    replicate("127.0.0.1", &first.to_string()).await.unwrap();
    eventually("the second server has what the first one has", || async {
        let info: String = raw.info(Some(fred::types::InfoKind::Replication)).await.ok()?;
        let done =
            info.contains("master_link_status:up") && info.contains("master_sync_in_progress:0");
        done.then_some(())
    })
    .await;
    replicate("NO", "ONE").await.unwrap();
    second
}

/// The sales that either of them confirmed with 200 stand when one of them is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_masters_sell_no_seat_twice() {
    let node = TestNode::start_with(|settings| settings.reconcile_after_ms = 500).await;
    let fixture = node.open_match().await;
    let (left, right) = (node.user("left").await, node.user("right").await);
    node.verify().await;
    let dir = tempfile::TempDir::new().unwrap();
    let port = node.settings.redis_url.rsplit(':').next().unwrap().parse().unwrap();
    let redis = split(port, dir.path()).await;
    let settings = Settings { redis_url: redis.url(), ..node.settings.clone() };
    let second = Node::start(&settings, NodeRole::All).await.unwrap();
    let right = Client::new(second.url(), right.token.clone());
    let mut sold = Vec::new();
    for seat in 1..=4 {
        let both = tokio::join!(
            node.try_to_buy(&left, &fixture, seat),
            node.try_to_buy(&right, &fixture, seat)
        );
        assert_ne!(both, (200, 200), "seat {seat} is sold twice");
        if both.0 == 200 || both.1 == 200 {
            sold.push(seat);
        }
    }
    assert!(!sold.is_empty(), "nobody could buy anything");
    second.stop().await;
    redis.stop().await.unwrap();
    // Its journal is behind the position of PostgreSQL, so it loads the partition.
    eventually_within(HEALED, "the master that is left has all of PostgreSQL", || async {
        let found = verify(node.engine(), node.store()).await.ok()?;
        found.disagreements.is_empty().then_some(())
    })
    .await;
    node.wait_for_books().await;
    eventually("the master that is left knows every sale", || async {
        let map = left.get(&fixture.path("/blocks/1/seats")).await.expect(200);
        let seats = map["seats"].as_array().unwrap();
        let is_sold = |seat: &u32| {
            seats.iter().any(|entry| entry["id"] == *seat && entry["state"] == "OCCUPIED")
        };
        sold.iter().all(is_sold).then_some(())
    })
    .await;
    node.finish().await;
}

/// Its entries would be trimmed away before PostgreSQL has them.
#[tokio::test]
async fn a_position_on_one_master_is_not_announced_on_the_other() {
    let bed = TestEngine::start().await;
    bed.open_match().await;
    let dir = tempfile::TempDir::new().unwrap();
    let port = bed.redis.url().rsplit(':').next().unwrap().parse().unwrap();
    let redis = split(port, dir.path()).await;
    let settings = EngineSettings { redis_url: redis.url(), partitions: 1, limits: limits() };
    let other = Engine::connect(settings).await.unwrap();
    let fixture = fixture(MatchStatus::Open, false);
    other.put_match(&fixture, Operation::default()).await.unwrap();
    let newest = other.journal_newest(PARTITION).await.unwrap();
    let journal = Journal::open(bed.engine.redis(), PARTITION).await.unwrap();
    let upto = eventually("the first master has a later entry", || async {
        bed.open_match().await;
        let (id, _) = journal.read(StreamId::default(), 1000).await.unwrap().pop()?;
        (id > newest).then_some(Position { epoch: 1, id })
    })
    .await;
    let raw = grandstand::redis::connect(&redis.url()).await.unwrap();
    let key = PartitionKeys(PARTITION).journal();
    let before: u64 = raw.xlen(&key).await.unwrap();
    let lease = other.take_lease(PARTITION, "a worker", 60_000).await.unwrap().unwrap();
    assert_eq!(done(other.announce(&lease, upto, &[]).await), Expect::Fenced);
    assert_eq!(raw.xlen::<u64, _>(&key).await.unwrap(), before, "entries were trimmed");
    assert!(other.journal_has(PARTITION, newest).await.unwrap());
    // A reply that was lost is asked for again, and the entry at the position is still there.
    let own = Position { epoch: 1, id: newest };
    for _ in 0..2 {
        assert!(matches!(other.announce(&lease, own, &[]).await, Ok(Announced::Told(_))));
    }
}
