//! The load balancer of compose.yaml, `docs/deploy/nginx.conf`, in front of two API nodes. Only the
//! names of the nodes, the port and the folders are replaced.

use crate::support::client::{Answer, Client};
use crate::support::events::EventStream;
use crate::support::node::{TestMatch, TestNode, eventually};
use reqwest::Method;
use serde_json::json;
use std::process::Stdio;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// Requests of one network that nginx works on at a time.
const AT_A_TIME: usize = 8;

/// An API node in a process of its own.
struct Process {
    child: Child,
    /// `127.0.0.1:PORT`.
    address: String,
}

impl Process {
    async fn start(node: &TestNode) -> Self {
        let mut command = node.binary(&["serve", "--role", "api"]);
        command.env("GRANDSTAND_TRUSTED_PROXIES", "127.0.0.1");
        command.env("GRANDSTAND_SIGN_UPS_PER_HOUR", "2").env("GRANDSTAND_STREAMS_MAX", "1");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next_line().await.unwrap().expect("the node starts");
        let address = line.strip_prefix("listening on http://").expect("where").to_owned();
        Self { child, address }
    }
}

/// A running nginx.
struct Balancer {
    _nginx: Child,
    url: String,
    dir: TempDir,
}

impl Balancer {
    /// Starts nginx with the file of the repository in front of these addresses.
    async fn start(nodes: [&str; 2]) -> Self {
        let (dir, port) = (TempDir::new().unwrap(), free_port());
        let folder = dir.path().to_str().unwrap();
        let servers = nodes.map(|node| format!("server {node} max_fails=2 fail_timeout=2s;"));
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/deploy/nginx.conf");
        let mut text = std::fs::read_to_string(file).unwrap();
        for (old, new) in [
            ("server api:8080 resolve max_fails=2 fail_timeout=2s;", servers.join("\n").as_str()),
            ("resolver 127.0.0.11 valid=2s ipv6=off;", ""),
            ("listen 8080 backlog=4096;", &format!("listen 127.0.0.1:{port};")),
            ("worker_rlimit_nofile 131072;", ""),
            ("worker_connections 65536;", "worker_connections 256;"),
            ("limit_conn requests 4000;", &format!("limit_conn requests {AT_A_TIME};")),
            ("limit_conn streams 4000;", "limit_conn streams 4;"),
            // So that a test can call from any address.
            (
                "server_tokens off;",
                "set_real_ip_from 127.0.0.1; real_ip_header X-Test-From; server_tokens off;",
            ),
            ("/tmp/", &format!("{folder}/")),
            ("/dev/stdout", &format!("{folder}/calls")),
            ("/dev/stderr", &format!("{folder}/errors")),
        ] {
            assert!(text.contains(old), "docs/deploy/nginx.conf has no `{old}`");
            text = text.replace(old, new);
        }
        let file = dir.path().join("nginx.conf");
        std::fs::write(&file, text).unwrap();
        let nginx = Command::new("nginx")
            .args(["-g", "daemon off; master_process off;", "-e", "errors", "-c"])
            .arg(&file)
            .args(["-p", folder])
            .kill_on_drop(true)
            .spawn()
            .expect("nginx is missing: run `scripts/setup test`");
        let url = format!("http://127.0.0.1:{port}");
        let probe = Client::new(url.clone(), None);
        eventually("nginx serves", || async {
            let probe = probe.request(Method::GET, "/health/live").send().await;
            probe.is_ok_and(|answer| answer.status() == 200).then_some(())
        })
        .await;
        Self { _nginx: nginx, url, dir }
    }

    /// The nodes that got the calls of this path, in order. A call that went to two has both.
    fn nodes_of(&self, path: &str) -> Vec<String> {
        let calls = std::fs::read_to_string(self.dir.path().join("calls")).unwrap();
        let of_path = calls.lines().filter(|line| line.contains(path));
        of_path.map(|line| line.split('"').nth(1).unwrap().to_owned()).collect()
    }

