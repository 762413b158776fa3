//! The waiting room: join, look, leave, admit; every reply of its scripts.
//! `engine_draw.rs` has the draw, and `engine_passes.rs` has the passes.

use crate::support::engine::Step::{Forget, Hold, Pass, Queue};
use crate::support::engine::{PARTITION, PRICE, Scene, TestEngine, limits, seats};
use crate::support::room::{admit, joined, look, pass_time, passes, user};
use fred::prelude::*;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::ids::UserId;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::queue::{Place, PlaceVerb};
use grandstand::redis::keys::MatchKeys;

fn waiting(number: u64, ahead: u64) -> Place {
    Place::Waiting { ticket: number, number: Some(number), serving: 0, ahead: Some(ahead) }
}

/// Numbers are given in order, once per user, and nobody is let in by joining.
#[tokio::test]
async fn joining_gives_a_number_that_stays() {
    let bed = TestEngine::start().await;
    let engine = &bed.engine;
    let gone = bed.at(&[Queue, Forget]).await;
    assert!(matches!(
        engine.join_queue(gone.id(), user(), None).await,
        Err(EngineError::NotLoaded)
    ));
    let off = bed.at(&[]).await;
    let refused = engine.join_queue(off.id(), user(), None).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::QueueOff))));
    let refused = engine.queue_place(off.id(), user(), PlaceVerb::Look).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::QueueOff))));
    assert_eq!(admit(&off).await, 0);

    let scene = bed.at(&[Queue]).await;
    let id = scene.id();
    assert_eq!(look(&scene, scene.me).await, None, "looking does not join");
    let first = engine.join_queue(id, scene.me, None).await.unwrap();
    assert_eq!(first, waiting(1, 0));
    let second = engine.join_queue(id, scene.other, None).await.unwrap();
    assert_eq!(second, waiting(2, 1));
    assert_eq!(engine.join_queue(id, scene.me, None).await.unwrap(), first);
    assert_eq!(look(&scene, scene.other).await, Some(second));
    assert!(engine.leave_queue(id, scene.me).await.unwrap());
    assert!(!engine.leave_queue(id, scene.me).await.unwrap(), "left twice");
    let moved = waiting(2, 0);
    assert_eq!(look(&scene, scene.other).await, Some(moved));
    let back = engine.join_queue(id, scene.me, None).await.unwrap();
    assert_eq!(back, waiting(3, 1), "at the end of the line");
}

/// There are no holes either.
#[tokio::test]
async fn numbers_are_unique_when_many_join_at_once() {
    let bed = TestEngine::start().await;
    let other = bed.another(crate::support::engine::limits()).await;
    let scene = bed.at(&[Queue]).await;
    let joins = (0..100).map(|n: u32| {
        let engine = if n.is_multiple_of(2) { &bed.engine } else { &other };
        engine.join_queue(scene.id(), user(), None)
    });
    let mut numbers: Vec<u64> = futures::future::join_all(joins)
        .await
        .into_iter()
        .map(|place| match place.unwrap() {
            Place::Waiting { number, .. } => number.unwrap(),
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
    assert_eq!(admit(&scene).await, 10);
    assert_eq!(admit(&scene).await, 0, "the rate is used up");
    pass_time(&scene, 500.0).await;
    assert_eq!(admit(&scene).await, 5);
    assert_eq!(bed.changes(id).await, ["10 15 10 0 -", "15 10 5 0 -"]);
    for (number, member) in users.iter().enumerate() {
        let place = look(&scene, *member).await.unwrap();
        let admitted = matches!(place, Place::Admitted { serving: 15, .. });
        assert_eq!(admitted, number < 15, "number {}: {place:?}", number + 1);
        let hold = engine
            .hold(id, *member, seats(&[number as u32]), PRICE, &[], Operation::default())
            .await;
        assert_eq!(hold.is_ok(), admitted);
    }
    // Unused admissions are kept for at most one second.
    pass_time(&scene, 3_600_000.0).await;
    assert_eq!(admit(&scene).await, 10);
}

/// However many workers let people in at the same time, as after a change of the lease.
#[tokio::test]
async fn several_workers_let_in_no_more_than_one() {
    let bed = TestEngine::start().await;
    let others = [bed.another(limits()).await, bed.another(limits()).await];
    let mut scene = bed.at(&[Queue]).await;
    let per_second = 200;
    scene
        .change(|fixture| {
            fixture.queue.admit_per_minute = per_second * 60;
            fixture.queue.max_active = 10_000;
        })
        .await;
    joined(&scene, 900).await;
    let id = scene.id();
    let begin = bed.engine.now_ms(PARTITION).await.unwrap();
    // The people of one second come first. All later ones take time.
    let mut admitted = 0;
    while admitted < 600 {
        let steps = [&bed.engine, &others[0], &others[1]].map(|engine| engine.admit(id, None));
        for step in futures::future::join_all(steps).await {
            admitted += step.unwrap().people;
        }
        let took_ms = bed.engine.now_ms(PARTITION).await.unwrap() - begin;
        let most = f64::from(per_second) * (1.0 + took_ms as f64 / 1000.0);
        assert!(admitted as f64 <= most + 1.0, "{admitted} after {took_ms} ms");
    }
}

#[tokio::test]
async fn a_slow_rate_lets_people_in_too() {
    let bed = TestEngine::start().await;
    for rate in [1, 2, 3, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61] {
        let mut scene = bed.at(&[Queue]).await;
        scene.change(|fixture| fixture.queue.admit_per_minute = rate).await;
        joined(&scene, 2).await;
        assert_eq!(admit(&scene).await, 1, "{rate} per minute");
    }
}

/// Nor while the match is not open.
#[tokio::test]
async fn nobody_is_let_in_while_the_sale_is_closed_or_paused() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue]).await;
    joined(&scene, 3).await;
    scene.change(|fixture| fixture.status = MatchStatus::Closed).await;
    assert_eq!(admit(&scene).await, 0, "closed");
    scene.change(|fixture| fixture.status = MatchStatus::Open).await;
    joined(&scene, 3).await;
    scene.change(|fixture| fixture.queue.paused = true).await;
    assert_eq!(admit(&scene).await, 0, "paused");
    assert_eq!(passes(&scene).await, 0);
    // The number of waiting people is sent nevertheless, and nothing twice.
    assert_eq!(bed.changes(scene.id()).await, ["0 3 0 0 -"]);
    scene.change(|fixture| fixture.queue.paused = false).await;
    assert_eq!(admit(&scene).await, 3);
    assert_eq!(admit(&scene).await, 0, "nobody waits");
}

