//! Clients inside TLS that read nothing. TLS has buffers of its own beside those of the kernel and
//! of HTTP, so each of them costs the node more than without it.

use crate::support::certificates::Authority;
use crate::support::rude::{Http2, Victim, is_release, p99_max};
use crate::tls::browser;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// How many connections of HTTP/1.1 there are, and of HTTP/2 with a hundred requests on each.
const CLIENTS: usize = 300;
const CLIENTS_HTTP2: usize = 120;
const STREAMS: usize = 100;
/// The plan is longer than this.
const PLAN_BYTES_MIN: usize = 180_000;
/// The most memory for each of them, in bytes: about twice of what was measured, for a release
/// build and for one that is not optimized. The plans that each of them asked for over HTTP/2 would
/// be 18 MB.
const MEMORY_PER_CLIENT: u64 = 192 << 10;
const MEMORY_PER_CLIENT_DEBUG: u64 = 512 << 10;
/// What the kernel has kept of a response comes within this time.
const REST_TIMEOUT: Duration = Duration::from_secs(5);
/// How soon they all have lost their connections.
const END_MAX: Duration = Duration::from_secs(90);

async fn connect(victim: &Victim, connector: &TlsConnector, number: usize) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("localhost").unwrap();
    connector.connect(name, victim.connect(number).await).await.unwrap()
}

/// Asks for the plan, and reads nothing.
async fn ask(victim: &Victim, connector: &TlsConnector, number: usize) -> TlsStream<TcpStream> {
    let mut stream = connect(victim, connector, number).await;
    let request = format!("GET {} HTTP/1.1\r\nhost: localhost\r\n\r\n", victim.plan);
    // The node may have ended it already.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.flush().await;
    stream
}

/// Waits until the node has ended these connections, because a client sees that only when it reads.
async fn all_are_cut(victim: &Victim, streams: Vec<TlsStream<TcpStream>>) {
    // Those of the other people go on.
    while victim.metric("grandstand_connections").await > 10.0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let rest = streams.into_iter().map(async |mut stream| {
        let mut bytes = Vec::new();
        // The kernel of the node may have forgotten the connection without a word.
        let _ = tokio::time::timeout(REST_TIMEOUT, stream.read_to_end(&mut bytes)).await;
        bytes.len()
    });
    let longest = futures::future::join_all(rest).await.into_iter().max().unwrap_or_default();
    assert!(longest < PLAN_BYTES_MIN, "the kernel took all of it, so the node kept nothing");
}

async fn ask_over_http2(victim: &Victim, connector: &TlsConnector, number: usize) {
    let mut connection = Http2::on(connect(victim, connector, number).await).await;
    for _ in 0..STREAMS {
        if !connection.ask(&victim.plan).await {
            break;
        }
    }
    connection.end().await;
}

/// So many of them come within three seconds.
async fn stalled(protocol: &str, clients: usize) {
    let dir = TempDir::new().unwrap();
    let authority = Authority::new(dir.path(), "authority");
    let certificate = authority.sign("server", &["localhost"]);
    let (file, key) = (certificate.certificate.display(), certificate.key.display());
    let files = [file.to_string(), key.to_string()];
    let arguments = ["--tls-cert-file", &files[0], "--tls-key-file", &files[1]];
    let idle = Duration::from_secs(10);
    let http = browser(&authority).pool_idle_timeout(idle).build().unwrap();
    let victim = Victim::start_with(&arguments, http).await;
    let connector = authority.connector(&[protocol]);
    let crowd = async {
        let come = async |number: usize| {
            tokio::time::sleep(Duration::from_secs(3) * number as u32 / clients as u32).await;
            match protocol {
                "h2" => {
                    ask_over_http2(&victim, &connector, number).await;
                    None
                }
                _ => Some(ask(&victim, &connector, number).await),
            }
        };
        let ending = async {
            let streams = futures::future::join_all((0..clients).map(come)).await;
            all_are_cut(&victim, streams.into_iter().flatten().collect()).await;
        };
        let ended = tokio::time::timeout(END_MAX, ending).await;
        assert!(ended.is_ok(), "{protocol}: some connections did not end within {END_MAX:?}");
    };
    let ((), seen) = victim.others_during(crowd).await;
    let (p99, each) = (seen.p99(), seen.memory / clients as u64);
    println!("{clients} inside TLS with {protocol}: {} KiB each, p99 {p99:?}", each >> 10);
    let most = if is_release() { MEMORY_PER_CLIENT } else { MEMORY_PER_CLIENT_DEBUG };
    assert!(each <= most, "{protocol}: {} KiB for each client", each >> 10);
    assert!(seen.times.len() >= 10 && p99 <= p99_max(), "{p99:?} {}", seen.times.len());
    victim.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_inside_tls_that_do_not_read_cost_little() {
    stalled("http/1.1", CLIENTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_http2_inside_tls_that_do_not_read_cost_little() {
    stalled("h2", CLIENTS_HTTP2).await;
}
