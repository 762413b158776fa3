//! The node that is measured: a process of its own that serves event streams and nothing else. The
//! private installation beside it does the work of the others: holds, expiry, the journal.

use crate::commands::dev::Dev;
use crate::load::usage::cpu_seconds;
use crate::load::wire::Place;
use anyhow::Context as _;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A running node.
pub struct MeasuredNode {
    child: Child,
    pub place: Place,
}

impl MeasuredNode {
    /// Starts one on the servers of an installation; port 0 takes a free one.
    pub async fn start(dev: &Dev, port: u16) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["serve", "--role", "api", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--redis-url", &dev.redis.url(), "--database-url", &dev.postgres.url()])
            .args(["--rate-limits", "off", "--log", "error"])
            .args(["--jwt-secret", "nobody logs in at the node that is measured"])
            .args(["--toss-secret-key", "nobody pays at the node that is measured"])
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().context("starting the node that is measured")?;
        let output = child.stdout.take().context("a node without an output")?;
        let mut lines = BufReader::new(output).lines();
        let line = lines.next_line().await?.context("the node that is measured did not start")?;
        let host = line.strip_prefix("listening on http://").context("no address")?.to_owned();
        Ok(Self { child, place: Place { address: host.parse()?, host } })
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Seconds of processor time that it has used.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(self.pid())
    }

    /// Resident memory in bytes.
    pub fn memory(&self) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let text = text.unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        let kib = line.split_whitespace().next().and_then(|number| number.parse::<f64>().ok());
        kib.unwrap_or(0.0) * 1024.0
    }

    /// Stops it as a service manager does; how long that took.
    pub async fn stop(mut self) -> anyhow::Result<Duration> {
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_raw(self.pid() as i32).context("it has ended")?;
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.child.wait().await?;
        Ok(begun.elapsed())
    }
}
