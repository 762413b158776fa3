//! Whether the workers of this process can write to PostgreSQL. A server that replies may still
//! refuse each write: it is read-only, its disk is full, or the role has too few rights.

use crate::domain::ids::Partition;
use crate::store::{Store, StoreError};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// It changes no row. PostgreSQL refuses it all the same when it is read-only, or when the role has
/// too few rights; that a disk is full shows only with the next fact.
const TRY: &str = "update partitions set updated_at = now() where false";

/// Since when write-behind fails, by partition. `None` has the trials of `try_write`, which find a
/// fault before the first fact comes.
#[derive(Default)]
pub struct Writes {
    failing: Mutex<BTreeMap<Option<Partition>, Failing>>,
}

/// Writes that fail.
struct Failing {
    since: Instant,
    why: String,
}

impl Writes {
    /// Write-behind has failed; the first of several failures counts.
    pub fn failed(&self, partition: Option<Partition>, why: String) {
        let mut failing = self.failing.lock();
        let since = failing.get(&partition).map_or_else(Instant::now, |known| known.since);
        failing.insert(partition, Failing { since, why });
    }

    /// Write-behind succeeds again, or another process has the partition now.
    pub fn ended(&self, partition: Option<Partition>) {
        self.failing.lock().remove(&partition);
    }

    /// For how long write-behind has failed, and why; of all partitions the longest time.
    pub fn longest(&self, now: Instant) -> Option<(Duration, String)> {
        let failing = self.failing.lock();
        let oldest = failing.values().min_by_key(|failing| failing.since)?;
        Some((now.saturating_duration_since(oldest.since), oldest.why.clone()))
    }
}

impl Store {
    /// Returns when PostgreSQL would take a write.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        self.connection().await?.execute(TRY, &[]).await?;
        Ok(())
    }

    /// Whether write-behind succeeds.
    pub fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Shows the pool in the metrics.
    pub fn measure_pool(&self) {
        let pool = self.pool.status();
        let used = pool.size.saturating_sub(pool.available);
        metrics::gauge!("grandstand_database_connections_max").set(pool.max_size as f64);
        metrics::gauge!("grandstand_database_connections_used").set(used as f64);
        metrics::gauge!("grandstand_database_waiting").set(pool.waiting as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_that_fails_for_the_longest_time_counts() {
        let writes = Writes::default();
        assert!(writes.longest(Instant::now()).is_none());
        writes.failed(Some(Partition(1)), "first".to_owned());
        writes.failed(Some(Partition(0)), "second".to_owned());
        writes.failed(Some(Partition(1)), "again".to_owned());
        let later = Instant::now() + Duration::from_secs(5);
        let (time, why) = writes.longest(later).unwrap();
        assert!(time >= Duration::from_secs(5) && why == "again", "{time:?} {why}");
        writes.ended(Some(Partition(1)));
        assert_eq!(writes.longest(later).unwrap().1, "second");
        writes.ended(Some(Partition(0)));
        assert!(writes.longest(later).is_none());
    }
}
