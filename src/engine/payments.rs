//! Payments: request, begin, outcome, refund. Money itself moves in `api` and `workers`, between
//! these steps.

use crate::domain::claim::Claim;
use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::{Attempt, Money, Refund};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::batch::{Command, Operation};
use crate::engine::error::EngineError;
use crate::engine::seats::{bad, refusal};
use uuid::Uuid;

/// What `begin` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The claim is in the journal; the gateway may be asked once PostgreSQL has it.
    Now { attempt: u32, journal: StreamId },
    /// The same payment began before and has no outcome yet.
    InProgress,
    /// The same payment is paid.
    Paid,
}

/// The outcome of a payment, as the gateway or the claim in PostgreSQL decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Approved,
    /// The gateway refused for good, with its code.
    Declined(String),
    /// The gateway was not asked; the reservation gets at least so many ms more.
    Withdrawn(u64),
    /// PostgreSQL has an earlier sale of these seats.
    Lost(Vec<SeatId>),
}

/// What became of the reservation after an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Sold; the journal entry is missing when an earlier call wrote it.
    Confirmed(Option<StreamId>),
    /// Waiting for another payment until this deadline in ms.
    Pending(i64),
    /// The seats are free again, or the reservation is on a later attempt.
    Over,
    /// Too late to take the attempt back: the reconciler has asked the gateway for its money.
    Asked,
    /// Paid, and nothing can be given for it: the journal says that the money goes back.
    Owed,
}

/// Which step PostgreSQL has missed.
#[derive(Debug, Clone, Copy)]
pub enum Again<'a> {
    /// The begin of a payment, or of a refund: whichever is under way.
    Begin,
    /// The outcome of a payment, with the refunds since.
    Outcome,
    /// The end of this refund.
    Refund(&'a Money),
}

impl Engine {
    /// A new payment for a PENDING reservation, which replaces the one before; answers its
    /// id, which is that of the first call under an Idempotency-Key.
    ///
    /// Refusals: `ExistsDifferent`, `NotFound`, `ReservationEnded`, `NotPending`.
    pub async fn request_payment(
        &self,
        match_id: MatchId,
        user: UserId,
        reservation: ReservationId,
        payment: PaymentId,
        method: String,
        operation: Operation,
    ) -> Result<PaymentId, EngineError> {
        let mut command = Command::new("request", match_id, reservation.key());
        command.user = user.key();
        command.source = payment.key();
        command.first = method;
        command.operation = operation;
        let line = self.batcher.run(command).await?;
        let part: Vec<&str> = line.split(' ').collect();
        match part[..] {
            ["ready", payment, _] => PaymentId::from_key(payment).ok_or_else(|| bad(&line)),
            _ => Err(refusal(&line)),
        }
    }

    /// The reservation of a payment of a user, while Redis knows it: live, or ended not long ago.
    pub async fn reservation_of_payment(
        &self,
        user: UserId,
        payment: PaymentId,
    ) -> Result<Option<ReservationId>, EngineError> {
        let partition = payment.partition();
        let is_on = |claim: &Claim| claim.payment.as_ref().is_some_and(|one| one.id == payment);
        let live = self.claims_of(partition, user).await?;
        if let Some(claim) = live.iter().find(|claim| is_on(claim)) {
            return Ok(Some(claim.id));
        }
        let ended = self.remembered(partition, format!("p:{}", payment.key())).await?;
        Ok(ended.and_then(|id| ReservationId::from_key(&id)))
    }

    /// PENDING → PAYING: from here on no deadline frees the seats.
    ///
    /// Refusals: `NotFound`, `ReservationEnded`, `NotPending`, `AmountMismatch`, `PaymentFailed`,
    /// `PaymentsHalted`.
    pub async fn begin_payment(
        &self,
        match_id: MatchId,
        user: UserId,
        reservation: ReservationId,
        payment: PaymentId,
        amount: i64,
        payment_key: &str,
    ) -> Result<Begun, EngineError> {
        let mut command = Command::new("begin", match_id, reservation.key());
        command.user = user.key();
        command.source = payment.key();
        command.first = amount.to_string();
        command.second = payment_key.to_owned();
        // A call that the batcher repeats gets its first reply, and not that somebody has begun.
        let (key, fingerprint) = (format!("b:{}", Uuid::now_v7().simple()), "b".to_owned());
        command.operation = Operation { key, fingerprint };
        let line = self.batcher.run(command).await?;
        let part: Vec<&str> = line.split(' ').collect();
        match part[..] {
            ["begun", attempt, id] => {
                let attempt = attempt.parse().map_err(|_| bad(&line))?;
                Ok(Begun::Now { attempt, journal: id.parse().map_err(|_| bad(&line))? })
            }
            ["in_progress"] => Ok(Begun::InProgress),
            ["paid"] => Ok(Begun::Paid),
            _ => Err(refusal(&line)),
        }
    }

    /// Before the gateway is asked for the money of an attempt that another process began: from
    /// here on it can't be taken back. `false` when the reservation does not wait for it any more.
    pub async fn ask_payment(&self, attempt: &Attempt) -> Result<bool, EngineError> {
        let mut command = command("ask", attempt);
        command.first = attempt.number.to_string();
        match self.batcher.run(command).await?.as_str() {
            "asked" => Ok(true),
            "over" => Ok(false),
            line => Err(refusal(line)),
        }
    }

