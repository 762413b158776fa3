//! The waiting room: join, look, leave, admit; every reply of its scripts.

use crate::support::engine::Step::{Approve, Begin, Forget, Hold, Pass, Queue, Request, Reserve};
use crate::support::engine::{PARTITION, PRICE, Scene, TestEngine, seats};
use fred::prelude::*;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::ids::UserId;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::queue::Place;
use grandstand::redis::keys::MatchKeys;
use std::time::Duration;

fn user() -> UserId {
    UserId::new(PARTITION)
}

/// Lets the number of admissions grow as if `ms` had passed.
async fn pass_time(scene: &Scene<'_>, ms: f64) {
    let key = MatchKeys(scene.id()).meta();
    let _: f64 = scene.bed.raw.hincrbyfloat(key, "queue_last_at", -ms).await.unwrap();
}

async fn passes(scene: &Scene<'_>) -> usize {
    scene.bed.raw.zcard(MatchKeys(scene.id()).passes()).await.unwrap()
}

async fn joined(scene: &Scene<'_>, count: usize) -> Vec<UserId> {
    let users: Vec<UserId> = (0..count).map(|_| user()).collect();
    for member in &users {
        scene.bed.engine.join_queue(scene.id(), *member).await.unwrap();
    }
    users
}

/// Numbers are given in order, once per user, and nobody is let in by joining.
#[tokio::test]
async fn joining_gives_a_number_that_stays() {
    let bed = TestEngine::start().await;
    let engine = &bed.engine;
    let gone = bed.at(&[Queue, Forget]).await;
    assert!(matches!(engine.join_queue(gone.id(), user()).await, Err(EngineError::NotLoaded)));
    let off = bed.at(&[]).await;
    let refused = engine.join_queue(off.id(), user()).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::QueueOff { .. }))));
    let refused = engine.queue_place(off.id(), user()).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::QueueOff { .. }))));
    assert_eq!(engine.admit(off.id()).await.unwrap(), 0);

    let scene = bed.at(&[Queue]).await;
    let id = scene.id();
    assert_eq!(engine.queue_place(id, scene.me).await.unwrap(), None, "looking does not join");
    let first = engine.join_queue(id, scene.me).await.unwrap();
    assert_eq!(first, Place::Waiting { number: 1, serving: 0, ahead: 0 });
    let second = engine.join_queue(id, scene.other).await.unwrap();
    assert_eq!(second, Place::Waiting { number: 2, serving: 0, ahead: 1 });
    assert_eq!(engine.join_queue(id, scene.me).await.unwrap(), first);
    assert_eq!(engine.queue_place(id, scene.other).await.unwrap(), Some(second));
    assert!(engine.leave_queue(id, scene.me).await.unwrap());
    assert!(!engine.leave_queue(id, scene.me).await.unwrap(), "left twice");
    let moved = Place::Waiting { number: 2, serving: 0, ahead: 0 };
    assert_eq!(engine.queue_place(id, scene.other).await.unwrap(), Some(moved));
    let back = engine.join_queue(id, scene.me).await.unwrap();
    assert_eq!(back, Place::Waiting { number: 3, serving: 0, ahead: 1 }, "at the end of the line");
}

/// There are no holes either.
#[tokio::test]
async fn numbers_are_unique_when_many_join_at_once() {
    let bed = TestEngine::start().await;
    let other = bed.another(crate::support::engine::limits()).await;
    let scene = bed.at(&[Queue]).await;
    let joins = (0..100).map(|n: u32| {
        let engine = if n.is_multiple_of(2) { &bed.engine } else { &other };
        engine.join_queue(scene.id(), user())
    });
    let mut numbers: Vec<u64> = futures::future::join_all(joins)
        .await
        .into_iter()
        .map(|place| match place.unwrap() {
            Place::Waiting { number, .. } => number,
            Place::Admitted { .. } => panic!("admitted by joining"),
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=100).collect::<Vec<u64>>());
}

/// The changes of the match say so.
#[tokio::test]
async fn people_are_let_in_in_order_and_at_the_set_rate() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue]).await;
    scene.change(|fixture| fixture.queue.admit_per_minute = 600).await;
    let users = joined(&scene, 25).await;
    let (engine, id) = (&bed.engine, scene.id());
    // The people of one second at the start, then 10 people per second.
    assert_eq!(engine.admit(id).await.unwrap(), 10);
    assert_eq!(engine.admit(id).await.unwrap(), 0, "the rate is used up");
    pass_time(&scene, 500.0).await;
    assert_eq!(engine.admit(id).await.unwrap(), 5);
    assert_eq!(bed.changes(id).await, ["10 15 10", "15 10 5"]);
    for (number, member) in users.iter().enumerate() {
        let place = engine.queue_place(id, *member).await.unwrap().unwrap();
        let admitted = matches!(place, Place::Admitted { serving: 15, .. });
        assert_eq!(admitted, number < 15, "number {}: {place:?}", number + 1);
        let hold = engine
            .hold(id, *member, seats(&[number as u32]), PRICE, &[], Operation::default())
            .await;
        assert_eq!(hold.is_ok(), admitted);
    }
    // Unused admissions are kept for at most one second.
    pass_time(&scene, 3_600_000.0).await;
    assert_eq!(engine.admit(id).await.unwrap(), 10);
}

