//! Redis and PostgreSQL each know something that the other once had: PostgreSQL the last entry of
//! the journal that it committed, Redis the last one that it was told PostgreSQL has. Whoever is
//! behind has lost something, and the other one knows what.
//!
//! What Redis has lost is loaded from PostgreSQL under a new epoch: sold stays sold, claimed stays
//! PAYING, accounts and catalogue return; open holds are gone. What PostgreSQL has lost is never
//! loaded: payments stop, and `grandstand restore` writes it again.

use crate::domain::ids::Partition;
use crate::domain::position::{Position, StreamId};
use crate::engine::leases::Lease;
use crate::engine::load::Load;
use crate::engine::partitions::PartitionState;
use crate::failpoint;
use crate::stream::journal::Journal;
use crate::workers::Workers;

/// The life of a lease while its partition is loaded.
const LOAD_LEASE_MS: u64 = 10_000;

/// What Redis and PostgreSQL know of the journal of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// It is the same log.
    Same,
    /// Redis does not have the partition, or it is closed.
    NotLoaded,
    /// Redis has lost what PostgreSQL committed.
    RedisLost { known: Position },
    /// PostgreSQL has lost what Redis was told it had.
    DatabaseLost { told: Position, place: Option<Position> },
}

impl Agreement {
    /// `has`: the journal has the entry up to which PostgreSQL has it.
    pub fn of(state: &PartitionState, place: Option<Position>, has: bool) -> Self {
        // The epoch is in PostgreSQL before it is in Redis: one that is not there was there once.
        if let Some(told) = state.told()
            && place.is_none_or(|place| (place.epoch, place.id) < (told.epoch, told.id))
        {
            return Self::DatabaseLost { told, place };
        }
        match place {
            _ if !state.open => Self::NotLoaded,
            Some(place) if state.epoch != Some(place.epoch) || !has => {
                Self::RedisLost { known: place }
            }
            Some(_) | None => Self::Same,
        }
    }
}

impl Workers {
    /// Compares what Redis and PostgreSQL know of a partition. It reads only.
    pub async fn agreement(
        &self,
        journal: &Journal,
        partition: Partition,
    ) -> anyhow::Result<Agreement> {
        // Redis first: what it was told before is in PostgreSQL by the time that is asked.
        let state = self.engine.partition_state(partition).await?;
        let place = self.store.position(partition).await?;
        let has = match place {
            Some(place) => journal.has(place.id).await?,
            None => true,
        };
        Ok(Agreement::of(&state, place, has))
    }

    /// Loads the partition when it is missing or has lost its tail; returns whether it did.
    ///
    /// # Errors
    /// PostgreSQL has lost something: the partition stays as it is, and new payments stop.
    pub async fn load_once(&self, journal: &Journal, lease: &Lease) -> anyhow::Result<bool> {
        let partition = lease.partition;
        match self.agreement(journal, partition).await? {
            Agreement::Same => {
                self.resume(lease).await?;
                return Ok(false);
            }
            Agreement::NotLoaded => {}
            Agreement::RedisLost { known } => {
                tracing::error!(%partition, %known,
                    "Redis has lost what PostgreSQL knows: the partition is loaded again");
                metrics::counter!("grandstand_partitions_rebuilt_total").increment(1);
            }
            Agreement::DatabaseLost { told, place } => {
                let place = place.map_or_else(|| "nothing".to_owned(), |place| place.to_string());
                let lost = format!("PostgreSQL had {told} and has {place}");
                self.stop_payments(lease, &lost).await?;
                anyhow::bail!("{lost}: run `grandstand restore`");
            }
        }
        // A load takes its time, and must not lose its lease to a moment in which nothing moves.
        let life_ms = lease.life().as_millis() as u64;
        self.engine.lengthen_lease(lease, life_ms.max(LOAD_LEASE_MS)).await?;
        let loaded = self.load(journal, lease).await;
        self.engine.lengthen_lease(lease, life_ms).await?;
        loaded.map(|()| true)
    }

    /// Whether this is still the log that PostgreSQL has up to `place`, on both sides.
    pub async fn same_log(
        &self,
        journal: &Journal,
        partition: Partition,
        place: Position,
    ) -> anyhow::Result<bool> {
        let same = self.agreement(journal, partition).await? == Agreement::Same;
        Ok(same && self.store.position(partition).await? == Some(place))
    }

    async fn stop_payments(&self, lease: &Lease, lost: &str) -> anyhow::Result<()> {
        self.engine.halt(lease, Some(lost)).await?;
        if self.halted.lock().insert(lease.partition) {
            tracing::error!(partition = %lease.partition, lost,
                "PostgreSQL has lost what Redis knows: payments stop until `grandstand restore`");
        }
        self.count_halted();
        Ok(())
    }

