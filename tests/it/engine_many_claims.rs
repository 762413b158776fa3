//! Users with many claims: whatever else a user has, a command works on one claim.

use crate::support::engine::{KEY, PARTITION, PRICE, TestEngine, all, attempt, fixture, seats};
use crate::support::given::wide_limits;
use grandstand::domain::catalog::MatchStatus;
use grandstand::domain::claim::{ClaimState, Reservation, ReservationStatus};
use grandstand::domain::ids::{HoldId, MatchId, PaymentId, ReservationId, SeatId, UserId};
use grandstand::domain::money::{Attempt, Refund};
use grandstand::engine::Engine;
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::load::Load;
use grandstand::engine::operation::Operation;
use grandstand::engine::reservations::Source;
use grandstand::redis::keys::PartitionKeys;
use grandstand::workers::expiry::expire_due;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// More than there are buckets, so that some buckets have several claims.
const CLAIMS: u32 = 80;

fn user() -> UserId {
    UserId::new(PARTITION)
}

async fn hold(engine: &Engine, id: MatchId, me: UserId, list: &[u32]) -> HoldId {
    let amount = PRICE * list.len() as i64;
    let held = engine.hold(id, me, seats(list), amount, &[], Operation::default()).await;
    held.unwrap().0
}

async fn reserve(engine: &Engine, id: MatchId, me: UserId, hold: HoldId) -> ReservationId {
    let source = Source::Hold(hold);
    engine.reserve(id, me, source, Operation::default()).await.unwrap().0
}

/// Pays a reservation of one seat, and returns its payment.
async fn pay(
    engine: &Engine,
    id: MatchId,
    me: UserId,
    mine: ReservationId,
    seat: u32,
) -> PaymentId {
    let (payment, method) = (PaymentId::new(PARTITION), "CARD".to_owned());
    let requested = engine.request_payment(id, me, mine, payment, method, Operation::default());
    requested.await.unwrap();
    engine.begin_payment(id, me, mine, payment, PRICE, KEY).await.unwrap();
    let first = attempt(id, me, mine, payment);
    let attempt = Attempt { seats: seats(&[seat]), amount: PRICE, ..first };
    engine.settle_payment(&attempt, PaymentOutcome::Approved).await.unwrap();
    payment
}

async fn count(bed: &TestEngine, me: UserId, state: ClaimState) -> usize {
    let claims = bed.engine.claims_of(PARTITION, me).await.unwrap();
    claims.iter().filter(|claim| claim.state == state).count()
}

#[tokio::test]
async fn a_user_with_more_claims_than_buckets_can_do_everything_with_each() {
    let bed = TestEngine::start().await;
    let engine = bed.another(wide_limits(2 * CLAIMS)).await;
    let (first, second, me) = (bed.open_match().await, bed.open_match().await, user());
    let mut holds = Vec::new();
    for number in 0..CLAIMS {
        let id = if number % 2 == 0 { first } else { second };
        holds.push((id, number, hold(&engine, id, me, &[2 * number + 1, 2 * number + 2]).await));
    }
    bed.assert_sound().await;
    let listed = engine.claims_of(PARTITION, me).await.unwrap();
    assert!(listed.is_sorted_by_key(|claim| claim.id.made_at()), "the oldest first");
    assert_eq!(listed.len(), CLAIMS as usize);
    let mut sales = Vec::new();
    for (id, number, hold) in holds {
        let (id, seat) = (id, 2 * number + 1);
        assert!(engine.claim(me, ReservationId(hold.0)).await.unwrap().is_some());
        match number % 4 {
            0 => engine.release(id, me, hold).await.unwrap(),
            1 => engine.release_seat(id, me, SeatId(seat), PRICE, None).await.unwrap(),
            2 => drop(reserve(&engine, id, me, hold).await),
            _ => {
                engine.release_seat(id, me, SeatId(seat + 1), PRICE, None).await.unwrap();
                let mine = reserve(&engine, id, me, hold).await;
                sales.push((id, mine, pay(&engine, id, me, mine, seat).await));
            }
        }
        bed.assert_sound().await;
    }
    for (state, wanted) in
        [(ClaimState::Hold, 20), (ClaimState::Pending, 20), (ClaimState::Confirmed, 20)]
    {
        assert_eq!(count(&bed, me, state).await, wanted, "{state:?}");
    }
    for id in [first, second] {
        bed.assert_owned(id).await;
    }
    for (id, mine, payment) in sales {
        engine.cancel(id, me, mine, all(), Operation::default()).await.unwrap();
        let refund = Refund { payment, number: 1, amount: None };
        engine.settle_refund(id, me, mine, &refund, None).await.unwrap();
    }
    for claim in engine.claims_of(PARTITION, me).await.unwrap() {
        match claim.state {
            ClaimState::Hold => {
                engine.release(claim.match_id, me, HoldId(claim.id.0)).await.unwrap()
            }
            _ => drop(
                engine
                    .cancel(claim.match_id, me, claim.id, all(), Operation::default())
                    .await
                    .unwrap(),
            ),
        }
    }
    assert!(bed.hash(PartitionKeys(PARTITION).claims()).await.is_empty(), "no field is left");
}

