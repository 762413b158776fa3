//! The table of the seat commands: state before, call, reply, state after, what the streams say.

use crate::support::engine::{KEY, PRICE, Scene, Step, TestEngine, seats};
use grandstand::domain::best::Orphan;
use grandstand::domain::fact::PaymentStep;
use grandstand::domain::ids::{ReservationId, SeatId, UserId};
use grandstand::domain::money::{Attempt, Money, Refund};
use grandstand::engine::batch::Operation;
use grandstand::engine::command::MissedStep;
use grandstand::engine::error::{EngineError, Refusal};
use grandstand::engine::payments::{Begun, Outcome, Settled};
use grandstand::engine::reservations::{Cancelled, Source};

/// Who calls.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who {
    Me,
    Other,
}

/// One call of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Call {
    Hold(Who, &'static [u32]),
    /// With seats that must not be left alone: seat, neighbour, seats beyond the chosen ones.
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
    /// A payment unlike the one of the scene.
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
    Conclude(&'static str),
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

/// One line of the table.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub rule: &'static str,
    pub before: &'static [Step],
    pub call: Call,
    pub reply: &'static str,
    /// The seats in Redis afterwards; those that are not there are AVAILABLE.
    pub seats: &'static str,
    /// What the call appended to the changes of the match.
    pub told: &'static [&'static str],
    /// Which facts it appended to the journal.
    pub facts: &'static [&'static str],
}

/// Runs every line on a match of its own.
pub(crate) async fn check(table: &[Case]) {
    let bed = TestEngine::start().await;
    for case in table {
        let scene = bed.at(case.before).await;
        let id = scene.id();
        let (told, facts) = (bed.changes(id).await.len(), bed.journal(id).await.len());
        let reply = word(call(&scene, case.call).await);
        let name = format!("{}: {:?} then {:?}", case.rule, case.before, case.call);
        assert_eq!(reply, case.reply, "{name}");
        assert_eq!(bed.seats(id).await, case.seats, "{name}");
        assert_eq!(bed.changes(id).await[told..], *case.told, "{name}");
        let journal = bed.journal(id).await;
        let kinds: Vec<&str> = journal[facts..].iter().map(|fact| fact["t"].as_str()).collect();
        assert_eq!(kinds, case.facts, "{name}");
        bed.assert_sound().await;
        bed.assert_owned(id).await;
    }
}

/// The reply in one word; refusals as they are written in Rust.
pub(crate) fn word(reply: Result<String, EngineError>) -> String {
    match reply {
        Ok(word) => word,
        // The id of the claim is another one each time.
        Err(EngineError::Refused(Refusal::AlreadyHeld(_, seats))) => {
            format!("AlreadyHeld({seats:?})")
        }
        Err(EngineError::Refused(Refusal::ReservedByYou(_, seats))) => {
            format!("ReservedByYou({seats:?})")
        }
        Err(EngineError::Refused(Refusal::NotFound(_))) => "NotFound".to_owned(),
        Err(EngineError::Refused(refusal)) => format!("{refusal:?}"),
        Err(EngineError::NotLoaded) => "NotLoaded".to_owned(),
        Err(EngineError::Fenced) => "Fenced".to_owned(),
        Err(error) => panic!("{error:?}"),
    }
}

fn user(scene: &Scene<'_>, who: Who) -> UserId {
    match who {
        Who::Me => scene.me,
        Who::Other => scene.other,
    }
}

async fn call(scene: &Scene<'_>, call: Call) -> Result<String, EngineError> {
    let (engine, id) = (&scene.bed.engine, scene.id());
    let done = |word: &str| word.to_owned();
    match call {
        Call::Hold(who, list) => {
            let amount = PRICE * list.len() as i64;
            let hold =
                engine.hold(id, user(scene, who), seats(list), amount, &[], Operation::default());
            hold.await.map(|_| done("held"))
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
            hold.await.map(|_| done("held"))
        }
        Call::Best(who, count, choices) => {
            let choices: Vec<_> = choices.iter().map(|list| (PRICE, seats(list))).collect();
            let (who, operation) = (user(scene, who), Operation::default());
            let best = engine.hold_best(id, who, count, &choices, operation).await?;
            Ok(done(if best.is_ok() { "held" } else { "none" }))
        }
        Call::Release(who) => {
            engine.release(id, user(scene, who), scene.hold).await.map(|()| done("released"))
        }
        Call::ReleaseSeat(who, seat) => {
            let release = engine.release_seat(id, user(scene, who), seats(&[seat])[0], PRICE);
            release.await.map(|()| done("released"))
        }
        Call::Block(list) => engine.block(id, seats(list)).await.map(|()| done("blocked")),
        Call::Unblock(list) => engine.unblock(id, seats(list)).await.map(|()| done("unblocked")),
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
            reserve.await.map(|_| done("reserved"))
        }
        Call::ReserveSeats(who, list) => {
            let source = Source::Seats(seats(list).into_iter().map(|seat| (seat, PRICE)).collect());
            let reserve = engine.reserve(id, user(scene, who), source, Operation::default());
            reserve.await.map(|_| done("reserved"))
        }
        Call::Cancel(who) => {
            let cancelled = engine.cancel(id, user(scene, who), scene.reservation, &[]).await;
            cancelled.map(refunding)
        }
        Call::CancelPart(who, list) => {
            let part: Vec<_> = seats(list).into_iter().map(|seat| (seat, PRICE)).collect();
            let cancelled = engine.cancel(id, user(scene, who), scene.reservation, &part).await;
            cancelled.map(refunding)
        }
        payment => pay(scene, payment).await,
    }
}

