//! Journal entries that can't be applied, with the reason. They are written by the worker that
//! found them, and go when the journal has brought them again.

use crate::domain::fact::Fields;
use crate::domain::ids::Partition;
use crate::domain::position::Position;
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use tokio_postgres::types::Json;

const KEEP: &str = "
    insert into dead_letters (partition, epoch, journal_id, fields, reason)
    values ($1, $2, $3, $4, $5) on conflict do nothing";

const LIST: &str = "
    select partition, epoch, journal_id, fields, reason, at from dead_letters
    order by at, partition, epoch, journal_id";

const REMOVE: &str = "
    delete from dead_letters where partition = $1
        and (epoch, journal_id) in (select * from unnest($2::bigint[], $3::text[]))";

/// An entry that waits for somebody to act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub partition: Partition,
    /// Where it stood in the journal.
    pub place: Position,
    /// The whole entry; somebody may have mended it.
    pub fields: Fields,
    pub reason: String,
    pub since: jiff::Timestamp,
}

impl Store {
    /// Keeps an entry that can't be applied, with the reason; `false` when it was there.
    pub async fn keep_dead_letter(
        &self,
        partition: Partition,
        place: Position,
        fields: &Fields,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let connection = self.connection().await?;
        let (number, epoch) = (i32::from(partition.0), place.epoch as i64);
        let id = place.id.to_string();
        // No text of PostgreSQL holds a NUL, and this entry may be here because of one.
        let reason = reason.replace('\0', "\\0");
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&number, &epoch, &id, &Json(fields), &reason];
        Ok(connection.execute(KEEP, &values).await? == 1)
    }

    /// All dead letters, the oldest first.
    pub async fn dead_letters(&self) -> Result<Vec<DeadLetter>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(LIST, &[]).await?;
        let letters = rows.iter().map(|row| DeadLetter {
            partition: Partition(row.get::<_, i32>(0) as u16),
            place: Position {
                epoch: row.get::<_, i64>(1) as u64,
                id: row.get::<_, &str>(2).parse().unwrap_or_default(),
            },
            fields: row.get::<_, Json<Fields>>(3).0,
            reason: row.get(4),
            since: row.get(5),
        });
        Ok(letters.collect())
    }
}

/// Forgets letters that the journal has brought again.
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
