//! A private Redis and a private PostgreSQL as child processes, for `dev` and for the tests.
//!
//! The servers listen on 127.0.0.1 only, on free ports, without passwords. They end with this
//! process, however it ends: `child` says how.
mod child;
mod discover;
mod log;
mod owner;
mod postgres;
mod redis;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use postgres::{PostgresSettings, PrivatePostgres};
pub use redis::{CLUSTER_BUS_BELOW, Fsync, PrivateRedis, RedisExtras, RedisKind, RedisSettings};

use child::Child;

/// How long a server may take to load its data before the start counts as failed.
const LOADING: Duration = Duration::from_secs(120);
/// How long a start on a port that somebody else holds is tried again.
const PORT_PATIENCE: Duration = Duration::from_secs(10);
/// Below the range that systems take for outgoing connections (32768 and up on Linux, 49152 on
/// macOS). So a client that reconnects can't occupy the port of the server that it waits for.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How an attempt to start ended.
enum Attempt {
    Ready(Child),
    PortTaken,
}

/// A port of 127.0.0.1 that was free a moment ago.
fn free_port() -> Result<u16> {
    for _ in 0..200 {
        let span = u32::from(PORTS.end - PORTS.start);
        let offset = getrandom::u32().context("no randomness for a port")? % span;
        let port = PORTS.start + u16::try_from(offset)?;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}

/// Starts on new ports until one is not taken, and says which one it was.
async fn start_on_a_free_port(
    mut attempt: impl AsyncFnMut(u16) -> Result<Attempt>,
) -> Result<(Child, u16)> {
    for _ in 0..20 {
        let port = free_port()?;
        if let Attempt::Ready(child) = attempt(port).await? {
            return Ok((child, port));
        }
    }
    bail!("every port that was tried was taken by another program")
}

/// Starts on this port, again and again for `PORT_PATIENCE` while another program has it.
async fn start_on(
    port: u16,
    mut attempt: impl AsyncFnMut(u16) -> Result<Attempt>,
) -> Result<Child> {
    let begun = Instant::now();
    loop {
        if let Attempt::Ready(child) = attempt(port).await? {
            return Ok(child);
        }
        if begun.elapsed() > PORT_PATIENCE {
            bail!("port {port} was taken by another program");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until `ready` says so. An error when the server ends before, with its last words.
async fn settle(mut child: Child, mut ready: impl AsyncFnMut() -> bool) -> Result<Attempt> {
    let begun = Instant::now();
    loop {
        if ready().await {
            return Ok(Attempt::Ready(child));
        }
        if let Some(status) = child.exited()? {
            let words = child.last_words();
            if words.contains("Address already in use") {
                return Ok(Attempt::PortTaken);
            }
            bail!("{} ended at its start ({status}):\n{words}", child.name());
        }
        if begun.elapsed() > LOADING {
            bail!("{} was not ready after {LOADING:?}:\n{}", child.name(), child.last_words());
        }
        // Often at first, because tests start many servers; less while a long log is loaded.
        let pause = begun.elapsed().mul_f32(0.1).clamp(MINIMAL_PAUSE, MAXIMAL_PAUSE);
        tokio::time::sleep(pause).await;
    }
}

const MINIMAL_PAUSE: Duration = Duration::from_millis(2);
const MAXIMAL_PAUSE: Duration = Duration::from_millis(50);
