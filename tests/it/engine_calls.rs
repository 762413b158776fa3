//! What a batch costs: how many calls of Redis, and how many batches a crowd makes.

use crate::support::engine::{PARTITION, PRICE, TestEngine, seats};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use futures::future::join_all;
use grandstand::domain::ids::{HoldId, MatchId, UserId};
use grandstand::engine::Engine;
use grandstand::engine::operation::Operation;
use std::collections::BTreeMap;

/// The calls of Redis that a batch of holds makes, whatever its size.
const CALLS_OF_HOLDS: [(&str, u64); 6] =
    [("fcall", 1), ("hmget", 4), ("hset", 3), ("time", 1), ("xadd", 1), ("zadd", 1)];
/// The same of a batch that gives single seats back. The fields of the users stay for a while,
/// because they say how the users have held seats.
const CALLS_OF_RELEASES: [(&str, u64); 7] = [
    ("fcall", 1),
    ("hdel", 1),
    ("hmget", 4),
    ("hset", 3),
    ("pexpire", 1),
    ("time", 1),
    ("xadd", 1),
];

fn user() -> UserId {
    UserId::new(PARTITION)
}

/// How often Redis has run each command of a batch since the counts were set back.
async fn calls(bed: &TestEngine) -> BTreeMap<String, u64> {
    let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
    let text: String = bed.raw.custom(info, vec!["commandstats".to_owned()]).await.unwrap();
    let counts = text.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().unwrap()))
    });
    let of_batch = |name: &str| !["info", "config|resetstat", "client|pause"].contains(&name);
    counts.filter(|(name, _)| of_batch(name)).collect()
}

fn expected<const N: usize>(calls: [(&str, u64); N]) -> BTreeMap<String, u64> {
    calls.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

async fn hold(engine: &Engine, id: MatchId, who: UserId, seat: u32) -> HoldId {
    engine.hold(id, who, seats(&[seat]), PRICE, &[], Operation::default()).await.unwrap().0
}

/// More commands in a batch do not make more calls, and a batch reads and writes nothing that its
/// commands do not need.
#[tokio::test]
async fn a_batch_makes_the_same_few_calls_whatever_its_size() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    for size in [1, 8, 32] {
        let people: Vec<UserId> = (0..size).map(|_| user()).collect();
        bed.command("CONFIG", &["RESETSTAT"]).await;
        join_all(people.iter().zip(1..).map(|(who, seat)| hold(&bed.engine, id, *who, seat))).await;
        assert_eq!(calls(&bed).await, expected(CALLS_OF_HOLDS), "{size} holds");
        bed.command("CONFIG", &["RESETSTAT"]).await;
        let releases = people
            .iter()
            .zip(seats(&(1..=size).collect::<Vec<u32>>()))
            .map(|(who, seat)| bed.engine.release_seat(id, *who, seat, PRICE, None));
        join_all(releases).await.into_iter().for_each(|done| done.unwrap());
        assert_eq!(calls(&bed).await, expected(CALLS_OF_RELEASES), "{size} releases");
    }
}

/// While a batch of many commands is under way, those that arrive wait for the next one, so that it
/// is large too.
#[tokio::test]
async fn a_crowd_has_one_call_in_flight() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    bed.command("CONFIG", &["RESETSTAT"]).await;
    bed.command("CLIENT", &["PAUSE", "60000", "WRITE"]).await;
    let first = join_all((1..=64).map(|seat| hold(&bed.engine, id, user(), seat)));
    let late = async {
        // The first call is on its way, and each of these would be a call of its own.
        let mut late = Vec::new();
        for seat in 101..=110 {
            let engine = &bed.engine;
            let mut waiting = Box::pin(hold(engine, id, user(), seat));
            assert!(futures::poll!(&mut waiting).is_pending());
            late.push(waiting);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        bed.command("CLIENT", &["UNPAUSE"]).await;
        join_all(late).await
    };
    tokio::join!(first, late);
    assert_eq!(calls(&bed).await.get("fcall"), Some(&2));
}
