//! The calls of the engine that a line of a table can make, by the users of a scene.

use crate::support::engine::{KEY, PRICE, Scene, all, seats, these};
use crate::support::table::Reply;
use grandstand::domain::fact::PaymentStep;
use grandstand::domain::ids::{PaymentId, ReservationId, SeatId, UserId};
use grandstand::domain::money::{Attempt, Money, Refund};
use grandstand::domain::orphans::Orphan;
use grandstand::engine::command::MissedStep;
use grandstand::engine::command::PaymentOutcome;
use grandstand::engine::error::EngineError;
use grandstand::engine::operation::Operation;
use grandstand::engine::payments::{Begun, Settled};
use grandstand::engine::reservations::{Cancelled, Source};

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    Me,
    Other,
}

/// One call of the engine.
#[derive(Debug, Clone, Copy)]
pub enum Call {
    Hold(Who, &'static [u32]),
    /// With seats that must not be left alone: the seat, its neighbour, and the seats beyond the
    /// chosen seats.
    HoldBeside(Who, &'static [u32], &'static [(u32, Option<u32>, &'static [u32])]),
    /// How many seats, and the choices.
    Best(Who, usize, &'static [&'static [u32]]),
    Release(Who),
    ReleaseSeat(Who, u32),
    Block(&'static [u32]),
    Unblock(&'static [u32]),
    ExpireHold,
    ExpireReservation,
    Reserve(Who),
    ReserveSeats(Who, &'static [u32]),
    Cancel(Who),
    CancelPart(Who, &'static [u32]),
    Request(Who),
    /// With a payment that is not the payment of the scene.
    RequestNew(Who),
    /// Amount and key.
    Begin(Who, i64, &'static str),
    /// With a payment that is not that of the reservation.
    BeginOther,
    Approve,
    /// With a payment that is not that of the reservation.
    ApproveOther,
    Decline,
    Withdraw(u64),
    Lose(&'static [u32]),
    Stretch(Who),
    /// An outcome of the attempt with this number.
    ApproveAt(u32),
    WithdrawAt(u32),
    Ask(u32),
    /// The end of the payment for the journal, with the kind of the fact.
    Conclude(PaymentStep),
    /// PostgreSQL waits for the outcome (0), or for the end of the refund of seat 1 with this
    /// number.
    TellAgain(u32),
    /// PostgreSQL does not know of the begin.
    TellBegin,
    Refund,
    /// The refund with this number.
    RefundAt(u32),
    RefuseRefund,
}

fn user(scene: &Scene<'_>, who: Who) -> UserId {
    match who {
        Who::Me => scene.me,
        Who::Other => scene.other,
    }
}

pub async fn call(scene: &Scene<'_>, call: Call) -> Result<Reply, EngineError> {
    let (engine, id) = (&scene.bed.engine, scene.id());
    match call {
        Call::Hold(who, list) => {
            let amount = PRICE * list.len() as i64;
            let hold =
                engine.hold(id, user(scene, who), seats(list), amount, &[], Operation::default());
            hold.await.map(|_| Reply::Held)
        }
        Call::HoldBeside(who, list, beside) => {
            let orphan = |(seat, near, beyond): &(u32, Option<u32>, &[u32])| Orphan {
                seat: SeatId(*seat),
                near: near.map(SeatId),
                beyond: seats(beyond),
            };
            let beside: Vec<Orphan> = beside.iter().map(orphan).collect();
            let (who, operation) = (user(scene, who), Operation::default());
            let hold = engine.hold(id, who, seats(list), PRICE, &beside, operation);
            hold.await.map(|_| Reply::Held)
        }
        Call::Best(who, count, choices) => {
            let choices: Vec<_> = choices.iter().map(|list| (PRICE, seats(list))).collect();
            let (who, operation) = (user(scene, who), Operation::default());
            let best = engine.hold_best(id, who, count, &choices, operation).await?;
            Ok(if best.is_ok() { Reply::Held } else { Reply::NoChoice })
        }
        Call::Release(who) => {
            engine.release(id, user(scene, who), scene.hold).await.map(|()| Reply::Released)
        }
        Call::ReleaseSeat(who, seat) => {
            let release = engine.release_seat(id, user(scene, who), seats(&[seat])[0], PRICE, None);
            release.await.map(|()| Reply::Released)
        }
        Call::Block(list) => engine.block(id, seats(list)).await.map(|()| Reply::Blocked),
        Call::Unblock(list) => engine.unblock(id, seats(list)).await.map(|()| Reply::Unblocked),
        Call::ExpireHold => {
            let hold = ReservationId(scene.hold.0);
            engine.expire(id, scene.me, hold).await.map(expired)
        }
        Call::ExpireReservation => {
            engine.expire(id, scene.me, scene.reservation).await.map(expired)
        }
        Call::Reserve(who) => {
            let (source, operation) = (Source::Hold(scene.hold), Operation::default());
            let reserve = engine.reserve(id, user(scene, who), source, operation);
            reserve.await.map(|_| Reply::Reserved)
        }
        Call::ReserveSeats(who, list) => {
            let priced = seats(list).into_iter().map(|seat| (seat, PRICE)).collect();
            let source = Source::Seats(priced, None);
            let reserve = engine.reserve(id, user(scene, who), source, Operation::default());
            reserve.await.map(|_| Reply::Reserved)
        }
        Call::Cancel(who) => {
            let cancelled = engine
                .cancel(id, user(scene, who), scene.reservation, all(), Operation::default())
                .await;
            cancelled.map(refunding)
        }
        Call::CancelPart(who, list) => {
            let part: Vec<_> = seats(list).into_iter().map(|seat| (seat, PRICE)).collect();
            let cancelled = engine
                .cancel(id, user(scene, who), scene.reservation, these(&part), Operation::default())
                .await;
            cancelled.map(refunding)
        }
        payment => pay(scene, payment).await,
    }
}

fn refunding(cancelled: Cancelled) -> Reply {
    match cancelled {
        Cancelled::Now => Reply::Cancelled,
        Cancelled::Refunding { refund, journal, .. } => match (refund.amount, journal) {
            (None, Some(_)) => Reply::Refunding,
            (None, None) => Reply::RefundingAlready,
            (Some(_), Some(_)) => Reply::RefundingPart,
            (Some(_), None) => Reply::RefundingPartAlready,
        },
    }
}

fn expired(yes: bool) -> Reply {
    if yes { Reply::Expired } else { Reply::Kept }
}

async fn tell_again(scene: &Scene<'_>, call: Call) -> Result<Reply, EngineError> {
    let refund = if let Call::TellAgain(number) = call { number } else { 0 };
    let part_seats = seats(&[1]);
    let money = Money { attempt: 1, refund, part: PRICE, part_seats, ..Money::default() };
    let what = match call {
        Call::TellBegin => MissedStep::Begin,
        _ if refund > 0 => MissedStep::Refund(money),
        _ => MissedStep::Outcome,
    };
    let told = scene.bed.engine.tell_again(&scene.attempt(1), what).await;
    told.map(|told| if told { Reply::Told } else { Reply::Waits })
}

async fn conclude(scene: &Scene<'_>, fact: PaymentStep) -> Result<Reply, EngineError> {
    let (engine, money) = (&scene.bed.engine, Money { attempt: 1, ..Money::default() });
    let told = engine.record_orphan_payment(&scene.attempt(1), fact, &money).await;
    told.map(|told| if told { Reply::Recorded } else { Reply::Known })
}

async fn pay(scene: &Scene<'_>, call: Call) -> Result<Reply, EngineError> {
    let (engine, id, reservation) = (&scene.bed.engine, scene.id(), scene.reservation);
    let new = PaymentId::new(id.partition());
    let request = async |who, payment| {
        let (method, operation) = ("CARD".to_owned(), Operation::default());
        let request =
            engine.request_payment(id, user(scene, who), reservation, payment, method, operation);
        let ready = |same| if same { Reply::Ready } else { Reply::AnotherPayment };
        request.await.map(|answer| ready(answer == payment))
    };
    let begin = async |who, payment, amount, key| {
        let begun =
            engine.begin_payment(id, user(scene, who), reservation, payment, amount, key).await;
        begun.map(|begun| match begun {
            Begun::Now { attempt, .. } => Reply::Begun(attempt),
            Begun::InProgress => Reply::InProgress,
            Begun::Paid => Reply::Paid,
        })
    };
    let settle_at = async |attempt: Attempt, outcome| {
        let settled = engine.settle_payment(&attempt, outcome).await;
        settled.map(|settled| match settled {
            Settled::Confirmed(Some(_)) => Reply::Confirmed,
            Settled::Confirmed(None) => Reply::ConfirmedAlready,
            Settled::Pending(_) => Reply::Pending,
            Settled::Over => Reply::Over,
            Settled::Asked => Reply::Asked,
            Settled::Owed => Reply::Owed,
        })
    };
    let other = Attempt { payment: new, ..scene.attempt(1) };
    let settle = |outcome| settle_at(scene.attempt(1), outcome);
    let refund = async |number, refused| {
        let refund = Refund { payment: scene.payment, number, amount: None };
        let settled = engine.settle_refund(id, scene.me, reservation, &refund, refused).await;
        settled.map(|entry| if entry.is_some() { Reply::RefundNoted } else { Reply::RefundEnded })
    };
    match call {
        Call::Request(who) => request(who, scene.payment).await,
        Call::RequestNew(who) => request(who, new).await,
        Call::Begin(who, amount, key) => begin(who, scene.payment, amount, key).await,
        Call::BeginOther => begin(Who::Me, new, scene.amount(), KEY).await,
        Call::Approve => settle(PaymentOutcome::Approved).await,
        Call::ApproveOther => settle_at(other, PaymentOutcome::Approved).await,
        Call::Decline => settle(PaymentOutcome::Declined("NO".to_owned())).await,
        Call::Withdraw(ms) => settle(PaymentOutcome::Withdrawn(ms)).await,
        Call::Lose(list) => settle(PaymentOutcome::Lost(seats(list))).await,
        Call::ApproveAt(number) => settle_at(scene.attempt(number), PaymentOutcome::Approved).await,
        Call::WithdrawAt(number) => {
            settle_at(scene.attempt(number), PaymentOutcome::Withdrawn(1)).await
        }
        Call::Ask(number) => {
            let asked = engine.mark_asked(&scene.attempt(number)).await;
            asked.map(|asked| if asked { Reply::Asked } else { Reply::Over })
        }
        Call::Conclude(fact) => conclude(scene, fact).await,
        Call::TellAgain(_) | Call::TellBegin => tell_again(scene, call).await,
        Call::Stretch(who) => {
            let stretched =
                engine.extend_reservation(id, user(scene, who), reservation, 1000).await;
            stretched.map(|()| Reply::Pending)
        }
        Call::Refund => refund(1, None).await,
        Call::RefundAt(number) => refund(number, None).await,
        Call::RefuseRefund => refund(1, Some("NO".to_owned())).await,
        other => panic!("{other:?} is no call of a payment"),
    }
}
