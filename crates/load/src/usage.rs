//! The use of the processors by the client, the server, Redis and PostgreSQL during a measurement.
//! It needs `/proc` of Linux; on other systems, the report leaves it out.

use serde::Serialize;
use std::fs;
use std::time::Instant;

/// The unit in which Linux counts processor time (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;
/// The names of the client's threads start with this prefix.
pub(crate) const CLIENT_THREAD_PREFIX: &str = "load-";

/// Processors in use on average. 1.0 is a core that is busy all the time.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Usage {
    pub(crate) client: f64,
    /// Known only for a private installation, like the next two.
    pub(crate) server: Option<f64>,
    pub(crate) redis: Option<f64>,
    pub(crate) postgres: Option<f64>,
}

impl Usage {
    /// Returns the use as a line for people.
    pub(crate) fn line(&self) -> String {
        let servers =
            [("server", self.server), ("Redis", self.redis), ("PostgreSQL", self.postgres)];
        let servers = servers.into_iter().filter_map(|(name, cores)| Some((name, cores?)));
        let all = std::iter::once(("client", self.client)).chain(servers);
        let parts: Vec<String> = all.map(|(name, cores)| format!("{name} {cores:.2}")).collect();
        format!("cores in use: {}", parts.join(", "))
    }
}

/// A running measurement.
pub(crate) struct Meter {
    begun: Instant,
    server_pids: Option<(u32, u32)>,
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
    /// Starts a measurement. The ids are those of a private Redis and PostgreSQL.
    pub(crate) fn start(server_pids: Option<(u32, u32)>) -> Self {
        Self { begun: Instant::now(), server_pids, before: ticks(server_pids) }
    }

    /// Returns the use since the start. The threads of the client must still live.
    pub(crate) fn stop(&self) -> Option<Usage> {
        let now = ticks(self.server_pids);
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
            server: self.server_pids.map(|_| (all - client).max(0.0)),
            redis: self.server_pids.map(|_| cores(now.redis, self.before.redis)),
            postgres: self.server_pids.map(|_| cores(now.postgres, self.before.postgres)),
        })
    }
}

/// Returns the seconds of processor time that a process has used, or 0 when it does not exist.
pub(crate) fn cpu_seconds(process: u32) -> f64 {
    of_file(&format!("/proc/{process}/stat")) as f64 / TICKS_PER_SECOND
}

fn ticks(server_pids: Option<(u32, u32)>) -> Ticks {
    let mut ticks = Ticks { all: of_file("/proc/self/stat"), ..Ticks::default() };
    for task in entries("/proc/self/task") {
        let name = fs::read_to_string(format!("{task}/comm")).unwrap_or_default();
        if name.starts_with(CLIENT_THREAD_PREFIX) {
            ticks.client += of_file(&format!("{task}/stat"));
        }
    }
    if let Some((redis, postgres)) = server_pids {
        ticks.redis = of_file(&format!("/proc/{redis}/stat"));
        ticks.postgres = of_family(postgres);
    }
    ticks
}

/// Returns the ticks of a process and its children, including children that have ended.
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

/// Returns the fields behind the name of the process: state, parent, and so on. The name is skipped
/// because it may contain any character.
fn fields(path: &str) -> Option<Vec<String>> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

fn number(fields: &[String], index: usize) -> u64 {
    fields.get(index).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn entries(path: &str) -> impl Iterator<Item = String> + use<> {
    let list = fs::read_dir(path).into_iter().flatten().flatten();
    list.map(|entry| entry.path().to_string_lossy().into_owned())
}
