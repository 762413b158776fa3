//! Everything that runs during a sale: servers, proxies, processes, and how they are connected.

use crate::database::{SMALL_LOG, connect};
use crate::fault::{PROCESSES, Process, Server};
use crate::process::{Launch, Supervised};
use crate::schedule::{PARTITIONS, Schedule};
use crate::servers::Servers;
use anyhow::{Context as _, Result, bail};
use futures::future::join_all;
use grandstand_embedded::{PostgresSettings, PrivatePostgres};
use grandstand_faults::disk::SmallDisk;
use grandstand_faults::front::Clients;
use grandstand_faults::power::Disk;
use grandstand_faults::proxy::Proxy;
use serde_json::json;
use std::collections::HashMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The first administrator.
pub(crate) const ADMIN: (&str, &str) = ("admin@chaos.example", "the-admin-of-the-breaker");
/// The gateway. Its payments survive its death, in a file that follows. It sends a webhook again
/// after less than a second, and not after a minute. A refusal of unknown meaning (PROVIDER_ERROR)
/// is repeated until the time to confirm is over, which is 30 s and not 10 minutes.
const EMULATOR: [&str; 5] =
    ["toss-emulator", "--webhook-time-factor", "0.01", "--approval-window-ms", "30000"];
const SECRET: &str = "test_sk_of_the_breaker";
/// Holds and payments end this soon, so that a run sees many of them end.
pub(crate) const HOLD_MS: u64 = 4_000;
pub(crate) const PAYMENT_MS: u64 = 8_000;
/// Seats that a person may have of a match.
pub(crate) const SEATS_MAX: usize = 4;
/// Room for the data of PostgreSQL, in MB.
const DISK_MB: u32 = 512;
/// All processes are ready within this time, in a debug build on a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) servers: Servers,
    pub(crate) postgres: PrivatePostgres,
    /// Where its files are.
    pub(crate) postgres_dir: PathBuf,
    /// How many servers there have been besides the first one.
    pub(crate) postgres_number: usize,
    /// The data of PostgreSQL are on it.
    pub(crate) space: SmallDisk,
    /// How fast the disk of PostgreSQL is.
    pub(crate) disk: Disk,
    pub(crate) processes: HashMap<Process, Supervised>,
    /// Between a process and a server. Those of a cluster, and the servers behind Sentinels, have
    /// others (`Servers::front`).
    edges: HashMap<(Process, Server), Vec<Proxy>>,
    /// The processes have proxies of their own before such servers, in the order of `PROCESSES`.
    clients: Clients,
    /// Before each API node; clients use only these.
    pub(crate) doors: Vec<Proxy>,
    /// The ports of the API nodes themselves, for clients whose slowness no proxy may hide.
    pub(crate) nodes: Vec<u16>,
    pub(crate) gateway: String,
    /// The clock of a partition can be wrong by this, after that of Redis was.
    pub(crate) clock_error: Duration,
    pub(crate) emulator: Supervised,
    /// Partitions that a worker has taken over while the one that had them was dead.
    pub(crate) taken_over: usize,
    launch: Launch,
    pub(crate) dir: PathBuf,
}

impl World {
    /// Starts all, with the program at `binary`. Logs are written below `dir`.
    pub(crate) async fn start(schedule: &Schedule, binary: &Path, dir: &Path) -> Result<Self> {
        let servers = Servers::start(schedule).await;
        let space = SmallDisk::mount(DISK_MB);
        let postgres_dir = space.path().join("postgres");
        let disk = Disk::new();
        let postgres = start_postgres(&postgres_dir, &disk).await?;
        let small = format!("alter system set {SMALL_LOG}");
        let client = connect(&postgres.url()).await?;
        client.batch_execute(&small).await?;
        client.batch_execute("select pg_reload_conf()").await?;
        let gateway_port = free_port()?;
        let gateway = format!("http://127.0.0.1:{gateway_port}");
        let launch = Launch {
            name: String::new(),
            program: binary.to_owned(),
            arguments: vec![],
            environment: environment(&servers, &postgres, &gateway, schedule.apart),
            log: dir.to_owned(),
        };
        let ledger = dir.join("gateway.jsonl");
        let more = ["--ledger", &ledger.to_string_lossy(), "--listen", &gateway[7..]];
        let arguments = [&EMULATOR[..], &more].concat();
        let emulator = Supervised::start(launch.of("gateway", dir, &arguments), false);
        let mut world = Self {
            servers,
            postgres,
            postgres_dir,
            postgres_number: 0,
            space,
            disk,
            processes: HashMap::new(),
            edges: HashMap::new(),
            clients: Clients::new(),
            doors: vec![],
            nodes: vec![],
            gateway,
            clock_error: schedule.clock_error(),
            emulator,
            taken_over: 0,
            launch,
            dir: dir.to_owned(),
        };
        world.command(&["migrate"]).await?;
        crate::steps::keep(&world.postgres.url()).await?;
        for process in PROCESSES {
            world.start_process(process, gateway_port).await?;
        }
        world.wait_until_ready().await?;
        world.ask_for_webhooks().await?;
        Ok(world)
    }

