//! The steps of every call of the API, in this order: credentials, faults in front of the API,
//! idempotency, the effect (with test codes and refusals on request), faults after the effect.

use crate::Shared;
use crate::error::{ApiError, Code, Language};
use crate::faults::CallKind;
use crate::idempotency::{Entrance, KEY_CHARACTERS_MAX, Scope, Ticket};
use crate::ledger::Ledger;
use crate::reply::{Cut, Reply};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use std::sync::Arc;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const TEST_CODE: HeaderName = HeaderName::from_static("tosspayments-test-code");

/// The parts of a request's head that the API reads.
pub(crate) struct Head {
    method: Method,
    path: String,
    headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Head {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            method: parts.method.clone(),
            path: parts.uri.path().to_owned(),
            headers: parts.headers.clone(),
        })
    }
}

/// Serves a call whose work is `effect`. The effect runs to its end even when the caller has
/// disconnected, as at a real gateway.
pub(crate) async fn serve<T: Serialize>(
    shared: Arc<Shared>,
    kind: CallKind,
    head: Head,
    effect: impl FnOnce(&mut Ledger) -> Result<T, ApiError> + Send + 'static,
) -> Response {
    let language = Language::of(&head.headers);
    if let Err(error) = check_credentials(&head.headers, &shared.settings.secret_key) {
        return error.reply(language).into_response();
    }
    let mut draw = shared.faults.lock().draw(kind);
    if draw.drop_before {
        return Cut.into_response();
    }
    if let Some(error) = draw.in_front.take() {
        return error.reply(language).into_response();
    }

    let entrance = match idempotency_key(&head) {
        Ok(None) => None,
        Ok(Some(key)) => {
            let scope = Scope { key, path: head.path.clone() };
            Some(shared.idempotency.enter(scope, Timestamp::now()))
        }
        Err(error) => return error.reply(language).into_response(),
    };
    let ticket = match entrance {
        None => None,
        Some(Entrance::First(ticket)) => Some(ticket),
        Some(Entrance::InFlight) => {
            let error = ApiError::from(Code::IDEMPOTENT_REQUEST_PROCESSING);
            return error.reply(language).into_response();
        }
        Some(Entrance::Replay(reply)) => {
            return after(&draw, reply, language).await;
        }
    };

    let refusal = test_code(&head.headers).or(draw.refusal.take());
    let (latency, worker) = (draw.latency, Arc::clone(&shared));
    let work = shared.tasks.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(latency) => {}
            // A gateway that is stopped does not finish its calls.
            () = worker.stopping.cancelled() => return None,
        }
        let scope = ticket.as_ref().and_then(Ticket::scope);
        let reply = worker.ledger.lock().at_once(|ledger| {
            let reply = match refusal.map_or_else(|| effect(ledger), Err) {
                Ok(body) => Reply::json(StatusCode::OK, &body),
                Err(error) => error.reply(language),
            };
            scope.map_or(Ok(()), |scope| ledger.keep_reply(scope, &reply)).map(|()| reply)
        });
        let reply = reply.flatten().unwrap_or_else(|error| error.reply(language));
        if let Some(ticket) = ticket {
            ticket.finish(&reply);
        }
        Some(reply)
    });
    match work.await {
        Ok(Some(reply)) => after(&draw, reply, language).await,
        Ok(None) | Err(_) => Cut.into_response(),
    }
}

/// Applies the faults between the effect and the caller.
async fn after(draw: &crate::faults::Draw, reply: Reply, language: Language) -> Response {
    tokio::time::sleep(draw.slow_reply).await;
    if draw.drop_after {
        return Cut.into_response();
    }
    if draw.error_after {
        let error = ApiError::from(Code::FAILED_INTERNAL_SYSTEM_PROCESSING);
        return error.reply(language).into_response();
    }
    reply.into_response()
}

/// Whether the API key of the caller (`Basic base64("{secretKey}:")`) is `secret_key`.
fn check_credentials(headers: &HeaderMap, secret_key: &str) -> Result<(), ApiError> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded.trim()).ok())
        .and_then(|decoded| String::from_utf8(decoded).ok())
        .and_then(|pair| pair.strip_suffix(':').map(str::to_owned))
        .filter(|key| !key.is_empty() && !key.contains(':'))
        .ok_or(Code::INCORRECT_BASIC_AUTH_FORMAT)?;
    if given == secret_key {
        return Ok(());
    }
    let is_client_key = given.contains("_ck_") || given.contains("_gck_");
    Err(if is_client_key { Code::INVALID_API_KEY } else { Code::UNAUTHORIZED_KEY }.into())
}

/// Returns the idempotency key of a POST. A GET has none, even with the header.
fn idempotency_key(head: &Head) -> Result<Option<String>, ApiError> {
    let Some(value) = head.headers.get(IDEMPOTENCY_KEY).filter(|_| head.method == Method::POST)
    else {
        return Ok(None);
    };
    let key = String::from_utf8_lossy(value.as_bytes()).into_owned();
    if key.chars().count() > KEY_CHARACTERS_MAX {
        return Err(Code::INVALID_IDEMPOTENCY_KEY.into());
    }
    Ok(Some(key).filter(|key| !key.is_empty()))
}

/// Returns the error that a test requests with a header.
fn test_code(headers: &HeaderMap) -> Option<ApiError> {
    let code = headers.get(TEST_CODE)?.to_str().ok()?;
    is_code(code).then(|| ApiError::named(code))
}

/// Whether a text has the form of an error code.
pub(crate) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || b"_0123456789".contains(&byte))
}
