//! A private PostgreSQL.
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::child::{Child, Launch, PASSED_DIRECTORY};
use super::log::Log;
use super::owner::Owner;
use super::{Attempt, discover, settle, start_on, start_on_a_free_port};

const INITIALISING: Duration = Duration::from_secs(120);
const STOPPING: Duration = Duration::from_secs(60);
const DROPPING: Duration = Duration::from_secs(2);

/// `$0` is the folder of the programs, `$1` the new cluster, `$2` the user and the database,
/// what follows goes to `initdb`. The database is made without a server, so that data that
/// are there are complete.
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
    /// False is for tests: faster, and a power loss destroys the data. A kill loses nothing that
    /// was committed, either way.
    pub durable: bool,
    /// How many connections it takes at most, 5 to 10,000.
    pub max_connections: u16,
}

impl Default for PostgresSettings {
    fn default() -> Self {
        Self { durable: true, max_connections: 100 }
    }
}

/// A PostgreSQL of our own on a port of 127.0.0.1. Dropping it ends it at once; its files stay.
pub struct PrivatePostgres {
    child: Option<Child>,
    pid: u32,
    port: u16,
    plan: Plan,
}

/// All that a start needs except the port.
struct Plan {
    folder: PathBuf,
    dir: PathBuf,
    log: Log,
    settings: PostgresSettings,
}

impl PrivatePostgres {
    /// Starts a server that keeps its data and its `postgres.log` in `dir`, which is made when it
    /// is not there, and returns when it takes connections. A new server has one user
    /// `grandstand`, who may do everything, and an empty database of that name.
    /// An earlier server of the same directory that is about to end is waited for.
    /// As root it runs as another user (see `owner`), and only its data belong to that user.
    ///
    /// # Errors
    /// No PostgreSQL is installed, the directory is in use, or the server ends at its start; the
    /// text then has the last lines of its log.
    pub async fn start(dir: &Path, settings: PostgresSettings) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
        let dir = dir.canonicalize()?;
        let log = Log::new(dir.join("postgres.log"));
        let plan = Plan { folder: discover::postgres_folder()?, dir, log, settings };
        if !plan.data().exists() {
            plan.initialise().await?;
        }
        let (child, port) = start_on_a_free_port(async |port| plan.attempt(port).await).await?;
        Ok(Self { pid: child.pid(), child: Some(child), port, plan })
    }

    /// `postgres://grandstand@127.0.0.1:PORT/grandstand`; stays the same over restarts.
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// The same for another database of this server; the name is used as it is.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://{NAME}@127.0.0.1:{}/{database}", self.port)
    }

    /// The process id of the postmaster, of the last one when it does not run.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the server in good order: it cuts its connections and writes a checkpoint.
    ///
    /// # Errors
    /// It did not end within 60 s and was killed.
    pub async fn stop(mut self) -> Result<()> {
        self.thaw();
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.signal(Signal::INT);
        if child.wait(STOPPING).await?.is_none() {
            let words = child.last_words();
            strike(child).await;
            bail!("PostgreSQL did not end within {STOPPING:?}:\n{words}");
        }
        Ok(())
    }

    /// SIGKILL to the postmaster and its backends, as a fault. Returns when all are gone.
    pub async fn kill(&mut self) {
        if let Some(child) = self.child.take() {
            strike(child).await;
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

    /// SIGSTOP to the postmaster and its backends: the connections stay, nothing answers.
    pub fn freeze(&self) {
        if let Some(child) = &self.child {
            child.signal(Signal::STOP); // first, so that no backend is born meanwhile
            signal_backends(child.pid(), Signal::STOP);
        }
    }

    /// SIGCONT: goes on after `freeze`.
    pub fn thaw(&self) {
        if let Some(child) = &self.child {
            signal_backends(child.pid(), Signal::CONT);
            child.signal(Signal::CONT);
        }
    }
}

impl Drop for PrivatePostgres {
    /// To the data this is a kill. But PostgreSQL gives its shared memory back, which after a
    /// SIGKILL only the next start in the same directory does, and tests make many directories.
    fn drop(&mut self) {
        self.thaw();
        if let Some(child) = self.child.take() {
            child.signal(Signal::QUIT);
            child.end_within(DROPPING);
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

    /// Makes the data beside their place and moves them there when they are complete.
    async fn initialise(&self) -> Result<()> {
        // What an earlier `initdb` left that was killed; the lock proves that it is gone.
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
        match child.wait(INITIALISING).await? {
            Some(status) if status.success() => {}
            Some(_) => bail!("initdb failed:\n{}", child.last_words()),
            None => bail!("initdb took more than {INITIALISING:?}:\n{}", child.last_words()),
        }
        fs::rename(&new, self.data())?;
        Ok(())
    }

    async fn attempt(&self, port: u16) -> Result<Attempt> {
        let data = self.data();
        let owner = Owner::of(&data)?;
        let (path, directory) = reach(&data, owner)?;
        self.forget_dead_server().await?;
        let child = Child::spawn(Launch {
            program: &self.folder.join("postgres"),
            arguments: self.arguments(path, port),
            log: &self.log,
            owner,
            directory,
            environment: &[],
            // The postmaster then ends its backends, which a SIGKILL would leave alone.
            last_signal: "QUIT",
        })
        .await?;
        let pid = child.pid();
        settle(child, async || is_ready(&data, pid)).await
    }

    /// Removes the lock file of a server that was killed. PostgreSQL would do so itself, but it
    /// refuses to start when an unrelated process has got the old process id since, as happens
    /// in containers. Our own lock proves that the old server is gone.
    async fn forget_dead_server(&self) -> Result<()> {
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
            "unix_socket_directories=".to_owned(), // a path may be too long for a socket
            format!("max_connections={}", self.settings.max_connections),
            "logging_collector=off".to_owned(),
            "log_destination=stderr".to_owned(),
            "timezone=UTC".to_owned(),
        ];
        if !self.settings.durable {
            // Not synchronous_commit: without fsync it costs next to nothing, and a kill would
            // take the last commits along.
            settings.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
        }
        let flags = settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]);
        let mut arguments: Vec<OsString> = vec!["-D".into(), data.into()];
        arguments.extend(flags.map(OsString::from));
        arguments
    }
}

