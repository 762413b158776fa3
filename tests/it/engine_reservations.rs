//! reserve, cancel: every reply, in the order in which they win.

use crate::support::engine::Step::{
    self, Approve, Begin, Block, Cancel, Close, Forget, Hold, HoldLate, Lose, Refund, Release,
    Request, Reserve, ReserveLate,
};
use crate::support::engine::{PRICE, TestEngine, seats};
use crate::table::Call;
use crate::table::Who::{Me, Other};
use crate::table::{Case, check};
use grandstand::domain::ids::SeatId;
use grandstand::engine::batch::Operation;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::reservations::Source;

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

/// The rule: HOLD of the same user, in time → PENDING; a hold is reserved once.
#[tokio::test]
async fn a_hold_becomes_a_reservation_of_its_owner() {
    let gone = "HoldExpired([])";
    let table = [
        case("not loaded", &[Hold, Forget], Call::Reserve(Me), "NotLoaded", "1H 2H", &[]),
        case("unknown", &[], Call::Reserve(Me), "NotFound", "", &[]),
        case("not mine", &[Hold], Call::Reserve(Other), "NotYours", "1H 2H", &[]),
        case(
            "reserved, not mine",
            &[Hold, Reserve],
            Call::Reserve(Other),
            "NotYours",
            "1P 2P",
            &[],
        ),
        case("reserved", &[Hold, Reserve], Call::Reserve(Me), "AlreadyReserved", "1P 2P", &[]),
        case("released", &[Hold, Release], Call::Reserve(Me), gone, "", &[]),
        case("late", &[HoldLate], Call::Reserve(Me), gone, "", &["A1,2"]),
        case("late, not mine", &[HoldLate], Call::Reserve(Other), "NotYours", "1H 2H", &[]),
        case("mine", &[Hold], Call::Reserve(Me), "reserved", "1P 2P", &["P1,2"]),
        case("after the close", &[Hold, Close], Call::Reserve(Me), "reserved", "1P 2P", &["P1,2"]),
    ];
    check(&table).await;
}

/// The rule: seats named one by one are reserved out of any holds of the user, all or none.
#[tokio::test]
async fn seats_are_reserved_out_of_the_holds_of_their_owner() {
    let call = Call::ReserveSeats;
    let table = [
        case("not loaded", &[Hold, Forget], call(Me, &[1]), "NotLoaded", "1H 2H", &[]),
        case("foreign before free", &[Hold], call(Other, &[3, 1]), "NotYours", "1H 2H", &[]),
        case("blocked", &[Block], call(Me, &[1]), "NotYours", "1B", &[]),
        case(
            "reserved before free",
            &[Hold, Reserve],
            call(Me, &[3, 1]),
            "AlreadyReserved",
            "1P 2P",
            &[],
        ),
        case("free", &[Hold], call(Me, &[1, 3]), "HoldExpired([SeatId(3)])", "1H 2H", &[]),
        case("late", &[HoldLate], call(Me, &[1]), "HoldExpired([SeatId(1)])", "", &["A1,2"]),
        case("some", &[Hold], call(Me, &[1]), "reserved", "1P 2H", &["P1"]),
        case("all", &[Hold], call(Me, &[1, 2]), "reserved", "1P 2P", &["P1,2"]),
    ];
    check(&table).await;
}

