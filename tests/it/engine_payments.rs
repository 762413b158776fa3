//! request, begin, outcome, stretch, refund: every reply, in the order in which they win.

use crate::support::engine::Step::{
    self, Approve, Ask, Begin, Cancel, CancelPart, Decline, Forget, Hold, Lose, Refund, Request,
    Reserve, ReserveLate, Withdraw,
};
use crate::support::engine::{KEY, PARTITION, TestEngine, attempt, limits, seats};
use crate::table::Call::{self, BeginOther, RequestNew, Stretch};
use crate::table::Who::{Me, Other};
use crate::table::{Case, check};
use grandstand::domain::ids::PaymentId;
use grandstand::engine::batch::{Limits, Operation};
use grandstand::engine::payments::{Begun, Outcome, Settled};
use grandstand::engine::reservations::Source;

const PENDING: &[Step] = &[Hold, Reserve];
const READY: &[Step] = &[Hold, Reserve, Request];
const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
const DECLINED: &[Step] = &[Hold, Reserve, Request, Begin, Decline];
const WITHDRAWN: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw];
const LOST: &[Step] = &[Hold, Reserve, Request, Begin, Lose];
const REFUNDING: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel];
const REFUNDED: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel, Refund];
const REFUNDING_PART: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart];
const PART_BACK: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart, Refund];
const PART_KEPT: &[Step] =
    &[Hold, Reserve, Request, Begin, Approve, CancelPart, Step::RefuseRefund];
const REST: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart, Refund, Cancel];
const ASKED: &[Step] = &[Hold, Reserve, Request, Begin, Ask];
const AGAIN: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw, Begin];
const OWED: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw, Approve];
const LATE: &[Step] = &[Hold, ReserveLate];
const OVER: &str = "ReservationEnded(Expired)";
const AMOUNT: i64 = 20_000;

/// A line that changes no seat: they stay as they are, and nobody is told.
const fn same(
    rule: &'static str,
    before: &'static [Step],
    call: Call,
    reply: &'static str,
    seats: &'static str,
) -> Case {
    Case { rule, before, call, reply, seats, told: &[], facts: &[] }
}

/// A line that frees the seats on its way, because the time to pay was over.
const fn late(rule: &'static str, call: Call, reply: &'static str) -> Case {
    Case { rule, before: LATE, call, reply, seats: "", told: &["A1,2"], facts: &[] }
}

const fn noting(case: Case, facts: &'static [&'static str]) -> Case {
    Case { facts, ..case }
}

/// The rule: a payment is requested for a reservation that waits for one; a new one replaces it.
#[tokio::test]
async fn a_payment_is_requested_for_what_is_pending() {
    let table = [
        same("not loaded", &[Hold, Reserve, Forget], RequestNew(Me), "NotLoaded", "1P 2P"),
        same("unknown", &[], RequestNew(Me), "NotFound", ""),
        same("not mine", PENDING, RequestNew(Other), "NotFound", "1P 2P"),
        same("late, not mine", LATE, RequestNew(Other), "NotFound", "1P 2P"),
        late("late", RequestNew(Me), OVER),
        same("again", READY, Call::Request(Me), "ready", "1P 2P"),
        same("again while paying", PAYING, Call::Request(Me), "ready", "1P 2P"),
        same("paying", PAYING, RequestNew(Me), "NotPending(Paying)", "1P 2P"),
        same("sold", SOLD, RequestNew(Me), "NotPending(Paid)", "1O 2O"),
        same("pending", PENDING, RequestNew(Me), "ready", "1P 2P"),
        same("instead of another", READY, RequestNew(Me), "ready", "1P 2P"),
        same("after a refusal", DECLINED, RequestNew(Me), "ready", "1P 2P"),
    ];
    check(&table).await;
}

