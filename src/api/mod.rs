//! HTTP: the whole route table. Only this folder has the status codes of the API.

pub mod account;
pub mod address;
pub mod admin;
pub mod administrators;
pub mod alternatives;
pub mod api_keys;
pub mod auth;
pub mod best;
pub mod challenge;
pub mod changes;
pub mod check_in_codes;
pub mod choice;
pub mod clock;
pub mod cors;
pub mod counts;
pub mod document;
pub mod error;
pub mod event_docs;
pub mod events;
pub mod extract;
pub mod guesses;
mod hashing;
pub mod header_docs;
pub mod health;
pub mod hints;
pub mod holds;
pub mod idempotency;
pub mod if_match;
pub mod known_match;
pub mod layers;
pub mod limits;
pub mod mail_links;
pub mod mails;
pub mod matches;
mod noise;
pub mod one_of;
pub mod operations;
mod outgoing;
pub mod page;
pub mod page_query;
pub mod passwords;
pub mod pay_page;
pub mod payment_history;
pub mod payments;
pub mod places;
pub mod prices;
mod progress;
pub mod queue;
mod remembered;
pub mod reservations;
mod rest;
pub mod route_metrics;
pub mod scopes;
pub mod seats;
pub mod second_factor;
mod security_headers;
mod sent;
pub mod serve;
pub mod sessions;
mod shared;
pub mod sites;
pub mod socket;
pub mod staff;
pub mod steps;
pub mod ticket_types;
pub mod tls;
pub mod tokens;
pub mod totp;
pub mod trail;
pub mod users;
pub mod views;
pub mod webhooks;
mod wire;

use crate::api::address::Proxies;
use crate::api::challenge::Challenges;
use crate::api::check_in_codes::CheckInCodes;
use crate::api::cors::Origins;
use crate::api::counts::SeatCounts;
use crate::api::error::{ErrorCode, Problem};
use crate::api::health::Health;
use crate::api::hints::Hints;
use crate::api::layers::Routes;
use crate::api::limits::RateLimits;
use crate::api::mails::Mails;
use crate::api::pay_page::PayPage;
use crate::api::steps::Steps;
use crate::api::tokens::Tokens;
use crate::api::totp::SecondFactors;
use crate::checkout::Checkout;
use crate::checkout::settle::Settlement;
use crate::engine::Engine;
use crate::gateway::toss::Toss;
use crate::live::catalog::Catalog;
use crate::live::hub::Hub;
use crate::store::Store;
use crate::stream::backlog::Backlogs;
use crate::stream::persisted::Persisted;
use axum::Router;
use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

/// The parts that the handlers work with.
pub struct Services {
    pub engine: Arc<Engine>,
    pub store: Store,
    pub catalog: Arc<Catalog>,
    pub hub: Arc<Hub>,
    pub persisted: Arc<Persisted>,
    pub backlogs: Arc<Backlogs>,
    pub toss: Toss,
    /// Settles payments that the hints are about.
    pub settlement: Settlement,
    pub hints: Hints,
    pub tokens: Tokens,
    pub mails: Mails,
    pub limits: RateLimits,
    /// In front of the waiting rooms.
    pub challenges: Challenges,
    pub check_in_codes: CheckInCodes,
    pub checkout: Arc<Checkout>,
    /// Calls of several steps, which end although the client is gone.
    pub steps: Steps,
    /// Calls under an Idempotency-Key that have no response yet.
    pub calls: extract::Calls,
    pub counts: SeatCounts,
    pub health: Health,
    /// Where people pay.
    pub pay_page: PayPage,
    /// The last part of the path of webhooks, or empty.
    pub webhook_secret: String,
    pub second_factors: SecondFactors,
    /// Whether people with a role act only with a second factor.
    pub staff_need_second_factor: bool,
    /// Only users whose e-mail is verified may hold seats, in all matches.
    pub holds_need_verified_email: bool,
    /// Origins of other pages that may call the API.
    pub origins: Origins,
    /// Load balancers whose X-Forwarded-For is trusted.
    pub proxies: Proxies,
    /// Ends the event streams at shutdown.
    pub stop: CancellationToken,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Grandstand",
        description = "Holds seats, sells them once, and shows the map live. Times are RFC 3339 \
            UTC, money is a whole number of KRW. A success is `{status, data}`, an error is a \
            problem document (RFC 9457) with a stable `code`. `Idempotency-Key` is honoured on \
            each POST that creates something. A method that an address does not have is 405 \
            `METHOD_NOT_ALLOWED` with the header `Allow`, everywhere.",
        license(name = "MIT OR Apache-2.0")
    ),
    servers((url = "/", description = "The node or load balancer that this document is from.")),
    components(schemas(Problem))
)]
struct Document;

