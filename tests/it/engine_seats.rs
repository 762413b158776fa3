//! hold, release: every reply, in order of precedence.

use crate::support::calls::Call;
use crate::support::calls::Who::{Me, Other};
use crate::support::engine::Step::{
    self, Approve, Begin, Block, Close, Forget, Hold, HoldLate, Pass, Queue, Release, Request,
    Reserve, ReserveLate,
};
use crate::support::engine::{PRICE, TestEngine, seats};
use crate::support::table::{
    Expect, Reply, already_held, case, check, orphan, reserved_by_you, taken,
};
use grandstand::domain::ids::SeatId;
use grandstand::engine::error::{Noun, Refusal};
use grandstand::engine::operation::Operation;

/// It is refused as a whole. A match that is not loaded is never free.
#[tokio::test]
async fn a_hold_is_refused_for_the_first_reason_that_counts() {
    const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
    const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
    let (mine, other) = (|list| Call::Hold(Me, list), |list| Call::Hold(Other, list));
    let five: &[u32] = &[1, 3, 4, 5, 6];
    let alone = Call::HoldBeside(Other, &[4], &[(3, Some(2), &[5])]);
    let edge = Call::HoldBeside(Me, &[2], &[(1, None, &[3]), (3, Some(4), &[1])]);
    let both = Call::HoldBeside(Other, &[1], &[(3, Some(2), &[5])]);
    #[rustfmt::skip] // A line of the table on one line, or two.
    let table = [
        case("not loaded is not free").given(&[Forget]).command(mine(&[1]))
            .expect(Expect::NotLoaded),
        case("not loaded first").given(&[Hold, Forget]).command(other(&[1]))
            .expect(Expect::NotLoaded).seats("1H 2H"),
        case("closed before all").given(&[Hold, Close, Queue]).command(other(five))
            .expect(Refusal::NotOpen { ended: true }).changes(&["A1,2"]),
        case("pass before limit").given(&[Hold, Queue]).command(other(five))
            .expect(Refusal::PassRequired).seats("1H 2H"),
        case("limit before taken").given(&[Hold]).command(other(five))
            .expect(Refusal::SeatLimit).seats("1H 2H"),
        case("limit counts holds").given(&[Hold]).command(mine(&[3, 4, 5]))
            .expect(Refusal::SeatLimit).seats("1H 2H"),
        case("limit counts sales").given(SOLD).command(mine(&[3, 4, 5]))
            .expect(Refusal::SeatLimit).seats("1O 2O"),
        case("all or none").given(&[Hold]).command(other(&[3, 1]))
            .expect(taken(&[1])).seats("1H 2H"),
        case("own seats first").given(&[Hold, Queue]).command(mine(&[1]))
            .expect(already_held(&[1])).seats("1H 2H"),
        case("own hold has ended").given(&[Hold, Close]).command(mine(&[1]))
            .expect(Refusal::NotOpen { ended: true }).changes(&["A1,2"]),
        case("own and free").given(&[Hold]).command(mine(&[3, 1, 4, 5]))
            .expect(already_held(&[1])).seats("1H 2H"),
        case("reserved by me").given(&[Hold, Reserve]).command(mine(&[1]))
            .expect(reserved_by_you(&[1])).seats("1P 2P"),
        case("sold to me").given(SOLD).command(mine(&[1]))
            .expect(reserved_by_you(&[1])).seats("1O 2O"),
        case("blocked is taken").given(&[Block]).command(mine(&[1]))
            .expect(taken(&[1])).seats("1B"),
        case("pending is taken").given(&[Hold, Reserve]).command(other(&[2]))
            .expect(taken(&[2])).seats("1P 2P"),
        case("paying is taken").given(PAYING).command(other(&[2]))
            .expect(taken(&[2])).seats("1P 2P"),
        case("sold is taken").given(SOLD).command(other(&[2])).expect(taken(&[2])).seats("1O 2O"),
        case("taken before orphan").given(&[Hold]).command(both).expect(taken(&[1])).seats("1H 2H"),
        case("orphan").given(&[Hold]).command(alone).expect(orphan(&[3])).seats("1H 2H"),
        case("orphan at the edge").command(edge).expect(orphan(&[1])),
        case("others' passes").given(&[Queue, Pass]).command(other(&[1]))
            .expect(Refusal::PassRequired),
    ];
    check(&table).await;
}

