//! What happens around the handler of every request: its id, limits, a timeout, metrics, headers,
//! and the problem document of a failure. These are plain steps and no layers of tower, because
//! each layer costs a request two allocations and a move of everything inside it.

use crate::api::Services;
use crate::api::address::{Caller, TokenUser};
use crate::api::auth::bearer;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::extract::REQUEST_TIMEOUT;
use crate::api::idempotency::key_of;
use crate::api::limits::kind::Kind;
use crate::api::route_metrics::{RouteMetrics, label};
use crate::api::security_headers::harden;
use crate::api::sent::{Sent, uncounted};
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Response as HttpResponse, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use metrics::Counter;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tower::ServiceExt as _;
use tracing::Instrument as _;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes of a node, with everything that happens around a handler.
pub struct Routes {
    router: Router,
    metrics: RouteMetrics,
    refusals: Refusals,
    services: Arc<Services>,
}

impl Routes {
    /// Routes with their paths, as the router knows them.
    pub fn new<'p>(
        router: Router<Arc<Services>>,
        paths: impl IntoIterator<Item = &'p str>,
        services: Arc<Services>,
    ) -> Self {
        let router = router.with_state(services.clone());
        let (metrics, refusals) = (RouteMetrics::new(paths), Refusals::new());
        Self { router, metrics, refusals, services }
    }

    /// The response to a request of a connection with this address.
    pub async fn respond(&self, mut request: Request, peer: IpAddr, own_tls: bool) -> Response {
        let (started, services) = (Instant::now(), &self.services);
        let caller = services.proxies.caller(peer, request.headers());
        request.extensions_mut().insert(Caller(caller));
        let id = request_id(&request);
        let path = request.uri().path();
        let is_docs = path.starts_with("/docs");
        let by_tls = own_tls || services.proxies.terminated_tls(peer, request.headers());
        let (route, method) = (self.metrics.of(path), label(request.method()));
        let token = bearer(request.headers()).filter(|_| path.starts_with("/api/"));
        let user = token.and_then(|token| services.tokens.check(token).ok());
        let kind = Kind::of(request.method(), &route.path);
        let id_of_user = user.as_ref().map(|user| user.id);
        request.extensions_mut().insert(TokenUser(id_of_user));
        let (engine, limits) = (&services.engine, &services.limits);
        let (standings, mut admitted) = limits.admit(kind, caller, id_of_user);
        if admitted.is_ok() {
            admitted = limits.admit_everywhere(engine, kind, caller, user.as_ref()).await;
        }
        let response = match admitted {
            Err(error) => error.into_response(),
            Ok(()) => {
                let handled = self.handle(request, &id, &route.path);
                let response = if kind.names_request() {
                    let (user, route) = (id_of_user.map(tracing::field::display), &route.path);
                    let span = tracing::error_span!("request", request_id = id, route, user);
                    handled.instrument(span).await
                } else {
                    handled.await
                };
                let outcome = (kind, response.status());
                limits.record(engine, outcome, caller, user.as_ref()).await;
                response
            }
        };
        let mut response = self.finish(response, &id);
        let (status, elapsed) = (response.status(), started.elapsed());
        route.record(method, status, elapsed);
        let path = &route.path;
        tracing::debug!(route = path, method, %status, ?elapsed, request_id = id, "responded");
        if let Ok(value) = HeaderValue::try_from(id) {
            response.headers_mut().insert(REQUEST_ID.clone(), value);
        }
        standings.write(response.headers_mut());
        harden(response.headers_mut(), is_docs, by_tls);
        response
    }

    /// The refusal of a request that there is no room for.
    pub(super) fn refuse(&self) -> HttpResponse<Sent> {
        let id = uuid::Uuid::now_v7().to_string();
        self.refusals.count(ErrorCode::Overloaded);
        let mut response = ApiError::from(ErrorCode::Overloaded).into_problem_response(&id);
        if let Ok(value) = HeaderValue::try_from(id) {
            response.headers_mut().insert(REQUEST_ID.clone(), value);
        }
        harden(response.headers_mut(), false, false);
        self.metrics.of("").record("other", response.status(), Duration::ZERO);
        uncounted(response)
    }

    /// The same without its document. Over HTTP/2 a document waits for the client, and a head does
    /// not.
    pub(super) fn refuse_bare(&self) -> HttpResponse<Sent> {
        let code = ErrorCode::Overloaded;
        self.refusals.count(code);
        let mut response = HttpResponse::new(Sent::empty());
        *response.status_mut() = code.status();
        let seconds = HeaderValue::from(code.retry_after_seconds().unwrap_or(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
        self.metrics.of("").record("other", code.status(), Duration::ZERO);
        response
    }

    fn finish(&self, mut response: Response, id: &str) -> Response {
        match response.extensions_mut().remove::<ApiError>() {
            None => response,
            Some(error) => {
                self.refusals.count(error.code());
                let allow = response.headers().get(header::ALLOW).cloned();
                let mut problem = error.into_problem_response(id);
                if let Some(allow) = allow {
                    problem.headers_mut().insert(header::ALLOW, allow);
                }
                problem
            }
        }
    }

    async fn handle(&self, request: Request, id: &str, route: &str) -> Response {
        // Also where nothing is done with it, so that a faulty client hears of it everywhere.
        if request.method() == Method::POST
            && let Err(error) = key_of(request.headers())
        {
            return error.into_response();
        }
        let handled = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind();
        match tokio::time::timeout(REQUEST_TIMEOUT, handled).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(_)) => ApiError::internal("a handler panicked").into_response(),
            Err(_) => {
                tracing::warn!(route, request_id = id, "a request was given up after 15 s");
                ErrorCode::Timeout.into_response()
            }
        }
    }
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

/// Counts refusals by their code. All counters are looked up at the start, because a look-up costs
/// a lock, and because a counter that appears with its first event shows no increase.
struct Refusals(Vec<Counter>);

impl Refusals {
    fn new() -> Self {
        let codes = ErrorCode::ALL.iter().map(ToString::to_string);
        let counter = |code| metrics::counter!("grandstand_refusals_total", "code" => code);
        Self(codes.map(counter).collect())
    }

    fn count(&self, code: ErrorCode) {
        // `ALL` has the codes in the order of the enum.
        if let Some(counter) = self.0.get(code as usize) {
            counter.increment(1);
        }
    }
}
