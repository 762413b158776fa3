//! request, begin, outcome, stretch: every reply, in order of precedence.

use crate::support::calls::Call::{self, BeginOther, RequestNew, Stretch};
use crate::support::calls::Who::{Me, Other};
use crate::support::engine::Step::{
    self, Approve, Ask, Begin, Cancel, CancelPart, Decline, Forget, Hold, Lose, Refund, Request,
    Reserve, ReserveLate, Withdraw,
};
use crate::support::engine::{KEY, PARTITION, TestEngine, all, attempt, limits, seats};
use crate::support::table::{Expect, Reply, case, check};
use grandstand::domain::claim::EndReason;
use grandstand::domain::fact::PaymentStep;
use grandstand::domain::ids::PaymentId;
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::error::{NotPending, Noun, Refusal};
use grandstand::engine::limits::Limits;
use grandstand::engine::operation::Operation;
use grandstand::engine::payments::{Begun, Settled};
use grandstand::engine::reservations::Source;

const PENDING: &[Step] = &[Hold, Reserve];
const READY: &[Step] = &[Hold, Reserve, Request];
const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
const DECLINED: &[Step] = &[Hold, Reserve, Request, Begin, Decline];
const WITHDRAWN: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw];
const LOST: &[Step] = &[Hold, Reserve, Request, Begin, Lose];
const REFUNDING: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel];
const PART_BACK: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart, Refund];
const ASKED: &[Step] = &[Hold, Reserve, Request, Begin, Ask];
const AGAIN: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw, Begin];
const OWED: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw, Approve];
const LATE: &[Step] = &[Hold, ReserveLate];
const AMOUNT: i64 = 20_000;

/// A new payment replaces the one before it.
#[tokio::test]
async fn a_payment_is_requested_for_a_pending_reservation() {
    let table = [
        case("not loaded")
            .given(&[Hold, Reserve, Forget])
            .command(RequestNew(Me))
            .expect(Expect::NotLoaded)
            .seats("1P 2P"),
        case("unknown").command(RequestNew(Me)).expect(Refusal::NotFound(Noun::Reservation)),
        case("not mine")
            .given(PENDING)
            .command(RequestNew(Other))
            .expect(Refusal::NotFound(Noun::Reservation))
            .seats("1P 2P"),
        case("late, not mine")
            .given(LATE)
            .command(RequestNew(Other))
            .expect(Refusal::NotFound(Noun::Reservation))
            .seats("1P 2P"),
        case("late")
            .given(LATE)
            .command(RequestNew(Me))
            .expect(Refusal::ReservationEnded(EndReason::Expired))
            .changes(&["A1,2"]),
        case("again").given(READY).command(Call::Request(Me)).expect(Reply::Ready).seats("1P 2P"),
        case("again while paying")
            .given(PAYING)
            .command(Call::Request(Me))
            .expect(Reply::Ready)
            .seats("1P 2P"),
        case("paying")
            .given(PAYING)
            .command(RequestNew(Me))
            .expect(Refusal::NotPending(NotPending::Paying))
            .seats("1P 2P"),
        case("sold")
            .given(SOLD)
            .command(RequestNew(Me))
            .expect(Refusal::NotPending(NotPending::Paid))
            .seats("1O 2O"),
        case("pending").given(PENDING).command(RequestNew(Me)).expect(Reply::Ready).seats("1P 2P"),
        case("instead of another")
            .given(READY)
            .command(RequestNew(Me))
            .expect(Reply::Ready)
            .seats("1P 2P"),
        case("after a refusal")
            .given(DECLINED)
            .command(RequestNew(Me))
            .expect(Reply::Ready)
            .seats("1P 2P"),
    ];
    check(&table).await;
}

