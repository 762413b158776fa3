//! The composition root: builds the parts of a node, starts its tasks, stops them in order.

use crate::api::auth::Tokens;
use crate::api::checkout::Pauses;
use crate::api::extract::Calls;
use crate::api::limits::RateLimits;
use crate::api::taken::Taken;
use crate::api::users::{checked_email, checked_password, new_account};
use crate::api::{App, router, serve, worker_router};
use crate::config::Settings;
use crate::domain::account::Role;
use crate::engine::error::{EngineError, Refusal};
use crate::engine::{Engine, EngineSettings};
use crate::gateway::toss::{Toss, TossSettings};
use crate::live::catalog::Catalog;
use crate::live::hub::Hub;
use crate::store::{Store, StoreError};
use crate::stream::backlog::{BacklogLimits, Backlogs, MEASURE_EVERY};
use crate::stream::journal::Journal;
use crate::stream::persisted::Persisted;
use crate::stream::tail::{Listener, Tail, Told};
use crate::workers::Workers;
use anyhow::Context as _;
use clap::ValueEnum;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NodeRole {
    /// API and worker.
    All,
    Api,
    Worker,
}

/// A running node.
pub struct Node {
    pub app: Arc<App>,
    pub workers: Arc<Workers>,
    pub address: SocketAddr,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Node {
    /// Connects everything, starts the tasks, and listens. Redis must answer; PostgreSQL may come
    /// later, but not at the very first start.
    pub async fn start(settings: &Settings, role: NodeRole) -> anyhow::Result<Self> {
        crate::telemetry::metrics();
        let socket = serve::bind(&settings.listen).await?;
        let address = socket.local_addr()?;
        let stop = CancellationToken::new();
        let (app, workers) = build(settings, &stop).await?;
        let tail =
            Tail::start(&settings.redis_url, settings.partitions, listener(&app), stop.clone());
        app.hub.set_tail(tail.await.context("connecting the readers of the streams")?);
        let mut tasks = vec![
            tokio::spawn(tidy(app.clone(), stop.clone())),
            tokio::spawn(measure_backlogs(app.clone(), stop.clone())),
        ];
        if role != NodeRole::Api {
            tasks.extend(workers.clone().start(stop.clone()));
        }
        let routes = match role {
            NodeRole::Worker => worker_router(app.clone()),
            NodeRole::All | NodeRole::Api => router(app.clone()),
        };
        wait_until_loaded(&app, role).await?;
        first_administrator(&app, settings).await?;
        tasks.extend(app.hub.shards.start(&stop));
        tasks.push(tokio::spawn(serve::serve(socket, routes, app.hub.clone(), stop.clone())));
        Ok(Self { app, workers, address, stop, tasks })
    }

    /// The base URL of the node.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends the streams and the tasks; open requests get their time.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
        }
    }
}

/// The parts of a node without its tasks, for one command on a running installation.
pub async fn connect(settings: &Settings) -> anyhow::Result<Arc<App>> {
    let (app, _) = build(settings, &CancellationToken::new()).await?;
    wait_until_loaded(&app, NodeRole::Api).await?;
    Ok(app)
}

/// Longer than a partition takes to load.
const REBUILD_LEASE_MS: u64 = 60_000;
/// A worker that owns a partition notices within a second that it was closed.
const REBUILD_WAIT: Duration = Duration::from_secs(30);

