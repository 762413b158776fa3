//! Crowds beside the people of a run: a storm of watchers, an overload, watchers who do not read.
//! Each ends when its task is aborted.

use crate::behaviour::Visit;
use crate::sale::{CROWD, PEOPLE, Sale};
use anyhow::Result;
use fastrand::Rng;
use futures::StreamExt as _;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

const WATCHERS: usize = 150;
const SLOW_WATCHERS: usize = 40;
/// Maps that each of them asks for. They are more than the buffers of both sides can keep.
const SLOW_MAPS: usize = 1_000;
const SLOW_BUFFER_BYTES: u32 = 4 * 1024;
/// A node that can't write reads no more requests.
const SLOW_SEND_TIMEOUT: Duration = Duration::from_secs(1);
const HOLDERS: usize = 60;

/// Many watchers open their streams at once, leave and come back.
pub(crate) fn storm(sale: &Sale) -> Vec<JoinHandle<()>> {
    let url = |node: usize| {
        format!("{}/api/matches/{}/seats/events", sale.doors[node], sale.current().id)
    };
    let watcher = |n: usize| {
        let url = url(n % 2);
        let http = sale.http.clone();
        tokio::spawn(async move {
            loop {
                if let Ok(reply) = http.get(&url).send().await {
                    let mut body = reply.bytes_stream();
                    let _ = tokio::time::timeout(Duration::from_millis(700), body.next()).await;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    };
    (0..WATCHERS).map(watcher).collect()
}

/// Clients of the nodes themselves, with small buffers, that read nothing: first of many maps,
/// and then of an event stream. A proxy would read for them, and a single map of a small house
/// fits into the buffers of the kernel.
pub(crate) fn slow_watchers(sale: &Sale, nodes: &[u16]) -> Vec<JoinHandle<()>> {
    let watcher = |n: usize| {
        let path = format!("/api/matches/{}/seats", sale.current().id);
        let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: slow.example\r\n\r\n");
        let requests = get(&path).repeat(SLOW_MAPS) + &get(&format!("{path}/events"));
        let node = SocketAddr::from(([127, 0, 0, 1], nodes[n % nodes.len()]));
        tokio::spawn(async move {
            let stream = ask_without_reading(node, requests.as_bytes()).await;
            std::future::pending::<()>().await;
            drop(stream);
        })
    };
    (0..SLOW_WATCHERS).map(watcher).collect()
}

/// Sends requests, as many as the node takes, and reads nothing. The connection stays open until
/// it is dropped.
async fn ask_without_reading(node: SocketAddr, requests: &[u8]) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
    let mut stream = socket.connect(node).await?;
    let _ = tokio::time::timeout(SLOW_SEND_TIMEOUT, stream.write_all(requests)).await;
    Ok(stream)
}

/// People with several programs each, who hold seats and give them back without a pause. They have
/// no other part in the sale, so that their limits stop nobody else.
pub(crate) fn overload(sale: &Sale) -> Vec<JoinHandle<()>> {
    let holder = |n: usize| {
        let sale = sale.clone();
        tokio::spawn(async move {
            let person = &sale.people[PEOPLE + 1 + n % CROWD];
            // Each crowd of a run has keys of its own.
            let mut rng = Rng::with_seed(sale.history.now().as_millis() as u64 * 1_000 + n as u64);
            loop {
                let (fixture, rng) = (sale.current_without_queue(), rng.fork());
                Visit { person, fixture, sale: &sale, rng }.hold_and_release().await;
            }
        })
    };
    (0..HOLDERS).map(holder).collect()
}
