//! A private Redis, or Valkey.

use crate::child::{Child, Launch};
use crate::log::Log;
use crate::{Attempt, discover, settle, start_on, start_on_a_free_port};
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A server that has not ended after this timeout is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// A reply to the first PING takes at most this long; then the PING is sent again.
const PROBE_TIMEOUT: Duration = Duration::from_millis(500);

/// The bus of a cluster member listens on the port of the server minus this number.
pub const CLUSTER_BUS_BELOW: u16 = 10_000;
/// The file with the configuration of a Sentinel, in its directory.
const SENTINEL: &str = "sentinel.conf";

/// When the writes of Redis reach the disk (`appendfsync`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before the reply. A power loss loses no write that Redis has confirmed.
    #[default]
    Always,
    /// Once a second. A power loss loses about the last second.
    EverySecond,
    /// Whenever the system decides. For tests: the end of the process alone loses nothing.
    Never,
}

/// How a private Redis runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisSettings {
    /// When writes reach the disk.
    pub fsync: Fsync,
}

/// The kind of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedisKind {
    /// A server that stands alone, or a replica.
    #[default]
    Server,
    /// A member of a Redis Cluster. Its bus listens on its port minus 10,000. The usual port plus
    /// 10,000 lies among the ports for outgoing connections.
    ClusterServer,
    /// A Sentinel, with the text of its first configuration. It has no data.
    Sentinel(String),
}

/// Additional options of a private Redis. Tests use them to cause faults.
#[derive(Clone, Debug, Default)]
pub struct RedisExtras {
    /// The kind of the server.
    pub kind: RedisKind,
    /// Additional arguments. They come last on the command line, so they replace ours.
    pub arguments: Vec<String>,
    /// Additional environment variables of the server.
    pub environment: Vec<(String, OsString)>,
}

/// A private Redis on a port of 127.0.0.1. Dropping it kills the server; the files stay.
pub struct PrivateRedis {
    child: Option<Child>,
    pid: u32,
    port: u16,
    plan: Plan,
}

/// Everything that a start needs except the port.
struct Plan {
    program: PathBuf,
    dir: PathBuf,
    log: Log,
    settings: RedisSettings,
    extras: RedisExtras,
}

impl PrivateRedis {
    /// Starts a server that keeps its data and its `redis.log` in `dir`, and creates `dir` when it
    /// does not exist. Waits for an earlier server of this directory that is about to end. Returns
    /// when the server has loaded its data and accepts commands. Fails when no Redis is installed,
    /// when the directory is in use, or when the server ends while it starts; the error then has
    /// the last lines of the log.
    pub async fn start(dir: &Path, settings: RedisSettings) -> Result<Self> {
        Self::start_with(dir, settings, RedisExtras::default()).await
    }

    /// Like `start`, with additional options. A restart uses them again.
    pub async fn start_with(
        dir: &Path,
        settings: RedisSettings,
        extras: RedisExtras,
    ) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("can't create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        let log = Log::new(dir.join("redis.log"));
        let plan = Plan { program: discover::redis_server()?, dir, log, settings, extras };
        plan.configure_sentinel()?;
        let (child, port) = start_on_a_free_port(async |port| plan.attempt(port).await).await?;
        Ok(Self { pid: child.pid(), child: Some(child), port, plan })
    }

    /// Returns `redis://127.0.0.1:PORT`, which a restart does not change.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the port, which a restart does not change.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id of the server, also after its end.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Stops the server cleanly. Kills it and fails when it has not ended after 30 s.
    pub async fn stop(mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.signal(Signal::TERM);
        child.signal(Signal::CONT);
        if child.wait(STOP_TIMEOUT).await?.is_none() {
            let words = child.last_words();
            child.kill().await;
            bail!("Redis did not end within {STOP_TIMEOUT:?}:\n{words}");
        }
        Ok(())
    }

