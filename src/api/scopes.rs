//! The scope that an API key needs for each call.

use crate::api::staff::{Manager, Reader, Seller};
use crate::domain::account::Role;
use crate::domain::api_key::Scope;
use axum::http::Method;

/// The scope of a call to this route, as the router knows it. `None`: no key can make the call, or
/// anybody can.
pub fn scope_of(method: &Method, route: &str) -> Option<Scope> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let Some(rest) = route.strip_prefix("/api/admin/") else {
        return is_purchase(method, route).then_some(Scope::Buy);
    };
    let either = |read, write| Some(if reads { read } else { write });
    match rest {
        "sites"
        | "sites/{site}"
        | "sites/import"
        | "matches"
        | "matches/{match}"
        | "matches/{match}/prices"
        | "matches/{match}/announce"
        | "matches/{match}/open"
        | "matches/{match}/close" => either(Scope::CatalogueRead, Scope::CatalogueWrite),
        "matches/{match}/block" | "matches/{match}/unblock" => Some(Scope::SeatsBlock),
        "matches/{match}/check-ins" => Some(Scope::CheckIn),
        "reservations/{reservation}" => Some(Scope::ReservationsRead),
        "reservations/{reservation}/cancel" => Some(Scope::ReservationsCancel),
        rest if rest.starts_with("matches/{match}/queue") => {
            either(Scope::QueueRead, Scope::QueueWrite)
        }
        _ => None,
    }
}

/// Whether a call is a part of a purchase that needs a token.
fn is_purchase(method: &Method, route: &str) -> bool {
    let of_match = route.strip_prefix("/api/matches/{match}/").unwrap_or_default();
    route == "/api/reservations"
        || route.starts_with("/api/reservations/")
        || route.starts_with("/api/payments/") && !route.contains("/webhooks/")
        || of_match.starts_with("holds")
        || of_match == "queue"
        || of_match.starts_with("allocation/") && *method == Method::POST
}

/// The roles with which a key can use a scope.
pub fn roles_of(scope: Scope) -> &'static [Role] {
    match scope {
        Scope::Buy => &Role::ALL,
        Scope::CatalogueRead | Scope::QueueRead | Scope::ReservationsRead => Reader::ROLES,
        Scope::SeatsBlock | Scope::QueueWrite | Scope::CheckIn => Seller::ROLES,
        Scope::CatalogueWrite | Scope::ReservationsCancel => Manager::ROLES,
    }
}
