//! Clients that connect and then read nothing, or send nothing. They cost the node little memory
//! and soon lose their connections, and other people notice nothing of them.
//!
//! The long test has as many of them as the promise names (`make chaos ARGS=rude_clients`).

use crate::support::rude::{Victim, end, p99_max};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;

/// The most memory that they may cost together, in bytes, and their number for this promise.
const MEMORY_MAX: u64 = 100 << 20;
const CLIENTS: usize = 2000;
/// How many there are in the short tests.
const FEW_CLIENTS: usize = 400;
/// How soon a client without progress loses its connection: 10 s, and what a busy machine needs.
const END_MAX: Duration = Duration::from_secs(60);

/// What a client does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rude {
    /// It never reads the plan.
    Plan,
    /// The same over HTTP/2, a hundred times on each connection.
    PlanOverHttp2,
    /// It never ends the head of its request.
    Head,
    /// It never ends the body of its request.
    Body,
    /// It never reads its event stream.
    Stream,
    /// The same over HTTP/2, where not even the first byte can be sent.
    StreamOverHttp2,
}

impl Rude {
    /// The bytes of its request over HTTP/1.1.
    fn request(self, victim: &Victim) -> Vec<u8> {
        match self {
            Self::Head => b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ".to_vec(),
            Self::Body => {
                let head = "POST /api/users/log-in HTTP/1.1\r\nhost: x\r\n\
                    content-type: application/json\r\ncontent-length: 60000\r\n\r\n";
                [head.as_bytes(), &[b' '; 50_000]].concat()
            }
            _ => format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", self.path(victim)).into_bytes(),
        }
    }

    fn path(self, victim: &Victim) -> String {
        match self {
            Self::Stream | Self::StreamOverHttp2 => victim.fixture.path("/seats/events"),
            _ => victim.plan.clone(),
        }
    }

    /// The requests on each connection of HTTP/2; 0 for HTTP/1.1.
    fn streams(self) -> usize {
        match self {
            Self::PlanOverHttp2 => 100,
            Self::StreamOverHttp2 => 1,
            Self::Plan | Self::Head | Self::Body | Self::Stream => 0,
        }
    }

    /// Comes from the address with this number, and is rude until the node ends the connection.
    async fn come(self, victim: &Victim, number: usize) {
        if self.streams() == 0 {
            let mut stream = victim.connect(number).await;
            // The node may have ended it already.
            let _ = stream.write_all(&self.request(victim)).await;
            // Nothing is read until then.
            tokio::time::sleep(Duration::from_secs(13)).await;
            return if self == Self::Stream { drop(stream) } else { end(stream).await };
        }
        let mut connection = victim.connect_http2(number).await;
        for _ in 0..self.streams() {
            if !connection.ask(&self.path(victim)).await {
                break;
            }
        }
        connection.end().await;
    }
}

/// So many rude clients come within two seconds. `clients` of HTTP/2 are connections.
async fn rude(kind: Rude, clients: usize, memory_max: u64) {
    let victim = Victim::start().await;
    let crowd = async {
        let begun = Instant::now();
        let coming = (0..clients).map(async |number| {
            tokio::time::sleep(Duration::from_secs(2) * number as u32 / clients as u32).await;
            kind.come(&victim, number).await;
        });
        let come = tokio::time::timeout(END_MAX, futures::future::join_all(coming)).await;
        assert!(come.is_ok(), "{kind:?}: some connections did not end within {END_MAX:?}");
        begun.elapsed()
    };
    let (ended, seen) = victim.others_during(crowd).await;
    let (p99, megabytes) = (seen.p99(), seen.memory >> 20);
    println!("{clients} of {kind:?}: {megabytes} MB, p99 {p99:?}, all ended after {ended:?}");
    assert!(seen.memory <= memory_max, "{kind:?}: {megabytes} MB");
    assert!(seen.times.len() >= 10 && p99 <= p99_max(), "{kind:?}: {p99:?} {}", seen.times.len());
    victim.finish().await;
}

macro_rules! rude_clients {
    ($($name:ident: $kind:ident, $clients:expr;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                rude(Rude::$kind, $clients, MEMORY_MAX / 2).await;
            }
        )+
    };
}

rude_clients! {
    readers_of_a_plan_that_do_not_read: Plan, FEW_CLIENTS;
    readers_of_a_plan_that_do_not_read_over_http2: PlanOverHttp2, FEW_CLIENTS / 100;
    heads_that_do_not_end: Head, FEW_CLIENTS;
    bodies_that_do_not_end: Body, FEW_CLIENTS;
    watchers_that_do_not_read: Stream, FEW_CLIENTS;
    watchers_that_do_not_read_over_http2: StreamOverHttp2, FEW_CLIENTS;
}

/// As many of each kind as the promise names, and ten times as many responses over HTTP/2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: make chaos"]
async fn two_thousand_of_each_kind() {
    use Rude::{Body, Head, Plan, PlanOverHttp2, Stream, StreamOverHttp2};
    for kind in [Plan, PlanOverHttp2, Head, Body, Stream, StreamOverHttp2] {
        let clients = if kind == PlanOverHttp2 { CLIENTS / 10 } else { CLIENTS };
        rude(kind, clients, MEMORY_MAX).await;
    }
}
