//! Decides who gets a seat: each function is one atomic step in Redis. Seat commands run as parts
//! of a batch.

pub mod accounts;
pub mod archive;
pub mod batch;
pub mod cancellation;
pub mod catalog;
pub mod check_ins;
mod claim_fields;
pub mod claims;
pub mod clock;
mod columns;
pub mod command;
mod document;
pub mod error;
pub mod functions;
pub mod inspect;
pub mod leases;
pub mod limits;
pub mod load;
pub mod operation;
pub mod partitions;
pub mod payments;
pub mod permits;
mod places;
pub mod queue;
pub mod remains;
pub mod reply;
pub mod reservations;
pub mod scripts;
#[cfg(test)]
mod seam;
pub mod seats;
pub mod sessions;
pub mod snapshot;
mod trail;
mod waiting;

use crate::domain::ids::{MatchId, Partition};
use crate::engine::batch::Batcher;
use crate::engine::error::EngineError;
use crate::engine::functions::Removed;
use crate::engine::limits::Limits;
use crate::engine::places::Places;
use crate::engine::scripts::{SCRIPTS, Script};
use crate::redis::{CallMetrics, Redis};
use fred::prelude::*;
use fred::types::FromValue;
use std::time::Instant;

/// A notice is kept for a day: longer than an access token lives, and longer than a node is away.
const NOTICE_TTL_MS: u64 = 86_400_000;

/// The settings of an engine. They have no `Debug`, because the URL may have a password.
#[derive(Clone)]
pub struct EngineSettings {
    pub redis_url: String,
    /// 1 to 4,096; fixed at first start.
    pub partitions: u16,
    pub limits: Limits,
}

/// So many partitions are spread over all servers of a cluster.
const PARTITIONS_EVERYWHERE: u16 = 4096;

/// Loads the functions of this release into each server that lacks them. Returns how many were
/// missing, and warnings about the settings of the servers.
///
/// # Errors
/// A server does not reply, or this user of Redis may not load functions.
pub async fn load_functions(redis_url: &str) -> Result<(usize, Vec<String>), EngineError> {
    let redis = Redis::connect(redis_url, PARTITIONS_EVERYWHERE).await?;
    let mut loaded = 0;
    for (_, client) in redis.all() {
        loaded += SCRIPTS.load(&client).await?;
    }
    functions::keep(&redis).await?;
    Ok((loaded, partitions::server_warnings(&redis).await))
}

/// Deletes the functions of releases that no process runs any more, on each server.
///
/// # Errors
/// A server does not reply, or this user of Redis may not delete functions.
pub async fn remove_unused_functions(redis_url: &str) -> Result<Removed, EngineError> {
    functions::remove_unused(&Redis::connect(redis_url, PARTITIONS_EVERYWHERE).await?).await
}

/// The engine of one node.
pub struct Engine {
    redis: Redis,
    batcher: Batcher,
    places: Places,
    settings: EngineSettings,
    calls: CallMetrics,
}

impl Engine {
    /// Connects, loads the scripts and starts the batchers.
    pub async fn connect(settings: EngineSettings) -> Result<Self, EngineError> {
        let redis = Redis::connect(&settings.redis_url, settings.partitions).await?;
        for (_, client) in redis.all() {
            SCRIPTS.load(&client).await?;
        }
        // Without it, only the removal of old functions would go wrong, much later.
        if let Err(error) = functions::keep(&redis).await {
            tracing::warn!(%error, "the use of the functions was not noted");
        }
        let batcher = Batcher::start(settings.partitions, settings.limits, &redis);
        let places = Places::start(settings.partitions, &redis);
        Ok(Self { redis, batcher, places, settings, calls: CallMetrics::new("function") })
    }

    /// The servers that have the partitions.
    pub fn redis(&self) -> &Redis {
        &self.redis
    }

    /// How many partitions there are.
    pub fn partition_count(&self) -> u16 {
        self.settings.partitions
    }

    /// All partitions.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> + use<> {
        (0..self.settings.partitions).map(Partition)
    }

    /// The times and bounds that commands run with.
    pub fn limits(&self) -> Limits {
        self.settings.limits
    }

    /// Returns when a server of Redis has replied.
    pub async fn ping(&self) -> Result<(), EngineError> {
        let _: String = self.client(Partition(0))?.ping(None).await?;
        Ok(())
    }

    /// An id that a client has made up may name a partition that does not exist. Nothing is found
    /// there, and nothing is ever created there.
    fn known(&self, partition: Partition) -> Result<(), EngineError> {
        if partition.0 < self.settings.partitions { Ok(()) } else { Err(EngineError::NotLoaded) }
    }

    /// The client for commands that only read, or that may run twice.
    fn client(&self, partition: Partition) -> Result<Client, EngineError> {
        self.known(partition)?;
        Ok(self.redis.client(partition)?)
    }

    fn match_client(&self, id: MatchId) -> Result<Client, EngineError> {
        self.client(id.partition())
    }

    /// Runs a script on the server that has the partition, wherever that is.
    async fn call<R: FromValue>(
        &self,
        partition: Partition,
        script: &'static Script,
        keys: Vec<String>,
        arguments: Vec<impl Into<Value>>,
    ) -> Result<R, EngineError> {
        self.known(partition)?;
        // From here on the bytes are shared, so that a second try does not copy them.
        let keys: Vec<Key> = keys.into_iter().map(Key::from).collect();
        let arguments: Vec<Value> = arguments.into_iter().map(Into::into).collect();
        let run = |client: Client| {
            let (keys, arguments) = (keys.clone(), arguments.clone());
            async move { script.call(&client, keys, arguments).await }
        };
        let begun = Instant::now();
        let reply = self.redis.run(partition, run).await;
        self.calls.record(begun, &reply);
        Ok(reply?)
    }
}
