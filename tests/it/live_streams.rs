//! Event streams as connections: slow readers, versions of HTTP, ends, and reconnecting.

use crate::support::events::EventStream;
use crate::support::node::{TestMatch, TestNode, eventually};
use grandstand::domain::ids::SeatId;
use grandstand::node::NodeRole;
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The seats of the large block: a change of all is more than a connection takes at once.
const MANY: u32 = 4000;

fn whole(url: &str, fixture: &TestMatch) -> String {
    format!("{url}{}", fixture.path("/seats/events"))
}

async fn large_match(node: &TestNode) -> TestMatch {
    let row = |row: u32| {
        json!({"label": row.to_string(), "firstSeatId": 1 + row * 200, "seats": 200,
            "from": [0.0, f64::from(row) + 1.0], "to": [199.0, f64::from(row) + 1.0]})
    };
    let rows: Vec<Value> = (0..MANY / 200).map(row).collect();
    let plan = json!({
        "name": "Large Ground", "focus": [0.0, 0.0],
        "grades": [{"code": "BLUE", "name": "Blue", "price": 10000, "color": "#1144cc"}],
        "areas": [{"id": 1, "name": "A", "sections": [{"id": 1, "name": "A", "blocks": [
            {"id": 1, "name": "101", "grade": "BLUE",
             "outline": [[-1.0, 0.0], [200.0, 0.0], [200.0, 99.0], [-1.0, 99.0]], "rows": rows}]}]}]
    });
    let admin = node.admin().await;
    let site = admin.post("/api/admin/sites", &plan).await.expect(201);
    let body = json!({"siteId": site["id"], "homeTeam": "LG Twins", "awayTeam": "Doosan Bears",
        "startsAt": "2030-05-05T05:00:00Z"});
    let made = admin.post("/api/admin/matches", &body).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    admin.post(&format!("/api/admin/matches/{id}/open"), &Value::Null).await.expect(200);
    TestMatch { id, site_id: site["id"].as_str().unwrap().to_owned() }
}

/// A connection with a small buffer, which sends a request.
async fn raw(address: SocketAddr, request: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(socket.into()).unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// The bytes of a chunked body up to its end, taken out of their chunks.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").expect("the size of a chunk");
        let size = usize::from_str_radix(size, 16).expect("a size");
        if size == 0 {
            assert_eq!(rest, "\r\n", "nothing follows the end");
            return whole;
        }
        whole.push_str(&rest[..size]);
        body = rest[size..].strip_prefix("\r\n").expect("a chunk ends");
    }
}

/// It gets the rest of the frame that was begun, and then a new snapshot instead of all frames
/// since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_reader_gets_a_snapshot_instead_of_a_backlog() {
    let node = TestNode::start().await;
    let fixture = large_match(&node).await;
    let id = fixture.match_id();
    let path = fixture.path("/seats/events");
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    let mut slow = raw(node.running().address, &request).await;
    let mut quick = EventStream::open(&whole(&node.url(), &fixture), None).await;
    quick.next().await.unwrap();
    // It has the head now, so it is a watcher.
    slow.readable().await.unwrap();
    let engine = node.engine();
    let seats: Vec<SeatId> = (1..=MANY).map(SeatId).collect();
    let mut told = 0;
    for _ in 0..10 {
        engine.block(id, seats.clone()).await.unwrap();
        quick.wait_for(1, "BLOCKED").await;
        engine.unblock(id, seats.clone()).await.unwrap();
        quick.wait_for(1, "AVAILABLE").await;
        told += 2;
    }
    engine.block(id, vec![SeatId(7)]).await.unwrap();
    quick.wait_for(7, "BLOCKED").await;
    // The seats were blocked by hand, so nothing is compared here.
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        slow.read_to_string(&mut text).await.unwrap();
        text
    });
    let admin = node.admin().await;
    admin
        .post(&format!("/api/admin/matches/{}/unblock", fixture.id), &json!({"seatIds": [7]}))
        .await;
    quick.wait_for(7, "AVAILABLE").await;
    tokio::time::timeout(Duration::from_secs(10), async {
        // The reader has caught up when it gets single seats again.
        for seat in 8.. {
            engine.block(id, vec![SeatId(seat)]).await.unwrap();
            quick.wait_for(u64::from(seat), "BLOCKED").await;
            engine.unblock(id, vec![SeatId(seat)]).await.unwrap();
            quick.wait_for(u64::from(seat), "AVAILABLE").await;
            if seat > 20 {
                break;
            }
        }
    })
    .await
    .unwrap();
    node.finish().await;
    let text = reading.await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let body = unchunked(body);
    let names: Vec<&str> = body.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    let snapshots = names.iter().filter(|name| **name == "snapshot").count();
    assert!(snapshots >= 2, "the first one, and one after it was slow: {names:?}");
    assert!(names.len() - snapshots < told + 30, "{names:?}");
    let sizes: Vec<usize> = body.split("\n\n").map(str::len).collect();
    let large = sizes.iter().filter(|size| **size > 100_000).count();
    assert!(large < told, "{large} of {told} large changes were sent to who did not read");
}

