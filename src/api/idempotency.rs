//! The header `Idempotency-Key` on all routes, and what a route without a use for it does when a
//! call is repeated. `api::extract` has the key of a route that keeps its responses.

use crate::api::error::{ApiError, ApiResult};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

/// The header of a key.
pub const KEY: &str = "Idempotency-Key";
/// The header of a response that repeats an earlier one.
pub const REPLAYED: &str = "Idempotency-Replayed";

/// The operations whose successes say that they are repeated.
pub const MARKED: [&str; 8] = [
    "signUp",
    "hold",
    "reserve",
    "requestPayment",
    "createSite",
    "createMatch",
    "admitNow",
    "checkIn",
];

/// The other operations under a key. They make nothing with an id of its own, by which a repeated
/// call would know what an earlier one has made.
pub const UNMARKED: [&str; 2] = ["replaceSite", "cancelBuyerReservation"];

/// What a repeated POST does on each route without a use for a key: the id of the operation, and a
/// sentence.
pub const WITHOUT_KEY: &[(&str, &str)] = &[
    ("logIn", "Each log-in begins a session of its own; a code works once."),
    ("refreshSession", "The same refresh token gives a pair again within a minute."),
    ("logOut", "A repeated call is 204 too, or 401 once its token has ended with the session."),
    ("requestPasswordReset", "A repeated call sends another mail, and only its link works then."),
    ("resetPassword", "After the first call has set the password, the others are 409."),
    ("requestEmailVerification", "A repeated call sends another mail, and only its link works."),
    ("verifyEmail", "A repeated call is 204, too, as long as the link is valid."),
    ("joinQueue", "A repeated call gets the same place again."),
    ("holdSeat", "A repeated call is 409 `ALREADY_HELD` with the `holdId` of the first."),
    ("releaseSeat", "A repeated call is 204 again."),
    ("confirmPayment", "A repeated call charges nothing again, and returns how things stand."),
    (
        "cancelReservation",
        "A repeated call gives nothing back again, and returns how things stand.",
    ),
    ("tossWebhook", "A repeated message has no further effect."),
    ("tossWebhookWithSecret", "A repeated message has no further effect."),
    ("beginSecondFactor", "Each call returns another setup, and nothing is stored."),
    (
        "createApiKey",
        "Each call makes another key. Delete the one whose response was lost: `listApiKeys`.",
    ),
    ("importPlan", "Nothing is stored."),
    ("announceMatch", "A repeated call is 409 `MATCH_ON_SALE`."),
    ("openSale", "A repeated call is 409 `MATCH_ALREADY_OPEN`."),
    ("closeSale", "A repeated call is 409 `MATCH_NOT_OPEN`."),
    ("blockSeats", "Seats that are blocked already stay so, and the response is the same."),
    ("unblockSeats", "The response is the same until somebody wants one of the seats."),
];

/// The key of a call, if there is one: 1 to 255 visible ASCII characters.
pub fn key_of(headers: &HeaderMap) -> ApiResult<Option<String>> {
    let Some(value) = headers.get(KEY) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !(1..=255).contains(&text.len()) || !is_visible {
        let message = "must be 1 to 255 visible ASCII characters, such as a UUID";
        return Err(ApiError::field(KEY, message));
    }
    Ok(Some(text.to_owned()))
}

/// A success that may be that of an earlier call under the same key. Then its head says so.
pub struct Repeatable<R> {
    pub response: R,
    /// Whether an earlier call has made it.
    pub replayed: bool,
}

impl<R: IntoResponse> IntoResponse for Repeatable<R> {
    fn into_response(self) -> Response {
        let mut response = self.response.into_response();
        if self.replayed {
            let name = HeaderName::from_static("idempotency-replayed");
            response.headers_mut().insert(name, HeaderValue::from_static("true"));
        }
        response
    }
}
