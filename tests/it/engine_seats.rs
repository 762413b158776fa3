//! hold, release, block, unblock, expire: every reply, in the order in which they win.

use crate::support::engine::Step::{
    Approve, Begin, Block, Close, Forget, Hold, HoldLate, Pass, Queue, Release, Request, Reserve,
    ReserveLate,
};
use crate::table::Call::{self, ExpireHold, ExpireReservation};
use crate::table::Who::{Me, Other};
use crate::table::{Case, check};

const fn case(
    rule: &'static str,
    before: &'static [crate::support::engine::Step],
    call: Call,
    reply: &'static str,
    seats: &'static str,
    told: &'static [&'static str],
) -> Case {
    Case { rule, before, call, reply, seats, told, facts: &[] }
}

/// The rule: AVAILABLE → HOLD for all seats or none; what is not loaded is never free.
#[tokio::test]
async fn a_hold_takes_all_its_seats_or_none() {
    let five: &[u32] = &[1, 3, 4, 5, 6];
    let table = [
        case("not loaded is not free", &[Forget], Call::Hold(Me, &[1]), "NotLoaded", "", &[]),
        case(
            "not loaded first",
            &[Hold, Forget],
            Call::Hold(Other, &[1]),
            "NotLoaded",
            "1H 2H",
            &[],
        ),
        case(
            "closed before all",
            &[Hold, Close, Queue],
            Call::Hold(Other, five),
            "NotOpen",
            "1H 2H",
            &[],
        ),
        case(
            "pass before limit",
            &[Hold, Queue],
            Call::Hold(Other, five),
            "PassRequired",
            "1H 2H",
            &[],
        ),
        case("limit before taken", &[Hold], Call::Hold(Other, five), "SeatLimit", "1H 2H", &[]),
        case("limit counts holds", &[Hold], Call::Hold(Me, &[3, 4, 5]), "SeatLimit", "1H 2H", &[]),
        case(
            "limit counts sales",
            &[Hold, Reserve, Request, Begin, Approve],
            Call::Hold(Me, &[3, 4, 5]),
            "SeatLimit",
            "1O 2O",
            &[],
        ),
        case(
            "all or none",
            &[Hold],
            Call::Hold(Other, &[3, 1]),
            "Taken([SeatId(1)])",
            "1H 2H",
            &[],
        ),
        case(
            "own seats are taken",
            &[Hold],
            Call::Hold(Me, &[1]),
            "Taken([SeatId(1)])",
            "1H 2H",
            &[],
        ),
        case("blocked is taken", &[Block], Call::Hold(Me, &[1]), "Taken([SeatId(1)])", "1B", &[]),
        case(
            "pending is taken",
            &[Hold, Reserve],
            Call::Hold(Other, &[2]),
            "Taken([SeatId(2)])",
            "1P 2P",
            &[],
        ),
        case(
            "paying is taken",
            &[Hold, Reserve, Request, Begin],
            Call::Hold(Other, &[2]),
            "Taken([SeatId(2)])",
            "1P 2P",
            &[],
        ),
        case("free", &[], Call::Hold(Me, &[1, 2]), "held", "1H 2H", &["1H,2H"]),
        case("with a pass", &[Queue, Pass], Call::Hold(Me, &[1]), "held", "1H", &["1H"]),
        case(
            "someone else's pass",
            &[Queue, Pass],
            Call::Hold(Other, &[1]),
            "PassRequired",
            "",
            &[],
        ),
        case("a late hold is free", &[HoldLate], Call::Hold(Other, &[1]), "held", "1H", &["1H,2A"]),
        case(
            "late and counted no more",
            &[HoldLate],
            Call::Hold(Me, &[3, 4, 5, 6]),
            "held",
            "3H 4H 5H 6H",
            &["1A,2A,3H,4H,5H,6H"],
        ),
        case(
            "a late reservation is free",
            &[Hold, ReserveLate],
            Call::Hold(Other, &[1, 2]),
            "held",
            "1H 2H",
            &["1H,2H"],
        ),
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
            "NotFound",
            "1P 2P",
            &[],
        ),
        case("late", &[HoldLate], Call::Release(Me), "NotFound", "", &["1A,2A"]),
        case("again", &[Hold, Release], Call::Release(Me), "released", "", &[]),
        case("again by another", &[Hold, Release], Call::Release(Other), "NotFound", "", &[]),
        case("mine", &[Hold], Call::Release(Me), "released", "", &["1A,2A"]),
        case("after the close", &[Hold, Close], Call::Release(Me), "released", "", &["1A,2A"]),
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
        case("seat: late", &[HoldLate], Call::ReleaseSeat(Me, 1), "NotYours", "", &["1A,2A"]),
        case("seat: mine", &[Hold], Call::ReleaseSeat(Me, 1), "released", "2H", &["1A"]),
    ];
    check(&table).await;
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
        case("free", &[], Call::Block(&[1, 2]), "blocked", "1B 2B", &["1B,2B"]),
        case("some are blocked", &[Block], Call::Block(&[1, 2]), "blocked", "1B 2B", &["2B"]),
        case("late", &[HoldLate], Call::Block(&[1]), "blocked", "1B", &["1B,2A"]),
        case("unblock: not loaded", &[Block, Forget], Call::Unblock(&[1]), "NotLoaded", "1B", &[]),
        case("unblock: held", &[Hold], Call::Unblock(&[1]), "Taken([SeatId(1)])", "1H 2H", &[]),
        case("unblock: blocked", &[Block], Call::Unblock(&[1]), "unblocked", "", &["1A"]),
        case("unblock: some are free", &[Block], Call::Unblock(&[1, 2]), "unblocked", "", &["1A"]),
    ];
    check(&table).await;
}

/// The rule: a hold ends at its deadline and never before; what is PAYING or sold never ends so.
#[tokio::test]
async fn expiry_ends_what_is_late_and_nothing_else() {
    let table = [
        case("not loaded", &[HoldLate, Forget], ExpireHold, "kept", "1H 2H", &[]),
        case("unknown", &[], ExpireHold, "expired", "", &[]),
        case("in time", &[Hold], ExpireHold, "kept", "1H 2H", &[]),
        case("late", &[HoldLate], ExpireHold, "expired", "", &["1A,2A"]),
        case("pending in time", &[Hold, Reserve], ExpireReservation, "kept", "1P 2P", &[]),
        case("pending late", &[Hold, ReserveLate], ExpireReservation, "expired", "", &["1A,2A"]),
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
