//! Reservations: from a hold to PENDING, cancelled, and what Redis knows of them.

use crate::domain::claim::{
    Claim, ClaimState, EndedClaim, Reservation, ReservationStatus, parse_seats,
};
use crate::domain::ids::{HoldId, MatchId, Partition, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::Refund;
use crate::domain::position::StreamId;
use crate::engine::Engine;
use crate::engine::batch::{Command, Operation};
use crate::engine::error::EngineError;
use crate::engine::partitions::readable;
use crate::engine::scripts::SCRIPTS;
use crate::engine::seats::{Granted, bad, granted, owned, refusal};
use crate::redis::keys::PartitionKeys;
use fred::prelude::*;

/// What a reservation is made of.
#[derive(Debug, Clone)]
pub enum Source {
    /// All seats of a hold.
    Hold(HoldId),
    /// Seats out of any holds of the user, each with its price in KRW.
    Seats(Vec<(SeatId, i64)>),
}

/// What became of the wish to cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// Nothing was paid; the seats are free.
    Now,
    /// It was paid: the money must go back first.
    Refunding {
        refund: Refund,
        /// What it gives back, in KRW.
        part: i64,
        /// For these seats.
        seats: Vec<SeatId>,
        /// The gateway's key of the payment.
        payment_key: String,
        /// The journal entry of the intent; none when it was written by an earlier call.
        journal: Option<StreamId>,
    },
}

impl Engine {
    /// HOLD → PENDING, with the time to pay.
    ///
    /// Refusals: `ExistsDifferent`, `NotFound`, `NotYours`, `AlreadyReserved`, `HoldExpired`,
    /// `PriceChanged` when the prices are not those of the holds.
    pub async fn reserve(
        &self,
        match_id: MatchId,
        user: UserId,
        source: Source,
        operation: Operation,
    ) -> Result<(ReservationId, Granted), EngineError> {
        self.mark_operation(user, &operation).await?;
        let id = ReservationId::new(match_id.partition());
        let mut command = Command::new("reserve", match_id, id.key());
        command.user = user.key();
        command.operation = operation;
        match source {
            Source::Hold(hold) => {
                owned(hold, match_id, user)?;
                command.source = hold.key();
            }
            Source::Seats(seats) => {
                command.first = prices(&seats);
                command.seats = seats.into_iter().map(|(seat, _)| seat).collect();
            }
        }
        let line = self.batcher.run(command).await?;
        let granted = granted(&line, "reserved", user)?;
        Ok((granted.claim, granted))
    }

    /// Binds an Idempotency-Key to its body in the partition of its user: the body names the
    /// partition in which the answer is kept, and another body may name another one.
    pub(super) async fn mark_operation(
        &self,
        user: UserId,
        operation: &Operation,
    ) -> Result<(), EngineError> {
        if operation.key.is_empty() {
            return Ok(());
        }
        let keys = PartitionKeys(user.partition());
        let mut names = keys.operations().to_vec();
        names.push(keys.partition());
        let arguments = vec![operation.key.clone(), operation.fingerprint.clone()];
        let word: String =
            self.call(user.partition(), &SCRIPTS.operation_mark, names, arguments).await?;
        match word.as_str() {
            "marked" => Ok(()),
            _ => Err(refusal(&word)),
        }
    }

