//! The emulator's own calls, which Toss does not have: make a payment without a browser, ask for
//! faults, make a deposit, read the books. No credentials: the emulator holds no real money.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Shared;
use super::api::is_order_id;
use super::calls::is_code;
use super::error::{ApiError, Code, Language};
use super::faults::Fault;
use super::ledger::Plan;
use super::payment::Payment;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewPayment {
    order_id: String,
    amount: i64,
    order_name: Option<String>,
    #[serde(default)]
    confirm: Confirm,
    /// With `decline`: the code of the refusal.
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
struct Books<'ledger> {
    payments: Vec<&'ledger Payment>,
}

pub(super) fn routes() -> Router<Arc<Shared>> {
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

/// The card company approves after all what it had refused or left open.
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

/// Where changes are told from now on; `null` for nowhere.
#[derive(Deserialize)]
struct Webhook {
    url: Option<String>,
}

async fn set_webhook(State(shared): State<Arc<Shared>>, Json(to): Json<Webhook>) -> StatusCode {
    *shared.webhook_url.lock() = to.url;
    StatusCode::NO_CONTENT
}

async fn read_ledger(State(shared): State<Arc<Shared>>) -> Response {
    let ledger = shared.ledger.lock();
    Json(Books { payments: ledger.all().collect() }).into_response()
}

fn refuse(error: &ApiError) -> Response {
    error.answer(Language::English).into_response()
}
