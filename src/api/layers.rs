//! What happens around the handler of every request: its id, limits, a timeout, metrics, headers,
//! and the problem document of a failure. These are plain steps and no layers of tower, because
//! each layer costs a request two allocations and a move of everything inside it.

use crate::api::Services;
use crate::api::address::Caller;
use crate::api::api_keys;
use crate::api::auth::{Identity, bearer};
use crate::api::cors::FromPage;
use crate::api::error::{ApiError, ErrorCode};
use crate::api::extract::REQUEST_TIMEOUT;
use crate::api::idempotency::key_of;
use crate::api::limits::Standings;
use crate::api::limits::kind::Kind;
use crate::api::route_metrics::{RouteMetrics, label};
use crate::api::scopes::scope_of;
use crate::api::security_headers::harden;
use crate::api::sent::{Sent, uncounted};
use axum::Router;
use axum::extract::Request;
use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request as HttpRequest, Response as HttpResponse,
    header,
};
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
        let page = services.origins.page_of(&request);
        let question = page.as_ref().and_then(FromPage::response_to_question);
        let (standings, response) = match question {
            Some(response) => (Standings::default(), response),
            None => self.admit(request, caller, &id, &route.path).await,
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
        if let Some(page) = page {
            page.write(response.headers_mut());
        }
        response
    }

    /// The response to a request, or its refusal when the caller has sent too many.
    async fn admit(
        &self,
        mut request: Request,
        caller: IpAddr,
        id: &str,
        route: &str,
    ) -> (Standings, Response) {
        let services = &self.services;
        let head = (request.method(), request.headers());
        let identity = identify(services, head, caller, route).await;
        let user = identity.user().cloned();
        request.extensions_mut().insert(identity);
        let kind = Kind::of(request.method(), route);
        let id_of_user = user.as_ref().map(|user| user.id);
        let (engine, limits) = (&services.engine, &services.limits);
        let (standings, mut admitted) = limits.admit(kind, caller, id_of_user);
        if admitted.is_ok() {
            admitted = limits.admit_everywhere(engine, kind, caller, user.as_ref()).await;
        }
        if let Err(error) = admitted {
            return (standings, error.into_response());
        }
        let handled = self.handle(request, id, route);
        let response = if kind.names_request() {
            let user = id_of_user.map(tracing::field::display);
            let span = tracing::error_span!("request", request_id = id, route, user);
            handled.instrument(span).await
        } else {
            handled.await
        };
        limits.record(engine, (kind, response.status()), caller, user.as_ref()).await;
        (standings, response)
    }

    /// The page of another origin that a request comes from, if it may call the API.
    pub(super) fn page_of<B>(&self, request: &HttpRequest<B>) -> Option<FromPage> {
        self.services.origins.page_of(request)
    }

    /// The refusal of a request that there is no room for.
    pub(super) fn refuse(&self, page: Option<FromPage>) -> HttpResponse<Sent> {
        let id = uuid::Uuid::now_v7().to_string();
        self.refusals.count(ErrorCode::Overloaded);
        let mut response = ApiError::from(ErrorCode::Overloaded).into_problem_response(&id);
        if let Ok(value) = HeaderValue::try_from(id) {
            response.headers_mut().insert(REQUEST_ID.clone(), value);
        }
        harden(response.headers_mut(), false, false);
        if let Some(page) = page {
            page.write(response.headers_mut());
        }
        self.metrics.of("").record("other", response.status(), Duration::ZERO);
        uncounted(response)
    }

    /// The same without its document. Over HTTP/2 a document waits for the client, and a head does
    /// not.
    pub(super) fn refuse_bare(&self, page: Option<FromPage>) -> HttpResponse<Sent> {
        let code = ErrorCode::Overloaded;
        self.refusals.count(code);
        let mut response = HttpResponse::new(Sent::empty());
        *response.status_mut() = code.status();
        let seconds = HeaderValue::from(code.retry_after_seconds().unwrap_or(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
        if let Some(page) = page {
            page.write(response.headers_mut());
        }
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

/// Who sends a request to this route.
async fn identify(
    services: &Services,
    (method, headers): (&Method, &HeaderMap),
    address: IpAddr,
    route: &str,
) -> Identity {
    let token = bearer(headers).filter(|_| route.starts_with("/api/"));
    let Some(token) = token else { return Identity::default() };
    let found = api_keys::caller(services, token, address).await;
    // People need no scope.
    let is_key = found.as_ref().is_ok_and(|user| user.session().is_none());
    let scope = is_key.then(|| scope_of(method, route)).flatten();
    Identity { found: Some(found), scope }
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
