//! One connection for many requests, as browsers and load balancers use it. A refusal that comes
//! before the body was read must not break the next request.

use crate::support::node::TestNode;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// A raw connection.
struct Wire {
    stream: BufReader<TcpStream>,
    address: String,
}

/// A response.
struct Heard {
    status: u16,
    closes: bool,
}

impl Wire {
    async fn open(url: &str) -> Self {
        let address = url.trim_start_matches("http://").to_owned();
        let stream = TcpStream::connect(&address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), address }
    }

    /// Sends a head, and the body a moment later, when the server may have refused already.
    async fn ask(&mut self, head: &str, body: &[u8]) -> std::io::Result<Heard> {
        let host = &self.address;
        let head = format!("{head}\r\nhost: {host}\r\ncontent-length: {}\r\n\r\n", body.len());
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.flush().await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.stream.write_all(body).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    /// Reads one response to its end.
    async fn answer(&mut self) -> std::io::Result<Heard> {
        let reading = async {
            let mut heard = Heard { status: 0, closes: false };
            let mut length = 0;
            loop {
                let mut line = String::new();
                if self.stream.read_line(&mut line).await? == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                let line = line.trim_end().to_lowercase();
                match line.split_once(": ") {
                    _ if line.is_empty() => break,
                    Some(("content-length", number)) => length = number.parse().unwrap(),
                    Some(("connection", what)) => heard.closes = what == "close",
                    _ if line.starts_with("http/1.1 ") => {
                        heard.status = line[9..12].parse().unwrap();
                    }
                    _ => {}
                }
            }
            self.stream.read_exact(&mut vec![0; length]).await?;
            Ok(heard)
        };
        tokio::time::timeout(Duration::from_secs(20), reading).await.expect("no answer")
    }
}

/// The next request on the same connection gets its own response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_before_the_body_was_read_keeps_the_connection_usable() {
    const ROUNDS: usize = 40;
    let node = TestNode::start().await;
    let fixture = node.open_match().await;
    let fan = format!("authorization: Bearer {}", node.user("fan").await.token.unwrap());
    let (holds, json) = (fixture.path("/holds"), "content-type: application/json");
    let kinds: [(u16, String, usize); 10] = [
        (200, "GET /api/time HTTP/1.1".to_owned(), 500),
        (401, format!("POST {holds} HTTP/1.1\r\n{json}"), 2_000),
        (403, format!("POST /api/admin/sites HTTP/1.1\r\n{json}\r\n{fan}"), 200_000),
        (404, format!("POST /nowhere HTTP/1.1\r\n{json}"), 2_000),
        (404, format!("DELETE /api/matches/{}/queue HTTP/1.1\r\n{fan}", fixture.id), 2_000),
        (405, format!("PUT /api/users/log-in HTTP/1.1\r\n{json}"), 2_000),
        (400, format!("POST /api/matches/none/holds HTTP/1.1\r\n{json}\r\n{fan}"), 2_000),
        (400, format!("POST {holds} HTTP/1.1\r\n{json}\r\n{fan}\r\nidempotency-key: a b"), 2_000),
        (413, format!("POST {holds} HTTP/1.1\r\n{json}\r\n{fan}"), 70_000),
        (415, format!("POST {holds} HTTP/1.1\r\n{fan}"), 2_000),
    ];
    let mut wire = Wire::open(&node.guest().url).await;
    for round in 0..ROUNDS {
        for (status, head, length) in &kinds {
            let heard = wire.ask(head, &vec![b' '; *length]).await;
            let heard = heard.unwrap_or_else(|error| panic!("round {round}, {head}: {error}"));
            assert_eq!(heard.status, *status, "round {round}, {head}");
            assert!(!heard.closes, "round {round}, {head}: so small a rest is read");
        }
    }
    node.finish().await;
}

/// The limit of a node also refuses without reading the body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_by_the_limit_keeps_the_connection_usable() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.calls_per_second = 1;
    })
    .await;
    let mut wire = Wire::open(&node.guest().url).await;
    let head = "POST /api/users/log-in HTTP/1.1\r\ncontent-type: application/json";
    let mut limited = 0;
    for round in 0..200 {
        let heard = wire.ask(head, &[b' '; 2_000]).await;
        let heard = heard.unwrap_or_else(|error| panic!("round {round}: {error}"));
        limited += usize::from(heard.status == 429);
    }
    assert!(limited > 100, "{limited}");
    node.finish().await;
}

