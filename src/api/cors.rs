//! Pages of other origins that may call the API, such as the shop of somebody who builds on it
//! (CORS, in the Fetch standard of the WHATWG). Cookies are never allowed: such a page sends its
//! access token in `Authorization`.

use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};

const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE";
/// The header fields of requests that the API reads, without those that any page may send.
const REQUEST_HEADERS: &str = "authorization, content-type, idempotency-key, if-match, \
    if-none-match, last-event-id, x-request-id";
/// The header fields of responses that a page may read, without those that any page may read.
const RESPONSE_HEADERS: &str = "allow, etag, idempotency-replayed, ratelimit, ratelimit-policy, \
    retry-after, www-authenticate, x-request-id";
/// How long a browser asks no more about a path, in seconds: two hours, which is the most that
/// Chromium accepts. Longer: an origin that was taken out of the list asks for longer.
const MAX_AGE_S: &str = "7200";
/// The parts of a request on which the response to the question of a browser depends.
const VARY: &str = "origin, access-control-request-method, access-control-request-headers";

/// The origins whose pages may call the API.
pub struct Origins(Vec<HeaderValue>);

/// What a request says of its page.
pub(super) struct FromPage {
    /// The origin of the page, if it is one of the list.
    allowed: Option<HeaderValue>,
    asks: bool,
}

impl Origins {
    /// The origins of a list, each as browsers send it.
    pub fn new(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect())
    }

    /// The page that a request for the API comes from. `None`: no page of another origin may call
    /// this path.
    pub(super) fn page_of<B>(&self, request: &Request<B>) -> Option<FromPage> {
        let (path, headers) = (request.uri().path(), request.headers());
        if self.0.is_empty() || !path.starts_with("/api") && !path.starts_with("/health/") {
            return None;
        }
        let allowed = headers.get(header::ORIGIN).filter(|origin| self.0.contains(origin));
        let asks = request.method() == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        Some(FromPage { allowed: allowed.cloned(), asks })
    }
}

impl FromPage {
    /// The response to the question of a browser whether a page may make a call (a preflight
    /// request). A page of another origin gets the response to an unknown method instead.
    pub(super) fn response_to_question(&self) -> Option<Response> {
        if !self.asks || self.allowed.is_none() {
            return None;
        }
        let fields = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S),
        ];
        Some((StatusCode::NO_CONTENT, fields).into_response())
    }

    /// Lets the page read the response.
    pub(super) fn write(self, headers: &mut HeaderMap) {
        // Also for other origins, because a cache must not give them the response to this one.
        headers.append(header::VARY, HeaderValue::from_static(VARY));
        if let Some(origin) = self.allowed {
            let exposed = HeaderValue::from_static(RESPONSE_HEADERS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::header_docs::headers;

    #[test]
    fn a_page_may_read_all_header_fields_that_the_document_describes() {
        let readable: Vec<&str> = RESPONSE_HEADERS.split(", ").collect();
        for (name, _) in headers() {
            // Browsers keep this one from all pages.
            let readable = name == "Set-Cookie" || readable.contains(&&*name.to_lowercase());
            assert!(readable, "{name}");
        }
    }
}
