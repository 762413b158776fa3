//! The measured node: a separate process that serves event streams and nothing else. The private
//! installation beside it does the rest: holds, expiry, the journal.

use crate::usage::cpu_seconds;
use crate::wire::ServerAddress;
use anyhow::Context as _;
use grandstand::commands::dev::Dev;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A running node.
pub(crate) struct MeasuredNode {
    child: Child,
    pub(crate) server: ServerAddress,
}

impl MeasuredNode {
    /// Starts a node on the servers of an installation. Port 0 means a free port.
    pub(crate) async fn start(dev: &Dev, port: u16) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("grandstand");
        let mut command = Command::new(&program);
        command
            .args(["serve", "--role", "api", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--ops-listen", "127.0.0.1:0"])
            .args(["--redis-url", &dev.redis.url(), "--database-url", &dev.postgres.url()])
            .args(["--rate-limits", "off", "--log", "error"])
            .args(["--jwt-secret", "nobody logs in at the measured node"])
            .args(["--toss-secret-key", "nobody pays at the measured node"])
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().with_context(|| {
            format!("starting {}: build it with `cargo build --release`", program.display())
        })?;
        let output = child.stdout.take().context("the node has no output")?;
        let mut lines = BufReader::new(output).lines();
        let line = lines.next_line().await?.context("the measured node did not start")?;
        let host = line
            .strip_prefix("listening on http://")
            .context("the node prints no address")?
            .to_owned();
        Ok(Self { child, server: ServerAddress { address: host.parse()?, host } })
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Returns the seconds of processor time that the node has used.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.pid())
    }

    /// Returns the resident memory in bytes.
    pub(crate) fn memory(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let text = text.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
        kib.unwrap_or(0.0) * 1024.0
    }

    /// Stops the node as a service manager does, and returns the time that it took.
    pub(crate) async fn stop(mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_raw(self.pid() as i32)
            .context("the node has ended already")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait().await?;
        Ok(begun.elapsed())
    }
}
