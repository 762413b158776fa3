//! A private PostgreSQL.

use crate::child::{Child, Launch, PASSED_DIRECTORY};
use crate::log::Log;
use crate::owner::Owner;
use crate::{Attempt, discover, settle, start_on, start_on_a_free_port};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

const INITDB_TIMEOUT: Duration = Duration::from_secs(120);
/// A server that has not ended after this timeout is killed. Its last checkpoint takes some time.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
/// `drop` blocks for this long at most.
const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// `$0` is the folder of the programs, `$1` is the new cluster, `$2` is the name of the user and of
/// the database. The other arguments are for `initdb`. The database is created without a server, so
/// that a data directory in its final place is always complete.
const INITIALISE: &str = r#"
folder=$0 data=$1 name=$2
shift 2
"$folder/initdb" -D "$data" -U "$name" -A trust -E UTF8 --locale=C "$@" &&
echo "CREATE DATABASE $name" |
  "$folder/postgres" --single -D "$data" -c exit_on_error=on -c fsync=off postgres
"#;
/// The name of the user and of the database.
const NAME: &str = "grandstand";

/// How a private PostgreSQL runs.
#[derive(Clone, Copy, Debug)]
pub struct PostgresSettings {
    /// `false` is for tests: it is faster, but a power loss destroys the data. A kill loses no
    /// committed transaction in either case.
    pub durable: bool,
    /// The largest number of connections, from 5 to 10,000.
    pub max_connections: u16,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { durable: true, max_connections: 100 }
    }
}

/// A private PostgreSQL on a port of 127.0.0.1. Dropping it ends the server; the files stay.
pub struct PrivatePostgres {
    child: Option<Child>,
    pid: u32,
    port: u16,
    plan: Plan,
}

/// Everything that a start needs except the port.
struct Plan {
    folder: PathBuf,
    dir: PathBuf,
    log: Log,
    settings: PostgresSettings,
    environment: Vec<(String, OsString)>,
}

impl PrivatePostgres {
    /// Starts a server that keeps its data and its `postgres.log` in `dir`, and creates `dir` when
    /// it does not exist. A new server has the superuser `grandstand` and an empty database with
    /// the same name. Waits for an earlier server of this directory that is about to end. Returns
    /// when the server accepts connections.
    ///
    /// When this process is root, the server runs as another user (see `owner`), and only the data
    /// belong to that user. Fails when no PostgreSQL is installed, when the directory is in use, or
    /// when the server ends while it starts; the error then has the last lines of the log.
    pub async fn start(dir: &Path, settings: PostgresSettings) -> Result<Self> {
        Self::start_with(dir, settings, vec![]).await
    }

    /// Like `start`, with additional environment variables of the server. A restart uses them
    /// again. Tests use them to cause faults.
    pub async fn start_with(
        dir: &Path,
        settings: PostgresSettings,
        environment: Vec<(String, OsString)>,
    ) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("can't create {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        let log = Log::new(dir.join("postgres.log"));
        let plan = Plan { folder: discover::postgres_folder()?, dir, log, settings, environment };
        if !plan.data().exists() {
            plan.initialise().await?;
        }
        let (child, port) = start_on_a_free_port(async |port| plan.attempt(port).await).await?;
        Ok(Self { pid: child.pid(), child: Some(child), port, plan })
    }

    /// Returns `postgres://grandstand@127.0.0.1:PORT/grandstand`, which a restart does not change.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// The same for another database of this server. The name is not escaped.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{NAME}@127.0.0.1:{}/{database}", self.port)
    }

    /// Returns the process id of the postmaster, also after its end.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the process ids of the backends and of the other children of the postmaster.
    pub fn children(&self) -> Vec<u32> {
        children_of(self.pid)
    }

    /// Stops the server cleanly: it cuts its connections and writes a checkpoint. Kills it and
    /// fails when it has not ended after 60 s.
    pub async fn stop(mut self) -> Result<()> {
        self.thaw();
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.signal(Signal::INT);
        if child.wait(STOP_TIMEOUT).await?.is_none() {
            let words = child.last_words();
            strike(child).await;
            bail!("PostgreSQL did not end within {STOP_TIMEOUT:?}:\n{words}");
        }
        Ok(())
    }

    /// Sends SIGKILL to the postmaster and its backends, as a fault. Returns when all are gone.
    pub async fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            strike(child).await;
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

    /// Sends SIGSTOP to the postmaster and its backends: the connections stay open, and nothing
    /// replies.
    pub fn freeze(&self) {
        if let Some(child) = &self.child {
            child.signal(Signal::STOP); // first, so that no new backend starts
            signal_backends(child.pid(), Signal::STOP);
        }
    }

    /// Sends SIGCONT: the server continues after `freeze`.
    pub fn thaw(&self) {
        if let Some(child) = &self.child {
            signal_backends(child.pid(), Signal::CONT);
            child.signal(Signal::CONT);
        }
    }
}

impl Drop for PrivatePostgres {
    /// Has the same effect on the data as a kill, but PostgreSQL frees its shared memory. After a
    /// SIGKILL, only the next start in the same directory would free it, and tests use many
    /// directories.
    fn drop(&mut self) {
        self.thaw();
        if let Some(child) = self.child.take() {
            child.signal(Signal::QUIT);
            child.end_within(DROP_TIMEOUT);
        }
    }
}

