//! reserve, cancel: every reply, in order of precedence.

use crate::support::calls::Call;
use crate::support::calls::Who::{Me, Other};
use crate::support::engine::Step::{
    self, Approve, Begin, Block, Cancel, Close, Forget, Hold, HoldLate, Lose, Refund, Release,
    Request, Reserve, ReserveLate,
};
use crate::support::engine::{PRICE, TestEngine, seats};
use crate::support::table::{Expect, Reply, case, check, hold_expired};
use grandstand::domain::claim::EndReason;
use grandstand::domain::ids::SeatId;
use grandstand::engine::error::{EngineError, NotCancellable, Noun, Refusal};
use grandstand::engine::operation::Operation;
use grandstand::engine::reservations::Source;

/// A hold is reserved once, before its deadline.
#[tokio::test]
async fn a_hold_becomes_a_reservation_of_its_owner() {
    let table = [
        case("not loaded")
            .given(&[Hold, Forget])
            .command(Call::Reserve(Me))
            .expect(Expect::NotLoaded)
            .seats("1H 2H"),
        case("unknown").command(Call::Reserve(Me)).expect(Refusal::NotFound(Noun::Hold)),
        case("not mine")
            .given(&[Hold])
            .command(Call::Reserve(Other))
            .expect(Refusal::NotYours)
            .seats("1H 2H"),
        case("reserved, not mine")
            .given(&[Hold, Reserve])
            .command(Call::Reserve(Other))
            .expect(Refusal::NotYours)
            .seats("1P 2P"),
        case("reserved")
            .given(&[Hold, Reserve])
            .command(Call::Reserve(Me))
            .expect(Refusal::AlreadyReserved)
            .seats("1P 2P"),
        case("released")
            .given(&[Hold, Release])
            .command(Call::Reserve(Me))
            .expect(hold_expired(&[])),
        case("late")
            .given(&[HoldLate])
            .command(Call::Reserve(Me))
            .expect(hold_expired(&[]))
            .changes(&["A1,2"]),
        case("late, not mine")
            .given(&[HoldLate])
            .command(Call::Reserve(Other))
            .expect(Refusal::NotYours)
            .seats("1H 2H"),
        case("mine")
            .given(&[Hold])
            .command(Call::Reserve(Me))
            .expect(Reply::Reserved)
            .seats("1P 2P")
            .changes(&["P1,2"]),
        case("after the close")
            .given(&[Hold, Close])
            .command(Call::Reserve(Me))
            .expect(Refusal::NotOpen { ended: true })
            .changes(&["A1,2"]),
        case("reserved before the close")
            .given(&[Hold, Reserve, Close])
            .command(Call::Reserve(Me))
            .expect(Refusal::AlreadyReserved)
            .seats("1P 2P"),
    ];
    check(&table).await;
}

/// Seats of several holds can be named. All are reserved or none.
#[tokio::test]
async fn seats_are_reserved_out_of_the_holds_of_their_owner() {
    let call = Call::ReserveSeats;
    let table = [
        case("not loaded")
            .given(&[Hold, Forget])
            .command(call(Me, &[1]))
            .expect(Expect::NotLoaded)
            .seats("1H 2H"),
        case("foreign before free")
            .given(&[Hold])
            .command(call(Other, &[3, 1]))
            .expect(Refusal::NotYours)
            .seats("1H 2H"),
        case("blocked")
            .given(&[Block])
            .command(call(Me, &[1]))
            .expect(Refusal::NotYours)
            .seats("1B"),
        case("reserved before free")
            .given(&[Hold, Reserve])
            .command(call(Me, &[3, 1]))
            .expect(Refusal::AlreadyReserved)
            .seats("1P 2P"),
        case("free")
            .given(&[Hold])
            .command(call(Me, &[1, 3]))
            .expect(hold_expired(&[3]))
            .seats("1H 2H"),
        case("late")
            .given(&[HoldLate])
            .command(call(Me, &[1]))
            .expect(hold_expired(&[1]))
            .changes(&["A1,2"]),
        case("after the close")
            .given(&[Hold, Close])
            .command(call(Me, &[1, 2]))
            .expect(Refusal::NotOpen { ended: true })
            .changes(&["A1,2"]),
        case("some")
            .given(&[Hold])
            .command(call(Me, &[1]))
            .expect(Reply::Reserved)
            .seats("1P 2H")
            .changes(&["P1"]),
        case("all")
            .given(&[Hold])
            .command(call(Me, &[1, 2]))
            .expect(Reply::Reserved)
            .seats("1P 2P")
            .changes(&["P1,2"]),
    ];
    check(&table).await;
}

