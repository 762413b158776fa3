//! Many commands at once: batches, repeats, limits, memory, deadlines.

use crate::support::engine::Step::{Begin, Forget, Hold, HoldLate, Pass, Queue, Request, Reserve};
use crate::support::engine::{PARTITION, PRICE, TestEngine, all, limits, seats};
use crate::support::events::EventStream;
use crate::support::node::{TestNode, eventually};
use crate::support::table::{Expect, done, taken};
use fred::prelude::*;
use grandstand::domain::ids::{HoldId, ReservationId};
use grandstand::domain::ids::{PaymentId, UserId};
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::error::{EngineError, Noun, Refusal};
use grandstand::engine::limits::Limits;
use grandstand::engine::operation::Operation;
use grandstand::engine::payments::Settled;
use grandstand::engine::reply::Granted;
use grandstand::engine::reservations::Source;
use grandstand::workers::expiry::expire_due;
use std::time::{Duration, Instant};

fn operation(key: &str, fingerprint: &str) -> Operation {
    Operation::new(key.to_owned(), fingerprint.to_owned())
}

fn user() -> UserId {
    UserId::new(PARTITION)
}

/// The commands of a batch see each other.
#[tokio::test]
async fn of_64_holds_at_once_on_one_seat_exactly_one_wins() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    let holds =
        (0..64).map(|_| bed.engine.hold(id, user(), seats(&[7]), PRICE, &[], operation("", "")));
    let answers = futures::future::join_all(holds).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 63));
    for refused in lost {
        let refusal = refused.err().unwrap();
        let EngineError::Refused(refusal) = refusal else { panic!("{refusal:?}") };
        assert_eq!(refusal, taken(&[7]));
    }
    let winner = HoldId::key(won[0].as_ref().unwrap().0);
    let claims = bed.hash(grandstand::redis::keys::PartitionKeys(PARTITION).claims()).await;
    let (user, _) = claims.iter().find(|(_, record)| record.contains(&winner)).unwrap();
    let stored = bed.hash(grandstand::redis::keys::MatchKeys(id).seats()).await;
    assert_eq!(stored["7"], format!("H{user}"));
    assert_eq!(bed.changes(id).await, ["H7"], "one change, told once");
    bed.assert_sound().await;
}

/// A command can take what an earlier command of the same batch has freed.
#[tokio::test]
async fn a_seat_changes_hands_within_one_batch() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let id = scene.id();
    let (released, held) = tokio::join!(
        bed.engine.release(id, scene.me, scene.hold),
        bed.engine.hold(id, scene.other, seats(&[1, 2]), 2 * PRICE, &[], operation("", "")),
    );
    released.unwrap();
    held.unwrap();
    assert_eq!(bed.seats(id).await, "1H 2H");
    bed.assert_sound().await;
    bed.assert_owned(id).await;
}

/// The same key with another body is refused.
#[tokio::test]
async fn a_repeated_operation_gets_the_first_reply() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    let (me, other) = (user(), user());
    let hold = |who, list: &[u32], print| {
        bed.engine.hold(id, who, seats(list), PRICE, &[], operation("first", print))
    };
    let first = hold(me, &[1], "a").await.unwrap();
    let again = (first.0, Granted { replayed: true, ..first.1.clone() });
    assert_eq!(hold(me, &[1], "a").await.unwrap(), again);
    let different = hold(me, &[2], "b").await;
    assert_eq!(done(different), Refusal::ExistsDifferent);
    assert_eq!(bed.seats(id).await, "1H");
    // A refusal is kept under its key as well, also when the seat is free by then.
    let refused =
        |print| bed.engine.hold(id, other, seats(&[1]), PRICE, &[], operation("second", print));
    assert_eq!(done(refused("a").await), taken(&[1]));
    bed.engine.release(id, me, first.0).await.unwrap();
    assert_eq!(done(refused("a").await), taken(&[1]));
    assert_eq!(bed.seats(id).await, "");
    // The hold has ended since. The first reply still stands, and nothing is held again.
    assert_eq!(hold(me, &[1], "a").await.unwrap(), again);
    assert_eq!(bed.seats(id).await, "");
}

