//! hold, release, block, unblock, expire: every reply, in the order in which they win.

use crate::support::engine::Step::{
    self, Approve, Begin, Block, Close, Forget, Hold, HoldLate, Pass, Queue, Release, Request,
    Reserve, ReserveLate,
};
use crate::support::engine::{PRICE, TestEngine, seats};
use crate::support::table::Call::{self, ExpireHold, ExpireReservation};
use crate::support::table::Who::{Me, Other};
use crate::support::table::{Case, check};
use grandstand::domain::ids::SeatId;
use grandstand::engine::batch::Operation;

const fn case(
    rule: &'static str,
    before: &'static [Step],
    call: Call,
    reply: &'static str,
    seats: &'static str,
    told: &'static [&'static str],
) -> Case {
    Case { rule, before, call, reply, seats, told, facts: &[] }
}

const fn noting(case: Case, facts: &'static [&'static str]) -> Case {
    Case { facts, ..case }
}

/// The rule: what can't be held is refused as a whole, and the first reason that counts is told;
/// what is not loaded is never free.
#[tokio::test]
async fn a_hold_is_refused_for_the_first_reason_that_counts() {
    const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
    const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
    let (mine, other) = (|list| Call::Hold(Me, list), |list| Call::Hold(Other, list));
    let five: &[u32] = &[1, 3, 4, 5, 6];
    let (one, two) = ("Taken([SeatId(1)])", "Taken([SeatId(2)])");
    let (held, reserved) = ("AlreadyHeld([SeatId(1)])", "ReservedByYou([SeatId(1)])");
    let alone = Call::HoldBeside(Other, &[4], &[(3, Some(2), &[5])]);
    let edge = Call::HoldBeside(Me, &[2], &[(1, None, &[3]), (3, Some(4), &[1])]);
    let both = Call::HoldBeside(Other, &[1], &[(3, Some(2), &[5])]);
    let table = [
        case("not loaded is not free", &[Forget], mine(&[1]), "NotLoaded", "", &[]),
        case("not loaded first", &[Hold, Forget], other(&[1]), "NotLoaded", "1H 2H", &[]),
        case(
            "closed before all",
            &[Hold, Close, Queue],
            other(five),
            "NotOpen { ended: true }",
            "1H 2H",
            &[],
        ),
        case("pass before limit", &[Hold, Queue], other(five), "PassRequired", "1H 2H", &[]),
        case("limit before taken", &[Hold], other(five), "SeatLimit", "1H 2H", &[]),
        case("limit counts holds", &[Hold], mine(&[3, 4, 5]), "SeatLimit", "1H 2H", &[]),
        case("limit counts sales", SOLD, mine(&[3, 4, 5]), "SeatLimit", "1O 2O", &[]),
        case("all or none", &[Hold], other(&[3, 1]), one, "1H 2H", &[]),
        case("own seats first", &[Hold, Close, Queue], mine(&[1]), held, "1H 2H", &[]),
        case("own and free", &[Hold], mine(&[3, 1, 4, 5]), held, "1H 2H", &[]),
        case("reserved by me", &[Hold, Reserve], mine(&[1]), reserved, "1P 2P", &[]),
        case("sold to me", SOLD, mine(&[1]), reserved, "1O 2O", &[]),
        case("blocked is taken", &[Block], mine(&[1]), one, "1B", &[]),
        case("pending is taken", &[Hold, Reserve], other(&[2]), two, "1P 2P", &[]),
        case("paying is taken", PAYING, other(&[2]), two, "1P 2P", &[]),
        case("sold is taken", SOLD, other(&[2]), two, "1O 2O", &[]),
        case("taken before orphan", &[Hold], both, one, "1H 2H", &[]),
        case("orphan", &[Hold], alone, "Orphan([SeatId(3)])", "1H 2H", &[]),
        case("orphan at the edge", &[], edge, "Orphan([SeatId(1)])", "", &[]),
        case("others' passes", &[Queue, Pass], other(&[1]), "PassRequired", "", &[]),
    ];
    check(&table).await;
}

