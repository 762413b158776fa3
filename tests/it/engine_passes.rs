//! Passes of the waiting room: how they begin and end, and how many there are.

use crate::support::engine::Step::{Approve, Begin, Hold, Pass, Queue, Request, Reserve};
use crate::support::engine::{PARTITION, PRICE, Scene, TestEngine, seats};
use crate::support::room::{
    PASS_KIND, admit, end_pass, joined, look, pass_of, pass_time, passes, peek, step, user,
};
use fred::prelude::*;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::ids::UserId;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::queue::Place;
use grandstand::redis::keys::MatchKeys;

const ADMITTED: i64 = 0;
const CHOOSING: i64 = 1;
const BUYING: i64 = 2;

/// A room that lets in as many as the other settings allow, with 40 s for an unused admission and
/// 300 s for a pass.
async fn fast_room(bed: &TestEngine) -> Scene<'_> {
    let mut scene = bed.at(&[Queue]).await;
    scene
        .change(|fixture| {
            fixture.queue.admit_per_minute = 1_000_000;
            fixture.queue.admission_ttl_ms = 40_000;
            fixture.queue.pass_ttl_ms = 300_000;
        })
        .await;
    scene
}

async fn hold(
    scene: &Scene<'_>,
    user: UserId,
    seat: u32,
) -> Result<grandstand::domain::ids::HoldId, EngineError> {
    let hold = scene
        .bed
        .engine
        .hold(scene.id(), user, seats(&[seat]), PRICE, &[], Operation::default())
        .await;
    hold.map(|(id, _)| id)
}

fn is_refused<T>(result: &Result<T, EngineError>) -> bool {
    matches!(result, Err(EngineError::Refused(Refusal::PassRequired)))
}

async fn admit_of(scene: &Scene<'_>, seats: u32) -> u64 {
    pass_time(scene, 1000.0).await;
    step(scene, Some(seats)).await.people
}

/// Also a pass that is given back. There are never more passes than the limit.
#[tokio::test]
async fn a_pass_that_ends_makes_room_for_the_next() {
    let bed = TestEngine::start().await;
    let mut scene = fast_room(&bed).await;
    scene.change(|fixture| fixture.queue.max_active = 3).await;
    let users = joined(&scene, 9).await;
    assert_eq!(admit(&scene).await, 3);
    pass_time(&scene, 1000.0).await;
    assert_eq!(admit(&scene).await, 0, "all passes are out");
    assert!(bed.engine.leave_queue(scene.id(), users[0]).await.unwrap());
    assert_eq!(admit(&scene).await, 1, "one was given back");
    look(&scene, users[1]).await;
    end_pass(&scene, users[1]).await;
    assert!(is_refused(&hold(&scene, users[1], 1).await), "its time is over");
    assert_eq!(admit(&scene).await, 1, "one has ended by time");
    assert_eq!(passes(&scene).await, 3);
    assert_eq!(look(&scene, users[1]).await, None);
}

/// Somebody who is let in and does not come loses the place to the next one.
#[tokio::test]
async fn an_admission_that_nobody_picks_up_ends_early() {
    let bed = TestEngine::start().await;
    let mut scene = fast_room(&bed).await;
    scene.change(|fixture| fixture.queue.max_active = 1).await;
    let users = joined(&scene, 2).await;
    assert_eq!(admit(&scene).await, 1);
    assert!(matches!(peek(&scene, users[0]).await, Some(Place::Admitted { .. })));
    let (kind, left) = pass_of(&scene, users[0]).await.unwrap();
    assert_eq!(kind, ADMITTED, "an organiser who looks does not pick it up");
    assert!((30_000..=40_000).contains(&left), "{left}");
    end_pass(&scene, users[0]).await;
    assert_eq!(look(&scene, users[0]).await, None);
    assert_eq!(admit(&scene).await, 1);

    let place = look(&scene, users[1]).await.unwrap();
    let (kind, left) = pass_of(&scene, users[1]).await.unwrap();
    assert_eq!(kind, CHOOSING);
    assert!((290_000..=300_000).contains(&left), "{left}");
    assert_eq!(look(&scene, users[1]).await.unwrap(), place, "looking again gives no more time");
}

#[tokio::test]
async fn the_first_hold_picks_an_admission_up() {
    let bed = TestEngine::start().await;
    let scene = fast_room(&bed).await;
    let users = joined(&scene, 1).await;
    admit(&scene).await;
    assert!(hold(&scene, users[0], 1).await.is_ok());
    let (kind, left) = pass_of(&scene, users[0]).await.unwrap();
    assert_eq!(kind, BUYING);
    assert!((290_000..=300_000).contains(&left), "{left}");
}

