//! block, unblock, expire: every reply, in order of precedence.

use crate::support::calls::Call::{self, ExpireHold, ExpireReservation};
use crate::support::engine::Step::{
    Approve, Begin, Block, Forget, Hold, HoldLate, Request, Reserve, ReserveLate,
};
use crate::support::engine::{PRICE, TestEngine, seats};
use crate::support::table::{Expect, Reply, case, check, taken};
use grandstand::engine::operation::Operation;
use std::time::Duration;

/// All seats of the command or none.
#[tokio::test]
async fn only_free_seats_are_blocked_and_only_blocked_seats_unblocked() {
    let table = [
        case("not loaded").given(&[Forget]).command(Call::Block(&[1])).expect(Expect::NotLoaded),
        case("held")
            .given(&[Hold])
            .command(Call::Block(&[3, 1]))
            .expect(taken(&[1]))
            .seats("1H 2H"),
        case("sold")
            .given(&[Hold, Reserve, Request, Begin, Approve])
            .command(Call::Block(&[2]))
            .expect(taken(&[2]))
            .seats("1O 2O"),
        case("free")
            .command(Call::Block(&[1, 2]))
            .expect(Reply::Blocked)
            .seats("1B 2B")
            .changes(&["B1,2"])
            .facts(&["seats_blocked"]),
        case("some are blocked")
            .given(&[Block])
            .command(Call::Block(&[1, 2]))
            .expect(Reply::Blocked)
            .seats("1B 2B")
            .changes(&["B2"])
            .facts(&["seats_blocked"]),
        case("late")
            .given(&[HoldLate])
            .command(Call::Block(&[1]))
            .expect(Reply::Blocked)
            .seats("1B")
            .changes(&["A2;B1"])
            .facts(&["seats_blocked"]),
        case("unblock: not loaded")
            .given(&[Block, Forget])
            .command(Call::Unblock(&[1]))
            .expect(Expect::NotLoaded)
            .seats("1B"),
        case("unblock: held")
            .given(&[Hold])
            .command(Call::Unblock(&[1]))
            .expect(taken(&[1]))
            .seats("1H 2H"),
        case("unblock: blocked")
            .given(&[Block])
            .command(Call::Unblock(&[1]))
            .expect(Reply::Unblocked)
            .changes(&["A1"])
            .facts(&["seats_unblocked"]),
        case("unblock: some are free")
            .given(&[Block])
            .command(Call::Unblock(&[1, 2]))
            .expect(Reply::Unblocked)
            .changes(&["A1"])
            .facts(&["seats_unblocked"]),
    ];
    check(&table).await;
}

/// The reply of the first call was lost, and somebody else has the seat by the second.
#[tokio::test]
async fn a_repeated_unblock_gets_its_first_reply() {
    let bed = TestEngine::start().await;
    let scene = bed.at(&[Block]).await;
    let (id, other) = (scene.id(), scene.other);
    // Longer than a command waits for its reply, and shorter than the batcher repeats it for.
    bed.command("CLIENT", &["PAUSE", "1500", "ALL"]).await;
    let unblock = bed.engine.unblock(id, seats(&[1]));
    let hold = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        bed.engine.hold(id, other, seats(&[1]), PRICE, &[], Operation::default()).await
    };
    let (unblocked, held) = tokio::join!(unblock, hold);
    held.unwrap();
    unblocked.unwrap();
    assert_eq!(bed.seats(id).await, "1H");
}

/// A reservation that is PAYING or sold never expires.
#[tokio::test]
async fn expiry_ends_late_claims_and_no_others() {
    let table = [
        case("not loaded")
            .given(&[HoldLate, Forget])
            .command(ExpireHold)
            .expect(Expect::NotLoaded)
            .seats("1H 2H"),
        case("unknown").command(ExpireHold).expect(Reply::Expired),
        case("in time").given(&[Hold]).command(ExpireHold).expect(Reply::Kept).seats("1H 2H"),
        case("late")
            .given(&[HoldLate])
            .command(ExpireHold)
            .expect(Reply::Expired)
            .changes(&["A1,2"]),
        case("pending in time")
            .given(&[Hold, Reserve])
            .command(ExpireReservation)
            .expect(Reply::Kept)
            .seats("1P 2P"),
        case("pending late")
            .given(&[Hold, ReserveLate])
            .command(ExpireReservation)
            .expect(Reply::Expired)
            .changes(&["A1,2"]),
        case("paying")
            .given(&[Hold, Reserve, Request, Begin])
            .command(ExpireReservation)
            .expect(Reply::Kept)
            .seats("1P 2P"),
        case("sold")
            .given(&[Hold, Reserve, Request, Begin, Approve])
            .command(ExpireReservation)
            .expect(Reply::Kept)
            .seats("1O 2O"),
    ];
    check(&table).await;
}
