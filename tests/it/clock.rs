//! The clock of a partition when the clock of Redis jumps.

use crate::support::client::Client;
use crate::support::clock::Clock;
use crate::support::engine::Step::{Hold, Queue};
use crate::support::engine::{PARTITION, TestEngine, limits, seats};
use crate::support::node::{TestMatch, TestNode, eventually};
use fred::prelude::*;
use fred::types::Expiration;
use grandstand::domain::ids::Partition;
use grandstand::engine::clock::Tick;
use grandstand::engine::limits::Limits;
use grandstand::engine::operation::Operation;
use grandstand::node::NodeRole;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use grandstand::workers::expiry::expire_due;
use grandstand_embedded::{Fsync, PrivateRedis, RedisSettings};
use serde_json::Value;
use std::time::{Duration, Instant};

const HOUR_MS: i64 = 3_600_000;
/// The bounds of `lua/lib/clock.lua` and of the worker, in ms.
const RUNS_MS: i64 = 10_000;
const TOLERANCE_MS: i64 = 2000;

/// Makes TIME look to a partition as if it had jumped: moves the time of the last tick, which
/// still showed the same clock.
async fn jump(raw: &fred::clients::Client, partition: Partition, ms: i64) {
    let key = PartitionKeys(partition).partition();
    let _: i64 = raw.hincrby(key.clone(), "clock_time", -ms).await.unwrap();
    let _: i64 = raw.hincrby(key, "clock_shift", ms).await.unwrap();
}

async fn tick(bed: &TestEngine, expected: Option<i64>, correction: i64) -> Tick {
    bed.engine.tick_clock(PARTITION, "me", expected, correction, TOLERANCE_MS).await.unwrap()
}

async fn now(bed: &TestEngine) -> i64 {
    bed.engine.now_ms(PARTITION).await.unwrap()
}

fn assert_near(found: i64, wanted: i64, apart: i64) {
    assert!((found - wanted).abs() < apart, "{} ms off", found - wanted);
}

/// A jump that no worker has seen yet moves the clock at most by its bound, and a jump back does
/// not move it.
#[tokio::test]
async fn an_unseen_jump_is_bounded() {
    let bed = TestEngine::start().await;
    assert!(matches!(tick(&bed, None, 0).await, Tick::Ticked(_)));
    let scene = bed.at(&[Hold]).await;
    let before = now(&bed).await;
    jump(&bed.raw, PARTITION, HOUR_MS).await;
    let after = now(&bed).await;
    assert_near(after, before + RUNS_MS, 1000);
    assert_eq!(now(&bed).await, after, "it stands at its bound");
    assert_eq!(expire_due(&bed.engine, PARTITION).await.unwrap(), 0);
    assert_eq!(bed.seats(scene.id()).await, "1H 2H");
    jump(&bed.raw, PARTITION, -2 * HOUR_MS).await;
    assert_near(now(&bed).await, before, 1000);
    bed.assert_sound().await;
}

/// The worker's own clock tells a jump from time that has passed. The clock of the partition goes
/// on evenly, never back.
#[tokio::test]
async fn a_jump_that_a_worker_sees_is_taken_back() {
    for ms in [HOUR_MS, -HOUR_MS, 10_000, -10_000] {
        let bed = TestEngine::start().await;
        let Tick::Ticked(first) = tick(&bed, None, 0).await else { panic!("not ticked") };
        let started = Instant::now();
        let expected = || Some(first + started.elapsed().as_millis() as i64);
        assert!(matches!(tick(&bed, expected(), 0).await, Tick::Ticked(_)), "nothing has happened");
        jump(&bed.raw, PARTITION, ms).await;
        let seen = now(&bed).await;
        let Tick::Jumped(off) = tick(&bed, expected(), 0).await else { panic!("not noticed") };
        assert_near(off, ms, 500);
        let wrong = tick(&bed, expected(), -2 * ms).await;
        assert!(matches!(wrong, Tick::Jumped(_)), "a wrong correction: {wrong:?}");
        let Tick::Ticked(after) = tick(&bed, expected(), -off).await else { panic!("not ticked") };
        // The worker goes on from this reading.
        let since = Instant::now();
        let shown = now(&bed).await;
        assert!(shown >= seen, "it went back by {} ms", seen - shown);
        assert_near(shown, seen.max(expected().unwrap()), 1000);
        let next = Some(after + since.elapsed().as_millis() as i64);
        assert!(matches!(tick(&bed, next, 0).await, Tick::Ticked(_)), "it is right again");
        let fields = bed.hash(PartitionKeys(PARTITION).partition()).await;
        assert_near(fields["clock_shift"].parse().unwrap(), 0, 500);
    }
}