    /// Sends SIGKILL, as a fault. Returns when the process is gone.
    pub async fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            child.kill().await;
        }
    }

    /// Kills the server if it still runs, and starts it again with the same data on the same port.
    /// Fails like `start`, and when another program uses the port for 10 s.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await;
        let child = start_on(self.port, async |port| self.plan.attempt(port).await).await?;
        self.pid = child.pid();
        self.child = Some(child);
        Ok(())
    }

    /// Sends SIGSTOP: the connections stay open, and the server sends no replies.
    pub fn freeze(&self) {
        if let Some(child) = &self.child {
            child.signal(Signal::STOP);
        }
    }

    /// Sends SIGCONT: the server continues after `freeze`.
    pub fn thaw(&self) {
        if let Some(child) = &self.child {
            child.signal(Signal::CONT);
        }
    }
}

impl Plan {
    async fn attempt(&self, port: u16) -> Result<Attempt> {
        let child = Child::spawn(Launch {
            program: &self.program,
            arguments: self.arguments(port),
            log: &self.log,
            owner: None,
            directory: None,
            environment: &self.extras.environment,
            // SIGKILL loses nothing, because Redis writes to its file before it replies.
            last_signal: "KILL",
        })
        .await?;
        let pid = child.pid();
        settle(child, async || is_ready(port, pid).await).await
    }

    /// Writes the configuration of a Sentinel unless there is one: a Sentinel writes into it what
    /// it has learned.
    fn configure_sentinel(&self) -> Result<()> {
        let path = self.dir.join(SENTINEL);
        if let RedisKind::Sentinel(text) = &self.extras.kind
            && !path.exists()
        {
            std::fs::write(path, text)?;
        }
        Ok(())
    }

    fn arguments(&self, port: u16) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if matches!(self.extras.kind, RedisKind::Sentinel(_)) {
            arguments.extend([self.dir.join(SENTINEL).into(), "--sentinel".into()]);
        }
        let mut pair = |name: &str, value: &str| arguments.extend([name.into(), value.into()]);
        pair("--port", &port.to_string());
        pair("--bind", "127.0.0.1");
        pair("--daemonize", "no");
        if let RedisKind::ClusterServer = self.extras.kind {
            pair("--cluster-enabled", "yes");
            pair("--cluster-port", &(port - CLUSTER_BUS_BELOW).to_string());
        }
        if !matches!(self.extras.kind, RedisKind::Sentinel(_)) {
            pair("--appendonly", "yes");
            pair("--appendfsync", self.settings.fsync.word());
            pair("--save", "");
            pair("--maxmemory-policy", "noeviction");
            // The kept replies may have millions of fields, so Redis frees them in the background.
            pair("--lazyfree-lazy-expire", "yes");
            // A larger hash is a table. With the default of 512, each look-up in a smaller hash
            // would walk a list of up to 512 entries.
            pair("--hash-max-listpack-entries", "32");
        }
        arguments.extend(["--dir".into(), self.dir.clone().into_os_string()]);
        arguments.extend(self.extras.arguments.iter().map(Into::into));
        arguments
    }
}

impl Fsync {
    fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::EverySecond => "everysec",
            Self::Never => "no",
        }
    }
}

/// Whether the process with this id has loaded its data and replies on the port.
async fn is_ready(port: u16, pid: u32) -> bool {
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        stream.write_all(b"PING\r\nINFO server\r\n").await.ok()?;
        let mine = format!("\nprocess_id:{pid}\r\n");
        let mut reply = Vec::new();
        while stream.read_buf(&mut reply).await.ok()? > 0 {
            let text = String::from_utf8_lossy(&reply);
            if !text.starts_with("+PONG".get(..text.len().min(5))?) {
                return None; // it still loads, or it is not a Redis
            }
            if text.contains(&mine) {
                return Some(());
            }
        }
        None
    };
    timeout(PROBE_TIMEOUT, exchange).await.ok().flatten().is_some()
}
