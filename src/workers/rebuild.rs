//! Compares Redis with PostgreSQL, and loads a partition that Redis has lost. Each of the two knows
//! how far the other was: PostgreSQL has the position of the last entry that it committed, and
//! Redis has the position that the worker announced last. The one that is behind has lost data.
//!
//! Data that Redis has lost is loaded from PostgreSQL under a new epoch: sold seats stay sold,
//! claimed seats stay PAYING, accounts and catalogue return, and open holds are gone. Data that
//! PostgreSQL has lost is never loaded: payments stop, and `grandstand restore` writes it again.

use crate::domain::ids::{MatchId, Partition};
use crate::domain::position::{Position, StreamId};
use crate::engine::leases::Lease;
use crate::engine::load::Load;
use crate::engine::partitions::PartitionState;
use crate::failpoint;
use crate::stream::journal::Journal;
use crate::workers::Workers;

/// The lifetime of a lease while its partition is loaded. It must outlast a moment in which
/// neither server replies; after the death of a worker a longer one delays the next worker.
const LOAD_LEASE_TTL_MS: u64 = 10_000;

/// Whether Redis and PostgreSQL have the same journal of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// They have the same journal.
    Same,
    /// Redis does not have the partition, or it is closed.
    NotLoaded,
    /// Redis has lost entries that PostgreSQL committed, up to this position.
    RedisLost { committed: Position },
    /// PostgreSQL has lost entries: it is at `found`, and the worker had announced `announced`.
    DatabaseLost { announced: Position, found: Option<Position> },
}

impl Agreement {
    /// `position`: how far PostgreSQL is; `has`: the journal has the entry at this position.
    pub fn of(state: &PartitionState, position: Option<Position>, has: bool) -> Self {
        // An epoch is written to PostgreSQL before Redis. So when Redis has a later epoch than
        // PostgreSQL, PostgreSQL has lost it.
        if let Some(announced) = state.told()
            && position.is_none_or(|position| position < announced)
        {
            return Self::DatabaseLost { announced, found: position };
        }
        match position {
            _ if !state.open => Self::NotLoaded,
            Some(committed) if state.epoch != Some(committed.epoch) || !has => {
                Self::RedisLost { committed }
            }
            Some(_) | None => Self::Same,
        }
    }
}

impl Workers {
    /// Compares Redis with PostgreSQL for one partition. It only reads.
    pub async fn agreement(&self, partition: Partition) -> anyhow::Result<Agreement> {
        // Redis is read first, because a position is announced after it was committed. The other
        // way round, a commit in between would look like a loss of PostgreSQL.
        let state = self.engine.partition_state(partition).await?;
        let position = self.store.position(partition).await?;
        let has = match position {
            Some(position) => self.engine.journal_has(partition, position.id).await?,
            None => true,
        };
        Ok(Agreement::of(&state, position, has))
    }

    /// Loads the partition when Redis does not have it or has lost the last entries of its journal;
    /// returns whether it did.
    ///
    /// # Errors
    /// PostgreSQL has lost data: the partition stays as it is, and new payments stop.
    pub async fn load_once(&self, journal: &Journal, lease: &Lease) -> anyhow::Result<bool> {
        let partition = lease.partition;
        match self.agreement(partition).await? {
            Agreement::Same => {
                self.resume(lease).await?;
                return Ok(false);
            }
            Agreement::NotLoaded => {}
            Agreement::RedisLost { committed } => {
                tracing::error!(%partition, %committed,
                    "Redis has lost data of the partition: it is loaded from PostgreSQL");
                metrics::counter!("grandstand_partitions_rebuilt_total").increment(1);
            }
            Agreement::DatabaseLost { announced, found } => {
                let found = found.map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                let lost = format!("PostgreSQL had {announced} and has {found}");
                self.stop_payments(lease, &lost).await?;
                anyhow::bail!("{lost}: run `grandstand restore`");
            }
        }
        // A load takes seconds, and one late renewal must not end it.
        let ttl_ms = lease.life().as_millis() as u64;
        self.engine.lengthen_lease(lease, ttl_ms.max(LOAD_LEASE_TTL_MS)).await?;
        let loaded = self.load(journal, lease).await;
        self.engine.lengthen_lease(lease, ttl_ms).await?;
        loaded.map(|()| true)
    }

    /// Whether Redis and PostgreSQL still have the same journal, and PostgreSQL is at `position`.
    pub async fn same_log(&self, partition: Partition, position: Position) -> anyhow::Result<bool> {
        let same = self.agreement(partition).await? == Agreement::Same;
        Ok(same && self.store.position(partition).await? == Some(position))
    }

    async fn stop_payments(&self, lease: &Lease, lost: &str) -> anyhow::Result<()> {
        self.engine.halt(lease, Some(lost)).await?;
        if self.halted.lock().insert(lease.partition) {
            tracing::error!(partition = %lease.partition, lost,
                "PostgreSQL has lost data: payments stop until `grandstand restore`");
        }
        self.count_halted();
        Ok(())
    }

