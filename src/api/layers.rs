//! The layers around every request: its id, limits, a timeout, metrics, headers, and the problem
//! document of a failure.

use crate::api::Services;
use crate::api::address::{Caller, PeerAddress};
use crate::api::error::{ApiError, ErrorCode};
use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

/// The longest time that a request may take. The head of an event stream comes at once. Shorter: a
/// slow confirmation is cut off. Longer: clients wait in vain when Redis is away.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps the routes.
pub fn around(router: Router<Arc<Services>>, services: &Arc<Services>) -> Router<Arc<Services>> {
    let worth_it = SizeAbove::new(1024).and(NotForContentType::SSE);
    router
        .layer(CompressionLayer::new().gzip(true).compress_when(worth_it))
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a handler panicked").into_response()
        }))
        .layer(from_fn_with_state(services.clone(), outermost))
}

async fn outermost(
    State(services): State<Arc<Services>>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let peer = request.extensions().get::<PeerAddress>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0);
    let caller = services.proxies.caller(peer, request.headers());
    request.extensions_mut().insert(Caller(caller));
    let id = request_id(&request);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // An unknown path counts as "none", because a stranger must not make metrics.
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or_else(|| "none".to_owned(), |route| route.as_str().to_owned());
    let probe = path.starts_with("/health") || path == "/metrics";
    let admitted = if probe { Ok(()) } else { services.limits.call(caller) };
    let response = match admitted {
        Err(error) => error.into_response(),
        Ok(()) => match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => ErrorCode::Timeout.into_response(),
        },
    };
    let mut response = finish(response, &id);
    let status = response.status().as_u16();
    let seconds = started.elapsed().as_secs_f64();
    metrics::histogram!("grandstand_http_seconds", "route" => route.clone()).record(seconds);
    metrics::counter!("grandstand_http_requests_total",
        "route" => route, "status" => status.to_string())
    .increment(1);
    tracing::debug!(%method, path, status, seconds, request_id = id, "responded");
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    harden(&mut response);
    response
}

/// The caller's own request id when it is harmless, else a new id.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let harmless = |id: &&str| {
        (8..=64).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    given.filter(harmless).map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned)
}

fn finish(mut response: Response, id: &str) -> Response {
    match response.extensions_mut().remove::<ApiError>() {
        None => response,
        Some(error) => {
            let allow = response.headers().get(header::ALLOW).cloned();
            let mut problem = error.into_problem_response(id);
            if let Some(allow) = allow {
                problem.headers_mut().insert(header::ALLOW, allow);
            }
            problem
        }
    }
}

fn harden(response: &mut Response) {
    let headers = response.headers_mut();
    let set = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in set {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A response may depend on the caller, so that no cache in between may keep it.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