/// A worker that has no reading of its own takes the time between two ticks as real, but never goes
/// back.
#[tokio::test]
async fn a_gap_that_no_worker_has_watched_counts_as_time() {
    let bed = TestEngine::start().await;
    let Tick::Ticked(first) = tick(&bed, None, 0).await else { panic!("not ticked") };
    jump(&bed.raw, PARTITION, HOUR_MS).await;
    let Tick::Ticked(later) = tick(&bed, None, 0).await else { panic!("not ticked") };
    assert_near(later, first + HOUR_MS, 1000);
    jump(&bed.raw, PARTITION, -HOUR_MS).await;
    let Tick::Ticked(last) = tick(&bed, None, 0).await else { panic!("not ticked") };
    assert_near(last, later, 1000);
    assert!(last >= later);
    assert_near(now(&bed).await, last, 1000);
}

/// Only a worker with the lease ticks, and only a loaded partition.
#[tokio::test]
async fn only_the_owner_of_a_partition_ticks_its_clock() {
    let bed = TestEngine::start().await;
    let another = bed.engine.take_lease(PARTITION, "another", 60_000).await.unwrap().unwrap();
    assert_eq!(tick(&bed, None, 0).await, Tick::Refused);
    bed.engine.end_lease(&another).await.unwrap();
    assert!(matches!(tick(&bed, None, 0).await, Tick::Ticked(_)));
    bed.engine.close_partition(PARTITION).await.unwrap();
    assert_eq!(tick(&bed, None, 0).await, Tick::Refused);
    assert_eq!(bed.engine.epoch(PARTITION).await.unwrap(), None, "a tick opens nothing");
}

/// Otherwise no hold would end and free memory.
#[tokio::test]
async fn a_clock_goes_on_when_redis_is_out_of_memory() {
    let bed = TestEngine::start().await;
    bed.command("CONFIG", &["SET", "maxmemory", "1mb"]).await;
    assert!(matches!(tick(&bed, None, 0).await, Tick::Ticked(_)));
    bed.command("CONFIG", &["SET", "maxmemory", "0"]).await;
}

/// The rest of a correction shrinks by a hundredth of the time that passes.
#[tokio::test]
async fn a_shift_goes_away_slowly() {
    let bed = TestEngine::start().await;
    tick(&bed, None, 0).await;
    let key = PartitionKeys(PARTITION).partition();
    let shift = async || bed.hash(key.clone()).await["clock_shift"].parse::<i64>().unwrap();
    for by in [50, -50] {
        // As if the last tick were five seconds ago.
        let _: i64 = bed.raw.hincrby(key.clone(), "clock_time", -5000).await.unwrap();
        let _: i64 = bed.raw.hset(key.clone(), ("clock_shift", by * 20)).await.unwrap();
        let _: i64 = bed.raw.hset(key.clone(), ("clock_floor", 0)).await.unwrap();
        tick(&bed, None, 0).await;
        let left = shift().await;
        assert!((left - by * 19).abs() < 10, "{left} of {}", by * 20);
    }
    let _: i64 = bed.raw.hincrby(key.clone(), "clock_time", -5000).await.unwrap();
    let _: i64 = bed.raw.hset(key.clone(), ("clock_shift", 3)).await.unwrap();
    tick(&bed, None, 0).await;
    assert_eq!(shift().await, 0);
}

/// Redis would keep such a lease for an hour.
#[tokio::test]
async fn a_clock_that_went_back_does_not_prolong_a_lease() {
    let bed = TestEngine::start().await;
    // Loads have leases of 10 s.
    assert!(bed.engine.take_lease(PARTITION, "dead", 13_000).await.unwrap().is_some());
    assert!(bed.engine.take_lease(PARTITION, "me", 300).await.unwrap().is_none());
    let left: i64 = bed.raw.pttl(PartitionKeys(PARTITION).lease()).await.unwrap();
    assert!(left <= 300, "{left} ms");
    eventually("the lease is over", || async {
        bed.engine.take_lease(PARTITION, "me", 300).await.unwrap().map(drop)
    })
    .await;
}

