//! Payments: request a payment, and confirm it after the buyer has agreed at the gateway.

use crate::api::Services;
use crate::api::auth::{Payer, User};
use crate::api::error::{ApiError, ApiResult, ErrorCode};
use crate::api::extract::{Accepted, Created, Envelope, IdempotencyKey, Input, Okay, Path};
use crate::api::idempotency::Repeatable;
use crate::api::reservations::find;
use crate::api::views::{PaymentView, ReservationView};
use crate::checkout::CheckoutError;
use crate::checkout::confirm::Confirmed;
use crate::domain::claim::{ClaimPayment, PaymentStatus, Reservation};
use crate::domain::ids::{PaymentId, ReservationId};
use crate::domain::money::{CHARGE_MIN, Money, TRANSFER_MIN};
use crate::gateway::toss::is_possible_id;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// Which reservation to pay, and how.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestInput {
    #[schema(value_type = uuid::Uuid)]
    reservation_id: ReservationId,
    method: Method,
}

/// How to pay.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Method {
    Card,
    /// From an account, for 200 KRW or more.
    Transfer,
    EasyPay,
}

impl Method {
    /// The word of the API and of the records.
    fn word(self) -> &'static str {
        match self {
            Self::Card => "CARD",
            Self::Transfer => "TRANSFER",
            Self::EasyPay => "EASY_PAY",
        }
    }
}

/// A confirmation, with the values that the gateway gave the buyer.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmInput {
    #[schema(value_type = uuid::Uuid)]
    payment_id: PaymentId,
    /// Any key, when nothing is to be paid.
    #[schema(pattern = "^[A-Za-z0-9_=-]{1,200}$")]
    payment_key: String,
    /// The order of the requested payment.
    order_id: String,
    /// In KRW.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    amount: i64,
}

/// The result of a confirmation.
#[derive(Serialize, ToSchema)]
pub struct ConfirmView {
    #[schema(required)]
    payment: Option<PaymentView>,
    reservation: ReservationView,
    /// Whether PostgreSQL has the sale. Then only a refund can undo it.
    persisted: bool,
}

/// Requests a payment for a PENDING reservation.
#[utoipa::path(post, path = "/api/payments/request",
    operation_id = "requestPayment", tag = "payments",
    params(("Idempotency-Key" = Option<String>, Header)), request_body = RequestInput,
    security(("token" = [])),
    responses((status = 201, body = Envelope<PaymentView>)),
    extensions(("x-codes" = json!([
        ErrorCode::ReservationNotFound, ErrorCode::ReservationNotPending,
        ErrorCode::ReservationExpired, ErrorCode::HistoryUnavailable]))))]
pub async fn request(
    State(services): State<Arc<Services>>,
    Payer(user): Payer,
    key: IdempotencyKey,
    input: Input<RequestInput>,
) -> ApiResult<Repeatable<Created<PaymentView>>> {
    let RequestInput { reservation_id, method } = &input.value;
    let operation = key.operation(&user.id.key(), "request payment", &input);
    let reservation = find(&services, user.id, *reservation_id).await?.reservation;
    let least = match method {
        Method::Transfer => TRANSFER_MIN,
        Method::Card | Method::EasyPay => CHARGE_MIN,
    };
    if (1..least).contains(&reservation.amount) {
        let message = format!("takes no less than {least} KRW at the gateway: choose another");
        return Err(ApiError::field("method", message));
    }
    let method = method.word().to_owned();
    let Reservation { id, match_id, amount, .. } = reservation;
    let made = PaymentId::new(id.partition());
    let payment = services
        .engine
        .request_payment(match_id, user.id, id, made, method.clone(), operation)
        .await?;
    let replayed = payment != made;
    let payment = ClaimPayment {
        id: payment,
        method,
        status: PaymentStatus::Ready,
        key: String::new(),
        amount,
        money: Money::default(),
    };
    let response = Created(PaymentView::of(&services, &reservation, &payment));
    Ok(Repeatable { response, replayed })
}