/// Routes with short responses, and those that compress their responses once for all.
fn short() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new()
        // accounts
        .routes(routes!(users::sign_up))
        .routes(routes!(users::log_in))
        .routes(routes!(users::refresh))
        .routes(routes!(users::log_out))
        .routes(routes!(users::me, account::delete))
        .routes(routes!(account::change_password))
        .routes(routes!(second_factor::begin, second_factor::set, second_factor::remove))
        .routes(routes!(account::list_sessions, account::end_all))
        .routes(routes!(account::end_session))
        .routes(routes!(mail_links::request_reset))
        .routes(routes!(mail_links::reset))
        .routes(routes!(mail_links::request_verification))
        .routes(routes!(mail_links::verify))
        // seats
        .routes(routes!(sites::plan))
        .routes(routes!(sites::areas))
        .routes(routes!(sites::sections))
        .routes(routes!(sites::blocks))
        .routes(routes!(sites::seats))
        .routes(routes!(seats::of_match))
        .routes(routes!(events::of_block))
        .routes(routes!(events::of_match))
        // holds
        .routes(routes!(holds::hold, holds::mine))
        .routes(routes!(holds::release))
        .routes(routes!(holds::hold_seat))
        .routes(routes!(holds::release_seat))
        // reservations and payments
        .routes(routes!(reservations::get))
        .routes(routes!(reservations::cancel))
        .routes(routes!(payment_history::list))
        .routes(routes!(payments::request))
        .routes(routes!(payments::confirm))
        .routes(routes!(payments::get))
        .routes(routes!(webhooks::take))
        .routes(routes!(webhooks::take_with_secret))
        // waiting room
        .routes(routes!(queue::join, queue::place, queue::leave))
        .routes(routes!(queue::events))
        .routes(routes!(queue::serving))
        .routes(routes!(queue::draw))
        // operation
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::time))
}

/// Routes whose responses may be long enough to be compressed.
fn long() -> OpenApiRouter<Arc<Services>> {
    OpenApiRouter::new()
        // catalogue
        .routes(routes!(matches::list))
        .routes(routes!(matches::get))
        .routes(routes!(prices::get))
        // seats, now
        .routes(routes!(seats::of_block))
        .routes(routes!(reservations::create, reservations::list))
        // administration
        .routes(routes!(admin::accounts::list))
        .routes(routes!(admin::accounts::change, admin::accounts::delete))
        .routes(routes!(admin::api_keys::create, admin::api_keys::list))
        .routes(routes!(admin::api_keys::delete))
        .routes(routes!(admin::sites::create, admin::sites::list))
        .routes(routes!(admin::sites::replace, admin::sites::delete))
        .routes(routes!(admin::plan_import::import))
        .routes(routes!(admin::matches::create, admin::matches::list))
        .routes(routes!(admin::matches::replace, admin::matches::delete))
        .routes(routes!(admin::match_change::change))
        .routes(routes!(admin::prices::replace))
        .routes(routes!(admin::sale::announce))
        .routes(routes!(admin::sale::open))
        .routes(routes!(admin::sale::close))
        .routes(routes!(admin::sale::block))
        .routes(routes!(admin::sale::unblock))
        .routes(routes!(admin::check_ins::create))
        .routes(routes!(admin::reservations::get))
        .routes(routes!(admin::reservations::cancel))
        .routes(routes!(
            admin::queue::set_queue,
            admin::queue::change_queue,
            admin::queue::get_queue
        ))
        .routes(routes!(admin::queue::admit))
        .routes(routes!(admin::queue::place_of, admin::queue::let_in, admin::queue::send_away))
        .routes(routes!(admin::trail::list))
}

fn api() -> OpenApiRouter<Arc<Services>> {
    let is_long = SizeAbove::new(1024).and(NotForContentType::SSE);
    let compression = CompressionLayer::new().gzip(true).compress_when(is_long);
    let long = long().layer(compression);
    OpenApiRouter::with_openapi(Document::openapi()).merge(short()).merge(long)
}

/// All routes. `with_docs`: also the page of the API.
pub fn routes(services: Arc<Services>, with_docs: bool) -> Routes {
    let (router, api) = api().split_for_parts();
    let router = router
        .merge(page::router())
        .merge(described(with_docs))
        .fallback(|| async { ErrorCode::NotFound })
        .method_not_allowed_fallback(|| async { ErrorCode::MethodNotAllowed });
    let paths = api.paths.paths.keys().map(String::as_str).chain(page::PATHS);
    Routes::new(router, paths, services)
}

/// The path of the OpenAPI document.
const DOCUMENT: &str = "/api-docs/openapi.json";

/// The OpenAPI document, and the page that shows it.
fn described(with_docs: bool) -> Router<Arc<Services>> {
    // As bytes, because each clone of a handler clones what it owns, and this is a megabyte.
    let document = serde_json::to_vec(&document::openapi()).expect("it has no odd values");
    let document = Bytes::from(document);
    let json = [(header::CONTENT_TYPE, "application/json")];
    let router = Router::new().route(DOCUMENT, get(async move || (json, document)));
    if !with_docs {
        return router;
    }
    router.merge(SwaggerUi::new("/docs").config(Config::from(DOCUMENT)))
}

/// Probes only, for a process without an API.
pub fn worker_routes(services: Arc<Services>) -> Routes {
    let router = Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .fallback(|| async { ErrorCode::NotFound });
    Routes::new(router, ["/health/live", "/health/ready"], services)
}