/// The rule: PENDING → PAYING for the right payment and amount, and the claim is in the journal.
#[tokio::test]
async fn a_payment_begins_once_with_the_right_amount() {
    let begin = Call::Begin;
    let table = [
        same(
            "not loaded",
            &[Hold, Reserve, Request, Forget],
            begin(Me, AMOUNT, KEY),
            "NotLoaded",
            "1P 2P",
        ),
        same("unknown", &[], begin(Me, AMOUNT, KEY), "NotFound", ""),
        same("not mine", READY, begin(Other, AMOUNT, KEY), "NotFound", "1P 2P"),
        late("late", begin(Me, AMOUNT, KEY), OVER),
        same("lost", LOST, begin(Me, AMOUNT, KEY), "ReservationEnded(Lost)", "1O"),
        same("another payment", READY, BeginOther, "NotPending(Replaced)", "1P 2P"),
        same("amount before state", PAYING, begin(Me, 1, KEY), "AmountMismatch", "1P 2P"),
        same("amount", READY, begin(Me, AMOUNT - 1, KEY), "AmountMismatch", "1P 2P"),
        same("again", PAYING, begin(Me, AMOUNT, KEY), "in progress", "1P 2P"),
        same(
            "again with another key",
            PAYING,
            begin(Me, AMOUNT, "other"),
            "NotPending(Paying)",
            "1P 2P",
        ),
        same("paid", SOLD, begin(Me, AMOUNT, KEY), "paid", "1O 2O"),
        same(
            "paid with another key",
            SOLD,
            begin(Me, AMOUNT, "other"),
            "NotPending(Paid)",
            "1O 2O",
        ),
        same("refunding", REFUNDING, begin(Me, AMOUNT, KEY), "NotPending(Refunding)", "1O 2O"),
        same("declined before", DECLINED, begin(Me, AMOUNT, KEY), "PaymentFailed", "1P 2P"),
        noting(
            same("ready", READY, begin(Me, AMOUNT, KEY), "begun 1", "1P 2P"),
            &["payment_begun"],
        ),
        noting(
            same("withdrawn before", WITHDRAWN, begin(Me, AMOUNT, KEY), "begun 2", "1P 2P"),
            &["payment_begun"],
        ),
        same("owed before", OWED, begin(Me, AMOUNT, KEY), "PaymentFailed", "1P 2P"),
        same("a part is back", PART_BACK, begin(Me, AMOUNT, KEY), "paid", "2O"),
    ];
    check(&table).await;
}

/// The rule: the first outcome of a payment counts, and each is a fact in the journal.
#[tokio::test]
async fn an_outcome_moves_a_paying_reservation_on_once() {
    let told = |case: Case, told| Case { told, ..case };
    let table = [
        same(
            "not loaded",
            &[Hold, Reserve, Request, Begin, Forget],
            Call::Approve,
            "NotLoaded",
            "1P 2P",
        ),
        same("lost before", LOST, Call::Decline, "over", "1O"),
        same("sold before", SOLD, Call::Approve, "confirmed already", "1O 2O"),
        same("sold stays sold", SOLD, Call::Decline, "confirmed already", "1O 2O"),
        same("declined before", DECLINED, Call::Decline, "pending", "1P 2P"),
        same("begun again", AGAIN, Call::WithdrawAt(1), "over", "1P 2P"),
        same("begun again, and approved", AGAIN, Call::ApproveAt(1), "over", "1P 2P"),
        same("asked for by the reconciler", ASKED, Call::Withdraw(1000), "asked", "1P 2P"),
        noting(
            same("asked, and declined", ASKED, Call::Decline, "pending", "1P 2P"),
            &["payment_declined"],
        ),
        told(
            noting(
                same("approved", PAYING, Call::Approve, "confirmed", "1O 2O"),
                &["payment_approved"],
            ),
            &["O1,2"],
        ),
        noting(same("declined", PAYING, Call::Decline, "pending", "1P 2P"), &["payment_declined"]),
        noting(
            same("withdrawn", PAYING, Call::Withdraw(1000), "pending", "1P 2P"),
            &["payment_withdrawn"],
        ),
        told(
            noting(same("lost", PAYING, Call::Lose(&[1]), "over", "1O"), &["payment_lost"]),
            &["A2;O1"],
        ),
    ];
    check(&table).await;
}

/// The rule: money that moved for what can't be given is owed, once the journal says so.
#[tokio::test]
async fn money_for_what_can_not_be_given_goes_back() {
    let owed = |rule, before, call, seats| {
        noting(same(rule, before, call, "owed", seats), &["refund_owed"])
    };
    let table = [
        owed("unknown", &[], Call::Approve, ""),
        owed("another payment", PAYING, Call::ApproveOther, "1P 2P"),
        owed("lost", LOST, Call::Approve, "1O"),
        owed("not begun", READY, Call::Approve, "1P 2P"),
        owed("withdrawn", WITHDRAWN, Call::Approve, "1P 2P"),
        same("back already", REFUNDED, Call::Approve, "over", ""),
    ];
    check(&table).await;
}

