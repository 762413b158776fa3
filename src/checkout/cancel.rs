//! Cancels a reservation, or some of its seats. The intent of a refund is in PostgreSQL before the
//! gateway is asked to give money back.

use crate::checkout::{Checkout, CheckoutError, PERSIST_TIMEOUT};
use crate::domain::claim::{PaymentStatus, Reservation, ReservationStatus};
use crate::domain::ids::SeatId;
use crate::domain::money::Refund;
use crate::domain::position::StreamId;
use crate::engine::cancellation::Cancellation;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::operation::Operation;
use crate::engine::reservations::Cancelled;
use crate::failpoint;
use crate::gateway::toss::{CancelOutcome, Toss};
use crate::store::RefundRow;
use std::sync::Arc;

/// What the gateway made of a refund.
pub(super) enum GivenBack {
    /// The money is back.
    Back,
    /// The gateway keeps the money, with its code.
    Refused(String),
    Unknown {
        reason: String,
    },
}

/// Asks the gateway to give back the `part` of a payment that a refund is about, in KRW. For seats
/// that cost nothing it has nothing to give back.
pub(super) async fn give_back(
    toss: &Toss,
    payment_key: &str,
    refund: &Refund,
    part: i64,
) -> GivenBack {
    if part == 0 {
        return GivenBack::Back;
    }
    let reason = match refund.number {
        0 => "the seats could not be given",
        _ => "the tickets were cancelled",
    };
    failpoint::reached("refund.before");
    let reply = toss.cancel(payment_key, &refund.intent(), reason, refund.amount).await;
    failpoint::reached("refund.after");
    match reply {
        CancelOutcome::Canceled(_) => GivenBack::Back,
        CancelOutcome::Refused { code, .. } => GivenBack::Refused(code),
        CancelOutcome::Unknown { reason } => GivenBack::Unknown { reason },
    }
}

impl Checkout {
    /// Cancels a reservation, or some of its seats. Returns `false` while the money is still on its
    /// way back. The steps run to their end even if the caller disconnects.
    ///
    /// # Errors
    /// Nothing was cancelled.
    pub async fn cancel(
        self: &Arc<Self>,
        reservation: Reservation,
        cancellation: Cancellation,
        operation: Operation,
    ) -> Result<bool, CheckoutError> {
        let checkout = self.clone();
        let steps = async move { checkout.cancel_now(&reservation, cancellation, operation).await };
        self.run(steps).await
    }

    async fn cancel_now(
        &self,
        reservation: &Reservation,
        cancellation: Cancellation,
        operation: Operation,
    ) -> Result<bool, CheckoutError> {
        let Reservation { id, match_id, user, .. } = *reservation;
        let _turn = self.turns.take().await.ok_or(CheckoutError::Busy)?;
        let cancelled = match self.engine.cancel(match_id, user, id, cancellation, operation).await
        {
            // PostgreSQL has it and Redis has not: it was cancelled before, or its match has left.
            Err(EngineError::Refused(Refusal::NotFound(_))) if is_refunded(reservation) => {
                return Ok(true);
            }
            Err(EngineError::Refused(Refusal::NotFound(_))) => {
                return Err(CheckoutError::EndedBefore);
            }
            Err(EngineError::Refused(Refusal::NotYours)) => {
                return Err(CheckoutError::SeatsNotInReservation);
            }
            other => other?,
        };
        let Cancelled::Refunding { refund, part, seats, payment_key, journal } = cancelled else {
            return Ok(true);
        };
        match self.kept_refund(&refund, &seats, journal).await {
            RefundRow::Begun => {}
            // An earlier call under the same Idempotency-Key has seen this refund to its end.
            RefundRow::Done => return Ok(true),
            RefundRow::Refused => return Err(CheckoutError::RefundRefused),
            // The journal has the intent, so the reconciler goes on when PostgreSQL has it.
            RefundRow::Missing => return Ok(false),
        }
        let refused = match give_back(&self.toss, &payment_key, &refund, part).await {
            GivenBack::Back => None,
            GivenBack::Refused(code) => Some(code),
            GivenBack::Unknown { reason } => {
                tracing::warn!(payment = %refund.payment, reason, "a refund has no outcome yet");
                return Ok(false);
            }
        };
        let kept = refused.is_some();
        let settled = self.engine.settle_refund(match_id, user, id, &refund, refused).await?;
        if kept {
            return Err(CheckoutError::RefundRefused);
        }
        match settled {
            None => Ok(true),
            entry => Ok(self.kept_refund(&refund, &seats, entry).await == RefundRow::Done),
        }
    }

    /// How far PostgreSQL has a refund, once it has the journal up to `entry`. Money must not go
    /// back without the row: after a loss of Redis it could go back again under the same number.
    async fn kept_refund(
        &self,
        refund: &Refund,
        seats: &[SeatId],
        entry: Option<StreamId>,
    ) -> RefundRow {
        let payment = refund.payment;
        if let Some(id) = entry {
            self.persisted.wait(payment.partition(), id, payment, PERSIST_TIMEOUT).await;
        }
        let row = self.store.refund_row(payment, refund.number, seats).await;
        row.unwrap_or(RefundRow::Missing)
    }
}

/// Whether a reservation, as PostgreSQL has it, was paid and cancelled.
fn is_refunded(reservation: &Reservation) -> bool {
    let payment = reservation.payment.as_ref();
    reservation.status == ReservationStatus::Cancelled
        && payment.is_some_and(|payment| payment.status == PaymentStatus::Refunded)
}