/// Before that time, and without one before the sale opens, there is no place to get.
#[tokio::test]
async fn people_join_from_the_announced_time_on() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue]).await;
    let join =
        async |scene: &Scene<'_>| bed.engine.join_queue(scene.id(), user(), None).await.map(drop);
    let refused = |result: Result<(), EngineError>, at: i64| {
        let expected = Refusal::QueueNotOpen { opens_at_ms: at };
        assert!(matches!(result, Err(EngineError::Refused(why)) if why == expected), "{at}");
    };
    let later: jiff::Timestamp = "2999-01-01T00:00:00Z".parse().unwrap();
    let before: jiff::Timestamp = "2020-01-01T00:00:00Z".parse().unwrap();
    for status in [MatchStatus::Announced, MatchStatus::Open] {
        scene.change(|fixture| fixture.status = status).await;
        scene.change(|fixture| fixture.queue.opens_at = Some(later)).await;
        refused(join(&scene).await, later.as_millisecond());
        scene.change(|fixture| fixture.queue.opens_at = Some(before)).await;
        join(&scene).await.unwrap();
    }
    scene.change(|fixture| fixture.queue.opens_at = None).await;
    join(&scene).await.unwrap();
    for status in [MatchStatus::Draft, MatchStatus::Announced] {
        scene.change(|fixture| fixture.status = status).await;
        refused(join(&scene).await, 0);
    }
}

/// Who waits keeps the place. Seats that come back open the line again.
#[tokio::test]
async fn nobody_joins_while_all_seats_are_taken() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold, Queue]).await;
    let join = async |user: UserId, seats: u32| {
        bed.engine.join_queue(scene.id(), user, Some(seats)).await.map(drop)
    };
    let early = user();
    join(early, 3).await.unwrap();
    let refused = join(user(), 2).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::SoldOut))), "{refused:?}");
    join(early, 2).await.expect("the place is still there");
    bed.engine.release(scene.id(), scene.me, scene.hold).await.unwrap();
    join(user(), 2).await.unwrap();
}

/// Of a match that many people join at once, one call makes all the places.
#[tokio::test]
async fn a_user_who_joins_twice_at_once_has_one_place() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Queue]).await;
    let twice = (0..20).map(|_| bed.engine.join_queue(scene.id(), scene.me, None));
    for place in futures::future::join_all(twice).await {
        assert_eq!(place.unwrap(), waiting(1, 0));
    }
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
    let refused = bed.engine.join_queue(scene.id(), user(), None).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::NotOpen { ended: true }))));
    let refused = bed.engine.queue_place(scene.id(), user(), PlaceVerb::Look).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::NotOpen { ended: true }))));
    assert_eq!(there().await, 0);
}
