//! The five calls of Toss's API that Grandstand uses.

use crate::Shared;
use crate::calls::{self, Head};
use crate::error::{ApiError, Code};
use crate::faults::CallKind;
use crate::payment::CancelRequest;
use crate::transactions::TransactionsQuery;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfirmRequest {
    payment_key: String,
    order_id: String,
    amount: i64,
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/payments/confirm", post(confirm))
        .route("/v1/payments/{payment_key}", get(find))
        .route("/v1/payments/orders/{order_id}", get(find_by_order))
        .route("/v1/payments/{payment_key}/cancel", post(cancel))
        .route("/v1/transactions", get(transactions))
}

async fn confirm(State(shared): State<Arc<Shared>>, head: Head, body: Bytes) -> Response {
    calls::serve(shared, CallKind::Confirm, head, move |ledger| {
        let request: ConfirmRequest = parse(&body)?;
        let is_possible = (1..=200).contains(&request.payment_key.len())
            && is_order_id(&request.order_id)
            && request.amount > 0;
        if !is_possible {
            return Err(Code::INVALID_REQUEST.into());
        }
        let ConfirmRequest { payment_key, order_id, amount } = request;
        ledger.confirm(&payment_key, &order_id, amount)
    })
    .await
}

async fn find(
    State(shared): State<Arc<Shared>>,
    Path(payment_key): Path<String>,
    head: Head,
) -> Response {
    calls::serve(shared, CallKind::Lookup, head, move |ledger| ledger.find(&payment_key)).await
}

async fn find_by_order(
    State(shared): State<Arc<Shared>>,
    Path(order_id): Path<String>,
    head: Head,
) -> Response {
    calls::serve(shared, CallKind::Lookup, head, move |ledger| ledger.find_by_order(&order_id))
        .await
}

async fn cancel(
    State(shared): State<Arc<Shared>>,
    Path(payment_key): Path<String>,
    head: Head,
    body: Bytes,
) -> Response {
    calls::serve(shared, CallKind::Cancel, head, move |ledger| {
        let request: CancelRequest = parse(&body)?;
        if !(1..=200).contains(&request.cancel_reason.chars().count()) {
            return Err(Code::INVALID_REQUEST.into());
        }
        ledger.cancel(&payment_key, &request)
    })
    .await
}

async fn transactions(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<TransactionsQuery>, QueryRejection>,
    head: Head,
) -> Response {
    calls::serve(shared, CallKind::Transactions, head, move |ledger| {
        let Query(query) = query.map_err(|_| Code::INVALID_REQUEST)?;
        ledger.transactions(&query)
    })
    .await
}

fn parse<'body, T: Deserialize<'body>>(body: &'body [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|_| Code::INVALID_REQUEST.into())
}

/// Whether a text is an order id by the rule of Toss: 6 to 64 letters, digits, `-`, `_` and `=`.
pub(crate) fn is_order_id(text: &str) -> bool {
    (6..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_=".contains(&byte))
}
