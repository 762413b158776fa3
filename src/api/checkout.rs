//! The way of money: begin, claim, gateway, outcome, persist (design, section 5). The claim is in
//! PostgreSQL before the gateway is asked, and the answer waits until PostgreSQL has the outcome.

use crate::api::App;
use crate::api::auth::User;
use crate::api::error::{ApiError, ApiResult};
use crate::domain::claim::{
    ClaimState, PaymentStatus, Reservation, ReservationStatus, refund_intent,
};
use crate::domain::ids::{Partition, PaymentId};
use crate::domain::position::StreamId;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::payments::{Begun, Outcome, Settled};
use crate::engine::reservations::{Cancelled, Found};
use crate::gateway::toss::GatewayStatus;
use crate::gateway::toss::{CancelOutcome, Lookup, Outcome as Gateway};
use crate::store::ClaimRow;
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
    app: &Arc<App>,
    user: &User,
    one: &Reservation,
    payment: PaymentId,
    payment_key: String,
    amount: i64,
) -> ApiResult<Confirmed> {
    let (app, user, one) = (app.clone(), user.clone(), one.clone());
    let steps =
        tokio::spawn(
            async move { confirm_now(&app, &user, &one, payment, &payment_key, amount).await },
        );
    steps.await.map_err(ApiError::internal)?
}

/// Cancels a reservation; `false` while the money is still on its way back. Goes on as `confirm`.
pub async fn cancel(app: &Arc<App>, user: &User, one: &Reservation) -> ApiResult<bool> {
    let (app, user, one) = (app.clone(), user.clone(), one.clone());
    let steps = tokio::spawn(async move { cancel_now(&app, &user, &one).await });
    steps.await.map_err(ApiError::internal)?
}

async fn confirm_now(
    app: &App,
    user: &User,
    one: &Reservation,
    payment: PaymentId,
    payment_key: &str,
    amount: i64,
) -> ApiResult<Confirmed> {
    let partition = payment.partition();
    let behind = app.pauses.active(partition) || app.backlogs.full(partition);
    let paused = behind || !app.toss.admits_new_payment();
    if paused && one.status == ReservationStatus::Pending {
        app.engine.stretch_reservation(one.match_id, user.id, one.id, EXTRA_MS).await?;
        return Err(ApiError::payments_paused());
    }
    let begun = app
        .engine
        .begin_payment(one.match_id, user.id, one.id, payment, amount, payment_key)
        .await?;
    match begun {
        Begun::Paid => persisted_earlier(app, one).await,
        Begun::InProgress => wait_for_other(app, one).await,
        Begun::Now(id) => {
            claim(app, one, payment, id).await?;
            charge(app, one, payment, payment_key, amount).await
        }
    }
}

/// The claim of the seats in PostgreSQL, or everything as it was before. The announcement only says
/// when to look: what counts is the row itself, because an announcement may get lost with a worker,
/// and ids may begin anew after a failover.
async fn claim(app: &App, one: &Reservation, payment: PaymentId, id: StreamId) -> ApiResult<()> {
    let partition = payment.partition();
    let row = match app.persisted.wait(partition, id, payment, PERSIST).await {
        Verdict::Committed => app.store.claim_row(payment).await.unwrap_or(ClaimRow::Missing),
        Verdict::Lost(seats) => ClaimRow::Lost(seats),
        Verdict::Unheard => ClaimRow::Missing,
    };
    match row {
        ClaimRow::Standing => {
            app.pauses.end(partition);
            Ok(())
        }
        ClaimRow::Lost(seats) => {
            let lost = Outcome::Lost(seats.clone());
            app.engine.settle_payment(one.match_id, one.id, payment, lost).await?;
            metrics::counter!("grandstand_seats_lost_total").increment(1);
            Err(ApiError::seat_sold(&seats))
        }
        ClaimRow::Missing => {
            app.pauses.begin(partition);
            let back = Outcome::Withdrawn(EXTRA_MS);
            app.engine.settle_payment(one.match_id, one.id, payment, back).await?;
            Err(ApiError::payments_paused())
        }
    }
}

async fn charge(
    app: &App,
    one: &Reservation,
    payment: PaymentId,
    payment_key: &str,
    amount: i64,
) -> ApiResult<Confirmed> {
    let answer = app.toss.confirm(payment_key, &payment.order_id(), amount).await;
    match answer {
        Gateway::Unknown { reason } => {
            tracing::warn!(%payment, reason, "the outcome of a payment is unknown");
            metrics::counter!("grandstand_payments_unknown_total").increment(1);
            Ok(Confirmed::Unknown)
        }
        Gateway::Declined { code, message } => {
            let declined = Outcome::Declined(code.clone());
            app.engine.settle_payment(one.match_id, one.id, payment, declined).await?;
            Err(ApiError::declined(&code, &message))
        }
        Gateway::Approved(_) => settle_approved(app, one, payment, payment_key).await,
    }
}

