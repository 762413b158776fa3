//! Confirms a payment. The claim is in PostgreSQL before the gateway is asked, and the caller waits
//! until PostgreSQL has the outcome.

use crate::checkout::{Checkout, CheckoutError, EXTRA_TIME_MS, PERSIST_TIMEOUT};
use crate::domain::claim::{ClaimState, PaymentStatus, Reservation, ReservationStatus};
use crate::domain::ids::{Partition, PaymentId};
use crate::domain::money::Attempt;
use crate::domain::position::StreamId;
use crate::engine::claims::Found;
use crate::engine::command::PaymentOutcome;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::payments::{Begun, Settled};
use crate::failpoint;
use crate::gateway::toss::{ConfirmOutcome, Toss};
use crate::store::ClaimRow;
use crate::stream::persisted::Verdict;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After PostgreSQL did not take a claim in time, new payments of the partition fail at once for
/// this time, so that one buyer at a time waits for PostgreSQL and not all of them. Shorter: more
/// buyers wait in vain. Longer: payments stay paused after PostgreSQL is back.
const PAYMENTS_PAUSE: Duration = Duration::from_secs(2);
/// How long a confirmation waits until Redis has noted that its outcome is unknown. Shorter: a busy
/// Redis is not told. Longer: the buyer waits for a response that says no more.
const MARK_TIMEOUT: Duration = Duration::from_secs(1);
/// The time between two looks at a row that another call or worker writes.
const ROW_INTERVAL: Duration = Duration::from_millis(20);
/// The time between two looks at a claim that another call moves on.
const CLAIM_INTERVAL: Duration = Duration::from_millis(50);

/// How far a confirmation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// PostgreSQL has the sale.
    Persisted,
    /// The seats are sold, and PostgreSQL will have the sale.
    Sold,
    /// The outcome is not known yet. The reconciler asks until the gateway knows it.
    Unknown,
}

/// What the gateway made of an attempt.
pub(super) enum Charge {
    Approved,
    Declined { code: String, message: String },
    Unknown { reason: String },
}

/// Asks the gateway for the money of an attempt. What costs nothing needs no gateway.
pub(super) async fn charge(toss: &Toss, attempt: &Attempt) -> Charge {
    let Attempt { payment, payment_key, amount, number, .. } = attempt;
    if *amount == 0 {
        return Charge::Approved;
    }
    failpoint::reached("gateway.before");
    let reply = toss.confirm(payment_key, &payment.order_id(), *amount, *number).await;
    failpoint::reached("gateway.after");
    match reply {
        ConfirmOutcome::Approved(_) => Charge::Approved,
        ConfirmOutcome::Declined { code, message } => Charge::Declined { code, message },
        ConfirmOutcome::Unknown { reason } => Charge::Unknown { reason },
    }
}

/// Partitions whose payments wait for PostgreSQL, with the time since which they do.
#[derive(Default)]
pub(super) struct Pauses(Mutex<HashMap<Partition, Instant>>);

impl Pauses {
    fn active(&self, partition: Partition) -> bool {
        self.0.lock().get(&partition).is_some_and(|since| since.elapsed() < PAYMENTS_PAUSE)
    }

    fn begin(&self, partition: Partition) {
        self.0.lock().insert(partition, Instant::now());
    }

    fn end(&self, partition: Partition) {
        self.0.lock().remove(&partition);
    }
}

impl Checkout {
    /// Takes a payment through all its steps. They run to their end even if the caller disconnects.
    ///
    /// # Errors
    /// Nothing was charged, except after `PaidTooLate`.
    pub async fn confirm(
        self: &Arc<Self>,
        reservation: Reservation,
        payment: PaymentId,
        payment_key: String,
        amount: i64,
    ) -> Result<Confirmed, CheckoutError> {
        let checkout = self.clone();
        let steps =
            async move { checkout.confirm_now(&reservation, payment, &payment_key, amount).await };
        self.run(steps).await
    }

