//! Counts and times the requests of each route. The metrics of a route are looked up once and kept,
//! because a look-up by their labels costs more than the rest of the count.

use axum::http::StatusCode;
use matchit::Router;
use metrics::{Counter, Histogram};
use parking_lot::RwLock;
use std::time::Duration;

/// The metrics of all routes.
pub struct RouteMetrics {
    routes: Router<OneRoute>,
    /// All other paths count as one route, because a stranger must not make metrics.
    none: OneRoute,
}

/// The metrics of a route.
pub struct OneRoute {
    pub path: String,
    seconds: Histogram,
    /// By status: a route has few.
    requests: RwLock<Vec<(StatusCode, Counter)>>,
}

impl RouteMetrics {
    /// The metrics of the routes with these paths.
    pub fn new<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut routes = Router::new();
        for path in paths {
            // Only a path that is in the list twice is refused.
            let _ = routes.insert(path, OneRoute::new(path));
        }
        Self { routes, none: OneRoute::new("none") }
    }

    /// The metrics of the route that serves a path.
    pub fn of(&self, path: &str) -> &OneRoute {
        self.routes.at(path).map_or(&self.none, |found| found.value)
    }
}

impl OneRoute {
    fn new(path: &str) -> Self {
        let path = path.to_owned();
        let seconds = metrics::histogram!("grandstand_http_seconds", "route" => path.clone());
        Self { path, seconds, requests: RwLock::default() }
    }

    /// Records a request with this response after this time.
    pub fn record(&self, status: StatusCode, time: Duration) {
        self.seconds.record(time.as_secs_f64());
        let known = self.requests.read();
        if let Some((_, counter)) = known.iter().find(|(known, _)| *known == status) {
            counter.increment(1);
            return;
        }
        drop(known);
        let counter = metrics::counter!("grandstand_http_requests_total",
            "route" => self.path.clone(), "status" => status.as_u16().to_string());
        counter.increment(1);
        self.requests.write().push((status, counter));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_counts_for_its_route() {
        let metrics = RouteMetrics::new(["/api/matches", "/api/matches/{match}/holds", "/"]);
        for (path, route) in [
            ("/api/matches", "/api/matches"),
            ("/api/matches/01/holds", "/api/matches/{match}/holds"),
            ("/", "/"),
            ("/api/matches/", "none"),
            ("/unknown", "none"),
        ] {
            assert_eq!(metrics.of(path).path, route, "{path}");
        }
    }
}
