//! The input and output of handlers: JSON in, with errors that name the field, and the envelope
//! out. Only this file has the status codes of successes.

use crate::api::Services;
use crate::api::error::{ApiError, ErrorCode, FieldError, json_response};
use crate::api::idempotency::key_of;
use crate::api::outgoing::Full;
use crate::domain::plan::PLAN_BYTES_MAX;
use crate::engine::operation::Operation;
use axum::body::Body;
use axum::extract::path::ErrorKind as PathKind;
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use utoipa::ToSchema;

/// The largest body of most routes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// The largest price list: 2,000 prices are 166 kB, and 20 types with names of 100 characters in 10
/// languages are 240 kB when all characters are escaped.
const PRICES_BYTES_MAX: usize = 512 * 1024;

/// How long a body may take. Longer: slow senders keep their connections and memory longer.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time that a request may take. The head of an event stream comes at once. Shorter: a
/// slow confirmation is cut off. Longer: clients wait in vain when Redis is away.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Below 2^53 each whole number is exact as a floating-point number.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The envelope of a success.
#[derive(Debug, Serialize, ToSchema)]
pub struct Envelope<T> {
    pub status: u16,
    pub data: T,
}

/// The data of a success that has none.
#[derive(Debug, Serialize, ToSchema)]
pub struct Nothing;

/// 200 with data.
pub struct Okay<T>(pub T);
/// 201 with data.
pub struct Created<T>(pub T);
/// 202 with data: the work continues after the response.
pub struct Accepted<T>(pub T);
/// 204.
pub struct NoContent;
/// 304.
pub struct NotModified;

fn enveloped<T: Serialize>(status: StatusCode, data: T) -> Response {
    json_response(status, "application/json", &Envelope { status: status.as_u16(), data })
}

impl<T: Serialize> IntoResponse for Okay<T> {
    fn into_response(self) -> Response {
        enveloped(StatusCode::OK, self.0)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        enveloped(StatusCode::CREATED, self.0)
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        enveloped(StatusCode::ACCEPTED, self.0)
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl IntoResponse for NotModified {
    fn into_response(self) -> Response {
        StatusCode::NOT_MODIFIED.into_response()
    }
}

/// A JSON body, and the bytes that an Idempotency-Key is bound to.
pub struct Input<T> {
    pub value: T,
    bytes: Bytes,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Input<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        // Stored documents ignore unknown fields, so that an older node can read them. Requests
        // that create documents must not contain any.
        let strict = request.uri().path().starts_with("/api/admin/");
        let limit = match request.uri().path() {
            path if path.starts_with("/api/admin/sites") => PLAN_BYTES_MAX,
            path if strict && path.ends_with("/prices") => PRICES_BYTES_MAX,
            _ => BODY_BYTES_MAX,
        };
        if !is_json(request.headers()) {
            return Err(ErrorCode::UnsupportedMediaType.into());
        }
        let declared = request.headers().get(header::CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > limit) {
            return Err(ApiError::too_large(limit));
        }
        let bytes = whole(request.into_body(), limit).await?;
        let value = parse(&bytes, strict)?;
        Ok(Self { value, bytes })
    }
}

/// A JSON body that may be left out.
pub struct OptionalInput<T>(pub Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalInput<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = whole(body, BODY_BYTES_MAX).await?;
        if bytes.is_empty() || bytes.trim_ascii() == b"null" {
            return Ok(Self(None));
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        Ok(Self(Some(Input::from_request(request, state).await?.value)))
    }
}

/// The bytes of a body, at most so many.
async fn whole(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    // The plan of a site is sent by an administrator, perhaps over a slow line.
    let time = if limit > BODY_BYTES_MAX { REQUEST_TIMEOUT } else { BODY_TIMEOUT };
    let read = tokio::time::timeout(time, Limited::new(body, limit).collect()).await;
    let read = read.map_err(|_| ErrorCode::BodyTooSlow)?;
    let read = read.map_err(|error| match error.downcast::<axum::Error>() {
        Ok(error) => match error.into_inner().is::<Full>() {
            true => ErrorCode::Overloaded.into(),
            false => ApiError::new(ErrorCode::Malformed, "The body broke off."),
        },
        Err(_) => ApiError::too_large(limit),
    });
    Ok(read?.to_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.unwrap_or("").split(';').next().unwrap_or("").trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// In JSON 2.0 is the same number as 2, and serde refuses it for an integer. Only such bodies pay
/// for another reading, and only bodies with a fault pay for the search for the wrong field.
fn parse<T: DeserializeOwned>(bytes: &[u8], strict: bool) -> Result<T, ApiError> {
    if !strict
        && bytes.first() == Some(&b'{')
        && let Ok(value) = serde_json::from_slice(bytes)
    {
        return Ok(value);
    }
    let refused = match parse_exactly(bytes, strict) {
        Err(refused) if refused.is_of_number() => refused,
        done => return done,
    };
    let Ok(value) = serde_json::from_slice(bytes) else { return Err(refused) };
    let bytes = serde_json::to_vec(&with_whole_numbers(value)).map_err(ApiError::internal)?;
    parse_exactly(&bytes, strict)
}

fn with_whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|_| number.is_f64());
            let whole = float.filter(|float| float.fract() == 0.0 && float.abs() < WHOLE_MAX);
            let whole = whole.map(|float| Value::from(float as i64));
            whole.unwrap_or(Value::Number(number))
        }
        Value::Array(items) => items.into_iter().map(with_whole_numbers).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, with_whole_numbers(value))).collect()
        }
        other => other,
    }
}

