//! The operations listener: metrics, and the health of the node with its details. It is apart from
//! the public one, because the numbers of a sale are nobody's business, and because it must respond
//! when the public one is full.

use crate::api::Services;
use crate::api::error::ErrorCode;
use crate::api::health;
use crate::api::layers::Routes;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

/// The routes of the operations listener.
pub fn routes(services: Arc<Services>) -> Routes {
    let router = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::details))
        .route("/metrics", get(metrics))
        .fallback(|| async { ErrorCode::NotFound });
    Routes::new(router, ["/health/live", "/health/ready", "/metrics"], services)
}

/// Metrics in the text format of Prometheus.
async fn metrics() -> Response {
    let page = crate::telemetry::page();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], page).into_response()
}
