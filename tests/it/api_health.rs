//! Readiness and lists while a part of what a node needs is away.

use crate::support::client::Client as Http;
use crate::support::node::{TestNode, eventually, eventually_within};
use crate::support::postgres::sql;
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use grandstand::domain::ids::Partition;
use grandstand::node::NodeRole;
use grandstand::redis::keys::{MatchKeys, PartitionKeys};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Commands that Redis has run, and transactions of PostgreSQL.
async fn work(node: &TestNode, raw: &Client) -> (u64, u64) {
    let info = CustomCommand::new_static("INFO", ClusterHash::Random, false);
    let text: String = raw.custom(info, vec!["stats".to_owned()]).await.unwrap();
    let (_, rest) = text.split_once("total_commands_processed:").unwrap();
    let commands = rest.lines().next().unwrap().parse().unwrap();
    let transactions = "select xact_commit + xact_rollback from pg_stat_database
        where datname = current_database()";
    let transactions = sql(&node.settings.database_url, transactions).await[0][0].parse().unwrap();
    (commands, transactions)
}

/// The response comes from memory, so many probes do no harm: the node works as much as without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_probe_costs_redis_and_postgresql_nothing() {
    const PROBES: u64 = 1000;
    let node = TestNode::start().await;
    let raw = node.raw().await;
    let begun = Instant::now();
    let before = work(&node, &raw).await;
    for client in [node.guest(), node.operator()] {
        for _ in 0..PROBES / 2 {
            client.get("/health/ready").await.expect(200);
            client.get("/health/live").await.expect(200);
        }
    }
    let time = begun.elapsed();
    let between = work(&node, &raw).await;
    tokio::time::sleep(time).await;
    let after = work(&node, &raw).await;
    let (probed, idle) = (between.0 - before.0, after.0 - between.0);
    // Twice the work of the node itself, whose turns may fall into either time.
    assert!(probed < 2 * idle + PROBES / 10, "{probed} commands with probes, {idle} without");
    let (probed, idle) = (between.1 - before.1, after.1 - between.1);
    assert!(probed < 2 * idle + PROBES / 10, "{probed} transactions with probes, {idle} without");
    node.finish().await;
}

/// Neither the numbers of a sale nor the faults of a node are for strangers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_operations_listener_tells_what_is_inside() {
    let node = TestNode::start().await;
    let guest = node.guest();
    guest.get("/metrics").await.refused(404, "NOT_FOUND");
    assert_eq!(guest.get("/health/ready").await.expect(200), json!({"ready": true}));
    let metrics = node.operator().get("/metrics").await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.as_str().unwrap().contains("grandstand_connections "));
    node.operator().get("/api/matches").await.refused(404, "NOT_FOUND");
    node.redis.freeze();
    let refused = eventually("the node is not ready", async || {
        let answer = guest.get("/health/ready").await;
        (answer.status == 503).then(|| answer.refused(503, "NOT_READY"))
    })
    .await;
    let names: Vec<&String> = refused.as_object().unwrap().keys().collect();
    assert_eq!(names, ["code", "detail", "requestId", "status", "title", "type"]);
    node.redis.thaw();
    node.finish().await;
}

/// A worker has no public routes, so its operations listener is the only place to look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_has_an_operations_listener_too() {
    let node = TestNode::start().await;
    let worker = node.another_node(NodeRole::Worker).await;
    let operator = Http::new(worker.ops_url(), None);
    assert_eq!(operator.get("/health/ready").await.expect(200)["database"], "ok");
    assert_eq!(operator.get("/metrics").await.status, 200);
    worker.stop().await;
    node.finish().await;
}

