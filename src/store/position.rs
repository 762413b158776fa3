//! How far PostgreSQL has the journal of each partition, and how many partitions there are.

use crate::domain::ids::Partition;
use crate::domain::position::Position;
use crate::store::columns::position_in;
use crate::store::{Store, StoreError};

const POSITION: &str = "
    select epoch, journal_ms, journal_seq from partitions where number = $1";

const BEGIN_EPOCH: &str = "
    insert into partitions (number, epoch) values ($1, $2)
    on conflict (number) do update
    set epoch = excluded.epoch, journal_ms = 0, journal_seq = 0, updated_at = now()
    where partitions.epoch < excluded.epoch";

const INSTALLATION: &str = "select partitions from installation";

const INSTALL: &str = "
    insert into installation (partitions) values ($1) on conflict (one) do nothing";

impl Store {
    /// The position up to which PostgreSQL has the journal of a partition; `None` before the first
    /// start.
    pub async fn position(&self, partition: Partition) -> Result<Option<Position>, StoreError> {
        let connection = self.connection().await?;
        let row = connection.query_opt(POSITION, &[&i32::from(partition.0)]).await?;
        Ok(row.as_ref().map(position_in))
    }

    /// Begins a new epoch of a partition: its journal is read from the start.
    pub async fn begin_epoch(&self, partition: Partition, epoch: u64) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        connection.execute(BEGIN_EPOCH, &[&i32::from(partition.0), &(epoch as i64)]).await?;
        Ok(())
    }

    /// The number of partitions of this installation; `None` before its first start.
    pub async fn partition_count(&self) -> Result<Option<u16>, StoreError> {
        let connection = self.connection().await?;
        let row = connection.query_opt(INSTALLATION, &[]).await?;
        Ok(row.map(|row| row.get::<_, i32>("partitions") as u16))
    }

    /// Writes the number of partitions at the first start of an installation. A number that is
    /// already written stays.
    pub async fn install(&self, partitions: u16) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        connection.execute(INSTALL, &[&i32::from(partitions)]).await?;
        Ok(())
    }
}
