//! Who used the processors meanwhile: the client, the server, Redis, PostgreSQL. Linux only; where
//! there is no `/proc`, the report says nothing about it.

use serde::Serialize;
use std::fs;
use std::time::Instant;

/// What Linux counts processor time in (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
/// The threads of the client begin with this.
pub const CLIENT_THREADS: &str = "load-";

/// Processors in use on average: 1.0 is one core all the time.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Usage {
    pub client: f64,
    /// Only of a private installation.
    pub server: Option<f64>,
    pub redis: Option<f64>,
    pub postgres: Option<f64>,
}

impl Usage {
    /// One line for people.
    pub fn line(&self) -> String {
        let servers =
            [("server", self.server), ("Redis", self.redis), ("PostgreSQL", self.postgres)];
        let servers = servers.into_iter().filter_map(|(name, cores)| Some((name, cores?)));
        let all = std::iter::once(("client", self.client)).chain(servers);
        let parts: Vec<String> = all.map(|(name, cores)| format!("{name} {cores:.2}")).collect();
        format!("cores in use: {}", parts.join(", "))
    }
}

/// A running measurement.
pub struct Meter {
    begun: Instant,
    servers: Option<(u32, u32)>,
    before: Ticks,
}

#[derive(Clone, Copy, Default)]
struct Ticks {
    all: u64,
    client: u64,
    redis: u64,
    postgres: u64,
}

impl Meter {
    /// Begins; `servers` are the processes of a private Redis and PostgreSQL.
    pub fn start(servers: Option<(u32, u32)>) -> Self {
        Self { begun: Instant::now(), servers, before: ticks(servers) }
    }

    /// What was used since; must be called while the threads of the client still live.
    pub fn stop(&self) -> Option<Usage> {
        let now = ticks(self.servers);
        let seconds = self.begun.elapsed().as_secs_f64();
        if now.all == 0 || seconds <= 0.0 {
            return None;
        }
        let cores = |after: u64, before: u64| {
            after.saturating_sub(before) as f64 / TICKS_PER_SECOND / seconds
        };
        let (all, client) =
            (cores(now.all, self.before.all), cores(now.client, self.before.client));
        Some(Usage {
            client,
            server: self.servers.map(|_| (all - client).max(0.0)),
            redis: self.servers.map(|_| cores(now.redis, self.before.redis)),
            postgres: self.servers.map(|_| cores(now.postgres, self.before.postgres)),
        })
    }
}

/// Seconds of processor time that a process has used; 0 when there is none.
pub fn cpu_seconds(process: u32) -> f64 {
    of_file(&format!("/proc/{process}/stat")) as f64 / TICKS_PER_SECOND
}

fn ticks(servers: Option<(u32, u32)>) -> Ticks {
    let mut ticks = Ticks { all: of_file("/proc/self/stat"), ..Ticks::default() };
    for task in entries("/proc/self/task") {
        let name = fs::read_to_string(format!("{task}/comm")).unwrap_or_default();
        if name.starts_with(CLIENT_THREADS) {
            ticks.client += of_file(&format!("{task}/stat"));
        }
    }
    if let Some((redis, postgres)) = servers {
        ticks.redis = of_file(&format!("/proc/{redis}/stat"));
        ticks.postgres = of_family(postgres);
    }
    ticks
}

/// A process and its children, those that have ended included.
fn of_family(parent: u32) -> u64 {
    let mine = format!("/proc/{parent}/stat");
    let ended: u64 = fields(&mine).map_or(0, |fields| number(&fields, 13) + number(&fields, 14));
    let children = entries("/proc").map(|entry| format!("{entry}/stat"));
    let living = children
        .filter(|path| fields(path).is_some_and(|fields| number(&fields, 1) == u64::from(parent)));
    of_file(&mine) + ended + living.map(|path| of_file(&path)).sum::<u64>()
}

fn of_file(path: &str) -> u64 {
    fields(path).map_or(0, |fields| number(&fields, 11) + number(&fields, 12))
}

/// What stands behind the name of the process, which may hold anything: state, parent, ….
fn fields(path: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn number(fields: &[String], place: usize) -> u64 {
    fields.get(place).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn entries(path: &str) -> impl Iterator<Item = String> + use<> {
    let list = fs::read_dir(path).into_iter().flatten().flatten();
    list.map(|entry| entry.path().to_string_lossy().into_owned())
}
