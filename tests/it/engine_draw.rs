//! The draw of the waiting room: people who join before the sale opens.

use crate::support::engine::Step::Queue;
use crate::support::engine::{Scene, TestEngine, seats};
use crate::support::room::{admit, joined, look, pass_time, peek, step, user};
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::draw;
use grandstand::domain::ids::UserId;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::queue::{Admitted, Place};

const SEED: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An announced match that people may join, with a room that is paused after the opening.
async fn early_room(bed: &TestEngine, random: bool) -> Scene<'_> {
    let mut scene = bed.at(&[Queue]).await;
    scene
        .change(|fixture| {
            fixture.status = MatchStatus::Announced;
            fixture.draw_seed = Some(SEED.to_owned());
            fixture.queue.opens_at = "2020-01-01T00:00:00Z".parse().ok();
            fixture.queue.random_pre_queue = random;
            fixture.queue.paused = true;
        })
        .await;
    scene
}

async fn open(scene: &mut Scene<'_>) -> Admitted {
    scene.change(|fixture| fixture.status = MatchStatus::Open).await;
    step(scene, None).await
}

/// Gives numbers as the worker does, `size` people at a time.
async fn draw_all(scene: &Scene<'_>, mut state: Admitted, size: usize) {
    let order = match state.random {
        true => draw::order(SEED, state.early),
        false => (1..=state.early).collect(),
    };
    for tickets in order[state.drawn as usize..].chunks(size) {
        assert!(scene.bed.engine.draw(scene.id(), &state, tickets).await.unwrap());
        state.drawn += tickets.len() as u32;
    }
}

async fn waiting(scene: &Scene<'_>, user: UserId) -> (u64, Option<u64>, Option<u64>) {
    match peek(scene, user).await {
        Some(Place::Waiting { ticket, number, ahead, .. }) => (ticket, number, ahead),
        other => panic!("does not wait: {other:?}"),
    }
}

/// It is the order of the published rule, and who comes later is behind all of them.
#[tokio::test]
async fn early_people_are_drawn_when_the_sale_opens() {
    let bed = TestEngine::start().await;
    let mut scene = early_room(&bed, true).await;
    let early = joined(&scene, 60).await;
    for (before, member) in early.iter().enumerate() {
        assert_eq!(waiting(&scene, *member).await, (before as u64 + 1, None, None));
    }
    assert_eq!(admit(&scene).await, 0, "the sale is not open");
    assert_eq!(bed.changes(scene.id()).await, ["0 60 0 0 -"]);
    // A person who leaves gives the place up, and gets a new ticket for coming back.
    for member in [early[10], early[20]] {
        assert!(bed.engine.leave_queue(scene.id(), member).await.unwrap());
    }
    bed.engine.join_queue(scene.id(), early[20], None).await.unwrap();
    assert_eq!(waiting(&scene, early[20]).await.0, 61);

    let state = open(&mut scene).await;
    assert_eq!((state.early, state.drawn, state.random), (61, 0, true));
    let late = user();
    bed.engine.join_queue(scene.id(), late, None).await.unwrap();
    assert_eq!(waiting(&scene, late).await, (62, Some(62), Some(59)));
    draw_all(&scene, state, 7).await;

    let gone: Vec<u32> = [11, 21].map(|ticket| draw::place(SEED, 61, ticket).unwrap()).into();
    for (before, member) in early.iter().enumerate().filter(|(before, _)| *before != 10) {
        let ticket = if before == 20 { 61 } else { before as u32 + 1 };
        let number = draw::place(SEED, 61, ticket).unwrap();
        let left = gone.iter().filter(|other| **other < number).count() as u64;
        let number = u64::from(number);
        let place = waiting(&scene, *member).await;
        assert_eq!(place, (u64::from(ticket), Some(number), Some(number - 1 - left)));
    }
    assert_eq!(waiting(&scene, late).await, (62, Some(62), Some(59)));
    let state = step(&scene, None).await;
    assert_eq!((state.drawn, state.published), (61, None));
    assert_eq!(bed.changes(scene.id()).await.last().unwrap(), "0 60 0 0 -", "not safe yet");
    bed.engine.publish_draw(scene.id(), 61).await.unwrap();
    assert_eq!(step(&scene, None).await.published, Some(61));
    assert_eq!(bed.changes(scene.id()).await.last().unwrap(), "0 60 0 0 61");
}

