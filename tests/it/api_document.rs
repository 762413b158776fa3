//! Every endpoint of the OpenAPI document: without a token, and with someone else's ids.

use crate::support::client::{Answer, Client, plain_http};
use crate::support::node::{TestMatch, TestNode};
use grandstand::api::error::ErrorCode;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// Method, path with its parameters filled in, and the operation.
async fn operations(
    client: &Client,
    fixture: &TestMatch,
    ids: &Value,
) -> Vec<(Method, String, Value)> {
    let document = client.get("/api-docs/openapi.json").await.body;
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    let mut list = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let mut path = path.replace("{match}", &fixture.id).replace("{site}", &fixture.site_id);
        for (name, value) in ids.as_object().unwrap() {
            path = path.replace(&format!("{{{name}}}"), value.as_str().unwrap());
        }
        assert!(!path.contains('{'), "a parameter that this test does not know: {path}");
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            list.push((method, path.clone(), operation.clone()));
        }
    }
    assert!(list.len() > 40, "{}", list.len());
    list
}

/// The types of the page are generated from this file.
#[test]
fn the_stored_openapi_document_is_that_of_the_server() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("web/openapi.json");
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let document = serde_json::to_value(grandstand::api::document::openapi()).unwrap();
    assert!(kept == document, "web/openapi.json is old: run `make api`, and commit it");
}

/// Programs find operations by their ids.
#[test]
fn each_operation_has_an_id_of_its_own_and_each_code_an_example() {
    let document = serde_json::to_value(grandstand::api::document::openapi()).unwrap();
    let items = document["paths"].as_object().unwrap().values();
    let operations: Vec<&Value> =
        items.flat_map(|item| item.as_object().unwrap().values()).collect();
    let ids: BTreeSet<&str> =
        operations.iter().map(|operation| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len());
    let examples = document["components"]["examples"].as_object().unwrap();
    assert_eq!(examples.len(), ErrorCode::ALL.len());
    for code in ErrorCode::ALL {
        let problem = &examples[&code.to_string()]["value"];
        assert_eq!(problem["code"], json!(code));
        assert_eq!(problem["status"], json!(code.status().as_u16()));
    }
}

/// Header fields that say nothing about one route: those of HTTP itself, and those of
/// `api::security_headers`.
const EVERYWHERE: [&str; 15] = [
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "date",
    "permissions-policy",
    "referrer-policy",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
];

/// Sends an empty object where a body is wanted; only the head of an event stream is read.
async fn call(
    client: &Client,
    method: &Method,
    path: &str,
    operation: &Value,
) -> (u16, Option<Answer>) {
    let mut request = client.request(method.clone(), path).timeout(Duration::from_secs(20));
    if operation.get("requestBody").is_some() {
        request = request.json(&json!({}));
    }
    let response = request.send().await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
    let status = response.status().as_u16();
    let listed = operation["responses"].get(status.to_string()).is_some();
    assert!(listed, "{method} {path}: {status} is not in the document");
    let told = &operation["responses"][status.to_string()]["headers"];
    let told = told.as_object().unwrap().keys().map(|name| name.to_lowercase());
    let told: BTreeSet<String> = told.collect();
    for name in response.headers().keys().filter(|name| !EVERYWHERE.contains(&name.as_str())) {
        assert!(told.contains(name.as_str()), "{method} {path} {status}: {name} is not described");
    }
    let sent = |name: &str| response.headers().contains_key(name);
    for always in ["x-request-id", "etag", "www-authenticate"] {
        let missing = told.contains(always) && !sent(always);
        assert!(!missing, "{method} {path} {status} has no {always}");
    }
    let limited = [429, 503].contains(&status);
    assert!(!limited || sent("retry-after"), "{method} {path} {status} has no Retry-After");
    let stream = response
        .headers()
        .get("content-type")
        .is_some_and(|kind| kind.to_str().unwrap().starts_with("text/event-stream"));
    if stream {
        return (status, None);
    }
    let answer = Answer::of(response).await;
    if let Some(code) = answer.body["code"].as_str() {
        let examples = &operation["responses"][status.to_string()]["content"];
        let told = examples["application/problem+json"]["examples"].get(code).is_some();
        assert!(told, "{method} {path} {status}: {code} is not in the document");
    }
    (status, Some(answer))
}

fn ids(hold: &Value, reservation: &Value, payment: &Value) -> Value {
    json!({"secret": "no secret of webhooks", "area": "1", "section": "1", "block": "1",
        "seat": "1", "hold": hold["holdId"],
        "reservation": reservation["id"], "payment": payment["id"],
        "key": "0190a000-0000-7000-8000-000000000001",
        "user": "0190a000-0000-7000-8000-000000000001",
        "session": "0190a000-0000-7000-8000-000000000001"})
}

