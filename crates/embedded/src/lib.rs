//! A private Redis and a private PostgreSQL as child processes, for `dev` and for the tests; and
//! what all programs of this repository print with.
//!
//! The servers listen on free ports of 127.0.0.1 only, without passwords. They end when this
//! process ends, even when it is killed; `child` explains how.

mod child;
mod discover;
mod log;
mod output;
mod owner;
mod postgres;
mod redis;
#[cfg(test)]
mod tests;

pub use output::{print, tell};
pub use postgres::{PostgresSettings, PrivatePostgres};
pub use redis::{CLUSTER_BUS_BELOW, Fsync, PrivateRedis, RedisExtras, RedisKind, RedisSettings};

use anyhow::{Context, Result, bail};
use child::Child;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

/// A server may load its data for this long. A shorter timeout would fail on large data; a longer
/// one would hide a server that hangs.
const LOADING_TIMEOUT: Duration = Duration::from_secs(120);
/// A restart on a port that another program uses is tried again until this timeout.
const PORT_TIMEOUT: Duration = Duration::from_secs(10);
/// These ports are below the range for outgoing connections (from 32768 on Linux, from 49152 on
/// macOS). So a client that reconnects can't occupy the port of the server that it waits for.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Pauses between two looks whether a server is ready.
const READY_PAUSE_MIN: Duration = Duration::from_millis(2);
const READY_PAUSE_MAX: Duration = Duration::from_millis(50);

/// The result of an attempt to start.
enum Attempt {
    Ready(Child),
    PortTaken,
}

/// Returns a port of 127.0.0.1 that was free a moment ago.
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

/// Tries random ports until the server starts, and returns the port too.
async fn start_on_a_free_port(
    mut attempt: impl AsyncFnMut(u16) -> Result<Attempt>,
) -> Result<(Child, u16)> {
    for _ in 0..20 {
        let port = free_port()?;
        if let Attempt::Ready(child) = attempt(port).await? {
            return Ok((child, port));
        }
    }
    bail!("all 20 ports that were tried are used by other programs")
}

/// Starts on this port. Tries again until `PORT_TIMEOUT` while another program uses it.
async fn start_on(
    port: u16,
    mut attempt: impl AsyncFnMut(u16) -> Result<Attempt>,
) -> Result<Child> {
    let begun = Instant::now();
    loop {
        if let Attempt::Ready(child) = attempt(port).await? {
            return Ok(child);
        }
        if begun.elapsed() > PORT_TIMEOUT {
            bail!("port {port} is used by another program");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until `ready` returns true. Fails, with the end of the log, when the server ends before
/// that.
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
            bail!("{} ended while it started ({status}):\n{words}", child.name());
        }
        if begun.elapsed() > LOADING_TIMEOUT {
            bail!(
                "{} was not ready after {LOADING_TIMEOUT:?}:\n{}",
                child.name(),
                child.last_words()
            );
        }
        // Short pauses at first, because tests start many servers; longer ones while a long log
        // loads.
        let pause = begun.elapsed().mul_f32(0.1).clamp(READY_PAUSE_MIN, READY_PAUSE_MAX);
        tokio::time::sleep(pause).await;
    }
}