/// The rule: AVAILABLE → HOLD for all seats of a choice; a claim that is late counts as free.
#[tokio::test]
async fn a_hold_takes_all_its_seats() {
    let (mine, other) = (|list| Call::Hold(Me, list), |list| Call::Hold(Other, list));
    let beside = Call::HoldBeside(Other, &[3], &[(4, Some(5), &[2])]);
    let last = Call::HoldBeside(Other, &[3], &[(4, None, &[2])]);
    let late: &[&str] = &["A1,2;H3,4,5,6"];
    let table = [
        case("free", &[], mine(&[1, 2]), "held", "1H 2H", &["H1,2"]),
        case("with a pass", &[Queue, Pass], mine(&[1]), "held", "1H", &["H1"]),
        case("nobody is left alone", &[Hold], beside, "held", "1H 2H 3H", &["H3"]),
        case("the last one of two", &[Hold], last, "held", "1H 2H 3H", &["H3"]),
        case("a late hold", &[HoldLate], other(&[1]), "held", "1H", &["A2;H1"]),
        case("late and not counted", &[HoldLate], mine(&[3, 4, 5, 6]), "held", "3H 4H 5H 6H", late),
        case("late reservation", &[Hold, ReserveLate], other(&[1, 2]), "held", "1H 2H", &["H1,2"]),
    ];
    check(&table).await;
}

/// The rule: of some choices the first that is still whole is held, under the rules of every hold.
#[tokio::test]
async fn the_first_choice_that_is_whole_is_held() {
    let best = |who, choices| Call::Best(who, 2, choices);
    let some: &[&[u32]] = &[&[2, 3], &[3, 4], &[5, 6]];
    let gone: &[&[u32]] = &[&[1, 2], &[2, 3]];
    let five = Call::Best(Other, 5, &[&[3, 4, 5, 6, 7]]);
    let table = [
        case("not loaded", &[Hold, Forget], best(Other, some), "NotLoaded", "1H 2H", &[]),
        case("closed first", &[Hold, Close, Queue], five, "NotOpen { ended: true }", "1H 2H", &[]),
        case("pass before limit", &[Hold, Queue], five, "PassRequired", "1H 2H", &[]),
        case("limit", &[Hold], five, "SeatLimit", "1H 2H", &[]),
        case("none is whole", &[Hold], best(Other, gone), "none", "1H 2H", &[]),
        case("no choice", &[Hold], best(Other, &[]), "none", "1H 2H", &[]),
        case("the second one", &[Hold], best(Other, some), "held", "1H 2H 3H 4H", &["H3,4"]),
        case("the first one", &[], best(Other, some), "held", "2H 3H", &["H2,3"]),
        case("late counts as free", &[HoldLate], best(Other, some), "held", "2H 3H", &["A1;H2,3"]),
    ];
    check(&table).await;
}

/// The rule: only the owner gives a hold back, once; asking again changes nothing.
#[tokio::test]
async fn a_release_frees_what_its_owner_holds() {
    let table = [
        case("not loaded", &[Hold, Forget], Call::Release(Me), "NotLoaded", "1H 2H", &[]),
        case("unknown", &[], Call::Release(Me), "NotFound", "", &[]),
        case("not mine", &[Hold], Call::Release(Other), "NotYours", "1H 2H", &[]),
        case("reserved", &[Hold, Reserve], Call::Release(Me), "AlreadyReserved", "1P 2P", &[]),
        case(
            "reserved by another",
            &[Hold, Reserve],
            Call::Release(Other),
            "NotYours",
            "1P 2P",
            &[],
        ),
        case("late", &[HoldLate], Call::Release(Me), "released", "", &["A1,2"]),
        case("again", &[Hold, Release], Call::Release(Me), "released", "", &[]),
        case("again by another", &[Hold, Release], Call::Release(Other), "NotYours", "", &[]),
        case("mine", &[Hold], Call::Release(Me), "released", "", &["A1,2"]),
        case("after the close", &[Hold, Close], Call::Release(Me), "released", "", &["A1,2"]),
        case("seat: not loaded", &[Forget], Call::ReleaseSeat(Me, 1), "NotLoaded", "", &[]),
        case("seat: free", &[], Call::ReleaseSeat(Me, 1), "NotYours", "", &[]),
        case("seat: blocked", &[Block], Call::ReleaseSeat(Me, 1), "NotYours", "1B", &[]),
        case("seat: not mine", &[Hold], Call::ReleaseSeat(Other, 1), "NotYours", "1H 2H", &[]),
        case(
            "seat: reserved",
            &[Hold, Reserve],
            Call::ReleaseSeat(Me, 1),
            "AlreadyReserved",
            "1P 2P",
            &[],
        ),
        case("seat: late", &[HoldLate], Call::ReleaseSeat(Me, 1), "NotYours", "", &["A1,2"]),
        case("seat: mine", &[Hold], Call::ReleaseSeat(Me, 1), "released", "2H", &["A1"]),
    ];
    check(&table).await;
}