/// PENDING → PAYING, and the claim is in the journal.
#[tokio::test]
async fn a_payment_begins_once_with_the_right_amount() {
    let begin = Call::Begin;
    #[rustfmt::skip] // A line of the table on one line, or two.
    let table = [
        case("not loaded").given(&[Hold, Reserve, Request, Forget]).command(begin(Me, AMOUNT, KEY))
            .expect(Expect::NotLoaded).seats("1P 2P"),
        case("unknown").command(begin(Me, AMOUNT, KEY))
            .expect(Refusal::NotFound(Noun::Reservation)),
        case("not mine").given(READY).command(begin(Other, AMOUNT, KEY))
            .expect(Refusal::NotFound(Noun::Reservation)).seats("1P 2P"),
        case("late").given(LATE).command(begin(Me, AMOUNT, KEY))
            .expect(Refusal::ReservationEnded(EndReason::Expired)).changes(&["A1,2"]),
        case("lost").given(LOST).command(begin(Me, AMOUNT, KEY))
            .expect(Refusal::ReservationEnded(EndReason::Lost)).seats("1O"),
        case("another payment").given(READY).command(BeginOther)
            .expect(Refusal::NotPending(NotPending::Replaced)).seats("1P 2P"),
        case("amount before state").given(PAYING).command(begin(Me, 1, KEY))
            .expect(Refusal::AmountMismatch).seats("1P 2P"),
        case("amount").given(READY).command(begin(Me, AMOUNT - 1, KEY))
            .expect(Refusal::AmountMismatch).seats("1P 2P"),
        case("again").given(PAYING).command(begin(Me, AMOUNT, KEY))
            .expect(Reply::InProgress).seats("1P 2P"),
        case("again with another key").given(PAYING).command(begin(Me, AMOUNT, "other"))
            .expect(Refusal::NotPending(NotPending::Paying)).seats("1P 2P"),
        case("paid").given(SOLD).command(begin(Me, AMOUNT, KEY)).expect(Reply::Paid).seats("1O 2O"),
        case("paid with another key").given(SOLD).command(begin(Me, AMOUNT, "other"))
            .expect(Refusal::NotPending(NotPending::Paid)).seats("1O 2O"),
        case("refunding").given(REFUNDING).command(begin(Me, AMOUNT, KEY))
            .expect(Refusal::NotPending(NotPending::Refunding)).seats("1O 2O"),
        case("declined before").given(DECLINED).command(begin(Me, AMOUNT, KEY))
            .expect(Refusal::PaymentFailed).seats("1P 2P"),
        case("ready").given(READY).command(begin(Me, AMOUNT, KEY))
            .expect(Reply::Begun(1)).seats("1P 2P").facts(&["payment_begun"]),
        case("withdrawn before").given(WITHDRAWN).command(begin(Me, AMOUNT, KEY))
            .expect(Reply::Begun(2)).seats("1P 2P").facts(&["payment_begun"]),
        case("owed before").given(OWED).command(begin(Me, AMOUNT, KEY))
            .expect(Refusal::PaymentFailed).seats("1P 2P"),
        case("a part is back").given(PART_BACK).command(begin(Me, AMOUNT, KEY))
            .expect(Reply::Paid).seats("2O"),
    ];
    check(&table).await;
}

/// The first outcome counts. Each is a fact in the journal.
#[tokio::test]
async fn an_outcome_moves_a_paying_reservation_on_once() {
    #[rustfmt::skip] // A line of the table on one line, or two.
    let table = [
        case("not loaded").given(&[Hold, Reserve, Request, Begin, Forget]).command(Call::Approve)
            .expect(Expect::NotLoaded).seats("1P 2P"),
        case("lost before").given(LOST).command(Call::Decline).expect(Reply::Over).seats("1O"),
        case("sold before").given(SOLD).command(Call::Approve)
            .expect(Reply::ConfirmedAlready).seats("1O 2O"),
        case("sold stays sold").given(SOLD).command(Call::Decline)
            .expect(Reply::ConfirmedAlready).seats("1O 2O"),
        case("declined before").given(DECLINED).command(Call::Decline)
            .expect(Reply::Pending).seats("1P 2P"),
        case("begun again").given(AGAIN).command(Call::WithdrawAt(1))
            .expect(Reply::Over).seats("1P 2P"),
        case("begun again, and approved").given(AGAIN).command(Call::ApproveAt(1))
            .expect(Reply::Over).seats("1P 2P"),
        case("asked for by the reconciler").given(ASKED).command(Call::Withdraw(1000))
            .expect(Reply::Asked).seats("1P 2P"),
        case("asked, and declined").given(ASKED).command(Call::Decline)
            .expect(Reply::Pending).seats("1P 2P").facts(&["payment_declined"]),
        case("approved").given(PAYING).command(Call::Approve)
            .expect(Reply::Confirmed).seats("1O 2O")
            .facts(&["payment_approved"]).changes(&["O1,2"]),
        case("declined").given(PAYING).command(Call::Decline)
            .expect(Reply::Pending).seats("1P 2P").facts(&["payment_declined"]),
        case("withdrawn").given(PAYING).command(Call::Withdraw(1000))
            .expect(Reply::Pending).seats("1P 2P").facts(&["payment_withdrawn"]),
        case("lost").given(PAYING).command(Call::Lose(&[1]))
            .expect(Reply::Over).seats("1O").facts(&["payment_lost"]).changes(&["A2;O1"]),
    ];
    check(&table).await;
}

