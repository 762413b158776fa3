//! The pay page, in the place of the payment window of Toss. The buyer chooses the decision of the
//! card company here, and returns to the shop the same way as from Toss.

use crate::Shared;
use crate::api::is_order_id;
use crate::ledger::Plan;
use crate::payment::Payment;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PAGE: &str = include_str!("pay.html");

/// The page needs inline styles only: no scripts, and no other host.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'";

/// The longest address of a shop to return to.
const URL_BYTES_MAX: usize = 2000;

/// The request of the shop, with the fields of `requestPayment` of Toss.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    order_id: String,
    /// In won.
    amount: i64,
    #[serde(default)]
    order_name: String,
    success_url: String,
    fail_url: String,
}

/// An order whose fields are all valid.
struct CheckedOrder {
    order: Order,
    success_url: Url,
    fail_url: Url,
}

/// The choice of the buyer.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    /// The buyer authenticates, and the card company approves.
    Approve,
    /// The buyer authenticates, and the card company refuses when the shop confirms.
    Refused,
    /// The card company refuses in the payment window already.
    Decline,
    /// The buyer closes the payment window.
    Abandon,
}

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/pay", get(show)).route("/pay/{choice}", post(choose))
}

async fn show(Query(order): Query<Order>) -> Response {
    let checked = match order.check() {
        Ok(checked) => checked,
        Err(reason) => return (StatusCode::BAD_REQUEST, reason).into_response(),
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, Html(page(&checked.order))).into_response()
}

async fn choose(
    State(shared): State<Arc<Shared>>,
    Path(choice): Path<Choice>,
    Query(order): Query<Order>,
) -> Response {
    let CheckedOrder { order, success_url, fail_url } = match order.check() {
        Ok(checked) => checked,
        Err(reason) => return (StatusCode::BAD_REQUEST, reason).into_response(),
    };
    let plan = match choice {
        Choice::Approve => Plan::Approve,
        Choice::Refused => Plan::Decline { code: "REJECT_CARD_COMPANY".to_owned() },
        Choice::Decline => {
            let message = "카드사에서 승인을 거절했습니다.";
            let query = [
                ("code", "REJECT_CARD_COMPANY"),
                ("message", message),
                ("orderId", &order.order_id),
            ];
            return redirect(fail_url, &query);
        }
        Choice::Abandon => {
            let message = "사용자가 결제를 취소했습니다.";
            return redirect(fail_url, &[("code", "PAY_PROCESS_CANCELED"), ("message", message)]);
        }
    };
    let Order { order_id, amount, order_name, .. } = order;
    let payment = Payment::authenticated(order_id.clone(), order_name, amount);
    match shared.ledger.lock().begin(payment, plan) {
        Ok(payment_key) => redirect(
            success_url,
            &[
                ("paymentType", "NORMAL"),
                ("orderId", &order_id),
                ("paymentKey", &payment_key),
                ("amount", &amount.to_string()),
            ],
        ),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the ledger is not writable").into_response(),
    }
}

impl Order {
    fn check(self) -> Result<CheckedOrder, &'static str> {
        if !is_order_id(&self.order_id) {
            return Err("orderId must be 6 to 64 letters, digits, '-', '_' or '='");
        }
        if self.amount <= 0 {
            return Err("amount must be above 0");
        }
        if self.order_name.chars().count() > 100 {
            return Err("orderName must have at most 100 characters");
        }
        let success_url = return_address(&self.success_url)
            .ok_or("successUrl must be an address that starts with http:// or https://")?;
        let fail_url = return_address(&self.fail_url)
            .ok_or("failUrl must be an address that starts with http:// or https://")?;
        Ok(CheckedOrder { order: self, success_url, fail_url })
    }
}

/// Parses an address to which the page may send a browser. It has http or https, a host and no
/// password, so that it is neither a script nor a name that looks like another one.
fn return_address(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= URL_BYTES_MAX)?;
    let is_safe = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    is_safe.then_some(url)
}

fn redirect(mut to: Url, query: &[(&str, &str)]) -> Response {
    to.query_pairs_mut().extend_pairs(query);
    Redirect::to(to.as_str()).into_response()
}

fn page(order: &Order) -> String {
    let action = |choice: &str| {
        let mut query = Url::parse("http://emulator/").ok();
        if let Some(url) = &mut query {
            url.query_pairs_mut()
                .append_pair("orderId", &order.order_id)
                .append_pair("amount", &order.amount.to_string())
                .append_pair("orderName", &order.order_name)
                .append_pair("successUrl", &order.success_url)
                .append_pair("failUrl", &order.fail_url);
        }
        let query = query.as_ref().and_then(Url::query).unwrap_or_default();
        escape(&format!("/pay/{choice}?{query}"))
    };
    let name = if order.order_name.is_empty() { &order.order_id } else { &order.order_name };
    // The texts of the order go in last, so that no text in them can act as a placeholder.
    PAGE.replace("{approve}", &action("approve"))
        .replace("{refused}", &action("refused"))
        .replace("{decline}", &action("decline"))
        .replace("{abandon}", &action("abandon"))
        .replace("{amount}", &with_commas(order.amount))
        .replace("{order_id}", &escape(&order.order_id))
        .replace("{order_name}", &escape(name))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn with_commas(amount: i64) -> String {
    let digits = amount.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
