//! The way of money: begin, claim, gateway, outcome, persist (design, section 5). The claim is in
//! PostgreSQL before the gateway is asked, and the answer waits until PostgreSQL has the outcome.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::domain::claim::{ClaimState, PaymentStatus, Reservation, ReservationStatus};
use crate::domain::ids::{Partition, PaymentId, SeatId};
use crate::domain::money::{Attempt, Refund};
use crate::domain::position::StreamId;
use crate::engine::claims::Found;
use crate::engine::error::{EngineError, NotCancellable, Refusal};
use crate::engine::payments::{Begun, Outcome, Settled};
use crate::engine::reservations::Cancelled;
use crate::failpoint;
use crate::gateway::toss::{CancelOutcome, Outcome as Gateway};
use crate::store::{ClaimRow, RefundRow};
use crate::stream::persisted::Verdict;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// PostgreSQL gets so long to take a claim or an outcome.
const PERSIST: Duration = Duration::from_secs(3);
/// After a claim that was not taken, payments of the partition are refused for so long without
/// trying again: one buyer in a while waits for the answer, not all of them.
const PAUSE: Duration = Duration::from_secs(2);
/// What a reservation gets when payments are paused.
const EXTRA_MS: u64 = 120_000;

/// How far a confirmation came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// PostgreSQL has the sale.
    Persisted,
    /// Sold; PostgreSQL will have it.
    Sold,
    /// Nobody knows yet; the reconciler asks until the gateway does.
    Unknown,
}

/// Partitions whose payments wait for PostgreSQL.
#[derive(Default)]
pub struct Pauses(Mutex<HashMap<Partition, Instant>>);

impl Pauses {
    fn active(&self, partition: Partition) -> bool {
        self.0.lock().get(&partition).is_some_and(|since| since.elapsed() < PAUSE)
    }

    fn begin(&self, partition: Partition) {
        self.0.lock().insert(partition, Instant::now());
    }

    fn end(&self, partition: Partition) {
        self.0.lock().remove(&partition);
    }
}

/// Takes a payment through all its steps. A buyer who goes away does not stop them half-way.
pub async fn confirm(
    services: &Arc<Services>,
    user: &User,
    one: &Reservation,
    payment: PaymentId,
    payment_key: String,
    amount: i64,
) -> ApiResult<Confirmed> {
    let (services, user, one) = (services.clone(), user.clone(), one.clone());
    let tracker = services.checkouts.clone();
    let steps = tracker.spawn(async move {
        confirm_now(&services, &user, &one, payment, &payment_key, amount).await
    });
    steps.await.map_err(ApiError::internal)?
}

/// Cancels a reservation, or some of its seats, each with its price in KRW; `false` while the money
/// is still on its way back. Goes on as `confirm`.
pub async fn cancel(
    services: &Arc<Services>,
    user: &User,
    one: &Reservation,
    seats: Vec<(SeatId, i64)>,
) -> ApiResult<bool> {
    let (services, user, one) = (services.clone(), user.clone(), one.clone());
    let tracker = services.checkouts.clone();
    let steps = tracker.spawn(async move { cancel_now(&services, &user, &one, &seats).await });
    steps.await.map_err(ApiError::internal)?
}

async fn confirm_now(
    services: &Services,
    user: &User,
    one: &Reservation,
    payment: PaymentId,
    payment_key: &str,
    amount: i64,
) -> ApiResult<Confirmed> {
    let partition = payment.partition();
    let behind = services.pauses.active(partition) || services.backlogs.full(partition);
    // What costs nothing needs no gateway.
    let paused = behind || amount > 0 && !services.toss.admits_new_payment();
    if paused && one.status == ReservationStatus::Pending {
        services.engine.extend_reservation(one.match_id, user.id, one.id, EXTRA_MS).await?;
        return Err(ErrorCode::PaymentsPaused.into());
    }
    failpoint::reached("begin.before");
    let begun = services
        .engine
        .begin_payment(one.match_id, user.id, one.id, payment, amount, payment_key)
        .await;
    failpoint::reached("begin.after");
    if let Err(EngineError::Refused(Refusal::PaymentsHalted)) = begun {
        services.engine.extend_reservation(one.match_id, user.id, one.id, EXTRA_MS).await?;
    }
    match begun? {
        Begun::Paid => persisted_earlier(services, one).await,
        Begun::InProgress => wait_for_other(services, one).await,
        Begun::Now { attempt: number, journal } => {
            let attempt = Attempt {
                match_id: one.match_id,
                user: user.id,
                reservation: one.id,
                payment,
                number,
                seats: one.seats.clone(),
                amount,
                method: one.payment.as_ref().map_or_else(String::new, |one| one.method.clone()),
                payment_key: payment_key.to_owned(),
            };
            match claim(services, one, &attempt, journal).await? {
                Some(confirmed) => Ok(confirmed),
                None => charge(services, one, &attempt).await,
            }
        }
    }
}

