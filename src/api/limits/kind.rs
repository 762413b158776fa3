//! The kinds of calls. Each kind has limits of its own.

use axum::http::Method;

/// The kind of a call, by its method and route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Probes, which are answered from memory.
    Probe,
    /// A part of the page, which is sent from memory.
    Page,
    Read,
    Write,
    SignUp,
    /// A mail to an account, or a link in one.
    Account,
    LogIn,
    /// Seats are held.
    Hold,
    /// Any other call that changes seats.
    Seats,
    /// A user joins a waiting room.
    Join,
    /// A payment is requested.
    Payment,
    /// A payment is confirmed.
    Confirm,
    /// An event stream is opened.
    Stream,
    Admin,
    /// Tokens are exchanged. The session counts too (`RateLimits::refresh`).
    Refresh,
    Webhook,
}

impl Kind {
    /// The kind of a call to this route, as the router knows it.
    pub fn of(method: &Method, route: &str) -> Self {
        let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
        match route {
            "/health/live" | "/health/ready" | "/metrics" => Self::Probe,
            "/api/users/sign-up" => Self::SignUp,
            "/api/users/password-reset"
            | "/api/users/password-reset/confirm"
            | "/api/users/me/email-verification"
            | "/api/users/email-verification/confirm" => Self::Account,
            "/api/users/log-in" => Self::LogIn,
            "/api/users/refresh" => Self::Refresh,
            "/api/payments/webhooks/toss" | "/api/payments/webhooks/toss/{secret}" => Self::Webhook,
            "/api/payments/request" => Self::Payment,
            "/api/payments/confirm" => Self::Confirm,
            "/api/matches/{match}/queue" if *method == Method::POST => Self::Join,
            "/api/reservations" if !reads => Self::Seats,
            route if route.starts_with("/api/admin/") => Self::Admin,
            route if route.ends_with("/events") => Self::Stream,
            "/api/matches/{match}/holds" if !reads => Self::Hold,
            "/api/matches/{match}/allocation/seats/{seat}/hold" if !reads => Self::Hold,
            route if !reads && changes_seats(route) => Self::Seats,
            route if reads && !route.starts_with("/api") && route != "none" => Self::Page,
            _ if reads => Self::Read,
            _ => Self::Write,
        }
    }

    /// Whether all lines of the log about such a call name its request. They need not for calls
    /// that a crowd makes, because that costs each call memory, and they move no money.
    pub fn names_request(self) -> bool {
        match self {
            Self::Payment | Self::Confirm | Self::Write | Self::Webhook | Self::Admin => true,
            Self::SignUp | Self::Account | Self::LogIn => true,
            Self::Probe | Self::Page | Self::Read | Self::Stream | Self::Refresh => false,
            Self::Hold | Self::Seats | Self::Join => false,
        }
    }
}

fn changes_seats(route: &str) -> bool {
    route.starts_with("/api/matches/{match}/holds")
        || route.starts_with("/api/matches/{match}/allocation/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::document::openapi;

    #[test]
    fn each_operation_has_a_limit_of_its_kind() {
        let mut found = Vec::new();
        for (path, item) in openapi().paths.paths {
            let methods = [
                (Method::GET, item.get.is_some()),
                (Method::PUT, item.put.is_some()),
                (Method::POST, item.post.is_some()),
                (Method::PATCH, item.patch.is_some()),
                (Method::DELETE, item.delete.is_some()),
            ];
            let used = methods.into_iter().filter(|(_, used)| *used);
            found.extend(used.map(|(method, _)| (Kind::of(&method, &path), path.clone())));
        }
        let of = |kind: Kind| found.iter().filter(|(other, _)| *other == kind).count();
        let probes = of(Kind::Probe);
        assert!(probes <= 3, "a route without a limit: {found:?}");
        assert_eq!(of(Kind::Page), 0, "a route of the API counts as a part of the page");
        assert_eq!((of(Kind::Hold), of(Kind::Seats)), (2, 3), "{found:?}");
        assert_eq!((of(Kind::Join), of(Kind::Stream)), (1, 3), "{found:?}");
        assert_eq!((of(Kind::SignUp), of(Kind::Account), of(Kind::LogIn)), (1, 4, 1), "{found:?}");
        assert_eq!((of(Kind::Confirm), of(Kind::Payment), of(Kind::Webhook)), (1, 1, 2));
        for (kind, path) in &found {
            assert_eq!(*kind == Kind::Admin, path.starts_with("/api/admin/"), "{path}");
        }
        assert_eq!(Kind::of(&Method::GET, "none"), Kind::Read);
        assert_eq!(Kind::of(&Method::GET, "/app.js"), Kind::Page);
    }
}
