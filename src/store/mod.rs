//! Keep: PostgreSQL. The only folder with SQL. Requests only read; the write-behind worker writes.

pub mod apply;
mod claim_rows;
pub mod claims;
pub mod dead_letters;
mod guard;
mod kept;
pub mod orphans;
pub mod payment_rows;
pub mod payments;
mod place;
pub mod position;
mod refunds;
pub mod reservations;
pub mod restore;
pub mod unsettled;

pub use claim_rows::{ClaimRow, RefundRow};

use crate::domain::position::Position;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::config::Host;
use tokio_postgres::{Config, NoTls};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// An arbitrary number that all processes of Grandstand lock while they migrate.
const MIGRATION_LOCK: i64 = 0x6772_616e_6473;

/// Why PostgreSQL did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, or gone in the middle: ask again later.
    #[error("PostgreSQL can't be reached: {0}")]
    Away(String),
    /// It understood and said no.
    #[error("PostgreSQL refuses: {0}")]
    Refused(String),
    /// A table or column is not there: an older or newer release made the schema.
    #[error("the schema is not that of this release: {0}")]
    Schema(String),
    /// The journal of a partition is not where the caller thinks.
    #[error("PostgreSQL has the journal up to {}, not up to {expected}", place_text(*.found))]
    Moved { expected: Position, found: Option<Position> },
    #[error("{0}")]
    Setting(String),
}

fn place_text(place: Option<Position>) -> String {
    place.map_or_else(|| "no place at all".to_owned(), |place| place.to_string())
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // Only what is wrong with the data itself (classes 22 and 23) will be wrong again. All
            // else passes: a lock, a time-out, a shut-down. An entry that is given up is lost.
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

/// The cause at the bottom: the layers above it only repeat that there was an error.
fn root(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(inner) = last.source() {
        last = inner;
    }
    last.to_string()
}

fn place(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let ports = config.get_ports().iter().copied().chain(std::iter::repeat(5432));
    let places: Vec<String> =
        hosts.zip(ports).map(|(host, port)| format!("{host}:{port}")).collect();
    places.join(", ")
}

/// A pool of connections to PostgreSQL.
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    claim_rows: claim_rows::SharedWaiting,
    /// Host and port, for messages.
    place: Arc<str>,
}

impl Store {
    /// Makes the pool; does not connect yet, because a node starts without PostgreSQL too.
    pub fn new(database_url: &str, connections: usize) -> Result<Self, StoreError> {
        let mut config = Config::from_str(database_url)
            .map_err(|error| StoreError::Setting(format!("database URL: {error}")))?;
        config.connect_timeout(Duration::from_secs(2));
        config.tcp_user_timeout(Duration::from_secs(5));
        // A host that vanished after it took the last packet is noticed by this alone.
        config.keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(2));
        config.keepalives_retries(3);
        config.application_name("grandstand");
        config.options(
            // Statements are short: compiling one takes longer than running it.
            "-c jit=off -c statement_timeout=10s -c lock_timeout=5s \
             -c idle_in_transaction_session_timeout=10s",
        );
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let place = place(&config).into();
        let manager = Manager::from_config(config, NoTls, recycling);
        let limit = Some(Duration::from_secs(2));
        let pool = Pool::builder(manager)
            .max_size(connections)
            .runtime(Runtime::Tokio1)
            .timeouts(Timeouts { wait: limit, create: limit, recycle: limit })
            .build()
            .map_err(|error| StoreError::Setting(error.to_string()))?;
        Ok(Self { pool, claim_rows: Default::default(), place })
    }

    pub(crate) async fn connection(&self) -> Result<Object, StoreError> {
        self.pool.get().await.map_err(|error| {
            StoreError::Away(format!("{} (GRANDSTAND_DATABASE_URL): {}", self.place, root(&error)))
        })
    }

    /// Answers when PostgreSQL does.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.connection().await?.simple_query("select 1").await?;
        Ok(())
    }

    /// Brings the schema up to this release; several processes may try at once. No lock is waited
    /// for longer than a minute, and that others migrate is said.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        connection.batch_execute("set statement_timeout = 0; set lock_timeout = '60s'").await?;
        let row = connection.query_one("select pg_try_advisory_lock($1)", &[&MIGRATION_LOCK]);
        if !row.await?.get::<_, bool>(0) {
            eprintln!("waiting for another migration of this database to end, at most 60 s");
            let lock = connection.execute("select pg_advisory_lock($1)", &[&MIGRATION_LOCK]);
            lock.await.map_err(|error| {
                let what = "another migration of this database has not ended within 60 s; run this \
                    again when it has";
                StoreError::Away(format!("{what} ({error})"))
            })?;
        }
        let done = embedded::migrations::runner().run_async(&mut **connection.as_mut()).await;
        connection.execute("select pg_advisory_unlock($1)", &[&MIGRATION_LOCK]).await?;
        // The connection has other time limits than the pool gives: it is not for reuse.
        drop(Object::take(connection));
        done.map(|_| ()).map_err(|error| StoreError::Refused(full_text(&error)))
    }

    /// A sale that is committed must be on disk: refuses a server that is set up to forget.
    pub async fn assert_durable(&self) -> Result<(), StoreError> {
        let connection = self.connection().await?;
        for (setting, bad) in
            [("synchronous_commit", "off"), ("fsync", "off"), ("full_page_writes", "off")]
        {
            let row = connection.query_one("select current_setting($1)", &[&setting]).await?;
            let value: &str = row.get(0);
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