/// Both are in one batch, and the second gets the reply of the first.
#[tokio::test]
async fn the_same_operation_twice_at_once_has_one_effect() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me) = (scene.id(), scene.me);
    let reserve = || {
        let source = Source::Hold(scene.hold);
        bed.engine.reserve(id, me, source, operation("reserve", "a"))
    };
    let answers = futures::future::join_all((0..16).map(|_| reserve())).await;
    let ids: Vec<_> = answers.into_iter().map(|answer| answer.unwrap()).collect();
    assert!(ids.iter().all(|(id, _)| *id == ids[0].0), "{ids:?}");
    let first = ids.iter().filter(|(_, granted)| !granted.replayed).count();
    assert_eq!(first, 1, "only one of them has reserved");
    assert_eq!(bed.changes(id).await, ["H1,2", "P1,2"]);
    let request = |print: &'static str| {
        let payment = PaymentId::new(PARTITION);
        let (method, operation) = ("CARD".to_owned(), operation("pay", print));
        bed.engine.request_payment(id, me, ids[0].0, payment, method, operation)
    };
    let first = request("a").await.unwrap();
    assert_eq!(request("a").await.unwrap(), first);
    assert!(matches!(request("b").await, Err(EngineError::Refused(Refusal::ExistsDifferent))));
}

/// The key can be used once the match is loaded.
#[tokio::test]
async fn a_reply_of_not_loaded_is_not_remembered_under_its_key() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Forget]).await;
    let hold =
        || bed.engine.hold(scene.id(), scene.me, seats(&[1]), PRICE, &[], operation("k", "a"));
    assert!(matches!(hold().await, Err(EngineError::NotLoaded)));
    let fields: Vec<(String, String)> =
        scene.fixture.meta().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let key = grandstand::redis::keys::MatchKeys(scene.id()).meta();
    let _: i64 = bed.raw.hset(key, fields).await.unwrap();
    hold().await.unwrap();
}

#[tokio::test]
async fn out_of_memory_holds_are_refused_and_releases_go_on() {
    let bed = TestEngine::start().await;
    let (held, late) = (bed.at(&[Hold]).await, bed.at(&[HoldLate]).await);
    let pending = bed.at(&[Hold, Reserve]).await;
    bed.command("CONFIG", &["SET", "maxmemory", "1mb"]).await;
    let hold =
        |key| bed.engine.hold(held.id(), held.other, seats(&[9]), PRICE, &[], operation(key, "a"));
    // In one batch with commands that free seats, and alone.
    let (refused, released) =
        tokio::join!(hold("k"), bed.engine.release(held.id(), held.me, held.hold));
    assert!(matches!(refused, Err(EngineError::OutOfMemory)), "{refused:?}");
    released.unwrap();
    assert!(matches!(hold("k").await, Err(EngineError::OutOfMemory)));
    assert!(bed.engine.expire(late.id(), late.me, ReservationId(late.hold.0)).await.unwrap());
    let restarted = bed.another(limits()).await;
    restarted
        .cancel(pending.id(), pending.me, pending.reservation, all(), Operation::default())
        .await
        .unwrap();
    for scene in [&held, &late, &pending] {
        assert_eq!(bed.seats(scene.id()).await, "");
    }
    bed.command("CONFIG", &["SET", "maxmemory", "0"]).await;
    hold("k").await.unwrap();
    bed.assert_sound().await;
}