fn parse_exactly<T: DeserializeOwned>(bytes: &[u8], strict: bool) -> Result<T, ApiError> {
    // Every input is an object, but serde would also read the values of an array as its fields.
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Err(ApiError::field("body", "must be a JSON object, not an array"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut unknown = Vec::new();
    let mut note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let value = serde_ignored::deserialize(tracked, &mut note).map_err(|inner| {
        if inner.is_syntax() || inner.is_eof() {
            return ApiError::new(ErrorCode::Malformed, format!("The body is not JSON: {inner}."));
        }
        let path = track.path().to_string();
        let (field, message) = explain(&path, &inner.to_string());
        ApiError::fields(vec![FieldError { field, message }])
    })?;
    let end = reader.end();
    end.map_err(|error| {
        ApiError::new(ErrorCode::Malformed, format!("The body is not JSON: {error}."))
    })?;
    if strict && !unknown.is_empty() {
        let error = |field| FieldError { field, message: "is not a known field".to_owned() };
        return Err(ApiError::fields(unknown.into_iter().map(error).collect()));
    }
    Ok(value)
}

/// The field and a message for people, made of the message of the parser at a path. The parser
/// names types of this program, and positions in a text that nobody sees.
fn explain(path: &str, message: &str) -> (String, String) {
    let text = message.split(" at line ").next().unwrap_or(message);
    let missing = text.strip_prefix("missing field `").and_then(|rest| rest.split_once('`'));
    if let Some((name, _)) = missing {
        let field = if path == "." { name.to_owned() } else { format!("{path}.{name}") };
        return (field, "is missing".to_owned());
    }
    let field = if path == "." { "body" } else { path };
    (field.to_owned(), plain(text))
}

fn plain(text: &str) -> String {
    if text.contains("UUID") {
        return "must be an id of 36 characters, as the API gives them (a UUID)".to_owned();
    }
    if text.starts_with("failed to parse") {
        return "must be a time such as 2030-05-05T09:30:00Z (RFC 3339)".to_owned();
    }
    if text.contains("`u32`") || text.contains("invalid digit") {
        return "must be a whole number".to_owned();
    }
    let Some((before, expected)) = text.split_once("expected ") else { return text.to_owned() };
    let expected = match expected.split(' ').next() {
        Some("struct") => "a JSON object",
        Some("u8" | "u16" | "u32" | "u64" | "usize") => "a whole number, 0 or more",
        Some("i32" | "i64") => "a whole number",
        _ => expected,
    };
    format!("{before}expected {expected}")
}

/// 128 bits of SHA-256 over the parts, in 22 characters.
fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..16])
}

