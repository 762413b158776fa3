//! The seat-map page, built into the binary.

use crate::api::Services;
use crate::api::extract::NotModified;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

/// A file of the page.
struct Part {
    kind: &'static str,
    bytes: &'static [u8],
    tag: String,
    /// Compressed for the first browser that asks, because compressing for each browser would cost
    /// a core in a rush.
    zipped: OnceLock<Bytes>,
}

/// The paths of the page and its parts.
pub const PATHS: [&str; 4] = ["/", "/app.js", "/app.css", "/solver.js"];

/// The page and its parts.
pub fn router() -> Router<Arc<Services>> {
    let parts: [(&str, &[u8]); 4] = [
        ("text/html; charset=utf-8", include_bytes!("../../web/dist/index.html")),
        ("text/javascript; charset=utf-8", include_bytes!("../../web/dist/app.js")),
        ("text/css; charset=utf-8", include_bytes!("../../web/dist/app.css")),
        ("text/javascript; charset=utf-8", include_bytes!("../../web/dist/solver.js")),
    ];
    PATHS.into_iter().zip(parts).fold(Router::new(), |router, (path, (kind, bytes))| {
        // Weak, because the same part goes out compressed and as it is.
        let tag = format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(bytes)));
        let part = Arc::new(Part { kind, bytes, tag, zipped: OnceLock::new() });
        let response = async move |State(services): State<Arc<Services>>, headers: HeaderMap| {
            part.response(&headers, services.pay_page.policy())
        };
        router.route(path, get(response))
    })
}

impl Part {
    /// Browsers ask each time, and get a 304 while they have the newest version.
    fn response(&self, asked: &HeaderMap, policy: &'static str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, self.kind),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::CACHE_CONTROL, "no-cache"),
            (header::VARY, "accept-encoding"),
            (header::ETAG, &self.tag),
        ];
        if lists(asked, header::IF_NONE_MATCH, &self.tag) {
            return (headers, NotModified).into_response();
        }
        if !lists(asked, header::ACCEPT_ENCODING, "gzip") {
            return (headers, self.bytes).into_response();
        }
        match self.zipped() {
            Ok(zipped) => (headers, [(header::CONTENT_ENCODING, "gzip")], zipped).into_response(),
            Err(_) => (headers, self.bytes).into_response(),
        }
    }

    fn zipped(&self) -> std::io::Result<Bytes> {
        if let Some(known) = self.zipped.get() {
            return Ok(known.clone());
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(self.bytes)?;
        let made = Bytes::from(encoder.finish()?);
        Ok(self.zipped.get_or_init(|| made).clone())
    }
}

/// Whether a header with a list of values has this value.
fn lists(headers: &HeaderMap, name: HeaderName, wanted: &str) -> bool {
    let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(',').any(|value| value.trim() == wanted)
}
