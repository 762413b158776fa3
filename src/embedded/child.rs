//! One child process with a watcher that ends it when this process dies, even by SIGKILL.
//!
//! A shell starts the watcher and then becomes the server, so that the server never runs
//! unwatched and has the process id that we know. The watcher reads a pipe whose other end only
//! we hold: a line means "leave it", the end of the pipe means that we are dead.
use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::log::Log;
use super::owner::Owner;

/// `$0` is the last signal for the server, `$@` its command line. The server gets an empty
/// standard input, the log as output and errors, and as file 4 what came as standard output.
/// The watcher is orphaned on purpose: a server must not find a child that it did not make.
/// It lets go of the log, whose lock says that the server lives.
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

/// The place where the server finds the directory that was passed as file 4.
pub(super) const PASSED_DIRECTORY: &str = "/proc/self/fd/4";

const PAUSE: Duration = Duration::from_millis(2);

/// What to start.
pub(super) struct Launch<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: Vec<OsString>,
    pub(super) log: &'a Log,
    /// Another user to run as; needs root.
    pub(super) owner: Option<Owner>,
    /// Reaches the server as `PASSED_DIRECTORY`.
    pub(super) directory: Option<File>,
    /// More variables of its environment.
    pub(super) environment: &'a [(String, OsString)],
    /// What the watcher sends when this process is dead, as `kill -s` names it. The group gets
    /// SIGKILL 8 s later, if it is still there.
    pub(super) last_signal: &'static str,
}

/// A running child in its own process group: Ctrl-C in the terminal does not reach it.
pub(super) struct Child {
    process: std::process::Child,
    watch: Option<ChildStdin>,
    status: Option<ExitStatus>,
    name: String,
    log: Log,
    log_start: u64,
}

impl Child {
    /// Waits for the end of an earlier server that uses the same log, then starts.
    ///
    /// # Errors
    /// The log is held by a living server, or there is no shell.
    pub(super) async fn spawn(launch: Launch<'_>) -> Result<Self> {
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
            .env("LC_ALL", "C") // we read a few of their messages
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/") // another user may not enter ours
            .process_group(0);
        if let Some(owner) = launch.owner {
            command.uid(owner.uid).gid(owner.gid);
        }
        let name = launch.program.display().to_string();
        let mut process = command.spawn().with_context(|| format!("can't start {name}"))?;
        // Taken out, because `wait` would close it, and the watcher would strike.
        let watch = process.stdin.take();
        Ok(Self { process, watch, status: None, name, log: launch.log.clone(), log_start })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What the log got since this child was started, the last lines of it.
    pub(super) fn last_words(&self) -> String {
        self.log.tail(self.log_start)
    }

    /// The exit status, once there is one.
    pub(super) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self.process.try_wait()?;
            if self.status.is_some() {
                self.dismiss_watcher();
            }
        }
        Ok(self.status)
    }

    /// Waits for the end; None when the child still runs after this time.
    pub(super) async fn wait(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        let begun = Instant::now();
        loop {
            let status = self.exited()?;
            if status.is_some() || begun.elapsed() > within {
                return Ok(status);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a signal to the child alone, unless it has ended.
    pub(super) fn signal(&self, signal: Signal) {
        if self.status.is_some() {
            return;
        }
        let sent = Pid::from_raw(self.pid().cast_signed()).map(|pid| kill_process(pid, signal));
        if let Some(Err(error)) = sent {
            tracing::warn!(server = self.name, ?signal, %error, "could not send a signal");
        }
    }

    /// SIGKILL to the child and to its process group, and the wait until all of it is gone.
    pub(super) async fn kill(mut self) {
        self.strike();
        if !self.log.released().await {
            tracing::warn!(server = self.name, "some of its processes survived SIGKILL");
        }
    }

    /// Waits for the end, and kills the child when it takes longer than this. Blocks: for `drop`.
    pub(super) fn end_within(mut self, within: Duration) {
        let begun = Instant::now();
        while matches!(self.exited(), Ok(None)) && begun.elapsed() < within {
            std::thread::sleep(PAUSE);
        }
    }

    /// SIGKILL, and the wait for the child itself, which takes a moment only.
    fn strike(&mut self) {
        if self.status.is_some() {
            return;
        }
        if let Some(pid) = Pid::from_raw(self.pid().cast_signed()) {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.process.kill();
        // Before the wait gives the process id back to the system.
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