/// AVAILABLE → HOLD. A seat whose claim is late counts as free.
#[tokio::test]
async fn a_hold_takes_all_its_seats() {
    let (mine, other) = (|list| Call::Hold(Me, list), |list| Call::Hold(Other, list));
    let beside = Call::HoldBeside(Other, &[3], &[(4, Some(5), &[2])]);
    let last = Call::HoldBeside(Other, &[3], &[(4, None, &[2])]);
    let late: &[&str] = &["A1,2;H3,4,5,6"];
    let table = [
        case("free").command(mine(&[1, 2])).expect(Reply::Held).seats("1H 2H").changes(&["H1,2"]),
        case("with a pass")
            .given(&[Queue, Pass])
            .command(mine(&[1]))
            .expect(Reply::Held)
            .seats("1H")
            .changes(&["H1"]),
        case("nobody is left alone")
            .given(&[Hold])
            .command(beside)
            .expect(Reply::Held)
            .seats("1H 2H 3H")
            .changes(&["H3"]),
        case("the last one of two")
            .given(&[Hold])
            .command(last)
            .expect(Reply::Held)
            .seats("1H 2H 3H")
            .changes(&["H3"]),
        case("a late hold")
            .given(&[HoldLate])
            .command(other(&[1]))
            .expect(Reply::Held)
            .seats("1H")
            .changes(&["A2;H1"]),
        case("late and not counted")
            .given(&[HoldLate])
            .command(mine(&[3, 4, 5, 6]))
            .expect(Reply::Held)
            .seats("3H 4H 5H 6H")
            .changes(late),
        case("late reservation")
            .given(&[Hold, ReserveLate])
            .command(other(&[1, 2]))
            .expect(Reply::Held)
            .seats("1H 2H")
            .changes(&["H1,2"]),
    ];
    check(&table).await;
}

/// The rules of every hold apply.
#[tokio::test]
async fn the_first_choice_with_all_seats_free_is_held() {
    let best = |who, choices| Call::Best(who, 2, choices);
    let some: &[&[u32]] = &[&[2, 3], &[3, 4], &[5, 6]];
    let gone: &[&[u32]] = &[&[1, 2], &[2, 3]];
    let five = Call::Best(Other, 5, &[&[3, 4, 5, 6, 7]]);
    let table = [
        case("not loaded")
            .given(&[Hold, Forget])
            .command(best(Other, some))
            .expect(Expect::NotLoaded)
            .seats("1H 2H"),
        case("closed first")
            .given(&[Hold, Close, Queue])
            .command(five)
            .expect(Refusal::NotOpen { ended: true })
            .seats("1H 2H"),
        case("pass before limit")
            .given(&[Hold, Queue])
            .command(five)
            .expect(Refusal::PassRequired)
            .seats("1H 2H"),
        case("limit").given(&[Hold]).command(five).expect(Refusal::SeatLimit).seats("1H 2H"),
        case("none is whole")
            .given(&[Hold])
            .command(best(Other, gone))
            .expect(Reply::NoChoice)
            .seats("1H 2H"),
        case("no choice")
            .given(&[Hold])
            .command(best(Other, &[]))
            .expect(Reply::NoChoice)
            .seats("1H 2H"),
        case("the second one")
            .given(&[Hold])
            .command(best(Other, some))
            .expect(Reply::Held)
            .seats("1H 2H 3H 4H")
            .changes(&["H3,4"]),
        case("the first one")
            .command(best(Other, some))
            .expect(Reply::Held)
            .seats("2H 3H")
            .changes(&["H2,3"]),
        case("late counts as free")
            .given(&[HoldLate])
            .command(best(Other, some))
            .expect(Reply::Held)
            .seats("2H 3H")
            .changes(&["A1;H2,3"]),
    ];
    check(&table).await;
}

