//! Connections to Redis, with the settings that fred's defaults lack, and the names of the keys.
//! Used by `engine` and `stream` only.

pub mod keys;

use fred::prelude::*;
use fred::types::config::{ReconnectError, TcpConfig, UnresponsiveConfig};
use std::collections::HashMap;
use std::time::Duration;

/// Fields of a stream entry as they are: whoever only counts entries must not stumble over bytes
/// that are no text.
pub type RawFields = HashMap<Vec<u8>, Vec<u8>>;

/// A command without an answer for so long has an unknown outcome.
pub const COMMAND_TIMEOUT_MS: u64 = 1000;

/// A blocking read waits so long at most, so that a stop or a dead peer is noticed.
pub const BLOCK_MS: u64 = 1000;

/// Of one server, of Redis Cluster, of Sentinel.
const SCHEMES: [&str; 3] = ["redis://", "redis-cluster://", "redis-sentinel://"];

/// A client for commands that answer at once, connected.
pub async fn connect(url: &str) -> Result<Client, Error> {
    open(url, COMMAND_TIMEOUT_MS).await
}

/// A client for one blocking reader: nothing else may use it, because a blocking read stalls all
/// other commands of its client.
pub async fn connect_reader(url: &str) -> Result<Client, Error> {
    open(url, BLOCK_MS + COMMAND_TIMEOUT_MS).await
}

/// Host and port of a URL, for messages: the rest may hold a password.
pub fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    rest.split(['/', '?']).next().unwrap_or(rest)
}

async fn open(url: &str, timeout_ms: u64) -> Result<Client, Error> {
    let ms = Duration::from_millis;
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        let text = format!("a URL of Redis begins with one of: {}", SCHEMES.join(" "));
        return Err(Error::new(ErrorKind::Config, text));
    }
    let config = Config::from_url(url)?;
    let client = Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = ms(2000);
            connection.internal_command_timeout = ms(2000);
            // fred would send a command again after a reconnect: a write could happen twice.
            connection.max_command_attempts = 1;
            connection.max_command_buffer_len = 20_000;
            connection.unresponsive =
                UnresponsiveConfig { max_timeout: Some(ms(4000)), interval: ms(1000) };
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                user_timeout: Some(ms(4000)),
                keepalive: Some(
                    socket2_05::TcpKeepalive::new()
                        .with_time(Duration::from_secs(5))
                        .with_interval(Duration::from_secs(1)),
                ),
                ..TcpConfig::default()
            };
            connection.reconnect_errors.extend([ReconnectError::MasterDown, ReconnectError::Busy]);
        })
        .with_performance_config(|performance| {
            performance.default_command_timeout = ms(timeout_ms);
        })
        // For ever: a bound would leave a client that never comes back.
        .set_policy(ReconnectPolicy::new_exponential(0, 20, 1000, 2))
        .build()?;
    client.init().await?;
    Ok(client)
}