/// People are let in although the last admission was made by a clock that was ahead.
#[tokio::test]
async fn a_last_admission_in_the_future_does_not_stop_the_queue() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Queue]).await;
    bed.engine.join_queue(scene.id(), scene.me, None).await.unwrap();
    let last = (now(&bed).await + HOUR_MS) as f64;
    let key = MatchKeys(scene.id()).meta();
    let _: i64 = bed.raw.hset(key, ("queue_last_at", last)).await.unwrap();
    eventually("one is let in", || async {
        (bed.engine.admit(scene.id(), None).await.unwrap().people == 1).then_some(())
    })
    .await;
}

/// It is found for the same time of the partition, whatever TIME says.
#[tokio::test]
async fn a_response_under_a_key_is_found_after_a_jump() {
    let bed = TestEngine::start().await;
    tick(&bed, None, 0).await;
    let id = bed.open_match().await;
    let me = grandstand::domain::ids::UserId::new(PARTITION);
    let hold = async || {
        let operation = Operation::new("key".to_owned(), "print".to_owned());
        bed.engine.hold(id, me, seats(&[1]), 10_000, &[], operation).await.unwrap().0
    };
    let first = hold().await;
    jump(&bed.raw, PARTITION, -HOUR_MS).await;
    assert_eq!(hold().await, first);
    jump(&bed.raw, PARTITION, 2 * HOUR_MS).await;
    assert_eq!(hold().await, first);
}

