//! Reservations: from a hold to PENDING, and cancelled.

use crate::domain::ids::{HoldId, MatchId, PaymentId, ReservationId, SeatId, UserId};
use crate::domain::money::Refund;
use crate::domain::position::StreamId;
use crate::domain::seat::parse_seats;
use crate::engine::Engine;
use crate::engine::cancellation::Cancellation;
use crate::engine::command::SeatCommand;
use crate::engine::error::{EngineError, Noun};
use crate::engine::operation::Operation;
use crate::engine::remains::Remains;
use crate::engine::reply::{Granted, bad, granted, owned, refusal};
use crate::engine::scripts::SCRIPTS;
use crate::redis::keys::PartitionKeys;

/// What a reservation is made of.
#[derive(Debug, Clone)]
pub enum Source {
    /// All seats of a hold.
    Hold(HoldId),
    /// Seats out of any holds of the user, each with its price in KRW, which counts where the hold
    /// has no bill. And what must remain of these holds, when the plan has a rule about that.
    Seats(Vec<(SeatId, i64)>, Option<Remains>),
}

/// What has become of a cancel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// Nothing was paid; the seats are free.
    Now,
    /// It was paid: the money must go back first.
    Refunding {
        refund: Refund,
        /// The amount that it gives back, in KRW.
        part: i64,
        /// The seats that it is for.
        seats: Vec<SeatId>,
        /// The gateway's key of the payment.
        payment_key: String,
        /// The journal entry of the intent; none when an earlier call wrote it.
        journal: Option<StreamId>,
    },
}

impl Engine {
    /// HOLD → PENDING, with the time to pay.
    ///
    /// Refusals: `ExistsDifferent`, `NotFound`, `NotYours`, `AlreadyReserved`, `NotOpen` when the
    /// holds have ended with the sale, `HoldExpired`, `PriceChanged` when the prices are not those
    /// of the holds, `Changed` when other seats would remain of the holds.
    pub async fn reserve(
        &self,
        match_id: MatchId,
        user: UserId,
        source: Source,
        operation: Operation,
    ) -> Result<(ReservationId, Granted), EngineError> {
        self.mark_operation(user, &operation).await?;
        let id = ReservationId::new(match_id.partition());
        let command = match source {
            Source::Hold(hold) => {
                owned(hold, match_id, user)?;
                SeatCommand::Reserve { id, user, hold }
            }
            Source::Seats(seats, remains) => SeatCommand::ReserveSeats { id, user, seats, remains },
        };
        let reply = self.batcher.run_once(match_id, command, operation).await?;
        let granted = granted(&reply, "reserved", (user, Some(id.0)), Noun::Hold)?;
        Ok((granted.claim, granted))
    }

    /// Binds an Idempotency-Key to its body in the partition of its user. The reply is kept in the
    /// partition that the body names, so another body could name another partition and would not be
    /// noticed there.
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
            _ => Err(refusal(&word, Noun::Reservation)),
        }
    }

    /// Ends a reservation that is not paid, or writes the intent to refund one that is, or some of
    /// its seats. A repeated call gets the first reply, however late it is by then.
    ///
    /// Refusals: `ExistsDifferent`, `NotFound`, `Paying`, `RefundUnderWay`, `NotCancellable`,
    /// `PriceChanged`, `NotYours`, `Archived`, `RefundClosed`, `Changed` when other seats would
    /// remain.
    pub async fn cancel(
        &self,
        match_id: MatchId,
        user: UserId,
        id: ReservationId,
        cancellation: Cancellation,
        operation: Operation,
    ) -> Result<Cancelled, EngineError> {
        let command = SeatCommand::Cancel { reservation: id, user, cancellation };
        let reply = self.batcher.run_once(match_id, command, operation).await?;
        let part: Vec<&str> = reply.split(' ').collect();
        match part[..] {
            ["cancelled"] => Ok(Cancelled::Now),
            ["refunding", payment, key, number, which, part, seats, ref rest @ ..] => {
                let part = part.parse().map_err(|_| bad(&reply))?;
                let seats = parse_seats(seats).ok_or_else(|| bad(&reply))?;
                let refund = Refund {
                    payment: PaymentId::from_key(payment).ok_or_else(|| bad(&reply))?,
                    number: number.parse().map_err(|_| bad(&reply))?,
                    amount: (which == "part").then_some(part),
                };
                let journal = rest.first().and_then(|id| id.parse().ok());
                let payment_key = key.to_owned();
                Ok(Cancelled::Refunding { refund, part, seats, payment_key, journal })
            }
            _ => Err(refusal(&reply, Noun::Reservation)),
        }
    }
}