#[tokio::test]
async fn the_reconciler_asks_for_the_last_attempt_alone() {
    const FORGOTTEN: &[Step] = &[Hold, Reserve, Request, Begin, Forget];
    let table = [
        case("not loaded")
            .given(FORGOTTEN)
            .command(Call::Ask(1))
            .expect(Expect::NotLoaded)
            .seats("1P 2P"),
        case("unknown").command(Call::Ask(1)).expect(Reply::Over),
        case("not begun").given(READY).command(Call::Ask(1)).expect(Reply::Over).seats("1P 2P"),
        case("withdrawn").given(WITHDRAWN).command(Call::Ask(1)).expect(Reply::Over).seats("1P 2P"),
        case("begun again").given(AGAIN).command(Call::Ask(1)).expect(Reply::Over).seats("1P 2P"),
        case("sold").given(SOLD).command(Call::Ask(1)).expect(Reply::Over).seats("1O 2O"),
        case("paying").given(PAYING).command(Call::Ask(1)).expect(Reply::Asked).seats("1P 2P"),
        case("again").given(ASKED).command(Call::Ask(1)).expect(Reply::Asked).seats("1P 2P"),
        case("the second attempt")
            .given(AGAIN)
            .command(Call::Ask(2))
            .expect(Reply::Asked)
            .seats("1P 2P"),
    ];
    check(&table).await;
}

/// While the reservation is on the payment, its own commands write the facts.
#[tokio::test]
async fn the_end_of_a_payment_without_a_reservation_is_recorded() {
    let told = |rule, before, seats| {
        case(rule)
            .given(before)
            .command(Call::Conclude(PaymentStep::Declined))
            .expect(Reply::Recorded)
            .seats(seats)
            .facts(&["payment_declined"])
    };
    let known = |rule, before, seats| {
        case(rule)
            .given(before)
            .command(Call::Conclude(PaymentStep::Declined))
            .expect(Reply::Known)
            .seats(seats)
    };
    let table = [
        told("unknown", &[], ""),
        told("lost", LOST, "1O"),
        told("not on its way", DECLINED, "1P 2P"),
        known("paying", PAYING, "1P 2P"),
        known("sold", SOLD, "1O 2O"),
        known("refunding", REFUNDING, "1O 2O"),
    ];
    check(&table).await;
}

/// The reply was lost, so the caller must be able to go on at once.
#[tokio::test]
async fn a_repeated_begin_gets_its_first_reply() {
    let bed = TestEngine::start().await;
    let scene = bed.at(READY).await;
    // Longer than a command waits for its reply, and shorter than the batcher repeats it for.
    bed.command("CLIENT", &["PAUSE", "1500", "ALL"]).await;
    let (id, me, reservation) = (scene.id(), scene.me, scene.reservation);
    let begun =
        bed.engine.begin_payment(id, me, reservation, scene.payment, AMOUNT, KEY).await.unwrap();
    assert!(matches!(begun, Begun::Now { attempt: 1, .. }), "{begun:?}");
}