/// Buyers who have seats do not count, because their seats are not free any more.
#[tokio::test]
async fn there_are_never_more_buyers_than_the_free_seats_can_serve() {
    let bed = TestEngine::start().await;
    let scene = fast_room(&bed).await;
    let users = joined(&scene, 20).await;
    assert_eq!(admit_of(&scene, 3).await, 3);
    assert_eq!(admit_of(&scene, 3).await, 0, "three buyers for three seats");
    let first = hold(&scene, users[0], 1).await.unwrap();
    assert_eq!(admit_of(&scene, 3).await, 0, "two buyers for two seats");
    hold(&scene, users[0], 2).await.unwrap();
    assert!(bed.engine.leave_queue(scene.id(), users[1]).await.unwrap());
    assert_eq!(admit_of(&scene, 3).await, 0, "one buyer for one seat");
    hold(&scene, users[2], 3).await.unwrap();
    assert_eq!(admit_of(&scene, 3).await, 0, "no seat is left");
    // A seat comes back, but the buyer has another one.
    bed.engine.release(scene.id(), users[0], first).await.unwrap();
    assert_eq!(pass_of(&scene, users[0]).await.unwrap().0, BUYING);
    assert_eq!(admit_of(&scene, 3).await, 1, "resumed");
    // The new buyer has no seat, and neither has a buyer who gives the last one back.
    bed.engine.release_seat(scene.id(), users[2], seats(&[3])[0], PRICE, None).await.unwrap();
    assert_eq!(pass_of(&scene, users[2]).await.unwrap().0, CHOOSING);
    assert_eq!(admit_of(&scene, 3).await, 0, "two buyers for two seats");
    bed.assert_sound().await;
}

/// The last seats are always offered to somebody.
#[tokio::test]
async fn the_organiser_may_let_in_more_or_fewer_buyers_per_seat() {
    let bed = TestEngine::start().await;
    for (factor, wanted) in [(0.1, 1), (0.5, 2), (1.0, 3), (1.1, 4), (2.0, 6), (10.0, 30)] {
        let mut scene = fast_room(&bed).await;
        scene.change(|fixture| fixture.queue.buyers_per_free_seat = factor).await;
        joined(&scene, 40).await;
        assert_eq!(admit_of(&scene, 3).await, wanted, "{factor}");
        assert_eq!(admit_of(&scene, 3).await, 0, "{factor}");
    }
}

/// The changes say so, for the estimates of the people who wait.
#[tokio::test]
async fn the_line_says_when_it_is_slowed() {
    let bed = TestEngine::start().await;
    let scene = fast_room(&bed).await;
    let users = joined(&scene, 4).await;
    admit_of(&scene, 3).await;
    admit_of(&scene, 3).await;
    assert!(bed.engine.leave_queue(scene.id(), users[0]).await.unwrap());
    admit_of(&scene, 3).await;
    let told = bed.changes(scene.id()).await;
    assert_eq!(told, ["3 1 3 1 -", "4 0 1 0 -"]);
}

#[tokio::test]
async fn a_pass_ends_with_the_purchase() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue, Pass, Hold, Reserve, Request, Begin]).await;
    assert_eq!(passes(&scene).await, 1);
    scene.step(Approve).await;
    assert_eq!(passes(&scene).await, 0);
    assert!(is_refused(&hold(&scene, scene.me, 3).await));
}

/// Buyers of an earlier purchase who give their seats back choose again. What they have paid for
/// does not count, whichever of their claims it is.
#[tokio::test]
async fn paid_seats_do_not_count_as_seats_that_are_being_bought() {
    let bed = TestEngine::start().await;
    for bought in [2, 1] {
        let mut scene = bed.at(&[Queue, Pass]).await;
        // The claim that is paid for is the first one of the user, or the second one.
        let me = scene.me;
        let kept = if bought == 1 { Some(hold(&scene, me, 9).await.unwrap()) } else { None };
        for step in [Hold, Reserve, Request, Begin, Approve] {
            scene.step(step).await;
        }
        bed.engine.let_in(scene.id(), me).await.unwrap();
        look(&scene, me).await;
        let next = hold(&scene, me, 5).await.unwrap();
        assert_eq!(pass_of(&scene, me).await.unwrap().0, BUYING);
        bed.engine.release(scene.id(), me, next).await.unwrap();
        if let Some(kept) = kept {
            assert_eq!(pass_of(&scene, me).await.unwrap().0, BUYING, "one hold is left");
            bed.engine.release(scene.id(), me, kept).await.unwrap();
        }
        assert_eq!(pass_of(&scene, me).await.unwrap().0, CHOOSING);
    }
}