    async fn resume(&self, lease: &Lease) -> anyhow::Result<()> {
        let state = self.engine.partition_state(lease.partition).await?;
        if self.halted.lock().remove(&lease.partition) || state.halted.is_some() {
            self.engine.halt(lease, None).await?;
            tracing::info!(partition = %lease.partition, "PostgreSQL has it again: payments go on");
        }
        self.count_halted();
        Ok(())
    }

    pub(super) fn count_halted(&self) {
        metrics::gauge!("grandstand_partitions_halted").set(self.halted.lock().len() as f64);
    }

    async fn load(&self, journal: &Journal, lease: &Lease) -> anyhow::Result<()> {
        let partition = lease.partition;
        let known = self.engine.partition_state(partition).await?.epoch;
        if let Some(known) = known {
            failpoint::reached("load.close");
            self.engine.close_to_load(lease, known).await?;
        }
        let place = self.store.position(partition).await?;
        if let Some(place) = place {
            self.drain_all(journal, partition, place, known.unwrap_or(place.epoch)).await?;
        }
        let epoch = known.max(place.map(|place| place.epoch)).unwrap_or_default() + 1;
        let load = self.read_kept(partition).await?;
        failpoint::reached("load.clear");
        self.engine.clear_partition(lease, &load.matches).await?;
        failpoint::reached("load.write");
        self.engine.write_partition(lease, load).await?;
        self.store.install(self.engine.partition_count()).await?;
        failpoint::reached("load.epoch");
        self.store.begin_epoch(partition, epoch).await?;
        failpoint::reached("load.open");
        self.engine.open_partition(lease, epoch).await?;
        tracing::info!(%partition, epoch, "loaded from PostgreSQL");
        Ok(())
    }

    /// What the journal still has must be in PostgreSQL before the journal begins again. A log that
    /// has lost its tail may have gone on below the place of PostgreSQL, because the clock of
    /// another server was behind: it is read from its begin. `epoch` is that of the log: one of an
    /// earlier epoch says nothing against what has come since.
    async fn drain_all(
        &self,
        journal: &Journal,
        partition: Partition,
        mut place: Position,
        epoch: u64,
    ) -> anyhow::Result<()> {
        let same = epoch == place.epoch && journal.has(place.id).await?;
        let mut read = Position { epoch, id: if same { place.id } else { StreamId::default() } };
        while journal.newest().await? > read.id {
            (place, read) = self.take_rest(journal, partition, place, read).await?;
        }
        Ok(())
    }

    async fn read_kept(&self, partition: Partition) -> anyhow::Result<Load> {
        let (sites, matches) = self.store.catalog(partition).await?;
        Ok(Load {
            accounts: self.store.accounts(partition).await?,
            sites,
            matches,
            reservations: self.store.claimed_reservations(partition).await?,
            blocked: self.store.blocked_seats(partition).await?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, ms: u64) -> Position {
        Position { epoch, id: StreamId { ms, seq: 0 } }
    }

    #[test]
    fn whoever_is_behind_has_lost_something() {
        let state = |epoch: u64, committed: u64, open: bool| PartitionState {
            epoch: Some(epoch),
            open,
            committed: StreamId { ms: committed, seq: 0 },
            halted: None,
        };
        let lost = |told, place| Agreement::DatabaseLost { told, place };
        let never = PartitionState::default();
        for (known, place, has, agreement) in [
            (state(2, 50, true), Some(at(2, 50)), true, Agreement::Same),
            // Committed and not yet told.
            (state(2, 50, true), Some(at(2, 60)), true, Agreement::Same),
            (state(2, 50, true), Some(at(2, 60)), false, Agreement::RedisLost { known: at(2, 60) }),
            (state(1, 50, true), Some(at(2, 0)), true, Agreement::RedisLost { known: at(2, 0) }),
            (state(2, 50, true), Some(at(2, 40)), true, lost(at(2, 50), Some(at(2, 40)))),
            // Also when the entry that PostgreSQL has was trimmed, and when the epoch is older.
            (state(2, 50, true), Some(at(2, 40)), false, lost(at(2, 50), Some(at(2, 40)))),
            (state(2, 0, true), Some(at(1, 90)), true, lost(at(2, 0), Some(at(1, 90)))),
            (state(2, 50, true), None, true, lost(at(2, 50), None)),
            (state(1, 0, true), None, true, lost(at(1, 0), None)),
            // A partition that was closed still knows what PostgreSQL had.
            (state(2, 50, false), Some(at(2, 40)), true, lost(at(2, 50), Some(at(2, 40)))),
            (state(2, 50, false), Some(at(2, 50)), true, Agreement::NotLoaded),
            (state(2, 50, false), Some(at(3, 0)), true, Agreement::NotLoaded),
            (never.clone(), None, true, Agreement::NotLoaded),
            (never, Some(at(2, 50)), false, Agreement::NotLoaded),
        ] {
            assert_eq!(Agreement::of(&known, place, has), agreement, "{known:?} {place:?} {has}");
        }
    }
}