/// A stream is the same in HTTP/2, in HTTP/1.0, and behind other requests on one connection. HEAD
/// gets the head alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_works_behind_other_requests_on_one_connection() {
    let node = TestNode::start().await;
    let fixture = large_match(&node).await;
    let (seats, events) = (fixture.path("/seats"), fixture.path("/seats/events"));
    // Three requests at once: two responses must be complete before the stream begins.
    let requests = format!(
        "GET {seats} HTTP/1.1\r\nhost: t\r\n\r\nHEAD {events} HTTP/1.1\r\nhost: t\r\n\r\n\
         GET {seats} HTTP/1.1\r\nhost: t\r\n\r\nGET {events} HTTP/1.1\r\nhost: t\r\n\r\n"
    );
    let stream = raw(node.running().address, &requests).await;
    let reading = tokio::spawn(async move {
        let (mut stream, mut text) = (stream, String::new());
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    eventually("somebody watches", || async {
        let id = fixture.match_id();
        (node.services().hub.feed(id).await.ok()?.watchers() == 1).then_some(())
    })
    .await;
    node.finish().await;
    let text = reading.await.unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{}", text.len());
    let (_, stream) = text.rsplit_once("HTTP/1.1 200 OK\r\n").unwrap();
    let (head, body) = stream.split_once("\r\n\r\n").unwrap();
    for header in ["content-type: text/event-stream", "cache-control: no-store", "date: "] {
        assert!(head.contains(header), "{header} is missing: {head}");
    }
    assert!(unchunked(body).contains("event: snapshot\n"));
    assert_eq!(text.matches(&format!("\"{}\"", "A".repeat(MANY as usize))).count(), 3);
}

/// A client that returns gets 404.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_streams_of_a_deleted_match_end() {
    let node = TestNode::start().await;
    let admin = node.admin().await;
    let fixture = node.open_match().await;
    let body = json!({"siteId": fixture.site_id, "homeTeam": "LG Twins",
        "awayTeam": "Doosan Bears", "startsAt": "2030-05-06T05:00:00Z"});
    let draft = admin.post("/api/admin/matches", &body).await.expect(201);
    let draft = draft["id"].as_str().unwrap();
    let path = format!("/api/matches/{draft}/seats/events");
    let mut map = EventStream::open_as(&admin, &path, None).await;
    assert_eq!(map.next().await.unwrap().name, "snapshot");
    admin.delete(&format!("/api/admin/matches/{draft}")).await.expect(204);
    assert!(map.next().await.is_none(), "it ends");
    admin.get(&path).await.refused(404, "MATCH_NOT_FOUND");
    node.finish().await;
}

/// The node was not there when something changed. A map from a plain GET is also a position to go
/// on from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_starts_later_sends_only_what_was_missed() {
    let node = TestNode::start_with(|settings| settings.max_seats_per_user = 20).await;
    let fixture = node.open_match().await;
    let fan = node.user("fan").await;
    fan.hold(&fixture.id, &[1]).await.expect(201);
    let mut map = EventStream::open(&whole(&fan.url, &fixture), None).await;
    map.next().await.unwrap();
    fan.hold(&fixture.id, &[2]).await.expect(201);
    map.wait_for(2, "HOLD").await;
    let id = map.last_id.clone();
    let answer = fan.get(&fixture.path("/seats")).await;
    let tag = answer.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(tag, format!("W/\"{id}\""));
    let path = fixture.path("/seats");
    let same = fan.request(reqwest::Method::GET, &path).header("if-none-match", &tag);
    assert_eq!(same.send().await.unwrap().status(), 304);
    for seat in [3, 4, 5] {
        fan.hold(&fixture.id, &[seat]).await.expect(201);
    }
    let second = node.another_node(NodeRole::Api).await;
    let mut back = EventStream::open(&whole(&second.url(), &fixture), Some(&id)).await;
    let first = back.next().await.unwrap();
    assert_eq!(first.name, "changes", "the second node read the past in the stream");
    let changes = first.data["changes"].as_array().unwrap();
    let seats: Vec<u64> = changes.iter().map(|change| change["seatId"].as_u64().unwrap()).collect();
    // Changes close together may be merged into one frame.
    assert!(seats.ends_with(&[3, 4, 5]) && !seats.contains(&6), "{seats:?}");
    second.stop().await;
    node.finish().await;
}
