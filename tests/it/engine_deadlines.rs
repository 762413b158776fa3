//! Deadlines: the worker forgets one when its claims have ended, and not before.

use crate::support::engine::Step::{Begin, Close, Forget, Hold, HoldLate, Request, Reserve};
use crate::support::engine::{PARTITION, TestEngine};
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::error::EngineError;
use grandstand::engine::partitions::Due;
use grandstand::engine::payments::Settled;
use grandstand::workers::expiry::{expire_due, expire_until};

/// It keeps its deadline, so that a later attempt can end it.
#[tokio::test]
async fn a_claim_that_cannot_be_ended_does_not_keep_others_from_ending() {
    let bed = TestEngine::start().await;
    let mut stuck = Vec::new();
    // More than the worker reads at once.
    for _ in 0..70 {
        stuck.push(bed.at(&[HoldLate, Forget]).await.me.key());
    }
    let scene = bed.at(&[HoldLate]).await;
    let swept = expire_due(&bed.engine, PARTITION).await;
    assert!(matches!(swept, Err(EngineError::NotLoaded)), "{swept:?}");
    assert_eq!(bed.seats(scene.id()).await, "");
    let now = bed.engine.now_ms(PARTITION).await.unwrap();
    let due = bed.engine.due(PARTITION, now, 0, 100).await.unwrap();
    let users: Vec<&str> = due.iter().flat_map(Due::fields).collect();
    assert_eq!(users, stuck);
}

/// The worker does not forget the deadlines either.
#[tokio::test]
async fn a_worker_whose_clock_is_ahead_ends_nothing_early() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let ahead = bed.engine.now_ms(PARTITION).await.unwrap() + 86_400_000;
    assert_eq!(expire_until(&bed.engine, PARTITION, ahead).await.unwrap(), 0);
    assert_eq!(bed.seats(scene.id()).await, "1H 2H");
    bed.assert_sound().await;
}

/// A worker ends a claim and then forgets its deadline. If a failover brings the claim back between
/// both, nothing else would ever end it.
#[tokio::test]
async fn the_deadline_of_a_claim_that_has_come_back_is_not_forgotten() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let ahead = bed.engine.now_ms(PARTITION).await.unwrap() + 86_400_000;
    // That of the hold, and later that of how the user has held seats.
    let due = bed.engine.due(PARTITION, ahead, 0, 10).await.unwrap();
    assert_eq!(bed.engine.forget_due(PARTITION, due.clone()).await.unwrap(), 0);
    bed.assert_sound().await;
    bed.engine.release(scene.id(), scene.me, scene.hold).await.unwrap();
    assert_eq!(bed.engine.forget_due(PARTITION, due.clone()).await.unwrap(), 1);
    let left = bed.engine.due(PARTITION, ahead, 0, 10).await.unwrap();
    assert_eq!(left.iter().map(Due::at).collect::<Vec<_>>(), [due[1].at()]);
}

#[tokio::test]
async fn a_reservation_that_waits_again_has_a_deadline_again() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold, Reserve, Request, Begin]).await;
    // While it is PAYING, a worker whose clock is ahead forgets its deadline.
    let ahead = bed.engine.now_ms(PARTITION).await.unwrap() + 86_400_000;
    let due = async || bed.engine.due(PARTITION, ahead, 0, 10).await.unwrap().len();
    let before = due().await;
    assert_eq!(expire_until(&bed.engine, PARTITION, ahead).await.unwrap(), 0);
    assert!(due().await < before, "how the user has held seats is not old yet");
    let declined = PaymentOutcome::Declined("NO".to_owned());
    let settled = bed.engine.settle_payment(&scene.attempt(1), declined).await;
    assert!(matches!(settled, Ok(Settled::Pending(_))), "{settled:?}");
    bed.assert_sound().await;
    // The same when it gets more time.
    let (id, me, mine) = (scene.id(), scene.me, scene.reservation);
    bed.engine.extend_reservation(id, me, mine, 86_400_000).await.unwrap();
    bed.assert_sound().await;
}

/// It is looked at until there is no hold left, because a failover may bring some back.
#[tokio::test]
async fn the_end_of_a_sale_stays_until_its_holds_have_ended() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold, Close]).await;
    let has_end = async || {
        let now = bed.engine.now_ms(PARTITION).await.unwrap();
        let due = bed.engine.due(PARTITION, now, 0, 10).await.unwrap();
        due.iter().any(|due| due.closed_match() == Some(scene.id()))
    };
    assert!(has_end().await);
    assert_eq!(expire_due(&bed.engine, PARTITION).await.unwrap(), 1);
    assert!(has_end().await);
    assert_eq!(expire_due(&bed.engine, PARTITION).await.unwrap(), 0);
    assert!(!has_end().await);
    assert_eq!(bed.seats(scene.id()).await, "");
}
