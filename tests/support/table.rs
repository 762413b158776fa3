//! Tables of seat commands: the state before, the command, what is expected, the state afterwards,
//! and what the streams say.

use crate::support::calls::{Call, call};
use crate::support::engine::{Step, TestEngine, seats};
use grandstand::domain::ids::{HoldId, ReservationId};
use grandstand::engine::error::{EngineError, OpenClaim, Refusal};
use uuid::Uuid;

/// What a call returns when it does what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// For calls whose success has no further kinds.
    Done,
    Held,
    /// None of the choices is whole.
    NoChoice,
    Released,
    Blocked,
    Unblocked,
    Expired,
    /// Nothing has expired.
    Kept,
    Reserved,
    Cancelled,
    /// The money of all seats that are left goes back.
    Refunding,
    RefundingAlready,
    /// The money of some seats goes back.
    RefundingPart,
    RefundingPartAlready,
    Ready,
    /// An earlier payment is returned, not the one of the call.
    AnotherPayment,
    /// The number of the attempt.
    Begun(u32),
    InProgress,
    Paid,
    Confirmed,
    ConfirmedAlready,
    Pending,
    Over,
    Asked,
    Owed,
    /// The end of a refund is in the journal now.
    RefundNoted,
    /// The refund had ended before.
    RefundEnded,
    /// The end of a payment without a reservation is in the journal now.
    Recorded,
    /// The reservation is on the payment, so nothing is recorded.
    Known,
    /// The journal has the fact again.
    Told,
    /// The payment waits in Redis as well, so there is nothing to tell.
    Waits,
}

/// What a call is expected to end in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    Reply(Reply),
    Refused(Refusal),
    NotLoaded,
    Fenced,
}

impl From<Reply> for Expect {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl From<Refusal> for Expect {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl PartialEq<Reply> for Expect {
    fn eq(&self, reply: &Reply) -> bool {
        *self == Self::Reply(*reply)
    }
}

impl PartialEq<Refusal> for Expect {
    fn eq(&self, refusal: &Refusal) -> bool {
        *self == Self::Refused(refusal.clone())
    }
}

pub fn taken(list: &[u32]) -> Refusal {
    Refusal::Taken(seats(list))
}

pub fn orphan(list: &[u32]) -> Refusal {
    Refusal::Orphan(seats(list))
}

pub fn hold_expired(list: &[u32]) -> Refusal {
    Refusal::HoldExpired(seats(list))
}

/// In a hold of the same user, whatever its id.
pub fn already_held(list: &[u32]) -> Refusal {
    Refusal::AlreadyHeld(HoldId(Uuid::nil()), seats(list))
}

/// In a reservation of the same user, whatever its id.
pub fn reserved_by_you(list: &[u32]) -> Refusal {
    Refusal::ReservedByYou(ReservationId(Uuid::nil()), seats(list))
}

/// One line of a table. What a line does not say is empty: nothing was done before, no seat is
/// taken afterwards, nobody is told.
#[derive(Clone)]
pub struct Case {
    rule: &'static str,
    given: &'static [Step],
    command: Option<Call>,
    expect: Option<Expect>,
    seats: &'static str,
    changes: &'static [&'static str],
    facts: &'static [&'static str],
}

pub fn case(rule: &'static str) -> Case {
    Case { rule, given: &[], command: None, expect: None, seats: "", changes: &[], facts: &[] }
}

impl Case {
    /// The steps that the scene has taken before.
    pub fn given(self, given: &'static [Step]) -> Self {
        Self { given, ..self }
    }

    pub fn command(self, command: Call) -> Self {
        Self { command: Some(command), ..self }
    }

    pub fn expect(self, expect: impl Into<Expect>) -> Self {
        Self { expect: Some(expect.into()), ..self }
    }

    /// The seats in Redis afterwards. Seats that are not there are AVAILABLE.
    pub fn seats(self, seats: &'static str) -> Self {
        Self { seats, ..self }
    }

    /// What the command appends to the changes of the match.
    pub fn changes(self, changes: &'static [&'static str]) -> Self {
        Self { changes, ..self }
    }

    /// The kinds of the facts that the command appends to the journal.
    pub fn facts(self, facts: &'static [&'static str]) -> Self {
        Self { facts, ..self }
    }
}

/// Runs every line on a match of its own.
pub async fn check(table: &[Case]) {
    let bed = TestEngine::start().await;
    for case in table {
        let name = format!("{}: {:?} then {:?}", case.rule, case.given, case.command);
        let command = case.command.expect("a line has a command");
        let expected = case.expect.clone().expect("a line says what it expects");
        let scene = bed.at(case.given).await;
        let id = scene.id();
        let (changes, facts) = (bed.changes(id).await.len(), bed.journal(id).await.len());
        assert_eq!(outcome(call(&scene, command).await), expected, "{name}");
        assert_eq!(bed.seats(id).await, case.seats, "{name}");
        assert_eq!(bed.changes(id).await[changes..], *case.changes, "{name}");
        let journal = bed.journal(id).await;
        let kinds: Vec<&str> = journal[facts..].iter().map(|fact| fact["t"].as_str()).collect();
        assert_eq!(kinds, case.facts, "{name}");
        bed.assert_sound().await;
        bed.assert_owned(id).await;
    }
}

/// What a call ended in, when its success has no further kinds.
pub fn done<T>(result: Result<T, EngineError>) -> Expect {
    outcome(result.map(|_| Reply::Done))
}

/// What a call ended in.
fn outcome(result: Result<Reply, EngineError>) -> Expect {
    match result {
        Ok(reply) => Expect::Reply(reply),
        Err(EngineError::Refused(refusal)) => Expect::Refused(without_id(refusal)),
        Err(EngineError::NotLoaded) => Expect::NotLoaded,
        Err(EngineError::Fenced) => Expect::Fenced,
        Err(error) => panic!("{error:?}"),
    }
}

/// The id of the claim is another id each time.
fn without_id(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::AlreadyHeld(_, seats) => Refusal::AlreadyHeld(HoldId(Uuid::nil()), seats),
        Refusal::ReservedByYou(_, seats) => {
            Refusal::ReservedByYou(ReservationId(Uuid::nil()), seats)
        }
        Refusal::OneHold(OpenClaim::Hold(_)) => one_hold(),
        Refusal::OneHold(OpenClaim::Reservation(_)) => one_reservation(),
        other => other,
    }
}

/// The hold of the same user that is not reserved, whatever its id.
pub fn one_hold() -> Refusal {
    Refusal::OneHold(OpenClaim::Hold(HoldId(Uuid::nil())))
}

/// The reservation of the same user that is not paid, whatever its id.
pub fn one_reservation() -> Refusal {
    Refusal::OneHold(OpenClaim::Reservation(ReservationId(Uuid::nil())))
}