/// The rule: the gateway is asked only for the attempt that the reservation is on.
#[tokio::test]
async fn the_reconciler_asks_for_the_last_attempt_alone() {
    const FORGOTTEN: &[Step] = &[Hold, Reserve, Request, Begin, Forget];
    let table = [
        same("not loaded", FORGOTTEN, Call::Ask(1), "NotLoaded", "1P 2P"),
        same("unknown", &[], Call::Ask(1), "over", ""),
        same("not begun", READY, Call::Ask(1), "over", "1P 2P"),
        same("withdrawn", WITHDRAWN, Call::Ask(1), "over", "1P 2P"),
        same("begun again", AGAIN, Call::Ask(1), "over", "1P 2P"),
        same("sold", SOLD, Call::Ask(1), "over", "1O 2O"),
        same("paying", PAYING, Call::Ask(1), "asked", "1P 2P"),
        same("again", ASKED, Call::Ask(1), "asked", "1P 2P"),
        same("the second attempt", AGAIN, Call::Ask(2), "asked", "1P 2P"),
    ];
    check(&table).await;
}

/// The rule: a reservation that is on a payment says itself what becomes of it.
#[tokio::test]
async fn the_end_of_a_payment_is_told_for_a_reservation_that_has_gone() {
    let told = |rule, before, seats| {
        let call = Call::Conclude("payment_declined");
        noting(same(rule, before, call, "forgotten", seats), &["payment_declined"])
    };
    let known = |rule, before, seats| {
        same(rule, before, Call::Conclude("payment_declined"), "known", seats)
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

/// The rule: a begin whose reply is lost is asked for again, and has the reply that it had at
/// first: whoever began goes on at once.
#[tokio::test]
async fn a_begin_that_is_repeated_has_its_first_reply() {
    let bed = TestEngine::start().await;
    let scene = bed.at(READY).await;
    // Longer than a command waits for its reply, and shorter than the batcher repeats it for.
    bed.command("CLIENT", &["PAUSE", "1500", "ALL"]).await;
    let (id, me, one) = (scene.id(), scene.me, scene.reservation);
    let begun = bed.engine.begin_payment(id, me, one, scene.payment, AMOUNT, KEY).await.unwrap();
    assert!(matches!(begun, Begun::Now { attempt: 1, .. }), "{begun:?}");
}

/// The rule: seats of a sale are given back one by one; the others stay sold.
#[tokio::test]
async fn a_part_of_a_sale_is_cancelled_and_its_seats_are_free_when_the_money_is_back() {
    let cancel = Call::CancelPart;
    let begun = |case| noting(case, &["refund_begun"]);
    let table = [
        same("not mine", SOLD, cancel(Other, &[1]), "NotFound", "1O 2O"),
        same("paying", PAYING, cancel(Me, &[1]), "Paying", "1P 2P"),
        same("not paid", PENDING, cancel(Me, &[1]), "NotCancellable(PartOfUnpaid)", "1P 2P"),
        same("not in it", SOLD, cancel(Me, &[3]), "NotYours", "1O 2O"),
        same("one not in it", SOLD, cancel(Me, &[1, 2, 3]), "NotYours", "1O 2O"),
        same("again", REFUNDING_PART, cancel(Me, &[1]), "refunding a part already", "1O 2O"),
        same("another one meanwhile", REFUNDING_PART, cancel(Me, &[2]), "RefundUnderWay", "1O 2O"),
        same("all meanwhile", REFUNDING_PART, Call::Cancel(Me), "RefundUnderWay", "1O 2O"),
        same("back already", PART_BACK, cancel(Me, &[1]), "cancelled", "2O"),
        same("one is back already", PART_BACK, cancel(Me, &[1, 2]), "NotYours", "2O"),
        begun(same("one", SOLD, cancel(Me, &[1]), "refunding a part", "1O 2O")),
        begun(same("all by name", SOLD, cancel(Me, &[2, 1]), "refunding", "1O 2O")),
        begun(same("the last one", PART_BACK, cancel(Me, &[2]), "refunding", "2O")),
        begun(same("the rest", PART_BACK, Call::Cancel(Me), "refunding", "2O")),
        begun(same("refused before", PART_KEPT, cancel(Me, &[1]), "refunding a part", "1O 2O")),
        Case {
            told: &["A1"],
            ..noting(
                same("the money is back", REFUNDING_PART, Call::Refund, "noted", "2O"),
                &["refund_done"],
            )
        },
        noting(
            same("the money stays", REFUNDING_PART, Call::RefuseRefund, "noted", "1O 2O"),
            &["refund_refused"],
        ),
        same("another refund", REFUNDING_PART, Call::RefundAt(2), "ended", "1O 2O"),
        same("an earlier refund", REST, Call::Refund, "ended", "2O"),
        Case {
            told: &["A2"],
            ..noting(same("the last", REST, Call::RefundAt(2), "noted", ""), &["payment_refunded"])
        },
    ];
    check(&table).await;
}

/// The rule: only a reservation that waits for a payment gets more time.
#[tokio::test]
async fn the_time_to_pay_is_stretched_while_pending() {
    let table = [
        same("not loaded", &[Hold, Reserve, Forget], Stretch(Me), "NotLoaded", "1P 2P"),
        same("unknown", &[], Stretch(Me), "NotFound", ""),
        same("not mine", PENDING, Stretch(Other), "NotFound", "1P 2P"),
        late("late", Stretch(Me), OVER),
        same("paying", PAYING, Stretch(Me), "NotPending(Paying)", "1P 2P"),
        same("pending", PENDING, Stretch(Me), "pending", "1P 2P"),
    ];
    check(&table).await;
}

/// The rule: the seats are free when the money is back, and stay sold when it will not come.
#[tokio::test]
async fn a_refund_frees_the_seats_once() {
    const KEPT: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel, Step::RefuseRefund];
    let done = noting(same("done", REFUNDING, Call::Refund, "noted", ""), &["payment_refunded"]);
    let table = [
        same("unknown", &[], Call::Refund, "ended", ""),
        same("sold", SOLD, Call::Refund, "ended", "1O 2O"),
        same("again", REFUNDED, Call::Refund, "ended", ""),
        same("kept before", KEPT, Call::Refund, "ended", "1O 2O"),
        Case { told: &["A1,2"], ..done },
        noting(
            same("refused", REFUNDING, Call::RefuseRefund, "noted", "1O 2O"),
            &["refund_refused"],
        ),
    ];
    check(&table).await;
}

/// The rule: a partition that is not loaded says so, also when the money is back already.
#[tokio::test]
async fn a_refund_waits_for_a_match_that_is_not_loaded() {
    const FORGOTTEN: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel, Forget];
    check(&[same("not loaded", FORGOTTEN, Call::Refund, "NotLoaded", "1O 2O")]).await;
}

