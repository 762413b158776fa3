//! Errors as people and programs get them: RFC 9457 problem documents with a stable code.
//! This folder alone has the status codes of failures.

mod refusals;

use crate::domain::ids::SeatId;
use crate::domain::plan::PlanFault;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Names the kind of problem for ever.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// For programs; never changes its meaning.
    pub code: &'static str,
    pub request_id: String,
    /// Wrong fields, one entry each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Members of the code's own: `lost`, `alternatives`, `gatewayCode`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub more: Map<String, Value>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Path of the field: `seatIds[2]`, or a JSON pointer inside a site plan.
    pub field: String,
    pub message: String,
}

/// An answer that is not a success. Boxed: a result should not be as large as its rarest case.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after_seconds: Option<u64>,
    errors: Vec<FieldError>,
    more: Map<String, Value>,
    /// For the log only.
    inside: Option<String>,
}

/// The result of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            status,
            code,
            detail: detail.into(),
            retry_after_seconds: None,
            errors: vec![],
            more: Map::new(),
            inside: None,
        }))
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.more.insert(name.to_owned(), value.into());
        self
    }

    fn inside(mut self, text: String) -> Self {
        self.0.inside = Some(text);
        self
    }

    /// Adds the choices that are as good as the seats that were lost.
    pub fn with_alternatives(self, alternatives: Value) -> Self {
        if self.0.code == "SEAT_TAKEN" { self.with("alternatives", alternatives) } else { self }
    }

    /// One wrong field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// Wrong fields.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [one] => format!("{}: {}", one.field, one.message),
            many => format!("{} fields are wrong; nothing was changed.", many.len()),
        };
        let mut error = Self::new(StatusCode::BAD_REQUEST, "VALIDATION", detail);
        error.0.errors = errors;
        error
    }

    /// A site plan with everything that is wrong in it.
    pub fn plan(faults: Vec<PlanFault>) -> Self {
        let error = |fault: PlanFault| FieldError { field: fault.pointer, message: fault.message };
        Self::fields(faults.into_iter().map(error).collect())
    }

    /// A body that is not JSON.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED", detail)
    }

    /// A body of another type than JSON.
    pub fn media_type() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            "The body must be JSON: send the header content-type: application/json.",
        )
    }

    /// A body above the limit.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "TOO_LARGE",
            format!("The body is larger than {limit} bytes."),
        )
    }

    /// No token, or one that is not valid.
    pub fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", detail)
    }

    /// E-mail or password is wrong; which one is not told.
    pub fn bad_credentials() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "BAD_CREDENTIALS",
            "E-mail or password is not right. Check both, or sign up.",
        )
    }

    /// For administrators only.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", "Only an administrator may do this.")
    }

    /// Whether it says that something does not exist.
    pub fn is_not_found(&self) -> bool {
        self.0.status == StatusCode::NOT_FOUND
    }

    /// Something that does not exist, or that the caller may not know of.
    pub fn not_found(what: &'static str) -> Self {
        let (code, detail) = match what {
            "match" => ("MATCH_NOT_FOUND", "There is no match with this id."),
            "site" => ("SITE_NOT_FOUND", "There is no site with this id."),
            "area" => ("AREA_NOT_FOUND", "The site has no area with this id."),
            "section" => ("SECTION_NOT_FOUND", "The site has no section with this id."),
            "block" => ("BLOCK_NOT_FOUND", "The site has no block with this id."),
            "hold" => ("HOLD_NOT_FOUND", "There is no hold with this id."),
            "reservation" => ("RESERVATION_NOT_FOUND", "You have no reservation with this id."),
            "payment" => (
                "PAYMENT_NOT_FOUND",
                "You have no payment with this id. If a later request for the same reservation has \
                 taken its place, nothing was charged for it.",
            ),
            "ticket" => ("NOT_IN_QUEUE", "You are not in the queue: join it first."),
            _ => ("NOT_FOUND", "There is nothing at this address; /docs lists what there is."),
        };
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Seats that the site does not have.
    pub fn seats_not_found(seats: &[SeatId]) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "SEAT_NOT_FOUND",
            "Not all of these seats exist at the site of this match.",
        )
        .with("seatIds", seat_list(seats))
    }

    /// The path exists, the method does not.
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "This address does not know this method; the header allow lists those it knows.",
        )
    }

    /// More calls than the limit.
    pub fn too_many(code: &'static str, seconds: u64) -> Self {
        let detail = format!("Too many of these at once. Try again in {seconds} s.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail).retry_after(seconds)
    }

    /// More than this node can serve now.
    pub fn overloaded() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "OVERLOADED",
            "More people are here than can be served this second. Try again.",
        )
        .retry_after(1)
    }

    /// The node can't serve now; the members of `view` say what is missing.
    pub fn not_ready(view: &impl Serialize) -> Self {
        let detail = "This process can't serve at the moment; the other members say why.";
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "NOT_READY", detail);
        if let Ok(Value::Object(members)) = serde_json::to_value(view) {
            error.0.more = members;
        }
        error.retry_after(2)
    }

    /// No answer within the time that a request may take.
    pub fn timeout() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "TIMEOUT",
            "This took too long. Ask again with the same Idempotency-Key: nothing happens twice.",
        )
        .retry_after(2)
    }

    /// Payments wait for PostgreSQL; nothing was charged.
    pub fn payments_paused() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "PAYMENTS_PAUSED",
            "Payments are paused for a moment. Nothing was charged, and your seats stay yours: \
             the time to pay has been extended. Try again.",
        )
        .retry_after(5)
    }

    /// The gateway refused for good.
    pub fn declined(gateway_code: &str, message: &str) -> Self {
        Self::new(
            StatusCode::PAYMENT_REQUIRED,
            "PAYMENT_DECLINED",
            format!(
                "The payment was declined: {}. Request a new payment to try again.",
                message.trim_end_matches('.')
            ),
        )
        .with("gatewayCode", gateway_code)
    }

    /// The money came when the seats could not be given any more: it goes back.
    pub fn money_returns() -> Self {
        Self::conflict(
            "PAID_TOO_LATE",
            "The payment came through when the seats were not yours any more. The money goes back \
             in full.",
        )
    }

    /// The first call under this key has no answer yet.
    pub fn in_flight() -> Self {
        Self::conflict(
            "IDEMPOTENCY_KEY_IN_USE",
            "A call with this Idempotency-Key is under way. Ask again in a moment.",
        )
        .retry_after(1)
    }

    /// An earlier sale has the seats; nothing was charged.
    pub fn seat_sold(seats: &[SeatId]) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "SEAT_SOLD",
            "These seats belong to an earlier sale. Nothing was charged; please choose others.",
        )
        .with("lost", seat_list(seats))
    }

    /// The amount is not that of the reservation; nothing was charged.
    pub fn amount_mismatch() -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "AMOUNT_MISMATCH",
            "Order or amount is not that of this payment. Nothing was charged.",
        )
    }

    /// No seats of this kind are left.
    pub fn sold_out() -> Self {
        Self::conflict("SOLD_OUT", "There are no such seats any more. Seats may come back.")
    }

    /// Refused because of the state that something is in.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// A bug, or something that nobody thought of.
    #[expect(clippy::needless_pass_by_value, reason = "it ends as `map_err(ApiError::internal)`")]
    pub fn internal(error: impl ToString) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "Something went wrong on our side. Say the requestId when you ask for help.",
        )
        .inside(error.to_string())
    }

    /// Whether the client will be told to come back.
    pub fn is_server_fault(&self) -> bool {
        self.0.status.is_server_error()
    }

    /// The document, for the request that it answers.
    pub fn into_problem(self, request_id: &str) -> Response {
        let parts = *self.0;
        if let Some(inside) = &parts.inside {
            tracing::error!(code = parts.code, request_id, inside, "a request failed");
        }
        let title = parts.status.canonical_reason().unwrap_or("Error").to_owned();
        let problem = Problem {
            kind: format!("urn:grandstand:problem:{}", parts.code.to_lowercase().replace('_', "-")),
            title,
            status: parts.status.as_u16(),
            detail: parts.detail,
            code: parts.code,
            request_id: request_id.to_owned(),
            errors: parts.errors,
            more: parts.more,
        };
        let mut response = (parts.status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = parts.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if parts.status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// The middleware that knows the id of the request writes the document.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Each seat once, in the order in which they are named first.
fn seat_list(seats: &[SeatId]) -> Value {
    let mut list: Vec<SeatId> = Vec::with_capacity(seats.len());
    for seat in seats {
        if !list.contains(seat) {
            list.push(*seat);
        }
    }
    json!(list)
}