    async fn resume(&self, lease: &Lease) -> anyhow::Result<()> {
        let state = self.engine.partition_state(lease.partition).await?;
        if self.halted.lock().remove(&lease.partition) || state.halted.is_some() {
            self.engine.halt(lease, None).await?;
            let partition = lease.partition;
            tracing::info!(%partition, "PostgreSQL has the lost data again: payments go on");
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
        let position = self.store.position(partition).await?;
        if let Some(position) = position {
            self.drain_all(journal, partition, position, known.unwrap_or(position.epoch)).await?;
        }
        let epoch = known.max(position.map(|position| position.epoch)).unwrap_or_default() + 1;
        failpoint::reached("load.epoch");
        // Before the sales are read: from here on PostgreSQL refuses the commit of an earlier owner
        // that has read entries of a lost tail. A sale that came behind the read would be missing
        // in Redis.
        self.store.begin_epoch(partition, epoch).await?;
        let load = self.read_kept(partition).await?;
        failpoint::reached("load.clear");
        self.engine.clear_partition(lease, &load.matches, &load.accounts).await?;
        failpoint::reached("load.write");
        self.engine.write_partition(lease, load).await?;
        self.store.install(self.engine.partition_count()).await?;
        failpoint::reached("load.open");
        self.engine.open_partition(lease, epoch).await?;
        self.forget_draws(partition);
        tracing::info!(%partition, epoch, "loaded from PostgreSQL");
        Ok(())
    }

    /// Takes all that the journal still has to PostgreSQL, because the journal then begins again. A
    /// journal that has lost its last entries may have gone on with ids below the position of
    /// PostgreSQL, when the clock of the new server is behind. Such a journal is read from its
    /// start. `epoch` is the epoch of the journal: entries of an earlier epoch change nothing that
    /// a later one has changed.
    async fn drain_all(
        &self,
        journal: &Journal,
        partition: Partition,
        mut position: Position,
        epoch: u64,
    ) -> anyhow::Result<()> {
        let same =
            epoch == position.epoch && self.engine.journal_has(partition, position.id).await?;
        let mut read = Position { epoch, id: if same { position.id } else { StreamId::default() } };
        // The last entry, and not the last id: entries that are gone cannot be read.
        while self.engine.journal_newest(partition).await? > read.id {
            (position, read) = self.take_rest(journal, partition, position, read).await?;
        }
        Ok(())
    }

    async fn read_kept(&self, partition: Partition) -> anyhow::Result<Load> {
        let (sites, matches) = self.store.catalog(partition).await?;
        let live = matches.iter().filter(|fixture| !fixture.archived);
        let live: Vec<MatchId> = live.map(|fixture| fixture.id).collect();
        Ok(Load {
            accounts: self.store.accounts(partition).await?,
            sites,
            matches,
            reservations: self.store.claimed_reservations(partition).await?,
            blocked: self.store.blocked_seats(partition).await?,
            check_ins: self.store.check_ins(&live).await?,
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
    fn the_one_that_is_behind_has_lost_data() {
        let state = |epoch: u64, committed: u64, open: bool| PartitionState {
            epoch: Some(epoch),
            open,
            committed: StreamId { ms: committed, seq: 0 },
            halted: None,
        };
        let lost = |announced, found| Agreement::DatabaseLost { announced, found };
        let redis_lost = |committed| Agreement::RedisLost { committed };
        let never = PartitionState::default();
        for (known, position, has, agreement) in [
            (state(2, 50, true), Some(at(2, 50)), true, Agreement::Same),
            // Committed and not yet announced.
            (state(2, 50, true), Some(at(2, 60)), true, Agreement::Same),
            (state(2, 50, true), Some(at(2, 60)), false, redis_lost(at(2, 60))),
            (state(1, 50, true), Some(at(2, 0)), true, redis_lost(at(2, 0))),
            (state(2, 50, true), Some(at(2, 40)), true, lost(at(2, 50), Some(at(2, 40)))),
            // The same when the entry at this position was trimmed, and when the epoch is older.
            (state(2, 50, true), Some(at(2, 40)), false, lost(at(2, 50), Some(at(2, 40)))),
            (state(2, 0, true), Some(at(1, 90)), true, lost(at(2, 0), Some(at(1, 90)))),
            (state(2, 50, true), None, true, lost(at(2, 50), None)),
            (state(1, 0, true), None, true, lost(at(1, 0), None)),
            // A partition that was closed still has the announced position.
            (state(2, 50, false), Some(at(2, 40)), true, lost(at(2, 50), Some(at(2, 40)))),
            (state(2, 50, false), Some(at(2, 50)), true, Agreement::NotLoaded),
            (state(2, 50, false), Some(at(3, 0)), true, Agreement::NotLoaded),
            (never.clone(), None, true, Agreement::NotLoaded),
            (never, Some(at(2, 50)), false, Agreement::NotLoaded),
        ] {
            let found = Agreement::of(&known, position, has);
            assert_eq!(found, agreement, "{known:?} {position:?} {has}");
        }
    }
}