    fn client(&self, token: Option<&String>) -> Client {
        Client::new(self.url.clone(), token.cloned())
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Clients count by their own addresses, whatever they say, and get the refusals of the nodes.
async fn addresses_are_those_of_the_clients(balancer: &Balancer) {
    let sign_up = async |from: &str, email: &str, says: &str| {
        let client = Client::from_address(balancer.url.clone(), from.parse().unwrap());
        let body = json!({"email": email, "password": "a password of tests"});
        client.post_from(says, "/api/users/sign-up", &body).await
    };
    for email in ["a1@test.example", "a2@test.example"] {
        sign_up("127.0.0.2", email, "10.9.8.7").await.expect(201);
    }
    let refused = sign_up("127.0.0.2", "a3@test.example", "10.9.8.6").await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.refused(429, "TOO_MANY_REQUESTS");
    sign_up("127.0.0.3", "a3@test.example", "10.9.8.7").await.expect(201);
}

/// A request whose body does not come: nginx works on it until the body is late.
async fn unfinished(balancer: &Balancer, from: &str) -> TcpStream {
    let address = balancer.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /api/users/log-in HTTP/1.1\r\nhost: {address}\r\nx-test-from: {from}\r\n\
         content-type: application/json\r\ncontent-length: 100\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Nobody takes all connections of nginx: neither one address nor one network /64 of IPv6.
async fn one_network_has_a_part_of_nginx(balancer: &Balancer) {
    let call = async |from: &str| {
        let call = balancer.client(None).request(Method::GET, "/health/live");
        Answer::of(call.header("x-test-from", from).send().await.unwrap()).await
    };
    for (of_network, beside) in [
        (["192.0.2.1", "192.0.2.1"], "192.0.2.2"),
        (["2001:db8:1:1::1", "2001:db8:1:1:a::2"], "2001:db8:1:2::1"),
    ] {
        let mut held = Vec::new();
        for number in 0..AT_A_TIME {
            held.push(unfinished(balancer, of_network[number % 2]).await);
        }
        let refused = eventually("a refusal", async || {
            let answer = call(of_network[0]).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.headers["content-type"], "application/problem+json");
        refused.refused(429, "TOO_MANY_REQUESTS");
        assert_eq!(call(of_network[1]).await.status, 429);
        assert_eq!(call(beside).await.status, 200);
        drop(held);
        eventually("there is room again", async || {
            (call(of_network[0]).await.status == 200).then_some(())
        })
        .await;
    }
}

/// Each of the two nodes has a slot for one stream, so one of three streams is refused.
async fn a_refusal_of_a_node_is_not_repeated_elsewhere(balancer: &Balancer, fixture: &TestMatch) {
    let path = fixture.path("/blocks/2/seats/events");
    let guest = balancer.client(None);
    let mut open = Vec::new();
    let refused = loop {
        assert!(open.len() < 3, "no stream was refused");
        let answer = guest.request(Method::GET, &path).send().await.unwrap();
        if answer.status() != 200 {
            break Answer::of(answer).await;
        }
        open.push(answer);
    };
    assert!(refused.headers.contains_key("retry-after"), "{:?}", refused.headers);
    refused.refused(503, "OVERLOADED");
    // nginx writes a line when a call ends, and the streams are still open.
    let asked = balancer.nodes_of(&path);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(!asked[0].contains(','), "two nodes were asked: {asked:?}");
}

/// Requests are spread, event streams pass at once, callers have their own addresses, refusals
/// pass. The requests of a node that is killed go to the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_stands_before_two_nodes() {
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    let mut nodes = [Process::start(&node).await, Process::start(&node).await];
    let balancer = Balancer::start([&nodes[0].address, &nodes[1].address]).await;
    let fan = balancer.client(fan.token.as_ref());

    for _ in 0..10 {
        fan.get("/api/matches").await.expect(200);
    }
    let asked = balancer.nodes_of("/api/matches");
    for node in &nodes {
        assert_eq!(asked.iter().filter(|asked| **asked == node.address).count(), 5, "{asked:?}");
    }

    let path = fixture.path("/blocks/1/seats/events");
    let mut stream = EventStream::open(&format!("{}{path}", balancer.url), None).await;
    // What nginx keeps comes with the next heartbeat, after 14 s.
    let reading = async {
        stream.wait_for(1, "AVAILABLE").await;
        fan.hold(&fixture.id, &[1]).await.expect(201);
        stream.wait_for(1, "HOLD").await;
    };
    tokio::time::timeout(Duration::from_secs(7), reading).await.expect("nginx keeps events back");

    one_network_has_a_part_of_nginx(&balancer).await;
    addresses_are_those_of_the_clients(&balancer).await;
    a_refusal_of_a_node_is_not_repeated_elsewhere(&balancer, &fixture).await;

    nodes[0].child.kill().await.unwrap();
    for seat in 2..=4 {
        fan.get("/api/matches").await.expect(200);
        fan.hold(&fixture.id, &[seat]).await.expect(201);
    }
    nodes[1].child.kill().await.unwrap();
    let away = fan.get("/api/matches").await;
    assert_eq!(away.headers["retry-after"], "1");
    away.refused(503, "UNAVAILABLE");
    node.finish().await;
}
