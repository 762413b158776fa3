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

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and values of the header fields of a response, which had these of its own.
    fn hardened(own: &[(HeaderName, &'static str)], is_docs: bool, by_tls: bool) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in own {
            headers.insert(name, HeaderValue::from_static(value));
        }
        harden(&mut headers, is_docs, by_tls);
        let all =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let mut all: Vec<String> = all.collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn each_kind_of_response_has_the_header_fields_that_it_needs() {
        let always = [
            "cross-origin-opener-policy: same-origin-allow-popups",
            "permissions-policy: camera=(), geolocation=(), microphone=(), usb=()",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
        ];
        let api = "content-security-policy: default-src 'none'; frame-ancestors 'none'";
        let docs = "content-security-policy: default-src 'self'; \
            style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; \
            base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        let (fresh, kept) = ("cache-control: no-store", "cache-control: no-cache");
        let tls = "strict-transport-security: max-age=31536000; includeSubDomains";
        let page = "content-security-policy: default-src 'self'";
        let of_page = [
            (header::CONTENT_SECURITY_POLICY, "default-src 'self'"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        let weak = [(header::X_FRAME_OPTIONS, "SAMEORIGIN"), (header::REFERRER_POLICY, "origin")];
        for (case, own, is_docs, by_tls, more) in [
            ("the API", &[][..], false, false, &[api, fresh][..]),
            ("the API by TLS", &[], false, true, &[api, fresh, tls]),
            ("the docs", &[], true, false, &[docs, fresh]),
            ("the docs by TLS", &[], true, true, &[docs, fresh, tls]),
            ("the page, which has its own policy", &of_page, false, true, &[page, kept, tls]),
            ("a handler that would allow more", &weak, false, false, &[api, fresh]),
        ] {
            let mut wanted = [&always, more].concat();
            wanted.sort_unstable();
            assert_eq!(hardened(own, is_docs, by_tls), wanted, "{case}");
        }
    }
}
