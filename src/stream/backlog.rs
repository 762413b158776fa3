//! How far PostgreSQL is behind the journals, measured twice a second on each node. Above a limit
//! payments are refused before anything is charged: the journal is kept in the memory of Redis.

use crate::domain::ids::Partition;
use crate::domain::position::StreamId;
use crate::redis::keys::PartitionKeys;
use crate::redis::{RawFields, Redis};
use fred::prelude::*;
use fred::types::{ClusterHash, CustomCommand};
use futures::future::join_all;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A backlog is looked at so often.
pub const MEASURE_EVERY: Duration = Duration::from_millis(500);

/// What a journal may have that PostgreSQL has not.
#[derive(Debug, Clone, Copy)]
pub struct BacklogLimits {
    /// Entries of one partition.
    pub entries: u64,
    /// Milliseconds since the oldest of them.
    pub age_ms: u64,
}

/// What one journal has that PostgreSQL has not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub entries: u64,
    pub age_ms: u64,
}

/// The journals of all partitions.
pub struct Backlogs {
    redis: Redis,
    limits: BacklogLimits,
    above: Vec<Above>,
}

/// The limits that a journal is above.
#[derive(Debug, Default)]
struct Above {
    entries: AtomicBool,
    any: AtomicBool,
}

impl Backlogs {
    /// No journal counts as full before it was measured.
    pub fn new(redis: Redis, partitions: u16, limits: BacklogLimits) -> Self {
        let above = (0..partitions).map(|_| Above::default()).collect();
        Self { redis, limits, above }
    }

    /// Whether the journal of a partition is above a limit: payments pause.
    pub fn full(&self, partition: Partition) -> bool {
        self.above(partition).is_some_and(|above| above.any.load(Ordering::Relaxed))
    }

    /// Whether it has more entries than it may: nothing that can wait is written any more.
    pub fn too_long(&self, partition: Partition) -> bool {
        self.above(partition).is_some_and(|above| above.entries.load(Ordering::Relaxed))
    }

    fn above(&self, partition: Partition) -> Option<&Above> {
        self.above.get(usize::from(partition.0))
    }

    /// Measures all journals, for the limits and for the metrics. One that can't be measured stays
    /// as it was, and does not keep the others from it.
    ///
    /// # Errors
    /// The last reason why one could not be measured.
    pub async fn measure_once(&self) -> Result<(), Error> {
        let all = (0..self.above.len() as u16).map(|number| self.measure(Partition(number)));
        let (mut entries, mut age_ms, mut failed) = (0, 0, None);
        for (above, found) in self.above.iter().zip(join_all(all).await) {
            match found {
                Ok(found) => {
                    entries += found.entries;
                    age_ms = age_ms.max(found.age_ms);
                    self.note(above, found);
                }
                Err(error) => failed = Some(error),
            }
        }
        metrics::gauge!("grandstand_journal_backlog_entries").set(entries as f64);
        metrics::gauge!("grandstand_journal_backlog_seconds").set(age_ms as f64 / 1000.0);
        failed.map_or(Ok(()), Err)
    }

    fn note(&self, above: &Above, found: Backlog) {
        let limits = self.limits;
        let entries = found.entries > limits.entries;
        let any = entries || found.age_ms > limits.age_ms;
        above.entries.store(entries, Ordering::Relaxed);
        if !above.any.swap(any, Ordering::Relaxed) && any {
            tracing::error!(?found, ?limits, "a journal is too long: payments pause");
        }
    }

    /// What waits in one journal. Its first entry may be one that PostgreSQL has.
    async fn measure(&self, partition: Partition) -> Result<Backlog, Error> {
        let (keys, client) = (PartitionKeys(partition), self.redis.client(partition)?);
        let time = CustomCommand::new_static("TIME", ClusterHash::Random, false);
        let (seconds, micros): (u64, u64) = client.custom(time, Vec::<String>::new()).await?;
        let now_ms = seconds * 1000 + micros / 1000;
        let upto: Option<String> = client.hget(keys.partition(), "committed").await?;
        let upto: StreamId = upto.and_then(|id| id.parse().ok()).unwrap_or_default();
        let waiting: Vec<(String, RawFields)> =
            client.xrange_values(keys.journal(), format!("({upto}"), "+", Some(1)).await?;
        let Some((oldest, _)) = waiting.first() else { return Ok(Backlog::default()) };
        let oldest: StreamId = oldest.parse().unwrap_or_default();
        let entries: u64 = client.xlen(keys.journal()).await?;
        Ok(Backlog { entries, age_ms: now_ms.saturating_sub(oldest.ms) })
    }
}