/// No call has an effect, and none ends in a 5xx.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_no_endpoint_fails_or_has_an_effect() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (guest, fan) = (node.guest(), node.user("fan").await);
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    let payment = fan.request_payment(&reservation).await;
    let hold = fan.hold(&fixture.id, &[2]).await.expect(201);
    let before = node.guest().get(&fixture.path("/seats")).await.body;
    for (method, path, operation) in
        operations(&guest, &fixture, &ids(&hold, &reservation, &payment)).await
    {
        let (status, answer) = call(&guest, &method, &path, &operation).await;
        let name = format!("{method} {path}");
        assert!(status < 500, "{name}: {status} {answer:?}");
        if operation.get("security").is_some() {
            answer.unwrap_or_else(|| panic!("{name}")).refused(401, "UNAUTHORIZED");
        } else {
            assert_ne!(status, 401, "{name} asks for a token that its document does not name");
        }
    }
    assert_eq!(node.guest().get(&fixture.path("/seats")).await.body, before);
    node.finish().await;
}

/// What is read, as somebody who may read everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_response_to_a_reader_is_in_the_document() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let admin = node.admin().await;
    let reservation = admin.reserve(&fixture.id, &[1]).await;
    let payment = admin.request_payment(&reservation).await;
    let hold = admin.hold(&fixture.id, &[2]).await.expect(201);
    let all = operations(&admin, &fixture, &ids(&hold, &reservation, &payment)).await;
    let mut read = 0;
    for (method, path, operation) in all.iter().filter(|(method, ..)| method == Method::GET) {
        read += u32::from(call(&admin, method, path, operation).await.0 == 200);
    }
    assert!(read > 20, "{read}");
    node.finish().await;
}

/// Every call gets 403 or 404, and the reservation stays as it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ids_of_another_user_show_and_change_nothing() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let (fan, thief) = (node.user("fan").await, node.user("thief").await);
    let reservation = fan.reserve(&fixture.id, &[3]).await;
    let payment = fan.request_payment(&reservation).await;
    let hold = fan.hold(&fixture.id, &[1, 2]).await.expect(201);
    let before = node.guest().get(&fixture.path("/seats")).await.body;
    for (method, path, operation) in
        operations(&thief, &fixture, &ids(&hold, &reservation, &payment)).await
    {
        let name = format!("{method} {path}");
        let own = ["hold", "reservation", "payment"];
        let own = own.iter().any(|kind| {
            operation["parameters"].as_array().is_some_and(|list| {
                list.iter().any(|parameter| parameter["name"] == *kind && parameter["in"] == "path")
            })
        });
        let admin = path.starts_with("/api/admin");
        if own || admin {
            let (status, _) = call(&thief, &method, &path, &operation).await;
            assert!([403, 404].contains(&status), "{name}: {status}");
        }
    }
    let release = fixture.path("/allocation/seats/1/release");
    thief.post(&release, &Value::Null).await.refused(403, "NOT_YOURS");
    for source in [json!({"holdId": hold["holdId"]}), json!({"seatIds": [1]})] {
        let mut body = source;
        body["matchId"] = json!(fixture.id);
        thief.post("/api/reservations", &body).await.refused(403, "NOT_YOURS");
    }
    let body = json!({"reservationId": reservation["id"], "method": "CARD"});
    thief.post("/api/payments/request", &body).await.refused(404, "RESERVATION_NOT_FOUND");
    let key = node.pay_at_gateway(&payment, "approve").await;
    thief.confirm(&payment, &key).await.refused(404, "PAYMENT_NOT_FOUND");
    assert_eq!(node.ledger().await, ["IN_PROGRESS"], "nothing was charged");
    assert_eq!(node.guest().get(&fixture.path("/seats")).await.body, before);
    fan.confirm(&payment, &key).await.expect(200);
    node.finish().await;
}

/// The documentation and the seat map need no other server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_and_their_assets_come_from_this_server() {
    let node = TestNode::start().await;
    let guest = node.guest();
    for page in ["/docs", "/docs/", "/"] {
        let response = guest.request(Method::GET, page).send().await.unwrap();
        assert_eq!(response.status(), 200, "{page}");
        let base = response.url().clone();
        let html = response.text().await.unwrap();
        let mut assets = 0;
        for attribute in ["src=\"", "href=\""] {
            for part in html.split(attribute).skip(1) {
                let link = part.split('"').next().unwrap();
                if link.starts_with("data:") || link.starts_with('#') {
                    continue;
                }
                let url = base.join(link).unwrap();
                assert_eq!(url.origin(), base.origin(), "{page} loads {link}");
                let asset = plain_http().get(url.clone()).send().await.unwrap();
                assert_eq!(asset.status(), 200, "{page} loads {url}");
                assets += 1;
            }
        }
        assert!(assets > 1, "{page}: {html}");
    }
    node.finish().await;
}