/// Nobody has swept the claims yet, and the other claims of the user stay.
#[tokio::test]
async fn claims_whose_deadline_has_passed_do_not_count_for_the_limit() {
    let bed = TestEngine::start().await;
    let engine = &bed.another(wide_limits(4)).await;
    let (id, other, me) = (bed.open_match().await, bed.open_match().await, user());
    hold(engine, other, me, &[1]).await;
    hold(engine, id, me, &[1]).await;
    for seat in 2..=4 {
        hold(&bed.hasty, id, me, &[seat]).await;
    }
    let until = bed.engine.now_ms(PARTITION).await.unwrap() + 2;
    while bed.engine.now_ms(PARTITION).await.unwrap() <= until {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for seat in 5..=7 {
        hold(engine, id, me, &[seat]).await;
    }
    let (full, none) = (seats(&[8]), Operation::default());
    let refused = engine.hold(id, me, full, PRICE, &[], none).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::SeatLimit))), "{refused:?}");
    assert_eq!(bed.seats(id).await, "1H 5H 6H 7H");
    bed.assert_sound().await;
    assert_eq!(expire_due(&bed.engine, PARTITION).await.unwrap(), 0, "all had ended");
    // Somebody else ends an overdue claim by wanting its seat.
    let (theirs, extra) = (user(), bed.open_match().await);
    hold(engine, extra, theirs, &[1]).await;
    hold(&bed.hasty, extra, theirs, &[2]).await;
    let until = bed.engine.now_ms(PARTITION).await.unwrap() + 2;
    while bed.engine.now_ms(PARTITION).await.unwrap() <= until {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    hold(engine, extra, me, &[2]).await;
    bed.assert_sound().await;
}

/// The reservations of one user in a match, as PostgreSQL would have them.
fn sales_of(me: UserId, id: MatchId) -> Vec<Reservation> {
    let sale = |seat| Reservation {
        id: ReservationId::new(PARTITION),
        match_id: id,
        user: me,
        status: ReservationStatus::Confirmed,
        seats: seats(&[seat]),
        amount: PRICE,
        expires_at: None,
        created_at: 0,
        payment: None,
        refund_terms: None,
        bill: Default::default(),
        refunding: false,
    };
    (1..=CLAIMS).map(sale).collect()
}

#[tokio::test]
async fn a_partition_is_loaded_in_the_same_form() {
    let bed = TestEngine::start().await;
    let engine = bed.another(wide_limits(CLAIMS + 1)).await;
    let (open, me) = (fixture(MatchStatus::Open, false), user());
    let (id, reservations) = (open.id, sales_of(me, open.id));
    engine.close_partition(PARTITION).await.unwrap();
    let lease = engine.take_lease(PARTITION, "a test", 60_000).await.unwrap().unwrap();
    let nothing = (vec![], vec![], vec![]);
    let (accounts, sites, blocked) = nothing;
    let matches = vec![open];
    let load = Load { accounts, sites, matches, reservations, blocked, check_ins: vec![] };
    engine.write_partition(&lease, load).await.unwrap();
    engine.open_partition(&lease, 2).await.unwrap();
    bed.assert_sound().await;
    bed.assert_owned(id).await;
    assert_eq!(count(&bed, me, ClaimState::Confirmed).await, CLAIMS as usize);
    hold(&engine, id, me, &[CLAIMS + 1]).await;
    let next = seats(&[CLAIMS + 2]);
    let refused = engine.hold(id, me, next, PRICE, &[], Operation::default()).await;
    assert!(matches!(refused, Err(EngineError::Refused(Refusal::SeatLimit))), "{refused:?}");
    bed.assert_sound().await;
}

/// What MONITOR shows of the hash of claims while a user holds a seat and gives it back.
async fn work(bed: &TestEngine, engine: &Engine, id: MatchId, me: UserId, seat: u32) -> String {
    let address = ("127.0.0.1", bed.redis.port());
    let mut monitor = tokio::net::TcpStream::connect(address).await.unwrap();
    monitor.write_all(b"MONITOR\r\n").await.unwrap();
    let mut seen = [0; 5];
    monitor.read_exact(&mut seen).await.unwrap();
    let hold = hold(engine, id, me, &[seat]).await;
    engine.release(id, me, hold).await.unwrap();
    bed.command("ECHO", &["the end of the test"]).await;
    let (mut text, mut part) = (String::new(), [0; 65_536]);
    while !text.contains("the end of the test") {
        let count = monitor.read(&mut part).await.unwrap();
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    let claims = PartitionKeys(PARTITION).claims();
    let of_scripts = |line: &&str| line.contains(" lua]") && line.contains(&claims);
    text.lines().filter(of_scripts).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_command_reads_and_writes_one_claim_whatever_else_its_user_has() {
    let bed = TestEngine::start().await;
    let engine = bed.another(wide_limits(2 * CLAIMS)).await;
    let (id, me, other) = (bed.open_match().await, user(), user());
    let alone = work(&bed, &engine, id, other, 1000).await;
    for seat in 1..=CLAIMS {
        hold(&engine, id, me, &[seat]).await;
    }
    let beside_others = work(&bed, &engine, id, me, 1001).await;
    let calls = |text: &str| text.lines().count();
    assert!(calls(&beside_others) <= calls(&alone) + 3, "{beside_others}");
    assert!(beside_others.len() < 2500, "{} bytes:\n{beside_others}", beside_others.len());
}
