//! The work of one call of Redis is bounded, and releases do not wait behind holds.

use crate::support::engine::Step::Hold;
use crate::support::engine::{PARTITION, PRICE, TestEngine, seats};
use crate::support::given::wide_limits;
use crate::support::node::{TestNode, eventually};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::fact::Fields;
use grandstand::domain::ids::{MatchId, SeatId, UserId};
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::snapshot::parse_told;
use grandstand::redis::keys::MatchKeys;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

fn user() -> UserId {
    UserId::new(PARTITION)
}

/// How often Redis has run a command since the counts were set back.
async fn calls(raw: &Client, command: &str) -> u64 {
    let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
    let text: String = raw.custom(info, vec!["commandstats".to_owned()]).await.unwrap();
    let line =
        text.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
}

/// Calls of the seat batch since the last reset, while the slow log takes every command.
async fn batches(raw: &Client) -> usize {
    let get = CustomCommand::new_static("SLOWLOG", ClusterHash::Random, false);
    let log: fred::types::Value = raw.custom(get, vec!["GET", "-1"]).await.unwrap();
    format!("{log:?}").matches("seat_batch_").count()
}

/// One call of Redis has a bounded number of seats.
#[tokio::test]
async fn commands_with_many_seats_are_spread_over_calls() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    bed.command("CONFIG", &["RESETSTAT"]).await;
    bed.command("CONFIG", &["SET", "slowlog-log-slower-than", "5000"]).await;
    let many: Vec<SeatId> = (1..=100).map(SeatId).collect();
    let holds = (0..512)
        .map(|_| bed.engine.hold(id, user(), many.clone(), 100 * PRICE, &[], Operation::default()));
    for refused in futures::future::join_all(holds).await {
        assert!(matches!(refused, Err(EngineError::Refused(Refusal::SeatLimit))), "{refused:?}");
    }
    let calls = calls(&bed.raw, "fcall").await;
    assert!(calls >= 512 * 100 / 1536, "{calls} calls for 51,200 seats");
    // A command that is larger than the bound goes alone.
    let all: Vec<SeatId> = (1..=5000).map(SeatId).collect();
    bed.engine.block(id, all).await.unwrap();
    assert_eq!(bed.hash(MatchKeys(id).seats()).await.len(), 5000);
}

#[tokio::test]
async fn a_command_that_fails_does_not_fail_its_batch() {
    let bed = TestEngine::start().await;
    let (good, bad) = (bed.open_match().await, bed.open_match().await);
    let _: () = bed.raw.set(MatchKeys(bad).seats(), "no hash", None, None, false).await.unwrap();
    let hold = |id| bed.engine.hold(id, user(), seats(&[1]), PRICE, &[], Operation::default());
    let (first, two, three) =
        tokio::join!(hold(good), hold(bad), bed.engine.block(good, seats(&[2])));
    first.unwrap();
    three.unwrap();
    assert!(matches!(two, Err(EngineError::BadReply(_))), "{two:?}");
    assert_eq!(bed.seats(good).await, "1H 2B");
}

#[tokio::test]
async fn releases_do_not_wait_behind_a_crowd_of_holds() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, done) = (scene.id(), AtomicUsize::new(0));
    let crowd = (0..8000).map(async |_| {
        let held = bed.engine.hold(id, user(), seats(&[1]), PRICE, &[], Operation::default()).await;
        done.fetch_add(1, Ordering::Relaxed);
        held
    });
    // The crowd stands in line before the release does.
    let released = async {
        bed.engine.release(id, scene.me, scene.hold).await.unwrap();
        done.load(Ordering::Relaxed)
    };
    // All at once, because the runtime would let the release in between.
    let crowd = tokio::task::unconstrained(futures::future::join_all(crowd));
    let (_, before) = tokio::join!(crowd, released);
    assert!(before < 2_000, "{before} of 8,000 came first");
}

/// The seats of a match after the changes of the stream up to an id.
async fn folded(
    bed: &TestEngine,
    id: MatchId,
    upto: &str,
    mut seats: BTreeMap<SeatId, u8>,
) -> BTreeMap<SeatId, u8> {
    let key = MatchKeys(id).changes();
    let entries: Vec<(String, Fields)> = bed.raw.xrange_values(key, "-", upto, None).await.unwrap();
    for (_, fields) in entries {
        for (seat, letter) in parse_told(&fields["d"]).unwrap() {
            match letter {
                b'A' => seats.remove(&seat),
                letter => seats.insert(seat, letter),
            };
        }
    }
    seats
}