/// The claim of the seats in PostgreSQL, or everything as it was before. The announcement only says
/// when to look: what counts is the row itself, because an announcement may get lost with a worker,
/// and ids may begin anew after a failover. Answers something when another process went on with the
/// attempt, which is no longer ours to take back.
async fn claim(
    services: &Services,
    one: &Reservation,
    attempt: &Attempt,
    journal: StreamId,
) -> ApiResult<Option<Confirmed>> {
    let (payment, partition) = (attempt.payment, attempt.payment.partition());
    let row = match services.persisted.wait(partition, journal, payment, PERSIST).await {
        Verdict::Committed => {
            let row = services.store.claim_row(payment, attempt.number).await;
            row.unwrap_or(ClaimRow::Missing)
        }
        Verdict::Lost(seats) => ClaimRow::Lost(seats),
        Verdict::Unheard => ClaimRow::Missing,
    };
    match row {
        ClaimRow::Standing => {
            services.pauses.end(partition);
            Ok(None)
        }
        ClaimRow::Lost(seats) => {
            services.engine.settle_payment(attempt, Outcome::Lost(seats.clone())).await?;
            metrics::counter!("grandstand_seats_lost_total").increment(1);
            Err(ApiError::seat_sold(seats))
        }
        // The reconciler has settled it meanwhile, because this node was slow.
        ClaimRow::Paid => Ok(Some(Confirmed::Persisted)),
        ClaimRow::Missing => {
            services.pauses.begin(partition);
            let back = Outcome::Withdrawn(EXTRA_MS);
            match services.engine.settle_payment(attempt, back).await? {
                Settled::Asked => Ok(Some(Confirmed::Unknown)),
                Settled::Confirmed(_) => persisted_earlier(services, one).await.map(Some),
                Settled::Pending(_) => Err(ErrorCode::PaymentsPaused.into()),
                // It is on a later attempt, or it is gone: what became of it is the answer.
                Settled::Over | Settled::Owed => wait_for_other(services, one).await.map(Some),
            }
        }
    }
}

async fn charge(services: &Services, one: &Reservation, attempt: &Attempt) -> ApiResult<Confirmed> {
    let Attempt { payment, payment_key, amount, number, .. } = attempt;
    if *amount == 0 {
        return settle_approved(services, one, attempt).await;
    }
    failpoint::reached("gateway.before");
    let answer = services.toss.confirm(payment_key, &payment.order_id(), *amount, *number).await;
    failpoint::reached("gateway.after");
    match answer {
        Gateway::Unknown { reason } => {
            tracing::warn!(%payment, reason, "the outcome of a payment is unknown");
            metrics::counter!("grandstand_payments_unknown_total").increment(1);
            Ok(Confirmed::Unknown)
        }
        Gateway::Declined { code, message } => {
            services.engine.settle_payment(attempt, Outcome::Declined(code.clone())).await?;
            Err(ApiError::declined(&code, &message))
        }
        Gateway::Approved(_) => settle_approved(services, one, attempt).await,
    }
}

/// The money has moved: from here on no fault may be answered as a failure.
async fn settle_approved(
    services: &Services,
    one: &Reservation,
    attempt: &Attempt,
) -> ApiResult<Confirmed> {
    let payment = attempt.payment;
    failpoint::reached("outcome.before");
    let settled = services.engine.settle_payment(attempt, Outcome::Approved).await;
    failpoint::reached("outcome.after");
    match settled {
        Ok(Settled::Confirmed(Some(id))) => {
            metrics::counter!("grandstand_reservations_confirmed_total").increment(1);
            Ok(if is_sale_kept(services, attempt, id).await {
                Confirmed::Persisted
            } else {
                Confirmed::Sold
            })
        }
        Ok(Settled::Confirmed(None)) => persisted_earlier(services, one).await,
        // A later attempt asks the gateway itself, or the money is back already: the reservation
        // says what became of it.
        Ok(Settled::Over) => Ok(Confirmed::Unknown),
        // The journal has it: the reconciler gives the money back, and does not stop before.
        Ok(gone @ (Settled::Pending(_) | Settled::Asked | Settled::Owed)) => {
            tracing::error!(%payment, ?gone, "paid for what can't be given: the money goes back");
            metrics::counter!("grandstand_refunds_owed_total").increment(1);
            Err(ErrorCode::PaidTooLate.into())
        }
        Err(error) => {
            tracing::error!(%payment, %error, "a payment was taken and its outcome not noted yet");
            Ok(Confirmed::Unknown)
        }
    }
}

