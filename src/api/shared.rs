//! Responses with an ETag. Those whose bytes are the same for all who ask are compressed once, and
//! are sent without a copy for each client.

use crate::api::error::ApiError;
use crate::api::extract::{Envelope, NotModified};
use crate::api::sent::Shared;
use crate::live::packed::Packed;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The smallest body that is compressed.
const GZIP_BYTES_MIN: usize = 1024;
/// Bytes of the hash of a body in its tag. With fewer, two bodies may have the same tag.
const TAG_BYTES: usize = 12;

/// JSON under a tag, as much of it as the client needs. The tag is weak, because the plain and the
/// compressed body have the same.
pub(super) fn shared(
    headers: &HeaderMap,
    packed: &Packed,
    tag: &str,
    caching: &'static str,
) -> Response {
    let tag = format!("W/\"{tag}\"");
    let has = has_tag(headers, &tag);
    let is_gzip = |value: &str| {
        let (name, weight) = value.split_once(';').unwrap_or((value, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0")
    };
    let takes_gzip = || lists(headers, header::ACCEPT_ENCODING, is_gzip);
    let mut response = if has {
        NotModified.into_response()
    } else if packed.plain.len() >= GZIP_BYTES_MIN && takes_gzip() {
        ([(header::CONTENT_ENCODING, "gzip")], packed.gzip()).into_response()
    } else {
        packed.plain.clone().into_response()
    };
    response.extensions_mut().insert(Shared);
    let set = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    response.headers_mut().extend(set.map(|(name, value)| (Some(name), value)));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Data that often stays as it is between two requests of a client: with a tag of its bytes, and
/// without the bytes when the client has them. `for_all`: it has nothing that only people with a
/// role may see, so a browser may keep it.
pub(super) fn tagged<T: Serialize>(headers: &HeaderMap, data: T, for_all: bool) -> Response {
    let body = match serde_json::to_vec(&Envelope { status: 200, data }) {
        Ok(body) => body,
        Err(error) => return ApiError::internal(error).into_response(),
    };
    let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(&body)[..TAG_BYTES]));
    let mut response = match has_tag(headers, &tag) {
        true => NotModified.into_response(),
        false => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
    };
    let caching = if for_all { "private, no-cache" } else { "no-store" };
    let caching = HeaderValue::from_static(caching);
    response.headers_mut().insert(header::CACHE_CONTROL, caching);
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Whether a client has what this tag names. A proxy may have made the tag weak.
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |value: &str| value.trim().trim_start_matches("W/").to_owned();
    lists(headers, header::IF_NONE_MATCH, |value| opaque(value) == opaque(tag))
}

/// Whether a header lists a value.
fn lists(headers: &HeaderMap, name: HeaderName, is_wanted: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| is_wanted(value.trim()))
}
