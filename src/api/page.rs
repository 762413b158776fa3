//! The seat-map page, built into the binary.

use crate::api::App;
use crate::api::extract::NotModified;
use axum::Router;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// No script, style or connection of anybody else's.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; \
    base-uri 'none'; frame-ancestors 'none'";

/// `/` and its parts.
pub fn router() -> Router<Arc<App>> {
    let parts: [(&str, &str, &[u8]); 3] = [
        ("/", "text/html; charset=utf-8", include_bytes!("../../web/dist/index.html")),
        ("/app.js", "text/javascript; charset=utf-8", include_bytes!("../../web/dist/app.js")),
        ("/app.css", "text/css; charset=utf-8", include_bytes!("../../web/dist/app.css")),
    ];
    parts.into_iter().fold(Router::new(), |router, (path, kind, bytes)| {
        // Weak, because the same part also goes out compressed.
        let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)));
        router.route(path, get(async move |headers: HeaderMap| file(&headers, &tag, kind, bytes)))
    })
}

/// A part of the page. Browsers ask each time, and are told 304 while theirs is the newest: a crowd
/// that returns does not load it all again.
fn file(asked: &HeaderMap, tag: &str, kind: &'static str, bytes: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag),
    ];
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        return (headers, NotModified).into_response();
    }
    (headers, bytes).into_response()
}
