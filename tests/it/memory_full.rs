//! Redis is out of memory. Commands that free memory go on, so it recovers by itself.

use crate::support::node::{TestNode, eventually, eventually_within};
use crate::support::purchases::sells_within;
use crate::support::wire::done;
use serde_json::json;
use std::time::Duration;

/// Longer than a lease of a worker lasts without a renewal.
const LONGER_THAN_A_LEASE: Duration = Duration::from_millis(5_500);

/// Partitions keep their owners.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_memory_holds_end_and_sales_are_kept() {
    let node = TestNode::start_with(|settings| {
        settings.hold_ttl_ms = 2_000;
        settings.max_seats_per_user = 20;
    })
    .await;
    let fixtures = [node.open_match().await, node.open_match().await];
    let (buyer, hoarder) = (node.user("buyer").await, node.user("hoarder").await);
    node.verify().await;
    let (reservation, payment, key) = node.ready_to_pay(&buyer, &fixtures[0], 21).await;
    node.fault(&json!({"call": "confirm", "kind": "slowAnswer", "minMs": 1500, "count": 1})).await;
    let all: Vec<u32> = (1..=20).collect();
    for fixture in &fixtures {
        hoarder.hold(&fixture.id, &all).await.expect(201);
    }
    let port = node.redis.port();
    let limit = async |bytes: &'static str| {
        done(port, &["CONFIG", "SET", "maxmemory", bytes]).await;
    };
    let filling = async {
        eventually("the gateway has taken the money", || async {
            (node.ledger().await == ["DONE"]).then_some(())
        })
        .await;
        limit("1").await;
    };
    let (sold, ()) = tokio::join!(buyer.confirm(&payment, &key), filling);
    assert!([200, 202].contains(&sold.status), "{}", sold.body);
    assert_eq!(buyer.hold(&fixtures[0].id, &[25]).await.status, 503);
    let full_for_long = tokio::time::sleep(LONGER_THAN_A_LEASE);
    for fixture in &fixtures {
        eventually_within(Duration::from_secs(10), "all seats are free again", || async {
            let map = buyer.get(&fixture.path("/blocks/1/seats")).await.body;
            let seats = map["data"]["seats"].as_array()?.clone();
            seats.iter().all(|seat| seat["state"] == "AVAILABLE").then_some(())
        })
        .await;
    }
    let id = reservation["id"].as_str().unwrap().parse().unwrap();
    eventually("PostgreSQL has the sale", || async {
        let kept = node.store().reservation(id).await.unwrap()?;
        (kept.status.word() == "CONFIRMED").then_some(())
    })
    .await;
    full_for_long.await;
    assert_eq!(node.workers().owned.lock().len(), 2, "every partition has its worker");
    limit("0").await;
    for fixture in &fixtures {
        sells_within(Duration::from_secs(5), &buyer, fixture, 1).await;
        node.buy(&buyer, fixture, 2).await;
    }
    node.finish().await;
}
