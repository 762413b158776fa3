//! refund, and the cancellation of a sale that begins it: every reply, in order of precedence.

use crate::support::calls::Call;
use crate::support::calls::Who::{Me, Other};
use crate::support::engine::Step::{
    self, Approve, Begin, Cancel, CancelPart, Forget, Hold, Lose, Refund, Request, Reserve,
    Withdraw,
};
use crate::support::table::{Expect, Reply, case, check};
use grandstand::engine::error::{NotCancellable, Noun, Refusal};

const PENDING: &[Step] = &[Hold, Reserve];
const READY: &[Step] = &[Hold, Reserve, Request];
const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
const WITHDRAWN: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw];
const LOST: &[Step] = &[Hold, Reserve, Request, Begin, Lose];
const REFUNDING: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel];
const REFUNDED: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel, Refund];
const REFUNDING_PART: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart];
const PART_BACK: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart, Refund];
const PART_KEPT: &[Step] =
    &[Hold, Reserve, Request, Begin, Approve, CancelPart, Step::RefuseRefund];
const REST: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart, Refund, Cancel];

/// The other seats stay sold.
#[tokio::test]
async fn a_part_of_a_sale_is_cancelled_and_its_seats_are_free_when_the_money_is_back() {
    let cancel = Call::CancelPart;
    #[rustfmt::skip] // A line of the table on one line, or two.
    let table = [
        case("not mine").given(SOLD).command(cancel(Other, &[1]))
            .expect(Refusal::NotFound(Noun::Reservation)).seats("1O 2O"),
        case("paying").given(PAYING).command(cancel(Me, &[1]))
            .expect(Refusal::Paying).seats("1P 2P"),
        case("not paid").given(PENDING).command(cancel(Me, &[1]))
            .expect(Refusal::NotCancellable(NotCancellable::PartOfUnpaid)).seats("1P 2P"),
        case("not in it").given(SOLD).command(cancel(Me, &[3]))
            .expect(Refusal::NotYours).seats("1O 2O"),
        case("one not in it").given(SOLD).command(cancel(Me, &[1, 2, 3]))
            .expect(Refusal::NotYours).seats("1O 2O"),
        case("again").given(REFUNDING_PART).command(cancel(Me, &[1]))
            .expect(Reply::RefundingPartAlready).seats("1O 2O"),
        case("another one meanwhile").given(REFUNDING_PART).command(cancel(Me, &[2]))
            .expect(Refusal::RefundUnderWay).seats("1O 2O"),
        case("all meanwhile").given(REFUNDING_PART).command(Call::Cancel(Me))
            .expect(Refusal::RefundUnderWay).seats("1O 2O"),
        case("back already").given(PART_BACK).command(cancel(Me, &[1]))
            .expect(Reply::Cancelled).seats("2O"),
        case("one is back already").given(PART_BACK).command(cancel(Me, &[1, 2]))
            .expect(Refusal::NotYours).seats("2O"),
        case("one").given(SOLD).command(cancel(Me, &[1]))
            .expect(Reply::RefundingPart).seats("1O 2O").facts(&["refund_begun"]),
        case("all by name").given(SOLD).command(cancel(Me, &[2, 1]))
            .expect(Reply::Refunding).seats("1O 2O").facts(&["refund_begun"]),
        case("the last one").given(PART_BACK).command(cancel(Me, &[2]))
            .expect(Reply::Refunding).seats("2O").facts(&["refund_begun"]),
        case("the rest").given(PART_BACK).command(Call::Cancel(Me))
            .expect(Reply::Refunding).seats("2O").facts(&["refund_begun"]),
        case("refused before").given(PART_KEPT).command(cancel(Me, &[1]))
            .expect(Reply::RefundingPart).seats("1O 2O").facts(&["refund_begun"]),
        case("the money is back").given(REFUNDING_PART).command(Call::Refund)
            .expect(Reply::RefundNoted).seats("2O").facts(&["refund_done"]).changes(&["A1"]),
        case("the money stays").given(REFUNDING_PART).command(Call::RefuseRefund)
            .expect(Reply::RefundNoted).seats("1O 2O").facts(&["refund_refused"]),
        case("another refund").given(REFUNDING_PART).command(Call::RefundAt(2))
            .expect(Reply::RefundEnded).seats("1O 2O"),
        case("an earlier refund").given(REST).command(Call::Refund)
            .expect(Reply::RefundEnded).seats("2O"),
        case("the last").given(REST).command(Call::RefundAt(2))
            .expect(Reply::RefundNoted).facts(&["payment_refunded"]).changes(&["A2"]),
    ];
    check(&table).await;
}

/// The seats stay sold when the gateway keeps the money.
#[tokio::test]
async fn a_refund_frees_the_seats_once() {
    const KEPT: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel, Step::RefuseRefund];
    let done = case("done")
        .given(REFUNDING)
        .command(Call::Refund)
        .expect(Reply::RefundNoted)
        .facts(&["payment_refunded"]);
    let table = [
        case("unknown").command(Call::Refund).expect(Reply::RefundEnded),
        case("sold").given(SOLD).command(Call::Refund).expect(Reply::RefundEnded).seats("1O 2O"),
        case("again").given(REFUNDED).command(Call::Refund).expect(Reply::RefundEnded),
        case("kept before")
            .given(KEPT)
            .command(Call::Refund)
            .expect(Reply::RefundEnded)
            .seats("1O 2O"),
        done.changes(&["A1,2"]),
        case("refused")
            .given(REFUNDING)
            .command(Call::RefuseRefund)
            .expect(Reply::RefundNoted)
            .seats("1O 2O")
            .facts(&["refund_refused"]),
    ];
    check(&table).await;
}

#[tokio::test]
async fn a_refund_waits_for_a_match_that_is_not_loaded() {
    const FORGOTTEN: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel, Forget];
    check(&[case("not loaded")
        .given(FORGOTTEN)
        .command(Call::Refund)
        .expect(Expect::NotLoaded)
        .seats("1O 2O")])
    .await;
}

/// The journal has `refund_owed`, from which the reconciler starts.
#[tokio::test]
async fn money_for_seats_that_cannot_be_given_is_owed() {
    let owed = |rule, before, call, seats| {
        case(rule)
            .given(before)
            .command(call)
            .expect(Reply::Owed)
            .seats(seats)
            .facts(&["refund_owed"])
    };
    let table = [
        owed("unknown", &[], Call::Approve, ""),
        owed("another payment", PAYING, Call::ApproveOther, "1P 2P"),
        owed("lost", LOST, Call::Approve, "1O"),
        owed("not begun", READY, Call::Approve, "1P 2P"),
        owed("withdrawn", WITHDRAWN, Call::Approve, "1P 2P"),
        case("back already").given(REFUNDED).command(Call::Approve).expect(Reply::Over),
    ];
    check(&table).await;
}
