//! Connections to Redis: which server has a partition, plain clients for each server, and the names
//! of the keys. Only `engine` and `stream` use it.
//!
//! The clients of fred for Redis Cluster and Sentinel are not used, because one server in trouble
//! stops them for all servers (docs/adr/0011-one-plain-client-per-server.md).

mod calls;
mod discover;
pub mod keys;
mod link;
mod servers;

pub use calls::CallMetrics;
pub use link::{Link, connect};
pub use servers::Redis;

use std::collections::HashMap;

/// The fields of a stream entry as bytes. Code that only counts entries must not fail on bytes that
/// are not text.
pub type RawFields = HashMap<Vec<u8>, Vec<u8>>;

/// The outcome of a command without a reply after this time is unknown.
pub const COMMAND_TIMEOUT_MS: u64 = 1000;

/// A blocking read ends after this time. A longer one notices a stop or a dead server later; a
/// shorter one reads more often for nothing.
pub const BLOCK_TIMEOUT_MS: u64 = 1000;

/// Host and port of a URL, for messages: the rest may contain a password.
pub fn address(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, address)| address);
    rest.split(['/', '?']).next().unwrap_or(rest)
}