/// The rule: a payment is found by its id until another takes its place; who pays too late finds
/// the reservation that has ended.
#[tokio::test]
async fn a_payment_leads_to_its_reservation() {
    let bed = TestEngine::start().await;
    let scene = bed.at(READY).await;
    let (id, me, one) = (scene.id(), scene.me, scene.reservation);
    let find = |payment| bed.engine.reservation_of_payment(me, payment);
    assert_eq!(find(scene.payment).await.unwrap(), Some(one));
    let next = PaymentId::new(id.partition());
    let (method, operation) = ("CARD".to_owned(), Operation::default());
    bed.engine.request_payment(id, me, one, next, method, operation).await.unwrap();
    assert_eq!(find(scene.payment).await.unwrap(), None);
    assert_eq!(find(next).await.unwrap(), Some(one));
    bed.engine.cancel(id, me, one, &[]).await.unwrap();
    assert_eq!(find(next).await.unwrap(), Some(one));
}

/// The rule: a reservation in PAYING never expires; a refusal after its deadline frees the seats,
/// and a withdrawal (the fault was ours) gives time back.
#[tokio::test]
async fn a_deadline_that_passes_while_paying_counts_only_after_the_outcome() {
    let bed = TestEngine::start().await;
    let brief = bed.another(Limits { payment_ttl_ms: 400, ..limits() }).await;
    let outcomes = [
        (Outcome::Declined("NO".to_owned()), Settled::Over, ""),
        (Outcome::Withdrawn(0), Settled::Over, ""),
        (Outcome::Approved, Settled::Confirmed(None), "1O 2O"),
        (Outcome::Withdrawn(60_000), Settled::Pending(0), "1P 2P"),
    ];
    for (outcome, expected, left) in outcomes {
        let scene = bed.at(&[Hold]).await;
        let (id, me) = (scene.id(), scene.me);
        let source = Source::Hold(scene.hold);
        let (one, granted) = brief.reserve(id, me, source, Operation::default()).await.unwrap();
        let payment = scene.payment;
        let (method, operation) = ("CARD".to_owned(), Operation::default());
        bed.engine.request_payment(id, me, one, payment, method, operation).await.unwrap();
        bed.engine.begin_payment(id, me, one, payment, AMOUNT, KEY).await.unwrap();
        while bed.engine.now_ms(PARTITION).await.unwrap() <= granted.deadline {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert!(!bed.engine.expire(id, me, one).await.unwrap());
        let taken =
            bed.engine.hold(id, scene.other, seats(&[1]), 1, &[], Operation::default()).await;
        assert!(taken.is_err(), "a seat that is being paid for was held");
        let attempt = attempt(id, me, one, payment);
        let settled = bed.engine.settle_payment(&attempt, outcome).await.unwrap();
        let same_kind = std::mem::discriminant(&settled) == std::mem::discriminant(&expected);
        assert!(same_kind, "{settled:?}, not {expected:?}");
        assert_eq!(bed.seats(id).await, left);
        bed.assert_owned(id).await;
    }
}
