//! Queues and tokens depend on clocks of several machines. One of these clocks is wrong here.

use crate::support::client::Client;
use crate::support::clock::Clock;
use crate::support::node::{TestNode, eventually, eventually_within};
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const MINUTES_MS: i64 = 120_000;

/// People are let in at the set rate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_goes_on_when_the_clock_of_redis_is_set() {
    let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::new());
    let settings = RedisSettings { fsync: Fsync::Never };
    let redis = PrivateRedis::start_with(dir.path(), settings, clock.extras()).await.unwrap();
    let node = TestNode::start_on_redis(redis.url(), |_| {}).await;
    let fixture = node.open_match().await;
    let id = fixture.match_id();
    let queue = json!({"enabled": true, "admitPerMinute": 600, "maxActive": 100_000,
        "buyersPerFreeSeat": 10});
    let path = format!("/api/admin/matches/{}/queue", fixture.id);
    node.admin().await.put(&path, &queue).await.expect(200);
    let engine = node.engine();
    for _ in 0..1000 {
        let user = grandstand::domain::ids::UserId::new(id.partition());
        engine.join_queue(id, user, None).await.unwrap();
    }
    let raw = node.raw().await;
    let served = async || {
        use fred::prelude::*;
        let key = grandstand::redis::keys::MatchKeys(id).meta();
        raw.hget::<Option<u64>, _, _>(key, "serving").await.unwrap().unwrap_or(0)
    };
    // The clock is ahead and then back, and a node may remember the earlier time.
    for ahead in [0, -MINUTES_MS, MINUTES_MS, 0] {
        clock.set_ahead_ms(ahead);
        let before = served().await;
        // After a jump forward the clock of the partition may stand for 10 s.
        eventually_within(Duration::from_secs(18), &format!("at {ahead} ms"), || async {
            (served().await >= before + 20).then_some(())
        })
        .await;
    }
    let guest = node.guest();
    // The event streams of the queue show it too.
    let url = format!("{}{}", guest.url, fixture.path("/queue/events"));
    let mut line = crate::support::events::EventStream::open(&url, None).await;
    let first = line.next().await.unwrap().data["serving"].as_u64().unwrap();
    clock.set_ahead_ms(-MINUTES_MS);
    eventually_serving(&mut line, first + 20).await;
    node.finish().await;
    redis.stop().await.unwrap();
}

async fn eventually_serving(line: &mut crate::support::events::EventStream, number: u64) {
    let reading =
        async { while line.next().await.unwrap().data["serving"].as_u64().unwrap() < number {} };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the line stands still");
}

/// The other nodes accept its tokens as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_valid_on_a_node_whose_clock_is_wrong() {
    let node = TestNode::start_with(|settings| settings.access_ttl_ms = 60_000).await;
    let here = node.user("fan").await;
    for ahead in [3_600_000, -3_600_000] {
        let clock = Clock::new();
        clock.set_ahead_ms(ahead);
        let mut command = node.binary(&["serve", "--role", "api"]);
        command.envs(clock.environment()).env("GRANDSTAND_ACCESS_TTL_MS", "60000");
        let mut process = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the node listens");
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        let there = Client::new(url, here.token.clone());
        there.get("/api/users/me").await.expect(200);
        let made_there = there.log_in("fan@test.example", "a password of tests").await;
        made_there.get("/api/users/me").await.expect(200);
        Client::new(here.url.clone(), made_there.token).get("/api/users/me").await.expect(200);
        // A clock that is set while the node runs changes nothing either.
        clock.set_ahead_ms(-ahead);
        let later = here.log_in("fan@test.example", "a password of tests").await;
        Client::new(there.url.clone(), later.token).get("/api/users/me").await.expect(200);
        process.kill().await.unwrap();
    }
    // It expires nevertheless.
    let brief = TestNode::start_with(|settings| settings.access_ttl_ms = 1000).await;
    let fan = brief.user("fan").await;
    eventually("the token ends", || async {
        (fan.get("/api/users/me").await.status == 401).then_some(())
    })
    .await;
    brief.finish().await;
    node.finish().await;
}