#[tokio::test]
async fn a_slow_rate_lets_people_in_too() {
    let bed = TestEngine::start().await;
    for rate in [1, 2, 3, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61] {
        let mut scene = bed.at(&[Queue]).await;
        scene.change(|fixture| fixture.queue.admit_per_minute = rate).await;
        joined(&scene, 2).await;
        assert_eq!(bed.engine.admit(scene.id()).await.unwrap(), 1, "{rate} per minute");
    }
}

/// Nor while the match is not open.
#[tokio::test]
async fn nobody_is_let_in_before_the_opening_or_during_a_pause() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue]).await;
    joined(&scene, 3).await;
    scene.change(|fixture| fixture.status = MatchStatus::Closed).await;
    assert_eq!(bed.engine.admit(scene.id()).await.unwrap(), 0, "closed");
    scene.change(|fixture| fixture.status = MatchStatus::Open).await;
    joined(&scene, 3).await;
    scene.change(|fixture| fixture.queue.paused = true).await;
    assert_eq!(bed.engine.admit(scene.id()).await.unwrap(), 0, "paused");
    scene.change(|fixture| fixture.queue.paused = false).await;
    scene.change(|fixture| fixture.queue.opens_at = "2999-01-01T00:00:00Z".parse().ok()).await;
    assert_eq!(bed.engine.admit(scene.id()).await.unwrap(), 0, "before its time");
    assert_eq!(passes(&scene).await, 0);
    // The number of waiting people is sent nevertheless, and nothing twice.
    assert_eq!(bed.changes(scene.id()).await, ["0 3 0"]);
    scene.change(|fixture| fixture.queue.opens_at = "2020-01-01T00:00:00Z".parse().ok()).await;
    assert_eq!(bed.engine.admit(scene.id()).await.unwrap(), 3);
    assert_eq!(bed.engine.admit(scene.id()).await.unwrap(), 0, "nobody waits");
}

/// Also a pass that is given back. There are never more passes than the limit.
#[tokio::test]
async fn a_pass_that_ends_makes_room_for_the_next() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue]).await;
    scene
        .change(|fixture| {
            fixture.queue.admit_per_minute = 60_000;
            fixture.queue.max_active = 3;
            fixture.queue.pass_ttl_ms = 400;
        })
        .await;
    let users = joined(&scene, 9).await;
    let (engine, id) = (&bed.engine, scene.id());
    assert_eq!(engine.admit(id).await.unwrap(), 3);
    pass_time(&scene, 1000.0).await;
    assert_eq!(engine.admit(id).await.unwrap(), 0, "all passes are out");
    assert!(engine.leave_queue(id, users[0]).await.unwrap());
    assert_eq!(engine.admit(id).await.unwrap(), 1, "one was given back");
    tokio::time::timeout(Duration::from_secs(5), async {
        while engine.admit(id).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("passes end by time");
    assert!(passes(&scene).await <= 3);
    assert_eq!(engine.queue_place(id, users[1]).await.unwrap(), None, "its pass is over");
}

#[tokio::test]
async fn a_pass_ends_with_the_purchase() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Queue, Pass, Hold, Reserve, Request, Begin]).await;
    assert_eq!(passes(&scene).await, 1);
    let mut scene = scene;
    scene.step(Approve).await;
    assert_eq!(passes(&scene).await, 0);
    let hold =
        bed.engine.hold(scene.id(), scene.me, seats(&[3]), PRICE, &[], Operation::default()).await;
    assert!(matches!(hold, Err(EngineError::Refused(Refusal::PassRequired))));
}

/// Its passes end as well, and nobody can join it any more.
#[tokio::test]
async fn a_queue_ends_with_the_sale() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue, Pass]).await;
    joined(&scene, 3).await;
    let keys = MatchKeys(scene.id());
    let there = async || {
        let queue: i64 = bed.raw.exists(keys.queue()).await.unwrap();
        queue + bed.raw.exists::<i64, _>(keys.passes()).await.unwrap()
    };
    scene.change(|fixture| fixture.queue.paused = true).await;
    assert_eq!(there().await, 2, "a pause is no end");
    scene.change(|fixture| fixture.status = MatchStatus::Closed).await;
    assert_eq!(there().await, 0);
    let refused = bed.engine.join_queue(scene.id(), user()).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::QueueOff { .. }))));
    let refused = bed.engine.queue_place(scene.id(), user()).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::QueueOff { .. }))));
    assert_eq!(there().await, 0);
}
