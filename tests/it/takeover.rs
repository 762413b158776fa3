//! Workers as processes of their own are killed and frozen. Another worker takes over, and nothing
//! is lost or done twice.

use crate::support::client::Client;
use crate::support::node::{TestNode, eventually};
use crate::support::postgres::sql;
use fred::prelude::KeysInterface as _;
use grandstand::node::NodeRole;
use grandstand::redis::keys::PartitionKeys;
use rustix::process::{Pid, Signal, kill_process};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// A worker that is ready.
async fn worker(node: &TestNode) -> Child {
    let mut child =
        node.binary(&["serve", "--role", "worker"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    assert!(first.starts_with("listening on "), "{first}");
    child
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id().unwrap() as i32).unwrap();
    kill_process(pid, signal).unwrap();
}

async fn buy(node: &TestNode, fixture: &str, fan: &Client, seat: u32) {
    let reservation = fan.reserve(fixture, &[seat]).await;
    let payment = fan.request_payment(&reservation).await;
    let key = node.pay_at_gateway(&payment, "approve").await;
    eventually(&format!("seat {seat} is sold"), || async {
        let answer = fan.confirm(&payment, &key).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

/// Also when the worker that hangs comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_takes_over_from_a_worker_that_dies_or_hangs() {
    let mut node = TestNode::start_with(|settings| settings.max_seats_per_user = 25).await;
    let fixture = node.open_match().await;
    let token = node.user("fan").await.token;
    node.without_worker().await;
    let fan = Client::new(node.url(), token);
    let first = worker(&node).await;
    buy(&node, &fixture.id, &fan, 1).await;
    let second = worker(&node).await;
    // It hangs in the middle of its work, with leases and connections.
    signal(&first, Signal::STOP);
    buy(&node, &fixture.id, &fan, 2).await;
    // It comes back, and still believes that it has its leases.
    signal(&first, Signal::CONT);
    buy(&node, &fixture.id, &fan, 3).await;
    // Killed again and again, while people buy.
    let mut workers = vec![first, second];
    for seat in 4..8 {
        let mut victim = workers.remove(0);
        let (victim_ends, ()) = tokio::join!(
            async {
                signal(&victim, Signal::KILL);
                victim.wait().await
            },
            buy(&node, &fixture.id, &fan, seat)
        );
        assert!(!victim_ends.unwrap().success());
        workers.push(worker(&node).await);
    }
    node.verify().await;
    let kept = "select (select count(*) from claims), (select count(*) from payments),
        (select count(*) from reservations where status = 'CONFIRMED')";
    assert_eq!(sql(&node.settings.database_url, kept).await, [["7", "7", "7"]]);
    assert_eq!(node.ledger().await, ["DONE"; 7]);
    node.finish().await;
    for mut worker in workers {
        worker.kill().await.unwrap();
    }
}

/// Payments do not wait for the end of its leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_gives_its_leases_up() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let token = node.user("fan").await.token;
    node.without_worker().await;
    let fan = Client::new(node.url(), token);
    let mut first = worker(&node).await;
    buy(&node, &fixture.id, &fan, 1).await;
    signal(&first, Signal::TERM);
    assert!(first.wait().await.unwrap().success());
    let raw = node.raw().await;
    for partition in node.engine().partitions() {
        let lease: Option<String> = raw.get(PartitionKeys(partition).lease()).await.unwrap();
        assert_eq!(lease, None, "partition {partition} is still owned");
    }
    let mut second = worker(&node).await;
    buy(&node, &fixture.id, &fan, 2).await;
    node.finish().await;
    second.kill().await.unwrap();
}

/// It serves the other partitions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_starts_without_a_partition_that_is_not_loaded() {
    let mut node = TestNode::start().await;
    let fixtures = node.match_in_each_partition().await;
    let token = node.user("fan").await.token;
    node.without_worker().await;
    node.engine().close_partition(fixtures[0].partition()).await.unwrap();
    let second = node.another_node(NodeRole::Api).await;
    let fan = Client::new(second.url(), token);
    fan.hold(&fixtures[0].id, &[1]).await.refused(503, "NOT_LOADED");
    fan.hold(&fixtures[1].id, &[1]).await.expect(201);
    fan.get("/health/ready").await.expect(200);
    let mut worker = worker(&node).await;
    eventually("the partition is loaded", || async {
        (fan.hold(&fixtures[0].id, &[1]).await.status == 201).then_some(())
    })
    .await;
    second.stop().await;
    node.finish().await;
    worker.kill().await.unwrap();
}