    async fn confirm_now(
        &self,
        reservation: &Reservation,
        payment: PaymentId,
        payment_key: &str,
        amount: i64,
    ) -> Result<Confirmed, CheckoutError> {
        let Reservation { id, match_id, user, .. } = *reservation;
        let partition = payment.partition();
        let behind = self.pauses.active(partition) || self.backlogs.full(partition);
        // What costs nothing needs no gateway.
        let paused = behind || amount > 0 && !self.toss.admits_new_payment();
        if paused && reservation.status == ReservationStatus::Pending {
            self.engine.extend_reservation(match_id, user, id, EXTRA_TIME_MS).await?;
            return Err(CheckoutError::Paused);
        }
        // Before the payment begins, because it can't wait for a turn afterwards.
        let _turn = self.turns.take().await.ok_or(CheckoutError::Busy)?;
        failpoint::reached("begin.before");
        let begun =
            self.engine.begin_payment(match_id, user, id, payment, amount, payment_key).await;
        failpoint::reached("begin.after");
        if let Err(EngineError::Refused(Refusal::PaymentsHalted)) = begun {
            self.engine.extend_reservation(match_id, user, id, EXTRA_TIME_MS).await?;
        }
        match begun? {
            Begun::Paid => self.persisted_earlier(reservation).await,
            Begun::InProgress => self.wait_for_other(reservation).await,
            Begun::Now { attempt: number, journal } => {
                let method = reservation.payment.as_ref().map(|payment| payment.method.clone());
                let attempt = Attempt {
                    match_id,
                    user,
                    reservation: id,
                    payment,
                    number,
                    seats: reservation.seats.clone(),
                    amount,
                    method: method.unwrap_or_default(),
                    payment_key: payment_key.to_owned(),
                };
                match self.claim(reservation, &attempt, journal).await? {
                    Some(confirmed) => Ok(confirmed),
                    None => self.charge(reservation, &attempt).await,
                }
            }
        }
    }

    /// Waits for the claim of the seats in PostgreSQL, or takes the attempt back. The announcement
    /// only says when to look. The row itself decides, because an announcement may get lost with a
    /// worker, and stream ids may start again after a failover. Returns a result when another
    /// process went on with the attempt, because then it can't be taken back here.
    async fn claim(
        &self,
        reservation: &Reservation,
        attempt: &Attempt,
        journal: StreamId,
    ) -> Result<Option<Confirmed>, CheckoutError> {
        let (payment, partition) = (attempt.payment, attempt.payment.partition());
        let row = match self.persisted.wait(partition, journal, payment, PERSIST_TIMEOUT).await {
            Verdict::Committed => {
                let row = self.store.claim_row(payment, attempt.number).await;
                row.unwrap_or(ClaimRow::Missing)
            }
            Verdict::Lost(seats) => ClaimRow::Lost(seats),
            Verdict::Unheard => ClaimRow::Missing,
        };
        match row {
            ClaimRow::Standing => {
                self.pauses.end(partition);
                Ok(None)
            }
            ClaimRow::Lost(seats) => {
                self.engine.settle_payment(attempt, PaymentOutcome::Lost(seats.clone())).await?;
                metrics::counter!("grandstand_seats_lost_total").increment(1);
                Err(CheckoutError::SeatsSold(seats))
            }
            // This node was so slow that the reconciler has settled it.
            ClaimRow::Paid => Ok(Some(Confirmed::Persisted)),
            ClaimRow::Missing => {
                self.pauses.begin(partition);
                let withdrawn = PaymentOutcome::Withdrawn(EXTRA_TIME_MS);
                match self.engine.settle_payment(attempt, withdrawn).await? {
                    Settled::Asked => Ok(Some(Confirmed::Unknown)),
                    Settled::Confirmed(_) => self.persisted_earlier(reservation).await.map(Some),
                    Settled::Pending(_) => Err(CheckoutError::Paused),
                    // The reservation is on a later attempt, or has ended.
                    Settled::Over | Settled::Owed => {
                        self.wait_for_other(reservation).await.map(Some)
                    }
                }
            }
        }
    }

    async fn charge(
        &self,
        reservation: &Reservation,
        attempt: &Attempt,
    ) -> Result<Confirmed, CheckoutError> {
        match charge(&self.toss, attempt).await {
            Charge::Approved => self.settle_approved(reservation, attempt).await,
            Charge::Declined { code, message } => {
                self.engine.settle_payment(attempt, PaymentOutcome::Declined(code.clone())).await?;
                Err(CheckoutError::Declined { code, message })
            }
            Charge::Unknown { reason } => {
                let payment = attempt.payment;
                tracing::warn!(%payment, reason, "the outcome of a payment is unknown");
                metrics::counter!("grandstand_payments_total", "outcome" => "unknown").increment(1);
                // For those who read the reservation. The outcome counts without this, too.
                let marked = tokio::time::timeout(MARK_TIMEOUT, self.engine.mark_asked(attempt));
                if !matches!(marked.await, Ok(Ok(_))) {
                    tracing::warn!(%payment, "Redis has not noted that an outcome is unknown");
                }
                Ok(Confirmed::Unknown)
            }
        }
    }

