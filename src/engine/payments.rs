//! Payments: request, begin, outcome, refund. Money itself moves in `api` and `workers`, between
//! these steps.

use crate::domain::ids::{MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::batch::{Command, Operation};
use crate::engine::error::EngineError;
use crate::engine::seats::{bad, refusal};
use crate::redis::keys::PartitionKeys;
use fred::prelude::*;

/// What `begin` answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// The claim is in the journal; the gateway may be asked once PostgreSQL has it.
    Now(StreamId),
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

/// A payment whose reservation Redis does not know any more, and how it ended.
#[derive(Debug, Clone)]
pub struct Forgotten {
    pub match_id: MatchId,
    pub user: UserId,
    pub reservation: ReservationId,
    pub payment: PaymentId,
    pub seats: Vec<SeatId>,
    /// In KRW.
    pub amount: i64,
    pub method: String,
    pub payment_key: String,
    /// `payment_declined`, `payment_lost` or `payment_refunded`.
    pub fact: &'static str,
}

/// What became of the reservation after an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Sold; the journal entry is missing when an earlier call wrote it.
    Confirmed(Option<StreamId>),
    /// Waiting for another payment until this deadline in ms.
    Pending(i64),
    /// The seats are free again.
    Over,
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

    /// The reservation of a payment, while Redis knows it: live, or ended not long ago.
    pub async fn reservation_of_payment(
        &self,
        payment: PaymentId,
    ) -> Result<Option<ReservationId>, EngineError> {
        let Ok(client) = self.client(payment.partition()) else { return Ok(None) };
        let keys = PartitionKeys(payment.partition());
        let live: Option<String> = client.hget(keys.payments(), payment.key()).await?;
        if let Some(id) = live {
            return Ok(ReservationId::from_key(&id));
        }
        for ring in keys.operations() {
            let ended: Option<String> = client.hget(ring, format!("p:{}", payment.key())).await?;
            if let Some(id) = ended {
                return Ok(ReservationId::from_key(&id));
            }
        }
        Ok(None)
    }

    /// PENDING → PAYING: from here on no deadline frees the seats.
    ///
    /// Refusals: `NotFound`, `ReservationEnded`, `NotPending`, `AmountMismatch`, `PaymentFailed`.
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
        let line = self.batcher.run(command).await?;
        let part: Vec<&str> = line.split(' ').collect();
        match part[..] {
            ["begun", id] => Ok(Begun::Now(id.parse().map_err(|_| bad(&line))?)),
            ["in_progress"] => Ok(Begun::InProgress),
            ["paid"] => Ok(Begun::Paid),
            _ => Err(refusal(&line)),
        }
    }

    /// The outcome of a payment moves its reservation on; repeated, it changes nothing.
    pub async fn settle_payment(
        &self,
        match_id: MatchId,
        reservation: ReservationId,
        payment: PaymentId,
        outcome: Outcome,
    ) -> Result<Settled, EngineError> {
        let mut command = Command::new("outcome", match_id, reservation.key());
        command.source = payment.key();
        match outcome {
            Outcome::Approved => command.first = "approved".to_owned(),
            Outcome::Declined(code) => {
                command.first = "declined".to_owned();
                command.second = code;
            }
            Outcome::Withdrawn(extra_ms) => {
                command.first = "withdrawn".to_owned();
                command.second = extra_ms.to_string();
            }
            Outcome::Lost(seats) => {
                command.first = "lost".to_owned();
                command.seats = seats;
            }
        }
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
            _ => Err(refusal(&line)),
        }
    }

    /// Notes the end of a payment whose reservation Redis does not know any more, so that
    /// PostgreSQL hears of it; `false` when Redis does know it.
    pub async fn forget_payment(&self, forgotten: &Forgotten) -> Result<bool, EngineError> {
        let mut command = Command::new("forget", forgotten.match_id, forgotten.reservation.key());
        command.user = forgotten.user.key();
        command.source = forgotten.payment.key();
        command.first = forgotten.fact.to_owned();
        let Forgotten { amount, method, payment_key, .. } = forgotten;
        command.second = format!("{amount}|{method}|{payment_key}");
        command.seats.clone_from(&forgotten.seats);
        let line = self.batcher.run(command).await?;
        match line.split(' ').next() {
            Some("forgotten") => Ok(true),
            Some("known") => Ok(false),
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

    /// The money is back (or, with a code, will not come back): the seats are free (or stay sold).
    pub async fn settle_refund(
        &self,
        match_id: MatchId,
        reservation: ReservationId,
        payment: PaymentId,
        refused: Option<String>,
    ) -> Result<Option<StreamId>, EngineError> {
        let mut command = Command::new("refund", match_id, reservation.key());
        command.source = payment.key();
        command.first = if refused.is_some() { "refused" } else { "done" }.to_owned();
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