    /// The outcome of an attempt moves its reservation on; repeated, or after a later attempt has
    /// begun, it changes nothing.
    pub async fn settle_payment(
        &self,
        attempt: &Attempt,
        outcome: Outcome,
    ) -> Result<Settled, EngineError> {
        let mut command = command("outcome", attempt);
        let word = match outcome {
            Outcome::Approved => {
                let money = Money { attempt: attempt.number, ..Money::default() };
                tell(&mut command, attempt, &money);
                "approved"
            }
            Outcome::Declined(code) => {
                command.second = code;
                "declined"
            }
            Outcome::Withdrawn(extra_ms) => {
                command.second = extra_ms.to_string();
                "withdrawn"
            }
            Outcome::Lost(seats) => {
                command.seats = seats;
                "lost"
            }
        };
        command.first = format!("{word} {}", attempt.number);
        let line = self.batcher.run(command).await?;
        let part: Vec<&str> = line.split(' ').collect();
        match part[..] {
            ["confirmed", ref rest @ ..] => {
                Ok(Settled::Confirmed(rest.first().and_then(|id| id.parse().ok())))
            }
            ["pending", deadline, ..] => {
                Ok(Settled::Pending(deadline.parse().map_err(|_| bad(&line))?))
            }
            ["expired" | "lost" | "ended", ..] => Ok(Settled::Over),
            ["asked"] => Ok(Settled::Asked),
            ["owed", ..] => Ok(Settled::Owed),
            _ => Err(refusal(&line)),
        }
    }

    /// Notes what became of a payment whose reservation is gone or has moved on, so that PostgreSQL
    /// hears of it: `fact` is its kind in the journal. `false` when the reservation is still on
    /// this payment, and has its say itself.
    pub async fn forget_payment(
        &self,
        attempt: &Attempt,
        fact: &str,
        money: &Money,
    ) -> Result<bool, EngineError> {
        let mut command = command("forget", attempt);
        command.first = fact.to_owned();
        tell(&mut command, attempt, money);
        let line = self.batcher.run(command).await?;
        match line.split(' ').next() {
            Some("forgotten") => Ok(true),
            Some("known") => Ok(false),
            _ => Err(refusal(&line)),
        }
    }

    /// PostgreSQL has all of the journal, and has missed a step of a payment: has the fact written
    /// again as it stands now. `false` when Redis has not taken the step, or knows nothing of the
    /// payment.
    pub async fn tell_again(
        &self,
        attempt: &Attempt,
        what: Again<'_>,
    ) -> Result<bool, EngineError> {
        let mut command = command("again", attempt);
        command.first = match what {
            Again::Begin => "begin 0".to_owned(),
            Again::Outcome => "outcome 0".to_owned(),
            Again::Refund(money) => {
                tell(&mut command, attempt, money);
                format!("refund {}", money.refund)
            }
        };
        let line = self.batcher.run(command).await?;
        match line.split(' ').next() {
            Some("told") => Ok(true),
            Some("gone" | "waits") => Ok(false),
            _ => Err(refusal(&line)),
        }
    }

    /// Gives a PENDING reservation at least `extra_ms` more, when the fault is ours.
    pub async fn stretch_reservation(
        &self,
        match_id: MatchId,
        user: UserId,
        reservation: ReservationId,
        extra_ms: u64,
    ) -> Result<(), EngineError> {
        let mut command = Command::new("stretch", match_id, reservation.key());
        command.user = user.key();
        command.first = extra_ms.to_string();
        let line = self.batcher.run(command).await?;
        if line.starts_with("pending ") { Ok(()) } else { Err(refusal(&line)) }
    }

    /// The money of a refund is back (or, with a code, will not come back): its seats are free (or
    /// stay sold). `None` when the reservation does not wait for this refund.
    pub async fn settle_refund(
        &self,
        match_id: MatchId,
        user: UserId,
        reservation: ReservationId,
        refund: &Refund,
        refused: Option<String>,
    ) -> Result<Option<StreamId>, EngineError> {
        let mut command = Command::new("refund", match_id, reservation.key());
        command.user = user.key();
        command.source = refund.payment.key();
        let word = if refused.is_some() { "refused" } else { "done" };
        command.first = format!("{word} {}", refund.number);
        command.second = refused.unwrap_or_default();
        let line = self.batcher.run(command).await?;
        let part: Vec<&str> = line.split(' ').collect();
        match part[..] {
            ["refunded" | "kept", id] => Ok(id.parse().ok()),
            ["ended"] => Ok(None),
            _ => Err(refusal(&line)),
        }
    }
}

fn command(name: &'static str, attempt: &Attempt) -> Command {
    let mut command = Command::new(name, attempt.match_id, attempt.reservation.key());
    command.user = attempt.user.key();
    command.source = attempt.payment.key();
    command
}

/// What `claim_told` of `lua/lib/money.lua` reads.
fn tell(command: &mut Command, attempt: &Attempt, money: &Money) {
    let Attempt { amount, method, payment_key, .. } = attempt;
    command.second = format!("{amount}|{method}|{payment_key}|{}", money.text());
    command.seats.clone_from(&attempt.seats);
}
