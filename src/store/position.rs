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

const INSTALLATION: &str = "
    insert into installation (partitions) values ($1)
    on conflict (one) do update set one = true returning partitions";

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

    /// The number of partitions of this installation: the one given at the first start.
    pub async fn partition_count(&self, wanted: u16) -> Result<u16, StoreError> {
        let connection = self.connection().await?;
        let row = connection.query_one(INSTALLATION, &[&i32::from(wanted)]).await?;
        Ok(row.get::<_, i32>(0) as u16)
    }
}
