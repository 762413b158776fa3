//! Connections to Redis: which server has a partition, one plain client per server, and the names
//! of the keys. Used by `engine` and `stream` only.
//!
//! fred's own clients for Redis Cluster and Sentinel are not used, because one server in trouble
//! stops them for all others (docs/adr/0011-one-plain-client-per-server.md).

mod discover;
pub mod keys;
mod link;
mod servers;

pub use link::{Link, connect};
pub use servers::Redis;

use std::collections::HashMap;

/// Fields of a stream entry as they are: whoever only counts entries must not stumble over bytes
/// that are no text.
pub type RawFields = HashMap<Vec<u8>, Vec<u8>>;

/// The outcome of a command that has no reply after this time is unknown.
pub const COMMAND_TIMEOUT_MS: u64 = 1000;

/// A blocking read ends after this time, so that a stop or a dead server is noticed.
pub const BLOCK_MS: u64 = 1000;

/// Host and port of a URL, for messages: the rest may hold a password.
pub fn place(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    rest.split(['/', '?']).next().unwrap_or(rest)
}
