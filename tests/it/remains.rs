//! What must remain of a claim is compared with the claim in the same step that takes seats out.

use crate::support::engine::{PRICE, Step, TestEngine};
use crate::support::given::{seats, these};
use grandstand::domain::ids::SeatId;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::remains::Remains;
use grandstand::engine::reservations::Source;

/// What remains of claims, by claim.
fn remains(claims: &[&[u32]]) -> Option<Remains> {
    Some(Remains(claims.iter().map(|ids| seats(ids)).collect()))
}

#[track_caller]
fn changed<T: std::fmt::Debug>(result: Result<T, EngineError>) {
    let refused = result.unwrap_err();
    assert!(matches!(refused, EngineError::Refused(Refusal::Changed)), "{refused:?}");
}

#[tokio::test]
async fn a_seat_is_released_only_from_the_hold_that_the_caller_has_seen() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[]).await;
    let (id, me) = (scene.id(), scene.me);
    let release = async |seat: u32, remains| {
        bed.engine.release_seat(id, me, SeatId(seat), PRICE, remains).await
    };
    bed.engine.hold(id, me, seats(&[1, 2, 3]), 3 * PRICE, &[], Operation::default()).await.unwrap();
    release(2, remains(&[&[1, 3]])).await.unwrap();
    // The caller has read the hold before.
    changed(release(1, remains(&[&[2, 3]])).await);
    changed(release(1, remains(&[])).await);
    release(1, remains(&[&[3]])).await.unwrap();
    changed(release(3, remains(&[&[1]])).await);
    release(3, remains(&[&[]])).await.unwrap();
    release(3, remains(&[])).await.unwrap();
}

#[tokio::test]
async fn seats_are_reserved_only_out_of_holds_that_the_caller_has_seen() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[]).await;
    let (id, me) = (scene.id(), scene.me);
    for held in [&[1, 2][..], &[3, 4]] {
        let held = seats(held);
        bed.engine.hold(id, me, held, 2 * PRICE, &[], Operation::default()).await.unwrap();
    }
    let key = || Operation::new("key".to_owned(), "body".to_owned());
    let reserve = async |remains| {
        let wanted = [3, 1].map(|seat| (SeatId(seat), PRICE)).to_vec();
        bed.engine.reserve(id, me, Source::Seats(wanted, remains), key()).await
    };
    changed(reserve(remains(&[&[2], &[4]])).await);
    changed(reserve(remains(&[&[4]])).await);
    // The reply is not kept, so the same key may read the holds again.
    let (first, granted) = reserve(remains(&[&[4], &[2]])).await.unwrap();
    assert_eq!(granted.seats, seats(&[3, 1]));
    let (again, _) = reserve(remains(&[])).await.unwrap();
    assert_eq!(again, first, "a repeated call");
}

#[tokio::test]
async fn seats_of_a_sale_are_given_back_only_out_of_what_the_caller_has_seen() {
    let bed = TestEngine::start().await;
    let sold = [Step::Hold, Step::Reserve, Step::Request, Step::Begin, Step::Approve];
    let scene = bed.at(&sold).await;
    let (id, me, sale) = (scene.id(), scene.me, scene.reservation);
    let cancel = async |seat: u32, remains| {
        let mut part = these(&[(SeatId(seat), PRICE)]);
        part.remains = remains;
        bed.engine.cancel(id, me, sale, part, Operation::default()).await
    };
    changed(cancel(2, remains(&[&[1, 3]])).await);
    cancel(2, remains(&[&[1]])).await.unwrap();
    // It is told again while the money is on its way.
    cancel(2, remains(&[&[1]])).await.unwrap();
}