/// The money has moved: from here on no fault may be answered as a failure.
async fn settle_approved(
    app: &App,
    one: &Reservation,
    payment: PaymentId,
    payment_key: &str,
) -> ApiResult<Confirmed> {
    let settled = app.engine.settle_payment(one.match_id, one.id, payment, Outcome::Approved).await;
    match settled {
        Ok(Settled::Confirmed(Some(id))) => {
            metrics::counter!("grandstand_reservations_confirmed_total").increment(1);
            let verdict = app.persisted.wait(payment.partition(), id, payment, PERSIST).await;
            Ok(match verdict {
                Verdict::Committed => Confirmed::Persisted,
                Verdict::Lost(_) | Verdict::Unheard => Confirmed::Sold,
            })
        }
        Ok(Settled::Confirmed(None)) => persisted_earlier(app, one).await,
        Ok(gone @ (Settled::Pending(_) | Settled::Over)) => {
            tracing::error!(%payment, ?gone, "paid for what can't be given: the money goes back");
            let intent = refund_intent(payment);
            let reason = "the seats could not be given";
            let refund = app.toss.cancel(payment_key, &intent, reason, None).await;
            tracing::error!(%payment, ?refund, "the money of a payment goes back");
            Err(Refusal::ReservationEnded("REFUNDED".to_owned()).into())
        }
        Err(error) => {
            tracing::error!(%payment, %error, "a payment was taken and its outcome not noted yet");
            Ok(Confirmed::Unknown)
        }
    }
}

/// A repeated confirmation of something that is paid: PostgreSQL has it, or will in a moment.
async fn persisted_earlier(app: &App, one: &Reservation) -> ApiResult<Confirmed> {
    let started = Instant::now();
    while started.elapsed() < PERSIST {
        match app.store.reservation(one.id).await {
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
async fn wait_for_other(app: &App, one: &Reservation) -> ApiResult<Confirmed> {
    let started = Instant::now();
    while started.elapsed() < PERSIST {
        match app.engine.claim(one.id).await? {
            Some(Found::Live(claim)) if claim.state == ClaimState::Confirmed => {
                return persisted_earlier(app, one).await;
            }
            Some(Found::Live(claim)) if claim.state == ClaimState::Pending => {
                let failed = claim.payment.is_some_and(|one| one.status == PaymentStatus::Failed);
                return Err(if failed {
                    ApiError::declined("DECLINED", "see the answer to the first confirmation")
                } else {
                    ApiError::payments_paused()
                });
            }
            Some(Found::Live(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Some(Found::Ended(_)) | None => return Err(ApiError::not_found("reservation")),
        }
    }
    Ok(Confirmed::Unknown)
}

async fn cancel_now(app: &App, user: &User, one: &Reservation) -> ApiResult<bool> {
    let cancelled = app.engine.cancel(one.match_id, user.id, one.id).await;
    let cancelled = cancelled.map_err(|error| match error {
        // It is kept in PostgreSQL and over in Redis: cancelled before, or lost.
        EngineError::Refused(Refusal::NotFound) => Refusal::NotCancellable.into(),
        other => ApiError::from(other),
    })?;
    let Cancelled::Refunding { payment, payment_key, journal, .. } = cancelled else {
        return Ok(true);
    };
    if let Some(id) = journal
        && app.persisted.wait(payment.partition(), id, payment, PERSIST).await == Verdict::Unheard
    {
        // The intent is in the journal: the reconciler does it when PostgreSQL has it.
        return Ok(false);
    }
    let intent = refund_intent(payment);
    let refused = match app.toss.cancel(&payment_key, &intent, "cancelled by the buyer", None).await
    {
        CancelOutcome::Unknown { reason } => {
            tracing::warn!(%payment, reason, "the outcome of a refund is unknown");
            return Ok(false);
        }
        CancelOutcome::Refused { code, .. } => Some(code),
        CancelOutcome::Canceled(_) => None,
    };
    let failed = refused.is_some();
    let id = app.engine.settle_refund(one.match_id, one.id, payment, refused).await?;
    if failed {
        return Err(ApiError::conflict(
            "NOT_CANCELLABLE",
            "The gateway refuses to give the money back; the reservation stays yours.",
        ));
    }
    match id {
        None => Ok(true),
        Some(id) => {
            let verdict = app.persisted.wait(payment.partition(), id, payment, PERSIST).await;
            Ok(verdict == Verdict::Committed)
        }
    }
}

/// After a hint of the gateway: looks the payment up, and settles it when it waits for an outcome.
pub async fn look_up(app: &App, payment: PaymentId) -> ApiResult<()> {
    let Some(reservation) = app.engine.reservation_of_payment(payment).await? else {
        return Ok(());
    };
    let Some(Found::Live(claim)) = app.engine.claim(reservation).await? else { return Ok(()) };
    let same = claim.payment.as_ref().is_some_and(|one| one.id == payment);
    if !same || claim.state != ClaimState::Paying {
        return Ok(());
    }
    if let Lookup::Found(found) = app.toss.find_by_order(&payment.order_id()).await
        && found.status == GatewayStatus::Done
        && found.total_amount == claim.amount
    {
        let outcome = Outcome::Approved;
        app.engine.settle_payment(claim.match_id, reservation, payment, outcome).await?;
    }
    Ok(())
}
