//! Event streams against a push server that many sites use: nginx with the module nchan. Both
//! servers get the same number of readers and of messages, and the readers are the same code.

use crate::fanout::node::MeasuredNode;
use crate::fanout::sale::Sale;
use crate::target::Private;
use crate::usage::cpu_seconds;
use crate::wire::{Connection, Method, ServerAddress};
use anyhow::{Context as _, ensure};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

/// Readers of both servers.
pub(crate) const STREAMS: usize = 2000;
/// Messages per second. Below 20, a node sends each change in a frame of its own.
pub(crate) const MESSAGES_PER_SECOND: f64 = 15.0;
/// All readers are connected, and have what was sent, after this timeout.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(20);
/// The module, where the packages of Debian, Ubuntu and Homebrew put it.
const MODULES: [&str; 3] = [
    "/usr/lib/nginx/modules/ngx_nchan_module.so",
    "/usr/lib64/nginx/modules/ngx_nchan_module.so",
    "/usr/local/lib/nginx/modules/ngx_nchan_module.so",
];
/// The data of a frame of the node with a change of one seat.
const DATA: &[u8] = b"{\"version\":12345,\"changes\":[{\"seatId\":12345,\"state\":\"HOLD\"}]}";

/// A running nginx.
struct Nchan {
    server: Child,
    address: ServerAddress,
}

impl Nchan {
    async fn start(dir: &Path) -> anyhow::Result<Self> {
        let module = MODULES.into_iter().find(|module| Path::new(module).exists());
        let module = module.context("nginx with nchan is not installed (libnginx-mod-nchan)")?;
        std::fs::create_dir_all(dir)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let file = dir.join("nginx.conf");
        std::fs::write(&file, configuration(module, dir, port))?;
        let log = std::fs::File::create(dir.join("nginx.log"))?;
        let server = Command::new("nginx")
            .arg("-c")
            .arg(&file)
            .arg("-p")
            .arg(dir)
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting nginx")?;
        let host = format!("127.0.0.1:{port}");
        let address = ServerAddress { address: host.parse()?, host };
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if TcpStream::connect(address.address).await.is_ok() {
                return Ok(Self { server, address });
            }
        }
        let log = std::fs::read_to_string(dir.join("nginx.log")).unwrap_or_default();
        anyhow::bail!("nginx did not start: {log}")
    }
}

/// Returns a configuration with a publisher and its subscribers, in a single process.
fn configuration(module: &str, dir: &Path, port: u16) -> String {
    let dir = dir.display();
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths = paths.map(|name| format!("{name}_temp_path {dir}/{name};")).join(" ");
    format!(
        "load_module {module};\ndaemon off;\nmaster_process off;\npid {dir}/nginx.pid;\n\
         error_log stderr error;\nworker_rlimit_nofile 100000;\n\
         events {{ worker_connections 20000; }}\n\
         http {{\naccess_log off; tcp_nodelay on; keepalive_requests 1000000; {paths}\n\
         server {{\nlisten 127.0.0.1:{port} backlog=4096;\n\
         location = /publish {{ nchan_publisher; nchan_channel_id map; }}\n\
         location = /events {{ nchan_subscriber eventsource; nchan_channel_id map;\n\
         nchan_subscriber_first_message newest; }}\n}}\n}}\n"
    )
}

/// Readers of event streams, which only count their messages.
struct Readers {
    open: Arc<AtomicU64>,
    messages: Arc<AtomicU64>,
    tasks: JoinSet<std::io::Result<()>>,
}

impl Readers {
    /// Opens the streams. The first bytes behind the head of a response are not counted, because a
    /// node begins with a snapshot.
    async fn open(server: &ServerAddress, path: &str) -> anyhow::Result<Self> {
        let mut readers =
            Self { open: Arc::default(), messages: Arc::default(), tasks: JoinSet::new() };
        for number in 0..STREAMS {
            let request = format!(
                "GET {path} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n",
                server.host
            );
            let mut stream = TcpStream::connect(server.address).await?;
            stream.write_all(request.as_bytes()).await?;
            let (open, messages) = (readers.open.clone(), readers.messages.clone());
            readers.tasks.spawn(read(stream, open, messages));
            if number % 100 == 99 {
                readers.wait(&readers.open, number as u64 + 1, "streams").await?;
            }
        }
        readers.wait(&readers.open, STREAMS as u64, "streams").await?;
        Ok(readers)
    }

    async fn wait(&self, counter: &AtomicU64, wanted: u64, what: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            let count = counter.load(Ordering::Relaxed);
            if count >= wanted {
                return Ok(());
            }
            ensure!(begun.elapsed() < SETTLE_TIMEOUT, "{count} of {wanted} {what} arrived");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn read(
    mut stream: TcpStream,
    open: Arc<AtomicU64>,
    messages: Arc<AtomicU64>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut is_open = false;
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let bytes = &buffer[..count];
        if !is_open && bytes.starts_with(b"HTTP/1.1 200") {
            is_open = true;
            open.fetch_add(1, Ordering::Relaxed);
        }
        // A message is one small write on loopback, so it is never in two parts.
        let mark = b"\"changes\":[";
        let found = bytes.windows(mark.len()).filter(|part| part == mark).count();
        messages.fetch_add(found as u64, Ordering::Relaxed);
    }
}

/// Returns the µs of a core per delivered frame of a node. The seats that it takes stay held, so
/// all rounds share the sale.
pub(crate) async fn node(
    private: &Private,
    sale: &mut Sale,
    time: Duration,
) -> anyhow::Result<f64> {
    let node = MeasuredNode::start(&private.dev, 0).await?;
    let path = format!("/api/matches/{}/seats/events", sale.id);
    let readers = Readers::open(&node.server, &path).await?;
    let (cpu, before) = (node.cpu_seconds(), readers.messages.load(Ordering::Relaxed));
    sale.take(MESSAGES_PER_SECOND, time).await?;
    let sent = (MESSAGES_PER_SECOND * time.as_secs_f64()) as u64;
    // The last changes may share a frame.
    let wanted = before + sent * STREAMS as u64 * 9 / 10;
    readers.wait(&readers.messages, wanted, "frames").await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let frames = readers.messages.load(Ordering::Relaxed) - before;
    let each = (node.cpu_seconds() - cpu) * 1e6 / frames as f64;
    drop(readers);
    node.stop().await?;
    Ok(each)
}

/// Returns the µs of a core per delivered message of nginx with nchan.
pub(crate) async fn nchan(dir: &Path, time: Duration) -> anyhow::Result<f64> {
    let mut nginx = Nchan::start(dir).await?;
    let readers = Readers::open(&nginx.address, "/events").await?;
    let pid = nginx.server.id().context("nginx has ended")?;
    let cpu = cpu_seconds(pid);
    let mut publisher = Connection::new(nginx.address.clone());
    let mut clock = tokio::time::interval(Duration::from_secs_f64(1.0 / MESSAGES_PER_SECOND));
    let sent = (MESSAGES_PER_SECOND * time.as_secs_f64()) as u64;
    for _ in 0..sent {
        clock.tick().await;
        let response = publisher.call(Method::Post, "/publish", None, Some(DATA)).await?;
        ensure!((200..300).contains(&response.status), "nchan: status {}", response.status);
    }
    readers.wait(&readers.messages, sent * STREAMS as u64, "messages").await?;
    let each = (cpu_seconds(pid) - cpu) * 1e6 / (sent * STREAMS as u64) as f64;
    drop(readers);
    nginx.server.kill().await?;
    Ok(each)
}
