//! A partition that Redis does not have, or whose tail it has lost, is loaded from PostgreSQL under
//! a new epoch: sold stays sold, claimed stays PAYING, accounts and catalogue return; open holds
//! are gone.

use crate::domain::ids::Partition;
use crate::domain::position::Position;
use crate::engine::load::Load;
use crate::stream::journal::Journal;
use crate::workers::Workers;

impl Workers {
    /// Loads the partition when it is missing or has lost its tail; answers whether it did.
    pub async fn load_once(&self, journal: &Journal, partition: Partition) -> anyhow::Result<bool> {
        let place = self.store.position(partition).await?;
        match (self.engine.epoch(partition).await?, place) {
            (None, place) => {
                self.engine.retire_layout(partition).await?;
                self.load(journal, partition, place).await?;
            }
            // A first start that died between the two steps.
            (Some(epoch), None) => {
                self.store.begin_epoch(partition, epoch).await?;
                return Ok(false);
            }
            (Some(epoch), Some(place)) => {
                if epoch >= place.epoch && journal.has(place.id).await? {
                    return Ok(false);
                }
                tracing::error!(%partition, epoch, known = %place,
                    "Redis has lost what PostgreSQL knows: the partition is loaded again");
                metrics::counter!("grandstand_partitions_rebuilt_total").increment(1);
                self.engine.close_partition(partition).await?;
                self.load(journal, partition, Some(place)).await?;
            }
        }
        Ok(true)
    }

    /// Whether Redis still has the log that PostgreSQL knows up to `place`.
    pub async fn same_log(
        &self,
        journal: &Journal,
        partition: Partition,
        place: Position,
    ) -> anyhow::Result<bool> {
        let epoch = self.engine.epoch(partition).await?;
        Ok(epoch == Some(place.epoch) && journal.has(place.id).await?)
    }

    async fn load(
        &self,
        journal: &Journal,
        partition: Partition,
        place: Option<Position>,
    ) -> anyhow::Result<()> {
        if let Some(place) = place {
            self.drain_all(journal, partition, place).await?;
        }
        let epoch = place.map_or(0, |place| place.epoch) + 1;
        let load = self.read_kept(partition).await?;
        self.engine.load_partition(partition, load).await?;
        self.store.begin_epoch(partition, epoch).await?;
        self.engine.open_partition(partition, epoch).await?;
        tracing::info!(%partition, epoch, "loaded from PostgreSQL");
        Ok(())
    }

    /// What the journal still has must be in PostgreSQL before the journal begins anew.
    async fn drain_all(
        &self,
        journal: &Journal,
        partition: Partition,
        mut place: Position,
    ) -> anyhow::Result<()> {
        while journal.newest().await? > place.id {
            let next = self.take_rest(journal, partition, place).await?;
            if next == place {
                return Ok(());
            }
            place = next;
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