/// The rule: what is unpaid ends at once; what is paid ends when the money is back.
#[tokio::test]
async fn a_reservation_is_cancelled_by_its_owner_as_far_as_it_can_be() {
    const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
    const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
    let mine = Call::Cancel(Me);
    let mut table = vec![
        case("not loaded", &[Hold, Reserve, Forget], mine, "NotLoaded", "1P 2P", &[]),
        case("unknown", &[], mine, "NotFound", "", &[]),
        case("not mine", &[Hold, Reserve], Call::Cancel(Other), "NotFound", "1P 2P", &[]),
        case("again, not mine", &[Hold, Reserve, Cancel], Call::Cancel(Other), "NotFound", "", &[]),
        case("again", &[Hold, Reserve, Cancel], mine, "cancelled", "", &[]),
        case(
            "late",
            &[Hold, ReserveLate],
            mine,
            "NotCancellable(Ended(Some(Expired)))",
            "",
            &["A1,2"],
        ),
        case(
            "lost",
            &[Hold, Reserve, Request, Begin, Lose],
            mine,
            "NotCancellable(Ended(Some(Lost)))",
            "1O",
            &[],
        ),
        case("paying", PAYING, mine, "Paying", "1P 2P", &[]),
        case("pending", &[Hold, Reserve], mine, "cancelled", "", &["A1,2"]),
        case(
            "refunded",
            &[Hold, Reserve, Request, Begin, Approve, Cancel, Refund],
            mine,
            "cancelled",
            "",
            &[],
        ),
        case(
            "refunding",
            &[Hold, Reserve, Request, Begin, Approve, Cancel],
            mine,
            "refunding already",
            "1O 2O",
            &[],
        ),
    ];
    let sold = case("sold", SOLD, mine, "refunding", "1O 2O", &[]);
    table.push(Case { facts: &["refund_begun"], ..sold });
    check(&table).await;
}

/// The rule: a reservation costs what its seats cost, however they left their hold.
#[tokio::test]
async fn what_is_left_of_a_hold_costs_what_its_seats_cost() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me) = (scene.id(), scene.me);
    let first = Source::Seats(vec![(seats(&[1])[0], PRICE)]);
    let (_, one) = bed.engine.reserve(id, me, first, Operation::default()).await.unwrap();
    let rest = Source::Hold(scene.hold);
    let (_, rest) = bed.engine.reserve(id, me, rest, Operation::default()).await.unwrap();
    assert_eq!((one.seats, one.amount), (seats(&[1]), PRICE));
    assert_eq!((rest.seats, rest.amount), (seats(&[2]), PRICE));
}

/// The rule: a seat that was given back is not paid for.
#[tokio::test]
async fn a_hold_costs_less_by_the_seat_that_was_released() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me) = (scene.id(), scene.me);
    bed.engine.release_seat(id, me, seats(&[1])[0], PRICE).await.unwrap();
    let rest = Source::Hold(scene.hold);
    let (_, rest) = bed.engine.reserve(id, me, rest, Operation::default()).await.unwrap();
    assert_eq!((rest.seats, rest.amount), (seats(&[2]), PRICE));
}

/// The rule: prices that are not those of a hold, because a node has an old plan, are refused
/// before anything is written: no amount is ever below nothing, and no record becomes unreadable.
#[tokio::test]
async fn a_price_that_does_not_fit_is_refused_and_nothing_is_written() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me, engine) = (scene.id(), scene.me, &bed.engine);
    let mismatch = |what: Result<(), EngineError>| {
        assert!(matches!(what, Err(EngineError::Refused(Refusal::PriceChanged))), "{what:?}");
    };
    mismatch(engine.release_seat(id, me, SeatId(1), 3 * PRICE).await);
    let reserve = async |prices: &[(u32, i64)]| {
        let seats = prices.iter().map(|(seat, price)| (SeatId(*seat), *price)).collect();
        let reserved = engine.reserve(id, me, Source::Seats(seats), Operation::default()).await;
        reserved.map(|(_, granted)| granted.amount)
    };
    // More than the hold costs; and less, for all of its seats.
    mismatch(reserve(&[(1, 3 * PRICE)]).await.map(drop));
    mismatch(reserve(&[(1, PRICE), (2, PRICE / 2)]).await.map(drop));
    assert_eq!(bed.seats(id).await, "1H 2H");
    assert_eq!(bed.changes(id).await, ["H1,2"]);
    bed.assert_sound().await;
    bed.assert_owned(id).await;
    engine.release_seat(id, me, SeatId(1), PRICE).await.unwrap();
    assert_eq!(reserve(&[(2, PRICE)]).await.unwrap(), PRICE);
    bed.assert_sound().await;
}