fn refunding(cancelled: Cancelled) -> String {
    match cancelled {
        Cancelled::Now => "cancelled".to_owned(),
        Cancelled::Refunding { refund, journal, .. } => {
            let part = if refund.amount.is_some() { " a part" } else { "" };
            let known = if journal.is_some() { "" } else { " already" };
            format!("refunding{part}{known}")
        }
    }
}

fn expired(yes: bool) -> String {
    if yes { "expired" } else { "kept" }.to_owned()
}

async fn tell_again(scene: &Scene<'_>, call: Call) -> Result<String, EngineError> {
    let refund = if let Call::TellAgain(number) = call { number } else { 0 };
    let part_seats = seats(&[1]);
    let money = Money { attempt: 1, refund, part: PRICE, part_seats, ..Money::default() };
    let what = match call {
        Call::TellBegin => MissedStep::Begin,
        _ if refund > 0 => MissedStep::Refund(money),
        _ => MissedStep::Outcome,
    };
    let told = scene.bed.engine.tell_again(&scene.attempt(1), what).await;
    told.map(|told| if told { "told" } else { "waits" }.to_owned())
}

async fn pay(scene: &Scene<'_>, call: Call) -> Result<String, EngineError> {
    let (engine, id, one) = (&scene.bed.engine, scene.id(), scene.reservation);
    let new = grandstand::domain::ids::PaymentId::new(id.partition());
    let request = async |who, payment| {
        let (method, operation) = ("CARD".to_owned(), Operation::default());
        let request = engine.request_payment(id, user(scene, who), one, payment, method, operation);
        request.await.map(|answer| if answer == payment { "ready" } else { "another" }.to_owned())
    };
    let begin = async |who, payment, amount, key| {
        let begun = engine.begin_payment(id, user(scene, who), one, payment, amount, key).await;
        begun.map(|begun| match begun {
            Begun::Now { attempt, .. } => format!("begun {attempt}"),
            Begun::InProgress => "in progress".to_owned(),
            Begun::Paid => "paid".to_owned(),
        })
    };
    let settle_at = async |attempt: Attempt, outcome| {
        let settled = engine.settle_payment(&attempt, outcome).await;
        settled.map(|settled| match settled {
            Settled::Confirmed(Some(_)) => "confirmed".to_owned(),
            Settled::Confirmed(None) => "confirmed already".to_owned(),
            Settled::Pending(_) => "pending".to_owned(),
            Settled::Over => "over".to_owned(),
            Settled::Asked => "asked".to_owned(),
            Settled::Owed => "owed".to_owned(),
        })
    };
    let settle = async |outcome| settle_at(scene.attempt(1), outcome).await;
    let refund = async |number, refused| {
        let refund = Refund { payment: scene.payment, number, amount: None };
        let settled = engine.settle_refund(id, scene.me, one, &refund, refused).await;
        settled.map(|entry| if entry.is_some() { "noted" } else { "ended" }.to_owned())
    };
    match call {
        Call::Request(who) => request(who, scene.payment).await,
        Call::RequestNew(who) => request(who, new).await,
        Call::Begin(who, amount, key) => begin(who, scene.payment, amount, key).await,
        Call::BeginOther => begin(Who::Me, new, scene.amount(), KEY).await,
        Call::Approve => settle(Outcome::Approved).await,
        Call::ApproveOther => {
            settle_at(Attempt { payment: new, ..scene.attempt(1) }, Outcome::Approved).await
        }
        Call::Decline => settle(Outcome::Declined("NO".to_owned())).await,
        Call::Withdraw(ms) => settle(Outcome::Withdrawn(ms)).await,
        Call::Lose(list) => settle(Outcome::Lost(seats(list))).await,
        Call::ApproveAt(number) => settle_at(scene.attempt(number), Outcome::Approved).await,
        Call::WithdrawAt(number) => settle_at(scene.attempt(number), Outcome::Withdrawn(1)).await,
        Call::Ask(number) => {
            let asked = engine.mark_asked(&scene.attempt(number)).await;
            asked.map(|asked| if asked { "asked" } else { "over" }.to_owned())
        }
        Call::Conclude(fact) => {
            let money = Money { attempt: 1, ..Money::default() };
            let step = PaymentStep::from_word(fact).expect("a fact about a payment");
            let told = engine.record_orphan_payment(&scene.attempt(1), step, &money).await;
            told.map(|told| if told { "forgotten" } else { "known" }.to_owned())
        }
        Call::TellAgain(_) | Call::TellBegin => tell_again(scene, call).await,
        Call::Stretch(who) => {
            let stretched = engine.extend_reservation(id, user(scene, who), one, 1000).await;
            stretched.map(|()| "pending".to_owned())
        }
        Call::Refund => refund(1, None).await,
        Call::RefundAt(number) => refund(number, None).await,
        Call::RefuseRefund => refund(1, Some("NO".to_owned())).await,
        other => panic!("{other:?} is no call of a payment"),
    }
}
