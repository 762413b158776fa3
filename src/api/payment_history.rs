//! The payments of a reservation: each attempt to pay, and the money that went back.

use crate::api::Services;
use crate::api::auth::User;
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Okay, Path};
use crate::api::reservations::{FoundReservation, find};
use crate::api::views::{PaymentView, moment};
use crate::domain::claim::{PaymentStatus, ReservationStatus};
use crate::domain::ids::{PaymentId, ReservationId, SeatId};
use crate::store::payment_history::{PastPayment, PastRefund};
use crate::store::status::RefundRowStatus;
use axum::extract::State;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The payments of a reservation.
#[derive(Serialize, ToSchema)]
pub struct PaymentHistory {
    /// In the order in which they began. A payment that was requested and has not begun is only
    /// there while it can still be paid.
    payments: Vec<PaymentAttempt>,
    /// False while PostgreSQL is away: then only the last payment is listed, without refunds.
    history: bool,
}

/// A payment of a reservation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentAttempt {
    #[schema(value_type = uuid::Uuid)]
    id: PaymentId,
    order_id: String,
    method: String,
    /// What is charged, in KRW.
    amount: i64,
    /// UNKNOWN: the gateway was asked, and has not said yet whether it has charged.
    status: PaymentStatus,
    /// Why it FAILED: the code of the gateway, or `WITHDRAWN` (the gateway was not asked),
    /// `SEAT_SOLD`, `AMOUNT_MISMATCH` or `NOT_FOUND_PAYMENT` of this server.
    #[schema(required)]
    code: Option<String>,
    /// When it was confirmed for the first time; null before.
    #[schema(required)]
    begun_at: Option<jiff::Timestamp>,
    #[schema(required)]
    updated_at: Option<jiff::Timestamp>,
    refunds: Vec<RefundEntry>,
}

/// Money that goes back.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundEntry {
    seat_ids: Vec<SeatId>,
    /// In KRW.
    amount: i64,
    /// What the organiser keeps, in KRW.
    fee: i64,
    status: RefundStatus,
    /// The gateway's code when it refused.
    #[schema(required)]
    code: Option<String>,
    begun_at: jiff::Timestamp,
    updated_at: jiff::Timestamp,
}

/// How far a refund is.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum RefundStatus {
    /// The money is on its way.
    Begun,
    /// The money is back.
    Done,
    /// The gateway keeps the money, so the sale stands.
    Refused,
}

/// The payments of a reservation of mine, with their refunds.
#[utoipa::path(get, path = "/api/reservations/{reservation}/payments",
    operation_id = "listPayments", tag = "reservations",
    params(("reservation" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<PaymentHistory>)),
    extensions(("x-codes" = json!([ErrorCode::HistoryUnavailable]))))]
pub async fn list(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<ReservationId>,
) -> ApiResult<Okay<PaymentHistory>> {
    // Rows first: what Redis says afterwards is at least as new.
    let past = services.store.payments_of(id).await;
    let found = find(&services, user.id, id).await?;
    let history = past.is_ok();
    if let Err(error) = &past {
        tracing::warn!(reservation = %id, %error, "the payments of a reservation can't be read");
    }
    let payments = past.unwrap_or_default().into_iter().map(PaymentAttempt::past);
    let mut payments: Vec<PaymentAttempt> = payments.collect::<ApiResult<_>>()?;
    if let Some(now) = PaymentAttempt::now(&services, &found) {
        match payments.iter_mut().find(|past| past.id == now.id) {
            Some(past) => {
                past.status = now.status;
                past.code = past.code.take().filter(|_| past.status == PaymentStatus::Failed);
            }
            None => payments.push(now),
        }
    }
    Ok(Okay(PaymentHistory { payments, history }))
}

impl PaymentAttempt {
    fn past(past: PastPayment) -> ApiResult<Self> {
        let order_id = past.id.order_id();
        let PastPayment { id, method, amount, status, code, begun_at, updated_at, refunds } = past;
        Ok(Self {
            id,
            order_id,
            method,
            amount,
            status,
            code,
            begun_at: Some(moment(begun_at)?),
            updated_at: Some(moment(updated_at)?),
            refunds: refunds.into_iter().map(RefundEntry::of).collect::<ApiResult<_>>()?,
        })
    }

    /// The payment that the reservation is on. PostgreSQL may not have it yet.
    fn now(services: &Services, found: &FoundReservation) -> Option<Self> {
        let payment = found.reservation.payment.as_ref()?;
        let status = PaymentView::of(services, &found.reservation, payment).status();
        let is_open = found.reservation.status == ReservationStatus::Pending;
        (status != PaymentStatus::Ready || is_open).then(|| Self {
            id: payment.id,
            order_id: payment.id.order_id(),
            method: payment.method.clone(),
            amount: payment.amount,
            status,
            code: None,
            begun_at: None,
            updated_at: None,
            refunds: vec![],
        })
    }
}

impl RefundEntry {
    fn of(past: PastRefund) -> ApiResult<Self> {
        Ok(Self {
            seat_ids: past.seats,
            amount: past.amount,
            fee: past.fee,
            status: match past.status {
                RefundRowStatus::Begun => RefundStatus::Begun,
                RefundRowStatus::Done => RefundStatus::Done,
                RefundRowStatus::Refused => RefundStatus::Refused,
            },
            code: past.code,
            begun_at: moment(past.begun_at)?,
            updated_at: moment(past.updated_at)?,
        })
    }
}