/// Loads one partition or all of them from PostgreSQL again; answers how many. The worker that owns
/// a partition does it; without one this process takes its place.
pub async fn rebuild(settings: &Settings, partition: Option<u16>) -> anyhow::Result<usize> {
    if let Some(one) = partition.filter(|one| *one >= settings.partitions) {
        anyhow::bail!("there is no partition {one}: they are 0 to {}", settings.partitions - 1);
    }
    let (app, workers) = build(settings, &CancellationToken::new()).await?;
    let mut rebuilt = 0;
    for one in app.engine.partitions().filter(|one| partition.is_none_or(|only| only == one.0)) {
        let journal = Journal::open(&settings.redis_url, one).await?;
        app.engine.close_partition(one).await?;
        let closed_at = Instant::now();
        while app.engine.epoch(one).await?.is_none() {
            if app.engine.take_lease(one, &workers.name, REBUILD_LEASE_MS).await? {
                workers.load_once(&journal, one).await?;
                app.engine.end_lease(one).await?;
            }
            anyhow::ensure!(
                closed_at.elapsed() < REBUILD_WAIT,
                "the worker that owns partition {one} does not load it: look at its log"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        rebuilt += 1;
    }
    Ok(rebuilt)
}

async fn build(
    settings: &Settings,
    stop: &CancellationToken,
) -> anyhow::Result<(Arc<App>, Arc<Workers>)> {
    let store = Store::new(&settings.database_url, settings.database_connections)?;
    check_store(&store, settings).await?;
    let engine = Engine::connect(EngineSettings {
        redis_url: settings.redis_url.clone(),
        partitions: settings.partitions,
        limits: settings.limits(),
    });
    let where_to = || {
        let place = crate::redis::place(&settings.redis_url);
        format!("connecting to Redis at {place} (GRANDSTAND_REDIS_URL)")
    };
    let engine = Arc::new(engine.await.with_context(where_to)?);
    for warning in engine.durability_warnings().await? {
        tracing::warn!("{warning}");
    }
    if let Some(stored) = engine.partitions_stored().await?
        && stored != settings.partitions
    {
        anyhow::bail!(wrong_partitions("Redis", stored, settings.partitions));
    }
    let toss = Toss::new(toss_settings(settings))?;
    let catalog = Arc::new(Catalog::new(engine.clone()));
    let hub = Arc::new(Hub::new(engine.clone(), catalog.clone()));
    let workers = Workers {
        engine: engine.clone(),
        catalog: catalog.clone(),
        store: store.clone(),
        toss: toss.clone(),
        redis_url: settings.redis_url.clone(),
        reconcile_after_ms: settings.reconcile_after_ms,
        allow_unsafe_database: settings.allow_unsafe_database,
        name: Workers::new_name(),
        owned: Default::default(),
        clocks: Default::default(),
        keep_match_ms: settings.keep_match_ms as i64,
        retired: Default::default(),
    };
    let limits = BacklogLimits {
        entries: settings.journal_entries_max,
        age_ms: settings.journal_age_ms_max,
    };
    let backlogs = Backlogs::connect(&settings.redis_url, settings.partitions, limits);
    let app = App {
        engine,
        backlogs: Arc::new(backlogs.await.with_context(where_to)?),
        store,
        catalog,
        hub,
        persisted: Arc::new(Persisted::new(settings.partitions)),
        toss,
        tokens: Tokens::new(&settings.jwt_secret, settings.access_ttl_ms, settings.refresh_ttl_ms),
        limits: RateLimits::new(&settings.rates),
        pauses: Pauses::default(),
        calls: Calls::default(),
        taken: Taken::default(),
        checkout_url: settings.toss_checkout_url.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        stop: stop.clone(),
    };
    Ok((Arc::new(app), Arc::new(workers)))
}

fn toss_settings(settings: &Settings) -> TossSettings {
    TossSettings {
        base_url: settings.toss_base_url.clone(),
        // `serve` refuses to start without one; `verify`, `rebuild` and `demo` never pay.
        secret_key: match settings.toss_secret_key.as_str() {
            "" => "none".to_owned(),
            key => key.to_owned(),
        },
        timeout_ms: settings.toss_timeout_ms,
    }
}

/// A node starts without PostgreSQL (holds go on), but never on one that is set up wrong.
async fn check_store(store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let checked = async {
        if !settings.allow_unsafe_database {
            store.assert_durable().await?;
        }
        store.partition_count(settings.partitions).await
    };
    match checked.await {
        Ok(stored) if stored == settings.partitions => Ok(()),
        Ok(stored) => {
            Err(anyhow::anyhow!(wrong_partitions("PostgreSQL", stored, settings.partitions)))
        }
        Err(StoreError::Away(reason)) => {
            tracing::warn!(reason, "PostgreSQL is away: payments are paused until it is back");
            Ok(())
        }
        Err(error @ (StoreError::Schema(_) | StoreError::Refused(_))) => {
            Err(error).context("the database is not ready: run `grandstand migrate` first")
        }
        Err(error) => Err(error.into()),
    }
}

fn wrong_partitions(place: &str, stored: u16, wanted: u16) -> String {
    format!(
        "{place} was first started with {stored} partitions and the setting says {wanted}. Ids \
         carry their partition, so the number can't change: set GRANDSTAND_PARTITIONS={stored}."
    )
}

fn listener(app: &Arc<App>) -> Listener {
    let app = app.clone();
    Arc::new(move |told| match told {
        Told::Changes(id, at, fields) => app.hub.hear(id, at, fields),
        Told::Persisted(partition, fields) => app.persisted.hear(partition, &fields),
        Told::SessionEnded(session) => app.tokens.end(session),
        Told::SiteChanged(id) => {
            let catalog = app.catalog.clone();
            tokio::spawn(async move { note(catalog.refresh_site(id).await) });
        }
        Told::MatchChanged(id) => {
            let (catalog, hub) = (app.catalog.clone(), app.hub.clone());
            tokio::spawn(async move {
                let known = catalog.refresh_match(id).await;
                if known.is_ok() && catalog.event(id).is_none_or(|event| event.archived) {
                    hub.end(id);
                }
                note(known);
            });
        }
        Told::Epoch(partition, epoch) => {
            app.persisted.forget(partition);
            if let Some(epoch) = epoch {
                let (catalog, hub) = (app.catalog.clone(), app.hub.clone());
                tokio::spawn(async move {
                    note(catalog.reload(partition).await);
                    hub.reset(partition, epoch);
                });
            }
        }
    })
}

fn note(result: Result<(), EngineError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "the catalogue of this node may be behind");
    }
}

