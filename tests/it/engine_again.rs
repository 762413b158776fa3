//! again, free: every reply. Facts that PostgreSQL has missed are written again, and seats without
//! an owner are freed.

use crate::support::calls::Call;
use crate::support::engine::Step::{
    self, Approve, Begin, Cancel, CancelPart, Decline, Forget, Hold, Lose, Refund, Request,
    Reserve, Withdraw,
};
use crate::support::engine::{TestEngine, seats};
use crate::support::table::{Expect, Reply, case, check};
use grandstand::engine::command::MissedStep;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};

const PAYING: &[Step] = &[Hold, Reserve, Request, Begin];
const SOLD: &[Step] = &[Hold, Reserve, Request, Begin, Approve];
const DECLINED: &[Step] = &[Hold, Reserve, Request, Begin, Decline];
const WITHDRAWN: &[Step] = &[Hold, Reserve, Request, Begin, Withdraw];
const LOST: &[Step] = &[Hold, Reserve, Request, Begin, Lose];
const REFUNDING: &[Step] = &[Hold, Reserve, Request, Begin, Approve, Cancel];
const PART_BACK: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart, Refund];
const PART_KEPT: &[Step] =
    &[Hold, Reserve, Request, Begin, Approve, CancelPart, Step::RefuseRefund];
const REST: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart, Refund, Cancel];
const REFUNDING_PART: &[Step] = &[Hold, Reserve, Request, Begin, Approve, CancelPart];
const FORGOTTEN: &[Step] = &[Hold, Reserve, Request, Begin, Forget];

/// The journal gets the present state of the payment. It gets nothing while the payment is
/// unfinished in Redis as well.
#[tokio::test]
async fn a_missed_step_is_written_to_the_journal_again() {
    let told = |rule, before, number, seats, facts| {
        case(rule)
            .given(before)
            .command(Call::TellAgain(number))
            .expect(Reply::Told)
            .seats(seats)
            .facts(facts)
    };
    let waits = |rule, before, number, seats| {
        case(rule).given(before).command(Call::TellAgain(number)).expect(Reply::Waits).seats(seats)
    };
    const BACK: &[&str] = &["payment_approved", "refund_begun", "refund_done"];
    const MORE: &[&str] = &["payment_approved", "refund_begun", "refund_done", "refund_begun"];
    let table = [
        case("not loaded")
            .given(FORGOTTEN)
            .command(Call::TellAgain(0))
            .expect(Expect::NotLoaded)
            .seats("1P 2P"),
        waits("unknown", &[], 0, ""),
        waits("lost", LOST, 0, "1O"),
        waits("paying", PAYING, 0, "1P 2P"),
        told("withdrawn", WITHDRAWN, 0, "1P 2P", &["payment_withdrawn"]),
        told("declined", DECLINED, 0, "1P 2P", &["payment_declined"]),
        told("sold", SOLD, 0, "1O 2O", &["payment_approved"]),
        told("refunding", REFUNDING, 0, "1O 2O", &["payment_approved", "refund_begun"]),
        told("a part is back", PART_BACK, 0, "2O", BACK),
        told("a part is back, the rest to come", REST, 0, "2O", MORE),
        waits("not refunding", SOLD, 1, "1O 2O"),
        waits("refunding a part", REFUNDING_PART, 1, "1O 2O"),
        told("the part is back", PART_BACK, 1, "2O", &["refund_done"]),
        told("the part is kept", PART_KEPT, 1, "1O 2O", &["refund_refused"]),
        told("the next is under way", REST, 1, "2O", &["refund_done", "refund_begun"]),
        waits("the next", REST, 2, "2O"),
        waits("the one after that", REST, 3, "2O"),
        case("begun")
            .given(PAYING)
            .command(Call::TellBegin)
            .expect(Reply::Told)
            .seats("1P 2P")
            .facts(&["payment_begun"]),
        case("a refund begun")
            .given(REST)
            .command(Call::TellBegin)
            .expect(Reply::Told)
            .seats("2O")
            .facts(&["refund_begun"]),
        case("nothing begun")
            .given(SOLD)
            .command(Call::TellBegin)
            .expect(Reply::Waits)
            .seats("1O 2O"),
    ];
    check(&table).await;
    // Redis has lost the begin of a second attempt.
    let bed = TestEngine::start().await;
    let scene = bed.at(DECLINED).await;
    assert!(!bed.engine.tell_again(&scene.attempt(2), MissedStep::Outcome).await.unwrap());
}

/// A seat is freed when no claim of its user names it, and only if it still has the value that was
/// seen.
#[tokio::test]
async fn only_seats_without_a_claim_are_freed() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Hold]).await;
    let (id, held) = (scene.id(), format!("H{}", scene.me.key()));
    assert!(
        !bed.engine.free_seats(id, &held, seats(&[1, 2])).await.unwrap(),
        "the user has a claim"
    );
    let claims = PartitionKeys(id.partition()).claims();
    bed.command("DEL", &[&claims]).await;
    bed.command("HSET", &[&MatchKeys(id).seats(), "3", "O"]).await;
    for value in ["O", &format!("P{}", scene.me.key()), &format!("H{}", scene.other.key())] {
        assert!(!bed.engine.free_seats(id, value, seats(&[1, 2])).await.unwrap(), "{value}");
    }
    assert_eq!(bed.seats(id).await, "1H 2H 3O");
    let told = bed.changes(id).await.len();
    assert!(bed.engine.free_seats(id, &held, seats(&[1, 3])).await.unwrap());
    assert_eq!(bed.seats(id).await, "2H 3O");
    assert!(bed.engine.free_seats(id, "O", seats(&[2, 3])).await.unwrap());
    assert_eq!(bed.seats(id).await, "2H");
    assert_eq!(bed.changes(id).await[told..], ["A1", "A3"]);
    assert!(!bed.engine.free_seats(id, "O", seats(&[3])).await.unwrap(), "free already");
}
