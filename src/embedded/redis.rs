//! A private Redis, or Valkey.
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::child::{Child, Launch};
use super::log::Log;
use super::{Attempt, discover, settle, start_on, start_on_a_free_port};

const STOPPING: Duration = Duration::from_secs(30);
const PROBING: Duration = Duration::from_millis(500);

/// How far below its port the bus of a member of a cluster listens.
pub const CLUSTER_BUS_BELOW: u16 = 10_000;
/// The configuration of a Sentinel, in its directory.
const SENTINEL: &str = "sentinel.conf";

/// When what Redis has written reaches the disk (`appendfsync`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before the answer: a power loss loses nothing that was answered.
    #[default]
    Always,
    /// Once a second: a power loss loses about the last second.
    EverySecond,
    /// When the system likes: for tests. The end of the process alone still loses nothing.
    Never,
}

/// How a private Redis runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisSettings {
    /// When writes reach the disk.
    pub fsync: Fsync,
}

/// What kind of server it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RedisKind {
    /// One that stands alone, or a replica.
    #[default]
    Server,
    /// A member of a Redis Cluster. Its bus listens on its port minus 10,000, because the usual
    /// plus 10,000 lies among the ports that systems take for outgoing connections.
    ClusterServer,
    /// A Sentinel, with the text of its first configuration. It keeps no data.
    Sentinel(String),
}

/// What a private Redis is started with beyond its settings: tests make faults with it.
#[derive(Clone, Debug, Default)]
pub struct RedisExtras {
    /// What kind of server it is.
    pub kind: RedisKind,
    /// They come last on the command line, so they win over ours.
    pub arguments: Vec<String>,
    /// Variables of the environment of the server.
    pub environment: Vec<(String, OsString)>,
}

/// A Redis of our own on a port of 127.0.0.1. Dropping it kills it; its files stay.
pub struct PrivateRedis {
    child: Option<Child>,
    pid: u32,
    port: u16,
    plan: Plan,
}

/// All that a start needs except the port.
struct Plan {
    program: PathBuf,
    dir: PathBuf,
    log: Log,
    settings: RedisSettings,
    extras: RedisExtras,
}

impl PrivateRedis {
    /// Starts a server that keeps its data and its `redis.log` in `dir`, which is made when it is
    /// not there, and returns when it has loaded the data and answers.
    /// An earlier server of the same directory that is about to end is waited for.
    ///
    /// # Errors
    /// No Redis is installed, the directory is in use, or the server ends at its start; the text
    /// then has the last lines of its log.
    pub async fn start(dir: &Path, settings: RedisSettings) -> Result<Self> {
        Self::start_with(dir, settings, RedisExtras::default()).await
    }

    /// The same with extras, which a restart uses again.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_with(
        dir: &Path,
        settings: RedisSettings,
        extras: RedisExtras,
    ) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        let log = Log::new(dir.join("redis.log"));
        let plan = Plan { program: discover::redis_server()?, dir, log, settings, extras };
        plan.configure_sentinel()?;
        let (child, port) = start_on_a_free_port(async |port| plan.attempt(port).await).await?;
        Ok(Self { pid: child.pid(), child: Some(child), port, plan })
    }

    /// `redis://127.0.0.1:PORT`; stays the same over restarts.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port; stays the same over restarts.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server, of the last one when it does not run.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the server in good order.
    ///
    /// # Errors
    /// It did not end within 30 s and was killed.
    pub async fn stop(mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.signal(Signal::TERM);
        child.signal(Signal::CONT);
        if child.wait(STOPPING).await?.is_none() {
            let words = child.last_words();
            child.kill().await;
            bail!("Redis did not end within {STOPPING:?}:\n{words}");
        }
        Ok(())
    }

    /// SIGKILL, as a fault. Returns when the process is gone.
    pub async fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            child.kill().await;
        }
    }

    /// Starts again with the same data on the same port, after a kill of what still runs.
    ///
    /// # Errors
    /// As `start`, or another program has taken the port and keeps it for 10 s.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill().await;
        let child = start_on(self.port, async |port| self.plan.attempt(port).await).await?;
        self.pid = child.pid();
        self.child = Some(child);
        Ok(())
    }

    /// SIGSTOP: the connections stay, nothing answers.
    pub fn freeze(&self) {
        if let Some(child) = &self.child {
            child.signal(Signal::STOP);
        }
    }

    /// SIGCONT: goes on after `freeze`.
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
            // Nothing is lost by it: what was answered was written to the file before.
            last_signal: "KILL",
        })
        .await?;
        let pid = child.pid();
        settle(child, async || answers(port, pid).await).await
    }

    /// A Sentinel keeps what it learns in its configuration, so an earlier one is left alone.
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
            // A ring of answers has up to millions of fields: freed in the background.
            pair("--lazyfree-lazy-expire", "yes");
            // Above it a hash is a table: below, each look-up walks a list of up to 512 entries.
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

/// Whether this very process has loaded its data and answers on the port.
async fn answers(port: u16, pid: u32) -> bool {
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
        stream.write_all(b"PING\r\nINFO server\r\n").await.ok()?;
        let mine = format!("\nprocess_id:{pid}\r\n");
        let mut answer = Vec::new();
        while stream.read_buf(&mut answer).await.ok()? > 0 {
            let text = String::from_utf8_lossy(&answer);
            if !text.starts_with("+PONG".get(..text.len().min(5))?) {
                return None; // -LOADING, or no Redis at all
            }
            if text.contains(&mine) {
                return Some(());
            }
        }
        None
    };
    timeout(PROBING, exchange).await.ok().flatten().is_some()
}
