//! Until when tickets are given back, and for which fee.

use crate::steps::World;
use crate::steps::words::Won;
use cucumber::{given, then, when};
use serde_json::{Value, json};

const START: &str = "2030-05-05T05:00:00Z";

/// Sets the terms of refunds of the match.
async fn set_terms(world: &World, name: &str, terms: Value) {
    let fixture = world.fixture();
    let mut body = json!({"siteId": fixture.site_id, "homeTeam": "LG Twins",
        "awayTeam": "Doosan Bears", "startsAt": START});
    body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
    let path = format!("/api/admin/matches/{}", fixture.id);
    world.client(name).put(&path, &body).await.expect(200);
}

#[given(expr = "{word} keeps {int} percent and {int} won for each seat that is given back")]
async fn fee(world: &mut World, name: String, percent: u32, won: u32) {
    let fees = json!([{"until": START, "percent": percent, "perSeat": won}]);
    set_terms(world, &name, json!({"refundFees": fees})).await;
}

#[given(expr = "{word} lets nobody give tickets back any more")]
async fn closed(world: &mut World, name: String) {
    set_terms(world, &name, json!({"refundableUntil": "2025-05-05T05:00:00Z"})).await;
}

#[then(expr = "{word} sees that a cancellation costs {won} and gives {won} back")]
async fn quoted(world: &mut World, name: String, fee: Won, amount: Won) {
    let id = world.person(&name).reservation["id"].as_str().expect("no reservation").to_owned();
    let path = format!("/api/reservations/{id}");
    let refund = world.client(&name).get(&path).await.expect(200)["refund"].clone();
    assert_eq!((&refund["fee"], &refund["amount"]), (&json!(fee.0), &json!(amount.0)));
}

#[when(expr = "{word} gives the money of {word} back")]
async fn give_back(world: &mut World, name: String, buyer: String) {
    let id = world.person(&buyer).reservation["id"].as_str().expect("no reservation").to_owned();
    let path = format!("/api/admin/reservations/{id}/cancel");
    world.client(&name).post_with_key(&path, &json!({}), "refund").await.expect(200);
}

#[then(expr = "the gateway still has {won}")]
async fn left(world: &mut World, won: Won) {
    let entries = world.node().ledger_entries().await;
    let left: i64 = entries.iter().filter_map(|entry| entry["balanceAmount"].as_i64()).sum();
    assert_eq!(left, won.0, "{entries:?}");
}