/// A repeated release changes nothing.
#[tokio::test]
async fn a_release_frees_what_its_owner_holds() {
    #[rustfmt::skip] // A line of the table on one line, or two.
    let table = [
        case("not loaded").given(&[Hold, Forget]).command(Call::Release(Me))
            .expect(Expect::NotLoaded).seats("1H 2H"),
        case("unknown").command(Call::Release(Me)).expect(Refusal::NotFound(Noun::Hold)),
        case("not mine").given(&[Hold]).command(Call::Release(Other))
            .expect(Refusal::NotYours).seats("1H 2H"),
        case("reserved").given(&[Hold, Reserve]).command(Call::Release(Me))
            .expect(Refusal::AlreadyReserved).seats("1P 2P"),
        case("reserved by another").given(&[Hold, Reserve]).command(Call::Release(Other))
            .expect(Refusal::NotYours).seats("1P 2P"),
        case("late").given(&[HoldLate]).command(Call::Release(Me))
            .expect(Reply::Released).changes(&["A1,2"]),
        case("again").given(&[Hold, Release]).command(Call::Release(Me)).expect(Reply::Released),
        case("again by another").given(&[Hold, Release]).command(Call::Release(Other))
            .expect(Refusal::NotYours),
        case("mine").given(&[Hold]).command(Call::Release(Me))
            .expect(Reply::Released).changes(&["A1,2"]),
        case("after the close").given(&[Hold, Close]).command(Call::Release(Me))
            .expect(Reply::Released).changes(&["A1,2"]),
        case("seat: not loaded").given(&[Forget]).command(Call::ReleaseSeat(Me, 1))
            .expect(Expect::NotLoaded),
        case("seat: free").command(Call::ReleaseSeat(Me, 1)).expect(Refusal::NotYours),
        case("seat: blocked").given(&[Block]).command(Call::ReleaseSeat(Me, 1))
            .expect(Refusal::NotYours).seats("1B"),
        case("seat: not mine").given(&[Hold]).command(Call::ReleaseSeat(Other, 1))
            .expect(Refusal::NotYours).seats("1H 2H"),
        case("seat: reserved").given(&[Hold, Reserve]).command(Call::ReleaseSeat(Me, 1))
            .expect(Refusal::AlreadyReserved).seats("1P 2P"),
        case("seat: late").given(&[HoldLate]).command(Call::ReleaseSeat(Me, 1))
            .expect(Refusal::NotYours).changes(&["A1,2"]),
        case("seat: mine").given(&[Hold]).command(Call::ReleaseSeat(Me, 1))
            .expect(Reply::Released).seats("2H").changes(&["A1"]),
    ];
    check(&table).await;
}

/// Only for the user who released the seat.
#[tokio::test]
async fn a_repeated_release_of_one_seat_gets_the_first_reply() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me, other) = (scene.id(), scene.me, scene.other);
    let release = |user, seat: u32| bed.engine.release_seat(id, user, SeatId(seat), PRICE, None);
    for seat in [1, 1, 2, 2, 1] {
        release(me, seat).await.unwrap();
        assert!(release(other, seat).await.is_err(), "the other one never had seat {seat}");
    }
    assert_eq!(bed.seats(id).await, "");
    let hold = bed.engine.hold(id, other, seats(&[1]), PRICE, &[], Operation::default());
    hold.await.unwrap();
    release(me, 1).await.unwrap();
    assert_eq!(bed.seats(id).await, "1H", "somebody else has it by now, and keeps it");
    release(other, 1).await.unwrap();
    for seat in [1, 2] {
        release(me, seat).await.unwrap();
    }
}
