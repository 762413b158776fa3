//! The log of a node, as an operator reads it.

use crate::support::client::Client;
use crate::support::node::TestNode;
use crate::support::sale::Sale;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr};

/// A second API node of an installation, with its log.
struct LoggingNode {
    url: String,
    log: Lines<BufReader<ChildStderr>>,
    _process: Child,
}

impl LoggingNode {
    async fn start(node: &TestNode, filter: &str) -> Self {
        let mut command = node.binary(&["serve", "--role", "api"]);
        command.env("GRANDSTAND_LOG", filter).env("GRANDSTAND_LOG_JSON", "true");
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut output = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = output.next_line().await.unwrap().expect("the node listens");
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { url, log, _process: process }
    }

    /// The next line with this text. All lines are JSON.
    async fn line(&mut self, text: &str) -> Value {
        let found = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["fields"]["message"].as_str().is_some_and(|found| found.contains(text)) {
                    return line;
                }
            }
            panic!("the log has ended without: {text}");
        };
        let timeout = std::time::Duration::from_secs(20);
        tokio::time::timeout(timeout, found).await.expect(text)
    }
}

/// Somebody who complains names the request that the page has shown to them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_about_money_name_the_request() {
    let sale = Sale::with(|_| {}).start().await;
    let (_, payment, key) = sale.ready(&[1]).await;
    let mut there = LoggingNode::start(&sale.node, "info").await;
    let lost = json!({"call": "confirm", "kind": "dropAfter", "count": 1});
    sale.node.fault(&lost).await;
    let fan = Client::new(there.url.clone(), sale.fan.token.clone());
    let answer = fan.confirm(&payment, &key).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let request = answer.headers["x-request-id"].to_str().unwrap();
    let me = fan.get("/api/users/me").await.expect(200)["id"].clone();
    let line = there.line("the outcome of a payment is unknown").await;
    assert_eq!(line["span"]["request_id"], request, "{line}");
    assert_eq!(line["span"]["route"], "/api/payments/confirm", "{line}");
    assert_eq!(line["span"]["user"], me, "{line}");
    assert_eq!(line["fields"]["payment"], payment["id"], "{line}");
    sale.finish().await;
}

/// A typing mistake in the filter must not hide what happens.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_that_cannot_be_read_is_named() {
    let node = TestNode::start().await;
    let mut there = LoggingNode::start(&node, "grandstand=lauter").await;
    let line = there.line("GRANDSTAND_LOG can't be read").await;
    assert_eq!(line["level"], "WARN", "{line}");
    assert_eq!(line["fields"]["filter"], "grandstand=lauter", "{line}");
    drop(there);
    node.finish().await;
}