    async fn start_process(&mut self, process: Process, gateway: u16) -> Result<()> {
        let (role, number) = match process {
            Process::Api(number) => ("api", number),
            Process::Worker(number) => ("worker", number),
        };
        let listen = format!("127.0.0.1:{}", free_port()?);
        let mut launch = self.launch.of(
            &format!("{role}-{number}"),
            &self.dir,
            &["serve", "--role", role, "--listen", &listen],
        );
        let mut set = |name: &str, value: String| {
            launch.environment.push((name.to_owned(), OsString::from(value)));
        };
        let postgres = Proxy::start(port_of(&self.postgres.url())?).await;
        set("GRANDSTAND_DATABASE_URL", with_port(&self.postgres.url(), postgres.port()));
        self.edges.insert((process, Server::Postgres), vec![postgres]);
        let edge = Proxy::start(gateway).await;
        set("GRANDSTAND_TOSS_BASE_URL", format!("http://127.0.0.1:{}", edge.port()));
        self.edges.insert((process, Server::Gateway), vec![edge]);
        let edges = join_all(self.servers.entries().into_iter().map(Proxy::start)).await;
        let ports: Vec<u16> = edges.iter().map(Proxy::port).collect();
        set("GRANDSTAND_REDIS_URL", self.servers.url(&ports));
        self.edges.insert((process, Server::Redis), edges);
        if role == "worker" {
            // They count holds that end unpaid, for a node that has cool-downs.
            launch.environment.push(("GRANDSTAND_RATE_LIMITS".to_owned(), "on".into()));
        }
        if let Some(client) = client(process) {
            launch.environment.extend(self.clients.environment(client));
        }
        self.processes.insert(process, Supervised::start(launch, true));
        if role == "api" {
            let port = port_of(&listen)?;
            self.doors.push(Proxy::start(port).await);
            self.nodes.push(port);
        }
        Ok(())
    }

    /// Commands use the PostgreSQL that there is now.
    pub(crate) fn set_database_url(&mut self) {
        let url = OsString::from(self.postgres.url());
        self.launch.environment.push(("GRANDSTAND_DATABASE_URL".to_owned(), url));
    }

    /// The address of an API node, as clients see it.
    pub(crate) fn door(&self, node: usize) -> String {
        format!("http://127.0.0.1:{}", self.doors[node].port())
    }

    /// The proxies between a process and a server, or several servers of Redis.
    pub(crate) fn edges(&self, process: Process, server: Server) -> Vec<&Proxy> {
        let mut edges: Vec<&Proxy> = self.edges[&(process, server)].iter().collect();
        let front = self.servers.front().filter(|_| server == Server::Redis);
        if let (Some(front), Some(client)) = (front, client(process)) {
            edges.extend(front.of_client(client));
        }
        edges
    }

    pub(crate) fn process(&self, process: Process) -> &Supervised {
        &self.processes[&process]
    }