/// An unpaid reservation ends at once, a paid one when the money is back.
#[tokio::test]
async fn a_reservation_is_cancelled_by_its_owner() {
    const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
    const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
    let mine = Call::Cancel(Me);
    let mut table = vec![
        case("not loaded")
            .given(&[Hold, Reserve, Forget])
            .command(mine)
            .expect(Expect::NotLoaded)
            .seats("1P 2P"),
        case("unknown").command(mine).expect(Refusal::NotFound(Noun::Reservation)),
        case("not mine")
            .given(&[Hold, Reserve])
            .command(Call::Cancel(Other))
            .expect(Refusal::NotFound(Noun::Reservation))
            .seats("1P 2P"),
        case("again, not mine")
            .given(&[Hold, Reserve, Cancel])
            .command(Call::Cancel(Other))
            .expect(Refusal::NotFound(Noun::Reservation)),
        case("again").given(&[Hold, Reserve, Cancel]).command(mine).expect(Reply::Cancelled),
        case("late")
            .given(&[Hold, ReserveLate])
            .command(mine)
            .expect(Refusal::NotCancellable(NotCancellable::Ended(Some(EndReason::Expired))))
            .changes(&["A1,2"]),
        case("lost")
            .given(&[Hold, Reserve, Request, Begin, Lose])
            .command(mine)
            .expect(Refusal::NotCancellable(NotCancellable::Ended(Some(EndReason::Lost))))
            .seats("1O"),
        case("paying").given(PAYING).command(mine).expect(Refusal::Paying).seats("1P 2P"),
        case("pending")
            .given(&[Hold, Reserve])
            .command(mine)
            .expect(Reply::Cancelled)
            .changes(&["A1,2"]),
        case("refunded")
            .given(&[Hold, Reserve, Request, Begin, Approve, Cancel, Refund])
            .command(mine)
            .expect(Reply::Cancelled),
        case("refunding")
            .given(&[Hold, Reserve, Request, Begin, Approve, Cancel])
            .command(mine)
            .expect(Reply::RefundingAlready)
            .seats("1O 2O"),
    ];
    let sold = case("sold").given(SOLD).command(mine).expect(Reply::Refunding).seats("1O 2O");
    table.push(sold.facts(&["refund_begun"]));
    check(&table).await;
}

#[tokio::test]
async fn the_rest_of_a_hold_costs_what_its_seats_cost() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me) = (scene.id(), scene.me);
    let first = Source::Seats(vec![(seats(&[1])[0], PRICE)], None);
    let (_, part) = bed.engine.reserve(id, me, first, Operation::default()).await.unwrap();
    let rest = Source::Hold(scene.hold);
    let (_, rest) = bed.engine.reserve(id, me, rest, Operation::default()).await.unwrap();
    assert_eq!((part.seats, part.amount), (seats(&[1]), PRICE));
    assert_eq!((rest.seats, rest.amount), (seats(&[2]), PRICE));
}

#[tokio::test]
async fn a_hold_costs_less_by_the_seat_that_was_released() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me) = (scene.id(), scene.me);
    bed.engine.release_seat(id, me, seats(&[1])[0], PRICE, None).await.unwrap();
    let rest = Source::Hold(scene.hold);
    let (_, rest) = bed.engine.reserve(id, me, rest, Operation::default()).await.unwrap();
    assert_eq!((rest.seats, rest.amount), (seats(&[2]), PRICE));
}

/// A node may have an old plan. Its price would make the amount of a record negative, and the
/// record unreadable.
#[tokio::test]
async fn a_price_of_an_old_plan_is_refused_and_nothing_is_written() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, me, engine) = (scene.id(), scene.me, &bed.engine);
    let mismatch = |what: Result<(), EngineError>| {
        assert!(matches!(what, Err(EngineError::Refused(Refusal::PriceChanged))), "{what:?}");
    };
    mismatch(engine.release_seat(id, me, SeatId(1), 3 * PRICE, None).await);
    let reserve = async |prices: &[(u32, i64)]| {
        let seats = prices.iter().map(|(seat, price)| (SeatId(*seat), *price)).collect();
        let reserved =
            engine.reserve(id, me, Source::Seats(seats, None), Operation::default()).await;
        reserved.map(|(_, granted)| granted.amount)
    };
    // More than the hold costs, and less for all of its seats.
    mismatch(reserve(&[(1, 3 * PRICE)]).await.map(drop));
    mismatch(reserve(&[(1, PRICE), (2, PRICE / 2)]).await.map(drop));
    assert_eq!(bed.seats(id).await, "1H 2H");
    assert_eq!(bed.changes(id).await, ["H1,2"]);
    bed.assert_sound().await;
    bed.assert_owned(id).await;
    engine.release_seat(id, me, SeatId(1), PRICE, None).await.unwrap();
    assert_eq!(reserve(&[(2, PRICE)]).await.unwrap(), PRICE);
    bed.assert_sound().await;
}
