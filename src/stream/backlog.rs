//! How far PostgreSQL is behind the journals, measured twice a second on each node. Above a limit
//! payments are refused before anything is charged: the journal is kept in the memory of Redis.

use crate::domain::ids::Partition;
use crate::domain::position::StreamId;
use crate::redis::keys::PartitionKeys;
use crate::redis::{RawFields, Redis};
use fred::prelude::*;
use futures::future::join_all;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A backlog is looked at so often.
pub const MEASURE_EVERY: Duration = Duration::from_millis(500);

/// Looks that are remembered: an hour of them, if each finds a new entry. No journal may be so
/// late.
const LOOKS: usize = 7200;

/// What a journal may have that PostgreSQL has not.
#[derive(Debug, Clone, Copy)]
pub struct BacklogLimits {
    /// Entries of one partition.
    pub entries: u64,
    /// Milliseconds since a node saw the oldest of them first.
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
    /// The newest entry of each look that found one, and when that was: from then on, by the clock
    /// of this process, everything up to it has been waiting.
    seen: Mutex<VecDeque<(StreamId, Instant)>>,
}

impl Above {
    /// How many ms this node has seen `oldest` waiting, now that `newest` is the newest entry.
    fn age_ms(&self, oldest: StreamId, newest: StreamId) -> u64 {
        let mut seen = self.seen.lock();
        while seen.pop_front_if(|(id, _)| *id < oldest).is_some() {}
        // A journal that began again under a clock that was set back has smaller ids.
        while seen.pop_back_if(|(id, _)| *id > newest).is_some() {}
        if seen.back().is_none_or(|(id, _)| *id < newest) && seen.len() < LOOKS {
            seen.push_back((newest, Instant::now()));
        }
        seen.front().map_or(0, |(_, at)| at.elapsed().as_millis() as u64)
    }
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
        let upto: Option<String> = client.hget(keys.partition(), "committed").await?;
        let upto: StreamId = upto.and_then(|id| id.parse().ok()).unwrap_or_default();
        let waiting: Vec<(String, RawFields)> =
            client.xrange_values(keys.journal(), format!("({upto}"), "+", Some(1)).await?;
        let Some((oldest, _)) = waiting.first() else { return Ok(Backlog::default()) };
        let oldest: StreamId = oldest.parse().unwrap_or_default();
        let newest: Vec<(String, RawFields)> =
            client.xrevrange_values(keys.journal(), "+", "-", Some(1)).await?;
        let newest = newest.first().and_then(|(id, _)| id.parse().ok()).unwrap_or(oldest);
        let entries: u64 = client.xlen(keys.journal()).await?;
        let age_ms = self.above(partition).map_or(0, |above| above.age_ms(oldest, newest));
        Ok(Backlog { entries, age_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> StreamId {
        StreamId { ms, seq: 0 }
    }

    #[test]
    fn the_age_of_an_entry_is_how_long_it_was_seen_and_not_what_its_id_says() {
        let above = Above::default();
        assert!(above.age_ms(id(5), id(5)) < 50, "an id from 1970 is new to us");
        std::thread::sleep(Duration::from_millis(60));
        assert!(above.age_ms(id(5), id(9)) >= 60);
        // PostgreSQL goes on: the next entry has waited since the second look.
        assert!(above.age_ms(id(7), id(9)) < 50);
        std::thread::sleep(Duration::from_millis(60));
        assert!(above.age_ms(id(8), id(20)) >= 60);
        // The journal begins again while the clock of Redis is behind.
        assert!(above.age_ms(id(2), id(3)) < 50);
    }
}