/// How the server names its data. When it runs as another user, that user may not be allowed to
/// walk to the directory (one below /root, or in a private temporary one); so it gets the
/// directory as an open file, where Linux has a name for such a thing.
fn reach(data: &Path, owner: Option<Owner>) -> Result<(PathBuf, Option<File>)> {
    if owner.is_some() && Path::new("/proc/self/fd").exists() {
        return Ok((PASSED_DIRECTORY.into(), Some(File::open(data)?)));
    }
    Ok((data.to_owned(), None))
}

/// The server writes its process id in the first line of this file, and its state in the eighth.
fn is_ready(data: &Path, pid: u32) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let mut lines = text.lines();
    let mine = lines.next().is_some_and(|first| first.trim() == pid.to_string());
    mine && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

/// Each backend is its own session, so a signal to the group of the postmaster does not reach it.
/// One that is missed here ends by itself when it finds the postmaster dead.
fn signal_backends(postmaster: u32, signal: Signal) {
    for backend in children_of(postmaster) {
        if let Some(pid) = Pid::from_raw(backend.cast_signed()) {
            let _ = kill_process(pid, signal);
        }
    }
}

/// From /proc where there is one, else from `ps`, which small Linux images do not have.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        let listed = std::process::Command::new("ps").args(["-A", "-o", "pid=,ppid="]).output();
        let text = listed.map(|output| output.stdout).unwrap_or_default();
        return String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| line.trim().split_once(' '))
            .filter(|(_, of)| of.trim().parse() == Ok(parent))
            .filter_map(|(pid, _)| pid.parse().ok())
            .collect();
    };
    let is_child = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // "PID (NAME) STATE PARENT ...", and the name may hold anything.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        after_name.split_whitespace().nth(1).and_then(|of| of.parse().ok()) == Some(parent)
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}