    /// The gateway tells the first node of each change, through its door. It may be about to start.
    pub(crate) async fn ask_for_webhooks(&self) -> Result<()> {
        let body = json!({"url": format!("{}/api/payments/webhooks/toss", self.door(0))});
        let url = format!("{}/_emulator/webhook", self.gateway);
        let (http, begun) = (reqwest::Client::new(), Instant::now());
        while !http.put(&url).json(&body).send().await.is_ok_and(|reply| reply.status() == 204) {
            anyhow::ensure!(begun.elapsed() < READY_TIMEOUT, "the gateway sends no webhooks");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Starts another PostgreSQL, on the same disk.
    pub(crate) async fn start_postgres(&self, dir: &Path) -> Result<PrivatePostgres> {
        start_postgres(dir, &self.disk).await
    }

    async fn wait_until_ready(&self) -> Result<()> {
        for node in 0..self.doors.len() {
            self.ready(&self.door(node)).await?;
        }
        Ok(())
    }

    async fn ready(&self, door: &str) -> Result<()> {
        let (http, begun) = (reqwest::Client::new(), Instant::now());
        let url = format!("{door}/health/ready");
        while !http.get(&url).send().await.is_ok_and(|reply| reply.status() == 200) {
            if begun.elapsed() > READY_TIMEOUT {
                bail!("{door} is not ready; see the logs in {}", self.dir.display());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Starts one more API node, with settings of its own; its address. Nothing breaks it.
    pub(crate) async fn another_node(
        &self,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Result<(Supervised, String)> {
        let (node, door) = self.another("api", name, settings)?;
        self.ready(&door).await?;
        Ok((node, door))
    }

    /// Starts one more worker, with settings of its own.
    pub(crate) fn another_worker(&self, settings: &[(&str, &str)]) -> Result<Supervised> {
        let counts = [("GRANDSTAND_RATE_LIMITS", "on")];
        Ok(self.another("worker", "worker-sleeper", &[&counts, settings].concat())?.0)
    }

    fn another(
        &self,
        role: &str,
        name: &str,
        settings: &[(&str, &str)],
    ) -> Result<(Supervised, String)> {
        let listen = format!("127.0.0.1:{}", free_port()?);
        let arguments = ["serve", "--role", role, "--listen", &listen];
        let mut launch = self.launch.of(name, &self.dir, &arguments);
        let own = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        launch.environment.extend(own);
        Ok((Supervised::start(launch, false), format!("http://{listen}")))
    }

    /// Runs a command of the program to its end; its output, or an error with it.
    pub(crate) async fn command(&self, arguments: &[&str]) -> Result<String> {
        let output = tokio::process::Command::new(&self.launch.program)
            .args(arguments)
            .envs(self.launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(120), output)
            .await
            .with_context(|| format!("`grandstand {}` did not end", arguments.join(" ")))??;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("`grandstand {}` failed:\n{text}{errors}", arguments.join(" "));
        }
        Ok(text)
    }

    pub(crate) async fn stop(mut self) {
        for (_, process) in self.processes.drain() {
            process.end().await;
        }
        self.emulator.end().await;
        self.postgres.thaw();
        self.postgres.kill().await;
        self.servers.stop().await;
    }
}

/// The number of a process among the clients of Redis.
fn client(process: Process) -> Option<usize> {
    PROCESSES.iter().position(|other| *other == process)
}

impl Launch {
    fn of(&self, name: &str, dir: &Path, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let log = dir.join(format!("{name}.log"));
        Self { name: name.to_owned(), arguments, log, ..self.clone() }
    }
}

async fn start_postgres(dir: &Path, disk: &Disk) -> Result<PrivatePostgres> {
    let settings = PostgresSettings { durable: true, max_connections: 100 };
    PrivatePostgres::start_with(dir, settings, disk.slow_environment()).await
}

/// The settings of all processes. Later ones replace earlier ones.
fn environment(
    servers: &Servers,
    postgres: &PrivatePostgres,
    gateway: &str,
    apart: bool,
) -> Vec<(String, OsString)> {
    let settings = [
        ("OPS_LISTEN", "127.0.0.1:0".to_owned()),
        ("REDIS_URL", servers.url(&servers.entries())),
        ("DATABASE_URL", postgres.url()),
        ("DATABASE_CONNECTIONS", "4".to_owned()),
        ("JWT_SECRET", "a secret of the breaker, long enough".to_owned()),
        ("TOSS_BASE_URL", gateway.to_owned()),
        ("TOSS_SECRET_KEY", SECRET.to_owned()),
        ("TOSS_TIMEOUT_MS", "1500".to_owned()),
        ("ADMIN_EMAIL", ADMIN.0.to_owned()),
        ("ADMIN_PASSWORD", ADMIN.1.to_owned()),
        ("ACCESS_TTL_MS", "43200000".to_owned()),
        ("PARTITIONS", PARTITIONS.to_string()),
        ("HOLD_TTL_MS", HOLD_MS.to_string()),
        ("PAYMENT_TTL_MS", PAYMENT_MS.to_string()),
        ("MAX_SEATS_PER_USER", SEATS_MAX.to_string()),
        ("RECONCILE_AFTER_MS", "2000".to_owned()),
        ("COMPARE_CHARGES_MS", "5000".to_owned()),
        ("DRAIN_MS", "200".to_owned()),
        ("RATE_LIMITS", "off".to_owned()),
        // Those whose calls are counted hold seats all the time.
        ("HOLDS_PER_TEN_MINUTES", if apart { "0" } else { "20" }.to_owned()),
        ("LOG", "warn,grandstand=info".to_owned()),
    ];
    let named = |(name, value): (&str, String)| (format!("GRANDSTAND_{name}"), value.into());
    settings.into_iter().map(named).collect()
}

fn free_port() -> Result<u16> {
    // Below the ports of outgoing connections, so that none of them takes it while a process is
    // away.
    for _ in 0..200 {
        let port = fastrand::u16(13_000..20_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("there is no free port from 13000 to 20000")
}

pub(crate) fn port_of(url: &str) -> Result<u16> {
    let rest = url.rsplit(':').next().unwrap_or_default();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().with_context(|| format!("no port in {url}"))
}

/// The same address with another port.
pub(crate) fn with_port(url: &str, port: u16) -> String {
    match url.rsplit_once(':') {
        Some((start, rest)) => {
            let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
            format!("{start}:{port}{rest}")
        }
        None => url.to_owned(),
    }
}
