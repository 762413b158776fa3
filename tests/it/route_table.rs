//! Who may call each route. `roles.rs` tries all of them.

use grandstand::domain::account::Role;

/// Who may call a route.
#[derive(Clone, Copy)]
pub(crate) enum Rule {
    /// Everybody. What a user has is theirs alone: other users get 403 or 404 for its id.
    Public,
    /// Everybody with a token.
    User,
    /// These roles. Roles of some sites only at those sites.
    Staff(&'static [Role]),
}

use Rule::{Public, Staff, User};

const ADMINS: Rule = Staff(&[Role::Admin]);
const MANAGERS: Rule = Staff(&[Role::Admin, Role::Organiser]);
const SELLERS: Rule = Staff(&[Role::Admin, Role::Organiser, Role::BoxOffice]);
const READERS: Rule = Staff(&[Role::Admin, Role::Organiser, Role::BoxOffice, Role::Support]);

/// Every route. A route that is not here is a fault: somebody has to decide who may call it.
pub(crate) const ROUTES: &[(&str, Rule)] = &[
    ("GET /api/admin/accounts", ADMINS),
    ("PATCH /api/admin/accounts/{user}", ADMINS),
    ("DELETE /api/admin/accounts/{user}", ADMINS),
    ("GET /api/admin/api-keys", ADMINS),
    ("POST /api/admin/api-keys", ADMINS),
    ("DELETE /api/admin/api-keys/{key}", ADMINS),
    ("GET /api/admin/audit", ADMINS),
    ("GET /api/admin/matches", READERS),
    ("POST /api/admin/matches", MANAGERS),
    ("PUT /api/admin/matches/{match}", MANAGERS),
    ("PATCH /api/admin/matches/{match}", MANAGERS),
    ("DELETE /api/admin/matches/{match}", MANAGERS),
    ("PUT /api/admin/matches/{match}/prices", MANAGERS),
    ("POST /api/admin/matches/{match}/announce", MANAGERS),
    ("POST /api/admin/matches/{match}/open", MANAGERS),
    ("POST /api/admin/matches/{match}/close", MANAGERS),
    ("POST /api/admin/matches/{match}/block", SELLERS),
    ("POST /api/admin/matches/{match}/unblock", SELLERS),
    ("POST /api/admin/matches/{match}/check-ins", SELLERS),
    ("GET /api/admin/matches/{match}/queue", READERS),
    ("PUT /api/admin/matches/{match}/queue", MANAGERS),
    ("PATCH /api/admin/matches/{match}/queue", MANAGERS),
    ("POST /api/admin/matches/{match}/queue/admit", MANAGERS),
    ("GET /api/admin/matches/{match}/queue/people/{user}", READERS),
    ("PUT /api/admin/matches/{match}/queue/people/{user}", SELLERS),
    ("DELETE /api/admin/matches/{match}/queue/people/{user}", SELLERS),
    ("GET /api/admin/reservations/{reservation}", READERS),
    ("POST /api/admin/reservations/{reservation}/cancel", MANAGERS),
    ("GET /api/admin/sites", READERS),
    ("POST /api/admin/sites", ADMINS),
    ("POST /api/admin/sites/import", MANAGERS),
    ("PUT /api/admin/sites/{site}", MANAGERS),
    ("DELETE /api/admin/sites/{site}", ADMINS),
    ("GET /api/matches", Public),
    ("GET /api/matches/{match}", Public),
    ("GET /api/matches/{match}/prices", Public),
    ("GET /api/matches/{match}/seats", Public),
    ("GET /api/matches/{match}/seats/events", Public),
    ("GET /api/matches/{match}/blocks/{block}/seats", Public),
    ("GET /api/matches/{match}/blocks/{block}/seats/events", Public),
    ("GET /api/matches/{match}/queue/draw", Public),
    ("GET /api/matches/{match}/queue/events", Public),
    ("GET /api/matches/{match}/queue/serving", Public),
    ("GET /api/matches/{match}/queue", User),
    ("POST /api/matches/{match}/queue", User),
    ("DELETE /api/matches/{match}/queue", User),
    ("GET /api/matches/{match}/holds", User),
    ("POST /api/matches/{match}/holds", User),
    ("DELETE /api/matches/{match}/holds/{hold}", User),
    ("POST /api/matches/{match}/allocation/seats/{seat}/hold", User),
    ("POST /api/matches/{match}/allocation/seats/{seat}/release", User),
    ("GET /api/reservations", User),
    ("POST /api/reservations", User),
    ("GET /api/reservations/{reservation}", User),
    ("POST /api/reservations/{reservation}/cancel", User),
    ("GET /api/reservations/{reservation}/payments", User),
    ("POST /api/payments/request", User),
    ("POST /api/payments/confirm", User),
    ("GET /api/payments/{payment}", User),
    ("POST /api/payments/webhooks/toss", Public),
    ("POST /api/payments/webhooks/toss/{secret}", Public),
    ("GET /api/sites/{site}", Public),
    ("GET /api/sites/{site}/areas", Public),
    ("GET /api/sites/{site}/areas/{area}/sections", Public),
    ("GET /api/sites/{site}/sections/{section}/blocks", Public),
    ("GET /api/sites/{site}/blocks/{block}/seats", Public),
    ("GET /api/time", Public),
    ("POST /api/users/sign-up", Public),
    ("POST /api/users/log-in", Public),
    ("POST /api/users/refresh", Public),
    ("POST /api/users/log-out", User),
    ("GET /api/users/me", User),
    ("DELETE /api/users/me", User),
    ("PUT /api/users/me/password", User),
    ("POST /api/users/me/second-factor", User),
    ("PUT /api/users/me/second-factor", User),
    ("DELETE /api/users/me/second-factor", User),
    ("GET /api/users/me/sessions", User),
    ("DELETE /api/users/me/sessions", User),
    ("DELETE /api/users/me/sessions/{session}", User),
    ("POST /api/users/me/email-verification", User),
    ("POST /api/users/email-verification/confirm", Public),
    ("POST /api/users/password-reset", Public),
    ("POST /api/users/password-reset/confirm", Public),
    ("GET /health/live", Public),
    ("GET /health/ready", Public),
    ("GET /metrics", Public),
];
