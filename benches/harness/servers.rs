//! A durable Redis and PostgreSQL with workers, for the benches of the write-behind path.

use fred::prelude::*;
use grandstand::domain::fact::Fields;
use grandstand::domain::ids::Partition;
use grandstand::engine::leases::Lease;
use grandstand::engine::limits::Limits;
use grandstand::engine::{Engine, EngineSettings};
use grandstand::gateway::client::TossSettings;
use grandstand::gateway::toss::Toss;
use grandstand::live::catalog::Catalog;
use grandstand::redis::Link;
use grandstand::redis::keys::PartitionKeys;
use grandstand::store::Store;
use grandstand::stream::journal::Journal;
use grandstand::workers::Workers;
use grandstand_embedded::{PostgresSettings, PrivatePostgres, PrivateRedis, RedisSettings};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The servers, and workers that run single steps on request.
pub struct Servers {
    pub store: Store,
    pub workers: Workers,
    pub redis: PrivateRedis,
    postgres: PrivatePostgres,
    raw: Link,
    _dir: TempDir,
}

impl Servers {
    /// Starts both servers, and loads this number of partitions.
    pub async fn start(partitions: u16) -> Self {
        let dir = TempDir::new().expect("a directory");
        let redis = PrivateRedis::start(dir.path(), RedisSettings::default()).await;
        let redis = redis.expect("a private Redis");
        let postgres = PrivatePostgres::start(dir.path(), PostgresSettings::default()).await;
        let postgres = postgres.expect("a private PostgreSQL");
        let store = Store::new(&postgres.url(), 8).expect("a store");
        store.migrate().await.expect("a schema");
        store.assert_durable().await.expect("a durable server");
        store.install(partitions).await.expect("partitions");
        let limits = Limits {
            hold_ttl_ms: 300_000,
            payment_ttl_ms: 600_000,
            seats_per_user: 4,
            holds_per_ten_minutes: 0,
            cool_down_after: 0,
        };
        let settings = EngineSettings { redis_url: redis.url(), partitions, limits };
        let engine = Arc::new(Engine::connect(settings).await.expect("an engine"));
        let toss = TossSettings {
            base_url: "http://127.0.0.1:1".to_owned(),
            secret_key: "none".to_owned(),
            timeout_ms: 1000,
        };
        let workers = Workers {
            charges_every: Duration::from_secs(86_400),
            catalog: Arc::new(Catalog::new(engine.clone())),
            engine,
            store: store.clone(),
            toss: Toss::new(toss).expect("a client"),
            reconcile_after_ms: 30_000,
            allow_unsafe_database: false,
            name: Workers::new_name(),
            owned: Default::default(),
            drawing: Default::default(),
            drawn: Default::default(),
            clocks: Default::default(),
            keep_match_ms: 604_800_000,
            retired: Default::default(),
            halted: Default::default(),
        };
        let raw = grandstand::redis::connect(&redis.url()).await.expect("a client");
        let servers = Self { store, workers, redis, postgres, raw, _dir: dir };
        servers.load().await;
        servers
    }

    /// Loads all partitions in parallel, as a worker does when Redis is empty.
    pub async fn load(&self) {
        let load = |partition| async move {
            let (journal, lease) = self.journal(partition).await;
            self.workers.load_once(&journal, &lease).await.expect("a load");
            self.workers.engine.end_lease(&lease).await.expect("a reply");
        };
        futures::future::join_all(self.workers.engine.partitions().map(load)).await;
    }

    /// Returns the journal of a partition, with the lease that allows to move its position.
    pub async fn journal(&self, partition: Partition) -> (Journal, Lease) {
        let engine = &self.workers.engine;
        let journal = Journal::open(engine.redis(), partition).await.expect("a journal");
        let lease = engine.take_lease(partition, "bench", 600_000).await.expect("a reply");
        (journal, lease.expect("a partition that nobody owns"))
    }

    /// Empties Redis.
    pub async fn wipe(&self) {
        self.raw.flushall::<()>(false).await.expect("a reply");
    }

    /// Appends entries to the journal of a partition.
    pub async fn append(&self, partition: Partition, entries: Vec<Fields>) {
        let key = PartitionKeys(partition).journal();
        for chunk in entries.chunks(1000) {
            let pipeline = self.raw.pipeline();
            for fields in chunk {
                let added: Result<(), Error> =
                    pipeline.xadd(key.clone(), false, None::<()>, "*", fields.clone()).await;
                added.expect("a place in the pipeline");
            }
            let _: Vec<String> = pipeline.all().await.expect("entries");
        }
    }

    /// Opens a plain connection to PostgreSQL.
    pub async fn client(&self) -> tokio_postgres::Client {
        let url = self.postgres.url();
        let connected = tokio_postgres::connect(&url, tokio_postgres::NoTls).await;
        let (client, connection) = connected.expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Stops both servers.
    pub async fn stop(self) {
        self.redis.stop().await.expect("a clean end");
        self.postgres.stop().await.expect("a clean end");
    }
}
