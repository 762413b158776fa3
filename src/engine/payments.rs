//! Payments: request, begin, outcome, refund. The money itself moves between these steps, in
//! `checkout` and `workers`.

use crate::domain::fact::PaymentStep;
use crate::domain::ids::{MatchId, PaymentId, ReservationId, UserId};
use crate::domain::money::{Attempt, Money, Refund};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::command::{MissedStep, PaymentOutcome, SeatCommand};
use crate::engine::error::{EngineError, Noun};
use crate::engine::operation::Operation;
use crate::engine::reply::{bad, done_with, first_word, refusal};

/// What has become of a begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The begin is in the journal. The gateway may be asked once PostgreSQL has it.
    Now { attempt: u32, journal: StreamId },
    /// The same payment began before and has no outcome yet.
    InProgress,
    /// The same payment is paid.
    Paid,
}

/// What has become of the reservation after an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Sold. There is no journal entry when an earlier call wrote it.
    Confirmed(Option<StreamId>),
    /// It waits for another payment until this deadline in ms.
    Pending(i64),
    /// The seats are free again, or the reservation is on a later attempt.
    Over,
    /// It is too late to withdraw the attempt, because the reconciler has asked the gateway for its
    /// money.
    Asked,
    /// It is paid and the seats are gone. The journal has the refund that is owed.
    Owed,
}

impl PaymentOutcome {
    /// Its name in the scripts and in the metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined(_) => "declined",
            Self::Withdrawn(_) => "withdrawn",
            Self::Lost(_) => "lost",
        }
    }
}

