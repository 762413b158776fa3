//! The obvious solutions: a Lua script per seat in a Redis that keeps nothing on disk, driven by
//! `redis-benchmark`, and row locks in PostgreSQL, driven by `pgbench`.

use crate::compare::write_into;
use anyhow::{Context as _, ensure};
use grandstand_embedded::PrivatePostgres;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

/// Takes a free seat or frees a taken seat, as the naive design does: a call per seat, a command
/// per structure, and an event.
const SCRIPT: &str = "\
if redis.call('HGET', KEYS[1], ARGV[1]) then \
redis.call('HDEL', KEYS[1], ARGV[1]) redis.call('ZREM', KEYS[2], ARGV[1]) \
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'seat', ARGV[1], 'state', 'A') return 0 end \
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1]) \
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'seat', ARGV[1], 'state', 'H') return 1";

/// About the number of seats of the demo stadium.
const SEATS: u32 = 25_000;
/// Connections of `pgbench`: as many as PostgreSQL can use on a few cores.
const PGBENCH_CLIENTS: u32 = 32;

/// A Redis without durability, with the loaded script.
pub(crate) struct NaiveRedis {
    _server: Child,
    port: u16,
    hash: String,
}

impl NaiveRedis {
    /// Starts the server and loads the script.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let number = port.to_string();
        let server = Command::new("redis-server")
            .args(["--port", &number, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting redis-server")?;
        let load = ["-p", &number, "SCRIPT", "LOAD", SCRIPT];
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if let Ok(hash) = output_of(Path::new("redis-cli"), &load).await
                && hash.trim().len() == 40
            {
                return Ok(Self { _server: server, port, hash: hash.trim().to_owned() });
            }
        }
        anyhow::bail!("the Redis of the comparison did not start")
    }

    /// Returns the seat operations per second, with 16 requests in flight on each of 50
    /// connections.
    pub(crate) async fn measure(&self, time: Duration) -> anyhow::Result<f64> {
        let short = self.benchmark(50_000).await?;
        self.benchmark((short * time.as_secs_f64()) as u64).await
    }

    async fn benchmark(&self, calls: u64) -> anyhow::Result<f64> {
        let (port, calls, seats) =
            (self.port.to_string(), calls.max(1000).to_string(), SEATS.to_string());
        let mut arguments = vec!["-p", &port, "--csv", "-P", "16", "-c", "50", "-n", &calls];
        arguments.extend(["-r", &seats, "EVALSHA", &self.hash, "3", "seats", "due", "changes"]);
        arguments.extend(["__rand_int__", "Hsomebody", "1800000000000"]);
        let output = output_of(Path::new("redis-benchmark"), &arguments).await?;
        // The line has a name (which may contain commas), calls per second, and six latencies.
        let rate = output.trim().lines().last().and_then(|line| line.rsplit(',').nth(6));
        let rate = rate.and_then(|text| text.trim_matches('"').parse().ok());
        rate.with_context(|| format!("the output of redis-benchmark: {output}"))
    }
}

/// A table of seats in PostgreSQL.
pub(crate) struct RowLocks {
    pgbench: PathBuf,
    url: String,
    file: PathBuf,
}

impl RowLocks {
    /// Creates the table. The programs lie beside the program of the running server.
    pub(crate) async fn prepare(postgres: &PrivatePostgres, dir: &Path) -> anyhow::Result<Self> {
        let server = std::fs::read_link(format!("/proc/{}/exe", postgres.pid())).ok();
        let folder = server.as_deref().and_then(Path::parent).unwrap_or(Path::new(""));
        let url = postgres.url();
        let table = format!(
            "drop table if exists compared; create table compared (id int primary key, \
             state text not null); insert into compared select generate_series(1, {SEATS}), 'A'"
        );
        output_of(&folder.join("psql"), &[&url, "-q", "-c", &table]).await?;
        let script = format!(
            "\\set id random(1, {SEATS})\nbegin;\nselect state from compared where id = :id for \
             update;\nupdate compared set state = 'H' where id = :id;\ncommit;\n"
        );
        let file = write_into(dir, "row-locks.sql", &script)?;
        Ok(Self { pgbench: folder.join("pgbench"), url, file })
    }

    /// Returns the transactions per second. Each locks a seat, takes it, and commits durably.
    pub(crate) async fn measure(&self, time: Duration) -> anyhow::Result<f64> {
        let (clients, seconds) = (PGBENCH_CLIENTS.to_string(), time.as_secs().max(1).to_string());
        let file = self.file.to_string_lossy();
        let mut arguments = vec!["-n", "-M", "prepared", "-c", &clients, "-j", "2"];
        arguments.extend(["-T", &seconds, "-f", &file, &self.url]);
        let output = output_of(&self.pgbench, &arguments).await?;
        let rate = output.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        rate.with_context(|| format!("the output of pgbench: {output}"))
    }
}

/// Runs a program, and returns its output.
async fn output_of(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().await;
    let output = output.with_context(|| format!("running {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {text}{errors}", program.display());
    Ok(text)
}
