//! Floods of HTTP/2. The node ends the connection soon, and other people notice nothing.
//!
//! The long test has more of them, who come again and again (`make chaos ARGS=rude_http2`).

use crate::support::client::Client;
use crate::support::flood::{Flood, Flooded, flood};
use crate::support::node::ADMIN;
use crate::support::rude::{Victim, p99_max};
use axum::http::{HeaderValue, Request};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// How long a connection may flood. The machine of a test is busy, and the node is not optimized.
const END_MAX: Duration = Duration::from_secs(40);
/// The most bytes of a flood: what the node reads of it, and what the buffers of the kernel hold.
const BYTES_MAX: usize = 8 << 20;
const MEMORY_MAX: u64 = 50 << 20;

/// These many connections flood at once, each again and again for `time`.
async fn flooded(victim: &Victim, kind: Flood, connections: usize, time: Duration) {
    let begun = Instant::now();
    let flooding = (0..connections).map(async |number| {
        let mut worst = Flooded::default();
        loop {
            let stream = victim.connect(number).await;
            let flooded = flood(kind, stream, END_MAX).await;
            assert!(flooded.ended.is_some(), "{kind:?} goes on: {flooded:?}");
            if flooded.bytes > worst.bytes {
                worst = flooded;
            }
            if begun.elapsed() >= time {
                return worst;
            }
        }
    });
    let (worst, seen) = victim.others_during(futures::future::join_all(flooding)).await;
    let bytes = worst.iter().map(|flooded| flooded.bytes).max().unwrap_or_default();
    let longest = worst.iter().filter_map(|flooded| flooded.ended).max();
    let (p99, megabytes) = (seen.p99(), seen.memory >> 20);
    println!("{connections} of {kind:?}: {bytes} bytes, {longest:?}, {megabytes} MB, p99 {p99:?}");
    assert!(bytes <= BYTES_MAX, "{kind:?}: {bytes} bytes");
    assert!(seen.memory <= MEMORY_MAX, "{kind:?}: {megabytes} MB");
    assert!(!seen.times.is_empty() && p99 <= p99_max(), "{kind:?}: {p99:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_end_their_connections() {
    let victim = Victim::start().await;
    for kind in Flood::ALL {
        flooded(&victim, kind, 8, Duration::from_secs(1)).await;
    }
    victim.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn floods_that_come_again_and_again() {
    let victim = Victim::start().await;
    for kind in Flood::ALL {
        flooded(&victim, kind, 50, Duration::from_secs(20)).await;
    }
    victim.finish().await;
}

/// A request on a connection of HTTP/2; the status. The body of the response is read.
async fn call(requests: &h2::client::SendRequest<Bytes>, request: Request<()>, body: Bytes) -> u16 {
    let mut requests = requests.clone().ready().await.unwrap();
    let (response, mut sending) = requests.send_request(request, false).unwrap();
    sending.send_data(body, true).unwrap();
    let response = response.await.unwrap();
    let status = response.status().as_u16();
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        let length = data.unwrap().len();
        body.flow_control().release_capacity(length).unwrap();
    }
    status
}

/// Many requests, and the bodies of large plans, come without a pause.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_client_of_http2_is_no_flood() {
    let victim = Victim::start().await;
    let guest = Client::new(victim.fan.url.clone(), None);
    let token = guest.log_in(ADMIN.0, ADMIN.1).await.token.unwrap();
    let (requests, connection) = h2::client::handshake(victim.connect(1).await).await.unwrap();
    let connection = tokio::spawn(connection);
    // A field that both sides must not remember, so that its bytes come with each request.
    let mut long = HeaderValue::from_str(&"y".repeat(4_000)).unwrap();
    long.set_sensitive(true);
    for _ in 0..300 {
        let request = Request::get("http://grandstand/api/time").header("x-long", &long);
        let status = call(&requests, request.body(()).unwrap(), Bytes::new()).await;
        assert!(status == 200 || status == 429, "{status}");
    }
    let plan = format!("{}{}", grandstand_demo::stadium(), " ".repeat(2 << 20));
    for _ in 0..2 {
        let request = Request::post("http://grandstand/api/admin/sites")
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {token}"));
        let body = Bytes::from(plan.clone());
        assert_eq!(call(&requests, request.body(()).unwrap(), body).await, 201);
    }
    drop(requests);
    connection.await.unwrap().unwrap();
    victim.finish().await;
}
