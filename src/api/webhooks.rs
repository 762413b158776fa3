//! Webhooks of the gateway. They are unsigned, so nothing in them is believed: a webhook is
//! compared with its payment, and leads to a look-up at the gateway when the two differ.

use crate::api::Services;
use crate::api::error::{ApiResult, ErrorCode};
use crate::api::extract::{Envelope, Input, Nothing, Okay, Path};
use crate::checkout::settle::Rumour;
use crate::domain::ids::PaymentId;
use crate::gateway::toss::GatewayStatus;
use axum::extract::State;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A message of the gateway.
type Message = BTreeMap<String, Value>;

/// A hint from the gateway that a payment has changed: a webhook `PAYMENT_STATUS_CHANGED` or
/// `DEPOSIT_CALLBACK` as Toss documents them. The response does not wait for the look-up. Any JSON
/// object is 200, because the gateway would repeat a message that is refused for days. It is 404
/// where the node has a secret for the other address.
#[utoipa::path(post, path = "/api/payments/webhooks/toss",
    operation_id = "tossWebhook", tag = "payments",
    request_body = BTreeMap<String, Value>, responses((status = 200, body = Envelope<Nothing>)),
    extensions(("x-codes" = json!([ErrorCode::NotFound]))))]
pub async fn take(
    State(services): State<Arc<Services>>,
    input: Input<Message>,
) -> ApiResult<Okay<Nothing>> {
    if !services.webhook_secret.is_empty() {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(hear(&services, &input.value))
}

/// The same at an address that only the gateway knows (`GRANDSTAND_TOSS_WEBHOOK_SECRET`).
#[utoipa::path(post, path = "/api/payments/webhooks/toss/{secret}",
    operation_id = "tossWebhookWithSecret", tag = "payments",
    params(("secret" = String, Path)),
    request_body = BTreeMap<String, Value>, responses((status = 200, body = Envelope<Nothing>)),
    extensions(("x-codes" = json!([ErrorCode::NotFound]))))]
pub async fn take_with_secret(
    State(services): State<Arc<Services>>,
    Path(secret): Path<String>,
    input: Input<Message>,
) -> ApiResult<Okay<Nothing>> {
    let expected = &services.webhook_secret;
    // The time of a comparison of hashes says nothing about the texts.
    let is_right = Sha256::digest(&secret) == Sha256::digest(expected);
    if expected.is_empty() || !is_right {
        return Err(ErrorCode::NotFound.into());
    }
    Ok(hear(&services, &input.value))
}

fn hear(services: &Services, message: &Message) -> Okay<Nothing> {
    // A message about a deposit has no `data`.
    let payment = message.get("data").and_then(Value::as_object);
    let text = |name: &str| {
        let value = payment.map_or_else(|| message.get(name), |payment| payment.get(name));
        value.and_then(Value::as_str)
    };
    if let Some(id) = text("orderId").and_then(PaymentId::from_order_id) {
        let payment_key = text("paymentKey").map(str::to_owned);
        let status = text("status").map(|status| GatewayStatus::from(status.to_owned()));
        services.hints.hear(Rumour { payment: id, payment_key, status });
    }
    Okay(Nothing)
}
