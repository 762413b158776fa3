//! The header fields of responses in the OpenAPI document.

use crate::api::idempotency::{MARKED, REPLAYED};
use serde_json::Value;
use utoipa::openapi::header::Header;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr};

const REQUEST_ID: &str = "x-request-id";
const RATE_LIMIT: &str = "RateLimit";
const RATE_LIMIT_POLICY: &str = "RateLimit-Policy";
/// Only the codes know whether a client should try again, so `document` adds it.
pub(super) const RETRY_AFTER: &str = "Retry-After";
const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
const ETAG: &str = "ETag";
const SET_COOKIE: &str = "Set-Cookie";

/// The operations that can set the cookie of a session, or delete it.
const WITH_COOKIE: [&str; 5] =
    ["logIn", "refreshSession", "logOut", "endAllSessions", "deleteAccount"];

/// All header fields with their names. `RateLimit` and `RateLimit-Policy` are those of the draft
/// "RateLimit header fields for HTTP" (draft-ietf-httpapi-ratelimit-headers-10).
pub(super) fn headers() -> Vec<(String, RefOr<Header>)> {
    let all = [
        (
            REQUEST_ID,
            "The id of the request in the log of the server. If the request has one of 8 to 64 \
             letters, digits and dashes, it is kept.",
            "0199a3f2-6c1e-7d3b-9b7e-0d6f5a4c3b2a",
        ),
        (
            RATE_LIMIT,
            "What is left of each limit that counted this call: `r` calls now, and `t` seconds \
             until all are there again. After a refusal `t` is the time until the next call is \
             accepted.",
            "\"reads\";r=19;t=1",
        ),
        (
            RATE_LIMIT_POLICY,
            "The limits that counted this call: `q` calls in `w` seconds.",
            "\"reads\";q=20;w=1",
        ),
        (WWW_AUTHENTICATE, "The scheme of the header `Authorization`.", "Bearer"),
        (
            ETAG,
            "What `If-None-Match` names in a later request: then the response is 304 while \
             nothing has changed.",
            "W/\"1-1763812345678-0\"",
        ),
        (
            REPLAYED,
            "An earlier call under the same `Idempotency-Key` has made what the response shows. \
             Otherwise the field is not there.",
            "true",
        ),
        (
            SET_COOKIE,
            "The refresh token, when the log-in asked for a cookie; empty when the session ends.",
            "__Host-grandstand=TOKEN; Path=/; HttpOnly; Secure; SameSite=Strict",
        ),
    ];
    let texts =
        all.map(|(name, description, example)| (name.to_owned(), text(description, example)));
    let mut seconds =
        Header::new(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).build());
    seconds.description = Some("Try again after this number of seconds.".to_owned());
    texts.into_iter().chain([(RETRY_AFTER.to_owned(), RefOr::T(seconds))]).collect()
}

fn text(description: &str, example: &str) -> RefOr<Header> {
    let mut header = Header::new(ObjectBuilder::new().schema_type(Type::String).build());
    header.description = Some(description.to_owned());
    header.example = Some(Value::String(example.to_owned()));
    RefOr::T(header)
}

/// A header field of the document.
pub(super) fn header(name: &str) -> RefOr<Header> {
    RefOr::Ref(Ref::new(format!("#/components/headers/{name}")))
}

/// Adds the header fields to all responses of an operation.
pub(super) fn describe_headers(path: &str, operation: &mut Operation) {
    let with_cookie = operation.operation_id.as_deref().is_some_and(|id| WITH_COOKIE.contains(&id));
    let marked = operation.operation_id.as_deref().is_some_and(|id| MARKED.contains(&id));
    let with_tag = has_parameter(operation, "If-None-Match");
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let applies = [
            (REQUEST_ID, true),
            (RATE_LIMIT, path.starts_with("/api/")),
            (RATE_LIMIT_POLICY, path.starts_with("/api/")),
            (WWW_AUTHENTICATE, status == "401"),
            (ETAG, with_tag && ["200", "304"].contains(&status.as_str())),
            (REPLAYED, marked && status.starts_with('2')),
            (SET_COOKIE, with_cookie && status.starts_with('2')),
        ];
        for (name, _) in applies.into_iter().filter(|(_, applies)| *applies) {
            response.headers.insert(name.to_owned(), header(name));
        }
    }
}

/// Whether an operation reads a header field.
pub(super) fn has_parameter(operation: &Operation, name: &str) -> bool {
    operation.parameters.iter().flatten().any(|parameter| match parameter {
        RefOr::T(found) => found.parameter_in == ParameterIn::Header && found.name == name,
        RefOr::Ref(_) => false,
    })
}