/// The rule: one who released a single seat hears so again; nobody else does.
#[tokio::test]
async fn a_repeated_release_of_one_seat_gets_the_first_answer() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me, other) = (scene.id(), scene.me, scene.other);
    let release = |user, seat: u32| bed.engine.release_seat(id, user, SeatId(seat), PRICE);
    for seat in [1, 1, 2, 2, 1] {
        release(me, seat).await.unwrap();
        assert!(release(other, seat).await.is_err(), "the other one never had seat {seat}");
    }
    assert_eq!(bed.seats(id).await, "");
    let hold = bed.engine.hold(id, other, seats(&[1]), PRICE, &[], Operation::default());
    hold.await.unwrap();
    assert!(release(me, 1).await.is_err(), "somebody else has it by now");
    release(other, 1).await.unwrap();
    assert!(release(me, 1).await.is_err(), "somebody else was the last to release it");
    release(me, 2).await.unwrap();
}

/// The rule: an administrator takes free seats out of the sale and gives them back, all or none.
#[tokio::test]
async fn only_free_seats_are_blocked_and_only_blocked_ones_unblocked() {
    let table = [
        case("not loaded", &[Forget], Call::Block(&[1]), "NotLoaded", "", &[]),
        case("held", &[Hold], Call::Block(&[3, 1]), "Taken([SeatId(1)])", "1H 2H", &[]),
        case(
            "sold",
            &[Hold, Reserve, Request, Begin, Approve],
            Call::Block(&[2]),
            "Taken([SeatId(2)])",
            "1O 2O",
            &[],
        ),
        noting(
            case("free", &[], Call::Block(&[1, 2]), "blocked", "1B 2B", &["B1,2"]),
            &["seats_blocked"],
        ),
        noting(
            case("some are blocked", &[Block], Call::Block(&[1, 2]), "blocked", "1B 2B", &["B2"]),
            &["seats_blocked"],
        ),
        noting(
            case("late", &[HoldLate], Call::Block(&[1]), "blocked", "1B", &["A2;B1"]),
            &["seats_blocked"],
        ),
        case("unblock: not loaded", &[Block, Forget], Call::Unblock(&[1]), "NotLoaded", "1B", &[]),
        case("unblock: held", &[Hold], Call::Unblock(&[1]), "Taken([SeatId(1)])", "1H 2H", &[]),
        noting(
            case("unblock: blocked", &[Block], Call::Unblock(&[1]), "unblocked", "", &["A1"]),
            &["seats_unblocked"],
        ),
        noting(
            case(
                "unblock: some are free",
                &[Block],
                Call::Unblock(&[1, 2]),
                "unblocked",
                "",
                &["A1"],
            ),
            &["seats_unblocked"],
        ),
    ];
    check(&table).await;
}

/// The rule: a hold ends at its deadline and never before; what is PAYING or sold never ends so.
#[tokio::test]
async fn expiry_ends_what_is_late_and_nothing_else() {
    let table = [
        case("not loaded", &[HoldLate, Forget], ExpireHold, "NotLoaded", "1H 2H", &[]),
        case("unknown", &[], ExpireHold, "expired", "", &[]),
        case("in time", &[Hold], ExpireHold, "kept", "1H 2H", &[]),
        case("late", &[HoldLate], ExpireHold, "expired", "", &["A1,2"]),
        case("pending in time", &[Hold, Reserve], ExpireReservation, "kept", "1P 2P", &[]),
        case("pending late", &[Hold, ReserveLate], ExpireReservation, "expired", "", &["A1,2"]),
        case("paying", &[Hold, Reserve, Request, Begin], ExpireReservation, "kept", "1P 2P", &[]),
        case(
            "sold",
            &[Hold, Reserve, Request, Begin, Approve],
            ExpireReservation,
            "kept",
            "1O 2O",
            &[],
        ),
    ];
    check(&table).await;
}
