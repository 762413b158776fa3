//! A rolling restart: every process is replaced while people buy. They see at most a 503 with a
//! time to come back.

use crate::support::client::Client;
use crate::support::node::{TestMatch, TestNode, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// A node in a process of its own, on a port that stays the same when it is replaced.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    async fn start(node: &TestNode, listen: &str) -> Self {
        let mut command = node.binary(&["serve", "--role", "all", "--rate-limits", "off"]);
        command.env("GRANDSTAND_LISTEN", listen).env("GRANDSTAND_DRAIN_MS", "500");
        command.env("GRANDSTAND_MAX_SEATS_PER_USER", "25");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the node starts");
        let url = line.strip_prefix("listening on ").expect("where it listens").to_owned();
        Self { child, url }
    }

    /// Ends cleanly, and another process takes its place.
    async fn replace(&mut self, node: &TestNode) {
        let pid = Pid::from_raw(self.child.id().unwrap() as i32).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
        assert!(self.child.wait().await.unwrap().success(), "it ends in good order");
        let listen = self.url.strip_prefix("http://").unwrap().to_owned();
        *self = Self::start(node, &listen).await;
    }
}

/// A small load balancer: the node that was last ready.
async fn ready_node(urls: &[String], token: &Option<String>) -> Client {
    for url in urls.iter().cycle().take(200) {
        let client = Client::new(url.clone(), token.clone());
        let probe = client.request(reqwest::Method::GET, "/health/ready").send().await;
        if probe.is_ok_and(|answer| answer.status() == 200) {
            return client;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no node is ready");
}

/// Buys seats one after the other until all are sold; how many answers were a 503. Everything else
/// that is no success ends the test.
async fn buyer(
    node: Arc<TestNode>,
    fixture: Arc<TestMatch>,
    urls: Vec<String>,
    token: Option<String>,
    seats: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
) -> u32 {
    let mut paused = 0;
    while !stop.load(Ordering::Relaxed) {
        let seat = seats.fetch_add(1, Ordering::Relaxed);
        if seat > 25 {
            break;
        }
        let mut payment = json!(null);
        let steps = [
            (fixture.path("/holds"), json!({"seatIds": [seat]})),
            ("/api/reservations".to_owned(), json!({"matchId": fixture.id, "seatIds": [seat]})),
            ("/api/payments/request".to_owned(), json!({"method": "CARD"})),
            ("/api/payments/confirm".to_owned(), json!({})),
        ];
        let mut last = json!(null);
        for (number, (path, mut body)) in steps.into_iter().enumerate() {
            if number == 2 {
                body["reservationId"] = last["id"].clone();
            }
            if number == 3 {
                payment = last.clone();
                let key = node.pay_at_gateway(&payment, "approve").await;
                body = json!({"paymentId": payment["id"], "paymentKey": key,
                    "orderId": payment["orderId"], "amount": payment["amount"]});
            }
            let key = format!("{seat}-{number}");
            last = loop {
                let client = ready_node(&urls, &token).await;
                let answer = client.post_with_key(&path, &body, &key).await;
                match answer.status {
                    200 | 201 => break answer.body["data"].clone(),
                    // Sold, and PostgreSQL will have it in a moment.
                    202 => {}
                    503 => {
                        assert!(answer.headers.contains_key("retry-after"), "{}", answer.body);
                        paused += 1;
                    }
                    _ => panic!("{path}: {} {}", answer.status, answer.body),
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            };
        }
        assert_eq!(last["persisted"], json!(true), "{payment}");
    }
    paused
}

/// People buy while every process is replaced, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_costs_nobody_an_error() {
    let mut node = TestNode::start_with(|settings| settings.max_seats_per_user = 25).await;
    let fixture = Arc::new(node.open_match().await);
    let fan = node.user("fan").await;
    node.verify().await;
    let mut processes =
        [Process::start(&node, "127.0.0.1:0").await, Process::start(&node, "127.0.0.1:0").await];
    node.stop_node().await;
    let urls: Vec<String> = processes.iter().map(|process| process.url.clone()).collect();
    let (node, stop) = (Arc::new(node), Arc::new(AtomicBool::new(false)));
    let seats = Arc::new(AtomicU32::new(1));
    let buying = tokio::spawn(buyer(
        node.clone(),
        fixture.clone(),
        urls,
        fan.token.clone(),
        seats.clone(),
        stop.clone(),
    ));
    for process in &mut processes {
        let before = seats.load(Ordering::Relaxed);
        process.replace(&node).await;
        eventually("people buy again", || async {
            let now = seats.load(Ordering::Relaxed);
            (now > before + 1 || now > 25).then_some(())
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    let paused = buying.await.unwrap();
    println!("{paused} answers were 503");
    for mut process in processes {
        process.child.kill().await.unwrap();
    }
    let mut node = Arc::into_inner(node).expect("nobody else has it");
    node.running = Some(node.another_node(grandstand::node::NodeRole::All).await);
    node.wait_for_books().await;
    node.finish().await;
}
