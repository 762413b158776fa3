//! The header fields that tell a browser what a response must not do.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// Nothing in a response of the API is ever loaded or framed by a browser.
const API_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
/// The pages of Swagger have styles inside.
const DOCS_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";
/// A year, as browsers expect. It is sent only over TLS, so that a node behind plain HTTP in a test
/// does not lock browsers out.
const ONLY_TLS: &str = "max-age=31536000; includeSubDomains";
/// The page uses none of these.
const PERMISSIONS: &str = "camera=(), geolocation=(), microphone=(), usb=()";

/// Adds the header fields. `is_docs`: the response is a part of `/docs`. `by_tls`: the request came
/// over TLS, to this node or to a trusted proxy.
pub(super) fn harden(headers: &mut HeaderMap, is_docs: bool, by_tls: bool) {
    let set = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Toss Payments asks shops for this value, because card companies open pop-ups.
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin-allow-popups"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ];
    for (name, value) in set {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // The page brings its own policy. A response may depend on the caller, so that no cache in
    // between may keep it.
    let policy = if is_docs { DOCS_POLICY } else { API_POLICY };
    for (name, value) in
        [(header::CONTENT_SECURITY_POLICY, policy), (header::CACHE_CONTROL, "no-store")]
    {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if by_tls {
        let value = HeaderValue::from_static(ONLY_TLS);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
}