/// The server waits a little for the body, and its response says that the connection closes. A
/// client that asks before it sends (`Expect`) is not told to send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_body_closes_the_connection_cleanly() {
    let node = TestNode::start().await;
    let head = "POST /api/reservations HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n";
    for more in ["\r\n", "expect: 100-continue\r\n\r\n"] {
        let mut wire = Wire::open(&node.guest().url).await;
        wire.stream.write_all(format!("{head}{more}").as_bytes()).await.unwrap();
        let heard = wire.answer().await.unwrap();
        assert_eq!((heard.status, heard.closes), (401, true), "{more}");
        let mut end = Vec::new();
        let ending = wire.stream.read_to_end(&mut end);
        let ended = tokio::time::timeout(Duration::from_secs(10), ending).await;
        assert_eq!(ended.expect("it stays open").unwrap(), 0);
    }
    node.finish().await;
}

/// A client that has sent a part of its body, and no more, hears of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_end_is_refused() {
    let node = TestNode::start().await;
    let mut wire = Wire::open(&node.guest().url).await;
    let head = "POST /api/users/log-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
        content-length: 100\r\n\r\n{";
    wire.stream.write_all(head.as_bytes()).await.unwrap();
    let heard = wire.answer().await.unwrap();
    assert_eq!((heard.status, heard.closes), (408, true));
    node.finish().await;
}

/// A client without a place reads why, and when to come again. Neither a head nor a preface of
/// HTTP/2 that does not end keeps a place for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_node_says_so_until_rude_clients_have_lost_their_places() {
    let node = TestNode::start_with(|settings| {
        settings.rates.rate_limits = "on".to_owned();
        settings.rates.connections_per_address = 2;
    })
    .await;
    let mut rude = Vec::new();
    for begin in ["GET / HTTP/1.1\r\nhost: ", "PR"] {
        let mut wire = Wire::open(&node.running().url()).await;
        wire.stream.write_all(begin.as_bytes()).await.unwrap();
        wire.stream.flush().await.unwrap();
        rude.push(wire);
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut wire = Wire::open(&node.running().url()).await;
    let mut text = String::new();
    wire.stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    wire.stream.read_to_string(&mut text).await.unwrap();
    for part in ["HTTP/1.1 503 ", "retry-after: 1\r\n", "application/problem+json", "OVERLOADED"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let mut end = Vec::new();
    for mut wire in rude {
        let ending = wire.stream.read_to_end(&mut end);
        let ended = tokio::time::timeout(Duration::from_secs(10), ending).await;
        assert!(ended.is_ok(), "it keeps its place");
    }
    node.guest().get("/api/matches").await.expect(200);
    node.finish().await;
}

/// The parser of HTTP refuses these by itself, before a handler sees them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_cannot_be_read_gets_a_problem_document() {
    let node = TestNode::start().await;
    let lines: String = (0..120).map(|number| format!("x-{number}: y\r\n")).collect();
    for (head, status, code) in [
        ("GET / HTTP/9.9\r\nhost: x\r\n\r\n".to_owned(), "400 Bad Request", "MALFORMED"),
        ("nonsense\r\n\r\n".to_owned(), "400 Bad Request", "MALFORMED"),
        (
            format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(20_000)),
            "431 Request Header Fields Too Large",
            "HEAD_TOO_LARGE",
        ),
        (
            format!("GET / HTTP/1.1\r\nhost: x\r\n{lines}\r\n"),
            "431 Request Header Fields Too Large",
            "HEAD_TOO_LARGE",
        ),
    ] {
        let mut wire = Wire::open(&node.running().url()).await;
        wire.stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = Vec::new();
        // A connection that closes with unread bytes may end with an error behind the response.
        let _ = wire.stream.read_to_end(&mut bytes).await;
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text}"));
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{text}");
        assert!(head.contains("content-type: application/problem+json"), "{text}");
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], code, "{text}");
        assert!(head.contains(problem["requestId"].as_str().unwrap()), "{text}");
    }
    node.guest().get("/api/matches").await.expect(200);
    node.finish().await;
}