/// And only those who have a number by then, in its order.
#[tokio::test]
async fn the_first_are_let_in_while_the_others_still_get_their_numbers() {
    let bed = TestEngine::start().await;
    let mut scene = early_room(&bed, true).await;
    let early = joined(&scene, 30).await;
    scene
        .change(|fixture| {
            fixture.queue.paused = false;
            fixture.queue.admit_per_minute = 1_000_000;
        })
        .await;
    let state = open(&mut scene).await;
    let late = user();
    bed.engine.join_queue(scene.id(), late, None).await.unwrap();
    pass_time(&scene, 1000.0).await;
    assert_eq!(admit(&scene).await, 0, "nobody has a number yet");
    let order = draw::order(SEED, 30);
    assert!(bed.engine.draw(scene.id(), &state, &order[..12]).await.unwrap());
    assert!(!bed.engine.draw(scene.id(), &state, &order[..12]).await.unwrap(), "drawn before");
    assert_eq!(waiting(&scene, late).await, (31, Some(31), Some(30)));
    let last = early[order[11] as usize - 1];
    assert_eq!(waiting(&scene, last).await.2, Some(11), "only those with a lower number");
    pass_time(&scene, 1000.0).await;
    assert_eq!(admit(&scene).await, 12);
    for (place, ticket) in order.iter().enumerate() {
        let admitted = look(&scene, early[*ticket as usize - 1]).await.unwrap();
        assert_eq!(matches!(admitted, Place::Admitted { serving: 12, .. }), place < 12);
    }
    // Another worker goes on where the first one stopped.
    draw_all(&scene, Admitted { drawn: 12, ..state }, 5).await;
    pass_time(&scene, 1000.0).await;
    assert_eq!(admit(&scene).await, 19, "all others, and the late one");
}

/// The organiser may still give them back by the opening.
#[tokio::test]
async fn blocked_seats_send_nobody_away_before_the_opening() {
    let bed = TestEngine::start().await;
    let mut scene = early_room(&bed, true).await;
    bed.engine.block(scene.id(), seats(&[1, 2])).await.unwrap();
    bed.engine.join_queue(scene.id(), user(), Some(2)).await.unwrap();
    open(&mut scene).await;
    let refused = bed.engine.join_queue(scene.id(), user(), Some(2)).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::SoldOut))), "{refused:?}");
}

#[tokio::test]
async fn without_the_draw_early_people_keep_their_order() {
    let bed = TestEngine::start().await;
    let mut scene = early_room(&bed, false).await;
    let early = joined(&scene, 9).await;
    for (before, member) in (0_u64..).zip(&early) {
        let place = (before + 1, Some(before + 1), Some(before));
        assert_eq!(waiting(&scene, *member).await, place);
    }
    let state = open(&mut scene).await;
    assert!(!state.random);
    // They keep them while Redis is told, some people at a time.
    assert!(bed.engine.draw(scene.id(), &state, &[1, 2, 3, 4]).await.unwrap());
    for (before, member) in (0_u64..).zip(&early) {
        let place = (before + 1, Some(before + 1), Some(before));
        assert_eq!(waiting(&scene, *member).await, place);
    }
    draw_all(&scene, Admitted { drawn: 4, ..state }, 4).await;
    step(&scene, None).await;
    assert_eq!(bed.changes(scene.id()).await.last().unwrap(), "0 9 0 0 -", "nobody was drawn");
    for (before, member) in (0_u64..).zip(&early) {
        let place = (before + 1, Some(before + 1), Some(before));
        assert_eq!(waiting(&scene, *member).await, place);
    }
}

/// The order can be chosen until the opening. After it there is no other draw, because the seed is
/// known.
#[tokio::test]
async fn the_settings_at_the_opening_decide_and_only_once() {
    let bed = TestEngine::start().await;
    let mut scene = early_room(&bed, true).await;
    joined(&scene, 5).await;
    scene.change(|fixture| fixture.queue.random_pre_queue = false).await;
    let state = open(&mut scene).await;
    assert_eq!((state.early, state.random), (5, false));
    scene.change(|fixture| fixture.queue.random_pre_queue = true).await;
    assert!(!step(&scene, None).await.random, "it was decided at the opening");
    let wrong = Admitted { random: true, ..state.clone() };
    assert!(!bed.engine.draw(scene.id(), &wrong, &[1]).await.unwrap());
    draw_all(&scene, state, 5).await;

    scene.change(|fixture| fixture.status = MatchStatus::Closed).await;
    scene.change(|fixture| fixture.status = MatchStatus::Announced).await;
    let late = joined(&scene, 2).await;
    let state = open(&mut scene).await;
    assert_eq!((state.early, state.drawn), (5, 5));
    let numbers = [waiting(&scene, late[0]).await.1, waiting(&scene, late[1]).await.1];
    assert_eq!(numbers, [Some(6), Some(7)]);
}
