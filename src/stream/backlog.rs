//! Measures how far PostgreSQL is behind the journals, twice a second on each node. Above a limit,
//! payments are refused before anything is charged, because the journal takes memory of Redis.

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

/// The interval of measurements. A longer one lets a journal grow further before payments pause.
pub const MEASURE_INTERVAL: Duration = Duration::from_millis(500);

/// Measurements that are remembered: an hour of them, if each finds a new entry. Payments pause
/// long before a journal is that late.
const MEASUREMENTS_MAX: usize = 7200;

/// The limits above which payments pause.
#[derive(Debug, Clone, Copy)]
pub struct BacklogLimits {
    /// Entries of one partition that PostgreSQL does not have.
    pub entries: u64,
    /// Milliseconds since this node first saw the oldest of them.
    pub age_ms: u64,
}

/// The entries of one journal that PostgreSQL does not have: their number, and the age of the
/// oldest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub entries: u64,
    pub age_ms: u64,
}

/// The backlogs of all partitions.
pub struct Backlogs {
    redis: Redis,
    limits: BacklogLimits,
    journals: Vec<MeasuredJournal>,
}

/// The last measurements of one journal.
#[derive(Debug, Default)]
struct MeasuredJournal {
    /// Whether it has more entries than it may.
    is_too_long: AtomicBool,
    /// Whether it is above any limit.
    is_full: AtomicBool,
    /// The newest entry of each measurement, and the time of the measurement by the clock of this
    /// process. All entries up to this one have been waiting since then at least.
    seen: Mutex<VecDeque<(StreamId, Instant)>>,
}

impl MeasuredJournal {
    /// How long this node has seen `oldest` wait, in ms. `newest` is the newest entry now.
    fn age_ms(&self, oldest: StreamId, newest: StreamId) -> u64 {
        let mut seen = self.seen.lock();
        while seen.pop_front_if(|(id, _)| *id < oldest).is_some() {}
        // A journal that begins again after the clock was set back has smaller ids.
        while seen.pop_back_if(|(id, _)| *id > newest).is_some() {}
        if seen.back().is_none_or(|(id, _)| *id < newest) && seen.len() < MEASUREMENTS_MAX {
            seen.push_back((newest, Instant::now()));
        }
        seen.front().map_or(0, |(_, at)| at.elapsed().as_millis() as u64)
    }
}

impl Backlogs {
    /// Backlogs that were not measured yet: no journal counts as full.
    pub fn new(redis: Redis, partitions: u16, limits: BacklogLimits) -> Self {
        let journals = (0..partitions).map(|_| MeasuredJournal::default()).collect();
        Self { redis, limits, journals }
    }

    /// Whether the journal of a partition is above any limit, so that payments pause.
    pub fn full(&self, partition: Partition) -> bool {
        self.journal(partition).is_some_and(|journal| journal.is_full.load(Ordering::Relaxed))
    }

    /// Whether the journal has more entries than it may. Then everything that can wait is refused.
    pub fn too_long(&self, partition: Partition) -> bool {
        self.journal(partition).is_some_and(|journal| journal.is_too_long.load(Ordering::Relaxed))
    }

    fn journal(&self, partition: Partition) -> Option<&MeasuredJournal> {
        self.journals.get(usize::from(partition.0))
    }

    /// Measures all journals, for the limits and for the metrics. A journal that can't be measured
    /// keeps its last state, and does not stop the others.
    ///
    /// # Errors
    /// The last error of a measurement.
    pub async fn measure_once(&self) -> Result<(), Error> {
        let all = (0..self.journals.len() as u16).map(|number| self.measure(Partition(number)));
        let (mut entries, mut age_ms, mut failed) = (0, 0, None);
        for (journal, found) in self.journals.iter().zip(join_all(all).await) {
            match found {
                Ok(found) => {
                    entries += found.entries;
                    age_ms = age_ms.max(found.age_ms);
                    self.note(journal, found);
                }
                Err(error) => failed = Some(error),
            }
        }
        metrics::gauge!("grandstand_journal_backlog_entries").set(entries as f64);
        metrics::gauge!("grandstand_journal_backlog_seconds").set(age_ms as f64 / 1000.0);
        failed.map_or(Ok(()), Err)
    }

    fn note(&self, journal: &MeasuredJournal, found: Backlog) {
        let limits = self.limits;
        let is_too_long = found.entries > limits.entries;
        let is_full = is_too_long || found.age_ms > limits.age_ms;
        journal.is_too_long.store(is_too_long, Ordering::Relaxed);
        if !journal.is_full.swap(is_full, Ordering::Relaxed) && is_full {
            tracing::error!(?found, ?limits, "a journal is too long: payments pause");
        }
    }

    /// Measures one journal. It may begin with entries that PostgreSQL already has.
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
        let age_ms = self.journal(partition).map_or(0, |journal| journal.age_ms(oldest, newest));
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
    fn the_age_of_an_entry_is_measured_from_its_first_sight_and_not_from_its_id() {
        let journal = MeasuredJournal::default();
        assert!(journal.age_ms(id(5), id(5)) < 50, "an id from 1970 is new to this node");
        std::thread::sleep(Duration::from_millis(60));
        assert!(journal.age_ms(id(5), id(9)) >= 60);
        // PostgreSQL goes on: the next entry has waited since the second measurement.
        assert!(journal.age_ms(id(7), id(9)) < 50);
        std::thread::sleep(Duration::from_millis(60));
        assert!(journal.age_ms(id(8), id(20)) >= 60);
        // The journal begins again after the clock of Redis was set back.
        assert!(journal.age_ms(id(2), id(3)) < 50);
    }
}