/// Whether PostgreSQL has a sale. The announcement only says when to look, as in `claim`: the entry
/// itself may be among the dead letters, or lost with the end of a journal.
async fn is_sale_kept(services: &Services, attempt: &Attempt, outcome: StreamId) -> bool {
    let (payment, partition) = (attempt.payment, attempt.payment.partition());
    let heard = services.persisted.wait(partition, outcome, payment, PERSIST).await;
    heard == Verdict::Committed
        && services.store.claim_row(payment, attempt.number).await.ok() == Some(ClaimRow::Paid)
}

/// A repeated confirmation of something that is paid: PostgreSQL has it, or will in a moment.
async fn persisted_earlier(services: &Services, one: &Reservation) -> ApiResult<Confirmed> {
    let started = Instant::now();
    while started.elapsed() < PERSIST {
        match services.store.reservation(one.id).await {
            Ok(Some(kept)) if kept.status == ReservationStatus::Confirmed => {
                return Ok(Confirmed::Persisted);
            }
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(_) => break,
        }
    }
    Ok(Confirmed::Sold)
}

/// The same confirmation is under way elsewhere: its outcome is the answer.
async fn wait_for_other(services: &Services, one: &Reservation) -> ApiResult<Confirmed> {
    let started = Instant::now();
    while started.elapsed() < PERSIST {
        match services.engine.claim(one.user, one.id).await? {
            Some(Found::Live(claim)) if claim.state == ClaimState::Confirmed => {
                return persisted_earlier(services, one).await;
            }
            Some(Found::Live(claim)) if claim.state == ClaimState::Pending => {
                let failed = claim.payment.is_some_and(|one| one.status == PaymentStatus::Failed);
                return Err(if failed {
                    ApiError::declined("DECLINED", "see the answer to the first confirmation")
                } else {
                    ErrorCode::PaymentsPaused.into()
                });
            }
            Some(Found::Live(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Some(Found::Ended(ended)) => {
                return Err(Refusal::ReservationEnded(ended.reason).into());
            }
            None => return Err(ErrorCode::ReservationNotFound.into()),
        }
    }
    Ok(Confirmed::Unknown)
}

/// How far PostgreSQL has a refund, once it was heard to have the journal up to `entry`. Money that
/// goes back without the row could go back again under the same number after a loss of Redis.
async fn kept_refund(
    services: &Services,
    refund: &Refund,
    seats: &[SeatId],
    entry: Option<StreamId>,
) -> RefundRow {
    let payment = refund.payment;
    if let Some(id) = entry {
        services.persisted.wait(payment.partition(), id, payment, PERSIST).await;
    }
    let row = services.store.refund_row(payment, refund.number, seats).await;
    row.unwrap_or(RefundRow::Missing)
}

async fn cancel_now(
    services: &Services,
    user: &User,
    one: &Reservation,
    seats: &[(SeatId, i64)],
) -> ApiResult<bool> {
    let cancelled = services.engine.cancel(one.match_id, user.id, one.id, seats).await;
    let cancelled = cancelled.map_err(|error| match error {
        // It is kept in PostgreSQL and over in Redis: cancelled before, or lost.
        EngineError::Refused(Refusal::NotFound(_)) => {
            Refusal::NotCancellable(NotCancellable::Ended(None)).into()
        }
        EngineError::Refused(Refusal::NotYours) => ApiError::not_in_reservation(),
        other => ApiError::from(other),
    })?;
    let Cancelled::Refunding { refund, part, seats, payment_key, journal } = cancelled else {
        return Ok(true);
    };
    if kept_refund(services, &refund, &seats, journal).await != RefundRow::Begun {
        // The intent is in the journal: the reconciler does it when PostgreSQL has it.
        return Ok(false);
    }
    failpoint::reached("refund.before");
    let refused = if part == 0 {
        // Free seats: the gateway has nothing to give back.
        None
    } else {
        let reason = "cancelled by the buyer";
        match services.toss.cancel(&payment_key, &refund.intent(), reason, refund.amount).await {
            CancelOutcome::Unknown { reason } => {
                tracing::warn!(payment = %refund.payment, reason, "a refund has no outcome yet");
                return Ok(false);
            }
            CancelOutcome::Refused { code, .. } => Some(code),
            CancelOutcome::Canceled(_) => None,
        }
    };
    failpoint::reached("refund.after");
    let failed = refused.is_some();
    let id = services.engine.settle_refund(one.match_id, user.id, one.id, &refund, refused).await?;
    if failed {
        return Err(ErrorCode::RefundRefused.into());
    }
    match id {
        None => Ok(true),
        Some(id) => Ok(kept_refund(services, &refund, &seats, Some(id)).await == RefundRow::Done),
    }
}