/// The header `Idempotency-Key`, if there is one: 1 to 255 visible ASCII characters. While its call
/// lives, this node refuses another call of the same caller with the same key (docs/adr/0006).
pub struct IdempotencyKey(Option<(String, Call)>);

/// The calls under an Idempotency-Key that have no response of this node yet.
#[derive(Clone, Default)]
pub struct Calls(Arc<Mutex<HashSet<String>>>);

/// A call under an Idempotency-Key. It ends when it is dropped.
struct Call {
    calls: Calls,
    name: String,
}

impl Calls {
    fn begin(&self, name: String) -> Result<Call, ApiError> {
        if !self.0.lock().insert(name.clone()) {
            return Err(ErrorCode::IdempotencyKeyInUse.into());
        }
        Ok(Call { calls: self.clone(), name })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.0.lock().remove(&self.name);
    }
}

impl IdempotencyKey {
    /// The operation of a caller on a route with this body. Without a key it is empty.
    pub fn operation<T>(&self, caller: &str, route: &str, input: &Input<T>) -> Operation {
        match &self.0 {
            None => Operation::default(),
            Some((key, _)) => Operation::new(
                digest(&[caller.as_bytes(), route.as_bytes(), key.as_bytes()]),
                digest(&[&input.bytes]),
            ),
        }
    }
}

impl FromRequestParts<Arc<Services>> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let Some(text) = key_of(&parts.headers)? else { return Ok(Self(None)) };
        let caller =
            parts.headers.get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
        let path = parts.uri.path().as_bytes();
        let name = digest(&[caller, parts.method.as_str().as_bytes(), path, text.as_bytes()]);
        Ok(Self(Some((text.to_owned(), services.calls.begin(name)?))))
    }
}

/// Parameters of the path, with an error for people.
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        let error = match found {
            Ok(axum::extract::Path(value)) => return Ok(Self(value)),
            Err(error) => error,
        };
        let all = RawPathParams::from_request_parts(parts, state).await;
        let names = all.iter().flatten().map(|(name, _)| name.to_owned()).collect();
        Err(ApiError::field(&wrong_parameter(&error, names), plain(&error.body_text())))
    }
}

/// The name of the parameter of the path that can't be read.
fn wrong_parameter(error: &PathRejection, mut names: Vec<String>) -> String {
    let kind = match error {
        PathRejection::FailedToDeserializePathParams(error) => Some(error.kind()),
        _ => None,
    };
    let place = match kind {
        Some(PathKind::ParseErrorAtIndex { index, .. }) => Some(*index),
        Some(
            PathKind::ParseErrorAtKey { key, .. }
            | PathKind::DeserializeError { key, .. }
            | PathKind::InvalidUtf8InPathParam { key },
        ) => names.iter().position(|name| name == key),
        _ => (names.len() == 1).then_some(0),
    };
    match place.filter(|place| *place < names.len()) {
        Some(place) => names.swap_remove(place),
        None => "path".to_owned(),
    }
}

/// Parameters of the query, with an error that names the wrong parameter.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        let axum::extract::Query(value) = found.map_err(|error| {
            let text = error.body_text();
            let text = text.rsplit_once("query string: ").map_or(text.as_str(), |(_, rest)| rest);
            // The name of the parameter comes first, then the reason.
            let (field, what) = text.split_once(": ").unwrap_or(("query", text));
            ApiError::field(field, plain(what))
        })?;
        Ok(Self(value))
    }
}
