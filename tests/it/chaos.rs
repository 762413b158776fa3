//! The same failure many times, while people buy: `make chaos`, because it takes long. Each sale
//! that was confirmed with 200 stands in the end, and nothing piles up.

use crate::support::client::Client;
use crate::support::cluster::PrivateCluster;
use crate::support::leaks;
use crate::support::node::{TestMatch, TestNode, eventually_within};
use crate::support::postgres;
use crate::support::purchases::sells_within;
use grandstand::domain::ids::Partition;
use grandstand_embedded::{Fsync, PrivatePostgres, PrivateRedis, RedisSettings};
use std::ops::AsyncFnMut;
use std::time::Duration;
use tempfile::TempDir;

const SEATS: usize = 25;
const FANS: usize = 3;
/// People can buy again within this time.
const HEALED: Duration = Duration::from_secs(20);
/// How many more connections and tasks there may be in the end.
const MORE: usize = 8;

/// Servers that are killed, a node on them, and enough seats for one of each fan in each round.
struct Rounds {
    node: TestNode,
    redis: PrivateRedis,
    postgres: PrivatePostgres,
    fans: Vec<Client>,
    fixtures: Vec<TestMatch>,
    /// A match that shows whether people can buy.
    spare: TestMatch,
    _dir: TempDir,
}

impl Rounds {
    async fn start(rounds: usize) -> Self {
        let dir = TempDir::new().unwrap();
        let postgres = postgres::private(dir.path()).await;
        let settings = RedisSettings { fsync: Fsync::Never };
        let redis = PrivateRedis::start(&dir.path().join("redis"), settings).await.unwrap();
        let node = TestNode::start_on_redis(redis.url(), |settings| {
            settings.database_url = postgres.url();
            settings.reconcile_after_ms = 500;
            settings.max_seats_per_user = 100;
            settings.access_ttl_ms = 43_200_000;
        })
        .await;
        let mut fans = Vec::new();
        for number in 0..FANS {
            fans.push(node.user(&format!("fan-{number}")).await);
        }
        let mut fixtures = Vec::new();
        for _ in 0..(rounds * FANS).div_ceil(SEATS) {
            fixtures.push(node.open_match().await);
        }
        let spare = node.open_match().await;
        node.verify().await;
        Self { node, redis, postgres, fans, fixtures, spare, _dir: dir }
    }

    /// In each round the fans buy a seat each while something fails and comes back.
    async fn play(
        mut self,
        rounds: usize,
        mut fail: impl AsyncFnMut(&mut PrivateRedis, &mut PrivatePostgres),
    ) {
        let before = (leaks::redis_clients(self.redis.port()).await, leaks::tasks());
        let mut sold = Vec::new();
        for round in 0..rounds {
            let (node, fixtures, redis, postgres) =
                (&self.node, &self.fixtures, &mut self.redis, &mut self.postgres);
            let buying = self.fans.iter().enumerate().map(async |(fan, client)| {
                let place = round * FANS + fan;
                let (fixture, seat) = (&fixtures[place / SEATS], (place % SEATS + 1) as u32);
                let status = node.try_to_buy(client, fixture, seat).await;
                (status == 200).then_some(place)
            });
            let failing = async {
                // Each time at another step of the purchases.
                tokio::time::sleep(Duration::from_millis(round as u64 * 7 % 100)).await;
                fail(redis, postgres).await;
            };
            let (bought, ()) = tokio::join!(futures::future::join_all(buying), failing);
            sold.extend(bought.into_iter().flatten());
            sells_within(HEALED, &self.fans[0], &self.spare, 1).await;
        }
        self.node.wait_for_books().await;
        // Before the maps are read, because each map that is read has tasks of its own for a while.
        eventually_within(HEALED, "connections and tasks are as few as before", || async {
            let after = (leaks::redis_clients(self.redis.port()).await, leaks::tasks());
            println!("connections and tasks: {before:?} before, {after:?} afterwards");
            let few = after.0 <= before.0 + MORE && after.1 <= before.1 + MORE;
            few.then_some(())
        })
        .await;
        assert!(sold.len() > rounds, "{} of {} are sold", sold.len(), rounds * FANS);
        for place in sold {
            let block = if place % SEATS < 20 { 1 } else { 2 };
            let path = self.fixtures[place / SEATS].path(&format!("/blocks/{block}/seats"));
            let map = self.fans[0].get(&path).await.expect(200);
            let seats = map["seats"].as_array().unwrap();
            let seat = seats.iter().find(|seat| seat["id"] == place % SEATS + 1).unwrap();
            assert_eq!(seat["state"], "OCCUPIED", "{path} {seat}");
        }
        self.node.finish().await;
        self.redis.stop().await.unwrap();
        self.postgres.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn a_thousand_kills_of_redis_lose_no_sale() {
    let rounds = 1_000;
    let sale = Rounds::start(rounds).await;
    sale.play(rounds, async |redis, _| {
        redis.kill().await;
        redis.restart().await.unwrap();
    })
    .await;
}

/// PostgreSQL is away for half of each minute of an hour, ten times as fast.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn an_hour_of_outages_of_postgresql_loses_no_sale() {
    let rounds = 60;
    let sale = Rounds::start(rounds).await;
    sale.play(rounds, async |_, postgres| {
        postgres.kill().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        postgres.restart().await.unwrap();
    })
    .await;
}

/// The master of a partition dies and the slot of another partition moves, many times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn a_cluster_that_never_rests_keeps_selling() {
    let mut cluster = PrivateCluster::start(3, 3).await;
    let node = TestNode::start_on_redis(cluster.url(), |settings| {
        settings.partitions = 4;
        settings.reconcile_after_ms = 500;
        settings.max_seats_per_user = 25;
        settings.access_ttl_ms = 43_200_000;
    })
    .await;
    let fixtures = node.match_in_each_partition().await;
    let fan = node.user("fan").await;
    node.verify().await;
    let moving = PrivateCluster::slot_of(Partition(1));
    for seat in 1..=20 {
        let dead = cluster.owner(Partition(3)).await;
        cluster.kill(dead).await;
        sells_within(HEALED, &fan, &fixtures[3], 24).await;
        cluster.restart(dead).await;
        cluster.wait_until_well().await;
        // Between the masters of partitions 2 and 0, which stay alive.
        let places = [cluster.owner(Partition(2)).await, cluster.owner(Partition(0)).await];
        let to = if cluster.owner(Partition(1)).await == places[0] { places[1] } else { places[0] };
        cluster.migrate_slot(moving, to).await;
        for fixture in &fixtures {
            sells_within(HEALED, &fan, fixture, 25).await;
            node.buy(&fan, fixture, seat).await;
        }
    }
    node.wait_for_books().await;
    node.finish().await;
    cluster.stop().await;
}