/// At the first start the worker makes the partitions; an API node waits for one to do so.
async fn wait_until_loaded(app: &App, role: NodeRole) -> anyhow::Result<()> {
    let mut told = false;
    for partition in app.engine.partitions() {
        while app.engine.epoch(partition).await?.is_none() {
            if !told && role == NodeRole::Api {
                tracing::info!("waiting for a worker to load the partitions");
                told = true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        app.catalog.reload(partition).await?;
    }
    Ok(())
}

async fn first_administrator(app: &App, settings: &Settings) -> anyhow::Result<()> {
    if settings.admin_email.is_empty() {
        return Ok(());
    }
    let email = checked_email(&settings.admin_email);
    let password = checked_password(&settings.admin_password);
    let (Ok(email), Ok(password)) = (email, password) else {
        anyhow::bail!(
            "GRANDSTAND_ADMIN_EMAIL must be an e-mail address and GRANDSTAND_ADMIN_PASSWORD must \
             have 8 to 128 characters"
        );
    };
    if app.engine.account(&email).await?.is_some() {
        return Ok(());
    }
    let account = new_account(app, email, password, Role::Admin).await;
    let account = account.map_err(|_| anyhow::anyhow!("making the first administrator failed"))?;
    match app.engine.create_account(&account, Default::default()).await {
        Ok(_) | Err(EngineError::Refused(Refusal::EmailTaken)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn tidy(app: Arc<App>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(10)) => {}
            () = stop.cancelled() => return,
        }
        app.hub.drop_idle();
        app.limits.tidy();
        metrics::gauge!("grandstand_live_maps").set(app.hub.running() as f64);
    }
}

async fn measure_backlogs(app: Arc<App>, stop: CancellationToken) {
    loop {
        if let Err(error) = app.backlogs.measure_once().await {
            tracing::warn!(%error, "the journals can't be measured");
        }
        tokio::select! {
            () = tokio::time::sleep(MEASURE_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
