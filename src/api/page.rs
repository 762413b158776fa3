//! The seat-map page, built into the binary.

use crate::api::App;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// No script, style or connection of anybody else's.
const POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; \
    base-uri 'none'; frame-ancestors 'none'";

/// `/` and its parts.
pub fn router() -> Router<Arc<App>> {
    Router::new()
        .route(
            "/",
            get(|| file("text/html; charset=utf-8", include_bytes!("../../web/dist/index.html"))),
        )
        .route(
            "/app.js",
            get(|| file("text/javascript; charset=utf-8", include_bytes!("../../web/dist/app.js"))),
        )
        .route(
            "/app.css",
            get(|| file("text/css; charset=utf-8", include_bytes!("../../web/dist/app.css"))),
        )
}

async fn file(kind: &'static str, bytes: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, bytes).into_response()
}