impl Engine {
    /// A new payment for a PENDING reservation, which replaces the one before. Returns its id,
    /// which is that of the first call under an Idempotency-Key.
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
        self.mark_operation(user, &operation).await?;
        let command = SeatCommand::RequestPayment { reservation, user, payment, method };
        // Otherwise a repeated command would take the place of a later payment.
        let has_key = !operation.key.is_empty();
        let operation = if has_key { operation } else { Operation::of_one_call() };
        let reply = self.batcher.run_once(match_id, command, operation).await?;
        let part: Vec<&str> = reply.split(' ').collect();
        match part[..] {
            ["ready", payment, _] => PaymentId::from_key(payment).ok_or_else(|| bad(&reply)),
            _ => Err(refusal(&reply, Noun::Reservation)),
        }
    }

    /// PENDING → PAYING: from here on no deadline frees the seats. `amount` is in KRW.
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
        let payment_key = payment_key.to_owned();
        let command = SeatCommand::BeginPayment { reservation, user, payment, amount, payment_key };
        // A call that the batcher repeats gets its first reply, and not that another one has begun.
        let reply = self.batcher.run_once(match_id, command, Operation::of_one_call()).await?;
        let part: Vec<&str> = reply.split(' ').collect();
        match part[..] {
            ["begun", attempt, id] => {
                let attempt = attempt.parse().map_err(|_| bad(&reply))?;
                Ok(Begun::Now { attempt, journal: id.parse().map_err(|_| bad(&reply))? })
            }
            ["in_progress"] => Ok(Begun::InProgress),
            ["paid"] => Ok(Begun::Paid),
            _ => Err(refusal(&reply, Noun::Reservation)),
        }
    }

    /// Marks an attempt that another process began, before the gateway is asked for its money, or
    /// one whose outcome is not known: from here on the attempt cannot be withdrawn, and its
    /// payment is shown as UNKNOWN. Returns `false` when the reservation does not wait for it any
    /// more.
    pub async fn mark_asked(&self, attempt: &Attempt) -> Result<bool, EngineError> {
        let command = SeatCommand::MarkAsked { attempt: attempt.clone() };
        match self.batcher.run(attempt.match_id, command).await?.as_str() {
            "asked" => Ok(true),
            "over" => Ok(false),
            reply => Err(refusal(reply, Noun::Reservation)),
        }
    }

    /// Moves a reservation on by the outcome of an attempt. An outcome that is repeated, or that
    /// comes after a later attempt has begun, changes nothing.
    pub async fn settle_payment(
        &self,
        attempt: &Attempt,
        outcome: PaymentOutcome,
    ) -> Result<Settled, EngineError> {
        let (is_approved, word) = (outcome == PaymentOutcome::Approved, outcome.word());
        let command = SeatCommand::SettlePayment { attempt: attempt.clone(), outcome };
        let reply = self.batcher.run(attempt.match_id, command).await?;
        let part: Vec<&str> = reply.split(' ').collect();
        // A reply with the id of a fact has changed something; a repeated outcome has none.
        if matches!(part[..], ["confirmed" | "expired" | "lost", _] | ["pending", _, _]) {
            metrics::counter!("grandstand_payments_total", "outcome" => word).increment(1);
        }
        match part[0] {
            // A node settles it, or the reconciler.
            "confirmed" if part.len() > 1 => {
                metrics::counter!("grandstand_reservations_confirmed_total").increment(1);
            }
            "owed" if is_approved => {
                metrics::counter!("grandstand_refunds_owed_total").increment(1);
            }
            _ => {}
        }
        match part[..] {
            ["confirmed", ref rest @ ..] => {
                Ok(Settled::Confirmed(rest.first().and_then(|id| id.parse().ok())))
            }
            ["pending", deadline, ..] => {
                Ok(Settled::Pending(deadline.parse().map_err(|_| bad(&reply))?))
            }
            ["expired" | "lost" | "ended", ..] => Ok(Settled::Over),
            ["asked"] => Ok(Settled::Asked),
            ["owed", ..] => Ok(Settled::Owed),
            _ => Err(refusal(&reply, Noun::Reservation)),
        }
    }

    /// Writes to the journal what has become of a payment whose reservation is gone or has moved
    /// on, so that PostgreSQL gets it. Returns `false` when the reservation is still on this
    /// payment, and writes its own facts.
    pub async fn record_orphan_payment(
        &self,
        attempt: &Attempt,
        fact: PaymentStep,
        money: &Money,
    ) -> Result<bool, EngineError> {
        let (attempt, money) = (attempt.clone(), money.clone());
        let match_id = attempt.match_id;
        let command = SeatCommand::RecordOrphan { attempt, fact, money };
        let reply = self.batcher.run(match_id, command).await?;
        match first_word(&reply) {
            "recorded" => Ok(true),
            "known" => Ok(false),
            _ => Err(refusal(&reply, Noun::Reservation)),
        }
    }

    /// Writes the fact of a step again as it stands now, because PostgreSQL has all of the journal
    /// and has missed the step. Returns `false` when Redis has not taken the step, or does not know
    /// the payment.
    pub async fn tell_again(
        &self,
        attempt: &Attempt,
        step: MissedStep,
    ) -> Result<bool, EngineError> {
        let command = SeatCommand::TellAgain { attempt: attempt.clone(), step };
        let reply = self.batcher.run(attempt.match_id, command).await?;
        match first_word(&reply) {
            "told" => Ok(true),
            "gone" | "waits" => Ok(false),
            _ => Err(refusal(&reply, Noun::Reservation)),
        }
    }

    /// Gives a PENDING reservation at least `extra_ms` from now, when the fault is on our side.
    pub async fn extend_reservation(
        &self,
        match_id: MatchId,
        user: UserId,
        reservation: ReservationId,
        extra_ms: u64,
    ) -> Result<(), EngineError> {
        let command = SeatCommand::Extend { reservation, user, extra_ms };
        done_with(&self.batcher.run(match_id, command).await?, "pending", Noun::Reservation)
    }

    /// Ends a refund: its money is back and its seats are free, or (with the code of the gateway)
    /// its money will not come back and its seats stay sold. Returns `None` when the reservation
    /// does not wait for this refund.
    pub async fn settle_refund(
        &self,
        match_id: MatchId,
        user: UserId,
        reservation: ReservationId,
        refund: &Refund,
        refused: Option<String>,
    ) -> Result<Option<StreamId>, EngineError> {
        let (payment, refund) = (refund.payment, refund.number);
        let command = SeatCommand::SettleRefund { reservation, user, payment, refund, refused };
        let reply = self.batcher.run(match_id, command).await?;
        let part: Vec<&str> = reply.split(' ').collect();
        match part[..] {
            ["refunded" | "kept", id] => Ok(id.parse().ok()),
            ["ended"] => Ok(None),
            _ => Err(refusal(&reply, Noun::Reservation)),
        }
    }
}