/// The response names the partitions that do not serve.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_partition_away_does_not_make_a_node_unready() {
    let mut node = TestNode::start().await;
    node.without_worker().await;
    let (operator, raw) = (node.operator(), node.raw().await);
    let keys = [0, 1].map(|number| PartitionKeys(Partition(number)).partition());
    let mut saved: Vec<HashMap<String, String>> = vec![];
    for key in &keys {
        saved.push(raw.hgetall(key).await.unwrap());
    }
    let _: i64 = raw.del(&keys[1]).await.unwrap();
    let away = json!([{"partition": 1, "state": "not loaded"}]);
    eventually("the node names the partition", async || {
        let ready = operator.get("/health/ready").await.expect(200);
        (ready["partitions"] == away).then_some(())
    })
    .await;
    let _: i64 = raw.del(&keys[0]).await.unwrap();
    let refused = eventually("no partition serves", async || {
        let answer = operator.get("/health/ready").await;
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
        let answer = operator.get("/health/ready").await;
        (answer.status == 200 && answer.body["data"]["partitions"] == json!([])).then_some(())
    })
    .await;
    node.finish().await;
}

/// It is ready again by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_hears_nothing_from_redis_is_not_ready() {
    let node = TestNode::start().await;
    let operator = node.operator();
    node.redis.freeze();
    eventually("the node is not ready", async || {
        let answer = operator.get("/health/ready").await;
        (answer.status == 503 && answer.body["redis"] == "no answer").then_some(())
    })
    .await;
    node.redis.thaw();
    eventually("the node is ready", async || {
        (operator.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    node.finish().await;
}

/// A node that can call Redis but does not hear its streams shows an old map and confirms nothing.
/// One partition that is heard is enough.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_does_not_hear_the_streams_is_not_ready() {
    let node = TestNode::start().await;
    let operator = node.operator();
    let allow = async |rule: &str| {
        let command = ["ACL", "SETUSER", "default", rule];
        crate::support::wire::done(node.redis.port(), &command).await;
    };
    allow("-xread").await;
    let begun = std::time::Instant::now();
    eventually("the node is not ready", async || {
        let answer = operator.get("/health/ready").await;
        let deaf =
            json!([{"partition": 0, "state": "not heard"}, {"partition": 1, "state": "not heard"}]);
        (answer.status == 503 && answer.body["partitions"] == deaf).then_some(())
    })
    .await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(8), "{:?}", begun.elapsed());
    allow("+xread").await;
    eventually("the node is ready", async || {
        (operator.get("/health/ready").await.status == 200).then_some(())
    })
    .await;
    node.finish().await;
}

/// Nobody has bought anything yet: the worker finds out by itself. Holds and maps go on, so a
/// process with requests stays ready.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_write_is_not_ready() {
    let mut node = TestNode::start().await;
    node.without_worker().await;
    let worker = node.another_node(NodeRole::Worker).await;
    let (api, operator) = (node.operator(), Http::new(worker.ops_url(), None));
    let healthy = operator.get("/health/ready").await.expect(200);
    assert_eq!(healthy.get("writesFail"), None, "{healthy}");
    let read_only = async |value: &str| {
        let url = format!(
            "{}?options=-c%20default_transaction_read_only%3Doff",
            node.settings.database_url
        );
        let name = url.rsplit(['/', '?']).nth(1).unwrap().to_owned();
        let alter = format!("alter database {name} set default_transaction_read_only = {value}");
        sql(&url, &alter).await;
        // The setting counts for new connections.
        sql(
            &url,
            "select pg_terminate_backend(pid) from pg_stat_activity
            where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    };
    read_only("on").await;
    let refused =
        eventually_within(Duration::from_secs(30), "the worker is not ready", async || {
            let answer = operator.get("/health/ready").await;
            (answer.status == 503).then(|| answer.refused(503, "NOT_READY"))
        })
        .await;
    assert_eq!(refused["database"], "ok", "it replies: {refused}");
    let why = refused["writesFail"]["why"].as_str().unwrap();
    assert!(why.contains("read-only"), "{refused}");
    let page = operator.get("/metrics").await.body;
    assert!(page.as_str().unwrap().contains("grandstand_write_behind_failing_seconds "));
    let ready = api.get("/health/ready").await.expect(200);
    assert_eq!(ready.get("writesFail"), None, "it does not write: {ready}");
    read_only("off").await;
    eventually("the worker is ready", async || {
        let answer = operator.get("/health/ready").await;
        (answer.status == 200 && answer.body["data"].get("writesFail").is_none()).then_some(())
    })
    .await;
    node.finish().await;
    worker.stop().await;
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
