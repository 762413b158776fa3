//! Dead letters as rows: journal entries that can't be applied, with the reason. The write-behind
//! worker writes them, and removes them when the journal has them again.

use crate::domain::fact::Fields;
use crate::domain::ids::Partition;
use crate::domain::position::Position;
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use tokio_postgres::Row;
use tokio_postgres::types::Json;

const KEEP: &str = "
    insert into dead_letters (partition, epoch, journal_id, fields, reason)
    values ($1, $2, $3, $4, $5) on conflict do nothing";

const LIST: &str = "
    select partition, epoch, journal_id, fields, reason, at from dead_letters
    order by at, partition, epoch, journal_id";

const COUNT: &str = "select count(*) as letters from dead_letters where partition = any($1)";

const REMOVE: &str = "
    delete from dead_letters where partition = $1
        and (epoch, journal_id) in (select * from unnest($2::bigint[], $3::text[]))";

/// A journal entry that waits for an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub partition: Partition,
    /// Where the entry was in the journal.
    pub position: Position,
    /// The whole entry; an operator may have corrected it.
    pub fields: Fields,
    pub reason: String,
    pub since: jiff::Timestamp,
}

impl Store {
    /// Writes a dead letter; `false` when it was already there.
    pub async fn keep_dead_letter(
        &self,
        partition: Partition,
        position: Position,
        fields: &Fields,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let connection = self.connection().await?;
        let (number, epoch) = (i32::from(partition.0), position.epoch as i64);
        let id = position.id.to_string();
        // PostgreSQL refuses a text with a NUL, and a NUL may be why this entry is here.
        let reason = reason.replace('\0', "\\0");
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&number, &epoch, &id, &Json(fields), &reason];
        Ok(connection.execute(KEEP, &values).await? == 1)
    }

    /// How many dead letters these partitions have.
    pub async fn dead_letters_in(&self, partitions: &[Partition]) -> Result<i64, StoreError> {
        let numbers: Vec<i32> = partitions.iter().map(|partition| partition.0.into()).collect();
        let connection = self.connection().await?;
        Ok(connection.query_one(COUNT, &[&numbers]).await?.get("letters"))
    }

    /// All dead letters, the oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(LIST, &[]).await?;
        rows.iter().map(DeadLetter::from_row).collect()
    }
}

impl DeadLetter {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let id: &str = row.get("journal_id");
        let damaged = || StoreError::Damaged(format!("a dead letter has the journal id {id:?}"));
        Ok(Self {
            partition: Partition(row.get::<_, i32>("partition") as u16),
            position: Position {
                epoch: row.get::<_, i64>("epoch") as u64,
                id: id.parse().map_err(|_| damaged())?,
            },
            fields: row.get::<_, Json<Fields>>("fields").0,
            reason: row.get("reason"),
            since: row.get("at"),
        })
    }
}

/// Removes letters that were replayed, because the journal has them again.
pub(super) async fn remove(
    transaction: &Transaction<'_>,
    partition: Partition,
    letters: &[Position],
) -> Result<(), StoreError> {
    if letters.is_empty() {
        return Ok(());
    }
    let epochs: Vec<i64> = letters.iter().map(|letter| letter.epoch as i64).collect();
    let ids: Vec<String> = letters.iter().map(|letter| letter.id.to_string()).collect();
    transaction.execute(REMOVE, &[&i32::from(partition.0), &epochs, &ids]).await?;
    Ok(())
}
