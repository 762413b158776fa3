//! A process of Grandstand under a supervisor, which starts it again whenever it ends.

use anyhow::{Context as _, Result};
use grandstand_embedded::tell;
use grandstand_faults::clock::Clock;
use grandstand_faults::preload;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// How long the supervisor waits before it starts a process again that has ended by itself.
const START_PAUSE: Duration = Duration::from_millis(300);

/// How a process is started.
#[derive(Clone)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, OsString)>,
    /// Its log is appended to this file.
    pub(crate) log: PathBuf,
}

enum Order {
    /// Start again, at this failpoint if there is one.
    Start(Option<String>),
    Signal(Signal),
    /// SIGKILL, and no start until there is an order.
    Kill,
    /// End it for ever.
    End,
}

/// A process that runs, or that is about to run.
pub(crate) struct Supervised {
    orders: mpsc::UnboundedSender<Order>,
    task: tokio::task::JoinHandle<()>,
    clock: Option<Clock>,
    pid: Arc<AtomicU32>,
    deaths: Arc<AtomicU32>,
}

impl Supervised {
    /// Starts it. With `own_clock`, its wall clock can be set.
    pub(crate) fn start(mut launch: Launch, own_clock: bool) -> Self {
        let clock = own_clock.then(Clock::new);
        if let Some(clock) = &clock {
            preload::add(&mut launch.environment, clock.environment());
        }
        let (orders, inbox) = mpsc::unbounded_channel();
        let (pid, deaths) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let task = tokio::spawn(supervise(launch, inbox, pid.clone(), deaths.clone()));
        Self { orders, task, clock, pid, deaths }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.load(Relaxed)
    }

    /// How often it has killed itself at a failpoint.
    pub(crate) fn deaths(&self) -> u32 {
        self.deaths.load(Relaxed)
    }

    pub(crate) fn kill(&self) {
        let _ = self.orders.send(Order::Kill);
    }

    pub(crate) fn start_again(&self) {
        let _ = self.orders.send(Order::Start(None));
    }

    /// SIGTERM; the supervisor starts it again when it has ended.
    pub(crate) fn replace(&self) {
        let _ = self.orders.send(Order::Signal(Signal::TERM));
    }

    /// Kills it, and starts one that kills itself at this failpoint.
    pub(crate) fn die_at(&self, failpoint: &str) {
        let _ = self.orders.send(Order::Kill);
        let _ = self.orders.send(Order::Start(Some(failpoint.to_owned())));
    }

    pub(crate) fn freeze(&self) {
        let _ = self.orders.send(Order::Signal(Signal::STOP));
    }

    pub(crate) fn thaw(&self) {
        let _ = self.orders.send(Order::Signal(Signal::CONT));
    }

    /// Sets how many seconds its wall clock is ahead.
    pub(crate) fn set_clock(&self, ahead_s: i32) {
        if let Some(clock) = &self.clock {
            clock.set_ahead_ms(i64::from(ahead_s) * 1_000);
        }
    }

    /// Kills it for ever.
    pub(crate) async fn end(self) {
        let _ = self.orders.send(Order::End);
        let _ = self.task.await;
    }
}

async fn supervise(
    launch: Launch,
    mut inbox: mpsc::UnboundedReceiver<Order>,
    pid: Arc<AtomicU32>,
    deaths: Arc<AtomicU32>,
) {
    let mut failpoint = None;
    'start: loop {
        let mut child = match spawn(&launch, failpoint.take().as_deref()) {
            Ok(child) => child,
            Err(error) => {
                tell(format_args!("{}: {error:#}\n", launch.name));
                return;
            }
        };
        pid.store(child.id().unwrap_or(0), Relaxed);
        loop {
            let order = tokio::select! {
                ended = child.wait() => {
                    // SIGKILL, and nobody here has sent it: it was at its failpoint.
                    if ended.is_ok_and(|status| status.signal() == Some(9)) {
                        deaths.fetch_add(1, Relaxed);
                    }
                    tokio::time::sleep(START_PAUSE).await;
                    continue 'start;
                }
                order = inbox.recv() => order,
            };
            match order {
                Some(Order::Signal(signal)) => send(&child, signal),
                Some(Order::Start(_)) => {} // it runs already
                Some(Order::Kill) => {
                    let _ = child.kill().await;
                    loop {
                        match inbox.recv().await {
                            Some(Order::Start(at)) => {
                                failpoint = at;
                                continue 'start;
                            }
                            Some(Order::Kill | Order::Signal(_)) => {}
                            Some(Order::End) | None => return,
                        }
                    }
                }
                Some(Order::End) | None => {
                    let _ = child.kill().await;
                    return;
                }
            }
        }
    }
}

fn send(child: &Child, signal: Signal) {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        let _ = kill_process(pid, signal);
    }
}

fn spawn(launch: &Launch, failpoint: Option<&str>) -> Result<Child> {
    let log = append(&launch.log)?;
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.arguments)
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    if let Some(failpoint) = failpoint {
        command.env("GRANDSTAND_DIE_AT", failpoint);
    }
    command.spawn().with_context(|| format!("can't start {}", launch.program.display()))
}

fn append(path: &Path) -> Result<std::fs::File> {
    std::fs::File::options()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("can't write the log {}", path.display()))
}
