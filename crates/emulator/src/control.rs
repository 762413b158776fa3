//! Calls that Toss does not have: create a payment without a browser, request faults, make a
//! deposit, read the ledger. They need no credentials, because the emulator holds no real money.

use crate::Shared;
use crate::api::is_order_id;
use crate::calls::is_code;
use crate::error::{ApiError, Code, Language};
use crate::faults::Fault;
use crate::ledger::Plan;
use crate::payment::Payment;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewPayment {
    order_id: String,
    amount: i64,
    order_name: Option<String>,
    #[serde(default)]
    confirm: Confirm,
    /// With `decline`: the error code of the refusal.
    code: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Confirm {
    #[default]
    Approve,
    Decline,
    WaitForDeposit,
}

#[derive(Serialize)]
struct LedgerView<'ledger> {
    payments: Vec<&'ledger Payment>,
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_emulator/payments", post(begin))
        .route("/_emulator/payments/{payment_key}/approve", post(approve))
        .route("/_emulator/payments/{payment_key}/deposit", post(deposit))
        .route("/_emulator/faults", get(list_faults).post(add_fault).delete(clear_faults))
        .route("/_emulator/ledger", get(read_ledger))
        .route("/_emulator/webhook", put(set_webhook))
}

async fn begin(State(shared): State<Arc<Shared>>, Json(request): Json<NewPayment>) -> Response {
    let code = request.code.unwrap_or_else(|| "REJECT_CARD_COMPANY".to_owned());
    if !is_order_id(&request.order_id) || request.amount <= 0 || !is_code(&code) {
        return refuse(&Code::INVALID_REQUEST.into());
    }
    let plan = match request.confirm {
        Confirm::Approve => Plan::Approve,
        Confirm::Decline => Plan::Decline { code },
        Confirm::WaitForDeposit => Plan::WaitForDeposit,
    };
    let order_name = request.order_name.unwrap_or_else(|| request.order_id.clone());
    let payment = Payment::authenticated(request.order_id, order_name, request.amount);
    match shared.ledger.lock().begin(payment, plan) {
        Ok(payment_key) => {
            (StatusCode::CREATED, Json(json!({ "paymentKey": payment_key }))).into_response()
        }
        Err(error) => refuse(&error),
    }
}

/// The card company approves a payment that it had refused or left open.
async fn approve(State(shared): State<Arc<Shared>>, Path(payment_key): Path<String>) -> Response {
    match shared.ledger.lock().approve_late(&payment_key) {
        Ok(payment) => Json(payment).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn deposit(State(shared): State<Arc<Shared>>, Path(payment_key): Path<String>) -> Response {
    match shared.ledger.lock().deposit(&payment_key) {
        Ok(payment) => Json(payment).into_response(),
        Err(error) => refuse(&error),
    }
}

async fn add_fault(State(shared): State<Arc<Shared>>, Json(fault): Json<Fault>) -> StatusCode {
    shared.faults.lock().add(fault);
    StatusCode::NO_CONTENT
}

async fn list_faults(State(shared): State<Arc<Shared>>) -> Response {
    Json(json!({ "faults": shared.faults.lock().all() })).into_response()
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.faults.lock().clear();
    StatusCode::NO_CONTENT
}

/// The address for webhooks from now on; `null` for none.
#[derive(Deserialize)]
struct WebhookAddress {
    url: Option<String>,
}

async fn set_webhook(
    State(shared): State<Arc<Shared>>,
    Json(address): Json<WebhookAddress>,
) -> StatusCode {
    *shared.webhook_url.lock() = address.url;
    StatusCode::NO_CONTENT
}

async fn read_ledger(State(shared): State<Arc<Shared>>) -> Response {
    let ledger = shared.ledger.lock();
    Json(LedgerView { payments: ledger.all().collect() }).into_response()
}

fn refuse(error: &ApiError) -> Response {
    error.reply(Language::English).into_response()
}
