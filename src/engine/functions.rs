//! Which libraries of functions are in use, and the removal of those that are not. Each release has
//! its own, so that two releases can run side by side, and Redis would keep them for ever.

use crate::domain::ids::Partition;
use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::scripts::{LIBRARY_NAMES, SCRIPTS};
use crate::redis::Redis;
use crate::redis::keys::functions;
use fred::prelude::*;
use std::collections::{HashMap, HashSet};

/// A library that no process has named for this time is not in use. A process names its libraries
/// every ten seconds. A shorter time removes those of a node that was cut off for a while.
const UNUSED_MS: i64 = 3_600_000;

/// What a removal has done.
#[derive(Debug, Default)]
pub struct Removed {
    /// Libraries that were deleted, on all servers together.
    pub removed: usize,
    /// Libraries of other releases that stay, because a process has used them within the hour.
    pub in_use: usize,
}

impl Engine {
    /// Notes that this process uses the functions of its release.
    ///
    /// # Errors
    /// The server of the first partition does not reply.
    pub async fn keep_functions(&self) -> Result<(), EngineError> {
        keep(&self.redis).await
    }
}

/// Notes that the functions of this release are in use, or will be: `migrate` loads them before the
/// first node starts.
pub(super) async fn keep(redis: &Redis) -> Result<(), EngineError> {
    let now = now_ms();
    let names: Vec<(f64, &str)> =
        SCRIPTS.library_names().into_iter().map(|name| (now as f64, name)).collect();
    let client = redis.client(Partition(0))?;
    let _: i64 = client.zadd(functions(), None, None, false, false, names).await?;
    Ok(())
}

/// Deletes the libraries that no process has used for an hour. A library that nobody has named yet
/// counts as used now, so it stays for the first time.
pub(super) async fn remove_unused(redis: &Redis) -> Result<Removed, EngineError> {
    let (first, now) = (redis.client(Partition(0))?, now_ms());
    let own: HashSet<&str> = SCRIPTS.library_names().into_iter().collect();
    let used: Vec<(String, f64)> =
        first.zrange(functions(), 0, -1, None, false, None, true).await?;
    let used: HashMap<String, i64> = used.into_iter().map(|(name, at)| (name, at as i64)).collect();
    let (mut done, mut gone) = (Removed::default(), HashSet::new());
    for (_, client) in redis.all() {
        let there: Vec<HashMap<String, Value>> =
            client.function_list(Some(format!("{LIBRARY_NAMES}*")), false).await?;
        let names = there.iter().filter_map(|library| library.get("library_name")?.as_string());
        for name in names.filter(|name| !own.contains(name.as_str())) {
            match used.get(&name) {
                Some(at) if now - at > UNUSED_MS => {
                    let _: () = client.function_delete(name.as_str()).await?;
                    done.removed += 1;
                    gone.insert(name);
                }
                Some(_) => done.in_use += 1,
                None => {
                    let entry = (now as f64, name);
                    let _: i64 = first.zadd(functions(), None, None, false, false, entry).await?;
                    done.in_use += 1;
                }
            }
        }
    }
    if !gone.is_empty() {
        let gone: Vec<String> = gone.into_iter().collect();
        let _: i64 = first.zrem(functions(), gone).await?;
    }
    Ok(done)
}

/// An hour is much longer than the clocks of two machines differ.
fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
