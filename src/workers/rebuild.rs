//! A partition that Redis does not have is loaded from PostgreSQL, under a new epoch: sold stays
//! sold, claimed stays PAYING, accounts and catalogue return; open holds are gone.

use crate::domain::ids::Partition;
use crate::workers::Workers;

impl Workers {
    /// Loads the partition when it is missing; answers whether it did.
    pub async fn load_once(&self, partition: Partition) -> anyhow::Result<bool> {
        if self.engine.epoch(partition).await?.is_some() {
            // A first start that died between the two steps.
            if self.store.position(partition).await?.is_none() {
                let epoch = self.engine.epoch(partition).await?.unwrap_or(1);
                self.store.begin_epoch(partition, epoch).await?;
            }
            return Ok(false);
        }
        let epoch = self.store.position(partition).await?.map_or(0, |place| place.epoch) + 1;
        let accounts = self.store.accounts().await?;
        let (sites, matches) = self.store.catalog().await?;
        let reservations = self.store.claimed_reservations().await?;
        let of = |id: Partition| id == partition;
        let load = crate::engine::load::Load {
            accounts: accounts.into_iter().filter(|one| of(one.id.partition())).collect(),
            sites: sites.into_iter().filter(|one| of(one.id.partition())).collect(),
            matches: matches.into_iter().filter(|one| of(one.id.partition())).collect(),
            reservations: reservations
                .into_iter()
                .filter(|one| of(one.match_id.partition()))
                .collect(),
        };
        self.engine.load_partition(partition, load).await?;
        self.store.begin_epoch(partition, epoch).await?;
        self.engine.open_partition(partition, epoch).await?;
        tracing::info!(%partition, epoch, "loaded from PostgreSQL");
        Ok(true)
    }
}
