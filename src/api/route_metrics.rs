//! Counts and times the requests of each route. The metrics of a route are looked up once and kept,
//! because a look-up by their labels costs more than the rest of the count.

use axum::http::{Method, StatusCode};
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
    /// A route has few methods.
    methods: RwLock<Vec<OneMethod>>,
}

/// The metrics of a route with one method.
struct OneMethod {
    method: &'static str,
    seconds: Histogram,
    /// By status: there are few.
    requests: Vec<(StatusCode, Counter)>,
}

/// The method as a label. A stranger must not make metrics with words of their own.
pub fn label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
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
        Self { path: path.to_owned(), methods: RwLock::default() }
    }

    /// Records a request by the label of its method, with this response after this time.
    pub fn record(&self, method: &'static str, status: StatusCode, time: Duration) {
        let known = self.methods.read();
        if let Some(of) = known.iter().find(|known| known.method == method)
            && let Some((_, counter)) = of.requests.iter().find(|(known, _)| *known == status)
        {
            of.seconds.record(time.as_secs_f64());
            counter.increment(1);
            return;
        }
        drop(known);
        let mut methods = self.methods.write();
        let at = methods.iter().position(|known| known.method == method);
        let at = at.unwrap_or_else(|| {
            let seconds = metrics::histogram!("grandstand_http_seconds",
                "route" => self.path.clone(), "method" => method);
            methods.push(OneMethod { method, seconds, requests: Vec::new() });
            methods.len() - 1
        });
        let counter = metrics::counter!("grandstand_http_requests_total",
            "route" => self.path.clone(), "method" => method,
            "status" => status.as_u16().to_string());
        counter.increment(1);
        methods[at].seconds.record(time.as_secs_f64());
        methods[at].requests.push((status, counter));
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
