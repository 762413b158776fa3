//! Event streams with clients of others: curl in three versions of HTTP, and the npm package
//! `eventsource`.

use crate::support::node::{TestMatch, TestNode};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A program that prints what it hears.
struct Listener {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    fn start(program: &str, arguments: &[&str], dir: &Path) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(dir).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that has a text, within 20 s.
    async fn line_with(&mut self, text: &str) -> String {
        let reading = async {
            loop {
                let line = self.lines.next_line().await.unwrap().expect("the program goes on");
                if line.contains(text) {
                    return line;
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(20), reading).await;
        found.unwrap_or_else(|_| panic!("{text} did not come"))
    }
}

fn url(node: &TestNode, fixture: &TestMatch) -> String {
    format!("{}{}", node.url(), fixture.path("/blocks/1/seats/events"))
}

/// It gets events as they come, and a clean end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_reads_a_stream_in_three_versions_of_http() {
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let here = PathBuf::from(".");
    let mut listeners = Vec::new();
    for (version, seat) in [("--http1.1", 1), ("--http1.0", 2), ("--http2-prior-knowledge", 3)] {
        let url = url(&node, &fixture);
        let arguments = ["--silent", "--show-error", "--no-buffer", "--fail", version, &url];
        let mut curl = Listener::start("curl", &arguments, &here);
        curl.line_with("retry: ").await;
        curl.line_with("event: snapshot").await;
        curl.line_with("event: match").await;
        fan.hold(&fixture.id, &[seat]).await.expect(201);
        curl.line_with("event: changes").await;
        let data = curl.line_with("data: ").await;
        assert!(data.contains(&format!("{{\"seatId\":{seat},\"state\":\"HOLD\"}}")), "{data}");
        listeners.push((version, curl));
    }
    let close = format!("/api/admin/matches/{}/close", fixture.id);
    node.admin().await.post(&close, &Value::Null).await.expect(200);
    for (_, curl) in &mut listeners {
        curl.line_with("\"status\":\"CLOSED\"").await;
        curl.line_with("event: heartbeat").await;
    }
    node.running.take().unwrap().stop().await;
    for (version, mut curl) in listeners {
        while curl.lines.next_line().await.unwrap().is_some() {}
        let status = curl.child.wait().await.unwrap();
        assert!(status.success(), "{version} ended with {status}: the stream was cut");
    }
    node.emulator.stop().await;
}

/// Installs what `tests/clients/package-lock.json` names, once.
async fn clients() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients");
    std::fs::create_dir_all(&dir).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    for name in ["package.json", "package-lock.json", "eventsource.mjs"] {
        std::fs::copy(source.join(name), dir.join(name)).unwrap();
    }
    if !dir.join("node_modules/eventsource").exists() {
        let install = ["ci", "--no-audit", "--no-fund"];
        let output = Command::new("npm").args(install).current_dir(&dir).output().await;
        let output = output.expect("npm is needed: scripts/setup test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    dir
}

/// It sees every change, and reconnects by itself when the node starts again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_source_follows_a_match_and_reconnects() {
    let dir = clients().await;
    let mut node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let url = url(&node, &fixture);
    let mut source = Listener::start("node", &["eventsource.mjs", &url], &dir);
    let first = source.line_with("snapshot").await;
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first["data"]["seats"].as_array().unwrap().len(), 20);
    source.line_with("\"name\":\"match\"").await;
    // A comment would be invisible to this client.
    source.line_with("\"name\":\"heartbeat\"").await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    let line = source.line_with("changes").await;
    assert!(line.contains("\"seatId\":1"), "{line}");
    // The node ends and starts again at the same address; the client waits as `retry` says.
    let address = node.running().address;
    node.running.take().unwrap().stop().await;
    node.settings.listen = address.to_string();
    node.running = Some(node.another_node(grandstand::node::NodeRole::All).await);
    fan.hold(&fixture.id, &[2]).await.expect(201);
    let line = source.line_with("\"seatId\":2").await;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["name"], "changes", "it came back with its last id: {line}");
    node.finish().await;
}
