//! Errors as clients get them: RFC 9457 problem documents with a stable code. Only this folder has
//! the status codes of failures.

mod code;
mod members;
mod refusals;

pub use crate::api::error::code::ErrorCode;
pub use crate::api::error::members::{Members, WantedChallenge};

use crate::domain::ids::{AreaId, MatchId, SeatId};
use crate::domain::plan::PlanFault;
use crate::live::proposals::Choice;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// The media type of a problem document.
pub const PROBLEM: &str = "application/problem+json";

/// A problem document (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The kind of problem, which never changes: the code as a URN.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    pub status: u16,
    /// What happened, and what to do, for people.
    pub detail: String,
    pub code: ErrorCode,
    /// The id of the request in the log of the server; also in the header `x-request-id`.
    pub request_id: String,
    #[serde(flatten)]
    pub members: Members,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The path of the field: `seatIds[2]`, or a JSON pointer inside a site plan.
    pub field: String,
    pub message: String,
}

/// A response that is not a success. Boxed, because a result should not be as large as its rarest
/// case.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    code: ErrorCode,
    detail: Cow<'static, str>,
    retry_after_seconds: Option<u64>,
    members: Members,
    /// The cause, for the log only.
    inside: Option<String>,
}

/// The result of a handler.
pub type ApiResult<T> = Result<T, ApiError>;

/// With the general sentence of the code.
impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, code.detail())
    }
}

