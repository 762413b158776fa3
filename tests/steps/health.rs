//! What operators of a node look at.

use crate::steps::World;
use crate::steps::refusals::assert_refused;
use cucumber::{given, then};
use grandstand::api::error::ErrorCode;
use std::time::Duration;

#[given("a node runs")]
async fn runs(world: &mut World) {
    world.start().await;
}

#[then("it is alive and ready")]
async fn ready(world: &mut World) {
    let guest = world.node().guest();
    guest.get("/health/live").await.expect(200);
    assert_eq!(guest.get("/health/ready").await.expect(200), serde_json::json!({"ready": true}));
    let data = world.node().operator().get("/health/ready").await.expect(200);
    assert_eq!(data["ready"], true);
    for part in ["redis", "database"] {
        assert_eq!(data[part], "ok", "{data}");
    }
    assert_eq!(data["partitions"], serde_json::json!([]), "{data}");
}

#[then("its clock is right")]
async fn clock(world: &mut World) {
    let data = world.node().guest().get("/api/time").await.expect(200);
    let told: jiff::Timestamp = data["now"].as_str().unwrap().parse().unwrap();
    let apart = jiff::Timestamp::now().duration_since(told).unsigned_abs();
    assert!(apart < Duration::from_secs(5), "{apart:?}");
}

#[then(expr = "its metrics count {int} held seats or more")]
async fn metrics(world: &mut World, least: u64) {
    let answer = world.node().operator().get("/metrics").await;
    assert_eq!(answer.status, 200);
    let text = answer.body.as_str().expect("no text").to_owned();
    let line = text.lines().find_map(|line| line.strip_prefix("grandstand_seats_held_total "));
    let count: u64 = line.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    assert!(count >= least, "{count}");
}

#[then("it explains its API to people and to programs")]
async fn documents(world: &mut World) {
    let guest = world.node().guest();
    let answer = guest.get("/api-docs/openapi.json").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    assert!(answer.body["paths"]["/api/payments/confirm"]["post"].is_object());
    assert_eq!(guest.get("/docs/").await.status, 200);
}

#[then("it shows the page with the map")]
async fn page(world: &mut World) {
    let answer = world.node().guest().get("/").await;
    assert_eq!(answer.status, 200);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/html"), "{kind}");
}

#[then("it refuses an address that leads nowhere")]
async fn nowhere(world: &mut World) {
    let guest = world.node().guest();
    assert_refused(&guest.get("/api/nowhere").await, ErrorCode::NotFound);
    assert_refused(&guest.delete("/api/matches").await, ErrorCode::MethodNotAllowed);
}