#[tokio::test]
async fn the_time_to_pay_is_extended_only_while_pending() {
    let table = [
        case("not loaded")
            .given(&[Hold, Reserve, Forget])
            .command(Stretch(Me))
            .expect(Expect::NotLoaded)
            .seats("1P 2P"),
        case("unknown").command(Stretch(Me)).expect(Refusal::NotFound(Noun::Reservation)),
        case("not mine")
            .given(PENDING)
            .command(Stretch(Other))
            .expect(Refusal::NotFound(Noun::Reservation))
            .seats("1P 2P"),
        case("late")
            .given(LATE)
            .command(Stretch(Me))
            .expect(Refusal::ReservationEnded(EndReason::Expired))
            .changes(&["A1,2"]),
        case("paying")
            .given(PAYING)
            .command(Stretch(Me))
            .expect(Refusal::NotPending(NotPending::Paying))
            .seats("1P 2P"),
        case("pending").given(PENDING).command(Stretch(Me)).expect(Reply::Pending).seats("1P 2P"),
    ];
    check(&table).await;
}

/// A payment is found by its id until another payment replaces it. It is also found when the
/// reservation has ended.
#[tokio::test]
async fn a_payment_leads_to_its_reservation() {
    let bed = TestEngine::start().await;
    let scene = bed.at(READY).await;
    let (id, me, reservation) = (scene.id(), scene.me, scene.reservation);
    let find = |payment| bed.engine.reservation_of_payment(me, payment);
    assert_eq!(find(scene.payment).await.unwrap(), Some(reservation));
    let next = PaymentId::new(id.partition());
    let (method, operation) = ("CARD".to_owned(), Operation::default());
    bed.engine.request_payment(id, me, reservation, next, method, operation).await.unwrap();
    assert_eq!(find(scene.payment).await.unwrap(), None);
    assert_eq!(find(next).await.unwrap(), Some(reservation));
    bed.engine.cancel(id, me, reservation, all(), Operation::default()).await.unwrap();
    assert_eq!(find(next).await.unwrap(), Some(reservation));
}

/// PAYING never expires. A refusal after the deadline frees the seats; a withdrawal gives more
/// time, because the fault was ours.
#[tokio::test]
async fn a_deadline_that_passes_while_paying_counts_only_after_the_outcome() {
    let bed = TestEngine::start().await;
    let brief = bed.another(Limits { payment_ttl_ms: 400, ..limits() }).await;
    let outcomes = [
        (PaymentOutcome::Declined("NO".to_owned()), Settled::Over, ""),
        (PaymentOutcome::Withdrawn(0), Settled::Over, ""),
        (PaymentOutcome::Approved, Settled::Confirmed(None), "1O 2O"),
        (PaymentOutcome::Withdrawn(60_000), Settled::Pending(0), "1P 2P"),
    ];
    for (outcome, expected, left) in outcomes {
        let scene = bed.at(&[Hold]).await;
        let (id, me) = (scene.id(), scene.me);
        let source = Source::Hold(scene.hold);
        let (reservation, granted) =
            brief.reserve(id, me, source, Operation::default()).await.unwrap();
        let payment = scene.payment;
        let (method, operation) = ("CARD".to_owned(), Operation::default());
        bed.engine.request_payment(id, me, reservation, payment, method, operation).await.unwrap();
        bed.engine.begin_payment(id, me, reservation, payment, AMOUNT, KEY).await.unwrap();
        while bed.engine.now_ms(PARTITION).await.unwrap() <= granted.deadline {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(!bed.engine.expire(id, me, reservation).await.unwrap());
        let taken =
            bed.engine.hold(id, scene.other, seats(&[1]), 1, &[], Operation::default()).await;
        assert!(taken.is_err(), "a seat that is being paid for was held");
        let attempt = attempt(id, me, reservation, payment);
        let settled = bed.engine.settle_payment(&attempt, outcome).await.unwrap();
        let same_kind = std::mem::discriminant(&settled) == std::mem::discriminant(&expected);
        assert!(same_kind, "{settled:?}, not {expected:?}");
        assert_eq!(bed.seats(id).await, left);
        bed.assert_owned(id).await;
    }
}
