//! Clients that do harm, and the node that they do it to. It is a process of its own, so that its
//! memory can be measured.

use crate::support::client::{Answer, Client, plain_http};
use crate::support::node::{TestMatch, TestNode};
use bytes::Bytes;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Child;
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// The pause of a fan between two turns. Each has two calls that change seats, and ten per second
/// are allowed.
const TURN_PAUSE: Duration = Duration::from_millis(250);

/// These tests measure times, so no more of them run at once, however many threads there are.
static VICTIMS: Semaphore = Semaphore::const_new(2);

/// A node in a process of its own, a fan who buys there, and a site with a large plan.
pub struct Victim {
    pub node: TestNode,
    pub fan: Client,
    pub fixture: TestMatch,
    /// The path of the large plan.
    pub plan: String,
    pub address: SocketAddr,
    pub operator: Client,
    process: Child,
    _place: SemaphorePermit<'static>,
}

/// Whether the node is a release build (`GRANDSTAND_BIN`), for which the figures are promised. One
/// that is not optimized, on a busy machine, only has to show that a limit is there at all.
pub fn is_release() -> bool {
    std::env::var_os("GRANDSTAND_BIN").is_some()
}

/// The most time for 99 % of the calls of other people.
pub fn p99_max() -> Duration {
    if is_release() { Duration::from_millis(50) } else { Duration::from_secs(10) }
}

/// What the people saw while somebody did harm.
#[derive(Debug, Default)]
pub struct Seen {
    pub times: Vec<Duration>,
    /// The highest memory of the node above that of the start, in bytes.
    pub memory: u64,
}

impl Seen {
    /// The time below which 99 % of the calls are.
    pub fn p99(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    }
}

/// A call that is repeated while the response says that seats can't be reached, as a fan does. The
/// time of all its attempts counts.
async fn repeated(call: impl AsyncFn() -> Answer) -> Answer {
    loop {
        let answer = call().await;
        if answer.status != 503 {
            return answer;
        }
        tokio::time::sleep(TURN_PAUSE).await;
    }
}

impl Victim {
    /// A node with the limits that are the default.
    pub async fn start() -> Self {
        Self::start_with(&[], plain_http()).await
    }

    /// The same with more arguments. `http` reaches it by the name localhost.
    pub async fn start_with(more: &[&str], http: reqwest::Client) -> Self {
        let place = VICTIMS.acquire().await.unwrap();
        let mut node = TestNode::start().await;
        let fixture = node.open_match().await;
        let token = node.user("fan").await.token;
        let site = node.admin().await.post("/api/admin/sites", &grandstand_demo::stadium()).await;
        let plan = format!("/api/sites/{}", site.expect(201)["id"].as_str().unwrap());
        node.without_worker().await;
        let limits = ["serve", "--holds-per-ten-minutes", "0", "--cool-down-after", "0"];
        let mut serve = node.binary(&[&limits, more].concat());
        let mut process = serve.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut line = async |before: &str| {
            let line = lines.next_line().await.unwrap().expect("it ended before it was ready");
            line.strip_prefix(before).expect(&line).to_owned()
        };
        let (url, operations) = (line("listening on ").await, line("operations on ").await);
        let address = url.split_once("://").unwrap().1.parse().unwrap();
        let url = url.replace("127.0.0.1", "localhost");
        let (fan, operator) = (Client { url, token, http }, Client::new(operations, None));
        let victim = Self { node, fan, fixture, plan, address, operator, process, _place: place };
        // Afterwards everything that is made once is made.
        for _ in 0..10 {
            victim.one_turn().await;
            tokio::time::sleep(TURN_PAUSE).await;
        }
        victim
    }

    /// What a fan does: looks at the plan, takes a seat, gives it back.
    async fn one_turn(&self) -> [Duration; 3] {
        let begun = Instant::now();
        let plan = self.fan.get(&self.plan).await;
        assert_eq!(plan.status, 200, "{}", plan.body);
        let looked = begun.elapsed();
        let (holds, body) = (self.fixture.path("/holds"), json!({"seatIds": [1]}));
        let key = Uuid::now_v7().to_string();
        let hold = repeated(async || self.fan.post_with_key(&holds, &body, &key).await).await;
        let hold = hold.expect(201);
        let held = begun.elapsed();
        let path = self.fixture.path(&format!("/holds/{}", hold["holdId"].as_str().unwrap()));
        repeated(async || self.fan.delete(&path).await).await.expect(204);
        [looked, held - looked, begun.elapsed() - held]
    }

    /// Does harm, and looks what other people see of it.
    pub async fn others_during<T>(&self, harm: impl Future<Output = T>) -> (T, Seen) {
        let before = self.memory();
        let mut seen = Seen::default();
        let mut harm = std::pin::pin!(harm);
        loop {
            let turn = async {
                let turn = self.one_turn().await;
                tokio::time::sleep(TURN_PAUSE).await;
                turn
            };
            let mut turn = std::pin::pin!(turn);
            let done = tokio::select! {
                done = harm.as_mut() => Some(done),
                times = turn.as_mut() => {
                    seen.times.extend(times);
                    None
                }
            };
            seen.memory = seen.memory.max(self.memory().saturating_sub(before));
            if let Some(done) = done {
                // The fan gives the seat back, because the next turn takes it again.
                seen.times.extend(turn.await);
                return (done, seen);
            }
        }
    }

    /// The resident memory of the node in bytes. Linux only.
    pub fn memory(&self) -> u64 {
        let pid = self.process.id().expect("the node runs");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    /// A number among the metrics of the node; 0 when it is not there.
    pub async fn metric(&self, name: &str) -> f64 {
        let page = self.operator.get("/metrics").await.body;
        let mut lines = page.as_str().unwrap_or_default().lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.map_or(0.0, |value| value.parse().unwrap())
    }

    /// A connection from the address with this number, which has a small buffer.
    pub async fn connect(&self, number: usize) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let [_, high, low] = [0, number / 250, number % 250 + 1].map(|part| part as u8);
        let from = SocketAddrV4::new(Ipv4Addr::new(127, 1, high, low), 0);
        socket.bind(from.into()).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A connection of HTTP/2 on which the node may send no bytes of any body.
    pub async fn connect_http2(&self, number: usize) -> Http2 {
        Http2::on(self.connect(number).await).await
    }

    pub async fn finish(mut self) {
        self.node.wait_for_books().await;
        self.process.kill().await.unwrap();
        self.node.finish().await;
    }
}

/// A connection of HTTP/2.
pub struct Http2 {
    pub requests: h2::client::SendRequest<Bytes>,
    ended: tokio::task::JoinHandle<()>,
    responses: Vec<h2::client::ResponseFuture>,
}

impl Http2 {
    /// One on which the other side may send no bytes of any body.
    pub async fn on(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(0).max_concurrent_reset_streams(1000);
        let (requests, connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
        let ended = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { requests, ended, responses: Vec::new() }
    }

    /// Sends a request without waiting for the response; `false` when the connection has ended.
    pub async fn ask(&mut self, path: &str) -> bool {
        let uri = format!("http://grandstand{path}");
        let request = axum::http::Request::get(uri).body(()).unwrap();
        let Ok(mut requests) = self.requests.clone().ready().await else { return false };
        match requests.send_request(request, true) {
            Ok((response, _)) => self.responses.push(response),
            Err(_) => return false,
        }
        true
    }

    /// Waits until the other side has ended the connection.
    pub async fn end(self) {
        self.ended.await.unwrap();
    }
}

/// Waits until the node has ended a connection.
pub async fn end(mut stream: impl AsyncRead + Unpin) {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}
