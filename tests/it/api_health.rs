//! Readiness and lists while a part of what a node needs is away.

use crate::support::node::{TestNode, eventually};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::ids::Partition;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Commands that Redis has run.
async fn commands(raw: &Client) -> u64 {
    let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
    let text: String = raw.custom(info, vec!["commandstats".to_owned()]).await.unwrap();
    let of = |name: &str| -> u64 {
        let from = text.split_once(&format!("cmdstat_{name}:calls="));
        from.map_or(0, |(_, rest)| rest.split(',').next().unwrap().parse().unwrap())
    };
    of("ping") + of("hmget") + of("hget")
}

/// The response comes from memory, so many probes do no harm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_costs_redis_nothing() {
    let node = TestNode::start().await;
    let (guest, raw) = (node.guest(), node.raw().await);
    let before = commands(&raw).await;
    for _ in 0..1000 {
        guest.get("/health/ready").await.expect(200);
    }
    // The commands of the node itself, once a second for each partition.
    let cost = commands(&raw).await - before;
    assert!(cost < 500, "{cost} commands for 1,000 probes");
    node.finish().await;
}

/// The response names the partitions that do not serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_partition_away_does_not_make_a_node_unready() {
    let mut node = TestNode::start().await;
    node.without_worker().await;
    let (guest, raw) = (node.guest(), node.raw().await);
    let keys = [0, 1].map(|number| PartitionKeys(Partition(number)).partition());
    let mut saved: Vec<HashMap<String, String>> = vec![];
    for key in &keys {
        saved.push(raw.hgetall(key).await.unwrap());
    }
    let _: i64 = raw.del(&keys[1]).await.unwrap();
    let away = json!([{"partition": 1, "state": "not loaded"}]);
    eventually("the node names the partition", async || {
        let ready = guest.get("/health/ready").await.expect(200);
        (ready["partitions"] == away).then_some(())
    })
    .await;
    let _: i64 = raw.del(&keys[0]).await.unwrap();
    let refused = eventually("no partition serves", async || {
        let answer = guest.get("/health/ready").await;
        (answer.status == 503).then(|| answer.refused(503, "NOT_READY"))
    })
    .await;
    assert_eq!(
        (&refused["redis"], refused["partitions"].as_array().unwrap().len()),
        (&json!("ok"), 2)
    );
    for (key, fields) in keys.iter().zip(saved) {
        let _: i64 = raw.hset(key, fields).await.unwrap();
    }
    eventually("all is well again", async || {
        let answer = guest.get("/health/ready").await;
        (answer.status == 200 && answer.body["data"]["partitions"] == json!([])).then_some(())
    })
    .await;
    node.finish().await;
}

/// It is ready again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hears_nothing_from_redis_is_not_ready() {
    let node = TestNode::start().await;
    let guest = node.guest();
    node.redis.freeze();
    eventually("the node is not ready", async || {
        let answer = guest.get("/health/ready").await;
        (answer.status == 503 && answer.body["redis"] == "no answer").then_some(())
    })
    .await;
    node.redis.thaw();
    eventually("the node is ready", async || {
        (guest.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    node.finish().await;
}

/// A node that can call Redis but does not hear its streams shows an old map and confirms nothing.
/// One partition that is heard is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_hear_the_streams_is_not_ready() {
    let node = TestNode::start().await;
    let guest = node.guest();
    let allow = async |rule: &str| {
        let command = ["ACL", "SETUSER", "default", rule];
        crate::support::wire::done(node.redis.port(), &command).await;
    };
    allow("-xread").await;
    let begun = std::time::Instant::now();
    eventually("the node is not ready", async || {
        let answer = guest.get("/health/ready").await;
        let deaf =
            json!([{"partition": 0, "state": "not heard"}, {"partition": 1, "state": "not heard"}]);
        (answer.status == 503 && answer.body["partitions"] == deaf).then_some(())
    })
    .await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
    allow("+xread").await;
    eventually("the node is ready", async || {
        (guest.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    node.finish().await;
}

/// The list says that it is not complete.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_show_what_can_be_read_while_a_part_of_redis_is_away() {
    let node = TestNode::start().await;
    let (fixture, fan, raw) = (node.open_match().await, node.user("fan").await, node.raw().await);
    let id = fixture.match_id();
    let reservation = fan.reserve(&fixture.id, &[1]).await;
    // The other partition cannot reply.
    let other = PartitionKeys(Partition(1 - id.partition().0)).claims();
    let _: i64 = raw.del(&other).await.unwrap();
    let _: () = raw.set(&other, "no hash", None, None, false).await.unwrap();
    let list = fan.get("/api/reservations").await.expect(200);
    assert_eq!((&list["open"], &list["history"]), (&json!(false), &json!(true)));
    assert_eq!(list["reservations"][0]["id"], reservation["id"]);
    let _: i64 = raw.del(&other).await.unwrap();
    assert_eq!(fan.get("/api/reservations").await.expect(200)["open"], true);

    let (seats, aside) = (MatchKeys(id).seats(), format!("{}:aside", MatchKeys(id).seats()));
    let _: () = raw.rename(&seats, &aside).await.unwrap();
    let _: () = raw.set(&seats, "no hash", None, None, false).await.unwrap();
    let counted = async |wanted: bool| {
        eventually("the list says whether all seats are counted", async || {
            let list = fan.get("/api/matches").await.expect(200);
            (list["counted"] == wanted).then(|| list["matches"][0]["seatsLeft"].clone())
        })
        .await
    };
    assert_eq!(counted(false).await, Value::Null);
    let _: i64 = raw.del(&seats).await.unwrap();
    let _: () = raw.rename(&aside, &seats).await.unwrap();
    assert_eq!(counted(true).await, 24);
    node.finish().await;
}
