//! A failover that loses the last entries while the epoch stays.

use crate::support::events::EventStream;
use crate::support::node::{TestNode, eventually, eventually_within};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::node::NodeRole;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::json;
use std::time::Duration;

/// Copies of some keys, as on a replica that is a little behind.
struct Replica {
    raw: grandstand::redis::Link,
    keys: Vec<String>,
}

impl Replica {
    async fn of(node: &TestNode, keys: Vec<String>) -> Self {
        let replica = Self { raw: node.raw().await, keys };
        for key in &replica.keys {
            replica.copy(key, &format!("{key}:replica")).await;
        }
        replica
    }

    async fn copy(&self, from: &str, to: &str) {
        let copy = CustomCommand::new_static("COPY", ClusterHash::FirstKey, false);
        let arguments = vec![from.to_owned(), to.to_owned(), "REPLACE".to_owned()];
        let done: i64 = self.raw.custom(copy, arguments).await.unwrap();
        assert_eq!(done, 1, "{from} is there");
    }

    /// The replica becomes the master, so later writes are lost.
    async fn take_over(self) {
        for key in &self.keys {
            self.copy(&format!("{key}:replica"), key).await;
            let _: i64 = self.raw.del(format!("{key}:replica")).await.unwrap();
        }
    }
}

/// The map is right again within 2 s without any further change: for connected clients, for
/// requests, and for clients that return with the id of a lost change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_map_notices_that_redis_has_lost_entries() {
    let node = TestNode::start().await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    let id = fixture.match_id();
    let (keys, of) = (MatchKeys(id), PartitionKeys(id.partition()));
    fan.hold(&fixture.id, &[1]).await.expect(201);
    let url = format!("{}{}", fan.url, fixture.path("/blocks/1/seats/events"));
    let mut map = EventStream::open(&url, None).await;
    map.wait_for(1, "HOLD").await;
    let behind = vec![keys.changes(), keys.seats(), keys.meta(), of.claims()];
    let replica = Replica::of(&node, behind).await;
    fan.hold(&fixture.id, &[2]).await.expect(201);
    map.wait_for(2, "HOLD").await;
    let lost = map.last_id.clone();
    replica.take_over().await;
    // Two seconds, and two more for a busy machine.
    eventually_within(Duration::from_secs(4), "the map is right again", async || {
        let data = fan.get(&fixture.path("/blocks/1/seats")).await.expect(200);
        (data["seats"][1]["state"] == "AVAILABLE" && data["seats"][0]["state"] == "HOLD")
            .then_some(())
    })
    .await;
    map.wait_for(2, "AVAILABLE").await;
    let mut back = EventStream::open(&url, Some(&lost)).await;
    assert_eq!(back.next().await.unwrap().name, "snapshot");
    // And it goes on from there.
    fan.hold(&fixture.id, &[3]).await.expect(201);
    map.wait_for(3, "HOLD").await;
    back.wait_for(3, "HOLD").await;
    drop(back);
    let mut late = EventStream::open(&url, Some(&lost)).await;
    late.wait_for(2, "AVAILABLE").await;
    node.finish().await;
}

/// It must not continue from a change that its map has never seen, although it knows what came
/// before and after that change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_started_later_sends_a_snapshot_after_a_lost_entry() {
    let node = TestNode::start().await;
    let (fixture, fan) = (node.open_match().await, node.user("fan").await);
    let id = fixture.match_id();
    let (keys, of) = (MatchKeys(id), PartitionKeys(id.partition()));
    let path = fixture.path("/blocks/1/seats/events");
    fan.hold(&fixture.id, &[1]).await.expect(201);
    let mut map = EventStream::open(&format!("{}{path}", node.url()), None).await;
    map.wait_for(1, "HOLD").await;
    let kept = map.last_id.clone();
    let behind = vec![keys.changes(), keys.seats(), keys.meta(), of.claims()];
    let replica = Replica::of(&node, behind).await;
    fan.hold(&fixture.id, &[2]).await.expect(201);
    map.wait_for(2, "HOLD").await;
    let lost = map.last_id.clone();
    replica.take_over().await;
    fan.hold(&fixture.id, &[3]).await.expect(201);
    let second = node.another_node(NodeRole::Api).await;
    let url = format!("{}{path}", second.url());
    let mut back = EventStream::open(&url, Some(&lost)).await;
    assert_eq!(back.next().await.unwrap().name, "snapshot");
    assert_eq!((back.seats[&2].as_str(), back.seats[&3].as_str()), ("AVAILABLE", "HOLD"));
    // The change before is not lost, so a client that was there gets only the changes since.
    let mut back = EventStream::open(&url, Some(&kept)).await;
    assert_eq!(back.next().await.unwrap().name, "changes");
    assert_eq!((back.seats.get(&1), back.seats[&3].as_str()), (None, "HOLD"));
    second.stop().await;
    node.finish().await;
}

/// The catalogue is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_notices_that_redis_has_lost_notices() {
    let node = TestNode::start().await;
    let (fixture, admin) = (node.open_match().await, node.admin().await);
    let id = fixture.match_id();
    let of = PartitionKeys(id.partition());
    let name = async || {
        let data = node.guest().get(&fixture.path("")).await.expect(200);
        data["homeTeam"].as_str().unwrap().to_owned()
    };
    let second = node.another_node(NodeRole::Api).await;
    let replica = Replica::of(&node, vec![of.matches(), of.notices()]).await;
    let body = json!({"siteId": fixture.site_id, "homeTeam": "KT Wiz", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let path = format!("/api/admin/matches/{}", fixture.id);
    admin.put(&path, &body).await.expect(200);
    eventually("the notice is read", async || {
        let known = second.services.catalog.fixture(id)?;
        (known.home_team == "KT Wiz").then_some(())
    })
    .await;
    replica.take_over().await;
    eventually("the node knows what Redis has", async || {
        (name().await == "LG Twins").then_some(())
    })
    .await;
    admin.put(&path, &body).await.expect(200);
    assert_eq!(name().await, "KT Wiz");
    second.stop().await;
    node.finish().await;
}
