//! A child process with a watcher that ends it when this process dies, even by SIGKILL.
//!
//! A shell starts the watcher and then becomes the server. So the server never runs without a
//! watcher, and its process id is the one that we know. The watcher reads a pipe whose other end
//! only this process holds: a line tells it to leave, and the end of the pipe means that this
//! process is dead.

use crate::log::Log;
use crate::owner::Owner;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// `$0` is the last signal for the server, and `$@` is its command line. The server gets an empty
/// standard input and the log as output and errors. File 4 is the standard output of the shell.
/// The watcher is orphaned on purpose, because a server must not have a child that it did not
/// create. The watcher closes the log, because the lock of the log means that the server lives.
const GUARD: &str = r#"
exec 3<&0 4<&1 0</dev/null 1>&2
( {
  trap '' HUP INT QUIT TERM
  exec 1>/dev/null 2>&1 4<&-
  if ! read -r line <&3; then
    kill -s "$0" -- "-$$"
    kill -s CONT -- "-$$"
    n=0
    while [ $n -lt 80 ] && kill -s 0 "$$"; do sleep 0.1; n=$((n + 1)); done
    kill -s KILL -- "-$$"
  fi
} & )
exec 3<&-
exec "$@"
"#;

/// The path by which the server reaches the directory that it got as file 4.
pub(crate) const PASSED_DIRECTORY: &str = "/proc/self/fd/4";

/// Pause between two looks whether a process has ended.
const POLL_PAUSE: Duration = Duration::from_millis(2);

/// What to start.
pub(crate) struct Launch<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) log: &'a Log,
    /// Another user to run as, which needs root.
    pub(crate) owner: Option<Owner>,
    /// Reaches the server as `PASSED_DIRECTORY`.
    pub(crate) directory: Option<File>,
    /// Additional environment variables.
    pub(crate) environment: &'a [(String, OsString)],
    /// The signal that the watcher sends when this process is dead, as `kill -s` names it. The
    /// group gets SIGKILL 8 s later if it still runs.
    pub(crate) last_signal: &'static str,
}

/// A running child in a process group of its own, so that Ctrl-C in the terminal does not reach it.
pub(crate) struct Child {
    process: std::process::Child,
    watch: Option<ChildStdin>,
    status: Option<ExitStatus>,
    name: String,
    log: Log,
    log_start: u64,
}

impl Child {
    /// Waits for the end of an earlier server that uses the same log, then starts. Fails when a
    /// living server holds the log, or when there is no shell.
    pub(crate) async fn spawn(launch: Launch<'_>) -> Result<Self> {
        let log = launch.log.open().await?;
        let log_start = log.metadata()?.len();
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", GUARD, launch.last_signal])
            .arg(launch.program)
            .args(launch.arguments)
            .stdin(Stdio::piped())
            .stdout(launch.directory.map_or_else(Stdio::null, Stdio::from))
            .stderr(log)
            .env("LC_ALL", "C") // because we read some of their messages
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/") // another user may not be allowed to enter our folder
            .process_group(0);
        if let Some(owner) = launch.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        let name = launch.program.display().to_string();
        let mut process = command.spawn().with_context(|| format!("can't start {name}"))?;
        // Taken out, because `wait` would close the pipe, and the watcher would kill the server.
        let watch = process.stdin.take();
        Ok(Self { process, watch, status: None, name, log: launch.log.clone(), log_start })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the last lines that the log got since this child was started.
    pub(crate) fn last_words(&self) -> String {
        self.log.tail(self.log_start)
    }

    /// Returns the exit status once the child has ended.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.process.try_wait()?;
            if self.status.is_some() {
                self.dismiss_watcher();
            }
        }
        Ok(self.status)
    }

    /// Waits for the end of the child. Returns `None` when it still runs after this timeout.
    pub(crate) async fn wait(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        let begun = Instant::now();
        loop {
            let status = self.exited()?;
            if status.is_some() || begun.elapsed() > within {
                return Ok(status);
            }
            tokio::time::sleep(POLL_PAUSE).await;
        }
    }

    /// Sends a signal to the child alone, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.status.is_some() {
            return;
        }
        let sent = Pid::from_raw(self.pid().cast_signed()).map(|pid| kill_process(pid, signal));
        if let Some(Err(error)) = sent {
            tracing::warn!(server = self.name, ?signal, %error, "could not send a signal");
        }
    }

    /// Sends SIGKILL to the child and its process group, and waits until all of them are gone.
    pub(crate) async fn kill(mut self) {
        self.strike();
        if !self.log.released().await {
            tracing::warn!(server = self.name, "some processes of the server survived SIGKILL");
        }
    }

    /// Waits for the end of the child, and kills it after this timeout. Blocks, because `drop`
    /// calls it.
    pub(crate) fn end_within(mut self, within: Duration) {
        let begun = Instant::now();
        while matches!(self.exited(), Ok(None)) && begun.elapsed() < within {
            std::thread::sleep(POLL_PAUSE);
        }
    }

    /// Sends SIGKILL and waits for the child itself, which takes only a moment.
    fn strike(&mut self) {
        if self.status.is_some() {
            return;
        }
        if let Some(pid) = Pid::from_raw(self.pid().cast_signed()) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.process.kill();
        // Before `wait`, because after it the system may give the process id to another process.
        self.dismiss_watcher();
        self.status = self.process.wait().ok();
    }

    fn dismiss_watcher(&mut self) {
        if let Some(mut watch) = self.watch.take() {
            let _ = watch.write_all(b"leave it\n");
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.strike();
            self.log.released_blocking();
        }
    }
}