impl ApiError {
    /// The code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// With a sentence that is more exact than the sentence of the code.
    pub fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            code,
            detail: detail.into(),
            retry_after_seconds: code.retry_after_seconds(),
            members: Members::default(),
            inside: None,
        }))
    }

    /// Sets members. Each seat is in a list once.
    fn with(mut self, set: impl FnOnce(&mut Members)) -> Self {
        let members = &mut self.0.members;
        set(members);
        let lists = [&mut members.lost, &mut members.orphans, &mut members.seat_ids];
        for seats in lists.into_iter().flatten().filter(|seats| seats.len() > 1) {
            let mut seen = HashSet::new();
            seats.retain(|seat| seen.insert(*seat));
        }
        self
    }

    /// The client should try again after these seconds.
    fn after(mut self, seconds: u64) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }

    fn inside(mut self, text: String) -> Self {
        self.0.inside = Some(text);
        self
    }

    /// Somebody was faster.
    pub fn seat_taken(lost: Vec<SeatId>) -> Self {
        Self::from(ErrorCode::SeatTaken).with(|members| members.lost = Some(lost))
    }

    /// Adds the choices that are as good as the seats that were lost.
    pub fn with_alternatives(self, alternatives: Vec<Arc<Choice>>) -> Self {
        self.with(|members| members.alternatives = Some(alternatives))
    }

    /// One wrong field.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.to_owned(), message: message.into() }])
    }

    /// Wrong fields.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [error] => format!("{}: {}", error.field, error.message),
            many => format!("{} fields are wrong; nothing was changed.", many.len()),
        };
        Self::new(ErrorCode::Validation, detail).with(|members| members.errors = Some(errors))
    }

    /// All faults of a site plan.
    pub fn plan(faults: Vec<PlanFault>) -> Self {
        let error = |fault: PlanFault| FieldError { field: fault.pointer, message: fault.message };
        Self::fields(faults.into_iter().map(error).collect())
    }

    /// A body above the limit.
    pub fn too_large(limit: usize) -> Self {
        Self::new(ErrorCode::TooLarge, format!("The body is larger than {limit} bytes."))
    }

    /// Whether a field was refused because its number has a decimal point.
    pub fn is_of_number(&self) -> bool {
        let errors = self.0.members.errors.iter().flatten();
        errors.into_iter().any(|error| error.message.contains("floating point"))
    }

    /// Whether this is a 404.
    pub fn is_not_found(&self) -> bool {
        self.0.code.status() == StatusCode::NOT_FOUND
    }

    /// A refusal that names seats.
    pub fn with_seats(code: ErrorCode, seats: Vec<SeatId>) -> Self {
        Self::from(code).with(|members| members.seat_ids = Some(seats))
    }

    /// An area with fewer places than are wanted.
    pub fn area_full(area: AreaId, left: usize) -> Self {
        let detail = match left {
            0 => "This area is full.".to_owned(),
            left => format!("This area has only {left} places left."),
        };
        Self::new(ErrorCode::AreaFull, detail).with(|members| {
            members.area_id = Some(area);
            members.left = Some(left);
        })
    }

    /// Seats that the site does not have.
    pub fn seats_not_found(seats: Vec<SeatId>) -> Self {
        Self::from(ErrorCode::SeatNotFound).with(|members| members.seat_ids = Some(seats))
    }

    /// Blocked seats of a draft that its plan or its site would not have.
    pub fn seats_blocked(id: MatchId, seats: Vec<SeatId>) -> Self {
        let detail = format!("Seats of the draft {id} are blocked. Unblock them first.");
        Self::new(ErrorCode::SeatsBlocked, detail).with(|members| members.seat_ids = Some(seats))
    }

    /// More calls than the limit.
    pub fn too_many(code: ErrorCode, seconds: u64) -> Self {
        let detail = format!("Too many of these at once. Try again in {seconds} s.");
        let mut error = Self::new(code, detail);
        error.0.retry_after_seconds = Some(seconds);
        error
    }

    /// A challenge comes first.
    pub fn challenge_required(challenge: WantedChallenge) -> Self {
        Self::from(ErrorCode::ChallengeRequired).with(|members| members.challenge = Some(challenge))
    }

    /// With another sentence for people.
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// The node can't serve now; the members of `view` say what is missing.
    pub fn not_ready(view: &impl Serialize) -> Self {
        let error = Self::from(ErrorCode::NotReady);
        match serde_json::to_value(view) {
            Ok(Value::Object(seen)) => error.with(|members| members.node = seen),
            _ => error,
        }
    }

    /// The gateway refused for good.
    pub fn declined(gateway_code: &str, message: &str) -> Self {
        let message = message.trim_end_matches('.');
        let detail =
            format!("The payment was declined: {message}. Request a new payment to try again.");
        Self::new(ErrorCode::PaymentDeclined, detail)
            .with(|members| members.gateway_code = Some(gateway_code.to_owned()))
    }

    /// An earlier sale has the seats; nothing was charged.
    pub fn seat_sold(seats: Vec<SeatId>) -> Self {
        Self::from(ErrorCode::SeatSold).with(|members| members.lost = Some(seats))
    }

    /// A bug, or an unexpected failure.
    #[expect(clippy::needless_pass_by_value, reason = "for `map_err(ApiError::internal)`")]
    pub fn internal(error: impl ToString) -> Self {
        Self::from(ErrorCode::Internal).inside(error.to_string())
    }

    /// The problem document for a request.
    pub fn problem(self, request_id: &str) -> Problem {
        let Parts { code, detail, members, .. } = *self.0;
        let status = code.status();
        Problem {
            kind: format!(
                "urn:grandstand:problem:{}",
                code.to_string().to_lowercase().replace('_', "-")
            ),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into_owned(),
            code,
            request_id: request_id.to_owned(),
            members,
        }
    }

    /// The response to a request.
    pub fn into_problem_response(self, request_id: &str) -> Response {
        let (code, retry_after_seconds) = (self.0.code, self.0.retry_after_seconds);
        if let Some(inside) = &self.0.inside {
            tracing::error!(%code, request_id, inside, "a request failed");
        }
        let mut response = json_response(code.status(), PROBLEM, &self.problem(request_id));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if code.status() == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        response
    }
}

/// Most responses are smaller, so that their buffer never grows.
const RESPONSE_BYTES: usize = 1024;

/// A response with a body of JSON.
pub(super) fn json_response<T: Serialize>(
    status: StatusCode,
    media_type: &'static str,
    value: &T,
) -> Response {
    let mut body = Vec::with_capacity(RESPONSE_BYTES);
    match serde_json::to_writer(&mut body, value) {
        Ok(()) => (status, [(header::CONTENT_TYPE, media_type)], body).into_response(),
        Err(error) => ApiError::internal(error).into_response(),
    }
}

/// The document is written by the layer that knows the id of the request (`api::layers`).
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.0.code.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for ErrorCode {
    fn into_response(self) -> Response {
        ApiError::from(self).into_response()
    }
}
