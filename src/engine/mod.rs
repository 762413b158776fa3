//! Decide: one function = one atomic step in Redis. Each seat command runs as part of a batch.

pub mod accounts;
pub mod archive;
pub mod batch;
pub mod catalog;
pub mod clock;
pub mod error;
pub mod inspect;
pub mod load;
pub mod partitions;
pub mod payments;
pub mod queue;
pub mod reservations;
pub mod scripts;
pub mod seats;

use crate::domain::ids::{MatchId, Partition};
use crate::engine::batch::{Batcher, Limits};
use crate::engine::error::EngineError;
use crate::engine::scripts::SCRIPTS;
use fred::prelude::*;

/// Connections per node for commands; a partition always uses the same one, which keeps its order.
const CLIENTS: usize = 2;

/// A notice lives for a day: longer than an access token, and than any node is away.
const NOTICE_TTL_MS: u64 = 86_400_000;

/// What the engine needs to know.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    pub redis_url: String,
    /// 1 to 4,096; fixed at first start.
    pub partitions: u16,
    pub limits: Limits,
}

/// The engine of one node.
pub struct Engine {
    clients: Vec<Client>,
    batcher: Batcher,
    settings: EngineSettings,
}

impl Engine {
    /// Connects, loads the scripts and starts the batchers.
    pub async fn connect(settings: EngineSettings) -> Result<Self, EngineError> {
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(crate::redis::connect(&settings.redis_url).await?);
        }
        SCRIPTS.load(&clients[0]).await?;
        let batcher = Batcher::start(settings.partitions, settings.limits, |partition| {
            clients[usize::from(partition.0) % CLIENTS].clone()
        });
        Ok(Self { clients, batcher, settings })
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

    /// Answers when Redis does.
    pub async fn ping(&self) -> Result<(), EngineError> {
        let _: String = self.clients[0].ping(None).await?;
        Ok(())
    }

    fn client(&self, partition: Partition) -> Result<&Client, EngineError> {
        // An id of someone's own making may name a partition that does not exist: what is asked
        // for is not there then, and nothing is ever made there.
        if partition.0 >= self.settings.partitions {
            return Err(EngineError::NotLoaded);
        }
        Ok(&self.clients[usize::from(partition.0) % CLIENTS])
    }

    fn match_client(&self, id: MatchId) -> Result<&Client, EngineError> {
        self.client(id.partition())
    }
}
