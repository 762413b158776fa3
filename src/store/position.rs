//! Where the write-behind worker stands in each journal, and how many partitions there are.

use crate::domain::ids::Partition;
use crate::domain::position::{Position, StreamId};
use crate::store::{Store, StoreError};

const POSITION: &str = "
    select epoch, journal_ms, journal_seq from partitions where number = $1";

const RISE: &str = "
    insert into partitions (number, epoch) values ($1, $2)
    on conflict (number) do update
    set epoch = excluded.epoch, journal_ms = 0, journal_seq = 0, updated_at = now()
    where partitions.epoch < excluded.epoch";

const INSTALLATION: &str = "select partitions from installation";

const INSTALL: &str = "
    insert into installation (partitions) values ($1) on conflict (one) do nothing";

impl Store {
    /// Up to where PostgreSQL has the journal of a partition; `None` before the first start.
    pub async fn position(&self, partition: Partition) -> Result<Option<Position>, StoreError> {
        let connection = self.connection().await?;
        let row = connection.query_opt(POSITION, &[&i32::from(partition.0)]).await?;
        Ok(row.map(|row| {
            let (epoch, ms, seq): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
            Position { epoch: epoch as u64, id: StreamId { ms: ms as u64, seq: seq as u64 } }
        }))
    }

    /// Begins a new epoch of a partition: its journal starts anew.
    pub async fn begin_epoch(&self, partition: Partition, epoch: u64) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        connection.execute(RISE, &[&i32::from(partition.0), &(epoch as i64)]).await?;
        Ok(())
    }

    /// The number of partitions of this installation; `None` before its first start.
    pub async fn partition_count(&self) -> Result<Option<u16>, StoreError> {
        let connection = self.connection().await?;
        let row = connection.query_opt(INSTALLATION, &[]).await?;
        Ok(row.map(|row| row.get::<_, i32>(0) as u16))
    }

    /// Takes note of the number of partitions, at the first start of an installation. The number
    /// that stands already does not change.
    pub async fn install(&self, partitions: u16) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        connection.execute(INSTALL, &[&i32::from(partitions)]).await?;
        Ok(())
    }
}