async fn buy(node: &TestNode, fixture: &TestMatch, fan: &Client, seat: u32) {
    let reservation = fan.reserve(&fixture.id, &[seat]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    eventually(&format!("seat {seat} is sold"), || async {
        let answer = fan.confirm(&payment, &key).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

async fn jumps(node: &TestNode, ms: i64) {
    let raw = node.raw().await;
    for number in 0..node.settings.partitions {
        jump(&raw, Partition(number), ms).await;
    }
}

/// The seat of a match in Redis: its letter, or nothing.
async fn letter(node: &TestNode, fixture: &TestMatch, seat: u32) -> Option<u8> {
    let id = fixture.match_id();
    let snapshot = node.engine().snapshot(id).await.unwrap();
    snapshot.taken.iter().find(|(id, _)| id.0 == seat).map(|(_, letter)| *letter)
}

fn expires_at(hold: &Value) -> jiff::Timestamp {
    hold["expiresAt"].as_str().unwrap().parse().unwrap()
}

/// When TIME jumps, a hold made before and a hold made after last for their time, not longer, and
/// people can pay.
async fn assert_a_jump_is_survived(
    node: TestNode,
    fixture: TestMatch,
    jump: impl AsyncFn(&TestNode),
) {
    let fan = node.user("fan").await;
    // A worker that has never read a clock takes a jump for an outage.
    eventually("the worker has read the clocks", || async {
        let workers = node.workers();
        let mut all = node.engine().partitions();
        all.all(|partition| workers.clocks.knows(partition)).then_some(())
    })
    .await;
    let held = Instant::now();
    let hold = fan.hold(&fixture.id, &[1]).await.expect(201);
    let clock = async || {
        let time = fan.get("/api/time").await.expect(200);
        time["now"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap()
    };
    let before = clock().await;
    jump(&node).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(letter(&node, &fixture, 1).await, Some(b'H'), "it ended with the jump");
    let passed = held.elapsed().as_millis() as i64;
    let apart = clock().await.as_millisecond() - before.as_millisecond() - passed;
    // The clock may run up to its bound ahead before the jump is seen, and then stands.
    assert!((-1000..RUNS_MS + 1000).contains(&apart), "the clock is {apart} ms off");
    let after = fan.hold(&fixture.id, &[2]).await.expect(201);
    let apart = expires_at(&after).as_millisecond() - expires_at(&hold).as_millisecond();
    assert!((0..RUNS_MS + 5000).contains(&apart), "deadlines are {apart} ms apart");
    buy(&node, &fixture, &fan, 3).await;
    eventually_free(&node, &fixture, held).await;
    node.finish().await;
}

async fn eventually_free(node: &TestNode, fixture: &TestMatch, held: Instant) {
    let wait = Duration::from_millis(node.settings.hold_ttl_ms) + Duration::from_secs(20);
    crate::support::node::eventually_within(wait, "the hold ends", || async {
        letter(node, fixture, 1).await.is_none().then_some(())
    })
    .await;
    let lived = held.elapsed().as_millis() as i64;
    let least = node.settings.hold_ttl_ms as i64 - RUNS_MS - 500;
    assert!(lived >= least, "it lived {lived} ms");
}

/// The jump is made as the scripts see it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jump_under_a_node_ends_nothing_early() {
    for ms in [HOUR_MS, -HOUR_MS] {
        let node = TestNode::start_with(|settings| settings.hold_ttl_ms = 15_000).await;
        let fixture = node.open_match().await;
        assert_a_jump_is_survived(node, fixture, async |node| jumps(node, ms).await).await;
    }
}

/// It has watched the clock before, because the jump also ends the lease of the worker before it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_takes_over_after_a_jump_knows_of_it() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let token = node.user("fan").await.token;
    node.without_worker().await;
    let first = node.another_node(NodeRole::Worker).await;
    let fan = Client::new(node.url(), token);
    let id = fixture.match_id();
    eventually("the first worker owns all", || async {
        (first.workers.owned.lock().len() == usize::from(node.settings.partitions)).then_some(())
    })
    .await;
    let second = node.another_node(NodeRole::Worker).await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    // The second worker has read the clock a few times by then.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let before = node.engine().now_ms(id.partition()).await.unwrap();
    let raw = node.raw().await;
    // The first worker has lost its leases and stops before TIME jumps.
    for number in 0..node.settings.partitions {
        let lease = PartitionKeys(Partition(number)).lease();
        let life = Some(Expiration::PX(2000));
        let _: () = raw.set(lease, "nobody", life, None, false).await.unwrap();
        jump(&raw, Partition(number), HOUR_MS).await;
    }
    first.stop().await;
    eventually("the second worker owns the partition", || async {
        second.workers.owned.lock().contains(&id.partition()).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(letter(&node, &fixture, 1).await, Some(b'H'), "it ended with the jump");
    let now = node.engine().now_ms(id.partition()).await.unwrap();
    assert!(now - before < RUNS_MS + 5000, "{} ms in a moment", now - before);
    node.verify().await;
    second.stop().await;
}

/// Short holds end on time while nothing jumps.
#[tokio::test]
async fn a_ticked_clock_keeps_time() {
    let bed = TestEngine::start().await;
    tick(&bed, None, 0).await;
    let brief = bed.another(Limits { hold_ttl_ms: 500, ..limits() }).await;
    let id = bed.open_match().await;
    let me = grandstand::domain::ids::UserId::new(PARTITION);
    brief.hold(id, me, seats(&[1]), 10_000, &[], Operation::default()).await.unwrap();
    let held = Instant::now();
    eventually("it ends", || async {
        (expire_due(&bed.engine, PARTITION).await.unwrap() == 1).then_some(())
    })
    .await;
    assert!(held.elapsed() > Duration::from_millis(450), "{:?}", held.elapsed());
}

/// The clock of the machine of Redis is really set, while a node works on it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_under_a_node_ends_nothing_early() {
    for ms in [HOUR_MS, -HOUR_MS] {
        let (dir, clock) = (tempfile::TempDir::new().unwrap(), Clock::new());
        let settings = RedisSettings { fsync: Fsync::Never };
        let redis = PrivateRedis::start_with(dir.path(), settings, clock.extras()).await.unwrap();
        let node =
            TestNode::start_on_redis(redis.url(), |settings| settings.hold_ttl_ms = 15_000).await;
        let fixture = node.open_match().await;
        assert_a_jump_is_survived(node, fixture, async |_| clock.set_ahead_ms(ms)).await;
        redis.stop().await.unwrap();
    }
}