/// Confirms a payment. 200 only when PostgreSQL has the sale. 202 while the outcome is unknown or
/// not yet persisted: then read the reservation until it is CONFIRMED.
#[utoipa::path(post, path = "/api/payments/confirm",
    operation_id = "confirmPayment", tag = "payments", request_body = ConfirmInput,
    security(("token" = [])),
    responses((status = 200, body = Envelope<ConfirmView>),
        (status = 202, body = Envelope<ConfirmView>)),
    extensions(("x-codes" = json!([
        ErrorCode::PaymentDeclined, ErrorCode::PaymentNotFound, ErrorCode::ReservationNotFound,
        ErrorCode::ReservationExpired, ErrorCode::ReservationNotPending,
        ErrorCode::PaidTooLate, ErrorCode::SeatSold,
        ErrorCode::AmountMismatch, ErrorCode::PaymentsPaused, ErrorCode::HistoryUnavailable]))))]
pub async fn confirm(
    State(services): State<Arc<Services>>,
    Payer(user): Payer,
    input: Input<ConfirmInput>,
) -> ApiResult<Response> {
    let ConfirmInput { payment_id, payment_key, order_id, amount } = input.value;
    // The key becomes a part of records, and of a path at the gateway. A payment under a key that
    // can't be looked up could be charged, and nobody could find that out or give it back.
    if !is_possible_id(&payment_key) {
        let message = "must be the paymentKey that the gateway gave";
        return Err(ApiError::field("paymentKey", message));
    }
    let (reservation, _) = find_payment(&services, &user, payment_id).await?;
    if order_id != payment_id.order_id() {
        return Err(ErrorCode::AmountMismatch.into());
    }
    let id = reservation.id;
    services.limits.may_pay(id)?;
    let confirmed = services.checkout.confirm(reservation, payment_id, payment_key, amount).await;
    if let Err(CheckoutError::Declined { .. }) = &confirmed {
        services.limits.declined(&services.engine, id).await;
    }
    let confirmed = confirmed?;
    let found = find(&services, user.id, id).await?;
    let unknown = confirmed == Confirmed::Unknown;
    let payment = found.reservation.payment.clone().map(|payment| {
        let status = if unknown { PaymentStatus::Unknown } else { payment.status };
        PaymentView::of(&services, &found.reservation, &ClaimPayment { status, ..payment })
    });
    let persisted = confirmed == Confirmed::Persisted;
    let reservation = found.view(&services);
    let view = ConfirmView { payment, reservation, persisted };
    Ok(if persisted { Okay(view).into_response() } else { Accepted(view).into_response() })
}

/// One payment of mine.
#[utoipa::path(get, path = "/api/payments/{payment}",
    operation_id = "getPayment", tag = "payments",
    params(("payment" = uuid::Uuid, Path)), security(("token" = [])),
    responses((status = 200, body = Envelope<PaymentView>)),
    extensions(("x-codes" = json!([ErrorCode::HistoryUnavailable]))))]
pub async fn get(
    State(services): State<Arc<Services>>,
    user: User,
    Path(id): Path<PaymentId>,
) -> ApiResult<Okay<PaymentView>> {
    let (reservation, payment) = find_payment(&services, &user, id).await?;
    Ok(Okay(PaymentView::of(&services, &reservation, &payment)))
}

async fn find_payment(
    services: &Services,
    user: &User,
    id: PaymentId,
) -> ApiResult<(Reservation, ClaimPayment)> {
    let missing = || ErrorCode::PaymentNotFound.into();
    let live = services.engine.reservation_of_payment(user.id, id).await?;
    if let Some(reservation) = live {
        let found = find(services, user.id, reservation).await;
        // A failed read is not a missing payment, because money may have moved for it.
        let found = found.map_err(|error| if error.is_not_found() { missing() } else { error })?;
        let found = found.reservation;
        if let Some(payment) = found.payment.clone().filter(|payment| payment.id == id) {
            return Ok((found, payment));
        }
    }
    let (reservation, payment) = services.store.payment(id).await?.ok_or_else(missing)?;
    if reservation.user == user.id { Ok((reservation, payment)) } else { Err(missing()) }
}