/// All of its seats belong to one position although they are read in steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_match_is_read_in_steps_at_one_position() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    let sold: Vec<(String, String)> =
        (1..=12_000).map(|seat: u32| (seat.to_string(), "B".to_owned())).collect();
    let _: i64 = bed.raw.hset(MatchKeys(id).seats(), sold).await.unwrap();
    let base: BTreeMap<SeatId, u8> = (1..=12_000).map(|seat| (SeatId(seat), b'B')).collect();
    bed.command("CONFIG", &["RESETSTAT"]).await;
    let engine = bed.another(wide_limits(100)).await;
    let changes = async {
        for round in 0..60_u32 {
            // Seats are unblocked while others are held, over the whole hall.
            let free = (1..=40).map(|seat| SeatId(seat * 300 - round)).collect::<Vec<_>>();
            engine.unblock(id, free.clone()).await.unwrap();
            let more = (12_001..=12_040).map(|seat| SeatId(seat + round * 40)).collect();
            engine.hold(id, user(), more, PRICE, &[], Operation::default()).await.unwrap();
            if round % 2 == 0 {
                engine.block(id, free).await.unwrap();
            }
        }
    };
    let looks = async {
        let mut all = vec![];
        for _ in 0..25 {
            all.push(bed.engine.snapshot(id).await.unwrap());
        }
        all
    };
    let ((), looks) = tokio::join!(changes, looks);
    for look in looks {
        let taken: BTreeMap<SeatId, u8> = look.taken.iter().copied().collect();
        let at = look.position.id.to_string();
        assert!(taken == folded(&bed, id, &at, base.clone()).await, "not as it was at {at}");
    }
    assert_eq!(calls(&bed.raw, "hgetall").await, 0, "no call reads all seats");
}

/// A release names a claim and no seats, so its size is known only from the claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn releases_of_large_holds_are_spread_over_calls() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    let engine = bed.another(wide_limits(100)).await;
    let holds = (0..60_u32).map(async |number| {
        let (user, first) = (user(), number * 100 + 1);
        let seats = (first..first + 100).map(SeatId).collect();
        let none = Operation::default();
        (user, engine.hold(id, user, seats, PRICE, &[], none).await.unwrap().0)
    });
    let holds = futures::future::join_all(holds).await;
    bed.command("CONFIG", &["RESETSTAT"]).await;
    let freed = holds.iter().map(|(user, hold)| engine.release(id, *user, *hold));
    for freed in futures::future::join_all(freed).await {
        freed.unwrap();
    }
    assert_eq!(bed.seats(id).await, "");
    // 60 holds of 100 seats, of which one call moves 11 at most.
    let called = calls(&bed.raw, "fcall").await;
    assert!(called >= 6, "{called} calls");
}

/// Redis frees large keys in the background.
#[tokio::test]
async fn nothing_large_is_freed_while_others_wait() {
    let bed = TestEngine::start().await;
    let warned = async || {
        let warnings = bed.engine.durability_warnings().await;
        warnings.iter().any(|warning| warning.contains("lazyfree-lazy-expire"))
    };
    assert!(!warned().await, "our own Redis is set up so");
    bed.command("CONFIG", &["SET", "lazyfree-lazy-expire", "no"]).await;
    assert!(warned().await);
    let scene = bed.at(&[]).await;
    bed.command("CONFIG", &["RESETSTAT"]).await;
    bed.engine.delete_match(&scene.fixture, Operation::default()).await.unwrap();
    assert_eq!(calls(&bed.raw, "del").await, 0);
}

/// Too many seats for one person, or a match that is not on sale, are refused before anything is
/// searched or sent to Redis. A repeated call still gets its first response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hopeless_request_costs_no_search_and_no_batch() {
    let node = TestNode::start().await;
    let (fixture, admin, fan) =
        (node.open_match().await, node.admin().await, node.user("fan").await);
    let raw = node.raw().await;
    let path = fixture.path("/holds");
    let best = |count: u32| json!({"bestAvailable": {"count": count, "adjacent": false}});
    for (name, value) in [("slowlog-log-slower-than", "0"), ("slowlog-max-len", "100000")] {
        let set = CustomCommand::new_static("CONFIG", ClusterHash::Random, false);
        let _: String = raw.custom(set, vec!["SET", name, value]).await.unwrap();
    }
    let before = batches(&raw).await;
    fan.post(&path, &best(5)).await.refused(409, "SEAT_LIMIT");
    fan.hold(&fixture.id, &[1, 2, 3, 4, 5]).await.refused(409, "SEAT_LIMIT");
    assert_eq!(node.services().hub.running(), 0, "no map was made to search in");
    assert_eq!(batches(&raw).await, before);
    let held = fan.post_with_key(&path, &best(2), "the-key").await.expect(201);
    assert!(batches(&raw).await > before, "a hold is seen");
    admin
        .post(&fixture.path("/close").replace("/api/", "/api/admin/"), &Value::Null)
        .await
        .expect(200);
    // A worker ends it, with a batch of its own.
    eventually("the hold ends with the sale", || async {
        let seats = node.guest().get(&fixture.path("/seats")).await.expect(200);
        (!seats["blocks"].to_string().contains('H')).then_some(())
    })
    .await;
    let before = batches(&raw).await;
    fan.post(&path, &best(2)).await.refused(409, "MATCH_NOT_OPEN");
    fan.hold(&fixture.id, &[9]).await.refused(409, "MATCH_NOT_OPEN");
    assert_eq!(batches(&raw).await, before);
    assert_eq!(fan.post_with_key(&path, &best(2), "the-key").await.expect(201), held);
    fan.post_with_key(&path, &best(1), "another").await.refused(409, "MATCH_NOT_OPEN");
    node.finish().await;
}
