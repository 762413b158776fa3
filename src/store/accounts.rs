//! Accounts as rows.

use crate::domain::account::{Account, Role};
use crate::domain::api_key::ApiKey;
use crate::domain::ids::{Partition, SiteId, UserId};
use crate::store::{Store, StoreError};
use deadpool_postgres::Transaction;
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

const READ: &str = "
    select id, version, email, password_hash, role, sites, disabled, email_verified,
        second_factor, api_key, (extract(epoch from created_at) * 1000)::bigint as created_at
    from accounts where partition_of(id) = $1";

// `$3`: API keys, or the accounts of people.
const PAGE: &str = "
    select id, version, email, '' as password_hash, role, sites, disabled, email_verified,
        second_factor, api_key, (extract(epoch from created_at) * 1000)::bigint as created_at
    from accounts where id > $1 and (api_key is not null) = $3 order by id limit $2";

const ADMINISTRATORS: &str = "select email from accounts where role = 'ADMIN' order by id";

// The sites of an account are one text, because arrays of different lengths can't be unnested
// together.
const WRITE: &str = "
    insert into accounts
        (id, version, email, password_hash, role, sites, disabled, email_verified,
            second_factor, api_key, created_at)
    select id, version, email, hash, role, sites::uuid[], disabled, verified,
        factor, key, to_timestamp(at / 1000.0)
    from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[],
        $7::bool[], $8::bool[], $9::text[], $10::jsonb[], $11::float8[])
        as t (id, version, email, hash, role, sites, disabled, verified, factor, key, at)
    where not exists (select from deleted_documents where id = t.id)
    on conflict (id) do update set version = excluded.version, email = excluded.email,
        password_hash = excluded.password_hash, role = excluded.role, sites = excluded.sites,
        disabled = excluded.disabled, email_verified = excluded.email_verified,
        second_factor = excluded.second_factor, api_key = excluded.api_key
    where accounts.version < excluded.version";

const MARK_DELETED: &str = "
    insert into deleted_documents (id) select unnest($1::uuid[]) on conflict do nothing";

const DELETE: &str = "delete from accounts where id = any($1)";

impl Store {
    /// The accounts of a partition.
    pub async fn accounts(&self, partition: Partition) -> Result<Vec<Account>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(READ, &[&i32::from(partition.0)]).await?;
        Ok(rows.iter().map(from_row).collect())
    }

    /// A page of the accounts of people in the order of their ids: up to `count` with ids greater
    /// than `after`.
    pub async fn accounts_after(
        &self,
        after: Option<UserId>,
        count: i64,
    ) -> Result<Vec<Account>, StoreError> {
        self.page(false, after, count).await
    }

    /// The same of API keys.
    pub async fn api_keys_after(
        &self,
        after: Option<UserId>,
        count: i64,
    ) -> Result<Vec<Account>, StoreError> {
        self.page(true, after, count).await
    }

    async fn page(
        &self,
        keys: bool,
        after: Option<UserId>,
        count: i64,
    ) -> Result<Vec<Account>, StoreError> {
        let connection = self.connection().await?;
        let after = after.map_or(Uuid::nil(), |user| user.0);
        let rows = connection.query(PAGE, &[&after, &count, &keys]).await?;
        Ok(rows.iter().map(from_row).collect())
    }

    /// The e-mails of the administrators that PostgreSQL knows.
    pub async fn administrators(&self) -> Result<Vec<String>, StoreError> {
        let connection = self.connection().await?;
        let rows = connection.query(ADMINISTRATORS, &[]).await?;
        Ok(rows.iter().map(|row| row.get("email")).collect())
    }
}

fn from_row(row: &Row) -> Account {
    let sites: Vec<Uuid> = row.get("sites");
    let role: &str = row.get("role");
    Account {
        id: UserId(row.get("id")),
        version: row.get::<_, i64>("version") as u64,
        email: row.get("email"),
        password_hash: row.get("password_hash"),
        // The table allows no other words.
        role: Role::from_word(role).unwrap_or(Role::User),
        sites: sites.into_iter().map(SiteId).collect(),
        disabled: row.get("disabled"),
        email_verified: row.get("email_verified"),
        second_factor: row.get("second_factor"),
        api_key: row.get::<_, Option<Json<ApiKey>>>("api_key").map(|Json(key)| key),
        created_at: row.get("created_at"),
    }
}

/// Writes the accounts of a batch; `None` for an account that was deleted.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    accounts: HashMap<Uuid, Option<Account>>,
) -> Result<(), StoreError> {
    let deleted: Vec<Uuid> =
        accounts.iter().filter(|(_, account)| account.is_none()).map(|(id, _)| *id).collect();
    if !deleted.is_empty() {
        transaction.execute(MARK_DELETED, &[&deleted]).await?;
        transaction.execute(DELETE, &[&deleted]).await?;
    }
    let accounts: Vec<Account> = accounts.into_values().flatten().collect();
    if accounts.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.id.0).collect();
    let versions: Vec<i64> = accounts.iter().map(|account| account.version as i64).collect();
    let emails: Vec<&str> = accounts.iter().map(|account| account.email.as_str()).collect();
    let hashes: Vec<&str> = accounts.iter().map(|account| account.password_hash.as_str()).collect();
    let roles: Vec<&str> = accounts.iter().map(|account| account.role.word()).collect();
    let sites: Vec<String> = accounts.iter().map(sites_text).collect();
    let disabled: Vec<bool> = accounts.iter().map(|account| account.disabled).collect();
    let verified: Vec<bool> = accounts.iter().map(|account| account.email_verified).collect();
    let factors: Vec<&str> =
        accounts.iter().map(|account| account.second_factor.as_str()).collect();
    let keys: Vec<Option<Json<&ApiKey>>> =
        accounts.iter().map(|account| account.api_key.as_ref().map(Json)).collect();
    let created: Vec<f64> = accounts.iter().map(|account| account.created_at as f64).collect();
    let columns: [&(dyn tokio_postgres::types::ToSql + Sync); 11] = [
        &ids, &versions, &emails, &hashes, &roles, &sites, &disabled, &verified, &factors, &keys,
        &created,
    ];
    transaction.execute(WRITE, &columns).await?;
    Ok(())
}

fn sites_text(account: &Account) -> String {
    let sites: Vec<String> = account.sites.iter().map(SiteId::to_string).collect();
    format!("{{{}}}", sites.join(","))
}
