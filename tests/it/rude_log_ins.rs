//! Log-ins whose client hangs up at once. A hash of a password takes 19 MiB and a core, so the node
//! must not do one for each of them.

use crate::support::rude::{Victim, p99_max};
use axum::http::Request;
use bytes::Bytes;
use serde_json::json;
use socket2::SockRef;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

const LOG_INS: usize = 1000;
/// The log-ins on each connection of HTTP/2.
const STREAMS: usize = 50;
/// The pause between two of them that come over the same protocol.
const ARRIVAL_PAUSE: Duration = Duration::from_millis(6);
/// How long a client waits before it hangs up.
const PATIENCE: Duration = Duration::from_millis(2);
const MEMORY_MAX: u64 = 80 << 20;

fn body(number: usize) -> String {
    json!({"email": format!("nobody-{number}@test.example"), "password": "something"}).to_string()
}

/// A client that resets its connection.
async fn reset(victim: &Victim, number: usize) {
    let mut stream = victim.connect(number).await;
    let body = body(number);
    let request = format!(
        "POST /api/users/log-in HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    tokio::time::sleep(PATIENCE).await;
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// A client that resets its requests, and keeps its connection.
async fn reset_over_http2(victim: &Victim, number: usize) {
    let connection = victim.connect_http2(number).await;
    for at in 0..STREAMS {
        let request = Request::post("http://grandstand/api/users/log-in");
        let request = request.header("content-type", "application/json").body(()).unwrap();
        // The node ends a connection with too many resets.
        let Ok(mut requests) = connection.requests.clone().ready().await else { return };
        let Ok((response, mut sending)) = requests.send_request(request, false) else { return };
        let _ = sending.send_data(Bytes::from(body(number * STREAMS + at)), true);
        tokio::time::sleep(PATIENCE).await;
        sending.send_reset(h2::Reason::CANCEL);
        drop(response);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_ins_that_hang_up_cost_no_more_hashes_than_there_are_cores() {
    let victim = Victim::start().await;
    // The memory of honest log-ins is not counted.
    let honest = json!({"email": "fan@test.example", "password": "not this one"});
    let log_ins = (0..2).map(|_| victim.fan.post("/api/users/log-in", &honest));
    futures::future::join_all(log_ins).await;
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let crowd = async {
        let over_http1 = (0..LOG_INS / 2).map(async |number| {
            tokio::time::sleep(ARRIVAL_PAUSE * number as u32).await;
            reset(&victim, number).await;
        });
        let over_http2 = (0..LOG_INS / 2 / STREAMS).map(async |number| {
            tokio::time::sleep(ARRIVAL_PAUSE * (number * STREAMS) as u32).await;
            reset_over_http2(&victim, number).await;
        });
        let over_http1 = futures::future::join_all(over_http1);
        tokio::join!(over_http1, futures::future::join_all(over_http2));
        // What has begun meanwhile ends.
        while victim.metric("grandstand_hashes_running").await > 0.0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let watching = async {
        let mut most: f64 = 0.0;
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            most = most.max(victim.metric("grandstand_hashes_running").await);
            assert!(most <= cores, "{most} hashes at once");
        }
    };
    let both = async {
        tokio::select! {
            () = crowd => {}
            () = watching => {}
        }
    };
    let ((), seen) = victim.others_during(both).await;
    let (p99, megabytes) = (seen.p99(), seen.memory >> 20);
    println!("{LOG_INS} log-ins that hang up: {megabytes} MB, p99 of other people {p99:?}");
    assert!(seen.memory <= MEMORY_MAX, "{megabytes} MB");
    assert!(p99 <= p99_max(), "other people waited {p99:?}");
    assert!(seen.times.len() >= 6, "too few others were served");
    victim.finish().await;
}