    /// Ends a reservation that is not paid, or writes the intent to refund one that is: all of it,
    /// or some seats, each with its price in KRW.
    ///
    /// Refusals: `NotFound`, `Paying`, `RefundUnderWay`, `NotCancellable`, `PriceChanged`,
    /// `NotYours`, `Archived`.
    pub async fn cancel(
        &self,
        match_id: MatchId,
        user: UserId,
        id: ReservationId,
        seats: &[(SeatId, i64)],
    ) -> Result<Cancelled, EngineError> {
        let mut command = Command::new("cancel", match_id, id.key());
        command.user = user.key();
        command.first = prices(seats);
        command.seats = seats.iter().map(|(seat, _)| *seat).collect();
        let line = self.batcher.run(command).await?;
        let part: Vec<&str> = line.split(' ').collect();
        match part[..] {
            ["cancelled"] => Ok(Cancelled::Now),
            ["refunding", payment, key, number, which, part, seats, ref rest @ ..] => {
                let part = part.parse().map_err(|_| bad(&line))?;
                let seats = parse_seats(seats).ok_or_else(|| bad(&line))?;
                let refund = Refund {
                    payment: PaymentId::from_key(payment).ok_or_else(|| bad(&line))?,
                    number: number.parse().map_err(|_| bad(&line))?,
                    amount: (which == "part").then_some(part),
                };
                let journal = rest.first().and_then(|id| id.parse().ok());
                let payment_key = key.to_owned();
                Ok(Cancelled::Refunding { refund, part, seats, payment_key, journal })
            }
            _ => Err(refusal(&line)),
        }
    }

    /// A hold or reservation of a user, live or ended not long ago.
    pub async fn claim(
        &self,
        user: UserId,
        id: ReservationId,
    ) -> Result<Option<Found>, EngineError> {
        let live = self.claims_of(id.partition(), user).await?;
        if let Some(claim) = live.into_iter().find(|claim| claim.id == id) {
            return Ok(Some(Found::Live(claim)));
        }
        let ended = self.remembered(id.partition(), format!("e:{}", id.key())).await?;
        let ended = ended.and_then(|text| EndedClaim::parse(&text));
        Ok(ended.filter(|ended| ended.claim.user == user).map(Found::Ended))
    }

    /// The reservations and holds of a user in the matches of a partition, as far as they are live.
    pub async fn claims_of(
        &self,
        partition: Partition,
        user: UserId,
    ) -> Result<Vec<Claim>, EngineError> {
        let Ok(client) = self.client(partition) else { return Ok(vec![]) };
        let text: Option<String> =
            client.hget(PartitionKeys(partition).claims(), user.key()).await?;
        Ok(readable(&user.key(), text.as_deref()))
    }

    /// What the scripts remember for a while under a name.
    pub(super) async fn remembered(
        &self,
        partition: Partition,
        name: String,
    ) -> Result<Option<String>, EngineError> {
        let Ok(client) = self.client(partition) else { return Ok(None) };
        for ring in PartitionKeys(partition).operations() {
            let text: Option<String> = client.hget(ring, &name).await?;
            if text.is_some() {
                return Ok(text);
            }
        }
        Ok(None)
    }
}

fn prices(seats: &[(SeatId, i64)]) -> String {
    let prices: Vec<String> = seats.iter().map(|(_, price)| price.to_string()).collect();
    prices.join(",")
}

/// A claim that Redis knows.
#[derive(Debug, Clone)]
pub enum Found {
    Live(Claim),
    Ended(EndedClaim),
}

impl Found {
    /// The record, live or not.
    pub fn claim(&self) -> &Claim {
        match self {
            Self::Live(claim) => claim,
            Self::Ended(ended) => &ended.claim,
        }
    }

    /// The reservation that this is; `None` for a hold. `now_ms`: the clock of its partition,
    /// because a deadline that has passed counts before anybody has swept it.
    pub fn reservation(&self, now_ms: i64) -> Option<Reservation> {
        let claim = self.claim();
        let status = match self {
            Self::Live(claim) => claim.reservation_status()?,
            Self::Ended(ended) => ended.reservation_status()?,
        };
        let late = claim.state == ClaimState::Pending && claim.deadline <= now_ms;
        let status = if late && status == ReservationStatus::Pending {
            ReservationStatus::Expired
        } else {
            status
        };
        let open = status == ReservationStatus::Pending;
        Some(Reservation {
            id: claim.id,
            match_id: claim.match_id,
            user: claim.user,
            status,
            seats: claim.seats.clone(),
            amount: claim.amount,
            expires_at: open.then_some(claim.deadline),
            created_at: claim.id.made_at(),
            payment: claim.payment.clone(),
            refunding: claim.state == ClaimState::Refunding,
        })
    }
}
