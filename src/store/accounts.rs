//! Accounts as rows.

use crate::domain::account::Account;
use crate::domain::ids::{Partition, UserId};
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use tokio_postgres::Row;
use uuid::Uuid;

const READ: &str = "
    select id, email, password_hash, role,
        (extract(epoch from created_at) * 1000)::bigint as created_at
    from accounts where partition_of(id) = $1";

const WRITE: &str = "
    insert into accounts (id, email, password_hash, role, created_at)
    select id, email, hash, role, to_timestamp(at / 1000.0)
    from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::float8[])
        as t (id, email, hash, role, at)
    on conflict (id) do nothing";

impl Store {
    /// The accounts of a partition.
    pub async fn accounts(&self, partition: Partition) -> Result<Vec<Account>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(READ, &[&i32::from(partition.0)]).await?;
        Ok(rows.iter().map(from_row).collect())
    }
}

fn from_row(row: &Row) -> Account {
    Account {
        id: UserId(row.get("id")),
        email: row.get("email"),
        password_hash: row.get("password_hash"),
        role: row.get("role"),
        created_at: row.get("created_at"),
    }
}

/// Writes the accounts of a batch.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    accounts: &[Account],
) -> Result<(), StoreError> {
    if accounts.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.id.0).collect();
    let emails: Vec<&str> = accounts.iter().map(|account| account.email.as_str()).collect();
    let hashes: Vec<&str> = accounts.iter().map(|account| account.password_hash.as_str()).collect();
    let roles: Vec<&str> = accounts.iter().map(|account| account.role.word()).collect();
    let created: Vec<f64> = accounts.iter().map(|account| account.created_at as f64).collect();
    transaction.execute(WRITE, &[&ids, &emails, &hashes, &roles, &created]).await?;
    Ok(())
}