/// The payment of an earlier visit is done while its buyer has a new pass.
#[tokio::test]
async fn a_purchase_ends_no_pass_that_began_after_its_hold() {
    let bed = TestEngine::start().await;
    let mut scene = bed.at(&[Queue, Pass, Hold, Reserve, Request, Begin]).await;
    assert!(bed.engine.leave_queue(scene.id(), scene.me).await.unwrap());
    bed.engine.let_in(scene.id(), scene.me).await.unwrap();
    look(&scene, scene.me).await;
    scene.step(Approve).await;
    assert_eq!(pass_of(&scene, scene.me).await.map(|(kind, _)| kind), Some(CHOOSING));
    assert!(hold(&scene, scene.me, 5).await.is_ok());
}

/// A pass is only needed to hold seats.
#[tokio::test]
async fn a_reservation_outlives_the_pass() {
    let bed = TestEngine::start().await;
    for steps in [&[][..], &[Reserve], &[Reserve, Request]] {
        let mut scene = bed.at(&[Queue, Pass, Hold]).await;
        for step in steps {
            scene.step(*step).await;
        }
        end_pass(&scene, scene.me).await;
        assert!(is_refused(&hold(&scene, scene.me, 3).await));
        let rest = [Reserve, Request, Begin, Approve];
        for step in &rest[steps.len()..] {
            scene.step(*step).await;
        }
        assert_eq!(bed.seats(scene.id()).await, "1O 2O");
    }
}

/// They are let in at once, whatever the settings say.
#[tokio::test]
async fn the_organiser_lets_people_in_by_hand() {
    let bed = TestEngine::start().await;
    let mut scene = fast_room(&bed).await;
    scene.change(|fixture| fixture.queue.paused = true).await;
    let users = joined(&scene, 5).await;
    let stranger = user();
    bed.engine.let_in(scene.id(), users[3]).await.unwrap();
    bed.engine.let_in(scene.id(), stranger).await.unwrap();
    for lucky in [users[3], stranger] {
        assert!(matches!(look(&scene, lucky).await, Some(Place::Admitted { .. })));
        assert!(hold(&scene, lucky, if lucky == stranger { 1 } else { 2 }).await.is_ok());
        let kept = pass_of(&scene, lucky).await;
        bed.engine.let_in(scene.id(), lucky).await.unwrap();
        assert_eq!(pass_of(&scene, lucky).await.map(|(kind, _)| kind), kept.map(|(kind, _)| kind));
    }
    let operation = Operation::new("once".to_owned(), "body".to_owned());
    let forced = bed.engine.admit_now(scene.id(), Some(2), 2, operation.clone()).await;
    assert_eq!(forced.unwrap(), (2, false));
    let repeated = bed.engine.admit_now(scene.id(), Some(2), 2, operation.clone()).await;
    assert_eq!(repeated.unwrap(), (2, true), "the same two");
    let other = Operation { fingerprint: "other".to_owned(), ..operation };
    let refused = bed.engine.admit_now(scene.id(), Some(2), 2, other).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::ExistsDifferent))));
    for (number, member) in users.iter().enumerate() {
        let admitted = matches!(peek(&scene, *member).await, Some(Place::Admitted { .. }));
        assert_eq!(admitted, [0, 1, 3].contains(&number), "{number}");
    }
    scene.change(|fixture| fixture.status = MatchStatus::Announced).await;
    let refused = bed.engine.let_in(scene.id(), user()).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::NotOpen { ended: false }))));
    let off = bed.at(&[]).await;
    let refused = bed.engine.let_in(off.id(), stranger).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::QueueOff))));
}

/// Lua takes fewer than 8,000 values at once, and a command that fails then has written a part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_may_end_the_holds_of_thousands_of_people_with_passes() {
    const PEOPLE: u32 = 4_100;
    let bed = TestEngine::start().await;
    let scene = fast_room(&bed).await;
    let ends = bed.engine.now_ms(PARTITION).await.unwrap() + 600_000;
    let users: Vec<UserId> = (0..PEOPLE).map(|_| user()).collect();
    let passes: Vec<(f64, String)> =
        users.iter().map(|user| ((CHOOSING * PASS_KIND + ends) as f64, user.key())).collect();
    for page in passes.chunks(1_000) {
        let key = MatchKeys(scene.id()).passes();
        let _: i64 = bed.raw.zadd(key, None, None, false, false, page.to_vec()).await.unwrap();
    }
    let holds = users.iter().zip(1..).map(|(user, seat)| {
        let (seats, operation) = (seats(&[seat]), Operation::default());
        bed.hasty.hold(scene.id(), *user, seats, PRICE, &[], operation)
    });
    for held in futures::future::join_all(holds).await {
        held.unwrap();
    }
    scene.let_time_pass().await;
    let all: Vec<u32> = (1..=PEOPLE).collect();
    bed.engine.block(scene.id(), seats(&all)).await.unwrap();
    for user in [users[0], users[PEOPLE as usize - 1]] {
        assert_eq!(pass_of(&scene, user).await.map(|(kind, _)| kind), Some(CHOOSING));
    }
    bed.assert_owned(scene.id()).await;
}