async fn strike(child: Child) {
    child.signal(Signal::STOP);
    signal_backends(child.pid(), Signal::KILL);
    child.kill().await;
}

impl Plan {
    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Creates the data in another directory, and moves them to their place when they are complete.
    async fn initialise(&self) -> Result<()> {
        // The directory may be left from an `initdb` that was killed. The lock proves that the
        // `initdb` is gone.
        drop(self.log.open().await?);
        let new = self.dir.join("data.new");
        if new.exists() {
            fs::remove_dir_all(&new)?;
        }
        fs::create_dir(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o700))?;
        let owner = Owner::of(&self.data())?;
        if let Some(owner) = owner {
            chown(&new, Some(owner.uid), Some(owner.gid))?;
        }
        let (path, directory) = reach(&new, owner)?;
        let mut arguments: Vec<OsString> = vec!["-c".into(), INITIALISE.into()];
        arguments.extend([self.folder.clone().into(), path.into(), NAME.into()]);
        if !self.settings.durable {
            arguments.push("--no-sync".into());
        }
        let program = Path::new("/bin/sh");
        let log = &self.log;
        let launch = Launch {
            program,
            arguments,
            log,
            owner,
            directory,
            environment: &[],
            last_signal: "KILL",
        };
        let mut child = Child::spawn(launch).await?;
        match child.wait(INITDB_TIMEOUT).await? {
            Some(status) if status.success() => {}
            Some(_) => bail!("initdb failed:\n{}", child.last_words()),
            None => bail!("initdb took more than {INITDB_TIMEOUT:?}:\n{}", child.last_words()),
        }
        fs::rename(&new, self.data())?;
        Ok(())
    }

    async fn attempt(&self, port: u16) -> Result<Attempt> {
        let data = self.data();
        let owner = Owner::of(&data)?;
        let (path, directory) = reach(&data, owner)?;
        self.remove_dead_lock().await?;
        let child = Child::spawn(Launch {
            program: &self.folder.join("postgres"),
            arguments: self.arguments(path, port),
            log: &self.log,
            owner,
            directory,
            environment: &self.environment,
            // On SIGQUIT the postmaster ends its backends. A SIGKILL would leave them running.
            last_signal: "QUIT",
        })
        .await?;
        let pid = child.pid();
        settle(child, async || is_ready(&data, pid)).await
    }

    /// Removes the lock file of a server that was killed. PostgreSQL removes it too, but it refuses
    /// to start when another process has got the old process id since, as happens in containers.
    /// Our own lock proves that the old server is gone.
    async fn remove_dead_lock(&self) -> Result<()> {
        let _held = self.log.open().await?;
        match fs::remove_file(self.data().join("postmaster.pid")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn arguments(&self, data: PathBuf, port: u16) -> Vec<OsString> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "unix_socket_directories=".to_owned(), // a path can be too long for a socket
            format!("max_connections={}", self.settings.max_connections),
            "logging_collector=off".to_owned(),
            "log_destination=stderr".to_owned(),
            "timezone=UTC".to_owned(),
        ];
        if !self.settings.durable {
            // synchronous_commit stays on: without fsync it costs almost nothing, and without it a
            // kill would lose the last commits.
            settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
        }
        let flags = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]);
        let mut arguments: Vec<OsString> = vec!["-D".into(), data.into()];
        arguments.extend(flags.map(OsString::from));
        arguments
    }
}

/// Returns the path by which the server reaches its data. When the server runs as another user,
/// that user may not be allowed to walk to the directory (below /root, or in a private temporary
/// folder). So on Linux the server gets the directory as an open file, which has a path too.
fn reach(data: &Path, owner: Option<Owner>) -> Result<(PathBuf, Option<File>)> {
    if owner.is_some() && Path::new("/proc/self/fd").exists() {
        return Ok((PASSED_DIRECTORY.into(), Some(File::open(data)?)));
    }
    Ok((data.to_owned(), None))
}

/// Whether the server with this id accepts connections. It writes its process id into the first
/// line of this file, and its state into the eighth.
fn is_ready(data: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    let is_its_file = lines.next().is_some_and(|first| first.trim() == pid.to_string());
    is_its_file && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

/// Sends a signal to each backend. A backend has a session of its own, so a signal to the group of
/// the postmaster does not reach it. A backend that is missed here ends when it finds the
/// postmaster dead.
fn signal_backends(postmaster: u32, signal: Signal) {
    for backend in children_of(postmaster) {
        if let Some(pid) = Pid::from_raw(backend.cast_signed()) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// Reads /proc where it exists, and else asks `ps`, which small Linux images do not have.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        let listed = std::process::Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
        let text = listed.map(|output| output.stdout).unwrap_or_default();
        return String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| line.trim().split_once(' '))
            .filter(|(_, parent_of)| parent_of.trim().parse() == Ok(parent))
            .filter_map(|(pid, _)| pid.parse().ok())
            .collect();
    };
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // "PID (NAME) STATE PARENT ...", where the name may contain any character.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1).and_then(|text| text.parse().ok()) == Some(parent)
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}
