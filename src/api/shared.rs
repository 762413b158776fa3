//! Responses whose bytes are the same for all who ask: with an ETag, compressed once, and without a
//! copy for each client.

use crate::api::extract::NotModified;
use crate::api::sent::Shared;
use crate::live::packed::Packed;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};

/// The smallest body that is compressed.
const GZIP_BYTES_MIN: usize = 1024;

/// JSON under a tag, as much of it as the client needs. The tag is weak, because the plain and the
/// compressed body have the same.
pub(super) fn shared(
    headers: &HeaderMap,
    packed: &Packed,
    tag: &str,
    caching: &'static str,
) -> Response {
    let tag = format!("W/\"{tag}\"");
    let opaque = |value: &str| value.trim().trim_start_matches("W/").to_owned();
    let has = lists(headers, header::IF_NONE_MATCH, |value| opaque(value) == opaque(&tag));
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

/// Whether a header lists a value.
fn lists(headers: &HeaderMap, name: HeaderName, is_wanted: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| is_wanted(value.trim()))
}
