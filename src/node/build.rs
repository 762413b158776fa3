//! Builds the parts of a node, and connects and checks them. It starts nothing.

use crate::api::Services;
use crate::api::address::Proxies;
use crate::api::challenge::Challenges;
use crate::api::check_in_codes::CheckInCodes;
use crate::api::cors::Origins;
use crate::api::counts::SeatCounts;
use crate::api::extract::Calls;
use crate::api::health::Health;
use crate::api::hints::Hints;
use crate::api::limits::RateLimits;
use crate::api::mails::Mails;
use crate::api::pay_page::PayPage;
use crate::api::tokens::Tokens;
use crate::api::totp::SecondFactors;
use crate::checkout::Checkout;
use crate::checkout::settle::Settlement;
use crate::config::Settings;
use crate::domain::ids::Partition;
use crate::engine::{Engine, EngineSettings};
use crate::gateway::client::TossSettings;
use crate::gateway::toss::Toss;
use crate::live::catalog::Catalog;
use crate::live::hub::Hub;
use crate::node::NodeRole;
use crate::store::{Store, StoreError};
use crate::stream::backlog::{BacklogLimits, Backlogs};
use crate::stream::persisted::Persisted;
use crate::workers::Workers;
use anyhow::Context as _;
use grandstand_embedded::tell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a start waits for all partitions when some are loaded. Longer: one dead server of Redis
/// delays the start of each node. Shorter: more nodes start before their partitions are loaded.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// The parts of a node, from its settings.
pub(crate) async fn build(
    settings: &Settings,
    role: NodeRole,
    stop: &CancellationToken,
) -> anyhow::Result<(Arc<Services>, Arc<Workers>)> {
    let (url, connections) = (&settings.database_url, settings.database_connections);
    let store = match role {
        NodeRole::Api => Store::for_requests(url, connections)?,
        NodeRole::All | NodeRole::Worker => Store::new(url, connections)?,
    };
    let engine = Arc::new(connect_engine(settings).await?);
    check_store(&store, settings).await?;
    for warning in engine.durability_warnings().await {
        tracing::warn!("{warning}");
    }
    if let Some(stored) = engine.partitions_stored().await
        && stored != settings.partitions
    {
        anyhow::bail!(wrong_partitions("Redis", stored, settings.partitions));
    }
    let toss = gateway(settings)?;
    let catalog = Arc::new(Catalog::new(engine.clone()));
    let hub = Arc::new(Hub::new(engine.clone(), catalog.clone()));
    let workers = workers(settings, (&engine, &catalog), &store, &toss);
    let limits = BacklogLimits {
        entries: settings.journal_entries_max,
        age_ms: settings.journal_age_ms_max,
    };
    let backlogs = Backlogs::new(engine.redis().clone(), settings.partitions, limits);
    let backlogs = Arc::new(backlogs);
    let persisted = Arc::new(Persisted::new(settings.partitions));
    let checkout = Checkout::new(&engine, &store, &toss, &persisted, &backlogs);
    let (secret, older) = settings.long_term_secrets();
    let services = Services {
        settlement: Settlement::new(&engine, &store, &toss),
        engine,
        hints: Hints::default(),
        checkout: Arc::new(checkout),
        backlogs,
        store,
        catalog,
        hub,
        persisted,
        toss,
        tokens: tokens(settings),
        mails: Mails::new(settings)?,
        limits: RateLimits::new(&settings.rates),
        challenges: Challenges::new(&settings.challenges, &settings.jwt_secret)?,
        check_in_codes: CheckInCodes::new(secret, older),
        second_factors: SecondFactors::new(secret, older),
        staff_need_second_factor: settings.staff_need_second_factor,
        calls: Calls::default(),
        counts: SeatCounts::default(),
        health: Health::new(settings.partitions),
        pay_page: PayPage::new(settings),
        webhook_secret: settings.toss_webhook_secret.clone(),
        holds_need_verified_email: settings.holds_need_verified_email,
        origins: Origins::new(&settings.allowed_origins),
        steps: Default::default(),
        proxies: Proxies::new(&settings.trusted_proxies),
        stop: stop.clone(),
    };
    Ok((Arc::new(services), Arc::new(workers)))
}

fn workers(
    settings: &Settings,
    (engine, catalog): (&Arc<Engine>, &Arc<Catalog>),
    store: &Store,
    toss: &Toss,
) -> Workers {
    Workers {
        engine: engine.clone(),
        catalog: catalog.clone(),
        store: store.clone(),
        toss: toss.clone(),
        reconcile_after_ms: settings.reconcile_after_ms,
        charges_every: Duration::from_millis(settings.compare_charges_ms),
        allow_unsafe_database: settings.allow_unsafe_database,
        name: Workers::new_name(),
        owned: Default::default(),
        halted: Default::default(),
        drawing: Default::default(),
        drawn: Default::default(),
        clocks: Default::default(),
        keep_match_ms: settings.keep_match_ms as i64,
        retired: Default::default(),
    }
}