    /// The money has moved, so from here on a fault of ours must not look like a failed payment.
    async fn settle_approved(
        &self,
        reservation: &Reservation,
        attempt: &Attempt,
    ) -> Result<Confirmed, CheckoutError> {
        let payment = attempt.payment;
        failpoint::reached("outcome.before");
        let settled = self.engine.settle_payment(attempt, PaymentOutcome::Approved).await;
        failpoint::reached("outcome.after");
        match settled {
            Ok(Settled::Confirmed(Some(outcome))) => {
                match self.is_sale_kept(attempt, outcome).await {
                    true => Ok(Confirmed::Persisted),
                    false => Ok(Confirmed::Sold),
                }
            }
            Ok(Settled::Confirmed(None)) => self.persisted_earlier(reservation).await,
            // A later attempt asks the gateway itself, or the money is back already. The
            // reservation says which.
            Ok(Settled::Over) => Ok(Confirmed::Unknown),
            // The refund is in the journal, and the reconciler tries until the money is back.
            Ok(gone @ (Settled::Pending(_) | Settled::Asked | Settled::Owed)) => {
                tracing::error!(%payment, ?gone, "the payment came too late: the money goes back");
                Err(CheckoutError::PaidTooLate)
            }
            Err(error) => {
                tracing::error!(%payment, %error, "paid, and Redis has not noted the outcome");
                Ok(Confirmed::Unknown)
            }
        }
    }

    /// Whether PostgreSQL has a sale. As in `claim`, the row decides: the journal entry may be
    /// among the dead letters, or lost with the end of a journal.
    async fn is_sale_kept(&self, attempt: &Attempt, outcome: StreamId) -> bool {
        let (payment, partition) = (attempt.payment, attempt.payment.partition());
        let heard = self.persisted.wait(partition, outcome, payment, PERSIST_TIMEOUT).await;
        heard == Verdict::Committed
            && self.store.claim_row(payment, attempt.number).await.ok() == Some(ClaimRow::Paid)
    }

    /// The payment was approved by another call. Waits until PostgreSQL has the sale.
    async fn persisted_earlier(
        &self,
        reservation: &Reservation,
    ) -> Result<Confirmed, CheckoutError> {
        let started = Instant::now();
        while started.elapsed() < PERSIST_TIMEOUT {
            match self.store.reservation(reservation.id).await {
                Ok(Some(kept)) if kept.status == ReservationStatus::Confirmed => {
                    return Ok(Confirmed::Persisted);
                }
                Ok(_) => tokio::time::sleep(ROW_INTERVAL).await,
                Err(_) => break,
            }
        }
        Ok(Confirmed::Sold)
    }

    /// Another call confirms the same payment. Waits for its outcome.
    async fn wait_for_other(&self, reservation: &Reservation) -> Result<Confirmed, CheckoutError> {
        let started = Instant::now();
        while started.elapsed() < PERSIST_TIMEOUT {
            match self.engine.claim(reservation.user, reservation.id).await? {
                Some(Found::Live(claim)) if claim.state == ClaimState::Confirmed => {
                    return self.persisted_earlier(reservation).await;
                }
                Some(Found::Live(claim)) if claim.state == ClaimState::Pending => {
                    let failed = |status| status == PaymentStatus::Failed;
                    return Err(
                        match claim.payment.is_some_and(|payment| failed(payment.status)) {
                            true => CheckoutError::DeclinedBefore,
                            false => CheckoutError::Paused,
                        },
                    );
                }
                Some(Found::Live(_)) => tokio::time::sleep(CLAIM_INTERVAL).await,
                Some(Found::Ended(ended)) => {
                    let refusal = Refusal::ReservationEnded(ended.reason);
                    return Err(EngineError::from(refusal).into());
                }
                None => return Err(CheckoutError::NoReservation),
            }
        }
        Ok(Confirmed::Unknown)
    }
}