/// The scripts may vanish from Redis at any moment. No command is lost or runs twice.
#[tokio::test]
async fn a_flush_of_the_scripts_under_load_loses_nothing() {
    let bed = TestEngine::start().await;
    let id = bed.open_match().await;
    let flush = async {
        for _ in 0..40 {
            let _: () = bed.raw.script_flush(false).await.unwrap();
            bed.command("FUNCTION", &["FLUSH"]).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let hold = async |seat: u32| {
        for _ in 0..5 {
            let owner = user();
            let held =
                bed.engine.hold(id, owner, seats(&[seat]), PRICE, &[], operation("", "")).await;
            let (hold, granted) = held.unwrap();
            assert_eq!(granted.seats, seats(&[seat]));
            if seat.is_multiple_of(2) {
                return;
            }
            bed.engine.release(id, owner, hold).await.unwrap();
        }
    };
    tokio::join!(flush, futures::future::join_all((1..=200).map(hold)));
    let even: Vec<String> = (1..=200).filter(|n| n % 2 == 0).map(|n| format!("{n}H")).collect();
    assert_eq!(bed.seats(id).await, even.join(" "));
    bed.assert_sound().await;
}

/// The record is not lost.
#[tokio::test]
async fn an_unreadable_record_holds_up_no_other_command() {
    let bed = TestEngine::start().await;
    let claims = grandstand::redis::keys::PartitionKeys(PARTITION).claims();
    for tail in ["no record at all, but long", "soon|1|1|10", "|1|1|10", "1|1|garbage", "1|1|1|x"] {
        let scene = bed.at(&[HoldLate]).await;
        let (id, me) = (scene.id(), scene.me);
        let record = bed.hash(claims.clone()).await.remove(&me.key()).unwrap();
        let broken = format!("{}|P|{}|{tail}", "x".repeat(22), id.key());
        let text = format!("{record}\n{broken}");
        let _: i64 = bed.raw.hset(&claims, (me.key(), text)).await.unwrap();
        assert_eq!(bed.engine.claims_of(PARTITION, me).await.unwrap().len(), 1, "{tail}");
        let swept = expire_due(&bed.engine, PARTITION).await.unwrap();
        assert_eq!((swept, bed.seats(id).await.as_str()), (1, ""), "{tail}");
        let hold =
            |who, seat| bed.engine.hold(id, who, seats(&[seat]), PRICE, &[], operation("", ""));
        let (mine, other) = tokio::join!(hold(me, 1), hold(scene.other, 2));
        mine.unwrap();
        other.unwrap();
        let text = bed.hash(claims.clone()).await.remove(&me.key()).unwrap();
        assert!(text.lines().any(|line| line == broken), "{text}");
        assert_eq!(bed.engine.claims_of(PARTITION, me).await.unwrap().len(), 1, "{tail}");
    }
}

#[tokio::test]
async fn a_hold_cannot_be_used_in_another_match() {
    let bed = TestEngine::start().await;
    let (scene, other) = (bed.at(&[Hold]).await, bed.open_match().await);
    let released = bed.engine.release(other, scene.me, scene.hold).await;
    assert_eq!(done(released), Refusal::NotFound(Noun::Hold));
    let source = Source::Hold(scene.hold);
    let reserved = bed.engine.reserve(other, scene.me, source, operation("", "")).await;
    assert_eq!(done(reserved), Refusal::NotFound(Noun::Hold));
    let elsewhere = HoldId::of(grandstand::domain::ids::Partition(3), scene.me);
    let released = bed.engine.release(scene.id(), scene.me, elsewhere).await;
    assert_eq!(done(released), Refusal::NotFound(Noun::Hold), "of another partition");
    assert_eq!(bed.seats(scene.id()).await, "1H 2H");
    bed.engine.release(scene.id(), scene.me, scene.hold).await.unwrap();
    bed.assert_sound().await;
}

/// No command reads the data of a release with another layout.
#[tokio::test]
async fn a_partition_of_another_layout_counts_as_not_loaded() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let key = grandstand::redis::keys::PartitionKeys(PARTITION).partition();
    let _: i64 = bed.raw.hset(key, ("layout", "1")).await.unwrap();
    assert_eq!(bed.engine.epoch(PARTITION).await.unwrap(), None);
    let released = bed.engine.release(scene.id(), scene.me, scene.hold).await;
    assert_eq!(done(released), Expect::NotLoaded);
    assert_eq!(bed.seats(scene.id()).await, "1H 2H");
}

#[tokio::test]
async fn fifty_holds_at_once_from_two_engines_keep_the_limit() {
    let bed = TestEngine::start().await;
    let other = bed.another(limits()).await;
    let id = bed.open_match().await;
    let me = user();
    let holds = (1..=50).map(|seat: u32| {
        let engine = if seat.is_multiple_of(2) { &bed.engine } else { &other };
        engine.hold(id, me, seats(&[seat]), PRICE, &[], operation("", ""))
    });
    let answers = futures::future::join_all(holds).await;
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    let limited =
        |answer: &&Result<_, _>| matches!(answer, Err(EngineError::Refused(Refusal::SeatLimit)));
    assert_eq!((won, answers.iter().filter(limited).count()), (4, 46));
    assert_eq!(bed.engine.claims_of(id.partition(), me).await.unwrap().len(), 4);
    bed.assert_sound().await;
}

/// The pass is checked in the same step as the hold.
#[tokio::test]
async fn an_expired_pass_does_not_allow_a_hold() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Queue]).await;
    let key = grandstand::redis::keys::MatchKeys(scene.id()).passes();
    let past = bed.engine.now_ms(PARTITION).await.unwrap() - 1;
    let pass = (past as f64, scene.me.key());
    let _: i64 = bed.raw.zadd(key, None, None, false, false, pass).await.unwrap();
    let hold =
        bed.engine.hold(scene.id(), scene.me, seats(&[1]), PRICE, &[], operation("", "")).await;
    assert!(matches!(hold, Err(EngineError::Refused(Refusal::PassRequired))));
}

