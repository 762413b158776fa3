//! Keep: PostgreSQL. The only folder with SQL. Requests only read; the write-behind worker writes.

mod accounts;
pub mod apply;
pub mod audit;
pub mod catalog;
pub mod claims;
mod columns;
mod committed_payments;
mod connect;
pub mod dead_letters;
mod guard;
pub mod payment_history;
pub mod payments;
mod position;
mod refunds;
mod reservations;
pub mod restore;
pub mod status;
pub mod trail;
pub mod unsettled;
mod writes;

pub use committed_payments::{ClaimRow, RefundRow};

use crate::domain::position::Position;
use crate::store::connect::StatementTimes;
use deadpool_postgres::{Object, Pool, PoolError, Runtime, Timeouts};
use grandstand_embedded::tell;
use std::sync::Arc;
use std::time::Duration;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The number of the lock that a process has while it migrates. It is arbitrary.
const MIGRATION_LOCK: i64 = 0x6772_616e_6473;

/// Why PostgreSQL did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached, or was lost in the middle: ask again later.
    #[error("PostgreSQL can't be reached: {0}")]
    Away(String),
    /// It does not let this process in: TLS, password, or the rules of `pg_hba.conf`.
    #[error("PostgreSQL does not let this process in: {0}")]
    Access(String),
    /// It refuses this data, and will refuse it again.
    #[error("PostgreSQL refuses: {0}")]
    Refused(String),
    /// A table or column is missing: an older or newer release made the schema.
    #[error("the schema is not that of this release: {0}")]
    Schema(String),
    /// The position of a partition is not the one that the caller expected.
    #[error("PostgreSQL has the journal up to {}, not up to {expected}", position_text(*.found))]
    Moved { expected: Position, found: Option<Position> },
    /// A row has a text that no release writes. Nothing else may be taken for it.
    #[error("PostgreSQL has a row that can't be read: {0}")]
    Damaged(String),
    #[error("{0}")]
    Setting(String),
}

fn position_text(position: Option<Position>) -> String {
    position.map_or_else(|| "no position at all".to_owned(), |position| position.to_string())
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // Only faults of the data itself (classes 22 and 23) come again. All others pass: a
            // lock, a timeout, a shutdown. They must not refuse an entry, because a refused entry
            // becomes a dead letter.
            Some(db) => {
                let (code, text) = (db.code().code(), db.message());
                match &code[..2] {
                    "22" | "23" => Self::Refused(format!("{text} ({code})")),
                    "42" => Self::Schema(format!("{text} ({code})")),
                    _ => Self::Away(format!("{text} ({code})")),
                }
            }
            None => Self::Away(full_text(&error)),
        }
    }
}

/// Whether the server refused the log-in (class 28).
fn is_log_in(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("28"))
}

fn full_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

/// The innermost cause: the layers above it only repeat that there was an error.
fn root(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

/// A pool of connections to PostgreSQL.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    /// The callers that wait for a committed payment.
    committed: committed_payments::SharedWaiting,
    writes: Arc<writes::Writes>,
    /// Host and port, for messages.
    address: Arc<str>,
}

impl Store {
    /// Makes the pool. It does not connect yet, because a node also starts without PostgreSQL.
    pub fn new(database_url: &str, connections: usize) -> Result<Self, StoreError> {
        Self::with_times(database_url, connections, StatementTimes::Work)
    }

    /// The same for a node without a worker, whose statements only read: they end after 2 s.
    pub fn for_requests(database_url: &str, connections: usize) -> Result<Self, StoreError> {
        Self::with_times(database_url, connections, StatementTimes::Requests)
    }

    fn with_times(
        database_url: &str,
        connections: usize,
        times: StatementTimes,
    ) -> Result<Self, StoreError> {
        let (manager, address) = connect::manager(database_url, times)?;
        let limit = Some(Duration::from_secs(2));
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: limit, create: limit, recycle: limit })
            .build()
            .map_err(|error| StoreError::Setting(error.to_string()))?;
        let (committed, writes) = Default::default();
        Ok(Self { pool, committed, writes, address: address.into() })
    }

    pub(crate) async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| {
            let (address, cause) = (&self.address, root(&error));
            let text = format!("{address} (GRANDSTAND_DATABASE_URL): {cause}");
            match &error {
                PoolError::Backend(error) if connect::is_of_tls(error) => {
                    StoreError::Access(format!("{text} (TLS)"))
                }
                PoolError::Backend(error) if is_log_in(error) => StoreError::Access(text),
                _ => StoreError::Away(text),
            }
        })
    }

    /// Returns when PostgreSQL has replied.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.connection().await?.simple_query("select 1").await?;
        Ok(())
    }

    /// Brings the schema up to this release; several processes may try at once. It waits at most a
    /// minute for each lock, and prints that it waits for another migration.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        connection.batch_execute("set statement_timeout = 0; set lock_timeout = '60s'").await?;
        let row =
            connection.query_one("select pg_try_advisory_lock($1) as locked", &[&MIGRATION_LOCK]);
        if !row.await?.get::<_, bool>("locked") {
            tell("waiting for another migration of this database to end, at most 60 s\n");
            let lock = connection.execute("select pg_advisory_lock($1)", &[&MIGRATION_LOCK]);
            lock.await.map_err(|error| {
                let what = "another migration of this database has not ended within 60 s; run this \
                    again when it has";
                StoreError::Away(format!("{what} ({error})"))
            })?;
        }
        let done = embedded::migrations::runner().run_async(&mut **connection.as_mut()).await;
        connection.execute("select pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
        // Not back to the pool, because this connection has other timeouts.
        drop(Object::take(connection));
        done.map(|_| ()).map_err(|error| StoreError::Refused(full_text(&error)))
    }

    /// Refuses a server whose settings let it lose commits: a committed sale must be on disk.
    pub async fn assert_durable(&self) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        for (setting, bad) in
            [("synchronous_commit", "off"), ("fsync", "off"), ("full_page_writes", "off")]
        {
            let row =
                connection.query_one("select current_setting($1) as value", &[&setting]).await?;
            let value: &str = row.get("value");
            if value == bad {
                return Err(StoreError::Setting(format!(
                    "PostgreSQL runs with {setting} = {value}: a confirmed sale could be lost. \
                     Set it to on, or start with --allow-unsafe-database for tests."
                )));
            }
        }
        Ok(())
    }
}