fn tokens(settings: &Settings) -> Tokens {
    Tokens::new(
        &settings.jwt_secret,
        &settings.jwt_secret_old,
        settings.access_ttl_ms,
        settings.refresh_ttl_ms,
    )
}

async fn connect_engine(settings: &Settings) -> anyhow::Result<Engine> {
    let connecting = Engine::connect(EngineSettings {
        redis_url: settings.redis_url.clone(),
        partitions: settings.partitions,
        limits: settings.limits(),
    });
    connecting.await.with_context(|| {
        let address = crate::redis::address(&settings.redis_url);
        format!("connecting to Redis at {address} (GRANDSTAND_REDIS_URL)")
    })
}

fn gateway(settings: &Settings) -> anyhow::Result<Toss> {
    // `serve` refuses to start without a key; `verify`, `rebuild` and `demo` never pay.
    let key = settings.toss_secret_key.as_str();
    Toss::new(TossSettings {
        base_url: settings.toss_base_url.clone(),
        secret_key: if key.is_empty() { "none" } else { key }.to_owned(),
        timeout_ms: settings.toss_timeout_ms,
    })
}

/// A node starts without PostgreSQL, because holds work without it, but never with a wrong setup of
/// PostgreSQL.
async fn check_store(store: &Store, settings: &Settings) -> anyhow::Result<()> {
    let checked = async {
        if !settings.allow_unsafe_database {
            store.assert_durable().await?;
        }
        store.partition_count().await
    };
    match checked.await {
        Ok(Some(stored)) if stored != settings.partitions => {
            Err(anyhow::anyhow!(wrong_partitions("PostgreSQL", stored, settings.partitions)))
        }
        // Without a number the database is new or has lost everything. The worker finds out which.
        Ok(_) => Ok(()),
        Err(StoreError::Away(reason)) => {
            tracing::warn!(reason, "PostgreSQL is away: payments are paused until it is back");
            Ok(())
        }
        Err(
            error @ (StoreError::Schema(_) | StoreError::Refused(_) | StoreError::Moved { .. }),
        ) => Err(error).context("the database is not ready: run `grandstand migrate` first"),
        Err(error) => Err(error.into()),
    }
}

fn wrong_partitions(place: &str, stored: u16, wanted: u16) -> String {
    format!(
        "{place} was first started with {stored} partitions and the setting says {wanted}. Ids \
         carry their partition, so the number can't change: set GRANDSTAND_PARTITIONS={stored}."
    )
}

/// The kind of process that waits for the partitions.
pub(super) enum Waiting {
    /// A node waits without a limit.
    Node(NodeRole),
    /// A command tells its user, and fails after this time.
    Command(Duration),
}

/// Waits until the partitions are loaded. At the very first start a worker creates them, and API
/// nodes wait for it. When some partitions are loaded after `START_TIMEOUT`, the node starts
/// without the rest.
pub(super) async fn wait_until_loaded(services: &Services, waiting: Waiting) -> anyhow::Result<()> {
    let (mut announced, begun) = (false, Instant::now());
    let mut missing: Vec<Partition> = services.engine.partitions().collect();
    loop {
        let mut away = Vec::new();
        for partition in missing {
            let loaded = match services.engine.epoch(partition).await {
                Ok(Some(_)) => services.catalog.reload(partition).await.is_ok(),
                Ok(None) | Err(_) => false,
            };
            if !loaded {
                away.push(partition);
            }
        }
        missing = away;
        let some_are_loaded = missing.len() < usize::from(services.engine.partition_count());
        if missing.is_empty() || some_are_loaded && begun.elapsed() > START_TIMEOUT {
            break;
        }
        match waiting {
            Waiting::Node(NodeRole::Api) if !announced => {
                tracing::info!("waiting for a worker to load the partitions");
            }
            Waiting::Command(most) if !announced => {
                let most = most.as_secs();
                tell(format_args!(
                    "waiting for a worker to load the partitions, at most {most} s\n"
                ));
            }
            Waiting::Command(most) if begun.elapsed() >= most => anyhow::bail!(
                "no worker has loaded the partitions within {} s. Start one (`grandstand serve`, \
                 or with `--role worker`) and look at its log; then run this again.",
                most.as_secs()
            ),
            Waiting::Node(_) | Waiting::Command(_) => {}
        }
        announced = true;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for partition in missing {
        tracing::warn!(%partition, "starting without this partition, which is not loaded");
    }
    Ok(())
}