/// This needs no worker.
#[tokio::test]
async fn another_user_can_hold_a_seat_at_its_deadline_and_not_before() {
    let bed = TestEngine::start().await;
    let brief = bed.another(Limits { hold_ttl_ms: 600, ..limits() }).await;
    let id = bed.open_match().await;
    let (_, granted) =
        brief.hold(id, user(), seats(&[1]), PRICE, &[], operation("", "")).await.unwrap();
    let other = user();
    loop {
        let before = bed.engine.now_ms(PARTITION).await.unwrap();
        let hold = bed.engine.hold(id, other, seats(&[1]), PRICE, &[], operation("", "")).await;
        let after = bed.engine.now_ms(PARTITION).await.unwrap();
        match hold {
            Ok(_) => {
                assert!(after >= granted.deadline, "{} ms early", granted.deadline - after);
                break;
            }
            Err(_) => assert!(before <= granted.deadline, "late by {}", before - granted.deadline),
        }
    }
    assert_eq!(bed.changes(id).await, ["H1", "H1"]);
}

/// A purchase uses it up, also for commands that come later in the same batch.
#[tokio::test]
async fn a_pass_is_used_up_within_a_batch() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Queue, Pass, Hold, Reserve, Request, Begin]).await;
    let attempt = scene.attempt(1);
    let again = bed.engine.hold(scene.id(), scene.me, seats(&[5]), PRICE, &[], operation("", ""));
    let (paid, held) =
        tokio::join!(bed.engine.settle_payment(&attempt, PaymentOutcome::Approved), again);
    assert!(matches!(paid, Ok(Settled::Confirmed(_))), "{paid:?}");
    assert!(matches!(held, Err(EngineError::Refused(Refusal::PassRequired))), "{held:?}");
}

/// Nobody asks for the hold, so only the worker can end it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_leaves_the_map_within_a_second_of_its_deadline() {
    let node = TestNode::start_with(|settings| settings.hold_ttl_ms = 700).await;
    let fixture = node.open_match().await;
    let buyer = node.user("buyer").await;
    let url = format!("{}{}", buyer.url, fixture.path("/blocks/1/seats/events"));
    let mut map = EventStream::open(&url, None).await;
    map.wait_for(3, "AVAILABLE").await;
    buyer.hold(&fixture.id, &[3]).await.expect(201);
    let held = Instant::now();
    map.wait_for(3, "HOLD").await;
    map.wait_for(3, "AVAILABLE").await;
    let late = held.elapsed().saturating_sub(Duration::from_millis(700));
    // The promise is one second. The second one is for a machine that compiles meanwhile.
    assert!(late < Duration::from_secs(2), "late by {late:?}");
    assert!(held.elapsed() > Duration::from_millis(600), "before its deadline");
    let engine = node.engine();
    eventually("no deadline is left", || async {
        let now = engine.now_ms(PARTITION).await.ok()?;
        let due = engine.due(PARTITION, now, 0, 10).await.ok()?;
        due.is_empty().then_some(())
    })
    .await;
    node.finish().await;
}
