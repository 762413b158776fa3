//! Pages of other origins: those of the list may call the API, and no others.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

const SHOP: &str = "https://shop.example.com";
const ORIGIN: &str = "access-control-allow-origin";

async fn node() -> TestNode {
    TestNode::start_with(|settings| {
        settings.allowed_origins = vec![SHOP.to_owned(), "http://localhost:3000".to_owned()];
    })
    .await
}

/// The head of a response to a page of this origin.
async fn head(
    client: &Client,
    method: Method,
    path: &str,
    origin: &str,
) -> (StatusCode, HeaderMap) {
    let request = client.request(method, path).header("origin", origin);
    let response = request.send().await.unwrap();
    (response.status(), response.headers().clone())
}

/// The question of a browser before a page may send `PUT` with a token.
async fn question(client: &Client, path: &str, origin: &str) -> (StatusCode, HeaderMap) {
    let request = client.request(Method::OPTIONS, path).header("origin", origin);
    let request = request.header("access-control-request-method", "PUT");
    let request = request.header("access-control-request-headers", "authorization");
    let response = request.send().await.unwrap();
    (response.status(), response.headers().clone())
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let values = headers.get_all("vary").iter().map(|value| value.to_str().unwrap());
    values.flat_map(|value| value.split(", ")).any(|name| name.eq_ignore_ascii_case("origin"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_the_list_reads_every_response() {
    let node = node().await;
    let fixture = node.open_match().await;
    let guest = node.guest();
    for (path, status) in [
        ("/api/matches".to_owned(), 200),
        (fixture.path(""), 200),
        (fixture.path("/seats"), 200),
        (fixture.path("/seats/events"), 200),
        (format!("/api/sites/{}", fixture.site_id), 200),
        ("/api/reservations".to_owned(), 401),
        ("/api/nothing".to_owned(), 404),
        ("/api/matches?limit=0".to_owned(), 400),
        ("/api-docs/openapi.json".to_owned(), 200),
        ("/health/ready".to_owned(), 200),
    ] {
        let (seen, headers) = head(&guest, Method::GET, &path, SHOP).await;
        assert_eq!(seen.as_u16(), status, "{path}");
        assert_eq!(headers.get(ORIGIN).unwrap(), SHOP, "{path}");
        assert_eq!(headers.get_all(ORIGIN).iter().count(), 1, "{path}");
        let exposed = headers["access-control-expose-headers"].to_str().unwrap();
        assert!(exposed.contains("retry-after") && exposed.contains("etag"), "{exposed}");
        assert!(varies_by_origin(&headers), "{path}: {headers:?}");
        assert!(!headers.contains_key("access-control-allow-credentials"), "no cookies: {path}");
    }
    let (status, headers) = question(&guest, "/api/users/me/password", SHOP).await;
    assert_eq!(status, 204);
    assert_eq!(headers[ORIGIN], SHOP);
    for (name, word) in [
        ("access-control-allow-methods", "PUT"),
        ("access-control-allow-headers", "authorization"),
        ("access-control-allow-headers", "idempotency-key"),
        ("access-control-allow-headers", "if-match"),
        ("access-control-allow-headers", "last-event-id"),
        ("access-control-max-age", "7200"),
    ] {
        assert!(headers[name].to_str().unwrap().contains(word), "{name}: {headers:?}");
    }
    // The page of Grandstand itself is nothing for other origins to read.
    let (status, headers) = head(&guest, Method::GET, "/", SHOP).await;
    assert!(status == 200 && !headers.contains_key(ORIGIN), "{headers:?}");
    node.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_any_other_origin_reads_nothing() {
    let node = node().await;
    let guest = node.guest();
    for origin in [
        "null",
        "*",
        "https://evil.example",
        "http://shop.example.com",
        "https://shop.example.com.evil.example",
        "https://shop.example.com:8443",
        "https://SHOP.example.com",
        "https://shop.example.com/",
        "http://localhost:3001",
    ] {
        let (status, headers) = head(&guest, Method::GET, "/api/matches", origin).await;
        assert_eq!(status, 200, "only the browser keeps it from the page");
        assert!(!headers.contains_key(ORIGIN), "{origin}: {headers:?}");
        assert!(varies_by_origin(&headers), "{origin}: {headers:?}");
        let (status, headers) = question(&guest, "/api/matches", origin).await;
        assert_eq!(status, 405, "{origin}");
        assert!(!headers.contains_key(ORIGIN), "{origin}: {headers:?}");
    }
    // A program sends no origin.
    let answer = guest.get("/api/matches").await;
    assert!(answer.status == 200 && !answer.headers.contains_key(ORIGIN));
    node.finish().await;
}

/// Without a list, nothing is said about origins at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_list_no_page_reads_anything() {
    let node = TestNode::start().await;
    let guest = node.guest();
    let (_, headers) = head(&guest, Method::GET, "/api/matches", SHOP).await;
    assert!(!headers.contains_key(ORIGIN) && !varies_by_origin(&headers), "{headers:?}");
    assert_eq!(question(&guest, "/api/matches", SHOP).await.0, 405);
    node.finish().await;
}

/// A page must know when to come back, and the questions of browsers are not counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_reads_the_refusals_of_limits_too() {
    let node = TestNode::start_with(|settings| {
        settings.allowed_origins = vec![SHOP.to_owned()];
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.calls_per_second = 1;
    })
    .await;
    let guest = node.guest();
    for _ in 0..30 {
        assert_eq!(question(&guest, "/api/matches", SHOP).await.0, 204);
    }
    let headers = eventually("a refusal", async || {
        let (status, headers) = head(&guest, Method::GET, "/api/matches", SHOP).await;
        (status == 429).then_some(headers)
    })
    .await;
    assert_eq!(headers[ORIGIN], SHOP);
    assert!(headers.contains_key("retry-after"));
    node.finish().await;
}
